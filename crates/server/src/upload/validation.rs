//! Which update may follow what is stored (specification, `server.md` sections 8.2 and 8.3).
//!
//! A function of the update, what is stored, and the time; the rules are those of [`signet_tuf::rules`].

use std::collections::BTreeMap;
use std::sync::Arc;

use signet_tuf::metadata::Metadata;
use signet_tuf::rules::{self, CertificateTime, RuleError};
use signet_tuf::{
    Expiry, FileMeta, Gun, HashAlgorithm, ParseError, Received, RoleName, Root, Snapshot, Targets,
    Verified, Version,
};
use time::OffsetDateTime;

use super::Rejection;
use super::submission::{Parsed, Submission};
use crate::current::Served;
use crate::seal::sha256_of;
use crate::store::{MAX_VERSION, NewDocument};

/// What is stored of a repository, as far as an update builds on it.
#[derive(Debug)]
pub(super) struct Baseline {
    pub(super) root: Option<Arc<Served>>,
    /// Stored documents of the ancestors of uploaded roles.
    pub(super) ancestors: BTreeMap<RoleName, Arc<Served>>,
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) snapshot_floor: Version,
    /// The current version of every uploaded role that has one.
    pub(super) newest: BTreeMap<RoleName, Version>,
}

/// An update that passed every rule.
#[derive(Debug)]
pub(super) struct Accepted {
    /// The root that holds from now on.
    pub(super) root: Root,
    /// Root and targets documents, in the order in which they are stored.
    pub(super) documents: Vec<NewDocument>,
    pub(super) snapshot: AcceptedSnapshot,
}

#[derive(Debug)]
pub(super) enum AcceptedSnapshot {
    /// From the publisher.
    Uploaded {
        body: Snapshot,
        document: NewDocument,
        meta: FileMeta,
    },
    /// What the server has to sign.
    Draft(Snapshot),
}

/// Holds an update to every rule, in the order of the specification (`server.md` section 8.2).
pub(super) fn validate(
    gun: &Gun,
    submission: Submission,
    baseline: &Baseline,
    now: OffsetDateTime,
) -> Result<Accepted, Rejection> {
    let mut loaded = Loaded::default();
    let root = validate_root(gun, submission.root, baseline, now, &mut loaded)?;
    for ((_, role), parsed) in submission.targets {
        loaded.ancestors_of(&role, &root, baseline)?;
        let targets =
            verify_targets(&role, parsed, &root, &loaded, Some(now)).map_err(Rejection::Targets)?;
        let current = baseline.newest.get(&role).copied().unwrap_or_default();
        if is_jump(current, targets.version()) {
            return Err(Rejection::TargetsJump {
                role,
                current,
                new: targets.version(),
            });
        }
        loaded.uploaded(targets);
    }
    let snapshot = match submission.snapshot {
        Some(parsed) => {
            let verified = validate_snapshot(parsed, &root, baseline, now, &loaded)?;
            let meta = FileMeta::of(verified.raw());
            AcceptedSnapshot::Uploaded {
                document: document(&verified, &meta),
                body: verified.body().clone(),
                meta,
            }
        }
        None => AcceptedSnapshot::Draft(loaded.draft_snapshot(baseline)?),
    };
    Ok(Accepted {
        root,
        documents: loaded.documents,
        snapshot,
    })
}

