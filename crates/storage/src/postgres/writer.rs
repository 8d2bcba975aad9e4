//! Writing: one transaction an update.
//!
//! The newest timestamp is locked first, by everyone who changes the repository. What is there is read after that, in a statement of its
//! own, which sees all that was committed before the lock was got; what two servers store at the same moment in a repository without a
//! timestamp collides in the unique key.

use data_encoding::HEXLOWER;
use signet_sql::Failure;
use signet_tuf::{Gun, RoleName, Version};
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgConnection};
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

use super::rows::read_revision;
use super::{PostgresStore, bind, column, is_broken, named};
use crate::attempt::{Fault, Next, bounded};
use crate::{ChangeCategory, Commit, MAX_VERSION, NewDocument, Revision, StoreError};

/// Most bytes of documents in one statement.
const MAX_STATEMENT: usize = 32 << 20;
/// Most rows in one statement.
const MAX_ROWS: usize = 256;

/// Whatever the database's default is: each statement sees what was committed before it began.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const LOCK: &str = "SELECT id FROM tuf_files WHERE gun = $1 AND role = 'timestamp' AND deleted_at IS NULL \
    ORDER BY version DESC LIMIT 1 FOR UPDATE";
const CURRENT: &str = "SELECT newest.id, asked.role, newest.version, newest.sha256 FROM unnest($2::text[]) AS asked(role) \
    CROSS JOIN LATERAL (SELECT id, version, COALESCE(sha256, encode(sha256(data), 'hex')) AS sha256 FROM tuf_files \
        WHERE gun = $1 AND role = asked.role AND deleted_at IS NULL ORDER BY version DESC LIMIT 1) AS newest";
const INSERT_FILES: &str = "INSERT INTO tuf_files (created_at, updated_at, deleted_at, gun, role, version, sha256, data) \
    SELECT moment, moment, NULL, $1, role, version, sha256, data \
    FROM unnest($2::timestamp[], $3::text[], $4::integer[], $5::text[], $6::bytea[]) AS new(moment, role, version, sha256, data)";
const INSERT_CHANGE: &str = "INSERT INTO changefeed (created_at, gun, version, sha256, category) VALUES ($1, $2, $3, $4, $5)";
const DELETE: &str = "DELETE FROM tuf_files WHERE gun = $1";
const PRUNE: &str = "DELETE FROM tuf_files WHERE gun = $1 AND role = $2 AND version < $3";
const IS_STORED: &str = "SELECT COALESCE(sha256, encode(sha256(data), 'hex')) = $3 AS same FROM tuf_files \
    WHERE gun = $1 AND role = $2 AND version = $4 AND deleted_at IS NULL";
const IS_THERE: &str = "SELECT id FROM tuf_files WHERE gun = $1 LIMIT 1";

/// A moment as the columns have it.
pub(super) fn naive(moment: OffsetDateTime) -> PrimitiveDateTime {
    let moment = moment.to_offset(UtcOffset::UTC);
    PrimitiveDateTime::new(moment.date(), moment.time())
}

impl PostgresStore {
    /// Stores an update.
    pub(super) async fn store(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let fits = |new: &NewDocument| (1..=MAX_VERSION).contains(&new.version);
        if !commit.all().all(fits) {
            return Err(StoreError::Conflict);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let Err(fault) = self.try_store(commit).await else {
                return Ok(());
            };
            match fault.next(tries, is_broken).await {
                Next::Again => {}
                Next::Look => {
                    if self.is_stored(commit.gun, commit.timestamp).await? {
                        return Ok(());
                    }
                }
                Next::Refuse(error) => return Err(error),
            }
        }
    }

    async fn try_store(&self, commit: &Commit<'_>) -> Result<(), Fault> {
        let mut transaction = bounded(self.pool.begin_with(BEGIN)).await?;
        let work = async {
            if commit.base.is_some() {
                lock(&mut transaction, commit.gun).await?;
            }
            check_current(&mut transaction, commit).await?;
            let now = naive(commit.now);
            let all: Vec<_> = commit.all().map(|new| (new, now)).collect();
            insert(&mut transaction, commit.gun, &all).await?;
            let timestamp = Revision {
                version: commit.timestamp.version,
                sha256: commit.timestamp.sha256,
            };
            insert_change(&mut transaction, commit.gun, now, Some(timestamp)).await
        };
        bounded(work).await?;
        finish(transaction).await
    }

