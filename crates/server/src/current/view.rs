//! The current state of a repository, as it was found in the store or made by a commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http::HeaderValue;
use signet_tuf::{BaseRole, HashAlgorithm, RoleName, Snapshot, Version};
use time::{Duration, OffsetDateTime};

use crate::http::{EntityTags, http_date};
use crate::store::{Document, Head, Revision, Sha256};
use crate::verified::NO_EPOCH;

/// A document with what an answer needs beside its bytes.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) document: Document,
    pub(crate) last_modified: HeaderValue,
    pub(crate) tags: EntityTags,
}

impl Served {
    pub(crate) fn new(document: Document) -> Arc<Self> {
        Arc::new(Self {
            last_modified: http_date(document.stored_at),
            tags: EntityTags::of(&document.sha256),
            document,
        })
    }
}

/// The current state of a repository.
#[derive(Debug)]
pub(crate) struct View {
    /// Distinguishes this incarnation of the repository from earlier ones of the same name, so that nothing that was
    /// deleted is ever found in the cache. Counted by this process, or what the store calls it where others write to it too;
    /// a library has numbers of one kind only.
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
    pub(super) fn empty() -> Self {
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

    pub(super) fn new(
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

    /// Whether the store says that this is the current state.
    pub(super) fn is_at(&self, head: &Head) -> bool {
        self.epoch != NO_EPOCH
            && self.epoch == epoch_of(head)
            && self.base() == Some(head.timestamp)
    }

    /// What the next state takes over of the snapshot when it has the same one.
    pub(super) fn same_snapshot(&self) -> (Option<Arc<Served>>, Version) {
        (self.snapshot.clone(), self.snapshot_floor)
    }

    /// The checksum that the snapshot has for a role.
    pub(super) fn checksum(&self, role: &RoleName) -> Option<&Sha256> {
        self.roles.get(role)
    }

    /// The checksum of the current document of a role, the timestamp's and the snapshot's too.
    pub(super) fn document(&self, role: &RoleName) -> Option<Sha256> {
        let of = |served: &Option<Arc<Served>>| Some(served.as_ref()?.document.sha256);
        match role.base() {
            Some(BaseRole::Timestamp) => of(&self.timestamp),
            Some(BaseRole::Snapshot) => of(&self.snapshot),
            Some(BaseRole::Root | BaseRole::Targets) | None => self.checksum(role).copied(),
        }
    }

    /// The current documents.
    pub(super) fn documents(&self) -> impl Iterator<Item = (RoleName, Sha256)> {
        let own = [RoleName::timestamp(), RoleName::snapshot()];
        own.into_iter()
            .chain(self.roles.keys().cloned())
            .filter_map(|role| self.document(&role).map(|checksum| (role, checksum)))
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

    /// When the validity of timestamp or snapshot ends, whichever is first.
    pub(crate) const fn expires(&self) -> Option<OffsetDateTime> {
        self.expires
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

    pub(super) fn weight(&self) -> u32 {
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

/// The epoch that a head means; [`NO_EPOCH`] when the store cannot tell one life of the repository from the next.
pub(super) fn epoch_of(head: &Head) -> u64 {
    u64::try_from(head.incarnation).unwrap_or(NO_EPOCH)
}
