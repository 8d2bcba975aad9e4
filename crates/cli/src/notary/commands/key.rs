//! The tables of `key`.

use super::reading::FORMAT;
use crate::cobra::flag::{int, switch, text};
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
    children: &[
        &EXPORT, &GENERATE, &IMPORT, &LIST, &PASSWD, &REMOVE, &ROTATE,
    ],
};

static EXPORT: Command = Command {
    name: "export",
    usage: "",
    short: "Write keys to a file, under the passphrases that they have",
    about: "\
Writes keys as they are stored, each under its own passphrase, to standard output or to a file that only the user may read. The file is for
a safe, or for key import on another computer.",
    examples: "\
# All keys
{} key export -o keys.pem

# Those of two repositories
{} key export --gun example.com/team/app --gun example.com/team/web -o keys.pem",
    flags: &[
        Flag {
            kind: FlagKind::Strings,
            ..text("gun", None, "Export the keys of these repositories only")
                .completing(Completes::Repositories)
        },
        Flag {
            kind: FlagKind::Strings,
            ..text("key", None, "Export the keys with these IDs only").completing(Completes::Keys)
        },
        text("output", Some('o'), "File to write to, instead of standard output"),
    ],
    args: Args::Any,
    completes: Completes::Nothing,
    hidden: false,
    children: &[],
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

static IMPORT: Command = Command {
    name: "import",
    usage: "pemfile [ pemfile ... ]",
    short: "Store the keys of files",
    about: "\
Stores every private key of the files. A key that key export wrote keeps its passphrase, role and repository; for others a passphrase is
asked for, and the flags say what they are for. Keys that are there already are not replaced by others, and not given another role.

The exit code is 0 when every key of every file is stored.",
    examples: "\
# What key export wrote
{} key import keys.pem

# A key of OpenSSL's, for a signer
{} key import --role alice alice.pem",
    flags: &[
        text("gun", Some('g'), "Repository of keys that name none").completing(Completes::Repositories),
        text("role", Some('r'), "Role of keys that name none, instead of delegation")
            .completing(Completes::OneOf(ROLES)),
    ],
    args: Args::Any,
    completes: Completes::Files,
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

static PASSWD: Command = Command {
    name: "passwd",
    usage: "[ keyID ]",
    short: "Change the passphrase of a key",
    about: "\
Asks for the passphrase of a key, unless a variable holds it, and for a new one, which is typed twice on a terminal.",
    examples: "{} key passwd 9deed251daa1aa6f9d5f9b752847647cf8d705da0763aa5467650d0987ed5306",
    flags: &[],
    args: Args::Any,
    completes: Completes::Keys,
    hidden: false,
    children: &[],
};

static REMOVE: Command = Command {
    name: "remove",
    usage: "[ keyID ]",
    short: "Remove a key for good",
    about: "\
Removes a private key from the trust folder, after a question. Without another copy of it, nobody can sign with it any more.",
    examples: "{} key remove 9deed251daa1aa6f9d5f9b752847647cf8d705da0763aa5467650d0987ed5306",
    flags: &[],
    args: Args::Any,
    completes: Completes::Keys,
    hidden: false,
    children: &[],
};

static ROTATE: Command = Command {
    name: "rotate",
    usage: "[ GUN ] [ key role ]",
    short: "Replace the key of root, targets, snapshot or timestamp, and publish that",
    about: "\
Makes a new key for a role of a repository, lists it in a new root in the place of the old one, and publishes that at once; the root key is
needed for it. Staged changes are neither published nor touched. The server alone has the timestamp key, and may have the snapshot key: with
--server-managed it makes a new one. A new root key is asked about first; the new root is signed with the old key, too, so that everybody who
trusts the old one follows.

The old private key of targets or snapshot is removed when the server has acknowledged the new one; until then nothing is lost. Old root keys
stay: put them into a safe.",
    examples: "\
# A new key for targets
{} key rotate example.com/team/app targets

# The server signs snapshots from now on, so that others can publish without the snapshot key
{} key rotate --server-managed example.com/team/app snapshot

# A root key from elsewhere; computers that have not looked for years can follow, too
{} key rotate --key new-root.pem --legacy -1 example.com/team/app root",
    flags: &[
        Flag {
            kind: FlagKind::Strings,
            ..text(
                "key",
                Some('k'),
                "File with a private key to use instead of a new one; more than one may be given",
            )
        },
        Flag {
            shorthand: Some('l'),
            ..int(
                "legacy",
                "Sign a new root with the keys of so many earlier roots, too; -1 is all",
                0,
            )
        },
        switch(
            "server-managed",
            Some('r'),
            "The server makes the key and keeps it: for timestamp and snapshot",
        ),
    ],
    args: Args::Any,
    completes: Completes::RepositoryThen(&["root", "snapshot", "targets", "timestamp"]),
    hidden: false,
    children: &[],
};

/// Roles that a person may mean.
const ROLES: &[&str] = &["delegation", "root", "snapshot", "targets"];
