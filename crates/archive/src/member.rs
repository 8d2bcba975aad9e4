//! Members of the gzip file, one for each part of the stream that can be read alone.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use crate::archive::{ArchiveError, damaged};
use crate::bounds::largest_content;
use crate::tape::{self, BLOCK};

/// What every member begins with, but for the ninth byte, which tells how hard the writer tried.
const START: [u8; 8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
const UNKNOWN_SYSTEM: u8 = 255;

/// A writer of one member.
pub(crate) fn encoder<W: Write>(into: W, compression: Compression) -> GzEncoder<W> {
    let builder = GzBuilder::new().mtime(0);
    builder
        .operating_system(UNKNOWN_SYSTEM)
        .write(into, compression)
}

/// How every member is compressed.
pub(crate) const fn compression() -> Compression {
    Compression::new(6)
}

/// A part of a file.
struct Span<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Span<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..wanted) else {
            return Ok(0);
        };
        let read = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}

/// One member being read: never more of it than announced.
pub(crate) struct Member<'f> {
    place: String,
    decoder: GzDecoder<BufReader<Span<'f>>>,
    /// Bytes of content that may still come.
    left: u64,
    /// Bytes of content that came.
    taken: u64,
}

impl<'f> Member<'f> {
    /// The member at `at`, which is `length` bytes long and has at most `most` bytes of content.
    pub(crate) fn open(
        file: &'f File,
        place: String,
        (at, length): (u64, u64),
        most: u64,
    ) -> Result<Self, ArchiveError> {
        let end = at.saturating_add(length);
        let mut reader = BufReader::with_capacity(16 << 10, Span { file, at, end });
        let start = reader.fill_buf()?;
        let plain = start.starts_with(&START)
            && matches!(start.get(8), Some(0 | 2 | 4))
            && start.get(9) == Some(&UNKNOWN_SYSTEM);
        if !plain {
            return Err(damaged(place, "no part of an archive begins here"));
        }
        Ok(Self {
            place,
            decoder: GzDecoder::new(reader),
            left: most.min(largest_content(length)),
            taken: 0,
        })
    }

    /// Bytes of content that came so far.
    pub(crate) const fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn damaged(&self, reason: impl std::fmt::Display) -> ArchiveError {
        damaged(self.place.clone(), reason)
    }

    /// Fills `buffer`.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        self.read_exact(buffer)
            .map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &io::Error) -> ArchiveError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it ends too early"),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                self.damaged("it cannot be decompressed")
            }
            _ => io::Error::new(error.kind(), error.to_string()).into(),
        }
    }

    /// The size of the file whose header comes next.
    pub(crate) fn header(&mut self, folder: &str, name: &str) -> Result<u64, ArchiveError> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        tape::size_in(&block, folder, name)
            .ok_or_else(|| self.damaged(format!("{name} is not where it belongs")))
    }

    /// The next `size` bytes, with the padding after them.
    pub(crate) fn content(&mut self, size: u64) -> Result<Bytes, ArchiveError> {
        if size > self.left {
            return Err(self.damaged("it ends too early"));
        }
        let mut content = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        self.fill(&mut content)?;
        self.padding(size)?;
        Ok(content.into())
    }

    /// The zero bytes after a file of this size.
    pub(crate) fn padding(&mut self, size: u64) -> Result<(), ArchiveError> {
        let mut block = [0; BLOCK];
        let padding = usize::try_from(tape::padding(size)).unwrap_or(0);
        let padding = block.get_mut(..padding).unwrap_or_default();
        self.fill(padding)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(self.damaged("something is hidden behind a file"));
        }
        Ok(())
    }

    /// Makes sure that nothing follows, neither content nor bytes of the file.
    pub(crate) fn finish(mut self) -> Result<(), ArchiveError> {
        let mut one = [0];
        match self.decoder.read(&mut one) {
            Ok(0) => {}
            Ok(_) => return Err(self.damaged("there is more in it than is listed")),
            Err(error) => return Err(self.unreadable(&error)),
        }
        if self.decoder.get_mut().fill_buf()?.is_empty() {
            Ok(())
        } else {
            Err(self.damaged("something follows it"))
        }
    }
}

impl Read for Member<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..wanted).filter(|b| !b.is_empty()) else {
            return Ok(0);
        };
        let read = self.decoder.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        self.taken = self.taken.saturating_add(read as u64);
        Ok(read)
    }
}
