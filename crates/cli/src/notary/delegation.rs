//! `notary delegation`: who may sign for whom.

pub(super) mod add;
pub(super) mod list;
pub(super) mod purge;
pub(super) mod remove;

use signet_client::Repository;
use signet_client::delegations::KnownDelegations;
use signet_tuf::RoleName;

use crate::texts::notary as texts;

/// What is known of the delegations on this machine. Nothing depends on it but warnings, so a trust folder in disorder is no error here.
pub(super) fn known(repository: &Repository) -> Option<KnownDelegations> {
    repository.known_delegations().ok().flatten()
}

/// Warns of a role that may be mistyped; whether it is known.
pub(super) fn is_known(repository: &Repository, known: &KnownDelegations, role: &RoleName) -> bool {
    let is_known = !role.is_delegation() || known.has(role);
    if !is_known {
        let gun = repository.gun().as_str();
        tracing::warn!("{}", texts::role_not_remembered(gun, role.as_str()));
    }
    is_known
}
