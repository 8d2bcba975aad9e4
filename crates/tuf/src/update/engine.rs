//! The state machine itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;

use bytes::Bytes;
use time::OffsetDateTime;

use super::trusted::UnusableReason;
use super::{
    Answer, Cached, Fetch, Floors, MAX_DOCUMENT_BYTES, MAX_ROLES, MAX_TIMESTAMP_BYTES,
    MAX_UPDATE_BYTES, Mode, Scope, Step, TrustedRepository, Unusable, UpdateError, Warning,
};
use crate::lookup::{self, Paths};
use crate::metadata::Metadata;
use crate::pinning::TrustPinning;
use crate::rules::{self, CertificateTime, RuleError};
use crate::{
    BaseRole, Expiry, FileMeta, Gun, MetadataPath, Received, RoleKeys, RoleName, Root, Snapshot,
    Targets, Timestamp, Verified, VerifyError, Version,
};

/// One update of one repository. See [the module](super).
#[derive(Debug)]
pub struct Update {
    pub(super) gun: Gun,
    pub(super) now: OffsetDateTime,
    pub(super) mode: Mode,
    scope: Scope,
    pub(super) pinning: TrustPinning,
    pub(super) cached: Cached,
    /// The snapshot that was cached before this update replaced it.
    snapshot_before: Option<Bytes>,
    /// The same, read, where the cached root vouches for it. Made when first needed.
    old_snapshot: OnceLock<Option<Snapshot>>,
    pub(super) floors: Floors,
    /// Whether a timestamp was cached before this update.
    pub(super) old_timestamp: bool,
    /// The floors that were remembered before this update.
    pub(super) floors_before: Floors,

    /// The cached root: what later roots must be linked to, and what vouches for the rest of the cache.
    pub(super) old_root: Option<Verified<Root>>,
    /// Whether pinning decides about the next root: only where no valid cached root stands behind it.
    pub(super) pinned: bool,
    /// The root that the next one must follow.
    pub(super) previous_root: Option<Verified<Root>>,
    /// What a verified snapshot says of the root that belongs to it.
    pub(super) wanted_root: Option<FileMeta>,

    pub(super) root: Option<Verified<Root>>,
    pub(super) timestamp: Option<Verified<Timestamp>>,
    pub(super) snapshot: Option<Verified<Snapshot>>,
    pub(super) targets: BTreeMap<RoleName, Verified<Targets>>,
    pub(super) unusable: BTreeMap<RoleName, Unusable>,
    /// Roles still to be loaded, with their effective paths. The last one is next.
    pub(super) work: Vec<(RoleName, Paths)>,
    pub(super) from_cache: bool,
    pub(super) second_pass: bool,

    pub(super) state: State,
    pub(super) answer: Option<Answer>,
    /// Bytes taken from the server so far.
    taken: u64,
    out: VecDeque<Step>,
}

#[derive(Debug)]
pub(super) enum State {
    Start,
    /// `root.json` at the beginning.
    BootstrapRoot,
    /// The timestamp of this pass.
    Timestamp,
    /// The snapshot that the timestamp names.
    Snapshot,
    /// The snapshot is on its way.
    SnapshotFetch,
    /// The next role of the work list.
    Targets,
    /// A document of the work list is on its way.
    TargetsFetch(RoleName, Paths),
    /// A newer root, after a pass failed.
    RefreshRoot,
    /// The roots between the previous one and the newest.
    Chain(Box<Chain>),
    Done,
    Failed,
}

/// A walk from one root to the newest over those between them.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) next: Version,
    pub(super) newest: Box<Received<Root>>,
    pub(super) predecessor: Verified<Root>,
}

/// What a step of the machine did.
pub(super) enum Progress {
    /// Go on.
    Advance,
    /// Wait for the answer to the fetch that was just queued.
    Wait,
}

pub(super) type Outcome<T> = Result<T, UpdateError>;

