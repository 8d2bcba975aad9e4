//! Repositories out of a trust folder: what docker or notary had downloaded and verified on this computer.
//!
//! The folder is only read. It holds one document a role, the last that a client trusted: neither earlier roots nor earlier states.

use std::collections::BTreeSet;
use std::path::Path;

use signet_archive::bounds::MAX_REPOSITORY_BYTES;
use signet_archive::{ArchivedRepository, Currency, Held, Moment, Source, assemble};
use signet_tuf::update::MAX_DOCUMENT_BYTES;
use signet_tuf::{Gun, RoleName};

use crate::folder::{Entry, Folder, Kind};
use crate::layout::FileError;

/// Most files and folders that are looked at.
const MOST_ENTRIES: usize = 1 << 20;
/// Deepest nesting of folders: a name of 255 bytes has at most 128 parts, and the documents of delegations lie below.
const DEEPEST: usize = 160;

/// What a trust folder has.
#[derive(Debug)]
pub struct TrustFolder {
    metadata: Folder,
    /// Repositories with documents.
    pub guns: BTreeSet<Gun>,
    /// Folders with documents whose path is no repository's name, and why.
    pub invalid: Vec<(String, &'static str)>,
    /// What could not be looked at, in sentences.
    pub problems: BTreeSet<String>,
}

/// How far a walk may go.
struct Budget {
    entries: usize,
    bytes: u64,
}

impl Budget {
    const fn new() -> Self {
        Self {
            entries: MOST_ENTRIES,
            bytes: MAX_REPOSITORY_BYTES,
        }
    }
}

impl TrustFolder {
    /// Looks for repositories in `trust_dir`. Links below it are not followed, and told as problems.
    ///
    /// # Errors
    /// When there is no folder `tuf` in it that can be read.
    pub fn open(trust_dir: &Path) -> Result<Self, FileError> {
        let mut found = Self {
            metadata: Folder::open(trust_dir)?.child("tuf")?,
            guns: BTreeSet::new(),
            invalid: Vec::new(),
            problems: BTreeSet::new(),
        };
        let metadata = found.metadata.try_clone()?;
        // A folder that cannot be read is an error here and a problem further down.
        metadata.entries(0)?;
        found.look(&metadata, &mut Vec::new(), &mut Budget::new());
        Ok(found)
    }

    fn look(&mut self, folder: &Folder, parts: &mut Vec<String>, budget: &mut Budget) {
        let is_cache = parts.last().is_some_and(|part| part == "metadata");
        let mut has_documents = false;
        let mut below = Vec::new();
        for entry in self.entries_of(folder, budget) {
            match (entry.kind, entry.text()) {
                // The documents of delegations are no repositories.
                (Kind::Folder, Some("targets")) if is_cache => {}
                (Kind::Folder, Some(name)) => below.push(name.to_owned()),
                (Kind::Folder, None) => {
                    let path = folder.shown(&entry.name);
                    self.invalid.push((path, "it is not UTF-8"));
                }
                (Kind::File, Some(name)) if is_cache => {
                    has_documents |= role_of(name).is_some();
                }
                _ => {}
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
        for name in below {
            if parts.len() >= DEEPEST {
                let shown = folder.shown(name.as_ref());
                self.problems
                    .insert(format!("{shown} is nested too deeply"));
                continue;
            }
            match folder.child(&name) {
                Ok(child) => {
                    parts.push(name);
                    self.look(&child, parts, budget);
                    parts.pop();
                }
                Err(error) => {
                    self.problems.insert(error.text());
                }
            }
        }
    }

    /// What is in a folder, in the order of the names. What cannot be read, and what is neither file nor folder, is told.
    fn entries_of(&mut self, folder: &Folder, budget: &mut Budget) -> Vec<Entry> {
        // One more than there is room for, to know that there is no room.
        let mut entries = match folder.entries(budget.entries.saturating_add(1)) {
            Ok(entries) => entries,
            Err(error) => {
                self.problems.insert(error.text());
                return Vec::new();
            }
        };
        if entries.len() > budget.entries {
            let shown = folder.path().display();
            self.problems
                .insert(format!("{shown}: there are more files than are looked at"));
            entries.truncate(budget.entries);
        }
        budget.entries = budget.entries.saturating_sub(entries.len());
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in &entries {
            let why = match entry.kind {
                Kind::Link => "it is a link, and links are not followed",
                Kind::Other => "it is neither a file nor a folder",
                Kind::File | Kind::Folder => continue,
            };
            let shown = folder.shown(&entry.name);
            self.problems.insert(format!("{shown} is left out: {why}"));
        }
        entries
    }

    /// Reads a repository. `captured` is the present: what has expired since it was downloaded has expired.
    ///
    /// # Errors
    /// When a file or folder cannot be read, or has become a link.
    pub fn read(&mut self, gun: &Gun, captured: Moment) -> Result<ArchivedRepository, FileError> {
        let mut folder = self.metadata.try_clone()?;
        for part in gun.as_str().split('/').chain(["metadata"]) {
            folder = folder.child(part)?;
        }
        let mut held = Vec::new();
        self.documents(&folder, "", 0, &mut held, &mut Budget::new())?;
        let (source, currency) = (Source::TrustFolder, Currency::Only);
        Ok(assemble(gun, source, captured, held, currency, Vec::new()))
    }

    fn documents(
        &mut self,
        folder: &Folder,
        prefix: &str,
        depth: usize,
        held: &mut Vec<Held>,
        budget: &mut Budget,
    ) -> Result<(), FileError> {
        for entry in self.entries_of(folder, budget) {
            let Some(file) = entry.text() else { continue };
            let name = format!("{prefix}{file}");
            let is_delegated = name == "targets" || depth > 0;
            if entry.kind == Kind::Folder && is_delegated && depth < DEEPEST {
                let child = folder.child(file)?;
                self.documents(&child, &format!("{name}/"), depth + 1, held, budget)?;
            }
            let Some(role) = role_of(&name).filter(|_| entry.kind == Kind::File) else {
                continue;
            };
            let most = MAX_DOCUMENT_BYTES.min(budget.bytes);
            let Some(document) = folder.read(file, most)? else {
                let shown = folder.shown(&entry.name);
                let what = if most < MAX_DOCUMENT_BYTES {
                    "with it, the repository is larger than an archive takes"
                } else {
                    "it is larger than a document may be"
                };
                self.problems.insert(format!("{shown} is left out: {what}"));
                continue;
            };
            budget.bytes = budget.bytes.saturating_sub(document.len() as u64);
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
