//! Many clients on repositories that nobody has asked for before: acceptance case 62 of the specification (`server.md`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use signet_server::Settings;
use signet_server::store::{Commit, MetadataStore, MySqlStore, NewDocument};
use signet_server::trust::MemoryTrust;
use signet_sql::PoolLimits;
use signet_testkit::peer::{Database as _, MariaDb};
use signet_tuf::{Gun, RoleName};

use crate::fixture::{Backend, NOW, Server};
use crate::publisher::Publisher;

const GUNS: usize = 300;
const CLIENTS: usize = 64;
const SESSIONS: u32 = 4;
/// Most queries of one client; one every few milliseconds would be enough to find a session too many.
const ROUNDS: usize = 60;

/// The documents of a repository, to be stored under any name: reading verifies nothing.
async fn documents() -> Vec<NewDocument> {
    let server = Server::new(Backend::Memory).await;
    Publisher::published(&server, "a").await;
    let mut documents = Vec::new();
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let role: RoleName = role.parse().unwrap();
        let stored = server.store.newest(&"a".parse().unwrap(), &role).await;
        let stored = stored.unwrap().unwrap();
        documents.push(NewDocument {
            role,
            version: stored.version,
            sha256: stored.sha256,
            data: stored.data,
        });
    }
    documents
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_62_many_clients_on_cold_repositories_use_few_sessions() {
    let database = Arc::new(MariaDb::shared().unwrap());
    database.make_tables().unwrap();
    let limits = PoolLimits {
        connections: SESSIONS,
        acquire: Duration::from_secs(30),
    };
    let pool = signet_sql::mysql::connect(&database.url(), limits)
        .await
        .unwrap();
    let store = MySqlStore::open(pool).await.unwrap();
    let mut documents = documents().await;
    let timestamp = documents.pop().unwrap();
    let gun = |n: usize| format!("cold/r{n}");
    for n in 0..GUNS {
        let gun: Gun = gun(n).parse().unwrap();
        let commit = Commit {
            gun: &gun,
            base: None,
            documents: &documents,
            timestamp: &timestamp,
            now: NOW,
        };
        store.commit(&commit).await.unwrap();
    }
    let server = Arc::new(Server::on(
        Arc::new(store),
        Arc::new(MemoryTrust::new()),
        Settings::default(),
        tempfile::tempdir().unwrap(),
    ));
    let (over, most) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let watch = {
        let (over, most) = (Arc::clone(&over), Arc::clone(&most));
        let database = Arc::clone(&database);
        tokio::task::spawn_blocking(move || {
            let sessions = format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID()",
                database.name()
            );
            while !over.load(Ordering::SeqCst) {
                let count = database.query(&sessions).unwrap();
                most.fetch_max(count.trim().parse().unwrap(), Ordering::SeqCst);
            }
        })
    };
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let server = Arc::clone(&server);
        clients.spawn(async move {
            for round in 0..ROUNDS {
                let gun = gun((client * 37 + round * 11) % GUNS);
                let name = ["timestamp", "snapshot", "root", "targets"][round % 4];
                server.file(&gun, &format!("{name}.json")).await.assert_ok();
                server
                    .file(&gun, &format!("1.{name}.json"))
                    .await
                    .assert_ok();
            }
        });
    }
    clients.join_all().await;
    over.store(true, Ordering::SeqCst);
    watch.await.unwrap();
    let most = most.load(Ordering::SeqCst);
    assert!((1..=4).contains(&most), "{most} sessions");
}
