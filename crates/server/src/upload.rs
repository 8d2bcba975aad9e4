//! One update: parse, validate against what is stored, sign what the server signs, store (specification, `server.md`
//! section 8).
//!
//! The rules are those of [`signet_tuf::rules`]: the server is one more verifier, with the stored root as its trust.
//! Every document is parsed, verified and hashed once. Parsing and validation do no input or output; big updates do
//! them away from the threads that serve requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use signet_tuf::metadata::Metadata;
use signet_tuf::rules::RuleError;
use signet_tuf::{BaseRole, Gun, KeyId, RoleName, Root, Verified, Version};
use time::OffsetDateTime;

use self::submission::Submission;
use self::validation::{Accepted, AcceptedSnapshot, Baseline};
use crate::app::App;
use crate::audit;
use crate::current::{NewState, Served, View};
use crate::pause::{TRIES, pause};
use crate::retire::dropped_keys;
use crate::seal::{self, RoleSigner, SealError};
use crate::store::{Commit, Revision, Sha256, StoreError};
use crate::trust::TrustError;

mod submission;
mod validation;

pub(crate) use validation::verify_stored_root;

/// A document of an update as it came.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) role: RoleName,
    pub(crate) data: Bytes,
}

/// Why an update was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdateError {
    #[error("the part for {role} is no document: {reason}")]
    MalformedJson { role: RoleName, reason: String },
    #[error("validating the update was not finished")]
    Panicked,
    #[error("the update breaks a rule")]
    Rejected(#[from] Rejection),
    #[error("the update was not stored")]
    Store(#[from] StoreError),
    #[error("the server's part of the update was not signed")]
    Trust(#[source] TrustError),
    #[error("the server's part of the update cannot be written")]
    Unwritable(#[source] serde_json::Error),
}

/// An update that breaks no rule.
struct Judged {
    now: OffsetDateTime,
    accepted: Accepted,
    /// How many versions of what the server signs are left out.
    headroom: Version,
    /// Server keys that its root lists no more.
    dropped: BTreeSet<KeyId>,
    /// Whether what is stored is as new: then it is not stored.
    is_outdated: bool,
}

/// Which rule an update breaks. `Display` is Go's text where Go has one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    /// A stored repository whose root lists keys of another trust service, or keys that are lost.
    #[error("{0}: {FOREIGN_KEYS}")]
    ForeignKeys(Box<Self>),
    #[error("no pre-existing root and no root provided in update.")]
    NoRoot,
    #[error("{0}")]
    Root(#[source] RuleError),
    #[error("Root modifications must increment the version. Current {current}, new {new}")]
    RootStep { current: Version, new: Version },
    #[error("{0}")]
    Snapshot(#[source] RuleError),
    #[error("snapshot version {new} is too far above the current version {current}")]
    SnapshotJump { current: Version, new: Version },
    #[error(
        "no snapshot was included in update and server does not hold current snapshot key for repository"
    )]
    SnapshotKeyMissing,
    #[error("the stored {role} cannot be used: {source}")]
    StoredUnusable {
        role: RoleName,
        #[source]
        source: RuleError,
    },
    #[error("{0}")]
    Targets(#[source] RuleError),
    #[error(
        "the root lists {found} keys for the {role} role; this server accepts no more than {limit}"
    )]
    TooManyKeys {
        role: BaseRole,
        found: usize,
        limit: usize,
    },
    #[error("{role} version {new} is too far above the current version {current}")]
    TargetsJump {
        role: RoleName,
        current: Version,
        new: Version,
    },
    #[error("targets must be loaded first")]
    TargetsMissing,
    #[error("no  timestamp keys exist on the server")]
    TimestampKeyMissing,
}

/// What to do about a repository whose server keys are not ours.
const FOREIGN_KEYS: &str = "the root of this repository lists server keys that this server does not hold; \
    'notary takeover' with the owner's root key gives it keys of this server";

impl App {
    /// Parses the parts of an update.
    pub(crate) async fn parse(&self, parts: Vec<Part>) -> Result<Submission, UpdateError> {
        let bytes = parts.iter().map(|part| part.data.len()).sum();
        let submission = aside(bytes, move || Submission::parse(parts)).await??;
        audit::note_documents(|| submission.uploaded());
        Ok(submission)
    }

    /// Validates an update and stores it. Not to be abandoned half-way.
    ///
    /// Where another server on the same database was faster and has taken none of the uploaded versions, the update is held
    /// to what is stored now, and is stored after it: as one server does with two updates that come at the same moment.
    pub(crate) async fn update(
        &self,
        gun: &Gun,
        mut submission: Submission,
    ) -> Result<(), UpdateError> {
        let gates = self.library().gates();
        let _inside = match gates.enter_at_once(gun) {
            Some(inside) => inside,
            None => {
                submission = self.not_outdated(gun, submission).await?;
                gates.enter(gun).await
            }
        };
        let mut tried = 0;
        loop {
            let shared = self.library().is_shared();
            let again = shared.then(|| (submission.versions(), submission.parts.clone()));
            let outcome = self.try_update(gun, submission).await;
            let lost = match &outcome {
                Err(UpdateError::Store(StoreError::Conflict)) => true,
                // The other one may have stored a root with other keys, and retired those that were signed with here.
                Err(UpdateError::Rejected(
                    Rejection::ForeignKeys(_)
                    | Rejection::SnapshotKeyMissing
                    | Rejection::TimestampKeyMissing,
                )) => tried == 0,
                _ => false,
            };
            if !lost {
                return outcome;
            }
            tried += 1;
            let Some((versions, parts)) = again.filter(|_| tried < TRIES) else {
                return outcome;
            };
            for (role, version) in versions {
                let newest = self.library().store().newest_version(gun, &role).await?;
                if newest.is_some_and(|newest| newest >= version) {
                    return outcome;
                }
            }
            pause(tried).await;
            submission = self.parse(parts).await?;
        }
    }

    /// Refuses an update that the store would refuse for its versions, before it waits for others and lets others wait. The answer is the
    /// one that it would get inside; whatever is not certain is decided there.
    async fn not_outdated(
        &self,
        gun: &Gun,
        submission: Submission,
    ) -> Result<Submission, UpdateError> {
        let Some(view) = self.library().view_outside(gun).await? else {
            return Ok(submission);
        };
        let baseline = self.baseline(gun, &view, &submission).await?;
        let versions = submission.versions();
        if !versions.iter().any(|(role, new)| baseline.has(role, *new)) {
            return Ok(submission);
        }
        let parts = submission.parts.clone();
        let judged = self.judge(gun, submission, baseline).await?;
        if judged.is_outdated && self.could_sign(gun, &judged.accepted).await {
            return Err(StoreError::Conflict.into());
        }
        self.parse(parts).await
    }

    /// Whether the server's part of an update would be signed, as far as that is told by which keys are held.
    async fn could_sign(&self, gun: &Gun, accepted: &Accepted) -> bool {
        let root = accepted.root.body();
        let mut roles = vec![BaseRole::Timestamp];
        if matches!(accepted.snapshot, AcceptedSnapshot::Draft(_)) {
            roles.push(BaseRole::Snapshot);
        }
        for role in roles {
            let held = self.held_key(gun, root, role).await;
            if root.role_keys(role).threshold() > 1 || !matches!(held, Ok(Some(_))) {
                return false;
            }
        }
        true
    }

    /// Holds an update to every rule, and says what follows from it.
    async fn judge(
        &self,
        gun: &Gun,
        submission: Submission,
        baseline: Baseline,
    ) -> Result<Judged, UpdateError> {
        let now = self.now();
        let (name, before) = (gun.clone(), Arc::clone(self.verified()));
        let (epoch, stored) = (baseline.epoch, baseline.root.clone());
        let (accepted, is_outdated) = aside(submission.bytes, move || {
            let accepted = validation::validate(&name, submission, &baseline, &before, now)?;
            let is_outdated = accepted
                .versions()
                .any(|(role, new)| baseline.has(role, new));
            Ok::<_, Rejection>((accepted, is_outdated))
        })
        .await??;
        let (headroom, dropped) = match stored {
            Some(stored) => {
                let before = self.previous_root(gun, epoch, &stored)?;
                let (before, after) = (before.body(), accepted.root.body());
                let headroom = self.headroom(gun, before, after).await?;
                (headroom, dropped_keys(before, after))
            }
            None => (0, BTreeSet::new()),
        };
        Ok(Judged {
            now,
            accepted,
            headroom,
            dropped,
            is_outdated,
        })
    }

    async fn try_update(&self, gun: &Gun, submission: Submission) -> Result<(), UpdateError> {
        let view = self.library().view_inside(gun).await?;
        let baseline = self.baseline(gun, &view, &submission).await?;
        let Judged {
            now,
            accepted,
            headroom,
            dropped,
            is_outdated,
        } = self.judge(gun, submission, baseline).await?;
        // What is too late is not signed in vain while others wait.
        if is_outdated && self.could_sign(gun, &accepted).await {
            return Err(StoreError::Conflict.into());
        }
        let (version, sha256) = self.publish(gun, &view, accepted, headroom, now).await?;
        self.retire(gun, &dropped).await;
        audit::note_timestamp(Revision { version, sha256 });
        let sha256 = HEXLOWER.encode(&sha256);
        tracing::info!(
            %gun,
            version,
            "updated {gun} to timestamp version {version}, checksum {sha256}"
        );
        Ok(())
    }

    async fn baseline(
        &self,
        gun: &Gun,
        view: &View,
        submission: &Submission,
    ) -> Result<Baseline, StoreError> {
        let library = self.library();
        let mut baseline = Baseline {
            epoch: view.epoch(),
            root: self.stored_root(gun, view).await?,
            ancestors: BTreeMap::new(),
            snapshot: view.snapshot_body().cloned(),
            snapshot_floor: view.snapshot_floor(),
            newest: BTreeMap::new(),
        };
        if view.base().is_none() && baseline.root.is_none() {
            // A new repository: there is nothing else to look for.
            return Ok(baseline);
        }
        for (_, role) in submission.targets.keys() {
            let version = match library.current(gun, view, role).await? {
                Some(current) => Some(current.document.version),
                None => library.store().newest_version(gun, role).await?,
            };
            baseline
                .newest
                .extend(version.map(|version| (role.clone(), version)));
            let mut ancestor = role.parent();
            while let Some(role) = ancestor {
                if !submission.contains(&role)
                    && !baseline.ancestors.contains_key(&role)
                    && let Some(stored) = library.current(gun, view, &role).await?
                {
                    baseline.ancestors.insert(role.clone(), stored);
                }
                ancestor = role.parent();
            }
        }
        Ok(baseline)
    }

    fn previous_root(
        &self,
        gun: &Gun,
        epoch: u64,
        stored: &Served,
    ) -> Result<Arc<Verified<Root>>, Rejection> {
        let sha256 = stored.document.sha256;
        let root = self
            .verified()
            .root(epoch, sha256, || verify_stored_root(gun, stored));
        root.map_err(|source| Rejection::StoredUnusable {
            role: RoleName::root(),
            source,
        })
    }

    /// How many versions of what the server signs are left out. The server before went on signing after the repository was copied, and clients
    /// that saw that would refuse what comes with the same numbers again.
    async fn headroom(
        &self,
        gun: &Gun,
        before: &Root,
        after: &Root,
    ) -> Result<Version, UpdateError> {
        let keys = |root: &Root| seal::server_keys(root, BaseRole::Timestamp);
        let (old, new) = (keys(before), keys(after));
        if old
            .iter()
            .any(|key| new.iter().any(|other| other.id() == key.id()))
        {
            return Ok(0);
        }
        let held = self.held_key(gun, before, BaseRole::Timestamp).await;
        let is_ours = held.map_err(UpdateError::Trust)?.is_some();
        Ok(if is_ours { 0 } else { TAKEOVER_HEADROOM })
    }

    /// Signs what the server signs and stores everything. Gives the timestamp's version and checksum.
    async fn publish(
        &self,
        gun: &Gun,
        view: &View,
        accepted: Accepted,
        headroom: Version,
        now: OffsetDateTime,
    ) -> Result<(Version, Sha256), UpdateError> {
        let Accepted {
            root,
            mut documents,
            snapshot,
        } = accepted;
        let signer = RoleSigner::new(self.trust(), gun, root.body());
        let (snapshot, document, meta) = match snapshot {
            AcceptedSnapshot::Uploaded {
                body,
                document,
                meta,
            } => (body, document, meta),
            AcceptedSnapshot::Draft(draft) => {
                let version = view.snapshot_floor() + headroom + 1;
                let sealed = match seal::snapshot(&signer, draft, version, now).await {
                    Ok(sealed) => sealed,
                    Err(error) => return Err(self.refused_seal(gun, view, &root, error).await),
                };
                (sealed.body, sealed.document, sealed.meta)
            }
        };
        documents.push(document);
        let base = view.base();
        let version = base.map_or(0, |revision| revision.version) + headroom + 1;
        let timestamp = match seal::timestamp(&signer, meta, version, now).await {
            Ok(timestamp) => timestamp,
            Err(error) => return Err(self.refused_seal(gun, view, &root, error).await),
        };
        let sha256 = timestamp.document.sha256;
        let commit = Commit {
            gun,
            base,
            documents: &documents,
            timestamp: &timestamp.document,
            now,
        };
        let state = NewState {
            timestamp_expires: timestamp.body.expires().moment(),
            snapshot: Arc::new(snapshot),
        };
        self.library().commit(view, &commit, state).await?;
        Ok((version, sha256))
    }
}

impl App {
    /// Why the server's part was not signed. Of a repository that is stored already, a timestamp key that is not held means that it came
    /// from elsewhere; a snapshot key alone may be the publisher's.
    async fn refused_seal(
        &self,
        gun: &Gun,
        view: &View,
        root: &Verified<Root>,
        error: SealError,
    ) -> UpdateError {
        let missing = match UpdateError::from(error) {
            UpdateError::Rejected(
                missing @ (Rejection::SnapshotKeyMissing | Rejection::TimestampKeyMissing),
            ) if view.base().is_some() => missing,
            other => return other,
        };
        match self.held_key(gun, root.body(), BaseRole::Timestamp).await {
            Ok(None) => Rejection::ForeignKeys(Box::new(missing)).into(),
            Ok(Some(_)) => missing.into(),
            Err(error) => UpdateError::Trust(error),
        }
    }
}

impl From<SealError> for UpdateError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::KeysMissing {
                role: BaseRole::Snapshot,
                ..
            } => Rejection::SnapshotKeyMissing.into(),
            SealError::KeysMissing { .. } => Rejection::TimestampKeyMissing.into(),
            SealError::Encoding(error) => Self::Unwritable(error),
            SealError::Trust(error) => Self::Trust(error),
        }
    }
}

/// Versions left out when a repository is taken over from another server: more than one signs while it renews every day for years.
const TAKEOVER_HEADROOM: Version = 1000;

/// Size from which work is done away from the threads that serve requests: about half a millisecond.
const BIG: usize = 64 * 1024;

async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, UpdateError> {
    if bytes < BIG {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| UpdateError::Panicked)
}
