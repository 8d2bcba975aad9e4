//! The table of `renew`.

use super::reading::FORMAT;
use crate::cobra::flag::switch;
use crate::cobra::{Args, Command, Completes};

pub(super) static RENEW: Command = Command {
    name: "renew",
    usage: "[ GUN ] [ role ... ]",
    short: "Sign documents of a repository again before or after they expire",
    about: "\
Signs root, targets, delegations and the snapshot again as they are, with a new end of validity, where their keys are in the trust folder, and
publishes them. Without roles that is everything that has expired or will within six months; roles that are named are renewed whenever they
end. What expired is renewed only when its own keys signed it and nothing newer was seen. Staged changes are neither published nor touched.

What others have to sign is listed with the keys that are needed. The exit code is 1 when something that has expired, or was named, could not be
renewed. A computer that has never seen the repository cannot tell an old state from the newest one: it asks on a terminal, and fails without
one unless --yes is given. The trust server renews timestamps, and snapshots for which it has the key, by itself.",
    examples: "\
# What would be renewed
{} renew --dry-run example.com/team/app

# Everything that is due
{} renew -s https://notary.example.com example.com/team/app

# The root, years before its end
{} renew example.com/team/app root",
    flags: &[
        switch("dry-run", None, "Change nothing, only say what would be renewed"),
        switch(
            "yes",
            Some('y'),
            "Renew without a question what this computer has never seen before",
        ),
        FORMAT,
    ],
    args: Args::Any,
    completes: Completes::RepositoryThenRoles,
    hidden: false,
    children: &[],
};
