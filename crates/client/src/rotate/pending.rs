//! Rotations of which nobody knows yet whether they took effect.
//!
//! They are written down in Signet's own folder before the upload: a command that is killed between the upload and the answer leaves both
//! keys behind, and the next rotation finds out from the root which of them counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use signet_tuf::{BaseRole, KeyId};

use crate::layout::{FileError, read_bounded, write_atomic};
use crate::{Error, Repository};

/// Largest file of pending rotations.
const MAX_BYTES: u64 = 1 << 20;

/// One role's rotation.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Pending {
    /// Keys that the new root lists.
    pub(super) new: Vec<KeyId>,
    /// Those of them that the rotation put into the key store.
    pub(super) made: Vec<KeyId>,
    /// Private keys that go when it has taken effect.
    pub(super) old: Vec<KeyId>,
}

impl Pending {
    /// Compares with the keys that the root lists now, and gives the stored keys that have not come into effect.
    pub(super) fn settle(&mut self, listed: &[KeyId]) -> Vec<KeyId> {
        let took_effect = !self.new.is_empty() && self.new.iter().all(|id| listed.contains(id));
        let mut made = std::mem::take(&mut self.made);
        if took_effect {
            made.clear();
        } else {
            // It did not come to that, so what it would have removed is judged anew.
            self.old.clear();
        }
        // No rotation writes down that it made what it did not mean to list.
        made.retain(|id| self.new.contains(id));
        made
    }

    /// A key that comes back is not removed.
    pub(super) fn drop_new_from_old(&mut self) {
        self.old.sort_unstable();
        self.old.dedup();
        self.old.retain(|id| !self.new.contains(id));
    }
}

impl Repository {
    /// What an interrupted rotation of the role left.
    pub(super) fn pending(&self, role: BaseRole) -> Result<Option<Pending>, Error> {
        Ok(self.all_pending()?.remove(role.as_str()))
    }

    /// Writes down a rotation before it is tried, or that there is none any more.
    pub(super) fn remember_pending(
        &self,
        role: BaseRole,
        pending: Option<&Pending>,
    ) -> Result<(), Error> {
        let Some(layout) = &self.layout else {
            return Ok(());
        };
        let mut all = self.all_pending()?;
        let before = match pending {
            Some(pending) => all.insert(role.as_str().to_owned(), pending.clone()),
            None => all.remove(role.as_str()),
        };
        if before.as_ref() == pending {
            return Ok(());
        }
        let path = layout.rotations();
        if all.is_empty() {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(FileError::at("remove", &path)(error).into())
                }
                _ => Ok(()),
            };
        }
        let bytes = serde_json::to_vec(&all)
            .map_err(|error| FileError::at("write", &path)(error.into()))?;
        Ok(write_atomic(&path, layout.staging(), &bytes)?)
    }

    fn all_pending(&self) -> Result<BTreeMap<String, Pending>, Error> {
        let Some(layout) = &self.layout else {
            return Ok(BTreeMap::new());
        };
        let path = layout.rotations();
        let Some(bytes) = read_bounded(&path, MAX_BYTES)? else {
            return Ok(BTreeMap::new());
        };
        // Without it, at worst a key stays that nobody needs.
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::debug!(%error, file = %path.display(), "pending rotations cannot be read");
            BTreeMap::new()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(digits: &[char]) -> Vec<KeyId> {
        digits
            .iter()
            .map(|digit| digit.to_string().repeat(64).parse().unwrap())
            .collect()
    }

    #[test]
    fn the_root_says_which_key_counts() {
        let pending = Pending {
            new: ids(&['b']),
            made: ids(&['b']),
            old: ids(&['a']),
        };
        // It took effect: the old key is still to go.
        let mut settled = pending.clone();
        assert_eq!(settled.settle(&ids(&['b'])), []);
        assert_eq!(settled.old, ids(&['a']));
        // It did not: the new one can be used, and nothing is to go.
        let mut settled = pending.clone();
        assert_eq!(settled.settle(&ids(&['a'])), ids(&['b']));
        assert_eq!(settled.old, []);
        // Somebody else rotated: as little is ours to remove.
        let mut settled = pending;
        assert_eq!(settled.settle(&ids(&['c'])), ids(&['b']));
        assert_eq!(settled.old, []);
        // Nobody meant to list these.
        for new in [&[][..], &['c']] {
            let mut settled = Pending {
                new: ids(new),
                made: ids(&['b']),
                old: ids(&['a']),
            };
            assert_eq!(settled.settle(&ids(&['a'])), []);
            assert_eq!(settled.old, []);
        }
    }

    #[test]
    fn a_key_that_comes_back_is_not_removed() {
        let mut pending = Pending {
            new: ids(&['a', 'b']),
            made: Vec::new(),
            old: ids(&['c', 'a', 'c']),
        };
        pending.drop_new_from_old();
        assert_eq!(pending.old, ids(&['c']));
    }
}
