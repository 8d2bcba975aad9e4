//! Making an archive: a folder of finished repositories, which survives a crash, and the file that is packed from it.

use std::path::Path;

use signet_tuf::{Gun, PublicKey};

use crate::{ArchivedRepository, Moment};

/// Signs an archive.
pub trait Archivist {
    /// The public key.
    fn key(&self) -> &PublicKey;

    /// Signs `message` with the method of the key's kind.
    ///
    /// # Errors
    /// What happened, as a sentence.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String>;
}

/// Why an archive could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// Another process works in the folder.
    #[error("another command is making this archive")]
    Busy,
    /// The folder belongs to another archive: other sources, or another format.
    #[error("{0}")]
    Other(String),
    /// The archivist's key did not sign.
    #[error("{0}")]
    Signature(String),
}

/// The folder beside the file in which an archive is made: one file a finished repository, each written whole or not at all.
#[derive(Debug)]
pub struct Work {}

impl Work {
    /// Opens the folder, or makes it. What `description` says (the sources and options of the archive, in any form) must be what it was when
    /// the folder was made. A folder that is there keeps its moment of creation.
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn open(
        folder: &Path,
        program: &str,
        description: &str,
        created: Moment,
    ) -> Result<Self, WorkError> {
        let _ = (folder, program, description, created);
        unimplemented!("lands with the writer of the file")
    }

    /// When the archive was begun.
    #[must_use]
    pub fn created(&self) -> Moment {
        unimplemented!("lands with the writer of the file")
    }

    /// Whether a repository is finished. One that was left half-way, or whose file is damaged, is not.
    #[must_use]
    pub fn has(&self, gun: &Gun) -> bool {
        let _ = gun;
        unimplemented!("lands with the writer of the file")
    }

    /// Keeps a finished repository. Its verdict is made here, from its documents at the moment of capture.
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn finish(&mut self, repository: &ArchivedRepository) -> Result<(), WorkError> {
        let _ = repository;
        unimplemented!("lands with the writer of the file")
    }

    /// Packs the file, replaces what is at `path` at once, and removes the folder.
    ///
    /// # Errors
    /// [`WorkError`]; then the folder stays.
    pub fn pack(self, path: &Path, archivist: Option<&dyn Archivist>) -> Result<(), WorkError> {
        let _ = (path, archivist);
        unimplemented!("lands with the writer of the file")
    }
}
