//! Updates and deletions in PostgreSQL.
//!
//! An update is one statement, and therefore one transaction and one round trip: it holds the newest timestamp's row so that nobody
//! deletes it meanwhile, checks base and versions, and inserts. Of two that start from the same row, one waits for the other and then
//! finds its versions taken.

use std::time::Duration;

use data_encoding::HEXLOWER;
use signet_sql::{Backoff, Failure};
use signet_tuf::Gun;
use sqlx::Row as _;
use sqlx::postgres::PgPool;
use time::OffsetDateTime;

use super::{ask, column, utc};
use crate::attempt::{after_unknown, bounded};
use crate::{Commit, MAX_VERSION, NewDocument, StoreError};

/// Parameters: GUN, base version, base checksum, moment, roles, versions, checksums, bytes, and version and checksum of the timestamp.
///
/// Live rows are compared with `>=`; a row that is marked as deleted keeps its one version taken by the unique key. The change comes
/// after the rows, because a number of the changefeed must not be handed out before the transaction holds a lock on it.
const COMMIT: &str = "WITH base AS ( \
        SELECT version, lower(sha256) AS sha256 FROM tuf_files \
        WHERE gun = $1 AND role = 'timestamp' AND deleted_at IS NULL \
        ORDER BY version DESC LIMIT 1 FOR NO KEY UPDATE), \
    verdict AS MATERIALIZED ( \
        SELECT (SELECT version FROM base) IS NOT DISTINCT FROM $2::int \
            AND ($2::int IS NULL OR (SELECT COALESCE(sha256, $3::text) FROM base) = $3::text) \
            AND NOT EXISTS (SELECT 1 FROM unnest($5::text[], $6::int[]) AS new(role, version) \
                WHERE (SELECT f.version FROM tuf_files f \
                    WHERE f.gun = $1 AND f.role = new.role AND f.deleted_at IS NULL \
                    ORDER BY f.version DESC LIMIT 1) >= new.version) AS ok), \
    files AS ( \
        INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
        SELECT $4, $4, $1, new.role, new.version, new.sha256, new.data \
        FROM unnest($5::text[], $6::int[], $7::text[], $8::bytea[]) WITH ORDINALITY AS new(role, version, sha256, data, n) \
        WHERE (SELECT ok FROM verdict) ORDER BY new.n RETURNING 1), \
    change AS ( \
        INSERT INTO changefeed (created_at, gun, version, sha256, category) \
        SELECT $4, $1, $9, $10, 'update' FROM (SELECT count(*) AS stored FROM files) AS f WHERE f.stored > 0 RETURNING 1) \
    SELECT count(*) > 0 FROM change";
const IS_STORED: &str = "SELECT EXISTS (SELECT 1 FROM tuf_files \
    WHERE gun = $1 AND role = 'timestamp' AND version = $2 AND lower(sha256) = $3 AND deleted_at IS NULL)";
/// Waits for whoever is publishing, and keeps others from starting.
const HOLD: &str = "SELECT 1 FROM tuf_files WHERE gun = $1 AND role = 'timestamp' AND deleted_at IS NULL \
    ORDER BY version DESC LIMIT 1 FOR UPDATE";
const DELETE: &str = "DELETE FROM tuf_files WHERE gun = $1";
const INSERT_DELETION: &str = "INSERT INTO changefeed (created_at, gun, version, sha256, category) \
    VALUES ($1, $2, 0, '', 'deletion')";

/// How often an update or a deletion is tried while others are in its way.
const TRIES: u32 = 6;
/// The wait after the first time.
const PAUSE: Duration = Duration::from_millis(5);
/// How often a deletion looks for what was published while it ran.
const ROUNDS: u32 = 32;

