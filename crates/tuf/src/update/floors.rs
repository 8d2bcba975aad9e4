//! Version floors: what a client remembers so that no role ever goes back (specification, `tuf.md` section 10.6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rules::RECOVERY_DISTANCE;
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

impl Floor {
    fn is_of(&self, keys: &RoleKeys) -> bool {
        keys.keys()
            .any(|key| self.keys.contains(key.canonical_id()))
    }
}

impl Floors {
    /// The lowest acceptable version of `role`, given its present keys and a version that is offered.
    pub(super) fn get(&self, keys: &RoleKeys, offered: Version) -> Version {
        let Some(floor) = self.roles.get(keys.role().as_str()) else {
            return 1;
        };
        let kept = floor.is_of(keys);
        let recovering = floor.version.saturating_sub(offered) > RECOVERY_DISTANCE;
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

    /// Forgets the version of `role`: for whoever has a reason to accept an older one.
    pub fn forget(&mut self, role: &RoleName) {
        self.roles.remove(role.as_str());
    }

    /// Whether a verified document of `keys`' role is remembered, signed under keys of which one is still there.
    pub(super) fn knows(&self, keys: &RoleKeys) -> bool {
        self.roles
            .get(keys.role().as_str())
            .is_some_and(|floor| floor.is_of(keys))
    }

    /// Remembers a verified version, which [`Floors::get`] has let through.
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
