//! The part of the file that one repository has: its record and its documents.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

use bytes::Bytes;
use signet_tuf::TrustPinning;

use crate::archive::{ArchiveError, Entry, damaged, shown};
use crate::bounds::{
    MAX_DOCUMENT_BYTES, MAX_DOCUMENTS, MAX_RECORD_BYTES, MAX_REPOSITORY_BYTES, largest_content,
};
use crate::member::{self, Encoder, Member};
use crate::{ArchivedRepository, Document, Record, Sha256, judge, strict, tape, versions};

pub(crate) const RECORD: &str = "record.json";

/// The folder of a repository inside the file.
pub(crate) fn folder(gun: &str) -> String {
    format!("guns/{}", Sha256::of(gun.as_bytes()))
}

/// A finished repository, ready to be kept.
#[derive(Clone, Debug)]
pub struct Section {
    pub(crate) record: Record,
    pub(crate) entry: Entry,
    pub(crate) bytes: Vec<u8>,
}

impl Section {
    /// Judges a repository at its moment of capture and compresses it. The form of the record is put in order: documents are sorted, with
    /// the versions and lengths that they have.
    ///
    /// # Errors
    /// A sentence, when the record and the documents do not belong together or are larger than an archive takes.
    pub fn of(repository: &ArchivedRepository) -> Result<Self, String> {
        let mut repository = repository.clone();
        tidy(&mut repository)?;
        let at = repository.record.captured.time();
        let pinning = TrustPinning::default();
        let mut judgement = judge(&repository, at, &pinning);
        // Whoever put it together knows the versions as a rule, so that reading every document once more only for them comes last.
        if versions::correct(&mut repository, &judgement) {
            tidy(&mut repository)?;
            judgement = judge(&repository, at, &pinning);
        }
        repository.record.verdict = judgement.verdict;
        Self::as_recorded(repository)
    }

    /// What will be in the archive besides the documents.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The same with the verdict that the record has.
    pub(crate) fn as_recorded(repository: ArchivedRepository) -> Result<Self, String> {
        let ArchivedRepository { record, objects } = repository;
        let text = strict::write(&record)?;
        let too_large = |size: u64| size > MAX_RECORD_BYTES;
        if too_large(text.len() as u64) {
            return Err("its record is larger than an archive takes".to_owned());
        }
        let size = objects
            .values()
            .map(|bytes| tape::footprint(bytes.len() as u64))
            .fold(tape::footprint(text.len() as u64), u64::saturating_add);
        let folder = folder(record.gun.as_str());
        let files = |out: &mut Encoder<Vec<u8>>| write_files(out, &folder, &text, &objects);
        let failed = |error: io::Error| error.to_string();
        let mut bytes = member::encode(files).map_err(failed)?;
        if size > largest_content(bytes.len() as u64) {
            bytes = member::store(files).map_err(failed)?;
        }
        let entry = Entry {
            gun: record.gun.to_string(),
            record: Sha256::of(&text),
            state: record.verdict.state,
            captured: record.captured,
            length: bytes.len() as u64,
            size,
        };
        Ok(Self {
            record,
            entry,
            bytes,
        })
    }
}

fn write_files(
    out: &mut impl Write,
    folder: &str,
    record: &[u8],
    objects: &BTreeMap<Sha256, Bytes>,
) -> io::Result<()> {
    write_file(out, folder, RECORD, record)?;
    let folder = format!("{folder}/objects");
    for (digest, bytes) in objects {
        write_file(out, &folder, &format!("{digest}.json"), bytes)?;
    }
    Ok(())
}

/// Writes one file of the stream.
pub(crate) fn write_file(
    out: &mut impl Write,
    folder: &str,
    name: &str,
    content: &[u8],
) -> io::Result<()> {
    out.write_all(&tape::header(folder, name, content.len() as u64))?;
    out.write_all(content)?;
    let padding = usize::try_from(tape::padding(content.len() as u64)).unwrap_or(0);
    let zeros = [0; tape::BLOCK];
    out.write_all(zeros.get(..padding).unwrap_or_default())
}

