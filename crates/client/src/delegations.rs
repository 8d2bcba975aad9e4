//! Who may sign for whom, as far as it is known without asking the server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use signet_tuf::{Gun, KeyId, Received, RoleName, Targets};

use crate::cache::{Cache as _, FolderCache};
use crate::changelist::Changelist;
use crate::layout::Layout;
use crate::{Edit, Error, Repository};

/// The delegations of a repository as this machine remembers them, with what the staged changes add. Good for telling people that they may
/// have mistyped something; no word of it is proof.
#[derive(Clone, Debug, Default)]
pub struct KnownDelegations {
    roles: BTreeMap<RoleName, Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// Canonical IDs.
    keys: BTreeSet<KeyId>,
    paths: BTreeSet<String>,
}

impl KnownDelegations {
    /// Whether there is such a delegation.
    #[must_use]
    pub fn has(&self, role: &RoleName) -> bool {
        self.roles.contains_key(role)
    }

    /// Whether the delegation has the key with this canonical ID.
    #[must_use]
    pub fn has_key(&self, role: &RoleName, key: &KeyId) -> bool {
        self.roles
            .get(role)
            .is_some_and(|known| known.keys.contains(key))
    }

    /// Whether any delegation has the key with this canonical ID.
    #[must_use]
    pub fn has_key_anywhere(&self, key: &KeyId) -> bool {
        self.roles.values().any(|known| known.keys.contains(key))
    }

    /// Whether the delegation has this path.
    #[must_use]
    pub fn has_path(&self, role: &RoleName, path: &str) -> bool {
        self.roles
            .get(role)
            .is_some_and(|known| known.paths.contains(path))
    }

    /// The delegations of a repository as a trust folder remembers them, with what is staged there; `None` when nothing is remembered, or it
    /// cannot be read.
    #[must_use]
    pub fn of(trust_dir: &Path, gun: &Gun) -> Option<Self> {
        let layout = Layout::new(trust_dir, gun).ok()?;
        let documents = FolderCache::new(layout.clone()).load().ok()?.targets;
        Self::gather(documents, Some(Changelist::new(&layout))).ok()?
    }

    /// All of them, sorted.
    pub fn roles(&self) -> impl Iterator<Item = &RoleName> {
        self.roles.keys()
    }

    /// Canonical IDs of a delegation's keys.
    pub fn keys(&self, role: &RoleName) -> impl Iterator<Item = &KeyId> {
        self.roles
            .get(role)
            .into_iter()
            .flat_map(|known| &known.keys)
    }

    fn gather(
        documents: BTreeMap<RoleName, Bytes>,
        changelist: Option<Changelist>,
    ) -> Result<Option<Self>, Error> {
        if documents.is_empty() {
            return Ok(None);
        }
        let mut known = Self::default();
        for (role, bytes) in documents {
            if let Ok(document) = Received::<Targets>::parse(&role, bytes) {
                known.remember(document.unverified());
            }
        }
        if let Some(changelist) = changelist {
            let staged = changelist.list()?.into_iter();
            let edits = staged.filter_map(|staged| staged.change.ok()?.edit().ok());
            edits.for_each(|edit| known.stage(edit));
        }
        Ok(Some(known))
    }

    fn remember(&mut self, document: &Targets) {
        for entry in document.delegations.iter() {
            let Ok(role) = entry.role() else {
                continue;
            };
            let known = self.roles.entry(role).or_default();
            let ids = entry.keyids.iter().flatten();
            let keys = ids.filter_map(|id| document.delegations.keys.get(id));
            known
                .keys
                .extend(keys.map(|key| key.canonical_id().clone()));
            known.paths.extend(entry.paths.iter().cloned());
        }
    }

    fn stage(&mut self, edit: Edit) {
        let (role, keys, paths) = match edit {
            Edit::AddDelegation {
                role, keys, paths, ..
            } => (role, keys, paths),
            Edit::ChangeDelegation {
                role,
                add_keys,
                add_paths,
                ..
            } if self.has(&role) => (role, add_keys, add_paths),
            _ => return,
        };
        let known = self.roles.entry(role).or_default();
        known
            .keys
            .extend(keys.iter().map(|key| key.canonical_id().clone()));
        known.paths.extend(paths);
    }
}

impl Repository {
    /// The delegations as they are remembered here and staged; `None` when nothing is remembered, so that nothing can be said.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Changelist`] when the trust directory cannot be read.
    pub fn known_delegations(&self) -> Result<Option<KnownDelegations>, Error> {
        KnownDelegations::gather(self.cache.load()?.targets, self.changelist())
    }
}

#[cfg(test)]
mod tests {
    use signet_tuf::PublicKey;

    use super::*;

    fn key(public: &str) -> PublicKey {
        PublicKey::new("ecdsa".into(), public.as_bytes())
    }

    #[test]
    fn documents_and_staged_changes_are_known() {
        let releases = RoleName::releases();
        let (listed, added, other) = (key("listed"), key("added"), key("other"));
        let document = serde_json::json!({
            "_type": "Targets", "expires": "2036-01-01T00:00:00Z", "targets": {}, "version": 1,
            "delegations": {
                "keys": {listed.id().as_str(): listed},
                "roles": [{"keyids": [listed.id().as_str()], "name": "targets/releases", "paths": ["a/"], "threshold": 1}],
            },
        });
        let mut known = KnownDelegations::default();
        known.remember(&serde_json::from_value(document).unwrap());
        assert!(known.has(&releases) && known.has_key(&releases, listed.canonical_id()));
        assert!(known.has_path(&releases, "a/") && !known.has_path(&releases, "b/"));
        assert!(!known.has_key_anywhere(added.canonical_id()));

        let change = |role: &RoleName, key: &PublicKey| Edit::ChangeDelegation {
            role: role.clone(),
            threshold: 0,
            add_keys: vec![key.clone()],
            remove_keys: Vec::new(),
            add_paths: vec!["b/".to_owned()],
            remove_paths: Vec::new(),
            clear_paths: false,
        };
        known.stage(change(&releases, &added));
        assert!(known.has_key(&releases, added.canonical_id()));
        assert!(known.has_path(&releases, "b/"));
        let new: RoleName = "targets/new".parse().unwrap();
        known.stage(change(&new, &other));
        assert!(!known.has(&new) && !known.has_key_anywhere(other.canonical_id()));
        known.stage(Edit::AddDelegation {
            role: new.clone(),
            threshold: 1,
            keys: vec![other.clone()],
            paths: Vec::new(),
        });
        assert!(known.has_key(&new, other.canonical_id()));
        assert!(known.has_key_anywhere(other.canonical_id()));
    }
}
