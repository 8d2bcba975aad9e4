//! Targets documents: what is signed, and who else may sign what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::{InvalidStructure, Metadata, Version, validate_common};
use crate::digest::null_is_default;
use crate::object::{only_objects, written_as_derived};
use crate::{
    BaseRole, Expiry, FileMeta, Hashes, InvalidRole, KeyId, PublicKey, RoleKeys, RoleName,
    canonical,
};

/// The `signed` part of a targets or delegation document.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(remote = "Self")]
pub struct Targets {
    #[serde(rename = "_type", default, deserialize_with = "null_is_default")]
    pub(crate) kind: String,
    /// Roles below this one.
    #[serde(default, deserialize_with = "null_is_default")]
    pub delegations: Delegations,
    /// End of validity.
    #[serde(default = "Expiry::missing")]
    pub expires: Expiry,
    /// Targets by name. For Docker the name is the tag.
    #[serde(default, deserialize_with = "null_is_default")]
    pub targets: BTreeMap<String, Target>,
    /// Number of this document.
    #[serde(default, deserialize_with = "null_is_default")]
    pub version: Version,
}

/// [`Targets`] with another number and end of validity, without a copy of what may be many targets.
#[derive(Serialize)]
struct Renewed<'a> {
    #[serde(rename = "_type")]
    kind: &'a str,
    delegations: &'a Delegations,
    expires: Expiry,
    targets: &'a BTreeMap<String, Target>,
    version: Version,
}

/// Length, digests and free data of a target.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(remote = "Self")]
pub struct Target {
    /// Any JSON, omitted when absent or null. Kept as read; [`crate::canonical`] gives its canonical form.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "canonical_custom"
    )]
    pub custom: Option<Box<serde_json::value::RawValue>>,
    /// Digests of the target.
    #[serde(default, deserialize_with = "null_is_default")]
    pub hashes: Hashes,
    /// Length in bytes. Not validated on reading; may be negative.
    #[serde(default, deserialize_with = "null_is_default")]
    pub length: i64,
}

only_objects!(Targets, Target, Delegations, Delegation);
written_as_derived!(Targets, Target, Delegations, Delegation);

impl Target {
    /// A target named by SHA-256 and length, as docker writes them.
    #[must_use]
    pub fn new(sha256: [u8; 32], length: i64) -> Self {
        Self {
            custom: None,
            hashes: Hashes::sha256_only(sha256),
            length,
        }
    }

    /// Length and digests.
    #[must_use]
    pub fn meta(&self) -> FileMeta {
        FileMeta {
            hashes: self.hashes.clone(),
            length: self.length,
        }
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.hashes == other.hashes
            && self.length == other.length
            && self.custom.as_ref().map(|c| c.get()) == other.custom.as_ref().map(|c| c.get())
    }
}

impl Eq for Target {}

/// Writes custom data canonically: what is signed is then what verifiers recompute (specification, `tuf.md` 2.3).
fn canonical_custom<S: Serializer>(
    custom: &Option<Box<serde_json::value::RawValue>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = custom.as_ref().map_or("null", |raw| raw.get());
    let value: serde_json::Value = serde_json::from_str(text).map_err(serde::ser::Error::custom)?;
    value.serialize(serializer)
}

/// Keys and roles that a targets document delegates to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(remote = "Self")]
pub struct Delegations {
    /// Every key by its ID.
    #[serde(default, deserialize_with = "null_is_default")]
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// The roles; their order is significant. `None` is written `null`, as after the last delegation was deleted.
    #[serde(default)]
    pub roles: Option<Vec<Option<Delegation>>>,
}

impl Delegations {
    /// The roles in order.
    pub fn iter(&self) -> impl Iterator<Item = &Delegation> {
        self.roles.iter().flatten().flatten()
    }

    /// The first entry with this name.
    #[must_use]
    pub fn find(&self, name: &RoleName) -> Option<&Delegation> {
        self.iter().find(|d| d.name == name.as_str())
    }

