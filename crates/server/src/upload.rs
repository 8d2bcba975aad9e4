//! One update: parse, validate against what is stored, sign what the server signs, store (specification, `server.md`
//! section 8).
//!
//! The rules are those of [`signet_tuf::rules`]: the server is one more verifier, with the stored root as its trust.
//! Every document is parsed, verified and hashed once. Parsing and validation do no input or output; big updates do
//! them away from the threads that serve requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use signet_tuf::canonical::JsonError;
use signet_tuf::metadata::Metadata;
use signet_tuf::rules::{self, CertificateTime, RuleError};
use signet_tuf::{
    BaseRole, Expiry, FileMeta, Gun, ParseError, Received, RoleName, Root, Snapshot, Targets,
    Timestamp, Verified, Version,
};
use time::OffsetDateTime;

use crate::app::App;
use crate::current::{NewState, Served, View};
use crate::seal::{self, SealError, sha256_of};
use crate::store::{Commit, MAX_VERSION, NewDocument, StoreError};
use crate::trust::TrustError;

/// A document of an update as it came.
#[derive(Debug)]
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

/// Which rule an update breaks. `Display` is Go's text where Go has one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
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

/// A document that parsed, or why it did not: the latter is said when its turn comes.
type Parsed<T> = Result<Received<T>, ParseError>;

/// The documents of an update, parsed.
#[derive(Debug, Default)]
pub(crate) struct Submission {
    root: Option<Parsed<Root>>,
    /// In the order of validation: parents before their children.
    targets: BTreeMap<(usize, RoleName), Parsed<Targets>>,
    snapshot: Option<Parsed<Snapshot>>,
    bytes: usize,
}

impl Submission {
    /// Parses the parts in order. Of several for one role the last counts; a timestamp is read and not used, because the
    /// server signs its own.
    fn parse(parts: Vec<Part>) -> Result<Self, UpdateError> {
        let mut submission = Self::default();
        for Part { role, data } in parts {
            submission.bytes += data.len();
            match role.base() {
                Some(BaseRole::Root) => submission.root = Some(parse(&role, &data)?),
                Some(BaseRole::Snapshot) => submission.snapshot = Some(parse(&role, &data)?),
                Some(BaseRole::Timestamp) => drop(parse::<Timestamp>(&role, &data)?),
                Some(BaseRole::Targets) | None => {
                    let parsed = parse(&role, &data)?;
                    submission.targets.insert((role.depth(), role), parsed);
                }
            }
        }
        Ok(submission)
    }

    fn contains(&self, role: &RoleName) -> bool {
        self.targets.contains_key(&(role.depth(), role.clone()))
    }
}

/// Parses one part. What is no envelope at all, or holds members that would make the repository unpublishable, is
/// refused at once; other faults wait until the document is validated, as in Go.
fn parse<T: Metadata>(role: &RoleName, data: &Bytes) -> Result<Parsed<T>, UpdateError> {
    let malformed = |reason: String| UpdateError::MalformedJson {
        role: role.clone(),
        reason,
    };
    let error = match Received::<T>::parse(role, data.clone()) {
        Ok(received) => {
            return match received.unknown_member() {
                Some(member) => Err(malformed(format!("unknown member {member:?}"))),
                None => Ok(Ok(received)),
            };
        }
        Err(error) => error,
    };
    let deferred = match error {
        ParseError::Json(JsonError::Syntax {
            offset,
            expected: END_OF_INPUT,
        }) if has_header(data.get(..offset).unwrap_or_default()) => {
            let rest = data.get(offset..).unwrap_or_default();
            let next = String::from_utf8_lossy(rest).chars().next();
            ParseError::Shape(format!(
                "invalid character {:?} after top-level value",
                next.unwrap_or_default()
            ))
        }
        ParseError::Shape(_) | ParseError::Empty { .. } if has_header(data) => error,
        _ => return Err(malformed(error.to_string())),
    };
    Ok(Err(deferred))
}

/// What the parser expects behind a document.
const END_OF_INPUT: &str = "end of input";

/// Whether a text has the members that Go reads before anything else, of the right types.
fn has_header(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        signed: Option<Signed>,
        #[serde(default)]
        signatures: Option<Vec<Option<Signature>>>,
    }
    #[derive(Deserialize)]
    struct Signed {
        #[serde(rename = "_type", default)]
        kind: Option<String>,
        #[serde(default)]
        expires: Option<Expiry>,
        #[serde(default)]
        version: Option<i64>,
    }
    #[derive(Deserialize)]
    struct Signature {
        #[serde(default)]
        keyid: Option<String>,
        #[serde(default)]
        method: Option<String>,
        #[serde(default)]
        sig: Option<String>,
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope>(text) else {
        return false;
    };
    if let Some(Signed {
        kind,
        expires,
        version,
    }) = envelope.signed
    {
        drop((kind, expires, version));
    }
    envelope
        .signatures
        .into_iter()
        .flatten()
        .flatten()
        .all(|Signature { keyid, method, sig }| {
            drop((keyid, method));
            sig.is_none_or(|sig| data_encoding::BASE64.decode(sig.as_bytes()).is_ok())
        })
}

