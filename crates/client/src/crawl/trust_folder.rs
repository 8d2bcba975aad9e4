//! Repositories out of a trust folder: what docker or notary had downloaded and verified on this computer.
//!
//! The folder is only read. It holds one document a role, the last that a client trusted: neither earlier roots nor earlier states.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use signet_archive::bounds::MAX_REPOSITORY_BYTES;
use signet_archive::{ArchivedRepository, Currency, Held, Moment, Source, assemble};
use signet_tuf::update::MAX_DOCUMENT_BYTES;
use signet_tuf::{Gun, RoleName};

use crate::layout::{FileError, read_bounded};

/// Most files and folders that are looked at.
const MOST_ENTRIES: usize = 1 << 20;
/// Deepest nesting of folders: a name of 255 bytes has at most 128 parts, and the documents of delegations lie below.
const DEEPEST: usize = 160;

/// What a trust folder has.
#[derive(Debug, Default)]
pub struct TrustFolder {
    metadata: PathBuf,
    /// Repositories with documents.
    pub guns: BTreeSet<Gun>,
    /// Folders with documents whose path is no repository's name, and why.
    pub invalid: Vec<(String, &'static str)>,
    /// What could not be looked at, in sentences.
    pub problems: Vec<String>,
    entries: usize,
}

impl TrustFolder {
    /// Looks for repositories in `trust_dir`. Links are not followed.
    ///
    /// # Errors
    /// When there is no folder `tuf` in it that can be read.
    pub fn open(trust_dir: &Path) -> Result<Self, FileError> {
        let metadata = trust_dir.join("tuf");
        fs::read_dir(&metadata).map_err(FileError::at("read", &metadata))?;
        let mut found = Self {
            metadata: metadata.clone(),
            ..Self::default()
        };
        found.look(&metadata, &mut Vec::new());
        Ok(found)
    }

    fn look(&mut self, folder: &Path, parts: &mut Vec<String>) {
        let is_cache = parts.last().is_some_and(|part| part == "metadata");
        let mut has_documents = false;
        let mut below = Vec::new();
        for (name, path, kind) in self.entries_of(folder) {
            if kind.is_dir() {
                // The documents of delegations are no repositories.
                if !(is_cache && name.as_deref() == Some("targets")) {
                    below.push((name, path));
                }
            } else if kind.is_file() && is_cache {
                has_documents |= name.is_some_and(|name| role_of(&name).is_some());
            }
        }
        if has_documents && let Some((_, gun)) = parts.split_last() {
            let name = gun.join("/");
            match name.parse::<Gun>() {
                Ok(gun) => {
                    self.guns.insert(gun);
                }
                Err(error) => self.invalid.push((name, error.reason)),
            }
        }
        for (name, path) in below {
            let Some(name) = name else {
                let path = path.to_string_lossy().into_owned();
                self.invalid.push((path, "it is not UTF-8"));
                continue;
            };
            if parts.len() >= DEEPEST {
                let shown = path.display();
                self.problems.push(format!("{shown} is nested too deeply"));
                continue;
            }
            parts.push(name);
            self.look(&path, parts);
            parts.pop();
        }
    }

    /// What is in a folder, in the order of the names; a name that is not UTF-8 is none.
    fn entries_of(&mut self, folder: &Path) -> Vec<(Option<String>, PathBuf, fs::FileType)> {
        let read = fs::read_dir(folder).and_then(|entries| {
            entries
                .take(MOST_ENTRIES)
                .map(|entry| {
                    let entry = entry?;
                    let name = entry.file_name().into_string().ok();
                    Ok((name, entry.path(), entry.file_type()?))
                })
                .collect::<Result<Vec<_>, _>>()
        });
        match read {
            Ok(mut entries) => {
                let room = MOST_ENTRIES.saturating_sub(self.entries);
                if entries.len() > room {
                    let shown = folder.display();
                    self.problems
                        .push(format!("{shown}: there are more files than are looked at"));
                    entries.truncate(room);
                }
                self.entries += entries.len();
                entries.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
                entries
            }
            Err(error) => {
                self.problems
                    .push(FileError::at("read", folder)(error).text());
                Vec::new()
            }
        }
    }

    /// Reads a repository. `captured` is the present: what has expired since it was downloaded has expired.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(&mut self, gun: &Gun, captured: Moment) -> Result<ArchivedRepository, FileError> {
        let folder = gun
            .as_str()
            .split('/')
            .fold(self.metadata.clone(), |path, part| path.join(part))
            .join("metadata");
        let (mut held, mut bytes) = (Vec::new(), 0);
        self.documents(&folder, "", 0, &mut held, &mut bytes)?;
        let (source, currency) = (Source::TrustFolder, Currency::Only);
        Ok(assemble(gun, source, captured, held, currency, Vec::new()))
    }

    fn documents(
        &mut self,
        folder: &Path,
        prefix: &str,
        depth: usize,
        held: &mut Vec<Held>,
        bytes: &mut u64,
    ) -> Result<(), FileError> {
        for (name, path, kind) in self.entries_of(folder) {
            let Some(name) = name.map(|name| format!("{prefix}{name}")) else {
                continue;
            };
            if kind.is_dir() && (name == "targets" || depth > 0) && depth < DEEPEST {
                self.documents(&path, &format!("{name}/"), depth + 1, held, bytes)?;
            }
            let Some(role) = role_of(&name).filter(|_| kind.is_file()) else {
                continue;
            };
            let Some(document) = read_bounded(&path, MAX_DOCUMENT_BYTES)? else {
                let shown = path.display();
                self.problems
                    .push(format!("{shown} is larger than a document may be"));
                continue;
            };
            *bytes += document.len() as u64;
            if *bytes > MAX_REPOSITORY_BYTES {
                let shown = path.display();
                self.problems.push(format!(
                    "{shown}: the repository is larger than an archive takes"
                ));
                continue;
            }
            held.push(Held {
                role,
                bytes: document,
                published: None,
            });
        }
        Ok(())
    }
}

/// The role whose document has that name below `metadata`.
fn role_of(name: &str) -> Option<RoleName> {
    name.strip_suffix(".json")?.parse().ok()
}
