//! `notary archive diff`.

use serde_json::Value;
use signet_archive::ArchivedRepository;
use signet_tuf::RoleName;

use crate::support::{DEMO, Desk, demo, moment, notary, put, remove};

/// The recorded repository as it was with a version of the timestamp, and without anything newer.
fn until(version: i64) -> ArchivedRepository {
    let whole = demo();
    let timestamps = whole.documents(&RoleName::timestamp());
    let timestamp = timestamps
        .into_iter()
        .find(|d| d.version == version)
        .unwrap();
    let mut view = whole.as_of(&timestamp.sha256).unwrap();
    let current = view.record.current.clone();
    let known: Vec<_> = view
        .record
        .documents
        .iter()
        .map(|d| (d.role.clone(), d.version, d.sha256))
        .collect();
    let newest = |role: &RoleName| {
        known
            .iter()
            .find(|(r, _, digest)| r == role && current.get(role) == Some(digest))
            .map(|(_, version, _)| *version)
    };
    remove(&mut view, |d| {
        newest(&d.role).is_none_or(|newest| d.version > newest)
    });
    view
}

fn diff(words: &[&str]) -> (Option<i32>, String, String) {
    let words = [&["archive", "diff"][..], words].concat();
    let found = notary(&words);
    (found.code, found.stdout, found.stderr)
}

#[test]
fn what_changed_is_told_and_the_same_is_silent() {
    let desk = Desk::new();
    let old = desk.pack("old.tar.gz", &[until(9)]);
    let mut later = demo();
    later.record.captured = moment("2026-11-23T00:00:00Z");
    let same = desk.pack("same.tar.gz", &[until(9)]);
    let new = desk.pack("new.tar.gz", &[later]);
    assert_eq!(
        diff(&[&old, &same]),
        (Some(0), String::new(), String::new())
    );

    let (code, page, warned) = diff(&[&old, &new]);
    assert_eq!((code, warned.as_str()), (Some(1), ""));
    assert!(page.starts_with(&format!("changed  {DEMO}\n")), "{page}");
    for part in [
        "\n  root: version 4 -> 6, key ",
        "added, key afcb84179701767ac5ef388cf22eeba0005b8675df776d735078a28a7fb3c6e7 removed",
        "\n  timestamp: version 9 -> 12\n",
        "\n  targets: version 5 -> 6\n",
        "\n  tag v2 added: sha256:",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("ALARM"), "{page}");

    let (code, text, _) = diff(&["--format=json", &old, &new]);
    assert_eq!(code, Some(1));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["gun"], DEMO);
    assert_eq!(json.get("alarms"), None);
    let empty = desk.pack("empty.tar.gz", &[]);
    assert_eq!(
        diff(&[&empty, &old]),
        (Some(1), format!("added    {DEMO}\n"), String::new())
    );
    assert_eq!(
        diff(&[&old, &empty]),
        (Some(1), format!("removed  {DEMO}\n"), String::new())
    );
    let (code, _, _) = diff(&[&old, "/nonexistent"]);
    assert_eq!(code, Some(2));
    let mut bytes = std::fs::read(&new).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    signet_testkit::file::write(&desk.path("new.tar.gz"), bytes).unwrap();
    let (code, _, _) = diff(&[&old, &new]);
    assert_eq!(code, Some(2));
}

#[test]
fn what_must_not_happen_is_an_alarm() {
    let desk = Desk::new();
    let newest = desk.pack("newest.tar.gz", &[demo()]);
    // Everything is validly signed, and older than what was there before.
    let (code, page, _) = diff(&[&newest, &desk.pack("older.tar.gz", &[until(9)])]);
    assert_eq!(code, Some(1));
    for part in [
        "ALARM: root was rolled back from version 6 to 4",
        "ALARM: timestamp was rolled back from version 12 to 9",
        "ALARM: targets was rolled back from version 6 to 5",
        "ALARM: a client that knows the old state refuses the new one: ",
        "tag v2 removed: ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }

    // Another document of the same version, as a server shows it that tells two people two stories.
    let mut other = demo();
    let path = signet_tuf::MetadataPath::Version("snapshot".parse().unwrap(), 9);
    let mut bytes = other.document(&path).unwrap().1.to_vec();
    bytes.push(b'\n');
    remove(&mut other, |d| {
        d.role == RoleName::snapshot() && d.version == 9
    });
    put(&mut other, "snapshot", bytes, false);
    let (code, page, _) = diff(&[&newest, &desk.pack("other.tar.gz", &[other])]);
    assert_eq!(code, Some(1));
    assert!(
        page.contains("ALARM: there are two documents of version 9 of snapshot: "),
        "{page}"
    );
}

#[test]
fn an_expired_capture_is_another_state() {
    let desk = Desk::new();
    let old = desk.pack("old.tar.gz", &[demo()]);
    let mut late = demo();
    late.record.captured = moment("2026-12-08T00:00:00Z");
    let (code, page, _) = diff(&[&old, &desk.pack("late.tar.gz", &[late])]);
    assert_eq!(
        (code, page),
        (
            Some(1),
            format!("changed  {DEMO}\n  state: trusted -> expired\n")
        )
    );
}
