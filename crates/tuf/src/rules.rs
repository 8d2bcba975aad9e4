//! What may follow what: the rules that turn received documents into verified ones.
//!
//! The update engine and the server's validation of uploads use these functions alike; there is no second set. The
//! order of the checks is Go's (specification, `tuf.md` section 11), because the first that fails decides the error.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::certificate::{Bundle, Certificate, CertificateError, RootKey, parse_pem_certificates};
use crate::digest::DigestMismatch;
use crate::metadata::{InvalidStructure, Metadata};
use crate::pinning::{PinningError, TrustPinning};
use crate::{
    BaseRole, Expiry, Gun, ParseError, Received, RoleKeys, RoleName, Root, Snapshot, Targets,
    Timestamp, Verified, VerifyError, Version,
};

/// Largest step by which a version may grow in one upload (security class A3).
pub const MAX_VERSION_JUMP: Version = 1_000_000;
/// Distance from which an older version counts as the recovery from a fast-forward attack, once the role's keys were
/// replaced: an honest role never goes back at all.
pub const RECOVERY_DISTANCE: Version = 10_000;
/// Most root keys that are looked at.
const MAX_ROLE_KEYS: usize = 1024;
/// Up to how many root keys, and of which size, keep what their certificates say. What a hostile root lists is read again each time instead: it
/// would take a multiple of the document's memory.
const MAX_PLAIN_KEYS: usize = 16;
const MAX_PLAIN_KEY_BYTES: usize = 8 << 10;
/// Largest version that may be stored: the width of the column in every server's database.
pub const MAX_VERSION: Version = i32::MAX as Version;

/// Why a document was refused. `Display` is Go's text where Go has one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The same role came twice.
    #[error("{0} has already been loaded")]
    AlreadyLoaded(RoleName),
    /// A certificate among a delegation's keys may not be used.
    #[error("{source}")]
    Certificate {
        /// The delegation.
        role: RoleName,
        /// What is wrong with the certificate.
        source: CertificateError,
    },
    /// The parent does not delegate to this role.
    #[error("tuf: invalid role {0}. delegation does not exist")]
    NotDelegated(RoleName),
    /// The bytes are not those that the parent names.
    #[error(transparent)]
    Digest(#[from] DigestMismatch),
    /// Validity is over.
    #[error("{role} expired at {expiry}")]
    Expired {
        /// The role.
        role: RoleName,
        /// When its validity ended.
        expiry: Expiry,
    },
    /// Not a document.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A version below one that is already trusted.
    #[error("version {received} is lower than current version {trusted}")]
    RolledBack {
        /// The role.
        role: RoleName,
        /// The version that came.
        received: Version,
        /// The lowest version acceptable.
        trusted: Version,
    },
    /// The root is not trustworthy.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Too few of the right signatures.
    #[error(transparent)]
    Signatures(#[from] VerifyError),
    /// The document is not well-formed.
    #[error(transparent)]
    Structure(#[from] InvalidStructure),
}

/// Why a root is not trustworthy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// No root certificate is valid and names the repository.
    #[error(
        "could not validate the path to a trusted root: unable to retrieve valid leaf certificates"
    )]
    NoValidLeaf,
    /// The previous root has no certificate that names the repository.
    #[error(
        "could not validate the path to a trusted root: could not retrieve trusted certs from previous root role data"
    )]
    NoPreviousLeaf,
    /// The root is not signed by enough of its own keys.
    #[error("could not validate the path to a trusted root: failed to validate integrity of roots")]
    NotSelfSigned,
    /// The configuration pins other certificates.
    #[error(
        "could not validate the path to a trusted root: unable to match any certificates to trust_pinning config"
    )]
    NotPinned,
    /// Pinning could not be applied.
    #[error("could not validate the path to a trusted root: {0}")]
    Pinning(#[source] PinningError),
    /// The root is not signed by enough of the previous root's keys.
    #[error(
        "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates"
    )]
    Rotation,
    /// `<n>.root.json` carries another version than `n`.
    #[error(
        "could not rotate trust to a new trusted root: {expected}.root carries version {received}"
    )]
    WrongVersion {
        /// The version in the name.
        expected: Version,
        /// The version in the document.
        received: Version,
    },
}

/// A refused root, given back so that a chain of roots can still lead to it.
#[derive(Debug)]
pub struct RefusedRoot {
    /// Why.
    pub error: RuleError,
    /// The document, when it was well-formed.
    pub received: Box<Received<Root>>,
}

/// Whether the validity of certificates counts.
#[derive(Clone, Copy, Debug)]
pub enum CertificateTime {
    /// They must be valid at this moment.
    At(OffsetDateTime),
    /// Their validity does not matter: for a root that was trusted before and is only the basis of the next one.
    Ignored,
}

