//! The table of `delegation list`.

use crate::cobra::{Args, Command, Completes};
use crate::notary::commands::reading::FORMAT;

pub(super) static LIST: Command = Command {
    name: "list",
    usage: "[ GUN ]",
    short: "List the delegations of a repository",
    about: "Lists every delegation with its paths, the IDs of its keys and how many of them must sign.",
    examples: "\
{} delegation list -s https://notary.example.com example.com/team/app

# For a program
{} delegation list --format json example.com/team/app",
    flags: &[FORMAT],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