/// Brings a record and its documents into the one form that they have in a file. Versions are taken as they are.
fn tidy(repository: &mut ArchivedRepository) -> Result<(), String> {
    let ArchivedRepository { record, objects } = repository;
    for document in &mut record.documents {
        let bytes = objects
            .get(&document.sha256)
            .ok_or_else(|| format!("its document {} is missing", document.sha256))?;
        document.length = bytes.len() as u64;
    }
    record
        .documents
        .sort_by(|a, b| order(a).cmp(&order(b)).then(earlier(a, b)));
    record.documents.dedup_by(|a, b| order(a) == order(b));
    record.changes.sort_by_key(|change| change.id);
    for (digest, bytes) in objects.iter() {
        if Sha256::of(bytes) != *digest {
            return Err(format!("its document {digest} has other bytes"));
        }
    }
    let listed = consistent(record)?;
    if let Some(digest) = objects.keys().find(|digest| !listed.contains_key(digest)) {
        return Err(format!("its document {digest} is not listed"));
    }
    Ok(())
}

fn order(document: &Document) -> (&str, i64, Sha256) {
    (document.role.as_str(), document.version, document.sha256)
}

/// The earliest moment of publication first, unknown ones last.
fn earlier(a: &Document, b: &Document) -> std::cmp::Ordering {
    let key = |document: &Document| (document.published.is_none(), document.published);
    key(a).cmp(&key(b))
}

/// What a record by itself must be. Gives the lengths of its documents by digest.
fn consistent(record: &Record) -> Result<BTreeMap<Sha256, u64>, String> {
    if record.documents.len() > MAX_DOCUMENTS {
        return Err(format!("it has more than {MAX_DOCUMENTS} documents"));
    }
    if !record.documents.is_sorted_by(|a, b| order(a) < order(b)) {
        return Err("its documents are not in order".to_owned());
    }
    if !record.changes.is_sorted_by(|a, b| a.id < b.id) {
        return Err("its changes are not in order".to_owned());
    }
    let mut lengths = BTreeMap::new();
    let mut total = 0_u64;
    for document in &record.documents {
        let Document { sha256, length, .. } = document;
        if *length > MAX_DOCUMENT_BYTES {
            return Err(format!("its document {sha256} is too large"));
        }
        match lengths.insert(*sha256, *length) {
            None => total = total.saturating_add(*length),
            Some(other) if other == *length => {}
            Some(_) => return Err(format!("its document {sha256} has two lengths")),
        }
    }
    if total > MAX_REPOSITORY_BYTES {
        return Err("its documents are larger than an archive takes".to_owned());
    }
    let of_role: std::collections::BTreeSet<_> = record
        .documents
        .iter()
        .map(|document| (&document.role, &document.sha256))
        .collect();
    if let Some((role, _)) = record.current.iter().find(|of| !of_role.contains(of)) {
        return Err(format!("its current document of {role} is not listed"));
    }
    for request in &record.requests {
        if let crate::Outcome::Found { sha256 } = request.outcome
            && !lengths.contains_key(&sha256)
        {
            return Err(format!("the answer {sha256} is not listed"));
        }
    }
    Ok(lengths)
}

/// Reads the part of the file at `at`, which `entry` describes.
pub(crate) fn read(
    file: &File,
    at: u64,
    entry: &Entry,
) -> Result<ArchivedRepository, ArchiveError> {
    let place = shown(&entry.gun);
    if entry.size > largest_content(entry.length) {
        return Err(damaged(place, "it is compressed more than archives are"));
    }
    let mut member = Member::open(file, place.clone(), (at, entry.length), entry.size)?;
    let folder = folder(&entry.gun);
    let size = member.header(&folder, RECORD)?;
    if size > MAX_RECORD_BYTES {
        return Err(member.damaged("its record is too large"));
    }
    let text = member.content(size)?;
    if Sha256::of(&text) != entry.record {
        return Err(member.damaged("its record is not the one that the index names"));
    }
    let wrong = |reason: String| damaged(place.clone(), reason);
    let record: Record = strict::read(&text).map_err(wrong)?;
    let same = record.gun.as_str() == entry.gun
        && record.captured == entry.captured
        && record.verdict.state == entry.state;
    if !same {
        return Err(member.damaged("its record is not what the index says"));
    }
    let lengths = consistent(&record).map_err(wrong)?;
    let folder = format!("{folder}/objects");
    let mut objects = BTreeMap::new();
    for (digest, length) in lengths {
        if member.header(&folder, &format!("{digest}.json"))? != length {
            return Err(member.damaged(format!("its document {digest} has another length")));
        }
        let bytes = member.content(length)?;
        if Sha256::of(&bytes) != digest {
            return Err(member.damaged(format!("its document {digest} has other bytes")));
        }
        objects.insert(digest, bytes);
    }
    if member.taken() != entry.size {
        return Err(member.damaged("it is smaller than the index says"));
    }
    member.finish()?;
    Ok(ArchivedRepository { record, objects })
}
