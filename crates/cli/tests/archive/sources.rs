//! `notary archive create` from trust folders and from databases: what Go's programs wrote, and what somebody hostile put there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use signet_archive::{Archive, ArchivedRepository, Source, State};
use signet_testkit::file;
use signet_testkit::process::Finished;

use crate::support::{DEMO, Desk, NOW, demo, digest, docker_trust, moment, notary_with};

/// The repository of the recorded databases.
const RECORDED: &str = "registry.example.com/demo/app";

/// A moment as `SOURCE_DATE_EPOCH` has it.
fn epoch(text: &str) -> String {
    moment(text).time().unix_timestamp().to_string()
}

fn create(at: &str, words: &[&str]) -> Finished {
    let line = [&["archive", "create"], words].concat();
    notary_with(&[("SOURCE_DATE_EPOCH", &epoch(at))], &line)
}

fn only(path: &str, gun: &str) -> ArchivedRepository {
    let archive = Archive::open(Path::new(path)).unwrap();
    archive.check(&mut |_| {}).unwrap();
    let guns: Vec<&str> = archive.entries().iter().map(|e| e.gun.as_str()).collect();
    assert_eq!(guns, [gun]);
    archive.read(archive.entries().first().unwrap()).unwrap()
}

/// The current documents of the recorded repository where Go's clients keep them.
fn trust_folder(desk: &Desk) -> PathBuf {
    let folder = desk.path("trust");
    let repository = demo();
    for (role, sha256) in &repository.record.current {
        let path = format!("tuf/{DEMO}/metadata/{role}.json");
        let bytes = repository.objects.get(sha256);
        let bytes = bytes.unwrap();
        file::write(&folder.join(path), bytes).unwrap();
    }
    folder
}

fn names_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(names_below(&path));
        }
        found.insert(path);
    }
    found
}

#[test]
fn a_trust_folder_gives_what_its_client_had_verified() {
    let desk = Desk::new();
    let folder = trust_folder(&desk);
    // What else is in a trust folder.
    file::write(&folder.join("private/root.key"), "a key").unwrap();
    let changes = format!("tuf/{DEMO}/changelist/1.change");
    file::write(&folder.join(changes), "{}").unwrap();
    let before = names_below(&folder);
    let (from, to) = (desk.text("trust"), desk.text("a.tar.gz"));
    let line = ["--from-trust-dir", &from, "-o", &to, "--format", "json"];
    let summary = create(NOW, &line).success().unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["states"]["trusted"], 1, "{summary}");
    assert_eq!(names_below(&folder), before, "it is only read");

    let (was, is) = (demo(), only(&to, DEMO));
    assert_eq!(is.record.source, Source::TrustFolder);
    assert_eq!(is.record.current, was.record.current);
    assert_eq!(is.record.documents.len(), was.record.current.len());
    for (role, sha256) in &was.record.current {
        assert_eq!(is.objects[sha256], was.objects[sha256], "{role}");
    }
    assert_eq!(is.record.captured, moment(NOW));
    // Docker printed this digest of the same documents.
    let image = format!("{DEMO}:1.0");
    let told = docker_trust(&["verify", "--archive", &to, &image]);
    assert!(told.success().unwrap().contains(&digest()));
    // The same bytes a second time.
    let again = desk.text("b.tar.gz");
    create(NOW, &["--from-trust-dir", &from, DEMO, "-o", &again])
        .success()
        .unwrap();
    assert_eq!(
        only(&again, DEMO).record.documents,
        is.record.documents,
        "by name"
    );
    // Later, what it has is over.
    let late = desk.text("c.tar.gz");
    create(
        "2036-11-22T00:00:00Z",
        &["--from-trust-dir", &from, "-o", &late],
    )
    .success()
    .unwrap();
    assert_eq!(only(&late, DEMO).record.verdict.state, State::Expired);
}

