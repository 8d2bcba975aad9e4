//! Reading the file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use signet_tuf::crypto::Sha256Stream;
use signet_tuf::{Gun, PublicKey};

use crate::bounds::{
    MAX_HEADER_BYTES, MAX_INDEX_BYTES, MAX_INDEX_LINE_BYTES, MAX_REPOSITORIES, MAX_SOURCES,
};
use crate::member::Member;
use crate::seal::{self, Seal};
use crate::{
    ArchivedRepository, Judgement, Moment, Sha256, Source, State, envelope, section, strict, tape,
    versions,
};

pub(crate) const HEADER: &str = "archive.json";
pub(crate) const INDEX: &str = "index.jsonl";

/// What an archive says of itself: the signed part of its first member.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// `signet-archive`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// 1.
    pub format: u32,
    /// When it was begun.
    pub created: Moment,
    /// The program that made it, for example `signet/0.1.0`.
    pub program: String,
    /// Where its repositories came from; none twice.
    pub sources: Vec<Source>,
    /// How many repositories it has.
    pub repositories: u64,
    /// Digest of the index.
    pub index: Sha256,
}

impl Header {
    /// What [`Header::kind`] is.
    pub const KIND: &str = "signet-archive";
    /// The format that this crate writes and reads.
    pub const FORMAT: u32 = 1;
}

/// A line of the index: one repository.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name, as text that was not judged yet.
    pub gun: String,
    /// Digest of its record.
    pub record: Sha256,
    /// The recorded state.
    pub state: State,
    /// When it was captured.
    pub captured: Moment,
    /// Length of its part of the file in bytes.
    pub length: u64,
    /// Bytes that its part of the file has uncompressed.
    pub size: u64,
}

/// What [`Archive::check`] found to hold.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Repositories.
    pub repositories: u64,
    /// Documents.
    pub documents: u64,
    /// Bytes of documents.
    pub bytes: u64,
}

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file is no archive, or not as it was written.
    #[error("{place}: {reason}")]
    Damaged {
        /// Which part of it.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

pub(crate) fn damaged(place: impl Into<String>, reason: impl std::fmt::Display) -> ArchiveError {
    ArchiveError::Damaged {
        place: place.into(),
        reason: shown(&reason.to_string()),
    }
}

/// Outside text in a message: no control characters, and not endless.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(300).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    if shown.chars().any(|c| c.is_control() || !c.is_ascii()) {
        shown = shown.escape_debug().to_string();
    }
    shown
}

/// An open archive. Opening checks its frame, header and index; each repository is checked when it is read.
#[derive(Debug)]
pub struct Archive {
    pub(crate) file: File,
    pub(crate) seal: Seal,
    header: Header,
    entries: Vec<Entry>,
    /// Where the part of each entry begins.
    offsets: Vec<u64>,
    signers: Vec<PublicKey>,
}

impl Archive {
    /// Opens an archive. Only its first and last bytes are read, so that this is quick for a file of any size.
    ///
    /// # Errors
    /// [`ArchiveError`] when it cannot be read, or its frame, header, signatures or index are not as they were written.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let plain = || damaged("the archive", "it is not a plain file");
        // Opening a device may do anything.
        if !std::fs::metadata(path)?.is_file() {
            return Err(plain());
        }
        // Without NONBLOCK, a pipe that has taken the place of the file would be waited for.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let file = File::from(opened.map_err(std::io::Error::from)?);
        if !file.metadata()?.is_file() {
            return Err(plain());
        }
        let seal = read_seal(&file)?;
        let place = "the beginning".to_owned();
        let most = MAX_HEADER_BYTES + MAX_INDEX_BYTES + 4 * tape::BLOCK as u64;
        let mut member = Member::open(&file, place, (0, seal.head), most)?;
        let (header, signers) = read_header(&mut member)?;
        let (entries, offsets) = read_index(&mut member, &header, seal.head)?;
        let content = entries
            .iter()
            .map(|entry| entry.size)
            .fold(member.taken(), u64::saturating_add);
        member.finish()?;
        let archive = Self {
            file,
            seal,
            header,
            entries,
            offsets,
            signers,
        };
        archive.check_ending(content)?;
        Ok(archive)
    }

    /// What follows the last repository: the end of the stream, and nothing else.
    fn check_ending(&self, content: u64) -> Result<(), ArchiveError> {
        let last = self.entries.last().map_or(0, |entry| entry.length);
        let offset = self.offsets.last().map_or(self.seal.head, |offset| {
            // Checked when the index was read.
            offset.saturating_add(last)
        });
        let length = self.seal.length.saturating_sub(offset);
        let zeros = tape::ending(content);
        let mut ending =
            Member::open(&self.file, "the ending".to_owned(), (offset, length), zeros)?;
        let bytes = ending.content(zeros)?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(ending.damaged("something is hidden in it"));
        }
        ending.finish()
    }

    /// What it says of itself.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The repositories, in the order of their names.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The line of a repository.
    #[must_use]
    pub fn entry(&self, gun: &Gun) -> Option<&Entry> {
        self.entries.get(self.position(gun.as_str())?)
    }

    fn position(&self, gun: &str) -> Option<usize> {
        self.entries
            .binary_search_by(|entry| entry.gun.as_str().cmp(gun))
            .ok()
    }

    /// The keys that validly signed the header. Whom they belong to, the archive cannot say.
    #[must_use]
    pub fn signers(&self) -> &[PublicKey] {
        &self.signers
    }

    /// Reads one repository and checks it against the index: every document has its digest, and nothing else is there. May be called from
    /// several threads.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn read(&self, entry: &Entry) -> Result<ArchivedRepository, ArchiveError> {
        let repository = self.read_as_listed(entry)?;
        check_versions(entry, &repository, None)?;
        Ok(repository)
    }

    /// The same, but for the versions of the documents.
    pub(crate) fn read_as_listed(&self, entry: &Entry) -> Result<ArchivedRepository, ArchiveError> {
        let at = self
            .position(&entry.gun)
            .filter(|at| self.entries.get(*at) == Some(entry))
            .and_then(|at| self.offsets.get(at))
            .ok_or_else(|| damaged(shown(&entry.gun), "it is not in this archive"))?;
        let repository = section::read(&self.file, *at, entry)?;
        let known = self.header.sources.contains(&repository.record.source);
        if !known {
            let reason = "its source is none of the archive's";
            return Err(damaged(shown(&entry.gun), reason));
        }
        Ok(repository)
    }
}

