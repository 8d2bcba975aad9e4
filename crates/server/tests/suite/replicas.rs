//! Two servers on one database: what one of them does, the other's next answer knows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::StatusCode;
use signet_server::store::MetadataStore;
use signet_server::trust::MemoryTrust;
use signet_server::{Limits, Settings};
use signet_testkit::peer::{Database, PostgreSql};
use signet_tuf::crypto::sha256;
use time::Duration;

use crate::fixture::{Answer, NOW, Server, open_postgres};
use crate::mysql::{self, go_database};
use crate::publisher::{Key, Publisher, delegate, seal, targets_signed};
use crate::shared::SharedMemory;

const GUN: &str = "registry.example.com/a/b";
const CURRENT: [&str; 4] = [
    "root.json",
    "targets.json",
    "snapshot.json",
    "timestamp.json",
];

/// Two servers with the same keys, each with a store of its own onto one database.
struct Pair {
    one: Arc<Server>,
    other: Arc<Server>,
    /// Dropped after the servers.
    _database: Option<Box<dyn Database>>,
}

impl Pair {
    fn of(one: Arc<dyn MetadataStore>, other: Arc<dyn MetadataStore>, settings: &Settings) -> Self {
        let trust = Arc::new(MemoryTrust::new());
        let server = |store| {
            let folder = tempfile::tempdir().unwrap();
            Arc::new(Server::on(
                store,
                Arc::clone(&trust) as _,
                settings.clone(),
                folder,
            ))
        };
        Self {
            one: server(one),
            other: server(other),
            _database: None,
        }
    }

    fn on(mut self, database: impl Database + 'static) -> Self {
        self._database = Some(Box::new(database));
        self
    }

    /// The server that number `n` of several clients talks to.
    fn server(&self, n: usize) -> &Arc<Server> {
        if n.is_multiple_of(2) {
            &self.one
        } else {
            &self.other
        }
    }

    fn set_time(&self, now: time::OffsetDateTime) {
        self.one.set_time(now);
        self.other.set_time(now);
    }

    async fn at_once<F>(&self, count: usize, call: impl Fn(usize, Arc<Server>) -> F) -> Vec<Answer>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..count {
            tasks.spawn(call(n, Arc::clone(self.server(n))));
        }
        tasks.join_all().await
    }
}

/// A pair on every kind of store that is shared.
async fn pairs() -> Vec<Pair> {
    pairs_with(Settings::default()).await
}

async fn pairs_with(settings: Settings) -> Vec<Pair> {
    let memory = SharedMemory::default();
    let other = memory.another();
    let in_memory = Pair::of(Arc::new(memory), Arc::new(other), &settings);
    let mut pairs = vec![in_memory];
    let database = go_database();
    let one = mysql::open(&database.limited_url()).await;
    let other = mysql::open(&database.limited_url()).await;
    let pair = Pair::of(Arc::new(one), Arc::new(other), &settings);
    pairs.push(pair.on(database));
    let database = PostgreSql::shared().unwrap();
    let (one, other) = (
        open_postgres(&database).await,
        open_postgres(&database).await,
    );
    let pair = Pair::of(Arc::new(one), Arc::new(other), &settings);
    pairs.push(pair.on(database));
    pairs
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&sha256(bytes))
}

/// Every name under which a server has the documents of the repository: current, by version, by checksum.
async fn names(server: &Server) -> Vec<String> {
    let mut names = Vec::new();
    for current in CURRENT {
        let role = current.strip_suffix(".json").unwrap();
        let answer = server.file(GUN, current).await;
        let body = &answer.assert_ok().body;
        names.push(current.to_owned());
        names.push(format!("{}.{current}", answer.json()["signed"]["version"]));
        names.push(format!("{role}.{}.json", hex(body)));
    }
    names
}

#[tokio::test]
async fn what_is_published_here_is_current_there_at_once() {
    for pair in pairs().await {
        let publisher = Publisher::published(&pair.one, GUN).await;
        for version in 2..6 {
            // Both have everything in memory.
            for name in names(&pair.one).await {
                pair.one.file(GUN, &name).await.assert_ok();
                pair.other.file(GUN, &name).await.assert_ok();
            }
            let (here, there) = (pair.server(version), pair.server(version + 1));
            let tag = format!("v{version}");
            let targets = publisher.targets(i64::try_from(version).unwrap(), &[&tag]);
            here.post(GUN, &[("targets", &targets)]).await.assert_ok();
            assert_eq!(there.file(GUN, "targets.json").await.body, targets);
            for name in names(here).await {
                let (a, b) = (here.file(GUN, &name).await, there.file(GUN, &name).await);
                assert_eq!(a.assert_ok().body, b.assert_ok().body, "{name}");
            }
            let by_version = format!("{version}.targets.json");
            assert_eq!(there.file(GUN, &by_version).await.body, targets);
        }
    }
}

