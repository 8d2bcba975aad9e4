//! The update of a repository: a state machine without input or output (specification, `tuf.md` section 10).
//!
//! [`Update`] is given what a client has (cached documents, remembered version floors, pins, the time) and says, step by
//! step, what it needs next. It ends in a [`TrustedRepository`] or in a typed error. All rules of order, roll-back,
//! expiry, pinning and bounds live here and in [`crate::rules`], and nowhere else.
//!
//! ```no_run
//! # use signet_tuf::*;
//! # fn download(_: &Fetch) -> Answer { Answer::Absent }
//! # fn store(_: &RoleName, _: &[u8]) {}
//! # fn run(mut update: Update) -> Result<Box<TrustedRepository>, UpdateError> {
//! loop {
//!     match update.step()? {
//!         Step::Fetch(fetch) => update.answer(download(&fetch)),
//!         Step::Persist { role, bytes } => store(&role, &bytes),
//!         Step::Warn(warning) => eprintln!("{warning}"),
//!         Step::Done(repository) => return Ok(repository),
//!     }
//! }
//! # }
//! ```
//!
//! Failures that are neither an answer of the server nor its absence, such as an untrusted TLS certificate or a refused
//! login, are not answers: the caller ends the update with its own error, so that they never look like an outage.

mod engine;
mod floors;
mod pass;
mod roots;
mod trusted;

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::rules::RuleError;
use crate::{Expiry, Gun, MetadataPath, ParseError, RoleName};

pub use engine::Update;
pub use floors::Floors;
pub use trusted::{TrustedRepository, Unusable, UnusableReason};

/// Largest timestamp, in bytes.
pub const MAX_TIMESTAMP_BYTES: u64 = 1 << 20;
/// Largest root, in bytes. It is read before any trust is there.
pub const MAX_ROOT_BYTES: u64 = 8 << 20;
/// Largest document whose length its parent announces, in bytes.
pub const MAX_DOCUMENT_BYTES: u64 = 100 << 20;
/// Most bytes that one update takes from the server.
pub const MAX_UPDATE_BYTES: u64 = 1 << 30;
/// Longest chain of roots that one update walks.
pub const MAX_ROOT_CHAIN: i64 = 1024;
/// Most targets and delegation documents that one update loads.
pub const MAX_ROLES: usize = 4096;

/// What the update is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Reading: every document must be valid now.
    Read,
    /// Writing: proves that the server knows the repository, and admits expired documents, which the write renews.
    Write,
}

/// Which roles the update loads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// All.
    All,
    /// Only roles whose paths can hold this target.
    For(String),
}

/// The documents that the client has, as stored. Nothing about them is believed.
#[derive(Clone, Debug, Default)]
pub struct Cached {
    /// The root that was trusted last: what the update starts from.
    pub root: Option<Bytes>,
    /// The last timestamp.
    pub timestamp: Option<Bytes>,
    /// The last snapshot.
    pub snapshot: Option<Bytes>,
    /// The last targets and delegation documents.
    pub targets: BTreeMap<RoleName, Bytes>,
}

/// What the update wants next.
#[derive(Debug)]
pub enum Step {
    /// A document from the server. Answer it with [`Update::answer`] before the next step.
    Fetch(Fetch),
    /// A verified document replaces the cached one.
    Persist {
        /// Whose document it is.
        role: RoleName,
        /// Its complete bytes.
        bytes: Bytes,
    },
    /// Something that people should know.
    Warn(Warning),
    /// The end.
    Done(Box<TrustedRepository>),
}

/// A document wanted from the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fetch {
    /// Which one.
    pub path: MetadataPath,
    /// Most bytes to accept. A longer announced length is [`Answer::TooLarge`]; without one the body is cut there.
    pub max_bytes: u64,
}

/// What came of a [`Fetch`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// The document.
    Bytes(Bytes),
    /// The server does not have it (404).
    Absent,
    /// The server answered something else.
    Refused(Refusal),
    /// The server announced more bytes than accepted.
    TooLarge,
    /// No answer: the network failed, or the client works offline. The text says how.
    Unreachable(String),
}

/// An HTTP status other than 200 and 404.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// What the server said, where it said it in the form that clients show.
    pub message: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.status, &self.message) {
            (400, Some(message)) => f.write_str(message),
            (400, None) => f.write_str("trust server rejected operation."),
            (401, _) => f.write_str(
                "you are not authorized to perform this operation: server returned 401.",
            ),
            (status, _) => write!(f, "unable to reach trust server at this time: {status}."),
        }
    }
}

