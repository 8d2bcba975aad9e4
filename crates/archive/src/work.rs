//! Making an archive: a folder of finished repositories, which survives a crash, and the file that is packed from it.

mod pack;
mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use signet_tuf::{Gun, PublicKey};

use crate::archive::{ArchiveError, Entry};
use crate::{ArchivedRepository, Moment, Section, strict};
use part::Part;

const SETTINGS: &str = "settings.json";
const SECTIONS: &str = "sections";
const PACKING: &str = "packing";
/// Ends the name of a file that is being written.
const UNFINISHED: &str = ".tmp";
/// How often a folder may vanish between being opened and being locked.
const MAX_RACES: u32 = 100;
/// How often a lock that is held is asked for again, and after which pause.
const LOCK_ATTEMPTS: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Signs an archive.
pub trait Archivist {
    /// The public key.
    fn key(&self) -> &PublicKey;

    /// Signs `message` with the method of the key's kind.
    ///
    /// # Errors
    /// What happened, as a sentence.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String>;
}

/// Why an archive could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// Another process works in the folder.
    #[error("another command is making this archive")]
    Busy,
    /// The folder belongs to another archive: other sources, or another format.
    #[error("{0}")]
    Other(String),
    /// The archivist's key did not sign.
    #[error("{0}")]
    Signature(String),
    /// The file that was packed is no archive.
    #[error("what was packed cannot be read again: {0}")]
    Packed(#[source] ArchiveError),
}

fn at(path: &Path) -> impl Fn(io::Error) -> WorkError {
    |source| WorkError::File {
        path: path.display().to_string(),
        source,
    }
}

/// What a folder was made for.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    format: u32,
    program: String,
    description: String,
    created: Moment,
}

/// The folder beside the file in which an archive is made: one file a finished repository, each written whole or not at all.
///
/// A process that is killed at any moment leaves either the old file or the new one, and a folder that the next one goes on with.
#[derive(Debug)]
pub struct Work {
    folder: PathBuf,
    /// Holds the lock on the folder.
    _lock: File,
    program: String,
    created: Moment,
    finished: BTreeMap<Gun, Part>,
}

impl Work {
    /// Opens the folder, or makes it. What `description` says (the sources and options of the archive, in any form) must be what it was when
    /// the folder was made. A folder that is there keeps its moment of creation; every finished repository in it is read, and one whose file
    /// is damaged is forgotten.
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn open(
        folder: &Path,
        program: &str,
        description: &str,
        created: Moment,
    ) -> Result<Self, WorkError> {
        let lock = lock(folder)?;
        let wanted = Settings {
            format: crate::Header::FORMAT,
            program: program.to_owned(),
            description: description.to_owned(),
            created,
        };
        let settings = match fs::read(folder.join(SETTINGS)) {
            Ok(text) => {
                let settings: Settings = strict::read(&text).map_err(|reason| {
                    let file = folder.join(SETTINGS);
                    WorkError::Other(format!("{}: {reason}", file.display()))
                })?;
                if (settings.format, &settings.description) != (wanted.format, &wanted.description)
                {
                    return Err(WorkError::Other(format!(
                        "{} was begun for another archive ({}); finish that one, or remove the folder",
                        folder.display(),
                        crate::archive::shown(&settings.description),
                    )));
                }
                settings
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                begin(folder, &wanted)?;
                wanted
            }
            Err(error) => return Err(at(&folder.join(SETTINGS))(error)),
        };
        let mut work = Self {
            folder: folder.to_owned(),
            _lock: lock,
            program: program.to_owned(),
            created: settings.created,
            finished: BTreeMap::new(),
        };
        work.take_stock()?;
        Ok(work)
    }

    /// Reads what is finished, and removes what is not.
    fn take_stock(&mut self) -> Result<(), WorkError> {
        let sections = self.folder.join(SECTIONS);
        match open_folder(&sections) {
            Err(error) if is_no_folder(&error) => {
                return Err(foreign(&sections, "it is a link, or no folder"));
            }
            opened => check_owner(&sections, &opened.map_err(at(&sections))?)?,
        }
        for file in fs::read_dir(&sections).map_err(at(&sections))? {
            let path = file.map_err(at(&sections))?.path();
            match Part::read(&path) {
                Ok(Some(part)) => {
                    self.finished.insert(part.gun().clone(), part);
                }
                Ok(None) => fs::remove_file(&path).map_err(at(&path))?,
                Err(error) => return Err(at(&path)(error)),
            }
        }
        Ok(())
    }

