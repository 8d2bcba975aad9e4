//! `notary archive extract FILE [GUN…] -C FOLDER`: documents as files.

use std::path::{Path, PathBuf};

use serde::Serialize;
use signet_archive::extract::{ExtractError, Folder, Written};
use signet_archive::{Archive, ArchivedRepository, Sha256};
use signet_client::layout::Layout;
use signet_tuf::{RoleName, TrustedRepository};

use super::reading;
use crate::archives;
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::notary::format::Format;
use crate::texts::{notary as texts, os_error};
use crate::ui::report::Failure;

/// How the files lie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Arrangement {
    /// As in the archive: the record of each repository, and its documents by digest.
    Objects,
    /// As in the trust folder of docker and notary: the documents in force.
    TrustDir,
}

/// What `--format json` prints, a line for each repository.
#[derive(Debug, Default, Serialize)]
struct Extracted {
    gun: String,
    /// Files that are new.
    written: u64,
    /// Files that were there already, with the same bytes.
    same: u64,
    /// Why nothing was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
}

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let format = Format::of(matches)?;
    let Some((file, names)) = matches.args.split_first() else {
        return context.wrong_arguments(texts::ARCHIVE_EXTRACT_ARGUMENTS);
    };
    let arrangement = match matches.text("layout") {
        "objects" => Arrangement::Objects,
        "trust-dir" => Arrangement::TrustDir,
        other => return Err(Failure::new(texts::unknown_layout(other))),
    };
    let folder = match matches.text("directory") {
        "" => return context.wrong_arguments(texts::ARCHIVE_EXTRACT_WHERE),
        folder => Path::new(folder),
    };
    let guns = names
        .iter()
        .map(|name| reading::gun(name))
        .collect::<Result<Vec<_>, _>>()?;
    let path = Path::new(file);
    let archive = archives::open(path)?;
    let wanted = Wanted {
        arrangement,
        all: matches.is_set("all"),
        named: !guns.is_empty(),
    };
    // Nothing is made before it is known that there is something to put into it. One repository is in memory at a time.
    for gun in &guns {
        archives::read(path, &archive, gun)?;
    }
    let out = Folder::open(folder).map_err(|error| failure(&error))?;
    let mut sums = Sums::default();
    let mut each = |repository: ArchivedRepository| {
        let extracted = wanted.extract(&repository, folder, &out)?;
        sums.add(&extracted);
        if let Some(reason) = &extracted.skipped {
            tracing::warn!("{}", texts::archive_skipped(&extracted.gun, reason));
        }
        match format {
            Format::Json => reading::line(&extracted, context),
            Format::Text => Ok(()),
        }
    };
    if guns.is_empty() {
        every(path, &archive, context, &mut each)?;
    } else {
        for gun in &guns {
            each(archives::read(path, &archive, gun)?)?;
        }
    }
    if format == Format::Text {
        let folder = folder.display().to_string();
        let said = texts::archive_extracted(&folder, sums.repositories, sums.written, sums.same);
        context.printer.out(&said)?;
    }
    if sums.refused > 0 && wanted.named {
        return Err(Failure::new(texts::archive_not_extracted(sums.refused))
            .hint(texts::ARCHIVE_EXTRACT_ALL));
    }
    Ok(())
}

fn every(
    path: &Path,
    archive: &Archive,
    context: &Context,
    each: &mut dyn FnMut(ArchivedRepository) -> Result<(), Failure>,
) -> Result<(), Failure> {
    reading::every(path, archive, context, each)
}

#[derive(Debug, Default)]
struct Sums {
    repositories: u64,
    written: u64,
    same: u64,
    refused: u64,
}

impl Sums {
    fn add(&mut self, extracted: &Extracted) {
        self.repositories += u64::from(extracted.skipped.is_none());
        self.refused += u64::from(extracted.skipped.is_some());
        self.written += extracted.written;
        self.same += extracted.same;
    }
}

