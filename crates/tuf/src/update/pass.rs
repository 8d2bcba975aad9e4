//! One pass over a repository: timestamp, snapshot, targets and delegations (specification, `tuf.md` sections 10.3 and
//! 10.5).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::engine::{Outcome, Progress, State};
use super::trusted::UnusableReason;
use super::{
    MAX_DOCUMENT_BYTES, MAX_ROLES, MAX_TIMESTAMP_BYTES, Mode, Scope, Step, Unusable, Update,
    UpdateError, Warning,
};
use crate::lookup::{self, Paths};
use crate::rules::{self, RuleError};
use crate::{
    BaseRole, FileMeta, MetadataPath, Received, RoleKeys, RoleName, Root, Snapshot, Targets,
    Timestamp, Verified, VerifyError,
};

impl Update {
    pub(super) fn begin_pass(&mut self) {
        let path = MetadataPath::Current(RoleName::timestamp());
        self.fetch(path, MAX_TIMESTAMP_BYTES, State::Timestamp);
    }

    pub(super) fn trusted_root(&self) -> Outcome<&Verified<Root>> {
        // Every pass begins with a root; without one there is nothing to trust.
        self.root.as_ref().ok_or_else(|| UpdateError::NoTrustData {
            gun: self.gun.clone(),
        })
    }

    pub(super) fn load_timestamp(&mut self) -> Outcome<Progress> {
        let role = RoleName::timestamp();
        let path = MetadataPath::Current(role.clone());
        let cached = self
            .cached
            .timestamp
            .clone()
            .filter(|bytes| bytes.len() as u64 <= MAX_TIMESTAMP_BYTES);
        let error = match self.expect_bytes(&path, MAX_TIMESTAMP_BYTES) {
            Ok(bytes) => {
                let verified = self.verify_timestamp(bytes, cached.as_ref())?;
                if cached.as_ref() != Some(verified.raw()) {
                    self.persist(&role, &verified.raw().clone());
                }
                self.timestamp_loaded(verified);
                return Ok(Progress::Advance);
            }
            Err(error) => error,
        };
        let falls_back = match &error {
            UpdateError::Missing { .. } | UpdateError::Unreachable { .. } => true,
            UpdateError::Refused { refusal, .. } => refusal.status != 400,
            _ => false,
        };
        // Go asks for root before every write, to learn whether the repository exists. A timestamp shows that as well; only
        // where there is none must a write not build on what is cached before the server has shown a root.
        let proven = self.mode == Mode::Read || self.exists;
        let Some(bytes) = cached.filter(|_| falls_back && proven) else {
            return Err(error);
        };
        let status = match &error {
            UpdateError::Refused { refusal, .. } => Some(refusal.status),
            _ => None,
        };
        self.out.push_back(Step::Warn(Warning::CachedTimestamp {
            reason: error.to_string(),
            status,
        }));
        let verified = self.verify_timestamp(bytes, None)?;
        self.from_cache = true;
        self.timestamp_loaded(verified);
        Ok(Progress::Advance)
    }

    fn verify_timestamp(
        &mut self,
        bytes: Bytes,
        cached: Option<&Bytes>,
    ) -> Outcome<Verified<Timestamp>> {
        let role = RoleName::timestamp();
        let same = cached == Some(&bytes);
        let received = Received::parse(&role, bytes).map_err(RuleError::from)?;
        let root = self.trusted_root()?.body();
        let keys = root.role_keys(BaseRole::Timestamp);
        let verified = rules::verify_timestamp(received, root)?;
        let cached = cached.filter(|_| !same);
        let floor = self.floor::<Timestamp>(&keys, verified.version(), cached);
        rules::check_floor(&role, verified.version(), floor)?;
        // An expired timestamp says nothing of the present. A write may build on it only where no server could have
        // renewed it, under an expired root, or where floors keep it from being older than what this client has seen.
        let known = self.floors_before.version(&role).is_some() || self.timestamp_before.is_some();
        let root_over = self.trusted_root()?.expires().is_over(self.now);
        if !known && !root_over {
            rules::check_expiry(&role, verified.expires(), self.now)?;
        }
        self.admit_expiry(&role, verified.expires().clone())?;
        self.floors.raise(&keys, verified.version());
        Ok(verified)
    }

