//! Storage in PostgreSQL, with the tables that the Go server's migrations make there (specification, `server.md` section 9.3).
//!
//! Any number of servers, of this program and of Go's, write to one database at the same time. What decides between two writers is
//! the unique key `(gun, role, version)`: whoever starts from the same newest timestamp wants to store the same next one.

use async_trait::async_trait;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use signet_sql::{Kept, again};
use signet_tuf::{Gun, RoleName, Version, crypto};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Postgres, Row as _, ValueRef as _};
use time::{Duration, OffsetDateTime, PrimitiveDateTime, UtcOffset};

use crate::attempt::bounded;
use crate::{
    Change, Commit, Document, Head, HeadAnswer, Import, Imported, MetadataStore, Revision, Sha256,
    SharedStore, StoreError, Window, ZERO_TIME,
};

mod feed;
mod importer;
mod migrate;
mod writer;

pub use migrate::{MigrateError, Migrated, migrate, plan};

/// Keeps everything in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    /// For the question that every read asks.
    heads: Kept<Postgres>,
}

impl PostgresStore {
    /// Uses the tables of this database, which other servers may use too. What makes them is [`migrate`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(pool: PgPool) -> Result<Self, StoreError> {
        ask(&pool, || sqlx::query("SELECT 1").execute(&pool)).await?;
        let heads = Kept::of(pool.clone());
        Ok(Self { pool, heads })
    }

    /// The connections to the database.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// Runs a query, again on another connection where that broke while nobody used it, and not for ever.
async fn ask<T, F>(pool: &PgPool, query: impl FnMut() -> F + Send) -> Result<T, sqlx::Error>
where
    T: Send,
    F: Future<Output = Result<T, sqlx::Error>> + Send,
{
    bounded(again(pool, query)).await
}

/// Bytes only where the row does not say their digest, so that heads are small. Each part is one look into the unique key.
const HEADS: &str = "SELECT t.id, t.version, t.sha256, t.data, t.incarnation \
    FROM unnest($1::text[]) WITH ORDINALITY AS asked(gun, n) \
    LEFT JOIN LATERAL ( \
        SELECT f.id, f.version, f.sha256, CASE WHEN f.sha256 IS NULL THEN f.data END AS data, COALESCE( \
            (SELECT r.id FROM tuf_files r WHERE r.gun = asked.gun AND r.role = 'root' AND r.deleted_at IS NULL \
                ORDER BY r.version LIMIT 1), \
            (SELECT r.id FROM tuf_files r WHERE r.gun = asked.gun AND r.role = 'timestamp' AND r.deleted_at IS NULL \
                ORDER BY r.version LIMIT 1)) AS incarnation \
        FROM tuf_files f WHERE f.gun = asked.gun AND f.role = 'timestamp' AND f.deleted_at IS NULL \
        ORDER BY f.version DESC LIMIT 1) AS t ON TRUE \
    ORDER BY asked.n";
const NEWEST: &str = "SELECT id, version, sha256, data, created_at FROM tuf_files \
    WHERE gun = $1 AND role = $2 AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";
const NEWEST_VERSION: &str = "SELECT version FROM tuf_files \
    WHERE gun = $1 AND role = $2 AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";
const BY_VERSION: &str = "SELECT id, version, sha256, data, created_at FROM tuf_files \
    WHERE gun = $1 AND role = $2 AND version = $3 AND deleted_at IS NULL";
const BY_CHECKSUM: &str = "SELECT id, version, sha256, data, created_at FROM tuf_files \
    WHERE gun = $1 AND role = $2 AND sha256 = $3 AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";
/// From one name to the next in the order of the index, and no further than the page.
pub(crate) const GUNS: &str = "WITH RECURSIVE names AS ( \
        (SELECT gun, 1::bigint AS n FROM tuf_files WHERE gun > $1 AND deleted_at IS NULL ORDER BY gun LIMIT 1) \
        UNION ALL \
        SELECT next.gun, names.n + 1 FROM names CROSS JOIN LATERAL \
            (SELECT f.gun FROM tuf_files f WHERE f.gun > names.gun AND f.deleted_at IS NULL ORDER BY f.gun LIMIT 1) AS next \
        WHERE names.n < $2) \
    SELECT gun FROM names ORDER BY n";
const PRUNE: &str = "DELETE FROM tuf_files WHERE gun = $1 AND role = $2 AND version < $3";
const CHECK: &str = "SELECT 1 FROM tuf_files LIMIT 1";

/// The version as the column holds it; `None` where no row can have it.
fn column(version: Version) -> Option<i32> {
    i32::try_from(version).ok()
}

/// A moment as the columns hold it: UTC without saying so.
fn utc(moment: OffsetDateTime) -> PrimitiveDateTime {
    let moment = moment.to_offset(UtcOffset::UTC);
    PrimitiveDateTime::new(moment.date(), moment.time())
}

const EPOCH: OffsetDateTime = time::macros::datetime!(2000-01-01 0:00 UTC);

/// A stored moment. The zero time where there is none, or one that this program cannot express: `infinity`, or beyond the year 9999.
fn moment(row: &PgRow) -> Result<OffsetDateTime, sqlx::Error> {
    let value = row.try_get_raw("created_at")?;
    if value.is_null() {
        return Ok(ZERO_TIME);
    }
    // Microseconds since the database's epoch.
    let micros = <i64 as sqlx::Decode<'_, Postgres>>::decode(value).map_err(sqlx::Error::Decode)?;
    Ok(EPOCH
        .checked_add(Duration::microseconds(micros))
        .unwrap_or(ZERO_TIME))
}

