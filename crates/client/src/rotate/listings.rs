//! Which roles of a repository list which keys.

use std::collections::{BTreeMap, BTreeSet};

use signet_tuf::{BaseRole, KeyId, Root, TrustedRepository};

/// Keys by their canonical IDs.
pub(super) struct Listings {
    /// A role that lists the key, by its name as the repository writes it.
    roles: BTreeMap<KeyId, String>,
    /// Keys that no role lists any more: a root keeps the certificates of those before it.
    retired: BTreeSet<KeyId>,
}

impl Listings {
    /// Those of a root, and of the delegations that came with it. Those that cannot be trusted count, too.
    pub(super) fn of(root: &Root, trusted: Option<&TrustedRepository>) -> Self {
        let mut roles = BTreeMap::new();
        for role in BaseRole::ALL {
            for key in root.role_keys(role).keys() {
                roles.insert(key.canonical_id().clone(), role.to_string());
            }
        }
        let documents = trusted.into_iter().flat_map(|trusted| {
            let usable = trusted.all_targets().values().map(|targets| targets.body());
            let unusable = trusted.unusable().values();
            usable.chain(unusable.map(|unusable| unusable.received().unverified()))
        });
        for document in documents {
            let delegations = &document.delegations;
            for delegation in delegations.iter() {
                let ids = delegation.keyids.iter().flatten();
                for key in ids.filter_map(|id| delegations.keys.get(id)) {
                    roles.insert(key.canonical_id().clone(), delegation.name.clone());
                }
            }
        }
        let retired = root.keys.values().map(|key| key.canonical_id().clone());
        Self {
            roles,
            retired: retired.collect(),
        }
    }

    /// A role that lists the key.
    pub(super) fn who_lists(&self, id: &KeyId) -> Option<&str> {
        self.roles.get(id).map(String::as_str)
    }

    /// Whether a role lists the key, or the root knows it from before.
    pub(super) fn knows(&self, id: &KeyId) -> bool {
        self.roles.contains_key(id) || self.retired.contains(id)
    }
}
