//! The table `private_keys`: its statements on each kind of database, and nothing else (specification, signer-and-keys
//! sections 4.1 and 4.2).
//!
//! Times are written in UTC; only whether they are NULL, and their age in hours, is ever looked at.

use std::time::Duration;

use signet_sql::{Database, Failure};
use signet_tuf::{KeyId, PublicKey};
use sqlx::{ColumnIndex, Decode, Row as SqlRow, Type};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};
use zeroize::Zeroizing;

mod mysql;
mod postgres;
mod sqlite;

/// One row, as far as it is read. Of values that are too long for a key, the beginning is.
pub(super) struct Row {
    pub(super) id: i64,
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
    pub(super) passphrase_alias: &'a str,
    pub(super) public: &'a [u8],
    pub(super) private: &'a [u8],
    pub(super) owner: Owner<'a>,
}

/// A private key that is encrypted for another passphrase.
pub(super) struct Reencrypted<'a> {
    /// Number of the row.
    pub(super) id: i64,
    /// What is replaced, and nothing else.
    pub(super) before: &'a [u8],
    pub(super) private: &'a [u8],
    pub(super) passphrase_alias: &'a str,
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

    /// A number for the lock under which a key is made for this owner.
    pub(super) fn lock(&self) -> i64 {
        let text = [self.gun, self.role, self.algorithm].join("\0");
        let digest = signet_tuf::crypto::sha256(format!("private_keys\0{text}").as_bytes());
        let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 8], &[]));
        i64::from_be_bytes(*first)
    }
}

/// The statements of one kind of database.
struct Statements {
    /// What times end in.
    zone: &'static str,
    has_table: &'static str,
    check: &'static str,
    load: &'static str,
    live: &'static str,
    pending: &'static str,
    insert: &'static str,
    mark: &'static str,
    delete: &'static str,
    newest: &'static str,
    aliases: &'static str,
    walk: &'static str,
    reencrypt: &'static str,
}

/// The rows of one database.
#[derive(Clone, Debug)]
pub(super) struct Rows(Database);

/// The same for every kind of database: `$pool` are its connections, `$sql` its statements.
macro_rules! on_any {
    ($rows:expr, |$pool:ident, $sql:ident| $body:expr) => {
        match &$rows.0 {
            Database::MySql($pool) => {
                let $sql = &mysql::STATEMENTS;
                $body
            }
            Database::Postgres($pool) => {
                let $sql = &postgres::STATEMENTS;
                $body
            }
            Database::Sqlite($pool) => {
                let $sql = &sqlite::STATEMENTS;
                $body
            }
        }
    };
}

/// The pending keys of an owner, lowest ID first.
macro_rules! pending {
    ($connection:expr, $sql:expr, $owner:expr) => {{
        let rows = sqlx::query($sql.pending)
            .bind($owner.role)
            .bind($owner.gun)
            .bind($owner.algorithm)
            .fetch_all($connection)
            .await?;
        let rows = rows.iter().map(Row::read);
        let mut rows = rows.collect::<sqlx::Result<Vec<Row>>>()?;
        rows.retain(|row| $owner.owns(row));
        rows
    }};
}

/// Adds a row unless there is a pending key that is not among `$known`; whether it did.
macro_rules! insert {
    ($connection:expr, $sql:expr, $row:expr, $known:expr, $now:expr) => {{
        let there = pending!(&mut *$connection, $sql, $row.owner);
        if there.iter().any(|row| !$known.contains(&row.key_id)) {
            false
        } else {
            let now = timestamp($now, $sql.zone);
            sqlx::query($sql.insert)
                .bind(now.clone())
                .bind(now)
                .bind($row.key_id)
                .bind($row.encryption_alg)
                .bind($row.keywrap_alg)
                .bind($row.owner.algorithm)
                .bind($row.passphrase_alias)
                .bind($row.public)
                .bind($row.private)
                .bind($row.owner.gun)
                .bind($row.owner.role)
                .execute(&mut *$connection)
                .await?;
            true
        }
    }};
}

impl Rows {
    pub(super) const fn new(database: Database) -> Self {
        Self(database)
    }

    pub(super) const fn database(&self) -> &Database {
        &self.0
    }