    fn timestamp_loaded(&mut self, verified: Verified<Timestamp>) {
        self.timestamp = Some(verified);
        self.state = State::Snapshot;
    }

    /// Loads the snapshot that the timestamp names from the cache, or asks for it.
    pub(super) fn load_snapshot(&mut self) -> Outcome<Progress> {
        let meta = self.snapshot_meta();
        let max_bytes = length_of(&RoleName::snapshot(), &meta)?;
        let cached = self
            .cached
            .snapshot
            .clone()
            .filter(|bytes| bytes.len() as u64 <= max_bytes);
        if let Some(bytes) = cached
            && let Ok(verified) = self.verify_snapshot(bytes, &meta, None)
        {
            return Ok(self.snapshot_loaded(verified));
        }
        Ok(self.fetch(
            path_of(&RoleName::snapshot(), &meta),
            max_bytes,
            State::SnapshotFetch,
        ))
    }

    pub(super) fn snapshot_answered(&mut self) -> Outcome<Progress> {
        let role = RoleName::snapshot();
        let meta = self.snapshot_meta();
        let bytes = self.expect_bytes(&path_of(&role, &meta), length_of(&role, &meta)?)?;
        let cached = self.cached.snapshot.clone();
        let verified = self.verify_snapshot(bytes, &meta, cached.as_ref())?;
        self.check_none_dropped(verified.body())?;
        self.persist(&role, &verified.raw().clone());
        Ok(self.snapshot_loaded(verified))
    }

    fn snapshot_meta(&self) -> FileMeta {
        self.timestamp
            .as_ref()
            .and_then(|t| t.body().snapshot().cloned())
            .unwrap_or_default()
    }

    fn verify_snapshot(
        &mut self,
        bytes: Bytes,
        meta: &FileMeta,
        cached: Option<&Bytes>,
    ) -> Outcome<Verified<Snapshot>> {
        let role = RoleName::snapshot();
        meta.hashes
            .check(role.as_str(), &bytes)
            .map_err(RuleError::from)?;
        let received = Received::parse(&role, bytes).map_err(RuleError::from)?;
        let root = self.trusted_root()?.body();
        let keys = root.role_keys(BaseRole::Snapshot);
        let verified = rules::verify_snapshot(received, root)?;
        let floor = self.floor::<Snapshot>(&keys, verified.version(), cached);
        rules::check_floor(&role, verified.version(), floor)?;
        self.admit_expiry(&role, verified.expires().clone())?;
        // From here on the snapshot is good, so what it says of root is what a refresh must find.
        self.wanted_root = verified.body().meta.get("root").cloned();
        if let (Some(meta), Some(root)) = (&self.wanted_root, &self.root) {
            meta.hashes
                .check("root", root.raw())
                .map_err(RuleError::from)?;
        }
        self.floors.raise(&keys, verified.version());
        Ok(verified)
    }

    fn snapshot_loaded(&mut self, verified: Verified<Snapshot>) -> Progress {
        self.snapshot = Some(verified);
        self.work = vec![(RoleName::targets(), Paths::everything())];
        self.state = State::Targets;
        Progress::Advance
    }

    /// Loads the next role of the work list from the cache, or asks for it.
    pub(super) fn next_targets(&mut self) -> Outcome<Progress> {
        while let Some((role, paths)) = self.work.pop() {
            let Some(meta) = self.listed(&role) else {
                self.check_not_dropped(&role)?;
                continue;
            };
            if self.targets.contains_key(&role) {
                return Err(RuleError::AlreadyLoaded(role).into());
            }
            // compat: a role listed twice is an error only once it is loaded; twice unusable is unusable.
            if self.unusable.contains_key(&role) {
                continue;
            }
            if self.targets.len() + self.unusable.len() >= MAX_ROLES {
                return Err(UpdateError::TooMany {
                    what: "targets and delegation roles",
                    limit: MAX_ROLES as i64,
                });
            }
            let keys = self.targets_keys(&role)?;
            let max_bytes = length_of(&role, &meta)?;
            let cached = self
                .cached
                .targets
                .get(&role)
                .cloned()
                .filter(|bytes| bytes.len() as u64 <= max_bytes);
            if let Some(bytes) =
                cached.filter(|bytes| meta.hashes.check(role.as_str(), bytes).is_ok())
                && let Ok(Ok(verified)) = self.verify_targets_content(&role, &keys, bytes, None)
            {
                self.targets_loaded(&role, &paths, verified)?;
                continue;
            }
            let path = path_of(&role, &meta);
            return Ok(self.fetch(path, max_bytes, State::TargetsFetch(role, paths)));
        }
        self.finish()?;
        Ok(Progress::Advance)
    }

