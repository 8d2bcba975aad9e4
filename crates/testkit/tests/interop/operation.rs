//! What the operator of a server sees while Go's client works on it: acceptance cases 40, 59 and 61 of the server's specification.

use std::thread;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use signet_testkit::peer::{Signer, SignerOptions, Storage, TrustOptions, TrustServer};
use signet_testkit::user::Tool;

use crate::judge::stranger;
use crate::notary_rotate::HELLO;

const GUN: &str = "example.com/team/app";

#[test]
fn case_40_without_its_key_service_a_server_goes_on_serving_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let keys = SignerOptions::default().sqlite(&folder.path().join("keys.db"));
    let mut signer = Signer::ours_with(&keys).unwrap();
    let options = TrustOptions::default().signer(&signer);
    let server = TrustServer::ours_with(&options.storage(Storage::Sqlite)).unwrap();
    let client = server.client().unwrap();
    let owner = stranger(&server);
    let add = |name| ["addhash", GUN, name, "12", "--sha256", HELLO, "-p"];
    owner.expect(Tool::Notary, &["init", GUN, "-p"]).unwrap();
    owner.expect(Tool::Notary, &add("v1")).unwrap();
    let served = || {
        ["root", "targets", "snapshot", "timestamp"].map(|role| {
            let file = server.metadata(GUN, &format!("{role}.json"));
            file.unwrap().unwrap()
        })
    };
    let before = served();

    signer.service().kill();
    let failing = owner.run(Tool::Notary, &add("v2")).unwrap();
    assert_eq!(failing.code, Some(1), "{failing}");
    let key = format!("/v2/{GUN}/other/_trust/tuf/snapshot.key");
    assert_eq!(client.get(&key).unwrap().status, 503);
    assert_eq!(served(), before);
    let listed = stranger(&server).expect(Tool::Notary, &["list", GUN]);
    let listed = listed.unwrap();
    assert!(listed.contains("v1") && !listed.contains("v2"), "{listed}");
    let health = || client.get("/_notary_server/health").unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while health().status != 503 {
        assert!(Instant::now() < deadline, "{}", health().text());
        thread::sleep(Duration::from_millis(100));
    }
    let report: Value = serde_json::from_slice(&health().body).unwrap();
    assert!(report["Trust operational"].is_string(), "{report}");

    // Nothing of what failed is left, and what was staged is published.
    signer.restart().unwrap();
    owner.expect(Tool::Notary, &["publish", GUN]).unwrap();
    let listed = stranger(&server).expect(Tool::Notary, &["list", GUN]);
    let listed = listed.unwrap();
    assert!(listed.contains("v1") && listed.contains("v2"), "{listed}");
}

#[test]
fn cases_59_and_61_a_publish_is_counted_and_logged_once() {
    let options = TrustOptions::default().variable("NOTARY_SERVER_LOGGING_LEVEL", "info");
    for (mut server, code) in [
        // Go counts an answer without a body as 0.
        (TrustServer::go_with(&options).unwrap(), "0"),
        (TrustServer::ours_with(&options).unwrap(), "200"),
    ] {
        let client = server.client().unwrap();
        let counted = || {
            let line = format!(
                "notary_server_http_requests_total{{code=\"{code}\",method=\"post\",operation=\"UpdateTUF\"}} "
            );
            let metrics = client.get("/metrics").unwrap().text();
            let of_line = |shown: &str| shown.strip_prefix(line.as_str()).map(str::to_owned);
            metrics.lines().find_map(of_line).unwrap_or_default()
        };
        let owner = stranger(&server);
        let mut expected = Vec::new();
        for (number, words) in [
            (1, &["init", GUN, "-p"][..]),
            (2, &["addhash", GUN, "v1", "12", "--sha256", HELLO, "-p"]),
        ] {
            owner.expect(Tool::Notary, words).unwrap();
            assert_eq!(counted(), number.to_string());
            let timestamp = server.metadata(GUN, "timestamp.json").unwrap().unwrap();
            let checksum = HEXLOWER.encode(&Sha256::digest(timestamp));
            expected.push(format!(
                "updated {GUN} to timestamp version {number}, checksum {checksum}"
            ));
        }
        let log = server.service().log();
        let lines = log.lines().filter(|line| line.starts_with('{'));
        let lines: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let updates = lines.iter().filter_map(|line| line["msg"].as_str());
        let updates: Vec<&str> = updates
            .filter(|text| text.starts_with("updated "))
            .collect();
        assert_eq!(updates, expected, "{code}");
        let answered = |line: &&Value| {
            line["msg"] == "response completed" && line["http.request.method"] == "POST"
        };
        assert_eq!(lines.iter().filter(answered).count(), 2, "{log}");
    }
}
