//! What is stored in the end, read from the database itself.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;
use sha2::{Digest, Sha256};
use signet_testkit::user::{Tool, User};

use crate::PUBLISHERS;
use crate::publisher::{Acknowledged, Owner, count, digest, tag};
use crate::scene::{Scene, Store};

/// A stored document.
struct Stored {
    version: u64,
    sha256: String,
    bytes: Vec<u8>,
    signed: Value,
}

/// The versions of each role of one repository, the oldest first.
type Roles = BTreeMap<String, Vec<Stored>>;

/// Every acknowledged document is stored as it was, versions follow each other, documents fit together, every change was told once, and all
/// servers serve the newest state, which Go's client believes.
pub(crate) fn of(mut scene: Scene, owners: &[Owner], acknowledged: &[Acknowledged]) {
    let stored = read(&scene.store);
    let guns: BTreeSet<&str> = owners.iter().map(|owner| &owner.gun[..]).collect();
    let all: BTreeSet<&str> = stored.keys().map(String::as_str).collect();
    assert_eq!(all, guns);
    for document in owners
        .iter()
        .flat_map(|owner| &owner.begun)
        .chain(acknowledged)
    {
        assert_stored(&stored[&document.gun], document);
    }
    for (gun, roles) in &stored {
        assert_chained(gun, roles);
    }
    assert_told(&scene.store, &stored);
    for client in scene.clients() {
        for owner in owners {
            for (role, versions) in &stored[&owner.gun] {
                let answer = client.get(&owner.path(&format!("{role}.json"))).unwrap();
                let newest = &versions.last().unwrap().bytes;
                assert!(
                    answer.body == *newest,
                    "{} {role}: {}",
                    owner.gun,
                    answer.text()
                );
            }
        }
    }
    let server = scene.close();
    for owner in owners.iter().take(3) {
        let user = User::new(&server.url(), &server.ca_pem()).unwrap();
        let list = user.expect(Tool::Notary, &["list", &owner.gun]).unwrap();
        let targets = &stored[&owner.gun]["targets"].last().unwrap().signed;
        for person in (0..PUBLISHERS).filter(|person| count(targets, *person) > 0) {
            let digest = digest(&owner.gun, person, count(targets, person));
            let line = list.lines().find(|line| line.contains(&tag(person)));
            let digest = HEXLOWER.encode(&digest);
            assert!(
                line.is_some_and(|line| line.contains(&digest)),
                "{digest}: {list}"
            );
        }
    }
}

fn read(store: &Store) -> BTreeMap<String, Roles> {
    let data = store.hexadecimal("data");
    let sql = format!(
        "SELECT gun, role, version, sha256, {data} FROM tuf_files ORDER BY gun, role, version, id;"
    );
    let mut stored: BTreeMap<String, Roles> = BTreeMap::new();
    for row in store.rows(&sql) {
        let [gun, role, version, sha256, data] = <[String; 5]>::try_from(row).unwrap();
        let bytes = HEXLOWER.decode(data.as_bytes()).unwrap();
        assert_eq!(
            HEXLOWER.encode(&Sha256::digest(&bytes)),
            sha256,
            "{gun} {role} {version}"
        );
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let signed = document["signed"].clone();
        let version = version.parse().unwrap();
        assert_eq!(signed["version"].as_u64(), Some(version), "{gun} {role}");
        let versions = stored.entry(gun).or_default().entry(role).or_default();
        versions.push(Stored {
            version,
            sha256,
            bytes,
            signed,
        });
    }
    stored
}

fn assert_stored(roles: &Roles, document: &Acknowledged) {
    let versions = &roles[document.role];
    let at = usize::try_from(document.version).unwrap() - 1;
    let stored = versions
        .get(at)
        .map(|stored| (stored.version, &stored.sha256));
    assert_eq!(
        stored,
        Some((document.version, &document.sha256)),
        "{document:?} is not stored"
    );
    if let Some((person, number)) = document.publish {
        let signed = &versions[at].signed;
        assert_eq!(count(signed, person), number, "{document:?}");
        let newest = &versions.last().unwrap().signed;
        assert!(
            count(newest, person) >= number,
            "{document:?} was taken back"
        );
    }
}

/// Versions from 1 without gaps, each timestamp with its snapshot, each snapshot with its targets, each publish on the one before.
fn assert_chained(gun: &str, roles: &Roles) {
    for (role, versions) in roles {
        let numbers = versions.iter().map(|stored| stored.version);
        assert!(
            numbers.eq(1..=versions.len() as u64),
            "{gun} {role} has gaps"
        );
    }
    let [root, targets, snapshot, timestamp] =
        ["root", "targets", "snapshot", "timestamp"].map(|role| &roles[role]);
    assert_eq!(roles.len(), 4, "{gun}");
    assert_eq!((root.len(), timestamp.len()), (1, snapshot.len()), "{gun}");
    assert_eq!(targets.len(), snapshot.len(), "{gun}");
    for ((timestamp, snapshot), targets) in timestamp.iter().zip(snapshot).zip(targets) {
        assert_lists(gun, timestamp, "snapshot", snapshot);
        assert_lists(gun, snapshot, "targets", targets);
        assert_lists(gun, snapshot, "root", &root[0]);
    }
    for pair in targets.windows(2) {
        let differences: Vec<u64> = (0..PUBLISHERS)
            .map(|person| count(&pair[1].signed, person) - count(&pair[0].signed, person))
            .filter(|difference| *difference != 0)
            .collect();
        assert_eq!(differences, [1], "{gun} targets {}", pair[1].version);
    }
}

fn assert_lists(gun: &str, list: &Stored, role: &str, listed: &Stored) {
    let hash = &list.signed["meta"][role]["hashes"]["sha256"];
    let hash = BASE64.decode(hash.as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(
        HEXLOWER.encode(&hash),
        listed.sha256,
        "{gun} {role} {}",
        listed.version
    );
}

/// One update for every timestamp, in their order.
fn assert_told(store: &Store, stored: &BTreeMap<String, Roles>) {
    let mut told: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for row in store.rows("SELECT gun, version, sha256, category FROM changefeed ORDER BY id;") {
        let [gun, version, sha256, category] = <[String; 4]>::try_from(row).unwrap();
        assert_eq!(category, "update", "{gun}");
        told.entry(gun)
            .or_default()
            .push((version.parse().unwrap(), sha256));
    }
    for (gun, roles) in stored {
        let timestamps = roles["timestamp"].iter();
        let expected: Vec<_> = timestamps
            .map(|stored| (stored.version, stored.sha256.clone()))
            .collect();
        assert_eq!(told.get(gun), Some(&expected), "{gun}");
    }
    assert_eq!(told.len(), stored.len());
}
