//! `notary renew GUN [ROLE…]`: signs documents again as they are, before or after their validity has ended (Q9).

use std::io::{self, IsTerminal as _};

use serde::Serialize;
use signet_client::renewal::{Left, RenewalPlan, Renewed};
use signet_client::{Access, Error};
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{BaseRole, Expiry, Gun, RoleName, TrustedRepository, Version};

use super::format::{self, Format};
use super::repository::{self, Opened};
use super::{Context, publishing, tables};
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// A document in JSON.
#[derive(Serialize)]
struct Line {
    role: String,
    version: Version,
    expires: Expiry,
    renewed: bool,
    /// Canonical IDs of the keys that must sign what was not renewed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let Some((name, roles)) = matches.args.split_first() else {
        return context.wrong_arguments(texts::GUN_ARGUMENT);
    };
    let gun = repository::gun(name)?;
    let roles = roles
        .iter()
        .map(|role| {
            role.parse()
                .map_err(|_| Failure::new(texts::role_unknown(role)))
        })
        .collect::<Result<Vec<RoleName>, _>>()?;
    let form = Format::of(matches)?;
    context.block_on(async {
        let mut opened = repository::open(context, &gun, Access::PushPull).await?;
        let mut plan = plan(context, &gun, &mut opened, &roles).await?;
        if plan.renewed.is_empty() && plan.left.is_empty() {
            return match form {
                Format::Text => Ok(context
                    .printer
                    .out(&texts::nothing_to_renew(gun.as_str()))?),
                Format::Json => Ok(()),
            };
        }
        let dry_run = matches.is_set("dry-run");
        let mut skipped = Vec::new();
        if !dry_run && !plan.renewed.is_empty() {
            let agreed = matches.is_set("yes");
            if plan.never_seen && !agreed && !confirm(context, &gun, &plan)? {
                return Ok(context.printer.out(texts::ABORTING)?);
            }
            let done = publish(context, &gun, &mut opened, &plan).await?;
            let is_done = |role: &RoleName| done.iter().any(|(found, _)| found == role);
            skipped.extend(plan.renewed.extract_if(.., |it| !is_done(&it.role)));
        }
        let now = opened.repository.trusted().filter(|_| !dry_run);
        match form {
            Format::Text => say(context, &gun, &plan, now, dry_run)?,
            Format::Json => format::lines(lines(&plan, now), context)?,
        }
        verdict(context, &gun, &plan, &skipped, !roles.is_empty())
    })
}

async fn plan(
    context: &Context,
    gun: &Gun,
    opened: &mut Opened,
    roles: &[RoleName],
) -> Result<RenewalPlan, Failure> {
    let plan = {
        let _busy = context.printer.busy(&texts::reading(gun.as_str()));
        opened.repository.plan_renewal(roles).await
    };
    opened.log_warnings();
    let plan = plan.map_err(|error| failure(opened, gun, &error))?;
    if plan.never_seen {
        tracing::warn!("{}", texts::TAKEOVER_NEVER_SEEN);
    }
    Ok(plan)
}

/// Publishes, and reads back what everybody reads now.
async fn publish(
    context: &Context,
    gun: &Gun,
    opened: &mut Opened,
    plan: &RenewalPlan,
) -> Result<Vec<(RoleName, Version)>, Failure> {
    let published = {
        let _busy = context.printer.busy(&texts::renewing(gun.as_str()));
        opened.repository.renew(plan).await
    };
    let published = published.map_err(|error| failure(opened, gun, &error))?;
    let read = opened.repository.update(Mode::Write, Scope::All).await;
    let read = read.map(drop);
    opened.repository.take_warnings();
    read.map_err(|error| opened.failure(&error).prefix(texts::RENEWED_NOT_READABLE))?;
    Ok(published.files)
}

