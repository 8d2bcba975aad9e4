//! `notary status GUN`: the staged changes.

use serde::Serialize;
use signet_client::changelist::Staged;

use super::format::{self, Format};
use super::{Context, repository, staging, tables};
use crate::cobra::parse::Matches;
use crate::texts::{notary as texts, visible};
use crate::ui::report::Failure;

/// A staged change, for programs.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Row {
    Change {
        number: usize,
        action: String,
        scope: String,
        #[serde(rename = "type")]
        kind: String,
        path: String,
    },
    /// A file that is no change.
    Unreadable {
        number: usize,
        file: String,
        error: String,
    },
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let Some(name) = matches.args.first() else {
        return context.wrong_arguments(texts::GUN_ARGUMENT);
    };
    let form = Format::of(matches)?;
    let gun = repository::gun(name)?;
    let repository = repository::open_offline(context, &gun)?;
    let rows: Vec<Row> = staging::staged(&repository)?
        .into_iter()
        .enumerate()
        .map(row)
        .collect();
    for row in &rows {
        if let Row::Unreadable {
            number,
            file,
            error,
        } = row
        {
            tracing::warn!("{}", texts::unreadable_change(*number, file, error));
        }
    }
    if form == Format::Json {
        return format::lines(rows, context);
    }
    let cells: Vec<_> = rows.into_iter().filter_map(cells).collect();
    if cells.is_empty() {
        return Ok(context.printer.out(&texts::nothing_staged(gun.as_str()))?);
    }
    let table = tables::table(["#", "ACTION", "SCOPE", "TYPE", "PATH"], &cells);
    Ok(context
        .printer
        .out(&texts::staged_changes(gun.as_str(), &table))?)
}

fn row((number, staged): (usize, Staged)) -> Row {
    match staged.change {
        Ok(change) => Row::Change {
            number,
            action: change.action,
            scope: change.role,
            kind: change.kind,
            path: change.path,
        },
        Err(error) => Row::Unreadable {
            number,
            file: staged.name,
            error: error.to_string(),
        },
    }
}

fn cells(row: Row) -> Option<[String; 5]> {
    match row {
        Row::Change {
            number,
            action,
            scope,
            kind,
            path,
        } => Some([
            number.to_string(),
            visible(&action),
            visible(&scope),
            visible(&kind),
            visible(&path),
        ]),
        Row::Unreadable { .. } => None,
    }
}
