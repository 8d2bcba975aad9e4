//! Updates of the two recorded repositories, from every state that a client may be in (`vectors/tuf-repo/README.md`,
//! items 5 and 6).

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use signet_tuf::{
    Answer, Fetch, HashAlgorithm, MetadataPath, RoleName, Scope, TrustedRepository, crypto,
};
use time::macros::datetime;

use crate::support::{Client, read, read_json};

#[derive(Deserialize)]
struct Expected {
    gun: String,
    files: BTreeMap<String, serde_json::Value>,
    references: BTreeMap<String, BTreeMap<String, i64>>,
    current: BTreeMap<String, i64>,
}

struct Recorded {
    folder: &'static str,
    expected: Expected,
    by_checksum: BTreeMap<String, Bytes>,
}

impl Recorded {
    fn open(folder: &'static str) -> Self {
        let expected: Expected = read_json(&format!("{folder}/expected.json"));
        let by_checksum = expected
            .files
            .keys()
            .map(|name| {
                let bytes = read(&format!("{folder}/{name}"));
                (HEXLOWER.encode(&crypto::sha256(&bytes)), bytes.into())
            })
            .collect();
        Self {
            folder,
            expected,
            by_checksum,
        }
    }

    fn file(&self, role: &str, version: i64) -> Bytes {
        read(&format!("{}/metadata/{role}/{version}.json", self.folder)).into()
    }

    fn serve(&self, fetch: &Fetch) -> Answer {
        let bytes = match &fetch.path {
            MetadataPath::Checksum(_, sha256) => self.by_checksum.get(sha256).cloned(),
            MetadataPath::Current(role) => {
                let version = self.expected.current.get(role.as_str());
                version.map(|version| self.file(role.as_str(), *version))
            }
            MetadataPath::Version(role, version) => Some(self.file(role.as_str(), *version)),
        };
        bytes.map_or(Answer::Absent, Answer::Bytes)
    }

    fn client(&self) -> Client {
        Client::new(&self.expected.gun, datetime!(2026-11-22 20:00 UTC))
    }

    /// A client in the state that a timestamp names.
    fn client_at(&self, timestamp: i64) -> Client {
        let mut client = self.client();
        let mut put = |role: &str, version| {
            client.store(&role.parse().unwrap(), self.file(role, version));
        };
        put("timestamp", timestamp);
        let snapshot = self.expected.references[&format!("timestamp/{timestamp}")]["snapshot"];
        put("snapshot", snapshot);
        for (role, version) in &self.expected.references[&format!("snapshot/{snapshot}")] {
            put(role, *version);
        }
        client
    }
}

fn rows(repository: &TrustedRepository) -> Vec<String> {
    let found = repository.list(&[]);
    let row = |found: &signet_tuf::FoundTarget| {
        let sha256 = found.target.hashes.digest(HashAlgorithm::Sha256).unwrap();
        let sha256 = HEXLOWER.encode(sha256);
        format!(
            "{} {} {} {}",
            found.name,
            &sha256[..8],
            found.target.length,
            found.role
        )
    };
    found.iter().map(row).collect()
}

const DEMO: [&str; 10] = [
    "1.0 732dd617 13 targets/releases",
    "a&b<c> f957b195 12 targets",
    "alice/sub/deep 732dd617 13 targets/alice/sub",
    "alice/tool 732dd617 13 targets/alice",
    "latest f957b195 12 targets/releases",
    "only-sha256 732dd617 13 targets",
    "shared/x f957b195 12 targets/alice",
    "unicode-é e3b0c442 0 targets",
    "v1 732dd617 13 targets",
    "v2 f957b195 12 targets",
];

