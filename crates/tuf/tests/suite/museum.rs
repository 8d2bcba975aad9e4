//! One test per class of mistake that trust software has made (`spec/security.md`), named after the class, and one per
//! attack of the TUF specification's list. Each fails on the vulnerable behaviour.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use signet_tuf::metadata::Metadata;
use signet_tuf::update::{FailureKind, MAX_TIMESTAMP_BYTES};
use signet_tuf::{
    Answer, KeyKind, PublicKey, Received, RoleKeys, RoleName, Root, Scope, Snapshot, Targets,
    Timestamp, TrustedRepository, UpdateError, crypto,
};
use time::Duration;

use crate::forge::{Forge, Key, NOW, expiry, meta_of, targets_document};
use crate::support::{Client, Run, read_json};

fn run(forge: &Forge, client: &mut Client) -> Run {
    client.update(Scope::All, |fetch| forge.serve(fetch))
}

fn accepted(forge: &Forge, client: &mut Client) -> Box<TrustedRepository> {
    run(forge, client).result.unwrap()
}

/// A client that has the repository as it is now.
fn reader(forge: &Forge) -> Client {
    let mut client = forge.client();
    accepted(forge, &mut client);
    client
}

#[track_caller]
fn refused(forge: &Forge, client: &mut Client, text: &str) {
    let before = client.cached.clone();
    let error = run(forge, client).result.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Violation, "{error}");
    assert!(error.to_string().contains(text), "{error}");
    // Whatever was cached on the way was verified: the cached root and what it vouches for still load.
    if before.root.is_some() {
        assert!(client.cached.root.is_some());
    }
}

fn names(repository: &TrustedRepository) -> Vec<String> {
    let found = repository.list(&[]);
    found
        .iter()
        .map(|found| format!("{}@{}", found.name, found.role))
        .collect()
}

// ---- A1 ----

#[derive(Deserialize)]
struct SignatureCase {
    key: PublicKey,
    method: Option<String>,
    sig: Option<String>,
    message: Option<String>,
    valid: Option<bool>,
}

#[test]
fn a01_a_signature_holds_only_with_the_method_and_type_of_its_key() {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<SignatureCase>,
    }
    let file: File = read_json("signatures.json");
    let methods = [
        "ecdsa",
        "rsapss",
        "rsapkcs1v15",
        "pycrypto-pkcs#1 pss",
        "eddsa",
        "",
        "none",
        "hmac",
        "ECDSA",
    ];
    let kinds = [
        "ecdsa",
        "ecdsa-x509",
        "rsa",
        "rsa-x509",
        "ed25519",
        "",
        "ECDSA",
        "hmac",
    ];
    let mut valid = 0;
    for case in file.cases.iter().filter(|case| case.valid == Some(true)) {
        let right = case.method.as_deref().unwrap();
        let sig = BASE64
            .decode(case.sig.as_deref().unwrap().as_bytes())
            .unwrap();
        let message = case.message.as_deref().unwrap().as_bytes();
        for kind in kinds {
            let key = PublicKey::new(KeyKind::from(kind), case.key.public_bytes());
            for method in methods {
                if crypto::verify(&key, method, &sig, message) {
                    assert_eq!((key.kind(), method), (case.key.kind(), right));
                    valid += 1;
                }
            }
        }
    }
    // All but P-224 hold with their own method.
    assert_eq!(
        valid,
        file.cases
            .iter()
            .filter(|case| case.valid == Some(true))
            .count()
            - 1
    );
}

// ---- A2 ----

#[test]
fn a02_an_expired_root_is_not_used_but_may_lie_on_the_way_to_a_valid_one() {
    let mut forge = Forge::new();
    let mut client = reader(&forge);
    let first = forge.signers["root"][0].clone();
    let second = forge.root_key();
    // Root 2 has another key and has expired, root 3 has yet another and is good.
    forge
        .signers
        .insert("root".to_owned(), vec![second.clone()]);
    let mut document = forge.root_document(2);
    document["expires"] = expiry(NOW - Duration::days(1));
    forge.put("root", document, &[first, second.clone()]);
    forge.seal();
    refused(
        &forge,
        &mut forge.client(),
        "root expired at Sat Nov 21 20:00:00 UTC 2026",
    );
    refused(&forge, &mut client.clone(), "root expired at");

    let third = forge.root_key();
    forge.signers.insert("root".to_owned(), vec![third.clone()]);
    let document = forge.root_document(3);
    forge.put("root", document, &[second, third]);
    forge.seal();
    assert_eq!(accepted(&forge, &mut client).root().version(), 3);
}

// ---- A3 ----

