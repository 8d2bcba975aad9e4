//! A repository from documents that a source holds as rows or files, not as answers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use signet_tuf::metadata::Metadata;
use signet_tuf::update::MAX_ROLES;
use signet_tuf::{
    BaseRole, Gun, HashAlgorithm, Received, RoleName, Root, Snapshot, Targets, Timestamp, Version,
};

use crate::{ArchivedRepository, Change, Document, Moment, Sha256, Source};

/// A document as a source holds it.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its role.
    pub role: RoleName,
    /// Its bytes.
    pub bytes: Bytes,
    /// When it was published, where the source says so.
    pub published: Option<Moment>,
}

/// How a source tells which documents are current.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Currency {
    /// There is one document a role, and it is the current one; of several the newest.
    Only,
    /// The newest timestamp names its snapshot, and that all others: as a trust server with these rows answers.
    Newest,
}

/// Puts documents together to a repository whose verdict is still to be made.
#[must_use]
pub fn assemble(
    gun: &Gun,
    source: Source,
    captured: Moment,
    held: Vec<Held>,
    currency: Currency,
    changes: Vec<Change>,
) -> ArchivedRepository {
    let mut objects = BTreeMap::new();
    let mut documents: BTreeMap<(RoleName, Version, Sha256), Option<Moment>> = BTreeMap::new();
    for Held {
        role,
        bytes,
        published,
    } in held
    {
        let (sha256, version) = (Sha256::of(&bytes), version_of(&role, &bytes));
        let earliest = documents
            .entry((role, version, sha256))
            .or_insert(published);
        *earliest = match (*earliest, published) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        objects.insert(sha256, bytes);
    }
    let current = match currency {
        Currency::Only => {
            let ordered = documents.keys();
            // Ordered by version: the highest one stays.
            ordered
                .map(|(role, _, sha256)| (role.clone(), *sha256))
                .collect()
        }
        Currency::Newest => walk(&documents, &objects),
    };
    let mut repository = ArchivedRepository::empty(gun.clone(), source, captured);
    repository.record.documents = documents
        .into_iter()
        .map(|((role, version, sha256), published)| Document {
            length: objects
                .get(&sha256)
                .and_then(|bytes: &Bytes| u64::try_from(bytes.len()).ok())
                .unwrap_or_default(),
            role,
            version,
            sha256,
            published,
        })
        .collect();
    repository.record.current = current;
    repository.record.changes = changes;
    repository.objects = objects;
    repository
}

/// The version that a document carries; 0 where it cannot be read.
fn version_of(role: &RoleName, bytes: &Bytes) -> Version {
    fn of<T: Metadata>(role: &RoleName, bytes: &Bytes) -> Version {
        Received::<T>::parse(role, bytes.clone())
            .map_or(0, |received| received.unverified().version())
    }
    let version = match role.base() {
        Some(BaseRole::Root) => of::<Root>(role, bytes),
        Some(BaseRole::Snapshot) => of::<Snapshot>(role, bytes),
        Some(BaseRole::Timestamp) => of::<Timestamp>(role, bytes),
        Some(BaseRole::Targets) | None => of::<Targets>(role, bytes),
    };
    version.max(0)
}

/// From the newest timestamp to its snapshot and from there to everything else.
fn walk(
    documents: &BTreeMap<(RoleName, Version, Sha256), Option<Moment>>,
    objects: &BTreeMap<Sha256, Bytes>,
) -> BTreeMap<RoleName, Sha256> {
    let mut current = BTreeMap::new();
    let newest = |wanted: RoleName| {
        let of_role = documents.keys().filter(|(role, _, _)| *role == wanted);
        of_role.map(|(_, _, sha256)| *sha256).next_back()
    };
    let present: BTreeSet<(&RoleName, Sha256)> = documents
        .keys()
        .map(|(role, _, sha256)| (role, *sha256))
        .collect();
    let has = |wanted: &RoleName, digest: Sha256| present.contains(&(wanted, digest));
    let (timestamp, snapshot) = (RoleName::timestamp(), RoleName::snapshot());
    let digest_of = |hashes: &signet_tuf::Hashes| -> Option<Sha256> {
        let digest = hashes.digest(HashAlgorithm::Sha256)?;
        Some(Sha256(digest.try_into().ok()?))
    };
    let found = newest(timestamp.clone()).and_then(|sha256| {
        current.insert(timestamp.clone(), sha256);
        let bytes = objects.get(&sha256)?.clone();
        let received = Received::<Timestamp>::parse(&timestamp, bytes).ok()?;
        let named = digest_of(&received.unverified().snapshot()?.hashes)?;
        has(&snapshot, named).then_some(named)
    });
    let body = found.and_then(|sha256| {
        current.insert(snapshot.clone(), sha256);
        let bytes = objects.get(&sha256)?.clone();
        Some(
            Received::<Snapshot>::parse(&snapshot, bytes)
                .ok()?
                .unverified()
                .clone(),
        )
    });
    for (name, meta) in body.iter().flat_map(|body| &body.meta) {
        // No client follows more: what is beyond could not be judged.
        if current.len() >= MAX_ROLES {
            break;
        }
        if let Ok(role) = name.parse::<RoleName>()
            && role.base() != Some(BaseRole::Snapshot)
            && role.base() != Some(BaseRole::Timestamp)
            && let Some(sha256) = digest_of(&meta.hashes)
            && has(&role, sha256)
        {
            current.insert(role, sha256);
        }
    }
    // A root that no snapshot names is still what a client is shown first.
    if let Some(sha256) = newest(RoleName::root()) {
        current.entry(RoleName::root()).or_insert(sha256);
    }
    current
}