    /// Removes every row of a GUN, and records it if there was any.
    pub(super) async fn remove(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let fault = match self.try_remove(gun, now).await {
                Ok(existed) => return Ok(existed),
                Err(fault) => fault,
            };
            match fault.next(tries, is_broken).await {
                Next::Again => {}
                Next::Look => {
                    let mut arguments = PgArguments::default();
                    bind(&mut arguments, gun.as_str())?;
                    if self.row(IS_THERE, arguments).await?.is_none() {
                        return Ok(true);
                    }
                }
                Next::Refuse(error) => return Err(error),
            }
        }
    }

    async fn try_remove(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, Fault> {
        let mut transaction = bounded(self.pool.begin_with(BEGIN)).await?;
        let work = async {
            lock(&mut transaction, gun).await?;
            let done = sqlx::query(DELETE)
                .bind(gun.as_str())
                .execute(&mut *transaction)
                .await?;
            let existed = done.rows_affected() > 0;
            if existed {
                insert_change(&mut transaction, gun, naive(now), None).await?;
            }
            Ok::<_, Fault>(existed)
        };
        let existed = bounded(work).await?;
        finish(transaction).await?;
        Ok(existed)
    }

    /// Removes old versions of a role.
    pub(super) async fn forget(
        &self,
        gun: &Gun,
        role: &RoleName,
        below: Version,
    ) -> Result<u64, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut arguments = named(gun, role)?;
            bind(&mut arguments, below)?;
            let work = sqlx::query_with(PRUNE, arguments).execute(&self.pool);
            match bounded(work).await {
                Ok(done) => return Ok(done.rows_affected()),
                Err(error) => {
                    let next = Fault::Failed(error).next(tries, is_broken).await;
                    if let Next::Refuse(error) = next {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Whether a transaction did store its timestamp whose end was not seen.
    async fn is_stored(&self, gun: &Gun, timestamp: &NewDocument) -> Result<bool, StoreError> {
        let mut arguments = named(gun, &timestamp.role)?;
        bind(&mut arguments, HEXLOWER.encode(&timestamp.sha256))?;
        bind(&mut arguments, column(timestamp.version))?;
        let row = self.row(IS_STORED, arguments).await?;
        Ok(row
            .map(|row| row.try_get("same"))
            .transpose()?
            .unwrap_or(false))
    }
}

/// Waits until nobody else changes the repository.
pub(super) async fn lock(connection: &mut PgConnection, gun: &Gun) -> Result<(), Fault> {
    sqlx::query(LOCK)
        .bind(gun.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(())
}

/// Refuses an update whose writer missed something.
async fn check_current(connection: &mut PgConnection, commit: &Commit<'_>) -> Result<(), Fault> {
    let roles: Vec<&str> = commit.all().map(|new| new.role.as_str()).collect();
    let rows = sqlx::query(CURRENT)
        .bind(commit.gun.as_str())
        .bind(roles)
        .fetch_all(connection)
        .await?;
    let mut base = None;
    for row in &rows {
        let role: String = row.try_get("role")?;
        let found = read_revision(row)?;
        let is_taken =
            |new: &NewDocument| new.role.as_str() == role && found.version >= new.version;
        if commit.all().any(is_taken) {
            return Err(Fault::Refused(StoreError::Conflict));
        }
        if role == commit.timestamp.role.as_str() {
            base = Some(found);
        }
    }
    if base == commit.base {
        Ok(())
    } else {
        Err(Fault::Refused(StoreError::Conflict))
    }
}

/// Stores documents, each with the moment that its row records.
pub(super) async fn insert(
    connection: &mut PgConnection,
    gun: &Gun,
    all: &[(&NewDocument, PrimitiveDateTime)],
) -> Result<(), Fault> {
    let mut rest = all;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(count_that_fits(rest));
        rest = after;
        let moments: Vec<PrimitiveDateTime> = part.iter().map(|(_, moment)| *moment).collect();
        let roles: Vec<&str> = part.iter().map(|(new, _)| new.role.as_str()).collect();
        // Who asks has checked that they fit.
        let versions: Vec<Option<i32>> = part.iter().map(|(new, _)| column(new.version)).collect();
        let digests: Vec<String> = part
            .iter()
            .map(|(new, _)| HEXLOWER.encode(&new.sha256))
            .collect();
        let data: Vec<&[u8]> = part.iter().map(|(new, _)| new.data.as_ref()).collect();
        sqlx::query(INSERT_FILES)
            .bind(gun.as_str())
            .bind(moments)
            .bind(roles)
            .bind(versions)
            .bind(digests)
            .bind(data)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// How many of these go into one statement, at least one.
fn count_that_fits(all: &[(&NewDocument, PrimitiveDateTime)]) -> usize {
    let mut size = 0_usize;
    all.iter()
        .take(MAX_ROWS)
        .take_while(|(new, _)| {
            size = size.saturating_add(new.data.len());
            size <= MAX_STATEMENT
        })
        .count()
        .max(1)
}

/// Records what happened to a repository: an update to this timestamp, or its deletion.
pub(super) async fn insert_change(
    connection: &mut PgConnection,
    gun: &Gun,
    now: PrimitiveDateTime,
    timestamp: Option<Revision>,
) -> Result<(), Fault> {
    let (version, sha256, category) = match timestamp {
        Some(new) => (
            column(new.version),
            HEXLOWER.encode(&new.sha256),
            ChangeCategory::Update,
        ),
        None => (Some(0), String::new(), ChangeCategory::Deletion),
    };
    sqlx::query(INSERT_CHANGE)
        .bind(now)
        .bind(gun.as_str())
        .bind(version)
        .bind(sha256)
        .bind(category.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Commits.
pub(super) async fn finish(
    transaction: sqlx::Transaction<'static, sqlx::Postgres>,
) -> Result<(), Fault> {
    bounded(transaction.commit()).await.map_err(|error| {
        if Failure::of(&error) == Failure::Unreachable {
            Fault::Unknown(error)
        } else {
            Fault::Failed(error)
        }
    })
}
