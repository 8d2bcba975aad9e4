//! The table of `delegation purge`.

use crate::cobra::flag::strings;
use crate::cobra::{Args, Command, Completes};
use crate::notary::commands::publish::PUBLISH_FLAG;

pub(super) static PURGE: Command = Command {
    name: "purge",
    usage: "[ GUN ]",
    short: "Take keys from every role",
    about: "\
Stages that keys, named by the IDs that delegation list shows, are taken from every delegation of a repository, at any depth. Where no key
is at hand to sign the change of a role's delegations, they stay as they are, with a warning.",
    examples: "{} delegation purge example.com/team/app --key 1091060d7bfd938dfa5be703fa057974f9322a4faef6f580334f3d6df44c02d1 --publish",
    flags: &[
        strings("key", None, "IDs of the keys to take away").completing(Completes::DelegationKeys),
        PUBLISH_FLAG,
    ],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
