//! Keys at a `notary-signer`, Go's or ours (specification, signer-and-keys section 2).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use http::Uri;
use moka::sync::Cache;
use signet_rpc::health::HealthCheckRequest;
use signet_rpc::health::health_check_response::ServingStatus;
use signet_rpc::health::health_client::HealthClient;
use signet_rpc::proto::key_management_client::KeyManagementClient;
use signet_rpc::proto::signer_client::SignerClient;
use signet_rpc::proto::{CreateKeyRequest, KeyId as WireKeyId, KeyInfo, SignatureRequest};
use signet_rpc::{GUN_METADATA, MAX_MESSAGE_BYTES, health_names};
use signet_service::dial::{Callee, Connection, Dialer};
use signet_service::process::chain;
use signet_service::tls::TlsError;
use signet_tuf::{Gun, KeyId, KeyKind, PublicKey, crypto};
use tokio::time::Instant;
use tonic::codegen::Service;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use super::calls::{Calls, Method};
use super::{TrustError, TrustService};
use crate::http::ManagedRole;
use crate::pause::with_jitter;

/// Which key service is used, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemoteOptions {
    /// Where it is, whom to trust, whom to be.
    pub callee: Callee,
    /// The kind of new keys, as it is written in requests.
    pub algorithm: String,
    /// Longest time for a call, with the connection that it may need and with being tried again.
    pub timeout: Duration,
}

impl RemoteOptions {
    /// The time for a call when nothing else is configured.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
}

/// Keys at a key service. It is called when it is needed: a server starts without it.
///
/// Nothing that the service says is believed where it can be checked: a public key must have the ID that was asked for, and a
/// signature must be one.
pub struct RemoteTrust {
    channels: Channels,
    algorithm: String,
    timeout: Duration,
    /// Public keys that the service had when it was asked. A key never changes, but it may be deleted: only calls that would fail then
    /// go by this.
    known: Cache<KeyId, PublicKey>,
    calls: Calls,
}

