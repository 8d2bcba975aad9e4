//! The table `private_keys`: its SQL, and nothing else (specification, signer-and-keys sections 4.1 and 4.2).
//!
//! Times are written as text in UTC; only whether they are NULL, and their age in hours, is ever looked at.

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row as _, SqliteConnection};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};
use zeroize::Zeroizing;

/// One row, as far as it is read.
pub(super) struct Row {
    pub(super) key_id: String,
    pub(super) algorithm: String,
    pub(super) passphrase_alias: String,
    pub(super) public: Vec<u8>,
    pub(super) private: Zeroizing<Vec<u8>>,
    pub(super) gun: String,
    pub(super) role: String,
    /// `None` for a pending key. A time that cannot be read counts as long ago.
    pub(super) last_used: Option<OffsetDateTime>,
}

/// A row to be written.
pub(super) struct NewRow<'a> {
    pub(super) key_id: &'a str,
    pub(super) encryption_alg: &'a str,
    pub(super) keywrap_alg: &'a str,
    pub(super) algorithm: &'a str,
    pub(super) passphrase_alias: &'a str,
    pub(super) public: &'a [u8],
    pub(super) private: &'a [u8],
    pub(super) gun: &'a str,
    pub(super) role: &'a str,
}

/// Whose keys are looked for.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) gun: &'a str,
    pub(super) role: &'a str,
    pub(super) algorithm: &'a str,
}

impl Owner<'_> {
    /// Bytewise, whatever the database's collation thinks.
    fn owns(&self, row: &Row) -> bool {
        row.gun == self.gun && row.role == self.role && row.algorithm == self.algorithm
    }
}

/// The rows of one database.
#[derive(Clone, Debug)]
pub(super) struct Rows(pub(super) SqlitePool);

impl Rows {
    /// Makes the table where the database is ours to shape.
    pub(super) async fn prepare(&self) -> sqlx::Result<()> {
        sqlx::raw_sql(SQLITE.schema).execute(&self.0).await?;
        Ok(())
    }

    /// Reads something, whatever it is.
    pub(super) async fn check(&self) -> sqlx::Result<()> {
        sqlx::query(SQLITE.check).fetch_optional(&self.0).await?;
        Ok(())
    }

    pub(super) async fn load(&self, key_id: &str) -> sqlx::Result<Option<Row>> {
        let row = sqlx::query(SQLITE.load)
            .bind(key_id)
            .fetch_optional(&self.0)
            .await?;
        // Again bytewise: an ID is never found under another spelling.
        Ok(row
            .as_ref()
            .map(Row::read)
            .transpose()?
            .filter(|row| row.key_id == key_id))
    }

    /// The keys that have never signed, lowest ID first.
    pub(super) async fn pending(&self, owner: Owner<'_>) -> sqlx::Result<Vec<Row>> {
        let mut connection = self.0.acquire().await?;
        pending(&mut connection, owner).await
    }

