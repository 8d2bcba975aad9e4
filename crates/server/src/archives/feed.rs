//! The changefeed of all repositories, put together from what each record has of its source's.

use signet_archive::{Change, Record, Sha256, Source};
use signet_tuf::{Gun, Version};
use time::OffsetDateTime;

use super::Shelf;
use crate::store::{self, Window};

/// Most changes that are kept in memory, of all repositories together; 64 bytes each.
const MOST: usize = 1_000_000;

/// All recorded changes, in the order of their numbers.
#[derive(Debug)]
pub(super) enum Feed {
    Lines { lines: Vec<Line>, names: Vec<Gun> },
    TooLong,
}

/// What was found of the changes that were asked for.
#[derive(Debug)]
pub(crate) enum Lookup {
    Changes(Vec<store::Change>),
    /// The archives are still being read.
    NotYet,
    /// There are more than are kept.
    TooLong,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    id: i64,
    at: OffsetDateTime,
    version: Version,
    sha256: Option<Sha256>,
    /// Place of its repository's name.
    name: u32,
    deletion: bool,
}

/// The feed while it is put together.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    lines: Vec<Line>,
    names: Vec<Gun>,
    source: Option<Source>,
    /// Whether numbers are of several feeds.
    mixed: bool,
    too_long: bool,
}

impl Gathering {
    pub(super) fn add(&mut self, gun: &Gun, record: &Record) {
        if record.changes.is_empty() {
            return;
        }
        if self.lines.len().saturating_add(record.changes.len()) > MOST {
            self.too_long = true;
            return;
        }
        match &self.source {
            None => self.source = Some(record.source.clone()),
            Some(source) => self.mixed |= *source != record.source,
        }
        let name = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(gun.clone());
        let line = |change: &Change| Line {
            id: change.id,
            at: change.at.time(),
            version: change.version,
            sha256: change.sha256,
            name,
            deletion: change.category == store::ChangeCategory::Deletion.as_str(),
        };
        self.lines.extend(record.changes.iter().map(line));
    }

    pub(super) fn finish(mut self) -> Feed {
        if self.too_long {
            tracing::warn!(
                "there are more than {MOST} changes: the changefeed of all repositories is refused, that of each is there"
            );
            return Feed::TooLong;
        }
        if self.mixed {
            // Numbers of different servers: these are new ones, by time.
            self.lines.sort_by_key(|line| (line.at, line.id, line.name));
            for (line, id) in self.lines.iter_mut().zip(1..) {
                line.id = id;
            }
        } else {
            self.lines.sort_by_key(|line| (line.id, line.name));
        }
        Feed::Lines {
            lines: self.lines,
            names: self.names,
        }
    }
}

impl Shelf {
    /// Changes of all repositories.
    pub(crate) fn changes(&self, window: Window, limit: u32) -> Lookup {
        match self.survey().map(|survey| &survey.feed) {
            None => Lookup::NotYet,
            Some(Feed::TooLong) => Lookup::TooLong,
            Some(Feed::Lines { lines, names }) => {
                let lines = select(lines, |line| line.id, window, limit).iter();
                let change = |line: &Line| {
                    let gun = names.get(usize::try_from(line.name).ok()?)?;
                    Some(change(line, gun))
                };
                Lookup::Changes(lines.filter_map(change).collect())
            }
        }
    }
}

/// Changes of one repository.
pub(crate) fn of_record(record: &Record, window: Window, limit: u32) -> Vec<store::Change> {
    let chosen = select(&record.changes, |change| change.id, window, limit).iter();
    chosen
        .map(|change| store::Change {
            id: change.id,
            created_at: change.at.time(),
            gun: record.gun.to_string(),
            version: change.version,
            sha256: digest(change.sha256),
            category: change.category.clone(),
        })
        .collect()
}

fn change(line: &Line, gun: &Gun) -> store::Change {
    let category = if line.deletion {
        store::ChangeCategory::Deletion
    } else {
        store::ChangeCategory::Update
    };
    store::Change {
        id: line.id,
        created_at: line.at,
        gun: gun.to_string(),
        version: line.version,
        sha256: digest(line.sha256),
        category: category.to_string(),
    }
}

fn digest(sha256: Option<Sha256>) -> String {
    sha256.map(|digest| digest.to_string()).unwrap_or_default()
}

/// The part of `changes`, which are in the order of their numbers, that a window shows.
fn select<T>(changes: &[T], id: impl Fn(&T) -> i64, window: Window, limit: u32) -> &[T] {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    match window {
        Window::After(after) => {
            let from = changes.partition_point(|one| id(one) <= after);
            let rest = changes.get(from..).unwrap_or_default();
            rest.get(..limit).unwrap_or(rest)
        }
        Window::Before(before) => {
            let to = match before {
                None => changes.len(),
                Some(before) => changes.partition_point(|one| id(one) < before),
            };
            let from = to.saturating_sub(limit);
            changes.get(from..to).unwrap_or_default()
        }
    }
}
