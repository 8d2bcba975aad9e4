//! What changed between two captures of a repository, and whether a client that knew the first would have taken the second.

use std::collections::BTreeMap;

use serde::Serialize;
use signet_tuf::update::Cached;
use signet_tuf::{BaseRole, FailureKind, RoleName, TrustPinning, TrustedRepository, Version};

use crate::contents::{Role, Tag, roles, tags};
use crate::drive::{Client, drive};
use crate::{ArchivedRepository, Sha256, State, judge};

/// A value before and after.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Changed<T> {
    /// Before; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<T>,
    /// After; absent where there is none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<T>,
}

impl<T: PartialEq> Changed<T> {
    fn between(old: Option<T>, new: Option<T>) -> Option<Self> {
        (old != new).then_some(Self { old, new })
    }
}

/// Something that must not happen to a repository whose owner and server are honest.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "alarm")]
pub enum Alarm {
    /// The document in force is older than it was.
    RolledBack {
        /// Whose document.
        role: String,
        /// Its version before.
        old: Version,
        /// And after.
        new: Version,
    },
    /// Two different documents have the same version: somebody was shown another history.
    Contradiction {
        /// Whose documents.
        role: String,
        /// Their version.
        version: Version,
        /// Digest of the one in the older archive.
        old: Sha256,
        /// Digest of the one in the newer archive.
        new: Sha256,
    },
    /// A client that had seen the first state refuses the second, although one that had seen nothing takes it.
    Refused {
        /// In the client's words.
        reason: String,
    },
}

/// What changed in a role.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RoleChange {
    /// Its name.
    pub role: String,
    /// Whether it was not there before, or is not there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// The version in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Changed<Version>>,
    /// The threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Changed<i64>>,
    /// IDs of keys that were not there before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys_added: Vec<String>,
    /// IDs of keys that are not there any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys_removed: Vec<String>,
    /// What it may sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Changed<Vec<String>>>,
    /// Why it cannot be trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<Changed<String>>,
}

/// Whether something came or went.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
}

/// What changed about a tag.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct TagChange {
    /// Its name.
    pub name: String,
    /// The entry.
    #[serde(flatten)]
    pub entry: Changed<Tag>,
}

/// Everything that changed in a repository.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// Its name.
    pub gun: String,
    /// Whether only one archive has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// Its state, as it was found now for the moment of each capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Changed<State>>,
    /// What must not happen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<Alarm>,
    /// Its roles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleChange>,
    /// Its tags; only where both states are trusted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagChange>,
}