/// Asks whether the state that the server shows is the newest, where nothing that is remembered can tell.
fn confirm(context: &Context, gun: &Gun, plan: &RenewalPlan) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !context.printer.talks_to_terminal() {
        return Err(Failure::new(texts::renewal_unseen(gun.as_str())));
    }
    for found in &plan.renewed {
        let (role, version) = (found.role.as_str(), found.version);
        let line = texts::would_renew(role, version, found.targets);
        context.printer.out(&line)?;
    }
    context
        .terminal
        .confirm_word(texts::PROCEED)
        .map_err(|error| Failure::new(error.to_string()))
}

fn failure(opened: &Opened, gun: &Gun, error: &Error) -> Failure {
    let failure = publishing::failure(opened, error);
    if repository::has_ended_certificate(error) {
        failure.hint(texts::certificate_ended(gun.as_str()))
    } else {
        failure
    }
}

fn say(
    context: &Context,
    gun: &Gun,
    plan: &RenewalPlan,
    now: Option<&TrustedRepository>,
    dry_run: bool,
) -> Result<(), Failure> {
    if !plan.renewed.is_empty() {
        let rows: Vec<_> = plan
            .renewed
            .iter()
            .map(|renewed| {
                let (version, expires) = present(now, &renewed.role, renewed);
                [
                    renewed.role.to_string(),
                    version.to_string(),
                    expires.to_string(),
                ]
            })
            .collect();
        let table = tables::table(["ROLE", "VERSION", "VALID UNTIL"], &rows);
        let heading = texts::renewed(gun.as_str(), dry_run);
        context.printer.out(&format!("{heading}\n{table}"))?;
    }
    for left in &plan.left {
        context
            .printer
            .out(&texts::not_renewed(gun.as_str(), left))?;
    }
    Ok(())
}

fn lines(plan: &RenewalPlan, now: Option<&TrustedRepository>) -> Vec<Line> {
    let done = plan.renewed.iter().map(|renewed| {
        let (version, expires) = present(now, &renewed.role, renewed);
        Line {
            role: renewed.role.to_string(),
            version,
            expires,
            renewed: now.is_some(),
            keys: Vec::new(),
        }
    });
    let left = plan.left.iter().map(|left| Line {
        role: left.role.to_string(),
        version: left.version,
        expires: left.expires.clone(),
        renewed: false,
        keys: left.keys.iter().map(ToString::to_string).collect(),
    });
    done.chain(left).collect()
}

/// A document's version and end as they are now; without a look at the server, as they were.
fn present(
    now: Option<&TrustedRepository>,
    role: &RoleName,
    before: &Renewed,
) -> (Version, Expiry) {
    let found = now.and_then(|now| match role.base() {
        Some(BaseRole::Root) => Some((now.root().version(), now.root().expires())),
        Some(BaseRole::Snapshot) => Some((now.snapshot().version(), now.snapshot().expires())),
        Some(BaseRole::Timestamp) => Some((now.timestamp().version(), now.timestamp().expires())),
        Some(BaseRole::Targets) | None => now.targets(role).map(|it| (it.version(), it.expires())),
    });
    found.map_or_else(
        || (before.version, before.expires.clone()),
        |(version, expires)| (version, expires.clone()),
    )
}

/// What was asked for by name, or keeps people from reading, and was not renewed, is a failure.
fn verdict(
    context: &Context,
    gun: &Gun,
    plan: &RenewalPlan,
    skipped: &[Renewed],
    named: bool,
) -> Result<(), Failure> {
    let now = context.now();
    // What the server signs it renews by itself.
    let is_missed = |left: &&Left| {
        left.role.base() != Some(BaseRole::Timestamp) && (named || left.expires.is_over(now))
    };
    let missed: Vec<&str> = plan
        .left
        .iter()
        .filter(is_missed)
        .map(|left| left.role.as_str())
        .chain(skipped.iter().map(|it| it.role.as_str()))
        .collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(texts::renewal_incomplete(gun.as_str(), &missed)).hint(texts::RENEWAL_KEYS))
}