#[test]
fn a_hostile_trust_folder_leads_nowhere_else() {
    let desk = Desk::new();
    let folder = trust_folder(&desk);
    let tuf = folder.join("tuf");
    let root = {
        let repository = demo();
        repository.objects[&repository.record.current["root"]].clone()
    };
    let plant = |path: &str| file::write(&tuf.join(path), &root[..]).unwrap();
    // Outside, a repository and a document that nobody may get from here.
    let outside = desk.path("outside");
    file::write(&outside.join("stolen/metadata/root.json"), &root[..]).unwrap();
    file::write(&outside.join("secret.json"), "outside").unwrap();
    symlink(&outside, tuf.join("linked")).unwrap();
    symlink(
        outside.join("secret.json"),
        tuf.join(DEMO).join("metadata/targets/linked.json"),
    )
    .unwrap();
    symlink("..", tuf.join("registry.example.com/loop")).unwrap();
    // Names that no repository has.
    plant("star*/metadata/root.json");
    plant("colour\u{1b}[31m/metadata/root.json");
    plant("metadata/root.json");
    let latin = tuf.join(OsStr::from_bytes(b"caf\xe9/metadata"));
    file::write(&latin.join("root.json"), &root[..]).unwrap();
    // Depths without end, a file that is too large, a pipe that nobody writes to.
    plant(&format!("{}metadata/root.json", "d/".repeat(400)));
    let giant = fs::File::create(tuf.join(DEMO).join("metadata/targets/giant.json")).unwrap();
    giant.set_len((100 << 20) + 1).unwrap();
    let pipe = tuf.join(DEMO).join("metadata/targets/pipe.json");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );

    let to = desk.text("a.tar.gz");
    let from = desk.text("trust");
    let told = create(NOW, &["--from-trust-dir", &from, "-o", &to]);
    assert_eq!(told.code, Some(1), "{told}");
    let is = only(&to, DEMO);
    assert_eq!(is.record.verdict.state, State::Trusted);
    assert_eq!(is.record.current, demo().record.current);
    for (needle, why) in [
        ("/linked is left out", "it is a link"),
        ("/targets/linked.json is left out", "it is a link"),
        ("/loop is left out", "it is a link"),
        (
            "/targets/giant.json is left out",
            "larger than a document may be",
        ),
        (
            "/targets/pipe.json is left out",
            "neither a file nor a folder",
        ),
        ("star*", "it contains '*'"),
        ("31m", "control character"),
        ("caf", "it is not UTF-8"),
        ("d/d/d", "nested too deeply"),
    ] {
        let mut lines = told.stderr.lines();
        assert!(
            lines.any(|line| line.contains(needle) && line.contains(why)),
            "{needle}: {told}"
        );
    }
    assert!(!told.stderr.contains('\u{1b}'), "{told:?}");

    // No folder `tuf` that is a link.
    let linked = desk.path("other");
    fs::create_dir(&linked).unwrap();
    symlink(&tuf, linked.join("tuf")).unwrap();
    let (from, to) = (desk.text("other"), desk.text("b.tar.gz"));
    let told = create(NOW, &["--from-trust-dir", &from, "-o", &to]);
    assert_eq!(told.code, Some(1), "{told}");
    assert!(!desk.path("b.tar.gz").exists() && !desk.path("b.tar.gz.partial").exists());
}

/// A dump that a Go server's database program made.
fn dump(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../server/tests/data/db")
        .join(name)
}

