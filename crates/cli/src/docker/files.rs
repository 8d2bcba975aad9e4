//! Files that the user names, or is given.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

/// Writes a new file, readable by the user alone, that either exists completely or not at all. A file that is there is kept.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

/// Reads a file of at most `max_bytes` bytes; a longer one is an error.
pub(crate) fn read_limited(file: File, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("file is larger than {max_bytes} bytes"),
        ));
    }
    Ok(bytes)
}

/// Go's `filepath.Join`: the two joined, without `.` and doubled separators, `..` taken back.
pub(super) fn join_clean(dir: &Path, name: &str) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in dir.join(name).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(clean.components().next_back(), Some(Component::Normal(_))) =>
            {
                clean.pop();
            }
            Component::ParentDir
                if matches!(clean.components().next_back(), Some(Component::RootDir)) => {}
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Pairs from Go's documentation of `filepath.Join` and `Clean`.
    #[test]
    fn joins_as_go_does() {
        for (dir, name, joined) in [
            ("a", "b", "a/b"),
            ("./folder/", "jeff.pub", "folder/jeff.pub"),
            ("a/../../../xyz", "b", "../../xyz/b"),
            ("/..", "b", "/b"),
            (".", "b", "b"),
        ] {
            assert_eq!(
                join_clean(Path::new(dir), name),
                Path::new(joined),
                "{dir} + {name}"
            );
        }
    }

    #[test]
    fn a_new_file_is_private_and_never_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pub");
        write_new(&path, b"one").unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            write_new(&path, b"two").unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_new(&path, b"1234").unwrap();
        assert_eq!(
            read_limited(File::open(&path).unwrap(), 4).unwrap(),
            b"1234"
        );
        assert_eq!(
            read_limited(File::open(&path).unwrap(), 3)
                .unwrap_err()
                .kind(),
            io::ErrorKind::FileTooLarge
        );
    }
}
