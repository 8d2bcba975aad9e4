//! What the output looks like: text for people, JSON for programs.

use std::io;

use serde::Serialize;

use super::Context;
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// The form of the output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// For people: Go's tables where Go has the command.
    Text,
    /// JSON, a line for each thing where there are several.
    Json,
}

impl Format {
    /// What `--format` asks for.
    pub(super) fn of(matches: &Matches) -> Result<Self, Failure> {
        match matches.text("format") {
            "" | "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(Failure::new(texts::unknown_format(other))),
        }
    }
}

/// Prints each thing as a line of JSON.
pub(super) fn lines<T: Serialize>(
    things: impl IntoIterator<Item = T>,
    context: &Context,
) -> Result<(), Failure> {
    let written = context.printer.out_with(|out| {
        things.into_iter().try_for_each(|thing| {
            let line = crate::texts::json::line(&thing).map_err(io::Error::other)?;
            writeln!(out, "{line}")
        })
    });
    Ok(written?)
}
