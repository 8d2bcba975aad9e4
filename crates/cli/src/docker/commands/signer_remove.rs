//! The table of `signer remove`.

use super::flag::switch;
use crate::cobra::{Args, Command, Completes};

pub(super) static SIGNER_REMOVE: Command = Command {
    name: "remove",
    usage: "[OPTIONS] NAME REPOSITORY [REPOSITORY...]",
    short: "Remove a signer",
    about: "",
    examples: "",
    flags: &[switch(
        "force",
        Some('f'),
        "Do not prompt for confirmation before removing the most recent signer",
    )],
    args: Args::AtLeast(2),
    completes: Completes::SignerThenRepositories,
    hidden: false,
    children: &[],
};
