//! Storage in MySQL or MariaDB, in the tables that the Go server's migrations make (specification, `server.md` section 9.2).
//!
//! Any number of servers, ours and Go's, share the tables. On Go's tables the database takes names for equal that differ in case, accents
//! or blanks at the end. Every query therefore compares twice: as the unique key does, which finds the rows by the key, and by bytes, which
//! decides. A second name that the key takes for one that is there is refused.

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use signet_sql::{Failure, Kept, again};
use signet_tuf::{Gun, RoleName, Version};
use sqlx::mysql::{MySqlArguments, MySqlPool, MySqlRow};
use sqlx::{Arguments as _, AssertSqlSafe, MySql, Row as _, SqlSafeStr as _, SqlStr};
use time::OffsetDateTime;

use self::rows::{read_change, read_document, read_head};
use self::server::Server;
use crate::attempt::bounded;
use crate::{
    Change, Commit, Document, HeadAnswer, Import, Imported, MetadataStore, Sha256, SharedStore,
    StoreError, Window,
};

mod importer;
mod migrate;
mod rows;
mod server;
mod writer;

/// Keeps everything in MySQL or MariaDB.
#[derive(Debug)]
pub struct MySqlStore {
    pool: MySqlPool,
    /// For the question that every read asks.
    heads: Kept<MySql>,
    server: Server,
}

/// Most repositories in one question about heads.
const MAX_HEADS: usize = 256;

/// The rows of one role of one GUN: bind them with [`MySqlStore::named`].
macro_rules! of_role {
    () => {
        "gun = ? AND CAST(gun AS BINARY) = ? AND role = ? AND CAST(role AS BINARY) = ?"
    };
}
/// The rows of one GUN: bind it twice.
macro_rules! of_gun {
    () => {
        "gun = ? AND CAST(gun AS BINARY) = ?"
    };
}
macro_rules! documents {
    ($($rest:expr),+) => {
        concat!(
            "SELECT id, role, version, sha256, data, CAST(created_at AS CHAR) AS created_at FROM tuf_files WHERE ",
            $($rest),+
        )
    };
}
macro_rules! changes {
    ($($rest:expr),+) => {
        concat!(
            "SELECT id, CAST(created_at AS CHAR) AS created_at, gun, version, sha256, category FROM changefeed WHERE ",
            $($rest),+
        )
    };
}
use of_gun;
use of_role;

const NEWEST: &str = documents!(
    of_role!(),
    " AND deleted_at IS NULL ORDER BY version DESC LIMIT 1"
);
const NEWEST_VERSION: &str = concat!(
    "SELECT version FROM tuf_files WHERE ",
    of_role!(),
    " AND deleted_at IS NULL ORDER BY version DESC LIMIT 1"
);
const BY_VERSION: &str = documents!(of_role!(), " AND version = ? AND deleted_at IS NULL");
const BY_CHECKSUM: &str = documents!(
    of_role!(),
    " AND sha256 = ? AND deleted_at IS NULL ORDER BY version DESC LIMIT 1"
);
const CHANGES_AFTER: &str = changes!("id > ? ORDER BY id LIMIT ?");
const CHANGES_OF_GUN_AFTER: &str = changes!(of_gun!(), " AND id > ? ORDER BY id LIMIT ?");
const CHANGES_BEFORE: &str = changes!("id < ? ORDER BY id DESC LIMIT ?");
const CHANGES_OF_GUN_BEFORE: &str = changes!(of_gun!(), " AND id < ? ORDER BY id DESC LIMIT ?");
/// A page of names as the key orders them, those that it takes for equal by their bytes: what is bound is the last name of the page
/// before, one more than the page takes, the name again as a text and as bytes, and what the page takes. The names of the page are found
/// first, so that only their rows are looked at.
pub(crate) const GUNS: &str = "SELECT STRAIGHT_JOIN CAST(f.gun AS BINARY) AS name FROM \
    (SELECT DISTINCT gun FROM tuf_files WHERE gun >= ? AND deleted_at IS NULL ORDER BY gun LIMIT ?) AS page \
    JOIN tuf_files AS f ON f.gun = page.gun \
    WHERE f.deleted_at IS NULL AND (f.gun > ? OR CAST(f.gun AS BINARY) > ?) \
    GROUP BY name ORDER BY MIN(f.gun), name LIMIT ?";
