//! The table of `delegation remove`.

use crate::cobra::flag::{strings, switch};
use crate::cobra::{Args, Command, Completes};
use crate::notary::commands::publish::PUBLISH_FLAG;

pub(super) static REMOVE: Command = Command {
    name: "remove",
    usage: "[ GUN ] [ Role ] <KeyID 1> ...",
    short: "Take keys or paths from a role, or all of it",
    about: "\
Stages that a role loses keys, named by the IDs that delegation list shows, or paths. With neither it is the whole role that goes, after a
question. A role that loses its last key stays, and nobody can sign for it until it gets another one. What a removed key has signed does not
count any more: witness the role with a key that stays.",
    examples: "\
# A signer's old key, from the releases and from their own role
{} delegation remove example.com/team/app targets/releases 1091060d7bfd938dfa5be703fa057974f9322a4faef6f580334f3d6df44c02d1 --publish
{} delegation remove example.com/team/app targets/alice 1091060d7bfd938dfa5be703fa057974f9322a4faef6f580334f3d6df44c02d1 --publish

# A whole role, without the question
{} delegation remove example.com/team/app targets/alice --yes --publish",
    flags: &[
        switch("all-paths", None, "Take all paths from the role"),
        strings("paths", None, "Take these paths from the role"),
        PUBLISH_FLAG,
        switch("yes", Some('y'), "Do not ask before the whole role goes"),
    ],
    args: Args::Any,
    completes: Completes::DelegationThenKeys,
    hidden: false,
    children: &[],
};
