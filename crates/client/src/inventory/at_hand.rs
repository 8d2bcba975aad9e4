//! The private keys on this machine, as far as they can be seen without a passphrase.

use std::collections::BTreeMap;
use std::path::Path;

use signet_keys::{FileKeyStore, KeyStore as _};
use signet_tuf::KeyId;

/// One private key on this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyAtHand {
    /// The role or name that its file names; empty when unknown.
    pub role: String,
    /// Whether a passphrase protects it.
    pub encrypted: bool,
}

/// The private keys of one trust folder.
#[derive(Clone, Debug, Default)]
pub struct KeysAtHand {
    keys: BTreeMap<KeyId, KeyAtHand>,
    problems: Vec<String>,
}

impl KeysAtHand {
    /// Looks at the key files of a trust folder. Nothing is asked, moved or kept in memory.
    #[must_use]
    pub fn look(trust_dir: &Path) -> Self {
        let mut found = Self::default();
        let Some(store) = FileKeyStore::look(trust_dir) else {
            found.problems.push(
                "the key folder has the layout of docker before 1.12, so its keys are not counted; any docker or notary command moves them"
                    .to_owned(),
            );
            return found;
        };
        let keys = store.list().unwrap_or_else(|error| {
            found
                .problems
                .push(format!("the keys here cannot be listed: {error}"));
            Vec::new()
        });
        for info in keys {
            match store.is_encrypted(&info.id) {
                Ok(Some(encrypted)) => {
                    let role = info.role;
                    found.keys.insert(info.id, KeyAtHand { role, encrypted });
                }
                Ok(None) => {}
                Err(error) => found
                    .problems
                    .push(format!("key file {}: {error}", info.id)),
            }
        }
        let warnings = store.take_warnings();
        found
            .problems
            .extend(warnings.iter().map(ToString::to_string));
        found
    }

    /// The key with this canonical ID.
    #[must_use]
    pub fn get(&self, id: &KeyId) -> Option<&KeyAtHand> {
        self.keys.get(id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, &KeyAtHand)> {
        self.keys.iter()
    }

    /// What could not be looked at, in sentences.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}
