//! The sources of a report, one repository at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use signet_archive::{Archive, State, judge};
use signet_client::inventory::{Captured, Facts, Folder, Inventory, KeysAtHand, SourceKind, look};
use signet_client::policy::{Policy, UserPolicy};
use signet_client::{Access, Clock, Options, Remote, Repository};
use signet_tuf::{Gun, TrustPinning};
use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::spool::{Gathered, Spool};
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::notary::look::{self as reading, Asked};
use crate::texts::notary as texts;
use crate::ui::report::{Failure, with_sources};

/// How many repositories are read from a server at the same time.
const AT_ONCE: usize = 8;
/// How far those that are done may be ahead of one that is not.
const AHEAD: usize = 64;

/// Where the repositories are.
pub(super) enum Source {
    TrustFolder(PathBuf),
    Server {
        address: String,
        remote: Arc<Remote>,
    },
    Archives(Vec<PathBuf>),
}

impl Source {
    pub(super) fn of(matches: &Matches, context: &Context) -> Result<Self, Failure> {
        let archives = matches.list("archive");
        let folder = matches.text("trust-dir");
        let asks_server = context.globals.server.is_some();
        let named = [!archives.is_empty(), !folder.is_empty(), asks_server];
        if named.iter().filter(|is_named| **is_named).count() > 1 {
            return context.wrong_arguments(texts::REPORT_ONE_SOURCE);
        }
        if !archives.is_empty() {
            return Ok(Self::Archives(archives.iter().map(PathBuf::from).collect()));
        }
        if !folder.is_empty() {
            return Ok(Self::TrustFolder(PathBuf::from(folder)));
        }
        if asks_server || !matches.args.is_empty() {
            if matches.args.is_empty() {
                return context.wrong_arguments(texts::REPORT_NAME_REPOSITORIES);
            }
            let server = context.server()?;
            let mut shown = server.url.clone();
            // A password has no place on a page.
            let _ = (shown.set_username(""), shown.set_password(None));
            return Ok(Self::Server {
                address: shown.to_string(),
                remote: context.remote_at(&server, Access::Pull)?,
            });
        }
        Ok(Self::TrustFolder(context.trust_dir()?))
    }

    /// What they are called on the page.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::TrustFolder(path) => vec![format!("trust folder {}", path.display())],
            Self::Server { address, .. } => vec![address.clone()],
            Self::Archives(paths) => paths
                .iter()
                .map(|path| format!("archive {}", path.display()))
                .collect(),
        }
    }
}

/// What is demanded of roots, by the configuration and by the trust policy.
struct Pins {
    configured: Vec<TrustPinning>,
    policy: Policy,
}

impl Pins {
    fn load(context: &Context) -> Result<Self, Failure> {
        let user = match &context.env.trust_policy {
            Some(path) => UserPolicy::Named(path.clone()),
            None => UserPolicy::Usual(context.trust_dir()?.join("policy.json")),
        };
        let policy = Policy::load(context.env.machine_policy.as_deref(), Some(&user))
            .map_err(|error| Failure::new(with_sources(&error)))?;
        Ok(Self {
            configured: context.pinning()?,
            policy,
        })
    }

    fn of(&self, gun: &Gun) -> Result<Vec<TrustPinning>, Failure> {
        let demands = self
            .policy
            .demands(gun)
            .map_err(|error| Failure::new(with_sources(&error)))?;
        let mut pins = self.configured.clone();
        pins.extend(demands.root.into_iter().map(|stated| stated.value));
        Ok(pins)
    }
}

/// What every repository is described with.
struct Gathering<'a> {
    spool: Spool,
    keys: KeysAtHand,
    pins: Pins,
    now: OffsetDateTime,
    context: &'a Context,
}

pub(super) fn gather(
    source: &Source,
    matches: &Matches,
    context: &Context,
    now: OffsetDateTime,
) -> Result<Gathered, Failure> {
    let trust_dir = match source {
        Source::TrustFolder(path) => path.clone(),
        Source::Server { .. } | Source::Archives(_) => context.trust_dir()?,
    };
    let keys = KeysAtHand::look(&trust_dir);
    for problem in keys.problems() {
        tracing::warn!("{problem}");
    }
    let mut gathering = Gathering {
        spool: Spool::new()?,
        keys,
        pins: Pins::load(context)?,
        now,
        context,
    };
    let mut guns = Vec::with_capacity(matches.args.len());
    for name in &matches.args {
        let gun: Gun = name
            .parse()
            .map_err(|error: signet_tuf::InvalidGun| Failure::new(error.to_string()))?;
        guns.push(gun);
    }
    guns.sort();
    guns.dedup();
    match source {
        Source::TrustFolder(path) => gathering.folder(path, &guns)?,
        Source::Server { address, remote } => gathering.server(address, remote, guns)?,
        Source::Archives(paths) => {
            for path in paths {
                gathering.archive(path, &guns)?;
            }
        }
    }
    Ok(gathering.spool.finish()?)
}

