//! `key …`: the user's private keys.

pub(super) mod export;
mod file;
pub(super) mod generate;
pub(super) mod import;
pub(super) mod list;
pub(super) mod passwd;
pub(super) mod remove;
pub(super) mod rotate;

use std::sync::Arc;

use signet_keys::{Error, FileKeyStore, PassphraseError};

use super::Context;
use crate::cobra::parse::Matches;
use crate::texts::{notary as texts, os_error};
use crate::ui::report::Failure;

/// The user's key files, in a folder that is there afterwards.
fn store(context: &Context) -> Result<Arc<FileKeyStore>, Failure> {
    let store = context.key_files()?;
    store.prepare().map_err(|error| {
        let folder = context.trust_dir().unwrap_or_default();
        let failure = Failure::new(texts::no_key_folder(&folder));
        match error {
            Error::Io { path, source, .. } => {
                failure.hint(texts::key_file_problem(&path, &os_error(&source)))
            }
            _ => failure,
        }
    })?;
    Ok(store)
}

/// How long an ID is.
const ID_LENGTH: usize = 64;

/// The ID of a key on the command line, which may still be nobody's.
fn id<'a>(matches: &'a Matches, context: &Context, missing: &str) -> Result<&'a str, Failure> {
    let Some(id) = matches.args.first() else {
        return context.wrong_arguments(missing);
    };
    if id.len() == ID_LENGTH {
        Ok(id)
    } else {
        Err(Failure::new(texts::invalid_key_id(id)))
    }
}

/// Why a key could not be made, stored or removed.
fn problem(error: &Error) -> String {
    match error {
        Error::Passphrase { source, .. } => passphrase_problem(source).to_owned(),
        Error::Io { path, source, .. } => texts::key_file_problem(path, &os_error(source)),
        Error::Open { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

fn passphrase_problem(error: &PassphraseError) -> &'static str {
    match error {
        PassphraseError::Incorrect { .. } => texts::PASSPHRASE_INVALID,
        // compat: nobody to ask is as good as nobody who answers.
        _ => texts::PASSPHRASE_ATTEMPTS,
    }
}