impl Update {
    /// An update that has not begun.
    #[must_use]
    pub fn new(
        gun: Gun,
        now: OffsetDateTime,
        mode: Mode,
        scope: Scope,
        pinning: TrustPinning,
        cached: Cached,
        floors: Floors,
    ) -> Self {
        Self {
            gun,
            now,
            mode,
            scope,
            pinning,
            snapshot_before: cached.snapshot.clone(),
            old_timestamp: cached.timestamp.is_some(),
            old_snapshot: OnceLock::new(),
            cached,
            floors_before: floors.clone(),
            floors,
            old_root: None,
            pinned: true,
            previous_root: None,
            wanted_root: None,
            root: None,
            timestamp: None,
            snapshot: None,
            targets: BTreeMap::new(),
            unusable: BTreeMap::new(),
            work: Vec::new(),
            from_cache: false,
            second_pass: false,
            state: State::Start,
            answer: None,
            taken: 0,
            out: VecDeque::new(),
        }
    }

    /// What to do next. After [`Step::Fetch`] call [`Update::answer`] first.
    ///
    /// # Errors
    /// [`UpdateError`]: the update failed and is over. Documents persisted before stay good.
    pub fn step(&mut self) -> Outcome<Step> {
        loop {
            if let Some(step) = self.out.pop_front() {
                return Ok(step);
            }
            if let Err(error) = self.advance() {
                self.state = State::Failed;
                self.out.clear();
                return Err(error);
            }
        }
    }

