//! Edits of delegations (specification, `tuf.md` section 14.4).

use std::collections::BTreeSet;

use super::{Changed, EditError, EditWarning, RepositoryEditor, UnusableKey};
use crate::certificate::parse_pem_certificates;
use crate::crypto::{self, SpkiKind};
use crate::{Delegation, KeyId, KeyKind, PublicKey, RoleName, Targets};
use crate::{canonical, rules};

impl RepositoryEditor<'_> {
    /// Adds keys to a delegation, which is created with `threshold` when it does not exist; an existing one keeps its
    /// threshold. Keys are appended in the order given, without duplicates; a new delegation comes last in its parent.
    ///
    /// # Errors
    /// [`EditError::NotDelegated`] naming the parent when that does not exist, [`EditError::NoKeys`] for a new
    /// delegation without keys, [`EditError::UnusableKey`] for a key that no verifier accepts.
    pub fn add_delegation_keys(
        &mut self,
        role: &RoleName,
        keys: &[PublicKey],
        threshold: i64,
    ) -> Result<Changed, EditError> {
        let parent = self.parent_of(role)?;
        check_delegation(role, keys, &[])?;
        let document = self.document(&parent)?;
        let delegations = &document.body.delegations;
        match delegations.find(role) {
            Some(entry) => {
                let listed = entry.keyids.as_deref().unwrap_or_default();
                if keys.iter().all(|key| listed.contains(key.id())) {
                    return Ok(Changed::No);
                }
            }
            None if keys.is_empty() => return Err(EditError::NoKeys(role.clone())),
            None if threshold < 1 => {
                return Err(EditError::Threshold {
                    role: role.clone(),
                    threshold,
                });
            }
            None => {}
        }
        let body = document.change();
        let new = body.delegations.find(role).is_none();
        if new {
            body.delegations
                .roles
                .get_or_insert_default()
                .push(Some(Delegation {
                    keyids: Some(Vec::new()),
                    name: role.to_string(),
                    paths: Vec::new(),
                    threshold,
                }));
        }
        if let Some(entry) = entry_mut(body, role) {
            let listed = entry.keyids.get_or_insert_default();
            for key in keys {
                if !listed.contains(key.id()) {
                    listed.push(key.id().clone());
                }
            }
        }
        body.delegations
            .keys
            .extend(keys.iter().map(|key| (key.id().clone(), key.clone())));
        if new {
            self.created.insert(role.clone());
        }
        Ok(Changed::Yes)
    }

    /// Adds paths to an existing delegation, in the order given, without duplicates.
    ///
    /// # Errors
    /// [`EditError::NoKeys`] when the delegation does not exist, [`EditError::InvalidPaths`] when the parent may not
    /// sign what a path covers.
    pub fn add_delegation_paths(
        &mut self,
        role: &RoleName,
        paths: &[String],
    ) -> Result<Changed, EditError> {
        let parent = self.parent_of(role)?;
        let covered = self.effective_paths(&parent)?;
        let document = self.document(&parent)?;
        let Some(entry) = document.body.delegations.find(role) else {
            return Err(EditError::NoKeys(role.clone()));
        };
        check_delegation(role, &[], paths)?;
        for path in paths {
            if !covered.allow(path) {
                return Err(EditError::InvalidPaths(role.clone()));
            }
        }
        if paths.iter().all(|path| entry.paths.contains(path)) {
            return Ok(Changed::No);
        }
        if let Some(entry) = entry_mut(document.change(), role) {
            for path in paths {
                if !entry.paths.contains(path) {
                    entry.paths.push(path.clone());
                }
            }
        }
        Ok(Changed::Yes)
    }

    /// Removes keys, named by their canonical IDs, from a delegation. The delegation stays, also without keys; when
    /// fewer are left than its threshold there is a warning.
    ///
    /// # Errors
    /// [`EditError::NotDelegated`] when the delegation does not exist.
    pub fn remove_delegation_keys(
        &mut self,
        role: &RoleName,
        keys: &[KeyId],
    ) -> Result<Changed, EditError> {
        let parent = self.existing(role)?;
        let document = self.document(&parent)?;
        if !lists_any(&document.body, role, keys) {
            return Ok(Changed::No);
        }
        let body = document.change();
        remove_keys(body, role, keys);
        let warning = body.delegations.find(role).and_then(shortage);
        self.warnings.extend(warning);
        Ok(Changed::Yes)
    }

    /// Removes paths from a delegation.
    ///
    /// # Errors
    /// [`EditError::NotDelegated`] when the delegation does not exist.
    pub fn remove_delegation_paths(
        &mut self,
        role: &RoleName,
        paths: &[String],
    ) -> Result<Changed, EditError> {
        self.retain_paths(role, |path| !paths.iter().any(|removed| removed == path))
    }

    /// Removes all paths from a delegation: it may then sign nothing.
    ///
    /// # Errors
    /// [`EditError::NotDelegated`] when the delegation does not exist.
    pub fn clear_delegation_paths(&mut self, role: &RoleName) -> Result<Changed, EditError> {
        self.retain_paths(role, |_| false)
    }

    fn retain_paths(
        &mut self,
        role: &RoleName,
        keep: impl Fn(&str) -> bool,
    ) -> Result<Changed, EditError> {
        let parent = self.existing(role)?;
        let document = self.document(&parent)?;
        let listed = document.body.delegations.find(role);
        if listed.is_none_or(|entry| entry.paths.iter().all(|path| keep(path))) {
            return Ok(Changed::No);
        }
        if let Some(entry) = entry_mut(document.change(), role) {
            entry.paths.retain(|path| keep(path));
        }
        Ok(Changed::Yes)
    }

    /// Deletes a delegation with all below it. Created again, it continues from the version that its document had.
    ///
    /// # Errors
    /// [`EditError::NotDelegated`] naming the parent when that does not exist; a delegation that does not exist is no
    /// error, nothing changes.
    pub fn remove_delegation(&mut self, role: &RoleName) -> Result<Changed, EditError> {
        let parent = self.parent_of(role)?;
        let document = self.document(&parent)?;
        if document.body.delegations.find(role).is_none() {
            return Ok(Changed::No);
        }
        let body = document.change();
        if let Some(roles) = &mut body.delegations.roles {
            roles.retain(|entry| {
                entry
                    .as_ref()
                    .is_none_or(|entry| entry.name != role.as_str())
            });
            if roles.is_empty() {
                body.delegations.roles = None;
            }
        }
        drop_unused_keys(body);
        let below = |other: &RoleName| other == role || other.is_below(role);
        let mut versions: Vec<(RoleName, i64)> = Vec::new();
        self.targets.retain(|other, document| {
            if below(other) {
                versions.push((other.clone(), document.base));
            }
            !below(other)
        });
        self.unusable.retain(|other, unusable| {
            if below(other) {
                // Where nobody vouches for the number, it may not use up the numbers that there are.
                let version = unusable.received().unverified().version;
                versions.push((other.clone(), version.clamp(0, rules::MAX_VERSION_JUMP)));
            }
            !below(other)
        });
        for (other, version) in versions {
            self.continue_from(&other, version);
        }
        Ok(Changed::Yes)
    }

    /// Removes keys, named by their canonical IDs, from every delegation that `above` or a role below it lists: the
    /// wildcard role `<above>/*`. Documents for which `can_sign` knows no key are left as they are, with a warning, and so are those that the
    /// keys of their roles did not sign and those that were not loaded. What has expired is changed like any other, and renewed so.
    ///
    /// # Errors
    /// [`EditError::NotATargetsRole`] for a base role that delegates nothing.
    pub fn purge_keys(
        &mut self,
        above: &RoleName,
        keys: &[KeyId],
        can_sign: impl Fn(&PublicKey) -> bool,
    ) -> Result<Changed, EditError> {
        if !above.lists_targets() {
            return Err(EditError::NotATargetsRole(above.clone()));
        }
        let parents: BTreeSet<RoleName> = self
            .targets
            .keys()
            .chain(self.unusable.keys())
            .filter(|role| *role == above || role.is_below(above))
            .cloned()
            .collect();
        let mut changed = Changed::No;
        for parent in parents {
            let Some(body) = self.readable(&parent) else {
                self.warnings
                    .push(EditWarning::NotLookedInto { role: parent });
                continue;
            };
            let children: Vec<RoleName> = body
                .delegations
                .iter()
                .filter_map(|entry| entry.role().ok())
                .collect();
            let affected: Vec<&RoleName> = children
                .iter()
                .filter(|role| lists_any(body, role, keys))
                .collect();
            let unseen: Vec<EditWarning> = children
                .iter()
                .filter(|role| self.was_not_loaded(role))
                .map(|role| EditWarning::NotLookedInto { role: role.clone() })
                .collect();
            self.warnings.extend(unseen);
            if affected.is_empty() {
                continue;
            }
            let signable = self
                .role_keys(&parent)
                .is_some_and(|own| own.keys().any(&can_sign));
            if !signable {
                self.warnings.push(EditWarning::NotPurged { role: parent });
                continue;
            }
            let body = self.document(&parent)?.change();
            for role in affected {
                remove_keys(body, role, keys);
            }
            // compat: roles that were short of keys before are told of, too.
            let short: Vec<EditWarning> = body.delegations.iter().filter_map(shortage).collect();
            self.warnings.extend(short);
            changed = Changed::Yes;
        }
        Ok(changed)
    }

    /// The parent of a delegation, which must exist and be readable.
    fn parent_of(&self, role: &RoleName) -> Result<RoleName, EditError> {
        let parent = role
            .parent()
            .ok_or_else(|| EditError::NotADelegation(role.clone()))?;
        self.effective_paths(&parent)?;
        Ok(parent)
    }

    /// The parent of a delegation that must exist itself.
    fn existing(&self, role: &RoleName) -> Result<RoleName, EditError> {
        let parent = self.parent_of(role)?;
        self.effective_paths(role)?;
        Ok(parent)
    }
}

