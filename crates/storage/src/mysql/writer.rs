//! Writing: one transaction an update.
//!
//! The newest timestamp is locked first, by everyone who changes the repository. What is there is read after that, so that nothing that
//! another server stored meanwhile is missed; what two servers store at the same moment in a repository without a timestamp collides in
//! the unique key.

use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use signet_sql::Failure;
use signet_tuf::{Gun, RoleName, Version};
use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, MySql, Row as _, SqlSafeStr as _, Transaction};
use time::OffsetDateTime;

use super::rows::read_revision;
use super::server::BEGIN_REPEATABLE;
use super::{MySqlStore, PRUNE, bind, bind_gun, named, of_gun, of_role};
use crate::attempt::{LIMIT, after_unknown, bounded};
use crate::{ChangeCategory, Commit, MAX_VERSION, NewDocument, Revision, StoreError, sql_time};

/// How often a transaction is tried that others stand in the way of, or whose connection breaks.
const TRIES: u32 = 6;
/// After how long nothing is tried again.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first pause between two tries; each is twice as long as the one before it.
const PAUSE: Duration = Duration::from_millis(10);
/// Most rows in one statement.
const MAX_ROWS: usize = 32;

/// Every name that the key takes for this one.
const LOCK: &str = "SELECT id, CAST(gun AS BINARY) AS name FROM tuf_files \
    WHERE gun = ? AND role = 'timestamp' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1 FOR UPDATE";
const LOOK: &str = "SELECT id, CAST(gun AS BINARY) AS name FROM tuf_files WHERE gun = ? LIMIT 1";
const OTHER_NAME: &str = "SELECT id, CAST(gun AS BINARY) AS name FROM tuf_files \
    WHERE gun = ? AND role = ? AND version = ? AND (CAST(gun AS BINARY) <> ? OR CAST(role AS BINARY) <> ?)";
const CURRENT: &str = concat!(
    "(SELECT id, CAST(role AS BINARY) AS name, version, COALESCE(sha256, SHA2(data, 256)) AS sha256 FROM tuf_files WHERE ",
    of_role!(),
    " AND deleted_at IS NULL ORDER BY version DESC LIMIT 1)"
);
const INSERT_FILES: &str = "INSERT INTO tuf_files (created_at, updated_at, deleted_at, gun, role, version, sha256, data) VALUES ";
/// A moment, as the column holds it. The session is in the server's zone, as Go's are, and the text is UTC all the same: where the zone
/// skips an hour in spring, that hour is no time of the column's. Its rows get the end of it, and all others what the text says.
macro_rules! moment {
    () => {
        "FROM_UNIXTIME(UNIX_TIMESTAMP(?))"
    };
}
const FILE: &str = concat!("(", moment!(), ", ", moment!(), ", NULL, ?, ?, ?, ?, ?)");
const INSERT_CHANGE: &str = concat!(
    "INSERT INTO changefeed (created_at, gun, version, sha256, category) VALUES (",
    moment!(),
    ", ?, ?, ?, ?)"
);
const DELETE: &str = concat!("DELETE FROM tuf_files WHERE ", of_gun!());
/// Waits for a transaction that may have stored the row and is not over.
const IS_STORED: &str = concat!(
    "SELECT COALESCE(sha256, SHA2(data, 256)) = ? AS same FROM tuf_files WHERE ",
    of_role!(),
    " AND version = ? AND deleted_at IS NULL LOCK IN SHARE MODE"
);
const IS_THERE: &str = concat!(
    "SELECT id FROM tuf_files WHERE ",
    of_gun!(),
    " LIMIT 1 LOCK IN SHARE MODE"
);

/// Why a transaction was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// It may not be done.
    Refused(StoreError),
    /// It was not done.
    Failed(sqlx::Error),
    /// The connection broke while it was committed.
    Unknown(sqlx::Error),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => Self::Failed(error),
            error => Self::Refused(error),
        }
    }
}

/// What to do after a fault.
pub(super) enum Next {
    Again,
    /// The connection broke during the commit: look whether it is done.
    Look,
    Refuse(StoreError),
}

/// The tries of one transaction.
pub(super) struct Tries {
    count: u32,
    started: Instant,
}

impl Tries {
    pub(super) fn new() -> Self {
        Self {
            count: 0,
            started: Instant::now(),
        }
    }

