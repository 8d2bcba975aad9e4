//! Staged changes, in the form of Go notary (specification, `notary-cli.md` section 4.2): one file each, in the order of
//! their names. Either program publishes what the other staged.

mod change;

use std::fs;
use std::path::PathBuf;

use time::OffsetDateTime;

pub use change::{Change, ChangeError, Edit};

use crate::layout::{FileError, Layout, create_private_dir, read_bounded, write_atomic};
use crate::random;

/// Largest change file that is read, in bytes.
pub const MAX_CHANGE_BYTES: u64 = 16 << 20;
/// Most change files that are read.
pub const MAX_CHANGES: usize = 100_000;

/// The folder of staged changes of one trust repository.
#[derive(Clone, Debug)]
pub struct Changelist {
    dir: PathBuf,
    staging: PathBuf,
}

/// One file of the changelist.
#[derive(Debug)]
pub struct Staged {
    /// Name of the file; the order of names is the order of changes.
    pub name: String,
    /// What it says, or why that cannot be read.
    pub change: Result<Change, ChangeError>,
}

/// Why the changelist could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangelistError {
    /// A staged change cannot be understood.
    #[error("staged change {name} cannot be read")]
    Change {
        /// Name of the file.
        name: String,
        /// Why.
        #[source]
        source: ChangeError,
    },
    /// A file or the folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// More than [`MAX_CHANGES`] files.
    #[error("more than {MAX_CHANGES} staged changes in {}", dir.display())]
    TooMany {
        /// The folder.
        dir: PathBuf,
    },
}

impl Changelist {
    /// The changelist of the repository at `layout`. Touches no disk.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            dir: layout.changelist(),
            staging: layout.staging().to_owned(),
        }
    }

    /// Where the files are.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// All staged changes in order. Every regular file counts, whatever its extension, as in Go.
    ///
    /// # Errors
    /// [`ChangelistError`] when the folder or a file cannot be read. A change that makes no sense is returned as such.
    pub fn list(&self) -> Result<Vec<Staged>, ChangelistError> {
        let mut list = Vec::new();
        for name in self.names()? {
            let path = self.dir.join(&name);
            let change = match read_bounded(&path, MAX_CHANGE_BYTES)? {
                Some(bytes) => Change::parse(&bytes),
                // Published or reset by another command meanwhile.
                None if !path.exists() => continue,
                None => Err(ChangeError::TooLarge),
            };
            list.push(Staged { name, change });
        }
        Ok(list)
    }

    /// Stages a change after all others.
    ///
    /// # Errors
    /// [`ChangelistError`] when the file cannot be written.
    pub fn add(&self, change: &Change, now: OffsetDateTime) -> Result<String, ChangelistError> {
        create_private_dir(&self.dir)?;
        let newest = self
            .names()?
            .last()
            .and_then(|name| name.split('_').next()?.parse::<i128>().ok())
            .unwrap_or(0);
        // A clock that stands still or went back must not change the order.
        let number = now
            .unix_timestamp_nanos()
            .max(newest.saturating_add(1))
            .clamp(0, MAX_NUMBER);
        let name = format!("{number:020}_{}.change", random::uuid());
        write_atomic(&self.dir.join(&name), &self.staging, &change.to_bytes())?;
        Ok(name)
    }

    /// Removes these changes; those already gone are no error.
    ///
    /// # Errors
    /// [`ChangelistError`] when a file cannot be removed.
    pub fn remove<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), ChangelistError> {
        for name in names {
            let path = self.dir.join(name);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(FileError::at("remove", &path)(e).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes all changes.
    ///
    /// # Errors
    /// [`ChangelistError`] when a file cannot be removed.
    pub fn clear(&self) -> Result<(), ChangelistError> {
        let names = self.names()?;
        self.remove(names.iter().map(String::as_str))
    }

    fn names(&self) -> Result<Vec<String>, ChangelistError> {
        let error = || FileError::at("read", &self.dir);
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(error()(e).into()),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(error())?;
            if !entry.file_type().map_err(error())?.is_file() {
                continue;
            }
            // Go cannot have written a name that is no UTF-8.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if names.len() == MAX_CHANGES {
                return Err(ChangelistError::TooMany {
                    dir: self.dir.clone(),
                });
            }
            names.push(name);
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Largest number of 20 digits.
const MAX_NUMBER: i128 = 99_999_999_999_999_999_999;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use signet_tuf::RoleName;

    use super::*;

    fn changelist(dir: &Path) -> Changelist {
        Changelist::new(&Layout::new(dir, &"localhost:5000/x".parse().unwrap()).unwrap())
    }

    fn removal(name: &str) -> Change {
        Change::from(&Edit::RemoveTarget {
            role: RoleName::targets(),
            name: name.to_owned(),
        })
    }

    fn paths(list: &[Staged]) -> Vec<String> {
        list.iter()
            .map(|staged| match &staged.change {
                Ok(change) => change.path.clone(),
                Err(e) => format!("! {e}"),
            })
            .collect()
    }

    #[test]
    fn keeps_the_order_even_when_the_clock_stands_still() {
        let dir = tempfile::tempdir().unwrap();
        let changelist = changelist(dir.path());
        assert!(changelist.list().unwrap().is_empty());
        let now = time::macros::datetime!(2026-11-22 20:00 UTC);
        for (i, moment) in [now, now, now - time::Duration::DAY, now]
            .iter()
            .enumerate()
        {
            changelist.add(&removal(&i.to_string()), *moment).unwrap();
        }
        let list = changelist.list().unwrap();
        assert_eq!(paths(&list), ["0", "1", "2", "3"]);
        let name = &list[0].name;
        assert!(name.starts_with("01795377600000000000_"), "{name}");
        assert!(name.ends_with(".change") && name.len() == 64, "{name}");
        changelist
            .remove(list.iter().take(2).map(|staged| staged.name.as_str()))
            .unwrap();
        assert_eq!(paths(&changelist.list().unwrap()), ["2", "3"]);
        changelist.clear().unwrap();
        assert!(changelist.list().unwrap().is_empty());
    }

    #[test]
    fn a_broken_file_is_reported_in_its_place_and_folders_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let changelist = changelist(dir.path());
        let now = time::macros::datetime!(2026-11-22 20:00 UTC);
        changelist.add(&removal("a"), now).unwrap();
        let staging = dir.path();
        for (name, text) in [
            ("000", "junk"),
            ("zzz.json", "{}"),
            ("zzz0", "{\"path\":\"b\"}"),
        ] {
            write_atomic(&changelist.dir.join(name), staging, text.as_bytes()).unwrap();
        }
        fs::create_dir(changelist.dir.join("metadata")).unwrap();
        let list = changelist.list().unwrap();
        assert!(list[0].change.is_err());
        assert_eq!(paths(&list)[1..], ["a", "", "b"]);
        // A name that is no number does not confuse the numbering.
        changelist.add(&removal("c"), now).unwrap();
        assert_eq!(changelist.list().unwrap().len(), 5);
    }
}
