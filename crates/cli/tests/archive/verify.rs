//! `docker-trust verify --archive`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use signet_archive::record::Change;
use signet_testkit::file;
use signet_tuf::RoleName;

use crate::support::{
    DEMO, Desk, Key, NOW, dated, demo, digest, docker_trust, docker_trust_with, expected, moment,
    published, put, remove,
};

fn tagged(tag: &str) -> String {
    format!("{DEMO}:{tag}")
}

fn signed() -> String {
    format!("{DEMO}@sha256:{}\n", digest())
}

#[test]
fn an_archive_answers_without_network_home_or_folder() {
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &[demo()]);
    let before = std::fs::read_dir(desk.path("")).unwrap().count();
    let image = tagged("1.0");
    for environment in [
        &[][..],
        &[("HOME", "")],
        &[("HOME", "/nonexistent")],
        &[
            ("HOME", "/proc"),
            ("DOCKER_CONTENT_TRUST_SERVER", "no address"),
        ],
    ] {
        let found = docker_trust_with(environment, &["verify", "--archive", &archive, &image]);
        assert_eq!((found.code, &found.stdout), (Some(0), &signed()), "{found}");
        assert!(
            found
                .stderr
                .contains(&format!("{DEMO}: as of {NOW}, when it was captured\n"))
                && found.stderr.contains("the archive's own word"),
            "{found}"
        );
    }
    let quiet = docker_trust(&["verify", "-q", "--archive", &archive, &image]);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    quiet.success().unwrap();
    // Quiet leaves out what is good to know, not what decides.
    let quiet = docker_trust(&["verify", "-q", "--archive", &archive, &tagged("nosuch")]);
    assert_eq!(quiet.stdout, "");
    let told = quiet.failure(1).unwrap();
    assert_eq!(told, "No valid trust data for nosuch\n");

    let line = docker_trust(&["verify", "--format=json", "--archive", &archive, &image]);
    let line: Value = serde_json::from_str(&line.success().unwrap()).unwrap();
    for (member, value) in [
        ("Digest", json!(format!("sha256:{}", digest()))),
        ("Role", json!("targets/releases")),
        ("AsOf", json!(NOW)),
        ("Captured", json!(NOW)),
        ("Cached", json!(true)),
        // The timestamp, which ends first.
        ("Expires", json!("2026-12-06T19:17:53.263432502Z")),
    ] {
        assert_eq!(line[member], value, "{member}");
    }
    let by_digest = signed();
    let by_digest = docker_trust(&["verify", "--archive", &archive, by_digest.trim()]);
    assert!(by_digest.stderr.contains("is signed as 1.0"), "{by_digest}");
    by_digest.success().unwrap();
    assert_eq!(std::fs::read_dir(desk.path("")).unwrap().count(), before);
}

#[test]
fn what_an_archive_does_not_prove_is_refused() {
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &[demo()]);
    let refused = |words: &[&str]| {
        let words = [&["verify", "--archive", &archive][..], words].concat();
        let found = docker_trust(&words);
        assert_eq!(found.stdout, "", "{found}");
        found.failure(1).unwrap()
    };
    let told = refused(&[&tagged("nosuch")]);
    assert!(told.ends_with("No valid trust data for nosuch\n"), "{told}");
    // Only a delegation lists it.
    let told = refused(&[&tagged("alice")]);
    assert!(told.contains("No valid trust data"), "{told}");
    let told = refused(&["alpine"]);
    let text =
        format!("the archive {archive} does not have trust data for docker.io/library/alpine");
    assert!(told.contains(&text), "{told}");
    let other = format!("{DEMO}:1.0@sha256:{}", "0".repeat(64));
    let told = refused(&[&other]);
    assert!(told.contains("is signed with sha256:"), "{told}");
    let told = refused(&["--signer", "alice", &tagged("1.0")]);
    assert!(
        told.contains("is not signed by alice, as --signer demands"),
        "{told}"
    );

    for (words, part) in [
        (
            &["verify", "--at", "2026-12-08", "x"][..],
            "add --archive FILE",
        ),
        (
            &["verify", "--archivist", "a.pub", "x"],
            "add --archive FILE",
        ),
        (
            &["verify", "--archive", &archive, "--offline", "x"],
            "give one of them",
        ),
        (
            &["verify", "--archive", &archive, "--at", "soon", "x"],
            "\"soon\" is no moment",
        ),
        // As of variables in a script that are not set.
        (
            &["verify", "--archive", "", "x"],
            "no such file or directory",
        ),
        (
            &["verify", "--archive", &archive, "--archivist", "", "x"],
            "the archivist's key cannot be read",
        ),
        (
            &["verify", "--archive", &archive, "--at", "", "x"],
            "\"\" is no moment",
        ),
        (
            &["verify", "--archive", "/nonexistent", "x"],
            "no such file or directory",
        ),
    ] {
        let told = docker_trust(words).failure(1).unwrap();
        assert!(told.contains(part), "{words:?}: {told}");
    }
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    file::write(&desk.path("a.tar.gz"), bytes).unwrap();
    let told = refused(&[&tagged("1.0")]);
    assert!(
        told.contains(&format!("the archive {archive} cannot be used: ")),
        "{told}"
    );
}

