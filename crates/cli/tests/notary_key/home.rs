//! A home folder in which both programs run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use signet_testkit::file;
use signet_testkit::process::{self, COMMAND_LIMIT};
use signet_testkit::program::NOTARY;

/// One of the two programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Program {
    Go,
    Ours,
}

pub(crate) const BOTH: [Program; 2] = [Program::Go, Program::Ours];

/// What a program said, and how it ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// An empty home folder; its trust folder is `.notary`.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    passphrases: Vec<(&'static str, &'static str)>,
}

pub(crate) const ROOT: &str = "root-passphrase-1";
pub(crate) const TARGETS: &str = "targets-passphrase-1";
pub(crate) const DELEGATION: &str = "delegation-passphrase-1";

impl Home {
    /// With a passphrase for each role.
    pub(crate) fn new() -> Self {
        Self {
            passphrases: vec![
                ("NOTARY_ROOT_PASSPHRASE", ROOT),
                ("NOTARY_TARGETS_PASSPHRASE", TARGETS),
                ("NOTARY_SNAPSHOT_PASSPHRASE", "snapshot-passphrase-1"),
                ("NOTARY_DELEGATION_PASSPHRASE", DELEGATION),
            ],
            ..Self::without_passphrases()
        }
    }

    pub(crate) fn without_passphrases() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            passphrases: Vec::new(),
        }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        file::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    pub(crate) fn command(&self, program: Program, words: &[&str]) -> Command {
        let mut command = match program {
            Program::Go => Command::new(NOTARY.find().unwrap()),
            Program::Ours => Command::new(env!("CARGO_BIN_EXE_notary")),
        };
        command
            .args(words)
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(self.passphrases.iter().copied())
            .current_dir(self.folder.path());
        command
    }

    /// Runs a program with this on its standard input.
    pub(crate) fn answer(&self, program: Program, words: &[&str], stdin: &str) -> Said {
        let done = process::run(&mut self.command(program, words), stdin, COMMAND_LIMIT).unwrap();
        Said {
            code: done.code,
            out: done.stdout,
            err: done.stderr,
        }
    }

    pub(crate) fn run(&self, program: Program, words: &[&str]) -> Said {
        self.answer(program, words, "")
    }

    /// Runs a program that must succeed without a log line; gives what it printed.
    pub(crate) fn good(&self, program: Program, words: &[&str]) -> String {
        let said = self.run(program, words);
        assert_eq!(
            (said.code, said.err.as_str()),
            (Some(0), ""),
            "{program:?} {words:?}: {}",
            said.out
        );
        said.out
    }

    /// Generates a key and gives its ID.
    pub(crate) fn generate(&self, program: Program, words: &[&str]) -> String {
        let words = [&["key", "generate"], words].concat();
        let out = self.good(program, &words);
        out.trim_end().rsplit(' ').next().unwrap().to_owned()
    }

    /// The names of the key files, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut names: Vec<String> = match fs::read_dir(self.path(".notary/private")) {
            Ok(entries) => entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect(),
            Err(_) => Vec::new(),
        };
        names.sort();
        names
    }

    pub(crate) fn key(&self, id: &str) -> String {
        self.read(&format!(".notary/private/{id}.key"))
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Both programs say the same with the same end to the same words in folders of the same content.
pub(crate) fn same(home: &Home, words: &[&str]) -> Said {
    let [go, ours] = BOTH.map(|program| home.run(program, words));
    assert_eq!(ours, go, "{words:?}");
    ours
}

/// The end of a failed command that printed its usage before.
pub(crate) fn after_usage(said: &Said) -> &str {
    assert!(said.out.starts_with("Usage:\n"), "{}", said.out);
    said.out.rsplit_once("\n\n").unwrap().1
}
