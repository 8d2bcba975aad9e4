//! One repository of several captures of it.
//!
//! The captures are of the same repository when no version of a role is another document in one than in the other, and when their roots are
//! one chain. Then the newest state that holds is current, and what only one of them has is there too. Otherwise nothing is served: which of
//! the two is right, no server can know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use signet_archive::{ArchivedRepository, Document, Moment, Sha256, State, judge};
use signet_tuf::{RoleName, TrustPinning, Version};

/// A repository as one archive has it.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) file: PathBuf,
    pub(super) repository: ArchivedRepository,
}

/// Why captures cannot be of the same repository.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Contradiction {
    #[error("version {version} of {role} is one document in {} and another in {}", .files.0.display(), .files.1.display())]
    Document {
        role: RoleName,
        version: Version,
        files: (PathBuf, PathBuf),
    },
    #[error("the roots in {} do not follow from each other", list(files))]
    Roots { files: Vec<PathBuf> },
    #[error(
        "{} has the newer timestamp, and version {older} of {role} with it; {} has version {newer} already", .files.0.display(), .files.1.display()
    )]
    Backwards {
        role: RoleName,
        older: Version,
        newer: Version,
        files: (PathBuf, PathBuf),
    },
}

impl Contradiction {
    /// What clients are told: no names of files.
    pub(crate) fn public(&self) -> String {
        match self {
            Self::Document { role, version, .. } => {
                format!("they have different documents as version {version} of {role}")
            }
            Self::Roots { .. } => "their roots do not follow from each other".to_owned(),
            Self::Backwards { role, .. } => {
                format!("what one has as newer goes back to an older {role}")
            }
        }
    }
}

fn list(files: &[PathBuf]) -> String {
    let names: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    names.join(", ")
}

/// One repository of all captures; `None` without any. With it what those should know who look after the archives.
pub(super) fn unite(
    mut captures: Vec<Capture>,
) -> Result<Option<(ArchivedRepository, Vec<String>)>, Contradiction> {
    if captures.len() > 1 {
        let (full, empty) = captures
            .into_iter()
            .partition(|capture| !capture.repository.record.documents.is_empty());
        let (full, empty): (Vec<Capture>, Vec<Capture>) = (full, empty);
        if full.is_empty() {
            let newest = empty
                .into_iter()
                .max_by_key(|capture| capture.repository.record.captured);
            return Ok(newest.map(|capture| (capture.repository, Vec::new())));
        }
        let notes = gone(&full, &empty);
        captures = full;
        if captures.len() > 1 {
            return several(captures, notes).map(Some);
        }
        return Ok(captures.pop().map(|capture| (capture.repository, notes)));
    }
    Ok(captures
        .pop()
        .map(|capture| (capture.repository, Vec::new())))
}

/// What was there once and not any more.
fn gone(full: &[Capture], empty: &[Capture]) -> Vec<String> {
    let last = full.iter().map(|c| c.repository.record.captured).max();
    let gone = empty.iter().filter(|capture| {
        let record = &capture.repository.record;
        record.verdict.state == State::Absent && Some(record.captured) > last
    });
    gone.map(|capture| {
        let captured = capture.repository.record.captured;
        let file = capture.file.display();
        format!("{file} has it as absent since {captured}; what was captured before is served")
    })
    .collect()
}

/// A capture with what holds of it.
struct Judged {
    capture: Capture,
    /// Whether its signatures hold at the moment of capture.
    holds: bool,
    timestamp: Version,
    captured: Moment,
}

fn several(
    captures: Vec<Capture>,
    mut notes: Vec<String>,
) -> Result<(ArchivedRepository, Vec<String>), Contradiction> {
    same_documents(&captures)?;
    let files: Vec<PathBuf> = captures
        .iter()
        .map(|capture| capture.file.clone())
        .collect();
    let mut judged: Vec<Judged> = captures.into_iter().map(Judged::of).collect();
    // The last is the one to serve.
    judged.sort_by_key(|one| (one.holds, one.timestamp, one.captured));
    let mut others = judged;
    let Some(chosen) = others.pop() else {
        return Err(Contradiction::Roots { files });
    };
    for other in &others {
        if other.holds {
            forwards(&other.capture, &chosen.capture)?;
        } else if other.timestamp > chosen.timestamp {
            notes.push(format!(
                "{} has the newer timestamp {}, and its documents do not hold; timestamp {} of {} is served",
                other.capture.file.display(),
                other.timestamp,
                chosen.timestamp,
                chosen.capture.file.display()
            ));
        }
    }
    let chains: Vec<_> = others
        .iter()
        .chain([&chosen])
        .map(|one| roots(&one.capture))
        .collect();
    let alike = chains.windows(2).all(|pair| pair.first() == pair.last());
    let lowest = chains.iter().flatten().map(|(version, _)| *version).min();
    let captured = chosen.captured;
    let mut united = chosen.capture.repository;
    for other in others {
        add(&mut united, other.capture.repository);
    }
    if !alike {
        let chain = judge(&united, captured.time(), &TrustPinning::default())
            .verdict
            .roots;
        if chain.map(|chain| chain.first) != lowest {
            return Err(Contradiction::Roots { files });
        }
    }
    Ok((united, notes))
}