#[tokio::test]
async fn what_is_deleted_here_is_gone_there_at_once() {
    for pair in pairs().await {
        let publisher = Publisher::published(&pair.one, GUN).await;
        let names = names(&pair.one).await;
        for name in &names {
            pair.one.file(GUN, name).await.assert_ok();
            pair.other.file(GUN, name).await.assert_ok();
        }
        let path = format!("/v2/{GUN}/_trust/tuf/");
        pair.one.call("DELETE", &path).await.assert_ok();
        for name in &names {
            for server in [&pair.one, &pair.other] {
                let answer = server.file(GUN, name).await;
                assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
            }
        }
        // What is published to the other one builds on nothing that was deleted.
        let answer = pair.other.post(GUN, &[]).await;
        answer.assert_refused(
            "ErrValidation",
            "no pre-existing root and no root provided in update.",
        );
        let next = publisher.targets(2, &["v2"]);
        let answer = pair.other.post(GUN, &[("targets", &next)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}

/// Class A18: what is kept in memory is found by what it is, and not by a name that may mean something else by now.
#[tokio::test]
async fn a18_a_repository_of_the_same_name_and_versions_is_another_one() {
    for pair in pairs().await {
        Publisher::published(&pair.one, GUN).await;
        let before = names(&pair.one).await;
        let mut old = Vec::new();
        for name in &before {
            let answer = pair.one.file(GUN, name).await;
            old.push((name, answer.assert_ok().body.clone()));
            pair.other.file(GUN, name).await.assert_ok();
        }
        let path = format!("/v2/{GUN}/_trust/tuf/");
        pair.one.call("DELETE", &path).await.assert_ok();
        // Other keys, the same version numbers.
        Publisher::published(&pair.one, GUN).await;
        for (name, body) in &old {
            let (here, there) = (
                pair.one.file(GUN, name).await,
                pair.other.file(GUN, name).await,
            );
            assert_eq!(
                (here.status, &here.body),
                (there.status, &there.body),
                "{name}"
            );
            if there.status == StatusCode::OK {
                assert_ne!(there.body, body, "{name} is what was deleted");
            }
            let is_checksum = name.len() > 64;
            let expected = if is_checksum {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::OK
            };
            assert_eq!(there.status, expected, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_39_of_parallel_updates_over_two_servers_one_wins() {
    for pair in pairs().await {
        let publisher = Arc::new(Publisher::published(&pair.one, GUN).await);
        for round in 2..12 {
            let answers = pair
                .at_once(8, |n, server| {
                    let publisher = Arc::clone(&publisher);
                    async move {
                        let targets = publisher.targets(round, &[&format!("by-{n}")]);
                        server.post(GUN, &[("targets", &targets)]).await
                    }
                })
                .await;
            let winners = answers.iter().filter(|a| a.status == StatusCode::OK);
            assert_eq!(winners.count(), 1, "round {round}");
            for loser in answers.iter().filter(|a| a.status != StatusCode::OK) {
                loser.assert_conflict();
            }
        }
        let versions: Vec<i64> = pair
            .one
            .feed(GUN)
            .await
            .iter()
            .map(|(_, v, _)| *v)
            .collect();
        assert_eq!(versions, (1..=11).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn updates_of_different_roles_over_two_servers_all_succeed() {
    const ROLES: usize = 12;
    for pair in pairs().await {
        let publisher = Publisher::published(&pair.one, GUN).await;
        let key = Key::new();
        let mut signed = targets_signed(2, publisher.expires, &[]);
        for n in 0..ROLES {
            delegate(&mut signed, &format!("targets/{n}"), &[&key], &[""]);
        }
        let targets = seal(&signed, &[&publisher.targets]);
        pair.one
            .post(GUN, &[("targets", &targets)])
            .await
            .assert_ok();
        let child = Arc::new(seal(&targets_signed(1, publisher.expires, &["x"]), &[&key]));
        let answers = pair
            .at_once(ROLES, |n, server| {
                let child = Arc::clone(&child);
                async move { server.post(GUN, &[(&format!("targets/{n}"), &child)]).await }
            })
            .await;
        for answer in answers {
            answer.assert_ok();
        }
        for server in [&pair.one, &pair.other] {
            let snapshot = server.signed(GUN, "snapshot").await;
            assert_eq!(snapshot["meta"].as_object().unwrap().len(), ROLES + 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_43_readers_of_two_servers_renew_an_expired_timestamp_once() {
    for pair in pairs().await {
        Publisher::published(&pair.one, GUN).await;
        for round in 1..6 {
            pair.set_time(NOW + Duration::days(15 * round));
            let answers = pair
                .at_once(16, |_, server| async move {
                    server.file(GUN, "timestamp.json").await
                })
                .await;
            let bodies: BTreeSet<_> = answers
                .iter()
                .map(|answer| answer.assert_ok().body.clone())
                .collect();
            assert_eq!(bodies.len(), 1);
            let feed = pair.other.feed(GUN).await;
            assert_eq!(feed.len(), usize::try_from(round).unwrap() + 1);
            let timestamp = pair.one.signed(GUN, "timestamp").await;
            assert_eq!(timestamp["version"], round + 1);
        }
    }
}

/// Renewals before the end do not come at the same moment on all servers, and always between 7/8 and all of the margin.
#[tokio::test]
async fn early_renewal_is_spread_over_the_servers() {
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let settings = Settings {
        limits: Limits {
            renew_before: day,
            ..Limits::default()
        },
        ..Settings::default()
    };
    let end = NOW + Duration::days(14);
    for pair in pairs_with(settings).await {
        Publisher::published(&pair.one, GUN).await;
        pair.set_time(end - Duration::DAY - Duration::SECOND);
        for server in [&pair.one, &pair.other] {
            assert_eq!(server.signed(GUN, "timestamp").await["version"], 1);
        }
        pair.set_time(end - Duration::hours(21) + Duration::SECOND);
        for server in [&pair.one, &pair.other] {
            assert_eq!(server.signed(GUN, "timestamp").await["version"], 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_updates_while_another_server_publishes() {
    for pair in pairs().await {
        let publisher = Publisher::published(&pair.one, GUN).await;
        let reader = {
            let server = Arc::clone(&pair.other);
            tokio::spawn(async move {
                let mut last = 0;
                while last < 20 {
                    let timestamp = server.file(GUN, "timestamp.json").await;
                    let meta = timestamp.assert_ok().json()["signed"]["meta"]["snapshot"].clone();
                    let digest = meta["hashes"]["sha256"].as_str().unwrap().to_owned();
                    let digest = data_encoding::BASE64.decode(digest.as_bytes()).unwrap();
                    let name = format!("snapshot.{}.json", data_encoding::HEXLOWER.encode(&digest));
                    let snapshot = server.file(GUN, &name).await;
                    let targets = &snapshot.assert_ok().json()["signed"]["meta"]["targets"];
                    let digest = targets["hashes"]["sha256"].as_str().unwrap();
                    let digest = data_encoding::BASE64.decode(digest.as_bytes()).unwrap();
                    let name = format!("targets.{}.json", data_encoding::HEXLOWER.encode(&digest));
                    server.file(GUN, &name).await.assert_ok();
                    let version = timestamp.json()["signed"]["version"].as_i64().unwrap();
                    assert!(version >= last, "version {version} after {last}");
                    last = version;
                }
            })
        };
        for version in 2..21 {
            let targets = publisher.targets(version, &["v1"]);
            let answer = pair.one.post(GUN, &[("targets", &targets)]).await;
            answer.assert_ok();
        }
        tokio::time::timeout(std::time::Duration::from_secs(60), reader)
            .await
            .unwrap()
            .unwrap();
    }
}

fn memory_pair() -> (Arc<SharedMemory>, Arc<SharedMemory>, Pair) {
    let one = Arc::new(SharedMemory::default());
    let other = Arc::new(one.another());
    let pair = Pair::of(
        Arc::clone(&one) as _,
        Arc::clone(&other) as _,
        &Settings::default(),
    );
    (one, other, pair)
}

#[tokio::test]
async fn a_database_that_cannot_be_asked_has_nothing_served_from_memory() {
    let (_, database, pair) = memory_pair();
    Publisher::published(&pair.one, GUN).await;
    let names = names(&pair.other).await;
    for name in &names {
        pair.other.file(GUN, name).await.assert_ok();
    }
    database.down.store(true, Ordering::SeqCst);
    for name in &names {
        let answer = pair.other.file(GUN, name).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{name}");
        pair.one.file(GUN, name).await.assert_ok();
    }
    database.down.store(false, Ordering::SeqCst);
    for name in &names {
        pair.other.file(GUN, name).await.assert_ok();
    }
}

#[tokio::test]
async fn what_is_in_memory_costs_one_question_and_together_less() {
    let (_, database, pair) = memory_pair();
    Publisher::published(&pair.one, GUN).await;
    let names = names(&pair.other).await;
    for name in &names {
        pair.other.file(GUN, name).await.assert_ok();
    }
    let reads = database.reads.load(Ordering::SeqCst);
    let heads = database.heads.load(Ordering::SeqCst);
    for name in &names {
        pair.other.file(GUN, name).await.assert_ok();
    }
    assert_eq!(database.reads.load(Ordering::SeqCst), reads);
    assert_eq!(database.heads.load(Ordering::SeqCst), heads + names.len());
    let asked = (0..100).map(|_| pair.other.file(GUN, "timestamp.json"));
    for answer in futures_util::future::join_all(asked).await {
        answer.assert_ok();
    }
    assert_eq!(database.reads.load(Ordering::SeqCst), reads);
    let together = database.heads.load(Ordering::SeqCst) - heads - names.len();
    assert!(
        together <= 4,
        "{together} queries for 100 requests of one moment"
    );
}