/// What is to be written.
struct Wanted {
    arrangement: Arrangement,
    /// Also what is not trusted.
    all: bool,
    /// Whether the command line names repositories.
    named: bool,
}

impl Wanted {
    fn extract(
        &self,
        repository: &ArchivedRepository,
        folder: &Path,
        out: &Folder,
    ) -> Result<Extracted, Failure> {
        let mut extracted = Extracted {
            gun: repository.record.gun.to_string(),
            ..Extracted::default()
        };
        let files = match self.arrangement {
            Arrangement::Objects => objects(repository)?,
            Arrangement::TrustDir => match self.trust_dir(repository, folder) {
                Ok(files) => files,
                Err(reason) => {
                    extracted.skipped = Some(reason);
                    return Ok(extracted);
                }
            },
        };
        for (path, bytes) in files {
            match out.write(&path, &bytes).map_err(|error| failure(&error))? {
                Written::New => extracted.written += 1,
                Written::Same => extracted.same += 1,
            }
        }
        Ok(extracted)
    }

    /// The files of a trust folder, or why there are none.
    fn trust_dir(
        &self,
        repository: &ArchivedRepository,
        folder: &Path,
    ) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
        let layout =
            Layout::new(folder, &repository.record.gun).map_err(|error| error.to_string())?;
        let documents = if self.all {
            in_force(repository)
        } else {
            let judgement = reading::judged(repository);
            match &judgement.trusted {
                Ok(trusted) => verified(trusted),
                Err(error) => {
                    let reason = judgement
                        .verdict
                        .reason
                        .unwrap_or_else(|| error.to_string());
                    return Err(texts::archive_not_trusted(
                        judgement.verdict.state.as_str(),
                        &reason,
                    ));
                }
            }
        };
        documents
            .into_iter()
            .map(|(role, bytes)| {
                let path = layout.document(&role);
                let below = path
                    .strip_prefix(folder)
                    .map_err(|error| error.to_string())?;
                Ok((below.to_owned(), bytes))
            })
            .collect()
    }
}

/// Every document of a repository, with its record: the members that it has in the archive.
fn objects(repository: &ArchivedRepository) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
    let record = &repository.record;
    let folder = Path::new("guns").join(Sha256::of(record.gun.as_str().as_bytes()).to_string());
    let text = serde_json::to_vec(record).map_err(|error| Failure::new(error.to_string()))?;
    let mut files = vec![(folder.join("record.json"), text)];
    let folder = folder.join("objects");
    let objects = repository.objects.iter();
    files.extend(
        objects.map(|(digest, bytes)| (folder.join(format!("{digest}.json")), bytes.to_vec())),
    );
    Ok(files)
}

/// The documents that passed every rule.
fn verified(trusted: &TrustedRepository) -> Vec<(RoleName, Vec<u8>)> {
    let mut documents = vec![
        (RoleName::root(), trusted.root().raw().to_vec()),
        (RoleName::snapshot(), trusted.snapshot().raw().to_vec()),
        (RoleName::timestamp(), trusted.timestamp().raw().to_vec()),
    ];
    let targets = trusted.all_targets().iter();
    documents.extend(targets.map(|(role, targets)| (role.clone(), targets.raw().to_vec())));
    documents
}

/// The documents that the source gave as the current ones, whatever they are worth.
fn in_force(repository: &ArchivedRepository) -> Vec<(RoleName, Vec<u8>)> {
    let current = repository.record.current.iter();
    current
        .filter_map(|(role, digest)| Some((role.clone(), repository.objects.get(digest)?.to_vec())))
        .collect()
}

fn failure(error: &ExtractError) -> Failure {
    match error {
        ExtractError::Io { path, source } => {
            Failure::new(format!("{}: {}", path.display(), os_error(source)))
        }
        ExtractError::Different(_) => {
            Failure::new(error.to_string()).hint(texts::ARCHIVE_EXTRACT_ELSEWHERE)
        }
        error => Failure::new(error.to_string()),
    }
}
