//! One trust repository: whether it can be believed, who can sign, and what expires when.

use std::collections::BTreeSet;
use std::time::Duration;

use signet_client::{Access, Error, ErrorKind, Repository};
use signet_keys::KeyInfo;
use signet_tuf::certificate::Bundle;
use signet_tuf::rules::RuleError;
use signet_tuf::update::{Mode, Scope, UpdateError};
use signet_tuf::{BaseRole, KeyId, RoleName, TrustedRepository};
use time::OffsetDateTime;

use super::{Report, STEP, keys};
use crate::docker::problems;
use crate::docker::trust::Image;
use crate::doctor::server::{day, warn_before};
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// Longest time for reading the whole repository.
const READING: Duration = Duration::from_secs(30);
pub(super) async fn examine(image: &Image, report: &mut Report<'_>) -> Result<(), Failure> {
    let context = report.context;
    let mut repository = image.look(context, Access::Pull)?;
    staged(&repository, report)?;
    let known = repository.remembers_root().unwrap_or(false);
    if !read(image, &mut repository, report).await? {
        return Ok(());
    }
    let Some(trusted) = repository.trusted() else {
        return Ok(());
    };
    trust(image, trusted, known, report)?;
    let at_hand = keys::list(&context.trust_dir()?);
    roles(trusted, &at_hand, report)?;
    publishing(image, !at_hand.is_empty(), report).await?;
    expiry(trusted, context.now(), &at_hand, report)?;
    certificates(trusted, context.now(), report)?;
    demands(image, trusted, report)
}

fn staged(repository: &Repository, report: &mut Report<'_>) -> Result<(), Failure> {
    let Some(changelist) = repository.changelist() else {
        return Ok(());
    };
    match changelist.list() {
        Ok(changes) if changes.is_empty() => Ok(()),
        Ok(changes) => report.warning(
            "staged",
            texts::doctor_staged(changes.len()),
            texts::doctor_publish_staged(repository.gun().as_str(), changelist.dir()),
        ),
        Err(error) => report.warning(
            "staged",
            problems::with_sources(&error),
            texts::doctor_publish_staged(repository.gun().as_str(), changelist.dir()),
        ),
    }
}

/// Reads the repository as every command does. What has expired is read all the same, to be looked at.
async fn read(
    image: &Image,
    repository: &mut Repository,
    report: &mut Report<'_>,
) -> Result<bool, Failure> {
    let name = image.gun.as_str();
    for mode in [Mode::Read, Mode::Write] {
        let reading = repository.update(mode, Scope::All);
        let Ok(outcome) = tokio::time::timeout(READING, reading).await else {
            report.problem(
                "repository",
                texts::DOCTOR_NO_ANSWER_IN_TIME,
                texts::DOCTOR_SILENT,
            )?;
            return Ok(false);
        };
        let outcome = outcome.map(TrustedRepository::is_from_cache);
        repository.take_warnings();
        match outcome {
            Ok(true) => {
                report.warning(
                    "repository",
                    texts::DOCTOR_FROM_CACHE,
                    texts::DOCTOR_ASK_OPERATOR,
                )?;
                return Ok(true);
            }
            Ok(false) if mode == Mode::Read => {
                report.ok("repository", texts::DOCTOR_REPOSITORY)?;
                return Ok(true);
            }
            Ok(false) => return Ok(true),
            Err(Error::Update(UpdateError::Rule(RuleError::Expired { role, expiry })))
                if mode == Mode::Read =>
            {
                let text = texts::doctor_expired(role.as_str(), &expiry.to_string());
                report.problem("repository", text, texts::doctor_renew(role.as_str()))?;
            }
            Err(Error::NoTrustData { .. }) if !image.demands.pins_root(&image.gun) => {
                report.warning(
                    "repository",
                    texts::doctor_not_begun(name),
                    texts::DOCTOR_BEGIN,
                )?;
                return Ok(false);
            }
            Err(error) => {
                let text = problems::notary_error(name, &error);
                let advice = match error.kind() {
                    _ if problems::is_first_use(&error) => texts::DOCTOR_PIN,
                    ErrorKind::Violation => texts::DOCTOR_NOT_TRUSTWORTHY,
                    ErrorKind::Refused => texts::LOGIN_HINT,
                    _ => texts::DOCTOR_ASK_OPERATOR,
                };
                let failure = image.failure(text, &error);
                report.failure("repository", &failure, advice)?;
                return Ok(false);
            }
        }
    }
    Ok(false)
}

