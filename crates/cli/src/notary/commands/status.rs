//! The table of `status`.

use super::reading::FORMAT;
use crate::cobra::{Args, Command, Completes};

pub(super) static STATUS: Command = Command {
    name: "status",
    usage: "[ GUN ]",
    short: "List the staged changes of a repository",
    about: "\
Lists what was staged and not yet published, by whatever program, in the order in which it will be applied. A file that is no change keeps its
number and is told on standard error.",
    examples: "\
{} status example.com/team/app

# For a program
{} status --format json example.com/team/app",
    flags: &[FORMAT],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
