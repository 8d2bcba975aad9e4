//! Passphrases from the environment and from files that it names.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::config::Environment;
use crate::files;

/// Why a passphrase that is configured cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is nothing in the file.
    #[error("the passphrase file {} is empty", .0.display())]
    Empty(PathBuf),
    /// The file cannot be read.
    #[error("the passphrase file {}: {}", path.display(), files::reason(error))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file holds something else.
    #[error("the passphrase file {} is not UTF-8 text", .0.display())]
    Text(PathBuf),
    /// The file is no passphrase.
    #[error("the passphrase file {} is larger than {MAX_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
}

/// The passphrase in a variable, or in the file that the variable `<name>_FILE` names. The value of a variable is used
/// as it is; of a file, one line end at its end does not count. `None` when neither is set: an empty one is not.
///
/// # Errors
/// [`SecretError`] of the file.
pub fn variable(
    environment: &Environment,
    name: &str,
) -> Result<Option<SecretString>, SecretError> {
    if let Some(text) = environment.value(name) {
        return Ok(Some(SecretString::from(text)));
    }
    match environment.value(&format!("{name}_FILE")) {
        Some(path) => file(Path::new(path)).map(Some),
        None => Ok(None),
    }
}

/// The passphrase in a file, without the line end at its end.
///
/// # Errors
/// [`SecretError`].
pub fn file(path: &Path) -> Result<SecretString, SecretError> {
    let fail = |error| SecretError::Io {
        path: path.to_owned(),
        error,
    };
    let mut content = Zeroizing::new(Vec::new());
    File::open(path)
        .map_err(fail)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(fail)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(SecretError::TooLarge(path.to_owned()));
    }
    let text = std::str::from_utf8(&content).map_err(|_| SecretError::Text(path.to_owned()))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        Err(SecretError::Empty(path.to_owned()))
    } else {
        Ok(SecretString::from(line))
    }
}

/// The passphrases of a key database by their aliases, from variables `<prefix>_<ALIAS>` or files that variables
/// `<prefix>_<ALIAS>_FILE` name. Files are read at each use, so that they may be replaced while a service runs.
#[derive(Clone, Debug)]
pub struct AliasVariables {
    prefix: String,
    environment: Environment,
}

impl AliasVariables {
    /// Variables whose names begin in the prefix, such as `NOTARY_SIGNER`.
    #[must_use]
    pub fn new(prefix: impl Into<String>, environment: Environment) -> Self {
        Self {
            prefix: prefix.into(),
            environment,
        }
    }

    /// The name of an alias' variable, as Go's programs make it: letters in upper case, `.` becomes `_`, and every other
    /// character stays.
    #[must_use]
    pub fn name(&self, alias: &str) -> String {
        let mut name = format!("{}_", self.prefix);
        for letter in alias.chars() {
            let mut upper = letter.to_uppercase();
            match (letter, upper.next(), upper.next()) {
                ('.', ..) => name.push('_'),
                (_, Some(upper), None) => name.push(upper),
                // compat: one letter for one, also where its upper case has two.
                _ => name.push(letter),
            }
        }
        name
    }

    /// The passphrase of an alias; `None` when it is not configured.
    ///
    /// # Errors
    /// [`SecretError`] of its file.
    pub fn read(&self, alias: &str) -> Result<Option<SecretString>, SecretError> {
        variable(&self.environment, &self.name(alias))
    }

    /// The passphrase of an alias; `None` when it is not configured, or cannot be read, which is logged.
    #[must_use]
    pub fn passphrase(&self, alias: &str) -> Option<SecretString> {
        self.read(alias).unwrap_or_else(|error| {
            tracing::error!("no passphrase for alias {alias:?}: {error}");
            None
        })
    }
}

/// More is no passphrase.
const MAX_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> AliasVariables {
        AliasVariables::new("NOTARY_SIGNER", pairs.iter().copied().collect())
    }

    // signer-and-keys.md 3.2, verified there with Go's signer.
    #[test]
    fn an_alias_is_upper_case_with_underscores_for_dots() {
        let none = variables(&[]);
        for (alias, name) in [
            ("timestamp_1", "NOTARY_SIGNER_TIMESTAMP_1"),
            ("my-alias.x", "NOTARY_SIGNER_MY-ALIAS_X"),
            ("MiXed", "NOTARY_SIGNER_MIXED"),
            ("stra\u{df}e", "NOTARY_SIGNER_STRA\u{df}E"),
        ] {
            assert_eq!(none.name(alias), name);
        }
    }

    #[test]
    fn a_value_is_used_byte_for_byte_and_a_file_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        files::write_private(&path, b" from file \n").unwrap();
        let path = path.to_str().unwrap();
        let all = variables(&[
            ("NOTARY_SIGNER_A", " as it is\n"),
            ("NOTARY_SIGNER_A_FILE", path),
            ("NOTARY_SIGNER_B_FILE", path),
            ("NOTARY_SIGNER_C", ""),
            ("NOTARY_SIGNER_D_FILE", "/nonexistent/pass"),
        ]);
        let read = |alias| all.read(alias).unwrap();
        assert_eq!(read("a").unwrap().expose_secret(), " as it is\n");
        assert_eq!(read("b").unwrap().expose_secret(), " from file ");
        assert!(read("c").is_none());
        assert!(read("unknown").is_none());
        assert!(matches!(all.read("d"), Err(SecretError::Io { .. })));
        assert!(all.passphrase("d").is_none());
        // A file that is replaced is read again.
        files::write_private(Path::new(path), b"new").unwrap();
        assert_eq!(read("b").unwrap().expose_secret(), "new");
        assert!(!format!("{all:?}").contains("as it is"));
    }

    #[test]
    fn what_is_no_passphrase_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        let refused = |content: &[u8]| {
            files::write_private(&path, content).unwrap();
            file(&path).unwrap_err()
        };
        assert!(matches!(refused(b"\n"), SecretError::Empty(_)));
        assert!(matches!(refused(b"\xff"), SecretError::Text(_)));
        assert!(matches!(refused(&[b'x'; 70_000]), SecretError::TooLarge(_)));
    }
}
