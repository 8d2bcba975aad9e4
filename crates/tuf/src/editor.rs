//! Building new metadata: wanted changes become [`Draft`]s, drafts with signatures become [`SignedFile`]s
//! (specification, `tuf.md` section 14).
//!
//! The editor signs nothing and knows no private keys. It says which documents must be signed again, with which bytes
//! and by which keys. What it writes is what Go programs re-serialise to the same bytes (section 2.6), so that a
//! publish by either kind of program can follow a publish by the other.
//!
//! ```
//! # use signet_tuf::*;
//! # fn sign(_: &PublicKey, _: &[u8]) -> Option<Vec<u8>> { None }
//! # fn publish(trusted: &TrustedRepository, now: time::OffsetDateTime) -> Result<(), Box<dyn std::error::Error>> {
//! let mut editor = RepositoryEditor::from_trusted(trusted, now);
//! editor.add_target(&RoleName::releases(), "v1", Target::new([0; 32], 527))?;
//! let mut signed = Vec::new();
//! for mut draft in editor.drafts()? {
//!     for key in draft.keys().into_iter().cloned().collect::<Vec<_>>() {
//!         if let Some(signature) = sign(&key, draft.message()) {
//!             draft.add_signature(&key, signature)?;
//!         }
//!     }
//!     signed.push(draft.finish()?);
//! }
//! let snapshot = editor.snapshot_draft(&signed)?; // only where the client holds the snapshot key
//! # Ok(())
//! # }
//! ```

mod delegations;
mod draft;
mod drafting;
mod error;
mod targets;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use time::OffsetDateTime;

use crate::lookup::Paths;
use crate::metadata::Metadata;
use crate::rules::{self, CertificateTime, RuleError};
use crate::update::{Cached, TrustedRepository, Unusable, UnusableReason};
use crate::{
    BaseRole, Expiry, Gun, PublicKey, Received, RoleKeys, RoleName, Root, Signature, Snapshot,
    Targets, Version,
};

pub use delegations::check_delegation;
pub use draft::{Draft, InsufficientSignatures, InvalidSignature, SignedFile};
pub use error::{EditError, EditWarning, UnusableKey};
pub use targets::{check_target, check_witness};

/// Whether an edit changed anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Changed {
    /// It was so already.
    No,
    /// A document must be signed again.
    Yes,
}

/// One document under edit.
#[derive(Clone, Debug)]
struct Edited<'a, T: Clone> {
    body: Cow<'a, T>,
    /// The version that the next one follows.
    base: Version,
    /// The document as it stands, if there is one: bytes and signatures.
    stored: Option<(Bytes, Vec<Signature>)>,
    changed: bool,
}

impl<'a, T: Metadata> Edited<'a, T> {
    fn of(document: &'a Received<T>) -> Self {
        Self {
            base: document.unverified().version(),
            body: Cow::Borrowed(document.unverified()),
            stored: Some((document.raw().clone(), document.signatures().to_vec())),
            changed: false,
        }
    }

    fn owned(document: &Received<T>) -> Edited<'static, T> {
        Edited {
            base: document.unverified().version(),
            body: Cow::Owned(document.unverified().clone()),
            stored: Some((document.raw().clone(), document.signatures().to_vec())),
            changed: false,
        }
    }

    const fn new(body: T, base: Version) -> Self {
        Self {
            body: Cow::Owned(body),
            base,
            stored: None,
            changed: true,
        }
    }

    fn change(&mut self) -> &mut T {
        self.changed = true;
        self.body.to_mut()
    }
}

/// Changes to a repository, on the way to documents that must be signed again.
#[derive(Clone, Debug)]
pub struct RepositoryEditor<'a> {
    gun: Gun,
    now: OffsetDateTime,
    /// The root that the server has; the next one must satisfy its keys too.
    previous_root: Option<&'a Root>,
    root: Edited<'a, Root>,
    targets: BTreeMap<RoleName, Edited<'a, Targets>>,
    unusable: BTreeMap<RoleName, &'a Unusable>,
    snapshot: Option<Edited<'a, Snapshot>>,
    /// Versions that documents of delegations which are created again must exceed.
    continued: BTreeMap<RoleName, Version>,
    /// Delegations created here. What an old snapshot says of their documents is void.
    created: BTreeSet<RoleName>,
    warnings: Vec<EditWarning>,
}

