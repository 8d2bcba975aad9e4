//! Packing the file.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use signet_tuf::crypto::Sha256Stream;

use super::part::Part;
use super::{Archivist, PACKING, Work, WorkError, at, create};
use crate::archive::{HEADER, INDEX};
use crate::bounds::{MAX_HEADER_BYTES, MAX_INDEX_BYTES, MAX_SOURCES};
use crate::member::Encoder;
use crate::seal::Seal;
use crate::section::write_file;
use crate::{Archive, Header, Sha256, envelope, strict, tape};

/// A file that counts and digests what is written.
struct Sealed {
    file: BufWriter<File>,
    digest: Sha256Stream,
    length: u64,
}

impl Write for Sealed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        self.length = self.length.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Packs the file in the folder, reads it back, and moves it to its place.
pub(super) fn pack(
    work: &Work,
    path: &Path,
    archivist: Option<&dyn Archivist>,
) -> Result<(), WorkError> {
    let packing = work.folder.join(PACKING);
    let (index, index_size) = index(work)?;
    let header = header(work, index)?;
    let header = envelope::write(header, archivist).map_err(WorkError::Signature)?;
    if header.len() as u64 > MAX_HEADER_BYTES {
        let reason = "the header would be larger than an archive takes";
        return Err(WorkError::Other(reason.to_owned()));
    }
    let file = create(&packing).map_err(at(&packing))?;
    let mut out = Sealed {
        file: BufWriter::with_capacity(1 << 18, file),
        digest: Sha256Stream::new(),
        length: 0,
    };
    let head = write_head(work, &mut out, &header, index_size).map_err(at(&packing))?;
    for part in work.finished.values() {
        part.copy(|piece| out.write_all(piece))
            .map_err(at(part.path()))?;
    }
    let content = work
        .finished()
        .map(|entry| entry.size)
        .fold(tape::footprint(header.len() as u64), u64::saturating_add)
        .saturating_add(tape::footprint(index_size));
    finish(out, head, content).map_err(at(&packing))?;
    Archive::open(&packing).map_err(WorkError::Packed)?;
    fs::rename(&packing, path).map_err(at(path))?;
    sync_folder_of(path).map_err(at(path))
}

/// The lines of the index, one after the other.
fn lines(work: &Work) -> impl Iterator<Item = Result<Vec<u8>, String>> {
    work.finished.values().map(|part| {
        let mut line = strict::write(part.entry())?;
        line.push(b'\n');
        Ok(line)
    })
}

/// Digest and length of the index.
fn index(work: &Work) -> Result<(Sha256, u64), WorkError> {
    let (mut digest, mut length) = (Sha256Stream::new(), 0_u64);
    for line in lines(work) {
        let line = line.map_err(WorkError::Other)?;
        digest.update(&line);
        length = length.saturating_add(line.len() as u64);
    }
    if length > MAX_INDEX_BYTES {
        let reason = "there are more repositories than an archive takes";
        return Err(WorkError::Other(reason.to_owned()));
    }
    Ok((Sha256(digest.finish()), length))
}

fn header(work: &Work, index: Sha256) -> Result<Header, WorkError> {
    let sources: BTreeSet<_> = work.finished.values().map(Part::source).collect();
    if sources.len() > MAX_SOURCES {
        let reason = "there are more sources than an archive takes";
        return Err(WorkError::Other(reason.to_owned()));
    }
    Ok(Header {
        kind: Header::KIND.to_owned(),
        format: Header::FORMAT,
        created: work.created,
        program: work.program.clone(),
        sources: sources.into_iter().cloned().collect(),
        repositories: work.finished.len() as u64,
        index,
    })
}

/// Writes the first member and gives its length.
fn write_head(work: &Work, out: &mut Sealed, header: &[u8], index: u64) -> io::Result<u64> {
    let mut head = Encoder::new(&mut *out)?;
    write_file(&mut head, "", HEADER, header)?;
    head.write_all(&tape::header("", INDEX, index))?;
    for line in lines(work) {
        head.write_all(&line.map_err(io::Error::other)?)?;
    }
    write_zeros(&mut head, tape::padding(index))?;
    head.finish()?;
    Ok(out.length)
}

/// Ends the stream and seals the file.
fn finish(mut out: Sealed, head: u64, content: u64) -> io::Result<()> {
    let mut ending = Encoder::new(&mut out)?;
    write_zeros(&mut ending, tape::ending(content))?;
    ending.finish()?;
    let seal = Seal {
        sha256: Sha256(out.digest.clone().finish()),
        length: out.length,
        head,
    };
    out.file.write_all(&seal.to_bytes())?;
    let file = out
        .file
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

fn write_zeros(out: &mut impl Write, count: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), count), out).map(drop)
}

/// Makes the new name of a file last.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    File::open(parent)?.sync_all()
}
