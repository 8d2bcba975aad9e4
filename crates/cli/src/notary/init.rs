//! `notary init GUN`: begins a repository on this machine.

use std::path::Path;

use signet_client::{Access, Error, Managed, NewRoot, RootKey};
use signet_keys::transfer::{self, ImportError, SkipReason, SourceError};
use signet_keys::{PrivateKey, Signer as _};
use signet_tuf::certificate::{Bundle, parse_pem_certificates};
use signet_tuf::{Gun, PublicKey, RoleName};

use super::repository::{self, Opened};
use super::{Context, input, publishing};
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::{Failure, with_sources};

/// Largest certificate file.
const MAX_CERTIFICATE_BYTES: u64 = 1 << 20;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let Some(name) = matches.args.first() else {
        return context.wrong_arguments(texts::GUN_ARGUMENT);
    };
    let gun = repository::gun(name)?;
    context.block_on(async {
        let mut opened = repository::open(context, &gun, Access::PushPull).await?;
        let root = root(matches, context)?;
        begin(context, &mut opened, &gun, root).await
    })?;
    publishing::auto_publish(matches, context, &gun)
}

/// Begins a repository that nobody knows, without a word, for a publish.
pub(super) async fn silently(
    context: &Context,
    gun: &Gun,
    opened: &mut Opened,
) -> Result<(), Failure> {
    let root = NewRoot {
        key: at_hand(context, false)?,
        certificate: None,
    };
    begin(context, opened, gun, root).await
}

async fn begin(
    context: &Context,
    opened: &mut Opened,
    gun: &Gun,
    root: NewRoot,
) -> Result<(), Failure> {
    let keys = context.keys()?;
    opened
        .repository
        .begin(root, Managed::Locally)
        .await
        .map_err(|error| match &error {
            Error::AlreadyTrusted { .. } => {
                Failure::new(error.to_string()).hint(texts::already_trusted_hint(gun.as_str()))
            }
            Error::Key(error @ signet_keys::Error::Passphrase { id, .. })
                if matches!(keys.info(id), Ok(None)) =>
            {
                publishing::new_key_failure(error)
            }
            Error::Key(error) => publishing::key_failure(error),
            Error::Edit { source, .. } => Failure::new(with_sources(source)),
            _ => opened.failure(&error),
        })
}

/// The root key and its certificate, as the flags say.
fn root(matches: &Matches, context: &Context) -> Result<NewRoot, Failure> {
    let given = match matches.text("rootkey") {
        "" => None,
        path => Some(given_key(context, path)?),
    };
    let certificate = match matches.text("rootcert") {
        "" => None,
        path => Some(certificate(path)?),
    };
    let key = match (given, &certificate) {
        (Some(key), _) => {
            context
                .printer
                .out(&texts::root_key_found(key.public().id().as_str()))?;
            RootKey::Given(Box::new(key))
        }
        (None, Some(certificate)) => {
            let id = certificate.canonical_id();
            let keys = context.keys()?;
            if keys
                .info(id)
                .map_err(|error| publishing::key_failure(&error))?
                .is_some()
            {
                context.printer.out(&texts::root_key_found(id.as_str()))?;
            }
            RootKey::Held(id.clone())
        }
        (None, None) => at_hand(context, true)?,
    };
    Ok(NewRoot { key, certificate })
}

/// A root key of the store, or a new one.
fn at_hand(context: &Context, said: bool) -> Result<RootKey, Failure> {
    let keys = context.keys()?;
    let chosen = signet_client::initialize::choose_root_key(keys.as_ref(), &context.trust_dir()?)
        .map_err(|error| repository::failure(&error, false))?;
    let Some(chosen) = chosen else {
        return Ok(RootKey::New);
    };
    if said {
        context
            .printer
            .out(&texts::root_key_found(chosen.id.as_str()))?;
    }
    if !chosen.others.is_empty() {
        tracing::warn!(
            "{}",
            texts::root_key_chosen(chosen.id.as_str(), chosen.in_use, chosen.others.len())
        );
    }
    Ok(RootKey::Held(chosen.id))
}

/// The key of `--rootkey`, opened.
fn given_key(context: &Context, path: &str) -> Result<PrivateKey, Failure> {
    let text = transfer::read_export(Path::new(path)).map_err(|error| {
        let failure = match &error {
            SourceError::Open { source, .. } | SourceError::Read { source, .. } => {
                input::failed(path, source)
            }
            _ => Failure::new(error.to_string()),
        };
        failure.prefix(texts::ROOT_KEY_FILE)
    })?;
    if !transfer::is_encrypted(&text).map_err(opening)? {
        let failure = Failure::new(texts::ONLY_ENCRYPTED_ROOT_KEYS);
        return Err(failure.hint(texts::ROOT_KEY_OPEN_HINT));
    }
    let store = context.key_files()?;
    let root = RoleName::root();
    let key = transfer::open(&text, root.as_str(), store.retriever()).map_err(opening)?;
    let keys = context.keys()?;
    let held = keys
        .info(key.public().id())
        .map_err(|error| publishing::key_failure(&error))?;
    match held {
        Some(info) if info.role != root.as_str() => {
            Err(publishing::key_failure(&signet_keys::Error::RoleConflict {
                id: info.id,
                role: info.role,
            })
            .prefix(texts::ROOT_KEY_IMPORT))
        }
        _ => Ok(key),
    }
}

/// Why the file of `--rootkey` was not opened.
fn opening(error: ImportError) -> Failure {
    match error {
        ImportError::NotPrivateKey => Failure::new(texts::NO_PRIVATE_KEY),
        ImportError::Passphrase { source, .. } => publishing::passphrase_failure(&source, "root"),
        ImportError::AllSkipped(blocks) => {
            let reason = blocks.into_iter().next().map(|block| block.reason);
            match reason {
                Some(SkipReason::Unusable(error)) => Failure::new(with_sources(&error)),
                _ => Failure::new(texts::NO_PRIVATE_KEY),
            }
        }
        error => Failure::new(with_sources(&error)),
    }
}

/// The certificate of `--rootcert`: the first in the file.
fn certificate(path: &str) -> Result<PublicKey, Failure> {
    let text = input::read_small(path, MAX_CERTIFICATE_BYTES)
        .map_err(|failure| failure.prefix(texts::ROOT_CERTIFICATE_FILE))?;
    let (Some(start), Some(end)) = (find(&text, b"-----BEGIN "), find(&text, END)) else {
        return Err(Failure::new(texts::ROOT_CERTIFICATE_NO_PEM));
    };
    let first = text
        .get(start..end + END.len())
        .ok_or_else(|| Failure::new(texts::ROOT_CERTIFICATE_NO_PEM))?;
    let unusable = || Failure::new(texts::ROOT_CERTIFICATE_UNUSABLE);
    let leaf = parse_pem_certificates(first)
        .and_then(|all| all.into_iter().next())
        .ok_or_else(unusable)?;
    let bundle = Bundle {
        leaf,
        intermediates: Vec::new(),
    };
    bundle.to_key().ok_or_else(unusable)
}

/// The end of a certificate in PEM.
const END: &[u8] = b"-----END CERTIFICATE-----";

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}
