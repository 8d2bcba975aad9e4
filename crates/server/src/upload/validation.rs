//! Which update may follow what is stored (specification, `server.md` sections 8.2 and 8.3).
//!
//! A function of the update, what is stored, and the time; the rules are those of [`signet_tuf::rules`]. Stored documents
//! that were verified before are not verified again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use signet_tuf::metadata::Metadata;
use signet_tuf::rules::{self, CertificateTime, RuleError};
use signet_tuf::{
    BaseRole, Expiry, FileMeta, Gun, HashAlgorithm, ParseError, Received, RoleName, Root, Snapshot,
    Targets, Verified, Version,
};
use time::OffsetDateTime;

use super::Rejection;
use super::submission::{Parsed, Submission};
use crate::current::Served;
use crate::seal::{MAX_KEYS, sha256_of};
use crate::store::{MAX_VERSION, NewDocument, Sha256};
use crate::verified::{TargetsKey, VerifiedDocuments};

/// What is stored of a repository, as far as an update builds on it.
#[derive(Debug)]
pub(super) struct Baseline {
    /// The incarnation of the repository.
    pub(super) epoch: u64,
    pub(super) root: Option<Arc<Served>>,
    /// Stored documents of the ancestors of uploaded roles.
    pub(super) ancestors: BTreeMap<RoleName, Arc<Served>>,
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) snapshot_floor: Version,
    /// The current version of every uploaded role that has one.
    pub(super) newest: BTreeMap<RoleName, Version>,
}

impl Baseline {
    /// Whether the current document of a role has this version or a later one, so that the store takes no other.
    pub(super) fn has(&self, role: &RoleName, version: Version) -> bool {
        let current = match role.base() {
            Some(BaseRole::Root) => self.root.as_ref().map(|root| root.document.version),
            Some(BaseRole::Snapshot) => Some(self.snapshot_floor),
            _ => self.newest.get(role).copied(),
        };
        current.is_some_and(|current| current > 0 && current >= version)
    }
}

/// An update that passed every rule.
#[derive(Debug)]
pub(super) struct Accepted {
    /// The root that holds from now on.
    pub(super) root: Arc<Verified<Root>>,
    /// Root and targets documents, in the order in which they are stored.
    pub(super) documents: Vec<NewDocument>,
    pub(super) snapshot: AcceptedSnapshot,
}

impl Accepted {
    /// The documents of the publisher that are to be stored.
    pub(super) fn versions(&self) -> impl Iterator<Item = (&RoleName, Version)> {
        let snapshot = match &self.snapshot {
            AcceptedSnapshot::Uploaded { document, .. } => Some(document),
            AcceptedSnapshot::Draft(_) => None,
        };
        let documents = self.documents.iter().chain(snapshot);
        documents.map(|document| (&document.role, document.version))
    }
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
    before: &VerifiedDocuments,
    now: OffsetDateTime,
) -> Result<Accepted, Rejection> {
    let (root, uploaded_root) = validate_root(gun, submission.root, baseline, before, now)?;
    let mut loaded = Loaded::new(root, baseline, before);
    match uploaded_root {
        Some(meta) => loaded.uploaded_root(meta),
        None => loaded.stored.extend(baseline.root.clone()),
    }
    for ((_, role), parsed) in submission.targets {
        loaded.ancestors_of(&role)?;
        let targets = loaded.verify(&role, parsed).map_err(Rejection::Targets)?;
        rules::check_expiry(&role, targets.expires(), now).map_err(Rejection::Targets)?;
        let current = baseline.newest.get(&role).copied().unwrap_or_default();
        if is_jump(current, targets.version()) {
            return Err(Rejection::TargetsJump {
                role,
                current,
                new: targets.version(),
            });
        }
        loaded.uploaded_targets(targets);
    }
    let snapshot = match submission.snapshot {
        Some(parsed) => {
            let verified = validate_snapshot(parsed, &loaded, now)?;
            let meta = FileMeta::of(verified.raw());
            AcceptedSnapshot::Uploaded {
                document: document(&verified, &meta),
                body: verified.body().clone(),
                meta,
            }
        }
        None => AcceptedSnapshot::Draft(loaded.draft_snapshot()?),
    };
    Ok(Accepted {
        root: loaded.root,
        documents: loaded.documents,
        snapshot,
    })
}

