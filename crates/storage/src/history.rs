//! Everything that a database has of a repository, also what is not current any more, read beside servers that use it.

use bytes::Bytes;
use signet_sql::Database;
use sqlx::{ColumnIndex, Decode, Row as SqlRow, Type};

use crate::{mysql, postgres};

/// A row of the table of documents, as it is.
#[derive(Clone, Debug)]
pub struct HistoricRow {
    /// Its number.
    pub id: i64,
    /// What it says of its role.
    pub role: String,
    /// What it says of its version.
    pub version: i64,
    /// What it says of the checksum; `None` where it says nothing.
    pub sha256: Option<String>,
    /// The document.
    pub data: Bytes,
}

/// Reads the documents of a database in portions, without locks and without changing anything.
#[derive(Clone, Debug)]
pub struct HistoryReader(Database);

/// Most names in a portion.
const NAMES: u32 = 100;

pub(crate) struct Statements {
    pub(crate) rows: &'static str,
    has_change: &'static str,
}

/// The sign keeps SQLite from taking the index of that column, which has all rows in one place.
pub(crate) const SQLITE_GUNS: &str = "SELECT CAST(gun AS BLOB) AS name FROM (SELECT gun FROM tuf_files \
    WHERE gun > CAST(? AS TEXT) AND +deleted_at IS NULL GROUP BY gun ORDER BY gun LIMIT ?)";
pub(crate) const SQLITE: Statements = Statements {
    rows: "SELECT id, role, version, sha256, data FROM tuf_files \
        WHERE gun = CAST(? AS TEXT) AND id > ? AND +deleted_at IS NULL ORDER BY id LIMIT 16",
    has_change: "SELECT count(*) FROM changefeed \
        WHERE gun = CAST(? AS TEXT) AND version = ? AND sha256 = ? AND category = 'update'",
};
const POSTGRES: Statements = Statements {
    rows: "SELECT id::bigint AS id, role, version::bigint AS version, sha256::text AS sha256, data FROM tuf_files \
        WHERE gun = convert_from($1, 'UTF8') AND id > $2 AND deleted_at IS NULL ORDER BY id LIMIT 16",
    has_change: "SELECT count(*) FROM changefeed \
        WHERE gun = convert_from($1, 'UTF8') AND version = $2 AND sha256 = $3 AND category = 'update'",
};
/// The name twice: as a text, which the key finds, and as bytes, which decide.
const MYSQL: Statements = Statements {
    rows: "SELECT CAST(id AS SIGNED) AS id, role, CAST(version AS SIGNED) AS version, sha256, data FROM tuf_files \
        WHERE gun = ? AND CAST(gun AS BINARY) = ? AND id > ? AND deleted_at IS NULL ORDER BY id LIMIT 16",
    has_change: "SELECT count(*) FROM changefeed \
        WHERE gun = ? AND CAST(gun AS BINARY) = ? AND version = ? AND sha256 = ? AND category = 'update'",
};

impl HistoryReader {
    /// Reads this database.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self(database)
    }

    /// The names of repositories that come after this one in the order of the database's index, at most 100. They are as they are stored: any
    /// bytes.
    ///
    /// # Errors
    /// What the database says.
    pub async fn guns(&self, after: &[u8]) -> Result<Vec<Vec<u8>>, sqlx::Error> {
        let text = String::from_utf8_lossy(after);
        let limit = i64::from(NAMES);
        match &self.0 {
            Database::MySql(pool) => {
                sqlx::query_scalar(mysql::GUNS)
                    .bind(&*text)
                    .bind(limit + 1)
                    .bind(&*text)
                    .bind(after)
                    .bind(limit)
                    .fetch_all(pool)
                    .await
            }
            Database::Postgres(pool) => {
                let names: Vec<String> = sqlx::query_scalar(postgres::GUNS)
                    .bind(&*text)
                    .bind(limit)
                    .fetch_all(pool)
                    .await?;
                Ok(names.into_iter().map(String::into_bytes).collect())
            }
            Database::Sqlite(pool) => {
                sqlx::query_scalar(SQLITE_GUNS)
                    .bind(after)
                    .bind(limit)
                    .fetch_all(pool)
                    .await
            }
        }
    }

    /// The documents of a repository after this row, in the order of their rows, at most 16.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rows(&self, gun: &[u8], after: i64) -> Result<Vec<HistoricRow>, sqlx::Error> {
        match &self.0 {
            Database::MySql(pool) => {
                let rows = sqlx::query(MYSQL.rows)
                    .bind(String::from_utf8_lossy(gun))
                    .bind(gun)
                    .bind(after)
                    .fetch_all(pool)
                    .await?;
                rows.iter().map(HistoricRow::read).collect()
            }
            Database::Postgres(pool) => {
                let rows = sqlx::query(POSTGRES.rows)
                    .bind(gun)
                    .bind(after)
                    .fetch_all(pool)
                    .await?;
                rows.iter().map(HistoricRow::read).collect()
            }
            Database::Sqlite(pool) => {
                let rows = sqlx::query(SQLITE.rows)
                    .bind(gun)
                    .bind(after)
                    .fetch_all(pool)
                    .await?;
                rows.iter().map(HistoricRow::read).collect()
            }
        }
    }

    /// Whether the changefeed tells of the publication of this timestamp.
    ///
    /// # Errors
    /// What the database says.
    pub async fn has_change(
        &self,
        gun: &[u8],
        version: i64,
        sha256: &str,
    ) -> Result<bool, sqlx::Error> {
        let changes: i64 = match &self.0 {
            Database::MySql(pool) => {
                sqlx::query_scalar(MYSQL.has_change)
                    .bind(String::from_utf8_lossy(gun))
                    .bind(gun)
                    .bind(version)
                    .bind(sha256)
                    .fetch_one(pool)
                    .await?
            }
            Database::Postgres(pool) => {
                sqlx::query_scalar(POSTGRES.has_change)
                    .bind(gun)
                    .bind(version)
                    .bind(sha256)
                    .fetch_one(pool)
                    .await?
            }
            Database::Sqlite(pool) => {
                sqlx::query_scalar(SQLITE.has_change)
                    .bind(gun)
                    .bind(version)
                    .bind(sha256)
                    .fetch_one(pool)
                    .await?
            }
        };
        Ok(changes > 0)
    }
}

impl HistoricRow {
    fn read<'r, R: SqlRow>(row: &'r R) -> Result<Self, sqlx::Error>
    where
        &'static str: ColumnIndex<R>,
        String: Decode<'r, R::Database> + Type<R::Database>,
        Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
    {
        Ok(Self {
            id: row.try_get("id")?,
            role: row.try_get("role")?,
            version: row.try_get("version")?,
            sha256: row.try_get("sha256")?,
            data: row.try_get::<Vec<u8>, _>("data")?.into(),
        })
    }
}
