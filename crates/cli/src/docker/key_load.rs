//! `key load KEYFILE [--name N]`: a private key from elsewhere, brought into the trust directory.

use std::path::Path;

use signet_keys::keyfile::OpenError;
use signet_keys::transfer::{self, Defaults, ImportError, SkipReason, Skipped, SourceError};

use super::context::Context;
use super::name::{self, check_key_name};
use super::problems::{key_problem, open_problem, passphrase_problem};
use crate::cobra::parse::Matches;
use crate::texts::{docker as texts, os_error};
use crate::ui::report::Failure;

struct Args<'a> {
    file: &'a str,
    name: &'a str,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let args = Args {
        file: matches.args.first().map_or("", String::as_str),
        name: matches.text("name"),
    };
    // compat: an empty name is allowed and becomes the role `delegation`.
    if !args.name.is_empty() {
        check_key_name(args.name)?;
    }
    let store = context.key_files()?;
    name::warn_of_role(args.name);
    context.printer.out(&texts::loading_key(args.file))?;
    let text = transfer::read_source(Path::new(args.file)).map_err(|error| {
        Failure::new(texts::refusing_to_load(
            args.file,
            &source_problem(args.file, &error),
        ))
    })?;

    let imported = transfer::load(
        &store,
        &text,
        Defaults {
            role: args.name,
            gun: None,
        },
    )
    .map_err(|error| {
        let failure = Failure::new(texts::importing_failed(
            args.file,
            &import_problem(&args, &context.program.path, &error),
        ));
        if is_unknown_encryption(&error) {
            failure.hint(texts::ENCRYPT_ANEW)
        } else {
            failure
        }
    })?;
    for skipped in &imported.skipped {
        warn(skipped);
    }
    Ok(context.printer.out(&texts::loaded_key(args.file))?)
}

/// Why the file was not read, in Go's words.
fn source_problem(file: &str, error: &SourceError) -> String {
    match error {
        SourceError::Exposed { .. } => texts::readable_by_others(file),
        SourceError::Open { source, .. } => format!("open {file}: {}", os_error(source)),
        SourceError::Read { source, .. } => format!("read {file}: {}", os_error(source)),
        SourceError::Stat { source, .. } => format!("stat {file}: {}", os_error(source)),
        _ => error.to_string(),
    }
}

fn import_problem(args: &Args<'_>, program: &str, error: &ImportError) -> String {
    match error {
        ImportError::NotPrivateKey => texts::not_a_private_key(args.file, program),
        ImportError::AllSkipped(skipped) => match skipped.as_slice() {
            [only] => reason(only),
            several => {
                several.iter().for_each(warn);
                texts::NO_KEY_IMPORTED.to_owned()
            }
        },
        ImportError::Passphrase {
            source: signet_keys::PassphraseError::Incorrect { .. },
            ..
        } => texts::cannot_decrypt(args.file),
        ImportError::Passphrase { source, .. } => passphrase_problem(source),
        ImportError::Store { source, .. } => key_problem(source),
        _ => error.to_string(),
    }
}

fn is_unknown_encryption(error: &ImportError) -> bool {
    matches!(error, ImportError::AllSkipped(skipped) if skipped.iter().any(|skipped| {
        matches!(&skipped.reason, SkipReason::Unusable(OpenError::UnsupportedEncryption(_)))
    }))
}

fn warn(skipped: &Skipped) {
    tracing::warn!(
        "failed to import key {} to store: {}",
        skipped.position,
        reason(skipped)
    );
}

fn reason(skipped: &Skipped) -> String {
    match &skipped.reason {
        SkipReason::Unusable(error) => open_problem(error),
        other => other.to_string(),
    }
}
