//! The table of `doctor`.

use super::reading::FORMAT;
use crate::cobra::{Args, Command, Completes};

pub(super) static DOCTOR: Command = Command {
    name: "doctor",
    usage: "[ GUN ]",
    short: "Look for what keeps signing and reading from working, and say what to do",
    about: "\
Looks at the configuration, the trust folder, the keys and the trust server, in the order in which they are needed; with the name of a
repository also at the login, its root and its pins, every role with its keys and its end of validity, and the changes that are staged. Each
line is ok, note, warning or problem, with the next step below it.

It only looks: nothing is written, nobody is asked for a passphrase or a login, and it takes two minutes at most. The exit code is 1 when
there is a problem, and 0 otherwise.",
    examples: "\
# This machine and the trust server
{} doctor

# A repository, too
{} doctor -s https://notary.example.com example.com/team/app

# For a program
{} doctor --format json example.com/team/app",
    flags: &[FORMAT],
    args: Args::AtMost(1),
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
