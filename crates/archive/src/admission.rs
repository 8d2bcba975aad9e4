//! Which documents of an archived repository a trust server may take over.
//!
//! A server that publishes verifies every upload against what it has stored. Documents that come with their history have no such
//! predecessor; here the history itself is the proof. [`admit`] follows the chain of roots, holds the current state to the rules that a
//! client holds it to, and every earlier document to the keys that some verified document of its delegator lists. Only validity in time
//! does not count: what has expired is taken over as what it is, and clients see that it has.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use signet_tuf::metadata::Metadata;
use signet_tuf::rules::{self, CertificateTime, RuleError};
use signet_tuf::{
    BaseRole, Gun, HashAlgorithm, MetadataPath, ParseError, Received, RoleKeys, RoleName, Root,
    Snapshot, Targets, Timestamp, Verified, Version,
};

use crate::bounds::MAX_DOCUMENTS;
use crate::{ArchivedRepository, Document, Moment, Sha256};

/// A document that may be stored.
#[derive(Clone, Debug)]
pub struct AdmittedDocument {
    /// Its role.
    pub role: RoleName,
    /// Its version.
    pub version: Version,
    /// The digest of its bytes.
    pub sha256: Sha256,
    /// Its bytes.
    pub bytes: Bytes,
    /// When it was published; where the archive does not say, the moment of capture.
    pub published: Moment,
}

/// A document that is in the archive and may not be stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// Its role.
    pub role: RoleName,
    /// Its version.
    pub version: Version,
    /// Why.
    pub reason: String,
}

/// What a server may take over of a repository.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The documents, ordered by version and role; of a role and version never two.
    pub documents: Vec<AdmittedDocument>,
    /// What stays behind, in the order of the record.
    pub left_out: Vec<LeftOut>,
    /// The current timestamp: version and digest.
    pub timestamp: (Version, Sha256),
    /// The lowest version from which the chain of roots is complete.
    pub first_root: Version,
}

/// Why a server may take over nothing of a repository. The text names the role and what is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// A document of the current state is not there.
    #[error("the current state has no {role}")]
    Missing {
        /// Whose.
        role: RoleName,
    },
    /// The current state or the chain of roots breaks a rule.
    #[error("{role} version {version}: {source}")]
    Rule {
        /// Whose document.
        role: RoleName,
        /// Which version.
        version: Version,
        /// What is wrong.
        #[source]
        source: RuleError,
    },
    /// A document of the current state is written in a form that no server stores.
    #[error("{role} version {version}: {reason}")]
    Form {
        /// Whose document.
        role: RoleName,
        /// Which version.
        version: Version,
        /// What is wrong.
        reason: String,
    },
    /// Publishers could not go on from such a version.
    #[error("{role} goes from version {from} to {to} in one step, more than a server takes")]
    Jump {
        /// Whose versions.
        role: RoleName,
        /// The version before; 0 for none.
        from: Version,
        /// The version.
        to: Version,
    },
    /// To check it would take too long.
    #[error("it has more documents with different keys than a server checks in one import")]
    TooManyChecks,
    /// A record that no service leaves behind: with more documents than a repository may have, or the same bytes under many names.
    #[error("{0}")]
    Record(&'static str),
}

/// Most signatures that are checked, each against one set of keys.
const MAX_CHECKS: usize = 100_000;
/// Most roles and versions that the same bytes may stand for: they are parsed for each. Two delegations of one signer can have the same.
const MAX_NAMES: usize = 8;

/// Judges which documents of `repository` a server may store, by the documents alone.
///
/// # Errors
/// [`AdmissionError`] where the chain of roots or the current state does not hold. Earlier documents that nothing proves are left out and
/// named in [`Admitted::left_out`].
pub fn admit(repository: &ArchivedRepository) -> Result<Admitted, AdmissionError> {
    let index = Index::new(repository)?;
    let mut admission = Admission {
        repository,
        index,
        gun: &repository.record.gun,
        admitted: BTreeMap::new(),
        left_out: BTreeMap::new(),
        checks: 0,
    };
    let timestamp = admission.current_document(&RoleName::timestamp())?;
    let state = admission.current_state()?;
    let first_root = admission.roots(&state.root)?;
    admission.delegations_of_current(&state)?;
    admission.history(&state)?;
    let timestamp = (timestamp.version, timestamp.sha256);
    admission.finish(timestamp, first_root)
}

type Key = (RoleName, Version);

