//! What an archived repository amounts to, in a form that can be printed and compared.

use std::collections::BTreeMap;

use serde::Serialize;
use signet_tuf::metadata::Root;
use signet_tuf::{
    BaseRole, Expiry, FoundTarget, MetadataPath, PublicKey, Received, RoleName, TrustedRepository,
    Version,
};

use crate::{ArchivedRepository, Change, Document, Moment, Request, Sha256, Source, Verdict};

/// Everything that there is to say of an archived repository.
#[derive(Clone, Debug, Serialize)]
pub struct Contents {
    /// Its name.
    pub gun: String,
    /// Where it was captured.
    pub source: Source,
    /// When.
    pub captured: Moment,
    /// The verdict, as it was found now.
    pub verdict: Verdict,
    /// The verdict that the archive records, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Verdict>,
    /// The roles; none where the repository is not trusted.
    pub roles: Vec<Role>,
    /// Every root that is there, the oldest first. What they say of themselves; the verdict says how far they follow from one another.
    pub roots: Vec<RootVersion>,
    /// The tags; none where the repository is not trusted.
    pub tags: Vec<Tag>,
    /// The documents.
    pub documents: Vec<Document>,
    /// What the source was asked for.
    pub requests: Vec<Request>,
    /// What the source's changefeed says.
    pub changes: Vec<Change>,
}

/// A key of a role.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Key {
    /// The ID in metadata, which pins use; for root keys that of the certificate.
    pub id: String,
    /// The ID of the bare key, which key files and key lists use, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bare: Option<String>,
    /// Its type.
    pub kind: String,
}

/// A role of a trusted repository.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// How many keys must sign.
    pub threshold: i64,
    /// Its keys, in the order of their IDs.
    pub keys: Vec<Key>,
    /// Version of its document; absent where it has none, or none that can be trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Until when its document holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// Why its document cannot be trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// The beginnings of names that it may sign; for delegations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// What one root says.
#[derive(Clone, Debug, Serialize)]
pub struct RootVersion {
    /// Its version.
    pub version: Version,
    /// Digest of the document.
    pub sha256: Sha256,
    /// Whether it is the one in force.
    pub current: bool,
    /// How many root keys must sign.
    pub threshold: i64,
    /// Its root keys.
    pub keys: Vec<Key>,
    /// Until when it holds.
    pub expires: Expiry,
}

/// A tag.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// What it stands for, with `sha256:` in front; absent for an entry without SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Size of the manifest in bytes.
    pub size: i64,
    /// The role whose entry counts.
    pub role: String,
    /// Whether that role releases tags, as docker sees it: `targets/releases`, else `targets`.
    pub released: bool,
    /// The other roles that list the tag with the same digest: who signed it.
    pub signers: Vec<String>,
    /// Until when that holds.
    pub valid_until: Expiry,
}

impl Contents {
    /// Looks at a repository. `verdict` and `trusted` are those of its judgement.
    #[must_use]
    pub fn new(
        repository: &ArchivedRepository,
        verdict: Verdict,
        trusted: Option<&TrustedRepository>,
    ) -> Self {
        let record = &repository.record;
        Self {
            gun: record.gun.to_string(),
            source: record.source.clone(),
            captured: record.captured,
            recorded: (!record.verdict.agrees(&verdict)).then(|| record.verdict.clone()),
            verdict,
            roles: trusted.map(roles).unwrap_or_default(),
            roots: roots(repository),
            tags: trusted.map(tags).unwrap_or_default(),
            documents: record.documents.clone(),
            requests: record.requests.clone(),
            changes: record.changes.clone(),
        }
    }
}

