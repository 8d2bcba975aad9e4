//! Publishing what is staged, for `publish` and for `-p` of every command that stages something.

use signet_client::changelist::{ChangeError, ChangelistError};
use signet_client::remote::RemoteError;
use signet_client::{Access, Edit, Error, PublishOptions};
use signet_keys::PassphraseError;
use signet_tuf::editor::EditError;
use signet_tuf::rules::{RootError, RuleError};
use signet_tuf::update::{Mode, Scope, UpdateError};
use signet_tuf::{Gun, KeyId, RoleName};

use super::Context;
use super::init;
use super::repository::{self, Opened};
use super::unproven;
use crate::cobra::parse::Matches;
use crate::texts::{notary as texts, os_error};
use crate::ui::report::{Failure, with_sources};

/// Does what `-p` asks for, where it was given: publishes all that is staged.
pub(super) fn auto_publish(matches: &Matches, context: &Context, gun: &Gun) -> Result<(), Failure> {
    auto_publish_agreed(matches, context, gun, false)
}

/// The same; with `agreed`, roles that nobody vouches for are signed without a question.
pub(super) fn auto_publish_agreed(
    matches: &Matches,
    context: &Context,
    gun: &Gun,
    agreed: bool,
) -> Result<(), Failure> {
    if !matches.is_set("publish") {
        return Ok(());
    }
    context.block_on(async {
        let mut opened = repository::open(context, gun, Access::PushPull).await?;
        context.printer.out(&texts::auto_publishing(gun.as_str()))?;
        publish(context, gun, &mut opened, agreed).await
    })
}

/// Publishes all that is staged, and says so. With `agreed`, roles that nobody vouches for are signed without a question.
pub(super) async fn publish(
    context: &Context,
    gun: &Gun,
    opened: &mut Opened,
    agreed: bool,
) -> Result<(), Failure> {
    let mut options = PublishOptions {
        always_snapshot: true,
        ..PublishOptions::default()
    };
    // What the update notices is told before anybody is asked for a passphrase.
    let updated = {
        let _busy = context.printer.busy(&texts::reading(gun.as_str()));
        let update = opened.repository.update(Mode::Write, Scope::All);
        update.await.map(|_| ())
    };
    opened.log_warnings();
    match updated {
        Ok(()) => {}
        Err(Error::NoTrustData { .. }) => begin_unless_known(context, gun, opened).await?,
        Err(error) => return Err(failure(opened, &error)),
    }
    unproven::show(context, opened, agreed, &mut options)?;
    opened
        .repository
        .on_edit_warning(|warning| tracing::warn!("{warning}"));
    let result = {
        let _busy = context.printer.busy(&texts::publishing(gun.as_str()));
        opened.repository.publish_staged(options).await
    };
    opened.log_warnings();
    let published = result.map_err(|error| failure(opened, &error))?;
    if let Some(error) = published.changelist_left {
        let folder = opened
            .repository
            .changelist()
            .map(|changelist| changelist.dir().to_owned())
            .unwrap_or_default();
        tracing::warn!("{}", texts::changelist_left(&folder));
        tracing::debug!("{}", with_sources(&error));
    }
    Ok(context.printer.out(&texts::published(gun.as_str()))?)
}

/// Begins a repository that nobody knows, here or there.
async fn begin_unless_known(
    context: &Context,
    gun: &Gun,
    opened: &mut Opened,
) -> Result<(), Failure> {
    let known = opened.repository.remembers_root();
    if known.map_err(|error| opened.failure(&error))? {
        return Ok(());
    }
    tracing::info!("{}", texts::beginning(gun.as_str()));
    init::silently(context, gun, opened).await
}