const PRUNE: &str = concat!(
    "DELETE FROM tuf_files WHERE ",
    of_role!(),
    " AND version < ?"
);
/// The newest timestamp of a repository, numbered, with the row of its oldest root.
const HEAD: &str = concat!(
    "(SELECT CAST(? AS SIGNED) AS place, id, version, COALESCE(sha256, SHA2(data, 256)) AS sha256, \
    (SELECT id FROM tuf_files WHERE ",
    of_gun!(),
    " AND role = 'root' AND deleted_at IS NULL ORDER BY version LIMIT 1) AS incarnation FROM tuf_files WHERE ",
    of_gun!(),
    " AND role = 'timestamp' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1)"
);

impl MySqlStore {
    /// Uses the tables of this database, which other servers may use too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(pool: MySqlPool) -> Result<Self, StoreError> {
        let server = Server::ask(&pool).await?;
        let heads = Kept::of(pool.clone());
        Ok(Self {
            pool,
            heads,
            server,
        })
    }

    /// What a query gives. Where the connection broke while nobody used it, another one is asked.
    async fn rows(
        &self,
        statement: SqlStr,
        arguments: MySqlArguments,
    ) -> Result<Vec<MySqlRow>, StoreError> {
        let tries = self.pool.options().get_max_connections();
        let asking = async {
            let mut tried = 0;
            loop {
                let mut connection = self.pool.acquire().await?;
                tried += 1;
                let outcome = sqlx::query_with(statement.clone(), arguments.clone())
                    .fetch_all(&mut *connection)
                    .await;
                match outcome {
                    Err(error) if tried <= tries && Failure::is_lost(&error) => {
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
        arguments: MySqlArguments,
    ) -> Result<Option<MySqlRow>, StoreError> {
        let rows = self.rows(statement.into_sql_str(), arguments).await?;
        Ok(rows.into_iter().next())
    }

    async fn document(
        &self,
        statement: &'static str,
        arguments: MySqlArguments,
    ) -> Result<Option<Document>, StoreError> {
        let row = self.row(statement, arguments).await?;
        row.as_ref().map(read_document).transpose()
    }

    async fn heads_of(&self, guns: &[Gun]) -> Result<Vec<HeadAnswer>, StoreError> {
        let mut heads: Vec<HeadAnswer> = guns.iter().map(|_| Ok(None)).collect();
        let asked: Vec<_> = (0_i64..)
            .zip(guns)
            .filter(|(_, gun)| self.server.can_hold(gun))
            .collect();
        let Some(last) = asked.last() else {
            return Ok(heads);
        };
        // As many as the next power of two, so that few different statements are prepared.
        let padding = asked.len().next_power_of_two() - asked.len();
        let all = asked.iter().chain(std::iter::repeat_n(last, padding));
        let mut statement = String::with_capacity((asked.len() + padding) * (HEAD.len() + 11));
        let mut arguments = MySqlArguments::default();
        for (n, (place, gun)) in all.enumerate() {
            if n > 0 {
                statement.push_str(" UNION ALL ");
            }
            statement.push_str(HEAD);
            bind(&mut arguments, place)?;
            for _ in 0..2 {
                bind_gun(&mut arguments, gun)?;
            }
        }
        // The text is made of the constant above alone.
        let statement = AssertSqlSafe(statement).into_sql_str();
        let asking = again(&self.pool, || async {
            let mut connection = self.heads.take().await?;
            let query = sqlx::query_with(statement.clone(), arguments.clone());
            let rows = query.fetch_all(connection.connection()).await?;
            connection.keep();
            Ok(rows)
        });
        let rows = bounded(asking).await?;
        for row in &rows {
            let place: i64 = row.try_get("place")?;
            if let Some(slot) = usize::try_from(place).ok().and_then(|n| heads.get_mut(n)) {
                *slot = read_head(row).map(Some);
            }
        }
        Ok(heads)
    }
}

/// Adds a value.
fn bind<'q, T>(arguments: &mut MySqlArguments, value: T) -> Result<(), StoreError>
where
    T: sqlx::Encode<'q, MySql> + sqlx::Type<MySql>,
{
    arguments
        .add(value)
        .map_err(|error| StoreError::Database(sqlx::Error::Encode(error)))
}

/// Adds a GUN, for the key and by bytes.
fn bind_gun(arguments: &mut MySqlArguments, gun: &Gun) -> Result<(), StoreError> {
    bind(arguments, gun.as_str())?;
    bind(arguments, gun.as_str().as_bytes())
}

/// Adds a GUN and a role, each for the key and by bytes.
fn named(gun: &Gun, role: &RoleName) -> Result<MySqlArguments, StoreError> {
    let mut arguments = MySqlArguments::default();
    bind_gun(&mut arguments, gun)?;
    bind(&mut arguments, role.as_str())?;
    bind(&mut arguments, role.as_str().as_bytes())?;
    Ok(arguments)
}

#[async_trait]
impl SharedStore for MySqlStore {
    async fn heads(&self, guns: &[Gun]) -> Result<Vec<HeadAnswer>, StoreError> {
        let mut heads = Vec::with_capacity(guns.len());
        for part in guns.chunks(MAX_HEADS) {
            heads.append(&mut self.heads_of(part).await?);
        }
        Ok(heads)
    }
}

#[async_trait]
impl MetadataStore for MySqlStore {
    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }

    async fn newest(&self, gun: &Gun, role: &RoleName) -> Result<Option<Document>, StoreError> {
        if !self.server.can_hold(gun) {
            return Ok(None);
        }
        self.document(NEWEST, named(gun, role)?).await
    }

    async fn newest_version(
        &self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<Version>, StoreError> {
        if !self.server.can_hold(gun) {
            return Ok(None);
        }
        let row = self.row(NEWEST_VERSION, named(gun, role)?).await?;
        Ok(row.map(|row| row.try_get("version")).transpose()?)
    }

    async fn by_version(
        &self,
        gun: &Gun,
        role: &RoleName,
        version: Version,
    ) -> Result<Option<Document>, StoreError> {
        if !self.server.can_hold(gun) {
            return Ok(None);
        }
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
        if !self.server.can_hold(gun) {
            return Ok(None);
        }
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
        let mut arguments = MySqlArguments::default();
        if let Some(gun) = gun {
            if !self.server.can_hold(gun) {
                return Ok(Vec::new());
            }
            bind_gun(&mut arguments, gun)?;
        }
        bind(&mut arguments, bound)?;
        bind(&mut arguments, i64::from(limit))?;
        let rows = self.rows(statement.into_sql_str(), arguments).await?;
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
        let mut arguments = MySqlArguments::default();
        let after = after.unwrap_or_default();
        bind(&mut arguments, after)?;
        bind(&mut arguments, i64::from(limit) + 1)?;
        bind(&mut arguments, after)?;
        bind(&mut arguments, after.as_bytes())?;
        bind(&mut arguments, i64::from(limit))?;
        let rows = self.rows(GUNS.into_sql_str(), arguments).await?;
        rows.iter()
            .map(|row| {
                let name: Vec<u8> = row.try_get("name")?;
                String::from_utf8(name).map_err(|_| {
                    StoreError::Database(sqlx::Error::Decode("a GUN is not UTF-8".into()))
                })
            })
            .collect()
    }

    async fn prune(&self, gun: &Gun, role: &RoleName, below: Version) -> Result<u64, StoreError> {
        self.forget(gun, role, below).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let statement = "SELECT 1 FROM tuf_files LIMIT 1";
        self.row(statement, MySqlArguments::default()).await?;
        Ok(())
    }
}
