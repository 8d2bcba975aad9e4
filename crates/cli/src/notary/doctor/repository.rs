//! One repository: what is remembered of it, what the server has, whether that can be believed, and who can sign. The findings are those of
//! `notary report`; what mends them is said in commands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use signet_client::inventory::{
    Facts, Finding, Folder, Holder, Inventory, KeysAtHand, Severity, SourceKind,
};
use signet_client::{Access, Options, PinnedRoots, Repository};
use signet_tuf::rules::RuleError;
use signet_tuf::update::Warning;
use signet_tuf::{BaseRole, Gun, TrustPinning, TrustedRepository, UpdateError};
use time::OffsetDateTime;

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
    let read = if is_reachable {
        let reading = look::read(&mut repository);
        let Ok(asked) = tokio::time::timeout(READING, reading).await else {
            return report.problem(
                "repository",
                texts::DOCTOR_NO_ANSWER_IN_TIME,
                texts::DOCTOR_SILENT,
            );
        };
        Read::of_server(asked, &mut repository)
    } else if known {
        report.ok("repository", texts::DOCTOR_AS_REMEMBERED)?;
        Read::of_folder(gun, trust_dir, &pins, context.now())?
    } else {
        return report.skipped("repository", texts::DOCTOR_NOTHING_REMEMBERED);
    };
    let Read {
        kind,
        asked: (seen, judged),
        unpinned,
    } = read;
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
        if inventory.state == signet_archive::State::Trusted && is_reachable {
            report.ok("repository", texts::DOCTOR_REPOSITORY)?;
        }
        match &unpinned {
            Some(told) => {
                let advice = texts::doctor_not_the_pinned_root(gun.as_str(), &root_ids(trusted));
                report.problem("pin", told, advice)?;
            }
            None => {
                let is_pinned = pins.iter().any(|pinning| pinning.pins(gun));
                trust(trusted, known, is_pinned, report)?;
            }
        }
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

/// What came of reading a repository.
struct Read {
    kind: SourceKind,
    asked: Asked,
    /// Why its root would be refused, where only what is remembered speaks for it.
    unpinned: Option<String>,
}

impl Read {
    fn of_server(asked: Asked, repository: &mut Repository) -> Self {
        let warnings = repository.take_warnings().into_iter();
        let unpinned = warnings
            .filter(|warning| matches!(warning, Warning::RootNotPinned { .. }))
            .map(|warning| warning.to_string());
        Self {
            kind: SourceKind::Server,
            asked,
            unpinned: unpinned.last(),
        }
    }

    /// What is remembered, judged by itself.
    fn of_folder(
        gun: &Gun,
        trust_dir: &Path,
        pins: &[TrustPinning],
        now: OffsetDateTime,
    ) -> Result<Self, Failure> {
        let folder = Folder::new(trust_dir);
        let look = |pins: &[TrustPinning]| {
            let seen = folder.look(gun, now, pins);
            seen.map_err(|error| Failure::new(with_sources(&error)))
        };
        let seen = look(&[])?;
        let unpinned = match look(pins)?.error {
            Some(UpdateError::Rule(RuleError::Root(error))) if seen.trusted.is_some() => {
                let warning = Warning::RootNotPinned {
                    gun: gun.clone(),
                    reason: error.to_string(),
                };
                Some(warning.to_string())
            }
            _ => None,
        };
        Ok(Self {
            kind: SourceKind::Stored,
            asked: (seen, None),
            unpinned,
        })
    }
}

/// Why its root is believed, where nothing speaks against it.
fn trust(
    trusted: &TrustedRepository,
    known: bool,
    is_pinned: bool,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let ids = root_ids(trusted);
    report.ok(
        "root",
        if is_pinned {
            texts::doctor_root_pinned(&ids)
        } else if known {
            texts::doctor_root_known(&ids)
        } else {
            texts::doctor_root_first_use(&ids)
        },
    )
}

/// The IDs that pins name.
fn root_ids(trusted: &TrustedRepository) -> String {
    let role = trusted.root().body().role(BaseRole::Root);
    let ids = role.and_then(|role| role.keyids.as_deref());
    let ids: Vec<String> = ids.into_iter().flatten().map(ToString::to_string).collect();
    ids.join(", ")
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
