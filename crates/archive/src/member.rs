//! Members of the gzip file, one for each part of the stream that can be read alone.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::archive::{ArchiveError, damaged};
use crate::bounds::largest_content;
use crate::tape::{self, BLOCK};

/// What every member begins with, but for the ninth byte, which tells how hard the writer tried.
const START: [u8; 8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
const UNKNOWN_SYSTEM: u8 = 255;

/// How every member is compressed. Higher levels take up to three times as long and make a repository, which is mostly digests and signatures,
/// smaller by hardly 3 %. At the lowest it is larger by a quarter, and at some the bytes also depend on how the content is cut into writes.
const COMPRESSION: Compression = Compression::new(2);

thread_local! {
    /// A compressor that is not in use. Setting one up takes longer than to compress a small repository with it.
    static IDLE: Cell<Option<DeflateEncoder<Vec<u8>>>> = const { Cell::new(None) };
}

/// A writer of one member.
pub(crate) struct Encoder<W: Write> {
    deflate: DeflateEncoder<W>,
    crc: Crc,
}

impl<W: Write> Encoder<W> {
    pub(crate) fn new(into: W) -> io::Result<Self> {
        Self::with(DeflateEncoder::new(into, COMPRESSION))
    }

    /// Begins a member. Nothing has been written with `deflate` yet.
    fn with(mut deflate: DeflateEncoder<W>) -> io::Result<Self> {
        let into = deflate.get_mut();
        into.write_all(&START)?;
        into.write_all(&[0, UNKNOWN_SYSTEM])?;
        Ok(Self {
            deflate,
            crc: Crc::new(),
        })
    }

    /// Ends the member.
    pub(crate) fn finish(self) -> io::Result<W> {
        let mut into = self.deflate.finish()?;
        into.write_all(&trailer(&self.crc))?;
        Ok(into)
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.deflate.write(bytes)?;
        self.crc.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.deflate.flush()
    }
}

/// A member in memory, of what `write` writes.
pub(crate) fn encode(
    write: impl FnOnce(&mut Encoder<Vec<u8>>) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let idle = IDLE.take();
    let deflate = idle.unwrap_or_else(|| DeflateEncoder::new(Vec::new(), COMPRESSION));
    let mut member = Encoder::with(deflate)?;
    write(&mut member)?;
    let Encoder { mut deflate, crc } = member;
    let mut bytes = deflate.reset(Vec::new())?;
    IDLE.set(Some(deflate));
    bytes.extend_from_slice(&trailer(&crc));
    Ok(bytes)
}

/// The same without compression.
pub(crate) fn store(
    write: impl FnOnce(&mut Encoder<Vec<u8>>) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let deflate = DeflateEncoder::new(Vec::new(), Compression::none());
    let mut member = Encoder::with(deflate)?;
    write(&mut member)?;
    member.finish()
}

/// Check sum and size of the content, modulo 2^32.
fn trailer(crc: &Crc) -> [u8; 8] {
    let mut trailer = [0; 8];
    let (sum, size) = trailer.split_at_mut(4);
    sum.copy_from_slice(&crc.sum().to_le_bytes());
    size.copy_from_slice(&crc.amount().to_le_bytes());
    trailer
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
