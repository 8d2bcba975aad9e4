//! Archives as a service: they answer as the server did that they were captured from, and change nothing.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use signet_archive::{
    Archive, ArchivedRepository, Change, Document, Moment, Sha256, Source, State, Work,
};
use signet_server::{Archives, MaxAge, Settings};
use signet_tuf::RoleName;
use tempfile::TempDir;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::fixture::{Answer, Backend, NOW, Server, multipart};
use crate::publisher::{Key, Publisher, seal, targets_signed};

pub(crate) const GUN: &str = "registry.example.com/a/b";
pub(crate) const OTHER: &str = "registry.example.com/a/c";
const ROLES: [&str; 4] = ["root", "snapshot", "targets", "timestamp"];

/// What a server has of a repository now, with all versions and its changes.
pub(crate) async fn capture(server: &Server, gun: &str) -> ArchivedRepository {
    capture_at(server, gun, NOW).await
}

pub(crate) async fn capture_at(
    server: &Server,
    gun: &str,
    at: OffsetDateTime,
) -> ArchivedRepository {
    let (mut documents, mut objects) = (Vec::new(), BTreeMap::new());
    let mut current = BTreeMap::new();
    for role in ROLES {
        let name: RoleName = role.parse().unwrap();
        let newest = server.file(gun, &format!("{role}.json")).await;
        newest.assert_ok();
        let last = newest.json()["signed"]["version"].as_i64().unwrap();
        for version in 1..=last {
            let answer = server.file(gun, &format!("{version}.{role}.json")).await;
            if answer.status != 200 {
                continue;
            }
            let document = Document::of(&name, &answer.body, None);
            objects.insert(document.sha256, answer.body.clone());
            documents.push(document);
        }
        current.insert(name, Sha256::of(&newest.body));
    }
    let feed = server
        .get(&format!("/v2/{gun}/_trust/changefeed?records=1000"))
        .await;
    let changes = feed.json()["records"].as_array().unwrap().clone();
    let changes = changes.iter().map(|change| Change {
        id: change["ID"].as_str().unwrap().parse().unwrap(),
        at: moment(change["CreatedAt"].as_str().unwrap()),
        category: change["Category"].as_str().unwrap().to_owned(),
        version: change["Version"].as_i64().unwrap(),
        sha256: change["SHA256"].as_str().unwrap().parse().ok(),
    });
    let mut repository = blank(gun, at);
    repository.record.documents = documents;
    repository.record.current = current;
    repository.record.changes = changes.collect();
    repository.objects = objects;
    repository
}

/// A capture of nothing.
pub(crate) fn blank(gun: &str, at: OffsetDateTime) -> ArchivedRepository {
    let source = Source::Server {
        address: "https://trust.example.com/".to_owned(),
    };
    ArchivedRepository::empty(gun.parse().unwrap(), source, Moment::of(at))
}

fn moment(text: &str) -> Moment {
    Moment::of(OffsetDateTime::parse(text, &Rfc3339).unwrap())
}

/// Puts the documents into their order, and drops those that are not listed.
pub(crate) fn tidy(repository: &mut ArchivedRepository) {
    let documents = &mut repository.record.documents;
    documents.sort_by_key(|one| (one.role.clone(), one.version, one.sha256));
    let listed = |digest: &Sha256| documents.iter().any(|one| one.sha256 == *digest);
    repository.objects.retain(|digest, _| listed(digest));
}

/// Packs an archive.
fn pack(path: &Path, repositories: &[&ArchivedRepository]) {
    let folder = path.with_extension("partial");
    let mut work = Work::open(&folder, "test/1", "", Moment::of(NOW)).unwrap();
    for repository in repositories {
        work.finish(repository).unwrap();
    }
    work.pack(path, None).unwrap();
}

/// A service of archives, and the folder that they are in.
pub(crate) struct Served {
    pub(crate) archives: Arc<Archives>,
    clock: Arc<Mutex<OffsetDateTime>>,
    folder: TempDir,
}

impl Served {
    /// Serves archives with these repositories, one file for each list.
    pub(crate) fn new(files: &[&[&ArchivedRepository]]) -> Self {
        Self::with(files, Settings::default())
    }

