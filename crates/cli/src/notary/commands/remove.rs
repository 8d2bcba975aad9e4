//! The table of `remove`.

use super::publish::PUBLISH_FLAG;
use super::staging::ROLES;
use crate::cobra::{Args, Command, Completes};

pub(super) static REMOVE: Command = Command {
    name: "remove",
    usage: "[ GUN ] <target>",
    short: "Stage the removal of a target",
    about: "\
Stages the removal of a target for the next publish. Nothing is sent; whether the target is there turns out when it is published, and one that
is not there is no error.",
    examples: "\
{} remove example.com/team/app v1

# From a delegation, and published right away
{} remove -p --roles targets/releases example.com/team/app v1",
    flags: &[PUBLISH_FLAG, ROLES],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
