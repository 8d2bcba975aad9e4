//! Serving archives, as operators see it: flags, configuration, what is printed and logged, health, metrics, signals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::process::Signal;
use serde_json::{Value, json};
use signet_archive::{ArchivedRepository, Document, Moment, Source, Work};
use signet_service::files;
use signet_testkit::clock;
use signet_tuf::RoleName;
use time::macros::datetime;

use super::support::{Folder, Server, run};

/// The repository that was recorded of the Go server.
pub(super) const GUN: &str = "registry.example.com/demo/app";

/// Packs what was recorded, up to this version of the timestamp, as it was captured then.
fn pack(path: &Path, versions: [i64; 4]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/objects");
    let source = Source::Server {
        address: "https://localhost:4443/".to_owned(),
    };
    let captured = Moment::of(datetime!(2026-11-23 0:00 UTC));
    let mut repository = ArchivedRepository::empty(GUN.parse().unwrap(), source, captured);
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        let Some((role, rest)) = name.split_once(".v") else {
            continue;
        };
        let version: i64 = rest.split('.').next().unwrap().parse().unwrap();
        let newest = ["root", "snapshot", "targets", "timestamp"]
            .iter()
            .zip(versions)
            .find(|(one, _)| **one == role)
            .unwrap()
            .1;
        if version > newest {
            continue;
        }
        let bytes = Bytes::from(fs::read(&file).unwrap());
        let role: RoleName = role.parse().unwrap();
        let document = Document::of(&role, &bytes, None);
        assert_eq!(document.version, version);
        if version == newest {
            repository.record.current.insert(role, document.sha256);
        }
        repository.objects.insert(document.sha256, bytes);
        repository.record.documents.push(document);
    }
    let key = |one: &Document| (one.role.clone(), one.version, one.sha256);
    repository.record.documents.sort_by_key(key);
    let moment = Moment::of(datetime!(2026-11-23 0:00 UTC));
    let partial = path.with_extension("partial");
    let mut work = Work::open(&partial, "test/1", "", moment).unwrap();
    work.finish(&repository).unwrap();
    work.pack(path, None).unwrap();
}

const FIRST: [i64; 4] = [1, 2, 2, 1];
const LAST: [i64; 4] = [3, 6, 5, 5];

pub(super) fn archive(folder: &Folder) -> PathBuf {
    let path = folder.path("trust.tar.gz");
    pack(&path, LAST);
    path
}

pub(super) fn file(name: &str) -> String {
    format!("/v2/{GUN}/_trust/tuf/{name}.json")
}

/// A configuration without a storage.
const ADDRESS: &str = r#""server":{"http_addr":"127.0.0.1:0"}"#;

