//! Opening files that somebody named.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Opens a plain file to read it. A pipe is refused and not waited for.
///
/// # Errors
/// What the system says, or that it is no plain file.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let plain = |metadata: std::fs::Metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a plain file",
        )),
    };
    // Opening a device may do anything.
    plain(std::fs::metadata(path)?)?;
    // Without NONBLOCK, a pipe that has taken the place of the file would be waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    plain(file.metadata()?)?;
    Ok(file)
}
