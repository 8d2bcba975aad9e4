//! Databases that work and have no connection free.

use std::sync::Arc;
use std::time::Duration;

use signet_server::Settings;
use signet_server::store::{MetadataStore, MySqlStore, PostgresStore};
use signet_server::trust::MemoryTrust;
use signet_sql::PoolLimits;
use signet_testkit::peer::{Database as _, MariaDb, PostgreSql};
use sqlx::{Database, Pool};

use crate::fixture::Server;
use crate::publisher::Publisher;

const GUN: &str = "registry.example.com/a/b";
const LIMITS: PoolLimits = PoolLimits {
    connections: 2,
    acquire: Duration::from_millis(500),
};

/// Takes all connections away, and asks for everything that the store is needed for.
async fn is_asked_to_come_back<DB: Database>(store: Arc<dyn MetadataStore>, pool: Pool<DB>) {
    let folder = tempfile::tempdir().unwrap();
    let trust = Arc::new(MemoryTrust::new());
    let server = Server::on(store, trust, Settings::default(), folder);
    let publisher = Publisher::published(&server, GUN).await;
    let files = format!("/v2/{GUN}/_trust/tuf/");
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let targets = publisher.targets(2, &["v2"]);
    let update = [("targets", &targets[..])];
    let (document, key) = (
        format!("{files}targets.json"),
        format!("{files}timestamp.key"),
    );
    let feed = format!("/v2/{GUN}/_trust/changefeed?records=1");
    let answers = tokio::join!(
        server.get(&document),
        server.get(&key),
        server.get(&feed),
        server.post(GUN, &update),
        server.call("DELETE", &files),
    );
    let (document, key, feed, update, deletion) = answers;
    for (what, answer) in [
        ("document", document),
        ("key", key),
        ("feed", feed),
        ("update", update),
        ("deletion", deletion),
    ] {
        // As Go's server words what it cannot do now.
        let body =
            "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"unknown error\",\"detail\":{}}]}\n";
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (503, body),
            "{what}"
        );
        assert_eq!(answer.header("retry-after"), Some("2"), "{what}");
    }
    drop(held);
    let again = [("targets", &targets[..])];
    server.post(GUN, &again).await.assert_ok();
}

#[tokio::test]
async fn who_finds_postgresql_busy_is_asked_to_come_back() {
    let database = PostgreSql::shared().unwrap();
    database.make_tables().unwrap();
    let pool = signet_sql::postgres::connect(&database.url(), LIMITS).await;
    let pool = pool.unwrap();
    let store = PostgresStore::open(pool.clone()).await.unwrap();
    Box::pin(is_asked_to_come_back(Arc::new(store), pool)).await;
}

#[tokio::test]
async fn who_finds_mysql_busy_is_asked_to_come_back() {
    let database = MariaDb::shared().unwrap();
    database.make_tables().unwrap();
    let pool = signet_sql::mysql::connect(&database.url(), LIMITS).await;
    let pool = pool.unwrap();
    let store = MySqlStore::open(pool.clone()).await.unwrap();
    Box::pin(is_asked_to_come_back(Arc::new(store), pool)).await;
}
