//! One state of a repository (a timestamp with everything below it) by its signatures alone: what holds whatever the time.
//!
//! The update engine judges what a client would do at a moment; it refuses what is expired before it looks further. This looks further: at
//! whether the signatures of something expired hold, and at states of the past. It uses the engine's rules.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use signet_tuf::metadata::Metadata;
use signet_tuf::rules::{self, RuleError};
use signet_tuf::update::{MAX_ROLES, MAX_TIMESTAMP_BYTES};
use signet_tuf::{
    BaseRole, Expiry, FileMeta, MetadataPath, Received, RoleKeys, RoleName, Root, Snapshot,
    Targets, Timestamp, Verified, VerifyError, lookup,
};
use time::OffsetDateTime;

use crate::bounds::{MAX_HISTORY_BYTES, MAX_HISTORY_DOCUMENTS, MAX_SIGNED_BYTES, SIGNATURE_COST};
use crate::chain::Roots;
use crate::shelf::Shelf;
use crate::{Sha256, UnusableRole};

/// Why a state does not hold.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) role: Option<RoleName>,
    pub(crate) reason: String,
    /// The document that others name, where it is not there.
    pub(crate) missing: Option<MetadataPath>,
}

impl Fault {
    fn rule(role: &RoleName, error: impl Into<RuleError>) -> Self {
        Self {
            role: Some(role.clone()),
            reason: error.into().to_string(),
            missing: None,
        }
    }

    fn other(role: &RoleName, reason: impl Into<String>) -> Self {
        Self {
            role: Some(role.clone()),
            reason: reason.into(),
            missing: None,
        }
    }

    fn missing(role: &RoleName, digest: &Sha256) -> Self {
        Self::lacks(MetadataPath::Checksum(role.clone(), digest.to_string()))
    }

    pub(crate) fn lacks(path: MetadataPath) -> Self {
        Self {
            role: Some(path.role().clone()),
            reason: format!("{path} is missing"),
            missing: Some(path),
        }
    }
}

/// A document of the role targets or of a delegation that holds.
#[derive(Clone)]
struct Held {
    digest: Sha256,
    /// What the snapshot said of it.
    meta: FileMeta,
    /// The document whose keys it was checked against.
    parent: Option<Sha256>,
    document: Rc<Verified<Targets>>,
}

/// A state that holds by its signatures.
pub(crate) struct Standing {
    pub(crate) root: Verified<Root>,
    timestamp: Expiry,
    snapshot: Verified<Snapshot>,
    targets: BTreeMap<RoleName, Held>,
    pub(crate) unusable: Vec<UnusableRole>,
}

impl Standing {
    /// When the first of its documents ends to be valid.
    pub(crate) fn valid_until(&self) -> OffsetDateTime {
        let targets = self.targets.values();
        let targets = targets.map(|held| held.document.expires().moment());
        targets.fold(
            self.timestamp
                .moment()
                .min(self.snapshot.expires().moment())
                .min(self.root.expires().moment()),
            OffsetDateTime::min,
        )
    }

    /// How many names it signs.
    pub(crate) fn tags(&self) -> u64 {
        let targets = |role: &RoleName| Some(self.targets.get(role)?.document.body());
        let mut names = std::collections::BTreeSet::new();
        for visit in lookup::walk(targets, lookup::Route::default()) {
            let allowed = visit.document.targets.keys();
            names.extend(allowed.filter(|name| visit.paths.allow(name)));
        }
        names.len() as u64
    }
}

/// Examines states of one repository, one after the other.
pub(crate) struct Examiner<'a> {
    shelf: &'a Shelf<'a>,
    roots: &'a Roots,
    /// Expired delegations count as unusable at this moment.
    at: Option<OffsetDateTime>,
    documents: u64,
    bytes: u64,
    /// The work of checking signatures, in bytes that are hashed.
    signed: u64,
    /// The state before: its neighbours share most documents with it.
    before: BTreeMap<RoleName, Held>,
    /// What came of the last snapshot, which many timestamps may name: its root, where everything below the timestamp holds.
    last: Option<(Sha256, Result<Verified<Root>, Fault>)>,
}

