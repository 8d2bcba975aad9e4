//! The table of `list`.

use super::reading::FORMAT;
use crate::cobra::flag::strings;
use crate::cobra::{Args, Command, Completes};

pub(super) static LIST: Command = Command {
    name: "list",
    usage: "[ GUN ]",
    short: "List the signed targets of a repository",
    about: "\
Lists the targets of a repository by name, with digest, size and the role that signed them. Without --roles the role targets comes first and
every delegation after it, breadth first; a name is listed once, from the first role that has it. When the server cannot be reached the list
comes from what is remembered, and a warning on standard error says so.",
    examples: "\
# What consumers get
{} list -s https://notary.example.com example.com/team/app

# What releases say goes before what targets says
{} list --roles targets/releases,targets example.com/team/app

# For a program
{} list --format json example.com/team/app",
    flags: &[
        FORMAT,
        strings(
            "roles",
            Some('r'),
            "Roles to list, the one that goes before the others first",
        )
        .completing(Completes::Roles),
    ],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