/// Whether the server lets this user publish. What it is asked is the key of a repository that it has: nothing comes of that but the answer.
async fn publishing(image: &Image, has_keys: bool, report: &mut Report<'_>) -> Result<(), Failure> {
    let repository = image.look(report.context, Access::PullPush)?;
    let asking = repository.server_key(BaseRole::Timestamp);
    let Ok(answer) = tokio::time::timeout(STEP, asking).await else {
        return report.warning(
            "publishing",
            texts::DOCTOR_NO_ANSWER_IN_TIME,
            texts::DOCTOR_SILENT,
        );
    };
    match answer {
        Ok(_) => report.ok("publishing", texts::DOCTOR_MAY_PUBLISH),
        // Who has no keys does not mean to publish.
        Err(_) if !has_keys => report.skipped("publishing", texts::DOCTOR_READS_ONLY),
        Err(error) => {
            let problem = problems::client_problem(&error);
            let advice = image.login.advice(&error);
            report.warning(
                "publishing",
                texts::doctor_may_not_publish(&problem),
                advice.unwrap_or_else(|| texts::LOGIN_HINT.to_owned()),
            )
        }
    }
}

fn root_ids(trusted: &TrustedRepository) -> Vec<String> {
    let root = trusted.root().body().role(BaseRole::Root);
    let ids = root
        .and_then(|role| role.keyids.as_deref())
        .unwrap_or_default();
    ids.iter().map(ToString::to_string).collect()
}

/// Why its root is believed.
fn trust(
    image: &Image,
    trusted: &TrustedRepository,
    known: bool,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let ids = root_ids(trusted).join(", ");
    if image.demands.pins_root(&image.gun) {
        report.ok("root", texts::doctor_root_pinned(&ids))
    } else if known {
        report.ok("root", texts::doctor_root_known(&ids))
    } else {
        report.warning(
            "root",
            texts::doctor_root_first_use(&ids),
            texts::DOCTOR_PIN_ROOT,
        )
    }
}

/// Who can sign what with the keys of this folder.
fn roles(
    trusted: &TrustedRepository,
    at_hand: &[KeyInfo],
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let ours: BTreeSet<&KeyId> = at_hand.iter().map(|key| &key.id).collect();
    let delegations = trusted.delegations().into_iter().map(|found| found.role);
    let (mut can, mut cannot) = (Vec::new(), Vec::new());
    let own = [RoleName::root(), RoleName::targets()];
    for role in own.into_iter().chain(delegations) {
        let Ok(keys) = trusted.role_keys(&role) else {
            continue;
        };
        let ids: BTreeSet<&KeyId> = keys.keys().map(|key| key.canonical_id()).collect();
        let needed = usize::try_from(keys.threshold()).unwrap_or(0);
        if needed == 0 || ids.len() < needed {
            let text = texts::doctor_too_few_keys(role.as_str(), keys.threshold(), ids.len());
            report.problem("roles", text, texts::DOCTOR_ADD_KEYS)?;
        }
        let here = ids.iter().filter(|id| ours.contains(**id)).count();
        if let Some(unusable) = trusted.unusable().get(&role) {
            let reason = unusable.reason().to_string();
            let text = texts::unusable_signer(role.as_str(), &reason);
            report.problem(
                "roles",
                text,
                texts::doctor_sign_again(role.as_str(), here > 0),
            )?;
        }
        if here == 0 {
            cannot.push(role.to_string());
        } else if here < needed {
            let text = texts::doctor_some_keys(role.as_str(), here, needed);
            report.warning("roles", text, texts::DOCTOR_OTHERS_SIGN_TOO)?;
        } else {
            can.push(role.to_string());
        }
    }
    report.ok(
        "signing",
        texts::doctor_can_sign(&can.join(", "), &cannot.join(", ")),
    )
}