/// Whether a delegation could have these keys and paths, whatever the repository has.
///
/// # Errors
/// [`EditError::NotADelegation`] for a base role, [`EditError::UnusableKey`] for a key that no verifier accepts,
/// [`EditError::ControlCharacter`] for a path that cannot be written so that all programs read the same.
pub fn check_delegation(
    role: &RoleName,
    keys: &[PublicKey],
    paths: &[String],
) -> Result<(), EditError> {
    if !role.is_delegation() {
        return Err(EditError::NotADelegation(role.clone()));
    }
    for key in keys {
        check_key(key)?;
    }
    match paths.iter().find(|path| !canonical::is_writable(path)) {
        Some(path) => Err(EditError::ControlCharacter(path.clone())),
        None => Ok(()),
    }
}

fn entry_mut<'b>(body: &'b mut Targets, role: &RoleName) -> Option<&'b mut Delegation> {
    body.delegations
        .roles
        .iter_mut()
        .flatten()
        .flatten()
        .find(|entry| entry.name == role.as_str())
}

fn has_id(body: &Targets, id: &KeyId, canonical: &[KeyId]) -> bool {
    body.delegations
        .keys
        .get(id)
        .is_some_and(|key| canonical.contains(key.canonical_id()))
}

fn lists_any(body: &Targets, role: &RoleName, canonical: &[KeyId]) -> bool {
    body.delegations
        .find(role)
        .and_then(|entry| entry.keyids.as_deref())
        .unwrap_or_default()
        .iter()
        .any(|id| has_id(body, id, canonical))
}

