//! From a trusted repository, or from what is wrong with it, to an inventory.

use std::collections::{BTreeMap, BTreeSet};

use signet_archive::{Moment, State};
use signet_tuf::rules::RuleError;
use signet_tuf::update::UnusableReason;
use signet_tuf::{
    BaseRole, Expiry, Gun, KeyId, PublicKey, RoleName, TrustPinning, TrustedRepository,
    UpdateError, Version,
};
use time::{OffsetDateTime, UtcOffset};

use super::at_hand::KeysAtHand;
use super::findings;
use super::key::{self, Strength};
use super::look::{Seen, state_of};
use super::model::{Captured, Certificate, Holder, Inventory, Key, Renewer, Role, RootTrust, Tag};

/// Nanoseconds of a day.
const DAY: i128 = 86_400_000_000_000;

/// What kind of source a repository was read from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceKind {
    /// A server, now: what it renews by itself must hold.
    Server,
    /// Documents of some earlier day: what a server renews by itself is over after two weeks, which says nothing of the repository.
    Stored,
}

/// Everything that an inventory is made of.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The repository.
    pub gun: &'a Gun,
    /// Where it was read, for people.
    pub source: String,
    /// What kind of source that is.
    pub kind: SourceKind,
    /// The moment as of which the repository was read.
    pub at: OffsetDateTime,
    /// What came of reading it.
    pub seen: &'a Seen,
    /// The state and its reason, where somebody else has judged: an archive has more than a client sees.
    pub judged: Option<(State, Option<String>)>,
    /// What held when an archive was made.
    pub captured: Option<Captured>,
    /// The pins, and the refusals of first use, that hold for the repository.
    pub pins: &'a [TrustPinning],
    /// The private keys on this machine.
    pub keys: &'a KeysAtHand,
}

impl Facts<'_> {
    /// Describes the repository.
    #[must_use]
    pub fn describe(self) -> Inventory {
        let (state, reason) = match self.judged {
            Some(judged) => judged,
            None => {
                let state = state_of(self.seen);
                (state, reason(self.seen, state))
            }
        };
        let mut inventory = Inventory {
            gun: self.gun.to_string(),
            source: self.source,
            at: Moment::of(self.at),
            state,
            reason,
            captured: self.captured,
            trust: None,
            root_version: None,
            valid_until: None,
            roles: Vec::new(),
            keys: Vec::new(),
            tags: Vec::new(),
            findings: Vec::new(),
        };
        let mut strengths = BTreeMap::new();
        if let Some(trusted) = &self.seen.trusted {
            inventory.trust = Some(trust(self.gun, self.pins));
            inventory.root_version = Some(trusted.root().version());
            inventory.tags = tags(trusted);
            let listed = listed_keys(trusted);
            strengths = strengths_of(&listed);
            inventory.keys = keys(&listed, self.keys);
            inventory.roles = roles(trusted, &listed, &inventory, self.at);
            let ends = inventory.roles.iter().filter(|role| role.usable);
            inventory.valid_until = ends.filter_map(|role| role.expires).min();
        }
        let expired_role = match &self.seen.error {
            Some(UpdateError::Rule(RuleError::Expired { role, .. })) => Some(role.to_string()),
            _ => None,
        };
        let hidden = self.seen.trusted.as_deref().map_or_else(Vec::new, removed);
        inventory.findings = findings::find(&findings::Asked {
            inventory: &inventory,
            kind: self.kind,
            expired_role: expired_role.as_deref(),
            strengths: &strengths,
            removed: &hidden,
            from_cache: self.kind == SourceKind::Server
                && self
                    .seen
                    .trusted
                    .as_ref()
                    .is_some_and(|trusted| trusted.is_from_cache()),
        });
        inventory
    }
}

fn reason(seen: &Seen, state: State) -> Option<String> {
    match (&seen.error, &seen.trusted) {
        (Some(error), _) => Some(error.to_string()),
        (None, Some(trusted)) if state == State::Degraded => {
            let mut reasons = trusted.unusable().iter();
            let (role, unusable) = reasons.next()?;
            let more = reasons.count();
            let first = format!("{role} cannot be used: {}", unusable.reason());
            Some(match more {
                0 => first,
                more => format!("{first}, and {more} more"),
            })
        }
        _ => None,
    }
}

