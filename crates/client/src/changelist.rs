//! Staged changes, in the form of Go notary (specification, `notary-cli.md` section 4.2): one file each, in the order of
//! their names. Either program publishes what the other staged.

mod change;

use std::io::ErrorKind;
use std::path::PathBuf;

use time::OffsetDateTime;

pub use change::{Change, ChangeError, Edit};

use crate::folder::{Folder, Kind};
use crate::layout::{FileError, Layout, create_private_dir, write_atomic};
use crate::random;

/// Largest change file that is read, in bytes.
pub const MAX_CHANGE_BYTES: u64 = 16 << 20;
/// Most change files that are read.
pub const MAX_CHANGES: usize = 100_000;
/// Most bytes of all change files together that are read.
pub const MAX_CHANGELIST_BYTES: u64 = 128 << 20;

/// The folder of staged changes of one trust repository.
#[derive(Clone, Debug)]
pub struct Changelist {
    dir: PathBuf,
    layout: Layout,
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
    /// No change can come after one that is staged, because of its file's name.
    #[error("no change can be staged after {name} in {}: publish or remove that one first", dir.display())]
    Last {
        /// The folder.
        dir: PathBuf,
        /// Name of the file.
        name: String,
    },
    /// More than [`MAX_CHANGELIST_BYTES`] in all files.
    #[error("the staged changes in {} have more than {MAX_CHANGELIST_BYTES} bytes", dir.display())]
    TooLarge {
        /// The folder.
        dir: PathBuf,
    },
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
            layout: layout.clone(),
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
        let Some(folder) = self.folder()? else {
            return Ok(list);
        };
        let mut left = MAX_CHANGELIST_BYTES;
        for name in self.names(&folder)? {
            let change = match folder.read(&name, MAX_CHANGE_BYTES) {
                Ok(Some(bytes)) => {
                    left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                        ChangelistError::TooLarge {
                            dir: self.dir.clone(),
                        }
                    })?;
                    Change::parse(&bytes)
                }
                Ok(None) => Err(ChangeError::TooLarge),
                // Published or reset by another command meanwhile.
                Err(error) if error.source.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
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
        let names = match self.folder()? {
            Some(folder) => self.names(&folder)?,
            None => Vec::new(),
        };
        create_private_dir(&self.dir)?;
        let numbered = || names.iter().filter_map(|name| Some((number(name)?, name)));
        let newest = numbered().map(|(number, _)| number).max().unwrap_or(0);
        // A clock that stands still or went back must not change the order.
        let next = now.unix_timestamp_nanos().max(newest.saturating_add(1));
        let name = format!("{next:020}_{}.change", random::uuid());
        // What cannot come last would be published before what it follows.
        if let Some((_, last)) = numbered().find(|(_, other)| **other >= name) {
            return Err(ChangelistError::Last {
                dir: self.dir.clone(),
                name: last.clone(),
            });
        }
        let staging = self.layout.staging();
        write_atomic(&self.dir.join(&name), staging, &change.to_bytes())?;
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
        let Some(folder) = self.folder()? else {
            return Ok(());
        };
        for name in names {
            folder.remove(name)?;
        }
        Ok(())
    }

    /// Removes all changes.
    ///
    /// # Errors
    /// [`ChangelistError`] when a file cannot be removed.
    pub fn clear(&self) -> Result<(), ChangelistError> {
        let Some(folder) = self.folder()? else {
            return Ok(());
        };
        for name in self.names(&folder)? {
            folder.remove(&name)?;
        }
        Ok(())
    }

    /// The folder, if there is one. Through a link in its place the files of another would be taken for changes, and removed as such: private
    /// keys, for example.
    fn folder(&self) -> Result<Option<Folder>, ChangelistError> {
        Ok(self.layout.open("changelist")?)
    }

    fn names(&self, folder: &Folder) -> Result<Vec<String>, ChangelistError> {
        let entries = folder.entries(MAX_CHANGES + 1)?;
        if entries.len() > MAX_CHANGES {
            return Err(ChangelistError::TooMany {
                dir: self.dir.clone(),
            });
        }
        let files = entries.iter().filter(|entry| entry.kind == Kind::File);
        // Go cannot have written a name that is no UTF-8.
        let names = files.filter_map(|entry| entry.text().map(str::to_owned));
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// The number that the name of a change begins with.
fn number(name: &str) -> Option<i128> {
    let (number, _) = name.split_once('_')?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) || number.is_empty() {
        return None;
    }
    // Longer than any number of ours, so it is larger.
    Some(number.parse().unwrap_or(i128::MAX))
}

#[cfg(test)]
mod tests {
    use std::fs;
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
    fn no_change_is_staged_before_one_that_it_follows() {
        let now = time::macros::datetime!(2026-11-22 20:00 UTC);
        for name in [
            "99999999999999999999_x",
            "999999999999999999999999999999999999999999999999_x",
            "9_x",
        ] {
            let dir = tempfile::tempdir().unwrap();
            let changelist = changelist(dir.path());
            changelist.add(&removal("a"), now).unwrap();
            write_atomic(&changelist.dir.join(name), dir.path(), b"{}").unwrap();
            // Sorted behind it, this has no number.
            write_atomic(&changelist.dir.join("zzz"), dir.path(), b"{}").unwrap();
            let error = changelist.add(&removal("b"), now).unwrap_err();
            assert!(
                matches!(&error, ChangelistError::Last { name: last, .. } if last == name),
                "{error}"
            );
            assert_eq!(changelist.list().unwrap().len(), 3);
        }
        // A number from another clock goes before ours, and the next one after it.
        let dir = tempfile::tempdir().unwrap();
        let changelist = changelist(dir.path());
        let ahead = "05000000000000000000_x";
        write_atomic(&changelist.dir.join(ahead), dir.path(), b"{}").unwrap();
        let name = changelist.add(&removal("b"), now).unwrap();
        assert!(name.starts_with("05000000000000000001_"), "{name}");
    }

    #[test]
    fn all_files_together_are_bounded_and_pipes_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let changelist = changelist(dir.path());
        create_private_dir(&changelist.dir).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            changelist.dir.join("0_pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        for number in 0..=MAX_CHANGELIST_BYTES / MAX_CHANGE_BYTES {
            assert!(changelist.list().is_ok());
            let file = fs::File::create(changelist.dir.join(format!("{number}_x"))).unwrap();
            file.set_len(MAX_CHANGE_BYTES).unwrap();
        }
        let error = changelist.list().unwrap_err();
        assert!(matches!(error, ChangelistError::TooLarge { .. }), "{error}");
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