impl Judged {
    fn of(capture: Capture) -> Self {
        let repository = &capture.repository;
        let captured = repository.record.captured;
        let verdict = judge(repository, captured.time(), &TrustPinning::default()).verdict;
        let state = verdict.state;
        Self {
            holds: matches!(state, State::Trusted | State::Degraded | State::Expired),
            timestamp: current(repository, &RoleName::timestamp()).unwrap_or_default(),
            captured,
            capture,
        }
    }
}

/// The version of a role's current document.
fn current(repository: &ArchivedRepository, role: &RoleName) -> Option<Version> {
    let digest = repository.record.current.get(role)?;
    let mut documents = repository.documents(role);
    Some(documents.find(|one| one.sha256 == *digest)?.version)
}

/// No version of a role is another document in one than in the other.
fn same_documents(captures: &[Capture]) -> Result<(), Contradiction> {
    type Versions<'a> = BTreeMap<(&'a RoleName, Version), BTreeSet<Sha256>>;
    let mut earlier: Vec<(&Capture, Versions<'_>)> = Vec::new();
    for capture in captures {
        let mut versions = Versions::new();
        for document in &capture.repository.record.documents {
            // Version 0 is what could not be read.
            if document.version > 0 {
                let digests = versions.entry((&document.role, document.version));
                digests.or_default().insert(document.sha256);
            }
        }
        for (other, theirs) in &earlier {
            for ((role, version), digests) in &versions {
                let same = theirs
                    .get(&(*role, *version))
                    .is_none_or(|theirs| digests.is_subset(theirs) || theirs.is_subset(digests));
                if !same {
                    return Err(Contradiction::Document {
                        role: (*role).clone(),
                        version: *version,
                        files: (other.file.clone(), capture.file.clone()),
                    });
                }
            }
        }
        earlier.push((capture, versions));
    }
    Ok(())
}

/// What the newer state names is nowhere older than in the other.
fn forwards(older: &Capture, newer: &Capture) -> Result<(), Contradiction> {
    for role in older.repository.record.current.keys() {
        let versions = (
            current(&older.repository, role),
            current(&newer.repository, role),
        );
        if let (Some(had), Some(has)) = versions
            && has < had
        {
            return Err(Contradiction::Backwards {
                role: role.clone(),
                older: has,
                newer: had,
                files: (newer.file.clone(), older.file.clone()),
            });
        }
    }
    Ok(())
}

/// The roots that a capture has, but those that could not be read.
fn roots(capture: &Capture) -> BTreeSet<(Version, Sha256)> {
    let documents = capture.repository.documents(&RoleName::root());
    documents
        .filter(|document| document.version > 0)
        .map(|document| (document.version, document.sha256))
        .collect()
}

/// Adds what only `other` has. What is current stays.
fn add(united: &mut ArchivedRepository, other: ArchivedRepository) {
    let known = |documents: &[Document]| -> BTreeSet<(RoleName, Sha256)> {
        let names = documents.iter();
        names.map(|one| (one.role.clone(), one.sha256)).collect()
    };
    let had = known(&united.record.documents);
    let more = other.record.documents.into_iter();
    let more = more.filter(|one| !had.contains(&(one.role.clone(), one.sha256)));
    united.record.documents.extend(more);
    united
        .record
        .documents
        .sort_by(|a, b| (&a.role, a.version, a.sha256).cmp(&(&b.role, b.version, b.sha256)));
    united.objects.extend(other.objects);
    // Numbers of different feeds mean nothing beside each other.
    if united.record.source == other.record.source {
        let had: BTreeSet<i64> = united.record.changes.iter().map(|one| one.id).collect();
        let more = other.record.changes.into_iter();
        let more = more.filter(|one| !had.contains(&one.id));
        united.record.changes.extend(more);
        united.record.changes.sort_by_key(|change| change.id);
    }
}
