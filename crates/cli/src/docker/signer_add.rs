//! `signer add --key F… NAME REPOSITORY…`: who may sign, written into `targets/NAME` and `targets/releases`.

use signet_client::publish::PublishOptions;
use signet_client::{Access, Edit, Error};
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{PublicKey, RoleName};

use super::context::Context;
use super::keys;
use super::name::SignerName;
use super::problems;
use super::trust::Image;
use crate::cobra::parse::Matches;
use crate::public_key::{self, PublicKeyError};
use crate::texts::{docker as texts, os_error};
use crate::ui::report::Failure;

struct Args<'a> {
    name: &'a str,
    repositories: &'a [String],
    keys: Vec<&'a str>,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let Some((name, repositories)) = matches.args.split_first() else {
        return Err(Failure::silent());
    };
    let args = Args {
        name,
        repositories,
        keys: matches.list("key"),
    };
    let name = SignerName::parse(args.name)?;
    if args.keys.is_empty() {
        return Err(Failure::new(texts::NO_PUBLIC_KEY));
    }
    let keys = args
        .keys
        .iter()
        .map(|file| public_key(file, context))
        .collect::<Result<Vec<_>, _>>()?;

    if matches!(args.name, "root" | "snapshot" | "targets" | "timestamp") {
        tracing::warn!("{}", texts::signer_named_as_a_role(args.name));
    }
    let mut failed: Vec<&str> = Vec::new();
    for typed in args.repositories {
        context
            .printer
            .out(&texts::adding_signer(args.name, typed))?;
        match context.block_on(add(typed, &name, &keys, context)) {
            Ok(()) => context
                .printer
                .out(&texts::added_signer(args.name, typed))?,
            Err(failure) => {
                failure.print(&context.printer);
                context.printer.err("\n");
                failed.push(typed);
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(texts::signer_not_added(&failed.join(", "))))
    }
}

fn public_key(file: &str, context: &Context) -> Result<PublicKey, Failure> {
    public_key::read(file, context.now()).map_err(|error| {
        let unreadable = |way, error| {
            texts::public_key_unreadable(&format!("{way} {file}: {}", os_error(error)))
        };
        Failure::new(match &error {
            PublicKeyError::Open(error) => unreadable("open", error),
            PublicKeyError::Read(error) => unreadable("read", error),
            PublicKeyError::Unusable(error) => {
                texts::public_key_unusable(file, &problems::with_sources(error))
            }
        })
    })
}

async fn add(
    typed: &str,
    name: &SignerName,
    keys: &[PublicKey],
    context: &Context,
) -> Result<(), Failure> {
    let image = Image::find(context, typed)?;
    if image.reference.tag().is_some() || image.reference.digest().is_some() {
        tracing::warn!(
            "{}",
            texts::signers_are_for_repositories(typed, &image.reference.familiar_name())
        );
    }
    let store = context.keys()?;
    let mut repository = image.open(context, Access::PullPush)?;
    let wrapped = |error: Error| image.failure(problems::notary_error(typed, &error), &error);

    let updated = {
        let _busy = context.printer.busy(&texts::reading(image.gun.as_str()));
        repository.update(Mode::Write, Scope::All).await.map(|_| ())
    };
    problems::log_warnings(repository.take_warnings());
    match updated {
        Ok(()) => {}
        Err(Error::NoTrustData { .. }) => {
            context.printer.out(&texts::initializing(typed))?;
            keys::initialize(&mut repository, &store)
                .await
                .map_err(wrapped)?;
            context.printer.out(&texts::initialized(typed))?;
        }
        Err(error) => return Err(wrapped(error)),
    }

    let _busy = context.printer.busy(&texts::publishing(image.gun.as_str()));
    let published = repository
        .publish(&delegations(name.role(), keys), PublishOptions::default())
        .await
        .map_err(|error| image.failure(problems::client_problem(&error), &error))?;
    problems::log_warnings(repository.take_warnings());
    problems::log_edit_warnings(&published);
    Ok(())
}

/// The signer's own role, and a place among those who release.
pub(super) fn delegations(role: &RoleName, keys: &[PublicKey]) -> Vec<Edit> {
    [role.clone(), RoleName::releases()]
        .map(|role| Edit::AddDelegation {
            role,
            threshold: 1,
            keys: keys.to_vec(),
            paths: vec![String::new()],
        })
        .to_vec()
}
