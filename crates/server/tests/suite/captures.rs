//! Several archives with the same repository: they are put together, or it is refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;
use signet_archive::{ArchivedRepository, Document, Sha256, State};
use signet_tuf::RoleName;
use time::Duration;

use crate::archives::{GUN, OTHER, Served, blank, capture, capture_at, publish, published, tidy};
use crate::fixture::{Backend, NOW, Server};
use crate::publisher::{Key, Publisher, root_signed, seal, snapshot_signed, targets_signed, text};

#[tokio::test]
async fn captures_of_one_repository_are_put_together() {
    let (server, publisher) = published(GUN, 1).await;
    let mut early = capture(&server, GUN).await;
    publish(&server, &publisher, GUN, [2, 3]).await;
    let mut late = capture_at(&server, GUN, NOW + Duration::HOUR).await;
    // Each lacks older versions that the other has.
    let timestamp = |version| {
        move |document: &Document| {
            (document.role.as_str(), document.version) == ("timestamp", version)
        }
    };
    late.record.documents.retain(|one| !timestamp(1)(one));
    let dropped = Sha256::of(&server.file(GUN, "1.timestamp.json").await.body);
    late.objects.remove(&dropped);
    early.record.changes.truncate(1);
    for files in [[&[&early][..], &[&late]], [&[&late][..], &[&early]]] {
        let served = Served::new(&files);
        assert_eq!(served.archives.repositories(), 1);
        assert_eq!(served.version(GUN, "timestamp").await, 3);
        assert_eq!(served.version(GUN, "targets").await, 3);
        for version in 1..=3 {
            let name = format!("{version}.timestamp.json");
            let answer = served.file(GUN, &name).await;
            assert_eq!(answer.body, server.file(GUN, &name).await.body);
            assert_eq!(
                answer.header("signet-archive-captured"),
                Some("2026-11-23T13:00:00Z")
            );
        }
        let survey = served.archives.survey().unwrap();
        assert_eq!(survey.states, BTreeMap::from([(State::Trusted, 1)]));
        let path = format!("/v2/{GUN}/_trust/changefeed?records=10");
        assert_eq!(
            served.get(&path).await.text(),
            server.get(&path).await.text()
        );
    }
}

#[tokio::test]
async fn captures_that_contradict_each_other_are_refused() {
    let (server, publisher) = published(GUN, 2).await;
    let one = capture(&server, GUN).await;
    // Another repository of the same name.
    let (impostor, _) = published(GUN, 3).await;
    let other = capture(&impostor, GUN).await;
    // The same chain of roots, and another targets 2.
    let mut forked = one.clone();
    let wrong = publisher.targets(2, &["other"]);
    let role = RoleName::targets();
    let wrong = Bytes::from(wrong);
    let document = Document::of(&role, &wrong, None);
    forked
        .record
        .documents
        .retain(|one| (&one.role, one.version) != (&role, 2));
    forked.record.current.insert(role, document.sha256);
    forked.objects.insert(document.sha256, wrong);
    forked.record.documents.push(document);
    tidy(&mut forked);
    let fine = capture(&published(OTHER, 1).await.0, OTHER).await;
    for (rival, what) in [
        (&other, "different documents as version 1 of root"),
        (&forked, "different documents as version 2 of targets"),
    ] {
        for files in [
            [&[&one, &fine][..], &[rival]],
            [&[rival][..], &[&one, &fine]],
        ] {
            let served = Served::new(&files);
            for name in ["root.json", "1.timestamp.json"] {
                let refused = served.file(GUN, name).await;
                assert_eq!(refused.code(), "ARCHIVES_CONTRADICT");
                refused.assert_refused(
                    "ErrValidation",
                    &format!("the archives of this server contradict each other about this repository: they have {what}"),
                );
            }
            served.file(OTHER, "root.json").await.assert_ok();
            assert_eq!(served.archives.survey().unwrap().contradictions, 1);
        }
    }
}

#[tokio::test]
async fn a_root_that_does_not_follow_is_a_contradiction() {
    let (server, publisher) = published(GUN, 1).await;
    let one = capture(&server, GUN).await;
    server
        .post(GUN, &[("root", &publisher.root(2))])
        .await
        .assert_ok();
    let follows = capture(&server, GUN).await;
    // Somebody else's root 2, as from a client's cache: without its root 1, no document is there twice.
    let impostor = Server::new(Backend::Memory).await;
    let mallory = Publisher::published(&impostor, GUN).await;
    publish(&impostor, &mallory, GUN, 2..=4).await;
    let root = mallory.root(2);
    impostor.post(GUN, &[("root", &root)]).await.assert_ok();
    let mut foreign = capture(&impostor, GUN).await;
    let only_current = |repository: &mut ArchivedRepository| {
        let current: Vec<Sha256> = repository.record.current.values().copied().collect();
        repository
            .record
            .documents
            .retain(|one| current.contains(&one.sha256));
        repository
            .objects
            .retain(|digest, _| current.contains(digest));
    };
    only_current(&mut foreign);
    let served = Served::new(&[&[&one], &[&foreign]]);
    let refused = served.file(GUN, "root.json").await;
    assert_eq!(refused.code(), "ARCHIVES_CONTRADICT");
    assert!(
        refused
            .text()
            .contains("their roots do not follow from each other")
    );

    let mut follows = follows;
    only_current(&mut follows);
    let served = Served::new(&[&[&one], &[&follows]]);
    assert_eq!(served.version(GUN, "root").await, 2);
    served.file(GUN, "1.root.json").await.assert_ok();
}

