//! The tables of `archive`.

use super::reading::FORMAT;
use crate::cobra::flag::{int, list, switch, text};
use crate::cobra::{Args, Command, Completes, Flag, FlagKind};

pub(super) static ARCHIVE: Command = Command {
    name: "archive",
    usage: "",
    short: "Take trust repositories out of a server, and look at what was taken",
    about: "\
Takes trust repositories out of a server, with everything that proves them, into one file that verifies itself. What an archive holds can be
shown, checked and brought to another server when the first one is gone. Only create and import use the network.",
    examples: "",
    flags: &[],
    args: Args::Group,
    completes: Completes::Nothing,
    hidden: false,
    children: &[
        &CREATE, &DIFF, &EXTRACT, &IMPORT, &LIST, &SHOW, &VERIFY,
    ],
};

static CREATE: Command = Command {
    name: "create",
    usage: "[ GUN ... ] -o FILE",
    short: "Take repositories out of a trust server into an archive",
    about: "\
Fetches the whole root chain of each repository and its current timestamp, snapshot, targets and delegations, verifies them as a client does
and records them with the verdict. An interrupted run goes on where it was when the same command is started again.

The server gets NOTARY_AUTH, or docker's login for the server itself or for a registry on the same host after which a repository that you name
is called. Other registries' logins it gets with --login-for, for the repositories that are named after them.

The exit code is 0 when everything that was asked for is in the archive, whatever its verdict.",
    examples: "\
# Two repositories of one server
{} archive create -s https://notary.example.com -o trust.tar.gz example.com/team/app example.com/team/web

# Everything that the server has published, with all older versions it still gives
{} archive create -s https://notary.example.com --changefeed --history -o trust.tar.gz

# The same of a server that takes the login of a registry
{} archive create -s https://notary.example.com --changefeed --login-for registry.example.com -o trust.tar.gz

# A list of names, and a signature of whoever made the archive
{} archive create -s https://notary.example.com --from-file names.txt --sign-key archivist.pem -o trust.tar.gz

# What a docker client knows, without any server
{} archive create --from-trust-dir ~/.docker/trust -o trust.tar.gz",
    flags: &[
        switch(
            "changefeed",
            None,
            "Take every repository that the server's list of changes names",
        ),
        FORMAT,
        text(
            "from-database",
            None,
            "Take repositories out of a server's database instead: a SQLite file or an SQL dump",
        ),
        text("from-file", None, "File with a repository's name a line; - for standard input"),
        text(
            "from-trust-dir",
            None,
            "Take repositories out of the trust folder of a client instead",
        )
        .completing(Completes::Folders),
        switch(
            "history",
            None,
            "Take every older version that the source still gives, too",
        ),
        int("jobs", "How many repositories are fetched at a time", 8),
        LOGIN_FOR,
        text("output", Some('o'), "The archive to write"),
        switch(
            "partial",
            None,
            "Make the archive also when some repositories cannot be fetched",
        ),
        switch(
            "restart",
            None,
            "Begin anew instead of going on with an interrupted run",
        ),
        text(
            "sign-key",
            None,
            "Private key of the archivist, a file or the ID of a key in the trust folder",
        ),
    ],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};

static DIFF: Command = Command {
    name: "diff",
    usage: "OLD NEW",
    short: "Show what differs between two archives",
    about: "\
Compares what two archives have of each repository: states, roles with their keys, versions and thresholds, and tags. What must not happen is
marked as an alarm: documents that became older, two documents of one version, and whatever a client refuses that knows the older state.

The exit code is 0 when nothing differs, 1 when something does, and 2 when an archive cannot be read.",
    examples: "\
{} archive diff trust-1.tar.gz trust-2.tar.gz

# Only the alarms
{} archive diff --format json trust-1.tar.gz trust-2.tar.gz | jq -c 'select(.alarms)'",
    flags: &[FORMAT],
    args: Args::Exactly(2),
    completes: Completes::Files,
    hidden: false,
    children: &[],
};

