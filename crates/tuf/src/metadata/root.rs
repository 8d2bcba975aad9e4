//! The root document: the keys of the base roles.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{InvalidStructure, Metadata, Version, validate_common};
use crate::digest::null_is_default;
use crate::object::{only_objects, written_as_derived};
use crate::{BaseRole, Expiry, KeyId, PublicKey, RoleKeys, RoleName};

/// The `signed` part of a root document.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(remote = "Self")]
pub struct Root {
    #[serde(rename = "_type", default, deserialize_with = "null_is_default")]
    pub(crate) kind: String,
    /// Always written `false`, ignored on reading: names with checksums are always used.
    #[serde(default, deserialize_with = "null_is_default")]
    pub consistent_snapshot: bool,
    /// End of validity.
    #[serde(default = "Expiry::missing")]
    pub expires: Expiry,
    /// Every key by its ID, also retired root certificates.
    #[serde(default, deserialize_with = "null_is_default")]
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// Key IDs and threshold per role; the four base roles are required, others are ignored.
    #[serde(default, deserialize_with = "null_is_default")]
    pub roles: BTreeMap<String, Option<RootRole>>,
    /// Number of this document.
    #[serde(default, deserialize_with = "null_is_default")]
    pub version: Version,
}

/// The keys of one base role.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(remote = "Self")]
pub struct RootRole {
    /// IDs of the keys; `None` is written `null`.
    #[serde(default)]
    pub keyids: Option<Vec<KeyId>>,
    /// How many distinct keys must sign.
    #[serde(default, deserialize_with = "null_is_default")]
    pub threshold: i64,
}

only_objects!(Root, RootRole);
written_as_derived!(Root, RootRole);

impl Root {
    /// A root whose every role has `keys` with threshold 1.
    #[must_use]
    pub fn new(keys: &BTreeMap<BaseRole, Vec<PublicKey>>, expires: Expiry) -> Self {
        let mut root = Self {
            kind: "Root".to_owned(),
            consistent_snapshot: false,
            expires,
            keys: BTreeMap::new(),
            roles: BTreeMap::new(),
            version: 0,
        };
        for role in BaseRole::ALL {
            let keys = keys.get(&role).map_or(&[][..], Vec::as_slice);
            root.roles.insert(
                role.as_str().to_owned(),
                Some(RootRole {
                    keyids: Some(keys.iter().map(|k| k.id().clone()).collect()),
                    threshold: 1,
                }),
            );
            root.keys
                .extend(keys.iter().map(|k| (k.id().clone(), k.clone())));
        }
        root
    }

    /// The entry of a base role.
    #[must_use]
    pub fn role(&self, role: BaseRole) -> Option<&RootRole> {
        self.roles.get(role.as_str())?.as_ref()
    }

    /// The keys of a base role as listed, unknown IDs left out. For the root role use
    /// [`crate::rules::root_role_keys`], which rebuilds them from their certificates.
    #[must_use]
    pub fn role_keys(&self, role: BaseRole) -> RoleKeys {
        let entry = self.role(role);
        let ids = entry.and_then(|r| r.keyids.as_deref()).unwrap_or_default();
        RoleKeys::new(
            role.into(),
            ids.iter()
                .filter_map(|id| Some((id.clone(), self.keys.get(id)?.clone()))),
            entry.map_or(0, |r| r.threshold),
        )
    }

    /// Replaces the keys of a base role, keeping its threshold. Keys that no role uses any more are dropped, except
    /// root keys, which stay for clients that come from an older root (specification, `tuf.md` section 14.3).
    pub fn replace_role_keys(&mut self, role: BaseRole, keys: &[PublicKey]) {
        let threshold = self.role(role).map_or(1, |r| r.threshold);
        let old = self
            .role(role)
            .and_then(|r| r.keyids.clone())
            .unwrap_or_default();
        self.roles.insert(
            role.as_str().to_owned(),
            Some(RootRole {
                keyids: Some(keys.iter().map(|k| k.id().clone()).collect()),
                threshold,
            }),
        );
        self.keys
            .extend(keys.iter().map(|k| (k.id().clone(), k.clone())));
        if role != BaseRole::Root {
            for id in old {
                let used = self
                    .roles
                    .values()
                    .flatten()
                    .any(|r| r.keyids.as_deref().unwrap_or_default().contains(&id));
                if !used {
                    self.keys.remove(&id);
                }
            }
        }
    }
}

impl Metadata for Root {
    const BASE: BaseRole = BaseRole::Root;

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
        validate_common(role, &self.kind, "Root", self.version)?;
        let invalid = |reason| InvalidStructure {
            role: role.clone(),
            reason,
        };
        for base in BaseRole::ALL {
            let entry = self
                .role(base)
                .ok_or_else(|| invalid(format!("missing {base} role specification")))?;
            if entry.threshold < 1 {
                return Err(invalid(format!(
                    "invalid threshold specified for {base}: {} ",
                    entry.threshold
                )));
            }
            if let Some(id) = entry
                .keyids
                .iter()
                .flatten()
                .find(|id| !self.keys.contains_key(*id))
            {
                return Err(invalid(format!(
                    "key ID {id} specified in {base} without corresponding key"
                )));
            }
        }
        Ok(())
    }
}
