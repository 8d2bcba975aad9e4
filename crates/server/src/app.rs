//! The service as one value.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use signet_service::telemetry::carry_fields;
use signet_tuf::rules::RuleError;
use signet_tuf::{BaseRole, Gun, PublicKey, RoleName, Root};
use time::{Duration, OffsetDateTime};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::audit;
use crate::current::{CachePart, Library, Served, View};
use crate::http::{Budget, Compressor, Headers, ManagedRole};
use crate::seal;
use crate::settings::{Clock, Settings};
use crate::store::{MetadataStore, StoreError};
use crate::trust::{TrustError, TrustService};
use crate::upload::verify_stored_root;
use crate::verified::VerifiedDocuments;
use crate::watched::Watched;

/// Everything that answers requests. One value serves all connections; [`App::handle`] is the way in.
pub struct App {
    library: Library,
    verified: Arc<VerifiedDocuments>,
    trust: Arc<dyn TrustService>,
    settings: Settings,
    headers: Headers,
    compressor: Compressor,
    upload_budget: Budget,
    import_turn: Arc<Mutex<()>>,
    clock: Clock,
    /// Tells this process from others.
    seed: RandomState,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Why a public key cannot be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the stored root cannot be used")]
    Root(#[source] RuleError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl App {
    /// A service on this store and these keys. Other processes may write to the store only if it is a
    /// [shared](MetadataStore::shared) one.
    #[must_use]
    pub fn new(
        store: Arc<dyn MetadataStore>,
        trust: Arc<dyn TrustService>,
        settings: Settings,
        clock: Clock,
    ) -> Arc<Self> {
        let eighth = settings.limits.cache_bytes / 8;
        Arc::new(Self {
            library: Library::new(Arc::new(Watched::new(store)), eighth * 5),
            verified: Arc::new(VerifiedDocuments::new(eighth * 2)),
            compressor: Compressor::new(eighth),
            trust,
            headers: Headers::new(settings.max_age),
            upload_budget: Budget::new(settings.limits.max_pending_bytes),
            import_turn: Arc::default(),
            settings,
            clock,
            seed: RandomState::new(),
        })
    }

    /// The store, for health reports.
    #[must_use]
    pub fn store(&self) -> &dyn MetadataStore {
        self.library.store()
    }

    /// How the memory for what is read does.
    #[must_use]
    pub fn read_cache(&self) -> [CachePart; 2] {
        self.library.cache()
    }

    /// The keys, also for health reports.
    #[must_use]
    pub fn trust(&self) -> &dyn TrustService {
        &*self.trust
    }

    /// What the operator has set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn library(&self) -> &Library {
        &self.library
    }

    pub(crate) fn verified(&self) -> &Arc<VerifiedDocuments> {
        &self.verified
    }

    pub(crate) fn headers(&self) -> &Headers {
        &self.headers
    }

    pub(crate) fn compressor(&self) -> &Compressor {
        &self.compressor
    }

    pub(crate) fn upload_budget(&self) -> &Budget {
        &self.upload_budget
    }

    /// The right to check an import, which one has at a time.
    pub(crate) async fn import_turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.import_turn).lock_owned().await
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }

    /// How long before its end a repository's timestamp is renewed. Servers on one database differ by up to an eighth, so that one
    /// of them renews and the others find its work.
    pub(crate) fn renewal_margin(&self, gun: &Gun) -> Duration {
        let margin = Duration::try_from(self.settings.limits.renew_before).unwrap_or_default();
        if !self.library.is_shared() {
            return margin;
        }
        let share = i32::try_from(self.seed.hash_one(gun) % 1024).unwrap_or_default();
        margin - margin / 8 * share / 1024
    }

    /// Runs `work` to its end even if the client goes away. `None` when it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        match tokio::spawn(audit::carry(carry_fields(work))).await {
            Ok(outcome) => Some(outcome),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
                None
            }
        }
    }

    /// The stored root: the one that the current snapshot names or, where that names none that is there, the newest.
    /// `None` only when there is no root at all (defect D7).
    pub(crate) async fn stored_root(
        &self,
        gun: &Gun,
        view: &View,
    ) -> Result<Option<Arc<Served>>, StoreError> {
        let role = RoleName::root();
        if let Some(current) = self.library.current(gun, view, &role).await? {
            return Ok(Some(current));
        }
        let newest = self.library.store().newest(gun, &role).await?;
        Ok(newest.map(Served::new))
    }

    /// The server's public key for a role: one that the root lists and the server holds, else one for the next root.
    pub(crate) async fn public_key(
        &self,
        gun: &Gun,
        role: ManagedRole,
    ) -> Result<PublicKey, KeyError> {
        let view = self.library.view(gun).await?;
        if let Some(stored) = self.stored_root(gun, &view).await? {
            let root = self
                .verified
                .root(view.epoch(), stored.document.sha256, || {
                    verify_stored_root(gun, &stored)
                })
                .map_err(KeyError::Root)?;
            if let Some(held) = self.held_key(gun, root.body(), role.base()).await? {
                return Ok(held);
            }
        }
        Ok(self.trust.create_key(gun, role).await?)
    }

    /// The first key which this root lists for a role and the server holds.
    pub(crate) async fn held_key(
        &self,
        gun: &Gun,
        root: &Root,
        role: BaseRole,
    ) -> Result<Option<PublicKey>, TrustError> {
        let search = async {
            for key in seal::server_keys(root, role) {
                if let Some(held) = self.trust.find_key(gun, key.id()).await? {
                    return Ok(Some(held));
                }
            }
            Ok(None)
        };
        let found = tokio::time::timeout(seal::PATIENCE, search).await;
        found.unwrap_or_else(|_| Err(seal::late()))
    }

    /// Deletes everything about a repository but its keys.
    pub(crate) async fn delete(&self, gun: &Gun) -> Result<bool, StoreError> {
        let _inside = self.library.gates().enter(gun).await;
        self.library.delete(gun, self.now()).await
    }
}
