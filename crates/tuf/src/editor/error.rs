//! Why edits are refused, and what people should know about those that are made.

use crate::canonical::JsonError;
use crate::certificate::CertificateError;
use crate::rules::RuleError;
use crate::update::UnusableReason;
use crate::{BaseRole, KeyId, RoleName, Version};

/// Why an edit was refused. `Display` is Go's text where Go has one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Nothing but delegations can be witnessed, and `targets`.
    #[error("{}", cannot_witness(.0))]
    CannotWitness(RoleName),
    /// A name or path holds a control character, for which Go programs have no stored form.
    #[error("{0:?} holds a control character")]
    ControlCharacter(String),
    /// Custom data that signatures cannot cover.
    #[error("invalid custom data: {0}")]
    Custom(#[source] JsonError),
    /// Paths that the parent's effective paths do not cover.
    #[error("tuf: invalid role {0}. invalid paths to add to role")]
    InvalidPaths(RoleName),
    /// A length that is negative or that readers disagree on.
    #[error("target {name} cannot have the length {length}")]
    Length {
        /// The target.
        name: String,
        /// Its length.
        length: i64,
    },
    /// The role has a document that was not loaded: the update was not for all roles, or a role above is unusable.
    #[error("the present {0} metadata was not loaded")]
    NotLoaded(RoleName),
    /// The role does not exist and gets no keys.
    #[error("tuf: invalid role {0}.")]
    NoKeys(RoleName),
    /// A base role where a delegation belongs.
    #[error("tuf: invalid role {0}. not a valid delegated role")]
    NotADelegation(RoleName),
    /// A role that lists no targets.
    #[error("cannot add targets to this role")]
    NotATargetsRole(RoleName),
    /// No loaded document delegates to the role.
    #[error("tuf: invalid role {0}. delegation does not exist")]
    NotDelegated(RoleName),
    /// The role may not sign a target of this name.
    #[error("Could not add all targets")]
    OutsidePaths {
        /// The role.
        role: RoleName,
        /// The target.
        name: String,
    },
    /// What the repository holds is not trustworthy enough to build on.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A role whose document nobody can make valid again, because it has fewer keys than it needs signatures.
    #[error(
        "tuf: invalid role {0}. role does not specify enough valid signing keys to meet its required threshold"
    )]
    TooFewKeys(RoleName),
    /// Nobody can sign with a threshold below 1.
    #[error("tuf: invalid role {role}. invalid threshold {threshold}")]
    Threshold {
        /// The role.
        role: RoleName,
        /// The threshold.
        threshold: i64,
    },
    /// The role has no document to witness.
    #[error("tuf: invalid role {0}. this role is not known")]
    UnknownRole(RoleName),
    /// The snapshot cannot name a document that is not signed yet.
    #[error("{0} must be signed before the snapshot")]
    Unsigned(RoleName),
    /// The role's present document is not signed by its keys, so that its content can only be taken over knowingly.
    #[error(
        "the present {role} metadata cannot be trusted ({reason}); witness it or delete it first"
    )]
    Unusable {
        /// The role.
        role: RoleName,
        /// What is wrong with it.
        reason: UnusableReason,
    },
    /// A key that no verifier accepts, or whose certificate would make every verifier stop.
    #[error("key {id} cannot be used: {reason}")]
    UnusableKey {
        /// Its canonical ID.
        id: KeyId,
        /// Why not.
        reason: UnusableKey,
    },
    /// The version cannot grow any more.
    #[error("{role} has reached the highest version, {version}")]
    VersionExhausted {
        /// The role.
        role: RoleName,
        /// Its version.
        version: Version,
    },
    /// A document could not be written.
    #[error("cannot write {role}")]
    Write {
        /// The role.
        role: RoleName,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Go has one text for the root, and another for what it knows no way to change.
fn cannot_witness(role: &RoleName) -> String {
    match role.base() {
        Some(BaseRole::Root) => "type of root change not yet supported: witness".to_owned(),
        _ => format!("scope not supported: {role}"),
    }
}

/// Why a key cannot serve a delegation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableKey {
    /// A certificate that verifiers refuse.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Not what its type says, of an unknown type, or an RSA key below 2048 bits.
    #[error("its type or size is not supported")]
    Unsupported,
}

/// What people should know about an edit that was made. `Display` is Go's text where Go has one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EditWarning {
    /// Custom data that a Go program, signing the document again, would sign wrongly.
    #[error(
        "the custom data of {name} in {role} holds characters over which Go notary signs wrongly when it next changes the role"
    )]
    CustomNeedsEscapes {
        /// The role.
        role: RoleName,
        /// The target.
        name: String,
    },
    /// A delegation that nobody can sign for now.
    #[error(
        "role {role} has fewer keys than its threshold of {threshold}; it will not be usable until keys are added to it"
    )]
    FewerKeysThanThreshold {
        /// The role.
        role: RoleName,
        /// Its threshold.
        threshold: i64,
    },
    /// A document in which purged keys were not looked for, because nobody vouches for what it says or it was not loaded.
    #[error(
        "role {role} may list keys being purged, itself or below, and could not be looked into; purge them again once it is signed and valid"
    )]
    NotLookedInto {
        /// The role.
        role: RoleName,
    },
    /// A document that still lists purged keys, because no key to sign it is at hand.
    #[error(
        "role {role} contains keys being purged but you do not have the necessary keys present to sign it; keys will not be purged from {role} or its immediate children"
    )]
    NotPurged {
        /// The role.
        role: RoleName,
    },
}
