//! The table of `reset`.

use crate::cobra::flag::{ints, switch};
use crate::cobra::{Args, Command, Completes};

pub(super) static RESET: Command = Command {
    name: "reset",
    usage: "[ GUN ]",
    short: "Take staged changes back",
    about: "\
Removes staged changes, by the numbers that status shows now, or all of them. What is published stays.",
    examples: "\
{} reset -n 0,2 example.com/team/app

{} reset --all example.com/team/app",
    flags: &[
        switch("all", None, "Take all staged changes back"),
        ints(
            "number",
            Some('n'),
            "Numbers of the changes to take back, as status shows them",
        ),
    ],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
