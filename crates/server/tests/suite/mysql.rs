//! MySQL: what every store does, and what only this one has to.

use signet_server::store::MySqlStore;
use signet_sql::{PoolLimits, mysql};
use signet_testkit::peer::{Database as _, MariaDb};
use time::Duration;

use crate::conformance::conforms;

async fn open(url: &str) -> MySqlStore {
    let pool = mysql::connect(url, PoolLimits::default()).await.unwrap();
    MySqlStore::open(pool).await.unwrap()
}

/// An empty database with Go's tables.
fn go_database() -> MariaDb {
    let database = MariaDb::shared().unwrap();
    database.make_tables().unwrap();
    database
}

#[tokio::test]
async fn mysql_conforms_with_the_least_privileges() {
    let database = go_database();
    conforms(&open(&database.limited_url()).await, Duration::SECOND).await;
    drop(database.url());
}
