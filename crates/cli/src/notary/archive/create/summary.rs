//! What became of the repositories.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use signet_archive::{Archive, Entry, State};

use crate::notary::format::Format;
use crate::texts::notary as texts;
use crate::ui::printer::Printer;
use crate::ui::report::Failure;

/// Repositories that are named in a text.
const MOST_NAMED: usize = 50;

#[derive(Serialize)]
struct Summary<'a> {
    archive: &'a str,
    bytes: u64,
    repositories: usize,
    states: BTreeMap<&'static str, usize>,
    /// Those that are not simply trusted.
    others: Vec<Other<'a>>,
}

#[derive(Serialize)]
struct Other<'a> {
    gun: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Says what is in the archive that was made.
///
/// # Errors
/// When it cannot be read again, or nobody listens.
pub(super) fn tell(path: &Path, form: Format, printer: &Printer) -> Result<(), Failure> {
    let shown = path.to_string_lossy();
    let unreadable = |error: String| Failure::new(texts::archive_file(&shown, &error));
    let bytes = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    let archive = Archive::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut states = BTreeMap::new();
    let mut others = Vec::new();
    let mut more: usize = 0;
    for entry in archive.entries() {
        *states.entry(entry.state.as_str()).or_insert(0) += 1;
        if entry.state == State::Trusted {
            continue;
        }
        if form == Format::Text && others.len() >= MOST_NAMED {
            more += 1;
            continue;
        }
        others.push(Other {
            gun: &entry.gun,
            state: entry.state.as_str(),
            reason: reason(&archive, entry),
        });
    }
    let summary = Summary {
        archive: &shown,
        bytes: bytes.len(),
        repositories: archive.entries().len(),
        states,
        others,
    };
    let text = match form {
        Format::Json => crate::texts::json::pretty(&summary)
            .map(|text| text + "\n")
            .map_err(|error| Failure::new(error.to_string()))?,
        Format::Text => text(&summary, more),
    };
    Ok(printer.out(&text)?)
}

fn text(summary: &Summary<'_>, more: usize) -> String {
    let mut text = texts::archive_made(summary.archive, summary.repositories, summary.bytes);
    for state in State::ALL {
        if let Some(count) = summary.states.get(state.as_str()) {
            text.push_str(&texts::archive_state(state.as_str(), *count));
        }
    }
    if !summary.others.is_empty() {
        text.push('\n');
    }
    for other in &summary.others {
        text.push_str(&texts::archive_verdict(
            other.state,
            other.gun,
            other.reason.as_deref(),
        ));
    }
    if more > 0 {
        text.push_str(&texts::archive_more(more));
    }
    text
}

/// The reason in the record; of a repository with unusable delegations the first of theirs.
fn reason(archive: &Archive, entry: &Entry) -> Option<String> {
    let verdict = archive.read(entry).ok()?.record.verdict;
    let unusable = verdict.unusable.first();
    let unusable = unusable.map(|unusable| format!("{}: {}", unusable.role, unusable.reason));
    verdict.reason.or(unusable)
}