impl<'a> Examiner<'a> {
    pub(crate) const fn new(
        shelf: &'a Shelf<'a>,
        roots: &'a Roots,
        at: Option<OffsetDateTime>,
    ) -> Self {
        Self {
            shelf,
            roots,
            at,
            documents: 0,
            bytes: 0,
            signed: 0,
            before: BTreeMap::new(),
            last: None,
        }
    }

    /// Counts a document that is read.
    fn spend(&mut self, role: &RoleName, bytes: &Bytes) -> Result<(), Fault> {
        self.documents = self.documents.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.documents > MAX_HISTORY_DOCUMENTS || self.bytes > MAX_HISTORY_BYTES {
            return Err(Fault::other(role, "there is more than is examined"));
        }
        Ok(())
    }

    /// Counts the signatures that will be checked: those by known keys, of which one key may have any number that do not hold.
    fn spend_signatures<T: Metadata>(
        &mut self,
        received: &Received<T>,
        keys: &RoleKeys,
    ) -> Result<(), Fault> {
        let signatures = received.signatures().iter();
        let known = signatures.filter(|signature| keys.contains(&signature.key_id));
        self.signed = self
            .signed
            .saturating_add(signature_work(received.raw(), known.count()));
        if self.signed > MAX_SIGNED_BYTES {
            let reason = "there are more signatures than are examined";
            return Err(Fault::other(received.role(), reason));
        }
        Ok(())
    }

    /// Whether the state of this timestamp holds.
    pub(crate) fn holds(&mut self, timestamp: &Bytes) -> Result<(), Fault> {
        let (received, snapshot) = self.timestamp(timestamp)?;
        if let Some((_, known)) = self.last.as_ref().filter(|(last, _)| *last == snapshot) {
            let root = known.clone()?;
            let verified = self.verify_timestamp(received, &root)?;
            let bytes = self.snapshot(&snapshot)?;
            return check_snapshot(&verified, bytes);
        }
        match self.examine_received(received, snapshot) {
            Ok(standing) => {
                self.before = standing.targets;
                self.last = Some((snapshot, Ok(standing.root)));
                Ok(())
            }
            Err((fault, below)) => {
                if below {
                    self.last = Some((snapshot, Err(fault.clone())));
                }
                Err(fault)
            }
        }
    }

    /// The whole state of this timestamp.
    pub(crate) fn examine(&mut self, timestamp: &Bytes) -> Result<Standing, Fault> {
        let (received, snapshot) = self.timestamp(timestamp)?;
        self.examine_received(received, snapshot)
            .map_err(|(fault, _)| fault)
    }

    /// A timestamp, unchecked, and the digest of the snapshot that it names.
    fn timestamp(&mut self, bytes: &Bytes) -> Result<(Received<Timestamp>, Sha256), Fault> {
        let role = RoleName::timestamp();
        self.spend(&role, bytes)?;
        if bytes.len() as u64 > MAX_TIMESTAMP_BYTES {
            return Err(Fault::other(&role, "it is too large"));
        }
        let received = Received::<Timestamp>::parse(&role, bytes.clone())
            .map_err(|error| Fault::rule(&role, error))?;
        let snapshot = digest(received.unverified().snapshot())
            .ok_or_else(|| Fault::other(&role, "it names no snapshot"))?;
        Ok((received, snapshot))
    }

    fn verify_timestamp(
        &mut self,
        received: Received<Timestamp>,
        root: &Verified<Root>,
    ) -> Result<Verified<Timestamp>, Fault> {
        let keys = root.body().role_keys(BaseRole::Timestamp);
        self.spend_signatures(&received, &keys)?;
        rules::verify_timestamp(received, root.body())
            .map_err(|error| Fault::rule(&RoleName::timestamp(), error))
    }

