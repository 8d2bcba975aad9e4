//! What `notary archive verify`, `list`, `show` and `extract` say.

use signet_archive::Source;

use super::super::quote;

/// `--format` with something else.
#[must_use]
pub fn unknown_format(format: &str) -> String {
    format!("there is no format {}: give text or json", quote(format))
}

/// `archive verify` without exactly one file.
pub const ARCHIVE_VERIFY_ARGUMENTS: &str = "name the archive to check";

/// `archive list` without exactly one file.
pub const ARCHIVE_LIST_ARGUMENTS: &str = "name the archive to list";

/// `archive show` without exactly two arguments.
pub const ARCHIVE_SHOW_ARGUMENTS: &str = "name an archive and a repository in it";

/// `archive extract` without an archive.
pub const ARCHIVE_EXTRACT_ARGUMENTS: &str = "name the archive to take documents out of";

/// `archive extract` without `-C`.
pub const ARCHIVE_EXTRACT_WHERE: &str = "name the folder to write into with -C FOLDER";

/// While an archive is read.
#[must_use]
pub fn archive_checking(file: &str, done: u64, total: u64) -> String {
    format!("checking {file}: {done} of {total} repositories")
}

/// Something in an archive is not as it was written.
#[must_use]
pub fn archive_damaged(file: &str, problem: &str) -> String {
    format!("the archive {file} is damaged: {problem}")
}

/// What to do about a damaged archive.
pub const ARCHIVE_OTHER_COPY: &str =
    "nothing in it may be relied on; take another copy of the file, or capture again";

/// An archive is whole.
#[must_use]
pub fn archive_intact(file: &str) -> String {
    format!(
        "{file}: every byte is as it was written, and every verdict is what the documents give\n"
    )
}

/// What an archive says of itself.
#[must_use]
pub fn archive_header(
    created: &str,
    program: &str,
    sources: &[String],
    signers: &[String],
) -> String {
    let signers = if signers.is_empty() {
        "nobody; the moments in it are its own word".to_owned()
    } else {
        signers.join(", ")
    };
    let sources = sources.join(", ");
    let (program, sources) = (
        super::super::visible(program),
        super::super::visible(&sources),
    );
    format!(
        "created:      {created} by {program}\nsources:      {sources}\nsigned by:    {signers}\n"
    )
}

/// How much there is.
#[must_use]
pub fn archive_sums(repositories: u64, documents: u64, bytes: u64, states: &[String]) -> String {
    let states = if states.is_empty() {
        String::new()
    } else {
        format!(" ({})", states.join(", "))
    };
    format!("repositories: {repositories}{states}\ndocuments:    {documents}, {bytes} bytes\n")
}

/// Where repositories came from.
#[must_use]
pub fn archive_source(source: &Source) -> String {
    match source {
        Source::Server { address } => address.clone(),
        Source::TrustFolder => "a trust folder".to_owned(),
        Source::Database { engine } => format!("a database ({engine})"),
    }
}

/// The archive says something else than its documents.
#[must_use]
pub fn archive_records_otherwise(gun: &str, recorded: &str, found: &str) -> String {
    format!(
        "the archive records that {gun} was {recorded}, and its documents say that it was {found}"
    )
}

/// Whoever made the archive was wrong, or lied.
#[must_use]
pub fn archive_lies(file: &str, count: u64) -> String {
    format!("the archive {file} records wrong verdicts of {count} repositories")
}

/// `--state` with something else.
#[must_use]
pub fn unknown_state(state: &str, states: &[&str]) -> String {
    format!(
        "there is no state {}: give {}",
        quote(state),
        states.join(", ")
    )
}

/// The chain of roots.
#[must_use]
pub fn archive_roots(first: i64, last: i64, gap: Option<&str>) -> String {
    match gap {
        None => format!("{first} to {last}, each following from the one before"),
        Some(gap) => format!("{first} to {last}; before that: {gap}"),
    }
}

/// Earlier states.
#[must_use]
pub fn archive_history(states: u64, proven: u64) -> String {
    format!("{states} earlier states, {proven} of them complete and signed")
}

/// A tag that docker does not take.
#[must_use]
pub fn archive_not_released(role: &str) -> String {
    format!("{role} (not released)")
}

/// A document came.
#[must_use]
pub fn archive_found(sha256: &str) -> String {
    format!("document {sha256}")
}

/// No document came.
pub const ARCHIVE_ABSENT: &str = "not there";

/// A document was refused.
#[must_use]
pub fn archive_refused(status: u16) -> String {
    format!("refused with status {status}")
}

/// A document was too large.
pub const ARCHIVE_TOO_LARGE: &str = "too large";

/// There was no answer.
#[must_use]
pub fn archive_unreachable(reason: &str) -> String {
    format!("no answer: {reason}")
}

/// `--layout` with something else.
#[must_use]
pub fn unknown_layout(layout: &str) -> String {
    format!(
        "there is no layout {}: give objects or trust-dir",
        quote(layout)
    )
}

/// A repository that does not belong into a trust folder.
#[must_use]
pub fn archive_not_trusted(state: &str, reason: &str) -> String {
    format!("it was {state} when it was captured: {reason}")
}

/// A repository of which nothing is written.
#[must_use]
pub fn archive_skipped(gun: &str, reason: &str) -> String {
    format!("{gun} is left out: {reason}")
}

/// What was written.
#[must_use]
pub fn archive_extracted(folder: &str, repositories: u64, written: u64, same: u64) -> String {
    let same = if same == 0 {
        String::new()
    } else {
        format!(", {same} were there already")
    };
    format!("{folder}: {written} files of {repositories} repositories written{same}\n")
}

/// Repositories that were asked for were left out.
#[must_use]
pub fn archive_not_extracted(count: u64) -> String {
    format!("{count} of the repositories that were named are left out")
}

/// What to do about them.
pub const ARCHIVE_EXTRACT_ALL: &str = "--layout objects takes what is not trusted, too; --all puts it into a trust folder, where clients judge it again";

/// What to do about files in the way.
pub const ARCHIVE_EXTRACT_ELSEWHERE: &str = "nothing was replaced; extract into an empty folder";