/// The digest of a row, which was computed before there was a column for it where the column is empty.
fn digest(row: &PgRow) -> Result<Sha256, StoreError> {
    let Some(hex) = row.try_get::<Option<&str>, _>("sha256")? else {
        return Ok(crypto::sha256(row.try_get("data")?));
    };
    parse_sha256(hex).ok_or_else(|| StoreError::Damaged {
        id: id(row),
        reason: "its checksum is none",
    })
}

fn id(row: &PgRow) -> i64 {
    row.try_get::<i32, _>("id")
        .map(i64::from)
        .unwrap_or_default()
}

fn parse_sha256(hex: &str) -> Option<Sha256> {
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
    bytes.try_into().ok()
}

fn read_document(row: &PgRow, role: &RoleName) -> Result<Document, StoreError> {
    let data: &[u8] = row.try_get("data")?;
    Ok(Document {
        role: role.clone(),
        version: row.try_get::<i32, _>("version")?.into(),
        sha256: digest(row)?,
        data: data.to_vec().into(),
        stored_at: moment(row)?,
    })
}

fn read_head(row: &PgRow) -> HeadAnswer {
    let Some(version) = row.try_get::<Option<i32>, _>("version")? else {
        return Ok(None);
    };
    Ok(Some(Head {
        incarnation: row.try_get::<i32, _>("incarnation")?.into(),
        timestamp: Revision {
            version: version.into(),
            sha256: digest(row)?,
        },
    }))
}

#[async_trait]
impl SharedStore for PostgresStore {
    async fn heads(&self, guns: &[Gun]) -> Result<Vec<HeadAnswer>, StoreError> {
        let names: Vec<&str> = guns.iter().map(Gun::as_str).collect();
        let rows = ask(&self.pool, || async {
            let mut connection = self.heads.take().await?;
            let query = sqlx::query(HEADS).bind(&names);
            let rows = query.fetch_all(connection.connection()).await?;
            connection.keep();
            Ok(rows)
        })
        .await?;
        Ok(rows.iter().map(read_head).collect())
    }
}

#[async_trait]
impl MetadataStore for PostgresStore {
    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }

    async fn newest(&self, gun: &Gun, role: &RoleName) -> Result<Option<Document>, StoreError> {
        let row = ask(&self.pool, || {
            sqlx::query(NEWEST)
                .bind(gun.as_str())
                .bind(role.as_str())
                .fetch_optional(&self.pool)
        })
        .await?;
        row.map(|row| read_document(&row, role)).transpose()
    }

    async fn newest_version(
        &self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<Version>, StoreError> {
        let version: Option<i32> = ask(&self.pool, || {
            sqlx::query_scalar(NEWEST_VERSION)
                .bind(gun.as_str())
                .bind(role.as_str())
                .fetch_optional(&self.pool)
        })
        .await?;
        Ok(version.map(Version::from))
    }

    async fn by_version(
        &self,
        gun: &Gun,
        role: &RoleName,
        version: Version,
    ) -> Result<Option<Document>, StoreError> {
        let Some(version) = column(version) else {
            return Ok(None);
        };
        let row = ask(&self.pool, || {
            sqlx::query(BY_VERSION)
                .bind(gun.as_str())
                .bind(role.as_str())
                .bind(version)
                .fetch_optional(&self.pool)
        })
        .await?;
        row.map(|row| read_document(&row, role)).transpose()
    }

    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &RoleName,
        sha256: &Sha256,
    ) -> Result<Option<Document>, StoreError> {
        let hex = HEXLOWER.encode(sha256);
        let row = ask(&self.pool, || {
            sqlx::query(BY_CHECKSUM)
                .bind(gun.as_str())
                .bind(role.as_str())
                .bind(&hex)
                .fetch_optional(&self.pool)
        })
        .await?;
        row.map(|row| read_document(&row, role)).transpose()
    }

    async fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        writer::commit(&self.pool, commit).await
    }

    async fn import(&self, import: &Import<'_>) -> Result<Imported, StoreError> {
        importer::import(&self.pool, import).await
    }

    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        writer::delete(&self.pool, gun, now).await
    }

    async fn changes(
        &self,
        gun: Option<&Gun>,
        window: Window,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        feed::changes(&self.pool, gun, window, limit).await
    }

    async fn guns(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        // No stored name has a NUL, which the database refuses in texts.
        let after = after.unwrap_or_default().replace('\0', "\u{1}");
        let names = ask(&self.pool, || {
            sqlx::query_scalar(GUNS)
                .bind(&after)
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
        })
        .await?;
        Ok(names)
    }

    async fn prune(&self, gun: &Gun, role: &RoleName, below: Version) -> Result<u64, StoreError> {
        let below = below.clamp(0, i64::from(i32::MAX));
        let done = sqlx::query(PRUNE)
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(column(below))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }

    async fn check(&self) -> Result<(), StoreError> {
        ask(&self.pool, || sqlx::query(CHECK).fetch_optional(&self.pool)).await?;
        Ok(())
    }
}