    /// The bytes of the snapshot with this digest, which count as read.
    fn snapshot(&mut self, wanted: &Sha256) -> Result<&'a Bytes, Fault> {
        let role = RoleName::snapshot();
        let bytes = self
            .shelf
            .given(&role, wanted)
            .ok_or_else(|| Fault::missing(&role, wanted))?;
        self.spend(&role, bytes)?;
        Ok(bytes)
    }

    /// The snapshot with this digest, verified by the linked root that it names.
    fn snapshot_and_root(
        &mut self,
        wanted: &Sha256,
    ) -> Result<(Verified<Snapshot>, Verified<Root>), Fault> {
        let (role, root_role) = (RoleName::snapshot(), RoleName::root());
        let bytes = self.snapshot(wanted)?;
        let received = Received::<Snapshot>::parse(&role, bytes.clone())
            .map_err(|error| Fault::rule(&role, error))?;
        let meta = received.unverified().meta.get("root");
        let named = digest(meta).ok_or_else(|| Fault::other(&role, "it names no root"))?;
        let root = self.roots.get(&named).ok_or_else(|| {
            if self.shelf.get(&root_role, &named).is_none() {
                Fault::missing(&root_role, &named)
            } else {
                let reason = "the root that the snapshot names is not linked to the current one";
                Fault::other(&root_role, reason)
            }
        })?;
        self.spend(&root_role, root.raw())?;
        let keys = root.body().role_keys(BaseRole::Snapshot);
        self.spend_signatures(&received, &keys)?;
        let verified = rules::verify_snapshot(received, root.body())
            .map_err(|error| Fault::rule(&role, error))?;
        check(verified.body().meta.get("root"), &root_role, root.raw())?;
        Ok((verified, root.clone()))
    }

    /// The fault comes with whether it lies below the timestamp.
    fn examine_received(
        &mut self,
        received: Received<Timestamp>,
        wanted: Sha256,
    ) -> Result<Standing, (Fault, bool)> {
        let below = |fault| (fault, true);
        let (snapshot, root) = self.snapshot_and_root(&wanted).map_err(below)?;
        let timestamp = self
            .verify_timestamp(received, &root)
            .map_err(|fault| (fault, false))?;
        check_snapshot(&timestamp, snapshot.raw()).map_err(|fault| (fault, false))?;
        let mut standing = Standing {
            root,
            timestamp: timestamp.expires().clone(),
            snapshot,
            targets: BTreeMap::new(),
            unusable: Vec::new(),
        };
        self.load_targets(&mut standing).map_err(below)?;
        Ok(standing)
    }

    /// Loads targets and every delegation, depth first as the engine does.
    fn load_targets(&mut self, standing: &mut Standing) -> Result<(), Fault> {
        let mut work = vec![RoleName::targets()];
        while let Some(role) = work.pop() {
            let listed = standing.snapshot.body().meta.get(role.as_str());
            let Some(meta) = listed.filter(|meta| !meta.hashes.is_empty() || meta.length != 0)
            else {
                continue;
            };
            let meta = meta.clone();
            if standing.targets.contains_key(&role) {
                return Err(Fault::rule(&role, RuleError::AlreadyLoaded(role.clone())));
            }
            if standing
                .unusable
                .iter()
                .any(|unusable| unusable.role == role)
            {
                continue;
            }
            if standing.targets.len() + standing.unusable.len() >= MAX_ROLES {
                return Err(Fault::other(&role, "there are too many roles"));
            }
            match self.load(standing, &role, &meta)? {
                Ok(held) => {
                    let children = lookup::children(&role, held.document.body());
                    let mut next: Vec<RoleName> = children.map(|(child, _)| child).collect();
                    next.reverse();
                    work.append(&mut next);
                    standing.targets.insert(role, held);
                }
                Err(reason) => standing.unusable.push(UnusableRole { role, reason }),
            }
        }
        Ok(())
    }

    /// One document. The inner error is a delegation that is skipped with all below it.
    fn load(
        &mut self,
        standing: &Standing,
        role: &RoleName,
        meta: &FileMeta,
    ) -> Result<Result<Held, String>, Fault> {
        let (wanted, bytes) = match digest(Some(meta)) {
            Some(wanted) => {
                let bytes = self.shelf.given(role, &wanted);
                (wanted, bytes.ok_or_else(|| Fault::missing(role, &wanted))?)
            }
            // As the engine: what is listed by SHA-512 alone is asked for by its role.
            None => self
                .shelf
                .current(role)
                .ok_or_else(|| Fault::lacks(MetadataPath::Current(role.clone())))?,
        };
        check_length(meta, role, bytes)?;
        let above = match role.parent() {
            None => None,
            Some(parent) => {
                let parent = standing.targets.get(&parent);
                Some(
                    parent
                        .ok_or_else(|| Fault::rule(role, RuleError::NotDelegated(role.clone())))?,
                )
            }
        };
        let parent = above.map_or_else(
            || digest(standing.snapshot.body().meta.get("root")),
            |above| Some(above.digest),
        );
        let known = self.before.get(role).filter(|held| {
            held.digest == wanted && held.parent == parent && held.meta.hashes == meta.hashes
        });
        if let Some(held) = known {
            return Ok(Ok(held.clone()));
        }
        let keys = match above {
            None => standing.root.body().role_keys(BaseRole::Targets),
            Some(above) => rules::delegation_keys(above.document.body(), role)
                .map_err(|error| Fault::rule(role, error))?,
        };
        self.spend(role, bytes)?;
        check(Some(meta), role, bytes)?;
        let received = Received::<Targets>::parse(role, bytes.clone())
            .map_err(|error| Fault::rule(role, error))?;
        received
            .validate()
            .map_err(|error| Fault::rule(role, error))?;
        self.spend_signatures(&received, &keys)?;
        let document = match received.verify(&keys) {
            Err(VerifyError::BelowThreshold(below)) if role.is_delegation() => {
                return Ok(Err(below.to_string()));
            }
            verified => verified.map_err(|error| Fault::rule(role, error))?,
        };
        let expires = document.expires();
        if role.is_delegation() && self.at.is_some_and(|at| expires.is_over(at)) {
            return Ok(Err(format!("expired at {expires}")));
        }
        Ok(Ok(Held {
            digest: wanted,
            meta: meta.clone(),
            parent,
            document: Rc::new(document),
        }))
    }
}