    fn with(files: &[&[&ArchivedRepository]], settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (1..=files.len())
            .map(|nth| folder.path().join(format!("{nth}.tar.gz")))
            .collect();
        for (path, repositories) in paths.iter().zip(files) {
            pack(path, repositories);
        }
        let clock = Arc::new(Mutex::new(NOW));
        let time = Arc::clone(&clock);
        let time = Arc::new(move || *time.lock().unwrap());
        Self {
            archives: Archives::open(paths, settings, time).unwrap(),
            clock,
            folder,
        }
    }

    fn set_time(&self, now: OffsetDateTime) {
        *self.clock.lock().unwrap() = now;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (head, body) = self.archives.handle(request).await.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    async fn call(&self, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path)
            .body(Full::from(body));
        self.send(request.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Vec::new()).await
    }

    pub(crate) async fn file(&self, gun: &str, name: &str) -> Answer {
        self.get(&format!("/v2/{gun}/_trust/tuf/{name}")).await
    }

    pub(crate) async fn version(&self, gun: &str, role: &str) -> i64 {
        let answer = self.file(gun, &format!("{role}.json")).await;
        answer.assert_ok();
        answer.json()["signed"]["version"].as_i64().unwrap()
    }
}

/// A server with a repository that was published to `times` times.
pub(crate) async fn published(gun: &str, times: i64) -> (Server, Publisher) {
    let server = Server::new(Backend::Memory).await;
    let publisher = Publisher::published(&server, gun).await;
    publish(&server, &publisher, gun, 2..=times).await;
    (server, publisher)
}

pub(crate) async fn publish(
    server: &Server,
    publisher: &Publisher,
    gun: &str,
    versions: impl IntoIterator<Item = i64>,
) {
    for version in versions {
        let targets = publisher.targets(version, &["v1", "v2"]);
        server.post(gun, &[("targets", &targets)]).await.assert_ok();
    }
}

#[tokio::test]
async fn documents_are_those_of_the_original_server() {
    let (server, publisher) = published(GUN, 3).await;
    let root = publisher.root(2);
    server.post(GUN, &[("root", &root)]).await.assert_ok();
    server.set_time(NOW + Duration::HOUR);
    let mut captured = capture_at(&server, GUN, NOW + Duration::HOUR).await;
    let role = RoleName::targets();
    let published = Moment::of(NOW - Duration::HOUR);
    let targets = captured.record.documents.iter_mut();
    let targets = targets.filter(|document| document.role == role);
    targets.for_each(|document| document.published = Some(published));
    let served = Served::new(&[&[&captured]]);

    let mut names = vec!["bogus.json".to_owned(), "targets/x.json".to_owned()];
    for role in ROLES {
        names.push(format!("{role}.json"));
        let bytes = server.file(GUN, &format!("{role}.json")).await.body;
        let hex = Sha256::of(&bytes).to_string();
        names.push(format!("{role}.{hex}.json"));
        names.push(format!("{role}.{}.json", hex.to_uppercase()));
        names.push(format!("{role}.{}.json", "0".repeat(64)));
        names.push(format!("{role}.{}.json", "0".repeat(128)));
        for version in ["0", "1", "01", "2", "3", "4", "9", "99999999999999999999"] {
            names.push(format!("{version}.{role}.json"));
        }
    }
    let mut found = 0;
    for name in &names {
        for gun in [GUN, OTHER] {
            let (was, is) = (server.file(gun, name).await, served.file(gun, name).await);
            assert_eq!((is.status, &is.body), (was.status, &was.body), "{name}");
            for header in ["content-type", "cache-control", "pragma"] {
                assert_eq!(is.header(header), was.header(header), "{name}");
            }
            if is.status == 200 {
                found += 1;
                let expected = if name.contains("targets") { "11" } else { "13" };
                let expected = format!("Mon, 23 Nov 2026 {expected}:00:00 GMT");
                assert_eq!(is.header("last-modified"), Some(&*expected), "{name}");
                assert_eq!(
                    is.header("signet-archive-captured"),
                    Some("2026-11-23T13:00:00Z")
                );
                assert_eq!(is.header("signet-archive-expired"), None);
            }
        }
    }
    // Each role by its name and by two spellings of its checksum; 2 roots, 4 snapshots, 3 targets and 4 timestamps, the first of each twice.
    assert_eq!(found, 3 * 4 + 2 + 4 + 3 + 4 + 4);

    for path in [
        "/v2/",
        "/v2//",
        "/v2/x",
        "/_notary_server/health",
        "/v2/%zz/_trust/tuf/root.json",
    ] {
        let (was, is) = (server.get(path).await, served.get(path).await);
        assert_eq!((is.status, is.body), (was.status, was.body), "{path}");
        assert_eq!(is.headers.get("location"), was.headers.get("location"));
    }
}

