//! The table of `init`.

use super::publish::PUBLISH_FLAG;
use crate::cobra::flag::text;
use crate::cobra::{Args, Command, Completes};

pub(super) static INIT: Command = Command {
    name: "init",
    usage: "[ GUN ]",
    short: "Begin a repository",
    about: "\
Makes the keys and the first metadata of a repository, and keeps them in the trust folder until they are published. The server gives its timestamp
key first; when it cannot, nothing is made. The root key is the one of --rootkey, else one that is at hand, else a new one. Where several are at
hand, one with which a repository here is signed goes before others, then the lowest ID. A repository that is trusted here already is not begun
again.",
    examples: "\
{} init -s https://notary.example.com example.com/team/app

# With a root key from elsewhere, and published right away
{} init -p --rootkey root-key.pem example.com/team/app",
    flags: &[
        PUBLISH_FLAG,
        text(
            "rootcert",
            None,
            "Certificate to use for the root key, instead of making one",
        ),
        text("rootkey", None, "Encrypted private key to use as the root key"),
    ],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
