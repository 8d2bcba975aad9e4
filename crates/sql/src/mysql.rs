//! MySQL and MariaDB: `user:password@tcp(host:port)/database?…`, as Go's driver reads it.
//!
//! A session is as Go's driver leaves it, so that both read the same rows: in the server's default time zone, with the server's default
//! isolation. Ours are a limit for waits and statements, and that a value which does not fit is an error whatever the server's mode.

use std::time::Duration;

use sqlx::mysql::{MySqlConnection, MySqlDatabaseError, MySqlPool, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use crate::failure::with_reason;
use crate::{ConnectError, PoolLimits};

mod duration;
mod source;

pub use source::Source;

/// How long a statement waits for a row that another transaction holds.
const LOCK_WAIT_SECONDS: u32 = 3;
/// How long a statement may take, when the data source does not say.
const STATEMENT_LIMIT: Duration = Duration::from_secs(60);
/// A connection that was idle for longer is tried before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(15);
/// The server has no variable of this name.
const UNKNOWN_VARIABLE: u16 = 1193;

/// Connects to the database of this data source name.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(source: &str, limits: PoolLimits) -> Result<MySqlPool, ConnectError> {
    Source::parse(source)?.connect(limits).await
}

impl Source {
    /// Opens a pool of connections, the first one at once.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(&self, limits: PoolLimits) -> Result<MySqlPool, ConnectError> {
        let session = self.session();
        let limit = self.statement_limit.unwrap_or(STATEMENT_LIMIT);
        let pool = MySqlPoolOptions::new()
            .max_connections(limits.connections)
            .acquire_timeout(self.connect_limit.unwrap_or(limits.acquire))
            // Who uses a connection that broke meanwhile gets another one; a look before every use would cost as much as the use.
            .test_before_acquire(false)
            .before_acquire(|connection, usage| {
                Box::pin(async move {
                    Ok(usage.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok())
                })
            })
            .after_connect(move |connection, _| {
                let session = session.clone();
                Box::pin(async move {
                    limit_statements(connection, limit).await?;
                    connection.execute(AssertSqlSafe(session)).await.map(drop)
                })
            });
        let opened = pool.connect_with(self.options.clone()).await;
        with_reason(opened, self.options.connect()).await
    }

    /// What every session begins with: ours first, so that the operator has the last word.
    fn session(&self) -> String {
        let mut text = format!(
            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), SESSION innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}"
        );
        for (name, value) in &self.variables {
            text.push_str(", ");
            text.push_str(name);
            text.push_str(" = ");
            text.push_str(value);
        }
        text
    }
}

/// Lets statements on this connection take as long as they need, for work on whole tables.
///
/// # Errors
/// When the database does not answer.
pub async fn unlimited(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    limit_statements(connection, Duration::ZERO).await
}

/// Bounds what follows on this connection: in MariaDB every statement, in MySQL those that read.
async fn limit_statements(
    connection: &mut MySqlConnection,
    limit: Duration,
) -> Result<(), sqlx::Error> {
    let mariadb = format!("SET SESSION max_statement_time = {}", limit.as_secs_f64());
    match connection.execute(AssertSqlSafe(mariadb)).await {
        Err(sqlx::Error::Database(error)) if is_unknown_variable(&*error) => {
            let mysql = format!("SET SESSION max_execution_time = {}", limit.as_millis());
            connection.execute(AssertSqlSafe(mysql)).await.map(drop)
        }
        outcome => outcome.map(drop),
    }
}

/// Whether another transaction was in the way, where the server's SQLSTATE does not say so: the wait for a lock was too long, or a row has
/// changed since the transaction began.
pub(crate) fn is_contended(error: &dyn sqlx::error::DatabaseError) -> bool {
    error
        .try_downcast_ref::<MySqlDatabaseError>()
        .is_some_and(|error| matches!(error.number(), 1020 | 1205))
}

/// Whether the server ends, or an administrator has ended the connection.
pub(crate) fn is_end(error: &dyn sqlx::error::DatabaseError) -> bool {
    error
        .try_downcast_ref::<MySqlDatabaseError>()
        .is_some_and(|error| matches!(error.number(), 1053 | 1927))
}

/// Whether a statement reached the limit of MySQL or MariaDB on its time.
pub(crate) fn is_too_long(error: &dyn sqlx::error::DatabaseError) -> bool {
    error
        .try_downcast_ref::<MySqlDatabaseError>()
        .is_some_and(|error| matches!(error.number(), 1969 | 3024))
}

fn is_unknown_variable(error: &dyn sqlx::error::DatabaseError) -> bool {
    error
        .try_downcast_ref::<MySqlDatabaseError>()
        .is_some_and(|error| error.number() == UNKNOWN_VARIABLE)
}