/// What the person is told when nothing was published. Go's log lines are written on the way.
pub(super) fn failure(opened: &Opened, error: &Error) -> Failure {
    let gun = opened.repository.gun().as_str();
    let failure = match error {
        Error::Key(error) => key_failure(error),
        Error::Conflict { source, .. } => {
            Failure::new(source.to_string()).hint(texts::CONFLICT_HINT)
        }
        Error::Edit { source, .. } => edit_failure(source, gun),
        Error::Changelist(ChangelistError::Change {
            name,
            source: source @ ChangeError::RoleKeys(role),
        }) => {
            let number = number_of(opened, name);
            Failure::new(source.to_string()).hint(texts::staged_role_keys(
                gun,
                name,
                role.as_str(),
                number,
            ))
        }
        Error::Changelist(ChangelistError::Change { name, source }) => {
            Failure::new(with_sources(source)).hint(texts::staged_unreadable(gun, name))
        }
        _ => opened.failure(error),
    };
    match error {
        Error::NoTrustData { .. }
        | Error::Update(_)
        | Error::Edit {
            edit: None,
            source: EditError::Rule(_),
        }
        | Error::Remote(RemoteError::Authorization(_) | RemoteError::Tls { .. }) => {
            tracing::error!("{}", texts::could_not_update(failure.text()));
        }
        Error::Edit { edit, .. } | Error::NoSigningKeys { edit, .. } => match edit.as_deref() {
            Some(Edit::AddTarget { role, .. }) => {
                tracing::error!("{}", texts::target_not_added(role.as_str(), failure.text()));
            }
            Some(Edit::RemoveTarget { role, .. }) => {
                tracing::error!(
                    "{}",
                    texts::target_not_removed(role.as_str(), failure.text())
                );
            }
            _ => {}
        },
        _ => {}
    }
    match error {
        Error::NoSigningKeys { role, keys, .. } => {
            let keys: Vec<&str> = keys.iter().map(KeyId::as_str).collect();
            failure.hint(texts::signing_keys_hint(gun, role.as_str(), &keys))
        }
        Error::InsufficientSignatures(lacking) => {
            let keys: Vec<&str> = lacking.missing.iter().map(KeyId::as_str).collect();
            failure.hint(texts::signing_keys_hint(gun, lacking.role.as_str(), &keys))
        }
        Error::NoTrustData { gun, .. } => failure.hint(texts::gone_hint(gun.as_str())),
        Error::Update(UpdateError::Rule(RuleError::Root(RootError::Rotation))) => {
            failure.hint(texts::other_root_hint(gun))
        }
        _ => failure,
    }
}

/// The number of a staged change, as `notary status` counts.
fn number_of(opened: &Opened, name: &str) -> Option<usize> {
    let all = opened.repository.changelist()?.list().ok()?;
    all.iter().position(|staged| staged.name == name)
}

/// Why a private key could not be used, in Go's words where it has some.
pub(super) fn key_failure(error: &signet_keys::Error) -> Failure {
    match error {
        signet_keys::Error::Passphrase { id, source } => passphrase_failure(source, id.as_str()),
        signet_keys::Error::Io { path, source, .. } => {
            Failure::new(texts::key_file_problem(path, &os_error(source)))
        }
        _ => Failure::new(with_sources(error)),
    }
}

/// Why a new private key could not be stored.
pub(super) fn new_key_failure(error: &signet_keys::Error) -> Failure {
    match error {
        // compat: nobody to ask is as good as nobody who answers.
        signet_keys::Error::Passphrase { id, source } => Failure::new(texts::PASSPHRASE_ATTEMPTS)
            .hint(texts::passphrase_hint(id.as_str(), role_of(source))),
        _ => key_failure(error),
    }
}

/// Why there was no right passphrase for a key that exists.
pub(super) fn passphrase_failure(error: &PassphraseError, key: &str) -> Failure {
    let text = match error {
        // compat: nobody to ask is as good as a wrong answer.
        PassphraseError::Incorrect { .. } | PassphraseError::Unavailable { .. } => {
            texts::PASSPHRASE_INVALID
        }
        _ => texts::PASSPHRASE_ATTEMPTS,
    };
    Failure::new(text).hint(texts::passphrase_hint(key, role_of(error)))
}

/// The role of a key whose passphrase is not there.
fn role_of(error: &PassphraseError) -> Option<&str> {
    match error {
        PassphraseError::Incorrect { alias } | PassphraseError::Unavailable { alias, .. } => {
            Some(alias)
        }
        _ => None,
    }
}

/// Why a staged change cannot be made.
fn edit_failure(error: &EditError, gun: &str) -> Failure {
    match error {
        EditError::NotATargetsRole(role) if *role != RoleName::root() => {
            Failure::new(texts::scope_not_supported(role.as_str()))
        }
        EditError::NotDelegated(role) => {
            Failure::new(with_sources(error)).hint(texts::role_hint(gun, role.as_str()))
        }
        EditError::OutsidePaths { role, name } => {
            Failure::new(with_sources(error)).hint(texts::doctor_add_path(gun, role.as_str(), name))
        }
        EditError::TooFewKeys(role) => {
            Failure::new(with_sources(error)).hint(texts::doctor_add_keys(gun, role.as_str()))
        }
        _ => Failure::new(with_sources(error)),
    }
}
