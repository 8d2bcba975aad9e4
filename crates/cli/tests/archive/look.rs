//! `notary archive verify`, `list` and `show`.

use serde_json::{Value, json};
use signet_archive::{Moment, Outcome, Request};
use signet_testkit::file;
use signet_testkit::fleet::{Fleet, Kind};

use crate::support::{DEMO, Desk, Key, NOW, crawl, demo, digest, expected, moment, notary, remove};

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_whole_archive_is_checked_without_a_network() {
    let desk = Desk::new();
    let key = Key::new();
    let archive = desk.pack_signed("a.tar.gz", &[demo()], Some(&key));
    file::write(&desk.path("a.pub"), key.pem()).unwrap();
    let files = expected()["files"].as_object().unwrap().len();
    let page = notary(&[
        "archive",
        "verify",
        &archive,
        "--archivist",
        &desk.text("a.pub"),
    ])
    .success()
    .unwrap();
    for part in [
        format!("{archive}: every byte is as it was written"),
        "created:      2026-11-22T19:00:00Z by test/1".to_owned(),
        "sources:      https://notary.example.com".to_owned(),
        format!("signed by:    {}", key.id()),
        "repositories: 1 (1 trusted)".to_owned(),
        format!("documents:    {files}, "),
    ] {
        assert!(page.contains(&part), "{part}: {page}");
    }
    let report = notary(&["archive", "verify", "--format", "json", &archive]);
    let report = &lines(&report.success().unwrap())[0];
    assert_eq!(
        (
            &report["documents"],
            &report["states"],
            &report["signed_by"]
        ),
        (&json!(files), &json!({"trusted": 1}), &json!([key.id()]))
    );
    file::write(&desk.path("b.pub"), Key::new().pem()).unwrap();
    let told = notary(&[
        "archive",
        "verify",
        &archive,
        "--archivist",
        &desk.text("b.pub"),
    ]);
    assert_eq!(told.code, Some(1));
    assert!(told.stdout.contains("is not signed by"), "{told}");
    let told = notary(&["archive", "verify", &archive, "--archivist", ""]);
    assert_eq!(told.code, Some(1));
    assert!(told.stdout.contains("key cannot be read"), "{told}");
}

#[test]
fn every_damage_is_reported() {
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &[demo()]);
    let whole = std::fs::read(&archive).unwrap();
    let damaged = |bytes: &[u8]| {
        let path = desk.path("damaged.tar.gz");
        file::write(&path, bytes).unwrap();
        let found = notary(&["archive", "verify", path.to_str().unwrap()]);
        assert_eq!(found.code, Some(1), "{found}");
        let begin = format!("\n* fatal: the archive {} is damaged: ", path.display());
        assert!(found.stdout.starts_with(&begin), "{found}");
        found.stdout
    };
    let step = whole.len() / 23;
    for at in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        damaged(&bytes);
    }
    damaged(&whole[..whole.len() - 1]);
    damaged(&[&whole[..], b"\0"].concat());
    damaged(b"");
    damaged(b"something else altogether");
    let found = notary(&["archive", "verify", "/nonexistent"]);
    assert_eq!(found.code, Some(1));
    assert!(
        found.stdout.contains("no such file or directory"),
        "{found}"
    );
}

#[test]
fn repositories_of_every_kind_are_listed_as_they_are() {
    let fleet = Fleet::small().unwrap();
    let guns: Vec<&str> = fleet
        .members()
        .iter()
        .map(|member| member.gun.as_str())
        .collect();
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &crawl(&fleet, &guns));
    notary(&["archive", "verify", &archive]).success().unwrap();
    let rows = notary(&["archive", "list", "--format=json", &archive]);
    let rows = lines(&rows.success().unwrap());
    assert_eq!(rows.len(), fleet.members().len());
    for member in fleet.members() {
        let row = rows
            .iter()
            .find(|row| row["gun"] == member.gun.as_str())
            .unwrap();
        let state = match member.kind {
            Kind::Expired => "expired",
            Kind::Broken => "degraded",
            _ => "trusted",
        };
        assert_eq!(row["state"], state, "{}", member.gun);
        if state != "expired" {
            assert_eq!(row["tags"], member.listed().len(), "{}", member.gun);
        }
    }
    let expired = &fleet.member(Kind::Expired).gun;
    let page = notary(&[
        "archive", "list", "--state", "expired", "--state", "absent", &archive,
    ]);
    let page = page.success().unwrap();
    assert!(
        page.starts_with("GUN ") && page.contains(expired.as_str()),
        "{page}"
    );
    assert_eq!(page.lines().count(), 2, "{page}");
    let told = notary(&["archive", "list", "--state", "good", &archive]);
    assert!(told.stdout.contains("there is no state \"good\""), "{told}");
    assert_eq!(told.code, Some(1));

    // Who signed which name is what docker would say.
    let signers = fleet.member(Kind::Signers);
    let shown = notary(&["archive", "show", "--format=json", &archive, &signers.gun]);
    let shown = &lines(&shown.success().unwrap())[0];
    let listed = signers.listed();
    let tags = shown["tags"].as_array().unwrap();
    assert_eq!(tags.len(), listed.len());
    for (name, (digest, docker)) in signers.released() {
        let tag = tags
            .iter()
            .find(|tag| tag["name"] == name.as_str())
            .unwrap();
        assert_eq!(tag["digest"], format!("sha256:{digest}"));
        assert_eq!(tag["released"], true);
        let found = tag["signers"].as_array().unwrap().iter();
        let found: std::collections::BTreeSet<String> = found
            .map(|role| role.as_str().unwrap().replacen("targets/", "", 1))
            .collect();
        let docker = docker
            .into_iter()
            .filter(|name| name != "Repo Admin")
            .collect();
        assert_eq!(found, docker, "{name}");
    }
}