impl CertificateTime {
    const fn moment(self) -> Option<OffsetDateTime> {
        match self {
            Self::At(moment) => Some(moment),
            Self::Ignored => None,
        }
    }
}

/// A root key's certificates.
struct RootCertificates {
    read: RootKey,
    /// Whether the key's type says that it is certificates. Under the label of a bare key they are no key: the type
    /// says how a key is to be read.
    labelled: bool,
}

impl RootCertificates {
    fn bundle(&self) -> &Bundle {
        &self.read.bundle
    }
}

/// The certificates of a root's own keys, those of the wrong form dropped.
fn root_certificates(root: &Root) -> Vec<RootCertificates> {
    let ids = root
        .role(BaseRole::Root)
        .and_then(|role| role.keyids.as_deref())
        .unwrap_or_default();
    let is_plain = ids.len() <= MAX_PLAIN_KEYS;
    let mut seen = BTreeSet::new();
    ids.iter()
        .filter(|id| seen.insert(*id))
        .take(MAX_ROLE_KEYS)
        .filter_map(|id| root.keys.get(id))
        .filter_map(|key| {
            Some(RootCertificates {
                read: if is_plain && key.public_bytes().len() <= MAX_PLAIN_KEY_BYTES {
                    key.root_key()?.clone()
                } else {
                    RootKey::of(Bundle::from_pem(key.public_bytes())?)
                },
                labelled: key.kind().is_certificate(),
            })
        })
        .collect()
}

/// The keys that may sign the role root: rebuilt from the certificates that name `gun` and are valid, under their
/// computed IDs (specification, `tuf.md` section 12.1, steps 2 to 5).
#[must_use]
pub fn root_role_keys(root: &Root, gun: &Gun, time: CertificateTime) -> RoleKeys {
    keys_of(root, valid_certificates(root, gun, time).iter())
}

fn valid_certificates(root: &Root, gun: &Gun, time: CertificateTime) -> Vec<RootCertificates> {
    let now = time.moment();
    let mut found = root_certificates(root);
    found.retain(|key| key.bundle().leaf.names(gun) && key.bundle().leaf.validate(now).is_ok());
    for key in &mut found {
        let stays = |certificate: &Certificate| certificate.validate(now).is_ok();
        if !key.bundle().intermediates.iter().all(stays) {
            let mut bundle = key.bundle().clone();
            bundle.intermediates.retain(stays);
            key.read = RootKey::of(bundle);
        }
    }
    found
}

fn keys_of<'a>(root: &Root, certificates: impl Iterator<Item = &'a RootCertificates>) -> RoleKeys {
    let threshold = root.role(BaseRole::Root).map_or(0, |role| role.threshold);
    let keys = certificates
        .filter(|key| key.labelled)
        .filter_map(|key| key.read.rebuilt.clone())
        .map(|key| (key.id().clone(), key));
    RoleKeys::new(RoleName::root(), keys, threshold)
}

/// The keys by which a later root must be signed: those of `previous` that name `gun`, whatever their validity.
pub(crate) fn predecessor_keys(previous: &Root, gun: &Gun) -> Option<RoleKeys> {
    let mut found = root_certificates(previous);
    found.retain(|key| key.bundle().leaf.names(gun));
    (!found.is_empty()).then(|| keys_of(previous, found.iter()))
}

/// Everything about a root but its version and expiry: structure, certificates, predecessor, pinning, signatures
/// (specification, `tuf.md` section 12.1).
///
/// `pinning` is `None` where a trusted root stands behind this one and on the server.
///
/// # Errors
/// [`RefusedRoot`] with the first rule that is broken.
pub fn verify_root(
    received: Received<Root>,
    gun: &Gun,
    time: CertificateTime,
    previous: Option<&Root>,
    pinning: Option<&TrustPinning>,
) -> Result<Verified<Root>, RefusedRoot> {
    match root_signers(&received, gun, time, previous, pinning) {
        Err(error) => Err(RefusedRoot {
            error,
            received: Box::new(received),
        }),
        Ok(keys) => match received.check_signatures(&keys) {
            Ok(()) => Ok(Verified::from_checked(received)),
            Err(_) => Err(RefusedRoot {
                error: RootError::NotSelfSigned.into(),
                received: Box::new(received),
            }),
        },
    }
}

