//! All repositories of large databases, page after page: each once, in an order that does not change, at a price that grows with their
//! number alone.

use std::collections::BTreeSet;

use signet_server::store::{MetadataStore, MySqlStore, PostgresStore};
use signet_sql::{Database as Opened, PoolLimits, postgres};
use signet_storage::HistoryReader;
use signet_testkit::peer::{Database as _, PostgreSql};
use sqlx::AssertSqlSafe;

use crate::fixture::open;
use crate::mysql;

const COUNT: usize = 1500;
/// Names that Go's tables on MySQL take for one of the others, or that languages sort in their own way.
const ODD: [&str; 5] = ["many/Été", "MANY/7", "many/7 ", "Many/1500", "m-any/z"];

/// Fills the tables; `numbers` is a source of the numbers `n` from 1 on.
fn filling(numbers: &str, concat: impl Fn(&str, &str) -> String) -> Vec<String> {
    let name = concat("'many/'", "n");
    let mut statements: Vec<String> = [("root", 1), ("timestamp", 1), ("timestamp", 2)]
        .iter()
        .map(|(role, version)| {
            format!(
                "INSERT INTO tuf_files (gun, role, version, data) SELECT {name}, '{role}', {version}, 'x' FROM {numbers}"
            )
        })
        .collect();
    for (version, odd) in (50..).zip(ODD) {
        statements.push(format!(
            "INSERT INTO tuf_files (gun, role, version, data) VALUES ('{odd}', 'root', {version}, 'x')"
        ));
    }
    // One of which nothing is left.
    statements.push("UPDATE tuf_files SET deleted_at = created_at".to_owned());
    statements.push(
        "UPDATE tuf_files SET deleted_at = '2026-11-22 00:00:00' WHERE gun = 'many/100'".to_owned(),
    );
    statements
}

fn expected() -> BTreeSet<String> {
    let mut all: BTreeSet<String> = (1..=COUNT).map(|n| format!("many/{n}")).collect();
    all.extend(ODD.map(str::to_owned));
    all.remove("many/100");
    all
}

fn adding(page: usize) -> [String; 2] {
    ["a", "z"].map(|place| {
        format!("INSERT INTO tuf_files (gun, role, version, data) VALUES ('{place}/added/{page}', 'root', 1, 'x')")
    })
}

/// All names of a store, in pages of 100, with something between the pages.
async fn stored(store: &dyn MetadataStore, between: &mut impl AsyncFnMut(usize)) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for page in 0.. {
        let names = store
            .guns(all.last().map(String::as_str), 100)
            .await
            .unwrap();
        assert!(names.len() <= 100);
        if names.is_empty() {
            break;
        }
        all.extend(names);
        between(page).await;
    }
    all
}

async fn checked(reader: &HistoryReader) -> Vec<String> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        let last = all.last().cloned().unwrap_or_default();
        let names = reader.guns(&last).await.unwrap();
        if names.is_empty() {
            break;
        }
        all.extend(names);
    }
    all.into_iter()
        .map(|name| String::from_utf8(name).unwrap())
        .collect()
}