/// The root that holds from now on: the uploaded one, with its length and digests, if it may follow the stored one.
fn validate_root(
    gun: &Gun,
    uploaded: Option<Parsed<Root>>,
    baseline: &Baseline,
    before: &VerifiedDocuments,
    now: OffsetDateTime,
) -> Result<(Arc<Verified<Root>>, Option<FileMeta>), Rejection> {
    let role = RoleName::root();
    let previous = match &baseline.root {
        None => None,
        Some(stored) => {
            let verified = before.root(baseline.epoch, stored.document.sha256, || {
                verify_stored_root(gun, stored)
            });
            Some(verified.map_err(|source| Rejection::StoredUnusable {
                role: role.clone(),
                source,
            })?)
        }
    };
    let Some(parsed) = uploaded else {
        return Ok((previous.ok_or(Rejection::NoRoot)?, None));
    };
    let current = previous.as_ref().map_or(1, |previous| previous.version());
    let new = match &parsed {
        Ok(received) => received.unverified().version(),
        Err(ParseError::Empty { .. } | ParseError::NoSignatures { .. }) => 0,
        // Of a root whose version cannot be told only its parser's complaint is known.
        Err(error) => return Err(Rejection::Root(error.clone().into())),
    };
    if new != current && Some(new) != current.checked_add(1) {
        return Err(Rejection::RootStep { current, new });
    }
    let received = parsed.map_err(|error| Rejection::Root(error.into()))?;
    let time = CertificateTime::At(now);
    let body = previous.as_ref().map(|previous| previous.body());
    let verified = rules::verify_root(received, gun, time, body, None)
        .map_err(|refused| Rejection::Root(refused.error))?;
    check_key_counts(verified.body())?;
    rules::check_floor(&role, verified.version(), current).map_err(Rejection::Root)?;
    rules::check_expiry(&role, verified.expires(), now).map_err(Rejection::Root)?;
    let meta = FileMeta::of(verified.raw());
    Ok((Arc::new(verified), Some(meta)))
}

/// Refuses a root with so many keys for what the server signs that looking for the server's own among them would hold it up.
fn check_key_counts(root: &Root) -> Result<(), Rejection> {
    for role in [BaseRole::Snapshot, BaseRole::Timestamp] {
        let listed = root.role(role).and_then(|entry| entry.keyids.as_deref());
        let distinct: BTreeSet<_> = listed.unwrap_or_default().iter().collect();
        if distinct.len() > MAX_KEYS {
            return Err(Rejection::TooManyKeys {
                role,
                found: distinct.len(),
                limit: MAX_KEYS,
            });
        }
    }
    Ok(())
}

/// A stored root, held to its own keys. Its certificates may have expired: that must not keep it from being replaced
/// (defect D8).
pub(crate) fn verify_stored_root(gun: &Gun, stored: &Served) -> Result<Verified<Root>, RuleError> {
    let received = Received::<Root>::parse(&RoleName::root(), stored.document.data.clone())?;
    rules::verify_root(received, gun, CertificateTime::Ignored, None, None)
        .map_err(|refused| refused.error)
}