fn remove_keys(body: &mut Targets, role: &RoleName, canonical: &[KeyId]) {
    let removed: Vec<KeyId> = body
        .delegations
        .keys
        .keys()
        .filter(|id| has_id(body, id, canonical))
        .cloned()
        .collect();
    if let Some(entry) = entry_mut(body, role) {
        let mut left = entry.keyids.take().unwrap_or_default();
        left.retain(|id| !removed.contains(id));
        entry.keyids = (!left.is_empty()).then_some(left);
    }
    drop_unused_keys(body);
}

/// What is to be said of a delegation with fewer keys than it needs signatures.
fn shortage(entry: &Delegation) -> Option<EditWarning> {
    let count = entry.keyids.as_ref().map_or(0, Vec::len);
    let threshold = entry.threshold;
    (i64::try_from(count).unwrap_or(i64::MAX) < threshold)
        .then(|| entry.role().ok())
        .flatten()
        .map(|role| EditWarning::FewerKeysThanThreshold { role, threshold })
}

fn drop_unused_keys(body: &mut Targets) {
    let used: BTreeSet<KeyId> = body
        .delegations
        .iter()
        .flat_map(|entry| entry.keyids.iter().flatten().cloned())
        .collect();
    body.delegations.keys.retain(|id, _| used.contains(id));
}

/// Refuses keys that could never sign, and certificates that would make every reader give up on the whole repository.
fn check_key(key: &PublicKey) -> Result<(), EditError> {
    let refused = |reason| EditError::UnusableKey {
        id: key.canonical_id().clone(),
        reason,
    };
    let usable = |kind| match kind {
        SpkiKind::Ecdsa(curve) => curve != crypto::Curve::P224,
        SpkiKind::Rsa(bits) => bits >= 2048,
    };
    let supported = match key.kind() {
        KeyKind::Ecdsa | KeyKind::Rsa => {
            let kind = crypto::inspect_spki(key.public_bytes());
            let fits = matches!(
                (key.kind(), kind),
                (KeyKind::Ecdsa, Some(SpkiKind::Ecdsa(_))) | (KeyKind::Rsa, Some(SpkiKind::Rsa(_)))
            );
            fits && kind.is_some_and(usable)
        }
        KeyKind::Ed25519 => key.public_bytes().len() == 32,
        KeyKind::EcdsaX509 | KeyKind::RsaX509 => {
            let certificates = parse_pem_certificates(key.public_bytes()).unwrap_or_default();
            for certificate in &certificates {
                certificate
                    .validate(None)
                    .map_err(|error| refused(error.into()))?;
            }
            certificates
                .first()
                .and_then(|first| crypto::inspect_spki(first.spki()))
                .is_some_and(usable)
        }
        KeyKind::Other(_) => false,
    };
    if supported {
        Ok(())
    } else {
        Err(refused(UnusableKey::Unsupported))
    }
}
