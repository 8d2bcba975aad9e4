//! Version floors: what a client remembers so that no role ever goes back (specification, `tuf.md` section 10.6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rules::MAX_VERSION_JUMP;
use crate::{KeyId, RoleKeys, RoleName, Version};

/// The newest verified version per role, with the keys that vouched for it.
///
/// Floors do not depend on cached files, so a server that shrinks a file or answers twice cannot lower them. They are
/// lowered only where trust itself moved on: a delegation that has other keys now or was deleted, and a base role with
/// other keys whose old version lies out of all proportion (recovery from a fast-forward attack, security class A3).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Floors {
    #[serde(default)]
    roles: BTreeMap<String, Floor>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Floor {
    version: Version,
    /// Canonical IDs of the role's keys then.
    keys: Vec<KeyId>,
}

impl Floors {
    /// The lowest acceptable version of `role`, given its present keys and a version that is offered.
    pub(super) fn get(&self, keys: &RoleKeys, offered: Version) -> Version {
        let Some(floor) = self.roles.get(keys.role().as_str()) else {
            return 1;
        };
        let kept = keys
            .keys()
            .any(|key| floor.keys.contains(key.canonical_id()));
        let recovering = floor.version.saturating_sub(offered) > MAX_VERSION_JUMP;
        if kept || (!keys.role().is_delegation() && !recovering) {
            floor.version
        } else {
            1
        }
    }

    /// The remembered version of `role`.
    #[must_use]
    pub fn version(&self, role: &RoleName) -> Option<Version> {
        self.roles.get(role.as_str()).map(|floor| floor.version)
    }

    /// Remembers a verified version.
    pub(super) fn raise(&mut self, keys: &RoleKeys, version: Version) {
        let ids: Vec<KeyId> = keys.keys().map(|key| key.canonical_id().clone()).collect();
        self.roles
            .insert(keys.role().to_string(), Floor { version, keys: ids });
    }

    /// Forgets the delegations that `is_delegated` denies.
    pub(super) fn retain_delegated(&mut self, is_delegated: impl Fn(&str) -> bool) {
        self.roles
            .retain(|role, _| !role.starts_with("targets/") || is_delegated(role));
    }
}
