//! One repository: what is remembered of it, what the server has, whether that can be believed, and who can sign. The findings are those of
//! `notary report`; what mends them is said in commands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use signet_client::inventory::{
    Facts, Finding, Folder, Holder, Inventory, KeysAtHand, Severity, SourceKind,
};
use signet_client::{Access, Options, PinnedRoots, Repository};
use signet_tuf::update::Warning;
use signet_tuf::{BaseRole, Gun, TrustedRepository};

use super::{Report, mend, staged};
use crate::doctor::{STEP, State};
use crate::notary::look::{self, Asked};
use crate::texts::notary as texts;
use crate::ui::report::{Failure, with_sources};

/// Longest time for reading the whole repository.
const READING: Duration = Duration::from_secs(30);

pub(super) async fn examine(
    gun: &Gun,
    trust_dir: &Path,
    is_reachable: bool,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    report.heading(&texts::doctor_repository(gun.as_str()))?;
    let context = report.context;
    let keys = KeysAtHand::look(trust_dir);
    let pins = context.pinning()?;
    let mut repository = match open(gun, trust_dir, Access::Pull, report) {
        Ok(repository) => repository,
        Err(failure) => return report.failure("repository", &failure, ""),
    };
    let known = remembered(&repository, report)?;
    let (kind, (seen, judged)) = if is_reachable {
        let reading = look::read(&mut repository);
        let Ok(asked) = tokio::time::timeout(READING, reading).await else {
            return report.problem(
                "repository",
                texts::DOCTOR_NO_ANSWER_IN_TIME,
                texts::DOCTOR_SILENT,
            );
        };
        (SourceKind::Server, asked)
    } else if known {
        report.ok("repository", texts::DOCTOR_AS_REMEMBERED)?;
        (SourceKind::Stored, stored(gun, trust_dir, report)?)
    } else {
        return report.skipped("repository", texts::DOCTOR_NOTHING_REMEMBERED);
    };
    let inventory = Facts {
        gun,
        source: String::new(),
        kind,
        at: context.now(),
        seen: &seen,
        judged,
        captured: None,
        pins: &pins,
        keys: &keys,
    }
    .describe();
    if let Some(trusted) = &seen.trusted {
        trust(gun, trusted, known, &mut repository, report)?;
        signing(&inventory, report)?;
    }
    let mend = mend::Mend {
        context,
        gun,
        inventory: &inventory,
        seen: &seen,
        known,
    };
    for finding in &inventory.findings {
        add(finding, &mend, report)?;
    }
    if let Some(until) = inventory.valid_until {
        let day = until.time().date().to_string();
        report.ok("expiry", texts::doctor_valid_until(&day))?;
    }
    if is_reachable && seen.trusted.is_some() && has_keys(&inventory) {
        publishing(gun, trust_dir, report).await?;
    }
    staged::examine(&repository, seen.trusted.as_deref(), &keys, report)
}

/// As every command opens it; nothing that is learnt is remembered.
fn open(
    gun: &Gun,
    trust_dir: &Path,
    access: Access,
    report: &Report<'_>,
) -> Result<Repository, Failure> {
    let context = report.context;
    let mut options = Options::new(
        gun.clone(),
        trust_dir,
        context.remote(access)?,
        Arc::new(context.clock),
    );
    options.pinning = context.pinning()?;
    options.pinned_roots = PinnedRoots::First;
    options.remember = false;
    Repository::open(options).map_err(|error| Failure::new(with_sources(&error)))
}

/// What the trust folder has of the repository. Whether that is a root.
fn remembered(repository: &Repository, report: &mut Report<'_>) -> Result<bool, Failure> {
    match repository.remembered_versions() {
        Ok(versions) if versions.is_empty() => {
            report.ok("remembered", texts::DOCTOR_FIRST_TIME)?;
        }
        Ok(versions) => {
            let all = versions
                .iter()
                .map(|(role, version)| texts::doctor_version(role.as_str(), *version));
            let all: Vec<String> = all.collect();
            report.ok("remembered", texts::doctor_remembered(&all.join(", ")))?;
        }
        Err(error) => {
            report.problem("remembered", with_sources(&error), texts::DOCTOR_MEND_MODE)?;
        }
    }
    Ok(repository.remembers_root().unwrap_or(false))
}