/// A capture of a repository whose keys are all in one hand, as of a timestamp.
fn by_hand(root: &[u8], keys: &[&Key; 3], timestamp: i64, targets: i64) -> ArchivedRepository {
    let expires = NOW + Duration::days(100);
    let [targets_key, snapshot_key, timestamp_key] = keys;
    let targets = seal(&targets_signed(targets, expires, &["v1"]), &[targets_key]);
    let files = [("root", root), ("targets", &targets)];
    let snapshot = snapshot_signed(timestamp, expires, &files);
    let snapshot = seal(&snapshot, &[snapshot_key]);
    let named = serde_json::to_value(signet_tuf::FileMeta::of(&snapshot)).unwrap();
    let signed = json!({
        "_type": "Timestamp", "expires": text(expires), "meta": {"snapshot": named}, "version": timestamp,
    });
    let timestamp = seal(&signed, &[timestamp_key]);
    let mut repository = blank(GUN, NOW);
    for (role, bytes) in [
        ("root", root),
        ("snapshot", &snapshot),
        ("targets", &targets),
        ("timestamp", &timestamp),
    ] {
        let (role, bytes): (RoleName, _) = (role.parse().unwrap(), Bytes::copy_from_slice(bytes));
        let document = Document::of(&role, &bytes, None);
        repository.record.current.insert(role, document.sha256);
        repository.objects.insert(document.sha256, bytes);
        repository.record.documents.push(document);
    }
    repository
}

#[tokio::test]
async fn a_newer_state_that_goes_back_is_a_contradiction() {
    let owner = Key::root(GUN, NOW);
    let keys = [(); 3].map(|()| Key::new());
    let [targets, snapshot, timestamp] = keys.each_ref();
    let root = root_signed(
        1,
        NOW + Duration::days(100),
        &[&owner.public],
        &targets.public,
        &snapshot.public,
        &timestamp.public,
    );
    let root = seal(&root, &[&owner]);
    let at = |timestamp, targets| by_hand(&root, &keys.each_ref(), timestamp, targets);
    let (before, on, back) = (at(1, 2), at(2, 3), at(2, 1));
    let served = Served::new(&[&[&on], &[&before]]);
    assert_eq!(served.version(GUN, "targets").await, 3);
    let survey = served.archives.survey().unwrap();
    assert_eq!(survey.states, BTreeMap::from([(State::Trusted, 1)]));
    for files in [[&[&before][..], &[&back]], [&[&back][..], &[&before]]] {
        let served = Served::new(&files);
        let refused = served.file(GUN, "timestamp.json").await;
        assert_eq!(refused.code(), "ARCHIVES_CONTRADICT");
        let text = "what one has as newer goes back to an older targets";
        assert!(refused.text().contains(text), "{}", refused.text());
    }
}

#[tokio::test]
async fn a_newer_state_that_does_not_hold_takes_no_ones_place() {
    let (server, publisher) = published(GUN, 1).await;
    let whole = capture(&server, GUN).await;
    publish(&server, &publisher, GUN, [2]).await;
    let mut torn = capture_at(&server, GUN, NOW + Duration::HOUR).await;
    let is_newest = |one: &Document| one.role == RoleName::targets() && one.version == 2;
    torn.record.documents.retain(|one| !is_newest(one));
    tidy(&mut torn);
    torn.record.current.remove(&RoleName::targets());
    for files in [[&[&whole][..], &[&torn]], [&[&torn][..], &[&whole]]] {
        let served = Served::new(&files);
        assert_eq!(served.version(GUN, "timestamp").await, 1);
        assert_eq!(served.version(GUN, "targets").await, 1);
        served.file(GUN, "2.timestamp.json").await.assert_ok();
    }
    // Alone it is served as it is.
    let served = Served::new(&[&[&torn]]);
    assert_eq!(served.version(GUN, "timestamp").await, 2);
    assert_eq!(served.file(GUN, "targets.json").await.status, 404);
}
