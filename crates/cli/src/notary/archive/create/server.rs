//! Repositories of a trust server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use signet_archive::record::{Moment, Outcome, State};
use signet_archive::{ArchivedRepository, Section};
use signet_client::crawl::{self, Capture, CaptureOptions, Collector, CrawlError, Line, Patience};
use signet_client::{Access, RemoteOptions};
use signet_tuf::{Gun, MetadataPath, RoleName};

use super::making::Making;
use super::names::Names;
use super::options::{From, Options};
use super::progress::Progress;
use super::summary;
use crate::notary::Context;
use crate::notary::login::NamedBy;
use crate::texts::notary as texts;
use crate::ui::report::{Failure, with_sources};

/// Repositories without documents that wait for the end before they go into the archive.
const MOST_HELD: usize = 10_000;
/// Repositories that are named when they could not be fetched.
const MOST_NAMED: usize = 20;

/// Makes an archive of a server's repositories.
///
/// # Errors
/// When not everything that was asked for is in the archive, or there is none.
pub(super) fn create(options: &Options<'_>, context: &Context) -> Result<(), Failure> {
    let names = match options.from {
        From::Names { list } => Some(Names::read(options.args, list, &context.printer)?),
        From::Changefeed | From::TrustFolder { .. } | From::Database { .. } => None,
    };
    if names.as_ref().is_some_and(|names| names.guns.is_empty()) {
        return Err(Failure::new(texts::ARCHIVE_NO_NAMES));
    }
    let named_by = match options.from {
        From::Changefeed => NamedBy::others(&options.logins_for)?,
        From::Names { .. } | From::TrustFolder { .. } | From::Database { .. } => {
            NamedBy::user(&options.logins_for)?
        }
    };
    let remote = context.remote_options_for(Access::Pull, named_by)?;
    let source = crawl::source(&remote.server);
    let description = format!(
        "{}, {}, {}",
        address(&source),
        match &names {
            Some(names) => names.description(),
            None => "all of the changefeed".to_owned(),
        },
        if options.history {
            "with history"
        } else {
            "without history"
        }
    );
    let making = Making::begin(options, &description, context)?;
    let crawler = Crawler {
        options,
        context,
        source,
        total: 0,
        making,
        pending: BTreeMap::new(),
        held: Vec::new(),
        absent: 0,
        refused: 0,
        left_out: 0,
        unusable: 0,
        invalid: names.as_ref().map_or(0, |names| names.invalid),
        unfetched: 0,
        has_content: false,
        is_last: false,
    };
    context.block_on(crawler.create(remote, names))
}

fn address(source: &signet_archive::Source) -> &str {
    match source {
        signet_archive::Source::Server { address } => address,
        _ => "",
    }
}

/// How a run ends before its end.
enum Ended {
    /// The server is the reason.
    Crawl(CrawlError),
    /// Something on this machine.
    Failed(Failure),
}

impl std::convert::From<CrawlError> for Ended {
    fn from(error: CrawlError) -> Self {
        Self::Crawl(error)
    }
}

impl std::convert::From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What was made of a repository.
struct Taken {
    state: State,
    reason: Option<String>,
    is_temporary: bool,
    left_out: Option<String>,
    /// The repository itself where it has no documents, else what goes into the archive.
    result: Result<Section, String>,
    has_documents: bool,
}

impl Taken {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "large repositories let the next one in when they are dropped"
    )]
    fn of(capture: Capture) -> Self {
        let repository = &capture.repository;
        let result = Section::of(repository);
        let claimed = &repository.record.verdict;
        let verdict = result
            .as_ref()
            .map_or(claimed, |section| &section.record().verdict);
        Self {
            state: verdict.state,
            reason: verdict.reason.clone(),
            is_temporary: capture.is_temporary,
            left_out: capture.left_out.clone(),
            has_documents: !repository.record.documents.is_empty(),
            result,
        }
    }
}

struct Crawler<'a> {
    options: &'a Options<'a>,
    context: &'a Context,
    source: signet_archive::Source,
    total: usize,
    making: Making,
    /// Repositories that the server did not give, though it may another time; and why.
    pending: BTreeMap<Gun, String>,
    /// Repositories that are not there, or refused: only beside others they are worth an archive.
    held: Vec<Section>,
    absent: usize,
    refused: usize,
    left_out: usize,
    /// Repositories that no archive takes.
    unusable: usize,
    invalid: u64,
    /// Repositories in the archive of which it says only that they could not be fetched.
    unfetched: usize,
    has_content: bool,
    /// Whether what cannot be fetched now goes into the archive as that.
    is_last: bool,
}

