//! Documents that are signed again as they are, before or after their validity has ended (specification, `tuf.md` section 14.2).
//!
//! Go refuses to build on what has expired, so that its owners cannot renew it. Here whoever holds a role's keys can, and only what these keys
//! vouch for is signed again: an update for writing admits expired documents and nothing else that is wrong with them, and none that is older
//! than what this client has seen.

use signet_tuf::editor::EditError;
use signet_tuf::rules::{self, CertificateTime};
use signet_tuf::update::{Mode, Scope, UnusableReason};
use signet_tuf::{BaseRole, Expiry, KeyId, RoleKeys, RoleName, TrustedRepository, Version};

use crate::publish::present;
use crate::{Error, PublishOptions, Published, Repository, sign};

/// A document that is signed again as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Renewed {
    /// The role.
    pub role: RoleName,
    /// When its present validity ends or ended.
    pub expires: Expiry,
    /// Its present version.
    pub version: Version,
    /// How many targets it lists.
    pub targets: usize,
}

/// A document that expired or soon will, and that cannot be signed here.
#[derive(Clone, Debug)]
pub struct Left {
    /// The role.
    pub role: RoleName,
    /// Its present version.
    pub version: Version,
    /// When its validity ends or ended.
    pub expires: Expiry,
    /// Canonical IDs of the keys that may sign it.
    pub keys: Vec<KeyId>,
    /// Whether its present signatures do not hold, so that time is not what is wrong.
    pub unsigned: bool,
}

/// What a renewal would sign, and what it leaves to others.
#[derive(Clone, Debug)]
pub struct RenewalPlan {
    /// Documents that are signed again.
    pub renewed: Vec<Renewed>,
    /// Documents that somebody else has to sign again.
    pub left: Vec<Left>,
    /// Whether this computer remembered nothing of the repository: then it cannot tell an old state from the newest one.
    pub never_seen: bool,
    options: PublishOptions,
}

/// A document whose end is looked at.
pub(crate) struct Due {
    pub(crate) role: RoleName,
    expires: Expiry,
    unsigned: bool,
}

impl Due {
    pub(crate) fn new(role: impl Into<RoleName>, expires: &Expiry) -> Self {
        Self {
            role: role.into(),
            expires: expires.clone(),
            unsigned: false,
        }
    }

    /// `targets` and all delegations, also those that cannot be trusted as they are.
    pub(crate) fn signed_by_people(trusted: &TrustedRepository) -> Vec<Self> {
        let usable = trusted
            .all_targets()
            .iter()
            .map(|(role, document)| Self::new(role.clone(), document.expires()));
        let unusable = trusted.unusable().iter().map(|(role, unusable)| Self {
            unsigned: matches!(unusable.reason(), UnusableReason::Unsigned(_)),
            ..Self::new(role.clone(), &unusable.received().unverified().expires)
        });
        usable.chain(unusable).collect()
    }

    /// Whether something has to be done within six months, as far as time is concerned.
    pub(crate) fn is_pressing(&self, now: time::OffsetDateTime) -> bool {
        self.unsigned || self.expires.is_near(now)
    }
}

impl Repository {
    /// Looks at what could be renewed: these roles, or without any all whose validity ends within six months or has ended. Nothing is changed.
    ///
    /// # Errors
    /// [`Error`]; [`EditError::UnknownRole`] for a role that the repository does not have.
    pub async fn plan_renewal(&mut self, roles: &[RoleName]) -> Result<RenewalPlan, Error> {
        let never_seen = !self.remembers_root()?;
        let now = self.clock.now();
        let trusted = self.update(Mode::Write, Scope::All).await?;
        let mut due = vec![
            Due::new(BaseRole::Root, trusted.root().expires()),
            Due::new(BaseRole::Snapshot, trusted.snapshot().expires()),
        ];
        due.extend(Due::signed_by_people(trusted));
        if roles.is_empty() {
            due.retain(|due| due.is_pressing(now));
        } else {
            // The server renews it by itself; who asks is told so.
            due.push(Due::new(BaseRole::Timestamp, trusted.timestamp().expires()));
            let known = |role: &RoleName| due.iter().any(|due| due.role == *role);
            if let Some(unknown) = roles.iter().find(|role| !known(role)) {
                return Err(EditError::UnknownRole(unknown.clone()).into());
            }
            due.retain(|due| roles.contains(&due.role));
        }
        due.sort_by_key(|due| order(&due.role));
        let Some((mode, scope, trusted)) = self.trusted.take() else {
            return Err(Error::NoTrustData {
                server: self.remote.host().to_owned(),
                gun: self.gun.clone(),
            });
        };
        let mut options = PublishOptions::default();
        let planned = self.plan_documents(&trusted, due, &mut options);
        self.trusted = Some((mode, scope, trusted));
        let (renewed, left) = planned?;
        // Nobody was shown anything: what others publish meanwhile is renewed with it.
        options.as_shown.clear();
        // Whose keys are elsewhere does not keep the rest from being renewed.
        if !options.renew.contains(&RoleName::targets()) {
            options.leave_expired.push(RoleName::targets());
        }
        Ok(RenewalPlan {
            renewed,
            left,
            never_seen,
            options,
        })
    }

