//! The state machine itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;

use bytes::Bytes;
use time::OffsetDateTime;

use super::{
    Answer, Cached, Fetch, Floors, MAX_UPDATE_BYTES, Mode, Scope, Step, TrustedRepository,
    Unusable, UpdateError, Warning,
};
use crate::envelope::version_of;
use crate::lookup::Paths;
use crate::metadata::Metadata;
use crate::pinning::TrustPinning;
use crate::rules::{self, CertificateTime, RuleError};
use crate::{
    BaseRole, Expiry, FileMeta, Gun, MetadataPath, Received, RoleKeys, RoleName, Root, Snapshot,
    Targets, Timestamp, Verified, Version,
};

/// One update of one repository. See [the module](super).
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts about how far it has come"
)]
pub struct Update {
    pub(super) gun: Gun,
    pub(super) now: OffsetDateTime,
    pub(super) mode: Mode,
    pub(super) scope: Scope,
    pub(super) pinning: TrustPinning,
    pub(super) cached: Cached,
    /// The snapshot that was cached before this update replaced it.
    pub(super) snapshot_before: Option<Bytes>,
    /// The same, read, where the cached root vouches for it. Made when first needed.
    pub(super) old_snapshot: OnceLock<Option<Snapshot>>,
    pub(super) floors: Floors,
    /// The timestamp that was cached before this update.
    pub(super) timestamp_before: Option<Bytes>,
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
    /// The server has shown a root in this update.
    pub(super) exists: bool,

    pub(super) state: State,
    pub(super) answer: Option<Answer>,
    /// Bytes taken from the server so far.
    taken: u64,
    pub(super) out: VecDeque<Step>,
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
            timestamp_before: cached.timestamp.clone(),
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
            exists: false,
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
                Err(error) if in_pass && !self.second_pass => {
                    if let UpdateError::Rule(RuleError::Expired { role, expiry }) = error {
                        self.warn_expired(&role, expiry);
                    }
                    self.begin_refresh()?;
                }
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

    // ---- the end ----

    pub(super) fn finish(&mut self) -> Outcome<()> {
        let missing = || UpdateError::NoTrustData {
            gun: self.gun.clone(),
        };
        let root = self.root.take().ok_or_else(missing)?;
        let timestamp = self.timestamp.take().ok_or_else(missing)?;
        let snapshot = self.snapshot.take().ok_or_else(missing)?;
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
    pub(super) fn floor<T: Metadata>(
        &self,
        keys: &RoleKeys,
        offered: Version,
        cached: Option<&Bytes>,
    ) -> Version {
        let remembered = self.floors.get(keys, offered);
        let Some(bytes) = cached else {
            return remembered;
        };
        // The cached document matters only where it is newer, which hardly any is: large ones are not read for nothing.
        if version_of(bytes).is_none_or(|version| version <= remembered.max(offered)) {
            return remembered;
        }
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
            self.warn_expired(role, expiry);
        }
        Ok(())
    }

    pub(super) fn warn_expired(&mut self, role: &RoleName, expiry: Expiry) {
        self.out.push_back(Step::Warn(Warning::Expired {
            role: role.clone(),
            expiry,
        }));
    }
}