#[test]
fn dumps_of_go_servers_become_archives_with_all_their_history() {
    for (name, engine) in [
        ("sqlite-server.sql", "sqlite"),
        ("mysql-server.sql", "mysql"),
        ("postgres-server.sql", "postgresql"),
    ] {
        let desk = Desk::new();
        let (path, to) = (dump(name), desk.text("a.tar.gz"));
        let from = path.to_str().unwrap();
        create(NOW, &["--from-database", from, "-o", &to])
            .success()
            .unwrap();
        let is = only(&to, RECORDED);
        let Source::Database { engine: said } = &is.record.source else {
            panic!("{:?}", is.record.source);
        };
        assert_eq!(said, engine);
        let verdict = &is.record.verdict;
        assert_eq!(verdict.state, State::Trusted, "{name}: {verdict:?}");
        // Every document of the dump has its checksum there.
        let text = fs::read_to_string(&path).unwrap();
        for document in &is.record.documents {
            assert!(text.contains(&document.sha256.to_string()), "{name}");
            assert!(document.published.is_some(), "{name}");
        }
        let digests: BTreeSet<_> = is.record.documents.iter().map(|d| d.sha256).collect();
        assert_eq!(digests.len(), if engine == "sqlite" { 10 } else { 13 });
        // The newest timestamp leads to everything that is current.
        for role in ["root", "targets", "snapshot", "timestamp"] {
            let newest = is
                .record
                .documents
                .iter()
                .filter(|d| d.role.as_str() == role);
            let newest = newest.max_by_key(|document| document.version).unwrap();
            assert_eq!(is.record.current[role], newest.sha256, "{name}: {role}");
        }
        let history = verdict.history.as_ref().unwrap();
        assert!(history.states > 0, "{name}");
        assert_eq!(history.states, history.proven, "{name}: {history:?}");
        let left: Vec<_> = fs::read_dir(desk.path("")).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing but the archive: {left:?}");
    }
}

/// Who may write rows chooses names; those that are none are told, and do not keep the others back.
#[test]
fn rows_of_a_dump_that_name_no_repository_are_told_and_left_out() {
    let desk = Desk::new();
    let to = desk.text("a.tar.gz");
    let text = fs::read_to_string(dump("sqlite-server.sql")).unwrap();
    let row = |number: u32, name: &str| {
        format!(
            "INSERT INTO tuf_files VALUES({number},NULL,NULL,NULL,{name},'root',1,NULL,X'7b7d');\n"
        )
    };
    let long = format!("'{}'", "a".repeat(5000));
    let (before, end) = text.rsplit_once("COMMIT;").unwrap();
    let rows = [
        row(901, r"replace('two\nlines','\n',char(10))"),
        row(902, r"unistr('two\u000amore')"),
        row(903, &long),
    ];
    let text = format!("{before}{}COMMIT;{end}", rows.concat());
    file::write(&desk.path("dump.sql"), text).unwrap();
    let told = create(NOW, &["--from-database", &desk.text("dump.sql"), "-o", &to]);
    assert_eq!(told.code, Some(1), "{told}");
    for said in [
        "skipped \"two\\nlines\", which is no name",
        "skipped \"two\\nmore\", which is no name",
        "skipped 1 document of the database",
    ] {
        assert!(told.stderr.contains(said), "{told}");
    }
    assert_eq!(only(&to, RECORDED).record.documents.len(), 10);
}

#[test]
fn what_is_no_database_or_has_no_such_repository_makes_no_archive() {
    let desk = Desk::new();
    let to = desk.text("a.tar.gz");
    let text = fs::read_to_string(dump("mysql-server.sql")).unwrap();
    let climbing = text.replace(RECORDED, "registry.example.com/../../app");
    assert_ne!(climbing, text);
    for (name, bytes) in [
        ("climbing.sql", climbing.as_bytes()),
        ("cut.sql", &text.as_bytes()[..text.len() / 2]),
        ("key.pem", b"-----BEGIN PRIVATE KEY-----\n"),
        ("empty.sql", b""),
    ] {
        file::write(&desk.path(name), bytes).unwrap();
        let told = create(NOW, &["--from-database", &desk.text(name), "-o", &to]);
        assert_eq!(told.code, Some(1), "{name}: {told}");
        assert!(told.stdout.contains("fatal"), "{name}: {told}");
        assert!(!desk.path("a.tar.gz").exists(), "{name}: {told}");
    }
    let from = dump("mysql-server.sql");
    let from = from.to_str().unwrap();
    let line = [
        "--from-database",
        from,
        "registry.example.com/none",
        "-o",
        &to,
    ];
    let told = create(NOW, &line);
    assert_eq!(told.code, Some(1), "{told}");
    assert!(
        told.stderr.contains("the database does not have it"),
        "{told}"
    );
    assert!(!desk.path("a.tar.gz").exists());
}
