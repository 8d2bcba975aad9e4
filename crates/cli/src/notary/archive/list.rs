//! `notary archive list FILE [--state STATE]…`: the repositories of an archive, with the verdicts that their documents give.

use std::path::Path;

use serde::Serialize;
use signet_archive::{ArchivedRepository, Moment, State};

use super::reading;
use crate::archives;
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::notary::format::Format;
use crate::texts::{notary as texts, visible};
use crate::ui::report::Failure;
use crate::ui::table::table;

/// One line of the list.
#[derive(Debug, Serialize)]
struct Row {
    gun: String,
    /// As it was found now, for the moment of capture.
    state: State,
    /// What the archive records, where that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    tags: u64,
    captured: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Moment>,
}

impl Row {
    fn of(repository: &ArchivedRepository) -> Self {
        let verdict = reading::judged(repository).verdict;
        let record = &repository.record;
        Self {
            gun: record.gun.to_string(),
            recorded: (record.verdict.state != verdict.state).then_some(record.verdict.state),
            state: verdict.state,
            reason: verdict.reason,
            tags: verdict.tags,
            captured: record.captured,
            valid_until: verdict.valid_until,
        }
    }

    fn cells(&self) -> [String; 5] {
        [
            visible(&self.gun),
            self.state.to_string(),
            self.tags.to_string(),
            self.captured.to_string(),
            self.valid_until
                .map(|moment| moment.to_string())
                .unwrap_or_default(),
        ]
    }
}

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let format = Format::of(matches)?;
    let [file] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::ARCHIVE_LIST_ARGUMENTS);
    };
    let states = matches
        .list("state")
        .into_iter()
        .map(state)
        .collect::<Result<Vec<_>, _>>()?;
    let path = Path::new(file);
    let archive = archives::open(path)?;
    let header = ["GUN", "STATE", "TAGS", "CAPTURED", "VALID UNTIL"].map(str::to_owned);
    let mut rows = vec![header];
    let mut wrong = 0_u64;
    reading::every(path, &archive, context, |repository| {
        let row = Row::of(&repository);
        if let Some(recorded) = row.recorded {
            wrong += 1;
            tracing::error!(
                "{}",
                texts::archive_records_otherwise(&row.gun, recorded.as_str(), row.state.as_str())
            );
        }
        if !states.is_empty() && !states.contains(&row.state) {
            return Ok(());
        }
        match format {
            Format::Json => reading::line(&row, context)?,
            Format::Text => rows.push(row.cells()),
        }
        Ok(())
    })?;
    if format == Format::Text {
        context.printer.out(&table(rows))?;
    }
    if wrong > 0 {
        return Err(Failure::new(texts::archive_lies(file, wrong)));
    }
    Ok(())
}

fn state(text: &str) -> Result<State, Failure> {
    State::ALL
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| Failure::new(texts::unknown_state(text, &State::ALL.map(State::as_str))))
}