impl Gathering<'_> {
    fn folder(&mut self, path: &std::path::Path, only: &[Gun]) -> Result<(), Failure> {
        if !path.is_dir() {
            return Err(Failure::new(texts::no_trust_folder(path)));
        }
        let folder = Folder::new(path);
        let failed = |error: &(dyn std::error::Error + 'static)| Failure::new(with_sources(error));
        let mut guns = folder.guns().map_err(|error| failed(&error))?;
        if !only.is_empty() {
            guns = only.to_vec();
        }
        for gun in guns {
            let pins = self.pins.of(&gun)?;
            let seen = folder
                .look(&gun, self.now, &pins)
                .map_err(|error| failed(&error))?;
            let facts = Facts {
                gun: &gun,
                source: path.display().to_string(),
                kind: SourceKind::Stored,
                at: self.now,
                seen: &seen,
                judged: None,
                captured: None,
                pins: &pins,
                keys: &self.keys,
            };
            self.spool.push(&facts.describe())?;
        }
        Ok(())
    }

    fn archive(&mut self, path: &std::path::Path, only: &[Gun]) -> Result<(), Failure> {
        let failed = |error| Failure::new(texts::report_archive(path, &error));
        let archive = Archive::open(path).map_err(failed)?;
        let mut missing = only.to_vec();
        for entry in archive.entries() {
            if !only.is_empty() {
                let wanted = missing.iter().position(|gun| gun.as_str() == entry.gun);
                match wanted {
                    Some(at) => {
                        missing.remove(at);
                    }
                    None => continue,
                }
            }
            let repository = archive.read(entry).map_err(failed)?;
            let gun = repository.record.gun.clone();
            let pins = self.pins.of(&gun)?;
            let captured = repository.record.captured;
            let trusting = TrustPinning::default();
            let then = judge(&repository, captured.time(), &trusting).verdict;
            let now = judge(&repository, self.now, &trusting).verdict;
            let mut seen = look(&gun, self.now, &pins, &|fetch| repository.answer(fetch));
            let is_pinned_out = seen.trusted.is_none() && seen.error.is_some();
            // Where the judge and a client disagree, the stricter of them is right.
            let judged = match now.state {
                State::Trusted | State::Degraded | State::Expired if is_pinned_out => None,
                State::Trusted | State::Degraded | State::Expired => Some((now.state, now.reason)),
                other => {
                    seen.trusted = None;
                    Some((other, now.reason))
                }
            };
            let facts = Facts {
                gun: &gun,
                source: path.display().to_string(),
                kind: SourceKind::Stored,
                at: self.now,
                seen: &seen,
                judged,
                captured: Some(Captured {
                    at: captured,
                    state: then.state,
                    reason: then.reason,
                }),
                pins: &pins,
                keys: &self.keys,
            };
            self.spool.push(&facts.describe())?;
        }
        match missing.first() {
            Some(gun) => Err(Failure::new(texts::not_in_archive(gun.as_str(), path))),
            None => Ok(()),
        }
    }

    fn server(
        &mut self,
        address: &str,
        remote: &Arc<Remote>,
        guns: Vec<Gun>,
    ) -> Result<(), Failure> {
        let trust_dir = self.context.trust_dir().ok();
        let clock = self.context.clock;
        let mut waiting = guns.into_iter().enumerate();
        let mut done: BTreeMap<usize, Inventory> = BTreeMap::new();
        let mut next = 0;
        self.context.block_on(async {
            let mut tasks: JoinSet<(usize, Gun, Asked)> = JoinSet::new();
            loop {
                while tasks.len() < AT_ONCE && done.len() < AHEAD {
                    let Some((number, gun)) = waiting.next() else {
                        break;
                    };
                    // A refusal of first use is told as a finding; a pin must hold.
                    let pinning = self.pins.of(&gun)?;
                    let pinning = pinning.into_iter().filter(|pins| pins.pins(&gun)).collect();
                    let options = Options {
                        trust_dir: trust_dir.clone(),
                        pinning,
                        remember: false,
                        ..Options::new(
                            gun.clone(),
                            PathBuf::new(),
                            Arc::clone(remote),
                            Arc::new(clock) as Arc<dyn Clock>,
                        )
                    };
                    tasks.spawn(async move {
                        let asked = match Repository::open(options) {
                            Ok(mut repository) => reading::read(&mut repository).await,
                            Err(error) => reading::failed(error),
                        };
                        (number, gun, asked)
                    });
                }
                let Some(finished) = tasks.join_next().await else {
                    return Ok(());
                };
                let (number, gun, (seen, judged)) =
                    finished.map_err(|error| Failure::new(error.to_string()))?;
                let pins = self.pins.of(&gun)?;
                let facts = Facts {
                    gun: &gun,
                    source: address.to_owned(),
                    kind: SourceKind::Server,
                    // After the answers: what expired meanwhile is over.
                    at: self.context.now(),
                    seen: &seen,
                    judged,
                    captured: None,
                    pins: &pins,
                    keys: &self.keys,
                };
                done.insert(number, facts.describe());
                while let Some(inventory) = done.remove(&next) {
                    self.spool.push(&inventory)?;
                    next += 1;
                }
            }
        })
    }
}
