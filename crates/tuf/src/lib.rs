//! What trust is in Docker Content Trust: TUF metadata in Docker's dialect and the rules that connect it.
//!
//! This crate does no input or output, reads no clock and draws no randomness: time, documents and signatures are
//! arguments. What was checked is visible in the types:
//!
//! * [`Received`] is a parsed document with nothing checked; it keeps the bytes that came in.
//! * [`Verified`] is a document that enough distinct keys of its role have signed.
//! * [`TrustedRepository`] is a whole repository that passed every rule. Only it can be asked for a target, and only
//!   [`Update`] makes one.
//!
//! [`RepositoryEditor`] turns wanted changes into [`Draft`]s: new documents that wait for signatures.

pub mod canonical;
pub mod certificate;
pub mod crypto;
pub mod digest;
pub mod editor;
pub mod envelope;
pub mod expiry;
pub mod gun;
pub mod key;
pub mod lookup;
pub mod metadata;
mod object;
pub mod path;
pub mod pinning;
pub mod role;
pub mod rules;
pub mod tally;
pub mod update;

pub use digest::{FileMeta, HashAlgorithm, Hashes};
pub use editor::{
    Changed, Draft, EditError, EditWarning, InsufficientSignatures, RepositoryEditor, SignedFile,
};
pub use envelope::{
    BelowThreshold, ParseError, Received, RoleKeys, Signature, Verified, VerifyError,
};
pub use expiry::Expiry;
pub use gun::{Gun, InvalidGun};
pub use key::{KeyId, KeyKind, PublicKey};
pub use lookup::{FoundDelegation, FoundTarget, ListedTarget};
pub use metadata::{Delegation, Delegations, Root, Snapshot, Target, Targets, Timestamp, Version};
pub use path::MetadataPath;
pub use pinning::{FirstUse, TrustPinning};
pub use role::{BaseRole, InvalidRole, RoleName};
pub use update::{
    Answer, Cached, FailureKind, Fetch, Floors, Mode, Refusal, Scope, Step, TrustedRepository,
    Unusable, UnusableReason, Update, UpdateError, Warning,
};
