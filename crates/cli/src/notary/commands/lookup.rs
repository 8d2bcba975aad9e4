//! The table of `lookup`.

use super::reading::FORMAT;
use crate::cobra::{Args, Command, Completes};

pub(super) static LOOKUP: Command = Command {
    name: "lookup",
    usage: "[ GUN ] <target>",
    short: "Print digest and length of one signed target",
    about: "\
Prints what list shows of one target: its name, SHA-256 digest and length. The first role that may sign the name and lists it answers,
breadth first from targets.",
    examples: "\
{} lookup -s https://notary.example.com example.com/team/app v1

# With all digests and custom data
{} lookup --format json example.com/team/app v1",
    flags: &[FORMAT],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