#[test]
fn a03_clients_recover_from_a_fast_forward_once_the_key_is_replaced() {
    for role in ["timestamp", "snapshot", "targets"] {
        let mut forge = Forge::new();
        let honest = (forge.signed.clone(), forge.files.clone());
        forge.change(role, |signed| signed["version"] = i32::MAX.into());
        match role {
            "targets" => forge.seal(),
            "snapshot" => forge.stamp(),
            _ => {}
        }
        let mut client = reader(&forge);
        // While the key is the same, that is where the client stands.
        (forge.signed, forge.files) = honest;
        for _ in 0..2 {
            match role {
                "targets" => forge.seal(),
                _ => forge.stamp(),
            }
        }
        refused(
            &forge,
            &mut client.clone(),
            "is lower than current version 2147483647",
        );
        // The owner replaces the key and goes on from the true version.
        let key = forge.key();
        forge.signers.insert(role.to_owned(), vec![key]);
        let root = forge.root_document(2);
        forge.forge("root", root);
        forge.change(role, |signed| signed["version"] = 5.into());
        forge.seal();
        assert_eq!(
            names(&accepted(&forge, &mut client)),
            ["old@targets", "v1@targets/releases"],
            "{role}"
        );
    }
    // Versions beyond what readers agree on are refused outright.
    for version in ["9223372036854775807", "18446744073709551616", "1e400"] {
        let forge = Forge::new();
        let text = String::from_utf8(forge.files["timestamp"].to_vec()).unwrap();
        let text = text.replace(r#""version":1}"#, &format!(r#""version":{version}}}"#));
        assert!(Received::<Timestamp>::parse(&RoleName::timestamp(), text.into()).is_err());
    }
}

// ---- A8 ----

#[test]
fn a08_no_threshold_is_met_by_nobody_or_by_one_key_in_many_shapes() {
    let forge = Forge::new();
    let received =
        Received::<Targets>::parse(&RoleName::targets(), forge.files["targets"].clone()).unwrap();
    let key = forge.signers["targets"][0].clone();
    let keys = |threshold| {
        RoleKeys::new(
            RoleName::targets(),
            [(key.id().clone(), key.clone())],
            threshold,
        )
    };
    received.check_signatures(&keys(1)).unwrap();
    for threshold in [i64::MIN, -1, 0, 2, i64::MAX] {
        assert!(
            received.check_signatures(&keys(threshold)).is_err(),
            "{threshold}"
        );
    }

    for (threshold, text) in [
        (
            json!(-1),
            "invalid threshold specified for targets/releases: -1",
        ),
        (
            json!(0),
            "invalid threshold specified for targets/releases: 0",
        ),
        (
            json!(null),
            "invalid threshold specified for targets/releases: 0",
        ),
        (json!("1"), "invalid type"),
    ] {
        let mut forge = Forge::new();
        forge.change("targets", |signed| {
            signed["delegations"]["roles"][0]["threshold"] = threshold;
        });
        forge.seal();
        refused(&forge, &mut forge.client(), text);
    }

    // One key: bare, in two certificates, listed twice, signing four times. Two are needed.
    let mut forge = Forge::new();
    let key = Key::generate();
    let shapes = [
        key.bare.clone(),
        key.root(),
        key.certified("other", NOW, NOW + Duration::days(1)),
    ];
    forge.adopt(key);
    let list: BTreeMap<&str, &PublicKey> =
        shapes.iter().map(|key| (key.id().as_str(), key)).collect();
    forge.change("targets", |signed| {
        let ids: Vec<&str> = shapes
            .iter()
            .chain(&shapes)
            .map(|key| key.id().as_str())
            .collect();
        signed["delegations"]["keys"] = serde_json::to_value(&list).unwrap();
        signed["delegations"]["roles"][0]["keyids"] = json!(ids);
        signed["delegations"]["roles"][0]["threshold"] = json!(2);
    });
    let signers: Vec<PublicKey> = shapes.iter().chain(&shapes[..1]).cloned().collect();
    let releases = forge.signed["targets/releases"].clone();
    forge.put("targets/releases", releases, &signers);
    forge.seal();
    let run = run(&forge, &mut forge.client());
    assert_eq!(run.warnings.len(), 1);
    assert_eq!(names(&run.result.unwrap()), ["old@targets"]);
}

#[test]
fn a08_a_key_under_anothers_id_does_not_count() {
    let mut forge = Forge::new();
    let (releases, stranger) = (forge.signers["targets/releases"][0].clone(), forge.key());
    forge.change("targets", |signed| {
        signed["delegations"]["keys"][releases.id().as_str()] =
            serde_json::to_value(&stranger).unwrap();
    });
    forge.seal();
    refused(
        &forge,
        &mut forge.client(),
        "key ID is not valid for key content",
    );
}

// ---- A9 ----

/// Every place in a document, as JSON pointers.
pub(crate) fn pointers(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut queue = vec![(String::new(), value)];
    while let Some((at, value)) = queue.pop() {
        let inner: Vec<(String, &Value)> = match value {
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value))
                .collect(),
            Value::Array(list) => list
                .iter()
                .enumerate()
                .map(|(i, v)| (i.to_string(), v))
                .collect(),
            _ => Vec::new(),
        };
        for (name, value) in inner {
            let pointer = format!("{at}/{name}");
            found.push(pointer.clone());
            queue.push((pointer, value));
        }
    }
    found
}

