//! What the command line of `notary archive create` says.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use signet_client::Clock;

use crate::cobra::parse::Matches;
use crate::moment;
use crate::notary::Context;
use crate::notary::format::Format;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// Most repositories that are fetched at a time.
const MOST_JOBS: i64 = 32;

/// Where repositories come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum From<'a> {
    /// A trust server, asked for repositories by name: those of the command line and of a file.
    Names {
        /// The file, if there is one; `-` is standard input.
        list: Option<&'a str>,
    },
    /// A trust server, asked for every repository in its changefeed.
    Changefeed,
    /// A client's trust folder: what is named, or everything.
    TrustFolder {
        /// The folder.
        folder: &'a str,
        /// A file with names.
        list: Option<&'a str>,
    },
    /// A trust server's database or a dump of it: what is named, or everything.
    Database {
        /// The file.
        file: &'a str,
        /// A file with names.
        list: Option<&'a str>,
    },
}

pub(super) struct Options<'a> {
    pub(super) from: From<'a>,
    /// Names on the command line.
    pub(super) args: &'a [String],
    pub(super) output: PathBuf,
    pub(super) history: bool,
    pub(super) jobs: NonZeroUsize,
    /// Whether an archive is made although not everything could be fetched.
    pub(super) partial: bool,
    pub(super) restart: bool,
    pub(super) form: Format,
    /// The registries whose logins the server may see for repositories that are named after them.
    pub(super) logins_for: Vec<&'a str>,
    pub(super) sign_key: Option<&'a str>,
    /// The moments in the archive.
    pub(super) moments: Arc<dyn Clock>,
}

impl<'a> Options<'a> {
    pub(super) fn read(matches: &'a Matches, context: &Context) -> Result<Self, Failure> {
        let given = |name| Some(matches.text(name)).filter(|text| !text.is_empty());
        let Some(output) = given("output") else {
            return context.wrong_arguments(texts::ARCHIVE_NO_OUTPUT);
        };
        let list = given("from-file");
        let local = [given("from-trust-dir"), given("from-database")];
        if local.iter().flatten().count() + usize::from(matches.is_set("changefeed")) > 1 {
            return context.wrong_arguments(texts::ARCHIVE_ONE_SOURCE);
        }
        let from = if let [Some(folder), _] = local {
            From::TrustFolder { folder, list }
        } else if let [_, Some(file)] = local {
            From::Database { file, list }
        } else if matches.is_set("changefeed") {
            if list.is_some() || !matches.args.is_empty() {
                return context.wrong_arguments(texts::ARCHIVE_TWO_SOURCES);
            }
            From::Changefeed
        } else if list.is_none() && matches.args.is_empty() {
            return context.wrong_arguments(texts::ARCHIVE_NO_NAMES);
        } else {
            From::Names { list }
        };
        let logins_for = matches.list("login-for");
        let asks_server = matches!(from, From::Changefeed | From::Names { .. });
        if !logins_for.is_empty() && !asks_server {
            return context.wrong_arguments(texts::LOGIN_FOR_NO_SERVER);
        }
        let jobs = match matches.int("jobs") {
            jobs @ 1..=MOST_JOBS => usize::try_from(jobs).ok().and_then(NonZeroUsize::new),
            _ => None,
        };
        let Some(jobs) = jobs else {
            return context.wrong_arguments(texts::archive_jobs(MOST_JOBS));
        };
        let form = Format::of(matches)?;
        Ok(Self {
            from,
            args: &matches.args,
            output: output.into(),
            history: matches.is_set("history"),
            jobs,
            partial: matches.is_set("partial"),
            restart: matches.is_set("restart"),
            form,
            logins_for,
            sign_key: given("sign-key"),
            moments: moments(context)?,
        })
    }
}

/// The clock, or the one moment that `SOURCE_DATE_EPOCH` names.
fn moments(context: &Context) -> Result<Arc<dyn Clock>, Failure> {
    let Some(text) = &context.env.source_date_epoch else {
        return Ok(Arc::new(context.clock));
    };
    let moment =
        moment::since_1970(text).ok_or_else(|| Failure::new(texts::source_date_epoch(text)))?;
    Ok(Arc::new(move || moment))
}
