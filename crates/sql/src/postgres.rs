//! PostgreSQL: `postgres://user:password@host:port/database?…`, or `key=value` pairs, as Go's driver reads them.

use std::time::Duration;

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::failure::with_reason;
use crate::{ConnectError, PoolLimits};

mod pairs;
mod source;

pub use source::Source;

/// What a session begins with where the data source does not say otherwise: no wait is without end.
const SESSION: [(&str, &str); 3] = [
    ("statement_timeout", "60s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
];
/// A connection that was idle for longer is tried before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(15);
const SET: &str =
    "SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS s(name, value)";

/// Connects to the database of this data source name and of the environment variables `PG*`.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(source: &str, limits: PoolLimits) -> Result<PgPool, ConnectError> {
    let environment = |name: &str| std::env::var_os(name)?.into_string().ok();
    Source::parse(source, &environment)?.connect(limits).await
}

impl Source {
    /// Opens a pool of connections, the first one at once.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(&self, limits: PoolLimits) -> Result<PgPool, ConnectError> {
        let ours = SESSION
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .filter(|(name, _)| self.parameters.iter().all(|(other, _)| other != name));
        let session: Vec<(String, String)> = ours.chain(self.parameters.iter().cloned()).collect();
        let (names, values): (Vec<_>, Vec<_>) = session.into_iter().unzip();
        let pool = PgPoolOptions::new()
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
                let (names, values) = (names.clone(), values.clone());
                Box::pin(async move {
                    let set = sqlx::query(SET).bind(names).bind(values);
                    set.execute(connection).await.map(drop)
                })
            });
        let opened = pool.connect_with(self.options.clone()).await;
        with_reason(opened, self.options.connect()).await
    }
}
