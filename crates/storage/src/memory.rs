//! Storage without persistence, for tests and for trying the server out. Its semantics are those of the databases.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use signet_tuf::{Gun, RoleName, Version};
use time::OffsetDateTime;

use crate::import::{Existing, decide};
use crate::{
    Change, ChangeCategory, Commit, Document, Import, Imported, MAX_VERSION, MetadataStore,
    Revision, Sha256, StoreError, Window,
};

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: RwLock<Tables>,
}

type Versions = BTreeMap<Version, Document>;

#[derive(Debug, Default)]
struct Tables {
    files: BTreeMap<Gun, BTreeMap<RoleName, Versions>>,
    changes: Vec<Change>,
}

impl Tables {
    fn versions(&self, gun: &Gun, role: &RoleName) -> Option<&Versions> {
        self.files.get(gun)?.get(role)
    }

    fn newest(&self, gun: &Gun, role: &RoleName) -> Option<&Document> {
        self.versions(gun, role)?.values().next_back()
    }

    fn record(
        &mut self,
        gun: &Gun,
        version: Version,
        sha256: String,
        what: ChangeCategory,
        now: OffsetDateTime,
    ) {
        let id = self.changes.last().map_or(1, |last| last.id + 1);
        self.changes.push(Change {
            id,
            created_at: now,
            gun: gun.as_str().to_owned(),
            version,
            sha256,
            category: what.as_str().to_owned(),
        });
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        // Writers change the tables in steps that cannot panic, so what a poisoned lock guards is consistent.
        look(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Tables) -> T) -> T {
        change(&mut self.tables.write().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl MetadataStore for MemoryStore {
    async fn newest(&self, gun: &Gun, role: &RoleName) -> Result<Option<Document>, StoreError> {
        Ok(self.read(|t| t.newest(gun, role).cloned()))
    }

    async fn newest_version(
        &self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<Version>, StoreError> {
        Ok(self.read(|t| t.newest(gun, role).map(|d| d.version)))
    }

    async fn by_version(
        &self,
        gun: &Gun,
        role: &RoleName,
        version: Version,
    ) -> Result<Option<Document>, StoreError> {
        Ok(self.read(|t| t.versions(gun, role)?.get(&version).cloned()))
    }

    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &RoleName,
        sha256: &Sha256,
    ) -> Result<Option<Document>, StoreError> {
        Ok(self.read(|t| {
            let mut newest_first = t.versions(gun, role)?.values().rev();
            newest_first.find(|d| d.sha256 == *sha256).cloned()
        }))
    }

    async fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let timestamp = RoleName::timestamp();
        self.write(|t| {
            let base = t.newest(commit.gun, &timestamp).map(|d| Revision {
                version: d.version,
                sha256: d.sha256,
            });
            let superseded = commit.all().any(|new| {
                !(1..=MAX_VERSION).contains(&new.version)
                    || t.newest(commit.gun, &new.role)
                        .is_some_and(|old| old.version >= new.version)
            });
            if base != commit.base || superseded {
                return Err(StoreError::Conflict);
            }
            let files = t.files.entry(commit.gun.clone()).or_default();
            for new in commit.all() {
                let document = Document {
                    role: new.role.clone(),
                    version: new.version,
                    sha256: new.sha256,
                    data: new.data.clone(),
                    stored_at: commit.now,
                };
                let versions = files.entry(new.role.clone()).or_default();
                versions.insert(new.version, document);
            }
            let new = commit.timestamp;
            let sha256 = HEXLOWER.encode(&new.sha256);
            let update = ChangeCategory::Update;
            t.record(commit.gun, new.version, sha256, update, commit.now);
            Ok(())
        })
    }

    async fn import(&self, import: &Import<'_>) -> Result<Imported, StoreError> {
        import.check_versions()?;
        self.write(|t| {
            let files = t.files.get(import.gun);
            let existing: Existing = files
                .into_iter()
                .flat_map(BTreeMap::values)
                .flat_map(BTreeMap::values)
                .map(|d| ((d.role.clone(), d.version), d.sha256))
                .collect();
            let added = match decide(&existing, import) {
                Err(nothing) => return Ok(nothing),
                Ok(added) => added,
            };
            let outcome = Imported::Added {
                documents: added.len(),
                before: existing.len(),
            };
            if import.dry_run {
                return Ok(outcome);
            }
            let mut is_news = false;
            let files = t.files.entry(import.gun.clone()).or_default();
            for new in added {
                let document = &new.document;
                is_news |= document.sha256 == import.timestamp.sha256;
                let versions = files.entry(document.role.clone()).or_default();
                let document = Document {
                    role: document.role.clone(),
                    version: document.version,
                    sha256: document.sha256,
                    data: document.data.clone(),
                    stored_at: new.stored_at,
                };
                versions.insert(document.version, document);
            }
            if is_news {
                let (version, update) = (import.timestamp.version, ChangeCategory::Update);
                let sha256 = HEXLOWER.encode(&import.timestamp.sha256);
                t.record(import.gun, version, sha256, update, import.now);
            }
            Ok(outcome)
        })
    }

    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        Ok(self.write(|t| {
            let existed = t.files.remove(gun).is_some();
            if existed {
                t.record(gun, 0, String::new(), ChangeCategory::Deletion, now);
            }
            existed
        }))
    }

    async fn changes(
        &self,
        gun: Option<&Gun>,
        window: Window,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.read(|t| {
            let wanted = |c: &&Change| gun.is_none_or(|gun| c.gun == gun.as_str());
            match window {
                Window::After(id) => {
                    let from = t.changes.partition_point(|c| c.id <= id);
                    let tail = t.changes.iter().skip(from);
                    tail.filter(wanted).take(limit).cloned().collect()
                }
                Window::Before(id) => {
                    let to = id.map_or(t.changes.len(), |id| {
                        t.changes.partition_point(|c| c.id < id)
                    });
                    let head = t.changes.iter().take(to).rev();
                    let mut found: Vec<_> = head.filter(wanted).take(limit).cloned().collect();
                    found.reverse();
                    found
                }
            }
        }))
    }

    async fn guns(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.read(|t| {
            t.files
                .keys()
                .map(Gun::as_str)
                .skip_while(|gun| after.is_some_and(|after| *gun <= after))
                .take(limit)
                .map(str::to_owned)
                .collect()
        }))
    }

    async fn prune(&self, gun: &Gun, role: &RoleName, below: Version) -> Result<u64, StoreError> {
        Ok(self.write(|t| {
            let Some(roles) = t.files.get_mut(gun) else {
                return 0;
            };
            let Some(versions) = roles.get_mut(role) else {
                return 0;
            };
            let kept = versions.split_off(&below);
            let removed = std::mem::replace(versions, kept).len();
            roles.retain(|_, versions| !versions.is_empty());
            if roles.is_empty() {
                t.files.remove(gun);
            }
            u64::try_from(removed).unwrap_or(u64::MAX)
        }))
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