    pub(super) async fn has_table(&self) -> sqlx::Result<bool> {
        patiently(|| async {
            on_any!(self, |pool, sql| {
                let tables: i64 = sqlx::query_scalar(sql.has_table).fetch_one(pool).await?;
                Ok(tables > 0)
            })
        })
        .await
    }

    /// Reads something, whatever it is.
    pub(super) async fn check(&self) -> sqlx::Result<()> {
        within(async {
            on_any!(self, |pool, sql| {
                sqlx::query(sql.check).fetch_optional(pool).await?;
                Ok(())
            })
        })
        .await
    }

    pub(super) async fn load(&self, key_id: &str) -> sqlx::Result<Option<Row>> {
        let row = patiently(|| async {
            on_any!(self, |pool, sql| {
                let row = sqlx::query(sql.load).bind(key_id);
                let row = row.fetch_optional(pool).await?;
                row.as_ref().map(Row::read).transpose()
            })
        });
        // Again bytewise: an ID is never found under another spelling.
        Ok(row.await?.filter(|row| row.key_id == key_id))
    }

    /// Whether a key is there and not deleted.
    pub(super) async fn is_live(&self, key_id: &str) -> sqlx::Result<bool> {
        patiently(|| async {
            on_any!(self, |pool, sql| {
                let found = sqlx::query(sql.live).bind(key_id);
                Ok(found.fetch_optional(pool).await?.is_some())
            })
        })
        .await
    }

    /// The keys that have never signed, lowest ID first.
    pub(super) async fn pending(&self, owner: Owner<'_>) -> sqlx::Result<Vec<Row>> {
        patiently(|| async { on_any!(self, |pool, sql| Ok(pending!(pool, sql, owner))) }).await
    }

    /// Adds a pending key, unless there is one that is not among `known`; `false` then. Of several processes that do so
    /// for one owner, one adds a key.
    pub(super) async fn insert(
        &self,
        row: &NewRow<'_>,
        known: &[String],
        now: OffsetDateTime,
    ) -> sqlx::Result<bool> {
        within(async {
            match &self.0 {
                Database::Sqlite(pool) => {
                    let mut transaction = pool.begin_with(sqlite::BEGIN).await?;
                    let added = insert!(transaction, sqlite::STATEMENTS, row, known, now);
                    transaction.commit().await?;
                    Ok(added)
                }
                Database::Postgres(pool) => {
                    let mut transaction = pool.begin().await?;
                    sqlx::query(postgres::LOCK)
                        .bind(row.owner.lock())
                        .execute(&mut *transaction)
                        .await?;
                    let added = insert!(transaction, postgres::STATEMENTS, row, known, now);
                    transaction.commit().await?;
                    Ok(added)
                }
                Database::MySql(pool) => {
                    let mut connection = pool.acquire().await?;
                    // However this ends, the session does, and the lock with it.
                    connection.close_on_drop();
                    let name = format!(".private_keys.{:016x}", row.owner.lock());
                    let lock = sqlx::query(mysql::LOCK).bind(name);
                    // Not every cluster has such locks; two pending keys do no harm.
                    let _ = lock.fetch_one(&mut *connection).await;
                    let added = insert!(connection, mysql::STATEMENTS, row, known, now);
                    let _ = connection.close().await;
                    Ok(added)
                }
            }
        })
        .await
    }

    /// Notes that a key has signed; `false` when it is not there any more.
    pub(super) async fn mark(&self, key_id: &str, now: OffsetDateTime) -> sqlx::Result<bool> {
        patiently(|| async {
            on_any!(self, |pool, sql| {
                let now = timestamp(now, sql.zone);
                let done = sqlx::query(sql.mark).bind(now.clone()).bind(now);
                let done = done.bind(key_id).execute(pool).await?;
                Ok(done.rows_affected() > 0)
            })
        })
        .await
    }

    /// Marks a key as deleted; `false` when it was not there.
    pub(super) async fn delete(&self, key_id: &str, now: OffsetDateTime) -> sqlx::Result<bool> {
        patiently(|| async {
            on_any!(self, |pool, sql| {
                let done = sqlx::query(sql.delete).bind(timestamp(now, sql.zone));
                let done = done.bind(key_id).execute(pool).await?;
                Ok(done.rows_affected() > 0)
            })
        })
        .await
    }