    /// Signs and publishes what `plan` says.
    ///
    /// # Errors
    /// As [`Repository::publish`].
    pub async fn renew(&mut self, plan: &RenewalPlan) -> Result<Published, Error> {
        self.publish(&[], plan.options.clone()).await
    }

    /// Divides documents into those whose keys are at hand and those of others, and says so in the options of a publish.
    pub(crate) fn plan_documents(
        &self,
        trusted: &TrustedRepository,
        due: Vec<Due>,
        options: &mut PublishOptions,
    ) -> Result<(Vec<Renewed>, Vec<Left>), Error> {
        let (mut renewed, mut left) = (Vec::new(), Vec::new());
        for Due {
            role,
            expires,
            unsigned,
        } in due
        {
            let keys = match role.base() {
                Some(BaseRole::Root) => {
                    let time = CertificateTime::At(self.clock.now());
                    Some(rules::root_role_keys(
                        trusted.root().body(),
                        &self.gun,
                        time,
                    ))
                }
                _ => trusted.role_keys(&role).ok(),
            };
            let (version, targets) = summary(trusted, &role);
            let at_hand = match &keys {
                Some(keys) if !unsigned => self.holds_enough(keys)?,
                _ => false,
            };
            if !at_hand {
                options.leave_expired.push(role.clone());
                left.push(Left {
                    role,
                    version,
                    expires,
                    keys: keys.as_ref().map(ids).unwrap_or_default(),
                    unsigned,
                });
                continue;
            }
            // The one that is shown is signed again, and no other.
            if let Some(bytes) = present(trusted, &role) {
                options.as_shown.insert(role.clone(), bytes.clone());
            }
            options.renew.push(role.clone());
            options.always_snapshot |= role == RoleName::snapshot();
            renewed.push(Renewed {
                role,
                expires,
                version,
                targets,
            });
        }
        Ok((renewed, left))
    }

    /// Whether so many of the role's keys are at hand that they can sign alone. No key is opened.
    pub(crate) fn holds_enough(&self, keys: &RoleKeys) -> Result<bool, Error> {
        let mut held = 0;
        for id in ids(keys) {
            held += i64::from(sign::holds(self.keys.as_ref(), &id)?);
        }
        Ok(held > 0 && held >= keys.threshold())
    }
}

/// Root first, then what hangs on it.
fn order(role: &RoleName) -> (usize, String) {
    let rank = match role.base() {
        Some(BaseRole::Root) => 0,
        Some(BaseRole::Targets) => 1,
        None => 2,
        Some(BaseRole::Snapshot) => 3,
        Some(BaseRole::Timestamp) => 4,
    };
    (rank, role.to_string())
}

/// A document's version and number of targets.
fn summary(trusted: &TrustedRepository, role: &RoleName) -> (Version, usize) {
    match role.base() {
        Some(BaseRole::Root) => (trusted.root().version(), 0),
        Some(BaseRole::Snapshot) => (trusted.snapshot().version(), 0),
        Some(BaseRole::Timestamp) => (trusted.timestamp().version(), 0),
        Some(BaseRole::Targets) | None => {
            let document = match (trusted.targets(role), trusted.unusable().get(role)) {
                (Some(document), _) => Some(document.body()),
                (None, Some(expired)) => Some(expired.received().unverified()),
                (None, None) => None,
            };
            document.map_or((0, 0), |document| {
                (document.version, document.targets.len())
            })
        }
    }
}

/// Canonical IDs, each once.
pub(crate) fn ids(keys: &RoleKeys) -> Vec<KeyId> {
    let mut found: Vec<KeyId> = Vec::new();
    for key in keys.keys() {
        if !found.contains(key.canonical_id()) {
            found.push(key.canonical_id().clone());
        }
    }
    found
}
