//! MySQL and MariaDB: `user:password@tcp(host:port)/database?…`, as Go's driver reads it.

use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};

use crate::{ConnectError, PoolLimits};

/// Connects to the database of this data source name.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(source: &str, limits: PoolLimits) -> Result<MySqlPool, ConnectError> {
    let fail =
        || ConnectError::DataSource("failed to parse the database source for mysql".to_owned());
    let (before, after) = source.rsplit_once('/').ok_or_else(fail)?;
    let (login, address) = before.rsplit_once('@').unwrap_or(("", before));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let address = address
        .strip_prefix("tcp(")
        .and_then(|a| a.strip_suffix(')'))
        .ok_or_else(fail)?;
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "3306"));
    let database = after.split('?').next().unwrap_or_default();
    let options = MySqlConnectOptions::new()
        .host(host)
        .port(port.parse().map_err(|_| fail())?)
        .username(user)
        .password(password)
        .database(database);
    let pool = MySqlPoolOptions::new()
        .max_connections(limits.connections)
        .acquire_timeout(limits.acquire);
    Ok(pool.connect_with(options).await?)
}
