//! `notary archive extract`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use signet_testkit::file;
use signet_testkit::fleet::{Fleet, Kind};
use signet_testkit::user::{Tool, User};

use crate::support::{DEMO, Desk, crawl, demo, notary};

/// Every file below a folder, by its path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            if path.is_dir() {
                assert_eq!(mode, 0o700, "{}", path.display());
                folders.push(path);
            } else {
                assert_eq!(mode, 0o600, "{}", path.display());
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Go's client takes what it finds in its cache, and believes none of it before it has verified it.
#[test]
fn gos_notary_lists_an_extracted_trust_folder_without_a_server() {
    let mut fleet = Fleet::small().unwrap();
    let guns: Vec<String> = fleet
        .members()
        .iter()
        .map(|member| member.gun.clone())
        .collect();
    let names: Vec<&str> = guns.iter().map(String::as_str).collect();
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &crawl(&fleet, &names));
    let out = desk.text("trust");
    let found = notary(&[
        "archive",
        "extract",
        &archive,
        "--layout=trust-dir",
        "-C",
        &out,
    ]);
    let expired = fleet.member(Kind::Expired).gun.clone();
    assert!(
        found.stderr.contains(&expired)
            && found.stderr.contains("it was expired when it was captured"),
        "{found}"
    );
    found.success().unwrap();
    // What Go does not expect in its folders is not there.
    let layout: BTreeSet<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(layout, BTreeSet::from(["tuf".to_owned()]));

    fleet.server_mut().service().kill();
    let user = User::new(&fleet.server().url(), &fleet.server().ca_pem()).unwrap();
    for member in fleet.members() {
        let listed = user
            .run(Tool::Notary, &["-d", &out, "list", &member.gun])
            .unwrap();
        if member.gun == expired {
            assert_ne!(listed.code, Some(0), "{listed}");
            continue;
        }
        if member.kind == Kind::Broken {
            // Go wants to fetch anew what does not verify, and gives up when it cannot.
            assert!(listed.stdout.contains("client is offline"), "{listed}");
            continue;
        }
        let text = listed.success().unwrap();
        let rows = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let rows: BTreeMap<&str, (&str, &str)> = rows
            .filter(|row| row.len() == 4 && row[1].len() == 64)
            .map(|row| (row[0], (row[1], row[3])))
            .collect();
        let listed = member.listed();
        let expected: BTreeMap<&str, (&str, &str)> = listed
            .iter()
            .map(|(name, (role, signed))| (name.as_str(), (signed.sha256.as_str(), role.as_str())))
            .collect();
        assert_eq!(rows, expected, "{}: {text}", member.gun);
    }

    // Whoever names a repository that is left out is told by the exit code.
    let again = [
        "archive",
        "extract",
        &archive,
        &expired,
        "--layout=trust-dir",
        "-C",
        &out,
    ];
    assert_eq!(notary(&again).code, Some(1));
    notary(&[&again[..], &["--all"]].concat())
        .success()
        .unwrap();
    assert!(
        Path::new(&out)
            .join("tuf")
            .join(&expired)
            .join("metadata/root.json")
            .exists()
    );
}

/// The members of the file, as `tar` takes them out of it.
#[test]
fn objects_are_the_members_of_the_archive() {
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &[demo()]);
    let out = desk.text("out");
    notary(&["archive", "extract", &archive, "-C", &out])
        .success()
        .unwrap();
    let tar = desk.path("tar");
    fs::create_dir(&tar).unwrap();
    let status = Command::new("tar")
        .args(["xzf", &archive, "-C"])
        .arg(&tar)
        .status()
        .unwrap();
    assert!(status.success());
    let members = fs::read_dir(tar.join("guns")).unwrap().count();
    assert_eq!(members, 1);
    for (name, bytes) in files(Path::new(&out)) {
        assert_eq!(
            fs::read(tar.join(&name)).unwrap(),
            bytes,
            "{}",
            name.display()
        );
    }
    let folder = fs::read_dir(tar.join("guns"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let objects = fs::read_dir(folder.join("objects")).unwrap().count();
    assert_eq!(files(Path::new(&out)).len(), objects + 1);

    // Again: nothing to do. With another file in the way: nothing is replaced.
    let again = notary(&["archive", "extract", &archive, DEMO, "-C", &out])
        .success()
        .unwrap();
    assert!(
        again.contains("0 files of 1 repositories written"),
        "{again}"
    );
    let record = files(Path::new(&out))
        .into_keys()
        .find(|name| name.ends_with("record.json"))
        .unwrap();
    let record = Path::new(&out).join(record);
    file::write(&record, "mine").unwrap();
    let told = notary(&["archive", "extract", &archive, DEMO, "-C", &out]);
    assert_eq!(told.code, Some(1));
    assert!(
        told.stdout.contains("is there already and is different"),
        "{told}"
    );
    assert_eq!(fs::read(&record).unwrap(), b"mine");
}

#[test]
fn wrong_lines_are_refused_before_anything_is_written() {
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &[demo()]);
    let out = desk.text("out");
    for (words, part) in [
        (&[archive.as_str()][..], "-C FOLDER"),
        (
            &[&archive, "-C", &out, "--layout", "heap"],
            "there is no layout \"heap\"",
        ),
        (
            &[&archive, "-C", &out, "nosuch"],
            "does not have trust data for nosuch",
        ),
        (&[&archive, "-C", &out, "a//b"], "invalid repository name"),
        (&["/nonexistent", "-C", &out], "no such file or directory"),
    ] {
        let words = [&["archive", "extract"][..], words].concat();
        let told = notary(&words);
        assert_eq!(told.code, Some(1), "{told}");
        assert!(told.stdout.contains(part), "{told}");
        assert!(!Path::new(&out).exists(), "{told}");
    }
}
