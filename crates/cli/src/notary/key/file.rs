//! Files with keys that the user names.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::texts::{notary as texts, os_error};
use crate::ui::report::Failure;

/// Refuses a name that is taken, or in a folder that is not there, before anybody is asked for anything.
pub(super) fn check_new(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(texts::key_file_exists(path)));
    }
    match folder(path).metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(failed(path, &io::ErrorKind::NotADirectory.into())),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Writes a new file, readable by the user alone, that is there whole or not at all. What is there is kept.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let file = written(path, bytes)?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        File::open(folder(path))?.sync_all()
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(texts::key_file_exists(path)),
        _ => failed(path, &error),
    })
}

/// Writes a file, readable by the user alone, in place of the one that may be there; at every moment there is one of the two, whole. What is no
/// file (a terminal, a pipe) is written to.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        // Behind a link, the file that it leads to is replaced.
        let real = match path.metadata() {
            Ok(metadata) if metadata.is_file() => path.canonicalize()?,
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(_) => return OpenOptions::new().write(true).open(path)?.write_all(bytes),
            Err(_) => path.to_owned(),
        };
        written(&real, bytes)?
            .persist(&real)
            .map_err(|error| error.error)?;
        File::open(folder(&real))?.sync_all()
    };
    write().map_err(|error| failed(path, &error))
}

/// A file with this content beside `path`, without a name that lasts.
fn written(path: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    // Only the user may read and write it, whatever the umask: the library makes files so.
    let mut file = tempfile::NamedTempFile::new_in(folder(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(texts::key_file_problem(path, &os_error(error)))
}
