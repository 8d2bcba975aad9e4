//! `verify --archive FILE`: the same question, answered by an archive alone. No server is asked, and what the trust folder remembers neither
//! helps nor changes: the answer is the same on every machine with the same policy.

use std::path::PathBuf;

use signet_archive::contents::{Key, root_keys};
use signet_archive::drive::{Client, drive};
use signet_archive::{Archive, ArchivedRepository, Moment, RootChain, RootLinks, Source, State};
use signet_client::policy::{ArchiveSource, Demands};
use signet_oci::Reference;
use signet_tuf::rules::RuleError;
use signet_tuf::update::{Scope, UpdateError};
use signet_tuf::{Gun, PublicKey, TrustedRepository};
use time::Duration;

use super::super::context::Context;
use super::super::problems;
use super::super::resolve::{Subject, Talk, rule};
use super::super::trust::parse;
use crate::cobra::parse::Matches;
use crate::texts::{archive, docker as texts};
use crate::ui::report::Failure;
use crate::{archives, moment};

/// How far the clocks of two machines may lie apart.
const CLOCKS_DIFFER: Duration = Duration::minutes(5);

/// An archive, and how it is asked.
pub(super) struct Asked {
    path: PathBuf,
    archive: Archive,
    at: Option<Moment>,
    archivist: Option<PublicKey>,
}

/// A repository as an archive proves it.
pub(super) struct Proven {
    pub(super) reference: Reference,
    pub(super) demands: Demands,
    pub(super) trusted: Box<TrustedRepository>,
    /// The moment at which it holds.
    pub(super) at: Moment,
    /// When it was captured.
    pub(super) captured: Moment,
}

impl Proven {
    pub(super) const fn subject(&self) -> Subject<'_> {
        Subject {
            reference: &self.reference,
            demands: &self.demands,
            offline: true,
        }
    }
}

impl Asked {
    /// The archive of the command line, if it names one.
    pub(super) fn open(matches: &Matches, context: &Context) -> Result<Option<Self>, Failure> {
        // An empty value is most likely a variable without one in a script: what was meant to be demanded must not be left out.
        let given = |flag| matches.is_given(flag).then(|| matches.text(flag));
        let Some(file) = given("archive") else {
            return match ["archivist", "at"]
                .iter()
                .find(|flag| matches.is_given(flag))
            {
                Some(flag) => Err(Failure::new(texts::needs_archive(flag))),
                None => Ok(None),
            };
        };
        if matches.is_set("offline") {
            return Err(Failure::new(texts::ARCHIVE_OR_OFFLINE));
        }
        let at = given("at")
            .map(|text| {
                moment::parse(text).ok_or_else(|| Failure::new(archive::not_a_moment(text)))
            })
            .transpose()?;
        let archivist = given("archivist")
            .map(|key| archives::archivist(key, context.now()))
            .transpose()?;
        let path = PathBuf::from(file);
        let archive = archives::open(&path)?;
        if let Some(key) = &archivist {
            archives::check_archivist(&path, &archive, key)?;
        }
        Ok(Some(Self {
            path,
            archive,
            at,
            archivist,
        }))
    }

    /// Who answers for the moments in the archive, for people.
    pub(super) fn say_whose_word(&self, context: &Context) {
        let file = self.path.display().to_string();
        let said = match &self.archivist {
            None => texts::moments_are_not_signed(&file),
            Some(key) => texts::moments_are_signed(&file, key.canonical_id().as_str()),
        };
        context.printer.err(&said);
    }

    /// Finds the repository of an image, and what it amounts to at the moment that is asked for.
    pub(super) fn read(
        &self,
        name: &str,
        scope: Scope,
        talk: Talk,
        context: &Context,
    ) -> Result<Proven, Failure> {
        let reference = parse(name)?;
        let gun: Gun = reference
            .gun()
            .parse()
            .map_err(|error: signet_tuf::InvalidGun| Failure::new(error.to_string()))?;
        let demands = context
            .policy()?
            .demands(&gun)
            .map_err(|error| Failure::new(problems::with_sources(&error)))?;
        if let Some(stated) = &demands.fresh {
            let text = texts::archive_is_no_server(&reference.familiar_name(), &rule(stated));
            return Err(Failure::new(text).hint(texts::POLICY_FOR_ARCHIVES));
        }
        let whole = self.find(&gun)?;
        check_source(&whole, &demands)?;
        let captured = whole.record.captured;
        let now = Moment::of(context.now());
        if captured.time() > now.time() + CLOCKS_DIFFER {
            return Err(Failure::new(texts::captured_later_than_now(
                gun.as_str(),
                &self.file(),
                &captured.to_string(),
                &now.to_string(),
            )));
        }
        let at = self.at.unwrap_or(captured);
        let roots = self.check_roots(&whole, at)?;
        let repository = if at < captured {
            whole.in_force_at(at.time()).map_err(|error| {
                Failure::new(texts::archive_does_not_reach_back(
                    gun.as_str(),
                    &self.file(),
                    &at.to_string(),
                    &captured.to_string(),
                    &error.to_string(),
                ))
                .hint(texts::ARCHIVE_HISTORY)
            })?
        } else {
            whole.clone()
        };
        if !demands.pins_root(&gun) && demands.first_use_denied(&gun).is_none() {
            check_first_use(&whole, &repository, at)?;
        }
        if talk == Talk::Warnings {
            self.say_when(&gun, at, captured, context);
            if let Some(chain) = roots
                && let Some(gap) = chain.gap
            {
                let text = texts::roots_do_not_reach_back(gun.as_str(), chain.first, &gap);
                tracing::warn!("{text}");
            }
        }
        let trusted = self.judge(&repository, &demands, scope, at, talk)?;
        Ok(Proven {
            reference,
            demands,
            trusted,
            at,
            captured,
        })
    }