/// What is remembered, judged by itself.
fn stored(gun: &Gun, trust_dir: &Path, report: &Report<'_>) -> Result<Asked, Failure> {
    let seen = Folder::new(trust_dir)
        .look(gun, report.context.now(), &[])
        .map_err(|error| Failure::new(with_sources(&error)))?;
    Ok((seen, None))
}

/// Why its root is believed, and whether it should be.
fn trust(
    gun: &Gun,
    trusted: &TrustedRepository,
    known: bool,
    repository: &mut Repository,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let root = trusted.root();
    let ids = root
        .body()
        .role(BaseRole::Root)
        .and_then(|role| role.keyids.as_deref())
        .unwrap_or_default();
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let unpinned = repository.take_warnings().into_iter().find_map(|warning| {
        let told = warning.to_string();
        matches!(warning, Warning::RootNotPinned { .. }).then_some(told)
    });
    let is_pinned = report
        .context
        .pinning()?
        .iter()
        .any(|pinning| pinning.pins(gun));
    let ids = ids.join(", ");
    if let Some(told) = unpinned {
        let advice = texts::doctor_not_the_pinned_root(gun.as_str(), &ids);
        return report.problem("pin", told, advice);
    }
    let text = if is_pinned && trusted_now(trusted) {
        texts::doctor_root_pinned(&ids)
    } else if known {
        texts::doctor_root_known(&ids)
    } else {
        texts::doctor_root_first_use(&ids)
    };
    report.ok("root", text)
}

/// Only what the server has was held to the pins.
fn trusted_now(trusted: &TrustedRepository) -> bool {
    !trusted.is_from_cache()
}

/// Who can sign what with the keys of this folder.
fn signing(inventory: &Inventory, report: &mut Report<'_>) -> Result<(), Failure> {
    let (mut can, mut cannot) = (Vec::new(), Vec::new());
    for role in &inventory.roles {
        let needed = usize::try_from(role.threshold).unwrap_or(0);
        let here = role
            .keys
            .iter()
            .filter(|id| is_here(inventory, id.as_str()))
            .count();
        if role.name == "timestamp" {
            continue;
        }
        if here == 0 {
            cannot.push(role.name.as_str());
        } else if here < needed {
            let text = texts::doctor_some_keys(&role.name, here, needed);
            report.warning("signing", text, texts::DOCTOR_OTHERS_SIGN_TOO)?;
        } else {
            can.push(role.name.as_str());
        }
    }
    report.ok(
        "signing",
        texts::doctor_can_sign(&can.join(", "), &cannot.join(", ")),
    )
}

fn is_here(inventory: &Inventory, id: &str) -> bool {
    inventory
        .keys
        .iter()
        .any(|key| key.id == id && matches!(key.holder, Holder::HereEncrypted | Holder::HereOpen))
}

fn has_keys(inventory: &Inventory) -> bool {
    let holders = inventory.keys.iter().map(|key| key.holder);
    holders
        .into_iter()
        .any(|holder| matches!(holder, Holder::HereEncrypted | Holder::HereOpen))
}

fn add(finding: &Finding, mend: &mend::Mend<'_>, report: &mut Report<'_>) -> Result<(), Failure> {
    let state = match finding.severity {
        Severity::Error => State::Problem,
        Severity::Warning => State::Warning,
        Severity::Note => State::Note,
    };
    let advice = mend.of(finding);
    report.add(finding.code.as_str(), state, &finding.text, Some(advice))
}

/// Whether the server lets this user publish. It is asked for the key of a repository that it has, of which nothing comes but the answer.
async fn publishing(gun: &Gun, trust_dir: &Path, report: &mut Report<'_>) -> Result<(), Failure> {
    let repository = match open(gun, trust_dir, Access::PushPull, report) {
        Ok(repository) => repository,
        Err(failure) => return report.failure("publishing", &failure, ""),
    };
    let asking = repository.server_key(BaseRole::Timestamp);
    let (problem, advice) = match tokio::time::timeout(STEP, asking).await {
        Ok(Ok(_)) => return report.ok("publishing", texts::DOCTOR_MAY_PUBLISH),
        Ok(Err(error)) => (with_sources(&error), texts::DOCTOR_LOG_IN),
        Err(_) => (
            texts::DOCTOR_NO_ANSWER_IN_TIME.to_owned(),
            texts::DOCTOR_SILENT,
        ),
    };
    let text = texts::doctor_may_not_publish(&problem);
    report.warning("publishing", text, advice)
}
