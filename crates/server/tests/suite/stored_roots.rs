//! Roots that were stored before there was a bound on the keys of a role, as Go's server stores them.

use bytes::Bytes;
use serde_json::json;
use signet_server::store::{Commit, NewDocument};
use signet_tuf::crypto::sha256;
use signet_tuf::{Gun, Signature, canonical, envelope};
use time::Duration;

use crate::fixture::{Backend, NOW, Server};
use crate::publisher::{Key, Publisher, root_signed, seal, text};

const GUN: &str = "registry.example.com/a/b";

/// Which place the server's own key has among 20 for the timestamp.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    First,
    Last,
}

/// A root by a publisher who also signs the snapshot.
fn root(publisher: &Publisher, version: i64, place: Option<Place>) -> Vec<u8> {
    let mut signed = root_signed(
        version,
        publisher.expires,
        &[&publisher.root.public],
        &publisher.targets.public,
        &publisher.snapshot.public,
        &publisher.server_timestamp,
    );
    let Some(place) = place else {
        return seal(&signed, &[&publisher.root]);
    };
    for _ in 0..19 {
        let key = Key::new().public;
        signed["keys"][key.id().as_str()] = serde_json::to_value(&key).unwrap();
        let ids = signed["roles"]["timestamp"]["keyids"]
            .as_array_mut()
            .unwrap();
        let at = if place == Place::First { ids.len() } else { 0 };
        ids.insert(at, json!(key.id().as_str()));
    }
    seal(&signed, &[&publisher.root])
}

/// What another server stored: the repository with such a root.
async fn stored(server: &Server, place: Place) -> Publisher {
    let publisher = Publisher::new(server, GUN).await;
    let gun: Gun = GUN.parse().unwrap();
    let root = root(&publisher, 1, Some(place));
    let targets = publisher.targets(1, &["v1"]);
    let files = [("root", &root[..]), ("targets", &targets[..])];
    let snapshot = publisher.snapshot(1, &files);
    let named = serde_json::to_value(signet_tuf::FileMeta::of(&snapshot)).unwrap();
    let timestamp = json!({
        "_type": "Timestamp", "expires": text(NOW + Duration::days(14)), "meta": {"snapshot": named}, "version": 1,
    });
    let message = canonical::to_vec(&timestamp).unwrap();
    let key = publisher.server_timestamp.id();
    let signature = Signature {
        key_id: key.clone(),
        method: "eddsa".to_owned(),
        sig: server.trust.sign(&gun, key, &message).await.unwrap(),
    };
    let timestamp = envelope::encode(&message, &[signature]).to_vec();
    let document = |role: &str, data: &[u8]| NewDocument {
        role: role.parse().unwrap(),
        version: 1,
        sha256: sha256(data),
        data: Bytes::copy_from_slice(data),
    };
    let documents = [
        document("root", &root),
        document("targets", &targets),
        document("snapshot", &snapshot),
    ];
    let commit = Commit {
        gun: &gun,
        base: None,
        documents: &documents,
        timestamp: &document("timestamp", &timestamp),
        now: NOW,
    };
    server.store.commit(&commit).await.unwrap();
    for (role, bytes) in [("root", &root), ("timestamp", &timestamp)] {
        let answer = server.file(GUN, &format!("{role}.json")).await;
        assert_eq!(answer.assert_ok().body, *bytes, "{role}");
    }
    publisher
}

/// New targets and the snapshot that names them with this root.
fn next(publisher: &Publisher, version: i64, root: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let targets = publisher.targets(version, &["v1", "v2"]);
    let files = [("root", root), ("targets", &targets[..])];
    let snapshot = publisher.snapshot(version, &files);
    (targets, snapshot)
}

#[tokio::test]
async fn a_stored_root_with_more_keys_is_served_and_signed_for_by_the_first_of_them() {
    let server = Server::new(Backend::Memory).await;
    let publisher = stored(&server, Place::First).await;
    let stored_root = server.file(GUN, "root.json").await.body;
    let (targets, snapshot) = next(&publisher, 2, &stored_root);
    let parts = [("targets", &targets[..]), ("snapshot", &snapshot[..])];
    server.post(GUN, &parts).await.assert_ok();
    assert_eq!(server.file(GUN, "targets.json").await.body, targets);
    assert_eq!(server.signed(GUN, "timestamp").await["version"], 2);
    // And renewed.
    server.set_time(NOW + Duration::days(15));
    assert_eq!(server.signed(GUN, "timestamp").await["version"], 3);
    // Its next root keeps to the bound, or is refused.
    let publish = async |place| {
        let root = root(&publisher, 2, place);
        let (targets, snapshot) = next(&publisher, 3, &root);
        let parts = [
            ("root", &root[..]),
            ("targets", &targets[..]),
            ("snapshot", &snapshot[..]),
        ];
        server.post(GUN, &parts).await
    };
    let message =
        "the root lists 20 keys for the timestamp role; this server accepts no more than 16";
    publish(Some(Place::First))
        .await
        .assert_refused("ErrBadRoot", message);
    publish(None).await.assert_ok();
    assert_eq!(server.signed(GUN, "root").await["version"], 2);
}

#[tokio::test]
async fn a_stored_root_whose_usable_key_comes_too_late_is_served_until_a_new_root_lists_fewer() {
    let server = Server::new(Backend::Memory).await;
    let publisher = stored(&server, Place::Last).await;
    let stored_root = server.file(GUN, "root.json").await.body;
    let (targets, snapshot) = next(&publisher, 2, &stored_root);
    let parts = [("targets", &targets[..]), ("snapshot", &snapshot[..])];
    let refused = server.post(GUN, &parts).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let (name, message) = refused.reason();
    assert_eq!(name, "ErrBadRoot");
    assert!(
        message.starts_with("no  timestamp keys exist on the server: "),
        "{message}"
    );
    assert_eq!(server.signed(GUN, "timestamp").await["version"], 1);
    let root = root(&publisher, 2, None);
    let (targets, snapshot) = next(&publisher, 2, &root);
    let parts = [
        ("root", &root[..]),
        ("targets", &targets[..]),
        ("snapshot", &snapshot[..]),
    ];
    server.post(GUN, &parts).await.assert_ok();
    let answer = server.file(GUN, "timestamp.json").await.json();
    assert!(answer["signed"]["version"].as_i64() > Some(1), "{answer}");
    let signer = answer["signatures"][0]["keyid"].as_str();
    assert_eq!(signer, Some(publisher.server_timestamp.id().as_str()));
}
