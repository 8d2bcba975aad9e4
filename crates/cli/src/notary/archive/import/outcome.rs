//! What is told of an import.

use serde::Serialize;
use signet_archive::contents::Key;
use signet_archive::{LeftOut, State};
use signet_tuf::Version;

use super::shown;
use crate::texts::{notary as texts, visible};
use crate::ui::report::Failure;

/// What became of one repository.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Documents were added.
    Imported {
        added: u64,
        before: u64,
        timestamp: Version,
        /// The root with which the repository comes to the target for the first time.
        first_root: Option<FirstRoot>,
        left_out: Vec<LeftOut>,
        /// How many were left out, which may be more than are named.
        left_out_count: u64,
    },
    /// All of them were there.
    AlreadyThere,
    /// The archive has no documents of it.
    Nothing(State),
    /// It must not be imported.
    Refused(String),
}

/// The root that the target believes from now on, for a comparison with what the owner says.
#[derive(Debug)]
pub(super) struct FirstRoot {
    pub(super) keys: Vec<Key>,
    /// Whether `trust_pinning` of the configuration names it, so that the comparison was made.
    pub(super) pinned: bool,
}

/// A repository and what became of it.
#[derive(Debug)]
pub(super) struct Result {
    pub(super) gun: String,
    pub(super) outcome: Outcome,
}

/// Most documents that are named as left behind.
const MOST_NAMED: usize = 10;

impl Result {
    /// The lines of standard output.
    pub(super) fn line(&self, dry_run: bool) -> String {
        let gun = shown(&self.gun);
        match &self.outcome {
            Outcome::AlreadyThere => texts::import_already_there(&gun),
            Outcome::Nothing(state) => texts::import_nothing(&gun, *state),
            Outcome::Refused(reason) => texts::import_not(&gun, &visible(reason)),
            Outcome::Imported {
                added,
                before,
                timestamp,
                first_root,
                left_out,
                left_out_count,
            } => {
                let mut text = texts::imported(&gun, *added, *before, *timestamp, dry_run);
                if let Some(root) = first_root {
                    let pair = |key: &Key| {
                        let bare = key.bare.as_ref().unwrap_or(&key.id);
                        texts::import_root_key(&visible(&key.id), &visible(bare))
                    };
                    let keys: Vec<String> = root.keys.iter().map(pair).collect();
                    text.push_str(&texts::import_first_root(&keys, root.pinned));
                }
                for left in left_out.iter().take(MOST_NAMED) {
                    let (role, version) = (left.role.as_str(), left.version);
                    text.push_str(&texts::import_left_out(
                        role,
                        version,
                        &visible(&left.reason),
                    ));
                }
                let named = left_out.len().min(MOST_NAMED);
                let more = left_out_count.saturating_sub(u64::try_from(named).unwrap_or(u64::MAX));
                if more > 0 {
                    text.push_str(&texts::import_more_left_out(more));
                }
                text
            }
        }
    }
}

/// Everything that became of an archive.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    archive: String,
    into: String,
    dry_run: bool,
    imported: u64,
    already_there: u64,
    nothing: u64,
    pub(super) refused: u64,
    repositories: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    gun: String,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Version>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    first_root: Vec<Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Summary {
    pub(super) fn new(archive: &str, into: &str, dry_run: bool) -> Self {
        Self {
            archive: archive.to_owned(),
            into: into.to_owned(),
            dry_run,
            imported: 0,
            already_there: 0,
            nothing: 0,
            refused: 0,
            repositories: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, told: Result) {
        let mut row = Row {
            gun: told.gun,
            result: "imported",
            added: None,
            before: None,
            timestamp: None,
            first_root: Vec::new(),
            left_out: None,
            reason: None,
        };
        match told.outcome {
            Outcome::Imported {
                added,
                before,
                timestamp,
                first_root,
                left_out_count,
                ..
            } => {
                self.imported += 1;
                row.added = Some(added);
                row.before = Some(before);
                row.timestamp = Some(timestamp);
                row.first_root = first_root.map(|root| root.keys).unwrap_or_default();
                row.left_out = Some(left_out_count);
            }
            Outcome::AlreadyThere => {
                self.already_there += 1;
                row.result = "already-there";
            }
            Outcome::Nothing(state) => {
                self.nothing += 1;
                row.result = "nothing";
                row.reason = Some(state.to_string());
            }
            Outcome::Refused(reason) => {
                self.refused += 1;
                row.result = "refused";
                row.reason = Some(reason);
            }
        }
        self.repositories.push(row);
    }

    pub(super) fn text(&self) -> String {
        let counts = [
            self.imported,
            self.already_there,
            self.nothing,
            self.refused,
        ];
        texts::import_summary(counts, self.dry_run)
    }

    /// # Errors
    /// When it cannot be written, which does not happen.
    pub(super) fn json(&self) -> std::result::Result<String, Failure> {
        let text = crate::texts::json::pretty(self);
        let text = text.map_err(|error| Failure::new(error.to_string()))?;
        Ok(format!("{text}\n"))
    }
}