/// The documents of a record, found without going through all of them.
struct Index<'a> {
    by_version: BTreeMap<(&'a RoleName, Version), &'a Document>,
    by_digest: BTreeMap<(&'a RoleName, Sha256), &'a Document>,
}

impl<'a> Index<'a> {
    fn new(repository: &'a ArchivedRepository) -> Result<Self, AdmissionError> {
        let record = &repository.record;
        if record.documents.len() > MAX_DOCUMENTS {
            return Err(AdmissionError::Record(
                "it names more documents than a repository may have",
            ));
        }
        let (mut by_version, mut by_digest) = (BTreeMap::new(), BTreeMap::new());
        let mut named: BTreeMap<Sha256, usize> = BTreeMap::new();
        for document in &record.documents {
            let times = named.entry(document.sha256).or_default();
            *times += 1;
            if *times > MAX_NAMES {
                return Err(AdmissionError::Record(
                    "it names one document for many roles and versions",
                ));
            }
            by_digest.insert((&document.role, document.sha256), document);
            let is_current = record.current.get(&document.role) == Some(&document.sha256);
            // As `ArchivedRepository::document`: the current one of several, else the first.
            match by_version.entry((&document.role, document.version)) {
                Entry::Vacant(entry) => {
                    entry.insert(document);
                }
                Entry::Occupied(mut entry) if is_current => {
                    entry.insert(document);
                }
                Entry::Occupied(_) => {}
            }
        }
        Ok(Self {
            by_version,
            by_digest,
        })
    }
}

struct Admission<'a> {
    repository: &'a ArchivedRepository,
    index: Index<'a>,
    gun: &'a Gun,
    admitted: BTreeMap<Key, (&'a Document, &'a Bytes)>,
    left_out: BTreeMap<Key, String>,
    checks: usize,
}

/// The current state as a client sees it, validity in time apart.
struct State {
    root: Verified<Root>,
    snapshot: Verified<Snapshot>,
    targets: Verified<Targets>,
}

/// The different sets of keys that a role has had, the latest first.
#[derive(Default)]
struct KeySets {
    seen: BTreeSet<(Vec<String>, i64)>,
    sets: Vec<RoleKeys>,
}

impl KeySets {
    fn add(&mut self, keys: RoleKeys) {
        let ids = keys.keys().map(|key| key.id().to_string()).collect();
        if self.seen.insert((ids, keys.threshold())) {
            self.sets.push(keys);
        }
    }
}

