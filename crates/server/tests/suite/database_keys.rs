//! The server's keys in its database: a restart loses nothing, and a key that cannot be read is never replaced.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use signet_keys::KeyDatabase;
use signet_keys::database::{Algorithm, Options};
use signet_server::Settings;
use signet_server::store::SqliteStore;
use signet_server::trust::DatabaseTrust;
use time::Duration;

use crate::fixture::{NOW, Server, open};
use crate::publisher::{Publisher, server_key};

const GUN: &str = "registry.example.com/a/b";

async fn start(path: &Path, passphrase: &'static str) -> (Server, Arc<SqliteStore>) {
    let store = Arc::new(open(path).await);
    let alias = move |_: &str| Some(SecretString::from(passphrase));
    let keys = KeyDatabase::open(
        signet_sql::Database::Sqlite(store.pool().clone()),
        Options::new("local"),
        Arc::new(alias),
    );
    let clock = Arc::new(|| NOW);
    let trust = DatabaseTrust::new(keys.await.unwrap(), Algorithm::Ed25519, clock);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on(
        Arc::clone(&store) as _,
        Arc::new(trust),
        Settings::default(),
        folder,
    );
    (server, store)
}

async fn stop(server: Server, store: Arc<SqliteStore>) {
    drop(server);
    store.close().await;
}

#[tokio::test]
async fn a_restart_loses_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let (server, store) = start(&path, "first").await;
    let pending = server_key(&server, GUN, "timestamp").await;
    stop(server, store).await;

    let (server, store) = start(&path, "first").await;
    let publisher = Publisher::new(&server, GUN).await;
    assert_eq!(publisher.server_timestamp, pending);
    let (root, targets) = (publisher.root(1), publisher.targets(1, &["v1"]));
    let parts = [("root", &root[..]), ("targets", &targets[..])];
    server.post(GUN, &parts).await.assert_ok();
    stop(server, store).await;

    let (server, store) = start(&path, "first").await;
    server.set_time(NOW + Duration::days(15));
    assert_eq!(server.signed(GUN, "timestamp").await["version"], 2);
    let next = publisher.targets(2, &["v1", "v2"]);
    server.post(GUN, &[("targets", &next)]).await.assert_ok();
    assert_eq!(server.signed(GUN, "snapshot").await["version"], 2);
    assert_eq!(server_key(&server, GUN, "timestamp").await, pending);
    // Used by now, so the next root gets another one.
    let path = format!("/v2/{GUN}/_trust/tuf/timestamp.key");
    let rotated = server.call("POST", &path).await;
    assert_ne!(rotated.assert_ok().body, server.get(&path).await.body);
    stop(server, store).await;
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let (server, store) = start(&path, "first").await;
    Publisher::published(&server, GUN).await;
    let before = server.file(GUN, "timestamp.json").await.body;
    stop(server, store).await;

    let (server, store) = start(&path, "other").await;
    let key = server.file(GUN, "timestamp.key").await;
    assert_eq!((key.status.as_u16(), &*key.code()), (500, "UNKNOWN"));
    assert_eq!(key.detail(), serde_json::json!({}));
    let publish = server.post(GUN, &[]).await;
    assert_eq!(
        (publish.status.as_u16(), &*publish.code()),
        (500, "UNKNOWN")
    );
    server.set_time(NOW + Duration::days(15));
    assert_eq!(server.file(GUN, "timestamp.json").await.body, before);
    stop(server, store).await;

    let (server, store) = start(&path, "first").await;
    server.post(GUN, &[]).await.assert_ok();
    stop(server, store).await;
}

async fn deleted(store: &SqliteStore) -> Vec<String> {
    sqlx::query_scalar("SELECT key_id FROM private_keys WHERE deleted_at IS NOT NULL ORDER BY id")
        .fetch_all(store.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_key_is_retired_once_a_root_without_it_is_stored_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let (server, store) = start(&folder.path().join("server.db"), "first").await;
    let mut publisher = Publisher::published(&server, GUN).await;
    let old = publisher.server_timestamp.clone();
    let path = format!("/v2/{GUN}/_trust/tuf/timestamp.key");
    let answer = server.call("POST", &path).await;
    publisher.server_timestamp = serde_json::from_slice(&answer.assert_ok().body).unwrap();
    assert_eq!(deleted(&store).await, [""; 0], "nothing is stored yet");
    // A root that is refused changes nothing, also when it lists the key no more.
    let refused = server.post(GUN, &[("root", &publisher.root(5))]).await;
    assert_ne!(refused.status, http::StatusCode::OK);
    assert_eq!(deleted(&store).await, [""; 0]);
    let root = publisher.root(2);
    server.post(GUN, &[("root", &root)]).await.assert_ok();
    assert_eq!(deleted(&store).await, [old.id().as_str()]);
    assert_eq!(
        server_key(&server, GUN, "timestamp").await,
        publisher.server_timestamp
    );

    // The keys of a deleted repository stay: it may be published again with the root that lists them.
    let before = deleted(&store).await;
    server
        .call("DELETE", &format!("/v2/{GUN}/_trust/tuf/"))
        .await
        .assert_ok();
    assert_eq!(deleted(&store).await, before);
    stop(server, store).await;
}
