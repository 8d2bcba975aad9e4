//! The files of the private keys. No passphrase is asked for, so that what is encrypted stays unseen.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use signet_keys::{
    Error, FileKeyStore, KeyInfo, KeyStore as _, Notice, PassphraseError, Passphrases, Prompt,
};

use super::{Report, machine};
use crate::docker::problems;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// Folders of docker up to 1.11, which opening a key store would move.
const OLD_FOLDERS: [&str; 2] = ["root_keys", "tuf_keys"];

/// Nobody is asked.
struct Nobody;

impl Passphrases for Nobody {
    fn preset(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
        Err(PassphraseError::Unavailable {
            alias: prompt.alias.to_owned(),
            source: std::io::Error::from(std::io::ErrorKind::Unsupported),
        })
    }

    fn tell(&self, _: Notice) {}
}

/// The user's keys, as far as they can be listed.
pub(super) fn list(trust_dir: &Path) -> Vec<KeyInfo> {
    store(trust_dir)
        .and_then(|store| store.list().ok())
        .unwrap_or_default()
}

/// The key store, unless opening it would change something.
fn store(trust_dir: &Path) -> Option<FileKeyStore> {
    let private = trust_dir.join("private");
    let is_old = OLD_FOLDERS.iter().any(|name| private.join(name).is_dir());
    (!is_old).then(|| FileKeyStore::open(trust_dir, Arc::new(Nobody)))
}

pub(super) fn examine(report: &mut Report<'_>) -> Result<(), Failure> {
    let Ok(trust_dir) = report.context.trust_dir() else {
        return Ok(());
    };
    let Some(store) = store(&trust_dir) else {
        return report.warning(
            "keys",
            texts::DOCTOR_OLD_KEY_FOLDERS,
            texts::DOCTOR_MIGRATE_KEYS,
        );
    };
    let keys = match store.list() {
        Ok(keys) => keys,
        Err(error) => {
            let problem = problems::key_problem(&error);
            return report.problem("keys", problem, texts::DOCTOR_MEND_MODE);
        }
    };
    for warning in store.take_warnings() {
        report.warning("keys", warning.to_string(), texts::DOCTOR_NO_KEY_FILE)?;
    }
    let mut encrypted = 0;
    for key in &keys {
        let path = store.folder().join(format!("{}.key", key.id));
        let mode = fs::metadata(&path)
            .ok()
            .and_then(|metadata| machine::open_to_others(&metadata));
        let name = texts::doctor_key(key.id.short(), &key.role);
        match store.load(&key.id) {
            Err(Error::Passphrase { .. }) => {
                encrypted += 1;
                if let Some(mode) = mode {
                    report.warning(
                        "key-mode",
                        texts::doctor_readable_key(&name, mode),
                        texts::doctor_chmod("go-rwx", &path),
                    )?;
                }
            }
            Ok(_) => match mode {
                Some(mode) => report.problem(
                    "key-mode",
                    texts::doctor_open_key_for_all(&name, mode),
                    texts::doctor_chmod("go-rwx", &path),
                )?,
                None => report.warning(
                    "key-encryption",
                    texts::doctor_open_key(&name),
                    texts::DOCTOR_ENCRYPT_KEY,
                )?,
            },
            Err(error) => report.problem(
                "key-file",
                texts::doctor_bad_key(&name, &problems::key_problem(&error)),
                texts::DOCTOR_RESTORE_KEY,
            )?,
        }
    }
    report.ok("keys", texts::doctor_keys(keys.len(), encrypted))
}
