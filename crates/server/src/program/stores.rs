//! Where a server that is published to keeps metadata and signing keys.

use std::error::Error as StdError;
use std::sync::Arc;

use signet_server::store::{MemoryStore, MetadataStore, SqliteStore, StoreError};
use signet_server::trust::{MemoryTrust, TrustService};
use signet_server::{App, Clock, Settings};
use signet_service::config::Configuration;
use signet_service::health::Health;
use signet_sql::Database;
use tokio::task::JoinSet;

use super::config::{self, Storage, TrustSource};
use super::databases::{self, Shared};
use super::failure::{Failure, chain};
use super::keys;

/// Where metadata and signing keys are.
pub(super) struct Stores {
    metadata: Arc<dyn MetadataStore>,
    trust: Arc<dyn TrustService>,
    opened: Opened,
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
        if trust == TrustSource::Remote {
            return Err(Failure::RemoteTrust);
        }
        tracing::info!("Using {} backend", configuration.text("storage.backend"));
        Self::open(&storage, configuration, clock).await
    }

    async fn open(
        storage: &Storage,
        configuration: &Configuration,
        clock: &Clock,
    ) -> Result<Self, Failure> {
        let fail = |source: Box<dyn StdError + Send + Sync>| Failure::Storage {
            backend: configuration.text("storage.backend"),
            source,
        };
        match storage {
            Storage::Memory => {
                let metadata = Arc::new(MemoryStore::default());
                Ok(Self {
                    metadata,
                    trust: Arc::new(MemoryTrust::new()),
                    opened: Opened::Nothing,
                })
            }
            Storage::Sqlite(location) => {
                let store = Arc::new(
                    SqliteStore::open(location)
                        .await
                        .map_err(|error| fail(error.into()))?,
                );
                let trust =
                    keys::open(&store, configuration.environment(), Arc::clone(clock)).await?;
                Ok(Self {
                    metadata: Arc::clone(&store) as _,
                    trust: Arc::new(trust),
                    opened: Opened::Sqlite(store),
                })
            }
            Storage::Shared { engine, source } => {
                let limits = databases::pool_limits(configuration)?;
                let shared = Shared::open(*engine, source, limits)
                    .await
                    .map_err(|error| fail(error.into()))?;
                let trust = keys::open_shared(
                    shared.database.clone(),
                    configuration.environment(),
                    Arc::clone(clock),
                )
                .await?;
                Ok(Self {
                    metadata: shared.metadata,
                    trust: Arc::new(trust),
                    opened: Opened::Shared(shared.database),
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

    pub(super) fn watch(&self, health: &Health, tasks: &mut JoinSet<()>) {
        if matches!(self.opened, Opened::Nothing) {
            return;
        }
        let store = Arc::clone(&self.metadata);
        tasks.spawn(health.watch("DB operational", move || {
            let store = Arc::clone(&store);
            Box::pin(async move { store.check().await.map_err(|error| database_fault(&error)) })
        }));
        let trust = Arc::clone(&self.trust);
        tasks.spawn(health.watch("Trust operational", move || {
            let trust = Arc::clone(&trust);
            Box::pin(async move { trust.check().await.map_err(|error| chain(&error)) })
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

const fn trust_message(source: &TrustSource) -> &'static str {
    match source {
        TrustSource::Local => {
            "Using local signing service, which requires ED25519. Ignoring all other trust_service parameters, including keyAlgorithm"
        }
        TrustSource::Remote => "Using remote signing service",
    }
}
