//! Servers and key services of both makers in every pairing, used by Go's client.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use signet_testkit::image::digest;
use signet_testkit::peer::{Signer, SignerOptions, Storage, TrustOptions, TrustServer};
use signet_testkit::user::Tool;

use crate::judge::stranger;

const GUN: &str = "localhost:5000/team/app";

/// What the key service was asked for, by its log.
fn calls(signer: &mut Signer) -> Vec<&'static str> {
    const CALLS: [(&str, &str); 4] = [
        ("CreateKey: Created KeyID", "CreateKey"),
        ("GetKeyInfo: Returning", "GetKeyInfo"),
        ("Sign: Signed ", "Sign"),
        ("DeleteKey: ", "DeleteKey"),
    ];
    let log = signer.service().log();
    log.lines()
        .filter_map(|line| {
            let (_, call) = CALLS.iter().find(|(text, _)| line.contains(text))?;
            Some(*call)
        })
        .collect()
}

/// A repository's life, by Go's client. The roles that it ends with are what its server and key service make of it.
fn live(server: &TrustServer) {
    let user = stranger(server);
    let hash = &digest(b"hello")["sha256:".len()..];
    let run = |arguments: &[&str]| user.expect(Tool::Notary, arguments).unwrap();
    run(&["init", "-p", GUN]);
    run(&["addhash", "-p", GUN, "v1", "5", "--sha256", hash]);
    run(&["key", "rotate", GUN, "snapshot", "-r"]);
    run(&["key", "rotate", GUN, "timestamp", "-r"]);
    run(&["addhash", "-p", GUN, "v2", "5", "--sha256", hash]);
    let listed = stranger(server)
        .expect(Tool::Notary, &["list", GUN])
        .unwrap();
    assert!(listed.contains("v1") && listed.contains("v2"), "{listed}");
}

fn without_questions(calls: &[&'static str]) -> Vec<&'static str> {
    let all = calls.iter().copied();
    all.filter(|call| *call != "GetKeyInfo").collect()
}

#[test]
fn servers_and_signers_of_both_makers_work_in_every_pairing() {
    for algorithm in ["ecdsa", "ed25519"] {
        let options = SignerOptions::default().level("debug").algorithm(algorithm);
        let mut of = Vec::new();
        for ours in [false, true] {
            for our_signer in [false, true] {
                let mut signer = if our_signer {
                    Signer::ours_with(&options).unwrap()
                } else {
                    Signer::go_with(&options).unwrap()
                };
                let trust = TrustOptions::default().signer(&signer);
                let server = if ours {
                    TrustServer::ours_with(&trust).unwrap()
                } else {
                    TrustServer::go_with(&trust).unwrap()
                };
                live(&server);
                of.push(calls(&mut signer));
            }
        }
        let [go_go, go_ours, ours_go, ours_ours] = of.try_into().unwrap();
        assert!(go_go.contains(&"Sign"), "{go_go:?}");
        // Go's server cannot tell our signer from Go's.
        assert_eq!(go_ours, go_go);
        // Ours asks less, since it remembers public keys, and does the same.
        assert_eq!(without_questions(&ours_go), without_questions(&go_go));
        // With ours it also deletes the keys that no root lists any more, once it was told whose they are.
        assert!(ours_ours.contains(&"DeleteKey"), "{ours_ours:?}");
        assert!(!ours_go.contains(&"DeleteKey"), "{ours_go:?}");
        let kept: Vec<_> = without_questions(&ours_ours)
            .into_iter()
            .filter(|call| *call != "DeleteKey")
            .collect();
        assert_eq!(kept, without_questions(&ours_go));
        assert!(ours_go.len() < go_go.len());
    }
}

#[test]
fn keys_outlive_our_signer_and_a_server_that_met_another_before() {
    let folder = tempfile::tempdir().unwrap();
    let options = SignerOptions::default().sqlite(&folder.path().join("keys.db"));
    let mut signer = Signer::ours_with(&options).unwrap();
    let trust = TrustOptions::default()
        .signer(&signer)
        .storage(Storage::Sqlite);
    let server = TrustServer::ours_with(&trust).unwrap();
    live(&server);
    let user = stranger(&server);
    user.expect(Tool::Notary, &["list", GUN]).unwrap();
    signer.service().kill();
    signer.restart().unwrap();
    let before = server
        .version("localhost:5000/team/app", "timestamp")
        .unwrap();
    let client = server.client().unwrap();
    let key = client
        .get(&format!("/v2/{GUN}/_trust/tuf/timestamp.key"))
        .unwrap();
    assert_eq!(key.status, 200, "{}", key.text());
    assert_eq!(server.version(GUN, "timestamp").unwrap(), before);
}

#[test]
fn a_key_service_that_hangs_is_an_error_in_time_and_shows_in_the_health() {
    let mut signer = Signer::ours().unwrap();
    let server = TrustServer::ours_with(&TrustOptions::default().signer(&signer)).unwrap();
    let client = server.client().unwrap();
    let key = |gun: &str| {
        let path = format!("/v2/{gun}/_trust/tuf/timestamp.key");
        client.get(&path).unwrap().status
    };
    let health = || client.get("/_notary_server/health").unwrap();
    assert_eq!(key("localhost:5000/one"), 200);
    signer.service().signal(Signal::STOP).unwrap();
    let stopped = Instant::now();
    assert_eq!(key("localhost:5000/two"), 503);
    assert!(stopped.elapsed() < Duration::from_secs(15));
    let unhealthy = wait_for(Duration::from_secs(30), || health().status == 503);
    assert!(unhealthy, "{}", health().text());
    let text = health().text();
    assert!(
        text.contains("Trust operational") && text.contains("code = DeadlineExceeded"),
        "{text}"
    );
    signer.service().signal(Signal::CONT).unwrap();
    assert!(wait_for(Duration::from_secs(15), || key(
        "localhost:5000/two"
    ) == 200));
    assert!(wait_for(Duration::from_secs(30), || health().status == 200));
    // Gone altogether, it is no different.
    signer.service().kill();
    assert_eq!(key("localhost:5000/three"), 503);
    signer.restart().unwrap();
    assert_eq!(key("localhost:5000/three"), 200);
}

fn wait_for(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    done()
}
