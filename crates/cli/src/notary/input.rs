//! Files that are named on the command line.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::texts::{notary as texts, os_error};
use crate::ui::report::Failure;

/// A file that cannot be read.
pub(super) fn failed(path: &str, error: &io::Error) -> Failure {
    // compat: Go names what it was about when it failed.
    let action = if error.kind() == io::ErrorKind::IsADirectory {
        "read"
    } else {
        "open"
    };
    Failure::new(format!("{action} {path}: {}", os_error(error)))
}

/// A file that should be small.
pub(super) fn read_small(path: &str, most: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(Path::new(path))
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(path, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(Failure::new(texts::file_too_large(path, most)));
    }
    Ok(bytes)
}