/// The timestamp of the recorded repository ends at 2026-12-06T19:17:53.26.
#[test]
fn documents_hold_until_their_validity_is_over() {
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &[demo()]);
    let at = |moment: &str| {
        let words = [
            "verify",
            "--archive",
            &archive,
            "--at",
            moment,
            &tagged("1.0"),
        ];
        docker_trust(&words)
    };
    let found = at("2026-12-06T19:17:53Z");
    assert_eq!(found.stdout, signed());
    assert!(
        found.stderr.contains(&format!(
            "as of 2026-12-06T19:17:53Z, by documents that were captured at {NOW}"
        )),
        "{found}"
    );
    for later in ["2026-12-06T19:17:54Z", "2026-12-07", "2030-01-01"] {
        let told = at(later);
        assert_eq!(told.stdout, "");
        let told = told.failure(1).unwrap();
        assert!(
            told.contains(&format!("{DEMO} is not trusted at {later}"))
                && told.contains("timestamp expired at Sun Dec 6 19:17:53 UTC 2026"),
            "{told}"
        );
    }
    // Nobody said when these documents were published.
    let told = at("2026-11-22T19:44:20Z").failure(1).unwrap();
    assert!(
        told.contains("cannot say what held")
            && told.contains("did not say when documents were published"),
        "{told}"
    );
}

/// `targets/releases` came with version 4 of the timestamp, and root was rotated with 10 and 11.
#[test]
fn history_with_moments_answers_for_the_past() {
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &[dated()]);
    // The root key was replaced, so both are pinned.
    let pins = json!({"root_certificates": root_certificates()});
    let policy = desk.policy(&pins);
    let at = |archive: &str, moment: &str| {
        let words = [
            "verify",
            "--archive",
            archive,
            "--at",
            moment,
            &tagged("1.0"),
        ];
        docker_trust_with(&[("DOCKER_TRUST_POLICY", &policy)], &words)
    };
    let version = |version| published(version).to_string();
    for (moment, is_signed) in [
        (version(3), false),
        ("2026-11-22T19:21:59Z".to_owned(), false),
        (version(4), true),
        (version(9), true),
        (version(10), true),
        (version(12), true),
        ("2026-11-22T19:44:20Z".to_owned(), true),
    ] {
        let found = at(&archive, &moment);
        assert!(
            found.stderr.contains(&format!(
                "as of {moment}, by documents that had been published by then"
            )) && found.stderr.contains("nobody signed it"),
            "{found}"
        );
        if is_signed {
            assert_eq!(found.success().unwrap(), signed(), "{moment}");
        } else {
            let told = found.failure(1).unwrap();
            assert!(
                told.contains("No valid trust data for 1.0"),
                "{moment}: {told}"
            );
        }
    }
    let told = at(&archive, "2026-11-22T19:18:59Z").failure(1).unwrap();
    let oldest = format!("the oldest timestamp in it was published at {}", version(1));
    assert!(told.contains(&oldest), "{told}");

    // What was in force between 6 and 8 is not known, but at the very moment of 6 it is not either.
    let mut gap = dated();
    remove(&mut gap, |d| {
        d.role == RoleName::timestamp() && d.version == 7
    });
    let gap = desk.pack("gap.tar.gz", &[gap]);
    let told = at(&gap, &version(7)).failure(1).unwrap();
    assert!(told.contains("timestamps between version 6"), "{told}");
    at(&gap, &version(8)).success().unwrap();

    let mut deleted = dated();
    deleted.record.changes.push(Change {
        id: 1,
        at: moment("2026-11-22T19:25:30Z"),
        category: "deletion".to_owned(),
        version: 0,
        sha256: None,
    });
    let deleted = desk.pack("deleted.tar.gz", &[deleted]);
    let told = at(&deleted, "2026-11-22T19:25:59Z").failure(1).unwrap();
    assert!(
        told.contains("was deleted at 2026-11-22T19:25:30Z"),
        "{told}"
    );
    at(&deleted, &version(8)).success().unwrap();
}

/// IDs of the certificates of all root keys that the recorded repository had.
fn root_certificates() -> BTreeSet<String> {
    let expected = expected();
    let keys = expected.get("keys").and_then(Value::as_object).unwrap();
    keys.iter()
        .filter(|(_, key)| key.get("roles") == Some(&json!(["root"])))
        .map(|(id, _)| id.clone())
        .collect()
}

