//! The keys that are decrypted in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::OnceCell;

use signet_tuf::KeyId;

use super::StoredKey;
use crate::private::PrivateKey;

/// A decrypted key.
pub(super) struct Opened {
    pub(super) stored: Arc<StoredKey>,
    pub(super) key: PrivateKey,
    seen: Mutex<Seen>,
}

/// What the database last said about a key.
#[derive(Clone, Copy)]
struct Seen {
    last_used: Option<OffsetDateTime>,
    /// When it was there; `None` before anybody has asked since it was opened.
    live: Option<OffsetDateTime>,
    /// When the database last answered that it was there; never moved by silence.
    confirmed: Option<OffsetDateTime>,
}

impl Opened {
    pub(super) const fn new(
        stored: Arc<StoredKey>,
        key: PrivateKey,
        last_used: Option<OffsetDateTime>,
    ) -> Self {
        Self {
            stored,
            key,
            seen: Mutex::new(Seen {
                last_used,
                live: None,
                confirmed: None,
            }),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_used(&self) -> Option<OffsetDateTime> {
        self.seen().last_used
    }

    /// Whether the database said within this time that the key is there. A clock that was set back does not prolong it.
    pub(super) fn was_live(&self, now: OffsetDateTime, within: Duration) -> bool {
        let live = self.seen().live;
        live.is_some_and(|seen| (now - seen).unsigned_abs() < within)
    }

    /// Whether the database itself said so within this time.
    pub(super) fn was_confirmed(&self, now: OffsetDateTime, within: Duration) -> bool {
        let confirmed = self.seen().confirmed;
        confirmed.is_some_and(|seen| (now - seen).unsigned_abs() < within)
    }

    pub(super) fn is_live(&self, now: OffsetDateTime) {
        let mut seen = self.seen();
        seen.live = Some(now);
        seen.confirmed = Some(now);
    }

    /// Treats it as if it had been seen at this time, although the database did not answer.
    pub(super) fn is_taken_for_live(&self, since: OffsetDateTime) {
        self.seen().live = Some(since);
    }

    pub(super) fn is_used(&self, now: OffsetDateTime) {
        self.seen().last_used = Some(now);
    }
}

/// A place for a key: several that want it at the same time wait for one that decrypts it.
pub(super) type Slot = Arc<OnceCell<Arc<Opened>>>;

/// The keys that are open, as many as there may be.
pub(super) struct OpenKeys {
    slots: Mutex<HashMap<KeyId, Slot>>,
    max: usize,
}

impl OpenKeys {
    pub(super) fn new(max: usize) -> Self {
        Self {
            slots: Mutex::default(),
            max: max.max(1),
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<KeyId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<Arc<Opened>> {
        self.slots().get(id).and_then(|slot| slot.get().cloned())
    }

    pub(super) fn slot(&self, id: &KeyId) -> Slot {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(id) {
            return slot.clone();
        }
        // Some other key goes; it will be decrypted again when it is needed.
        if slots.len() >= self.max
            && let Some(other) = slots.keys().next().cloned()
        {
            slots.remove(&other);
        }
        slots.entry(id.clone()).or_default().clone()
    }

    pub(super) fn forget(&self, id: &KeyId) {
        self.slots().remove(id);
    }
}
