//! Writing to SQLite: one connection, and one transaction for all updates that wait at the same moment.
//!
//! A transaction costs a wait for the disk, whatever is in it. Updates queue; who gets the connection stores the whole
//! queue and tells every one what became of it. An update that may not be stored leaves the others alone.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use data_encoding::HEXLOWER;
use signet_tuf::Gun;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::{ChangeCategory, Commit, MAX_VERSION, NewDocument, Revision, StoreError, sql_time};

/// The one connection that writes, and those who wait for it.
#[derive(Debug)]
pub(super) struct Writer {
    pool: SqlitePool,
    queue: Mutex<VecDeque<Job>>,
}

/// An update in the queue.
#[derive(Debug)]
struct Job {
    gun: Gun,
    base: Option<Revision>,
    /// The timestamp last.
    documents: Vec<NewDocument>,
    now: OffsetDateTime,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// Most updates in one transaction.
const MAX_JOBS: usize = 64;
/// Most documents whose statements go to the database in one step.
const BATCH: usize = 8;

/// Whether the update at hand may be stored is written down here, so that the statements behind it can ask.
const CREATE_VERDICT: &str =
    "CREATE TEMP TABLE verdict (ok INTEGER NOT NULL); INSERT INTO verdict VALUES (0)";
/// It may when the newest timestamp is the expected one …
const CHECK_BASE: &str = "UPDATE verdict SET ok = \
    (SELECT version FROM tuf_files WHERE gun = ? AND role = 'timestamp' AND deleted_at IS NULL \
        ORDER BY version DESC LIMIT 1) IS ? \
    AND (? IS NULL OR (SELECT COALESCE(lower(sha256), ?) FROM tuf_files \
        WHERE gun = ? AND role = 'timestamp' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1) = ?);";
/// … and no role has a version at least as high. Rows that are marked as deleted keep their versions taken.
const CHECK_ROLE: &str = "UPDATE verdict SET ok = 0 WHERE EXISTS (SELECT 1 FROM tuf_files \
    WHERE gun = ? AND role = ? AND version >= ? AND (version = ? OR deleted_at IS NULL));";
const INSERT_FILE: &str = "INSERT INTO tuf_files (created_at, updated_at, deleted_at, gun, role, version, sha256, data) \
    SELECT ?, ?, NULL, ?, ?, ?, ?, ? FROM verdict WHERE ok;";
const INSERT_CHANGE: &str = "INSERT INTO changefeed (created_at, gun, version, sha256, category) \
    SELECT ?, ?, ?, ?, ? FROM verdict WHERE ok;";
const ASK_VERDICT: &str = "SELECT ok FROM verdict;";
const INSERT_DELETION: &str = "INSERT INTO changefeed (created_at, gun, version, sha256, category) \
    VALUES (?, ?, 0, '', 'deletion')";

/// Statements that go to the database in one step.
struct Step<'a> {
    /// Whether the base is checked first.
    begins: bool,
    checks: &'a [NewDocument],
    inserts: &'a [NewDocument],
    /// Whether the change is recorded and the verdict asked for.
    ends: bool,
}

impl Writer {
    pub(super) async fn open(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute("PRAGMA temp_store = MEMORY").await?;
                    connection.execute(CREATE_VERDICT).await.map(drop)
                })
            })
            .connect_with(options)
            .await?;
        Ok(Self {
            pool,
            queue: Mutex::default(),
        })
    }

    /// The connection, for other statements.
    pub(super) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores an update, together with all others that wait.
    pub(super) async fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        if commit
            .all()
            .any(|new| !(1..=MAX_VERSION).contains(&new.version))
        {
            return Err(StoreError::Conflict);
        }
        let (done, outcome) = oneshot::channel();
        self.queue().push_back(Job {
            gun: commit.gun.clone(),
            base: commit.base,
            documents: commit.all().cloned().collect(),
            now: commit.now,
            done,
        });
        let mut connection = self.pool.acquire().await?;
        let jobs: Vec<Job> = {
            let mut queue = self.queue();
            let count = queue.len().min(MAX_JOBS);
            queue.drain(..count).collect()
        };
        store(&mut connection, jobs).await;
        drop(connection);
        // Either among those jobs, or stored by whoever had the connection before.
        outcome.await.unwrap_or(Err(StoreError::Interrupted))
    }

    /// Deletes every row of a GUN, and records it if there was any.
    pub(super) async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let existed = sqlx::query("DELETE FROM tuf_files WHERE gun = ?")
            .bind(gun.as_str())
            .execute(&mut *transaction)
            .await?
            .rows_affected()
            > 0;
        if existed {
            sqlx::query(INSERT_DELETION)
                .bind(sql_time::write(now))
                .bind(gun.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(existed)
    }
}

