//! What can go wrong with a trust repository, in five kinds that are never mapped onto one another.

use signet_tuf::{FailureKind, Gun, UpdateError};

use crate::changelist::ChangelistError;
use crate::layout::{FileError, LockError, NestedGun};
use crate::remote::RemoteError;

/// The kinds of failure that callers tell apart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorKind {
    /// Something on this machine: a file, a key, a passphrase, a change that makes no sense.
    Local,
    /// The server, or the token server, could not be reached, or its certificate is not trusted.
    Network,
    /// The server does not know the repository.
    NoTrustData,
    /// The server answered with an error.
    Refused,
    /// What came is not trustworthy.
    Violation,
}

/// Why an operation on a trust repository failed. `Display` is Go's text where Go has one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The changelist cannot be read or written.
    #[error(transparent)]
    Changelist(#[from] ChangelistError),
    /// Other publishers were faster each time.
    #[error("other publishers were faster {attempts} times")]
    Conflict {
        /// How often a publish was tried.
        attempts: u32,
        /// The last refusal.
        #[source]
        source: RemoteError,
    },
    /// A file or folder of the trust directory.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another command works on the repository.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The trust directory has no place for the repository.
    #[error(transparent)]
    NestedGun(#[from] NestedGun),
    /// The server does not know the repository.
    #[error("{server} does not have trust data for {gun}")]
    NoTrustData {
        /// The server's `host[:port]`.
        server: String,
        /// The repository.
        gun: Gun,
    },
    /// The server could not be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The repository's documents are not to be had, or not to be trusted.
    #[error(transparent)]
    Update(UpdateError),
}

impl Error {
    /// Which kind of failure this is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Changelist(_) | Self::File(_) | Self::Lock(_) | Self::NestedGun(_) => {
                ErrorKind::Local
            }
            Self::Conflict { .. } => ErrorKind::Refused,
            Self::NoTrustData { .. } => ErrorKind::NoTrustData,
            Self::Remote(error) => error.kind(),
            Self::Update(error) => match error.kind() {
                FailureKind::Network => ErrorKind::Network,
                FailureKind::NoTrustData => ErrorKind::NoTrustData,
                FailureKind::Refused => ErrorKind::Refused,
                FailureKind::Violation => ErrorKind::Violation,
            },
        }
    }
}

impl RemoteError {
    /// Which kind of failure this is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Authorization(error) => error.kind,
            Self::Absent { .. } | Self::Refused { .. } => ErrorKind::Refused,
            Self::BadResponse { .. } => ErrorKind::Violation,
            Self::Tls { .. } | Self::Unreachable { .. } => ErrorKind::Network,
        }
    }
}
