//! The file of one finished repository in the working folder.
//!
//! A line of JSON that describes it, its part of the archive as it will stand there, and the digest of both.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use signet_tuf::Gun;
use signet_tuf::crypto::Sha256Stream;

use super::{UNFINISHED, WorkError, write_whole};
use crate::archive::Entry;
use crate::bounds::MAX_INDEX_LINE_BYTES;
use crate::{Section, Sha256, Source, strict};

const DIGEST: usize = 32;
/// How much of a file is read at once.
const PIECE: usize = 1 << 16;
/// Longest first line.
const MAX_LINE: u64 = 4 * MAX_INDEX_LINE_BYTES;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    entry: Entry,
    source: Source,
}

/// A finished repository in the folder.
#[derive(Debug)]
pub(super) struct Part {
    gun: Gun,
    path: PathBuf,
    line: Line,
    /// Where the part of the archive begins in the file.
    offset: u64,
    /// Digest of the whole file before it.
    digest: Sha256,
}

impl Part {
    pub(super) const fn gun(&self) -> &Gun {
        &self.gun
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn entry(&self) -> &Entry {
        &self.line.entry
    }

    pub(super) const fn source(&self) -> &Source {
        &self.line.source
    }

    fn name(gun: &str) -> String {
        Sha256::of(gun.as_bytes()).to_string()
    }

    /// Writes a section.
    pub(super) fn write(folder: &Path, section: Section) -> Result<Self, WorkError> {
        let Section {
            record,
            entry,
            bytes,
        } = section;
        let path = folder.join(Self::name(&entry.gun));
        let line = Line {
            entry,
            source: record.source,
        };
        let mut text = strict::write(&line).map_err(WorkError::Other)?;
        text.push(b'\n');
        if text.len() as u64 > MAX_LINE {
            return Err(WorkError::Other("its source is too long".to_owned()));
        }
        let mut digest = Sha256Stream::new();
        digest.update(&text);
        digest.update(&bytes);
        let digest = Sha256(digest.finish());
        write_whole(&path, &[&text, &bytes, &digest.0], false)?;
        Ok(Self {
            gun: record.gun,
            path,
            line,
            offset: text.len() as u64,
            digest,
        })
    }

    /// Reads a file of the folder; nothing when it is not a whole one.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let name = path.file_name().and_then(|name| name.to_str());
        if !path.symlink_metadata()?.is_file() || name.is_none_or(|n| n.ends_with(UNFINISHED)) {
            return Ok(None);
        }
        let mut file = BufReader::new(File::open(path)?);
        let length = file.get_ref().metadata()?.len();
        let mut text = Vec::new();
        file.by_ref().take(MAX_LINE).read_until(b'\n', &mut text)?;
        let line = text.strip_suffix(b"\n").map(strict::read::<Line>);
        let Some(Ok(line)) = line else {
            return Ok(None);
        };
        let Ok(gun) = line.entry.gun.parse::<Gun>() else {
            return Ok(None);
        };
        let offset = text.len() as u64;
        let whole = offset
            .checked_add(line.entry.length)
            .and_then(|end| end.checked_add(DIGEST as u64));
        if name != Some(&Self::name(gun.as_str())) || whole != Some(length) {
            return Ok(None);
        }
        let part = Self {
            gun,
            path: path.to_owned(),
            line,
            offset,
            digest: Sha256([0; 32]),
        };
        let mut digest = Sha256Stream::new();
        digest.update(&text);
        let digest = Sha256(digest_rest(&mut file, digest, part.line.entry.length)?);
        let mut expected = [0; DIGEST];
        file.read_exact(&mut expected)?;
        Ok((digest.0 == expected).then_some(Self { digest, ..part }))
    }

    /// Copies the part of the archive out of the file, which must be as it was.
    pub(super) fn copy(&self, mut into: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        let mut digest = Sha256Stream::new();
        let mut offset = vec![0; usize::try_from(self.offset).unwrap_or(usize::MAX)];
        file.read_exact(&mut offset)?;
        digest.update(&offset);
        let mut left = self.line.entry.length;
        let mut buffer = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
        while left > 0 {
            let wanted = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            file.read_exact(piece)?;
            digest.update(piece);
            into(piece)?;
            left = left.saturating_sub(wanted as u64);
        }
        if Sha256(digest.finish()) == self.digest {
            Ok(())
        } else {
            let reason = "the file changed since it was written";
            Err(io::Error::new(io::ErrorKind::InvalidData, reason))
        }
    }
}

fn digest_rest(
    file: &mut impl Read,
    mut digest: Sha256Stream,
    length: u64,
) -> io::Result<[u8; 32]> {
    let mut rest = file.take(length);
    let mut buffer = vec![0; PIECE];
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(digest.finish()),
            read => digest.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}
