//! The databases of the services: data source names as Go's drivers read them, pools of connections, TLS, and which failures may be
//! tried again. What is in the tables is the business of the crates that use them.

use sqlx::mysql::MySqlPool;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;

mod failure;
mod kept;
pub mod mysql;
pub mod postgres;
mod retry;
mod roots;
pub mod sqlite;

pub use failure::Failure;
pub use kept::{Kept, Loan};
pub use retry::{Backoff, again};

/// A database that is open. Clones share its connections.
#[derive(Clone, Debug)]
pub enum Database {
    /// MySQL or MariaDB.
    MySql(MySqlPool),
    /// PostgreSQL.
    Postgres(PgPool),
    /// An SQLite file, which one process owns.
    Sqlite(SqlitePool),
}

impl Database {
    /// Closes all connections, after what is under way on them.
    pub async fn close(&self) {
        match self {
            Self::MySql(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }

    /// The connections that are open now.
    #[must_use]
    pub fn connections(&self) -> Connections {
        match self {
            Self::MySql(pool) => Connections::of(pool),
            Self::Postgres(pool) => Connections::of(pool),
            Self::Sqlite(pool) => Connections::of(pool),
        }
    }
}

/// How many connections are open, and how many there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Connections {
    /// Those that somebody uses.
    pub in_use: u32,
    /// Those that nobody uses.
    pub idle: u32,
    /// Most that are open at a time.
    pub most: u32,
}

impl Connections {
    fn of<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> Self {
        let open = pool.size();
        // Both change while they are read.
        let idle = u32::try_from(pool.num_idle()).map_or(open, |idle| idle.min(open));
        Self {
            in_use: open - idle,
            idle,
            most: pool.options().get_max_connections(),
        }
    }
}

/// How many connections there are, and how long they are waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PoolLimits {
    /// Most connections that are open at a time, at least 1.
    pub connections: u32,
    /// How long a free connection is waited for, a new one included.
    pub acquire: std::time::Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            connections: 16,
            acquire: std::time::Duration::from_secs(5),
        }
    }
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The data source name is none. The text never repeats the name, which may hold a password.
    #[error("{0}")]
    DataSource(String),
    /// The database does not answer, or refuses.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}
