//! `notary takeover GUN`: the owner's root key makes an imported repository belong to its new server.

use std::sync::Arc;

use signet_client::takeover::{SnapshotKey, TakeoverPlan};
use signet_client::{Access, Error, Options, Repository};
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{Gun, RoleName};

use super::Context;
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::{Failure, with_sources};

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let name = matches.args.first().map_or("", String::as_str);
    let gun: Gun = name
        .parse()
        .map_err(|error: signet_tuf::InvalidGun| Failure::new(error.to_string()))?;
    let dry_run = matches.is_set("dry-run");
    let server = context.server()?;
    let mut options = Options::new(
        gun.clone(),
        context.trust_dir()?,
        context.remote(Access::PushPull)?,
        Arc::new(context.clock),
    );
    options.keys = context.keys()?;
    options.pinning = context.pinning()?;
    options.remember = !dry_run;
    let failed = |error: Error| failure(&gun, &error);
    let mut repository = Repository::open(options).map_err(failed)?;
    context.block_on(async {
        let plan = {
            let _busy = context.printer.busy(texts::TAKEOVER_LOOKING);
            repository.plan_takeover().await.map_err(failed)?
        };
        for warning in repository.take_warnings() {
            tracing::warn!("{warning}");
        }
        if plan.is_done() {
            context
                .printer
                .out(&texts::takeover_done_already(gun.as_str(), &server.given))?;
            say_left(context, &gun, &plan)?;
            return Ok(());
        }
        context
            .printer
            .out(&texts::takeover_plan(gun.as_str(), &server.given, &plan))?;
        say_left(context, &gun, &plan)?;
        say_warnings(&plan);
        if dry_run {
            return Ok(context.printer.out(texts::TAKEOVER_DRY_RUN)?);
        }
        if !matches.is_set("yes") && !confirm(context)? {
            return Ok(context.printer.out(texts::ABORTING)?);
        }
        let published = repository.take_over(&plan).await.map_err(failed)?;
        let version = published
            .files
            .iter()
            .find(|(role, _)| *role == RoleName::root())
            .map_or(plan.root_version, |(_, version)| *version);
        context
            .printer
            .out(&texts::taken_over(gun.as_str(), version))?;
        // As any client that knows the old root; what it finds is not what was published, but what is served.
        if let Err(error) = repository.update(Mode::Read, Scope::All).await {
            return Err(failed(error).prefix(texts::TAKEOVER_NOT_READABLE));
        }
        Ok(())
    })
}

fn confirm(context: &Context) -> Result<bool, Failure> {
    context
        .terminal
        .confirm_word(texts::PROCEED)
        .map_err(|error| Failure::new(error.to_string()))
}

/// What others have to do.
fn say_left(context: &Context, gun: &Gun, plan: &TakeoverPlan) -> Result<(), Failure> {
    for left in &plan.left {
        context
            .printer
            .out(&texts::takeover_left(gun.as_str(), left))?;
    }
    Ok(())
}

fn say_warnings(plan: &TakeoverPlan) {
    if plan.never_seen {
        tracing::warn!("{}", texts::TAKEOVER_NEVER_SEEN);
    }
    if !plan.dropped_root_keys.is_empty() {
        let ids: Vec<&str> = plan
            .dropped_root_keys
            .iter()
            .map(|id| id.as_str())
            .collect();
        tracing::warn!("{}", texts::takeover_dropped(&ids));
    }
    if let Some((known, served)) = plan.older_timestamp {
        tracing::warn!("{}", texts::takeover_older_timestamp(known, served));
    }
    if let Some(ends) = plan.certificate_ends {
        tracing::warn!("{}", texts::takeover_certificate_ends(ends));
    }
    if let Some(change) = &plan.certificate {
        tracing::warn!("{}", texts::takeover_certificate_new(change.new.as_str()));
    }
    if plan.replaces_server_keys() {
        tracing::warn!("{}", texts::takeover_old_server(&plan.root_expires));
    }
    if plan.snapshot == SnapshotKey::Own {
        tracing::info!("{}", texts::TAKEOVER_OWN_SNAPSHOT);
    }
}

fn failure(gun: &Gun, error: &Error) -> Failure {
    match error {
        Error::NoSigningKeys { role, keys, .. } if *role == RoleName::root() => {
            let ids: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
            Failure::new(texts::takeover_needs_root_key(gun.as_str(), &ids))
                .hint(texts::TAKEOVER_KEY_HINT)
        }
        Error::NoTrustData { .. } => {
            Failure::new(error.to_string()).hint(texts::TAKEOVER_IMPORT_FIRST)
        }
        Error::Changed { .. } | Error::Conflict { .. } => {
            Failure::new(error.to_string()).hint(texts::TAKEOVER_PLAN_AGAIN)
        }
        _ => Failure::new(with_sources(error)),
    }
}
