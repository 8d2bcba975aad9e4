//! Signing timestamp and snapshot again before they expire (specification, `server.md` section 8.5).
//!
//! Renewal happens when one of the two is read, inside the repository's gate: of many readers at the same moment one
//! renews and the others find its work. What cannot be renewed is served as it is, so that clients see what is wrong
//! (an expired document) instead of a server that fails.

use std::sync::Arc;

use signet_tuf::metadata::Metadata;
use signet_tuf::rules::{self, RuleError};
use signet_tuf::{FileMeta, Gun, ParseError, Received, RoleName, Root, Snapshot, Verified};
use time::{Duration, OffsetDateTime};

use crate::app::App;
use crate::current::{NewState, View};
use crate::pause::{TRIES, pause};
use crate::seal::{self, RoleSigner, SealError};
use crate::store::{Commit, StoreError};
use crate::upload::verify_stored_root;

/// Why a renewal did not happen.
#[derive(Debug, thiserror::Error)]
enum RenewalError {
    #[error("the stored document cannot be read")]
    Parse(#[from] ParseError),
    #[error("there is no root, or no snapshot")]
    Incomplete,
    #[error("nothing to renew yet")]
    NotYet,
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How long to wait before trying again what failed.
const RETRY: Duration = Duration::seconds(60);
/// How long to wait where the server does not hold the keys: a publish with a new root changes that, time alone does not.
const RETRY_WITHOUT_KEYS: Duration = Duration::hours(1);

impl App {
    /// The current state of a repository, renewed if it is time.
    pub(crate) async fn fresh_view(self: &Arc<Self>, gun: &Gun) -> Result<Arc<View>, StoreError> {
        let view = self.library().view(gun).await?;
        let now = self.now();
        if !view.is_due(now, self.renewal_margin(gun)) {
            return Ok(view);
        }
        // A reader may go away at any moment; what it has begun must come to an end nevertheless.
        let (app, gun) = (Arc::clone(self), gun.clone());
        match self.run(async move { app.renew(&gun).await }).await {
            Some(outcome) => outcome,
            None => Ok(view),
        }
    }

    async fn renew(&self, gun: &Gun) -> Result<Arc<View>, StoreError> {
        let _inside = self.library().gates().enter(gun).await;
        let mut tried = 0;
        let (view, now, outcome) = loop {
            let view = self.library().view_inside(gun).await?;
            let now = self.now();
            if !view.is_due(now, self.renewal_margin(gun)) {
                return Ok(view);
            }
            let outcome = self.renewed(gun, &view, now).await;
            tried += 1;
            let lost = matches!(&outcome, Err(RenewalError::Store(StoreError::Conflict)));
            if !lost || !self.library().is_shared() || tried == TRIES {
                break (view, now, outcome);
            }
            // Another server on the same database was faster: most likely it renewed.
            pause(tried - 1).await;
        };
        let mut retry = RETRY;
        match outcome {
            Ok(next) => {
                self.settings().counters.renewals.count();
                return Ok(next);
            }
            // The publisher signs the snapshot and still has time for it.
            Err(RenewalError::NotYet) => {}
            Err(RenewalError::Seal(error @ SealError::KeysMissing { .. })) => {
                retry = RETRY_WITHOUT_KEYS;
                self.settings().counters.renewal_failures.count();
                tracing::warn!(
                    %gun,
                    error = &error as &dyn std::error::Error,
                    "cannot renew the timestamp of {gun}, whose root lists server keys that are not held here; serving what is stored \
                     (the owner's `notary takeover` gives it keys of this server)"
                );
            }
            Err(error) => {
                self.settings().counters.renewal_failures.count();
                tracing::warn!(
                    %gun,
                    error = &error as &dyn std::error::Error,
                    "cannot renew the timestamp of {gun}; serving what is stored"
                );
            }
        }
        // After a failed commit the store may hold more than `view` knows.
        let view = self.library().view_inside(gun).await.unwrap_or(view);
        view.retry_after(now + retry);
        Ok(view)
    }

    async fn renewed(
        &self,
        gun: &Gun,
        view: &View,
        now: OffsetDateTime,
    ) -> Result<Arc<View>, RenewalError> {
        let root = self.trusted_root(gun, view, now).await?;
        let signer = RoleSigner::new(self.trust(), gun, root.body());
        let (Some(stored), Some(body)) = (view.snapshot(), view.snapshot_body()) else {
            return Err(RenewalError::Incomplete);
        };
        let deadline = now + self.renewal_margin(gun);
        let (mut documents, mut snapshot) = (Vec::new(), Arc::clone(body));
        let timestamp_due = view.timestamp_expires().is_none_or(|e| e < deadline);
        let mut snapshot_meta = None;
        if body.expires().moment() < deadline {
            let version = view.snapshot_floor() + 1;
            match seal::snapshot(&signer, (**body).clone(), version, now).await {
                Ok(sealed) => {
                    documents.push(sealed.document);
                    snapshot = Arc::new(sealed.body);
                    snapshot_meta = Some(sealed.meta);
                }
                Err(SealError::KeysMissing { .. }) if !body.expires().is_over(now) => {
                    if !timestamp_due {
                        return Err(RenewalError::NotYet);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        let snapshot_meta = match snapshot_meta {
            Some(meta) => meta,
            None => {
                let received = Received::<Snapshot>::parse(
                    &RoleName::snapshot(),
                    stored.document.data.clone(),
                )?;
                rules::verify_snapshot(received, root.body())?;
                FileMeta::of(&stored.document.data)
            }
        };
        let base = view.base();
        let version = base.map_or(0, |revision| revision.version) + 1;
        let timestamp = seal::timestamp(&signer, snapshot_meta, version, now).await?;
        let commit = Commit {
            gun,
            base,
            documents: &documents,
            timestamp: &timestamp.document,
            now,
        };
        let state = NewState {
            timestamp_expires: timestamp.body.expires().moment(),
            snapshot,
        };
        let next = self.library().commit(view, &commit, state).await?;
        tracing::info!(%gun, version, "renewed the timestamp of {gun} as version {version}");
        Ok(next)
    }

    /// The current root, which must not have expired. Its certificates may have (defect D8).
    async fn trusted_root(
        &self,
        gun: &Gun,
        view: &View,
        now: OffsetDateTime,
    ) -> Result<Arc<Verified<Root>>, RenewalError> {
        let stored = self.stored_root(gun, view).await?;
        let stored = stored.ok_or(RenewalError::Incomplete)?;
        let root = self
            .verified()
            .root(view.epoch(), stored.document.sha256, || {
                verify_stored_root(gun, &stored)
            })?;
        rules::check_expiry(&RoleName::root(), root.expires(), now)?;
        Ok(root)
    }
}