/// What checking `signatures` of a document costs, in bytes that are hashed.
pub(crate) fn signature_work(document: &Bytes, signatures: usize) -> u64 {
    let each = SIGNATURE_COST.saturating_add(document.len() as u64);
    each.saturating_mul(signatures as u64)
}

fn digest(meta: Option<&FileMeta>) -> Option<Sha256> {
    meta?.hashes.sha256_hex()?.parse().ok()
}

/// Whether `bytes` are what a parent says of `role`.
fn check(meta: Option<&FileMeta>, role: &RoleName, bytes: &Bytes) -> Result<(), Fault> {
    let meta = meta.ok_or_else(|| Fault::other(role, "it is not listed"))?;
    meta.hashes
        .check(role.as_str(), bytes)
        .map_err(|error| Fault::rule(role, error))
}

/// Whether `bytes` are the snapshot that a timestamp names.
fn check_snapshot(timestamp: &Verified<Timestamp>, bytes: &Bytes) -> Result<(), Fault> {
    let role = RoleName::snapshot();
    let meta = timestamp.body().snapshot();
    check(meta, &role, bytes)?;
    meta.map_or(Ok(()), |meta| check_length(meta, &role, bytes))
}

/// A client takes no more of a document than its parent says.
fn check_length(meta: &FileMeta, role: &RoleName, bytes: &Bytes) -> Result<(), Fault> {
    if u64::try_from(meta.length).is_ok_and(|length| length >= bytes.len() as u64) {
        Ok(())
    } else {
        Err(Fault::other(role, "it is longer than its parent says"))
    }
}
