//! Certificates that are replaced while it runs.

use std::time::Duration;

use signet_rpc::proto::key_management_client::KeyManagementClient;
use signet_testkit::certificate::Authority;
use signet_testkit::file;
use signet_testkit::peer::{Signer, SignerOptions};
use tonic::transport::Channel;

use crate::request;
use crate::support::channel;

/// Waits until something holds.
async fn eventually(holds: impl AsyncFn() -> bool) {
    let holds = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), holds)
        .await
        .unwrap();
}

#[tokio::test]
async fn certificates_are_read_again_when_their_files_change_and_stay_when_they_are_bad() {
    let mut signer = Signer::ours_with(&SignerOptions::default().level("info")).unwrap();
    let folder = signer.folder().to_owned();
    let answers = async |channel: Channel| {
        let mut keys = KeyManagementClient::new(channel);
        keys.create_key(request("a", "timestamp")).await.is_ok()
    };
    assert!(answers(channel(&signer)).await);
    // What the certificates of others are worth changes, too: those who call so far are not of this authority.
    let other = Authority::new("another CA").unwrap();
    let client = other.issue().unwrap();
    file::write(&folder.join("client.crt"), &client.certificate_pem).unwrap();
    file::write(&folder.join("client.key"), &client.key_pem).unwrap();
    assert!(!answers(channel(&signer)).await);
    let server = signer.issue().unwrap();
    file::write(&folder.join("signer.crt"), &server.certificate_pem).unwrap();
    file::write(&folder.join("signer.key"), &server.key_pem).unwrap();
    let both = std::fs::read_to_string(folder.join("ca.crt")).unwrap() + &other.pem();
    file::write(&folder.join("ca.crt"), both).unwrap();
    eventually(async || answers(channel(&signer)).await).await;

    file::write(&folder.join("signer.crt"), "junk").unwrap();
    let stay = "the certificates stay as they are: Error reading X509 key pair";
    let service = signer.service();
    eventually(async || service.log().contains(stay)).await;
    assert!(answers(channel(&signer)).await);
}