    pub(super) fn targets_answered(&mut self, role: RoleName, paths: &Paths) -> Outcome<Progress> {
        let meta = self.listed(&role).unwrap_or_default();
        let bytes = self.expect_bytes(&path_of(&role, &meta), length_of(&role, &meta)?)?;
        let keys = self.targets_keys(&role)?;
        meta.hashes
            .check(role.as_str(), &bytes)
            .map_err(RuleError::from)?;
        let cached = self.cached.targets.get(&role).cloned();
        match self.verify_targets_content(&role, &keys, bytes, cached.as_ref())? {
            Ok(verified) => {
                self.persist(&role, &verified.raw().clone());
                self.targets_loaded(&role, paths, verified)?;
            }
            Err(unusable) => {
                let reason = match &unusable.reason {
                    UnusableReason::Expired(expiry) => format!("{role} expired at {expiry}"),
                    UnusableReason::Unsigned(below) => below.to_string(),
                };
                self.out.push_back(Step::Warn(Warning::DelegationUnusable {
                    role: role.clone(),
                    reason,
                }));
                self.unusable.insert(role, *unusable);
            }
        }
        self.state = State::Targets;
        Ok(Progress::Advance)
    }

    /// What the snapshot says of a role; nothing when it says nothing useful.
    fn listed(&self, role: &RoleName) -> Option<FileMeta> {
        let meta = self.snapshot.as_ref()?.body().meta.get(role.as_str())?;
        (!meta.hashes.is_empty() || meta.length != 0).then(|| meta.clone())
    }

    /// Refuses a snapshot that lacks a delegation which the cached one lists, while the document of its parent, which
    /// still delegates to it, is the cached one.
    ///
    /// Such a snapshot is not kept: the next update would have nothing left to compare with.
    fn check_none_dropped(&self, new: &Snapshot) -> Outcome<()> {
        let Some(old) = self.old_snapshot() else {
            return Ok(());
        };
        // What each parent whose document stays the cached one delegates to; read once, however many names are gone.
        let mut unchanged: BTreeMap<RoleName, Option<Received<Targets>>> = BTreeMap::new();
        for (name, meta) in &old.meta {
            let stays = new
                .meta
                .get(name)
                .is_some_and(|meta| !meta.hashes.is_empty());
            if meta.hashes.is_empty() || stays {
                continue;
            }
            let Ok(role) = name.parse::<RoleName>() else {
                continue;
            };
            let Some(parent) = role.parent() else {
                continue;
            };
            let document = unchanged.entry(parent).or_insert_with_key(|parent| {
                let bytes = self.cached.targets.get(parent)?;
                let meta = new.meta.get(parent.as_str())?;
                meta.hashes.check(parent.as_str(), bytes).ok()?;
                Received::parse(parent, bytes.clone()).ok()
            });
            if document
                .as_ref()
                .is_some_and(|parent| parent.unverified().delegations.find(&role).is_some())
            {
                return Err(UpdateError::Dropped { role });
            }
        }
        Ok(())
    }

    fn old_snapshot(&self) -> Option<&Snapshot> {
        let old = self.old_snapshot.get_or_init(|| {
            let bytes = self.snapshot_before.clone()?;
            let received = Received::<Snapshot>::parse(&RoleName::snapshot(), bytes).ok()?;
            let verified = rules::verify_snapshot(received, self.old_root.as_ref()?.body()).ok()?;
            Some(verified.body().clone())
        });
        old.as_ref()
    }

