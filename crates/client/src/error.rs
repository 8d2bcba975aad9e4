//! What can go wrong with a trust repository, in five kinds that are never mapped onto one another.

use signet_keys::SignError;
use signet_keys::certificate::CertificateError;
use signet_keys::private::GenerateError;
use signet_tuf::editor::{EditError, InsufficientSignatures, InvalidSignature};
use signet_tuf::{BaseRole, FailureKind, Gun, KeyId, RoleName, UpdateError};

use crate::changelist::{ChangelistError, Edit};
use crate::layout::{FileError, LockError, NestedGun};
use crate::remote::RemoteError;
use crate::rotate::RotationRefused;

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
    /// A root of the repository is trusted here, and a new one would not follow from it.
    #[error(
        "{gun} has a trusted root here already, and a new repository of this name would not follow from it"
    )]
    AlreadyTrusted {
        /// The repository.
        gun: Gun,
    },
    /// Somebody whose root key is not at hand has published a first root meanwhile.
    #[error(
        "somebody else has begun {gun} on the server, so nothing was published: if that was you, bring its root key here and try again, else have whoever runs the server remove it"
    )]
    BegunByOther {
        /// The repository.
        gun: Gun,
    },
    /// The private key of a certificate is not at hand.
    #[error("error initializing repository with certificate: cannot find matching private key id")]
    CertificateKey,
    /// The private key that is given is not that of the certificate.
    #[error(
        "could not obtain public key from IDs: private key is nil or does not match public key"
    )]
    CertificateOfOther,
    /// No certificate could be made for a root key.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A document is not the one that somebody agreed to.
    #[error("somebody else published to {role} meanwhile; nothing was changed")]
    Changed {
        /// The role.
        role: RoleName,
    },
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
    /// A change that the repository does not admit.
    #[error("{source}")]
    Edit {
        /// The change; `None` where it is not one in particular.
        edit: Option<Box<Edit>>,
        /// Why.
        source: EditError,
    },
    /// A file or folder of the trust directory.
    #[error(transparent)]
    File(#[from] FileError),
    /// No key could be made.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// Too few keys are at hand for a document that must be signed again.
    #[error(transparent)]
    InsufficientSignatures(#[from] InsufficientSignatures),
    /// A key gave a signature that does not hold.
    #[error(transparent)]
    InvalidSignature(#[from] InvalidSignature),
    /// A private key cannot be used.
    #[error(transparent)]
    Key(#[from] signet_keys::Error),
    /// Another command works on the repository.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The trust directory has no place for the repository.
    #[error(transparent)]
    NestedGun(#[from] NestedGun),
    /// The repository was opened without a folder, so changes cannot be staged.
    #[error("changes cannot be staged without a trust directory")]
    NoChangelist,
    /// None of the keys that may sign a changed role is at hand.
    #[error(
        "could not find necessary signing keys, at least one of these keys must be available: {}",
        keys.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ")
    )]
    NoSigningKeys {
        /// The role.
        role: RoleName,
        /// Canonical IDs of its keys; empty when the role has none.
        keys: Vec<KeyId>,
        /// The first change for which the role has to sign; `None` where it is not one in particular.
        edit: Option<Box<Edit>>,
    },
    /// A repository that is pinned cannot be begun: its root would be a new one.
    #[error("the root of {gun} is pinned, so the repository cannot be begun with a new one")]
    PinnedElsewhere {
        /// The repository.
        gun: Gun,
    },
    /// The server does not know the repository.
    #[error("{server} does not have trust data for {gun}")]
    NoTrustData {
        /// The server's `host[:port]`.
        server: String,
        /// The repository.
        gun: Gun,
    },
    /// The server acknowledged what it does not show.
    #[error("{server} acknowledged a new root of {gun} and does not show it")]
    NotShown {
        /// The server's `host[:port]`.
        server: String,
        /// The repository.
        gun: Gun,
    },
    /// The server could not be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Keys of a role cannot come from there.
    #[error(transparent)]
    Rotation(#[from] RotationRefused),
    /// Keys of base roles are never staged.
    #[error(
        "the keys of {role} are replaced by a rotation, which publishes at once, and never staged"
    )]
    RoleKeysStaged {
        /// The role.
        role: BaseRole,
    },
    /// The server made no new key.
    #[error("unable to rotate remote key: {0}")]
    ServerKey(#[source] Box<Self>),
    /// A role of which the server has one key needs more signatures than that key gives.
    #[error(
        "{role} needs the signatures of {threshold} keys, and a server signs with one: publish a root in which {role} has the threshold 1 first"
    )]
    ServerThreshold {
        /// The role.
        role: RoleName,
        /// How many signatures it needs.
        threshold: i64,
    },
    /// A private key refused to sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A document is to be signed as it is for which nobody vouches.
    #[error(
        "the present {role} metadata is not signed by the role's keys and was never verified here"
    )]
    Unproven {
        /// The role.
        role: RoleName,
    },
    /// The repository's documents are not to be had, or not to be trusted.
    #[error(transparent)]
    Update(UpdateError),
}

impl Error {
    /// Which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::AlreadyTrusted { .. }
            | Self::Certificate(_)
            | Self::CertificateKey
            | Self::CertificateOfOther
            | Self::Changelist(_)
            | Self::Edit { .. }
            | Self::File(_)
            | Self::Generate(_)
            | Self::InsufficientSignatures(_)
            | Self::InvalidSignature(_)
            | Self::Key(_)
            | Self::Lock(_)
            | Self::NestedGun(_)
            | Self::NoChangelist
            | Self::NoSigningKeys { .. }
            | Self::PinnedElsewhere { .. }
            | Self::RoleKeysStaged { .. }
            | Self::Rotation(_)
            | Self::ServerThreshold { .. }
            | Self::Sign(_) => ErrorKind::Local,
            Self::BegunByOther { .. } | Self::Changed { .. } | Self::Conflict { .. } => {
                ErrorKind::Refused
            }
            Self::NoTrustData { .. } => ErrorKind::NoTrustData,
            Self::NotShown { .. } | Self::Unproven { .. } => ErrorKind::Violation,
            Self::Remote(error) => error.kind(),
            Self::ServerKey(error) => error.kind(),
            Self::Update(error) => match error.kind() {
                FailureKind::Network => ErrorKind::Network,
                FailureKind::NoTrustData => ErrorKind::NoTrustData,
                FailureKind::Refused => ErrorKind::Refused,
                FailureKind::Violation => ErrorKind::Violation,
            },
        }
    }
}

impl From<EditError> for Error {
    fn from(source: EditError) -> Self {
        Self::Edit { edit: None, source }
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
