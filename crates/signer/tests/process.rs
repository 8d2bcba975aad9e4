//! The program `notary-signer`, from outside.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that finds less than it looks for has failed"
)]

use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use data_encoding::HEXLOWER;
use http::Uri;
use http::uri::PathAndQuery;
use prost::Message;
use serde_json::{Value, json};
use signet_rpc::GUN_METADATA;
use signet_rpc::health::{HealthCheckRequest, HealthCheckResponse};
use signet_rpc::proto::key_management_client::KeyManagementClient;
use signet_rpc::proto::signer_client::SignerClient;
use signet_rpc::proto::{
    CreateKeyRequest, GetKeyInfoResponse, KeyId, PublicKey, Signature, SignatureRequest, Void,
};
use signet_service::dial::{Callee, Connection, Dialer};
use signet_testkit::peer::{Signer, SignerOptions};
use signet_testkit::process::{Finished, run};
use signet_testkit::{file, program};
use signet_tuf::{KeyKind, crypto};
use tempfile::TempDir;
use tonic::client::Grpc;
use tonic::codegen::Service;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

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

fn channel(signer: &Signer) -> Channel {
    let file = |name: &str| signer.folder().join(name);
    let dialer = Dialer::new(Callee {
        host: "localhost".to_owned(),
        port: signer.address().port(),
        ca: Some(file("ca.crt")),
        identity: Some((file("client.crt"), file("client.key"))),
    });
    Endpoint::from_static("https://notary-signer")
        .connect_with_connector_lazy(Connector(Arc::new(dialer.unwrap())))
}

fn sqlite(folder: &TempDir) -> SignerOptions {
    SignerOptions::default().sqlite(&folder.path().join("keys.db"))
}

async fn call<M, R>(channel: &Channel, path: &str, request: &[u8]) -> Result<Vec<u8>, Status>
where
    M: Message + Default + 'static,
    R: Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path: PathAndQuery = path.parse().unwrap();
    let request = Request::new(M::decode(request).unwrap());
    let answer = grpc
        .unary(request, path, ProstCodec::<M, R>::default())
        .await?;
    Ok(answer.into_inner().encode_to_vec())
}

async fn replay(channel: &Channel, method: &str, request: &[u8]) -> Result<Vec<u8>, Status> {
    match method {
        "/proto.KeyManagement/CreateKey" => {
            call::<CreateKeyRequest, PublicKey>(channel, method, request).await
        }
        "/proto.KeyManagement/GetKeyInfo" => {
            call::<KeyId, GetKeyInfoResponse>(channel, method, request).await
        }
        "/proto.Signer/Sign" => call::<SignatureRequest, Signature>(channel, method, request).await,
        "/grpc.health.v1.Health/Check" => {
            call::<HealthCheckRequest, HealthCheckResponse>(channel, method, request).await
        }
        _ => call::<KeyId, Void>(channel, method, request).await,
    }
}

