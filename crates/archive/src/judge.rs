//! Verdicts: what the update engine makes of archived documents.

use signet_tuf::{TrustPinning, TrustedRepository, UpdateError};
use time::OffsetDateTime;

use crate::{ArchivedRepository, Verdict};

/// What holds of an archived repository at a moment.
#[derive(Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The repository, where it is trusted at that moment.
    pub trusted: Result<Box<TrustedRepository>, UpdateError>,
}

/// Judges a repository by its documents alone, as a client would at `at` that begins with `pinning` and nothing remembered.
///
/// A record that says that the source did not answer, refused or has no such repository keeps that state; everything else is found out.
#[must_use]
pub fn judge(
    repository: &ArchivedRepository,
    at: OffsetDateTime,
    pinning: &TrustPinning,
) -> Judgement {
    let _ = (repository, at, pinning);
    unimplemented!("lands with the writer of the file")
}
