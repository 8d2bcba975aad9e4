//! `key export`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::home::{BOTH, Home, Program, after_usage, mode, same};

const APP: &str = "example.com/app";
const WEB: &str = "example.com/web";

fn with_keys() -> Home {
    let home = Home::new();
    for words in [
        &[][..],
        &["-r", "jeff"],
        &["-r", "targets", "-g", APP],
        &["-r", "snapshot", "-g", APP],
        &["-r", "targets", "-g", WEB],
        &["-r", "targets", "-g", "example.com/app/other"],
    ] {
        home.generate(Program::Ours, words);
    }
    home.generate(Program::Go, &["-r", "alice"]);
    home
}

/// What both programs write is the same to the byte.
#[test]
fn exports_are_gos() {
    let home = with_keys();
    let keys = home.keys();
    let id = |at: Option<&String>| at.unwrap().trim_end_matches(".key").to_owned();
    let ids = format!("{},{}", id(keys.last()), id(keys.first()));
    let unknown = "0".repeat(64);
    for words in [
        &["key", "export"][..],
        &["key", "export", "--gun", APP],
        &["key", "export", "--gun", "example.com"],
        &["key", "export", "--gun", ""],
        &["key", "export", "--key", &ids],
        &["key", "export", "--key", &ids, "--key", &unknown],
        &["key", "export", "--key", &unknown],
        &["key", "export", "-o", "nofolder/x"],
        &["key", "export", "--gun", APP, "--key", &ids],
    ] {
        same(&home, words);
    }
    let all = same(&home, &["key", "export"]).out;
    assert_eq!(
        all.matches("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
            .count(),
        7
    );
    assert_eq!(all.matches("\npath: ").count(), 7);
    for program in BOTH {
        let said = home.run(program, &["key", "export", "x"]);
        assert_eq!(
            (said.code, after_usage(&said)),
            (
                Some(1),
                "* fatal: export does not take any positional arguments\n"
            )
        );
    }
}

/// Case 78 (Q4).
#[test]
fn every_named_repository_is_exported() {
    let home = with_keys();
    let words = ["key", "export", "--gun", APP, "--gun", WEB];
    assert!(!home.good(Program::Go, &words).contains(WEB));
    let out = home.good(Program::Ours, &words);
    assert_eq!(out.matches(&format!("gun: {APP}\n")).count(), 2);
    assert_eq!(out.matches(&format!("gun: {WEB}\n")).count(), 1);
    assert_eq!(out.matches("-----BEGIN").count(), 3);
    let list = format!("{APP},{WEB}");
    assert_eq!(
        home.good(Program::Ours, &["key", "export", "--gun", &list]),
        out
    );
}

/// A file that others could read becomes the user's alone, and one that a wrong command names keeps what it had.
#[test]
fn a_file_is_private_and_replaced_as_a_whole() {
    let home = with_keys();
    let all = home.good(Program::Ours, &["key", "export"]);
    assert_eq!(home.good(Program::Ours, &["key", "export", "-o", "x"]), "");
    assert_eq!(
        (home.read("x"), mode(&home.path("x"))),
        (all.clone(), 0o600)
    );

    let old = home.write("old", "something old");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
    let wrong = ["key", "export", "-o", "old", "--gun", APP, "--key", "x"];
    assert_eq!(home.run(Program::Ours, &wrong).code, Some(1));
    assert_eq!(home.read("old"), "something old");
    std::os::unix::fs::symlink("old", home.path("link")).unwrap();
    home.good(Program::Ours, &["key", "export", "-o", "link"]);
    assert_eq!((home.read("old"), mode(&old)), (all.clone(), 0o600));
    assert!(home.path("link").is_symlink());
    assert_eq!(
        home.good(Program::Ours, &["key", "export", "-o", "/dev/stdout"]),
        all
    );
}

/// Case 77, in both directions; nobody is asked for a passphrase.
#[test]
fn what_one_exports_the_other_imports() {
    let home = with_keys();
    for (from, to) in [
        (Program::Go, Program::Ours),
        (Program::Ours, Program::Go),
        (Program::Ours, Program::Ours),
    ] {
        home.good(from, &["key", "export", "-o", "keys.pem"]);
        let other = Home::without_passphrases();
        other.write("keys.pem", home.read("keys.pem"));
        assert_eq!(other.good(to, &["key", "import", "keys.pem"]), "");
        assert_eq!(other.keys(), home.keys());
        for file in home.keys() {
            let file = format!(".notary/private/{file}");
            assert_eq!(other.read(&file), home.read(&file));
            assert_eq!(mode(&other.path(&file)), 0o600);
        }
        let list = |home: &Home, program| {
            let place = home.path(".notary").display().to_string();
            home.good(program, &["key", "list"]).replace(&place, "")
        };
        for program in BOTH {
            assert_eq!(list(&other, program), list(&home, program));
        }
    }
}

/// A file that is none of the keys makes Go crash.
#[test]
fn what_is_no_key_is_named_and_left_out() {
    let home = with_keys();
    let all = home.good(Program::Ours, &["key", "export", "--gun", APP]);
    home.write(".notary/private/junk.key", "no key");
    assert_eq!(
        home.run(Program::Go, &["key", "export", "--gun", APP]).code,
        Some(2)
    );
    let said = home.run(Program::Ours, &["key", "export", "--gun", APP]);
    assert_eq!((said.code, said.out), (Some(0), all));
    assert!(
        said.err.contains("junk.key: PEM block is empty"),
        "{}",
        said.err
    );
}