/// The calls were recorded with Go's key service; the keys of this run stand for the recorded ones.
#[tokio::test]
async fn recorded_calls_have_the_recorded_answers_and_no_content_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let mut signer = Signer::ours_with(&sqlite(&folder).level("info")).unwrap();
    let channel = channel(&signer);
    let recorded: Vec<Value> = serde_json::from_str(include_str!("data/signer-rpc.json")).unwrap();
    let hex = |value: &Value| HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
    let mut ids: Vec<(String, PublicKey)> = Vec::new();
    let mut signatures = 0;
    for case in &recorded {
        let (name, method) = (&case["case"], case["method"].as_str().unwrap());
        let mut request = hex(&case["request_hex"]);
        for (theirs, ours) in &ids {
            let ours = ours.key_info.clone().unwrap().key_id.unwrap().id;
            if let Some(at) = request
                .windows(theirs.len())
                .position(|window| window == theirs.as_bytes())
            {
                request[at..at + theirs.len()].copy_from_slice(ours.as_bytes());
            }
        }
        let answer = replay(&channel, method, &request).await;
        let Ok(answer) = answer else {
            let status = answer.unwrap_err();
            assert_eq!(json!(status.code() as i32), case["code"], "{name}");
            assert_eq!(json!(status.message()), case["message"], "{name}");
            continue;
        };
        assert_eq!(case["status"], "OK", "{name}");
        let expected = hex(&case["response_hex"]);
        assert_eq!(answer.len(), expected.len(), "{name}");
        if method.ends_with("/CreateKey") {
            let theirs = PublicKey::decode(expected.as_slice()).unwrap();
            let theirs = theirs.key_info.unwrap().key_id.unwrap().id;
            let ours = PublicKey::decode(answer.as_slice()).unwrap();
            match ids.iter().find(|(id, _)| *id == theirs) {
                Some((_, before)) => assert_eq!(before, &ours, "{name}"),
                None => ids.push((theirs, ours)),
            }
        } else if method.ends_with("/Sign") {
            let signature = Signature::decode(answer.as_slice()).unwrap();
            let info = signature.key_info.unwrap();
            let (_, key) = ids
                .iter()
                .find(|(_, key)| key.key_info.as_ref() == Some(&info))
                .unwrap();
            let kind = info.algorithm.unwrap().algorithm;
            let key = signet_tuf::PublicKey::new(KeyKind::from(&*kind), &*key.public_key);
            let method = signature.algorithm.unwrap().algorithm;
            assert_eq!(json!(method), case["decoded"]["signatureAlgorithm"]);
            let message = case["decoded"]["message"].as_str().unwrap().as_bytes();
            assert!(crypto::verify(&key, &method, &signature.content, message));
            signatures += 1;
        }
    }
    assert_eq!(signatures, 2);
    let log = signer.service().log();
    assert!(log.contains("Sign: Signed with KeyID"), "{log}");
    assert!(!log.contains("signet sample") && !log.contains("testpassword"));
}

fn key_id(id: &str) -> KeyId {
    KeyId { id: id.to_owned() }
}

#[tokio::test]
async fn a09_what_is_no_key_id_is_refused_and_the_process_lives() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::ours_with(&sqlite(&folder)).unwrap();
    let channel = channel(&signer);
    let mut keys = KeyManagementClient::new(channel.clone());
    let mut signing = SignerClient::new(channel);
    let made = keys.create_key(request("a", "timestamp")).await.unwrap();
    let id = made.into_inner().key_info.unwrap().key_id.unwrap();
    for bad in ["", "../x", "%d", &id.id.to_uppercase(), &id.id[1..]] {
        let refused = [
            keys.get_key_info(key_id(bad)).await.unwrap_err(),
            keys.delete_key(key_id(bad)).await.unwrap_err(),
            signing
                .sign(SignatureRequest {
                    key_id: Some(key_id(bad)),
                    content: b"x".to_vec(),
                })
                .await
                .unwrap_err(),
        ];
        for status in refused {
            assert_eq!(status.code(), Code::InvalidArgument, "{bad}: {status}");
        }
    }
    let nothing = signing.sign(SignatureRequest::default()).await.unwrap_err();
    assert_eq!(nothing.code(), Code::InvalidArgument);
    // Nothing was deleted, nor made active.
    let again = keys.create_key(request("a", "timestamp")).await.unwrap();
    assert_eq!(again.into_inner().key_info.unwrap().key_id.unwrap(), id);
    let large = SignatureRequest {
        key_id: Some(id),
        content: vec![0; 5 << 20],
    };
    let refused = signing.sign(large).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(
        refused
            .message()
            .starts_with("grpc: received message larger than max (")
    );
    let long = keys
        .create_key(request(&"a".repeat(300), "timestamp"))
        .await;
    assert_eq!(long.unwrap_err().code(), Code::InvalidArgument);
}

fn request(gun: &str, role: &str) -> CreateKeyRequest {
    CreateKeyRequest {
        algorithm: "ecdsa".to_owned(),
        gun: gun.to_owned(),
        role: role.to_owned(),
    }
}

#[tokio::test]
async fn a_key_is_found_for_its_own_repository_alone() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::ours_with(&sqlite(&folder)).unwrap();
    let channel = channel(&signer);
    let mut keys = KeyManagementClient::new(channel.clone());
    let mut signing = SignerClient::new(channel);
    let made = keys.create_key(request("a", "timestamp")).await.unwrap();
    let id = made.into_inner().key_info.unwrap().key_id.unwrap();
    let content = SignatureRequest {
        key_id: Some(id.clone()),
        content: b"x".to_vec(),
    };
    for (gun, found) in [("b", false), ("a", true)] {
        let info = keys.get_key_info(of(gun, id.clone())).await;
        let signed = signing.sign(of(gun, content.clone())).await;
        assert_eq!((info.is_ok(), signed.is_ok()), (found, found), "{gun}");
        if let (Err(info), Err(signed)) = (info, signed) {
            assert_eq!(
                (info.code(), signed.code()),
                (Code::NotFound, Code::NotFound)
            );
            // Not even a deletion in another's name touches it.
            keys.delete_key(of(gun, id.clone())).await.unwrap();
        }
    }
    // Those who name no repository are Go's servers.
    signing.sign(content).await.unwrap();
}

