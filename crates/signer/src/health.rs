//! The health protocol of gRPC, under the three names that Go's service has.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use signet_keys::database::{DatabaseError, ServiceKeys};
use signet_rpc::health::health_check_response::ServingStatus;
use signet_rpc::health::health_server::Health;
use signet_rpc::health::{HealthCheckRequest, HealthCheckResponse};
use signet_rpc::health_names::{KEY_MANAGEMENT, SIGNER};
use signet_service::process::chain;
use signet_service::shutdown::Shutdown;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

/// Says whether keys can be used now: unlike Go's, not while the key database is out of reach.
///
/// Clones are the same service. However many ask, the key database is asked once at a time, and those who ask meanwhile share the next
/// answer, which is newer than their question.
#[derive(Clone)]
pub struct HealthService {
    check: Arc<Check>,
    /// When the database was last asked, and what followed.
    last: Arc<Mutex<Option<(Instant, ServingStatus)>>>,
    watchers: Arc<Semaphore>,
    shutdown: Shutdown,
}

/// Looks whether keys can be used.
type Check = dyn Fn() -> BoxFuture<'static, Result<(), DatabaseError>> + Send + Sync;

impl fmt::Debug for HealthService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthService").finish_non_exhaustive()
    }
}

impl HealthService {
    /// The health of the service of these keys. Whoever watches it is let go at the shutdown.
    #[must_use]
    pub fn new(keys: ServiceKeys, shutdown: Shutdown) -> Self {
        let check = move || {
            let keys = keys.clone();
            async move { keys.check().await }.boxed()
        };
        Self::of(Arc::new(check), shutdown)
    }

    fn of(check: Arc<Check>, shutdown: Shutdown) -> Self {
        Self {
            check,
            last: Arc::default(),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
            shutdown,
        }
    }

    async fn status(&self) -> ServingStatus {
        let asked = Instant::now();
        // Held while the database is asked.
        let mut last = self.last.lock().await;
        if let Some((began, status)) = *last
            && began >= asked
        {
            return status;
        }
        let began = Instant::now();
        let status = match tokio::time::timeout(CHECK_TIMEOUT, (self.check)()).await {
            Ok(Ok(())) => ServingStatus::Serving,
            Ok(Err(error)) => {
                tracing::error!("the key database: {}", chain(&error));
                ServingStatus::NotServing
            }
            Err(_) => {
                tracing::error!("the key database does not answer");
                ServingStatus::NotServing
            }
        };
        *last = Some((began, status));
        status
    }

    /// The next status that differs from `last`; `None` at the end of the service.
    async fn change(mut self, last: Option<ServingStatus>) -> Option<(ServingStatus, Self)> {
        let mut first = last.is_none();
        loop {
            if !first {
                tokio::select! {
                    () = self.shutdown.requested() => return None,
                    () = tokio::time::sleep(WATCH_PERIOD) => {}
                }
            }
            first = false;
            let status = self.status().await;
            if last != Some(status) {
                return Some((status, self));
            }
        }
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

fn is_known(service: &str) -> bool {
    matches!(service, "" | KEY_MANAGEMENT | SIGNER)
}

#[tonic::async_trait]
impl Health for HealthService {
    type WatchStream =
        Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send + 'static>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !is_known(&request.get_ref().service) {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Response::new(answer(self.status().await)))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let place = Arc::clone(&self.watchers)
            .try_acquire_owned()
            .map_err(|_| Status::resource_exhausted("too many watch the health already"))?;
        let statuses: Self::WatchStream = if is_known(&request.get_ref().service) {
            let changes = stream::unfold((self.clone(), None), |(service, last)| async move {
                let (status, service) = service.change(last).await?;
                Some((Ok(answer(status)), (service, Some(status))))
            });
            Box::pin(changes)
        } else {
            // The protocol has a status for this, and the call goes on: the name may come.
            let mut shutdown = self.shutdown.clone();
            let unknown = stream::once(async { Ok(answer(ServingStatus::ServiceUnknown)) });
            let end = stream::once(async move {
                shutdown.requested().await;
                Err(Status::unavailable("the service ends"))
            });
            Box::pin(unknown.chain(end))
        };
        let watched = statuses.inspect(move |_| {
            let _held = &place;
        });
        Ok(Response::new(Box::pin(watched)))
    }
}

const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
const WATCH_PERIOD: Duration = Duration::from_secs(5);
/// Most that watch at a time.
const WATCHERS: usize = 1000;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn question() -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest::default())
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_at_the_same_time_share_one_question_to_the_database() {
        let (_trigger, shutdown) = Shutdown::new();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let check = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(())
            }
            .boxed()
        };
        let health = HealthService::of(Arc::new(check), shutdown);
        // The second half comes while the database is asked for the first, and what it says may be old by then.
        let answers = (0..500).map(|number| {
            let health = &health;
            async move {
                tokio::time::sleep(Duration::from_millis(number / 250 * 100)).await;
                health.check(question()).await
            }
        });
        for answer in futures_util::future::join_all(answers).await {
            assert_eq!(answer.unwrap().get_ref().status(), ServingStatus::Serving);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn those_who_watch_are_counted() {
        let (_trigger, shutdown) = Shutdown::new();
        let health = HealthService::of(Arc::new(|| async { Ok(()) }.boxed()), shutdown);
        let mut watched = Vec::new();
        for _ in 0..WATCHERS {
            watched.push(health.watch(question()).await.unwrap());
        }
        let refused = health.watch(question()).await.err().unwrap();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        watched.pop();
        assert!(health.watch(question()).await.is_ok());
    }
}
