//! PostgreSQL: what every store does, and what only this one has to.

use signet_server::store::PostgresStore;
use signet_sql::{PoolLimits, postgres};
use signet_testkit::peer::{Database as _, PostgreSql};
use time::Duration;

use crate::conformance::conforms;

async fn open(url: &str) -> PostgresStore {
    let pool = postgres::connect(url, PoolLimits::default()).await.unwrap();
    PostgresStore::open(pool).await.unwrap()
}

/// An empty database with Go's tables.
fn go_database() -> PostgreSql {
    let database = PostgreSql::shared().unwrap();
    database.make_tables().unwrap();
    database
}

#[tokio::test]
async fn postgres_conforms() {
    let database = go_database();
    conforms(&open(&database.url()).await, Duration::MICROSECOND).await;
}
