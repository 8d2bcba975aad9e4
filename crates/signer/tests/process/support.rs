//! Those who call a key service, of either make.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Uri;
use signet_rpc::health::HealthCheckRequest;
use signet_rpc::health::health_client::HealthClient;
use signet_rpc::proto::key_management_client::KeyManagementClient;
use signet_rpc::proto::signer_client::SignerClient;
use signet_rpc::proto::{
    CreateKeyRequest, GetKeyInfoResponse, KeyId, PublicKey, Signature, SignatureRequest,
};
use signet_service::dial::{Callee, Connection, Dialer};
use signet_testkit::peer::Signer;
use signet_tuf::{KeyKind, crypto};
use tonic::Status;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};

struct Connector(Arc<Dialer>);

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Connection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = Arc::clone(&self.0);
        Box::pin(async move { dialer.dial().await })
    }
}

/// A connection of the client that a service expects.
pub(crate) fn channel(signer: &Signer) -> Channel {
    let file = |name: &str| signer.folder().join(name);
    channel_as(signer, Some((file("client.crt"), file("client.key"))))
}

/// A connection that shows this certificate, or none.
pub(crate) fn channel_as(signer: &Signer, identity: Option<(PathBuf, PathBuf)>) -> Channel {
    let dialer = Dialer::new(Callee {
        host: "localhost".to_owned(),
        port: signer.address().port(),
        ca: Some(signer.folder().join("ca.crt")),
        identity,
    });
    Endpoint::from_static("https://notary-signer")
        .timeout(CALL_LIMIT)
        .connect_with_connector_lazy(Connector(Arc::new(dialer.unwrap())))
}

/// Somebody who calls a key service, and says of no key whom it is for.
#[derive(Clone)]
pub(crate) struct Caller(Channel);

impl Caller {
    pub(crate) fn of(signer: &Signer) -> Self {
        Self(channel(signer))
    }

    pub(crate) fn by(channel: Channel) -> Self {
        Self(channel)
    }

    pub(crate) async fn create(
        &self,
        algorithm: &str,
        gun: &str,
        role: &str,
    ) -> Result<Made, Status> {
        let request = CreateKeyRequest {
            algorithm: algorithm.to_owned(),
            gun: gun.to_owned(),
            role: role.to_owned(),
        };
        let mut keys = KeyManagementClient::new(self.0.clone());
        Ok(Made(keys.create_key(request).await?.into_inner()))
    }

    pub(crate) async fn info(&self, id: &str) -> Result<GetKeyInfoResponse, Status> {
        let mut keys = KeyManagementClient::new(self.0.clone());
        Ok(keys.get_key_info(key_id(id)).await?.into_inner())
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<(), Status> {
        let mut keys = KeyManagementClient::new(self.0.clone());
        keys.delete_key(key_id(id)).await.map(drop)
    }

    pub(crate) async fn sign(&self, id: &str, content: &[u8]) -> Result<Signature, Status> {
        let request = SignatureRequest {
            key_id: Some(key_id(id)),
            content: content.to_vec(),
        };
        let mut signer = SignerClient::new(self.0.clone());
        Ok(signer.sign(request).await?.into_inner())
    }

    /// Signs something, and says whether the signature is one of this key.
    pub(crate) async fn signs_with(&self, key: &Made) -> Result<bool, Status> {
        const MESSAGE: &[u8] = b"a message to be signed";
        let signature = self.sign(key.id(), MESSAGE).await?;
        let method = signature.algorithm.unwrap_or_default().algorithm;
        let same = signature.key_info == key.0.key_info;
        Ok(same && crypto::verify(&key.public(), &method, &signature.content, MESSAGE))
    }

    /// Waits until the health of this service is as it should be: it is looked at now and again only.
    pub(crate) async fn health_becomes(&self, service: &str, expected: i32) {
        let deadline = Instant::now() + HEALTH_LIMIT;
        while self.health(service).await.unwrap() != expected {
            assert!(Instant::now() < deadline, "{service}: not {expected}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// 1 for SERVING, 2 for `NOT_SERVING`.
    async fn health(&self, service: &str) -> Result<i32, Status> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut health = HealthClient::new(self.0.clone());
        Ok(health.check(request).await?.into_inner().status)
    }
}

/// A key as its service tells of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Made(PublicKey);

impl Made {
    /// The key that an answer to `GetKeyInfo` is about, and its role.
    pub(crate) fn of(info: GetKeyInfoResponse) -> (Self, String) {
        let key = PublicKey {
            key_info: info.key_info,
            public_key: info.public_key,
        };
        (Self(key), info.role)
    }

    pub(crate) fn id(&self) -> &str {
        let info = self.0.key_info.as_ref().unwrap();
        &info.key_id.as_ref().unwrap().id
    }

    pub(crate) fn public(&self) -> signet_tuf::PublicKey {
        let algorithm = self.0.key_info.clone().unwrap().algorithm.unwrap();
        let kind = KeyKind::from(algorithm.algorithm.as_str());
        signet_tuf::PublicKey::new(kind, self.0.public_key.as_slice())
    }
}

pub(crate) fn key_id(id: &str) -> KeyId {
    KeyId { id: id.to_owned() }
}

/// Longer than any call of these tests takes.
const CALL_LIMIT: Duration = Duration::from_secs(60);
/// How soon a change shows in the health.
const HEALTH_LIMIT: Duration = Duration::from_secs(60);
