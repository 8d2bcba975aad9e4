//! Single documents: signatures, thresholds, any JSON at any place, bounds, ambiguity.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use signet_tuf::metadata::Metadata;
use signet_tuf::update::MAX_TIMESTAMP_BYTES;
use signet_tuf::{
    Answer, KeyKind, PublicKey, Received, RoleKeys, RoleName, Root, Scope, Snapshot, Targets,
    Timestamp, UpdateError, crypto,
};
use time::Duration;

use crate::forge::{Forge, Key, NOW};
use crate::support::read_json;

use super::{names, refused, run};

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
    assert_eq!(largest, 8 << 20);
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
