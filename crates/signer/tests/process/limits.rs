//! What slow and numerous callers cost the others.

use std::time::Duration;

use futures_util::stream;
use signet_rpc::health::HealthCheckRequest;
use signet_rpc::health::health_client::HealthClient;
use signet_rpc::proto::key_management_client::KeyManagementClient;
use signet_rpc::proto::{Signature, SignatureRequest};
use signet_testkit::peer::{Signer, SignerOptions};
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::request;
use crate::support::channel;

/// A call of which nothing comes.
async fn nothing(channel: Channel) -> Status {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.unwrap();
    let nothing = Request::new(stream::pending::<SignatureRequest>());
    let codec = ProstCodec::<SignatureRequest, Signature>::default();
    let path = "/proto.Signer/Sign".parse().unwrap();
    grpc.client_streaming(nothing, path, codec)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a17_slow_callers_hold_nothing_that_others_need() {
    let options = SignerOptions::default().variable("NOTARY_SIGNER_LIMITS_BODY_TIMEOUT", "8");
    let signer = Signer::ours_with(&options).unwrap();
    let mut slow = JoinSet::new();
    for _ in 0..4 {
        let channel = channel(&signer);
        // As many as there may be on one connection.
        for _ in 0..100 {
            slow.spawn(nothing(channel.clone()));
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let channel = channel(&signer);
    let work = async {
        let mut keys = KeyManagementClient::new(channel.clone());
        keys.create_key(request("a", "timestamp")).await.unwrap();
        let mut health = HealthClient::new(channel);
        health.check(HealthCheckRequest::default()).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(4), work)
        .await
        .unwrap();
    let ends = async {
        for status in slow.join_all().await {
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
            assert_eq!(status.message(), "the request did not arrive in time");
        }
    };
    tokio::time::timeout(Duration::from_secs(15), ends)
        .await
        .unwrap();
}
