//! Folders for copies, which go away with the process that uses them, or with the next one.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use tempfile::TempDir;

const PREFIX: &str = ".notary-database-";

/// A folder that only this process uses, deleted with it.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: TempDir,
    /// Says to others that it is in use, for as long as the process lives.
    _lock: File,
}

impl Scratch {
    /// Makes a folder in `place`, after the removal of those whose processes were killed.
    pub(super) fn new(place: &Path) -> io::Result<Self> {
        remove_left(place);
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place)?;
            // Somebody may have taken it for one that was left, before the lock.
            match lock(folder.path()) {
                Ok(Some(lock)) if folder.path().exists() => {
                    return Ok(Self {
                        folder,
                        _lock: lock,
                    });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Locks a folder of ours; `None` when another process has it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = File::from(rustix::fs::open(folder, flags, Mode::empty())?);
    if opened.metadata()?.uid() != rustix::process::geteuid().as_raw() {
        return Ok(None);
    }
    match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(opened)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What cannot be removed stays: it takes room and does no harm.
fn remove_left(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let is_scratch = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        if is_scratch && let Ok(Some(_lock)) = lock(&entry.path()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}
