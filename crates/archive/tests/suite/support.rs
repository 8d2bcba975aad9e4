//! Repositories from the recorded vectors of `signet-tuf`, and archives of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use signet_archive::{ArchivedRepository, Document, Moment, Sha256, Source, State, Work};
use signet_tuf::RoleName;
use tempfile::TempDir;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// When the vectors were recorded.
pub(crate) const NOW: &str = "2026-11-22T19:44:21Z";

pub(crate) fn moment(text: &str) -> Moment {
    Moment::of(OffsetDateTime::parse(text, &Rfc3339).unwrap())
}

/// Path below the test data of `signet-tuf`.
pub(crate) fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tuf/tests/data")
        .join(path)
}

pub(crate) fn source() -> Source {
    Source::Server {
        address: "https://notary.example.com".to_owned(),
    }
}

/// An empty repository.
pub(crate) fn empty(gun: &str) -> ArchivedRepository {
    let gun = gun.parse().unwrap();
    let mut repository = ArchivedRepository::empty(gun, source(), moment(NOW));
    repository.record.verdict.state = State::Absent;
    repository
}

/// Puts a document into a repository.
pub(crate) fn put(repository: &mut ArchivedRepository, role: &str, bytes: Bytes, current: bool) {
    let role: RoleName = role.parse().unwrap();
    let document = Document::of(&role, &bytes, None);
    if current {
        repository.record.current.insert(role, document.sha256);
    }
    repository.objects.insert(document.sha256, bytes);
    repository.record.documents.push(document);
}

/// The repository that Go notary 0.7 published to a Go server, with all its history: the newest version of each role is current.
pub(crate) fn recorded(name: &str, gun: &str) -> ArchivedRepository {
    let mut repository = empty(gun);
    let root = data(name).join("metadata");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let mut versions = BTreeMap::new();
        for file in fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let version: u32 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
                versions.insert(version, Bytes::from(fs::read(&path).unwrap()));
            }
        }
        let role = folder.strip_prefix(&root).unwrap().to_str().unwrap();
        let newest = versions.keys().next_back().copied();
        for (version, bytes) in versions {
            put(&mut repository, role, bytes, Some(version) == newest);
        }
    }
    repository
}

pub(crate) fn demo() -> ArchivedRepository {
    recorded("demo", "registry.example.com/signet/demo")
}

pub(crate) fn rsa() -> ArchivedRepository {
    recorded("rsa", "registry.example.com/signet/rsa")
}

/// A folder for one test.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A working folder in `folder`.
pub(crate) fn work(folder: &Path) -> Work {
    let created = moment("2026-11-22T19:00:00Z");
    let partial = folder.join("a.tar.gz.partial");
    Work::open(&partial, "test/1", "a test", created).unwrap()
}

/// Packs an archive of `repositories` and gives its path.
pub(crate) fn pack(folder: &Path, repositories: &[ArchivedRepository]) -> PathBuf {
    let mut work = work(folder);
    for repository in repositories {
        work.finish(repository).unwrap();
    }
    let path = folder.join("a.tar.gz");
    work.pack(&path, None).unwrap();
    path
}

/// Takes a document out of a repository.
pub(crate) fn without(repository: &mut ArchivedRepository, digest: &Sha256) {
    let record = &mut repository.record;
    record
        .documents
        .retain(|document| document.sha256 != *digest);
    record.current.retain(|_, current| current != digest);
    repository.objects.remove(digest);
}

/// Makes the state of an earlier timestamp the current one, and forgets later timestamps.
pub(crate) fn rewind(repository: &mut ArchivedRepository, version: i64) {
    let timestamps = digests(repository, "timestamp");
    let mut view = repository.as_of(&timestamps[&version]).unwrap();
    for (later, digest) in timestamps {
        if later > version {
            without(&mut view, &digest);
        }
    }
    *repository = view;
}

/// The digests of a repository's documents of a role by version.
pub(crate) fn digests(repository: &ArchivedRepository, role: &str) -> BTreeMap<i64, Sha256> {
    let role: RoleName = role.parse().unwrap();
    let documents = repository.documents(&role);
    documents.map(|d| (d.version, d.sha256)).collect()
}