#[tokio::test]
async fn nothing_can_be_changed() {
    let (server, publisher) = published(GUN, 1).await;
    let captured = capture(&server, GUN).await;
    let served = Served::new(&[&[&captured]]);
    let file = served.path("1.tar.gz");
    let before = std::fs::read(&file).unwrap();
    let targets = publisher.targets(2, &["v2"]);
    let body = multipart(&[("targets", &targets)]);
    let known = "this server is a read-only archive of what the repository was on 2026-11-23T12:00:00Z: nothing can be published, rotated or deleted here";
    let unknown = "this server is a read-only archive, and this repository is not in it: nothing can be published here";
    for (gun, message) in [(GUN, known), (OTHER, unknown)] {
        for (method, name) in [
            ("POST", "tuf/"),
            ("POST", "tuf/timestamp.key"),
            ("POST", "tuf/snapshot.key"),
            ("POST", "import"),
            ("DELETE", "tuf/"),
        ] {
            let path = format!("/v2/{gun}/_trust/{name}");
            let refused = served.call(method, &path, body.clone()).await;
            assert_eq!(refused.code(), "READ_ONLY", "{method} {name}");
            // The form of which Go's clients show the text.
            refused.assert_refused("ErrValidation", message);
        }
    }
    // A repository that is not there cannot be begun either.
    let refused = served.file(OTHER, "timestamp.key").await;
    refused.assert_refused("ErrValidation", unknown);
    // Far beyond every expiry nothing is signed anew.
    served.set_time(NOW + Duration::days(4000));
    for role in ROLES {
        let name = format!("{role}.json");
        assert_eq!(
            served.file(GUN, &name).await.body,
            captured.objects[&captured.record.current[role]]
        );
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn keys_are_those_that_the_root_lists() {
    let (server, _) = published(GUN, 1).await;
    let served = Served::new(&[&[&capture(&server, GUN).await]]);
    for role in ["timestamp", "snapshot"] {
        let name = format!("{role}.key");
        let (was, is) = (server.file(GUN, &name).await, served.file(GUN, &name).await);
        assert_eq!((is.status, is.text()), (was.status, was.text()));
    }
}

#[tokio::test]
async fn expiry_is_told_and_the_document_is_served_as_it_was() {
    let (server, publisher) = published(GUN, 1).await;
    let captured = capture(&server, GUN).await;
    let served = Served::new(&[&[&captured]]);
    let expired = async |name| {
        let answer = served.file(GUN, name).await;
        answer.assert_ok();
        answer.header("signet-archive-expired").map(str::to_owned)
    };
    served.set_time(NOW + Duration::days(14) - Duration::SECOND);
    assert_eq!(expired("timestamp.json").await, None);
    // The server signs a timestamp for 14 days.
    served.set_time(NOW + Duration::days(14) + Duration::SECOND);
    for name in ["timestamp.json", "targets.json", "1.root.json"] {
        let told = expired(name).await;
        assert_eq!(
            told.as_deref(),
            Some("2026-12-07T12:00:00Z; role=timestamp")
        );
    }
    let survey = served.archives.survey().unwrap();
    let day = |days| NOW + Duration::days(days);
    assert_eq!(survey.states, BTreeMap::from([(State::Trusted, 1)]));
    assert_eq!((survey.expired(day(13)), survey.expired(day(15))), (0, 1));
    assert_eq!(survey.expiring(day(1), day(15)), 1);
    assert_eq!(survey.next_end(day(1)), Some(Moment::of(day(14))));
    assert_eq!(survey.next_end(day(15)), None);
    drop(publisher);
}

/// Where the part of a repository lies in the file.
fn place(path: &Path, gun: &str) -> (u64, u64) {
    let archive = Archive::open(path).unwrap();
    let length = std::fs::metadata(path).unwrap().len();
    let bytes = std::fs::read(path).unwrap();
    let all: u64 = archive.entries().iter().map(|entry| entry.length).sum();
    // Parts begin with gzip's magic and follow each other: the first is where the rest fits before the ending.
    let begin = (0..length - all)
        .find(|at| {
            let mut at = *at;
            archive.entries().iter().all(|entry| {
                let here = usize::try_from(at).unwrap();
                at += entry.length;
                bytes[here..].starts_with(&[0x1f, 0x8b])
            }) && bytes[usize::try_from(at).unwrap()..].starts_with(&[0x1f, 0x8b])
        })
        .unwrap();
    let before = archive
        .entries()
        .iter()
        .take_while(|entry| entry.gun != gun);
    let before: u64 = before.map(|entry| entry.length).sum();
    let entry = archive.entry(&gun.parse().unwrap()).unwrap();
    (begin + before, entry.length)
}

#[tokio::test]
async fn a_damaged_repository_is_refused_and_no_other() {
    let server = Server::new(Backend::Memory).await;
    Publisher::published(&server, GUN).await;
    Publisher::published(&server, OTHER).await;
    let (one, two) = (capture(&server, GUN).await, capture(&server, OTHER).await);
    // Nothing is kept in memory.
    let mut settings = Settings::default();
    settings.limits.cache_bytes = 0;
    let served = Served::with(&[&[&one, &two]], settings);
    served.file(GUN, "root.json").await.assert_ok();

    // The file is changed under the running server.
    let path = served.path("1.tar.gz");
    let (begin, length) = place(&path, GUN);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    for at in [begin, begin + length / 2, begin + length - 1] {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
        for name in ["root.json", "timestamp.key"] {
            let refused = served.file(GUN, name).await;
            assert_eq!(
                (refused.status.as_u16(), &*refused.code()),
                (500, "UNKNOWN")
            );
            assert_eq!(refused.detail(), json!({}));
        }
        served.file(OTHER, "root.json").await.assert_ok();
        let survey = served.archives.survey().unwrap();
        assert_eq!(survey.damaged, 1, "byte {at}");
        file.write_all_at(&byte, at).unwrap();
        served.archives.reopen().unwrap();
    }
    served.file(GUN, "root.json").await.assert_ok();
    // Cut off, it is not even opened; what was open says what it cannot read.
    file.set_len(begin + length / 2).unwrap();
    assert!(served.archives.reopen().is_err());
    assert_eq!(served.file(GUN, "root.json").await.status, 500);
}

#[tokio::test]
async fn changes_are_those_that_were_captured() {
    let server = Server::new(Backend::Memory).await;
    let publisher = Publisher::published(&server, GUN).await;
    Publisher::published(&server, OTHER).await;
    publish(&server, &publisher, GUN, 2..=4).await;
    let (one, two) = (capture(&server, GUN).await, capture(&server, OTHER).await);
    let served = Served::new(&[&[&one, &two]]);
    let all = |query: &str| format!("/v2/_trust/changefeed?{query}");
    // Not before everything was read.
    assert_eq!(served.get(&all("records=1")).await.status, 503);
    served.archives.survey().unwrap();
    for query in [
        "records=100",
        "records=2",
        "records=-2",
        "records=2&change_id=2",
        "records=-1&change_id=3",
        "records=1&change_id=-1",
        "records=5&change_id=99",
        "records=x",
        "",
    ] {
        for path in [
            all(query),
            format!("/v2/{GUN}/_trust/changefeed?{query}"),
            format!("/v2/{OTHER}/_trust/changefeed?{query}"),
            format!("/v2/unknown/_trust/changefeed?{query}"),
        ] {
            let (was, is) = (server.get(&path).await, served.get(&path).await);
            assert_eq!((is.status, is.text()), (was.status, was.text()), "{path}");
        }
    }
}

#[tokio::test]
async fn prefixes_apply_and_caching_too() {
    let (server, _) = published(GUN, 1).await;
    let captured = capture(&server, GUN).await;
    let settings = Settings {
        gun_prefixes: vec!["docker.io/".to_owned()],
        ..Settings::default()
    };
    let served = Served::with(&[&[&captured]], settings);
    assert_eq!(served.file(GUN, "root.json").await.status, 404);
    let settings = Settings {
        max_age: MaxAge {
            current: 0,
            consistent: 7,
        },
        ..Settings::default()
    };
    let served = Served::with(&[&[&captured]], settings);
    let current = served.file(GUN, "root.json").await;
    assert_eq!(current.header("pragma"), Some("no-cache"));
    let version = served.file(GUN, "1.root.json").await;
    assert_eq!(
        version.header("cache-control"),
        Some("public, max-age=7, s-maxage=7")
    );
}

#[tokio::test]
async fn archives_are_opened_again_all_or_none() {
    let (server, publisher) = published(GUN, 1).await;
    let served = Served::new(&[&[&capture(&server, GUN).await]]);
    assert_eq!(served.version(GUN, "targets").await, 1);
    publish(&server, &publisher, GUN, [2]).await;
    pack(&served.path("new"), &[&capture(&server, GUN).await]);
    std::fs::rename(served.path("new"), served.path("1.tar.gz")).unwrap();
    // What is open stays open.
    assert_eq!(served.version(GUN, "targets").await, 1);
    served.archives.reopen().unwrap();
    assert_eq!(served.version(GUN, "targets").await, 2);
    std::fs::remove_file(served.path("1.tar.gz")).unwrap();
    let error = served.archives.reopen().unwrap_err();
    assert!(error.to_string().contains("1.tar.gz"), "{error}");
    assert_eq!(served.version(GUN, "targets").await, 2);
}

/// Health and metrics are asked for again and again; an index may have a million lines.
#[tokio::test]
async fn what_archives_say_of_themselves_is_worked_out_once() {
    let (server, _) = published(GUN, 2).await;
    let first = capture(&server, GUN).await;
    let mut second = first.clone();
    second.record.captured = Moment::of(NOW + Duration::hours(1));
    let served = Served::new(&[&[&first], &[&first, &blank(OTHER, NOW)], &[&second]]);
    let volumes = served.archives.volumes();
    let told: Vec<_> = volumes
        .iter()
        .map(|volume| (volume.repositories, volume.oldest, volume.newest))
        .collect();
    let [one, two] = [first, second].map(|capture| Some(capture.record.captured));
    assert_eq!(told, [(1, one, one), (2, one, one), (1, two, two)]);
    assert!(Arc::ptr_eq(&volumes, &served.archives.volumes()));
    served.archives.reopen().unwrap();
    assert!(!Arc::ptr_eq(&volumes, &served.archives.volumes()));
}

#[tokio::test]
async fn readers_at_the_same_time_get_the_same() {
    let (server, _) = published(GUN, 2).await;
    let captured = capture(&server, GUN).await;
    let mut settings = Settings::default();
    settings.limits.cache_bytes = 1000;
    for settings in [Settings::default(), settings] {
        let served = Arc::new(Served::with(&[&[&captured]], settings));
        let readers = (0..64).map(|_| {
            let served = Arc::clone(&served);
            tokio::spawn(async move { served.file(GUN, "targets.json").await.body })
        });
        let readers: Vec<_> = readers.collect();
        let expected = server.file(GUN, "targets.json").await.body;
        for reader in readers {
            assert_eq!(reader.await.unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn what_is_not_trusted_is_served_for_clients_to_refuse() {
    let (server, publisher) = published(GUN, 1).await;
    let mut captured = capture(&server, GUN).await;
    // Signed by somebody else than the root names.
    let (role, key) = (RoleName::targets(), Key::new());
    let signed = targets_signed(1, publisher.expires, &["evil"]);
    let wrong = Bytes::from(seal(&signed, &[&key]));
    let document = Document::of(&role, &wrong, None);
    captured.record.documents.retain(|one| one.role != role);
    captured
        .record
        .current
        .insert(role.clone(), document.sha256);
    captured.objects.insert(document.sha256, wrong.clone());
    captured.record.documents.push(document);
    tidy(&mut captured);
    let served = Served::new(&[&[&captured]]);
    assert_eq!(served.file(GUN, "targets.json").await.body, wrong);
    let survey = served.archives.survey().unwrap();
    assert_eq!(survey.states.values().sum::<u64>(), 1);
    assert_eq!(survey.states.get(&State::Trusted), None);
}
