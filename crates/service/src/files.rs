//! Files and folders that only their owner may read, written so that a crash leaves the old content or the new.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Writes a file of mode 0600, whatever the umask: a temporary file in the same folder, flushed to disk, then renamed.
///
/// # Errors
/// What the operating system says.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content, 0o600)
}

/// As [`write_private`], with mode 0644: for certificates and other public things.
///
/// # Errors
/// What the operating system says.
pub fn write_public(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content, 0o644)
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Created with 0600; nothing wider exists at any time before the rename.
    let mut file = tempfile::Builder::new()
        .prefix(".tmp-")
        .tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Makes a folder of mode 0700, whatever the umask, with those above it where they are missing. A folder that exists stays
/// as it is.
///
/// # Errors
/// What the operating system says.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // The umask can only have taken bits away; the owner needs all three.
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// What went wrong, in the words of the Go programs: without the number of the error, in lower case.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a07_private_files_and_folders_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let nested = folder.path().join("a/b");
        create_private_folder(&nested).unwrap();
        let file = nested.join("secret");
        write_private(&file, b"one").unwrap();
        write_private(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&nested), 0o700);
        assert_eq!(mode(&file), 0o600);
        write_public(&file, b"three").unwrap();
        assert_eq!(mode(&file), 0o644);
        assert_eq!(
            std::fs::read_dir(&nested).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn reasons_read_as_in_go() {
        let error = File::open("/nonexistent/file").unwrap_err();
        assert_eq!(reason(&error), "no such file or directory");
    }
}
