//! Checks that run in the background; the health endpoint shows the last result and never waits.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How often a check runs, and how long it may take.
pub const PERIOD: Duration = Duration::from_secs(10);

/// The last results of the registered checks. Clones share them.
#[derive(Clone, Default)]
pub struct Health {
    failures: Arc<RwLock<BTreeMap<String, String>>>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("failures", &self.failures())
            .finish()
    }
}

/// What a check gives: nothing, or the text to show.
pub type CheckResult = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

impl Health {
    /// No checks: healthy.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `check` every [`PERIOD`], the first time after one period, for as long as the returned future is polled. A check
    /// that does not end within a period has failed.
    pub fn watch<F>(&self, name: &str, check: F) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Fn() -> CheckResult + Send + Sync + 'static,
    {
        let (health, name) = (self.clone(), name.to_owned());
        async move {
            loop {
                tokio::time::sleep(PERIOD).await;
                let result = tokio::time::timeout(PERIOD, check()).await;
                let result = result.unwrap_or_else(|_| {
                    Err(format!("no answer within {} seconds", PERIOD.as_secs()))
                });
                health.report(&name, result);
            }
        }
    }

    /// Sets the result of a check.
    pub fn report(&self, name: &str, result: Result<(), String>) {
        let mut failures = self
            .failures
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                if failures.remove(name).is_some() {
                    tracing::info!(check = name, "healthy again");
                }
            }
            Err(text) => {
                if failures.insert(name.to_owned(), text.clone()).as_ref() != Some(&text) {
                    tracing::error!(check = name, "health check failed: {text}");
                }
            }
        }
    }

    /// The failing checks by name, with their texts. Empty means healthy.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<String, String> {
        self.failures
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_shows_after_one_period_and_goes_when_the_check_passes() {
        let health = Health::new();
        let broken = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&broken);
        let task = tokio::spawn(health.watch("DB operational", move || {
            let broken = seen.load(Ordering::Relaxed);
            Box::pin(async move {
                if broken {
                    Err("Cannot access table: tuf_files".to_owned())
                } else {
                    Ok(())
                }
            })
        }));
        tokio::time::sleep(PERIOD / 2).await;
        assert!(
            health.failures().is_empty(),
            "healthy until the first check"
        );
        tokio::time::sleep(PERIOD).await;
        assert_eq!(
            health.failures()["DB operational"],
            "Cannot access table: tuf_files"
        );
        broken.store(false, Ordering::Relaxed);
        tokio::time::sleep(PERIOD).await;
        assert!(health.failures().is_empty());
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_has_failed() {
        let health = Health::new();
        let task =
            tokio::spawn(health.watch("Trust operational", || Box::pin(std::future::pending())));
        tokio::time::sleep(PERIOD * 2 + Duration::from_secs(1)).await;
        assert_eq!(
            health.failures()["Trust operational"],
            "no answer within 10 seconds"
        );
        task.abort();
    }
}