impl Difference {
    /// A repository that only one archive has.
    #[must_use]
    pub fn presence(gun: &str, presence: Presence) -> Self {
        Self {
            gun: gun.to_owned(),
            presence: Some(presence),
            state: None,
            alarms: Vec::new(),
            roles: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// Compares two captures of the same repository; nothing when the same documents are in force, in the same state.
    #[must_use]
    pub fn between(old: &ArchivedRepository, new: &ArchivedRepository) -> Option<Self> {
        let before = judge(old, old.record.captured.time(), &TrustPinning::default());
        let after = judge(new, new.record.captured.time(), &TrustPinning::default());
        let (before_trusted, after_trusted) = (before.trusted.ok(), after.trusted.ok());
        let both = before_trusted.as_deref().zip(after_trusted.as_deref());
        let keys_are_same =
            |role: &RoleName| both.is_some_and(|(before, after)| same_keys(before, after, role));
        let mut alarms = contradictions(old, new, &|role| {
            both.is_none() || !role.is_delegation() || keys_are_same(role)
        });
        alarms.extend(roll_backs(old, new, &|role| {
            both.is_none() || role.base() == Some(BaseRole::Root) || keys_are_same(role)
        }));
        if let Some((before, _)) = both
            && let Some(reason) = refusal(before, new)
        {
            alarms.push(Alarm::Refused { reason });
        }
        let (role_changes, tag_changes) = match both {
            Some((before, after)) => (
                changed_roles(roles(before), roles(after)),
                changed_tags(tags(before), tags(after)),
            ),
            None => (changed_versions(old, new), Vec::new()),
        };
        let difference = Self {
            gun: new.record.gun.to_string(),
            presence: None,
            state: Changed::between(Some(before.verdict.state), Some(after.verdict.state)),
            alarms,
            roles: role_changes,
            tags: tag_changes,
        };
        let same_documents = old.record.current == new.record.current;
        let is_empty = difference.state.is_none()
            && difference.alarms.is_empty()
            && difference.roles.is_empty()
            && difference.tags.is_empty();
        (!is_empty || !same_documents).then_some(difference)
    }
}

/// What a client that remembers the first state says of the second.
fn refusal(before: &TrustedRepository, new: &ArchivedRepository) -> Option<String> {
    let mut client = Client::new(new.record.captured.time());
    client.cached = Cached {
        root: Some(before.root().raw().clone()),
        timestamp: Some(before.timestamp().raw().clone()),
        snapshot: Some(before.snapshot().raw().clone()),
        targets: before
            .all_targets()
            .iter()
            .map(|(role, targets)| (role.clone(), targets.raw().clone()))
            .collect(),
    };
    client.floors = before.floors().clone();
    match drive(new, client).trusted {
        Ok(_) => None,
        // Roots between the two that were not captured prove nothing against anybody, and nothing for the new one either.
        Err(error) if error.kind() == FailureKind::Violation => Some(error.to_string()),
        Err(error) => Some(format!("the way to the new root is not known: {error}")),
    }
}

fn same_keys(before: &TrustedRepository, after: &TrustedRepository, role: &RoleName) -> bool {
    let ids = |trusted: &TrustedRepository| {
        let keys = trusted.role_keys(role).ok()?;
        let mut ids: Vec<String> = keys.keys().map(|key| key.id().to_string()).collect();
        ids.sort_unstable();
        Some(ids)
    };
    ids(before).is_some_and(|before| ids(after) == Some(before))
}

/// Documents of the same role and version that differ. Version 0 stands for what cannot be read.
fn contradictions(
    old: &ArchivedRepository,
    new: &ArchivedRepository,
    counts: &dyn Fn(&RoleName) -> bool,
) -> Vec<Alarm> {
    let mut known: BTreeMap<(&RoleName, Version), Vec<Sha256>> = BTreeMap::new();
    for document in &old.record.documents {
        let key = (&document.role, document.version);
        known.entry(key).or_default().push(document.sha256);
    }
    let mut alarms = Vec::new();
    for document in new.record.documents.iter().filter(|d| d.version > 0) {
        let Some(digests) = known.get(&(&document.role, document.version)) else {
            continue;
        };
        if let Some(first) = digests.first()
            && !digests.contains(&document.sha256)
            && counts(&document.role)
        {
            alarms.push(Alarm::Contradiction {
                role: document.role.to_string(),
                version: document.version,
                old: *first,
                new: document.sha256,
            });
        }
    }
    alarms
}

/// Documents in force that are older than before.
fn roll_backs(
    old: &ArchivedRepository,
    new: &ArchivedRepository,
    counts: &dyn Fn(&RoleName) -> bool,
) -> Vec<Alarm> {
    let after = versions(new);
    versions(old)
        .into_iter()
        .filter_map(|(role, old)| Some((role, old, *after.get(role)?)))
        .filter(|(role, old, new)| new < old && counts(role))
        .map(|(role, old, new)| Alarm::RolledBack {
            role: role.to_string(),
            old,
            new,
        })
        .collect()
}

/// The versions of the documents that the source gave as the current ones.
fn versions(repository: &ArchivedRepository) -> BTreeMap<&RoleName, Version> {
    let record = &repository.record;
    record
        .documents
        .iter()
        .filter(|document| record.current.get(&document.role) == Some(&document.sha256))
        .map(|document| (&document.role, document.version))
        .collect()
}

/// Where the roles themselves are not known, the versions of their documents are.
fn changed_versions(old: &ArchivedRepository, new: &ArchivedRepository) -> Vec<RoleChange> {
    let (before, after) = (versions(old), versions(new));
    let mut names: Vec<&RoleName> = before.keys().chain(after.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|role| {
            let old = before.get(role).copied();
            let new = after.get(role).copied();
            Changed::between(old, new).map(|version| RoleChange {
                role: role.to_string(),
                presence: None,
                version: Some(version),
                threshold: None,
                keys_added: Vec::new(),
                keys_removed: Vec::new(),
                paths: None,
                unusable: None,
            })
        })
        .collect()
}

fn changed_roles(before: Vec<Role>, after: Vec<Role>) -> Vec<RoleChange> {
    let (order, pairs) = pair(before, after, |role| &role.name);
    order
        .into_iter()
        .filter_map(|name| {
            let (old, new) = pairs.get(&name)?;
            (old != new).then(|| changed_role(name, old.as_ref(), new.as_ref()))
        })
        // A document with the same version and another end of validity is a contradiction, which is said elsewhere.
        .filter(|change| !change.is_empty())
        .collect()
}

impl RoleChange {
    fn is_empty(&self) -> bool {
        self.presence.is_none()
            && self.version.is_none()
            && self.threshold.is_none()
            && self.keys_added.is_empty()
            && self.keys_removed.is_empty()
            && self.paths.is_none()
            && self.unusable.is_none()
    }
}

fn changed_role(role: String, old: Option<&Role>, new: Option<&Role>) -> RoleChange {
    let ids = |role: Option<&Role>| -> Vec<String> {
        let keys = role.map(|role| role.keys.as_slice()).unwrap_or_default();
        keys.iter().map(|key| key.id.clone()).collect()
    };
    let (before, after) = (ids(old), ids(new));
    let without = |some: &[String], others: &[String]| {
        let some = some.iter().filter(|id| !others.contains(id));
        some.cloned().collect()
    };
    RoleChange {
        role,
        presence: presence(old, new),
        version: Changed::between(
            old.and_then(|role| role.version),
            new.and_then(|role| role.version),
        ),
        threshold: Changed::between(
            old.map(|role| role.threshold),
            new.map(|role| role.threshold),
        ),
        keys_added: without(&after, &before),
        keys_removed: without(&before, &after),
        paths: Changed::between(
            old.map(|role| role.paths.clone()).filter(|p| !p.is_empty()),
            new.map(|role| role.paths.clone()).filter(|p| !p.is_empty()),
        ),
        unusable: Changed::between(
            old.and_then(|role| role.unusable.clone()),
            new.and_then(|role| role.unusable.clone()),
        ),
    }
}

fn changed_tags(before: Vec<Tag>, after: Vec<Tag>) -> Vec<TagChange> {
    let (order, mut pairs) = pair(before, after, |tag| &tag.name);
    order
        .into_iter()
        .filter_map(|name| {
            let (old, new) = pairs.remove(&name)?;
            // Until when a tag holds changes whenever anything is signed again.
            let says = |tag: &Tag| {
                let signers = tag.signers.clone();
                (tag.digest.clone(), tag.size, tag.role.clone(), signers)
            };
            (old.as_ref().map(says) != new.as_ref().map(says)).then_some(TagChange {
                name,
                entry: Changed { old, new },
            })
        })
        .collect()
}

const fn presence<T>(old: Option<&T>, new: Option<&T>) -> Option<Presence> {
    match (old, new) {
        (None, Some(_)) => Some(Presence::Added),
        (Some(_), None) => Some(Presence::Removed),
        _ => None,
    }
}

type Pairs<T> = BTreeMap<String, (Option<T>, Option<T>)>;

/// Brings together what has the same name: the names in the order in which they come up, and what they stand for on either side.
fn pair<T>(before: Vec<T>, after: Vec<T>, name: impl Fn(&T) -> &String) -> (Vec<String>, Pairs<T>) {
    let mut order = Vec::new();
    let mut pairs: Pairs<T> = BTreeMap::new();
    for old in before {
        let key = name(&old).clone();
        order.push(key.clone());
        pairs.entry(key).or_default().0 = Some(old);
    }
    for new in after {
        let key = name(&new).clone();
        if !pairs.contains_key(&key) {
            order.push(key.clone());
        }
        pairs.entry(key).or_default().1 = Some(new);
    }
    (order, pairs)
}