    /// The ID of the newest key whose row names this passphrase alias.
    pub(super) async fn newest(&self, alias: &str) -> sqlx::Result<Option<String>> {
        patiently(|| async {
            on_any!(self, |pool, sql| {
                let newest = sqlx::query_scalar(sql.newest).bind(alias);
                newest.fetch_optional(pool).await
            })
        })
        .await
    }

    /// The aliases that rows name, at most 1000.
    pub(super) async fn aliases(&self) -> sqlx::Result<Vec<String>> {
        patiently(|| async {
            on_any!(self, |pool, sql| {
                sqlx::query_scalar(sql.aliases).fetch_all(pool).await
            })
        })
        .await
    }

    /// At most `limit` rows of keys that are not deleted, after this number.
    pub(super) async fn walk(&self, after: i64, limit: i64) -> sqlx::Result<Vec<Row>> {
        patiently(|| async {
            on_any!(self, |pool, sql| {
                let rows = sqlx::query(sql.walk).bind(after).bind(limit);
                let rows = rows.fetch_all(pool).await?;
                rows.iter().map(Row::read).collect()
            })
        })
        .await
    }

    /// Replaces an encrypted private key; `false` when the row has changed meanwhile.
    pub(super) async fn reencrypt(
        &self,
        row: &Reencrypted<'_>,
        now: OffsetDateTime,
    ) -> sqlx::Result<bool> {
        patiently(|| async {
            on_any!(self, |pool, sql| {
                let done = sqlx::query(sql.reencrypt)
                    .bind(row.private)
                    .bind(row.passphrase_alias)
                    .bind(timestamp(now, sql.zone))
                    .bind(row.id)
                    .bind(row.before)
                    .execute(pool)
                    .await?;
                Ok(done.rows_affected() > 0)
            })
        })
        .await
    }
}

/// With a deadline: a database that has stopped answering does not stop those who wait for a key.
async fn within<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(result) => result,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// With a deadline, and again after a deadlock or a broken connection: for work that may be done twice.
async fn patiently<T, F: Future<Output = sqlx::Result<T>>>(
    work: impl Fn() -> F,
) -> sqlx::Result<T> {
    within(async {
        for pause in PAUSES {
            match work().await {
                Err(error) if may_be_tried_again(&error) => {
                    tokio::time::sleep(pause).await;
                }
                other => return other,
            }
        }
        work().await
    })
    .await
}

fn may_be_tried_again(error: &sqlx::Error) -> bool {
    match Failure::of(error) {
        Failure::Contended => true,
        // Who has waited for a connection in vain has waited long enough.
        Failure::Unreachable => !matches!(
            error,
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_)
        ),
        _ => false,
    }
}

const DEADLINE: Duration = Duration::from_secs(10);
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];

impl Row {
    /// The key's ID: the one that the row says, or where that is none, the one of its public key.
    pub(super) fn id(&self) -> KeyId {
        self.key_id.parse().unwrap_or_else(|_| {
            let key = PublicKey::new(self.algorithm.as_str().into(), self.public.as_slice());
            key.id().clone()
        })
    }

    fn read<'r, R: SqlRow>(row: &'r R) -> sqlx::Result<Self>
    where
        &'static str: ColumnIndex<R>,
        String: Decode<'r, R::Database> + Type<R::Database>,
        Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
    {
        Ok(Self {
            id: row.try_get("id")?,
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

/// `2026-11-22 19:38:40+00:00`: how Go's SQLite driver writes times, which it also reads back. The others have no zone.
fn timestamp(now: OffsetDateTime, zone: &str) -> String {
    let text = now.to_offset(UtcOffset::UTC).format(TIMESTAMP);
    // The format needs nothing that a time does not have.
    format!("{}{zone}", text.unwrap_or_default())
}

fn read_timestamp(text: &str) -> OffsetDateTime {
    let seconds = text.get(..19).map(|text| text.replace('T', " "));
    seconds
        .and_then(|text| PrimitiveDateTime::parse(&text, TIMESTAMP).ok())
        .map_or(OffsetDateTime::UNIX_EPOCH, PrimitiveDateTime::assume_utc)
}