fn trust(gun: &Gun, pins: &[TrustPinning]) -> RootTrust {
    if pins.iter().any(|pinning| pinning.pins(gun)) {
        RootTrust::Pinned
    } else if pins
        .iter()
        .any(|pinning| pinning.first_use == signet_tuf::FirstUse::Deny)
    {
        RootTrust::FirstUseDenied
    } else {
        RootTrust::FirstUse
    }
}

/// The moment that a document names. Documents may name moments that have no form in UTC.
fn moment(expiry: &Expiry) -> Option<Moment> {
    let utc = expiry.moment().checked_to_offset(UtcOffset::UTC)?;
    Some(Moment::of(utc))
}

fn tags(trusted: &TrustedRepository) -> Vec<Tag> {
    let mut found: BTreeMap<(String, String), Vec<RoleName>> = BTreeMap::new();
    for occurrence in trusted.all_occurrences(None) {
        let digest = occurrence.target.hashes.sha256_hex().unwrap_or_default();
        let roles = found.entry((occurrence.name, digest)).or_default();
        roles.push(occurrence.role);
    }
    let is_released =
        |role: &RoleName| *role == RoleName::targets() || *role == RoleName::releases();
    found
        .into_iter()
        .map(|((name, digest), roles)| Tag {
            name,
            digest,
            released: roles.iter().any(is_released),
            roles: roles.iter().map(ToString::to_string).collect(),
        })
        .collect()
}

/// A key as one role lists it.
struct Listed {
    role: RoleName,
    threshold: i64,
    paths: Vec<String>,
    keys: Vec<PublicKey>,
}

fn listed_keys(trusted: &TrustedRepository) -> Vec<Listed> {
    let root = trusted.root().body();
    let base = [
        BaseRole::Root,
        BaseRole::Targets,
        BaseRole::Snapshot,
        BaseRole::Timestamp,
    ];
    let mut all: Vec<Listed> = base
        .into_iter()
        .map(|base| {
            // As listed, also root keys whose certificates do not count: people must hear of them.
            let keys = root.role_keys(base);
            Listed {
                role: base.into(),
                threshold: keys.threshold(),
                paths: Vec::new(),
                keys: keys.keys().cloned().collect(),
            }
        })
        .collect();
    all.extend(trusted.delegations().into_iter().map(|found| Listed {
        role: found.role,
        threshold: found.threshold,
        paths: found.paths,
        keys: found.keys,
    }));
    all
}

fn strengths_of(listed: &[Listed]) -> BTreeMap<String, Strength> {
    let mut found = BTreeMap::new();
    for key in listed.iter().flat_map(|listed| &listed.keys) {
        let strength = key::strength(key);
        let worst: &mut Strength = found
            .entry(key.canonical_id().to_string())
            .or_insert(strength);
        *worst = (*worst).max(strength);
    }
    found
}

fn keys(listed: &[Listed], at_hand: &KeysAtHand) -> Vec<Key> {
    let mut found: BTreeMap<&KeyId, Key> = BTreeMap::new();
    let mut in_roles = BTreeSet::new();
    let mut carried = BTreeSet::new();
    for entry in listed {
        for key in &entry.keys {
            let id = key.canonical_id();
            let known = found.entry(id).or_insert_with(|| Key {
                id: id.to_string(),
                kind: key::kind(key),
                roles: Vec::new(),
                holder: Holder::Elsewhere,
                certificates: Vec::new(),
            });
            if in_roles.insert((id, &entry.role)) {
                known.roles.push(entry.role.to_string());
            }
            let by_server = matches!(
                entry.role.base(),
                Some(BaseRole::Timestamp | BaseRole::Snapshot)
            );
            known.holder = match at_hand.get(id) {
                Some(key) if key.encrypted => Holder::HereEncrypted,
                Some(_) => Holder::HereOpen,
                None if by_server => Holder::Server,
                None => known.holder,
            };
            if let Some(certificate) = key::certificate(key) {
                let (from, until) = certificate.validity();
                let certificate = Certificate {
                    common_name: certificate.common_name().to_owned(),
                    not_before: Moment::of(from),
                    not_after: Moment::of(until),
                };
                let is_new = carried.insert((
                    id,
                    certificate.common_name.clone(),
                    certificate.not_before,
                    certificate.not_after,
                ));
                if is_new {
                    known.certificates.push(certificate);
                }
            }
        }
    }
    found.into_values().collect()
}