/// Stores all jobs in one transaction. Where that fails as a whole, each gets one of its own: what is wrong with one must
/// not be the others' loss.
async fn store(connection: &mut SqliteConnection, jobs: Vec<Job>) {
    match store_together(connection, &jobs).await {
        Ok(verdicts) => {
            for (job, ok) in jobs.into_iter().zip(verdicts) {
                let outcome = if ok {
                    Ok(())
                } else {
                    Err(StoreError::Conflict)
                };
                // Nobody may be waiting any more.
                let _nobody = job.done.send(outcome);
            }
        }
        Err(error) if jobs.len() == 1 => {
            if let Some(job) = jobs.into_iter().next() {
                let _nobody = job.done.send(Err(error.into()));
            }
        }
        Err(_) => {
            for job in jobs {
                let outcome = match store_together(connection, std::slice::from_ref(&job)).await {
                    Ok(verdicts) if verdicts == [true] => Ok(()),
                    Ok(_) => Err(StoreError::Conflict),
                    Err(error) => Err(error.into()),
                };
                let _nobody = job.done.send(outcome);
            }
        }
    }
}

/// Says of each job whether it was stored.
async fn store_together(
    connection: &mut SqliteConnection,
    jobs: &[Job],
) -> Result<Vec<bool>, sqlx::Error> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut verdicts = Vec::with_capacity(jobs.len());
    for job in jobs {
        verdicts.push(insert(&mut transaction, job).await?);
    }
    transaction.commit().await?;
    Ok(verdicts)
}

async fn insert(connection: &mut SqliteConnection, job: &Job) -> Result<bool, sqlx::Error> {
    let all = &job.documents[..];
    let whole = Step {
        begins: true,
        checks: all,
        inserts: all,
        ends: true,
    };
    if all.len() <= BATCH {
        return whole.run(connection, job).await;
    }
    // Every role is checked before anything is inserted.
    let nothing = Step {
        begins: false,
        checks: &[],
        inserts: &[],
        ends: false,
    };
    let begin = Step {
        begins: true,
        ..nothing
    };
    begin.run(connection, job).await?;
    for checks in all.chunks(BATCH) {
        Step { checks, ..nothing }.run(connection, job).await?;
    }
    for inserts in all.chunks(BATCH) {
        Step { inserts, ..nothing }.run(connection, job).await?;
    }
    let end = Step {
        ends: true,
        ..nothing
    };
    end.run(connection, job).await
}

impl Step<'_> {
    fn statements(&self) -> String {
        let mut text = String::with_capacity(4096);
        if self.begins {
            text.push_str(CHECK_BASE);
        }
        for _ in self.checks {
            text.push_str(CHECK_ROLE);
        }
        for _ in self.inserts {
            text.push_str(INSERT_FILE);
        }
        if self.ends {
            text.push_str(INSERT_CHANGE);
            text.push_str(ASK_VERDICT);
        }
        text
    }

    /// Gives the verdict if it is asked for, else nothing that means anything.
    async fn run(&self, connection: &mut SqliteConnection, job: &Job) -> Result<bool, sqlx::Error> {
        let (gun, now) = (job.gun.as_str(), sql_time::write(job.now));
        // The text is made of the constants above alone.
        let mut query = sqlx::query(AssertSqlSafe(self.statements()));
        if self.begins {
            let version = job.base.map(|base| base.version);
            let sha256 = job.base.map(|base| HEXLOWER.encode(&base.sha256));
            query = query
                .bind(gun)
                .bind(version)
                .bind(sha256.clone())
                .bind(sha256.clone())
                .bind(gun)
                .bind(sha256);
        }
        for new in self.checks {
            query = query
                .bind(gun)
                .bind(new.role.as_str())
                .bind(new.version)
                .bind(new.version);
        }
        for new in self.inserts {
            query = query
                .bind(now.as_str())
                .bind(now.as_str())
                .bind(gun)
                .bind(new.role.as_str())
                .bind(new.version)
                .bind(HEXLOWER.encode(&new.sha256))
                .bind(new.data.as_ref());
        }
        let Some(timestamp) = job.documents.last().filter(|_| self.ends) else {
            return query.execute(connection).await.map(|_| false);
        };
        let row = query
            .bind(now.as_str())
            .bind(gun)
            .bind(timestamp.version)
            .bind(HEXLOWER.encode(&timestamp.sha256))
            .bind(ChangeCategory::Update.as_str())
            .fetch_one(connection)
            .await?;
        row.try_get("ok")
    }
}
