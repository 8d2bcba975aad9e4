//! One writer at a time per repository.
//!
//! Updates, renewals, deletions and the first look at a repository go through its gate, so that what is decided inside
//! is decided on the newest state, and concurrent renewals become one.

use std::hash::{BuildHasher, RandomState};

use signet_tuf::Gun;
use tokio::sync::{Mutex, MutexGuard};

/// A fixed number of gates, onto which GUNs are spread: two repositories may have to wait for each other, and memory
/// stays bounded whatever names are asked for.
#[derive(Debug)]
pub(crate) struct Gates {
    gates: Box<[Mutex<()>]>,
    hasher: RandomState,
}

const GATES: usize = 256;

impl Gates {
    pub(crate) fn new() -> Self {
        Self {
            gates: (0..GATES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Waits until nobody else is inside the gate of `gun`. Fair: first come, first served.
    pub(crate) async fn enter(&self, gun: &Gun) -> MutexGuard<'_, ()> {
        self.gate(gun).lock().await
    }

    /// Enters if nobody is inside or waits.
    pub(crate) fn enter_at_once(&self, gun: &Gun) -> Option<MutexGuard<'_, ()>> {
        self.gate(gun).try_lock().ok()
    }

    fn gate(&self, gun: &Gun) -> &Mutex<()> {
        let hash = usize::try_from(self.hasher.hash_one(gun) % GATES as u64).unwrap_or_default();
        #[expect(
            clippy::indexing_slicing,
            reason = "there are GATES gates, and the hash was taken modulo GATES"
        )]
        &self.gates[hash]
    }
}
