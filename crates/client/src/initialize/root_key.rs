//! Which of several root keys signs a new repository.

use std::collections::BTreeSet;
use std::path::Path;

use signet_keys::KeyStore;
use signet_tuf::rules::{self, CertificateTime};
use signet_tuf::update::MAX_ROOT_BYTES;
use signet_tuf::{BaseRole, KeyId, Received, RoleName, Root};

use crate::Error;
use crate::inventory::Folder;
use crate::layout::{Layout, read_bounded};

/// A root key among those at hand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChosenRootKey {
    /// The key.
    pub id: KeyId,
    /// Whether a repository in the trust folder is signed with it.
    pub in_use: bool,
    /// The root keys that were not chosen.
    pub others: Vec<KeyId>,
}

/// Chooses a root key of the store: one with which a repository in the trust folder is signed, before others; and of several the one with the
/// lowest ID. `None` when there is none.
///
/// # Errors
/// [`Error::Key`] and [`Error::File`] when the store or the trust folder cannot be read.
pub fn choose_root_key(
    keys: &dyn KeyStore,
    trust_dir: &Path,
) -> Result<Option<ChosenRootKey>, Error> {
    let held: BTreeSet<KeyId> = keys
        .list()?
        .into_iter()
        .filter(|key| key.role == BaseRole::Root.as_str())
        .map(|key| key.id)
        .collect();
    let used = match held.len() {
        0 | 1 => None,
        _ => lowest_in_use(&held, trust_dir)?,
    };
    let Some(id) = used.as_ref().or_else(|| held.first()).cloned() else {
        return Ok(None);
    };
    Ok(Some(ChosenRootKey {
        in_use: used.is_some(),
        others: held.into_iter().filter(|other| *other != id).collect(),
        id,
    }))
}

fn lowest_in_use(held: &BTreeSet<KeyId>, trust_dir: &Path) -> Result<Option<KeyId>, Error> {
    let mut used = BTreeSet::new();
    for gun in Folder::new(trust_dir).guns()? {
        let Ok(layout) = Layout::new(trust_dir, &gun) else {
            continue;
        };
        let document = read_bounded(&layout.document(&RoleName::root()), MAX_ROOT_BYTES)?;
        let root = document
            .and_then(|bytes| Received::<Root>::parse(&RoleName::root(), bytes).ok())
            // What its own keys did not sign is no repository of theirs.
            .and_then(|root| {
                rules::verify_root(root, &gun, CertificateTime::Ignored, None, None).ok()
            });
        if let Some(root) = root {
            let keys = root.body().role_keys(BaseRole::Root);
            used.extend(keys.keys().map(|key| key.canonical_id().clone()));
        }
    }
    Ok(held.intersection(&used).next().cloned())
}
