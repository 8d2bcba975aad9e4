//! What a failed statement means for who ran it.

use std::time::Duration;

use sqlx::Error;
use tokio::time::timeout;

use crate::{ConnectError, mysql};

/// What a failed statement means for who ran it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// A unique key is taken.
    Taken,
    /// Another transaction was in the way (deadlock, serialisation failure, lock wait); nothing was done, and trying again may work.
    Contended,
    /// The database cannot be reached now. What was under way may or may not have been done.
    Unreachable,
    /// Something else: trying again does not help.
    Other,
}

impl Failure {
    /// What this error means.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Database(error) if error.is_unique_violation() => Self::Taken,
            Error::Database(error) if mysql::is_contended(&**error) => Self::Contended,
            Error::Database(error) if mysql::is_end(&**error) => Self::Unreachable,
            Error::Database(error) => Self::of_state(error.code().as_deref().unwrap_or_default()),
            Error::Io(_)
            | Error::Tls(_)
            | Error::PoolTimedOut
            | Error::PoolClosed
            | Error::WorkerCrashed
            | Error::Protocol(_) => Self::Unreachable,
            _ => Self::Other,
        }
    }

    fn of_state(code: &str) -> Self {
        match code {
            // Serialisation failure (also MySQL's deadlock), PostgreSQL's deadlock, lock not available.
            "40001" | "40P01" | "55P03" => Self::Contended,
            // The server refuses to write because another one does: it was demoted.
            "25006" => Self::Unreachable,
            // Out of connections, memory or disk.
            _ if code.starts_with("53") => Self::Unreachable,
            _ if is_end(code) => Self::Unreachable,
            _ => Self::Other,
        }
    }

    /// Whether there was no connection to be had: all were in use, as many as the database allows are, or it cannot be reached.
    #[must_use]
    pub fn is_out_of_connections(error: &Error) -> bool {
        match error {
            Error::PoolTimedOut => true,
            // PostgreSQL's state for too many connections, and MySQL's.
            Error::Database(error) => {
                matches!(error.code().as_deref(), Some("53300" | "08004"))
            }
            _ => false,
        }
    }

    /// Whether the connection on which this happened is lost, and another one may do.
    #[must_use]
    pub fn is_lost(error: &Error) -> bool {
        match error {
            Error::Database(error) => {
                mysql::is_end(&**error) || error.code().is_some_and(|code| is_end(&code))
            }
            Error::Io(_) | Error::Protocol(_) => true,
            _ => false,
        }
    }

    /// Whether the database gave a statement up because it took too long, or was told to.
    #[must_use]
    pub fn is_cut_short(error: &Error) -> bool {
        match error {
            // PostgreSQL's state for a cancelled statement, and the SQL standard's for an interrupted one.
            Error::Database(error) => {
                mysql::is_too_long(&**error)
                    || matches!(error.code().as_deref(), Some("57014" | "70100"))
            }
            _ => false,
        }
    }
}

/// Whether a state says that the connection ends.
fn is_end(code: &str) -> bool {
    // Class 08: connection. 57P01 to 57P05: PostgreSQL is ending or beginning, the database was dropped, the session was idle for too
    // long; 25P03: so was the transaction. 40003: the end of the statement was not seen.
    code.starts_with("08") || code.starts_with("57P0") || matches!(code, "25P03" | "40003")
}

/// What opening a pool came to. One that gave up waiting keeps the reason to itself: it is asked of one more connection.
pub(crate) async fn with_reason<P, C>(
    opened: Result<P, Error>,
    one_more: impl Future<Output = Result<C, Error>>,
) -> Result<P, ConnectError> {
    match opened {
        Err(Error::PoolTimedOut) => match timeout(REASON_LIMIT, one_more).await {
            Ok(Err(reason)) => Err(reason.into()),
            _ => Err(Error::PoolTimedOut.into()),
        },
        opened => Ok(opened?),
    }
}

/// How much longer than the pool somebody waits for the reason.
const REASON_LIMIT: Duration = Duration::from_secs(1);
