//! Why the key database did not do what it was asked for.

use signet_sql::Failure;
use signet_tuf::KeyId;

use crate::jwe;
use crate::signer::SignError;

/// Why the key database did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The database cannot be reached, or refuses.
    #[error("the key database failed")]
    Database(#[source] sqlx::Error),
    /// There is no room for another key in memory.
    #[error("there are {0} keys in memory, which is as many as may be")]
    Full(usize),
    /// The row's public key, its ID and its private key do not belong together.
    #[error("key {id} in the database is not the key that its row says")]
    Inconsistent {
        /// The row's key ID.
        id: KeyId,
    },
    /// The work was given up because the process is ending, or failed inside.
    #[error("the work on a key was interrupted")]
    Interrupted,
    /// A value that does not fit its column.
    #[error("{what} is longer than {max} characters")]
    Long {
        /// Which value.
        what: &'static str,
        /// The column's width.
        max: usize,
    },
    /// No key was made, because there is nothing to encrypt it with.
    #[error("the passphrase of alias {0} is not configured")]
    MissingPassphrase(String),
    /// There is no such key.
    #[error("key {0} not found")]
    NotFound(KeyId),
    /// No key was made.
    #[error("making a key failed: no randomness")]
    Random,
    /// The key did not sign.
    #[error("signing failed")]
    Sign(#[source] SignError),
    /// The key is there and cannot be opened: never a reason to make another one.
    #[error("key {id} with passphrase alias {alias} cannot be decrypted")]
    Undecryptable {
        /// The key.
        id: KeyId,
        /// The alias that its row names.
        alias: String,
        /// Why.
        #[source]
        source: Undecryptable,
    },
}

/// Why a row's private key cannot be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Undecryptable {
    /// What was decrypted is no key.
    #[error(transparent)]
    Key(#[from] crate::InvalidPrivateKey),
    /// The alias has no passphrase.
    #[error("the passphrase is not configured")]
    MissingPassphrase,
    /// The token cannot be opened.
    #[error(transparent)]
    Token(#[from] jwe::OpenError),
}

impl DatabaseError {
    /// Whether the database did not answer, or not in time, so that nothing is known about the key. Trying again later may help.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Database(error) => {
                matches!(
                    Failure::of(error),
                    Failure::Unreachable | Failure::Contended
                )
            }
            Self::Interrupted => true,
            _ => false,
        }
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}