/// The versions of a repository's documents: order, roll-backs and contradictions are told by them.
pub(crate) fn check_versions(
    entry: &Entry,
    repository: &ArchivedRepository,
    judgement: Option<&Judgement>,
) -> Result<(), ArchiveError> {
    versions::check(repository, judgement).map_err(|digest| {
        let reason = format!("its document {digest} has another version");
        damaged(shown(&entry.gun), reason)
    })
}

/// The seal, once it fits the length of the file.
pub(crate) fn read_seal(file: &File) -> Result<Seal, ArchiveError> {
    let length = file.metadata()?.len();
    let place = "the seal at the end";
    let missing = || {
        damaged(
            place,
            "it is missing: the file is no archive, or its end is cut off",
        )
    };
    let at = length
        .checked_sub(seal::LENGTH as u64)
        .ok_or_else(missing)?;
    let mut bytes = [0; seal::LENGTH];
    file.read_exact_at(&mut bytes, at)?;
    let seal = Seal::parse(&bytes).ok_or_else(missing)?;
    if seal.length != at || seal.head > at {
        return Err(damaged(place, "it belongs to a file of another length"));
    }
    Ok(seal)
}

fn read_header(member: &mut Member<'_>) -> Result<(Header, Vec<PublicKey>), ArchiveError> {
    let size = member.header("", HEADER)?;
    if size > MAX_HEADER_BYTES {
        return Err(damaged(HEADER, "it is too large"));
    }
    let text = member.content(size)?;
    let (header, signers) = envelope::read(&text).map_err(|reason| damaged(HEADER, reason))?;
    if header.repositories > MAX_REPOSITORIES {
        return Err(damaged(HEADER, "it has too many repositories"));
    }
    if header.sources.len() > MAX_SOURCES || !header.sources.is_sorted_by(|a, b| a < b) {
        return Err(damaged(HEADER, "its sources are not in order"));
    }
    Ok((header, signers))
}

fn read_index(
    member: &mut Member<'_>,
    header: &Header,
    head: u64,
) -> Result<(Vec<Entry>, Vec<u64>), ArchiveError> {
    let size = member.header("", INDEX)?;
    if size > MAX_INDEX_BYTES {
        return Err(damaged(INDEX, "it is too large"));
    }
    let mut digest = Sha256Stream::new();
    let (mut entries, mut offsets) = (Vec::<Entry>::new(), Vec::new());
    let mut next = head;
    let mut lines = BufReader::new(member.by_ref().take(size));
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = MAX_INDEX_LINE_BYTES + 1;
        let cut = |_| damaged(INDEX, "it cannot be decompressed");
        (&mut lines)
            .take(most)
            .read_until(b'\n', &mut line)
            .map_err(cut)?;
        if line.is_empty() {
            break;
        }
        digest.update(&line);
        let place = || format!("{INDEX}, line {}", entries.len() + 1);
        let wrong = |reason: &str| damaged(place(), reason);
        let text = line
            .strip_suffix(b"\n")
            .ok_or_else(|| wrong("it has no end"))?;
        let entry: Entry = strict::read(text).map_err(|reason| wrong(&reason))?;
        let gun: Result<Gun, _> = entry.gun.parse();
        gun.map_err(|error| wrong(&error.to_string()))?;
        if entries.last().is_some_and(|last| last.gun >= entry.gun) {
            return Err(wrong("the names are not in order"));
        }
        if entries.len() as u64 >= header.repositories {
            return Err(wrong("there are more repositories than announced"));
        }
        offsets.push(next);
        next = next
            .checked_add(entry.length)
            .ok_or_else(|| wrong("it is longer than the file"))?;
        entries.push(entry);
    }
    drop(lines);
    if Sha256(digest.finish()) != header.index || entries.len() as u64 != header.repositories {
        return Err(damaged(INDEX, "it is not the one that the header names"));
    }
    member.padding(size)?;
    Ok((entries, offsets))
}