/// What is stored of a repository, as far as an update builds on it.
#[derive(Debug)]
struct Baseline {
    root: Option<Arc<Served>>,
    /// Stored documents of the ancestors of uploaded roles.
    ancestors: BTreeMap<RoleName, Arc<Served>>,
    snapshot: Option<Arc<Snapshot>>,
    snapshot_floor: Version,
    /// The highest stored version of every uploaded role that has one.
    newest: BTreeMap<RoleName, Version>,
}

/// An update that passed every rule.
#[derive(Debug)]
struct Accepted {
    root: Root,
    documents: Vec<NewDocument>,
    snapshot: AcceptedSnapshot,
}

#[derive(Debug)]
enum AcceptedSnapshot {
    /// From the publisher.
    Uploaded {
        body: Snapshot,
        document: NewDocument,
        meta: FileMeta,
    },
    /// What the server has to sign.
    Draft(Snapshot),
}

impl App {
    /// Parses the parts of an update.
    pub(crate) async fn parse(&self, parts: Vec<Part>) -> Result<Submission, UpdateError> {
        let bytes = parts.iter().map(|part| part.data.len()).sum();
        aside(bytes, move || Submission::parse(parts)).await?
    }

    /// Validates an update and stores it. Not to be abandoned half-way.
    pub(crate) async fn update(
        &self,
        gun: &Gun,
        submission: Submission,
    ) -> Result<(), UpdateError> {
        let _inside = self.library().gates().enter(gun).await;
        let now = self.now();
        let view = self.library().view_inside(gun).await?;
        let baseline = self.baseline(gun, &view, &submission).await?;
        let name = gun.clone();
        let accepted = aside(submission.bytes, move || {
            validate(&name, submission, &baseline, now)
        })
        .await??;
        let (version, sha256) = self.publish(gun, &view, accepted, now).await?;
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
            let version = library.store().newest_version(gun, role).await?;
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

    /// Signs what the server signs and stores everything. Gives the timestamp's version and checksum.
    async fn publish(
        &self,
        gun: &Gun,
        view: &View,
        accepted: Accepted,
        now: OffsetDateTime,
    ) -> Result<(Version, crate::store::Sha256), UpdateError> {
        let Accepted {
            root,
            mut documents,
            snapshot,
        } = accepted;
        let (snapshot, document, meta) = match snapshot {
            AcceptedSnapshot::Uploaded {
                body,
                document,
                meta,
            } => (body, document, meta),
            AcceptedSnapshot::Draft(draft) => {
                let version = view.snapshot_floor() + 1;
                let sealed = seal::snapshot(self.trust(), &root, draft, version, now).await?;
                (sealed.body, sealed.document, sealed.meta)
            }
        };
        documents.push(document);
        let base = view.base();
        let version = base.map_or(0, |revision| revision.version) + 1;
        let timestamp = seal::timestamp(self.trust(), &root, meta, version, now).await?;
        let sha256 = timestamp.document.sha256;
        documents.push(timestamp.document);
        let commit = Commit {
            gun,
            base,
            documents: &documents,
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

/// Holds an update to every rule, in the order of the specification (`server.md` section 8.2).
fn validate(
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
        loaded.root_bytes = Some(previous.raw().clone());
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
    /// The stored root's bytes, when the update has none.
    root_bytes: Option<Bytes>,
    targets: BTreeMap<RoleName, Verified<Targets>>,
    /// Length and digests of the update's own documents.
    metas: BTreeMap<RoleName, FileMeta>,
    /// What is to be stored.
    documents: Vec<NewDocument>,
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

    /// Everything loaded must be what the publisher's snapshot names.
    fn check_against(&self, snapshot: &Snapshot) -> Result<(), RuleError> {
        let root = RoleName::root();
        for role in std::iter::once(&root).chain(self.targets.keys()) {
            let listed = snapshot
                .meta
                .get(role.as_str())
                .cloned()
                .unwrap_or_default();
            match self.metas.get(role) {
                Some(meta) => listed.hashes.check_digests(role.as_str(), &meta.hashes)?,
                None => {
                    let stored = match self.targets.get(role) {
                        Some(targets) => Some(targets.raw()),
                        None => self.root_bytes.as_ref(),
                    };
                    let bytes = stored.map_or(&[][..], |bytes| bytes);
                    listed.hashes.check(role.as_str(), bytes)?;
                }
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
        // Stored documents that this update builds on are listed already, but for those of a repository that lost its
        // snapshot, or whose snapshot names bytes that nobody has.
        let stored = self.targets.values().map(|t| (t.role().as_str(), t.raw()));
        let root = self.root_bytes.iter().map(|bytes| ("root", bytes));
        for (role, bytes) in stored.chain(root) {
            let is_uploaded = self.metas.contains_key(role);
            let is_listed = || {
                let listed = draft.meta.get(role);
                listed.is_some_and(|listed| listed.hashes.check(role, bytes).is_ok())
            };
            if !is_uploaded && !is_listed() {
                draft.meta.insert(role.to_owned(), FileMeta::of(bytes));
            }
        }
        Ok(draft)
    }
}
