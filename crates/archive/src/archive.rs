//! Reading the file.

use std::path::Path;

use serde::{Deserialize, Serialize};
use signet_tuf::{Gun, PublicKey};

use crate::{ArchivedRepository, Moment, Sha256, Source, State};

/// What an archive says of itself: the signed part of its first member.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// `signet-archive`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// 1.
    pub format: u32,
    /// When it was begun.
    pub created: Moment,
    /// The program that made it, for example `signet/0.1.0`.
    pub program: String,
    /// Where its repositories came from; none twice.
    pub sources: Vec<Source>,
    /// How many repositories it has.
    pub repositories: u64,
    /// Digest of the index.
    pub index: Sha256,
}

/// A line of the index: one repository.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name, as text that was not judged yet.
    pub gun: String,
    /// Digest of its record.
    pub record: Sha256,
    /// The recorded state.
    pub state: State,
    /// When it was captured.
    pub captured: Moment,
    /// Length of its part of the file in bytes.
    pub length: u64,
}

/// What [`Archive::check`] found to hold.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Repositories.
    pub repositories: u64,
    /// Documents.
    pub documents: u64,
    /// Bytes of documents.
    pub bytes: u64,
}

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file is no archive, or not as it was written.
    #[error("{place}: {reason}")]
    Damaged {
        /// Which part of it.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

/// An open archive. Opening checks its frame, header and index; each repository is checked when it is read.
#[derive(Debug)]
pub struct Archive {
    header: Header,
    entries: Vec<Entry>,
    signers: Vec<PublicKey>,
}

impl Archive {
    /// Opens an archive.
    ///
    /// # Errors
    /// [`ArchiveError`] when it cannot be read, or its frame, header or index are not as they were written.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let _ = path;
        unimplemented!("lands with the writer of the file")
    }

    /// What it says of itself.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The repositories, in the order of their names.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The line of a repository.
    #[must_use]
    pub fn entry(&self, gun: &Gun) -> Option<&Entry> {
        let at = self
            .entries
            .binary_search_by(|entry| entry.gun.as_str().cmp(gun.as_str()))
            .ok()?;
        self.entries.get(at)
    }

    /// The keys that validly signed the header. Whom they belong to, the archive cannot say.
    #[must_use]
    pub fn signers(&self) -> &[PublicKey] {
        &self.signers
    }

    /// Reads one repository and checks it against the index: every document has its digest, and nothing else is there. May be called from
    /// several threads.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn read(&self, entry: &Entry) -> Result<ArchivedRepository, ArchiveError> {
        let _ = entry;
        unimplemented!("lands with the writer of the file")
    }

    /// Checks the whole file: every byte of it is as it was written, and every verdict is what its documents give at the moment of capture.
    /// `progress` is told how many repositories are done.
    ///
    /// # Errors
    /// [`ArchiveError`] with the first thing that is wrong.
    pub fn check(&self, progress: &mut dyn FnMut(u64)) -> Result<Checked, ArchiveError> {
        let _ = progress;
        unimplemented!("lands with the writer of the file")
    }
}