    /// When the archive was begun.
    #[must_use]
    pub const fn created(&self) -> Moment {
        self.created
    }

    /// Whether a repository is finished. One that was left half-way, or whose file is damaged, is not.
    #[must_use]
    pub fn has(&self, gun: &Gun) -> bool {
        self.finished.contains_key(gun)
    }

    /// What is finished, in the order of the names.
    pub fn finished(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.finished.values().map(Part::entry)
    }

    /// How many repositories are finished.
    #[must_use]
    pub fn len(&self) -> usize {
        self.finished.len()
    }

    /// Whether none is finished.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.finished.is_empty()
    }

    /// Keeps a finished repository. Its verdict is made here, from its documents at the moment of capture. One that was finished before is
    /// replaced.
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn finish(&mut self, repository: &ArchivedRepository) -> Result<(), WorkError> {
        let section = Section::of(repository).map_err(|reason| {
            let gun = crate::archive::shown(repository.record.gun.as_str());
            WorkError::Other(format!("{gun}: {reason}"))
        })?;
        self.keep(section)
    }

    /// Keeps a repository that was finished elsewhere, so that several threads can do the work of [`Section::of`].
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn keep(&mut self, section: Section) -> Result<(), WorkError> {
        if !self.has(&section.record.gun) && self.len() as u64 >= crate::bounds::MAX_REPOSITORIES {
            return Err(WorkError::Other(
                "there are more repositories than an archive takes".to_owned(),
            ));
        }
        let sections = self.folder.join(SECTIONS);
        let part = Part::write(&sections, section)?;
        self.finished.insert(part.gun().clone(), part);
        Ok(())
    }

    /// Forgets finished repositories that `wanted` does not name.
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn retain(&mut self, wanted: &BTreeSet<Gun>) -> Result<(), WorkError> {
        let others: Vec<Gun> = self.finished.keys().cloned().collect();
        for gun in others.into_iter().filter(|gun| !wanted.contains(gun)) {
            if let Some(part) = self.finished.remove(&gun) {
                fs::remove_file(part.path()).map_err(at(part.path()))?;
            }
        }
        Ok(())
    }

    /// Packs the file, replaces what is at `path` at once, and removes the folder.
    ///
    /// # Errors
    /// [`WorkError`]; then the folder stays.
    pub fn pack(self, path: &Path, archivist: Option<&dyn Archivist>) -> Result<(), WorkError> {
        pack::pack(&self, path, archivist)?;
        self.remove().map_err(|error| {
            WorkError::Other(format!(
                "{} is made, but the folder beside it could not be removed: {error}",
                path.display()
            ))
        })
    }

    /// Gives the archive up: removes the folder with all that is finished.
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn discard(self) -> Result<(), WorkError> {
        self.remove()
    }

    /// Gives up whatever archive is being made in the folder, if any is.
    ///
    /// # Errors
    /// [`WorkError`]; nothing is removed from a folder in which no archive is made, or where another process works.
    pub fn restart(folder: &Path) -> Result<(), WorkError> {
        let settings = folder.join(SETTINGS);
        match fs::metadata(&settings) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(at(&settings))?,
        };
        let _lock = lock(folder)?;
        // From here on it is a folder that was never begun.
        fs::remove_file(&settings).map_err(at(&settings))?;
        clear(folder)
    }

    /// Removes the folder. Without settings it is one that was never begun, whatever else is still in it.
    fn remove(&self) -> Result<(), WorkError> {
        let settings = self.folder.join(SETTINGS);
        fs::remove_file(&settings).map_err(at(&settings))?;
        clear(&self.folder)?;
        fs::remove_dir(&self.folder).map_err(at(&self.folder))
    }
}

