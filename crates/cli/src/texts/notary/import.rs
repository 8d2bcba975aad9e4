//! What `notary archive import` says.

use signet_archive::State;
use signet_tuf::Version;

use crate::texts::quote;

/// No archive.
pub const IMPORT_FILE_MISSING: &str = "an archive must be named";
/// No target.
pub const IMPORT_INTO_MISSING: &str =
    "--into must name where to: the SQLite file of a trust server, or the address of a running one";
/// A row marked as deleted is in the way.
pub const IMPORT_CONFLICT: &str = "the server keeps a version of it taken, although it shows none";

/// `--into` with a storage that is not there.
#[must_use]
pub fn import_unknown_storage(scheme: &str) -> String {
    format!(
        "databases of the kind {} cannot be written: SQLite files can, and running servers by their https address",
        quote(scheme)
    )
}

/// The database is not there.
#[must_use]
pub fn import_no_database(path: &str) -> String {
    format!("there is no database {path}: check the name, or make a new one with --create")
}

/// The file is something else.
#[must_use]
pub fn import_not_sqlite(path: &str) -> String {
    format!("{path} is no SQLite database")
}

/// A file cannot be read.
#[must_use]
pub fn cannot_read(path: &str, problem: &str) -> String {
    format!("cannot read {path}: {problem}")
}

/// A server is running on the database.
#[must_use]
pub fn import_in_use(path: &str) -> String {
    format!(
        "a server is using the database {path}: stop it, or import through it with --into and its https address"
    )
}

/// The server has no such thing.
#[must_use]
pub fn import_foreign_server(server: &str) -> String {
    format!(
        "the server at {server} takes no imports: only Signet's notary-server does, from this version on, and one that serves archives does not"
    )
}

/// The login is not enough.
#[must_use]
pub fn import_unauthorized(server: &str, gun: &str) -> String {
    format!(
        "the server at {server} does not let this login import {gun}: that takes the right * to the repository, as deleting it does; push and pull are not enough"
    )
}

/// The server does not do its part.
#[must_use]
pub fn import_server_failed(server: &str, problem: &str) -> String {
    format!("the server at {server} did not take the import: {problem}")
}

/// The import ended early.
#[must_use]
pub fn import_stopped(gun: &str) -> String {
    format!(
        "stopped at {gun}; what was imported before stays, and the same command goes on from there"
    )
}

/// The target has another document with this version.
#[must_use]
pub fn import_differs(role: &str, version: Version) -> String {
    format!(
        "the database has another {role} version {version}: the two histories are not one, and nothing was changed"
    )
}

/// The target has gone on.
#[must_use]
pub fn import_ahead(role: &str, version: Version) -> String {
    format!(
        "the database has {role} version {version}, which the archive does not have: it has gone on since, and nothing was changed"
    )
}

/// A repository was imported, or would be.
#[must_use]
pub fn imported(gun: &str, added: u64, before: u64, timestamp: Version, dry_run: bool) -> String {
    let what = match (before, dry_run) {
        (0, false) => "imported",
        (0, true) => "would be imported",
        (_, false) => "extended",
        (_, true) => "would be extended",
    };
    let documents = if added == 1 { "document" } else { "documents" };
    format!("{gun}: {what} ({added} {documents}, timestamp version {timestamp})\n")
}

/// A root key, by both its names: pins use the one, key lists the other.
#[must_use]
pub fn import_root_key(certificate: &str, key: &str) -> String {
    format!("certificate {certificate} of key {key}")
}

/// What new clients will believe on first use.
#[must_use]
pub fn import_first_root(keys: &[String], pinned: bool) -> String {
    let keys = keys.join(", ");
    if pinned {
        format!("  first root here: {keys}, as trust_pinning says\n")
    } else {
        format!(
            "  first root here: {keys}; no pin vouches for it: compare it with what its owner says\n"
        )
    }
}

/// A document stays behind.
#[must_use]
pub fn import_left_out(role: &str, version: Version, reason: &str) -> String {
    format!("  left out: {role} version {version}: {reason}\n")
}

/// More documents stay behind.
#[must_use]
pub fn import_more_left_out(more: u64) -> String {
    format!("  left out: {more} more\n")
}

/// Nothing to do.
#[must_use]
pub fn import_already_there(gun: &str) -> String {
    format!("{gun}: already there\n")
}

/// The archive only says that the source gave nothing.
#[must_use]
pub fn import_nothing(gun: &str, state: State) -> String {
    format!("{gun}: the archive has no documents of it ({state})\n")
}

/// A repository is not imported.
#[must_use]
pub fn import_not(gun: &str, reason: &str) -> String {
    format!("{gun}: not imported: {reason}\n")
}

/// The last line.
#[must_use]
pub fn import_summary(counts: [u64; 4], dry_run: bool) -> String {
    let [imported, already_there, nothing, refused] = counts;
    let done = if dry_run {
        "would be imported"
    } else {
        "imported"
    };
    let mut text = format!("{imported} {done}, {already_there} already there");
    if nothing > 0 {
        text.push_str(&format!(", {nothing} without documents"));
    }
    if refused > 0 {
        text.push_str(&format!(", {refused} refused"));
    }
    text.push('\n');
    text
}

/// The error at the end.
#[must_use]
pub fn import_refused(refused: u64) -> String {
    if refused == 1 {
        "1 repository was not imported".to_owned()
    } else {
        format!("{refused} repositories were not imported")
    }
}

/// Where to see why.
#[must_use]
pub fn see_show(file: &str) -> String {
    format!(
        "\"notary archive show {file} GUN\" shows what the archive has of a repository, and its verdict"
    )
}
