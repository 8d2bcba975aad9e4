//! The attacks that the TUF specification lists (1.0.34).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;
use signet_tuf::{Answer, PublicKey, Scope, UpdateError};
use time::Duration;

use crate::forge::{Forge, NOW, expiry, meta_of, targets_document};
use crate::support::Client;

use super::delegations::tree;
use super::{accepted, names, reader, refused, run};

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