impl RepositoryEditor<'static> {
    /// A repository that does not exist yet, with these keys per base role, each with threshold 1.
    ///
    /// As with Go, its first publish uploads root 1, targets 2 and snapshot 2: there version 1 of the latter two is what
    /// the client made for itself.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the keys become the repository's"
    )]
    pub fn new_repository(
        gun: Gun,
        now: OffsetDateTime,
        keys: BTreeMap<BaseRole, Vec<PublicKey>>,
    ) -> Self {
        Self::beginning(gun, now, &keys, 1)
    }

    /// The same for documents that are kept on this machine first: all of them have version 1, and
    /// [`RepositoryEditor::from_unpublished`] goes on from them.
    #[must_use]
    pub fn initial(
        gun: Gun,
        now: OffsetDateTime,
        keys: &BTreeMap<BaseRole, Vec<PublicKey>>,
    ) -> Self {
        Self::beginning(gun, now, keys, 0)
    }

    fn beginning(
        gun: Gun,
        now: OffsetDateTime,
        keys: &BTreeMap<BaseRole, Vec<PublicKey>>,
        base: Version,
    ) -> Self {
        let expires = Expiry::at(now);
        Self {
            gun,
            now,
            previous_root: None,
            root: Edited::new(Root::new(keys, expires.clone()), 0),
            targets: BTreeMap::from([(
                RoleName::targets(),
                Edited::new(Targets::new(expires.clone()), base),
            )]),
            unusable: BTreeMap::new(),
            snapshot: Some(Edited::new(Snapshot::new(expires), base)),
            continued: BTreeMap::new(),
            created: BTreeSet::new(),
            warnings: Vec::new(),
        }
    }

    /// A repository that was initialised on this machine and never published: only the cache has it.
    ///
    /// Validity does not matter. The root is published as it stands, `targets` is signed again.
    ///
    /// # Errors
    /// [`EditError::Rule`] when a document is not signed by the keys of the cached root, [`EditError::NotLoaded`] when there is no `targets`:
    /// an empty one in its place would take away what the real one lists. `None` when there is no root.
    pub fn from_unpublished(
        gun: Gun,
        now: OffsetDateTime,
        cached: &Cached,
    ) -> Option<Result<Self, EditError>> {
        let root = cached.root.clone()?;
        Some(Self::unpublished(gun, now, root, cached))
    }

    fn unpublished(
        gun: Gun,
        now: OffsetDateTime,
        root: Bytes,
        cached: &Cached,
    ) -> Result<Self, EditError> {
        let received = Received::parse(&RoleName::root(), root).map_err(RuleError::from)?;
        let root = rules::verify_root(received, &gun, CertificateTime::Ignored, None, None)
            .map_err(|refused| refused.error)?;
        let expires = Expiry::at(now);
        let targets = match cached.targets.get(&RoleName::targets()) {
            Some(bytes) => {
                let received = Received::parse(&RoleName::targets(), bytes.clone())
                    .map_err(RuleError::from)?;
                let verified = rules::verify_targets(received, root.body())?;
                let mut edited = Edited::owned(verified.received());
                edited.changed = true;
                edited
            }
            None => return Err(EditError::NotLoaded(RoleName::targets())),
        };
        let snapshot = match &cached.snapshot {
            Some(bytes) => {
                let received = Received::parse(&RoleName::snapshot(), bytes.clone())
                    .map_err(RuleError::from)?;
                let verified = rules::verify_snapshot(received, root.body())?;
                Edited::owned(verified.received())
            }
            None => Edited::new(Snapshot::new(expires), 1),
        };
        let mut root = Edited::owned(root.received());
        // Changed before anyone has seen it, it keeps its number.
        root.base -= 1;
        Ok(Self {
            gun,
            now,
            previous_root: None,
            root,
            targets: BTreeMap::from([(RoleName::targets(), targets)]),
            unusable: BTreeMap::new(),
            snapshot: Some(snapshot),
            continued: BTreeMap::new(),
            created: BTreeSet::new(),
            warnings: Vec::new(),
        })
    }
}

impl<'a> RepositoryEditor<'a> {
    /// A repository as it was trusted at `now`.
    #[must_use]
    pub fn from_trusted(repository: &'a TrustedRepository, now: OffsetDateTime) -> Self {
        Self {
            gun: repository.gun().clone(),
            now,
            previous_root: Some(repository.root().body()),
            root: Edited::of(repository.root().received()),
            targets: repository
                .all_targets()
                .iter()
                .map(|(role, verified)| (role.clone(), Edited::of(verified.received())))
                .collect(),
            unusable: repository
                .unusable()
                .iter()
                .map(|(role, unusable)| (role.clone(), unusable))
                .collect(),
            snapshot: Some(Edited::of(repository.snapshot().received())),
            continued: BTreeMap::new(),
            created: BTreeSet::new(),
            warnings: Vec::new(),
        }
    }

    /// What people should know about the edits so far.
    #[must_use]
    pub fn warnings(&self) -> &[EditWarning] {
        &self.warnings
    }

    /// The keys that sign a role's next document: from the edited root, or the edited document of its parent.
    #[must_use]
    pub fn role_keys(&self, role: &RoleName) -> Option<RoleKeys> {
        match (role.base(), role.parent()) {
            (Some(BaseRole::Root), _) => Some(rules::root_role_keys(
                &self.root.body,
                &self.gun,
                CertificateTime::At(self.now),
            )),
            (Some(base), _) => Some(self.root.body.role_keys(base)),
            (None, parent) => self.targets.get(&parent?)?.body.delegations.role_keys(role),
        }
    }

