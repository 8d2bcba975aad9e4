//! The program `notary-signer`, from outside.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that finds less than it looks for has failed"
)]

mod certificates;
mod databases;
mod exchange;
mod limits;
mod log;
mod maintenance;
mod rows;
mod start;
mod support;
mod tls;

use data_encoding::HEXLOWER;
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
use signet_testkit::peer::{Signer, SignerOptions};
use signet_tuf::{KeyKind, crypto};
use tempfile::TempDir;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::support::{channel, key_id};

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
    let recorded: Vec<Value> =
        serde_json::from_str(include_str!("../data/signer-rpc.json")).unwrap();
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
