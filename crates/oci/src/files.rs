//! Reading files that may hold secrets, with a bound; errors in Go's words.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// An error of a file operation, with Go's text: `open <path>: permission denied`.
#[derive(Debug)]
pub struct GoIoError {
    operation: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

impl GoIoError {
    pub(crate) fn new(operation: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether the file is simply not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.source.kind() == std::io::ErrorKind::NotFound
    }
}

impl fmt::Display for GoIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.operation, self.path.display())?;
        // Rust appends " (os error 21)" to the system's text, and the text's first letter is in the system's case.
        let text = self.source.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        let mut letters = text.chars();
        match letters.next() {
            Some(first) => write!(f, "{}{}", first.to_lowercase(), letters.as_str()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for GoIoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Opens a file.
pub(crate) fn open(path: &Path) -> Result<File, GoIoError> {
    File::open(path).map_err(|error| GoIoError::new("open", path, error))
}

/// The content of the file that was opened at `path`; `None` when it is larger than `max_bytes`.
pub(crate) fn read_bounded(
    file: &File,
    path: &Path,
    max_bytes: u64,
) -> Result<Option<Zeroizing<Vec<u8>>>, GoIoError> {
    let unreadable = |error| GoIoError::new("read", path, error);
    let length = file.metadata().map_err(unreadable)?.len();
    if length > max_bytes {
        return Ok(None);
    }
    // Room for all of it at once: growing would leave copies behind.
    let capacity = usize::try_from(length).map_or(0, |length| length + 1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok((bytes.len() as u64 <= max_bytes).then_some(bytes))
}