#[test]
fn a09_any_value_at_any_place_is_read_or_refused_and_never_a_panic() {
    let base = Forge::new();
    let values = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1u64 << 53),
        json!(""),
        json!("x"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"": null}),
    ];
    let mut outcomes = [0, 0];
    for role in [
        "root",
        "timestamp",
        "snapshot",
        "targets",
        "targets/releases",
    ] {
        for pointer in pointers(&base.signed[role]) {
            for (i, value) in values.iter().enumerate() {
                let mut document = base.signed[role].clone();
                *document.pointer_mut(&pointer).unwrap() = value.clone();
                let bytes = base.document(&document, &[]);
                examine(role, &bytes);
                // Signed by the right keys and named by what is above, so that nothing but its content is wrong.
                if i % 3 == 0 {
                    let mut forge = Forge::new_like(&base);
                    forge.put_unchecked(role, &document);
                    match role {
                        "timestamp" => {}
                        "snapshot" => forge.stamp(),
                        _ => forge.seal(),
                    }
                    let ok = run(&forge, &mut forge.client()).result.is_ok();
                    outcomes[usize::from(ok)] += 1;
                }
            }
        }
        // In the envelope as well, where nothing is signed.
        let honest: Value = serde_json::from_slice(&base.files[role]).unwrap();
        for pointer in pointers(&honest) {
            for (i, value) in values.iter().enumerate() {
                let mut envelope = honest.clone();
                *envelope.pointer_mut(&pointer).unwrap() = value.clone();
                let bytes = Bytes::from(envelope.to_string());
                examine(role, &bytes);
                if i == 0 && envelope != honest {
                    let mut forge = Forge::new_like(&base);
                    forge.files.insert(role.to_owned(), bytes);
                    let result = run(&forge, &mut forge.client()).result;
                    assert!(result.is_err(), "{role} {pointer} {value}");
                }
            }
        }
    }
    assert!(outcomes[0] > 300 && outcomes[1] > 30, "{outcomes:?}");
}

/// Everything that is done with a document before anyone vouches for it.
fn examine(role: &str, bytes: &Bytes) {
    fn look<T: Metadata>(role: &str, bytes: &Bytes) {
        if let Ok(received) = Received::<T>::parse(&role.parse().unwrap(), bytes.clone()) {
            let valid = received.validate().is_ok();
            let conforming = received.is_conforming();
            let unknown = received.unknown_member().is_some();
            assert!(!(conforming && unknown), "{role} {valid}");
        }
    }
    match role {
        "root" => look::<Root>(role, bytes),
        "timestamp" => look::<Timestamp>(role, bytes),
        "snapshot" => look::<Snapshot>(role, bytes),
        _ => look::<Targets>(role, bytes),
    }
}

// ---- A11 ----

#[test]
fn a11_a_delegation_does_not_go_back() {
    let mut forge = Forge::new();
    forge.change("targets/releases", |signed| signed["version"] = 3.into());
    forge.seal();
    let mut client = reader(&forge);
    // `targets` is untouched, so that it comes from the cache.
    forge.change("targets/releases", |signed| signed["version"] = 2.into());
    forge.seal();
    for _ in 0..2 {
        refused(
            &forge,
            &mut client,
            "version 2 is lower than current version 3",
        );
    }
    // Nor after its cached file is gone.
    client.cached.targets.remove(&RoleName::releases());
    refused(
        &forge,
        &mut client,
        "version 2 is lower than current version 3",
    );
}

#[test]
fn a11_a_delegation_does_not_vanish_from_the_snapshot_alone() {
    let mut forge = Forge::new();
    forge.change("targets", |signed| {
        signed["targets"] = targets_document(&[("v1", 99)])["targets"].clone();
    });
    forge.seal();
    let mut client = reader(&forge);
    let hidden = forge.files.remove("targets/releases").unwrap();
    forge.seal();
    // Asked again, the answer is the same.
    for _ in 0..3 {
        refused(&forge, &mut client, "targets/releases");
    }
    // Only Go's cache, no remembered floors: the cached snapshot and `targets` say enough.
    client.floors = signet_tuf::Floors::default();
    refused(&forge, &mut client, "targets/releases");
    // With a new document of the parent it is how delegations are deleted.
    forge.change("targets", |signed| {
        signed["version"] = 2.into();
        signed["delegations"] = json!({"keys": {}, "roles": null});
    });
    forge.seal();
    assert_eq!(names(&accepted(&forge, &mut client)), ["v1@targets"]);
    drop(hidden);
}

// ---- A12, A13, A14 ----

/// Name, paths and targets of a delegation.
type Listed<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, i64)]);

