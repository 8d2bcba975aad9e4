//! Trying again, within bounds.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use sqlx::{Database, Pool};
use tokio::time::{Instant, sleep};

use crate::Failure;

/// Runs something that may be run twice, again while connections of the pool turn out to be broken: each is found out once and
/// replaced, so that a database that was started anew is used as if nothing had happened.
///
/// # Errors
/// What the last try failed with.
pub async fn again<DB, T, F>(pool: &Pool<DB>, mut run: impl FnMut() -> F) -> Result<T, sqlx::Error>
where
    DB: Database,
    F: Future<Output = Result<T, sqlx::Error>>,
{
    // Every connection may be broken, and one more try opens a new one.
    let mut left = pool.options().get_max_connections();
    let deadline = Instant::now() + pool.options().get_acquire_timeout();
    loop {
        match run().await {
            Err(error) if left > 0 && Failure::is_lost(&error) && Instant::now() < deadline => {
                left -= 1;
            }
            outcome => return outcome,
        }
    }
}

/// Growing pauses with jitter, so that those who were in each other's way are not so again.
#[derive(Debug)]
pub struct Backoff {
    pause: Duration,
    left: u32,
}

impl Backoff {
    /// `tries` in all, the first pause around `pause`, each of the next twice as long.
    #[must_use]
    pub const fn new(pause: Duration, tries: u32) -> Self {
        Self {
            pause,
            left: tries.saturating_sub(1),
        }
    }

    /// Pauses; `false` at once when there were enough tries.
    pub async fn wait(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        // Between a half and three halves.
        let random = RandomState::new().hash_one(0) % 1024;
        let part = u32::try_from(random).unwrap_or_default() + 512;
        sleep(self.pause * part / 1024).await;
        self.pause *= 2;
        true
    }
}