/// The roles of a trusted repository: root, targets, snapshot, timestamp, then the delegations in the order in which they are walked.
#[must_use]
pub fn roles(trusted: &TrustedRepository) -> Vec<Role> {
    let mut roles = Vec::new();
    for base in BaseRole::ALL {
        let name = RoleName::from(base);
        let (version, expires) = match base {
            BaseRole::Root => (trusted.root().version(), trusted.root().expires()),
            BaseRole::Snapshot => (trusted.snapshot().version(), trusted.snapshot().expires()),
            BaseRole::Timestamp => (trusted.timestamp().version(), trusted.timestamp().expires()),
            BaseRole::Targets => match trusted.targets(&name) {
                Some(targets) => (targets.version(), targets.expires()),
                None => continue,
            },
        };
        let keys = trusted.root().body().role_keys(base);
        roles.push(Role {
            name: name.to_string(),
            threshold: keys.threshold(),
            keys: sorted(keys.keys()),
            version: Some(version),
            expires: Some(expires.clone()),
            unusable: None,
            paths: Vec::new(),
        });
    }
    for delegation in trusted.delegations() {
        let document = trusted.targets(&delegation.role);
        let unusable = trusted.unusable().get(&delegation.role);
        roles.push(Role {
            name: delegation.role.to_string(),
            threshold: delegation.threshold,
            keys: sorted(delegation.keys.iter()),
            version: document.map(signet_tuf::Verified::version),
            expires: document.map(|document| document.expires().clone()),
            unusable: unusable.map(|unusable| unusable.reason().to_string()),
            paths: delegation.paths,
        });
    }
    roles
}

/// The tags of a trusted repository by name: each as docker looks it up, or as the first role lists it where nobody has released it.
#[must_use]
pub fn tags(trusted: &TrustedRepository) -> Vec<Tag> {
    let mut listed: BTreeMap<(String, Option<String>), Vec<RoleName>> = BTreeMap::new();
    for found in trusted.all_occurrences(None) {
        let entry = listed.entry((found.name.clone(), digest(&found)));
        entry.or_default().push(found.role);
    }
    let order = [RoleName::releases(), RoleName::targets()];
    let found = trusted.list(&order).into_iter();
    found
        .map(|found| {
            let digest = digest(&found);
            let key = (found.name, digest);
            let others = listed.get(&key).into_iter().flatten();
            let signers = others
                .filter(|role| !order.contains(role))
                .map(ToString::to_string)
                .collect();
            let (name, digest) = key;
            Tag {
                name,
                digest,
                size: found.target.length,
                released: order.contains(&found.role),
                role: found.role.to_string(),
                signers,
                valid_until: found.valid_until,
            }
        })
        .collect()
}

fn digest(found: &FoundTarget) -> Option<String> {
    let hex = found.target.hashes.sha256_hex()?;
    Some(format!("sha256:{hex}"))
}

fn roots(repository: &ArchivedRepository) -> Vec<RootVersion> {
    let role = RoleName::root();
    let current = repository.record.current.get(&role);
    repository
        .documents(&role)
        .filter_map(|document| {
            let bytes = repository.objects.get(&document.sha256)?.clone();
            let root = Received::<Root>::parse(&role, bytes).ok()?;
            let keys = root.unverified().role_keys(BaseRole::Root);
            Some(RootVersion {
                version: document.version,
                sha256: document.sha256,
                current: current == Some(&document.sha256),
                threshold: keys.threshold(),
                keys: sorted(keys.keys()),
                expires: root.unverified().expires.clone(),
            })
        })
        .collect()
}

/// Threshold and keys of the role root, as the current root lists them. Nothing is verified here.
#[must_use]
pub fn root_keys(repository: &ArchivedRepository) -> Option<(i64, Vec<Key>)> {
    let role = RoleName::root();
    let (_, bytes) = repository.document(&MetadataPath::Current(role.clone()))?;
    let root = Received::<Root>::parse(&role, bytes.clone()).ok()?;
    let keys = root.unverified().role_keys(BaseRole::Root);
    Some((keys.threshold(), sorted(keys.keys())))
}

fn sorted<'a>(keys: impl Iterator<Item = &'a PublicKey>) -> Vec<Key> {
    let mut keys: Vec<Key> = keys
        .map(|key| Key {
            id: key.id().to_string(),
            bare: (key.canonical_id() != key.id()).then(|| key.canonical_id().to_string()),
            kind: key.kind().to_string(),
        })
        .collect();
    keys.sort();
    keys
}
