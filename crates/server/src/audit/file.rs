//! The file of the audit log: only ever added to, and found again after it was moved away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file of audit lines.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    sync: bool,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Whether the last line may have been cut off.
    torn: bool,
}

impl AuditFile {
    /// Opens or makes the file, with mode 0600. With `sync` a line counts as written once it is on the disk.
    ///
    /// # Errors
    /// What the operating system says; also when it is no regular file.
    pub fn open(path: PathBuf, sync: bool) -> io::Result<Self> {
        let open = Open {
            file: open(&path)?,
            torn: false,
        };
        Ok(Self {
            path,
            sync,
            open: Mutex::new(open),
        })
    }

    /// Its name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds lines, to a new file when the old one was moved away. With `durable` they are on the disk afterwards, where that was asked for.
    pub(super) fn append(&self, lines: &str, durable: bool) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_at(&open.file, &self.path)? {
            *open = Open {
                file: self::open(&self.path)?,
                torn: false,
            };
        }
        // A line that was cut off must not take this one with it.
        let start = if open.torn { "\n" } else { "" };
        open.torn = true;
        open.file.write_all(format!("{start}{lines}").as_bytes())?;
        open.torn = false;
        if self.sync && durable {
            open.file.sync_data()?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        // What is no file must not keep the server waiting.
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

/// Whether this is the file that the name stands for.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn lines_are_added_and_a_moved_file_is_followed_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let log = AuditFile::open(path.clone(), true).unwrap();
        log.append("one\n", true).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let moved = folder.path().join("audit.log.1");
        std::fs::rename(&path, &moved).unwrap();
        log.append("two\n", false).unwrap();
        drop(log);
        AuditFile::open(path.clone(), false)
            .unwrap()
            .append("three\n", true)
            .unwrap();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\nthree\n");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(AuditFile::open(folder.path().to_owned(), false).is_err());
        assert!(AuditFile::open("/dev/null".into(), false).is_err());
        assert!(AuditFile::open(folder.path().join("none/audit.log"), false).is_err());
    }
}