/// Makes the folder where it is not there, and locks it.
///
/// What lies in it is believed to be what this user captured, and may be signed: so it must be this user's, and nobody else may write to it.
fn lock(folder: &Path) -> Result<File, WorkError> {
    for _ in 0..MAX_RACES {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(at(folder)(error));
            }
            _ => {}
        }
        let handle = match open_folder(folder) {
            // Whoever had it is removing it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if is_no_folder(&error) => {
                return Err(foreign(folder, "it is a link, or no folder"));
            }
            other => other.map_err(at(folder))?,
        };
        check_owner(folder, &handle)?;
        take_lock(&handle, folder)?;
        // It may have been removed, and made anew, between opening and locking.
        let locked = handle.metadata().map_err(at(folder))?;
        match fs::symlink_metadata(folder) {
            Ok(there) if (there.dev(), there.ino()) == (locked.dev(), locked.ino()) => {
                return Ok(handle);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at(folder)(error)),
        }
    }
    Err(WorkError::Busy)
}

/// A program that somebody starts has the locks of who starts it for a moment, so one that is held is asked for a few times.
fn take_lock(handle: &File, folder: &Path) -> Result<(), WorkError> {
    let mut patience = LOCK_ATTEMPTS;
    loop {
        match handle.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(at(folder)(error)),
            Err(TryLockError::WouldBlock) if patience == 0 => return Err(WorkError::Busy),
            Err(TryLockError::WouldBlock) => {
                patience -= 1;
                std::thread::sleep(LOCK_PAUSE);
            }
        }
    }
}

/// Opens a folder, and nothing else: no link to one, and no pipe that would wait for a writer.
fn open_folder(folder: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    options.open(folder)
}

fn is_no_folder(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::LOOP | Errno::NOTDIR))
}

fn check_owner(folder: &Path, handle: &File) -> Result<(), WorkError> {
    let metadata = handle.metadata().map_err(at(folder))?;
    if metadata.uid() != geteuid().as_raw() {
        return Err(foreign(folder, "it belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(foreign(folder, "other users may write to it"));
    }
    Ok(())
}

fn foreign(folder: &Path, why: &str) -> WorkError {
    WorkError::Other(format!(
        "{} may hold what others put there: {why}; remove it, or make the archive in a folder of your own",
        folder.display()
    ))
}

/// Begins a new archive in a folder that is empty, or has what was left of one that was finished.
fn begin(folder: &Path, settings: &Settings) -> Result<(), WorkError> {
    for file in fs::read_dir(folder).map_err(at(folder))? {
        let name = file.map_err(at(folder))?.file_name();
        let ours = [SECTIONS, PACKING, &format!("{SETTINGS}{UNFINISHED}")];
        if !ours.iter().any(|ours| name == *ours) {
            return Err(WorkError::Other(format!(
                "{} is not a folder in which an archive is made: it holds {}",
                folder.display(),
                crate::archive::shown(&name.to_string_lossy()),
            )));
        }
    }
    clear(folder)?;
    let sections = folder.join(SECTIONS);
    DirBuilder::new()
        .mode(0o700)
        .create(&sections)
        .map_err(at(&sections))?;
    let text = strict::write(settings).map_err(WorkError::Other)?;
    write_whole(&folder.join(SETTINGS), &[&text], true)
}

/// Removes all that is ours but the settings.
fn clear(folder: &Path) -> Result<(), WorkError> {
    let sections = folder.join(SECTIONS);
    let opened = match open_folder(&sections) {
        Err(error) if is_no_folder(&error) => {
            return Err(foreign(&sections, "it is a link, or no folder"));
        }
        other => other.and_then(|_| fs::read_dir(&sections)),
    };
    match opened {
        Ok(files) => {
            for file in files {
                let path = file.map_err(at(&sections))?.path();
                fs::remove_file(&path).map_err(at(&path))?;
            }
            fs::remove_dir(&sections).map_err(at(&sections))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(at(&sections)(error)),
    }
    for name in [PACKING, &format!("{SETTINGS}{UNFINISHED}")] {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// A new file that only this user can read, in place of whatever has the name.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

/// Writes a file under another name first, so that it is there whole or not at all.
///
/// Only what is `lasting` is forced to the disk. Whoever reads a part again finds out whether it is as it was written, and a repository that
/// was lost with the power is captured again.
fn write_whole(path: &Path, parts: &[&[u8]], lasting: bool) -> Result<(), WorkError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    let write = || {
        let mut file = create(&unfinished)?;
        file.write_all(&parts.concat())?;
        if lasting {
            file.sync_all()?;
        }
        drop(file);
        fs::rename(&unfinished, path)
    };
    write().map_err(at(path))
}