    /// Adds a pending key, unless there is one that is not among `known`; `false` then.
    pub(super) async fn insert(
        &self,
        row: &NewRow<'_>,
        known: &[String],
        now: OffsetDateTime,
    ) -> sqlx::Result<bool> {
        let mut transaction = self.0.begin_with(SQLITE.begin).await?;
        let owner = Owner {
            gun: row.gun,
            role: row.role,
            algorithm: row.algorithm,
        };
        let there = pending(&mut transaction, owner).await?;
        if there.iter().any(|row| !known.contains(&row.key_id)) {
            transaction.rollback().await?;
            return Ok(false);
        }
        let now = timestamp(now);
        sqlx::query(SQLITE.insert)
            .bind(now.clone())
            .bind(now)
            .bind(row.key_id)
            .bind(row.encryption_alg)
            .bind(row.keywrap_alg)
            .bind(row.algorithm)
            .bind(row.passphrase_alias)
            .bind(row.public)
            .bind(row.private)
            .bind(row.gun)
            .bind(row.role)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Notes that a key has signed; `false` when it is not there any more.
    pub(super) async fn mark(&self, key_id: &str, now: OffsetDateTime) -> sqlx::Result<bool> {
        let now = timestamp(now);
        let done = sqlx::query(SQLITE.mark)
            .bind(now.clone())
            .bind(now)
            .bind(key_id)
            .execute(&self.0)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

async fn pending(connection: &mut SqliteConnection, owner: Owner<'_>) -> sqlx::Result<Vec<Row>> {
    let rows = sqlx::query(SQLITE.pending)
        .bind(owner.role)
        .bind(owner.gun)
        .bind(owner.algorithm)
        .fetch_all(connection)
        .await?;
    let rows = rows
        .iter()
        .map(Row::read)
        .collect::<sqlx::Result<Vec<_>>>()?;
    Ok(rows.into_iter().filter(|row| owner.owns(row)).collect())
}

impl Row {
    fn read(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            key_id: row.try_get("key_id")?,
            algorithm: row.try_get("algorithm")?,
            passphrase_alias: row.try_get("passphrase_alias")?,
            public: row.try_get("public")?,
            private: Zeroizing::new(row.try_get("private")?),
            gun: row.try_get("gun")?,
            role: row.try_get("role")?,
            last_used: row
                .try_get::<Option<String>, _>("last_used")?
                .map(|text| read_timestamp(&text)),
        })
    }
}

const TIMESTAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// `2026-11-22 19:38:40+00:00`: how Go's SQLite driver writes times, which it also reads back.
fn timestamp(now: OffsetDateTime) -> String {
    let text = now.to_offset(UtcOffset::UTC).format(TIMESTAMP);
    // The format needs nothing that a time does not have.
    format!("{}+00:00", text.unwrap_or_default())
}

fn read_timestamp(text: &str) -> OffsetDateTime {
    let seconds = text.get(..19).map(|text| text.replace('T', " "));
    seconds
        .and_then(|text| PrimitiveDateTime::parse(&text, TIMESTAMP).ok())
        .map_or(OffsetDateTime::UNIX_EPOCH, PrimitiveDateTime::assume_utc)
}

/// The statements of one kind of database. PostgreSQL and MySQL differ in placeholders, in the way a writing
/// transaction begins, and in that the table is made by migrations; their texts go beside this one.
struct Statements {
    schema: &'static str,
    begin: &'static str,
    check: &'static str,
    load: &'static str,
    pending: &'static str,
    insert: &'static str,
    mark: &'static str,
}

const SQLITE: Statements = Statements {
    schema: "
CREATE TABLE IF NOT EXISTS private_keys (
    id integer PRIMARY KEY AUTOINCREMENT,
    created_at datetime,
    updated_at datetime,
    deleted_at datetime,
    key_id varchar(255) NOT NULL UNIQUE,
    encryption_alg varchar(255) NOT NULL,
    keywrap_alg varchar(255) NOT NULL,
    algorithm varchar(50) NOT NULL,
    passphrase_alias varchar(50) NOT NULL,
    public blob NOT NULL,
    private blob NOT NULL,
    gun varchar(255) NOT NULL,
    role varchar(255) NOT NULL,
    last_used datetime
);
CREATE INDEX IF NOT EXISTS private_keys_owner ON private_keys (gun, role);
",
    // Takes the write lock at once: two processes cannot both see that there is no pending key.
    begin: "BEGIN IMMEDIATE",
    check: "SELECT id FROM private_keys LIMIT 1",
    load: "
SELECT key_id, algorithm, passphrase_alias, public, private, gun, role, CAST(last_used AS TEXT) AS last_used
FROM private_keys WHERE deleted_at IS NULL AND key_id = ?",
    pending: "
SELECT key_id, algorithm, passphrase_alias, public, private, gun, role, CAST(last_used AS TEXT) AS last_used
FROM private_keys
WHERE deleted_at IS NULL AND role = ? AND gun = ? AND algorithm = ? AND last_used IS NULL
ORDER BY key_id, id LIMIT 100",
    insert: "
INSERT INTO private_keys (created_at, updated_at, key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias,
    public, private, gun, role)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    mark: "
UPDATE private_keys SET last_used = ?, updated_at = ? WHERE deleted_at IS NULL AND key_id = ?",
};