#[test]
fn a_repository_is_shown_with_everything_there_is() {
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &[demo()]);
    let shown = notary(&["archive", "show", "--format", "json", &archive, DEMO]);
    let shown = &lines(&shown.success().unwrap())[0];
    assert_eq!(shown["captured"], NOW);
    assert_eq!(shown["verdict"]["state"], "trusted");
    assert_eq!(shown["verdict"]["roots"], json!({"first": 1, "last": 6}));
    let expected = expected();
    for root in shown["roots"].as_array().unwrap() {
        let file = &expected["files"][format!("metadata/root/{}.json", root["version"])];
        assert_eq!(root["sha256"], file["sha256"]);
        assert_eq!(root["expires"], file["expires"]);
        assert_eq!(root["current"], root["version"] == 6);
        for key in root["keys"].as_array().unwrap() {
            let known = &expected["keys"][key["id"].as_str().unwrap()];
            assert_eq!(
                (&key["kind"], &key["bare"]),
                (&known["keytype"], &known["canonical_id"])
            );
        }
    }
    for role in shown["roles"].as_array().unwrap() {
        for key in role["keys"].as_array().unwrap() {
            let known = &expected["keys"][key["id"].as_str().unwrap()];
            let roles = known["roles"].as_array().unwrap();
            assert!(roles.contains(&role["name"]), "{role}");
        }
    }
    let page = notary(&["archive", "show", &archive, DEMO])
        .success()
        .unwrap();
    for part in [
        "State:         trusted",
        "1 to 6, each following from the one before",
        &digest(),
        "Requests",
    ] {
        assert_eq!(page.contains(part), part != "Requests", "{part}: {page}");
    }

    let told = notary(&["archive", "show", &archive, "registry.example.com/other"]);
    assert!(
        told.stdout
            .contains("does not have trust data for registry.example.com/other"),
        "{told}"
    );
    let told = notary(&["archive", "show", &archive, "a//b"]);
    assert!(told.stdout.contains("invalid repository name"), "{told}");
}

/// Names and words from an archive must not steer a terminal.
#[test]
fn hostile_words_are_shown_and_not_obeyed() {
    let desk = Desk::new();
    let mut hostile = demo();
    hostile.record.gun = "registry.example.com/\u{202e}x".parse().unwrap();
    hostile.record.requests.push(Request {
        path: "root".to_owned(),
        at: Moment::of(moment(NOW).time()),
        outcome: Outcome::Unreachable {
            reason: "\u{1b}[2J\ngone".to_owned(),
        },
    });
    remove(&mut hostile, |_| true);
    let gun = hostile.record.gun.to_string();
    let archive = desk.pack("a.tar.gz", &[hostile]);
    for words in [
        &["archive", "verify", &archive][..],
        &["archive", "list", &archive],
        &["archive", "show", &archive, &gun],
        &[
            "archive",
            "extract",
            &archive,
            "--layout",
            "trust-dir",
            "-C",
            &desk.text("out"),
        ],
    ] {
        let found = notary(words);
        let all = format!("{}{}", found.stdout, found.stderr);
        assert!(
            all.chars()
                .all(|letter| letter != '\u{202e}' && (letter == '\n' || !letter.is_control())),
            "{all:?}"
        );
    }
    let page = notary(&["archive", "show", &archive, &gun]).stdout;
    assert!(
        page.contains("\\x1b[2J") && page.contains("\\u202e"),
        "{page}"
    );
}