/// The root that holds from now on: the uploaded one if it may follow the stored one.
fn validate_root(
    gun: &Gun,
    uploaded: Option<Parsed<Root>>,
    baseline: &Baseline,
    now: OffsetDateTime,
    loaded: &mut Loaded,
) -> Result<Root, Rejection> {
    let role = RoleName::root();
    let unusable = |source| Rejection::StoredUnusable {
        role: RoleName::root(),
        source,
    };
    let previous = match &baseline.root {
        None => None,
        Some(stored) => {
            let received = Received::<Root>::parse(&role, stored.document.data.clone());
            let received = received.map_err(|e| unusable(e.into()))?;
            // Its certificates may have expired: that must not keep it from being replaced (defect D8).
            let verified = rules::verify_root(received, gun, CertificateTime::Ignored, None, None);
            Some(verified.map_err(|refused| unusable(refused.error))?)
        }
    };
    let Some(parsed) = uploaded else {
        let previous = previous.ok_or(Rejection::NoRoot)?;
        loaded.stored.extend(baseline.root.clone());
        return Ok(previous.body().clone());
    };
    let current = previous.as_ref().map_or(1, Verified::version);
    let new = match &parsed {
        Ok(received) => received.unverified().version(),
        Err(ParseError::Empty { .. }) => 0,
        // Of a root whose version cannot be told only its parser's complaint is known.
        Err(error) => return Err(Rejection::Root(error.clone().into())),
    };
    if new != current && Some(new) != current.checked_add(1) {
        return Err(Rejection::RootStep { current, new });
    }
    let received = parsed.map_err(|error| Rejection::Root(error.into()))?;
    let time = CertificateTime::At(now);
    let body = previous.as_ref().map(Verified::body);
    let verified = rules::verify_root(received, gun, time, body, None)
        .map_err(|refused| Rejection::Root(refused.error))?;
    rules::check_floor(&role, verified.version(), current).map_err(Rejection::Root)?;
    rules::check_expiry(&role, verified.expires(), now).map_err(Rejection::Root)?;
    let meta = FileMeta::of(verified.raw());
    loaded.documents.push(document(&verified, &meta));
    loaded.metas.insert(role, meta);
    Ok(verified.body().clone())
}

/// A targets document or delegation, held to its delegator's keys. Expiry counts where `now` is given.
fn verify_targets(
    role: &RoleName,
    parsed: Parsed<Targets>,
    root: &Root,
    loaded: &Loaded,
    now: Option<OffsetDateTime>,
) -> Result<Verified<Targets>, RuleError> {
    let verified = match role.parent() {
        None => rules::verify_targets(parsed?, root)?,
        Some(parent) => {
            let not_delegated = || RuleError::NotDelegated(role.clone());
            let parent = loaded.targets.get(&parent).ok_or_else(not_delegated)?;
            let keys = rules::delegation_keys(parent.body(), role)?;
            let received = parsed?;
            received.validate()?;
            received.verify(&keys)?
        }
    };
    if let Some(now) = now {
        rules::check_expiry(role, verified.expires(), now)?;
    }
    Ok(verified)
}

fn validate_snapshot(
    parsed: Parsed<Snapshot>,
    root: &Root,
    baseline: &Baseline,
    now: OffsetDateTime,
    loaded: &Loaded,
) -> Result<Verified<Snapshot>, Rejection> {
    let received = parsed.map_err(|error| Rejection::Snapshot(error.into()))?;
    let verified = rules::verify_snapshot(received, root).map_err(Rejection::Snapshot)?;
    rules::check_expiry(verified.role(), verified.expires(), now).map_err(Rejection::Snapshot)?;
    loaded
        .check_against(verified.body())
        .map_err(Rejection::Snapshot)?;
    let (current, new) = (baseline.snapshot_floor, verified.version());
    if is_jump(current, new) {
        return Err(Rejection::SnapshotJump { current, new });
    }
    Ok(verified)
}

/// Whether a version would be too great a step, so that publishers soon could not go any further (security class A3).
fn is_jump(current: Version, new: Version) -> bool {
    new > MAX_VERSION || new.saturating_sub(current) > rules::MAX_VERSION_JUMP
}

fn document<T: Metadata>(verified: &Verified<T>, meta: &FileMeta) -> NewDocument {
    NewDocument {
        role: verified.role().clone(),
        version: verified.version(),
        sha256: sha256_of(meta),
        data: verified.raw().clone(),
    }
}

