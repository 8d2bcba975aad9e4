//! What is said about archives, whichever program reads them.

use super::quote;

/// `--at` with something else than a moment.
#[must_use]
pub fn not_a_moment(text: &str) -> String {
    format!(
        "{} is no moment: write 2026-12-08T12:00:00Z, or 2026-12-08 for the beginning of that day in UTC",
        quote(text)
    )
}

/// The archive cannot be used at all, or a part of it.
#[must_use]
pub fn unusable(file: &str, problem: &str) -> String {
    format!("the archive {file} cannot be used: {problem}")
}

/// What to do about a damaged archive.
#[must_use]
pub fn check(file: &str) -> String {
    format!(
        "\"notary archive verify {file}\" checks the whole file; take another copy of it, or capture again"
    )
}

/// `--archivist` names a key that did not sign.
#[must_use]
pub fn not_the_archivist(file: &str, key: &str, signers: &[String]) -> String {
    let signed = if signers.is_empty() {
        "nobody signed it".to_owned()
    } else {
        format!("it is signed by {}", signers.join(", "))
    };
    format!("the archive {file} is not signed by {key}, as --archivist demands: {signed}")
}

/// The repository is not in the archive.
#[must_use]
pub fn not_archived(gun: &str, file: &str) -> String {
    format!("the archive {file} does not have trust data for {gun}")
}

/// Where to see what there is.
#[must_use]
pub fn see_list(file: &str) -> String {
    format!("\"notary archive list {file}\" names the repositories in it")
}

/// The archivist's key cannot be read.
#[must_use]
pub fn key_unreadable(file: &str, problem: &str) -> String {
    format!("the archivist's key cannot be read from {file}: {problem}")
}

/// The name of a repository that is none.
#[must_use]
pub fn not_a_repository(problem: &str) -> String {
    format!(
        "{problem}; the name of a Docker image's repository begins with its registry, as in docker.io/library/alpine"
    )
}
