//! The table of `witness`.

use super::publish::PUBLISH_FLAG;
use crate::cobra::flag::switch;
use crate::cobra::{Args, Command, Completes};

pub(super) static WITNESS: Command = Command {
    name: "witness",
    usage: "[ GUN ] <role> ...",
    short: "Sign roles again as they are",
    about: "\
Stages that roles are signed again with the keys at hand: with a new version and a new end of validity, and with what they list now. That
mends a delegation that has expired, or whose document is signed by keys only that were removed from it. Whoever witnesses vouches for
everything that the role lists: look at it first.

What the role's keys did not sign and this computer never verified may be anything: on a terminal publishing shows it and asks, without one it
fails. --yes, with --publish, answers for scripts; it is no answer where the keys of the role signed what was verified here last.",
    examples: "\
# After a key was removed that had signed targets/releases
{} witness example.com/team/app targets/releases --publish",
    flags: &[
        PUBLISH_FLAG,
        switch(
            "yes",
            Some('y'),
            "Sign also what was never verified here, without a question",
        ),
    ],
    args: Args::Any,
    completes: Completes::RepositoryThenRoles,
    hidden: false,
    children: &[],
};
