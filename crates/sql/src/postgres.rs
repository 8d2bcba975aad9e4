//! PostgreSQL: `postgres://user:password@host:port/database?…`, or `key=value` pairs, as Go's driver reads them.

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::{ConnectError, PoolLimits};

/// Connects to the database of this data source name.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(source: &str, limits: PoolLimits) -> Result<PgPool, ConnectError> {
    let options: PgConnectOptions = source.parse().map_err(|_| {
        ConnectError::DataSource("failed to parse the database source for postgres".to_owned())
    })?;
    let pool = PgPoolOptions::new()
        .max_connections(limits.connections)
        .acquire_timeout(limits.acquire);
    Ok(pool.connect_with(options).await?)
}