fn roles(
    trusted: &TrustedRepository,
    listed: &[Listed],
    inventory: &Inventory,
    at: OffsetDateTime,
) -> Vec<Role> {
    let mut all: Vec<Role> = Vec::new();
    // Documents of other people's making are searched once, not once for each role or key.
    let mut known = BTreeSet::new();
    let by_server: BTreeSet<&str> = inventory
        .keys
        .iter()
        .filter(|key| key.holder == Holder::Server)
        .map(|key| key.id.as_str())
        .collect();
    let mut tags: BTreeMap<&str, u64> = BTreeMap::new();
    for tag in &inventory.tags {
        let roles: BTreeSet<&str> = tag.roles.iter().map(String::as_str).collect();
        for role in roles {
            *tags.entry(role).or_default() += 1;
        }
    }
    for entry in listed {
        let name = entry.role.as_str();
        if !known.insert(name) {
            continue;
        }
        let mut seen = BTreeSet::new();
        let ids: Vec<String> = entry
            .keys
            .iter()
            .map(PublicKey::canonical_id)
            .filter(|id| seen.insert(*id))
            .map(ToString::to_string)
            .collect();
        let (version, expires, mut problem) = document(trusted, &entry.role);
        let is_over = expires.as_ref().is_some_and(|expires| expires.is_over(at));
        if let Some(expires) = expires.as_ref().filter(|_| is_over && problem.is_none()) {
            problem = Some(format!("expired at {expires}"));
        }
        let held_by_server = |id: &String| by_server.contains(id.as_str());
        let renewed_by = match entry.role.base() {
            Some(BaseRole::Timestamp) => Renewer::Server,
            Some(BaseRole::Snapshot) if ids.iter().any(held_by_server) => Renewer::Server,
            _ => Renewer::Person,
        };
        // From the exact moments: what ended a fraction of a second ago is over.
        let days_left = expires.as_ref().and_then(|expires| {
            let left = (expires.moment() - at).whole_nanoseconds();
            i64::try_from(left.div_euclid(DAY)).ok()
        });
        let expires = expires.as_ref().and_then(moment);
        all.push(Role {
            name: name.to_owned(),
            version,
            threshold: entry.threshold,
            keys: ids,
            paths: entry.paths.clone(),
            expires,
            days_left,
            renewed_by,
            usable: problem.is_none(),
            problem,
            tags: tags.get(name).copied().unwrap_or_default(),
        });
    }
    all
}

/// Version and end of validity of a role's document, and what is wrong with it.
fn document(
    trusted: &TrustedRepository,
    role: &RoleName,
) -> (Option<Version>, Option<Expiry>, Option<String>) {
    let good = |version: Version, expires: &Expiry| (Some(version), Some(expires.clone()), None);
    match role.base() {
        Some(BaseRole::Root) => good(trusted.root().version(), trusted.root().expires()),
        Some(BaseRole::Snapshot) => {
            good(trusted.snapshot().version(), trusted.snapshot().expires())
        }
        Some(BaseRole::Timestamp) => {
            good(trusted.timestamp().version(), trusted.timestamp().expires())
        }
        Some(BaseRole::Targets) | None => match trusted.targets(role) {
            Some(document) => good(document.version(), document.expires()),
            None => match trusted.unusable().get(role).map(|found| found.reason()) {
                None => (None, None, None),
                Some(reason @ UnusableReason::Expired(expiry)) => {
                    (None, Some(expiry.clone()), Some(reason.to_string()))
                }
                Some(reason) => (None, None, Some(reason.to_string())),
            },
        },
    }
}

/// Delegations whose documents the snapshot still lists, although nobody delegates to them.
fn removed(trusted: &TrustedRepository) -> Vec<String> {
    let delegated: BTreeSet<RoleName> = trusted
        .delegations()
        .into_iter()
        .map(|found| found.role)
        .collect();
    let unusable: BTreeSet<&str> = trusted.unusable().keys().map(RoleName::as_str).collect();
    trusted
        .snapshot()
        .body()
        .meta
        .keys()
        .filter_map(|name| name.parse::<RoleName>().ok())
        .filter(|role| role.is_delegation() && !delegated.contains(role))
        // What hangs below a role that cannot be read is not known.
        .filter(|role| {
            let name = role.as_str();
            let mut above = name.match_indices('/');
            !above.any(|(end, _)| {
                name.get(..end)
                    .is_some_and(|above| unusable.contains(above))
            })
        })
        .map(|role| role.to_string())
        .collect()
}
