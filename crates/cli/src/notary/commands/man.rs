//! The table of `man`.

use crate::cobra::flag::text;
use crate::cobra::{Args, Command, Completes};

pub(super) static MAN: Command = Command {
    name: "man",
    usage: "[ command ... ]",
    short: "Print a manual page, or write all of them into a folder",
    about: "\
Prints the manual page of a command, without one that of notary itself. With --directory the pages of all commands are written into a folder,
as a package does it; files that are there are replaced. The pages are dated with today, or with SOURCE_DATE_EPOCH.",
    examples: "\
# Read a page that is not installed
{} man verify | man -l -

# Install all of them
{} man -C /usr/local/share/man/man1",
    flags: &[
        text("directory", Some('C'), "Folder to write all pages into")
            .completing(Completes::Folders),
    ],
    args: Args::Any,
    completes: Completes::Nothing,
    hidden: false,
    children: &[],
};
