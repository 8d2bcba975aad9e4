//! What a failed statement means for who ran it.

use crate::mysql;

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
    pub fn of(error: &sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Database(error) if error.is_unique_violation() => Self::Taken,
            E::Database(error) if mysql::is_contended(&**error) => Self::Contended,
            // SQLSTATE: 40001 serialisation failure (also MySQL's deadlock), 40P01 PostgreSQL's deadlock, 55P03 lock not available.
            E::Database(error) => match error.code().as_deref() {
                Some("40001" | "40P01" | "55P03") => Self::Contended,
                // 57P01 to 57P03: PostgreSQL is ending or beginning; class 08: connection; class 53: out of connections or memory.
                Some(code)
                    if code.starts_with("57P0")
                        || code.starts_with("08")
                        || code.starts_with("53") =>
                {
                    Self::Unreachable
                }
                _ => Self::Other,
            },
            E::Io(_)
            | E::Tls(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::Protocol(_) => Self::Unreachable,
            _ => Self::Other,
        }
    }
}
