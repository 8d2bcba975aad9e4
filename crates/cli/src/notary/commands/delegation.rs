//! The tables of `delegation`.

mod add;
mod list;
mod purge;
mod remove;

use crate::cobra::{Args, Command, Completes};

pub(super) static DELEGATION: Command = Command {
    name: "delegation",
    usage: "",
    short: "Who may sign for whom",
    about: "Delegations let keys of other people sign targets of a repository, below paths that are given to them.",
    examples: "",
    flags: &[],
    args: Args::Any,
    completes: Completes::Nothing,
    hidden: false,
    children: &[&add::ADD, &list::LIST, &purge::PURGE, &remove::REMOVE],
};
