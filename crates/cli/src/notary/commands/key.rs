//! The tables of `key`.

use crate::cobra::flag::text;
use crate::cobra::{Args, Command, Completes, Flag, FlagKind};

pub(super) static KEY: Command = Command {
    name: "key",
    usage: "",
    short: "Private keys: list, make, hand over, take in, remove",
    about: "Lists, makes, exports, imports and removes the private keys of the trust folder. Nothing here uses the network.",
    examples: "",
    flags: &[],
    // compat: a word that is no command of the group shows its page.
    args: Args::Any,
    completes: Completes::Nothing,
    hidden: false,
    children: &[&GENERATE, &LIST],
};

static GENERATE: Command = Command {
    name: "generate",
    usage: "[ algorithm ]",
    short: "Make a new key",
    about: "\
Makes a new ECDSA key and stores it under a passphrase. With --output nothing is stored: the private key is written to <output>-key.pem and
the public key to <output>.pem, for somebody else or for a safe. Files that exist are not replaced.",
    examples: "\
# A root key, before the first repository
{} key generate

# A key for a signer; alice-key.pem is imported where alice signs, alice.pem goes into a delegation
{} key generate --role alice --output alice",
    flags: &[
        text(
            "gun",
            Some('g'),
            "Repository of a key with role targets, snapshot or timestamp",
        )
        .completing(Completes::Repositories),
        text("output", Some('o'), "Begin of the names of two files to write"),
        Flag {
            kind: FlagKind::Text { default: "root" },
            ..text("role", Some('r'), "Role or name that the key is for")
                .completing(Completes::OneOf(ROLES))
        },
    ],
    args: Args::Any,
    completes: Completes::OneOf(&["ecdsa"]),
    hidden: false,
    children: &[],
};

static LIST: Command = Command {
    name: "list",
    usage: "",
    short: "List the keys of the trust folder",
    about: "Lists the private keys of the trust folder: role, repository, ID and folder. No passphrase is needed.",
    examples: "{} key list\n{} key list -d ~/.docker/trust --format json",
    flags: &[FORMAT],
    args: Args::Any,
    completes: Completes::Nothing,
    hidden: false,
    children: &[],
};

const FORMAT: Flag =
    text("format", None, "Print 'json'").completing(Completes::OneOf(&["json", "text"]));

/// Roles that a person may mean.
const ROLES: &[&str] = &["delegation", "root", "snapshot", "targets"];
