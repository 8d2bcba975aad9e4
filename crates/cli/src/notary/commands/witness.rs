//! The table of `witness`.

use super::publish::PUBLISH_FLAG;
use crate::cobra::{Args, Command, Completes};

pub(super) static WITNESS: Command = Command {
    name: "witness",
    usage: "[ GUN ] <role> ...",
    short: "Sign roles again as they are",
    about: "\
Stages that roles are signed again with the keys at hand: with a new version and a new end of validity, and with what they list now. That
mends a delegation that has expired, or whose document is signed by keys only that were removed from it. Whoever witnesses vouches for
everything that the role lists: look at it first.",
    examples: "\
# After a key was removed that had signed targets/releases
{} witness example.com/team/app targets/releases --publish",
    flags: &[PUBLISH_FLAG],
    args: Args::Any,
    completes: Completes::RepositoryThenRoles,
    hidden: false,
    children: &[],
};