    /// What to do after a try that was not done.
    pub(super) async fn after(&mut self, fault: Fault) -> Next {
        let (error, looks) = match fault {
            Fault::Refused(error) => return Next::Refuse(error),
            Fault::Failed(error) => (error, false),
            Fault::Unknown(error) => (error, true),
        };
        self.count += 1;
        let may_repeat = self.count < TRIES && self.started.elapsed() < PATIENCE;
        match Failure::of(&error) {
            Failure::Taken => Next::Refuse(StoreError::Conflict),
            Failure::Contended if !may_repeat => Next::Refuse(StoreError::Conflict),
            Failure::Contended => {
                tokio::time::sleep(pause(self.count)).await;
                Next::Again
            }
            Failure::Unreachable if looks && may_repeat => Next::Look,
            Failure::Unreachable if may_repeat && Failure::is_lost(&error) => {
                tokio::time::sleep(pause(self.count)).await;
                Next::Again
            }
            _ => Next::Refuse(StoreError::Database(error)),
        }
    }
}

/// How long to wait after a try: longer each time, and not as long as others who failed at the same moment.
fn pause(tries: u32) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let full = PAUSE.saturating_mul(1 << tries.min(6));
    // Its seed is random, which is all that is needed here.
    let chance = RandomState::new().hash_one(tries) % 1000;
    full.mul_f64(0.5 + u32::try_from(chance).map_or(0.0, f64::from) / 1000.0)
}

impl MySqlStore {
    /// Stores an update.
    pub(super) async fn store(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let fits = |new: &NewDocument| (1..=MAX_VERSION).contains(&new.version);
        if !commit.all().all(fits) {
            return Err(StoreError::Conflict);
        }
        self.check_sizes(commit.all())?;
        self.check_characters(commit.gun)?;
        let mut tries = Tries::new();
        let mut is_unknown = false;
        loop {
            let Err(fault) = self.try_store(commit).await else {
                return Ok(());
            };
            match tries.after(fault).await {
                Next::Again => {}
                Next::Look => {
                    is_unknown = true;
                    let stored = self.is_stored(commit.gun, commit.timestamp).await;
                    if stored.map_err(after_unknown)? {
                        return Ok(());
                    }
                }
                Next::Refuse(StoreError::Conflict) => {
                    return Err(self.why_taken(commit.gun, commit.all()).await);
                }
                Next::Refuse(error) if is_unknown => return Err(after_unknown(error)),
                Next::Refuse(error) => return Err(error),
            }
        }
    }

