//! What a client remembers of a repository between two commands: its verified documents and the version floors.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use signet_tuf::update::{
    Cached, Floors, MAX_DOCUMENT_BYTES, MAX_ROLES, MAX_ROOT_BYTES, MAX_UPDATE_BYTES,
};
use signet_tuf::{BaseRole, RoleName};

use crate::layout::{FileError, Layout, read_bounded, write_atomic};

/// A place for verified documents: a folder, or memory.
pub trait Cache: Send + Sync {
    /// All documents, as stored. Unreadable ones count as absent.
    ///
    /// # Errors
    /// [`FileError`] when the place cannot be read at all.
    fn load(&self) -> Result<Cached, FileError>;

    /// Replaces the document of a role.
    ///
    /// # Errors
    /// [`FileError`]; then the old one is still there.
    fn store(&self, role: &RoleName, bytes: &[u8]) -> Result<(), FileError>;

    /// The remembered version floors; none when there are none or they cannot be understood.
    ///
    /// # Errors
    /// [`FileError`] when the place cannot be read.
    fn floors(&self) -> Result<Floors, FileError>;

    /// Replaces the remembered version floors.
    ///
    /// # Errors
    /// [`FileError`]; then the old ones are still there.
    fn store_floors(&self, floors: &Floors) -> Result<(), FileError>;

    /// Forgets all documents. The floors stay: they are what protects against going back.
    ///
    /// # Errors
    /// [`FileError`] when something is still there.
    fn clear(&self) -> Result<(), FileError>;
}

/// Documents in the trust directory, shared with docker and notary.
#[derive(Clone, Debug)]
pub struct FolderCache {
    layout: Layout,
}

impl FolderCache {
    /// The cache of the repository at `layout`. Touches no disk.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout }
    }

    fn document(&self, role: BaseRole) -> Result<Option<Bytes>, FileError> {
        read_bounded(&self.layout.document(&role.into()), MAX_ROOT_BYTES)
    }

    /// Roles below `targets` that have a file, and their folders, outer ones first. What is named like no role is not
    /// ours: another repository's name may continue this one's.
    fn delegations(&self) -> (Vec<RoleName>, Vec<PathBuf>) {
        let (mut roles, mut folders) = (Vec::new(), Vec::new());
        let mut pending = vec![(self.layout.metadata().join("targets"), "targets".to_owned())];
        while let Some((folder, parent)) = pending.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten().take(MAX_ROLES) {
                let (name, kind) = (entry.file_name(), entry.file_type());
                let (Some(name), Ok(kind)) = (name.to_str(), kind) else {
                    continue;
                };
                let is_full = roles.len() + pending.len() >= MAX_ROLES;
                if kind.is_dir() {
                    let role = format!("{parent}/{name}");
                    if role.parse::<RoleName>().is_ok() && !is_full {
                        pending.push((entry.path(), role));
                    }
                } else if let Some(role) = name
                    .strip_suffix(".json")
                    .and_then(|stem| format!("{parent}/{stem}").parse().ok())
                    && !is_full
                {
                    roles.push(role);
                }
            }
            folders.push(folder);
        }
        (roles, folders)
    }
}

impl Cache for FolderCache {
    fn load(&self) -> Result<Cached, FileError> {
        let mut cached = Cached {
            root: self.document(BaseRole::Root)?,
            timestamp: self.document(BaseRole::Timestamp)?,
            snapshot: self.document(BaseRole::Snapshot)?,
            targets: BTreeMap::new(),
        };
        let (delegations, _) = self.delegations();
        let mut room = MAX_UPDATE_BYTES;
        for role in std::iter::once(RoleName::targets()).chain(delegations) {
            let limit = room.min(MAX_DOCUMENT_BYTES);
            if let Some(bytes) = read_bounded(&self.layout.document(&role), limit)? {
                room = room.saturating_sub(bytes.len() as u64);
                cached.targets.insert(role, bytes);
            }
        }
        Ok(cached)
    }

