//! Staging changes to targets: for which roles, and into the changelist.

use signet_client::{Edit, Error, Repository};
use signet_tuf::RoleName;

use super::repository;
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// The roles of `--roles`, which must be such that list targets. Without any it is `targets`.
pub(super) fn roles(matches: &Matches) -> Result<Vec<RoleName>, Failure> {
    let names = matches.list("roles");
    if names.is_empty() {
        return Ok(vec![RoleName::targets()]);
    }
    let role = |name: &&str| {
        name.parse()
            .ok()
            .filter(RoleName::lists_targets)
            .ok_or_else(|| Failure::new(texts::role_without_targets(name)))
    };
    names.iter().map(role).collect()
}

/// Stages changes in this order: all of them, or none when one is such that no repository admits it.
pub(super) fn stage(
    repository: &Repository,
    edits: impl IntoIterator<Item = Edit>,
) -> Result<(), Failure> {
    let failed = |error: Error| repository::failure(&error, true);
    let edits: Vec<Edit> = edits.into_iter().collect();
    for edit in &edits {
        edit.check().map_err(|error| failed(error.into()))?;
    }
    for edit in &edits {
        repository.stage(edit).map_err(failed)?;
    }
    Ok(())
}
