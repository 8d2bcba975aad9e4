//! Counts of expensive work, so that tests can show that nothing is done twice.
//!
//! The counts are per process, relaxed and cheap (one addition per key); nothing reads them outside tests and
//! benchmarks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static DERIVED: AtomicU64 = AtomicU64::new(0);
static LOADED: AtomicU64 = AtomicU64::new(0);
static SIGNED: AtomicU64 = AtomicU64::new(0);

/// How often each kind of work was done since the process began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Passphrases turned into encryption keys, for reading and for writing.
    pub derived: u64,
    /// Private keys made from bytes.
    pub loaded: u64,
    /// Signatures made over documents.
    pub signed: u64,
}

impl Tally {
    /// The counts now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            derived: DERIVED.load(Relaxed),
            loaded: LOADED.load(Relaxed),
            signed: SIGNED.load(Relaxed),
        }
    }

    /// What was done since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            derived: self.derived.saturating_sub(earlier.derived),
            loaded: self.loaded.saturating_sub(earlier.loaded),
            signed: self.signed.saturating_sub(earlier.signed),
        }
    }
}

pub(crate) fn derived() {
    DERIVED.fetch_add(1, Relaxed);
}

pub(crate) fn loaded() {
    LOADED.fetch_add(1, Relaxed);
}

pub(crate) fn signed() {
    SIGNED.fetch_add(1, Relaxed);
}