/// What ends when. What the server signs it renews by itself.
fn expiry(
    trusted: &TrustedRepository,
    now: OffsetDateTime,
    at_hand: &[KeyInfo],
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let mut all = vec![
        (RoleName::timestamp(), trusted.timestamp().expires()),
        (RoleName::snapshot(), trusted.snapshot().expires()),
        (RoleName::root(), trusted.root().expires()),
    ];
    let targets = trusted.all_targets().iter();
    all.extend(targets.map(|(role, document)| (role.clone(), document.expires())));
    let ours: BTreeSet<&KeyId> = at_hand.iter().map(|key| &key.id).collect();
    let mut ends = Vec::new();
    for (role, expires) in all {
        let moment = expires.moment();
        let by_server = matches!(role.base(), Some(BaseRole::Timestamp | BaseRole::Snapshot))
            && trusted
                .role_keys(&role)
                .is_ok_and(|keys| keys.keys().all(|key| !ours.contains(key.canonical_id())));
        if moment <= now {
            let text = texts::doctor_expired(role.as_str(), &expires.to_string());
            report.problem("expiry", text, texts::doctor_renew(role.as_str()))?;
        } else if moment < warn_before(now) && !by_server {
            let text = texts::doctor_expires(role.as_str(), &day(moment));
            report.warning("expiry", text, texts::doctor_renew(role.as_str()))?;
        } else {
            ends.push(format!("{role} {}", day(moment)));
        }
    }
    report.ok("expiry", texts::doctor_valid_until(&ends.join(", ")))
}

fn certificates(
    trusted: &TrustedRepository,
    now: OffsetDateTime,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let body = trusted.root().body();
    let role = body.role(BaseRole::Root);
    let ids = role
        .and_then(|role| role.keyids.as_deref())
        .unwrap_or_default();
    for id in ids {
        let Some(bundle) = body
            .keys
            .get(id)
            .and_then(|key| Bundle::from_pem(key.public_bytes()))
        else {
            continue;
        };
        let until = bundle.leaf.not_after();
        let text = texts::doctor_root_certificate(id.short(), &day(until));
        if until <= now {
            report.problem("root-certificate", text, texts::DOCTOR_ROTATE_ROOT)?;
        } else if until < warn_before(now) {
            report.warning("root-certificate", text, texts::DOCTOR_ROTATE_ROOT)?;
        } else {
            report.ok("root-certificate", text)?;
        }
    }
    Ok(())
}

/// Signers that the policy asks for and the repository does not have.
fn demands(
    image: &Image,
    trusted: &TrustedRepository,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let there: BTreeSet<RoleName> = trusted
        .delegations()
        .into_iter()
        .map(|found| found.role)
        .collect();
    for stated in &image.demands.signers {
        let rule = texts::policy_rule(&stated.file, &stated.scope);
        let of = stated.value.any.iter().flat_map(|choice| &choice.of);
        let missing: Vec<&str> = stated
            .value
            .all_of
            .iter()
            .chain(of)
            .filter(|name| !there.contains(name.role()))
            .map(|name| name.as_str())
            .collect();
        if missing.is_empty() {
            report.ok("policy-signers", texts::doctor_policy_signers(&rule))?;
        } else {
            report.problem(
                "policy-signers",
                texts::doctor_no_such_signer(&missing.join(", "), &rule),
                texts::DOCTOR_ADD_SIGNER,
            )?;
        }
    }
    Ok(())
}