    fn find(&self, gun: &Gun) -> Result<ArchivedRepository, Failure> {
        let file = self.file();
        let repository = archives::read(&self.path, &self.archive, gun)?;
        let verdict = &repository.record.verdict;
        match verdict.state {
            // These are the archivist's word: there are no documents that could say anything else.
            State::Absent | State::Refused | State::Unreachable
                if repository.record.documents.is_empty() =>
            {
                Err(Failure::new(texts::archived_nothing(
                    gun.as_str(),
                    &file,
                    verdict.state.as_str(),
                    &repository.record.captured.to_string(),
                    verdict.reason.as_deref().unwrap_or_default(),
                )))
            }
            _ => Ok(repository),
        }
    }

    /// Runs the update that a client with this policy and an empty trust folder would run. Each pin must accept the root.
    fn judge(
        &self,
        repository: &ArchivedRepository,
        demands: &Demands,
        scope: Scope,
        at: Moment,
        talk: Talk,
    ) -> Result<Box<TrustedRepository>, Failure> {
        let gun = &repository.record.gun;
        let mut client = Client {
            scope,
            ..Client::new(at.time())
        };
        let mut pinnings = demands.pinnings(gun).into_iter();
        client.pinning = pinnings.next().unwrap_or_default();
        let first = drive(repository, client.clone());
        if talk == Talk::Warnings {
            problems::log_warnings(first.warnings);
        }
        let refused = |error| self.refused(repository, demands, at, error);
        let trusted = first.trusted.map_err(refused)?;
        for pinning in pinnings {
            client.pinning = pinning;
            drive(repository, client.clone()).trusted.map_err(refused)?;
        }
        Ok(trusted)
    }

    fn refused(
        &self,
        repository: &ArchivedRepository,
        demands: &Demands,
        at: Moment,
        error: UpdateError,
    ) -> Failure {
        let gun = &repository.record.gun;
        let expired = matches!(error, UpdateError::Rule(RuleError::Expired { .. }));
        let error = signet_client::Error::Update(error);
        if let Some(stated) = demands.first_use_denied(gun)
            && problems::is_first_use(&error)
        {
            let text = texts::first_use_refused_in_archive(gun.as_str(), &rule(stated));
            return Failure::new(text).hint(texts::PIN_THE_ROOT);
        }
        let text = texts::archive_proves_nothing(
            gun.as_str(),
            &self.file(),
            &at.to_string(),
            &problems::with_sources(&error),
        );
        let failure = problems::client_failure(text, &error);
        if expired && at > repository.record.captured {
            let captured = repository.record.captured.to_string();
            return failure.hint(texts::ask_for_an_earlier_moment(&captured));
        }
        failure
    }

    fn say_when(&self, gun: &Gun, at: Moment, captured: Moment, context: &Context) {
        let (gun, moment, capture) = (gun.as_str(), at.to_string(), captured.to_string());
        let said = match at.cmp(&captured) {
            std::cmp::Ordering::Equal => texts::as_of_capture(gun, &moment),
            std::cmp::Ordering::Greater => texts::as_of_later(gun, &moment, &capture),
            std::cmp::Ordering::Less => texts::as_of_earlier(gun, &moment, &capture),
        };
        context.printer.err(&said);
    }

    /// Roots that do not follow from one another are no repository's history: a client that knew the older one would refuse the newer. That
    /// is so for every moment, and whatever else is wrong.
    fn check_roots(
        &self,
        whole: &ArchivedRepository,
        at: Moment,
    ) -> Result<Option<RootChain>, Failure> {
        let Some(links) = RootLinks::of(whole) else {
            return Ok(None);
        };
        match links.broken {
            Some(reason) => Err(Failure::new(texts::archive_proves_nothing(
                whole.record.gun.as_str(),
                &self.file(),
                &at.to_string(),
                &reason,
            ))),
            None => Ok(Some(links.chain)),
        }
    }

    fn file(&self) -> String {
        self.path.display().to_string()
    }
}

/// The policy names the server whose word counts; an archive of another one has another one's word.
fn check_source(repository: &ArchivedRepository, demands: &Demands) -> Result<(), Failure> {
    let source = &repository.record.source;
    let Some(stated) = demands.archive_denied(source) else {
        return Ok(());
    };
    let captured = match source {
        Source::Server { address } => address.clone(),
        Source::TrustFolder => ArchiveSource::TrustFolder.to_string(),
        Source::Database { .. } => ArchiveSource::Database.to_string(),
    };
    let wanted: Vec<String> = stated.value.iter().map(ToString::to_string).collect();
    let text = texts::captured_elsewhere(
        repository.record.gun.as_str(),
        &captured,
        &rule(stated),
        &wanted.join(" or "),
    );
    Err(Failure::new(text).hint(texts::ARCHIVES_FROM))
}

/// Trust on first use is trust in the root that was captured. One before it with other root keys was never offered to anybody who begins
/// now, and its keys may have been replaced because somebody else has them.
fn check_first_use(
    whole: &ArchivedRepository,
    then: &ArchivedRepository,
    at: Moment,
) -> Result<(), Failure> {
    let (now, before) = (root_keys(whole), root_keys(then));
    if now == before {
        return Ok(());
    }
    let ids = |root: &Option<(i64, Vec<Key>)>| {
        let keys = root.iter().flat_map(|(_, keys)| keys);
        keys.map(|key| key.id.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let text = texts::other_root_keys_then(
        whole.record.gun.as_str(),
        &at.to_string(),
        &ids(&before),
        &ids(&now),
    );
    Err(Failure::new(text).hint(texts::PIN_THE_ROOT))
}