impl<'a> Admission<'a> {
    fn current_document(&self, role: &RoleName) -> Result<&'a Document, AdmissionError> {
        let path = MetadataPath::Current(role.clone());
        match self.repository.document(&path) {
            Some((document, _)) => Ok(document),
            None => Err(AdmissionError::Missing { role: role.clone() }),
        }
    }

    /// The document of `role` with the digest that another one names.
    fn named(&self, role: &RoleName, sha256: Option<&[u8]>) -> Option<(&'a Document, &'a Bytes)> {
        let sha256 = Sha256(sha256?.try_into().ok()?);
        let document = *self.index.by_digest.get(&(role, sha256))?;
        Some((document, self.repository.objects.get(&sha256)?))
    }

    /// The document of `role` with this version.
    fn version(&self, role: &RoleName, version: Version) -> Option<(&'a Document, &'a Bytes)> {
        let document = *self.index.by_version.get(&(role, version))?;
        Some((document, self.repository.objects.get(&document.sha256)?))
    }

    fn take(&mut self, (document, bytes): (&'a Document, &'a Bytes)) {
        let key = (document.role.clone(), document.version);
        self.admitted.insert(key, (document, bytes));
    }

    /// Root, timestamp, snapshot and targets, as they name one another.
    fn current_state(&mut self) -> Result<State, AdmissionError> {
        let (timestamp, snapshot, targets, root) = (
            RoleName::timestamp(),
            RoleName::snapshot(),
            RoleName::targets(),
            RoleName::root(),
        );
        let found = |role: &RoleName| {
            let path = MetadataPath::Current(role.clone());
            let missing = || AdmissionError::Missing { role: role.clone() };
            self.repository.document(&path).ok_or_else(missing)
        };
        let root_found = found(&root)?;
        let timestamp_found = found(&timestamp)?;
        let received = parse::<Root>(root_found)?;
        let time = CertificateTime::Ignored;
        let verified_root = rules::verify_root(received, self.gun, time, None, None)
            .map_err(|refused| broken(root_found.0, refused.error))?;

        let received = parse::<Timestamp>(timestamp_found)?;
        let verified = rules::verify_timestamp(received, verified_root.body())
            .map_err(|error| broken(timestamp_found.0, error))?;
        let meta = verified.body().snapshot();
        let sha256 = meta.and_then(|meta| meta.hashes.digest(HashAlgorithm::Sha256));
        let missing = |role: &RoleName| AdmissionError::Missing { role: role.clone() };
        let snapshot_found = self
            .named(&snapshot, sha256)
            .ok_or_else(|| missing(&snapshot))?;
        if let Some(meta) = meta {
            let checked = meta.hashes.check(snapshot.as_str(), snapshot_found.1);
            checked.map_err(|error| broken(snapshot_found.0, error.into()))?;
        }
        let received = parse::<Snapshot>(snapshot_found)?;
        let verified_snapshot = rules::verify_snapshot(received, verified_root.body())
            .map_err(|error| broken(snapshot_found.0, error))?;

        let listed = &verified_snapshot.body().meta;
        if let Some(meta) = listed.get(root.as_str()) {
            let checked = meta.hashes.check(root.as_str(), root_found.1);
            checked.map_err(|error| broken(root_found.0, error.into()))?;
        }
        let meta = listed.get(targets.as_str());
        let sha256 = meta.and_then(|meta| meta.hashes.digest(HashAlgorithm::Sha256));
        let targets_found = self
            .named(&targets, sha256)
            .ok_or_else(|| missing(&targets))?;
        if let Some(meta) = meta {
            let checked = meta.hashes.check(targets.as_str(), targets_found.1);
            checked.map_err(|error| broken(targets_found.0, error.into()))?;
        }
        let received = parse::<Targets>(targets_found)?;
        let verified_targets = rules::verify_targets(received, verified_root.body())
            .map_err(|error| broken(targets_found.0, error))?;
        for found in [root_found, timestamp_found, snapshot_found, targets_found] {
            self.take(found);
        }
        Ok(State {
            root: verified_root,
            snapshot: verified_snapshot,
            targets: verified_targets,
        })
    }

    /// Takes the roots before the current one, each of which must lead to the next. Gives the lowest version of the chain.
    fn roots(&mut self, current: &Verified<Root>) -> Result<Version, AdmissionError> {
        let role = RoleName::root();
        let time = CertificateTime::Ignored;
        let mut first = current.version();
        let mut next = current.raw().clone();
        while first > 1 {
            let Some(found) = self.version(&role, first - 1) else {
                break;
            };
            let received = parse::<Root>(found)?;
            self.check(received.signatures().len())?;
            let previous = rules::verify_root(received, self.gun, time, None, None)
                .map_err(|refused| broken(found.0, refused.error))?;
            let received = Received::<Root>::parse(&role, next)
                .map_err(|error| broken(found.0, error.into()))?;
            self.check(received.signatures().len())?;
            rules::verify_root(received, self.gun, time, Some(previous.body()), None).map_err(
                |refused| AdmissionError::Rule {
                    role: role.clone(),
                    version: first,
                    source: refused.error,
                },
            )?;
            self.take(found);
            next = found.1.clone();
            first -= 1;
        }
        Ok(first)
    }

    /// Takes the delegations that the current snapshot names. One that its delegator's present keys do not sign is taken as what it is:
    /// clients skip it, but could not read the repository without it.
    fn delegations_of_current(&mut self, state: &State) -> Result<(), AdmissionError> {
        let mut verified: BTreeMap<RoleName, Verified<Targets>> = BTreeMap::new();
        let mut wanted: Vec<RoleName> = Vec::new();
        let children = |parent: &Verified<Targets>| -> Vec<RoleName> {
            let delegations = parent.body().delegations.iter();
            delegations
                .filter_map(|delegation| delegation.role().ok())
                .filter(|role| role.parent().as_ref() == Some(parent.role()))
                .collect()
        };
        wanted.extend(children(&state.targets));
        let mut seen = BTreeSet::new();
        while let Some(role) = wanted.pop() {
            let Some(meta) = state.snapshot.body().meta.get(role.as_str()) else {
                continue;
            };
            if !seen.insert(role.clone()) {
                continue;
            }
            let sha256 = meta.hashes.digest(HashAlgorithm::Sha256);
            let found = self.named(&role, sha256);
            let found = found.ok_or_else(|| AdmissionError::Missing { role: role.clone() })?;
            let checked = meta.hashes.check(role.as_str(), found.1);
            checked.map_err(|error| broken(found.0, error.into()))?;
            let received = parse::<Targets>(found)?;
            received
                .validate()
                .map_err(|error| broken(found.0, error.into()))?;
            self.take(found);
            let parent = role.parent();
            let parent = parent.and_then(|parent| {
                if parent == *state.targets.role() {
                    Some(state.targets.body())
                } else {
                    verified.get(&parent).map(Verified::body)
                }
            });
            let Some(keys) = parent.and_then(|parent| rules::delegation_keys(parent, &role).ok())
            else {
                continue;
            };
            self.check(received.signatures().len())?;
            if let Ok(document) = received.verify(&keys) {
                wanted.extend(children(&document));
                verified.insert(role, document);
            }
        }
        Ok(())
    }

    /// Takes every earlier document that some verified document of its delegator vouches for.
    fn history(&mut self, state: &State) -> Result<(), AdmissionError> {
        let mut by_role: BTreeMap<(usize, RoleName), BTreeMap<Version, _>> = BTreeMap::new();
        for document in &self.repository.record.documents {
            let key = (document.role.clone(), document.version);
            match self.version(&document.role, document.version) {
                _ if self
                    .admitted
                    .get(&key)
                    .is_some_and(|(d, _)| d.sha256 == document.sha256) => {}
                _ if self.admitted.contains_key(&key) => {
                    self.leave(key, "another document with this version is in use");
                }
                Some(found) if found.0.sha256 == document.sha256 => {
                    let versions = by_role.entry((document.role.depth(), document.role.clone()));
                    versions.or_default().insert(document.version, found);
                }
                _ => self.leave(key, "there is another document with this version"),
            }
        }
        let root_keys = self.keys_of_roots()?;
        let mut delegated: BTreeMap<RoleName, KeySets> = BTreeMap::new();
        self.delegations_by(&RoleName::targets(), &mut delegated);
        // Parents come before their children, so that what vouches for a document is known when its turn comes.
        let mut roles: Vec<(usize, RoleName)> = by_role
            .keys()
            .cloned()
            .chain(
                self.admitted
                    .keys()
                    .map(|(role, _)| (role.depth(), role.clone())),
            )
            .collect();
        roles.sort();
        roles.dedup();
        for (depth, role) in roles {
            let newest = self.newest(&role, state);
            for (version, found) in by_role.remove(&(depth, role.clone())).unwrap_or_default() {
                let key = (role.clone(), version);
                let outcome = if newest.is_some_and(|newest| version > newest) {
                    Err("it is newer than the state that the current timestamp names".to_owned())
                } else {
                    match role.base() {
                        Some(BaseRole::Root) => {
                            Err("the chain of roots does not reach down to it".to_owned())
                        }
                        Some(BaseRole::Timestamp) => {
                            self.vouched::<Timestamp>(found, root_keys.get(&BaseRole::Timestamp))?
                        }
                        Some(BaseRole::Snapshot) => {
                            self.vouched::<Snapshot>(found, root_keys.get(&BaseRole::Snapshot))?
                        }
                        Some(BaseRole::Targets) => {
                            self.vouched::<Targets>(found, root_keys.get(&BaseRole::Targets))?
                        }
                        None => self.vouched::<Targets>(found, delegated.get(&role))?,
                    }
                };
                match outcome {
                    Ok(()) => self.take(found),
                    Err(reason) => {
                        self.left_out.insert(key, reason);
                    }
                }
            }
            if role.lists_targets() {
                self.delegations_by(&role, &mut delegated);
            }
        }
        Ok(())
    }

    fn leave(&mut self, key: Key, reason: &str) {
        self.left_out
            .entry(key)
            .or_insert_with(|| reason.to_owned());
    }

    /// The version of the current document of a role, above which nothing is taken.
    fn newest(&self, role: &RoleName, state: &State) -> Option<Version> {
        let listed = match role.base() {
            Some(_) => true,
            None => state.snapshot.body().meta.contains_key(role.as_str()),
        };
        let range = (role.clone(), Version::MIN)..=(role.clone(), Version::MAX);
        let newest = self.admitted.range(range).next_back();
        newest.filter(|_| listed).map(|((_, version), _)| *version)
    }

    /// The keys that the roots of the chain have listed for the roles below them, the latest first.
    fn keys_of_roots(&mut self) -> Result<BTreeMap<BaseRole, KeySets>, AdmissionError> {
        let mut keys: BTreeMap<BaseRole, KeySets> = BTreeMap::new();
        let role = RoleName::root();
        let range = (role.clone(), Version::MIN)..=(role, Version::MAX);
        for (_, found) in self.admitted.range(range).rev() {
            let root = parse::<Root>(*found)?;
            for base in [BaseRole::Timestamp, BaseRole::Snapshot, BaseRole::Targets] {
                let listed = root.unverified().role_keys(base);
                keys.entry(base).or_default().add(listed);
            }
        }
        Ok(keys)
    }

    /// Adds the keys that the taken documents of `parent` have listed for the roles below it, the latest first.
    fn delegations_by(&self, parent: &RoleName, delegated: &mut BTreeMap<RoleName, KeySets>) {
        let range = (parent.clone(), Version::MIN)..=(parent.clone(), Version::MAX);
        for (_, (_, bytes)) in self.admitted.range(range).rev() {
            let Ok(document) = Received::<Targets>::parse(parent, (*bytes).clone()) else {
                continue;
            };
            let body = document.unverified();
            for delegation in body.delegations.iter() {
                let Ok(role) = delegation.role() else {
                    continue;
                };
                if role.parent().as_ref() == Some(parent)
                    && let Ok(keys) = rules::delegation_keys(body, &role)
                {
                    delegated.entry(role).or_default().add(keys);
                }
            }
        }
    }

    /// Whether any of these sets of keys has signed a document, or why it counts as unsigned.
    fn vouched<T: Metadata>(
        &mut self,
        found: (&Document, &Bytes),
        keys: Option<&KeySets>,
    ) -> Result<Result<(), String>, AdmissionError> {
        let received = match parse::<T>(found) {
            Ok(received) => received,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if let Err(error) = received.validate() {
            return Ok(Err(error.to_string()));
        }
        for keys in keys.map(|keys| &keys.sets).into_iter().flatten() {
            self.check(received.signatures().len())?;
            if received.check_signatures(keys).is_ok() {
                return Ok(Ok(()));
            }
        }
        Ok(Err(
            "no document here lists the keys that would have to sign it".to_owned(),
        ))
    }

    fn check(&mut self, signatures: usize) -> Result<(), AdmissionError> {
        self.checks = self.checks.saturating_add(signatures.max(1));
        if self.checks > MAX_CHECKS {
            return Err(AdmissionError::TooManyChecks);
        }
        Ok(())
    }

    fn finish(
        self,
        timestamp: (Version, Sha256),
        first_root: Version,
    ) -> Result<Admitted, AdmissionError> {
        let mut last: Option<Key> = None;
        for (role, version) in self.admitted.keys() {
            let from = last
                .filter(|(before, _)| before == role)
                .map_or(0, |(_, version)| version);
            let is_jump = version.saturating_sub(from) > rules::MAX_VERSION_JUMP;
            // What comes next, the owner's or this server's, must find numbers left.
            let highest = rules::MAX_VERSION - rules::MAX_VERSION_JUMP;
            if is_jump || *version > highest || *version < 1 {
                return Err(AdmissionError::Jump {
                    role: role.clone(),
                    from,
                    to: *version,
                });
            }
            last = Some((role.clone(), *version));
        }
        let captured = self.repository.record.captured;
        let mut documents: Vec<AdmittedDocument> = self
            .admitted
            .into_values()
            .map(|(document, bytes)| AdmittedDocument {
                role: document.role.clone(),
                version: document.version,
                sha256: document.sha256,
                bytes: bytes.clone(),
                published: document.published.unwrap_or(captured).min(captured),
            })
            .collect();
        documents.sort_by(|a, b| (a.version, &a.role).cmp(&(b.version, &b.role)));
        let left_out = self
            .left_out
            .into_iter()
            .map(|((role, version), reason)| LeftOut {
                role,
                version,
                reason,
            })
            .collect();
        Ok(Admitted {
            documents,
            left_out,
            timestamp,
            first_root,
        })
    }
}

fn broken(document: &Document, source: RuleError) -> AdmissionError {
    AdmissionError::Rule {
        role: document.role.clone(),
        version: document.version,
        source,
    }
}

/// Parses a document in the form that servers store, and holds it to the version under which the archive has it.
fn parse<T: Metadata>(
    (document, bytes): (&Document, &Bytes),
) -> Result<Received<T>, AdmissionError> {
    let form = |reason: String| AdmissionError::Form {
        role: document.role.clone(),
        version: document.version,
        reason,
    };
    let received = Received::<T>::parse(&document.role, bytes.clone())
        .map_err(|error: ParseError| broken(document, error.into()))?;
    if let Some(member) = received.unknown_member() {
        return Err(form(format!("unknown member {member:?}")));
    }
    // Go would write the moment otherwise, and what it publishes next would match nothing.
    if !received.unverified().expires().is_go_stable() {
        return Err(form("expires is not written as Go writes it".to_owned()));
    }
    let version = received.unverified().version();
    if version != document.version {
        return Err(form(format!("it carries version {version}")));
    }
    Ok(received)
}