    /// Replaces the keys of a base role. The role itself is signed again with them in the same publish; root also by the
    /// keys of the root before.
    ///
    /// # Errors
    /// [`EditError::NoKeys`] for an empty list: nobody could sign for the role any more.
    pub fn replace_role_keys(
        &mut self,
        role: BaseRole,
        keys: &[PublicKey],
    ) -> Result<(), EditError> {
        if keys.is_empty() {
            return Err(EditError::NoKeys(role.into()));
        }
        self.root.change().replace_role_keys(role, keys);
        if role == BaseRole::Targets
            && let Some(targets) = self.targets.get_mut(&RoleName::targets())
        {
            targets.changed = true;
        }
        Ok(())
    }

    /// Makes the next document of a delegation follow `version`, the highest that the server knows: so a delegation
    /// that was deleted can be created again (section 14.5).
    pub fn continue_from(&mut self, role: &RoleName, version: Version) {
        let floor = self.continued.entry(role.clone()).or_default();
        *floor = version.max(*floor);
        if let Some(edited) = self.targets.get_mut(role) {
            edited.base = edited.base.max(version);
        }
    }

    /// Begins the document of a delegation anew, where the present one is not signed by the delegation's keys: as when a
    /// delegation was deleted and created again for somebody else. Nothing of its content is taken over, its number
    /// continues; it must be signed even when nothing is added to it. Other documents are left alone.
    pub fn start_over(&mut self, role: &RoleName) {
        let Some(unusable) = self.unusable.get(role) else {
            return;
        };
        if !matches!(unusable.reason(), UnusableReason::Unsigned(_)) {
            return;
        }
        // Nobody vouches for this number, so it may not use up the numbers that there are.
        let version = unusable.received().unverified().version;
        self.continue_from(role, version.clamp(0, rules::MAX_VERSION_JUMP));
        self.unusable.remove(role);
        self.created.insert(role.clone());
        let base = self.continued.get(role).copied().unwrap_or_default();
        let empty = Targets::new(Expiry::at(self.now));
        self.targets.insert(role.clone(), Edited::new(empty, base));
    }

    /// The names that a role may sign.
    fn effective_paths(&self, role: &RoleName) -> Result<Paths, EditError> {
        let mut chain = vec![role.clone()];
        while let Some(parent) = chain.last().and_then(RoleName::parent) {
            chain.push(parent);
        }
        let mut paths = Paths::everything();
        for (parent, child) in chain.iter().skip(1).zip(chain.iter()).rev() {
            let document = self
                .readable(parent)
                .ok_or_else(|| self.why_not(parent, child))?;
            let entry = document
                .delegations
                .find(child)
                .ok_or_else(|| EditError::NotDelegated(child.clone()))?;
            paths = paths.restrict(&entry.paths);
        }
        Ok(paths)
    }

    /// The present content of a role, where its keys vouch for it.
    fn readable(&self, role: &RoleName) -> Option<&Targets> {
        if let Some(document) = self.targets.get(role) {
            return Some(&document.body);
        }
        let unusable = self.unusable.get(role)?;
        matches!(unusable.reason(), UnusableReason::Expired(_))
            .then(|| unusable.received().unverified())
    }

    fn why_not(&self, parent: &RoleName, child: &RoleName) -> EditError {
        match self.unusable.get(parent) {
            Some(unusable) => EditError::Unusable {
                role: parent.clone(),
                reason: unusable.reason().clone(),
            },
            None => EditError::NotDelegated(child.clone()),
        }
    }

    /// Whether the role has a document that is not known here.
    fn was_not_loaded(&self, role: &RoleName) -> bool {
        let listed = self.snapshot.iter().any(|snapshot| {
            let entry = snapshot.body.meta.get(role.as_str());
            entry.is_some_and(|entry| !entry.hashes.is_empty() || entry.length != 0)
        });
        let is_known = self.targets.contains_key(role) || self.unusable.contains_key(role);
        listed && !is_known && !self.created.contains(role)
    }

    /// The document of an existing role, for editing. One that has expired is renewed so; a role without a document
    /// gets an empty one.
    fn document(&mut self, role: &RoleName) -> Result<&mut Edited<'a, Targets>, EditError> {
        if let Some(unusable) = self.unusable.get(role) {
            match unusable.reason() {
                UnusableReason::Expired(_) => {
                    let edited = Edited::of(unusable.received());
                    self.unusable.remove(role);
                    self.targets.insert(role.clone(), edited);
                }
                reason @ UnusableReason::Unsigned(_) => {
                    return Err(EditError::Unusable {
                        role: role.clone(),
                        reason: reason.clone(),
                    });
                }
            }
        }
        if self.was_not_loaded(role) {
            return Err(EditError::NotLoaded(role.clone()));
        }
        let base = self.continued.get(role).copied().unwrap_or_default();
        let now = self.now;
        Ok(self.targets.entry(role.clone()).or_insert_with(|| {
            let mut edited = Edited::new(Targets::new(Expiry::at(now)), base);
            edited.changed = false;
            edited
        }))
    }
}
