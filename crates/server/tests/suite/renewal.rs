//! Renewal of timestamps and snapshots: acceptance cases 41 and 42 of the specification (`server.md`).

use std::sync::Arc;

use serde_json::json;
use signet_server::trust::MemoryTrust;
use time::Duration;

use crate::fixture::{Backend, NOW, Server};
use crate::publisher::{Publisher, text};

const GUN: &str = "registry.example.com/a/b";

#[tokio::test]
async fn case_41_an_expired_timestamp_is_renewed_when_read() {
    for mut server in Server::on_every_store().await {
        Publisher::published(&server, GUN).await;
        let first = server.file(GUN, "timestamp.json").await.body;
        let snapshot = server.file(GUN, "snapshot.json").await.body;
        let later = NOW + Duration::days(15);
        server.set_time(later);
        server.restart();
        let second = server.file(GUN, "timestamp.json").await;
        let signed = second.json()["signed"].clone();
        assert_eq!(signed["version"], 2);
        assert_eq!(signed["expires"], text(later + Duration::days(14)));
        assert_eq!(
            second.header("last-modified"),
            Some("Tue, 08 Dec 2026 12:00:00 GMT")
        );
        assert_eq!(server.file(GUN, "timestamp.json").await.body, second.body);
        assert_eq!(server.file(GUN, "1.timestamp.json").await.body, first);
        assert_eq!(server.file(GUN, "snapshot.json").await.body, snapshot);
        let feed = server.feed(GUN).await;
        assert_eq!(feed.iter().map(|(_, v, _)| *v).collect::<Vec<_>>(), [1, 2]);
    }
}

#[tokio::test]
async fn case_42_an_expired_snapshot_is_renewed_with_its_timestamp() {
    for server in Server::on_every_store().await {
        Publisher::published(&server, GUN).await;
        let before = server.signed(GUN, "snapshot").await;
        server.set_time(NOW + Duration::days(1100));
        let snapshot = server.file(GUN, "snapshot.json").await;
        assert_eq!(snapshot.json()["signed"]["version"], 2);
        assert_eq!(snapshot.json()["signed"]["meta"], before["meta"]);
        let timestamp = server.signed(GUN, "timestamp").await;
        assert_eq!(timestamp["version"], 2);
        let named = serde_json::to_value(signet_tuf::FileMeta::of(&snapshot.body)).unwrap();
        assert_eq!(timestamp["meta"]["snapshot"], named);
        assert_eq!(server.feed(GUN).await.len(), 2);
        assert_eq!(server.signed(GUN, "timestamp").await["version"], 2);
    }
}

#[tokio::test]
async fn what_cannot_be_renewed_is_served_as_it_is() {
    for server in Server::on_every_store().await {
        // The publisher signs the snapshot.
        let publisher = Publisher::new(&server, GUN).await;
        let root = publisher.root_with_own_snapshot(1);
        let targets = publisher.targets(1, &["v1"]);
        let snapshot = publisher.snapshot(1, &[("root", &root), ("targets", &targets)]);
        let parts = [
            ("root", &root[..]),
            ("targets", &targets[..]),
            ("snapshot", &snapshot[..]),
        ];
        server.post(GUN, &parts).await.assert_ok();
        server.set_time(publisher.expires + Duration::DAY);
        for _ in 0..3 {
            assert_eq!(server.file(GUN, "snapshot.json").await.body, snapshot);
            assert_eq!(server.signed(GUN, "timestamp").await["version"], 1);
        }
        assert_eq!(server.feed(GUN).await.len(), 1);
    }
}

#[tokio::test]
async fn a_lost_timestamp_key_does_not_take_the_repository_away() {
    for server in Server::on_every_store().await {
        Publisher::published(&server, GUN).await;
        let before = server.file(GUN, "timestamp.json").await.body;
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::clone(&server.store);
        let trust = Arc::new(MemoryTrust::new());
        let other = Server::on(store, trust, signet_server::Settings::default(), folder);
        other.set_time(NOW + Duration::days(15));
        assert_eq!(other.file(GUN, "timestamp.json").await.body, before);
        let publish = other.post(GUN, &[]).await;
        publish.assert_refused(
            "ErrBadHierarchy",
            "no snapshot was included in update and server does not hold current snapshot key for repository: the root of this repository lists server keys that this server does not hold; 'notary takeover' with the owner's root key gives it keys of this server",
        );
    }
}

