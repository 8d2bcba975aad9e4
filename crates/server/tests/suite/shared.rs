//! A store in memory that behaves as a database which other processes write to, and counts what it is asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use signet_server::store::{
    Change, Commit, Document, Head, HeadAnswer, Import, Imported, MemoryStore, MetadataStore,
    Revision, Sha256, SharedStore, StoreError, Window,
};
use signet_tuf::{Gun, RoleName, Version};
use time::OffsetDateTime;
use tokio::sync::Mutex;

/// The database; clones are connections of one replica each.
#[derive(Debug, Default)]
pub(crate) struct SharedMemory {
    tables: Arc<Tables>,
    /// Queries for heads, and all others that read documents.
    pub(crate) heads: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    /// Every query for heads fails.
    pub(crate) down: AtomicBool,
}

#[derive(Debug, Default)]
struct Tables {
    store: MemoryStore,
    lives: Mutex<Lives>,
}

#[derive(Debug, Default)]
struct Lives {
    last: i64,
    of: BTreeMap<Gun, i64>,
}

impl SharedMemory {
    /// Another replica's access to the same database.
    pub(crate) fn another(&self) -> Self {
        Self {
            tables: Arc::clone(&self.tables),
            ..Self::default()
        }
    }

    fn store(&self) -> &MemoryStore {
        &self.tables.store
    }

    fn read(&self) -> &MemoryStore {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.store()
    }
}

#[async_trait]
impl SharedStore for SharedMemory {
    async fn heads(&self, guns: &[Gun]) -> Result<Vec<HeadAnswer>, StoreError> {
        self.heads.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Interrupted);
        }
        let lives = self.tables.lives.lock().await;
        let mut heads = Vec::new();
        for gun in guns {
            let newest = self.store().newest(gun, &RoleName::timestamp()).await?;
            heads.push(Ok(newest.map(|document| Head {
                incarnation: lives.of.get(gun).copied().unwrap_or_default(),
                timestamp: Revision {
                    version: document.version,
                    sha256: document.sha256,
                },
            })));
        }
        Ok(heads)
    }
}

#[async_trait]
impl MetadataStore for SharedMemory {
    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }

    async fn newest(&self, gun: &Gun, role: &RoleName) -> Result<Option<Document>, StoreError> {
        self.read().newest(gun, role).await
    }

    async fn newest_version(
        &self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<Version>, StoreError> {
        self.read().newest_version(gun, role).await
    }

    async fn by_version(
        &self,
        gun: &Gun,
        role: &RoleName,
        version: Version,
    ) -> Result<Option<Document>, StoreError> {
        self.read().by_version(gun, role, version).await
    }

    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &RoleName,
        sha256: &Sha256,
    ) -> Result<Option<Document>, StoreError> {
        self.read().by_checksum(gun, role, sha256).await
    }

    async fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        // The moment in which another replica can be faster.
        tokio::task::yield_now().await;
        let mut lives = self.tables.lives.lock().await;
        self.store().commit(commit).await?;
        if !lives.of.contains_key(commit.gun)
            && commit.documents.iter().any(|d| d.role == RoleName::root())
        {
            lives.last += 1;
            let life = lives.last;
            lives.of.insert(commit.gun.clone(), life);
        }
        Ok(())
    }

    async fn import(&self, import: &Import<'_>) -> Result<Imported, StoreError> {
        let mut lives = self.tables.lives.lock().await;
        let outcome = self.store().import(import).await?;
        if !lives.of.contains_key(import.gun) {
            lives.last += 1;
            let life = lives.last;
            lives.of.insert(import.gun.clone(), life);
        }
        Ok(outcome)
    }

    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        let mut lives = self.tables.lives.lock().await;
        lives.of.remove(gun);
        self.store().delete(gun, now).await
    }

    async fn changes(
        &self,
        gun: Option<&Gun>,
        window: Window,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        self.store().changes(gun, window, limit).await
    }

    async fn guns(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        self.store().guns(after, limit).await
    }

    async fn prune(&self, gun: &Gun, role: &RoleName, below: Version) -> Result<u64, StoreError> {
        self.store().prune(gun, role, below).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.store().check().await
    }
}
