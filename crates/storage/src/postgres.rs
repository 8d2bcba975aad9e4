//! Storage in PostgreSQL, in the tables that the Go server's migrations make (specification, `server.md` section 9.3).
//!
//! Any number of servers, ours and Go's, share the tables. Names are compared by bytes, as everywhere in PostgreSQL's default collations
//! where only equality counts. The numbers of the changefeed are given out before a transaction ends, so that two publishers of the same
//! moment can become visible in the other order, as with Go.

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use signet_tuf::{Gun, RoleName, Version};
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use time::OffsetDateTime;

use self::rows::{read_change, read_document, read_head};
use crate::attempt::bounded;
use crate::{
    Change, Commit, Document, Head, Import, Imported, MetadataStore, Sha256, SharedStore,
    StoreError, Window,
};

mod importer;
mod rows;
mod writer;

/// Keeps everything in PostgreSQL.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
}

/// Most repositories in one question about heads.
const MAX_HEADS: usize = 256;

macro_rules! documents {
    ($rest:expr) => {
        concat!(
            "SELECT id, role, version, sha256, data, created_at FROM tuf_files WHERE gun = $1 AND role = $2 AND deleted_at IS NULL",
            $rest
        )
    };
}
macro_rules! changes {
    ($rest:expr) => {
        concat!(
            "SELECT id, created_at, gun, version, sha256, category FROM changefeed WHERE ",
            $rest
        )
    };
}

const NEWEST: &str = documents!(" ORDER BY version DESC LIMIT 1");
const NEWEST_VERSION: &str = "SELECT version FROM tuf_files \
    WHERE gun = $1 AND role = $2 AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";
const BY_VERSION: &str = documents!(" AND version = $3");
const BY_CHECKSUM: &str =
    documents!(" AND sha256 = CAST($3 AS char(64)) ORDER BY version DESC LIMIT 1");
const CHANGES_AFTER: &str = changes!("id > $1 ORDER BY id LIMIT $2");
const CHANGES_OF_GUN_AFTER: &str = changes!("id > $1 AND gun = $3 ORDER BY id LIMIT $2");
const CHANGES_BEFORE: &str = changes!("id < $1 ORDER BY id DESC LIMIT $2");
const CHANGES_OF_GUN_BEFORE: &str = changes!("id < $1 AND gun = $3 ORDER BY id DESC LIMIT $2");
const GUNS: &str = "SELECT DISTINCT gun COLLATE \"C\" AS gun FROM tuf_files \
    WHERE gun COLLATE \"C\" > $1 AND deleted_at IS NULL ORDER BY 1 LIMIT $2";
/// The newest timestamps of repositories, numbered, with the rows of their oldest roots: two looks into the unique key for each.
const HEADS: &str = "SELECT asked.place, newest.id, newest.version, newest.sha256, oldest.id AS incarnation \
    FROM unnest($1::text[]) WITH ORDINALITY AS asked(gun, place) \
    CROSS JOIN LATERAL (SELECT id, version, COALESCE(sha256, encode(sha256(data), 'hex')) AS sha256 FROM tuf_files \
        WHERE gun = asked.gun AND role = 'timestamp' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1) AS newest \
    LEFT JOIN LATERAL (SELECT id FROM tuf_files \
        WHERE gun = asked.gun AND role = 'root' AND deleted_at IS NULL ORDER BY version LIMIT 1) AS oldest ON true";

impl PostgresStore {
    /// Uses the tables of this database, which other servers may use too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(pool: PgPool) -> Result<Self, StoreError> {
        sqlx::query("SELECT 1").execute(&pool).await?;
        Ok(Self { pool })
    }

    /// What a query gives. Where the connection broke while nobody used it, another one is asked.
    async fn rows(
        &self,
        statement: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        let tries = self.pool.options().get_max_connections();
        let asking = async {
            let mut tried = 0;
            loop {
                let mut connection = self.pool.acquire().await?;
                tried += 1;
                let outcome = sqlx::query_with(statement, arguments.clone())
                    .fetch_all(&mut *connection)
                    .await;
                match outcome {
                    Err(error) if tried <= tries && is_broken(&error) => {
                        drop(connection.detach());
                    }
                    outcome => return outcome,
                }
            }
        };
        Ok(bounded(asking).await?)
    }

    async fn row(
        &self,
        statement: &'static str,
        arguments: PgArguments,
    ) -> Result<Option<PgRow>, StoreError> {
        Ok(self.rows(statement, arguments).await?.into_iter().next())
    }

    async fn document(
        &self,
        statement: &'static str,
        arguments: PgArguments,
    ) -> Result<Option<Document>, StoreError> {
        let row = self.row(statement, arguments).await?;
        row.as_ref().map(read_document).transpose()
    }
}

