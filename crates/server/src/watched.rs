//! Telling a database that is busy from one that is down.
//!
//! A pool says of both that it had no connection in time: while the database cannot be reached, it tries to connect until then. What
//! tells them apart is whether anything else was answered meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use signet_sql::Failure;
use signet_tuf::{Gun, RoleName, Version};
use time::OffsetDateTime;

use crate::store::{
    Change, Commit, Document, HeadAnswer, Import, Imported, MetadataStore, Sha256, SharedStore,
    StoreError, Window,
};

/// How long before a question another one may have been answered last for the database to count as working.
const LATELY: Duration = Duration::from_secs(5);

/// A store, and when it last did what it was asked to.
#[derive(Debug)]
pub(crate) struct Watched {
    store: Arc<dyn MetadataStore>,
    start: Instant,
    /// Milliseconds since the start, and one; 0 before the first answer.
    answered: AtomicU64,
}

impl Watched {
    pub(crate) fn new(store: Arc<dyn MetadataStore>) -> Self {
        Self {
            store,
            start: Instant::now(),
            answered: AtomicU64::new(0),
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn seen<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let asked = self.elapsed();
        match work.await {
            Err(StoreError::Database(error)) if Failure::is_out_of_connections(&error) => {
                let answered = self.answered.load(Ordering::Relaxed);
                let lately = u64::try_from(LATELY.as_millis()).unwrap_or_default();
                Err(
                    if answered > 0 && answered.saturating_add(lately) >= asked {
                        StoreError::Busy(error)
                    } else {
                        StoreError::Database(error)
                    },
                )
            }
            Ok(value) => {
                let now = self.elapsed().saturating_add(1);
                self.answered.store(now, Ordering::Relaxed);
                Ok(value)
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl SharedStore for Watched {
    async fn heads(&self, guns: &[Gun]) -> Result<Vec<HeadAnswer>, StoreError> {
        match self.store.shared() {
            Some(shared) => self.seen(shared.heads(guns)).await,
            None => Err(StoreError::Interrupted),
        }
    }
}

#[async_trait]
impl MetadataStore for Watched {
    fn shared(&self) -> Option<&dyn SharedStore> {
        self.store.shared().map(|_| self as &dyn SharedStore)
    }

    async fn newest(&self, gun: &Gun, role: &RoleName) -> Result<Option<Document>, StoreError> {
        self.seen(self.store.newest(gun, role)).await
    }

    async fn newest_version(
        &self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<Version>, StoreError> {
        self.seen(self.store.newest_version(gun, role)).await
    }

    async fn by_version(
        &self,
        gun: &Gun,
        role: &RoleName,
        version: Version,
    ) -> Result<Option<Document>, StoreError> {
        self.seen(self.store.by_version(gun, role, version)).await
    }

    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &RoleName,
        sha256: &Sha256,
    ) -> Result<Option<Document>, StoreError> {
        self.seen(self.store.by_checksum(gun, role, sha256)).await
    }

    async fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        self.seen(self.store.commit(commit)).await
    }

    // Nobody is told to come back: the connection may have been missing only for the question whether it was stored.
    async fn import(&self, import: &Import<'_>) -> Result<Imported, StoreError> {
        self.store.import(import).await
    }

    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        self.seen(self.store.delete(gun, now)).await
    }

    async fn changes(
        &self,
        gun: Option<&Gun>,
        window: Window,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        self.seen(self.store.changes(gun, window, limit)).await
    }

    async fn guns(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        self.seen(self.store.guns(after, limit)).await
    }

    async fn prune(&self, gun: &Gun, role: &RoleName, below: Version) -> Result<u64, StoreError> {
        self.seen(self.store.prune(gun, role, below)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.seen(self.store.check()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[tokio::test]
    async fn without_connections_a_database_is_busy_if_it_answered_lately_and_else_down() {
        let late = async || Err::<(), StoreError>(sqlx::Error::PoolTimedOut.into());
        let watched = Watched::new(Arc::new(MemoryStore::new()));
        let fresh = watched.seen(late()).await;
        assert!(matches!(fresh, Err(StoreError::Database(_))), "{fresh:?}");
        watched.check().await.unwrap();
        let busy = watched.seen(late()).await.unwrap_err();
        assert!(busy.is_busy() && StoreError::Joint(Arc::new(busy)).is_busy());
        let other = watched
            .seen(async { Err::<(), _>(sqlx::Error::PoolClosed.into()) })
            .await;
        assert!(matches!(other, Err(StoreError::Database(_))), "{other:?}");
        let watched = Watched {
            start: Instant::now().checked_sub(LATELY * 2).unwrap(),
            answered: AtomicU64::new(1),
            ..watched
        };
        let down = watched.seen(late()).await;
        assert!(matches!(down, Err(StoreError::Database(_))), "{down:?}");
    }
}
