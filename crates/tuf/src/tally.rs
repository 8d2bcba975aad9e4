//! Counts of expensive work, so that tests can show that nothing is done twice.
//!
//! The counts are per process, relaxed and cheap (one addition per document); nothing reads them outside tests and
//! benchmarks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static PARSED: AtomicU64 = AtomicU64::new(0);
static VERIFIED: AtomicU64 = AtomicU64::new(0);
static HASHED: AtomicU64 = AtomicU64::new(0);

/// How often each kind of work was done since the process began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Documents parsed.
    pub parsed: u64,
    /// Signatures checked with a public key.
    pub verified: u64,
    /// Documents hashed, one per document and algorithm.
    pub hashed: u64,
}

impl Tally {
    /// The counts now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            parsed: PARSED.load(Relaxed),
            verified: VERIFIED.load(Relaxed),
            hashed: HASHED.load(Relaxed),
        }
    }

    /// What was done since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            parsed: self.parsed - earlier.parsed,
            verified: self.verified - earlier.verified,
            hashed: self.hashed - earlier.hashed,
        }
    }
}

pub(crate) fn parsed() {
    PARSED.fetch_add(1, Relaxed);
}

pub(crate) fn verified() {
    VERIFIED.fetch_add(1, Relaxed);
}

pub(crate) fn hashed() {
    HASHED.fetch_add(1, Relaxed);
}
