//! The table of `verify`.

use crate::cobra::flag::{switch, text};
use crate::cobra::{Args, Command, Completes};

pub(super) static VERIFY: Command = Command {
    name: "verify",
    usage: "[ GUN ] <target>",
    short: "Hand on data only when they are what was signed",
    about: "\
Compares data with the digests that were signed for a target. When all agree the data go to standard output, or to the file of --output; when
not, nothing does and the exit code is 1.",
    examples: "\
# Between a download and what uses it
curl -s https://example.com/app.tar.gz | {} verify example.com/team/app app.tar.gz | tar xz

# Only the answer
{} verify -q -i app.tar.gz example.com/team/app app.tar.gz",
    flags: &[
        text("input", Some('i'), "File to check instead of standard input"),
        text("output", Some('o'), "File to write instead of standard output"),
        switch("quiet", Some('q'), "Write the data nowhere"),
    ],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