fn of<T>(gun: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::from_bytes(gun.as_bytes());
    request.metadata_mut().insert_bin(GUN_METADATA, value);
    request
}

fn start(folder: &Path, config: &Value) -> Finished {
    file::write(&folder.join("signer.json"), config.to_string()).unwrap();
    let mut command = Command::new(program::ours("notary-signer").unwrap());
    command.args(["-config", "signer.json"]).current_dir(folder);
    run(&mut command, "", Duration::from_secs(20)).unwrap()
}

/// The last line of the log, which is why it did not start.
fn fatal(folder: &Path, config: &Value) -> String {
    let finished = start(folder, config);
    assert_eq!(finished.code, Some(1), "{config}: {}", finished.stderr);
    let line: Value = serde_json::from_str(finished.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(line["level"], "fatal");
    line["msg"].as_str().unwrap().to_owned()
}

// The texts are those of notary-signer 0.7.0, up to the last.
#[test]
fn what_keeps_it_from_starting_is_named_as_in_go() {
    let signer = Signer::ours().unwrap();
    let folder = signer.folder();
    let server = json!({"grpc_addr": "127.0.0.1:0", "tls_cert_file": "signer.crt", "tls_key_file": "signer.key"});
    let storage = |storage: Value| json!({"server": server, "storage": storage});
    let path = folder.display();
    for (config, message) in [
        (
            json!({"logging": {"level": "bogus"}}),
            "not a valid logrus Level: \"bogus\"".to_owned(),
        ),
        (
            json!({"reporting": {"bugsnag": {"endpoint": "x"}}}),
            "must provide an API key for bugsnag".to_owned(),
        ),
        (
            json!({}),
            "unable to set up TLS: Could not load X509 key pair (cert: \"\", key: \"\"): open : no such file or directory".to_owned(),
        ),
        (
            json!({"server": {"tls_cert_file": "signer.crt", "tls_key_file": "signer.key", "client_ca_file": "none"}}),
            format!("unable to set up TLS: could not read CA certificate \"{path}/none\": open {path}/none: no such file or directory"),
        ),
        (
            json!({"server": {"tls_cert_file": "signer.crt", "tls_key_file": "signer.key"}}),
            "grpc listen address required for server".to_owned(),
        ),
        (
            storage(json!({"backend": "x"})),
            "x is not an allowed backend, must be one of: [memory mysql sqlite3 rethinkdb postgres]".to_owned(),
        ),
        (
            storage(json!({"backend": "postgres"})),
            "must provide a non-empty database source for postgres".to_owned(),
        ),
        (
            storage(json!({"backend": "mysql", "db_url": "x"})),
            "must provide a default alias for the key DB".to_owned(),
        ),
        (
            storage(json!({"backend": "mysql", "db_url": "x", "default_alias": "a"})),
            "failed to parse the database source for mysql".to_owned(),
        ),
        (
            json!({"server": {"grpc_addr": signer.address().to_string(), "tls_cert_file": "signer.crt", "tls_key_file": "signer.key"}, "storage": {"backend": "memory"}}),
            format!("grpc server failed to listen on {0}: listen tcp {0}: bind: address already in use", signer.address()),
        ),
    ] {
        assert_eq!(fatal(folder, &config), message);
    }
}

#[test]
fn a06_without_client_certificates_it_listens_to_this_machine_alone() {
    let signer = Signer::ours().unwrap();
    let config = json!({
        "server": {"grpc_addr": "0.0.0.0:0", "tls_cert_file": "signer.crt", "tls_key_file": "signer.key"},
        "storage": {"backend": "memory"},
    });
    let message = fatal(signer.folder(), &config);
    assert!(
        message.starts_with(
            "server.client_ca_file is not set: everybody who can connect to 0.0.0.0:0"
        ),
        "{message}"
    );
}