/// What an update has brought in so far: its own documents, and the stored ones that they build on.
#[derive(Debug, Default)]
struct Loaded {
    targets: BTreeMap<RoleName, Verified<Targets>>,
    /// Length and digests of the update's own documents.
    metas: BTreeMap<RoleName, FileMeta>,
    /// The update's own documents, to be stored.
    documents: Vec<NewDocument>,
    /// The stored documents: the root when the update has none, and ancestors.
    stored: Vec<Arc<Served>>,
}

impl Loaded {
    /// Loads the stored documents above `role`, outermost first. What is not stored is skipped: its children will not
    /// find their keys.
    fn ancestors_of(
        &mut self,
        role: &RoleName,
        root: &Root,
        baseline: &Baseline,
    ) -> Result<(), Rejection> {
        let mut ancestors = Vec::new();
        let mut next = role.parent();
        while let Some(ancestor) = next {
            next = ancestor.parent();
            ancestors.push(ancestor);
        }
        for ancestor in ancestors.into_iter().rev() {
            if self.targets.contains_key(&ancestor) {
                continue;
            }
            let Some(stored) = baseline.ancestors.get(&ancestor) else {
                continue;
            };
            let parsed = Received::parse(&ancestor, stored.document.data.clone());
            let verified =
                verify_targets(&ancestor, parsed, root, self, None).map_err(|source| {
                    Rejection::StoredUnusable {
                        role: ancestor.clone(),
                        source,
                    }
                })?;
            self.stored.push(Arc::clone(stored));
            self.targets.insert(ancestor, verified);
        }
        Ok(())
    }

    fn uploaded(&mut self, targets: Verified<Targets>) {
        let meta = FileMeta::of(targets.raw());
        self.documents.push(document(&targets, &meta));
        self.metas.insert(targets.role().clone(), meta);
        self.targets.insert(targets.role().clone(), targets);
    }

    /// Everything loaded must be what the publisher's snapshot names: root first, then the others by name.
    fn check_against(&self, snapshot: &Snapshot) -> Result<(), RuleError> {
        let unlisted = FileMeta::default();
        let listed = |role: &RoleName| snapshot.meta.get(role.as_str()).unwrap_or(&unlisted);
        let stored = |role: &RoleName| self.stored.iter().find(|s| s.document.role == *role);
        let root = RoleName::root();
        for role in std::iter::once(&root).chain(self.targets.keys()) {
            let hashes = &listed(role).hashes;
            if let Some(meta) = self.metas.get(role) {
                hashes.check_digests(role.as_str(), &meta.hashes)?;
            } else if let Some(stored) = stored(role) {
                hashes.check(role.as_str(), &stored.document.data)?;
            }
        }
        Ok(())
    }

    /// The snapshot that the server signs: the predecessor's entries, with those of this update in their place. Digests
    /// are those of the exact bytes that are stored (defect D7).
    fn draft_snapshot(&self, baseline: &Baseline) -> Result<Snapshot, Rejection> {
        let mut draft = match &baseline.snapshot {
            Some(predecessor) => (**predecessor).clone(),
            None if self.targets.contains_key(&RoleName::targets()) => {
                Snapshot::new(Expiry::missing())
            }
            None => return Err(Rejection::TargetsMissing),
        };
        for (role, meta) in &self.metas {
            draft.meta.insert(role.as_str().to_owned(), meta.clone());
        }
        for stored in &self.stored {
            // Listed already, but for a repository whose snapshot is lost or names bytes that nobody has.
            let role = stored.document.role.as_str();
            let listed = draft.meta.get(role);
            let listed = listed.and_then(|meta| meta.hashes.digest(HashAlgorithm::Sha256));
            if listed != Some(&stored.document.sha256[..]) {
                let meta = FileMeta::of(&stored.document.data);
                draft.meta.insert(role.to_owned(), meta);
            }
        }
        Ok(draft)
    }
}