    /// A delegation that was there may leave the snapshot only when its parent gives it up or gives it other keys. This
    /// finds what [`Update::check_none_dropped`] could not see, where the parent's document is new, or it or the snapshot
    /// was not cached: the remembered floors say that the delegation had a document under keys that it still has.
    fn check_not_dropped(&self, role: &RoleName) -> Outcome<()> {
        let Some(parent) = role.parent() else {
            return Ok(());
        };
        let dropped = Err(UpdateError::Dropped { role: role.clone() });
        if self.targets.contains_key(&parent) && self.floors_before.knows(&self.targets_keys(role)?)
        {
            return dropped;
        }
        let Some(old) = self.old_snapshot() else {
            return Ok(());
        };
        if self.snapshot.as_ref().map(Verified::raw) == self.snapshot_before.as_ref() {
            return Ok(());
        }
        let listed = |name: &RoleName| old.meta.get(name.as_str());
        let sha256 = |meta: &FileMeta| meta.hashes.sha256_hex();
        let parent_unchanged =
            listed(&parent).and_then(sha256) == self.listed(&parent).as_ref().and_then(sha256);
        if listed(role).is_some_and(|meta| !meta.hashes.is_empty()) && parent_unchanged {
            return dropped;
        }
        Ok(())
    }

    fn targets_keys(&self, role: &RoleName) -> Outcome<RoleKeys> {
        let Some(parent) = role.parent() else {
            return Ok(self.trusted_root()?.body().role_keys(BaseRole::Targets));
        };
        let parent = self
            .targets
            .get(&parent)
            .ok_or_else(|| RuleError::NotDelegated(role.clone()))?;
        Ok(rules::delegation_keys(parent.body(), role)?)
    }

    /// Verifies what is not about bytes. The inner error is a delegation that is skipped with all below it.
    fn verify_targets_content(
        &mut self,
        role: &RoleName,
        keys: &RoleKeys,
        bytes: Bytes,
        cached: Option<&Bytes>,
    ) -> Outcome<Result<Verified<Targets>, Box<Unusable>>> {
        let received = Received::<Targets>::parse(role, bytes).map_err(RuleError::from)?;
        let floor = self.floor::<Targets>(keys, received.unverified().version, cached);
        let unusable = |received, reason| Ok(Err(Box::new(Unusable { received, reason })));
        if role.is_delegation() {
            received.validate().map_err(RuleError::from)?;
            rules::check_floor(role, received.unverified().version, floor)?;
            match received.check_signatures(keys) {
                Ok(()) => {}
                Err(VerifyError::BelowThreshold(below)) => {
                    return unusable(received, UnusableReason::Unsigned(below));
                }
                Err(other) => return Err(RuleError::from(other).into()),
            }
            let expires = received.unverified().expires.clone();
            if expires.is_over(self.now) {
                return unusable(received, UnusableReason::Expired(expires));
            }
        } else {
            received.check_signatures(keys).map_err(RuleError::from)?;
            received.validate().map_err(RuleError::from)?;
            rules::check_floor(role, received.unverified().version, floor)?;
            self.admit_expiry(role, received.unverified().expires.clone())?;
        }
        let verified = Verified::from_checked(received);
        self.floors.raise(keys, verified.version());
        Ok(Ok(verified))
    }

    fn targets_loaded(
        &mut self,
        role: &RoleName,
        paths: &Paths,
        verified: Verified<Targets>,
    ) -> Outcome<()> {
        let mut next: Vec<(RoleName, Paths)> = lookup::children(role, verified.body())
            .map(|(child, entry)| (child, paths.restrict(&entry.paths)))
            .filter(|(_, effective)| match &self.scope {
                Scope::All => true,
                Scope::For(target) => effective.allow(target),
            })
            .collect();
        // The last one of the work list is next.
        next.reverse();
        self.work.append(&mut next);
        self.targets.insert(role.clone(), verified);
        self.state = State::Targets;
        Ok(())
    }
}

/// The announced length as a bound.
fn length_of(role: &RoleName, meta: &FileMeta) -> Outcome<u64> {
    u64::try_from(meta.length)
        .map(|length| length.min(MAX_DOCUMENT_BYTES))
        .map_err(|_| UpdateError::InvalidLength {
            role: role.clone(),
            length: meta.length,
        })
}

/// The name by checksum, or the plain one where no SHA-256 is listed.
fn path_of(role: &RoleName, meta: &FileMeta) -> MetadataPath {
    meta.hashes.sha256_hex().map_or_else(
        || MetadataPath::Current(role.clone()),
        |sha256| MetadataPath::Checksum(role.clone(), sha256),
    )
}