/// The keys that must have signed `received` itself, once all that comes before that check has passed.
fn root_signers(
    received: &Received<Root>,
    gun: &Gun,
    time: CertificateTime,
    previous: Option<&Root>,
    pinning: Option<&TrustPinning>,
) -> Result<RoleKeys, RuleError> {
    received.validate()?;
    let root = received.unverified();
    let certificates = valid_certificates(root, gun, time);
    if certificates.is_empty() {
        return Err(RootError::NoValidLeaf.into());
    }
    if let Some(previous) = previous {
        let keys = predecessor_keys(previous, gun).ok_or(RootError::NoPreviousLeaf)?;
        received
            .check_signatures(&keys)
            .map_err(|_| RootError::Rotation)?;
    }
    let mut accepted: Vec<&RootCertificates> = certificates.iter().collect();
    if let Some(pinning) = pinning {
        // Pinned paths are judged at the present moment only; without one there is nothing to pin.
        if let CertificateTime::At(now) = time {
            accepted = pinning
                .filter(gun, accepted, |key| key.bundle(), now, previous.is_some())
                .map_err(RootError::Pinning)?;
        }
        if accepted.is_empty() {
            return Err(RootError::NotPinned.into());
        }
    }
    Ok(keys_of(root, accepted.into_iter()))
}

/// Common names of the root's valid certificates whose validity ends within six months.
#[must_use]
pub fn root_certificates_near_expiry(root: &Root, gun: &Gun, now: OffsetDateTime) -> Vec<String> {
    valid_certificates(root, gun, CertificateTime::At(now))
        .iter()
        .map(|key| &key.bundle().leaf)
        .filter(|leaf| leaf.is_near_expiry(now))
        .map(|leaf| leaf.common_name().to_owned())
        .collect()
}

/// Verifies a timestamp: signatures, then structure.
///
/// # Errors
/// [`RuleError`].
pub fn verify_timestamp(
    received: Received<Timestamp>,
    root: &Root,
) -> Result<Verified<Timestamp>, RuleError> {
    signatures_then_structure(received, &root.role_keys(BaseRole::Timestamp))
}

/// Verifies a snapshot: signatures, then structure.
///
/// # Errors
/// [`RuleError`].
pub fn verify_snapshot(
    received: Received<Snapshot>,
    root: &Root,
) -> Result<Verified<Snapshot>, RuleError> {
    signatures_then_structure(received, &root.role_keys(BaseRole::Snapshot))
}

/// Verifies the document of the role `targets`: signatures, then structure.
///
/// # Errors
/// [`RuleError`].
pub fn verify_targets(
    received: Received<Targets>,
    root: &Root,
) -> Result<Verified<Targets>, RuleError> {
    signatures_then_structure(received, &root.role_keys(BaseRole::Targets))
}

fn signatures_then_structure<T: Metadata>(
    received: Received<T>,
    keys: &RoleKeys,
) -> Result<Verified<T>, RuleError> {
    let verified = received.verify(keys)?;
    verified.received().validate()?;
    Ok(verified)
}

/// The keys of the delegation `role` in its parent's document, every certificate among them checked.
///
/// # Errors
/// [`RuleError::NotDelegated`], or [`RuleError::Certificate`] for a certificate that is weak or turned upside down,
/// even when it signed nothing.
pub fn delegation_keys(parent: &Targets, role: &RoleName) -> Result<RoleKeys, RuleError> {
    let keys = parent
        .delegations
        .role_keys(role)
        .ok_or_else(|| RuleError::NotDelegated(role.clone()))?;
    for key in keys
        .keys()
        .filter(|key| !matches!(key.kind(), crate::KeyKind::Ed25519))
    {
        let marker = b"-----BEGIN CERTIFICATE-----";
        if !key
            .public_bytes()
            .windows(marker.len())
            .any(|text| text == marker)
        {
            continue;
        }
        for certificate in parse_pem_certificates(key.public_bytes()).unwrap_or_default() {
            certificate
                .validate(None)
                .map_err(|source| RuleError::Certificate {
                    role: role.clone(),
                    source,
                })?;
        }
    }
    Ok(keys)
}

/// Refuses a version below `floor`.
///
/// # Errors
/// [`RuleError::RolledBack`].
pub fn check_floor(role: &RoleName, received: Version, floor: Version) -> Result<(), RuleError> {
    if received < floor {
        return Err(RuleError::RolledBack {
            role: role.clone(),
            received,
            trusted: floor,
        });
    }
    Ok(())
}

/// Refuses a document whose validity is over.
///
/// # Errors
/// [`RuleError::Expired`].
pub fn check_expiry(
    role: &RoleName,
    expires: &Expiry,
    now: OffsetDateTime,
) -> Result<(), RuleError> {
    if expires.is_over(now) {
        return Err(RuleError::Expired {
            role: role.clone(),
            expiry: expires.clone(),
        });
    }
    Ok(())
}
