//! Databases that do not answer: nobody waits for ever, and what was in the way leaves nothing behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use signet_server::Settings;
use signet_server::store::{MetadataStore, MySqlStore, PostgresStore};
use signet_server::trust::MemoryTrust;
use signet_sql::{PoolLimits, mysql, postgres};
use signet_testkit::peer::{Database as _, MariaDb, PostgreSql};
use sqlx::Executor as _;

use crate::fixture::Server;
use crate::publisher::Publisher;

const GUN: &str = "registry.example.com/a/b";
/// How long anything may take here whose limit is less than a second.
const SOON: Duration = Duration::from_secs(20);

fn serving(store: Arc<dyn MetadataStore>) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let trust = Arc::new(MemoryTrust::new());
    Server::on(store, trust, Settings::default(), folder)
}

/// Nothing is answered from what was true before, and everything ends.
async fn everything_fails_soon(server: &Server, publisher: &Publisher) {
    let begun = Instant::now();
    for name in [
        "timestamp.json",
        "root.json",
        "1.root.json",
        "timestamp.key",
    ] {
        let answer = server.file(GUN, name).await;
        // What never changes is in memory, if it may be shown.
        assert!(answer.status.is_server_error(), "{name}: {}", answer.status);
    }
    let targets = publisher.targets(2, &["v2"]);
    let answer = server.post(GUN, &[("targets", &targets)]).await;
    assert!(
        answer.status.is_server_error() || answer.code() == "VERSION",
        "{}",
        answer.text()
    );
    let path = format!("/v2/{GUN}/_trust/changefeed?records=1");
    assert!(server.get(&path).await.status.is_server_error());
    assert!(server.store.check().await.is_err());
    assert!(begun.elapsed() < 3 * SOON, "{:?}", begun.elapsed());
}

async fn everything_works_again(server: &Server, publisher: &Publisher) {
    assert_eq!(server.signed(GUN, "timestamp").await["version"], 1);
    let targets = publisher.targets(2, &["v2"]);
    server.post(GUN, &[("targets", &targets)]).await.assert_ok();
    assert_eq!(server.feed(GUN).await.len(), 2);
}

#[tokio::test]
async fn nobody_waits_for_ever_for_a_lock_on_postgresql() {
    let database = PostgreSql::shared().unwrap();
    database.make_tables().unwrap();
    for limit in ["lock_timeout", "statement_timeout"] {
        database
            .query("DELETE FROM tuf_files; DELETE FROM changefeed")
            .unwrap();
        let source = format!("{}&{limit}=300", database.url());
        let pool = postgres::connect(&source, PoolLimits::default())
            .await
            .unwrap();
        let server = serving(Arc::new(PostgresStore::open(pool).await.unwrap()));
        let publisher = Publisher::published(&server, GUN).await;
        let other = postgres::connect(&database.url(), PoolLimits::default())
            .await
            .unwrap();
        let mut transaction = other.begin().await.unwrap();
        transaction
            .execute("LOCK TABLE tuf_files, changefeed IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        everything_fails_soon(&server, &publisher).await;
        transaction.rollback().await.unwrap();
        everything_works_again(&server, &publisher).await;
    }
}

#[tokio::test]
async fn nobody_waits_for_ever_for_a_lock_on_mariadb() {
    let database = MariaDb::shared().unwrap();
    database.make_tables().unwrap();
    // The names of Go's driver.
    let source = format!("{}&readTimeout=300ms", database.limited_url());
    let pool = mysql::connect(&source, PoolLimits::default())
        .await
        .unwrap();
    let server = serving(Arc::new(MySqlStore::open(pool).await.unwrap()));
    let publisher = Publisher::published(&server, GUN).await;
    let other = mysql::connect(&database.url(), PoolLimits::default())
        .await
        .unwrap();
    let mut holder = other.acquire().await.unwrap();
    holder
        .execute("LOCK TABLES tuf_files WRITE, changefeed WRITE")
        .await
        .unwrap();
    everything_fails_soon(&server, &publisher).await;
    holder.execute("UNLOCK TABLES").await.unwrap();
    everything_works_again(&server, &publisher).await;
}

/// A process that neither answers nor goes away: who wants a new connection is refused, who waits for an answer gets it when the process
/// goes on.
#[tokio::test]
async fn a_database_that_stands_still_refuses_nobody_for_ever() {
    let database = MariaDb::start().unwrap();
    database.make_tables().unwrap();
    let limits = PoolLimits {
        connections: 2,
        acquire: Duration::from_secs(1),
    };
    let pool = mysql::connect(&database.limited_url(), limits)
        .await
        .unwrap();
    let server = serving(Arc::new(MySqlStore::open(pool).await.unwrap()));
    let publisher = Publisher::published(&server, GUN).await;
    database.signal(Signal::STOP).unwrap();
    let begun = Instant::now();
    // As many as there are connections wait, all others are refused.
    let waiting = async {
        let timestamp = format!("/v2/{GUN}/_trust/tuf/timestamp.json");
        let feed = format!("/v2/{GUN}/_trust/changefeed?records=1");
        let one = server.get(&feed);
        let two = server.get(&feed);
        let three = server.get(&feed);
        let four = server.get(&timestamp);
        tokio::join!(one, two, three, four)
    };
    let going_on = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        database.signal(Signal::CONT).unwrap();
    };
    let ((one, two, three, four), ()) = tokio::join!(waiting, going_on);
    let refused = [&one, &two, &three, &four]
        .iter()
        .filter(|answer| answer.status.is_server_error())
        .count();
    let answered = [&one, &two, &three, &four]
        .iter()
        .filter(|answer| answer.status == 200)
        .count();
    assert_eq!(refused + answered, 4);
    assert!(refused >= 2, "{refused}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    everything_works_again(&server, &publisher).await;
}