/// What people should know although the update goes on. `Display` is Go's text.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The server gave no timestamp, so the cached one is used while it is valid.
    CachedTimestamp {
        /// Why.
        reason: String,
        /// What the server answered instead.
        status: Option<u16>,
    },
    /// A root certificate's validity ends within six months.
    CertificateNearExpiry {
        /// Its common name.
        common_name: String,
    },
    /// A delegation was skipped with all below it.
    DelegationUnusable {
        /// The delegation.
        role: RoleName,
        /// Why.
        reason: String,
    },
    /// An expired document was passed over for a newer one, or admitted because it is about to be renewed.
    Expired {
        /// Whose.
        role: RoleName,
        /// When its validity ended.
        expiry: Expiry,
    },
    /// A document's validity ends within six months.
    NearExpiry {
        /// Whose.
        role: RoleName,
    },
    /// A root follows from one that was trusted, and satisfies none of the pins that are for first roots.
    RootNotPinned {
        /// Whose root.
        gun: Gun,
        /// Why it would be refused as a first one.
        reason: String,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CachedTimestamp { .. } => f.write_str(
                "Error while downloading remote metadata, using cached timestamp - this might not be the latest version available remotely",
            ),
            Self::CertificateNearExpiry { common_name } => {
                write!(f, "certificate with CN {common_name} is near expiry")
            }
            Self::DelegationUnusable { role, reason } => write!(f, "Error getting {role}: {reason}"),
            Self::Expired { role, .. } => write!(f, "Metadata for {role} expired"),
            Self::NearExpiry { role } if role.is_delegation() || role.as_str() == "targets" => {
                write!(f, "{role} metadata is nearing expiry, you should re-sign the role metadata")
            }
            Self::NearExpiry { role } => write!(f, "{role} is nearing expiry, you should re-sign the role metadata"),
            Self::RootNotPinned { gun, reason } => write!(
                f,
                "the root of {gun} is not the pinned one, and is trusted only because it follows from the one that is remembered: {reason}"
            ),
        }
    }
}

/// The four kinds of failure, which are never mapped onto one another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailureKind {
    /// No answer.
    Network,
    /// The server does not know the repository.
    NoTrustData,
    /// The server answered, but not with a document.
    Refused,
    /// What came is not trustworthy.
    Violation,
}

/// Why an update failed. `Display` is Go's text where Go has one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// A delegation that the cached snapshot listed is gone from the new one, while its parent still delegates to it:
    /// whoever holds the snapshot key alone could hide it so (security class A11).
    #[error("{role} was dropped from the snapshot although its parent still delegates to it")]
    Dropped {
        /// The delegation.
        role: RoleName,
    },
    /// A listed length is negative.
    #[error("{role} is listed with the invalid length {length}")]
    InvalidLength {
        /// The role.
        role: RoleName,
        /// The length.
        length: i64,
    },
    /// The server lacks a document that its own metadata names.
    #[error("{path} trust data unavailable.  Has a notary repository been initialized?")]
    Missing {
        /// The document.
        path: MetadataPath,
    },
    /// The server does not know the repository.
    #[error("trust server does not have trust data for {gun}")]
    NoTrustData {
        /// The repository.
        gun: Gun,
    },
    /// The server answered with an error.
    #[error("{refusal}")]
    Refused {
        /// The document.
        path: MetadataPath,
        /// The answer.
        refusal: Refusal,
    },
    /// The cached root cannot be read, so that it is not known which root is to be trusted.
    #[error("the root that is remembered here is damaged: {0}")]
    RememberedRoot(#[source] ParseError),
    /// A rule is broken.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The server announced more bytes than the document may have.
    #[error("trust server returned a bad response.")]
    TooLarge {
        /// The document.
        path: MetadataPath,
    },
    /// More roots, or more delegations, than one update follows.
    #[error("{what} beyond the limit of {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: i64,
    },
    /// No answer. The text is the transport's.
    #[error("{message}")]
    Unreachable {
        /// The document.
        path: MetadataPath,
        /// What happened.
        message: String,
    },
}

impl UpdateError {
    /// Which of the four kinds this is.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::Unreachable { .. } => FailureKind::Network,
            Self::NoTrustData { .. } => FailureKind::NoTrustData,
            Self::Missing { .. } | Self::Refused { .. } => FailureKind::Refused,
            Self::Dropped { .. }
            | Self::InvalidLength { .. }
            | Self::RememberedRoot(_)
            | Self::Rule(_)
            | Self::TooLarge { .. }
            | Self::TooMany { .. } => FailureKind::Violation,
        }
    }
}
