//! `key import FILE…`: keys from files of any origin.

use std::path::Path;

use signet_keys::transfer::{self, Defaults, ImportError, SkipReason, Skipped, SourceError};

use super::{generate, passphrase_problem, problem, store};
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::texts::{notary as texts, os_error, visible};
use crate::ui::report::Failure;

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    if matches.args.is_empty() {
        return context.wrong_arguments(texts::IMPORT_WHAT);
    }
    let gun = generate::gun(matches.text("gun"))?;
    let defaults = Defaults {
        role: matches.text("role"),
        gun: gun.as_ref(),
    };
    // All are there before anything is stored.
    let files = matches
        .args
        .iter()
        .map(|path| {
            Ok((
                path,
                transfer::read_export(Path::new(path)).map_err(|error| unread(&error))?,
            ))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let store = store(context)?;
    let (mut taken, mut skipped) = (0_usize, 0_usize);
    let mut empty = Vec::new();
    for (path, text) in &files {
        let (done, left) = match transfer::import(&store, text, defaults) {
            Ok(imported) => (imported.keys.len(), imported.skipped),
            Err(ImportError::AllSkipped(left)) => (0, left),
            Err(ImportError::Passphrase { source, .. }) => {
                return Err(Failure::new(passphrase_problem(&source)));
            }
            Err(ImportError::Store { source, .. }) => return Err(Failure::new(problem(&source))),
            Err(error) => return Err(Failure::new(error.to_string())),
        };
        if done == 0 && left.is_empty() {
            empty.push(path.as_str());
        }
        taken += done;
        skipped += left.len();
        for block in &left {
            tracing::warn!("{}", warning(block));
        }
    }
    match (taken, skipped, empty.as_slice()) {
        (_, 0, []) => Ok(()),
        (_, 0, empty) => Err(Failure::new(texts::no_keys_in(empty))),
        (0, skipped, _) => Err(Failure::new(texts::no_key_imported(skipped))),
        (taken, skipped, _) => Err(Failure::new(texts::keys_left_out(taken, skipped))),
    }
}

fn unread(error: &SourceError) -> Failure {
    match error {
        SourceError::Open { path, source }
        | SourceError::Read { path, source }
        | SourceError::Stat { path, source } => {
            Failure::new(texts::key_file_problem(path, &os_error(source)))
        }
        _ => Failure::new(error.to_string()),
    }
}

fn warning(block: &Skipped) -> String {
    let name = block.path.rsplit('/').next().unwrap_or_default();
    match &block.reason {
        SkipReason::MissingGun(_) => texts::block_left_out(Some(name), texts::NEEDS_GUN),
        reason if name.is_empty() => texts::block_left_out(None, &visible(&reason.to_string())),
        reason => texts::block_left_out(Some(name), &visible(&reason.to_string())),
    }
}
