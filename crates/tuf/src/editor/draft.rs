//! New documents that wait for signatures.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;

use crate::{KeyId, PublicKey, RoleKeys, RoleName, Signature, Version, crypto, envelope};

/// A new document that waits for signatures.
///
/// It is plain data: it can be put aside, signed by several people in turn, and finished when enough of them have.
#[derive(Clone, Debug)]
pub struct Draft {
    role: RoleName,
    version: Version,
    message: Bytes,
    /// Every one must be met: the role's own keys and, for a root with new keys, those of the previous root.
    demands: Vec<RoleKeys>,
    signatures: Vec<(PublicKey, Signature)>,
    optional: bool,
}

/// A complete, signed document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedFile {
    /// The role.
    pub role: RoleName,
    /// Its number.
    pub version: Version,
    /// The bytes to upload, store and hash.
    pub bytes: Bytes,
}

/// A signature that does not belong to the key and the document.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the signature by key {key} over {role} is not valid")]
pub struct InvalidSignature {
    /// The role.
    pub role: RoleName,
    /// Canonical ID of the key.
    pub key: KeyId,
}

/// Too few keys signed for a document to be published. `Display` is Go's text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct InsufficientSignatures {
    /// The role.
    pub role: RoleName,
    /// How many distinct keys must sign.
    pub needed: i64,
    /// Canonical IDs of the distinct keys that signed.
    pub found: Vec<KeyId>,
    /// Canonical IDs of the other keys that may sign.
    pub missing: Vec<KeyId>,
}

impl fmt::Display for InsufficientSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (needed, found, missing) = (self.needed, self.found.len(), self.missing.len());
        if found == 0 {
            write!(
                f,
                "signing keys not available: need {needed} keys from {missing} possible keys"
            )?;
        } else {
            write!(
                f,
                "not enough signing keys: found {found} of {needed} needed keys - {missing} other possible keys"
            )?;
        }
        if missing > 0 {
            let ids: Vec<&str> = self.missing.iter().map(KeyId::as_str).collect();
            write!(f, " ({})", ids.join(", "))?;
        }
        Ok(())
    }
}

impl Draft {
    pub(super) const fn new(
        role: RoleName,
        version: Version,
        message: Bytes,
        demands: Vec<RoleKeys>,
    ) -> Self {
        Self {
            role,
            version,
            message,
            demands,
            signatures: Vec::new(),
            optional: false,
        }
    }

    /// Takes over those of `signatures` that hold over this very document.
    pub(super) fn keep_signatures(&mut self, signatures: &[Signature]) {
        for signature in signatures {
            let key = self
                .keys()
                .into_iter()
                .find(|key| *key.id() == signature.key_id)
                .cloned();
            if let Some(key) = key
                && crypto::verify(&key, &signature.method, &signature.sig, &self.message)
            {
                self.signatures.push((key, signature.clone()));
            }
        }
    }

    pub(super) const fn set_optional(&mut self) {
        self.optional = true;
    }

    /// The role.
    #[must_use]
    pub const fn role(&self) -> &RoleName {
        &self.role
    }

    /// The number of the new document.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The bytes to sign.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Whether the document only renews one that is still valid, so that a publisher without its keys may leave it out.
    #[must_use]
    pub const fn is_optional(&self) -> bool {
        self.optional
    }

    /// All keys that may sign, each once. Private keys are found by their canonical IDs.
    #[must_use]
    pub fn keys(&self) -> Vec<&PublicKey> {
        let mut seen = BTreeSet::new();
        self.demands
            .iter()
            .flat_map(RoleKeys::keys)
            .filter(|key| seen.insert(key.id()))
            .collect()
    }

    /// Adds a signature over [`Draft::message`] by `key`, in the form that metadata holds.
    ///
    /// Every available key signs, not just threshold many. A key that signed before gets the new signature. Signatures
    /// by keys that [`Draft::keys`] does not name are kept and do not count.
    ///
    /// # Errors
    /// [`InvalidSignature`] when the signature does not hold: nothing that verifiers would ignore is published.
    pub fn add_signature(&mut self, key: &PublicKey, sig: Vec<u8>) -> Result<(), InvalidSignature> {
        crate::tally::verified();
        let method = key
            .kind()
            .signature_method()
            .filter(|method| crypto::verify(key, method, &sig, &self.message))
            .ok_or_else(|| InvalidSignature {
                role: self.role.clone(),
                key: key.canonical_id().clone(),
            })?;
        self.signatures.retain(|(other, _)| other.id() != key.id());
        let signature = Signature {
            key_id: key.id().clone(),
            method: method.to_owned(),
            sig,
        };
        self.signatures.push((key.clone(), signature));
        Ok(())
    }

    /// Checks that every demand is met by distinct keys.
    ///
    /// # Errors
    /// [`InsufficientSignatures`] of the first that is not.
    pub fn check(&self) -> Result<(), InsufficientSignatures> {
        for demand in &self.demands {
            let signed = |key: &&PublicKey| self.signatures.iter().any(|(by, _)| by == *key);
            let ids = |keys: Vec<&PublicKey>| {
                let mut seen = BTreeSet::new();
                let mut ids: Vec<KeyId> = Vec::with_capacity(keys.len());
                for key in keys {
                    if seen.insert(key.identity()) {
                        ids.push(key.canonical_id().clone());
                    }
                }
                ids
            };
            let found = ids(demand.keys().filter(signed).collect());
            let needed = demand.threshold();
            if needed < 1 || i64::try_from(found.len()).unwrap_or(i64::MAX) < needed {
                let mut missing = ids(demand.keys().collect());
                missing.retain(|id| !found.contains(id));
                return Err(InsufficientSignatures {
                    role: self.role.clone(),
                    needed,
                    found,
                    missing,
                });
            }
        }
        Ok(())
    }

    /// The document with its signatures.
    ///
    /// # Errors
    /// [`InsufficientSignatures`]: a document below its threshold never leaves.
    pub fn finish(self) -> Result<SignedFile, InsufficientSignatures> {
        self.check()?;
        let signatures: Vec<Signature> = self.signatures.into_iter().map(|(_, sig)| sig).collect();
        Ok(SignedFile {
            bytes: envelope::encode(&self.message, &signatures),
            role: self.role,
            version: self.version,
        })
    }
}
