//! Edits of targets (specification, `tuf.md` section 14.5).

use super::{Changed, EditError, EditWarning, Edited, RepositoryEditor};
use crate::{BaseRole, RoleKeys, RoleName, Target, UnusableReason};
use crate::{canonical, rules};

/// Largest integer that every reader agrees on.
const MAX_LENGTH: i64 = 1 << 53;

impl RepositoryEditor<'_> {
    /// Adds or replaces a target. An identical entry changes nothing.
    ///
    /// # Errors
    /// [`EditError`] when the role does not exist or may not sign the name, and for what cannot be written so that all
    /// programs read the same.
    pub fn add_target(
        &mut self,
        role: &RoleName,
        name: &str,
        mut target: Target,
    ) -> Result<Changed, EditError> {
        check_listing(role, name, &target)?;
        if !self.effective_paths(role)?.allow(name) {
            return Err(EditError::OutsidePaths {
                role: role.clone(),
                name: name.to_owned(),
            });
        }
        if let Some(custom) = target.custom.take() {
            let (custom, needs_escapes) = canonical_custom(name, custom.get())?;
            target.custom = custom;
            if needs_escapes {
                self.warnings.push(EditWarning::CustomNeedsEscapes {
                    role: role.clone(),
                    name: name.to_owned(),
                });
            }
        }
        let document = self.document(role)?;
        if document
            .body
            .targets
            .get(name)
            .is_some_and(|old| same(old, &target))
        {
            return Ok(Changed::No);
        }
        document.change().targets.insert(name.to_owned(), target);
        Ok(Changed::Yes)
    }

    /// Removes a target from one role.
    ///
    /// # Errors
    /// [`EditError`] when the role does not exist.
    pub fn remove_target(&mut self, role: &RoleName, name: &str) -> Result<Changed, EditError> {
        if !role.lists_targets() {
            return Err(EditError::NotATargetsRole(role.clone()));
        }
        self.effective_paths(role)?;
        let document = self.document(role)?;
        if !document.body.targets.contains_key(name) {
            return Ok(Changed::No);
        }
        document.change().targets.remove(name);
        Ok(Changed::Yes)
    }

    /// Has a role's document signed again as it is, also one that is expired or no longer signed by the role's keys.
    ///
    /// # Errors
    /// [`EditError::UnknownRole`] when there is no such document, [`EditError::CannotWitness`] for base roles that list
    /// no targets, [`EditError::TooFewKeys`] when the role's document does not count and its keys are too few to change that.
    pub fn witness(&mut self, role: &RoleName) -> Result<Changed, EditError> {
        check_witness(role)?;
        if role.is_delegation() && !self.targets.contains_key(role) {
            let keys = self.role_keys(role);
            let is_short = |keys: &RoleKeys| {
                i64::try_from(keys.keys().len()).is_ok_and(|count| count < keys.threshold())
            };
            if keys.as_ref().is_some_and(is_short) {
                return Err(EditError::TooFewKeys(role.clone()));
            }
        }
        if let Some(unusable) = self.unusable.remove(role) {
            let mut edited = Edited::of(unusable.received());
            if matches!(unusable.reason(), UnusableReason::Unsigned(_)) {
                // Nobody vouches for this number, so it may not use up the numbers that there are.
                edited.base = edited.base.clamp(0, rules::MAX_VERSION_JUMP);
            }
            self.targets.insert(role.clone(), edited);
        }
        let document = self
            .targets
            .get_mut(role)
            .filter(|document| document.stored.is_some() || document.changed)
            .ok_or_else(|| EditError::UnknownRole(role.clone()))?;
        document.changed = true;
        Ok(Changed::Yes)
    }

    /// Has a role's document signed again as it is, where only time speaks against it. What the role's keys do not vouch for is refused:
    /// [`RepositoryEditor::witness`] takes that over, which somebody has to decide who has seen it.
    ///
    /// The snapshot is made anew with every publish and needs no word of its own.
    ///
    /// # Errors
    /// As [`RepositoryEditor::witness`]; [`EditError::Unusable`] when the document's signatures do not hold.
    pub fn renew(&mut self, role: &RoleName) -> Result<Changed, EditError> {
        match role.base() {
            Some(BaseRole::Root) => {
                self.root.changed = true;
                return Ok(Changed::Yes);
            }
            Some(BaseRole::Snapshot) => return Ok(Changed::No),
            Some(BaseRole::Targets | BaseRole::Timestamp) | None => {}
        }
        if let Some(unusable) = self.unusable.get(role)
            && let reason @ UnusableReason::Unsigned(_) = unusable.reason()
        {
            return Err(EditError::Unusable {
                role: role.clone(),
                reason: reason.clone(),
            });
        }
        self.witness(role)
    }
}

/// Whether a role is of a kind that can be witnessed, whatever the repository has.
///
/// # Errors
/// [`EditError::CannotWitness`] for base roles that list no targets.
pub fn check_witness(role: &RoleName) -> Result<(), EditError> {
    if role.lists_targets() {
        Ok(())
    } else {
        Err(EditError::CannotWitness(role.clone()))
    }
}

/// Refuses targets that no document may list, whatever the repository.
///
/// # Errors
/// [`EditError`], as [`RepositoryEditor::add_target`] would give it.
pub fn check_target(role: &RoleName, name: &str, target: &Target) -> Result<(), EditError> {
    check_listing(role, name, target)?;
    match &target.custom {
        Some(custom) => canonical_custom(name, custom.get()).map(drop),
        None => Ok(()),
    }
}

fn check_listing(role: &RoleName, name: &str, target: &Target) -> Result<(), EditError> {
    if !role.lists_targets() {
        return Err(EditError::NotATargetsRole(role.clone()));
    }
    if !canonical::is_writable(name) {
        return Err(EditError::ControlCharacter(name.to_owned()));
    }
    if !(0..=MAX_LENGTH).contains(&target.length) {
        return Err(EditError::Length {
            name: name.to_owned(),
            length: target.length,
        });
    }
    Ok(())
}

/// Custom data in canonical form, and whether Go programs would sign it wrongly. `null` is no data.
fn canonical_custom(
    name: &str,
    text: &str,
) -> Result<(Option<Box<serde_json::value::RawValue>>, bool), EditError> {
    let form = canonical::canonicalize(text.as_bytes()).map_err(EditError::Custom)?;
    if form == b"null" {
        return Ok((None, false));
    }
    let form = String::from_utf8(form).unwrap_or_default();
    if !canonical::is_writable(&form) {
        return Err(EditError::ControlCharacter(name.to_owned()));
    }
    let needs_escapes = form.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
    let raw =
        serde_json::value::RawValue::from_string(form).map_err(|source| EditError::Write {
            role: RoleName::targets(),
            source,
        })?;
    Ok((Some(raw), needs_escapes))
}

/// Whether two entries mean the same: custom data is compared in canonical form.
fn same(old: &Target, new: &Target) -> bool {
    let form = |target: &Target| {
        let custom = target.custom.as_ref()?;
        canonical::canonicalize(custom.get().as_bytes())
            .ok()
            .filter(|form| form != b"null")
    };
    old.hashes == new.hashes && old.length == new.length && form(old) == form(new)
}
