//! The changes that are staged, and which of them a publish would refuse.

use std::collections::BTreeSet;

use signet_client::inventory::KeysAtHand;
use signet_client::{Edit, Repository};
use signet_tuf::update::UnusableReason;
use signet_tuf::{BaseRole, RoleName, TrustedRepository};

use super::Report;
use crate::texts::notary as texts;
use crate::ui::report::{Failure, with_sources};

/// Most changes that are told one by one.
const MOST_TOLD: usize = 50;

pub(super) fn examine(
    repository: &Repository,
    trusted: Option<&TrustedRepository>,
    keys: &KeysAtHand,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let gun = repository.gun().as_str();
    let Some(changelist) = repository.changelist() else {
        return Ok(());
    };
    let changes = match changelist.list() {
        Ok(changes) => changes,
        Err(error) => {
            return report.problem("staged", with_sources(&error), texts::DOCTOR_MEND_MODE);
        }
    };
    if changes.is_empty() {
        return report.ok("staged", texts::DOCTOR_NOTHING_STAGED);
    }
    report.warning(
        "staged",
        texts::doctor_staged(changes.len()),
        texts::doctor_publish(gun),
    )?;
    let mut outlook = Outlook {
        gun,
        trusted,
        keys,
        added: BTreeSet::new(),
        told: BTreeSet::new(),
    };
    let mut told = 0;
    for (number, staged) in changes.into_iter().enumerate() {
        let edit = staged.change.and_then(|change| change.edit());
        let problem = match &edit {
            Ok(edit) => outlook.problem(edit),
            Err(error) => Some((with_sources(error), String::new())),
        };
        let Some((text, advice)) = problem else {
            continue;
        };
        told += 1;
        if told > MOST_TOLD {
            break;
        }
        let drop = texts::doctor_drop_change(gun, number);
        let advice = if advice.is_empty() {
            drop
        } else {
            texts::doctor_or(&advice, &drop)
        };
        report.problem("staged", texts::doctor_change(number, &text), advice)?;
    }
    Ok(())
}

/// What a publish of the changes would find.
struct Outlook<'a> {
    gun: &'a str,
    trusted: Option<&'a TrustedRepository>,
    keys: &'a KeysAtHand,
    /// Delegations that earlier changes add or alter.
    added: BTreeSet<RoleName>,
    /// Roles without a key here, which one line says for all changes of them.
    told: BTreeSet<RoleName>,
}

impl Outlook<'_> {
    /// Why a publish would refuse a change, and what helps.
    fn problem(&mut self, edit: &Edit) -> Option<(String, String)> {
        let trusted = self.trusted?;
        match edit {
            Edit::AddTarget { role, name, .. } => self
                .target(trusted, role, Some(name))
                .or_else(|| self.signer(trusted, role)),
            Edit::RemoveTarget { role, .. } => self
                .target(trusted, role, None)
                .or_else(|| self.signer(trusted, role)),
            Edit::Witness { role } => self
                .unknown(trusted, role)
                .or_else(|| self.signer(trusted, role)),
            Edit::AddDelegation { role, .. } => {
                self.added.insert(role.clone());
                self.parent(trusted, role)
            }
            Edit::ChangeDelegation { role, .. } => {
                let unknown = self.unknown(trusted, role);
                self.added.insert(role.clone());
                unknown.or_else(|| self.parent(trusted, role))
            }
            Edit::RemoveDelegation { role } => self.parent(trusted, role),
            _ => None,
        }
    }

    fn unknown(&self, trusted: &TrustedRepository, role: &RoleName) -> Option<(String, String)> {
        let is_known = !role.is_delegation()
            || self.added.contains(role)
            || trusted
                .delegations()
                .iter()
                .any(|found| found.role == *role);
        (!is_known).then(|| {
            (
                texts::doctor_no_such_role(role.as_str()),
                texts::doctor_add_role(self.gun, role.as_str()),
            )
        })
    }

    fn target(
        &self,
        trusted: &TrustedRepository,
        role: &RoleName,
        name: Option<&String>,
    ) -> Option<(String, String)> {
        if let Some(problem) = self.unknown(trusted, role) {
            return Some(problem);
        }
        // Earlier changes may mend what follows.
        if !role.is_delegation() || self.added.contains(role) {
            return None;
        }
        let delegations = trusted.delegations();
        let found = delegations.iter().find(|found| found.role == *role)?;
        if let Some(name) = name.filter(|name| !found.effective.allow(name)) {
            return Some((
                texts::doctor_outside(name, role.as_str(), &found.paths),
                texts::doctor_add_path(self.gun, role.as_str(), name),
            ));
        }
        let unusable = trusted.unusable().get(role)?;
        matches!(unusable.reason(), UnusableReason::Unsigned(_)).then(|| {
            (
                texts::doctor_unusable(role.as_str(), &unusable.reason().to_string()),
                texts::doctor_witness(self.gun, role.as_str()),
            )
        })
    }

    /// The role that lists the delegation must be signed.
    fn parent(&mut self, trusted: &TrustedRepository, role: &RoleName) -> Option<(String, String)> {
        let parent = role.parent()?;
        self.signer(trusted, &parent)
    }

    fn signer(&mut self, trusted: &TrustedRepository, role: &RoleName) -> Option<(String, String)> {
        if self.added.contains(role) || self.told.contains(role) {
            return None;
        }
        let of_role = trusted.role_keys(role).ok()?;
        let here = of_role
            .keys()
            .filter(|key| self.keys.get(key.canonical_id()).is_some())
            .count();
        let needed = usize::try_from(of_role.threshold()).unwrap_or(usize::MAX);
        if here >= needed {
            return None;
        }
        self.told.insert(role.clone());
        let ids: Vec<&str> = of_role
            .keys()
            .map(|key| key.canonical_id().as_str())
            .collect();
        let named = match role.base() {
            Some(BaseRole::Targets) => format!("-r targets -g {}", self.gun),
            _ => "-r delegation".to_owned(),
        };
        Some((
            texts::doctor_no_key(role.as_str(), here, needed, &ids),
            texts::doctor_import(&named),
        ))
    }
}
