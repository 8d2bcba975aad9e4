//! The health protocol of gRPC, under the three names that Go's service has.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, stream};
use signet_keys::database::ServiceKeys;
use signet_rpc::health::health_check_response::ServingStatus;
use signet_rpc::health::health_server::Health;
use signet_rpc::health::{HealthCheckRequest, HealthCheckResponse};
use signet_rpc::health_names::{KEY_MANAGEMENT, SIGNER};
use signet_service::process::chain;
use signet_service::shutdown::Shutdown;
use tonic::{Request, Response, Status};

/// Says whether keys can be used now: unlike Go's, not while the key database is out of reach.
#[derive(Clone, Debug)]
pub struct HealthService {
    keys: ServiceKeys,
    shutdown: Shutdown,
}

impl HealthService {
    /// The health of the service of these keys. Whoever watches it is let go at the shutdown.
    #[must_use]
    pub const fn new(keys: ServiceKeys, shutdown: Shutdown) -> Self {
        Self { keys, shutdown }
    }

    async fn status(&self) -> ServingStatus {
        match tokio::time::timeout(CHECK_TIMEOUT, self.keys.check()).await {
            Ok(Ok(())) => ServingStatus::Serving,
            Ok(Err(error)) => {
                tracing::error!("the key database: {}", chain(&error));
                ServingStatus::NotServing
            }
            Err(_) => {
                tracing::error!("the key database does not answer");
                ServingStatus::NotServing
            }
        }
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
        if !is_known(&request.get_ref().service) {
            // The protocol has a status for this, and the call goes on: the name may come.
            let mut shutdown = self.shutdown.clone();
            let unknown = stream::once(async { Ok(answer(ServingStatus::ServiceUnknown)) });
            let end = stream::once(async move {
                shutdown.requested().await;
                Err(Status::unavailable("the service ends"))
            });
            return Ok(Response::new(Box::pin(futures_util::StreamExt::chain(
                unknown, end,
            ))));
        }
        let changes = stream::unfold((self.clone(), None), |(service, last)| async move {
            let (status, service) = service.change(last).await?;
            Some((Ok(answer(status)), (service, Some(status))))
        });
        Ok(Response::new(Box::pin(changes)))
    }
}

const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
const WATCH_PERIOD: Duration = Duration::from_secs(5);
