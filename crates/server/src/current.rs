//! Which documents are current, and the documents themselves, kept in memory.
//!
//! What is current follows from the newest timestamp: it names the snapshot, and the snapshot names everything else
//! (specification, `server.md` section 7.2). A [`View`] is the outcome of that walk. It is made when a repository is
//! first asked for and replaced by every commit, so that reading neither parses nor walks.
//!
//! A store that belongs to this process alone changes only through it: a view stays true until then, and reading asks the
//! store nothing. Of a store that other processes write to, every reader asks which timestamp is the newest, after its
//! request has come in ([`Heads`]); a view, and any document that is in memory, is used only if the answer is the one that it
//! was made with. What another process commits or deletes is therefore seen by the next request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;
use signet_tuf::metadata::Metadata;
use signet_tuf::{BaseRole, Gun, HashAlgorithm, Received, RoleName, Snapshot, Timestamp, Version};
use time::OffsetDateTime;

use self::heads::Heads;
use self::view::epoch_of;
use crate::counters::Counter;
use crate::gate::Gates;
use crate::store::{
    Commit, Document, Import, Imported, MetadataStore, NewDocument, Sha256, StoreError,
};
use crate::verified::NO_EPOCH;

mod heads;
mod view;

pub(crate) use view::{NewState, Served, View};

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct DocumentKey {
    gun: Gun,
    epoch: u64,
    role: RoleName,
    name: DocumentName,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum DocumentName {
    Checksum(Sha256),
    Version(Version),
}

/// The store, with what was read from it in memory.
#[derive(Debug)]
pub(crate) struct Library {
    store: Arc<dyn MetadataStore>,
    /// Tells what is current; `None` where only this process writes.
    heads: Option<Heads>,
    gates: Gates,
    /// Of those who find a repository changed by another process, one at a time reads it again.
    loads: Gates,
    views: Cache<Gun, Arc<View>>,
    documents: Cache<DocumentKey, Arc<Served>>,
    epochs: AtomicU64,
    /// Of views and of documents.
    seen: (Counts, Counts),
}

/// What was looked for in memory.
#[derive(Debug, Default)]
struct Counts {
    hits: Counter,
    misses: Counter,
}

impl Counts {
    /// The same, counted.
    fn of<T>(&self, found: Option<T>) -> Option<T> {
        let counter = if found.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.count();
        found
    }
}

/// How a part of the memory for what is read does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CachePart {
    /// What is in it: `views`, which say what is current, or `documents`.
    pub name: &'static str,
    /// How often it had what was looked for.
    pub hits: u64,
    /// How often it had not.
    pub misses: u64,
    /// About how many bytes are in it.
    pub bytes: u64,
}

