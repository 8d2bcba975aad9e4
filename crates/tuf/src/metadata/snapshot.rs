//! The snapshot: which root and targets documents belong together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{InvalidStructure, Metadata, Version, validate_common};
use crate::digest::null_is_default;
use crate::object::{only_objects, written_as_derived};
use crate::{BaseRole, Expiry, FileMeta, HashAlgorithm, RoleName};

/// The `signed` part of a snapshot.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(remote = "Self")]
pub struct Snapshot {
    #[serde(rename = "_type", default, deserialize_with = "null_is_default")]
    pub(crate) kind: String,
    /// End of validity.
    #[serde(default = "Expiry::missing")]
    pub expires: Expiry,
    /// Length and digests by role name. Names that are no roles are kept and never used.
    #[serde(default, deserialize_with = "null_is_default")]
    pub meta: BTreeMap<String, FileMeta>,
    /// Number of this document.
    #[serde(default, deserialize_with = "null_is_default")]
    pub version: Version,
}

only_objects!(Snapshot);
written_as_derived!(Snapshot);

impl Snapshot {
    /// A snapshot of nothing, version 0: the first signing makes it 1.
    #[must_use]
    pub fn new(expires: Expiry) -> Self {
        Self {
            kind: "Snapshot".to_owned(),
            expires,
            meta: BTreeMap::new(),
            version: 0,
        }
    }
}

/// Go's checks of a listed document: SHA-256 present and of the right length, SHA-512 of the right length.
pub(super) fn validate_entry(
    role: &RoleName,
    name: &str,
    meta: Option<&FileMeta>,
) -> Result<(), InvalidStructure> {
    let invalid = |reason| InvalidStructure {
        role: role.clone(),
        reason,
    };
    let hashes = meta.map(|m| &m.hashes);
    if hashes
        .and_then(|h| h.digest(HashAlgorithm::Sha256))
        .is_none()
    {
        return Err(invalid(format!(
            "missing {name} sha256 checksum information"
        )));
    }
    for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha512] {
        let digest = hashes.and_then(|h| h.digest(algorithm));
        if digest.is_some_and(|d| d.len() != algorithm.digest_len()) {
            return Err(invalid(format!(
                "invalid {name} checksum information, {} checksum invalid",
                algorithm.as_str()
            )));
        }
    }
    Ok(())
}

impl Metadata for Snapshot {
    const BASE: BaseRole = BaseRole::Snapshot;

    fn version(&self) -> Version {
        self.version
    }

    fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    fn expires(&self) -> &Expiry {
        &self.expires
    }

    fn set_expires(&mut self, expires: Expiry) {
        self.expires = expires;
    }

    fn validate(&self, role: &RoleName) -> Result<(), InvalidStructure> {
        validate_common(role, &self.kind, "Snapshot", self.version)?;
        for name in ["root", "targets"] {
            validate_entry(role, name, self.meta.get(name))?;
        }
        Ok(())
    }
}
