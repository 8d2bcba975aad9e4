//! Many at the same moment: acceptance cases 39 and 43 of the specification (`server.md`).

use std::collections::BTreeSet;
use std::sync::Arc;

use time::Duration;

use crate::fixture::{Answer, Backend, NOW, Server};
use crate::publisher::Publisher;

const GUN: &str = "registry.example.com/a/b";

async fn at_once<F>(count: usize, call: impl Fn(usize) -> F) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..count {
        tasks.spawn(call(n));
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_39_of_parallel_updates_to_one_version_one_wins() {
    for backend in Backend::ALL {
        let server = Arc::new(Server::new(backend).await);
        let publisher = Arc::new(Publisher::published(&server, GUN).await);
        for round in 2..12 {
            let answers = at_once(8, |n| {
                let (server, publisher) = (Arc::clone(&server), Arc::clone(&publisher));
                async move {
                    let targets = publisher.targets(round, &[&format!("by-{n}")]);
                    server.post(GUN, &[("targets", &targets)]).await
                }
            })
            .await;
            let winners = answers.iter().filter(|a| a.status == 200).count();
            assert_eq!(winners, 1, "round {round}");
            for loser in answers.iter().filter(|a| a.status != 200) {
                loser.assert_conflict();
            }
        }
        // One change per timestamp, and every stored version is one that was uploaded.
        let feed = server.feed(GUN).await;
        let versions: Vec<i64> = feed.iter().map(|(_, v, _)| *v).collect();
        assert_eq!(versions, (1..=11).collect::<Vec<_>>());
        for version in 2..12 {
            let stored = server.file(GUN, &format!("{version}.targets.json")).await;
            let mut uploads = (0..8).map(|n| {
                let signed = crate::publisher::targets_signed(
                    version,
                    publisher.expires,
                    &[&format!("by-{n}")],
                );
                signed["targets"].clone()
            });
            assert!(uploads.any(|targets| targets == stored.json()["signed"]["targets"]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn updates_of_different_roles_at_the_same_moment_all_succeed() {
    for backend in Backend::ALL {
        let server = Arc::new(Server::new(backend).await);
        let publisher = Arc::new(Publisher::published(&server, GUN).await);
        let key = crate::publisher::Key::new();
        let mut signed = crate::publisher::targets_signed(2, publisher.expires, &[]);
        for n in 0..8 {
            let role = format!("targets/{n}");
            crate::publisher::delegate(&mut signed, &role, &[&key], &[""]);
        }
        let targets = crate::publisher::seal(&signed, &[&publisher.targets]);
        server.post(GUN, &[("targets", &targets)]).await.assert_ok();
        let child = crate::publisher::targets_signed(1, publisher.expires, &["x"]);
        let child = Arc::new(crate::publisher::seal(&child, &[&key]));
        let answers = at_once(8, |n| {
            let (server, child) = (Arc::clone(&server), Arc::clone(&child));
            async move {
                let role = format!("targets/{n}");
                server.post(GUN, &[(&role, &child)]).await
            }
        })
        .await;
        for answer in answers {
            answer.assert_ok();
        }
        let snapshot = server.signed(GUN, "snapshot").await;
        assert_eq!(snapshot["meta"].as_object().unwrap().len(), 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_43_parallel_readers_of_an_expired_timestamp_renew_it_once() {
    for backend in Backend::ALL {
        let server = Arc::new(Server::new(backend).await);
        Publisher::published(&server, GUN).await;
        server.set_time(NOW + Duration::days(15));
        let answers = at_once(16, |_| {
            let server = Arc::clone(&server);
            async move { server.file(GUN, "timestamp.json").await }
        })
        .await;
        let bodies: BTreeSet<_> = answers
            .iter()
            .map(|answer| answer.assert_ok().body.clone())
            .collect();
        assert_eq!(bodies.len(), 1);
        assert_eq!(server.feed(GUN).await.len(), 2);
        assert_eq!(server.signed(GUN, "timestamp").await["version"], 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d06_parallel_requests_for_keys_give_one_pending_key() {
    let server = Arc::new(Server::new(Backend::Memory).await);
    let answers = at_once(32, |_| {
        let server = Arc::clone(&server);
        async move { server.file(GUN, "timestamp.key").await }
    })
    .await;
    let keys: BTreeSet<_> = answers.iter().map(|a| a.assert_ok().body.clone()).collect();
    assert_eq!(keys.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_updates_while_others_publish() {
    for backend in Backend::ALL {
        let server = Arc::new(Server::new(backend).await);
        let publisher = Publisher::published(&server, GUN).await;
        let reader = {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let mut last = 0;
                while last < 20 {
                    let timestamp = server.signed(GUN, "timestamp").await;
                    let digest = timestamp["meta"]["snapshot"]["hashes"]["sha256"].clone();
                    let digest = digest.as_str().unwrap().as_bytes();
                    let digest = data_encoding::BASE64.decode(digest).unwrap();
                    let hex = data_encoding::HEXLOWER.encode(&digest);
                    let name = format!("snapshot.{hex}.json");
                    server.file(GUN, &name).await.assert_ok();
                    let version = timestamp["version"].as_i64().unwrap();
                    assert!(version >= last);
                    last = version;
                    tokio::task::yield_now().await;
                }
            })
        };
        for version in 2..=20 {
            let targets = publisher.targets(version, &["v1"]);
            server.post(GUN, &[("targets", &targets)]).await.assert_ok();
        }
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_that_goes_away_leaves_nothing_half_done() {
    use std::future::poll_fn;
    use std::task::Poll;

    let server = Arc::new(Server::new(Backend::Sqlite).await);
    let publisher = Publisher::published(&server, GUN).await;
    for round in 0..40 {
        let version = server.signed(GUN, "targets").await["version"]
            .as_i64()
            .unwrap();
        let targets = publisher.targets(version + 1, &["v1"]);
        let parts = [("targets", &targets[..])];
        let mut request = Box::pin(server.post(GUN, &parts));
        // Given up after so many steps.
        let mut steps = round % 8;
        poll_fn(|context| {
            if request.as_mut().poll(context).is_ready() || steps == 0 {
                return Poll::Ready(());
            }
            steps -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        drop(request);
        // Whatever became of it: what is current hangs together, and is what the store says.
        let timestamp = server.signed(GUN, "timestamp").await;
        let snapshot = server.file(GUN, "snapshot.json").await;
        let named = serde_json::to_value(signet_tuf::FileMeta::of(&snapshot.body)).unwrap();
        if timestamp["meta"]["snapshot"] != named {
            // The update came to its end between the two reads.
            let again = server.signed(GUN, "timestamp").await;
            assert_eq!(again["meta"]["snapshot"], named);
        }
        let next = publisher.targets(version + 2, &["v1", "v2"]);
        server.post(GUN, &[("targets", &next)]).await.assert_ok();
        assert_eq!(server.file(GUN, "targets.json").await.body, next);
    }
    let feed = server.feed(GUN).await;
    let versions: Vec<i64> = feed.iter().map(|(_, v, _)| *v).collect();
    let last = i64::try_from(versions.len()).unwrap();
    assert_eq!(versions, (1..=last).collect::<Vec<_>>());
    let store_last = server.signed(GUN, "timestamp").await["version"].clone();
    assert_eq!(store_last, last);
}
