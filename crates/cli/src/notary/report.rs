//! `notary report`: what a trust folder, a server or an archive amounts to, for people who decide.
//!
//! Repositories are looked at one after another and written to a temporary file ([`spool`]); the form that was asked for is made from there. So
//! memory does not grow with their number, and every form has the totals before the rows.

mod csv;
mod gather;
mod html;
mod json;
mod spool;
mod text;
mod words;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use signet_archive::Moment;
use signet_client::inventory::{Role, Severity, Tag};

use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

use csv::Rows;
use spool::Gathered;

/// What a report says of itself.
struct Heading {
    /// When it was made, which is when everything in it holds.
    generated: Moment,
    /// The program and its version.
    program: String,
    /// Where the repositories came from, for people.
    sources: Vec<String>,
}

impl Heading {
    fn title(&self) -> String {
        match self.sources.as_slice() {
            [] => "nothing".to_owned(),
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        }
    }

    /// The moment for people: `2026-11-23 04:12 UTC`.
    fn when(&self) -> String {
        let time = self.generated.time();
        format!(
            "{} {:02}:{:02} UTC",
            time.date(),
            time.hour(),
            time.minute()
        )
    }
}

/// The form of the report.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
    Csv(Rows),
    Html,
}

impl Form {
    fn of(matches: &Matches) -> Result<Self, Failure> {
        let rows = matches.text("rows");
        let form = match matches.text("format") {
            "" | "text" => Self::Text,
            "json" => Self::Json,
            "html" => Self::Html,
            "csv" => {
                let word = if rows.is_empty() {
                    "repositories"
                } else {
                    rows
                };
                let rows = Rows::parse(word).ok_or_else(|| {
                    Failure::new(texts::unknown_rows(word, &Rows::WORDS.join("', '")))
                })?;
                return Ok(Self::Csv(rows));
            }
            other => return Err(Failure::new(texts::unknown_report_format(other))),
        };
        if rows.is_empty() {
            Ok(form)
        } else {
            Err(Failure::new(texts::ROWS_WITHOUT_CSV))
        }
    }

    fn write(self, heading: &Heading, gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Text => text::write(heading, gathered, out),
            Self::Json => json::write(heading, gathered, out),
            Self::Csv(rows) => csv::write(rows, gathered, out),
            Self::Html => html::write(heading, gathered, out),
        }
    }
}

/// From which severity on the command fails.
fn threshold(matches: &Matches) -> Result<Option<Severity>, Failure> {
    match matches.text("fail-on") {
        "" => Ok(None),
        "error" => Ok(Some(Severity::Error)),
        "warning" => Ok(Some(Severity::Warning)),
        other => Err(Failure::new(texts::unknown_severity(other))),
    }
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let form = Form::of(matches)?;
    let fail_on = threshold(matches)?;
    let output = Some(matches.text("output")).filter(|path| !path.is_empty() && *path != "-");
    let output = output.map(PathBuf::from);
    let source = gather::Source::of(matches, context)?;
    let now = context.now();
    let heading = Heading {
        generated: Moment::of(now),
        program: concat!("notary (Signet ", env!("CARGO_PKG_VERSION"), ")").to_owned(),
        sources: source.names(),
    };
    let busy = context.printer.busy(texts::REPORT_BUSY);
    let gathered = gather::gather(&source, matches, context, now)?;
    drop(busy);
    match &output {
        Some(path) => {
            write_file(path, |out| form.write(&heading, &gathered, out))
                .map_err(|error| Failure::new(texts::report_not_written(path, &error)))?;
            context
                .printer
                .err(&texts::report_written(path, gathered.summary.repositories));
        }
        None => {
            let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
            form.write(&heading, &gathered, &mut out)?;
            out.flush()?;
        }
    }
    match (fail_on, gathered.worst) {
        (Some(limit), Some(worst)) if worst >= limit => {
            let found = &gathered.summary.findings;
            let number = |severity: Severity| found.get(severity.as_str()).copied().unwrap_or(0);
            Err(Failure::new(texts::report_findings(
                number(Severity::Error),
                number(Severity::Warning),
            )))
        }
        _ => Ok(()),
    }
}

/// Replaces a file by what `write` writes, at once and as a whole. It is readable by the user alone.
fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = BufWriter::new(tempfile::NamedTempFile::new_in(folder)?);
    write(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

/// What a role may sign, in words.
fn paths(role: &Role) -> String {
    match role.name.as_str() {
        "targets" => "everything".to_owned(),
        "root" | "snapshot" | "timestamp" => String::new(),
        _ if role.paths.iter().any(String::is_empty) => "everything".to_owned(),
        _ if role.paths.is_empty() => "nothing".to_owned(),
        _ => role.paths.join(" "),
    }
}

/// Who vouches for a tag: the signers among the roles that list it.
fn signers(tag: &Tag) -> Vec<&str> {
    tag.roles
        .iter()
        .filter(|role| *role != "targets/releases")
        .filter_map(|role| role.strip_prefix("targets/"))
        .collect()
}
