//! `notary archive verify FILE [--archivist KEYFILE]`: every byte of an archive, and every verdict in it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use signet_archive::{Archive, ArchiveError, Moment, Source, State};
use signet_tuf::PublicKey;

use super::reading;
use crate::archives;
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::notary::format::Format;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    file: &'a str,
    created: Moment,
    program: &'a str,
    sources: &'a [Source],
    /// IDs of the keys that signed the archive.
    signed_by: Vec<String>,
    repositories: u64,
    documents: u64,
    bytes: u64,
    /// How many repositories are in which state.
    states: BTreeMap<State, u64>,
}

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let format = Format::of(matches)?;
    let [file] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::ARCHIVE_VERIFY_ARGUMENTS);
    };
    let path = Path::new(file);
    // Also when the value is empty, as that of a variable that is not set: what was meant to be demanded must not be left out.
    let archivist = matches
        .is_given("archivist")
        .then(|| archives::archivist(matches.text("archivist"), context.now()))
        .transpose()?;
    let archive = open(path)?;
    if let Some(key) = &archivist {
        archives::check_archivist(path, &archive, key)?;
    }
    let total = archive.header().repositories;
    let checked = {
        let busy = context
            .printer
            .busy(&texts::archive_checking(file, 0, total));
        archive
            .check(&mut |done| busy.say(&texts::archive_checking(file, done, total)))
            .map_err(|error| damaged(path, &error))?
    };
    let mut states = BTreeMap::new();
    for entry in archive.entries() {
        *states.entry(entry.state).or_default() += 1;
    }
    let header = archive.header();
    let report = Report {
        file,
        created: header.created,
        program: &header.program,
        sources: &header.sources,
        signed_by: archive
            .signers()
            .iter()
            .map(|key| PublicKey::canonical_id(key).to_string())
            .collect(),
        repositories: checked.repositories,
        documents: checked.documents,
        bytes: checked.bytes,
        states,
    };
    match format {
        Format::Json => reading::line(&report, context),
        Format::Text => Ok(context.printer.out(&text(&report))?),
    }
}

fn open(path: &Path) -> Result<Archive, Failure> {
    Archive::open(path).map_err(|error| damaged(path, &error))
}

fn damaged(path: &Path, error: &ArchiveError) -> Failure {
    match error {
        // To check it again would say the same.
        ArchiveError::Damaged { .. } => {
            let file = path.display().to_string();
            Failure::new(texts::archive_damaged(&file, &error.to_string()))
                .hint(texts::ARCHIVE_OTHER_COPY)
        }
        error => archives::unusable(path, error),
    }
}

fn text(report: &Report<'_>) -> String {
    let mut page = texts::archive_intact(report.file);
    page += &texts::archive_header(
        &report.created.to_string(),
        report.program,
        &report
            .sources
            .iter()
            .map(texts::archive_source)
            .collect::<Vec<_>>(),
        &report.signed_by,
    );
    let states = report.states.iter();
    page += &texts::archive_sums(
        report.repositories,
        report.documents,
        report.bytes,
        &states
            .map(|(state, count)| format!("{count} {state}"))
            .collect::<Vec<_>>(),
    );
    page
}
