//! The changefeed in PostgreSQL.
//!
//! A change gets its number before its transaction ends, so that a higher number can be visible before a lower one. A reader who goes
//! on from the highest number that it saw would miss the lower one for ever. Readers therefore look up the highest number first, wait
//! for those who are writing to the changefeed at that moment, and only then read up to it: whoever got a lower number has ended by
//! then. Writers hold a lock on the table until they end, which the database tells; it does so of every program's writers.

use std::time::Duration;

use signet_tuf::Gun;
use sqlx::Row as _;
use sqlx::postgres::{PgPool, PgRow};
use tokio::time::{Instant, sleep};

use super::{ask, moment};
use crate::{Change, StoreError, Window};

/// The highest number, and then who is writing. In this order: a snapshot of the rows is taken before anything is looked up.
const HIGHEST: &str = "SELECT (SELECT max(id) FROM changefeed) AS highest, ARRAY( \
        SELECT virtualtransaction FROM pg_locks \
        WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted \
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
            AND relation = 'changefeed'::regclass) AS writers";
const STILL_WRITING: &str = "SELECT EXISTS (SELECT 1 FROM pg_locks \
    WHERE locktype = 'virtualxid' AND granted AND virtualtransaction = ANY($1))";
const AFTER: &str = "SELECT id, created_at, gun, version, sha256, category FROM changefeed \
    WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3";
const OF_GUN_AFTER: &str = "SELECT id, created_at, gun, version, sha256, category FROM changefeed \
    WHERE gun = $4 AND id > $1 AND id <= $2 ORDER BY id LIMIT $3";
const BEFORE: &str = "SELECT id, created_at, gun, version, sha256, category FROM changefeed \
    WHERE id < $1 AND id <= $2 ORDER BY id DESC LIMIT $3";
const OF_GUN_BEFORE: &str = "SELECT id, created_at, gun, version, sha256, category FROM changefeed \
    WHERE gun = $4 AND id < $1 AND id <= $2 ORDER BY id DESC LIMIT $3";

/// How long writers are waited for. Who writes for longer is stuck, and the feed must not be.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn changes(
    pool: &PgPool,
    gun: Option<&Gun>,
    window: Window,
    limit: u32,
) -> Result<Vec<Change>, StoreError> {
    let Some(highest) = settled(pool).await? else {
        return Ok(Vec::new());
    };
    let (statement, bound) = match (window, gun) {
        (Window::After(id), None) => (AFTER, id),
        (Window::After(id), Some(_)) => (OF_GUN_AFTER, id),
        (Window::Before(id), None) => (BEFORE, id.unwrap_or(i64::MAX)),
        (Window::Before(id), Some(_)) => (OF_GUN_BEFORE, id.unwrap_or(i64::MAX)),
    };
    let rows = ask(pool, || {
        let query = sqlx::query(statement)
            .bind(bound)
            .bind(highest)
            .bind(i64::from(limit));
        match gun {
            Some(gun) => query.bind(gun.as_str()),
            None => query,
        }
        .fetch_all(pool)
    })
    .await?;
    let mut changes = rows
        .iter()
        .map(read)
        .collect::<Result<Vec<_>, sqlx::Error>>()?;
    if matches!(window, Window::Before(_)) {
        changes.reverse();
    }
    Ok(changes)
}

/// The highest number below which nothing is still to come; `None` when there are no changes.
async fn settled(pool: &PgPool) -> Result<Option<i64>, sqlx::Error> {
    let row = ask(pool, || sqlx::query(HIGHEST).fetch_one(pool)).await?;
    let Some(highest) = row.try_get::<Option<i32>, _>("highest")? else {
        return Ok(None);
    };
    let writers: Vec<String> = row.try_get("writers")?;
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    while !writers.is_empty() && Instant::now() < deadline {
        let still: bool = ask(pool, || {
            sqlx::query_scalar(STILL_WRITING)
                .bind(&writers)
                .fetch_one(pool)
        })
        .await?;
        if !still {
            break;
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    Ok(Some(highest.into()))
}

fn read(row: &PgRow) -> Result<Change, sqlx::Error> {
    let sha256: Option<&str> = row.try_get("sha256")?;
    Ok(Change {
        id: row.try_get::<i32, _>("id")?.into(),
        created_at: moment(row)?,
        gun: row.try_get("gun")?,
        version: row.try_get::<i32, _>("version")?.into(),
        // The column is as wide as a checksum, and blank where there is none.
        sha256: sha256.unwrap_or_default().trim_end_matches(' ').to_owned(),
        category: row.try_get("category")?,
    })
}