    fn store(&self, role: &RoleName, bytes: &[u8]) -> Result<(), FileError> {
        write_atomic(&self.layout.document(role), self.layout.staging(), bytes)
    }

    fn floors(&self) -> Result<Floors, FileError> {
        let Some(bytes) = read_bounded(&self.layout.floors(), MAX_FLOORS_BYTES)? else {
            return Ok(Floors::default());
        };
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(%error, file = %self.layout.floors().display(), "remembered versions cannot be read");
            Floors::default()
        }))
    }

    fn store_floors(&self, floors: &Floors) -> Result<(), FileError> {
        let path = self.layout.floors();
        let bytes = floors_text(floors);
        // Most commands find nothing new.
        if read_bounded(&path, MAX_FLOORS_BYTES)?.is_some_and(|old| old == bytes) {
            return Ok(());
        }
        write_atomic(&path, self.layout.staging(), &bytes)
    }

    fn clear(&self) -> Result<(), FileError> {
        let (delegations, folders) = self.delegations();
        let base = BaseRole::ALL.into_iter().map(RoleName::from);
        for role in base.chain(delegations) {
            // From the top each time: nothing is removed through a link, whoever puts one there meanwhile.
            let Some(metadata) = self.layout.open("metadata")? else {
                break;
            };
            let (above, name) = match role.as_str().rsplit_once('/') {
                Some((above, name)) => (Some(above), name),
                None => (None, role.as_str()),
            };
            let folder = metadata.descend(above.into_iter().flat_map(|above| above.split('/')))?;
            if let Some(folder) = folder {
                folder.remove(&format!("{name}.json"))?;
            }
        }
        for folder in folders.iter().rev() {
            // Only when nothing else is in it.
            drop(fs::remove_dir(folder));
        }
        Ok(())
    }
}

/// Documents in memory: nothing is left behind.
#[derive(Debug, Default)]
pub struct MemoryCache {
    inner: Mutex<(Cached, Floors)>,
}

impl MemoryCache {
    fn with<T>(&self, f: impl FnOnce(&mut Cached, &mut Floors) -> T) -> T {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (cached, floors) = &mut *inner;
        f(cached, floors)
    }
}

impl Cache for MemoryCache {
    fn load(&self) -> Result<Cached, FileError> {
        Ok(self.with(|cached, _| cached.clone()))
    }

    fn store(&self, role: &RoleName, bytes: &[u8]) -> Result<(), FileError> {
        let bytes = Bytes::copy_from_slice(bytes);
        self.with(|cached, _| match role.base() {
            Some(BaseRole::Root) => cached.root = Some(bytes),
            Some(BaseRole::Timestamp) => cached.timestamp = Some(bytes),
            Some(BaseRole::Snapshot) => cached.snapshot = Some(bytes),
            Some(BaseRole::Targets) | None => {
                cached.targets.insert(role.clone(), bytes);
            }
        });
        Ok(())
    }

    fn floors(&self) -> Result<Floors, FileError> {
        Ok(self.with(|_, floors| floors.clone()))
    }

    fn store_floors(&self, floors: &Floors) -> Result<(), FileError> {
        self.with(|_, remembered| *remembered = floors.clone());
        Ok(())
    }

    fn clear(&self) -> Result<(), FileError> {
        self.with(|cached, _| *cached = Cached::default());
        Ok(())
    }
}

fn floors_text(floors: &Floors) -> Vec<u8> {
    // Names and numbers have no way to fail.
    serde_json::to_vec(floors).unwrap_or_default()
}

