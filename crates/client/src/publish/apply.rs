//! Edits, as a repository's editor makes them (specification, `notary-cli.md` section 8.1).

use signet_keys::KeyStore;
use signet_tuf::editor::{Changed, EditError, RepositoryEditor};
use signet_tuf::{PublicKey, RoleName};

use super::Unchanged;
use crate::changelist::Edit;
use crate::sign;

/// Makes one edit.
pub(super) fn apply(
    editor: &mut RepositoryEditor<'_>,
    edit: &Edit,
    unchanged: Unchanged,
    store: &dyn KeyStore,
) -> Result<(), EditError> {
    match edit {
        Edit::AddDelegation {
            role,
            threshold,
            keys,
            paths,
        } => {
            if !keys.is_empty() || paths.is_empty() {
                let _: Changed = editor.add_delegation_keys(role, keys, (*threshold).max(1))?;
            }
            if !paths.is_empty() {
                let _: Changed = editor.add_delegation_paths(role, paths)?;
            }
        }
        Edit::AddTarget { role, name, target } => {
            let result = editor.add_target(role, name, target.clone())?;
            if result == Changed::No && unchanged == Unchanged::Resign {
                let _: Changed = editor.witness(role)?;
            }
        }
        Edit::ChangeDelegation {
            role,
            threshold,
            add_keys,
            remove_keys,
            add_paths,
            remove_paths,
            clear_paths,
        } => {
            let _: Changed = editor.remove_delegation_keys(role, remove_keys)?;
            if !add_keys.is_empty() {
                let _: Changed = editor.add_delegation_keys(role, add_keys, (*threshold).max(1))?;
            }
            if *clear_paths {
                let _: Changed = editor.clear_delegation_paths(role)?;
            }
            if !add_paths.is_empty() {
                let _: Changed = editor.add_delegation_paths(role, add_paths)?;
            }
            let _: Changed = editor.remove_delegation_paths(role, remove_paths)?;
        }
        Edit::PurgeKeys { below, keys } => {
            // A key that cannot be looked up cannot sign.
            let held = |key: &PublicKey| sign::holds(store, key.canonical_id()).unwrap_or(false);
            let _: Changed = editor.purge_keys(below, keys, held)?;
        }
        Edit::RemoveDelegation { role } => {
            let _: Changed = editor.remove_delegation(role)?;
        }
        Edit::RemoveTarget { role, name } => {
            let _: Changed = editor.remove_target(role, name)?;
        }
        Edit::ReplaceRoleKeys { role, keys } => {
            editor.replace_role_keys(*role, keys)?;
        }
        Edit::Witness { role } => {
            let _: Changed = editor.witness(role)?;
        }
    }
    Ok(())
}

/// The role whose document an edit changes; `None` where that depends on the repository.
pub(super) fn signed_by(edit: &Edit) -> Option<RoleName> {
    match edit {
        Edit::AddDelegation { role, .. }
        | Edit::ChangeDelegation { role, .. }
        | Edit::RemoveDelegation { role } => role.parent(),
        Edit::AddTarget { role, .. } | Edit::RemoveTarget { role, .. } => Some(role.clone()),
        Edit::PurgeKeys { .. } | Edit::ReplaceRoleKeys { .. } | Edit::Witness { .. } => None,
    }
}
