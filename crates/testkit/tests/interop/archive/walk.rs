//! The commands of `docs/archive.md` in its order, as somebody types them who has read nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use signet_testkit::file;
use signet_testkit::image::digest;
use signet_testkit::peer::{Storage, TrustServer};
use signet_testkit::process::{self, COMMAND_LIMIT};
use signet_testkit::program::{self, SQLITE3};
use signet_testkit::user::{Tool, User};

use crate::judge::{inspect, list_targets, stranger};
use crate::tour::fits;

const APP: &str = "example.com/team/app";
const WEB: &str = "example.com/team/web";
/// Where people use the new server.
const MOVED: &str = "From a server that ends to one of your own";

fn document(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// The indented lines of the document, each with the headings of part and section under which it stands.
fn lines(document: &str) -> Vec<(String, String, String)> {
    let (mut part, mut section) = (String::new(), String::new());
    let mut found = Vec::new();
    for line in document.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut part);
            section.clear();
        } else if let Some(title) = line.strip_prefix("### ") {
            title.clone_into(&mut section);
        } else if let Some(line) = line.strip_prefix("    ") {
            found.push((part.clone(), section.clone(), line.to_owned()));
        }
    }
    found
}

struct World {
    old: TrustServer,
    new: TrustServer,
    owner: User,
}

impl World {
    /// Two repositories on Go's server, whose owner has the program, keys in the usual folder, and what docker remembers.
    fn new() -> Self {
        let old = TrustServer::go().unwrap();
        let new = TrustServer::ours(Storage::Sqlite).unwrap();
        let owner = stranger(&old);
        // Public servers have certificates that every computer trusts; these two have authorities of their own.
        file::write(
            &owner.path("authorities.crt"),
            format!("{}{}", old.ca_pem(), new.ca_pem()),
        )
        .unwrap();
        let config = json!({"remote_server": {"root_ca": owner.path("authorities.crt")}});
        file::write(&owner.path(".notary/config.json"), config.to_string()).unwrap();
        let world = Self { old, new, owner };
        for gun in [APP, WEB] {
            world.go(&world.old, &["init", gun]);
            world.go(&world.old, &["key", "rotate", gun, "snapshot", "-r"]);
            world.add(&world.old, gun, "1.0");
            inspect(&world.owner, Tool::Docker, gun);
        }
        world.install();
        world
    }

    /// Go's client with the owner's keys.
    fn go(&self, server: &TrustServer, arguments: &[&str]) {
        let url = server.url();
        let line = [&["-s", &url], arguments].concat();
        self.owner.expect(Tool::Notary, &line).unwrap();
    }

    fn add(&self, server: &TrustServer, gun: &str, tag: &str) {
        let hash = digest(tag.as_bytes());
        let hash = hash.trim_start_matches("sha256:");
        self.go(server, &["addhash", gun, tag, "3", "--sha256", hash, "-p"]);
    }

    /// The programs and files that the document takes for granted. The programs of databases give what they gave for Go's servers.
    fn install(&self) {
        let bin = self.owner.path("bin");
        fs::create_dir(&bin).unwrap();
        for name in ["notary", "docker-trust"] {
            std::os::unix::fs::symlink(program::ours(name).unwrap(), bin.join(name)).unwrap();
        }
        let dumps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/data/db");
        for (name, dump) in [
            ("mysqldump", "mysql-server.sql"),
            ("pg_dump", "postgres-server.sql"),
        ] {
            let script = format!("#!/bin/sh\nexec cat '{}'\n", dumps.join(dump).display());
            let path = bin.join(name);
            file::write(&path, script).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(&path, mode).unwrap();
        }
        let mut sqlite = Command::new(SQLITE3.find().unwrap());
        sqlite.arg(self.database("gone.sqlite"));
        let dump = fs::read_to_string(dumps.join("sqlite-server.sql")).unwrap();
        process::run(&mut sqlite, &dump, COMMAND_LIMIT)
            .unwrap()
            .success()
            .unwrap();
        let mut stopped = TrustServer::ours(Storage::Sqlite).unwrap();
        stopped.service().stop(Duration::from_secs(10)).unwrap();
        let empty = stopped.folder().join("trust.db");
        fs::copy(empty, self.database("stopped.sqlite")).unwrap();
        file::write(
            &self.owner.path("names.txt"),
            format!("# ours\n{APP}\n{WEB}\n"),
        )
        .unwrap();
    }