#[test]
fn a_configuration_needs_no_storage_and_nothing_is_written() {
    let folder = Folder::new();
    let path = archive(&folder);
    let mut command = folder.configured(ADDRESS);
    command.arg("-archive").arg(&path);
    // No home, and nothing may be written where the server runs.
    command.env("HOME", "/nonexistent");
    let writable = fs::Permissions::from_mode(0o700);
    fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o500)).unwrap();
    let there = || {
        let names = fs::read_dir(folder.path("")).unwrap();
        let mut names: Vec<_> = names.map(|one| one.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = there();
    let mut server = Server::start(command);
    let (status, body) = server.get(&file("root"));
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/objects/root.v3.ae4901c3f70bee8a.json");
    assert_eq!((status, body), (200, fs::read_to_string(recorded).unwrap()));
    assert_eq!(server.get(&file("9.root")).0, 404);
    let log = server.log();
    assert!(log.contains("trust.tar.gz: 1 repositories, captured on 2026-11-23T00:00:00Z; not signed by an archivist"), "{log}");
    server.await_log("1 repositories in archives, as of their capture: 1 trusted");
    assert_eq!(server.stop(), Some(0));
    assert_eq!(there(), before);
    fs::set_permissions(folder.path(""), writable).unwrap();

    // A storage that is configured is left alone.
    let keys = format!(
        r#"{ADDRESS},"trust_service":{{"type":"remote"}},"storage":{{"backend":"sqlite3","db_url":"never.sqlite"}}"#
    );
    let mut command = folder.configured(&keys);
    command.arg("--archive").arg(&path);
    let server = Server::start(command);
    server.await_log("the sections storage and trust_service of the configuration are not used");
    assert_eq!(server.get(&file("root")).0, 200);
    assert!(!folder.path("never.sqlite").exists());
}

#[test]
fn what_cannot_be_served_ends_the_start() {
    let folder = Folder::new();
    let path = archive(&folder);
    let fatal = |arguments: &[&str]| {
        let mut command = folder.configured(ADDRESS);
        command.args(arguments);
        let (status, _, log) = run(command);
        assert_eq!(status, Some(1), "{log}");
        let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        last["msg"].as_str().unwrap().to_owned()
    };
    let good = path.to_str().unwrap();
    let text = fatal(&["-archive", good, "-bootstrap"]);
    assert!(
        text.contains("-bootstrap prepares a storage, and with -archive there is none"),
        "{text}"
    );
    let text = fatal(&["-archive", good, "-archive", "missing.tar.gz"]);
    assert!(
        text.starts_with("cannot serve the archive missing.tar.gz: No such file"),
        "{text}"
    );
    let bytes = fs::read(&path).unwrap();
    for (name, bytes) in [
        ("cut.tar.gz", &bytes[..bytes.len() - 1]),
        ("empty.tar.gz", &[][..]),
        ("text.tar.gz", b"no archive at all, but long enough to have had a seal at its end, as every archive has one there"),
    ] {
        files::write_private(&folder.path(name), bytes).unwrap();
        let text = fatal(&["-archive", name]);
        assert!(text.starts_with(&format!("cannot serve the archive {name}: ")), "{text}");
    }
    // The same with the address that others can connect to.
    let mut command = folder.program();
    command.args(["-archive", good, "--http-addr", "0.0.0.0:0"]);
    let (status, _, log) = run(command);
    assert_eq!(status, Some(1));
    assert!(log.contains("where others could connect and read"), "{log}");
}

#[test]
fn health_and_metrics_tell_what_is_served() {
    let folder = Folder::new();
    let path = archive(&folder);
    let mut command = folder.configured(ADDRESS);
    command.arg("-archive").arg(&path);
    let server = Server::start(command);
    server.await_log("repositories in archives");
    let (status, body) = server.get("/_notary_server/health");
    let report: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(
        report,
        json!({"archives": {
            "files": 1, "repositories": 1, "oldest_capture": "2026-11-23T00:00:00Z",
            "surveyed": true, "contradictory": 0, "damaged": 0,
        }})
    );
    let (status, metrics) = server.get("/metrics");
    assert_eq!(status, 200);
    for line in [
        "# TYPE notary_server_archives gauge",
        "notary_server_archives 1",
        "notary_server_archive_repositories 1",
        // date -ud 2026-11-23 +%s
        "notary_server_archive_oldest_capture_timestamp_seconds 1795392000",
        "notary_server_archive_contradictory_repositories 0",
        "notary_server_archive_damaged_repositories 0",
    ] {
        assert!(
            metrics.contains(&format!("{line}\n")),
            "{line} is not in\n{metrics}"
        );
    }
    assert!(metrics.contains("\nnotary_server_archive_expired_repositories "));
    assert!(metrics.contains("\nnotary_server_http_requests_total{"));
}

#[test]
fn expiry_is_in_the_summary_the_metrics_and_once_in_the_log() {
    let folder = Folder::new();
    let path = archive(&folder);
    // The recorded timestamp was valid for two weeks.
    let mut later = folder.configured(ADDRESS);
    later.arg("-archive").arg(&path);
    clock::at(&mut later, "@2027-01-01 00:00:00").unwrap();
    let mut server = Server::start(later);
    server.await_log("as of their capture: 1 trusted. Expired by now: 1\"");
    assert!(
        server
            .get("/metrics")
            .1
            .contains("\nnotary_server_archive_expired_repositories 1\n")
    );
    for name in ["timestamp", "root", "timestamp"] {
        assert_eq!(server.get(&file(name)).0, 200);
    }
    let log = server.log();
    let told = format!("{GUN} is asked for, and its timestamp was valid until 2026-12-06T");
    assert_eq!(log.matches(&told).count(), 1, "{log}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_hang_up_signal_opens_the_archives_again() {
    let folder = Folder::new();
    let path = folder.path("trust.tar.gz");
    pack(&path, FIRST);
    let mut command = folder.configured(ADDRESS);
    command.arg("-archive").arg(&path);
    let mut server = Server::start(command);
    assert_eq!(server.get(&file("3.root")).0, 404);
    let newer = folder.path("newer.tar.gz");
    pack(&newer, LAST);
    fs::rename(&newer, &path).unwrap();
    server.signal(Signal::HUP);
    server.await_log("opened the archives again");
    assert_eq!(server.get(&file("3.root")).0, 200);
    // What is no archive does not take the place of one.
    folder.write("rubbish", "rubbish");
    fs::rename(folder.path("rubbish"), &path).unwrap();
    server.signal(Signal::HUP);
    server.await_log("what was served before is served on: cannot serve the archive");
    assert_eq!(server.get(&file("3.root")).0, 200);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn without_a_configuration_it_says_that_it_is_read_only() {
    let folder = Folder::new();
    let path = archive(&folder);
    let mut command = folder.program();
    command
        .args([
            "--data-dir",
            "data",
            "--http-addr",
            "localhost:0",
            "--archive",
        ])
        .arg(&path);
    let server = Server::start(command);
    server.await_out("1 repositories in archives, as of their capture: 1 trusted");
    server.await_out("Stop with Ctrl-C.\n");
    let out = server.out();
    assert!(
        out.contains("It serves archives, read-only; its certificate is in "),
        "{out}"
    );
    assert!(out.contains("There is no authentication: every user of this machine can read."));
    assert!(out.contains("  export DOCKER_CONTENT_TRUST_SERVER=https://localhost:"));
    // No database and no keys beside those of TLS.
    let mut names: Vec<_> = fs::read_dir(folder.path("data"))
        .unwrap()
        .map(|one| one.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["lock", "tls"]);
}
