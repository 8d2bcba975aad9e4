//! An archive taken apart and put together again by other code than the crate's: by somebody who can compute every digest and the seal.

use std::io::{BufRead, Read, Write};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use signet_archive::{Archive, ArchiveError, Entry, Header, Sha256};
use tar::EntryType;

/// Bytes of the seal.
pub(crate) const SEAL: usize = 74;

/// A file of the stream.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) header: tar::Header,
    pub(crate) content: Vec<u8>,
}

impl Piece {
    pub(crate) fn new(path: &str, content: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let content = content.to_vec();
        let mut piece = Self { header, content };
        piece.resize();
        piece
    }

    /// The header tells the size of the content again.
    pub(crate) fn resize(&mut self) {
        self.header.set_size(self.content.len() as u64);
        self.header.set_cksum();
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.content.clone()).unwrap()
    }

    pub(crate) fn set(&mut self, content: impl Into<Vec<u8>>) {
        self.content = content.into();
        self.resize();
    }
}

/// An archive in parts.
#[derive(Clone)]
pub(crate) struct Forged {
    pub(crate) header: Header,
    /// The text of the signatures.
    pub(crate) signatures: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) sections: Vec<Vec<Piece>>,
    /// Texts to write instead of what belongs there.
    pub(crate) header_text: Option<Vec<u8>>,
    pub(crate) index_text: Option<Vec<u8>>,
    /// Whether lengths, sizes and digests are computed again.
    pub(crate) honest: bool,
    /// What stands after the last repository.
    pub(crate) ending: Option<Vec<u8>>,
    pub(crate) level: u32,
}

fn pieces(stream: &[u8]) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut rest = stream;
    while rest.len() >= 512 && rest[0] != 0 {
        let header = tar::Header::from_byte_slice(&rest[..512]).clone();
        let size = usize::try_from(header.entry_size().unwrap()).unwrap();
        let content = rest[512..512 + size].to_vec();
        found.push(Piece { header, content });
        rest = &rest[512 + size.div_ceil(512) * 512..];
    }
    found
}

pub(crate) fn stream(pieces: &[Piece]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(piece.header.as_bytes());
        out.extend_from_slice(&piece.content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out
}

/// How hard the writer of archives compresses.
pub(crate) const LEVEL: u32 = 2;

pub(crate) fn gzip(content: &[u8], level: u32) -> Vec<u8> {
    let builder = GzBuilder::new().mtime(0).operating_system(255);
    let mut out = builder.write(Vec::new(), Compression::new(level));
    out.write_all(content).unwrap();
    out.finish().unwrap()
}

/// The content of every member.
pub(crate) fn members(mut file: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !file.fill_buf().unwrap().is_empty() {
        let mut content = Vec::new();
        let mut decoder = GzDecoder::new(file);
        decoder.read_to_end(&mut content).unwrap();
        file = decoder.into_inner();
        found.push(content);
    }
    found
}

pub(crate) fn seal(file: &mut Vec<u8>, head: u64) {
    let digest = Sha256::of(file);
    let length = file.len() as u64;
    file.extend_from_slice(b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x34\0Sg\x30\0");
    file.extend_from_slice(&digest.0);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&head.to_le_bytes());
    file.extend_from_slice(b"\x03\0\0\0\0\0\0\0\0\0");
}

impl Forged {
    pub(crate) fn of(file: &[u8]) -> Self {
        let members = members(file);
        let head = pieces(&members[0]);
        let text = head[0].text();
        let signed = text.find(",\"signed\":").unwrap();
        let signatures = text["{\"signatures\":".len()..signed].to_owned();
        let header = &text[signed + ",\"signed\":".len()..text.len() - 2];
        let index = head[1].text();
        let sections = &members[1..members.len() - 2];
        Self {
            header: serde_json::from_str(header).unwrap(),
            signatures,
            entries: index
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            sections: sections.iter().map(|section| pieces(section)).collect(),
            header_text: None,
            index_text: None,
            honest: true,
            ending: None,
            level: LEVEL,
        }
    }

    /// The parts before the ending: the first member, and the one of each repository.
    pub(crate) fn parts(&self) -> Vec<Vec<u8>> {
        let mut sections = Vec::new();
        let mut entries = self.entries.clone();
        for (at, section) in self.sections.iter().enumerate() {
            let content = stream(section);
            let bytes = gzip(&content, self.level);
            if let Some(entry) = entries.get_mut(at).filter(|_| self.honest) {
                entry.length = bytes.len() as u64;
                entry.size = content.len() as u64;
                if let Some(record) = section.first() {
                    entry.record = Sha256::of(&record.content);
                }
            }
            sections.push(bytes);
        }
        let index = self.index_text.clone().unwrap_or_else(|| {
            let lines = entries
                .iter()
                .map(|entry| serde_json::to_string(entry).unwrap() + "\n");
            lines.collect::<String>().into_bytes()
        });
        let mut header = self.header.clone();
        if self.honest {
            header.index = Sha256::of(&index);
            header.repositories = index.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        let header = self.header_text.clone().unwrap_or_else(|| {
            let signed = serde_json::to_string(&header).unwrap();
            let signatures = &self.signatures;
            format!("{{\"signatures\":{signatures},\"signed\":{signed}}}\n").into_bytes()
        });
        let head = [
            Piece::new("archive.json", &header),
            Piece::new("index.jsonl", &index),
        ];
        let mut parts = vec![gzip(&stream(&head), LEVEL)];
        parts.append(&mut sections);
        parts
    }

    /// The file, sealed.
    pub(crate) fn build(&self) -> Vec<u8> {
        let parts = self.parts();
        let content: usize = parts.iter().map(|part| members(part)[0].len()).sum();
        let zeros = (content + 1024).next_multiple_of(10240) - content;
        let ending = self.ending.clone();
        let ending = ending.unwrap_or_else(|| gzip(&vec![0; zeros], LEVEL));
        let head = parts[0].len() as u64;
        let mut file = parts.concat();
        file.extend_from_slice(&ending);
        seal(&mut file, head);
        file
    }
}

/// What opening and checking these bytes says.
pub(crate) fn verdict_on(bytes: &[u8]) -> Result<Archive, ArchiveError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let archive = Archive::open(file.path())?;
    archive.check(&mut |_| ())?;
    Ok(archive)
}

/// Why these bytes are refused.
pub(crate) fn refusal(bytes: &[u8]) -> String {
    match verdict_on(bytes) {
        Err(error @ ArchiveError::Damaged { .. }) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}