    fn database(&self, name: &str) -> PathBuf {
        self.owner.path(name)
    }

    /// A line of the document with the names of this world.
    fn here(&self, part: &str, section: &str, line: &str) -> String {
        let server = if matches!(part, MOVED | "Taking over a repository") {
            &self.new
        } else {
            &self.old
        };
        let database = self.database(if section == "Importing" {
            "stopped.sqlite"
        } else {
            "gone.sqlite"
        });
        let line = line
            .replace("https://notary.old.example.com", &self.old.url())
            .replace("https://notary.example.com", &server.url())
            .replace("/var/lib/notary/trust.sqlite", database.to_str().unwrap())
            .replace(" FILE [GUN…] ", &format!(" trust.tar.gz {APP} "));
        // The first walk through took the one over; the reference begins with another.
        if part == "Taking over a repository" {
            line.replace(APP, WEB)
        } else {
            line
        }
    }

    /// What a line prints that must succeed. Questions are answered with yes.
    fn type_in(&self, line: &str) -> String {
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(format!("set -o pipefail; PATH=~/bin:$PATH\n{line}"));
        self.owner.dress(&mut command);
        let done = process::run(&mut command, "yes\n", COMMAND_LIMIT).unwrap();
        assert_eq!(done.code, Some(0), "{line}\n{done}");
        done.stdout
    }
}

#[test]
fn every_command_of_the_archive_manual_works_as_shown() {
    let world = World::new();
    let reader = stranger(&world.old);
    let listed = [APP, WEB].map(|gun| list_targets(&reader, gun, &[]));
    let mut dry_run = String::new();
    let mut typed = 0;
    for (part, section, line) in lines(&document("docs/archive.md")) {
        let here = world.here(&part, &section, &line);
        match line.split([' ', '-']).next().unwrap() {
            "notary" if line.starts_with("notary-server --archive ") => {
                let file = world.owner.path("trust.tar.gz");
                let served = TrustServer::ours_of_archives(&[&file]).unwrap();
                let recorded = signet_archive::Archive::open(&file).unwrap();
                for entry in recorded.entries() {
                    assert!(served.metadata(&entry.gun, "root.json").unwrap().is_some());
                }
            }
            "notary" | "mysqldump" | "pg_dump" => {
                let said = world.type_in(&here);
                if line.ends_with("--dry-run") {
                    dry_run = said;
                }
            }
            // What a command answers.
            _ => {
                let mut said = dry_run.lines();
                assert!(said.any(|said| fits(&line, said)), "{line}\n{dry_run}");
                continue;
            }
        }
        typed += 1;
    }
    assert!(typed > 15, "{typed} commands are no manual");

    // Who had the repositories from the old server goes on with the new one, and so does who publishes.
    let mut reader = reader;
    reader
        .turn_to(&world.new.url(), &world.new.ca_pem())
        .unwrap();
    for (gun, before) in [APP, WEB].into_iter().zip(&listed) {
        assert_eq!(list_targets(&reader, gun, &[]), *before, "{gun}");
        world.add(&world.new, gun, "2.0");
        assert_eq!(list_targets(&reader, gun, &[]).len(), before.len() + 1);
    }
}

/// Every flag that the document names is one of a command that it is about.
#[test]
fn every_flag_of_the_archive_manual_exists() {
    let helped = |program: &str, words: &[&str]| {
        let mut command = Command::new(program::ours(program).unwrap());
        command.args(words).arg("--help");
        let said = process::run(&mut command, "", COMMAND_LIMIT).unwrap();
        format!("{}{}", said.stdout, said.stderr)
    };
    let mut help = String::new();
    for words in [
        &["archive", "create"][..],
        &["archive", "verify"],
        &["archive", "import"],
        &["takeover"],
    ] {
        help += &helped("notary", words);
    }
    help += &helped("docker-trust", &["verify"]);
    help += &helped("notary-server", &[]);
    let document = document("docs/archive.md");
    let words = document.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let flags = words.filter(|word| word.len() > 2 && word.starts_with("--"));
    let mut known = 0;
    for flag in flags.filter(|flag| !matches!(*flag, "--hex-blob" | "---")) {
        if flag.chars().all(|letter| letter == '-') {
            continue;
        }
        let stands = help
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
            .any(|word| word == flag || word == &flag[1..]);
        assert!(stands, "no command has {flag}");
        known += 1;
    }
    assert!(known > 20, "{known}");
}
