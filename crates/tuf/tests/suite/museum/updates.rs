//! Updates: expired roots, versions that go forward and back, chains of roots, parts of other repositories.

use bytes::Bytes;
use serde_json::{Value, json};
use signet_tuf::update::FailureKind;
use signet_tuf::{Answer, Received, RoleName, Scope, Timestamp};
use time::Duration;

use crate::forge::{Forge, NOW, expiry, targets_document};

use super::{accepted, names, reader, refused, run};

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

/// Whoever holds the snapshot key could otherwise hide a delegation as soon as its parent has something new, a signer that was added: an older
/// entry of `targets` would be believed, and what comes back later could be older, too.
#[test]
fn a11_a_delegation_does_not_vanish_because_its_parent_is_new() {
    let mut forge = Forge::new();
    let give = |forge: &mut Forge, version: i64| {
        forge.change("targets/releases", |signed| {
            signed["version"] = version.into();
        });
    };
    give(&mut forge, 3);
    forge.seal();
    let mut client = reader(&forge);
    // The cache is no memory: its files may be gone.
    client.cached.targets.remove(&RoleName::releases());
    give(&mut forge, 1);
    let old = forge.files.remove("targets/releases").unwrap();
    forge.change("targets", |signed| signed["version"] = 2.into());
    forge.seal();
    for _ in 0..2 {
        refused(&forge, &mut client, "targets/releases");
    }
    forge.files.insert("targets/releases".to_owned(), old);
    forge.seal();
    refused(
        &forge,
        &mut client,
        "version 1 is lower than current version 3",
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