#[tokio::test]
async fn renewal_comes_a_day_before_expiry_and_only_once() {
    for server in Server::on_every_store().await {
        Publisher::published(&server, GUN).await;
        server.set_time(NOW + Duration::days(12));
        assert_eq!(server.signed(GUN, "timestamp").await["version"], 1);
        // Servers that share a database spread the beginning over an eighth of the day.
        server.set_time(NOW + Duration::days(13) + Duration::hours(4));
        for _ in 0..3 {
            assert_eq!(server.signed(GUN, "timestamp").await["version"], 2);
        }
        assert_eq!(server.feed(GUN).await.len(), 2);
    }
}

#[tokio::test]
async fn a_publishers_snapshot_that_ends_soon_does_not_renew_the_timestamp_again_and_again() {
    for server in Server::on_every_store().await {
        let mut publisher = Publisher::new(&server, GUN).await;
        publisher.expires = NOW + Duration::hours(12);
        let root = publisher.root_with_own_snapshot(1);
        let targets = publisher.targets(1, &["v1"]);
        let snapshot = publisher.snapshot(1, &[("root", &root), ("targets", &targets)]);
        let parts = [
            ("root", &root[..]),
            ("targets", &targets[..]),
            ("snapshot", &snapshot[..]),
        ];
        server.post(GUN, &parts).await.assert_ok();
        for minute in 0..10 {
            server.set_time(NOW + Duration::minutes(5 * minute));
            assert_eq!(server.signed(GUN, "timestamp").await["version"], 1);
        }
    }
}

#[tokio::test]
async fn an_expired_root_stops_renewal() {
    for server in Server::on_every_store().await {
        let mut publisher = Publisher::new(&server, GUN).await;
        publisher.expires = NOW + Duration::days(2);
        let (root, targets) = (publisher.root(1), publisher.targets(1, &[]));
        let parts = [("root", &root[..]), ("targets", &targets[..])];
        server.post(GUN, &parts).await.assert_ok();
        server.set_time(NOW + Duration::days(20));
        let timestamp = server.signed(GUN, "timestamp").await;
        assert_eq!(timestamp["version"], json!(1));
    }
}

#[tokio::test]
async fn a_survey_renews_what_nobody_reads_and_tells_what_it_cannot() {
    for mut server in Server::on_every_store().await {
        Publisher::published(&server, GUN).await;
        let pause = std::time::Duration::ZERO;
        let survey = server.app.survey(pause).await.unwrap();
        assert_eq!(
            (survey.repositories, survey.expired, survey.overdue),
            (1, 0, 0)
        );
        assert_eq!(server.feed(GUN).await.len(), 1, "nothing was due");
        // Half a day before the end.
        server.set_time(NOW + Duration::days(13) + Duration::hours(12));
        server.restart();
        let survey = server.app.survey(pause).await.unwrap();
        assert_eq!(
            (survey.repositories, survey.expired, survey.overdue),
            (1, 0, 0)
        );
        assert_eq!(server.feed(GUN).await.len(), 2);
        server.app.survey(pause).await.unwrap();
        assert_eq!(server.feed(GUN).await.len(), 2, "once is enough");
    }
    // A server that does not hold the keys.
    let mut server = Server::new(Backend::Memory).await;
    Publisher::published(&server, GUN).await;
    server.trust = Arc::new(MemoryTrust::new());
    server.restart();
    let pause = std::time::Duration::ZERO;
    server.set_time(NOW + Duration::days(13) + Duration::hours(18));
    let survey = server.app.survey(pause).await.unwrap();
    assert_eq!((survey.expired, survey.overdue), (0, 1));
    server.set_time(NOW + Duration::days(15));
    let survey = server.app.survey(pause).await.unwrap();
    assert_eq!((survey.expired, survey.overdue), (1, 1));
}
