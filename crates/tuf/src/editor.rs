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

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use time::{Duration, OffsetDateTime};

use crate::canonical::{self, JsonError};
use crate::certificate::CertificateError;
use crate::expiry::{ROOT_LIFETIME, SNAPSHOT_LIFETIME, TARGETS_LIFETIME};
use crate::lookup::Paths;
use crate::metadata::Metadata;
use crate::rules::{self, CertificateTime, MAX_VERSION, RuleError};
use crate::update::{Cached, TrustedRepository, Unusable, UnusableReason};
use crate::{
    BaseRole, Expiry, FileMeta, Gun, HashAlgorithm, Hashes, KeyId, PublicKey, Received, RoleKeys,
    RoleName, Root, Signature, Snapshot, Target, Targets, Version,
};

pub use draft::{Draft, InsufficientSignatures, InvalidSignature, SignedFile};

/// Largest integer that every reader agrees on.
const MAX_LENGTH: i64 = 1 << 53;

/// Whether an edit changed anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Changed {
    /// It was so already.
    No,
    /// A document must be signed again.
    Yes,
}

/// Why an edit was refused. `Display` is Go's text where Go has one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Nothing but delegations can be witnessed, and `targets`.
    #[error("type of root change not yet supported: witness")]
    CannotWitness(RoleName),
    /// A name or path holds a control character, for which Go programs have no stored form.
    #[error("{0:?} holds a control character")]
    ControlCharacter(String),
    /// Custom data that signatures cannot cover.
    #[error("invalid custom data: {0}")]
    Custom(#[source] JsonError),
    /// Paths that the parent's effective paths do not cover.
    #[error("tuf: invalid role {0}. invalid paths to add to role")]
    InvalidPaths(RoleName),
    /// A length that is negative or that readers disagree on.
    #[error("target {name} cannot have the length {length}")]
    Length {
        /// The target.
        name: String,
        /// Its length.
        length: i64,
    },
    /// The role has a document that was not loaded: the update was not for all roles, or a role above is unusable.
    #[error("the present {0} metadata was not loaded")]
    NotLoaded(RoleName),
    /// The role does not exist and gets no keys.
    #[error("tuf: invalid role {0}.")]
    NoKeys(RoleName),
    /// A base role where a delegation belongs.
    #[error("tuf: invalid role {0}. not a valid delegated role")]
    NotADelegation(RoleName),
    /// A role that lists no targets.
    #[error("cannot add targets to this role")]
    NotATargetsRole(RoleName),
    /// No loaded document delegates to the role.
    #[error("tuf: invalid role {0}. delegation does not exist")]
    NotDelegated(RoleName),
    /// The role may not sign a target of this name.
    #[error("Could not add all targets")]
    OutsidePaths {
        /// The role.
        role: RoleName,
        /// The target.
        name: String,
    },
    /// What the repository holds is not trustworthy enough to build on.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// Nobody can sign with a threshold below 1.
    #[error("tuf: invalid role {role}. invalid threshold {threshold}")]
    Threshold {
        /// The role.
        role: RoleName,
        /// The threshold.
        threshold: i64,
    },
    /// The role has no document to witness.
    #[error("tuf: invalid role {0}. this role is not known")]
    UnknownRole(RoleName),
    /// The snapshot cannot name a document that is not signed yet.
    #[error("{0} must be signed before the snapshot")]
    Unsigned(RoleName),
    /// The role's present document is not signed by its keys, so that its content can only be taken over knowingly.
    #[error(
        "the present {role} metadata cannot be trusted ({reason}); witness it or delete it first"
    )]
    Unusable {
        /// The role.
        role: RoleName,
        /// What is wrong with it.
        reason: UnusableReason,
    },
    /// A key that no verifier accepts, or whose certificate would make every verifier stop.
    #[error("key {id} cannot be used: {reason}")]
    UnusableKey {
        /// Its canonical ID.
        id: KeyId,
        /// Why not.
        reason: UnusableKey,
    },
    /// The version cannot grow any more.
    #[error("{role} has reached the highest version, {version}")]
    VersionExhausted {
        /// The role.
        role: RoleName,
        /// Its version.
        version: Version,
    },
    /// A document could not be written.
    #[error("cannot write {role}")]
    Write {
        /// The role.
        role: RoleName,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Why a key cannot serve a delegation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableKey {
    /// A certificate that verifiers refuse.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Not what its type says, of an unknown type, or an RSA key below 2048 bits.
    #[error("its type or size is not supported")]
    Unsupported,
}

/// What people should know about an edit that was made. `Display` is Go's text where Go has one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EditWarning {
    /// Custom data that a Go program, signing the document again, would sign wrongly.
    #[error(
        "the custom data of {name} in {role} holds characters over which Go notary signs wrongly when it next changes the role"
    )]
    CustomNeedsEscapes {
        /// The role.
        role: RoleName,
        /// The target.
        name: String,
    },
    /// A delegation that nobody can sign for now.
    #[error(
        "role {role} has fewer keys than its threshold of {threshold}; it will not be usable until keys are added to it"
    )]
    FewerKeysThanThreshold {
        /// The role.
        role: RoleName,
        /// Its threshold.
        threshold: i64,
    },
    /// A document that still lists purged keys, because no key to sign it is at hand.
    #[error("could not purge keys from {role}: no key to sign it is available")]
    NotPurged {
        /// The role.
        role: RoleName,
    },
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
        let expires = Expiry::at(now);
        Self {
            gun,
            now,
            previous_root: None,
            root: Edited::new(Root::new(&keys, expires.clone()), 0),
            targets: BTreeMap::from([(
                RoleName::targets(),
                Edited::new(Targets::new(expires.clone()), 1),
            )]),
            unusable: BTreeMap::new(),
            snapshot: Some(Edited::new(Snapshot::new(expires), 1)),
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
    /// [`EditError::Rule`] when a document is not signed by the keys of the cached root; `None` when there is no root.
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
            None => Edited::new(Targets::new(expires.clone()), 1),
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
    pub fn replace_role_keys(&mut self, role: BaseRole, keys: &[PublicKey]) {
        self.root.change().replace_role_keys(role, keys);
        if role == BaseRole::Targets
            && let Some(targets) = self.targets.get_mut(&RoleName::targets())
        {
            targets.changed = true;
        }
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
    /// continues. Other documents are left alone.
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
    }

    /// Adds or replaces a target. An identical entry changes nothing.
    ///
    /// # Errors
    /// [`EditError`] when the role does not exist or may not sign the name, and for what cannot be written so that all
    /// programs read the same.
    pub fn add_target(
        &mut self,
        role: &RoleName,
        name: &str,
        mut target: Target,
    ) -> Result<Changed, EditError> {
        if !role.lists_targets() {
            return Err(EditError::NotATargetsRole(role.clone()));
        }
        if !canonical::is_writable(name) {
            return Err(EditError::ControlCharacter(name.to_owned()));
        }
        if !(0..=MAX_LENGTH).contains(&target.length) {
            return Err(EditError::Length {
                name: name.to_owned(),
                length: target.length,
            });
        }
        if !self.effective_paths(role)?.allow(name) {
            return Err(EditError::OutsidePaths {
                role: role.clone(),
                name: name.to_owned(),
            });
        }
        if let Some(custom) = target.custom.take() {
            let (custom, needs_escapes) = canonical_custom(name, custom.get())?;
            target.custom = custom;
            if needs_escapes {
                self.warnings.push(EditWarning::CustomNeedsEscapes {
                    role: role.clone(),
                    name: name.to_owned(),
                });
            }
        }
        let document = self.document(role)?;
        if document
            .body
            .targets
            .get(name)
            .is_some_and(|old| same(old, &target))
        {
            return Ok(Changed::No);
        }
        document.change().targets.insert(name.to_owned(), target);
        Ok(Changed::Yes)
    }

    /// Removes a target from one role.
    ///
    /// # Errors
    /// [`EditError`] when the role does not exist.
    pub fn remove_target(&mut self, role: &RoleName, name: &str) -> Result<Changed, EditError> {
        if !role.lists_targets() {
            return Err(EditError::NotATargetsRole(role.clone()));
        }
        self.effective_paths(role)?;
        let document = self.document(role)?;
        if !document.body.targets.contains_key(name) {
            return Ok(Changed::No);
        }
        document.change().targets.remove(name);
        Ok(Changed::Yes)
    }

    /// Has a role's document signed again as it is, also one that is expired or no longer signed by the role's keys.
    ///
    /// # Errors
    /// [`EditError::UnknownRole`] when there is no such document, [`EditError::CannotWitness`] for base roles that list
    /// no targets.
    pub fn witness(&mut self, role: &RoleName) -> Result<Changed, EditError> {
        if !role.lists_targets() {
            return Err(EditError::CannotWitness(role.clone()));
        }
        if let Some(unusable) = self.unusable.remove(role) {
            self.targets
                .insert(role.clone(), Edited::of(unusable.received()));
        }
        let document = self
            .targets
            .get_mut(role)
            .filter(|document| document.stored.is_some() || document.changed)
            .ok_or_else(|| EditError::UnknownRole(role.clone()))?;
        document.changed = true;
        Ok(Changed::Yes)
    }

    /// The documents that must be signed again, in the order in which to sign them: root, `targets`, delegations.
    ///
    /// Root is also renewed when it expires within six months, `targets` when it has expired; a renewal that is not
    /// due yet is optional. The snapshot follows with [`RepositoryEditor::snapshot_draft`].
    ///
    /// # Errors
    /// [`EditError`] when a document cannot be written.
    pub fn drafts(&self) -> Result<Vec<Draft>, EditError> {
        let mut drafts = Vec::new();
        drafts.extend(self.root_draft()?);
        for (role, document) in &self.targets {
            let expired = !role.is_delegation() && document.body.expires.is_over(self.now);
            if !document.changed && !expired {
                continue;
            }
            let keys = self
                .role_keys(role)
                .ok_or_else(|| EditError::NotDelegated(role.clone()))?;
            drafts.push(self.draft(role, document, TARGETS_LIFETIME, vec![keys])?);
        }
        Ok(drafts)
    }

    fn root_draft(&self) -> Result<Option<Draft>, EditError> {
        let role = RoleName::root();
        let own = rules::root_role_keys(&self.root.body, &self.gun, CertificateTime::At(self.now));
        let near = self.root.body.expires.is_near(self.now);
        match (self.previous_root, &self.root.stored) {
            // Initialised here and never published: it goes out as it is, where it was not changed meanwhile.
            (None, Some((_, signatures))) if !self.root.changed => {
                let message = self.write(&role, &*self.root.body)?;
                let mut draft = Draft::new(role, self.root.body.version, message, vec![own]);
                draft.keep_signatures(signatures);
                Ok(Some(draft))
            }
            _ if !self.root.changed && !near => Ok(None),
            (previous, _) => {
                let mut demands = Vec::new();
                if let Some(previous) = previous {
                    let keys = rules::predecessor_keys(previous, &self.gun)
                        .ok_or(RuleError::Root(rules::RootError::NoPreviousLeaf))?;
                    demands.push(keys);
                }
                demands.push(own);
                let mut draft = self.draft(&role, &self.root, ROOT_LIFETIME, demands)?;
                if !self.root.changed && !self.root.body.expires.is_over(self.now) {
                    draft.set_optional();
                }
                Ok(Some(draft))
            }
        }
    }

    /// The snapshot over `signed` and all that stays as it is. Entries of delegations that no document lists any more
    /// are dropped.
    ///
    /// # Errors
    /// [`EditError`] when a document that must be signed again is not among `signed`.
    pub fn snapshot_draft(&self, signed: &[SignedFile]) -> Result<Draft, EditError> {
        let role = RoleName::snapshot();
        let fresh;
        let base = match &self.snapshot {
            Some(base) => base,
            None => {
                fresh = Edited::new(Snapshot::new(Expiry::at(self.now)), 0);
                &fresh
            }
        };
        let mut meta: BTreeMap<String, FileMeta> = base
            .body
            .meta
            .iter()
            .filter(|(name, _)| name.parse().is_ok_and(|role| self.may_be_listed(&role)))
            .map(|(name, entry)| (name.clone(), entry.clone()))
            .collect();
        let renewed = |role: &RoleName| signed.iter().find(|file| file.role == *role);
        let stored = |edited: &Option<(Bytes, Vec<Signature>)>| {
            edited.as_ref().map(|(bytes, _)| bytes.clone())
        };
        let mut documents = vec![(
            RoleName::root(),
            self.root.changed,
            stored(&self.root.stored),
        )];
        documents.extend(
            self.targets
                .iter()
                .map(|(role, edited)| (role.clone(), edited.changed, stored(&edited.stored))),
        );
        for (role, changed, bytes) in documents {
            let entry = match (renewed(&role), bytes) {
                (Some(file), _) => FileMeta::of(&file.bytes),
                (None, Some(bytes)) if !changed => meta_of(meta.get(role.as_str()), &bytes),
                // Looked into and left without a document, as it was.
                (None, None) if !changed && role.is_delegation() => continue,
                (None, _) => return Err(EditError::Unsigned(role)),
            };
            meta.insert(role.to_string(), entry);
        }
        let mut body = base.body.clone().into_owned();
        body.meta = meta;
        let edited = Edited::new(body, base.base);
        let keys = self.root.body.role_keys(BaseRole::Snapshot);
        self.draft(&role, &edited, SNAPSHOT_LIFETIME, vec![keys])
    }

    /// Whether the snapshot may still list a role: root, `targets`, and what their documents delegate to. What hangs
    /// below a document that is not loaded cannot be judged and stays.
    fn may_be_listed(&self, role: &RoleName) -> bool {
        match (role.base(), role.parent()) {
            (Some(base), _) => matches!(base, BaseRole::Root | BaseRole::Targets),
            (None, Some(parent)) => match self.targets.get(&parent) {
                Some(document) => document.body.delegations.find(role).is_some(),
                None => self.may_be_listed(&parent),
            },
            (None, None) => false,
        }
    }

    fn draft<T: Metadata>(
        &self,
        role: &RoleName,
        document: &Edited<'_, T>,
        lifetime: Duration,
        demands: Vec<RoleKeys>,
    ) -> Result<Draft, EditError> {
        if document.base >= MAX_VERSION {
            return Err(EditError::VersionExhausted {
                role: role.clone(),
                version: document.base,
            });
        }
        let mut body = document.body.clone().into_owned();
        let version = document.base + 1;
        body.set_version(version);
        body.set_expires(Expiry::at(self.now + lifetime));
        let message = self.write(role, &body)?;
        Ok(Draft::new(role.clone(), version, message, demands))
    }

    fn write<T: Metadata>(&self, role: &RoleName, body: &T) -> Result<Bytes, EditError> {
        let message = canonical::to_vec(body).map_err(|source| EditError::Write {
            role: role.clone(),
            source,
        })?;
        // Read from a document that escaped it. In ours it would stand raw, and no reader would take the file.
        if let Some(at) = message.iter().position(|byte| *byte < 0x20) {
            let from = message
                .get(at.saturating_sub(20)..at + 1)
                .unwrap_or_default();
            return Err(EditError::ControlCharacter(
                String::from_utf8_lossy(from).into_owned(),
            ));
        }
        Ok(message.into())
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
        let listed = self.snapshot.iter().any(|snapshot| {
            let entry = snapshot.body.meta.get(role.as_str());
            entry.is_some_and(|entry| !entry.hashes.is_empty() || entry.length != 0)
        });
        if listed && !self.targets.contains_key(role) && !self.created.contains(role) {
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

/// An entry for unchanged bytes: their digests are in the present entry, which was checked against them.
fn meta_of(present: Option<&FileMeta>, bytes: &Bytes) -> FileMeta {
    let complete = |hashes: &&Hashes| {
        [HashAlgorithm::Sha256, HashAlgorithm::Sha512]
            .into_iter()
            .all(|algorithm| {
                hashes
                    .digest(algorithm)
                    .is_some_and(|digest| digest.len() == algorithm.digest_len())
            })
    };
    match present.map(|meta| &meta.hashes).filter(complete) {
        Some(hashes) => FileMeta {
            hashes: hashes.clone(),
            length: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        },
        None => FileMeta::of(bytes),
    }
}

/// Custom data in canonical form, and whether Go programs would sign it wrongly. `null` is no data.
fn canonical_custom(
    name: &str,
    text: &str,
) -> Result<(Option<Box<serde_json::value::RawValue>>, bool), EditError> {
    let form = canonical::canonicalize(text.as_bytes()).map_err(EditError::Custom)?;
    if form == b"null" {
        return Ok((None, false));
    }
    let form = String::from_utf8(form).unwrap_or_default();
    if !canonical::is_writable(&form) {
        return Err(EditError::ControlCharacter(name.to_owned()));
    }
    let needs_escapes = form.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
    let raw =
        serde_json::value::RawValue::from_string(form).map_err(|source| EditError::Write {
            role: RoleName::targets(),
            source,
        })?;
    Ok((Some(raw), needs_escapes))
}

/// Whether two entries mean the same: custom data is compared in canonical form.
fn same(old: &Target, new: &Target) -> bool {
    let form = |target: &Target| {
        let custom = target.custom.as_ref()?;
        canonical::canonicalize(custom.get().as_bytes())
            .ok()
            .filter(|form| form != b"null")
    };
    old.hashes == new.hashes && old.length == new.length && form(old) == form(new)
}
