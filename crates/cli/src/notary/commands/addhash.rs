//! The table of `addhash`.

use super::publish::PUBLISH_FLAG;
use super::staging::{CUSTOM, ROLES};
use crate::cobra::flag::text;
use crate::cobra::{Args, Command, Completes};

pub(super) static ADDHASH: Command = Command {
    name: "addhash",
    usage: "[ GUN ] <target> <byte size> <hashes>",
    short: "Stage a target by its length and digests",
    about: "\
Stages a target that is not here: its length and digests come from the command line, at least one of --sha256 and --sha512. The size is a number
as Go writes them: 12, 0x0c, 0o14, 0b1100, 1_000.",
    examples: "\
{} addhash example.com/team/app v1 527 --sha256 a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447",
    flags: &[
        CUSTOM,
        PUBLISH_FLAG,
        ROLES,
        text("sha256", None, "SHA-256 digest of the target, in hex").completing(Completes::Nothing),
        text("sha512", None, "SHA-512 digest of the target, in hex").completing(Completes::Nothing),
    ],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
