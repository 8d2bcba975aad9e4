//! Who has signed, made and deleted, as the log tells it.

use data_encoding::HEXLOWER;
use serde_json::Value;
use signet_rpc::proto::SignatureRequest;
use signet_rpc::proto::key_management_client::KeyManagementClient;
use signet_rpc::proto::signer_client::SignerClient;
use signet_testkit::peer::Signer;
use signet_tuf::crypto;

use crate::support::{channel, key_id};
use crate::{of, request, sqlite};

#[tokio::test]
async fn the_log_says_who_calls() {
    let folder = tempfile::tempdir().unwrap();
    let mut signer = Signer::ours_with(&sqlite(&folder).level("info")).unwrap();
    let client = std::fs::read(signer.folder().join("client.crt")).unwrap();
    let fingerprint = crypto::sha256(pem::parse(client).unwrap().contents());
    let channel = channel(&signer);
    let mut keys = KeyManagementClient::new(channel.clone());
    let made = keys.create_key(request("a", "timestamp")).await.unwrap();
    let id = made.into_inner().key_info.unwrap().key_id.unwrap();
    let sign = SignatureRequest {
        key_id: Some(id.clone()),
        content: b"x".to_vec(),
    };
    let mut signing = SignerClient::new(channel);
    signing.sign(sign.clone()).await.unwrap();
    signing.sign(of("b", sign.clone())).await.unwrap_err();
    keys.delete_key(of("b", id.clone())).await.unwrap();
    keys.delete_key(id.clone()).await.unwrap();
    keys.delete_key(id).await.unwrap();
    signing.sign(sign).await.unwrap_err();
    keys.get_key_info(key_id("x")).await.unwrap_err();
    keys.create_key(request(&"a".repeat(300), "timestamp"))
        .await
        .unwrap_err();

    let log = signer.service().log();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let told: Vec<Value> = lines
        .filter(|line: &Value| line.get("caller.address").is_some())
        .collect();
    for (line, beginning) in told.iter().zip([
        "CreateKey: Created KeyID ",
        "Sign: Signed with KeyID ",
        "a key was asked for in the name of a GUN that it was not made for",
        "Sign: key ",
        "a key was asked for in the name of a GUN that it was not made for",
        "DeleteKey: there is no key ",
        "DeleteKey: Deleted KeyID ",
        "DeleteKey: there is no key ",
        "Sign: key ",
        "not a key ID",
        "CreateKey: the GUN is longer than 255 characters",
    ]) {
        let message = line["msg"].as_str().unwrap();
        assert!(message.starts_with(beginning), "{beginning}: {log}");
        let address = line["caller.address"].as_str().unwrap();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        assert_eq!(line["caller.certificate"], "CN=localhost");
        assert_eq!(line["caller.fingerprint"], HEXLOWER.encode(&fingerprint));
    }
    assert_eq!(told.len(), 11, "{log}");
}
