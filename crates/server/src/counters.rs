//! What is counted beside requests, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of a service.
#[derive(Debug, Default)]
pub struct Counters {
    /// Logins that were wrong.
    pub logins_wrong: Counter,
    /// Logins that did not allow what they were used for.
    pub logins_insufficient: Counter,
    /// Logins that were not looked at, because too many wrong ones had come.
    pub logins_throttled: Counter,
    /// Records of the audit log that could not be written.
    pub audit_failures: Counter,
    /// Updates that lost to another one.
    pub conflicts: Counter,
    /// Timestamps that were signed again.
    pub renewals: Counter,
    /// Timestamps that could not be.
    pub renewal_failures: Counter,
}