static EXTRACT: Command = Command {
    name: "extract",
    usage: "FILE [ GUN ... ] -C FOLDER",
    short: "Write the documents of an archive as files",
    about: "\
Writes the documents of all repositories, or of those that are named, as files below a folder. Files that are there and different are not
replaced. The layout objects has every document by its digest, with the record of each repository. The layout trust-dir is what docker and
notary keep in their trust folder, so that they can list what was signed while it is valid; it has the repositories that were trusted when
they were captured.",
    examples: "\
# Everything that there is of one repository
{} archive extract trust.tar.gz example.com/team/app -C app

# A trust folder from which Go's notary lists without a server
{} archive extract trust.tar.gz --layout trust-dir -C trust",
    flags: &[
        switch(
            "all",
            None,
            "Put repositories that are not trusted into a trust folder, too",
        ),
        text("directory", Some('C'), "Folder to write into").completing(Completes::Folders),
        FORMAT,
        Flag {
            name: "layout",
            shorthand: None,
            kind: FlagKind::Text { default: "objects" },
            usage: "How the files lie: objects or trust-dir",
            completes: Completes::OneOf(&["objects", "trust-dir"]),
            hidden: false,
        },
    ],
    args: Args::AtLeast(1),
    completes: Completes::Files,
    hidden: false,
    children: &[],
};

static IMPORT: Command = Command {
    name: "import",
    usage: "FILE [ GUN ... ] --into DATABASE|URL",
    short: "Bring the repositories of an archive to a trust server",
    about: "\
Loads repositories with their history into a trust server of Signet: into the database of one that is stopped, or through one that runs. Every
repository is verified first; those that do not hold are refused by name, expired ones are taken as they are. Nothing that is there is ever
replaced, so the same command can be given again, and goes on where it was interrupted.

A running server gets NOTARY_AUTH or docker's login for the server itself, and the login of another registry only with --login-for.

Roots are held to the pins of the configuration (trust_pinning). Whatever else is in the archive, its source could have made up: name the
repositories, pin their roots, or demand the signature of an archivist whom you know.

Until 'notary takeover' has given a repository keys of the new server, it can be read as before and not published to.",
    examples: "\
# Into the database of a server that is not running
{} archive import trust.tar.gz --into /var/lib/notary/server.db

# Through a running server
{} archive import trust.tar.gz --into https://notary.example.com

# Only if the archive is signed by a key that you know
{} archive import trust.tar.gz --archivist archivist.pub --into https://notary.example.com

# Only what would be done, of one repository
{} archive import trust.tar.gz example.com/team/app --into https://notary.example.com --dry-run",
    flags: &[
        ARCHIVIST,
        switch("create", None, "Make the database if it is not there"),
        switch("dry-run", None, "Say what would be done, and do nothing"),
        FORMAT,
        text(
            "into",
            None,
            "SQLite file of a server, or the https address of a running one",
        ),
        LOGIN_FOR,
    ],
    args: Args::AtLeast(1),
    completes: Completes::Files,
    hidden: false,
    children: &[],
};

static LIST: Command = Command {
    name: "list",
    usage: "FILE",
    short: "List the repositories of an archive with their verdicts",
    about: "\
Lists the repositories with the verdicts that their documents give for the moment of capture. What the archive records is compared with that,
and not believed.",
    examples: "\
{} archive list trust.tar.gz

# What needs a look
{} archive list --state untrusted --state incomplete trust.tar.gz",
    flags: &[
        FORMAT,
        list("state", None, "Only repositories in this state")
            .completing(Completes::OneOf(&[
                "absent",
                "degraded",
                "expired",
                "incomplete",
                "refused",
                "trusted",
                "unreachable",
                "untrusted",
            ])),
    ],
    args: Args::Exactly(1),
    completes: Completes::Files,
    hidden: false,
    children: &[],
};

static SHOW: Command = Command {
    name: "show",
    usage: "FILE GUN",
    short: "Show what an archive has of a repository",
    about: "\
Shows the verdict, the roles with their keys, the chain of roots, the tags with digests and signers, the documents, and what the source was
asked for and answered.",
    examples: "{} archive show trust.tar.gz example.com/team/app",
    flags: &[FORMAT],
    args: Args::Exactly(2),
    completes: Completes::Files,
    hidden: false,
    children: &[],
};

static VERIFY: Command = Command {
    name: "verify",
    usage: "FILE",
    short: "Check every byte of an archive, and every verdict in it",
    about: "\
Reads the whole file: every byte must be as it was written, every document must have the digest that its record names, and every verdict must
be what the documents give for the moment of capture. The exit code is 1, with the place and the reason, when anything is not.",
    examples: "\
{} archive verify trust.tar.gz

# Signed by an archivist whose public key is at hand
{} archive verify trust.tar.gz --archivist archivist.pub",
    flags: &[
        ARCHIVIST,
        FORMAT,
    ],
    args: Args::Exactly(1),
    completes: Completes::Files,
    hidden: false,
    children: &[],
};

const ARCHIVIST: Flag = text(
    "archivist",
    None,
    "Public key that must have signed the archive",
);

const LOGIN_FOR: Flag = list(
    "login-for",
    None,
    "Registry whose login the server may see for repositories named after it",
);
