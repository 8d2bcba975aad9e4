//! The file in the hands of tar and gzip.

use std::fs;
use std::path::Path;
use std::process::Command;

use signet_archive::Archive;

use crate::support::{demo, empty, folder, pack, rsa};

/// Runs a program, which must say nothing on standard error, and gives its output.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; apt-get install tar gzip"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    assert_eq!(errors, "", "{program} {arguments:?}");
    output.stdout
}

#[test]
fn tar_and_gzip_read_an_archive_without_a_warning() {
    let folder = folder();
    let path = pack(folder.path(), &[demo(), empty("a"), rsa()]);
    let archive = Archive::open(&path).unwrap();
    let folder = folder.path();

    run(folder, "gzip", &["--test", "a.tar.gz"]);
    let stream = run(folder, "gzip", &["--decompress", "--stdout", "a.tar.gz"]);
    assert_eq!(stream.len() % 10240, 0);
    let names = String::from_utf8(run(folder, "tar", &["tzf", "a.tar.gz"])).unwrap();
    let listed = String::from_utf8(run(folder, "tar", &["tvzf", "a.tar.gz"])).unwrap();
    assert!(
        listed
            .lines()
            .all(|line| line.starts_with("-rw-r--r-- 0/0 ")),
        "{listed}"
    );

    fs::create_dir(folder.join("x")).unwrap();
    run(folder, "tar", &["xzf", "a.tar.gz", "-C", "x"]);
    let mut files = 2;
    for entry in archive.entries() {
        let repository = archive.read(entry).unwrap();
        let name = signet_archive::Sha256::of(entry.gun.as_bytes());
        let root = format!("guns/{name}");
        let record = fs::read(folder.join("x").join(&root).join("record.json")).unwrap();
        assert_eq!(signet_archive::Sha256::of(&record), entry.record);
        for (digest, bytes) in &repository.objects {
            let path = format!("{root}/objects/{digest}.json");
            assert_eq!(
                fs::read(folder.join("x").join(&path)).unwrap(),
                *bytes,
                "{path}"
            );
            assert!(names.lines().any(|line| line == path), "{path}");
            files += 1;
        }
        files += 1;
    }
    assert_eq!(names.lines().count(), files);
    // Digests in the names are those that sha256sum finds.
    let sums = run(folder, "sh", &["-c", "sha256sum x/guns/*/objects/*.json"]);
    for line in String::from_utf8(sums).unwrap().lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        assert!(name.ends_with(&format!("/{digest}.json")), "{line}");
    }
    let index = fs::read(folder.join("x/index.jsonl")).unwrap();
    assert_eq!(signet_archive::Sha256::of(&index), archive.header().index);
}

#[test]
fn an_archive_of_nothing_is_one() {
    let folder = folder();
    let path = pack(folder.path(), &[]);
    let archive = Archive::open(&path).unwrap();
    assert!(archive.entries().is_empty());
    assert_eq!(archive.check(&mut |_| ()).unwrap().repositories, 0);
    let names = run(folder.path(), "tar", &["tzf", "a.tar.gz"]);
    assert_eq!(names, b"archive.json\nindex.jsonl\n");
}
