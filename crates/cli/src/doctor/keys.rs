//! The files of the private keys. No passphrase is asked for, so that what is encrypted stays unseen.

use std::fs;
use std::path::Path;

use signet_keys::{Error, FileKeyStore, KeyInfo, KeyStore as _};

use super::{Report, folder};
use crate::texts::docker as texts;
use crate::ui::report::{Failure, with_sources};

/// The user's keys, as far as they can be listed. None where opening the key store would change something.
pub(crate) fn list(trust_dir: &Path) -> Vec<KeyInfo> {
    FileKeyStore::look(trust_dir)
        .and_then(|store| store.list().ok())
        .unwrap_or_default()
}

/// Looks at the key files of a trust folder.
pub(crate) fn examine<C>(trust_dir: &Path, report: &mut Report<'_, C>) -> Result<(), Failure> {
    let Some(store) = FileKeyStore::look(trust_dir) else {
        return report.warning(
            "keys",
            texts::DOCTOR_OLD_KEY_FOLDERS,
            texts::DOCTOR_MIGRATE_KEYS,
        );
    };
    let keys = match store.list() {
        Ok(keys) => keys,
        Err(error) => {
            let problem = with_sources(&error);
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
            .and_then(|metadata| folder::open_to_others(&metadata));
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
                    (report.words.encrypt_key)(key.id.as_str()),
                )?,
            },
            Err(error) => report.problem(
                "key-file",
                texts::doctor_bad_key(&name, &with_sources(&error)),
                report.words.restore_key,
            )?,
        }
    }
    report.ok("keys", texts::doctor_keys(keys.len(), encrypted))
}
