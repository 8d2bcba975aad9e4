//! The passphrase that protects the server's own signing keys in its database.
//!
//! It comes from the operator, or is made at the first start and kept in a file beside the database. The latter protects
//! copies of the database, such as backups, and nothing else: who can read the folder can read both.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretString;
use signet_service::config::Environment;
use signet_service::files;
use signet_service::secrets::{self, SecretError};
use zeroize::Zeroizing;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassphraseError {
    #[error("the passphrase file {}: {}", path.display(), files::reason(error))]
    Io { path: PathBuf, error: io::Error },
    #[error(
        "the database has signing keys, and the file {} with their passphrase is missing: restore it, or give the passphrase in \
         NOTARY_SERVER_LOCAL_PASSPHRASE_FILE",
        .0.display()
    )]
    Lost(PathBuf),
    #[error("the passphrase file {} can be read by others: chmod 600 it", .0.display())]
    Open(PathBuf),
    #[error("no random numbers")]
    Random,
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// The operator's passphrase: the variable, the file that a variable names, or systemd's credential; in that order.
pub(crate) fn given(environment: &Environment) -> Result<Option<SecretString>, PassphraseError> {
    if let Some(given) = secrets::variable(environment, VARIABLE)? {
        return Ok(Some(given));
    }
    let Some(folder) = environment.value("CREDENTIALS_DIRECTORY") else {
        return Ok(None);
    };
    match secrets::file(&Path::new(folder).join(CREDENTIAL)) {
        Err(SecretError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// The passphrase kept beside the database, made now if there is none and the database has no keys yet.
pub(crate) fn kept(database: &Path, has_keys: bool) -> Result<SecretString, PassphraseError> {
    let path = beside(database);
    match path.metadata() {
        Ok(metadata) if metadata.mode() & 0o077 != 0 => Err(PassphraseError::Open(path)),
        Ok(_) => Ok(secrets::file(&path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound && has_keys => {
            Err(PassphraseError::Lost(path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
        Err(error) => Err(PassphraseError::Io { path, error }),
    }
}

/// Where the passphrase of a database is kept.
pub(crate) fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".passphrase");
    name.into()
}

fn make(path: &Path) -> Result<SecretString, PassphraseError> {
    let mut random = Zeroizing::new([0_u8; 32]);
    rand::fill(random.as_mut()).map_err(|_| PassphraseError::Random)?;
    let text = Zeroizing::new(BASE64URL_NOPAD.encode(random.as_ref()));
    let line = Zeroizing::new(format!("{}\n", text.as_str()));
    files::write_private(path, line.as_bytes()).map_err(|error| PassphraseError::Io {
        path: path.to_owned(),
        error,
    })?;
    Ok(SecretString::from(text.as_str()))
}

const VARIABLE: &str = "NOTARY_SERVER_LOCAL_PASSPHRASE";
const CREDENTIAL: &str = "notary-server-local-passphrase";

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().copied().collect()
    }

    #[test]
    fn the_operator_is_asked_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pass");
        files::write_private(&file, b"from file\n").unwrap();
        files::write_private(&folder.path().join(CREDENTIAL), b"from systemd").unwrap();
        let (file, folder) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
        let all = [
            ("NOTARY_SERVER_LOCAL_PASSPHRASE", " as it is "),
            ("NOTARY_SERVER_LOCAL_PASSPHRASE_FILE", file),
            ("CREDENTIALS_DIRECTORY", folder),
        ];
        for (pairs, expected) in [
            (&all[..], " as it is "),
            (&all[1..], "from file"),
            (&all[2..], "from systemd"),
        ] {
            assert_eq!(
                given(&environment(pairs)).unwrap().unwrap().expose_secret(),
                expected
            );
        }
        assert!(given(&environment(&[])).unwrap().is_none());
        assert!(
            given(&environment(&[("CREDENTIALS_DIRECTORY", "/nonexistent")]))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_named_file_must_exist_and_say_something() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        files::write_private(&empty, b"\n").unwrap();
        let named = |path: &Path| {
            given(&environment(&[(
                "NOTARY_SERVER_LOCAL_PASSPHRASE_FILE",
                path.to_str().unwrap(),
            )]))
        };
        assert!(matches!(
            named(&empty),
            Err(PassphraseError::Secret(SecretError::Empty(_)))
        ));
        assert!(matches!(
            named(&folder.path().join("none")),
            Err(PassphraseError::Secret(SecretError::Io { .. }))
        ));
    }

    #[test]
    fn a07_a_passphrase_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("trust.sqlite");
        let first = kept(&database, false).unwrap();
        let again = kept(&database, true).unwrap();
        assert_eq!(first.expose_secret(), again.expose_secret());
        assert_eq!(first.expose_secret().len(), 43);
        let file = beside(&database);
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640))
            .unwrap();
        assert!(matches!(
            kept(&database, true),
            Err(PassphraseError::Open(_))
        ));
    }

    #[test]
    fn a_lost_passphrase_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            kept(&folder.path().join("trust.sqlite"), true),
            Err(PassphraseError::Lost(_))
        ));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a07_no_error_shows_a_passphrase() {
        let secret = given(&environment(&[("NOTARY_SERVER_LOCAL_PASSPHRASE", "hush")]))
            .unwrap()
            .unwrap();
        assert!(!format!("{secret:?}").contains("hush"));
        assert!(
            !format!(
                "{:?}",
                environment(&[("NOTARY_SERVER_LOCAL_PASSPHRASE", "hush")])
            )
            .contains("hush")
        );
    }
}
