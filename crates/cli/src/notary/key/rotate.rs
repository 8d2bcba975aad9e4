//! `key rotate GUN ROLE`: other keys for a base role, published at once.

use std::path::Path;

use signet_client::rotate::check_rotation;
use signet_client::{Access, Error, Legacy, NewKeys};
use signet_keys::transfer::{self, ImportError, SkipReason, SourceError};
use signet_keys::{FileKeyStore, KeyStore as _, PrivateKey, Signer as _};
use signet_tuf::{BaseRole, Gun, RoleName, UpdateError};

use super::{passphrase_problem, problem, store};
use crate::cobra::parse::Matches;
use crate::notary::repository::{self, Opened};
use crate::notary::{Context, publishing};
use crate::texts::{notary as texts, os_error};
use crate::ui::report::{Failure, with_sources};

/// The name under which passphrases of files are asked for, whatever role their keys are for.
const FILE_ALIAS: &str = "root";

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let [name, role, ..] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::ROTATE_WHAT);
    };
    let gun = repository::gun(name)?;
    let legacy = legacy(matches.int("legacy"))?;
    let servers = matches.is_set("server-managed");
    context.block_on(async {
        let mut opened = repository::open(context, &gun, Access::All).await?;
        let files = match servers {
            // The server makes the key, so no file is looked into.
            true => Vec::new(),
            false => matches.list("key"),
        };
        let keys = given(&files, role, &*store(context)?)?;
        if role == BaseRole::Root.as_str() && !confirm(context)? {
            return Ok(context.printer.out(texts::ABORTING)?);
        }
        let base = role.parse::<RoleName>().ok().and_then(|role| role.base());
        let base = base.ok_or_else(|| Failure::new(texts::role_not_rotated(role)))?;
        check_rotation(base, servers).map_err(|error| Failure::new(error.to_string()))?;
        let new = match keys {
            _ if servers => NewKeys::Servers,
            keys if keys.is_empty() => NewKeys::Made,
            keys => NewKeys::Given(keys),
        };
        rotate(context, &gun, &mut opened, base, new, legacy).await
    })
}

/// So many versions; `-1` is all.
fn legacy(versions: i64) -> Result<Legacy, Failure> {
    match versions {
        -1 => Ok(Legacy::All),
        0 => Ok(Legacy::None),
        _ => u32::try_from(versions)
            .map(Legacy::Versions)
            .map_err(|_| Failure::new(texts::legacy_range(versions))),
    }
}

fn confirm(context: &Context) -> Result<bool, Failure> {
    context
        .terminal
        .confirm_word(texts::ROTATE_ROOT)
        .map_err(|error| Failure::new(error.to_string()))
}

async fn rotate(
    context: &Context,
    gun: &Gun,
    opened: &mut Opened,
    role: BaseRole,
    new: NewKeys,
    legacy: Legacy,
) -> Result<(), Failure> {
    let servers = matches!(new, NewKeys::Servers);
    let result = {
        let _busy = context
            .printer
            .busy(&texts::rotating(role.as_str(), gun.as_str()));
        opened.repository.rotate(role, new, legacy).await
    };
    opened.log_warnings();
    let rotated = result.map_err(|error| failure(opened, gun, &error, servers))?;
    if rotated.begun_with.is_some() {
        tracing::info!("{}", texts::begun_on_the_way(gun.as_str()));
    }
    for warning in &rotated.published.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(id) = &rotated.reused {
        tracing::warn!("{}", texts::key_reused(role.as_str(), id.as_str()));
    }
    if let Some(error) = &rotated.unconfirmed {
        let reason = with_sources(error);
        tracing::warn!("{}", texts::rotation_unconfirmed(gun.as_str(), &reason));
    }
    for (id, lists) in &rotated.kept {
        tracing::warn!("{}", texts::old_key_kept(id.as_str(), lists));
    }
    for (id, error) in &rotated.left {
        tracing::warn!("{}", texts::old_key_left(id.as_str(), &problem(error)));
    }
    if role == BaseRole::Root && context.pinning()?.iter().any(|pinning| pinning.pins(gun)) {
        for key in &rotated.keys {
            tracing::warn!("{}", texts::pin_new_root(gun.as_str(), key.id().as_str()));
        }
    }
    Ok(context
        .printer
        .out(&texts::rotated(role.as_str(), gun.as_str()))?)
}

fn failure(opened: &Opened, gun: &Gun, error: &Error, servers: bool) -> Failure {
    match error {
        Error::ServerKey(error) => opened.failure(error).prefix(texts::SERVER_KEY_NOT_ROTATED),
        // Nothing else is asked first where Go asks for the key first.
        Error::Update(UpdateError::Unreachable { .. }) if servers => {
            opened.failure(error).prefix(texts::SERVER_KEY_NOT_ROTATED)
        }
        _ => publishing::failure(opened, error).hint(texts::rotation_failed(gun.as_str())),
    }
}

/// The private keys of `--key`. Nothing is stored: the keys are wanted when the person has agreed and the server has been asked.
fn given(paths: &[&str], role: &str, store: &FileKeyStore) -> Result<Vec<PrivateKey>, Failure> {
    let mut keys = Vec::new();
    for path in paths {
        let text = transfer::read_export(Path::new(path)).map_err(|error| unread(&error))?;
        let encrypted = transfer::is_encrypted(&text).map_err(|error| unopened(&error))?;
        if !encrypted && role == BaseRole::Root.as_str() {
            return Err(Failure::new(texts::ONLY_ENCRYPTED_ROOT_KEYS));
        }
        let key = transfer::open(&text, FILE_ALIAS, store.retriever())
            .map_err(|error| unopened(&error))?;
        let stored = store
            .info(key.public().id())
            .map_err(|error| Failure::new(problem(&error)))?;
        if let Some(stored) = stored.filter(|stored| stored.role != role) {
            return Err(Failure::new(texts::key_is_for_other(&stored.role)));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn unread(error: &SourceError) -> Failure {
    let reason = match error {
        SourceError::Open { path, source }
        | SourceError::Read { path, source }
        | SourceError::Stat { path, source } => texts::key_file_problem(path, &os_error(source)),
        _ => error.to_string(),
    };
    Failure::new(texts::input_key_unread(&reason))
}

fn unopened(error: &ImportError) -> Failure {
    match error {
        ImportError::NotPrivateKey => Failure::new(texts::NO_PRIVATE_KEY),
        ImportError::Passphrase { source, .. } => Failure::new(passphrase_problem(source)),
        ImportError::AllSkipped(skipped) => match skipped.first().map(|block| &block.reason) {
            Some(SkipReason::Unusable(reason)) => Failure::new(with_sources(reason)),
            _ => Failure::new(texts::NO_PRIVATE_KEY),
        },
        _ => Failure::new(with_sources(error)),
    }
}