/// Whoever was given the captured root on first use did not choose the one before it, whose keys were taken out of use.
#[test]
fn an_earlier_root_with_other_keys_is_not_believed_on_first_use() {
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &[dated()]);
    let at = |moment: &str, rule: &Value| {
        let policy = desk.policy(rule);
        let words = [
            "verify",
            "--archive",
            &archive,
            "--at",
            moment,
            &tagged("1.0"),
        ];
        docker_trust_with(&[("DOCKER_TRUST_POLICY", &policy)], &words)
    };
    let before = published(9).to_string();
    for rule in [json!({}), json!({"first_use": true})] {
        let found = at(&before, &rule);
        assert_eq!(found.stdout, "");
        let told = found.failure(1).unwrap();
        assert!(
            told.contains("was signed under other root keys at")
                && root_certificates().iter().any(|id| told.contains(id)),
            "{told}"
        );
    }
    let found = at(&before, &json!({"first_use": false}));
    let told = found.failure(1).unwrap();
    assert!(told.contains("refuses trust on first use"), "{told}");
    let pins = json!({"root_certificates": root_certificates()});
    assert_eq!(at(&before, &pins).success().unwrap(), signed());
    // The same keys as at the capture need no more than the capture does.
    let after = published(12).to_string();
    assert_eq!(at(&after, &json!({})).success().unwrap(), signed());
}

/// The root certificate in force, as docker's `inspect` shows it.
#[test]
fn the_policy_holds_for_archives() {
    let desk = Desk::new();
    let key = Key::new();
    let archive = desk.pack_signed("a.tar.gz", &[demo()], Some(&key));
    file::write(&desk.path("a.pub"), key.pem()).unwrap();
    let pub_file = desk.text("a.pub");
    let pin = crate::support::docker_says("1.0.pretty");
    let pin = pin
        .lines()
        .find_map(|line| line.strip_prefix("  Root Key:\t"))
        .unwrap();
    let verify = |rule: &Value| {
        let policy = desk.policy(rule);
        let words = [
            "verify",
            "--archive",
            &archive,
            "--archivist",
            &pub_file,
            &tagged("1.0"),
        ];
        docker_trust_with(&[("DOCKER_TRUST_POLICY", &policy)], &words)
    };
    for rule in [
        json!({}),
        json!({"first_use": false, "root_certificates": [pin]}),
        json!({"server": "https://notary.example.com/"}),
        json!({"server": "https://other.example.com", "archives_from": ["https://notary.example.com:443"]}),
        json!({"archives_from": ["database", "https://notary.example.com"]}),
    ] {
        let found = verify(&rule);
        assert_eq!(found.stdout, signed(), "{found}");
    }
    for (rule, part) in [
        (
            json!({"server": "https://other.example.com"}),
            "was captured from https://notary.example.com by the archive's word, and the policy",
        ),
        (
            json!({"server": "https://notary.example.com:8443"}),
            "demands https://notary.example.com:8443/",
        ),
        (
            json!({"archives_from": ["trust-folder", "database"]}),
            "demands a trust folder or a database",
        ),
        (
            json!({"first_use": false}),
            "refuses trust on first use, and no root of registry.example.com/signet/demo is pinned",
        ),
        (
            json!({"root_certificates": ["0".repeat(64)]}),
            "is not trusted at",
        ),
        (
            json!({"signers": {"all_of": ["alice"]}}),
            "is not signed by alice",
        ),
        (json!({"cached_data": false}), "an archive is none"),
        (
            json!({"first-use": false}),
            "the trust policy cannot be used",
        ),
    ] {
        let found = verify(&rule);
        assert_eq!(found.stdout, "", "{rule}");
        let told = found.failure(1).unwrap();
        assert!(told.contains(part), "{rule}: {told}");
    }
}

/// A moment that nobody has lived through proves nothing.
#[test]
fn a_capture_of_the_future_is_refused() {
    let desk = Desk::new();
    let mut repository = demo();
    repository.record.captured = moment("2029-01-01T00:00:00Z");
    let archive = desk.pack("future.tar.gz", &[repository]);
    let found = docker_trust(&["verify", "--archive", &archive, &tagged("1.0")]);
    assert_eq!(found.stdout, "");
    let told = found.failure(1).unwrap();
    assert!(
        told.contains("says that it captured") && told.contains("2029-01-01T00:00:00Z"),
        "{told}"
    );
}

