//! The databases that several servers share: PostgreSQL, MySQL and MariaDB.

use std::sync::Arc;
use std::time::Duration;

use signet_server::store::{MetadataStore, MySqlStore, PostgresStore, StoreError};
use signet_service::config::Configuration;
use signet_service::process::complain;
use signet_service::settings::positive;
use signet_sql::{ConnectError, Database, PoolLimits, mysql, postgres};

use super::config::{ConfigError, Engine};

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A database that is open, and the documents in it.
pub(super) struct Shared {
    pub(super) database: Database,
    pub(super) metadata: Arc<dyn MetadataStore>,
}

impl Shared {
    pub(super) async fn open(
        engine: Engine,
        source: &str,
        limits: PoolLimits,
    ) -> Result<Self, OpenError> {
        let log = |warning: &str| tracing::warn!("{warning}");
        let database = connect(engine, source, limits, &log).await?;
        let metadata: Arc<dyn MetadataStore> = match &database {
            Database::MySql(pool) => Arc::new(MySqlStore::open(pool.clone()).await?),
            Database::Postgres(pool) => Arc::new(PostgresStore::open(pool.clone()).await?),
            // Not an engine of this kind.
            Database::Sqlite(_) => return Err(StoreError::Interrupted.into()),
        };
        Ok(Self { database, metadata })
    }
}

/// Opens a database, and tells what its operator should know of the data source.
pub(super) async fn connect(
    engine: Engine,
    source: &str,
    limits: PoolLimits,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Database, ConnectError> {
    Ok(match engine {
        Engine::MySql => {
            let source = mysql::Source::parse(source)?;
            for warning in source.warnings() {
                tell(&format!("storage.db_url: {warning}"));
            }
            Database::MySql(source.connect(limits).await?)
        }
        Engine::Postgres => Database::Postgres(postgres::connect(source, limits).await?),
    })
}

/// For commands, which tell whatever the level of the log is.
pub(super) fn on_standard_error(warning: &str) {
    complain(&format!("{warning}\n"));
}

/// How many connections there are to a database, and how long one is waited for.
pub(super) fn pool_limits(configuration: &Configuration) -> Result<PoolLimits, ConfigError> {
    let usual = PoolLimits::default();
    let connections = positive(
        configuration,
        "storage.max_connections",
        usual.connections.into(),
    )?;
    let acquire = positive(
        configuration,
        "storage.acquire_timeout",
        usual.acquire.as_secs(),
    )?;
    Ok(PoolLimits {
        connections: u32::try_from(connections).unwrap_or(MOST).min(MOST),
        acquire: Duration::from_secs(acquire.min(HOUR)),
    })
}

const MOST: u32 = 10_000;
const HOUR: u64 = 3600;