fn validate_snapshot(
    parsed: Parsed<Snapshot>,
    loaded: &Loaded<'_>,
    now: OffsetDateTime,
) -> Result<Verified<Snapshot>, Rejection> {
    let received = parsed.map_err(|error| Rejection::Snapshot(error.into()))?;
    let verified =
        rules::verify_snapshot(received, loaded.root.body()).map_err(Rejection::Snapshot)?;
    rules::check_expiry(verified.role(), verified.expires(), now).map_err(Rejection::Snapshot)?;
    loaded
        .check_against(verified.body())
        .map_err(Rejection::Snapshot)?;
    let (current, new) = (loaded.baseline.snapshot_floor, verified.version());
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
#[derive(Debug)]
struct Loaded<'a> {
    baseline: &'a Baseline,
    before: &'a VerifiedDocuments,
    root: Arc<Verified<Root>>,
    root_sha256: Sha256,
    /// With their checksums.
    targets: BTreeMap<RoleName, (Arc<Verified<Targets>>, Sha256)>,
    /// Length and digests of the update's own documents.
    metas: BTreeMap<RoleName, FileMeta>,
    /// The update's own documents, to be stored.
    documents: Vec<NewDocument>,
    /// The stored documents: the root when the update has none, and ancestors.
    stored: Vec<Arc<Served>>,
}

impl<'a> Loaded<'a> {
    fn new(
        root: Arc<Verified<Root>>,
        baseline: &'a Baseline,
        before: &'a VerifiedDocuments,
    ) -> Self {
        Self {
            baseline,
            before,
            root,
            root_sha256: (baseline.root.as_ref())
                .map(|stored| stored.document.sha256)
                .unwrap_or_default(),
            targets: BTreeMap::new(),
            metas: BTreeMap::new(),
            documents: Vec::new(),
            stored: Vec::new(),
        }
    }

    fn uploaded_root(&mut self, meta: FileMeta) {
        self.root_sha256 = sha256_of(&meta);
        self.documents.push(document(&self.root, &meta));
        self.metas.insert(RoleName::root(), meta);
    }

    /// A targets document or delegation, held to its delegator's keys.
    fn verify(
        &self,
        role: &RoleName,
        parsed: Parsed<Targets>,
    ) -> Result<Verified<Targets>, RuleError> {
        let Some(parent) = role.parent() else {
            return rules::verify_targets(parsed?, self.root.body());
        };
        let not_delegated = || RuleError::NotDelegated(role.clone());
        let (parent, _) = self.targets.get(&parent).ok_or_else(not_delegated)?;
        let keys = rules::delegation_keys(parent.body(), role)?;
        let received = parsed?;
        received.validate()?;
        Ok(received.verify(&keys)?)
    }

    /// What stands for the verification of a document of `role` with this checksum.
    fn key(&self, role: &RoleName, sha256: Sha256) -> TargetsKey {
        let parent = role.parent().and_then(|parent| self.targets.get(&parent));
        TargetsKey {
            epoch: self.baseline.epoch,
            role: role.clone(),
            sha256,
            delegator: parent.map_or(self.root_sha256, |(_, sha256)| *sha256),
        }
    }

    /// Loads the stored documents above `role`, outermost first. What is not stored is skipped: its children will not
    /// find their keys.
    fn ancestors_of(&mut self, role: &RoleName) -> Result<(), Rejection> {
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
            let Some(stored) = self.baseline.ancestors.get(&ancestor) else {
                continue;
            };
            let sha256 = stored.document.sha256;
            let verified = self.before.targets(self.key(&ancestor, sha256), || {
                let parsed = Received::parse(&ancestor, stored.document.data.clone());
                self.verify(&ancestor, parsed)
            });
            let verified = verified.map_err(|source| Rejection::StoredUnusable {
                role: ancestor.clone(),
                source,
            })?;
            self.stored.push(Arc::clone(stored));
            self.targets.insert(ancestor, (verified, sha256));
        }
        Ok(())
    }

    fn uploaded_targets(&mut self, targets: Verified<Targets>) {
        let meta = FileMeta::of(targets.raw());
        self.documents.push(document(&targets, &meta));
        let (role, sha256) = (targets.role().clone(), sha256_of(&meta));
        let targets = Arc::new(targets);
        self.before.keep(self.key(&role, sha256), &targets);
        self.metas.insert(role.clone(), meta);
        self.targets.insert(role, (targets, sha256));
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
    fn draft_snapshot(&self) -> Result<Snapshot, Rejection> {
        let mut draft = match &self.baseline.snapshot {
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
