//! Stores of private keys.

mod file;
pub(crate) mod folder;
mod legacy;
mod memory;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use signet_tuf::{Gun, KeyId};

use crate::private::PrivateKey;
use crate::prompt::PassphraseError;
use crate::signer::Signer;

pub use file::FileKeyStore;
pub use memory::MemoryKeyStore;

/// What a store knows about a key without opening it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyInfo {
    /// The key's ID.
    pub id: KeyId,
    /// The role or name that the key is for; empty when unknown.
    pub role: String,
    /// The repository that the key is for. Only keys of `targets`, `snapshot` and `timestamp` have one.
    pub gun: Option<Gun>,
    /// Where the key lies, for people.
    pub location: String,
}

/// A place that holds private keys.
pub trait KeyStore: Send + Sync {
    /// All keys, in the store's own order. What cannot be listed is left out and becomes a [`Warning`].
    ///
    /// # Errors
    /// [`Error`] when the store cannot be read at all.
    fn list(&self) -> Result<Vec<KeyInfo>, Error>;

    /// What is known about one key; `None` when the store does not hold it. The key is not opened.
    ///
    /// # Errors
    /// [`Error`] when the store cannot be read.
    fn info(&self, id: &KeyId) -> Result<Option<KeyInfo>, Error>;

    /// Opens a key, asking for its passphrase where one is needed. A key that was opened stays open.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the store does not hold it; other [`Error`]s when it cannot be used.
    fn load(&self, id: &KeyId) -> Result<Arc<dyn Signer>, Error>;

    /// Adds a key. Adding a key again under its role changes nothing.
    ///
    /// The GUN is kept only for keys of `targets`, `snapshot` and `timestamp`.
    ///
    /// # Errors
    /// [`Error::RoleConflict`] when the key is there under another role; other [`Error`]s when it is not stored.
    fn add(&self, key: PrivateKey, role: &str, gun: Option<&Gun>) -> Result<(), Error>;

    /// Removes a key.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the store does not hold it; other [`Error`]s when it is still there.
    fn remove(&self, id: &KeyId) -> Result<(), Error>;

    /// What was noticed since the last call and did not keep the store from working.
    fn take_warnings(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// Something in the key store's folder that is no usable key file. It is left as it is.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
#[non_exhaustive]
pub struct Warning {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a file in the key store's folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A file of that name with other content is already in the new place.
    #[error("not migrated, another key file of this ID exists")]
    Exists,
    /// Its GUN header is no GUN.
    #[error("the gun header is not a repository name")]
    Gun,
    /// The file or folder cannot be read, written or removed.
    #[error("{0}")]
    Io(io::Error),
    /// A PEM type that holds no private key.
    #[error("unknown key format {0:?}")]
    Label(String),
    /// Its name is no key ID.
    #[error("the file is not named after a key ID")]
    Name,
    /// No PEM block in it.
    #[error("PEM block is empty")]
    NotPem,
    /// Folders in folders, or more files, beyond any sensible number.
    #[error("too many folders or files, the rest is ignored")]
    TooMany,
    /// Larger than any key file.
    #[error("the file is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
}

/// Why a key store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key is stored under a file name that is another key's ID.
    #[error("the key file of {named} holds key {actual}")]
    Misnamed {
        /// The ID that the file is named after.
        named: KeyId,
        /// The ID of the key in it.
        actual: KeyId,
    },
    /// A role that cannot be written into a key file.
    #[error("invalid role {0:?} for a key")]
    InvalidRole(String),
    /// A file or folder could not be read or written.
    #[error("{action} {} failed", path.display())]
    Io {
        /// What was tried: `reading`, `writing`, `removing`, `creating`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The store does not hold the key.
    #[error("signing key not found: {0}")]
    NotFound(KeyId),
    /// The key file cannot be opened with any passphrase.
    #[error("key {id} cannot be read")]
    Open {
        /// The key.
        id: KeyId,
        /// Why.
        #[source]
        source: crate::keyfile::OpenError,
    },
    /// There was no right passphrase.
    #[error("key {id} could not be unlocked")]
    Passphrase {
        /// The key.
        id: KeyId,
        /// Why.
        #[source]
        source: PassphraseError,
    },
    /// The key is there under another role.
    #[error("key with same ID already exists for role: {role}")]
    RoleConflict {
        /// The key.
        id: KeyId,
        /// Its role in the store.
        role: String,
    },
    /// The system gave no randomness for encrypting a key.
    #[error("encrypting key {0} failed: no randomness")]
    Random(KeyId),
}

/// Whether keys of this role belong to one repository, and carry its GUN in their file.
#[must_use]
pub fn role_has_gun(role: &str) -> bool {
    matches!(role, "targets" | "snapshot" | "timestamp")
}

/// Whether this text can be a header's value and comes back as it is.
pub(crate) fn is_valid_role(role: &str) -> bool {
    role.len() <= 255 && role.trim() == role && !role.chars().any(char::is_control)
}
