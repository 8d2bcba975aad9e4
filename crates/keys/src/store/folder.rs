//! The key folder on disk: what is read from it, and how it is written.
//!
//! Nothing follows symbolic links, file names are key IDs and nothing else, and whatever the umask folders are 0700 and
//! files 0600 from the moment they exist (security classes A5 and A7).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{Problem, Warning};
use crate::keyfile::MAX_BYTES;

/// How many folders and files are looked at.
const MAX_ENTRIES: usize = 100_000;
/// How deep folders may lie in each other. A GUN of the old layouts is one folder per segment.
const MAX_DEPTH: usize = 130;

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    Absent,
    Io(io::Error),
    TooLarge,
}

/// Reads a regular file of key size. A symbolic link counts as absent.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| {
            let link = rustix::io::Errno::LOOP.raw_os_error();
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(link) {
                ReadError::Absent
            } else {
                ReadError::Io(error)
            }
        })?;
    let metadata = file.metadata().map_err(ReadError::Io)?;
    if !metadata.is_file() {
        return Err(ReadError::Absent);
    }
    read_bounded(&file, metadata.len())
}

/// Reads a file to its end, at most [`MAX_BYTES`].
pub(crate) fn read_bounded(mut file: &File, len: u64) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    if len > MAX_BYTES {
        return Err(ReadError::TooLarge);
    }
    // The buffer never grows into a second one, so that the first leaves no secret behind.
    let capacity = usize::try_from(len).unwrap_or(0);
    let mut bytes = Zeroizing::new(vec![0; capacity]);
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadError::Io(error)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Writes a file: a temporary one in the same folder, synced, renamed, the folder synced.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    // Again, because a umask may have taken away even the owner's bits.
    file.as_file()
        .set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name))?;
    sync(folder)
}

/// Removes a file for good.
pub(crate) fn remove(folder: &Path, name: &str) -> io::Result<()> {
    fs::remove_file(folder.join(name))?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder and those above it that are missing, each 0700. Existing ones stay as they are.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    let mut missing: Vec<&Path> = Vec::new();
    for path in folder.ancestors() {
        // The empty path is what stands before a relative one.
        if path.as_os_str().is_empty() || path.is_dir() {
            break;
        }
        missing.push(path);
    }
    for path in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700))?,
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Regular files, in lexical order of their paths' parts.
    pub(crate) files: Vec<PathBuf>,
    /// Folders below the start, parents before children.
    pub(crate) folders: Vec<PathBuf>,
    /// What could not be looked into.
    pub(crate) warnings: Vec<Warning>,
}

/// Walks a folder. Symbolic links and special files are left out; an absent folder is an empty one.
pub(crate) fn walk(start: &Path, skip: &[&str]) -> Result<Walk, io::Error> {
    let mut walk = Walk::default();
    let mut open = vec![sorted(start)?.into_iter()];
    let mut seen = 0;
    while let Some(entries) = open.last_mut() {
        let Some((path, kind)) = entries.next() else {
            open.pop();
            continue;
        };
        seen += 1;
        if seen > MAX_ENTRIES || open.len() > MAX_DEPTH {
            walk.warnings.push(Warning {
                path: start.to_owned(),
                problem: Problem::TooMany,
            });
            break;
        }
        if kind.is_file() {
            walk.files.push(path);
        } else if kind.is_dir() && !(open.len() == 1 && skip.iter().any(|s| path.ends_with(s))) {
            match sorted(&path) {
                Ok(entries) => open.push(entries.into_iter()),
                Err(error) => walk.warnings.push(Warning {
                    path: path.clone(),
                    problem: Problem::Io(error),
                }),
            }
            walk.folders.push(path);
        }
    }
    Ok(walk)
}

fn sorted(folder: &Path) -> io::Result<Vec<(PathBuf, fs::FileType)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut out = Vec::new();
    for entry in entries.take(MAX_ENTRIES + 1) {
        let entry = entry?;
        out.push((entry.path(), entry.file_type()?));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out)
}

/// A file's name without `.key`, when it ends so and is text.
pub(crate) fn stem(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".key")
}