/// Stores an update, all or nothing.
pub(super) async fn commit(pool: &PgPool, commit: &Commit<'_>) -> Result<(), StoreError> {
    if commit
        .all()
        .any(|new| !(1..=MAX_VERSION).contains(&new.version))
    {
        return Err(StoreError::Conflict);
    }
    let rows = Rows::of(commit.all());
    let mut backoff = Backoff::new(PAUSE, TRIES);
    // Whether an earlier try may have been carried out although nothing was heard of it.
    let mut is_unknown = false;
    loop {
        let error = match bounded(insert(pool, commit, &rows)).await {
            Ok(true) => return Ok(()),
            Ok(false) => None,
            Err(error) => Some(error),
        };
        let failure = error.as_ref().map_or(Failure::Taken, Failure::of);
        match failure {
            Failure::Taken
                if is_unknown
                    && is_stored(pool, commit)
                        .await
                        .map_err(|error| after_unknown(error.into()))? =>
            {
                return Ok(());
            }
            Failure::Taken => return Err(StoreError::Conflict),
            Failure::Contended if backoff.wait().await => {}
            Failure::Contended => return Err(StoreError::Conflict),
            Failure::Unreachable if backoff.wait().await => {
                is_unknown |= !error.as_ref().is_some_and(Failure::is_out_of_connections);
            }
            Failure::Unreachable | Failure::Other => {
                let error = error.map_or(StoreError::Conflict, StoreError::Database);
                return Err(if is_unknown {
                    after_unknown(error)
                } else {
                    error
                });
            }
        }
    }
}

/// The columns of what is inserted.
pub(super) struct Rows<'a> {
    roles: Vec<&'a str>,
    versions: Vec<Option<i32>>,
    sha256: Vec<String>,
    data: Vec<&'a [u8]>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(all: impl Iterator<Item = &'a NewDocument>) -> Self {
        let mut rows = Self {
            roles: Vec::new(),
            versions: Vec::new(),
            sha256: Vec::new(),
            data: Vec::new(),
        };
        for new in all {
            rows.roles.push(new.role.as_str());
            rows.versions.push(column(new.version));
            rows.sha256.push(HEXLOWER.encode(&new.sha256));
            rows.data.push(new.data.as_ref());
        }
        rows
    }
}

/// Says whether base and versions were right.
async fn insert(pool: &PgPool, commit: &Commit<'_>, rows: &Rows<'_>) -> Result<bool, sqlx::Error> {
    let row = sqlx::query(COMMIT)
        .bind(commit.gun.as_str())
        .bind(commit.base.and_then(|base| column(base.version)))
        .bind(commit.base.map(|base| HEXLOWER.encode(&base.sha256)))
        .bind(utc(commit.now))
        .bind(&rows.roles)
        .bind(&rows.versions)
        .bind(&rows.sha256)
        .bind(&rows.data)
        .bind(column(commit.timestamp.version))
        .bind(HEXLOWER.encode(&commit.timestamp.sha256))
        .fetch_one(pool)
        .await?;
    row.try_get(0)
}

/// Whether the timestamp of this update is there, and therefore all of it.
async fn is_stored(pool: &PgPool, commit: &Commit<'_>) -> Result<bool, sqlx::Error> {
    ask(pool, || {
        sqlx::query_scalar(IS_STORED)
            .bind(commit.gun.as_str())
            .bind(column(commit.timestamp.version))
            .bind(HEXLOWER.encode(&commit.timestamp.sha256))
            .fetch_one(pool)
    })
    .await
}

/// Deletes every row of a GUN, and records it if there was any.
pub(super) async fn delete(
    pool: &PgPool,
    gun: &Gun,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let mut backoff = Backoff::new(PAUSE, TRIES);
    loop {
        match bounded(Box::pin(try_delete(pool, gun, now))).await {
            Ok(Some(existed)) => return Ok(existed),
            // Others published all the time.
            Ok(None) if backoff.wait().await => {}
            Ok(None) => return Err(StoreError::Conflict),
            Err(error) if Failure::of(&error) == Failure::Contended && backoff.wait().await => {}
            Err(error) => return Err(StoreError::Database(error)),
        }
    }
}

/// `None` when it had to be given up because of others; nothing was deleted then.
async fn try_delete(
    pool: &PgPool,
    gun: &Gun,
    now: OffsetDateTime,
) -> Result<Option<bool>, sqlx::Error> {
    let mut transaction = ask(pool, || pool.begin()).await?;
    sqlx::query(HOLD)
        .bind(gun.as_str())
        .execute(&mut *transaction)
        .await?;
    let mut existed = false;
    // A statement does not see what was committed after it began: who held a newer timestamp when it came there has left rows.
    for _ in 0..ROUNDS {
        let done = sqlx::query(DELETE)
            .bind(gun.as_str())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() > 0 {
            existed = true;
            continue;
        }
        if existed {
            sqlx::query(INSERT_DELETION)
                .bind(utc(now))
                .bind(gun.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        return Ok(Some(existed));
    }
    Ok(None)
}