impl Crawler<'_> {
    async fn create(mut self, remote: RemoteOptions, names: Option<Names>) -> Result<(), Failure> {
        self.has_content = self.making.len() > 0;
        let host = remote.server.host_str().unwrap_or_default().to_owned();
        let login_hint = self.login_hint();
        let (wanted, gone) = match self.crawl(remote, names).await {
            Ok(wanted) => wanted,
            Err(ended) => return Err(self.end(ended)),
        };
        if !self.pending.is_empty() {
            return Err(self.give_up());
        }
        if !self.has_content {
            let failure = Failure::new(texts::archive_nothing(&host, self.absent, self.refused));
            let failure = if self.refused > 0 {
                failure.hint(&login_hint)
            } else {
                failure
            };
            self.making.leave();
            return Err(failure);
        }
        for section in std::mem::take(&mut self.held) {
            self.making.keep(section)?;
        }
        let mut problems = Vec::new();
        let mut lacks = |count: usize, what: &str| {
            if count > 0 {
                problems.push(texts::archive_lacks(count, what));
            }
        };
        lacks(self.unfetched, "could not be fetched");
        lacks(self.refused, "refused");
        // What was deleted is not missed.
        lacks(self.absent.saturating_sub(gone), "not there");
        lacks(self.left_out, "taken in part");
        lacks(self.unusable, "beyond the limits of archives");
        lacks(
            usize::try_from(self.invalid).unwrap_or(usize::MAX),
            "with a name that no repository can have",
        );
        let Self {
            making,
            options,
            context,
            refused,
            ..
        } = self;
        let busy = context.printer.busy(texts::ARCHIVE_PACKS);
        making.pack(&wanted)?;
        drop(busy);
        summary::tell(&options.output, options.form, &context.printer)?;
        if problems.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(texts::archive_incomplete(&problems));
        Err(if refused > 0 {
            failure.hint(&login_hint)
        } else {
            failure
        })
    }

    /// What helps when the server wants another login.
    fn login_hint(&self) -> String {
        let server = self.context.server();
        // Without an address nothing would have been asked.
        server.map_or_else(
            |_| String::new(),
            |server| texts::login_for_hint(&server.login_name()),
        )
    }

    /// Fetches all that is wanted, and gives the names; and how many of them the changefeed says to be deleted and are.
    async fn crawl(
        &mut self,
        remote: RemoteOptions,
        names: Option<Names>,
    ) -> Result<(BTreeSet<Gun>, usize), Ended> {
        let printer = &self.context.printer;
        let busy = printer.busy(texts::ARCHIVE_GREETS);
        let clock = Arc::new(self.context.clock);
        let line = Line::open(remote, Patience::default(), clock).await;
        drop(busy);
        let line = match line {
            Ok(line) => Arc::new(line),
            Err(error) if self.may_go_without(&error) => {
                // What is there already is all that there will be.
                let wanted = names.map_or_else(|| self.making.names(), |names| names.guns);
                self.total = wanted.len();
                self.record_unfetched(&wanted, &error.to_string())?;
                return Ok((wanted, 0));
            }
            Err(error) => return Err(error.into()),
        };
        let (wanted, deleted) = match names {
            Some(names) => (names.guns, BTreeSet::new()),
            None => self.changefeed(&line).await?,
        };
        self.total = wanted.len();
        let todo: Vec<Gun> = wanted
            .iter()
            .filter(|gun| !self.making.has(gun))
            .cloned()
            .collect();
        let before = self.total - todo.len();
        let folder = self.making.folder();
        let progress = Progress::new(printer, Arc::clone(&line), self.total, before, folder);
        let mut gone = 0;
        let mut ended = self
            .round(&line, todo, &progress, &deleted, &mut gone)
            .await;
        if ended.is_ok() && !self.pending.is_empty() {
            // Another time may be now.
            self.is_last = self.options.partial;
            let again: Vec<Gun> = std::mem::take(&mut self.pending).into_keys().collect();
            ended = self
                .round(&line, again, &progress, &deleted, &mut gone)
                .await;
        }
        drop(progress);
        match ended {
            Err(Ended::Crawl(error)) if self.may_go_without(&error) => {
                self.record_unfetched(&wanted, &error.to_string())?;
            }
            other => other?,
        }
        Ok((wanted, gone))
    }

    async fn round(
        &mut self,
        line: &Arc<Line>,
        todo: Vec<Gun>,
        progress: &Progress,
        deleted: &BTreeSet<Gun>,
        gone: &mut usize,
    ) -> Result<(), Ended> {
        let capture = CaptureOptions {
            moments: Arc::clone(&self.options.moments),
            history: self.options.history,
        };
        let jobs = self.options.jobs;
        crawl::run(
            line,
            todo,
            &capture,
            jobs,
            Taken::of,
            async |gun: Gun, taken: Taken| {
                if taken.state == State::Absent && deleted.contains(&gun) {
                    *gone += 1;
                }
                if self.take(gun, taken)? {
                    progress.advance();
                }
                Ok::<(), Ended>(())
            },
        )
        .await
    }

    /// Keeps what was made of a repository; `false`: it is to be asked for again.
    fn take(&mut self, gun: Gun, taken: Taken) -> Result<bool, Failure> {
        let printer = &self.context.printer;
        if taken.is_temporary && !self.is_last {
            let reason = taken.reason.unwrap_or_default();
            self.pending.insert(gun, reason);
            return Ok(false);
        }
        if let Some(what) = &taken.left_out {
            self.left_out += 1;
            printer.err(&texts::archive_left_out(gun.as_str(), what));
        }
        let section = match taken.result {
            Ok(section) => section,
            Err(reason) => {
                self.unusable += 1;
                printer.err(&texts::archive_problem(gun.as_str(), &reason));
                return Ok(true);
            }
        };
        self.has_content |= taken.has_documents;
        match taken.state {
            State::Absent => self.absent += 1,
            State::Refused if !taken.is_temporary => self.refused += 1,
            State::Refused | State::Unreachable => self.unfetched += 1,
            _ => {}
        }
        if taken.has_documents || self.held.len() >= MOST_HELD {
            self.making.keep(section)?;
        } else {
            self.held.push(section);
        }
        Ok(true)
    }

    /// Whether an archive is made of what there is although the server is gone, or wants to be alone for long.
    const fn may_go_without(&self, error: &CrawlError) -> bool {
        let is_silence = matches!(
            error,
            CrawlError::Silent { .. } | CrawlError::Wait { .. } | CrawlError::Waited { .. }
        );
        self.options.partial && self.has_content && is_silence
    }

    /// Says of all that is wanted and not there that the server does not answer any more.
    fn record_unfetched(&mut self, wanted: &BTreeSet<Gun>, reason: &str) -> Result<(), Failure> {
        self.pending.clear();
        let captured = Moment::of(self.options.moments.now());
        let held: BTreeSet<Gun> = self
            .held
            .iter()
            .map(|section| section.record().gun.clone())
            .collect();
        for gun in wanted {
            if self.making.has(gun) || held.contains(gun) {
                continue;
            }
            let mut nothing = Collector::new(gun.clone(), self.source.clone());
            let question = MetadataPath::Current(RoleName::root());
            let outcome = Outcome::Unreachable {
                reason: reason.to_owned(),
            };
            nothing.note(&question, captured, outcome);
            let repository: ArchivedRepository =
                nothing.finish(captured, State::Unreachable, Some(reason.to_owned()));
            self.making.finish(&repository)?;
            self.unfetched += 1;
        }
        Ok(())
    }

    async fn changefeed(&mut self, line: &Line) -> Result<(BTreeSet<Gun>, BTreeSet<Gun>), Ended> {
        let printer = &self.context.printer;
        let busy = printer.busy(&texts::archive_reads_feed(0, 0));
        let found = crawl::names(line, &mut |changes, names| {
            busy.say(&texts::archive_reads_feed(changes, names));
        })
        .await?;
        drop(busy);
        let mut names = Names::default();
        for name in &found.invalid {
            names.add(name, None, printer)?;
        }
        self.invalid = names.invalid;
        let deleted = found.repositories.iter();
        let deleted = deleted
            .filter(|(_, is_deleted)| **is_deleted)
            .map(|(gun, _)| gun.clone())
            .collect();
        let wanted: BTreeSet<Gun> = found.repositories.into_keys().collect();
        Ok((wanted, deleted))
    }

    /// The server did not give everything.
    fn give_up(self) -> Failure {
        for (gun, reason) in self.pending.iter().take(MOST_NAMED) {
            let line = texts::archive_problem(gun.as_str(), reason);
            self.context.printer.err(&line);
        }
        let text = texts::archive_not_fetched(self.pending.len(), self.total);
        let kept = texts::archive_kept(self.making.len(), self.total, &self.making.folder());
        let failure = Failure::new(text);
        let failure = if self.making.len() > 0 {
            failure.and(&kept)
        } else {
            failure
        };
        self.making.leave();
        failure.hint(texts::ARCHIVE_PARTIAL)
    }

    /// The run cannot go on.
    fn end(self, ended: Ended) -> Failure {
        let login_hint = self.login_hint();
        let error = match ended {
            Ended::Crawl(error) => error,
            Ended::Failed(failure) => {
                self.making.leave();
                return failure;
            }
        };
        let mut failure = Failure::new(with_sources(&error));
        if self.making.len() > 0 {
            let total = self.total.max(self.making.len());
            failure = failure.and(&texts::archive_kept(
                self.making.len(),
                total,
                &self.making.folder(),
            ));
        }
        self.making.leave();
        match error {
            CrawlError::Authorization(_) | CrawlError::Login { .. } => failure.hint(login_hint),
            CrawlError::Refused {
                status: 401 | 403, ..
            } => failure.hint(texts::ARCHIVE_CATALOG),
            CrawlError::Tls { .. } => failure.hint(texts::ARCHIVE_TLS),
            CrawlError::Silent { .. } | CrawlError::Wait { .. } | CrawlError::Waited { .. } => {
                failure.hint(texts::ARCHIVE_PARTIAL)
            }
            _ => failure,
        }
    }
}
