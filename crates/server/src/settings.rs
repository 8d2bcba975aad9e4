//! What an operator may set about the service. The program's configuration is read elsewhere and ends here.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::audit::Audit;
use crate::authentication::Authenticator;
use crate::counters::Counters;

/// Tells the time. The program passes the system's clock, tests pass their own.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Everything that an operator may set about the service.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How long others may cache what is served.
    pub max_age: MaxAge,
    /// Prefixes of the GUNs that are served; empty serves all. Each is a clean relative path that ends in `/`.
    pub gun_prefixes: Vec<String>,
    /// How requests say whose they are. `None` lets everybody do everything.
    pub auth: Option<Arc<Authenticator>>,
    /// Bounds on what a request may cost.
    pub limits: Limits,
    /// Where changes are recorded.
    pub audit: Option<Arc<Audit>>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// Lifetimes of served metadata in the caches of others, in seconds (`caching.max_age` in the configuration).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaxAge {
    /// For names that change their content, such as `targets.json`: at most [`MaxAge::LIMIT`].
    pub current: u32,
    /// For names with a checksum or version, whose content never changes: at most [`MaxAge::LIMIT`].
    pub consistent: u32,
}

impl MaxAge {
    /// A year: the most that the configuration admits.
    pub const LIMIT: u32 = 31_536_000;
}

impl Default for MaxAge {
    fn default() -> Self {
        Self {
            current: 300,
            consistent: 2_592_000,
        }
    }
}

/// Bounds on what a request may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest body of an update in bytes.
    pub max_upload_bytes: u64,
    /// Most bytes of updates that are in memory at a time, of all requests together; more are asked to come back later.
    pub max_pending_bytes: usize,
    /// Most parts in an update.
    pub max_upload_parts: usize,
    /// Longest time that the body of an update may take to arrive.
    pub upload_time: Duration,
    /// Most changes in one answer of the changefeed; who asks for more gets this many and continues from there.
    pub max_changes: u32,
    /// How many bytes of documents are kept in memory.
    pub cache_bytes: u64,
    /// How long before its expiry a timestamp or snapshot that this server signs is renewed. Zero renews only what has
    /// expired.
    pub renew_before: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_upload_bytes: 128 * 1024 * 1024,
            max_pending_bytes: 512 * 1024 * 1024,
            max_upload_parts: 10_000,
            upload_time: Duration::from_secs(300),
            max_changes: 10_000,
            cache_bytes: 64 * 1024 * 1024,
            renew_before: Duration::from_secs(24 * 60 * 60),
        }
    }
}
