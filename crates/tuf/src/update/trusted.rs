//! A repository that passed every rule.

use std::collections::BTreeMap;

use crate::rules::{self, CertificateTime, RuleError};
use crate::{
    BaseRole, Expiry, Floors, Gun, Received, RoleKeys, RoleName, Root, Scope, Snapshot, Targets,
    Timestamp, Verified,
};

/// A whole repository that passed every rule: only it can be asked for a target, and only [`crate::Update`] makes one.
#[derive(Clone, Debug)]
pub struct TrustedRepository {
    pub(super) gun: Gun,
    pub(super) root: Verified<Root>,
    pub(super) timestamp: Verified<Timestamp>,
    pub(super) snapshot: Verified<Snapshot>,
    pub(super) targets: BTreeMap<RoleName, Verified<Targets>>,
    pub(super) unusable: BTreeMap<RoleName, Unusable>,
    pub(super) floors: Floors,
    pub(super) from_cache: bool,
    pub(super) scope: Scope,
}

/// A delegation whose document came but cannot be trusted. Only the editor's witness and renewal open it.
#[derive(Clone, Debug)]
pub struct Unusable {
    pub(super) received: Received<Targets>,
    pub(super) reason: UnusableReason,
}

/// Why a delegation's document cannot be trusted.
#[derive(Clone, Debug, PartialEq)]
pub enum UnusableReason {
    /// Its validity is over.
    Expired(Expiry),
    /// Too few of the role's keys signed it.
    Unsigned(crate::BelowThreshold),
}

impl std::fmt::Display for UnusableReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Expired(expiry) => write!(f, "expired at {expiry}"),
            Self::Unsigned(below) => below.fmt(f),
        }
    }
}

impl Unusable {
    /// Why.
    #[must_use]
    pub const fn reason(&self) -> &UnusableReason {
        &self.reason
    }

    /// The document. **Its signatures do not hold.**
    #[must_use]
    pub const fn received(&self) -> &Received<Targets> {
        &self.received
    }
}

impl TrustedRepository {
    /// The repository's name.
    #[must_use]
    pub const fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The trusted root.
    #[must_use]
    pub const fn root(&self) -> &Verified<Root> {
        &self.root
    }

    /// The newest timestamp.
    #[must_use]
    pub const fn timestamp(&self) -> &Verified<Timestamp> {
        &self.timestamp
    }

    /// The snapshot that the timestamp names.
    #[must_use]
    pub const fn snapshot(&self) -> &Verified<Snapshot> {
        &self.snapshot
    }

    /// The loaded document of `targets` or a delegation.
    #[must_use]
    pub fn targets(&self, role: &RoleName) -> Option<&Verified<Targets>> {
        self.targets.get(role)
    }

    /// Every loaded targets and delegation document.
    #[must_use]
    pub const fn all_targets(&self) -> &BTreeMap<RoleName, Verified<Targets>> {
        &self.targets
    }

    /// Delegations whose documents came but cannot be trusted.
    #[must_use]
    pub const fn unusable(&self) -> &BTreeMap<RoleName, Unusable> {
        &self.unusable
    }

    /// The version floors after this update, to be remembered.
    #[must_use]
    pub const fn floors(&self) -> &Floors {
        &self.floors
    }

    /// Whether this update can answer for `name`: one for a single target knows nothing of other names, because roles
    /// that could hold them were not loaded.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::For(target) => target == name,
        }
    }

    /// The first of `roles` that cannot be trusted now, so that what it says of a tag is unknown.
    ///
    /// Where an answer decides what runs, this must be asked before a later role of the list is believed: whoever keeps
    /// `targets/releases` from being read would otherwise bring back an older entry of `targets`.
    #[must_use]
    pub fn first_unusable<'r>(&self, roles: &'r [RoleName]) -> Option<(&'r RoleName, &Unusable)> {
        roles
            .iter()
            .find_map(|role| Some((role, self.unusable.get(role)?)))
    }

    /// Whether the server gave no timestamp, so that what is known may not be the newest.
    #[must_use]
    pub const fn is_from_cache(&self) -> bool {
        self.from_cache
    }

    /// The keys of a role: from root for base roles, else from the loaded parent.
    ///
    /// # Errors
    /// [`RuleError::NotDelegated`] when no loaded document delegates to it.
    pub fn role_keys(&self, role: &RoleName) -> Result<RoleKeys, RuleError> {
        match (role.base(), role.parent()) {
            (Some(BaseRole::Root), _) => Ok(rules::root_role_keys(
                self.root.body(),
                &self.gun,
                CertificateTime::Ignored,
            )),
            (Some(base), _) => Ok(self.root.body().role_keys(base)),
            (None, Some(parent)) => {
                let parent = self
                    .targets
                    .get(&parent)
                    .ok_or_else(|| RuleError::NotDelegated(role.clone()))?;
                rules::delegation_keys(parent.body(), role)
            }
            (None, None) => Err(RuleError::NotDelegated(role.clone())),
        }
    }

    /// The earliest end of validity among the four base roles and `role`: until then an answer from `role` holds.
    #[must_use]
    pub fn valid_until(&self, role: &RoleName) -> Expiry {
        let mut earliest = self.timestamp.expires();
        let mut consider = |expiry| {
            let earlier: &Expiry = expiry;
            if earlier.moment() < earliest.moment() {
                earliest = earlier;
            }
        };
        consider(self.snapshot.expires());
        consider(self.root.expires());
        let mut next = Some(role.clone());
        while let Some(role) = next {
            if let Some(targets) = self.targets.get(&role) {
                consider(targets.expires());
            }
            next = role.parent();
        }
        earliest.clone()
    }
}
