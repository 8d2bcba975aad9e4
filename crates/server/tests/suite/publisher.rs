//! Someone who publishes: holds keys and writes documents, also wrong ones.

use serde_json::{Value, json};
use signet_keys::{PrivateKey, Signer, root_certificate};
use signet_tuf::{Gun, PublicKey, Signature, canonical, envelope};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::fixture::{NOW, Server};

/// A key with the form in which documents list it.
pub(crate) struct Key {
    pub(crate) private: PrivateKey,
    pub(crate) public: PublicKey,
}

impl Key {
    pub(crate) fn new() -> Self {
        let private = PrivateKey::generate_ecdsa().unwrap();
        let public = private.public().clone();
        Self { private, public }
    }

    /// A root key: in a certificate for `gun` that is valid for ten years from `now`.
    pub(crate) fn root(gun: &str, now: OffsetDateTime) -> Self {
        let private = PrivateKey::generate_ecdsa().unwrap();
        let gun: Gun = gun.parse().unwrap();
        let public = root_certificate(&private, &gun, now).unwrap();
        Self { private, public }
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature {
            key_id: self.public.id().clone(),
            method: "ecdsa".to_owned(),
            sig: self.private.sign(message).unwrap(),
        }
    }
}

/// Signs `signed` and writes the document.
pub(crate) fn seal(signed: &Value, keys: &[&Key]) -> Vec<u8> {
    let message = canonical::to_vec(signed).unwrap();
    let signatures: Vec<Signature> = keys.iter().map(|key| key.sign(&message)).collect();
    envelope::encode(&message, &signatures).to_vec()
}

pub(crate) fn text(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).unwrap()
}

pub(crate) struct Publisher {
    pub(crate) root: Key,
    pub(crate) targets: Key,
    /// Held by the publisher; used where the snapshot is not the server's.
    pub(crate) snapshot: Key,
    pub(crate) server_timestamp: PublicKey,
    pub(crate) server_snapshot: PublicKey,
    pub(crate) expires: OffsetDateTime,
}

impl Publisher {
    /// Fetches the server's keys.
    pub(crate) async fn new(server: &Server, gun: &str) -> Self {
        let timestamp = server_key(server, gun, "timestamp").await;
        let snapshot = server_key(server, gun, "snapshot").await;
        Self::with_keys(gun, snapshot, timestamp)
    }

    /// For a server with these keys.
    pub(crate) fn with_keys(gun: &str, snapshot: PublicKey, timestamp: PublicKey) -> Self {
        Self {
            root: Key::root(gun, NOW),
            targets: Key::new(),
            snapshot: Key::new(),
            server_timestamp: timestamp,
            server_snapshot: snapshot,
            expires: NOW + time::Duration::days(3650),
        }
    }

    /// A publisher whose first root and targets are on the server.
    pub(crate) async fn published(server: &Server, gun: &str) -> Self {
        let publisher = Self::new(server, gun).await;
        let (root, targets) = (publisher.root(1), publisher.targets(1, &["v1"]));
        let parts = [("root", &root[..]), ("targets", &targets[..])];
        server.post(gun, &parts).await.assert_ok();
        publisher
    }

    pub(crate) fn root_signed(&self, version: i64) -> Value {
        root_signed(
            version,
            self.expires,
            &[&self.root.public],
            &self.targets.public,
            &self.server_snapshot,
            &self.server_timestamp,
        )
    }

    pub(crate) fn root(&self, version: i64) -> Vec<u8> {
        seal(&self.root_signed(version), &[&self.root])
    }

    /// A root that leaves the snapshot to the publisher.
    pub(crate) fn root_with_own_snapshot(&self, version: i64) -> Vec<u8> {
        let signed = root_signed(
            version,
            self.expires,
            &[&self.root.public],
            &self.targets.public,
            &self.snapshot.public,
            &self.server_timestamp,
        );
        seal(&signed, &[&self.root])
    }

    pub(crate) fn targets(&self, version: i64, tags: &[&str]) -> Vec<u8> {
        seal(
            &targets_signed(version, self.expires, tags),
            &[&self.targets],
        )
    }

    /// A snapshot of these documents.
    pub(crate) fn snapshot(&self, version: i64, files: &[(&str, &[u8])]) -> Vec<u8> {
        seal(
            &snapshot_signed(version, self.expires, files),
            &[&self.snapshot],
        )
    }
}

pub(crate) async fn server_key(server: &Server, gun: &str, role: &str) -> PublicKey {
    let answer = server.file(gun, &format!("{role}.key")).await;
    answer.assert_ok();
    serde_json::from_slice(&answer.body).unwrap()
}

pub(crate) fn root_signed(
    version: i64,
    expires: OffsetDateTime,
    root: &[&PublicKey],
    targets: &PublicKey,
    snapshot: &PublicKey,
    timestamp: &PublicKey,
) -> Value {
    let mut keys = serde_json::Map::new();
    for key in root.iter().copied().chain([targets, snapshot, timestamp]) {
        keys.insert(key.id().to_string(), serde_json::to_value(key).unwrap());
    }
    let role = |key: &PublicKey| json!({"keyids": [key.id().as_str()], "threshold": 1});
    let root: Vec<&str> = root.iter().map(|key| key.id().as_str()).collect();
    json!({
        "_type": "Root", "consistent_snapshot": false, "expires": text(expires), "keys": keys,
        "roles": {
            "root": {"keyids": root, "threshold": 1},
            "snapshot": role(snapshot), "targets": role(targets), "timestamp": role(timestamp),
        },
        "version": version,
    })
}

pub(crate) fn targets_signed(version: i64, expires: OffsetDateTime, tags: &[&str]) -> Value {
    let mut targets = serde_json::Map::new();
    for tag in tags {
        let digest = data_encoding::BASE64.encode(&signet_tuf::crypto::sha256(tag.as_bytes()));
        let target = json!({"hashes": {"sha256": digest}, "length": 1234});
        targets.insert((*tag).to_owned(), target);
    }
    json!({
        "_type": "Targets", "delegations": {"keys": {}, "roles": []}, "expires": text(expires),
        "targets": targets, "version": version,
    })
}

/// Adds a delegation to the `signed` part of a targets document.
pub(crate) fn delegate(signed: &mut Value, role: &str, keys: &[&Key], paths: &[&str]) {
    let ids: Vec<&str> = keys.iter().map(|key| key.public.id().as_str()).collect();
    for key in keys {
        signed["delegations"]["keys"][key.public.id().as_str()] =
            serde_json::to_value(&key.public).unwrap();
    }
    let entry = json!({"keyids": ids, "name": role, "paths": paths, "threshold": 1});
    signed["delegations"]["roles"]
        .as_array_mut()
        .unwrap()
        .push(entry);
}

pub(crate) fn snapshot_signed(
    version: i64,
    expires: OffsetDateTime,
    files: &[(&str, &[u8])],
) -> Value {
    let mut meta = serde_json::Map::new();
    for (role, bytes) in files {
        let entry = serde_json::to_value(signet_tuf::FileMeta::of(bytes)).unwrap();
        meta.insert((*role).to_owned(), entry);
    }
    json!({"_type": "Snapshot", "expires": text(expires), "meta": meta, "version": version})
}
