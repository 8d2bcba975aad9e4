//! Where a server that is published to keeps metadata and signing keys.

use std::error::Error as StdError;
use std::sync::Arc;

use signet_server::store::{MemoryStore, MetadataStore, SqliteStore, StoreError};
use signet_server::trust::{
    Calls, MemoryTrust, RemoteOptions, RemoteTrust, TrustError, TrustService,
};
use signet_server::{App, Clock, Settings};
use signet_service::config::Configuration;
use signet_service::health::Health;
use signet_service::process::chain;
use signet_sql::Database;
use tokio::task::JoinSet;

use super::config::{self, ConfigError, Storage, TrustSource};
use super::databases::{self, Shared};
use super::failure::Failure;
use super::keys;

/// Where metadata and signing keys are.
pub(super) struct Stores {
    metadata: Arc<dyn MetadataStore>,
    trust: Arc<dyn TrustService>,
    /// Whether the keys can be out of reach.
    watches_trust: bool,
    opened: Opened,
    /// What is called where the keys are a service's.
    calls: Option<Calls>,
}

/// What is closed at the end.
enum Opened {
    Nothing,
    Shared(Database),
    Sqlite(Arc<SqliteStore>),
}

impl Stores {
    /// Opens what is configured.
    pub(super) async fn configured(
        configuration: &Configuration,
        clock: &Clock,
    ) -> Result<Self, Failure> {
        let trust = config::trust_source(configuration)?;
        tracing::info!("{}", trust_message(&trust));
        let storage = config::storage(configuration)?;
        let (remote, calls) = match trust {
            TrustSource::Local => (None, None),
            TrustSource::Remote(options) => {
                let calls = Calls::new()?;
                (Some(remote(*options, calls.clone())?), Some(calls))
            }
        };
        tracing::info!("Using {} backend", configuration.text("storage.backend"));
        let stores = Self::open(&storage, configuration, clock, remote).await?;
        Ok(Self { calls, ..stores })
    }

    async fn open(
        storage: &Storage,
        configuration: &Configuration,
        clock: &Clock,
        remote: Option<Arc<dyn TrustService>>,
    ) -> Result<Self, Failure> {
        let fail = |source: Box<dyn StdError + Send + Sync>| Failure::Storage {
            backend: configuration.text("storage.backend"),
            source,
        };
        match storage {
            Storage::Memory => {
                let metadata = Arc::new(MemoryStore::default());
                let watches_trust = remote.is_some();
                let trust = remote.unwrap_or_else(|| Arc::new(MemoryTrust::new()));
                Ok(Self {
                    metadata,
                    trust,
                    watches_trust,
                    opened: Opened::Nothing,
                    calls: None,
                })
            }
            Storage::Sqlite(location) => {
                let store = Arc::new(
                    SqliteStore::open(location)
                        .await
                        .map_err(|error| fail(error.into()))?,
                );
                let environment = configuration.environment();
                let trust = match remote {
                    Some(remote) => remote,
                    None => Arc::new(keys::open(&store, environment, Arc::clone(clock)).await?),
                };
                Ok(Self {
                    metadata: Arc::clone(&store) as _,
                    trust,
                    watches_trust: true,
                    opened: Opened::Sqlite(store),
                    calls: None,
                })
            }
            Storage::Shared { engine, source } => {
                let limits = databases::pool_limits(configuration)?;
                let shared = Shared::open(*engine, source, limits)
                    .await
                    .map_err(|error| fail(error.into()))?;
                let trust = match remote {
                    Some(remote) => remote,
                    None => {
                        let database = shared.database.clone();
                        let environment = configuration.environment();
                        Arc::new(keys::open_shared(database, environment, Arc::clone(clock)).await?)
                    }
                };
                Ok(Self {
                    metadata: shared.metadata,
                    trust,
                    watches_trust: true,
                    opened: Opened::Shared(shared.database),
                    calls: None,
                })
            }
        }
    }

    pub(super) fn serve(&self, settings: Settings, clock: Clock) -> Arc<App> {
        App::new(
            Arc::clone(&self.metadata),
            Arc::clone(&self.trust),
            settings,
            clock,
        )
    }

    /// The database that the metadata is in, for those who look how it does.
    pub(super) fn database(&self) -> Option<Database> {
        match &self.opened {
            Opened::Nothing => None,
            Opened::Shared(database) => Some(database.clone()),
            Opened::Sqlite(store) => Some(Database::Sqlite(store.pool().clone())),
        }
    }

    /// What is called where the keys are a service's.
    pub(super) const fn calls(&self) -> Option<&Calls> {
        self.calls.as_ref()
    }

    pub(super) fn watch(&self, health: &Health, tasks: &mut JoinSet<()>) {
        if !matches!(self.opened, Opened::Nothing) {
            let store = Arc::clone(&self.metadata);
            tasks.spawn(health.watch("DB operational", move || {
                let store = Arc::clone(&store);
                Box::pin(async move { store.check().await.map_err(|error| database_fault(&error)) })
            }));
        }
        if !self.watches_trust {
            return;
        }
        let trust = Arc::clone(&self.trust);
        tasks.spawn(health.watch("Trust operational", move || {
            let trust = Arc::clone(&trust);
            Box::pin(async move { trust.check().await.map_err(|error| trust_fault(&error)) })
        }));
    }

    pub(super) async fn close(&self) {
        match &self.opened {
            Opened::Nothing => {}
            Opened::Shared(database) => database.close().await,
            Opened::Sqlite(store) => store.close().await,
        }
    }
}

/// What the health report says of the database: the text of the Go server when the database answers without the table.
fn database_fault(error: &StoreError) -> String {
    match error {
        StoreError::Database(sqlx::Error::Database(_)) => {
            "Cannot access table: tuf_files".to_owned()
        }
        error => chain(error),
    }
}

/// What the health report says of the keys: with a key service the text of the call, as the Go server.
fn trust_fault(error: &TrustError) -> String {
    match error {
        TrustError::Unavailable(cause) | TrustError::Unusable(cause) => chain(cause.as_ref()),
        error => chain(error),
    }
}

fn remote(options: RemoteOptions, calls: Calls) -> Result<Arc<dyn TrustService>, Failure> {
    let trust =
        RemoteTrust::new(options, calls).map_err(|error| ConfigError::TrustTls(chain(&error)))?;
    Ok(Arc::new(trust))
}

const fn trust_message(source: &TrustSource) -> &'static str {
    match source {
        TrustSource::Local => {
            "Using local signing service, which requires ED25519. Ignoring all other trust_service parameters, including keyAlgorithm"
        }
        TrustSource::Remote(_) => "Using remote signing service",
    }
}
