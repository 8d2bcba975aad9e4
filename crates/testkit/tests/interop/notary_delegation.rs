//! Who may sign, with our `notary` beside Go's: `witness` and `delegation add`, `remove` and `purge`.

mod expiry;
mod published;
mod remembered;
mod staged;
mod unseen;

use std::fs;

use signet_testkit::process::Finished;
use signet_testkit::user::{Tool, User};

const GUN: &str = "example.com/app";

/// The texts of the staged changes, in their order.
fn changes(user: &User) -> Vec<String> {
    let folder = user.trust_dir().join("tuf").join(GUN).join("changelist");
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

/// Forgets what is staged.
fn reset(user: &User) {
    let folder = user.trust_dir().join("tuf").join(GUN).join("changelist");
    for entry in fs::read_dir(folder).into_iter().flatten() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

/// Level and message of every log line.
fn logged(finished: &Finished) -> Vec<&str> {
    let line = |line: &'_ str| line.find("level=").unwrap_or_default();
    finished
        .stderr
        .lines()
        .map(|text| &text[line(text)..])
        .collect()
}

/// Keys and certificates of two people.
fn people(user: &User) {
    for name in ["jeff", "ben"] {
        user.ec_key("prime256v1", &format!("{name}.key")).unwrap();
        user.certificate(name).unwrap();
        let (key, public) = (format!("{name}.key"), format!("{name}.pub"));
        user.openssl(&["ec", "-in", &key, "-pubout", "-out", &public])
            .unwrap();
    }
}

/// The canonical ID that Go gives a key.
fn key_id(user: &User, file: &str) -> String {
    let said = user
        .expect(
            Tool::Notary,
            &["delegation", "add", GUN, "targets/id", file],
        )
        .unwrap();
    reset(user);
    let (_, rest) = said.split_once("with keys [").unwrap();
    rest.split_once(']').unwrap().0.to_owned()
}
