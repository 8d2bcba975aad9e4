//! What the tests share: sample files, scripted passphrases, other programs.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use serde::Deserialize;
use signet_keys::{FileKeyStore, Notice, PassphraseError, Passphrases, Prompt};

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

#[derive(Deserialize)]
pub(crate) struct Manifest {
    pub(crate) store: Vec<Sample>,
    pub(crate) plain: Vec<Sample>,
    pub(crate) legacy: Vec<Sample>,
    pub(crate) openssl: Vec<Sample>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Sample {
    pub(crate) file: String,
    #[serde(default)]
    pub(crate) key_id: String,
    #[serde(default)]
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) gun: String,
    #[serde(default)]
    pub(crate) passphrase: String,
    #[serde(default)]
    pub(crate) keytype: String,
    #[serde(default)]
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) public_base64: String,
    #[serde(default)]
    pub(crate) pkcs8_plaintext_hex: String,
    #[serde(default)]
    pub(crate) after_migration: String,
}

pub(crate) fn manifest() -> Manifest {
    serde_json::from_slice(&std::fs::read(data("manifest.json")).unwrap()).unwrap()
}

/// Passphrases by alias, as from the environment; then lines, as from a terminal.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) preset: HashMap<String, String>,
    pub(crate) lines: Mutex<VecDeque<String>>,
    pub(crate) seen: Mutex<Vec<String>>,
}

impl Given {
    /// The same passphrase for every alias.
    pub(crate) fn always(passphrase: &str) -> Arc<Self> {
        Arc::new(Self {
            preset: HashMap::from([("*".to_owned(), passphrase.to_owned())]),
            ..Self::default()
        })
    }

    pub(crate) fn typed(lines: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            lines: Mutex::new(lines.iter().map(|l| (*l).to_owned()).collect()),
            ..Self::default()
        })
    }

    /// The passphrases of the sample store.
    pub(crate) fn samples() -> Arc<Self> {
        let preset = [
            ("root", "root-passphrase-1"),
            ("targets", "targets-passphrase-1"),
            ("snapshot", "snapshot-passphrase-1"),
            ("*", "delegation-pässphrase-1"),
        ];
        Arc::new(Self {
            preset: preset.map(|(a, p)| (a.to_owned(), p.to_owned())).into(),
            ..Self::default()
        })
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Passphrases for Given {
    fn preset(&self, alias: &str) -> Option<SecretString> {
        let found = self.preset.get(alias).or_else(|| self.preset.get("*"))?;
        Some(SecretString::from(found.as_str()))
    }

    fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
        let key = prompt.key.map_or("-", |key| &key[..7]);
        self.seen
            .lock()
            .unwrap()
            .push(format!("{:?} {} {key}", prompt.kind, prompt.alias));
        let line = self.lines.lock().unwrap().pop_front();
        line.map(SecretString::from)
            .ok_or_else(|| PassphraseError::Unavailable {
                alias: prompt.alias.to_owned(),
                source: io::ErrorKind::UnexpectedEof.into(),
            })
    }

    fn tell(&self, notice: Notice) {
        self.seen.lock().unwrap().push(format!("{notice:?}"));
    }
}

/// A store in a new folder, as cheap to write to as it may be.
pub(crate) fn new_store(passphrases: Arc<dyn Passphrases>) -> (tempfile::TempDir, FileKeyStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = store_in(dir.path(), passphrases);
    (dir, store)
}

pub(crate) fn store_in(dir: &Path, passphrases: Arc<dyn Passphrases>) -> FileKeyStore {
    FileKeyStore::open(dir, passphrases).with_iterations(FileKeyStore::MIN_ITERATIONS)
}

/// Copies a folder of the samples.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder with its content.
pub(crate) fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(folder).unwrap().to_owned();
                out.push((name, std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    out.sort();
    out
}

/// Runs a program that must be there.
pub(crate) fn run(command: &mut Command, package: &str) -> Output {
    let program = command.get_program().to_owned();
    command.output().unwrap_or_else(|error| {
        panic!("{program:?} is needed ({error}): apt-get install {package}")
    })
}
