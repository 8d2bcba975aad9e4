//! `notary delegation add GUN ROLE FILE… [--paths PATH,…]`: keys and paths for a role, staged.

use signet_client::Edit;
use signet_tuf::{PublicKey, RoleName};

use crate::cobra::parse::Matches;
use crate::notary::{Context, publishing, repository, staging};
use crate::public_key::{self, PublicKeyError};
use crate::texts::notary as texts;
use crate::ui::report::{Failure, with_sources};

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let all_paths = matches.is_set("all-paths");
    let says_paths = all_paths || matches.is_given("paths");
    let (name, role, files) = match matches.args.as_slice() {
        [name, role, files @ ..] if says_paths || !files.is_empty() => (name, role, files),
        _ => return context.wrong_arguments(texts::DELEGATION_ADD_ARGUMENTS),
    };
    let gun = repository::gun(name)?;
    context.config()?;
    // Every file is one that may sign before anything is staged.
    let keys = files
        .iter()
        .map(|file| public_key(file, context))
        .collect::<Result<Vec<_>, _>>()?;
    let role = role
        .parse()
        .ok()
        .filter(RoleName::is_delegation)
        .ok_or_else(|| Failure::new(texts::delegation_name_refused(role)))?;
    let paths = paths(&matches.list("paths"), all_paths);

    let repository = repository::open_offline(context, &gun)?;
    staging::stage(&repository, edits(&role, &keys, &paths))
        .map_err(|failure| failure.prefix(texts::DELEGATION_NOT_ADDED))?;
    let ids: Vec<&str> = keys.iter().map(|key| key.canonical_id().as_str()).collect();
    context.printer.out(&texts::delegation_staged(
        gun.as_str(),
        role.as_str(),
        &ids,
        says_paths.then_some(&paths),
    ))?;
    publishing::auto_publish(matches, context, &gun)
}

/// The paths that are asked for. The empty one covers the others.
fn paths(listed: &[&str], all: bool) -> Vec<String> {
    if all || listed.contains(&"") {
        return vec![String::new()];
    }
    listed.iter().map(|&path| path.to_owned()).collect()
}

/// Keys first: paths are for a role that exists.
fn edits(role: &RoleName, keys: &[PublicKey], paths: &[String]) -> Vec<Edit> {
    let edit = |threshold, keys: &[PublicKey], paths: &[String]| Edit::AddDelegation {
        role: role.clone(),
        threshold,
        keys: keys.to_vec(),
        paths: paths.to_vec(),
    };
    let keys = (!keys.is_empty()).then(|| edit(1, keys, &[]));
    let paths = (!paths.is_empty()).then(|| edit(0, &[], paths));
    keys.into_iter().chain(paths).collect()
}

fn public_key(file: &str, context: &Context) -> Result<PublicKey, Failure> {
    public_key::read(file, context.now()).map_err(|error| match error {
        PublicKeyError::Open(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Failure::new(texts::public_key_missing(file))
        }
        PublicKeyError::Read(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            Failure::new(format!("{}: {error}", texts::public_key_unread(file)))
        }
        PublicKeyError::Open(error) | PublicKeyError::Read(error) => {
            Failure::new(texts::public_key_unread(file)).hint(crate::texts::os_error(&error))
        }
        PublicKeyError::Unusable(error) => {
            Failure::new(texts::public_key_invalid(file, &with_sources(&error)))
        }
    })
}
