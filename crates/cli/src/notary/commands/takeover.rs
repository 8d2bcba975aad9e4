//! The table of `takeover`.

use crate::cobra::flag::switch;
use crate::cobra::{Args, Command, Completes};

pub(super) static TAKEOVER: Command = Command {
    name: "takeover",
    usage: "GUN",
    short: "Make an imported repository belong to its new server",
    about: "\
Gives the timestamp and snapshot keys of a repository that was brought to another server to that server, and renews what has expired or soon
will. Needs the repository's root key. Clients that know or pin the old root go on without a new decision.",
    examples: "\
# What would change
{} takeover -s https://notary.example.com --dry-run example.com/team/app

# In a script, with the passphrases in NOTARY_ROOT_PASSPHRASE and NOTARY_TARGETS_PASSPHRASE
{} takeover -s https://notary.example.com --yes example.com/team/app",
    flags: &[
        switch("dry-run", None, "Change nothing, only say what would change"),
        switch("yes", Some('y'), "Do not ask before publishing"),
    ],
    args: Args::Exactly(1),
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