#[test]
fn the_archivist_can_be_demanded() {
    let desk = Desk::new();
    let (key, other) = (Key::new(), Key::new());
    let unsigned = desk.pack("unsigned.tar.gz", &[demo()]);
    let archive = desk.pack_signed("a.tar.gz", &[demo()], Some(&key));
    file::write(&desk.path("a.pub"), key.pem()).unwrap();
    file::write(&desk.path("b.pub"), other.pem()).unwrap();
    file::write(&desk.path("no.pub"), "no key").unwrap();
    let verify = |archive: &str, file: &str| {
        let file = desk.text(file);
        let words = [
            "verify",
            "--archive",
            archive,
            "--archivist",
            &file,
            &tagged("1.0"),
        ];
        docker_trust(&words)
    };
    let found = verify(&archive, "a.pub");
    assert!(
        found
            .stderr
            .contains(&format!("signed by its archivist, {}", key.id())),
        "{found}"
    );
    assert_eq!(found.stdout, signed());
    // As `openssl pkey -pubout` writes it.
    let modern = Key::ed25519();
    let by_ed25519 = desk.pack_signed("ed25519.tar.gz", &[demo()], Some(&modern));
    file::write(&desk.path("ed25519.pub"), modern.spki_pem()).unwrap();
    let found = verify(&by_ed25519, "ed25519.pub");
    assert!(
        found
            .stderr
            .contains(&format!("signed by its archivist, {}", modern.id())),
        "{found}"
    );
    assert_eq!(found.stdout, signed());
    for (archive, file, part) in [
        (
            &by_ed25519,
            "a.pub",
            format!("it is signed by {}", modern.id()),
        ),
        (&archive, "ed25519.pub", "it is signed by".to_owned()),
        (&archive, "b.pub", format!("it is signed by {}", key.id())),
        (&unsigned, "a.pub", "nobody signed it".to_owned()),
        (
            &archive,
            "no.pub",
            "the archivist's key cannot be read from".to_owned(),
        ),
        (
            &archive,
            "nosuch.pub",
            "no such file or directory".to_owned(),
        ),
    ] {
        let found = verify(archive, file);
        assert_eq!(found.stdout, "");
        let told = found.failure(1).unwrap();
        assert!(told.contains(&part), "{file}: {told}");
    }
}

/// Whoever trusted the older root would refuse the newer one, which a newcomer takes.
#[test]
fn roots_that_do_not_follow_from_one_another_are_refused() {
    let desk = Desk::new();
    let mut broken = demo();
    let third = broken.document(
        &"3.root"
            .split_once('.')
            .map(|(version, role)| {
                signet_tuf::MetadataPath::Version(role.parse().unwrap(), version.parse().unwrap())
            })
            .unwrap(),
    );
    let text = String::from_utf8(third.unwrap().1.to_vec()).unwrap();
    let forged = text.replace("\"sig\":\"", "\"sig\":\"AAAA");
    assert_ne!(forged, text);
    remove(&mut broken, |d| {
        d.role == RoleName::root() && d.version == 3
    });
    put(&mut broken, "root", forged.into_bytes(), false);
    let broken = desk.pack("a.tar.gz", &[broken]);
    let found = docker_trust(&["verify", "--archive", &broken, &tagged("1.0")]);
    assert_eq!(found.stdout, "");
    let told = found.failure(1).unwrap();
    assert!(
        told.contains("root version 4 does not follow from version 3"),
        "{told}"
    );

    // A root that is only missing is no reason to refuse, and said.
    let mut gap = demo();
    remove(&mut gap, |d| d.role == RoleName::root() && d.version == 3);
    let gap = desk.pack("gap.tar.gz", &[gap]);
    let found = docker_trust(&["verify", "--archive", &gap, &tagged("1.0")]);
    assert!(
        found.stderr.contains("reach back to version 4 only"),
        "{found}"
    );
    assert_eq!(found.success().unwrap(), signed());
}

/// A source that adds a whole repository of its own to the history gains nothing, also where first use is allowed.
#[test]
fn a_strangers_repository_in_the_history_is_refused() {
    let desk = Desk::new();
    let mut mixed = dated();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../archive/tests/data/foreign");
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let bytes = std::fs::read(folder.join(format!("{role}.json"))).unwrap();
        put(&mut mixed, role, bytes, false);
    }
    let foreign = mixed.record.documents.last_mut().unwrap();
    foreign.published = Some(moment("2026-11-22T19:40:00Z"));
    let archive = desk.pack("a.tar.gz", &[mixed]);
    let image = tagged("1.0");
    let found = docker_trust(&[
        "verify",
        "--archive",
        &archive,
        "--at",
        "2026-11-22T19:42:00Z",
        &image,
    ]);
    assert_eq!(found.stdout, "");
    let told = found.failure(1).unwrap();
    assert!(
        told.contains(
            "is not proven by what was captured: the root that the snapshot names is not linked"
        ),
        "{told}"
    );
}