impl Library {
    pub(crate) fn new(store: Arc<dyn MetadataStore>, cache_bytes: u64) -> Self {
        let views = Cache::builder()
            .max_capacity(cache_bytes / 4)
            .weigher(|_: &Gun, view: &Arc<View>| view.weight())
            .build();
        let documents = Cache::builder()
            .max_capacity(cache_bytes - cache_bytes / 4)
            .weigher(|_: &DocumentKey, served: &Arc<Served>| {
                u32::try_from(512 + served.document.data.len()).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            heads: Heads::new(&store),
            store,
            gates: Gates::new(),
            loads: Gates::new(),
            views,
            documents,
            epochs: AtomicU64::new(NO_EPOCH + 1),
            seen: <_>::default(),
        }
    }

    pub(crate) fn store(&self) -> &dyn MetadataStore {
        &*self.store
    }

    /// How the memory does.
    pub(crate) fn cache(&self) -> [CachePart; 2] {
        let part = |name, counts: &Counts, bytes| CachePart {
            name,
            hits: counts.hits.get(),
            misses: counts.misses.get(),
            bytes,
        };
        [
            part("views", &self.seen.0, self.views.weighted_size()),
            part("documents", &self.seen.1, self.documents.weighted_size()),
        ]
    }

    pub(crate) fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Whether other processes write to the store, so that what is decided inside a gate may be overtaken nevertheless.
    pub(crate) const fn is_shared(&self) -> bool {
        self.heads.is_some()
    }

    /// The current state of a repository, at least as new as this call.
    pub(crate) async fn view(&self, gun: &Gun) -> Result<Arc<View>, StoreError> {
        if let Some(heads) = &self.heads {
            return self.shared_view(heads, gun).await;
        }
        if let Some(view) = self.seen.0.of(self.views.get(gun)) {
            return Ok(view);
        }
        let _inside = self.gates.enter(gun).await;
        self.own_view(gun).await
    }

    /// The same, for who does not wait at the gate for it: `None` where only that would tell.
    pub(crate) async fn view_outside(&self, gun: &Gun) -> Result<Option<Arc<View>>, StoreError> {
        match &self.heads {
            Some(heads) => self.shared_view(heads, gun).await.map(Some),
            None => Ok(self.views.get(gun)),
        }
    }

    /// The same, for who is inside the gate already.
    pub(crate) async fn view_inside(&self, gun: &Gun) -> Result<Arc<View>, StoreError> {
        match &self.heads {
            Some(heads) => self.shared_view(heads, gun).await,
            None => self.own_view(gun).await,
        }
    }

    async fn own_view(&self, gun: &Gun) -> Result<Arc<View>, StoreError> {
        if let Some(view) = self.views.get(gun) {
            return Ok(view);
        }
        let epoch = self.epochs.fetch_add(1, Ordering::Relaxed);
        let Some(view) = self.load(gun, epoch).await?.map(Arc::new) else {
            // Not kept: anyone can ask for any name.
            return Ok(Arc::new(View::empty()));
        };
        self.keep(gun, &view);
        Ok(view)
    }

    /// Keeps what is current, and nothing of what it replaces: a document that no snapshot names any more is hardly asked for again, and is in the
    /// store.
    fn keep(&self, gun: &Gun, view: &Arc<View>) {
        let before = self.views.get(gun);
        self.views.insert(gun.clone(), Arc::clone(view));
        let Some(before) = before else {
            return;
        };
        for (role, checksum) in before.documents() {
            let stays = before.epoch() == view.epoch() && view.document(&role) == Some(checksum);
            if !stays {
                self.documents.invalidate(&DocumentKey {
                    gun: gun.clone(),
                    epoch: before.epoch(),
                    role,
                    name: DocumentName::Checksum(checksum),
                });
            }
        }
    }

    async fn shared_view(&self, heads: &Heads, gun: &Gun) -> Result<Arc<View>, StoreError> {
        let Some(head) = heads.of(gun).await? else {
            return Ok(Arc::new(View::empty()));
        };
        let known = self.views.get(gun).filter(|view| view.is_at(&head));
        if let Some(view) = self.seen.0.of(known) {
            return Ok(view);
        }
        let _alone = self.loads.enter(gun).await;
        for _ in 0..LOADS {
            let Some(head) = heads.of(gun).await? else {
                return Ok(Arc::new(View::empty()));
            };
            if let Some(view) = self.views.get(gun).filter(|view| view.is_at(&head)) {
                return Ok(view);
            }
            let epoch = epoch_of(&head);
            let Some(view) = self.load(gun, epoch).await? else {
                continue;
            };
            if epoch == NO_EPOCH {
                return Ok(Arc::new(view));
            }
            // Several queries are no snapshot of the store: only when nothing has changed meanwhile do they belong together.
            if view.is_at(&head) && heads.of(gun).await? == Some(head) {
                let view = Arc::new(view);
                self.keep(gun, &view);
                return Ok(view);
            }
        }
        // It changes faster than it can be read. What is read now is newer than the request; nothing of it is kept.
        let view = self.load(gun, NO_EPOCH).await?;
        Ok(Arc::new(view.unwrap_or_else(View::empty)))
    }

    async fn load(&self, gun: &Gun, epoch: u64) -> Result<Option<View>, StoreError> {
        let Some(timestamp) = self.store.newest(gun, &RoleName::timestamp()).await? else {
            return Ok(None);
        };
        let parsed =
            Received::<Timestamp>::parse(&RoleName::timestamp(), timestamp.data.clone()).ok();
        let expires = parsed
            .as_ref()
            .map_or(OffsetDateTime::UNIX_EPOCH, |parsed| {
                parsed.unverified().expires().moment()
            });
        let checksum = parsed
            .as_ref()
            .and_then(|parsed| parsed.unverified().snapshot())
            .and_then(|meta| meta.hashes.digest(HashAlgorithm::Sha256))
            .and_then(|digest| Sha256::try_from(digest).ok());
        let mut snapshot = None;
        if let Some(checksum) = checksum {
            let role = RoleName::snapshot();
            if let Some(document) = self.store.by_checksum(gun, &role, &checksum).await? {
                let body = Received::<Snapshot>::parse(&role, document.data.clone())
                    .ok()
                    .map(|parsed| Arc::new(parsed.unverified().clone()));
                snapshot = body.map(|body| (Served::new(document), body));
            }
        }
        if snapshot.is_none() {
            tracing::warn!(%gun, "the newest timestamp of {gun} names no snapshot that is stored");
        }
        let floor = self
            .store
            .newest_version(gun, &RoleName::snapshot())
            .await?;
        Ok(Some(View::new(
            epoch,
            Served::new(timestamp),
            expires,
            snapshot,
            floor.unwrap_or_default(),
        )))
    }

    /// The current document of a role that `view` names.
    pub(crate) async fn current(
        &self,
        gun: &Gun,
        view: &View,
        role: &RoleName,
    ) -> Result<Option<Arc<Served>>, StoreError> {
        match role.base() {
            Some(BaseRole::Timestamp) => return Ok(view.timestamp().cloned()),
            Some(BaseRole::Snapshot) => return Ok(view.snapshot().cloned()),
            Some(BaseRole::Root | BaseRole::Targets) | None => {}
        }
        let Some(checksum) = view.checksum(role) else {
            return Ok(None);
        };
        self.by_checksum(gun, view, role, checksum).await
    }

    /// The document of a role with this checksum.
    pub(crate) async fn by_checksum(
        &self,
        gun: &Gun,
        view: &View,
        role: &RoleName,
        checksum: &Sha256,
    ) -> Result<Option<Arc<Served>>, StoreError> {
        let name = DocumentName::Checksum(*checksum);
        self.cached(gun, view, role, name, || {
            self.store.by_checksum(gun, role, checksum)
        })
        .await
    }

    /// The document of a role with this version.
    pub(crate) async fn by_version(
        &self,
        gun: &Gun,
        view: &View,
        role: &RoleName,
        version: Version,
    ) -> Result<Option<Arc<Served>>, StoreError> {
        let name = DocumentName::Version(version);
        self.cached(gun, view, role, name, || {
            self.store.by_version(gun, role, version)
        })
        .await
    }

    async fn cached<F>(
        &self,
        gun: &Gun,
        view: &View,
        role: &RoleName,
        name: DocumentName,
        load: impl FnOnce() -> F + Send,
    ) -> Result<Option<Arc<Served>>, StoreError>
    where
        F: Future<Output = Result<Option<Document>, StoreError>> + Send,
    {
        let keep = view.epoch() != NO_EPOCH;
        let key = DocumentKey {
            gun: gun.clone(),
            epoch: view.epoch(),
            role: role.clone(),
            name,
        };
        if keep && let Some(served) = self.seen.1.of(self.documents.get(&key)) {
            return Ok(Some(served));
        }
        let served = load().await?.map(Served::new);
        if keep && let Some(served) = &served {
            self.documents.insert(key, Arc::clone(served));
        }
        Ok(served)
    }

    /// Stores an update and makes it current. To be called inside the gate, and not to be abandoned half-way: what
    /// became of a commit must be known before anyone else enters.
    pub(crate) async fn commit(
        &self,
        view: &View,
        commit: &Commit<'_>,
        state: NewState,
    ) -> Result<Arc<View>, StoreError> {
        if let Err(error) = self.store.commit(commit).await {
            // Perhaps it was stored nevertheless: look again.
            self.views.invalidate(commit.gun);
            return Err(error);
        }
        let epoch = match view.epoch() {
            // Where others write too, the store gives a new repository its number, and the next reader learns it.
            NO_EPOCH if self.heads.is_none() => self.epochs.fetch_add(1, Ordering::Relaxed),
            epoch => epoch,
        };
        let keep = |new: &NewDocument| {
            let served = Served::new(stored(new, commit.now));
            if epoch != NO_EPOCH {
                let key = DocumentKey {
                    gun: commit.gun.clone(),
                    epoch,
                    role: new.role.clone(),
                    name: DocumentName::Checksum(new.sha256),
                };
                self.documents.insert(key, Arc::clone(&served));
            }
            served
        };
        let (mut snapshot, mut floor) = view.same_snapshot();
        for new in commit.documents {
            let served = keep(new);
            if new.role.base() == Some(BaseRole::Snapshot) {
                floor = new.version;
                snapshot = Some(served);
            }
        }
        let next = Arc::new(View::new(
            epoch,
            keep(commit.timestamp),
            state.timestamp_expires,
            snapshot.map(|served| (served, state.snapshot)),
            floor,
        ));
        if epoch != NO_EPOCH {
            self.keep(commit.gun, &next);
        }
        Ok(next)
    }

    /// Takes over a repository with its history. To be called inside the gate, and not to be abandoned half-way.
    pub(crate) async fn import(&self, import: &Import<'_>) -> Result<Imported, StoreError> {
        let outcome = self.store.import(import).await;
        // Also after an error: perhaps it was stored nevertheless.
        self.views.invalidate(import.gun);
        outcome
    }

    /// Deletes a repository. To be called inside the gate, and not to be abandoned half-way.
    pub(crate) async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        let outcome = self.store.delete(gun, now).await;
        self.views.invalidate(gun);
        outcome
    }
}

/// How often a repository is read again that changes while it is read.
const LOADS: usize = 3;

fn stored(new: &NewDocument, now: OffsetDateTime) -> Document {
    Document {
        role: new.role.clone(),
        version: new.version,
        sha256: new.sha256,
        data: new.data.clone(),
        stored_at: now,
    }
}