/// Each name once; what was there all the time, and in the same order in every way to ask.
async fn each_comes_once(
    store: &dyn MetadataStore,
    reader: &HistoryReader,
    run: &mut impl AsyncFnMut(String),
) {
    let first = stored(store, &mut async |_| {}).await;
    assert_eq!(first.iter().cloned().collect::<BTreeSet<_>>(), expected());
    assert_eq!(first.len(), expected().len());
    assert_eq!(checked(reader).await, first);
    let mut between = async |page| {
        for statement in adding(page) {
            run(statement).await;
        }
    };
    let meanwhile = stored(store, &mut between).await;
    let once: BTreeSet<&String> = meanwhile.iter().collect();
    assert_eq!(once.len(), meanwhile.len());
    let there: Vec<String> = meanwhile
        .into_iter()
        .filter(|name| !name.contains("/added/"))
        .collect();
    assert_eq!(there, first);
    // The last place of an answer is a name that is gone by now.
    let gone = first[99].clone();
    run(format!("DELETE FROM tuf_files WHERE gun = '{gone}'")).await;
    assert_eq!(store.guns(Some(&gone), 5).await.unwrap(), first[100..105]);
    for name in &first[..3] {
        let rows = reader.rows(name.as_bytes(), i64::MIN).await.unwrap();
        assert!(!rows.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn each_repository_comes_once_on_mariadb_by_the_key() {
    let database = mysql::go_database();
    let numbers = format!("(SELECT seq AS n FROM seq_1_to_{COUNT}) AS numbers");
    for statement in filling(&numbers, |a, b| format!("CONCAT({a}, {b})")) {
        database.query(&statement).unwrap();
    }
    let pool = mysql::pool(&database.limited_url(), 1).await;
    let store = MySqlStore::open(pool.clone()).await.unwrap();
    let reader = HistoryReader::new(Opened::MySql(pool.clone()));
    let order = "SELECT CAST(gun AS BINARY) FROM tuf_files WHERE deleted_at IS NULL GROUP BY 1 ORDER BY MIN(gun), 1";
    let order = database.query(order).unwrap();
    let before = mysql::rows_read(&pool).await;
    let all = stored(&store, &mut async |_| {}).await;
    let read = mysql::rows_read(&pool).await - before;
    assert_eq!(all, order.lines().collect::<Vec<_>>());
    // Three rows each, looked at a few times, and not once more for every page.
    assert!(read < 30 * COUNT as u64, "{read}");
    let before = mysql::rows_read(&pool).await;
    assert!(!reader.rows(b"many/77", i64::MIN).await.unwrap().is_empty());
    assert!(!reader.has_change(b"many/77", 1, "").await.unwrap());
    let read = mysql::rows_read(&pool).await - before;
    assert!(read < 1000, "{read}");
    each_comes_once(&store, &reader, &mut async |sql| {
        database.query(&sql).unwrap();
    })
    .await;
}

#[tokio::test]
async fn each_repository_comes_once_on_postgresql_by_the_key() {
    let database = PostgreSql::shared().unwrap();
    database.make_tables().unwrap();
    let numbers = format!("generate_series(1, {COUNT}) AS numbers(n)");
    for statement in filling(&numbers, |a, b| format!("CONCAT({a}, {b})")) {
        database.query(&statement).unwrap();
    }
    // What PostgreSQL does by itself after a minute. Before that it takes a row that is not deleted for a rare one.
    database.query("ANALYZE tuf_files").unwrap();
    let limits = PoolLimits {
        connections: 1,
        ..PoolLimits::default()
    };
    let pool = postgres::connect(&database.url(), limits).await.unwrap();
    let store = PostgresStore::open(pool.clone()).await.unwrap();
    let reader = HistoryReader::new(Opened::Postgres(pool.clone()));
    let order =
        database.query("SELECT DISTINCT gun FROM tuf_files WHERE deleted_at IS NULL ORDER BY gun");
    let order = order.unwrap();
    let figures = async || {
        let flush = "SELECT pg_stat_force_next_flush()";
        for _ in 0..2 {
            sqlx::query(flush).execute(&pool).await.unwrap();
        }
        let figures =
            "SELECT seq_scan, idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'tuf_files'";
        sqlx::query_as::<_, (i64, i64)>(figures)
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    let before = figures().await;
    let all = stored(&store, &mut async |_| {}).await;
    assert_eq!(all, order.lines().collect::<Vec<_>>());
    assert_eq!(checked(&reader).await, all);
    assert!(!reader.rows(b"many/77", i64::MIN).await.unwrap().is_empty());
    let after = figures().await;
    // Those who asked before are counted when they have ended.
    let scans = after.0 - before.0;
    assert!(
        scans < 5,
        "the table was read from its beginning {scans} times"
    );
    let read = usize::try_from(after.1 - before.1).unwrap();
    assert!((2 * COUNT..12 * COUNT).contains(&read), "{read}");
    each_comes_once(&store, &reader, &mut async |sql| {
        database.query(&sql).unwrap();
    })
    .await;
}

#[tokio::test]
async fn each_repository_comes_once_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("server.db")).await;
    let numbers = format!(
        "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {COUNT}) SELECT n FROM numbers)"
    );
    let pool = store.pool().clone();
    let mut run = async |sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&pool)
            .await
            .unwrap();
    };
    for statement in filling(&numbers, |a, b| format!("{a} || {b}")) {
        run(statement).await;
    }
    let reader = HistoryReader::new(Opened::Sqlite(pool.clone()));
    let all = stored(&store, &mut async |_| {}).await;
    assert!(all.is_sorted());
    each_comes_once(&store, &reader, &mut run).await;
}