    /// Begins a transaction. Where the connection broke while nobody used it, on another one.
    pub(super) async fn begin(
        &self,
        statement: &'static str,
    ) -> Result<Transaction<'static, MySql>, sqlx::Error> {
        let mut left = self.pool.options().get_max_connections();
        loop {
            match bounded(self.pool.begin_with(statement)).await {
                Err(error) if left > 0 && Failure::is_lost(&error) => left -= 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_store(&self, commit: &Commit<'_>) -> Result<(), Fault> {
        let mut transaction = self.begin(self.server.begin).await?;
        let work = async {
            self.lock(&mut transaction, commit.gun, commit.base.is_some())
                .await?;
            check_current(&mut transaction, commit).await?;
            let now = sql_time::write_naive(commit.now);
            let all: Vec<_> = commit.all().map(|new| (new, now.as_str())).collect();
            self.insert(&mut transaction, commit.gun, &all).await?;
            let timestamp = Revision {
                version: commit.timestamp.version,
                sha256: commit.timestamp.sha256,
            };
            insert_change(&mut transaction, commit.gun, &now, Some(timestamp)).await
        };
        limited(work).await?;
        finish(transaction).await
    }

    /// Removes every row of a GUN, and records it if there was any.
    pub(super) async fn remove(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        if !self.server.can_hold(gun) {
            return Ok(false);
        }
        let mut tries = Tries::new();
        loop {
            let fault = match self.try_remove(gun, now).await {
                Ok(existed) => return Ok(existed),
                Err(fault) => fault,
            };
            match tries.after(fault).await {
                Next::Again => {}
                Next::Look => {
                    let mut arguments = MySqlArguments::default();
                    bind_gun(&mut arguments, gun)?;
                    if self.row(IS_THERE, arguments).await?.is_none() {
                        return Ok(true);
                    }
                }
                Next::Refuse(error) => return Err(error),
            }
        }
    }

    async fn try_remove(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, Fault> {
        let mut transaction = self.begin(BEGIN_REPEATABLE).await?;
        let work = async {
            let mut arguments = MySqlArguments::default();
            bind(&mut arguments, gun.as_str())?;
            sqlx::query_with(LOCK, arguments)
                .fetch_optional(&mut *transaction)
                .await?;
            let mut arguments = MySqlArguments::default();
            bind_gun(&mut arguments, gun)?;
            let done = sqlx::query_with(DELETE, arguments)
                .execute(&mut *transaction)
                .await?;
            let existed = done.rows_affected() > 0;
            if existed {
                let now = sql_time::write_naive(now);
                insert_change(&mut transaction, gun, &now, None).await?;
            }
            Ok(existed)
        };
        let existed = limited(work).await?;
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
        if !self.server.can_hold(gun) {
            return Ok(0);
        }
        let mut tries = Tries::new();
        loop {
            let mut arguments = named(gun, role)?;
            bind(&mut arguments, below)?;
            let work = sqlx::query_with(PRUNE, arguments).execute(&self.pool);
            match bounded(work).await {
                Ok(done) => return Ok(done.rows_affected()),
                Err(error) => {
                    if let Next::Refuse(error) = tries.after(Fault::Failed(error)).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Waits until nobody else changes the repository, and refuses a name that the key takes for another one.
    pub(super) async fn lock(
        &self,
        connection: &mut MySqlConnection,
        gun: &Gun,
        exists: bool,
    ) -> Result<(), Fault> {
        let mut arguments = MySqlArguments::default();
        bind(&mut arguments, gun.as_str())?;
        let statement = if exists { LOCK } else { LOOK };
        let row = sqlx::query_with(statement, arguments)
            .fetch_optional(connection)
            .await?;
        match row.map(|row| stored_name(&row)).transpose()? {
            Some(stored) if stored != gun.as_str() => {
                Err(Fault::Refused(StoreError::NameTaken { stored }))
            }
            _ => Ok(()),
        }
    }

    /// Stores documents, each with the moment that its row records.
    pub(super) async fn insert(
        &self,
        connection: &mut MySqlConnection,
        gun: &Gun,
        all: &[(&NewDocument, &str)],
    ) -> Result<(), Fault> {
        let mut rest = all;
        while !rest.is_empty() {
            let count = self.count_that_fits(rest);
            let (part, after) = rest.split_at(count);
            rest = after;
            let mut statement = String::with_capacity(INSERT_FILES.len() + count * FILE.len());
            statement.push_str(INSERT_FILES);
            let mut arguments = MySqlArguments::default();
            for (n, (new, now)) in part.iter().enumerate() {
                statement.push_str(if n > 0 { "," } else { "" });
                statement.push_str(FILE);
                // A moment that the column cannot hold is none.
                let moment = (*now >= EARLIEST).then_some(*now);
                bind(&mut arguments, moment)?;
                bind(&mut arguments, moment)?;
                bind(&mut arguments, gun.as_str())?;
                bind(&mut arguments, new.role.as_str())?;
                bind(&mut arguments, new.version)?;
                bind(&mut arguments, HEXLOWER.encode(&new.sha256))?;
                bind(&mut arguments, new.data.as_ref())?;
            }
            // The text is made of the constants above alone.
            sqlx::query_with(AssertSqlSafe(statement).into_sql_str(), arguments)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }

    /// How many of these go into one statement, at least one.
    fn count_that_fits(&self, all: &[(&NewDocument, &str)]) -> usize {
        let mut size = 0_usize;
        all.iter()
            .take(MAX_ROWS)
            .take_while(|(new, _)| {
                size = size.saturating_add(row_size(new));
                size <= self.server.max_statement
            })
            .count()
            .max(1)
    }

    /// Refuses what no statement can carry: the server would cut the connection.
    pub(super) fn check_sizes<'a>(
        &self,
        mut all: impl Iterator<Item = &'a NewDocument>,
    ) -> Result<(), StoreError> {
        let limit = self.server.max_statement;
        match all.find(|new| row_size(new) > limit) {
            None => Ok(()),
            Some(new) => Err(StoreError::TooLarge {
                role: new.role.clone(),
                size: new.data.len(),
                limit,
            }),
        }
    }

    pub(super) fn check_characters(&self, gun: &Gun) -> Result<(), StoreError> {
        if self.server.can_hold(gun) {
            Ok(())
        } else {
            Err(StoreError::NameUnsupported)
        }
    }

    /// Whether a transaction did store its timestamp whose end was not seen.
    pub(super) async fn is_stored(
        &self,
        gun: &Gun,
        timestamp: &NewDocument,
    ) -> Result<bool, StoreError> {
        let mut arguments = MySqlArguments::default();
        bind(&mut arguments, HEXLOWER.encode(&timestamp.sha256))?;
        bind_gun(&mut arguments, gun)?;
        bind(&mut arguments, timestamp.role.as_str())?;
        bind(&mut arguments, timestamp.role.as_str().as_bytes())?;
        bind(&mut arguments, timestamp.version)?;
        let row = self.row(IS_STORED, arguments).await?;
        Ok(row
            .map(|row| row.try_get("same"))
            .transpose()?
            .unwrap_or(false))
    }

    /// Whether a conflict is one of names.
    pub(super) async fn why_taken(
        &self,
        gun: &Gun,
        all: impl Iterator<Item = &NewDocument> + Send,
    ) -> StoreError {
        for new in all {
            match self.other_name(gun, new).await {
                Ok(None) => {}
                Ok(Some(stored)) => return StoreError::NameTaken { stored },
                Err(_) => break,
            }
        }
        StoreError::Conflict
    }

    /// The name in the row that keeps a version taken, if it is another one.
    async fn other_name(&self, gun: &Gun, new: &NewDocument) -> Result<Option<String>, StoreError> {
        let mut arguments = MySqlArguments::default();
        bind(&mut arguments, gun.as_str())?;
        bind(&mut arguments, new.role.as_str())?;
        bind(&mut arguments, new.version)?;
        bind(&mut arguments, gun.as_str().as_bytes())?;
        bind(&mut arguments, new.role.as_str().as_bytes())?;
        let row = self.row(OTHER_NAME, arguments).await?;
        Ok(row.map(|row| stored_name(&row)).transpose()?)
    }
}

/// The first moment that a column of the type `timestamp` holds, in every time zone.
const EARLIEST: &str = "1970-01-02";

fn row_size(new: &NewDocument) -> usize {
    new.data.len().saturating_add(1024)
}

fn stored_name(row: &MySqlRow) -> Result<String, sqlx::Error> {
    let name: Vec<u8> = row.try_get("name")?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Refuses an update whose writer missed something.
async fn check_current(connection: &mut MySqlConnection, commit: &Commit<'_>) -> Result<(), Fault> {
    let all: Vec<_> = commit.all().collect();
    let mut base = None;
    for part in all.chunks(MAX_ROWS) {
        let mut statement = String::with_capacity(part.len() * (CURRENT.len() + 11));
        let mut arguments = MySqlArguments::default();
        for (n, new) in part.iter().enumerate() {
            statement.push_str(if n > 0 { " UNION ALL " } else { "" });
            statement.push_str(CURRENT);
            bind_gun(&mut arguments, commit.gun)?;
            bind(&mut arguments, new.role.as_str())?;
            bind(&mut arguments, new.role.as_str().as_bytes())?;
        }
        // The text is made of the constant above alone.
        let rows = sqlx::query_with(AssertSqlSafe(statement).into_sql_str(), arguments)
            .fetch_all(&mut *connection)
            .await?;
        for row in &rows {
            let name: Vec<u8> = row.try_get("name")?;
            let found = read_revision(row)?;
            let is_taken = |new: &&&NewDocument| {
                new.role.as_str().as_bytes() == name && found.version >= new.version
            };
            if part.iter().find(is_taken).is_some() {
                return Err(Fault::Refused(StoreError::Conflict));
            }
            if name == commit.timestamp.role.as_str().as_bytes() {
                base = Some(found);
            }
        }
    }
    if base == commit.base {
        Ok(())
    } else {
        Err(Fault::Refused(StoreError::Conflict))
    }
}

/// Records what happened to a repository: an update to this timestamp, or its deletion.
pub(super) async fn insert_change(
    connection: &mut MySqlConnection,
    gun: &Gun,
    now: &str,
    timestamp: Option<Revision>,
) -> Result<(), Fault> {
    let (version, sha256, category) = match timestamp {
        Some(new) => (
            new.version,
            HEXLOWER.encode(&new.sha256),
            ChangeCategory::Update,
        ),
        None => (0, String::new(), ChangeCategory::Deletion),
    };
    let mut arguments = MySqlArguments::default();
    bind(&mut arguments, now)?;
    bind(&mut arguments, gun.as_str())?;
    bind(&mut arguments, version)?;
    bind(&mut arguments, sha256)?;
    bind(&mut arguments, category.as_str())?;
    sqlx::query_with(INSERT_CHANGE, arguments)
        .execute(connection)
        .await?;
    Ok(())
}

/// The same limit as for questions.
pub(super) async fn limited<T>(
    work: impl Future<Output = Result<T, Fault>> + Send,
) -> Result<T, Fault> {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Fault::Failed(sqlx::Error::Io(
            std::io::ErrorKind::TimedOut.into(),
        ))),
    }
}

/// Commits.
pub(super) async fn finish(transaction: Transaction<'static, MySql>) -> Result<(), Fault> {
    bounded(transaction.commit()).await.map_err(|error| {
        if Failure::of(&error) == Failure::Unreachable {
            Fault::Unknown(error)
        } else {
            Fault::Failed(error)
        }
    })
}
