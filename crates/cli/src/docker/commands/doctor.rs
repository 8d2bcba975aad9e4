//! The table of `doctor`.

use super::flag::text;
use crate::cobra::{Args, Command, Completes};

pub(super) static DOCTOR: Command = Command {
    name: "doctor",
    usage: "[OPTIONS] [REPOSITORY]",
    short: "Look for what keeps signing and verifying from working",
    about: "",
    examples: "\
# Configuration, keys, policy and trust server; takes two minutes at most, and changes nothing
{} doctor

# Also the login, the repository's roles, and what expires when
{} doctor registry.example.com/team/app",
    flags: &[text("format", None, "Print the findings as 'json'")
        .completing(Completes::OneOf(&["json"]))],
    args: Args::AtMost(1),
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
