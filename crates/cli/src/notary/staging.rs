//! Staging changes to targets: for which roles, and into the changelist.

use serde_json::value::RawValue;
use signet_client::changelist::{ChangelistError, Staged};
use signet_client::{Edit, Error, Repository};
use signet_tuf::{RoleName, Target};

use super::{input, repository};
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

/// Most bytes of custom data. They stand in the changelist as base64 of base64, and in every copy of the metadata.
const MAX_CUSTOM_BYTES: u64 = 4 << 20;

/// Stages a target for each role.
pub(super) fn add(
    matches: &Matches,
    repository: &Repository,
    name: &str,
    target: &Target,
) -> Result<(), Failure> {
    let addition = |role| Edit::AddTarget {
        role,
        name: name.to_owned(),
        target: target.clone(),
    };
    stage(repository, roles(matches)?.into_iter().map(addition))
}

/// The file of `--custom`.
pub(super) fn read_custom(matches: &Matches) -> Result<Option<Vec<u8>>, Failure> {
    match matches.text("custom") {
        "" => Ok(None),
        path => input::read_small(path, MAX_CUSTOM_BYTES).map(Some),
    }
}

/// Custom data from a file.
pub(super) fn custom(bytes: Option<Vec<u8>>) -> Result<Option<Box<RawValue>>, Failure> {
    bytes
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose()
        .map_err(|error| Failure::new(texts::custom_is_no_json(&error.to_string())))
}

/// All that is staged, in its order.
pub(super) fn staged(repository: &Repository) -> Result<Vec<Staged>, Failure> {
    let changelist = repository.changelist().ok_or(Error::NoChangelist);
    changelist
        .and_then(|changelist| Ok(changelist.list()?))
        .map_err(|error| repository::failure(&error, true))
}

/// Removes staged changes by the names of their files.
pub(super) fn take_back(
    repository: &Repository,
    names: impl IntoIterator<Item = String>,
) -> Result<(), Failure> {
    let names: Vec<String> = names.into_iter().collect();
    let changelist = repository.changelist().ok_or(Error::NoChangelist);
    changelist
        .and_then(|changelist| {
            changelist
                .remove(names.iter().map(String::as_str))
                .map_err(|error: ChangelistError| error.into())
        })
        .map_err(|error| repository::failure(&error, true))
}