impl fmt::Debug for RemoteTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTrust")
            .field("channels", &self.channels)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl RemoteTrust {
    /// Reads the files of TLS. Nothing is called yet; `calls` learns of what will be. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`TlsError`] when one of them cannot be read or used.
    pub fn new(options: RemoteOptions, calls: Calls) -> Result<Self, TlsError> {
        Ok(Self {
            channels: Channels::new(Dialer::new(options.callee)?, options.timeout),
            algorithm: options.algorithm,
            timeout: options.timeout,
            known: Cache::new(MOST_KNOWN),
            calls,
        })
    }

    /// Calls, and records how that ended.
    async fn call<T, M, F, R>(
        &self,
        method: Method,
        gun: Option<&Gun>,
        message: M,
        timeout: Duration,
        call: F,
    ) -> Result<Response<T>, RpcError>
    where
        M: Clone,
        F: Fn(Channel, Request<M>) -> R,
        R: Future<Output = Result<Response<T>, Status>>,
    {
        let running = self.calls.begin(method);
        let answer = self.repeat(gun, message, timeout, call).await;
        let code = answer
            .as_ref()
            .map_or_else(|error| error.code, |_| Code::Ok);
        running.end(code);
        answer
    }

    /// Calls, again after a pause while the service cannot be reached: all its methods may be repeated.
    async fn repeat<T, M, F, R>(
        &self,
        gun: Option<&Gun>,
        message: M,
        timeout: Duration,
        call: F,
    ) -> Result<Response<T>, RpcError>
    where
        M: Clone,
        F: Fn(Channel, Request<M>) -> R,
        R: Future<Output = Result<Response<T>, Status>>,
    {
        let deadline = Instant::now() + timeout;
        let mut pauses = PAUSES.into_iter();
        loop {
            let mut request = Request::new(message.clone());
            // For the service; the library ends a call by it, too, and is to come second.
            let left = deadline.saturating_duration_since(Instant::now());
            request.set_timeout(left + Duration::from_secs(1));
            if let Some(gun) = gun {
                let value = MetadataValue::from_bytes(gun.as_str().as_bytes());
                request.metadata_mut().insert_bin(GUN_METADATA, value);
            }
            let (generation, channel) = self.channels.current();
            let answer = tokio::time::timeout_at(deadline, call(channel, request)).await;
            let status = match answer {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded("context deadline exceeded"),
            };
            if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) {
                // The connection may be to something that has stopped: the next call begins a new one.
                self.channels.renew(generation);
            }
            let pause = pauses
                .next()
                .map(with_jitter)
                .filter(|pause| Instant::now() + *pause < deadline);
            match pause {
                Some(pause) if status.code() == Code::Unavailable => {
                    tokio::time::sleep(pause).await;
                }
                _ => return Err(RpcError::from(status)),
            }
        }
    }

    async fn key_info(
        &self,
        gun: &Gun,
        id: &KeyId,
    ) -> Result<Option<(PublicKey, Owner)>, TrustError> {
        if !is_asked_for(id) {
            return Ok(None);
        }
        let message = WireKeyId {
            id: id.as_str().to_owned(),
        };
        let call = |channel, request| async move {
            KeyManagementClient::new(channel)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .get_key_info(request)
                .await
        };
        match self
            .call(Method::GetKeyInfo, Some(gun), message, self.timeout, call)
            .await
        {
            Ok(answer) => {
                let owner = Owner::of(&answer, gun);
                let answer = answer.into_inner();
                let key = public_key(answer.key_info, answer.public_key)?;
                if key.id() != id {
                    return Err(unusable(AnswerFault::OtherKey(id.clone())));
                }
                self.known.insert(id.clone(), key.clone());
                Ok(Some((key, owner)))
            }
            Err(error) if error.code == Code::NotFound => {
                self.known.invalidate(id);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The public half that a signature is checked with.
    async fn verifying_key(&self, gun: &Gun, id: &KeyId) -> Result<PublicKey, TrustError> {
        if let Some(key) = self.known.get(id) {
            return Ok(key);
        }
        let key = self.key_info(gun, id).await?;
        key.map(|(key, _)| key)
            .ok_or_else(|| TrustError::NotFound(id.clone()))
    }

    async fn health_of(&self, service: &'static str) -> Result<(), TrustError> {
        let message = HealthCheckRequest {
            service: service.to_owned(),
        };
        let call = |channel, request| async move {
            HealthClient::new(channel)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .check(request)
                .await
        };
        // Both questions fit into the time of the health check that asks them.
        let timeout = self.timeout.min(HEALTH_TIMEOUT);
        let answer = self
            .call(Method::Check, None, message, timeout, call)
            .await?
            .into_inner();
        if answer.status() == ServingStatus::Serving {
            return Ok(());
        }
        let fault = AnswerFault::NotServing {
            service: service.rsplit('.').next().unwrap_or(service),
            status: answer.status().as_str_name(),
        };
        Err(TrustError::Unavailable(fault.into()))
    }
}

#[async_trait]
impl TrustService for RemoteTrust {
    async fn create_key(&self, gun: &Gun, role: ManagedRole) -> Result<PublicKey, TrustError> {
        let message = CreateKeyRequest {
            algorithm: self.algorithm.clone(),
            gun: gun.as_str().to_owned(),
            role: role.base().as_str().to_owned(),
        };
        let call = |channel, request| async move {
            KeyManagementClient::new(channel)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .create_key(request)
                .await
        };
        let answer = self
            .call(Method::CreateKey, Some(gun), message, self.timeout, call)
            .await?;
        let answer = answer.into_inner();
        let key = public_key(answer.key_info, answer.public_key)?;
        if key.kind().as_str() != self.algorithm {
            return Err(unusable(AnswerFault::OtherKind));
        }
        self.known.insert(key.id().clone(), key.clone());
        Ok(key)
    }

    async fn find_key(&self, gun: &Gun, id: &KeyId) -> Result<Option<PublicKey>, TrustError> {
        let key = self.key_info(gun, id).await?;
        Ok(key.map(|(key, _)| key))
    }

    async fn sign(&self, gun: &Gun, id: &KeyId, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        let key = self.verifying_key(gun, id).await?;
        let method = key.kind().signature_method().unwrap_or_default();
        let request = SignatureRequest {
            key_id: Some(WireKeyId {
                id: id.as_str().to_owned(),
            }),
            content: message.to_vec(),
        };
        let call = |channel, request| async move {
            SignerClient::new(channel)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .sign(request)
                .await
        };
        match self
            .call(Method::Sign, Some(gun), request, self.timeout, call)
            .await
        {
            Ok(answer) if crypto::verify(&key, method, &answer.get_ref().content, message) => {
                Ok(answer.into_inner().content)
            }
            Ok(_) => Err(unusable(AnswerFault::WrongSignature(id.clone()))),
            Err(error) if error.code == Code::NotFound => {
                self.known.invalidate(id);
                Err(TrustError::NotFound(id.clone()))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn retire_key(&self, gun: &Gun, id: &KeyId) -> Result<bool, TrustError> {
        match self.key_info(gun, id).await? {
            Some((_, Owner::ThisGun)) => {}
            _ => return Ok(false),
        }
        let message = WireKeyId {
            id: id.as_str().to_owned(),
        };
        let call = |channel, request| async move {
            KeyManagementClient::new(channel)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .delete_key(request)
                .await
        };
        self.call(Method::DeleteKey, Some(gun), message, self.timeout, call)
            .await?;
        self.known.invalidate(id);
        Ok(true)
    }

    async fn check(&self) -> Result<(), TrustError> {
        self.health_of(health_names::KEY_MANAGEMENT).await?;
        self.health_of(health_names::SIGNER).await
    }
}

/// Whose a key is, by the key service. Go's does not say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Owner {
    ThisGun,
    Unknown,
}

impl Owner {
    fn of<T>(answer: &Response<T>, gun: &Gun) -> Self {
        let value = answer.metadata().get_bin(GUN_METADATA);
        match value.and_then(|value| value.to_bytes().ok()) {
            Some(owner) if owner == gun.as_str().as_bytes() => Self::ThisGun,
            _ => Self::Unknown,
        }
    }
}

/// Metadata may hold any text as an ID; the service has no key of such a one.
fn is_asked_for(id: &KeyId) -> bool {
    id.as_str().parse::<KeyId>().is_ok()
}

/// The key of an answer, which must be whole: Go's service answers with an empty one while its database is away.
fn public_key(info: Option<KeyInfo>, public: Vec<u8>) -> Result<PublicKey, TrustError> {
    let (id, algorithm) = info.map_or_else(Default::default, |info| {
        (
            info.key_id.unwrap_or_default().id,
            info.algorithm.unwrap_or_default().algorithm,
        )
    });
    if public.is_empty() || algorithm.is_empty() {
        return Err(unusable(AnswerFault::EmptyKey));
    }
    let key = PublicKey::new(KeyKind::from(algorithm.as_str()), public);
    if key.id().as_str() != id {
        return Err(unusable(AnswerFault::WrongId));
    }
    Ok(key)
}

fn unusable(fault: AnswerFault) -> TrustError {
    TrustError::Unusable(fault.into())
}

/// What is wrong with an answer of the key service.
#[derive(Debug, thiserror::Error)]
enum AnswerFault {
    #[error("the key service answered with an empty key: look at its log and its database")]
    EmptyKey,
    #[error("Got the serving status of {service}: {status}, want SERVING")]
    NotServing {
        service: &'static str,
        status: &'static str,
    },
    #[error("the key service was asked for key {0} and answered with another")]
    OtherKey(KeyId),
    #[error("the key service made a key of another kind than trust_service.key_algorithm says")]
    OtherKind,
    #[error("the key service answered with a key whose ID is not its own")]
    WrongId,
    #[error("the key service's signature with key {0} is not one")]
    WrongSignature(KeyId),
}

/// A call that failed, in the words of Go's library.
#[derive(Debug, thiserror::Error)]
#[error("rpc error: code = {code:?} desc = {text}")]
struct RpcError {
    code: Code,
    text: String,
}

impl From<Status> for RpcError {
    fn from(status: Status) -> Self {
        use std::error::Error as _;
        // What failed below, such as a refused connection, is the cause.
        let text = match status.source() {
            Some(cause) if status.code() == Code::Unavailable => {
                format!("connection error: {}", chain(cause))
            }
            _ => status.message().chars().take(MOST_TEXT).collect(),
        };
        Self {
            code: status.code(),
            text,
        }
    }
}

impl From<RpcError> for TrustError {
    fn from(error: RpcError) -> Self {
        match error.code {
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Aborted
            | Code::ResourceExhausted => Self::Unavailable(error.into()),
            _ => Self::Unusable(error.into()),
        }
    }
}

/// The connection to the service, made when it is needed, and anew when it has gone.
struct Channels {
    endpoint: Endpoint,
    dialer: Arc<Dialer>,
    current: Mutex<(u64, Channel)>,
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dialer.fmt(f)
    }
}

impl Channels {
    fn new(dialer: Dialer, timeout: Duration) -> Self {
        let dialer = Arc::new(dialer);
        // Where to is the dialer's business; this is what requests carry as their scheme and authority.
        let endpoint = Endpoint::from_static("https://notary-signer").connect_timeout(timeout);
        let channel = endpoint.connect_with_connector_lazy(Connector(Arc::clone(&dialer)));
        Self {
            endpoint,
            dialer,
            current: Mutex::new((0, channel)),
        }
    }

    fn current(&self) -> (u64, Channel) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Gives the connection up, unless somebody else has done so.
    fn renew(&self, generation: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 == generation {
            let connector = Connector(Arc::clone(&self.dialer));
            *current = (
                generation.wrapping_add(1),
                self.endpoint.connect_with_connector_lazy(connector),
            );
        }
    }
}

struct Connector(Arc<Dialer>);

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Connection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = Arc::clone(&self.0);
        Box::pin(async move { dialer.dial().await })
    }
}

const PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];
const HEALTH_TIMEOUT: Duration = Duration::from_secs(4);
const MOST_KNOWN: u64 = 100_000;
/// Most characters of the service's text that are passed on.
const MOST_TEXT: usize = 500;
