//! What was in force at an earlier moment: the source names it, and the captured repository must prove it.

use std::fs;
use std::path::Path;

use signet_archive::past::NotThen;
use signet_archive::{ArchivedRepository, Change, Moment, RootLinks};
use signet_tuf::RoleName;
use time::Duration;

use crate::support::{demo, digests, moment, put, without};

/// When a version of the timestamp was published, in [`dated`].
fn published(version: i64) -> Moment {
    Moment::of(moment("2026-11-22T19:19:00Z").time() + Duration::minutes(version - 1))
}

/// The recorded repository, one timestamp a minute. Its root was rotated with versions 10 and 11.
fn dated() -> ArchivedRepository {
    let mut repository = demo();
    for version in 1..=12 {
        publish(&mut repository, version, published(version));
    }
    repository
}

/// Says when a timestamp was published.
fn publish(repository: &mut ArchivedRepository, version: i64, at: Moment) {
    let timestamps = repository.record.documents.iter_mut();
    for document in timestamps.filter(|d| d.role == RoleName::timestamp()) {
        if document.version == version {
            document.published = Some(at);
        }
    }
}

fn at(repository: &ArchivedRepository, text: &str) -> Result<ArchivedRepository, NotThen> {
    repository.in_force_at(moment(text).time())
}

#[test]
fn every_state_of_an_honest_history_is_proven() {
    let repository = dated();
    for (version, digest) in digests(&repository, "timestamp") {
        let view = repository.in_force_at(published(version).time()).unwrap();
        let current = view.record.current[&RoleName::timestamp()];
        assert_eq!(current, digest, "{version}");
    }
}

#[test]
fn a_strangers_root_in_the_history_is_nobodys_past() {
    let mut repository = dated();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/foreign");
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let bytes = fs::read(folder.join(format!("{role}.json"))).unwrap();
        put(&mut repository, role, bytes.into(), false);
    }
    let foreign = repository.record.documents.last_mut().unwrap();
    foreign.published = Some(moment("2026-11-22T19:40:00Z"));
    let refused = at(&repository, "2026-11-22T19:42:00Z").unwrap_err();
    let NotThen::Unproven {
        version: 12,
        reason,
    } = &refused
    else {
        panic!("{refused:?}");
    };
    let expected = "the root that the snapshot names is not linked to the current one";
    assert_eq!(reason, expected);
    // What the owners published before is not touched by it.
    at(&repository, "2026-11-22T19:39:59Z").unwrap();
}

#[test]
fn a_root_below_a_gap_proves_nothing() {
    let mut repository = dated();
    let roots = digests(&repository, "root");
    for version in 2..=5 {
        without(&mut repository, &roots[&version]);
    }
    let links = RootLinks::of(&repository).unwrap();
    assert_eq!((links.chain.first, links.broken), (6, None));
    let refused = at(&repository, "2026-11-22T19:22:30Z").unwrap_err();
    assert!(
        matches!(&refused, NotThen::Unproven { version: 4, reason } if reason.contains("not linked")),
        "{refused:?}"
    );
    repository.in_force_at(published(12).time()).unwrap();
}

#[test]
fn what_is_older_than_the_state_before_is_no_later_state() {
    // Version 9 has an older root, 11 only an older timestamp and snapshot; each after 12.
    let late = moment("2026-11-22T19:40:00Z");
    let deletion = Change {
        id: 1,
        at: moment("2026-11-22T19:35:00Z"),
        category: "deletion".to_owned(),
        version: 0,
        sha256: None,
    };
    for (old, role) in [(9, "root"), (11, "timestamp")] {
        let mut repository = dated();
        publish(&mut repository, old, late);
        let refused = at(&repository, "2026-11-22T19:42:00Z").unwrap_err();
        let NotThen::RolledBack {
            version,
            role: whose,
            found,
            before,
        } = &refused
        else {
            panic!("{old}: {refused:?}");
        };
        assert_eq!((*version, whose.as_str()), (old, role));
        assert!(found < before, "{refused:?}");
        // After a deletion a repository begins anew.
        repository.record.changes.push(deletion.clone());
        at(&repository, "2026-11-22T19:42:00Z").unwrap();
    }
}