    /// The keys and threshold of a delegated role, unknown IDs left out.
    #[must_use]
    pub fn role_keys(&self, name: &RoleName) -> Option<RoleKeys> {
        let delegation = self.find(name)?;
        let ids = delegation.keyids.as_deref().unwrap_or_default();
        let keys = ids
            .iter()
            .filter_map(|id| Some((id.clone(), self.keys.get(id)?.clone())));
        Some(RoleKeys::new(name.clone(), keys, delegation.threshold))
    }
}

/// One delegated role.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(remote = "Self")]
pub struct Delegation {
    /// IDs of the keys; `None` is written `null`, as after the last key was removed.
    #[serde(default)]
    pub keyids: Option<Vec<KeyId>>,
    /// The full role name. Not yet checked; see [`Delegation::role`].
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// Prefixes of the target names that the role may sign; none means it may sign nothing.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub paths: Vec<String>,
    /// How many distinct keys must sign.
    #[serde(default, deserialize_with = "null_is_default")]
    pub threshold: i64,
}

impl Delegation {
    /// The checked role name.
    ///
    /// # Errors
    /// [`InvalidRole`] when the name is not one. Documents that passed [`Metadata::validate`] have none such.
    pub fn role(&self) -> Result<RoleName, InvalidRole> {
        self.name.parse()
    }
}

impl Targets {
    /// An empty document, version 0: the first signing makes it 1.
    #[must_use]
    pub fn new(expires: Expiry) -> Self {
        Self {
            kind: "Targets".to_owned(),
            delegations: Delegations {
                keys: BTreeMap::new(),
                roles: Some(Vec::new()),
            },
            expires,
            targets: BTreeMap::new(),
            version: 0,
        }
    }
}

impl Metadata for Targets {
    const BASE: BaseRole = BaseRole::Targets;

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

    fn to_renewed(&self, version: Version, expires: Expiry) -> Result<Vec<u8>, serde_json::Error> {
        let Self {
            kind,
            delegations,
            expires: _,
            targets,
            version: _,
        } = self;
        canonical::to_vec(&Renewed {
            kind,
            delegations,
            expires,
            targets,
            version,
        })
    }

    fn validate(&self, role: &RoleName) -> Result<(), InvalidStructure> {
        validate_common(role, &self.kind, "Targets", self.version)?;
        let invalid = |reason| InvalidStructure {
            role: role.clone(),
            reason,
        };
        for entry in self.delegations.roles.iter().flatten() {
            let entry = entry
                .as_ref()
                .ok_or_else(|| invalid("delegation role is null".to_owned()))?;
            let child = entry
                .role()
                .ok()
                .filter(|child| child.parent().as_ref() == Some(role));
            if child.is_none() {
                return Err(invalid(format!("delegation role {} invalid", entry.name)));
            }
            if entry.threshold < 1 {
                return Err(invalid(format!(
                    "invalid threshold specified for {}: {} ",
                    entry.name, entry.threshold
                )));
            }
            if let Some(id) = entry
                .keyids
                .iter()
                .flatten()
                .find(|id| !self.delegations.keys.contains_key(*id))
            {
                return Err(invalid(format!(
                    "key ID {id} specified in {} without corresponding key",
                    entry.name
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewed_document_differs_in_number_and_end_alone() {
        let text = r#"{"_type":"Targets","delegations":{"keys":{},"roles":[{"keyids":[],"name":"targets/a","paths":[""],"threshold":1}]},"expires":"2030-01-01T00:00:00Z","targets":{"v1":{"custom":{"a":1},"hashes":{"sha256":"AAAA"},"length":5}},"version":7}"#;
        let document: Targets = serde_json::from_str(text).unwrap();
        let expires = Expiry::parse("2031-02-03T04:05:06Z").unwrap();
        let renewed = document.to_renewed(8, expires).unwrap();
        let expected = text
            .replace("2030-01-01T00:00:00Z", "2031-02-03T04:05:06Z")
            .replace(":7}", ":8}");
        assert_eq!(String::from_utf8(renewed).unwrap(), expected);
    }
}
