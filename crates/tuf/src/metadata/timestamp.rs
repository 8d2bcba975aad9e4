//! The timestamp: which snapshot is current.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::snapshot::validate_entry;
use super::{InvalidStructure, Metadata, Version, validate_common};
use crate::digest::null_is_default;
use crate::object::{only_objects, written_as_derived};
use crate::{BaseRole, Expiry, FileMeta, RoleName};

/// The `signed` part of a timestamp.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(remote = "Self")]
pub struct Timestamp {
    #[serde(rename = "_type", default, deserialize_with = "null_is_default")]
    pub(crate) kind: String,
    /// End of validity.
    #[serde(default = "Expiry::missing")]
    pub expires: Expiry,
    /// Length and digests of the snapshot, under `snapshot`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub meta: BTreeMap<String, FileMeta>,
    /// Number of this document.
    #[serde(default, deserialize_with = "null_is_default")]
    pub version: Version,
}

only_objects!(Timestamp);
written_as_derived!(Timestamp);

impl Timestamp {
    /// A timestamp for `snapshot`, version 0: the first signing makes it 1.
    #[must_use]
    pub fn new(snapshot: FileMeta, expires: Expiry) -> Self {
        Self {
            kind: "Timestamp".to_owned(),
            expires,
            meta: BTreeMap::from([("snapshot".to_owned(), snapshot)]),
            version: 0,
        }
    }

    /// What it says of the snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Option<&FileMeta> {
        self.meta.get("snapshot")
    }
}

impl Metadata for Timestamp {
    const BASE: BaseRole = BaseRole::Timestamp;

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
        validate_common(role, &self.kind, "Timestamp", self.version)?;
        validate_entry(role, "snapshot", self.snapshot())
    }
}
