//! The table of `delegation add`.

use crate::cobra::flag::{strings, switch};
use crate::cobra::{Args, Command, Completes};
use crate::notary::commands::publish::PUBLISH_FLAG;

pub(super) static ADD: Command = Command {
    name: "add",
    usage: "[ GUN ] [ Role ] <X509 file path 1> ...",
    short: "Let keys sign, below paths",
    about: "\
Stages that the keys of these files may sign for a role, targets/<name>, and the paths with which names must begin that they sign. A file
is PEM: a certificate or a public key, ECDSA or RSA. A role that is there gets the keys and paths that it lacks. Without any path a role
can sign nothing.",
    examples: "\
# What docker needs of a signer: a role of their own, and the releases
{} delegation add example.com/team/app targets/alice alice.crt --all-paths
{} delegation add example.com/team/app targets/releases alice.crt --all-paths --publish

# Only names that begin with nightly/
{} delegation add example.com/team/app targets/builder builder.pub --paths nightly/ --publish",
    flags: &[
        switch("all-paths", None, "Let the role sign every name"),
        strings("paths", None, "Let the role sign names that begin so"),
        PUBLISH_FLAG,
    ],
    args: Args::Any,
    completes: Completes::DelegationThenFiles,
    hidden: false,
    children: &[],
};
