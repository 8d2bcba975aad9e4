//! The table of `revoke`.

use super::flag::switch;
use crate::cobra::{Args, Command, Completes};

pub(super) static REVOKE: Command = Command {
    name: "revoke",
    usage: "[OPTIONS] IMAGE[:TAG]",
    short: "Remove trust for an image",
    about: "",
    examples: "",
    flags: &[switch("yes", Some('y'), "Do not prompt for confirmation")],
    args: Args::Exactly(1),
    completes: Completes::Images,
    hidden: false,
    children: &[],
};