/// A repository with these delegations. Each has a key of its own.
fn tree(delegations: &[Listed<'_>]) -> Forge {
    let mut forge = Forge::empty();
    forge.forge("targets", targets_document(&[]));
    for (name, paths, targets) in delegations {
        let key = forge.key();
        forge.signers.insert((*name).to_owned(), vec![key.clone()]);
        forge.forge(name, targets_document(targets));
        let parent = name.rsplit_once('/').unwrap().0;
        forge.change(parent, |signed| {
            signed["delegations"]["keys"][key.id().as_str()] = serde_json::to_value(&key).unwrap();
            let roles = signed["delegations"]["roles"].as_array_mut().unwrap();
            roles.push(json!({"keyids": [key.id()], "name": name, "paths": paths, "threshold": 1}));
        });
    }
    forge.seal();
    forge
}

#[test]
fn a12_names_are_looked_up_breadth_first_in_listed_order_within_paths() {
    let forge = tree(&[
        ("targets/a", &["x", "y", "z"], &[("x", 1)]),
        ("targets/b", &[""], &[("x", 2), ("y", 2), ("q", 2)]),
        ("targets/a/c", &[""], &[("y", 3), ("z", 3), ("q", 3)]),
        ("targets/a/d", &["y", "z"], &[("z", 4), ("y", 4)]),
        ("targets/e", &[], &[("free", 5)]),
    ]);
    let run = run(&forge, &mut forge.client());
    // Downloads go depth first, in listed order.
    let downloads: Vec<&str> = run.requests[4..]
        .iter()
        .map(|request| request.strip_suffix(".<sha256>").unwrap())
        .collect();
    assert_eq!(
        downloads,
        [
            "targets/a",
            "targets/a/c",
            "targets/a/d",
            "targets/b",
            "targets/e"
        ]
    );
    let repository = run.result.unwrap();
    let found = |name: &str| {
        repository
            .lookup(name, &[])
            .map(|found| found.role.to_string())
    };
    assert_eq!(found("x").as_deref(), Some("targets/a"));
    // `targets/b` before what lies below `targets/a`.
    assert_eq!(found("y").as_deref(), Some("targets/b"));
    // `targets/a/c` lists "" below "x", "y", "z": nothing is left of it.
    assert_eq!(found("z").as_deref(), Some("targets/a/d"));
    assert_eq!(found("q").as_deref(), Some("targets/b"));
    assert_eq!(found("free"), None);
    let all: Vec<String> = repository
        .all_occurrences(None)
        .iter()
        .map(|found| format!("{}@{}", found.name, found.role))
        .collect();
    assert_eq!(
        all,
        [
            "x@targets/a",
            "q@targets/b",
            "x@targets/b",
            "y@targets/b",
            "y@targets/a/d",
            "z@targets/a/d"
        ]
    );
}

#[test]
fn a13_delegations_cannot_form_cycles_and_deep_ones_are_walked_without_recursion() {
    for name in [
        "targets",
        "targets/a",
        "targets/a/a/a",
        "root",
        "targets/",
        "targets/a/../a",
        "targets//a",
    ] {
        let mut forge = tree(&[("targets/a", &[""], &[])]);
        forge.change("targets/a", |signed| {
            signed["delegations"]["roles"] =
                json!([{"keyids": [], "name": name, "paths": [""], "threshold": 1}]);
        });
        forge.seal();
        refused(
            &forge,
            &mut forge.client(),
            &format!("delegation role {name} invalid"),
        );
    }
    // The deepest legal name: 255 bytes.
    let mut chain = Vec::new();
    let mut name = "targets".to_owned();
    while name.len() + 2 <= 255 {
        name.push_str("/a");
        chain.push(name.clone());
    }
    assert_eq!(name.len(), 255);
    let delegations: Vec<Listed<'_>> = chain
        .iter()
        .map(|name| {
            (
                name.as_str(),
                &[""][..],
                if name.len() == 255 {
                    &[("deep", 1)][..]
                } else {
                    &[]
                },
            )
        })
        .collect();
    let forge = tree(&delegations);
    let repository = accepted(&forge, &mut forge.client());
    assert_eq!(repository.lookup("deep", &[]).unwrap().role.as_str(), name);
}

#[test]
fn a13_a_child_listed_twice_at_every_level_costs_no_more() {
    let chain: Vec<String> = (1..60)
        .map(|depth| format!("targets{}", "/a".repeat(depth)))
        .collect();
    let delegations: Vec<Listed<'_>> = chain
        .iter()
        .map(|name| (name.as_str(), &[""][..], &[][..]))
        .collect();
    let mut forge = tree(&delegations);
    for name in chain.iter().take(58).map(String::as_str).chain(["targets"]) {
        forge.change(name, |signed| {
            let roles = signed["delegations"]["roles"].as_array_mut().unwrap();
            roles.push(roles[0].clone());
        });
    }
    forge.seal();
    // Whether that is an error or not: 2^59 visits would not end.
    let started = Instant::now();
    drop(run(&forge, &mut forge.client()));
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn a14_no_role_can_be_reached_over_two_parents() {
    let mut forge = tree(&[
        ("targets/a", &[""], &[]),
        ("targets/b", &[""], &[]),
        ("targets/b/c", &[""], &[("x", 1)]),
    ]);
    let entry = forge.signed["targets/b"]["delegations"].clone();
    forge.change("targets/a", |signed| signed["delegations"] = entry);
    forge.seal();
    refused(
        &forge,
        &mut forge.client(),
        "delegation role targets/b/c invalid",
    );
    // A cached document of one parent's child is not believed with the keys of another time.
    let mut forge = tree(&[
        ("targets/a", &[""], &[]),
        ("targets/a/c", &[""], &[("x", 1)]),
    ]);
    let mut client = reader(&forge);
    let key = forge.key();
    forge.change("targets/a", |signed| {
        signed["delegations"]["keys"] = json!({key.id().as_str(): key});
        signed["delegations"]["roles"][0]["keyids"] = json!([key.id()]);
        signed["version"] = 2.into();
    });
    forge.seal();
    let run = run(&forge, &mut client);
    assert_eq!(run.warnings.len(), 1);
    assert_eq!(names(&run.result.unwrap()), Vec::<String>::new());
}

// ---- A16 ----

#[test]
fn a16_a_chain_of_roots_has_no_gap_and_nothing_of_a_bad_one_is_kept() {
    let mut forge = Forge::new();
    let client = reader(&forge);
    let mut signer = forge.signers["root"][0].clone();
    for version in 2..=4 {
        let next = forge.root_key();
        forge.signers.insert("root".to_owned(), vec![next.clone()]);
        let document = forge.root_document(version);
        forge.put("root", document, &[signer, next.clone()]);
        signer = next;
    }
    forge.seal();
    assert_eq!(accepted(&forge, &mut client.clone()).root().version(), 4);
    let good = forge.roots.clone();
    let kept = |forge: &Forge, text: &str| {
        let mut client = client.clone();
        let before = client.cached.root.clone();
        refused(forge, &mut client, text);
        assert_eq!(client.cached.root, before);
    };
    // Bad 2, good 3 and 4.
    let stranger = forge.root_key();
    let mut document: Value = serde_json::from_slice(&good[&2]).unwrap();
    let forged = forge.document(&document["signed"], &[stranger]);
    forge.roots.insert(2, forged);
    kept(&forge, "could not rotate trust");
    // 3 in the place of 2, and 2 in the place of 3.
    forge.roots.insert(2, good[&3].clone());
    kept(&forge, "could not rotate trust");
    forge.roots = good.clone();
    forge.roots.insert(3, good[&2].clone());
    kept(&forge, "version 2 is lower than current version 3");
    // 2 with one byte of its payload changed.
    document["signed"]["expires"] = json!("2030-01-01T00:00:01Z");
    forge.roots = good.clone();
    forge.roots.insert(2, Bytes::from(document.to_string()));
    kept(&forge, "could not");
    // 3 is withheld: that is an absence, and no way round it is tried.
    forge.roots = good;
    forge.roots.remove(&3);
    let error = run(&forge, &mut client.clone()).result.unwrap_err();
    assert_eq!(error.kind(), FailureKind::NoTrustData);
}

// ---- A17 ----

#[test]
fn a17_bounds_hold_before_anything_is_parsed() {
    let forge = Forge::new();
    let started = Instant::now();
    let timestamp = |signed: &str| {
        let text = format!(r#"{{"signed":{signed},"signatures":[]}}"#);
        Received::<Timestamp>::parse(&RoleName::timestamp(), text.into())
    };
    assert!(timestamp(&format!(r#"{{"version":{}}}"#, "9".repeat(5_000_000))).is_err());
    assert!(timestamp(&format!(r#"{{"version":1{}}}"#, "0".repeat(1000))).is_err());
    assert!(
        timestamp(&format!(
            r#"{{"x":{}{}}}"#,
            "[".repeat(200_000),
            "]".repeat(200_000)
        ))
        .is_err()
    );
    assert!(timestamp(&format!(r#"{{"x":{}}}"#, "{\"a\":".repeat(200_000))).is_err());
    let signature = r#"{"keyid":"x","method":"ecdsa","sig":""}"#;
    let many = vec![signature; 1025].join(",");
    let text = format!(r#"{{"signed":{{}},"signatures":[{many}]}}"#);
    assert!(Received::<Timestamp>::parse(&RoleName::timestamp(), text.into()).is_err());
    // One key, a thousand bad signatures: each is checked once at most.
    let keys = RoleKeys::new(
        RoleName::timestamp(),
        [(
            forge.signers["timestamp"][0].id().clone(),
            forge.signers["timestamp"][0].clone(),
        )],
        1,
    );
    let bad = json!({"keyid": forge.signers["timestamp"][0].id(), "method": "ecdsa", "sig": BASE64.encode(&[1; 64])});
    let text = json!({"signed": forge.signed["timestamp"], "signatures": vec![bad; 1024]});
    let received =
        Received::<Timestamp>::parse(&RoleName::timestamp(), text.to_string().into()).unwrap();
    assert!(received.check_signatures(&keys).is_err());
    assert!(started.elapsed().as_secs() < 20);

    // A server that never stops talking is cut off at the limit that the engine names.
    let mut client = forge.client();
    let mut largest = 0;
    let run = client.update(Scope::All, |fetch| {
        largest = largest.max(fetch.max_bytes);
        match fetch.path.role().as_str() {
            "timestamp" => {
                assert_eq!(fetch.max_bytes, MAX_TIMESTAMP_BYTES);
                Answer::Bytes(vec![b' '; usize::try_from(fetch.max_bytes).unwrap() + 1].into())
            }
            _ => forge.serve(fetch),
        }
    });
    assert!(matches!(run.result, Err(UpdateError::TooLarge { .. })));
    assert_eq!(largest, 100 << 20);
}

#[test]
fn a17_more_delegations_than_anyone_needs_are_not_followed() {
    let mut forge = Forge::new();
    let key = forge.signers["targets/releases"][0].clone();
    let file = forge.files["targets/releases"].clone();
    let names: Vec<String> = (0..5000).map(|i| format!("targets/r{i}")).collect();
    forge.change("targets", |signed| {
        let entry =
            |name| json!({"keyids": [key.id()], "name": name, "paths": [""], "threshold": 1});
        signed["delegations"]["roles"] = names.iter().map(entry).collect();
    });
    for name in &names {
        forge.files.insert(name.clone(), file.clone());
    }
    forge.seal();
    let error = run(&forge, &mut forge.client()).result.unwrap_err();
    assert!(matches!(error, UpdateError::TooMany { .. }), "{error}");
}

// ---- A19 ----

#[test]
fn a19_no_part_of_one_repository_is_good_for_another() {
    // Two repositories of one name, and a later state of the first.
    let (one, two) = (Forge::new(), Forge::new());
    let mut later = Forge::new_like(&one);
    later.change("targets/releases", |signed| {
        signed["version"] = 2.into();
        signed["targets"] = json!({});
    });
    later.change("targets", |signed| signed["version"] = 2.into());
    later.seal();
    let roles = [
        "root",
        "timestamp",
        "snapshot",
        "targets",
        "targets/releases",
    ];
    for other in [&two, &later] {
        for into in roles {
            for from in roles {
                let mut forge = Forge::new_like(&one);
                if one.files[into] == other.files[from] {
                    continue;
                }
                forge
                    .files
                    .insert(into.to_owned(), other.files[from].clone());
                let result = run(&forge, &mut forge.client()).result;
                assert!(result.is_err(), "{from} as {into}");
                let mut client = reader(&one);
                // Only a timestamp is looked at while nothing else changes.
                let result = run(&forge, &mut client).result;
                if into == "timestamp" {
                    assert!(result.is_err(), "{from} as {into}");
                } else {
                    assert_eq!(
                        names(&result.unwrap()),
                        ["old@targets", "v1@targets/releases"]
                    );
                }
            }
        }
    }
}

// ---- A24 ----

#[test]
fn a24_what_two_readers_read_differently_is_refused() {
    let forge = Forge::new();
    let text = String::from_utf8(forge.files["targets/releases"].to_vec()).unwrap();
    let parse = |text: String| Received::<Targets>::parse(&RoleName::releases(), text.into());
    let variants = [
        (r#""version":1"#, r#""version":1,"version":1"#),
        (r#""version":1"#, r#""version":1,"\u0076ersion":9"#),
        (r#"{"v1":"#, r#"{"v1":{"hashes":{},"length":9},"v1":"#),
        (r#"{"signed""#, r#"{"signed":{},"signed""#),
        (r#""v1""#, r#""v1\ud800""#),
        (r#""length":5"#, r#""length":5.5"#),
        (r#""length":5"#, r#""length":9007199254740993"#),
        (r#""version":1"#, "\"version\":1,\"x\":\"\r\""),
        (r#"{"signed""#, "\u{feff}{\"signed\""),
    ];
    for (from, to) in variants {
        assert!(text.contains(from), "{from}");
        assert!(parse(text.replacen(from, to, 1)).is_err(), "{to}");
    }
    for tail in ["x", "{}", "\0", "]}"] {
        assert!(parse(format!("{text}{tail}")).is_err());
    }
    let mut bytes = text.clone().into_bytes();
    let at = text.find("v1").unwrap();
    bytes[at] = 0xff;
    assert!(Received::<Targets>::parse(&RoleName::releases(), bytes.into()).is_err());
    // Escapes and order do not change the message: the same signature holds over the same content.
    let same = parse(text.replacen("\"v1\"", "\"\\u0076\\u0031\"", 1)).unwrap();
    let key = forge.signers["targets/releases"][0].clone();
    let keys = RoleKeys::new(RoleName::releases(), [(key.id().clone(), key)], 1);
    same.check_signatures(&keys).unwrap();
    assert!(same.unverified().targets.contains_key("v1"));
}

// ---- A25 ----

#[test]
fn a25_of_equal_versions_the_one_that_the_signed_chain_names_is_used() {
    let mut forge = Forge::new();
    let mut client = reader(&forge);
    forge.change("targets/releases", |signed| {
        signed["targets"] = targets_document(&[("v2", 2)])["targets"].clone();
    });
    forge.seal();
    // The version of the snapshot grows, that of the timestamp does not: two servers raced.
    forge.change("timestamp", |signed| signed["version"] = 1.into());
    let repository = accepted(&forge, &mut client);
    assert_eq!(names(&repository), ["old@targets", "v2@targets/releases"]);
    assert_eq!(
        client.cached.timestamp.as_ref(),
        Some(&forge.files["timestamp"])
    );
    // What is cached is that one, too.
    let offline = client.update(Scope::All, |_| Answer::Unreachable("offline".to_owned()));
    assert_eq!(
        names(&offline.result.unwrap()),
        ["old@targets", "v2@targets/releases"]
    );
}

// ---- the attacks of the TUF specification ----

#[test]
fn tuf_arbitrary_installation() {
    // A target in a document that no key of the repository signed.
    let mut forge = Forge::new();
    let mut client = reader(&forge);
    for role in ["targets", "snapshot", "timestamp"] {
        let stranger = forge.key();
        forge.signers.insert(role.to_owned(), vec![stranger]);
    }
    forge.change("targets", |signed| {
        signed["targets"] = targets_document(&[("evil", 1)])["targets"].clone();
    });
    forge.seal();
    refused(
        &forge,
        &mut client,
        "valid signatures did not meet threshold for timestamp",
    );
    refused(
        &forge,
        &mut forge.client(),
        "valid signatures did not meet threshold for timestamp",
    );
}

#[test]
fn tuf_endless_data() {
    let forge = Forge::new();
    for role in [
        "root",
        "timestamp",
        "snapshot",
        "targets",
        "targets/releases",
    ] {
        let run = forge.client().update(Scope::All, |fetch| {
            // As many bytes as accepted, and one more.
            if fetch.path.role().as_str() == role && role != "root" {
                let length = usize::try_from(fetch.max_bytes).unwrap() + 1;
                return Answer::Bytes(vec![b'{'; length].into());
            }
            if fetch.path.role().as_str() == role {
                return Answer::TooLarge;
            }
            forge.serve(fetch)
        });
        assert!(
            matches!(run.result, Err(UpdateError::TooLarge { .. })),
            "{role}"
        );
    }
}

#[test]
fn tuf_extraneous_dependencies() {
    // Only what is listed by name within a role's paths is ever given out, whatever else the documents hold.
    let forge = tree(&[("targets/a", &["a/"], &[("a/x", 1), ("b/x", 2), ("", 3)])]);
    let repository = accepted(&forge, &mut forge.client());
    assert_eq!(names(&repository), ["a/x@targets/a"]);
    for name in ["b/x", "", "a/", "a/x/y", "A/x"] {
        assert_eq!(repository.lookup(name, &[]), None, "{name}");
        assert_eq!(repository.all_occurrences(Some(name)), [], "{name}");
    }
    assert_eq!(repository.all_occurrences(None).len(), 1);
}

#[test]
fn tuf_indefinite_freeze() {
    let mut forge = Forge::new();
    let mut client = reader(&forge);
    forge.change("timestamp", |signed| {
        signed["expires"] = expiry(NOW + Duration::days(14));
        signed["version"] = 2.into();
    });
    accepted(&forge, &mut client);
    // The same answers for ever, or none at all: once the timestamp is over, so is trust.
    client.now = NOW + Duration::days(15);
    refused(
        &forge,
        &mut client,
        "timestamp expired at Sun Dec 6 20:00:00 UTC 2026",
    );
    let run = client.update(Scope::All, |_| Answer::Unreachable("offline".to_owned()));
    assert!(run.result.is_err());
}

#[test]
fn tuf_malicious_mirrors_preventing_updates() {
    // Refusals are told apart from absence and never hide that nothing new came.
    let forge = Forge::new();
    let mut client = reader(&forge);
    let run = client.update(Scope::All, |fetch| match fetch.path.role().as_str() {
        "timestamp" => Answer::Refused(signet_tuf::Refusal {
            status: 503,
            message: None,
        }),
        _ => Answer::Absent,
    });
    assert_eq!(run.warnings.len(), 1);
    assert!(run.result.unwrap().is_from_cache());
    // One good and one bad answer: the next good server gets the client on.
    let mut newer = Forge::new_like(&forge);
    newer.change("targets/releases", |signed| {
        signed["version"] = 2.into();
        signed["targets"] = targets_document(&[("v2", 2)])["targets"].clone();
    });
    newer.seal();
    let run = client.update(Scope::All, |fetch| match fetch.path.role().as_str() {
        "timestamp" => newer.serve(fetch),
        _ => Answer::Bytes(Bytes::from_static(b"garbage")),
    });
    assert!(run.result.is_err());
    assert_eq!(
        names(&accepted(&newer, &mut client)),
        ["old@targets", "v2@targets/releases"]
    );
}

#[test]
fn tuf_mix_and_match() {
    let mut forge = Forge::new();
    let old = forge.files.clone();
    forge.change("targets/releases", |signed| signed["version"] = 2.into());
    forge.change("targets", |signed| signed["version"] = 2.into());
    forge.seal();
    for role in ["snapshot", "targets", "targets/releases"] {
        let mut mixed = Forge::new_like(&forge);
        mixed.files.insert(role.to_owned(), old[role].clone());
        refused(
            &mixed,
            &mut mixed.client(),
            &format!("checksum for {role} did not match"),
        );
    }
}

#[test]
fn tuf_rollback() {
    let mut forge = Forge::new();
    let old = (forge.files.clone(), forge.signed.clone());
    for role in ["targets/releases", "targets"] {
        forge.change(role, |signed| signed["version"] = 2.into());
    }
    forge.seal();
    let mut client = reader(&forge);
    // Everything as it was.
    (forge.files, forge.signed) = old;
    for _ in 0..2 {
        refused(
            &forge,
            &mut client.clone(),
            "version 1 is lower than current version 2",
        );
    }
    // A cache that was wiped does not help: versions are remembered apart from it.
    client.cached = signet_tuf::Cached {
        root: client.cached.root.clone(),
        ..Default::default()
    };
    refused(
        &forge,
        &mut client,
        "version 1 is lower than current version 2",
    );
    // Each role alone, under fresh documents above it.
    for role in ["targets", "targets/releases"] {
        let mut forge = Forge::new_like(&forge);
        for other in ["targets/releases", "targets"]
            .iter()
            .filter(|other| **other != role)
        {
            forge.change(other, |signed| signed["version"] = 2.into());
        }
        forge.change("snapshot", |signed| signed["version"] = 7.into());
        forge.change("timestamp", |signed| signed["version"] = 7.into());
        forge.seal();
        refused(
            &forge,
            &mut client,
            "version 1 is lower than current version 2",
        );
    }
}

#[test]
fn tuf_key_compromises_below_the_threshold() {
    // Two of three must sign; one thief has one key.
    let mut forge = Forge::new();
    let keys: Vec<PublicKey> = (0..3).map(|_| forge.key()).collect();
    let list: BTreeMap<&str, &PublicKey> =
        keys.iter().map(|key| (key.id().as_str(), key)).collect();
    forge.change("targets", |signed| {
        let ids: Vec<&str> = keys.iter().map(|key| key.id().as_str()).collect();
        signed["delegations"]["keys"] = serde_json::to_value(&list).unwrap();
        signed["delegations"]["roles"][0]["keyids"] = json!(ids);
        signed["delegations"]["roles"][0]["threshold"] = json!(2);
    });
    let document = targets_document(&[("evil", 1)]);
    forge.put("targets/releases", document.clone(), &keys[..1]);
    forge.seal();
    assert_eq!(
        names(&accepted(&forge, &mut forge.client())),
        ["old@targets"]
    );
    // The same signature many times, and those of strangers, are still one.
    let stranger = forge.key();
    let signers = [keys[0].clone(), keys[0].clone(), stranger];
    forge.put("targets/releases", document.clone(), &signers);
    forge.seal();
    assert_eq!(
        names(&accepted(&forge, &mut forge.client())),
        ["old@targets"]
    );
    forge.put("targets/releases", document, &keys[1..]);
    forge.seal();
    assert_eq!(
        names(&accepted(&forge, &mut forge.client())),
        ["evil@targets/releases", "old@targets"]
    );
}

#[test]
fn tuf_wrong_software_installation() {
    // Signed under another tag.
    let forge = Forge::new();
    let repository = accepted(&forge, &mut forge.client());
    let (old, new) = (
        repository.lookup("old", &[]).unwrap(),
        repository.lookup("v1", &[]).unwrap(),
    );
    assert!(old.target.hashes.check("old", b"old").is_ok());
    assert!(old.target.hashes.check("old", b"v1").is_err());
    assert_ne!(old.target, new.target);
    // Signed under another repository's name: its root says so.
    let mut client = Client::new("registry.example.com/forge/other", NOW);
    refused(
        &forge,
        &mut client,
        "unable to retrieve valid leaf certificates",
    );
    // Pinned, only the pinned certificate counts.
    let mut client = forge.client();
    client.pinning.certs.insert(
        "registry.example.com/forge/*".to_owned(),
        vec!["00".repeat(32)],
    );
    refused(
        &forge,
        &mut client,
        "unable to match any certificates to trust_pinning config",
    );
    let id = forge.signers["root"][0].id().to_string();
    client
        .pinning
        .certs
        .insert("registry.example.com/forge/*".to_owned(), vec![id]);
    accepted(&forge, &mut client);
}

#[test]
fn tuf_fast_forward() {
    // A thief of the timestamp key alone cannot raise what lies below it.
    let mut forge = Forge::new();
    let mut client = reader(&forge);
    let honest = forge.files["timestamp"].clone();
    forge.change("timestamp", |signed| {
        signed["version"] = 1000.into();
        signed["meta"]["snapshot"] = meta_of(b"nothing");
        signed["meta"]["snapshot"]["length"] = 100_000.into();
    });
    refused(
        &forge,
        &mut client.clone(),
        "checksum for snapshot did not match",
    );
    forge.files.insert("timestamp".to_owned(), honest);
    accepted(&forge, &mut client);
    assert!(matches!(
        run(&forge, &mut client).result,
        Ok(repository) if repository.timestamp().version() == 1
    ));
}
