//! The table of `add`.

use super::publish::PUBLISH_FLAG;
use super::staging::{CUSTOM, ROLES};
use crate::cobra::{Args, Command, Completes};

pub(super) static ADD: Command = Command {
    name: "add",
    usage: "[ GUN ] <target> <file>",
    short: "Stage a file as a target",
    about: "\
Stages a target with the length and the SHA-256 and SHA-512 digests of a file, for the next publish. Nothing is sent; whether the roles exist
turns out when it is published.",
    examples: "\
{} add example.com/team/app app.tar.gz build/app.tar.gz

# With data about it, for a delegation, and published right away
{} add -p --roles targets/releases --custom build.json example.com/team/app v1 app.tar.gz",
    flags: &[CUSTOM, PUBLISH_FLAG, ROLES],
    args: Args::Any,
    completes: Completes::RepositoryThenFiles,
    hidden: false,
    children: &[],
};
