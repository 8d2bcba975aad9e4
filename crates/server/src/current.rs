//! Which documents are current, and the documents themselves, kept in memory.
//!
//! What is current follows from the newest timestamp: it names the snapshot, and the snapshot names everything else
//! (specification, `server.md` section 7.2). A [`View`] is the outcome of that walk. It is made when a repository is
//! first asked for and replaced by every commit, so that reading neither parses nor queries.
//!
//! The store belongs to this process alone, therefore a view stays true until this process changes it. A store that
//! several servers share needs one more step here: to compare the view's timestamp with the newest row.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use http::HeaderValue;
use moka::sync::Cache;
use signet_tuf::metadata::Metadata;
use signet_tuf::{BaseRole, Gun, HashAlgorithm, Received, RoleName, Snapshot, Timestamp, Version};
use time::{Duration, OffsetDateTime};

use crate::gate::Gates;
use crate::http::http_date;
use crate::store::{
    Commit, Document, Import, Imported, MetadataStore, NewDocument, Revision, Sha256, StoreError,
};
use crate::verified::NO_EPOCH;

/// A document with what an answer needs beside its bytes.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) document: Document,
    pub(crate) last_modified: HeaderValue,
}

impl Served {
    pub(crate) fn new(document: Document) -> Arc<Self> {
        Arc::new(Self {
            last_modified: http_date(document.stored_at),
            document,
        })
    }
}

/// The current state of a repository.
#[derive(Debug)]
pub(crate) struct View {
    /// Distinguishes this incarnation of the repository from earlier ones of the same name, so that nothing that was
    /// deleted is ever found in the cache.
    epoch: u64,
    timestamp: Option<Arc<Served>>,
    snapshot: Option<Arc<Served>>,
    /// What the snapshot says, for the next snapshot to start from.
    snapshot_body: Option<Arc<Snapshot>>,
    /// The highest version of any snapshot row, 0 without one: the next snapshot is above it.
    snapshot_floor: Version,
    /// The checksum of every role in the snapshot.
    roles: HashMap<RoleName, Sha256>,
    timestamp_expires: Option<OffsetDateTime>,
    /// The earlier of the expiries of timestamp and snapshot.
    expires: Option<OffsetDateTime>,
    /// Unix time before which renewal is not tried again.
    retry_at: AtomicI64,
}

impl View {
    fn empty() -> Self {
        Self {
            epoch: NO_EPOCH,
            timestamp: None,
            snapshot: None,
            snapshot_body: None,
            snapshot_floor: 0,
            roles: HashMap::new(),
            timestamp_expires: None,
            expires: None,
            retry_at: AtomicI64::new(i64::MIN),
        }
    }

    fn new(
        epoch: u64,
        timestamp: Arc<Served>,
        timestamp_expires: OffsetDateTime,
        snapshot: Option<(Arc<Served>, Arc<Snapshot>)>,
        snapshot_floor: Version,
    ) -> Self {
        let mut view = Self {
            epoch,
            snapshot_floor,
            timestamp: Some(timestamp),
            timestamp_expires: Some(timestamp_expires),
            expires: Some(timestamp_expires),
            ..Self::empty()
        };
        if let Some((served, body)) = snapshot {
            view.expires = Some(timestamp_expires.min(body.expires.moment()));
            view.roles = body
                .meta
                .iter()
                .filter_map(|(name, meta)| {
                    let digest = meta.hashes.digest(HashAlgorithm::Sha256)?;
                    Some((name.parse().ok()?, digest.try_into().ok()?))
                })
                .collect();
            view.snapshot = Some(served);
            view.snapshot_body = Some(body);
        }
        view
    }

    /// Which incarnation of the repository this is; [`NO_EPOCH`] when there is none.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The current timestamp, when the snapshot that it names is there too.
    pub(crate) fn timestamp(&self) -> Option<&Arc<Served>> {
        self.snapshot.as_ref().and(self.timestamp.as_ref())
    }

    /// The newest timestamp row, whatever it names: what the next update is based on.
    pub(crate) fn base(&self) -> Option<Revision> {
        self.timestamp.as_ref().map(|served| Revision {
            version: served.document.version,
            sha256: served.document.sha256,
        })
    }

    pub(crate) fn snapshot(&self) -> Option<&Arc<Served>> {
        self.snapshot.as_ref()
    }

    pub(crate) fn snapshot_body(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot_body.as_ref()
    }

    /// The version above which the next snapshot must be.
    pub(crate) const fn snapshot_floor(&self) -> Version {
        self.snapshot_floor
    }

    /// When the newest timestamp's validity ends.
    pub(crate) const fn timestamp_expires(&self) -> Option<OffsetDateTime> {
        self.timestamp_expires
    }