#[test]
fn the_demo_repository_is_read_from_every_cached_state_with_the_requests_of_go() {
    let demo = Recorded::open("demo");
    let chain_1 =
        "timestamp root 2.root 3.root 4.root 5.root timestamp snapshot.<sha256> targets.<sha256>";
    let rest = "targets/releases.<sha256> targets/alice.<sha256> targets/alice/sub.<sha256>";
    let states = [
        (None, format!("root timestamp snapshot.<sha256> targets.<sha256> {rest}")),
        (Some(1), format!("{chain_1} {rest}")),
        (Some(3), format!("{chain_1} {rest}")),
        (Some(6), chain_1.to_owned()),
        (
            Some(7),
            "timestamp root 3.root 4.root 5.root timestamp snapshot.<sha256> targets.<sha256>".to_owned(),
        ),
        (
            Some(10),
            "timestamp snapshot.<sha256> root.<sha256> timestamp snapshot.<sha256> targets.<sha256>".to_owned(),
        ),
        (Some(11), "timestamp snapshot.<sha256> targets.<sha256>".to_owned()),
        (Some(12), "timestamp".to_owned()),
    ];
    for (state, requests) in states {
        let mut client = state.map_or_else(|| demo.client(), |state| demo.client_at(state));
        let run = client.update(Scope::All, |fetch| demo.serve(fetch));
        assert_eq!(run.requests.join(" "), requests, "{state:?}");
        assert_eq!(rows(&run.result.unwrap()), DEMO, "{state:?}");
        for (role, version) in &demo.expected.current {
            assert_eq!(client.cache()[role], demo.file(role, *version), "{state:?}");
        }
        let again = client.update(Scope::All, |fetch| demo.serve(fetch));
        assert_eq!(again.requests.join(" "), "timestamp");
        assert_eq!(rows(&again.result.unwrap()), DEMO);
    }
}

#[test]
fn the_rsa_repository_is_read() {
    let rsa = Recorded::open("rsa");
    let run = rsa.client().update(Scope::All, |fetch| rsa.serve(fetch));
    assert_eq!(
        rows(&run.result.unwrap()),
        ["v1 732dd617 13 targets", "v3 732dd617 13 targets/p521"]
    );
}

#[test]
fn an_update_for_one_target_finds_what_a_full_one_finds_and_asks_for_less() {
    let demo = Recorded::open("demo");
    let full = demo.client().update(Scope::All, |fetch| demo.serve(fetch));
    let full = full.result.unwrap();
    let releases = [RoleName::releases(), RoleName::targets()];
    for name in DEMO.map(|row| row.split(' ').next().unwrap()) {
        let scope = Scope::For(name.to_owned());
        let run = demo.client().update(scope, |fetch| demo.serve(fetch));
        let narrow = run.result.unwrap();
        for roles in [&[][..], &releases[..]] {
            assert_eq!(
                narrow.lookup(name, roles),
                full.lookup(name, roles),
                "{name}"
            );
        }
        assert!(full.lookup(name, &[]).is_some());
        let alice = run
            .requests
            .iter()
            .any(|request| request.starts_with("targets/alice."));
        assert_eq!(
            alice,
            name.starts_with("alice/") || name.starts_with("shared/"),
            "{name}"
        );
    }
}

#[test]
fn delegations_are_reported_as_written_with_the_names_that_they_cover() {
    let demo = Recorded::open("demo");
    let run = demo.client().update(Scope::All, |fetch| demo.serve(fetch));
    let repository = run.result.unwrap();
    let found = repository.delegations();
    let written: Vec<(&str, &[String], i64, usize)> = found
        .iter()
        .map(|d| {
            (
                d.role.as_str(),
                d.paths.as_slice(),
                d.threshold,
                d.keys.len(),
            )
        })
        .collect();
    let paths = |paths: &[&str]| {
        paths
            .iter()
            .map(|&path| path.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        written,
        [
            ("targets/releases", &paths(&[""])[..], 1, 2),
            ("targets/alice", &paths(&["alice/", "shared/"]), 1, 1),
            ("targets/bob", &paths(&["bob/"]), 1, 1),
            ("targets/alice/sub", &paths(&["alice/sub/"]), 1, 1),
        ]
    );
    assert!(found[1].effective.allow("shared/x") && !found[1].effective.allow("v1"));
}
