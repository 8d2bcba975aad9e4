//! Everything that a database has of a repository, also what is not current any more, read beside servers that use it.

use bytes::Bytes;
use signet_sql::Database;
use sqlx::{ColumnIndex, Decode, Row as SqlRow, Type};

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

struct Statements {
    guns: &'static str,
    rows: &'static str,
    has_change: &'static str,
}

const SQLITE: Statements = Statements {
    guns: "SELECT DISTINCT CAST(gun AS BLOB) AS name FROM tuf_files \
        WHERE gun > CAST(? AS TEXT) AND deleted_at IS NULL ORDER BY gun LIMIT 100",
    rows: "SELECT id, role, version, sha256, data FROM tuf_files \
        WHERE gun = CAST(? AS TEXT) AND id > ? AND deleted_at IS NULL ORDER BY id LIMIT 16",
    has_change: "SELECT count(*) FROM changefeed \
        WHERE gun = CAST(? AS TEXT) AND version = ? AND sha256 = ? AND category = 'update'",
};
const POSTGRES: Statements = Statements {
    guns: "SELECT DISTINCT convert_to(gun, 'UTF8') AS name FROM tuf_files \
        WHERE convert_to(gun, 'UTF8') > $1 AND deleted_at IS NULL ORDER BY name LIMIT 100",
    rows: "SELECT id::bigint AS id, role, version::bigint AS version, sha256::text AS sha256, data FROM tuf_files \
        WHERE gun = convert_from($1, 'UTF8') AND id > $2 AND deleted_at IS NULL ORDER BY id LIMIT 16",
    has_change: "SELECT count(*) FROM changefeed \
        WHERE gun = convert_from($1, 'UTF8') AND version = $2 AND sha256 = $3 AND category = 'update'",
};
const MYSQL: Statements = Statements {
    guns: "SELECT DISTINCT CAST(gun AS BINARY) AS name FROM tuf_files \
        WHERE CAST(gun AS BINARY) > ? AND deleted_at IS NULL ORDER BY name LIMIT 100",
    rows: "SELECT CAST(id AS SIGNED) AS id, role, CAST(version AS SIGNED) AS version, sha256, data FROM tuf_files \
        WHERE CAST(gun AS BINARY) = ? AND id > ? AND deleted_at IS NULL ORDER BY id LIMIT 16",
    has_change: "SELECT count(*) FROM changefeed \
        WHERE CAST(gun AS BINARY) = ? AND version = ? AND sha256 = ? AND category = 'update'",
};

macro_rules! on_any {
    ($reader:expr, |$pool:ident, $sql:ident| $body:expr) => {
        match &$reader.0 {
            Database::MySql($pool) => {
                let $sql = &MYSQL;
                $body
            }
            Database::Postgres($pool) => {
                let $sql = &POSTGRES;
                $body
            }
            Database::Sqlite($pool) => {
                let $sql = &SQLITE;
                $body
            }
        }
    };
}

impl HistoryReader {
    /// Reads this database.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self(database)
    }

    /// The names of repositories that come after this one, in the order of their bytes, at most 100. They are as they are stored: any bytes.
    ///
    /// # Errors
    /// What the database says.
    pub async fn guns(&self, after: &[u8]) -> Result<Vec<Vec<u8>>, sqlx::Error> {
        on_any!(self, |pool, sql| {
            sqlx::query_scalar(sql.guns)
                .bind(after)
                .fetch_all(pool)
                .await
        })
    }

    /// The documents of a repository after this row, in the order of their rows, at most 16.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rows(&self, gun: &[u8], after: i64) -> Result<Vec<HistoricRow>, sqlx::Error> {
        on_any!(self, |pool, sql| {
            let rows = sqlx::query(sql.rows)
                .bind(gun)
                .bind(after)
                .fetch_all(pool)
                .await?;
            rows.iter().map(HistoricRow::read).collect()
        })
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
        let changes: i64 = on_any!(self, |pool, sql| {
            sqlx::query_scalar(sql.has_change)
                .bind(gun)
                .bind(version)
                .bind(sha256)
                .fetch_one(pool)
                .await?
        });
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