    /// The answer to the last [`Step::Fetch`].
    pub fn answer(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    /// The version floors as known so far, also after a failure.
    #[must_use]
    pub const fn floors(&self) -> &Floors {
        &self.floors
    }

    /// Runs until something is queued.
    fn advance(&mut self) -> Outcome<()> {
        while self.out.is_empty() {
            let in_pass = matches!(
                self.state,
                State::Timestamp
                    | State::Snapshot
                    | State::SnapshotFetch
                    | State::Targets
                    | State::TargetsFetch(..)
            );
            match self.run_state() {
                Ok(Progress::Advance) => {}
                Ok(Progress::Wait) => return Ok(()),
                Err(_) if in_pass && !self.second_pass => self.begin_refresh()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn run_state(&mut self) -> Outcome<Progress> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Start => self.bootstrap(),
            State::BootstrapRoot => self.bootstrap_root(),
            State::Timestamp => self.load_timestamp(),
            State::Snapshot => self.load_snapshot(),
            State::SnapshotFetch => self.snapshot_answered(),
            State::Targets => self.next_targets(),
            State::TargetsFetch(role, paths) => self.targets_answered(role, &paths),
            State::RefreshRoot => self.refresh_root(),
            State::Chain(chain) => self.walk_chain(chain),
            State::Done | State::Failed => Err(UpdateError::TooMany {
                what: "steps after the end",
                limit: 0,
            }),
        }
    }

    // ---- asking ----

    pub(super) fn fetch(&mut self, path: MetadataPath, max_bytes: u64, then: State) -> Progress {
        self.answer = None;
        self.out.push_back(Step::Fetch(Fetch { path, max_bytes }));
        self.state = then;
        Progress::Wait
    }

    /// The bytes of an answer; everything else is an error.
    pub(super) fn expect_bytes(&mut self, path: &MetadataPath, max_bytes: u64) -> Outcome<Bytes> {
        match self.answer.take() {
            Some(Answer::Bytes(bytes)) if bytes.len() as u64 <= max_bytes => {
                self.taken = self.taken.saturating_add(bytes.len() as u64);
                if self.taken > MAX_UPDATE_BYTES {
                    return Err(UpdateError::TooMany {
                        what: "bytes of documents",
                        limit: MAX_UPDATE_BYTES as i64,
                    });
                }
                Ok(bytes)
            }
            Some(Answer::Bytes(_) | Answer::TooLarge) => {
                Err(UpdateError::TooLarge { path: path.clone() })
            }
            Some(Answer::Absent) if path.role().base() == Some(BaseRole::Root) => {
                Err(UpdateError::NoTrustData {
                    gun: self.gun.clone(),
                })
            }
            Some(Answer::Absent) => Err(UpdateError::Missing { path: path.clone() }),
            Some(Answer::Refused(refusal)) => Err(UpdateError::Refused {
                path: path.clone(),
                refusal,
            }),
            Some(Answer::Unreachable(message)) => Err(UpdateError::Unreachable {
                path: path.clone(),
                message,
            }),
            None => Err(UpdateError::Unreachable {
                path: path.clone(),
                message: "the fetch was not answered".to_owned(),
            }),
        }
    }

    pub(super) fn persist(&mut self, role: &RoleName, bytes: &Bytes) {
        match role.base() {
            Some(BaseRole::Root) => self.cached.root = Some(bytes.clone()),
            Some(BaseRole::Timestamp) => self.cached.timestamp = Some(bytes.clone()),
            Some(BaseRole::Snapshot) => self.cached.snapshot = Some(bytes.clone()),
            Some(BaseRole::Targets) | None => {
                self.cached.targets.insert(role.clone(), bytes.clone());
            }
        }
        self.out.push_back(Step::Persist {
            role: role.clone(),
            bytes: bytes.clone(),
        });
    }

    // ---- one pass: timestamp, snapshot, targets (10.3, 10.5) ----

    pub(super) fn begin_pass(&mut self) {
        let path = MetadataPath::Current(RoleName::timestamp());
        self.fetch(path, MAX_TIMESTAMP_BYTES, State::Timestamp);
    }

    fn trusted_root(&self) -> Outcome<&Verified<Root>> {
        // Every pass begins with a root; without one there is nothing to trust.
        self.root.as_ref().ok_or_else(|| UpdateError::NoTrustData {
            gun: self.gun.clone(),
        })
    }

    fn load_timestamp(&mut self) -> Outcome<Progress> {
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
        let Some(bytes) = cached.filter(|_| falls_back) else {
            return Err(error);
        };
        self.out.push_back(Step::Warn(Warning::CachedTimestamp {
            reason: error.to_string(),
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
        let known = self.floors_before.version(&role).is_some() || self.old_timestamp;
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
    fn load_snapshot(&mut self) -> Outcome<Progress> {
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

    fn snapshot_answered(&mut self) -> Outcome<Progress> {
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
    fn next_targets(&mut self) -> Outcome<Progress> {
        while let Some((role, paths)) = self.work.pop() {
            let Some(meta) = self.listed(&role) else {
                self.check_not_dropped(&role)?;
                // It has no document now; should one come, it may begin at 1.
                self.floors.forget(&role);
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

    fn targets_answered(&mut self, role: RoleName, paths: &Paths) -> Outcome<Progress> {
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

    /// A delegation that was there may leave the snapshot only with a new document of its parent. This finds what
    /// [`Update::check_none_dropped`] could not see, where the parent's document or the snapshot was not cached: the
    /// remembered floors say that the delegation had a document, and that its parent has not changed since.
    fn check_not_dropped(&self, role: &RoleName) -> Outcome<()> {
        let Some(parent) = role.parent() else {
            return Ok(());
        };
        let dropped = Err(UpdateError::Dropped { role: role.clone() });
        let version = self.targets.get(&parent).map(Verified::version);
        if version.is_some()
            && version == self.floors_before.version(&parent)
            && self.floors_before.knows(&self.targets_keys(role)?)
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

    // ---- the end ----

    fn finish(&mut self) -> Outcome<()> {
        let missing = || UpdateError::NoTrustData {
            gun: self.gun.clone(),
        };
        let root = self.root.clone().ok_or_else(missing)?;
        let timestamp = self.timestamp.clone().ok_or_else(missing)?;
        let snapshot = self.snapshot.clone().ok_or_else(missing)?;
        let keys = rules::root_role_keys(root.body(), &self.gun, CertificateTime::Ignored);
        if root.version() >= self.root_floor() {
            self.floors.raise(&keys, root.version());
        }
        if self.scope == Scope::All {
            let delegated: std::collections::BTreeSet<&str> = self
                .targets
                .values()
                .flat_map(|targets| targets.body().delegations.iter())
                .map(|delegation| delegation.name.as_str())
                .collect();
            // What hangs below an unusable role cannot be seen now, so it keeps its floor.
            let unusable: Vec<&RoleName> = self.unusable.keys().collect();
            self.floors.retain_delegated(|name| {
                delegated.contains(name)
                    || name
                        .parse::<RoleName>()
                        .is_ok_and(|role| unusable.iter().any(|above| role.is_below(above)))
            });
        }
        self.warn_near_expiry(&root, &snapshot);
        self.state = State::Done;
        self.out.push_back(Step::Done(Box::new(TrustedRepository {
            gun: self.gun.clone(),
            root,
            timestamp,
            snapshot,
            targets: std::mem::take(&mut self.targets),
            unusable: std::mem::take(&mut self.unusable),
            floors: self.floors.clone(),
            from_cache: self.from_cache,
            scope: self.scope.clone(),
        })));
        Ok(())
    }

    fn warn_near_expiry(&mut self, root: &Verified<Root>, snapshot: &Verified<Snapshot>) {
        for common_name in rules::root_certificates_near_expiry(root.body(), &self.gun, self.now) {
            self.out
                .push_back(Step::Warn(Warning::CertificateNearExpiry { common_name }));
        }
        let mut expiries: Vec<(RoleName, &Expiry)> = vec![
            (RoleName::root(), root.expires()),
            (RoleName::snapshot(), snapshot.expires()),
        ];
        expiries.extend(
            self.targets
                .iter()
                .map(|(role, targets)| (role.clone(), targets.expires())),
        );
        for (role, expiry) in expiries {
            if expiry.is_near(self.now) && !expiry.is_over(self.now) {
                self.out.push_back(Step::Warn(Warning::NearExpiry { role }));
            }
        }
    }

    // ---- floors and expiry ----

    /// The lowest acceptable version: what was remembered, or the cached copy where the role's keys vouch for it.
    fn floor<T: Metadata>(
        &self,
        keys: &RoleKeys,
        offered: Version,
        cached: Option<&Bytes>,
    ) -> Version {
        let remembered = self.floors.get(keys, offered);
        let Some(bytes) = cached else {
            return remembered;
        };
        let Ok(old) = Received::<T>::parse(keys.role(), bytes.clone()) else {
            return remembered;
        };
        let version = old.unverified().version();
        if version <= remembered.max(offered) || old.validate().is_err() {
            return remembered;
        }
        let vouched_now = old.check_signatures(keys).is_ok();
        let vouched_before = || {
            let recovering = version.saturating_sub(offered) > rules::RECOVERY_DISTANCE;
            let base = keys.role().base();
            !recovering
                && base
                    .zip(self.old_root.as_ref())
                    .is_some_and(|(base, root)| {
                        old.check_signatures(&root.body().role_keys(base)).is_ok()
                    })
        };
        if vouched_now || vouched_before() {
            version
        } else {
            remembered
        }
    }

    /// Refuses what is expired, but for a write, which renews it.
    pub(super) fn admit_expiry(&mut self, role: &RoleName, expiry: Expiry) -> Outcome<()> {
        if let Err(error) = rules::check_expiry(role, &expiry, self.now) {
            if self.mode == Mode::Read {
                return Err(error.into());
            }
            self.out.push_back(Step::Warn(Warning::Expired {
                role: role.clone(),
                expiry,
            }));
        }
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