/// Longest file of floors: a few dozen bytes per role.
const MAX_FLOORS_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_back_what_was_stored_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), &"r.example/a".parse().unwrap()).unwrap();
        let cache = FolderCache::new(layout.clone());
        assert!(cache.load().unwrap().root.is_none());
        for role in [
            "root",
            "timestamp",
            "snapshot",
            "targets",
            "targets/a",
            "targets/a/b",
        ] {
            cache
                .store(&role.parse().unwrap(), role.as_bytes())
                .unwrap();
        }
        let other = layout.metadata().join("targets/Not-a-role");
        fs::create_dir(&other).unwrap();
        for name in ["x.json", "y.txt"] {
            let path = if name == "x.json" {
                other.join(name)
            } else {
                layout.metadata().join(name)
            };
            write_atomic(&path, dir.path(), b"?").unwrap();
        }
        let cached = cache.load().unwrap();
        assert_eq!(cached.root.unwrap(), "root");
        assert_eq!(cached.timestamp.unwrap(), "timestamp");
        assert_eq!(cached.snapshot.unwrap(), "snapshot");
        let roles: Vec<_> = cached.targets.keys().map(RoleName::as_str).collect();
        assert_eq!(roles, ["targets", "targets/a", "targets/a/b"]);
        assert!(
            cached
                .targets
                .iter()
                .all(|(role, bytes)| bytes == role.as_str())
        );
        cache.clear().unwrap();
        assert!(cache.load().unwrap().targets.is_empty());
        assert!(other.join("x.json").exists());
        assert!(!layout.metadata().join("targets/a").exists());
    }

    /// A document of 100,000 targets is larger than any root.
    #[test]
    fn documents_are_found_again_as_large_as_they_may_be() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), &"a".parse().unwrap()).unwrap();
        let cache = FolderCache::new(layout);
        let large = vec![b'x'; usize::try_from(MAX_ROOT_BYTES).unwrap() + 1];
        cache.store(&RoleName::targets(), &large).unwrap();
        cache.store(&RoleName::root(), &large).unwrap();
        let cached = cache.load().unwrap();
        assert!(cached.targets[&RoleName::targets()] == large);
        assert!(cached.root.is_none());
    }

    #[test]
    fn nothing_is_removed_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), &"r.example/a".parse().unwrap()).unwrap();
        let cache = FolderCache::new(layout.clone());
        let outside = dir.path().join("outside");
        for (link, file) in [
            (layout.metadata().join("targets"), "alice.json"),
            (layout.metadata(), "root.json"),
            (dir.path().join("tuf/r.example"), "a/metadata/root.json"),
        ] {
            let file = outside.join(file);
            write_atomic(&file, dir.path(), b"kept").unwrap();
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(&outside, &link).unwrap();
            let error = cache.clear().unwrap_err();
            assert!(error.text().contains("it is a link"), "{}", error.text());
            assert_eq!(fs::read(&file).unwrap(), b"kept");
            fs::remove_file(&link).unwrap();
            drop(fs::remove_dir_all(&link));
            drop(fs::remove_dir(link.parent().unwrap()));
            drop(fs::remove_dir_all(dir.path().join("tuf/r.example")));
        }
        // The folder of all repositories may be elsewhere.
        fs::remove_dir_all(&outside).unwrap();
        fs::create_dir(&outside).unwrap();
        drop(fs::remove_dir(dir.path().join("tuf")));
        std::os::unix::fs::symlink(&outside, dir.path().join("tuf")).unwrap();
        cache.store(&RoleName::root(), b"root").unwrap();
        cache.clear().unwrap();
        assert!(cache.load().unwrap().root.is_none());
    }

    #[test]
    fn floors_survive_and_damaged_ones_count_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), &"a".parse().unwrap()).unwrap();
        let cache = FolderCache::new(layout.clone());
        assert_eq!(cache.floors().unwrap(), Floors::default());
        let text = r#"{"roles":{"root":{"version":3,"keys":["k"]}}}"#;
        let floors: Floors = serde_json::from_str(text).unwrap();
        cache.store_floors(&floors).unwrap();
        assert_eq!(cache.floors().unwrap().version(&RoleName::root()), Some(3));
        write_atomic(&layout.floors(), dir.path(), b"{").unwrap();
        assert_eq!(cache.floors().unwrap(), Floors::default());
    }
}
