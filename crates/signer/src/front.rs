//! What stands between a connection and the services: which is meant, how long it may take, how many at a time.

use std::fmt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use signet_rpc::MAX_MESSAGE_BYTES;
use signet_rpc::health::health_server::{HealthServer, SERVICE_NAME as HEALTH};
use signet_rpc::proto::key_management_server::{KeyManagementServer, SERVICE_NAME as KEYS};
use signet_rpc::proto::signer_server::{SERVICE_NAME as SIGNER, SignerServer};
use signet_service::serve::Handler;
use signet_service::telemetry::with_fields;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::{Code, Status};

use crate::caller::Caller;
use crate::health::HealthService;
use crate::intake::Intake;
use crate::service::KeyService;

/// How long calls may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CallLimits {
    /// A call as a whole.
    pub call: Duration,
    /// What is sent for it, until it is here.
    pub body: Duration,
}

/// The services on the network. Clones are the same services.
#[derive(Clone)]
pub struct Front {
    keys: KeyManagementServer<KeyService>,
    signer: SignerServer<KeyService>,
    health: HealthServer<HealthService>,
    intake: Intake,
    /// For calls that have arrived, so that who is slow to send holds none.
    slots: Arc<Semaphore>,
    limit: Duration,
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Front {
    /// Serves keys and health.
    #[must_use]
    pub fn new(keys: KeyService, health: HealthService, limits: CallLimits) -> Self {
        Self {
            keys: KeyManagementServer::new(keys.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            signer: SignerServer::new(keys).max_decoding_message_size(MAX_MESSAGE_BYTES),
            health: HealthServer::new(health).max_decoding_message_size(MAX_MESSAGE_BYTES),
            intake: Intake::new(limits.body),
            slots: Arc::new(Semaphore::new(CALLS)),
            limit: limits.call,
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.split_once('/'))
        else {
            let text = format!("malformed method name: {:?}", excerpt(&path));
            return Status::unimplemented(text).into_http();
        };
        match (service, method) {
            (KEYS, "CreateKey" | "DeleteKey" | "GetKeyInfo")
            | (SIGNER, "Sign")
            | (HEALTH, "Check" | "Watch") => {}
            (KEYS | SIGNER | HEALTH, _) => {
                let method = excerpt(method);
                let text = format!("unknown method {method} for service {service}");
                return Status::unimplemented(text).into_http();
            }
            _ => {
                let text = format!("unknown service {}", excerpt(service));
                return Status::unimplemented(text).into_http();
            }
        }
        let (request, _share) = match self.intake.take(request).await {
            Ok(taken) => taken,
            Err(status) => return status.into_http(),
        };
        if service == HEALTH {
            // Whoever asks how the service is must not wait for those who use it.
            return match self.health.clone().call(request).await {
                Ok(response) => with_gos_texts(response),
                Err(never) => match never {},
            };
        }
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.ok();
        let result = if service == SIGNER {
            self.signer.clone().call(request).await
        } else {
            self.keys.clone().call(request).await
        };
        match result {
            Ok(response) => with_gos_texts(response),
            Err(never) => match never {},
        }
    }
}

impl Handler for Front {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if request.version() != Version::HTTP_2 {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            return response;
        }
        // A defect in one call is that call's: the connection and the others on it go on.
        let caller = Caller::of(&request, peer);
        let answer = AssertUnwindSafe(self.answer(request)).catch_unwind();
        let answer = with_fields(caller, tokio::time::timeout(self.limit, answer));
        match answer.await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => Status::internal("the call failed inside").into_http(),
            Err(_) => Status::deadline_exceeded("the call took too long").into_http(),
        }
    }
}

/// The library refuses a message that is too long with a code and a text of its own; nothing else here answers with that code.
fn with_gos_texts(response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    if status.code() != Code::OutOfRange {
        return response;
    }
    let length = status
        .message()
        .split(|letter: char| !letter.is_ascii_digit())
        .find(|digits| !digits.is_empty())
        .unwrap_or("?");
    let text = format!("grpc: received message larger than max ({length} vs. {MAX_MESSAGE_BYTES})");
    Status::resource_exhausted(text).into_http()
}

/// The beginning of a name that somebody sent.
fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Most calls that are worked on at a time.
const CALLS: usize = 256;