/// Whether a connection broke, and nothing more: the same may succeed on another one.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        // Ended by an administrator, by a crash of another session, or not ready yet.
        sqlx::Error::Database(error) => {
            matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}

/// Adds a value.
fn bind<'q, T>(arguments: &mut PgArguments, value: T) -> Result<(), StoreError>
where
    T: sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    use sqlx::Arguments as _;
    arguments
        .add(value)
        .map_err(|error| StoreError::Database(sqlx::Error::Encode(error)))
}

/// Adds a GUN and a role.
fn named(gun: &Gun, role: &RoleName) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    bind(&mut arguments, gun.as_str())?;
    bind(&mut arguments, role.as_str())?;
    Ok(arguments)
}

/// A version as the column has it; `None` for one that it cannot hold.
fn column(version: Version) -> Option<i32> {
    i32::try_from(version).ok()
}

#[async_trait]
impl SharedStore for PostgresStore {
    async fn heads(&self, guns: &[Gun]) -> Result<Vec<Option<Head>>, StoreError> {
        let mut heads = vec![None; guns.len()];
        for (part, answers) in guns.chunks(MAX_HEADS).zip(heads.chunks_mut(MAX_HEADS)) {
            let names: Vec<&str> = part.iter().map(Gun::as_str).collect();
            let mut arguments = PgArguments::default();
            bind(&mut arguments, names)?;
            for row in &self.rows(HEADS, arguments).await? {
                let (place, head) = read_head(row)?;
                let slot = usize::try_from(place - 1).ok();
                if let Some(slot) = slot.and_then(|n| answers.get_mut(n)) {
                    *slot = Some(head);
                }
            }
        }
        Ok(heads)
    }
}

#[async_trait]
impl MetadataStore for PostgresStore {
    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }

    async fn newest(&self, gun: &Gun, role: &RoleName) -> Result<Option<Document>, StoreError> {
        self.document(NEWEST, named(gun, role)?).await
    }

    async fn newest_version(
        &self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<Version>, StoreError> {
        let row = self.row(NEWEST_VERSION, named(gun, role)?).await?;
        let version: Option<i32> = row.map(|row| row.try_get("version")).transpose()?;
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
        let mut arguments = named(gun, role)?;
        bind(&mut arguments, version)?;
        self.document(BY_VERSION, arguments).await
    }

    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &RoleName,
        sha256: &Sha256,
    ) -> Result<Option<Document>, StoreError> {
        let mut arguments = named(gun, role)?;
        bind(&mut arguments, HEXLOWER.encode(sha256))?;
        self.document(BY_CHECKSUM, arguments).await
    }

    async fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        self.store(commit).await
    }

    async fn import(&self, import: &Import<'_>) -> Result<Imported, StoreError> {
        self.take_over(import).await
    }

    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        self.remove(gun, now).await
    }

    async fn changes(
        &self,
        gun: Option<&Gun>,
        window: Window,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        let (statement, bound) = match (window, gun) {
            (Window::After(id), None) => (CHANGES_AFTER, id),
            (Window::After(id), Some(_)) => (CHANGES_OF_GUN_AFTER, id),
            (Window::Before(id), None) => (CHANGES_BEFORE, id.unwrap_or(i64::MAX)),
            (Window::Before(id), Some(_)) => (CHANGES_OF_GUN_BEFORE, id.unwrap_or(i64::MAX)),
        };
        let mut arguments = PgArguments::default();
        bind(&mut arguments, bound)?;
        bind(&mut arguments, i64::from(limit))?;
        if let Some(gun) = gun {
            bind(&mut arguments, gun.as_str())?;
        }
        let rows = self.rows(statement, arguments).await?;
        let mut changes = rows
            .iter()
            .map(read_change)
            .collect::<Result<Vec<_>, sqlx::Error>>()?;
        if matches!(window, Window::Before(_)) {
            changes.reverse();
        }
        Ok(changes)
    }

    async fn guns(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        let mut arguments = PgArguments::default();
        bind(&mut arguments, after.unwrap_or_default())?;
        bind(&mut arguments, i64::from(limit))?;
        let rows = self.rows(GUNS, arguments).await?;
        let guns = rows.iter().map(|row| row.try_get("gun"));
        Ok(guns.collect::<Result<_, sqlx::Error>>()?)
    }

    async fn prune(&self, gun: &Gun, role: &RoleName, below: Version) -> Result<u64, StoreError> {
        self.forget(gun, role, below).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let statement = "SELECT 1 FROM tuf_files LIMIT 1";
        self.row(statement, PgArguments::default()).await?;
        Ok(())
    }
}