    /// Whether timestamp or snapshot has less than `margin` to live, and a renewal may be tried now.
    pub(crate) fn is_due(&self, now: OffsetDateTime, margin: Duration) -> bool {
        self.expires.is_some_and(|expires| expires < now + margin)
            && now.unix_timestamp() >= self.retry_at.load(Ordering::Relaxed)
    }

    /// Puts the next attempt at renewal off.
    pub(crate) fn retry_after(&self, moment: OffsetDateTime) {
        self.retry_at
            .store(moment.unix_timestamp(), Ordering::Relaxed);
    }

    fn weight(&self) -> u32 {
        let bytes = |served: &Option<Arc<Served>>| {
            served
                .as_ref()
                .map_or(0, |served| served.document.data.len())
        };
        // The parsed snapshot and the map take about three times the snapshot's text.
        let total = 512 + bytes(&self.timestamp) + 4 * bytes(&self.snapshot);
        u32::try_from(total).unwrap_or(u32::MAX)
    }
}

/// What a commit makes current: the parsed forms of the documents that name others.
#[derive(Debug)]
pub(crate) struct NewState {
    pub(crate) timestamp_expires: OffsetDateTime,
    pub(crate) snapshot: Arc<Snapshot>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct DocumentKey {
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
    gates: Gates,
    views: Cache<Gun, Arc<View>>,
    documents: Cache<DocumentKey, Arc<Served>>,
    epochs: AtomicU64,
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
                u32::try_from(256 + served.document.data.len()).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            store,
            gates: Gates::new(),
            views,
            documents,
            epochs: AtomicU64::new(NO_EPOCH + 1),
        }
    }

    pub(crate) fn store(&self) -> &dyn MetadataStore {
        &*self.store
    }

    pub(crate) fn gates(&self) -> &Gates {
        &self.gates
    }

    /// The current state of a repository.
    pub(crate) async fn view(&self, gun: &Gun) -> Result<Arc<View>, StoreError> {
        if let Some(view) = self.views.get(gun) {
            return Ok(view);
        }
        let _inside = self.gates.enter(gun).await;
        self.view_inside(gun).await
    }

    /// The same, for who is inside the gate already.
    pub(crate) async fn view_inside(&self, gun: &Gun) -> Result<Arc<View>, StoreError> {
        if let Some(view) = self.views.get(gun) {
            return Ok(view);
        }
        let Some(view) = self.load(gun).await?.map(Arc::new) else {
            // Not kept: anyone can ask for any name.
            return Ok(Arc::new(View::empty()));
        };
        self.views.insert(gun.clone(), Arc::clone(&view));
        Ok(view)
    }

    async fn load(&self, gun: &Gun) -> Result<Option<View>, StoreError> {
        let Some(timestamp) = self.store.newest(gun, &RoleName::timestamp()).await? else {
            return Ok(None);
        };
        let epoch = self.epochs.fetch_add(1, Ordering::Relaxed);
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
        let Some(checksum) = view.roles.get(role) else {
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
        self.cached(view, role, name, || {
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
        self.cached(view, role, name, || {
            self.store.by_version(gun, role, version)
        })
        .await
    }

    async fn cached<F>(
        &self,
        view: &View,
        role: &RoleName,
        name: DocumentName,
        load: impl FnOnce() -> F + Send,
    ) -> Result<Option<Arc<Served>>, StoreError>
    where
        F: Future<Output = Result<Option<Document>, StoreError>> + Send,
    {
        let key = DocumentKey {
            epoch: view.epoch,
            role: role.clone(),
            name,
        };
        let keep = view.timestamp.is_some();
        if keep && let Some(served) = self.documents.get(&key) {
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
        let epoch = match view.epoch {
            NO_EPOCH => self.epochs.fetch_add(1, Ordering::Relaxed),
            epoch => epoch,
        };
        let keep = |new: &NewDocument| {
            let served = Served::new(stored(new, commit.now));
            let key = DocumentKey {
                epoch,
                role: new.role.clone(),
                name: DocumentName::Checksum(new.sha256),
            };
            self.documents.insert(key, Arc::clone(&served));
            served
        };
        let mut snapshot = None;
        for new in commit.documents {
            let served = keep(new);
            if new.role.base() == Some(BaseRole::Snapshot) {
                snapshot = Some(served);
            }
        }
        let floor = snapshot
            .as_ref()
            .map_or(view.snapshot_floor, |served| served.document.version);
        let snapshot = snapshot.or_else(|| view.snapshot.clone());
        let next = Arc::new(View::new(
            epoch,
            keep(commit.timestamp),
            state.timestamp_expires,
            snapshot.map(|served| (served, state.snapshot)),
            floor,
        ));
        self.views.insert(commit.gun.clone(), Arc::clone(&next));
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

fn stored(new: &NewDocument, now: OffsetDateTime) -> Document {
    Document {
        role: new.role.clone(),
        version: new.version,
        sha256: new.sha256,
        data: new.data.clone(),
        stored_at: now,
    }
}
