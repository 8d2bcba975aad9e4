//! Certificates that the user has put down for one server: `<config>/tls/<host[:port]>/`.
//!
//! The files are read and paired here, and judged by whoever builds the TLS client from them.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::files::{self, GoIoError};

/// Largest certificate or key file that is read, in bytes.
pub const MAX_PEM_BYTES: u64 = 4 << 20;

/// Most files that are looked at in one directory.
const MAX_FILES: usize = 1000;

/// What one server's directory holds, in the order of the file names. Empty when there is no directory.
#[derive(Debug, Default)]
pub struct TlsDirectory {
    /// Content of every `*.crt` file: certificates in PEM to trust besides the system's, or anything else, which is to
    /// be ignored.
    pub roots: Vec<PemFile>,
    /// Every `X.cert` with its `X.key`.
    pub identities: Vec<ClientIdentity>,
}

/// A PEM file.
#[derive(Clone, Debug)]
pub struct PemFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A client certificate with its private key. That they belong together has not been checked.
pub struct ClientIdentity {
    /// The certificate chain.
    pub certificate: PemFile,
    /// Where the key is.
    pub key_path: PathBuf,
    /// The private key in PEM.
    pub key: Zeroizing<Vec<u8>>,
}

/// Why a server's directory cannot be used. The texts are docker's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsDirectoryError {
    /// The server's name is not one of a directory.
    #[error("invalid host name {authority:?}")]
    Authority {
        /// The name.
        authority: String,
    },
    /// A file or the directory cannot be read.
    #[error(transparent)]
    Io(#[from] GoIoError),
    /// A key without its certificate.
    #[error("missing client certificate {certificate} for key {key}")]
    MissingCertificate {
        /// Name of the missing file.
        certificate: String,
        /// Name of the key file.
        key: String,
    },
    /// A certificate without its key.
    #[error(
        "missing key {key} for client certificate {certificate}. CA certificates must use the extension .crt"
    )]
    MissingKey {
        /// Name of the missing file.
        key: String,
        /// Name of the certificate file.
        certificate: String,
    },
    /// A file is larger than [`MAX_PEM_BYTES`].
    #[error("{} is larger than {MAX_PEM_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// There are more than a thousand files.
    #[error("{} has more than {MAX_FILES} files", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("certificate", &self.certificate.path)
            .field("key_path", &self.key_path)
            .finish_non_exhaustive()
    }
}

impl TlsDirectory {
    /// Reads `<config_dir>/tls/<authority>`.
    ///
    /// `authority` is host and optional port exactly as they stand in the server's URL: case counts, and a port is
    /// part of the name only where the URL has one.
    ///
    /// # Errors
    /// [`TlsDirectoryError`] when a pair is incomplete or something cannot be read. A missing directory is no error.
    pub fn load(config_dir: &Path, authority: &str) -> Result<Self, TlsDirectoryError> {
        // `tls/` itself, and what lies beside it, belongs to no server (security class A5).
        if matches!(authority, "" | "." | "..")
            || authority.contains(['/', '\\'])
            || authority.chars().any(char::is_control)
        {
            return Err(TlsDirectoryError::Authority {
                authority: authority.chars().take(300).collect(),
            });
        }
        let dir = config_dir.join("tls").join(authority);
        let Some(names) = file_names(&dir)? else {
            return Ok(Self::default());
        };
        let mut found = Self::default();
        for name in &names {
            if name.ends_with(".crt") {
                found.roots.push(PemFile::read(dir.join(name))?);
            } else if let Some(stem) = name.strip_suffix(".cert") {
                let key = format!("{stem}.key");
                if !names.contains(&key) {
                    return Err(TlsDirectoryError::MissingKey {
                        key,
                        certificate: name.clone(),
                    });
                }
                let key_path = dir.join(&key);
                found.identities.push(ClientIdentity {
                    certificate: PemFile::read(dir.join(name))?,
                    key: read_bounded(&key_path)?,
                    key_path,
                });
            } else if let Some(stem) = name.strip_suffix(".key") {
                let certificate = format!("{stem}.cert");
                if !names.contains(&certificate) {
                    return Err(TlsDirectoryError::MissingCertificate {
                        certificate,
                        key: name.clone(),
                    });
                }
            }
        }
        Ok(found)
    }
}

impl PemFile {
    fn read(path: PathBuf) -> Result<Self, TlsDirectoryError> {
        let mut content = read_bounded(&path)?;
        Ok(Self {
            bytes: std::mem::take(&mut *content),
            path,
        })
    }
}

/// The names in the directory, sorted. Names that are not text are nobody's certificates.
fn file_names(dir: &Path) -> Result<Option<Vec<String>>, TlsDirectoryError> {
    let unreadable = |e| GoIoError::new("open", dir, e);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e).into()),
    };
    let mut names = Vec::new();
    for entry in entries {
        if names.len() == MAX_FILES {
            return Err(TlsDirectoryError::TooMany {
                path: dir.to_owned(),
            });
        }
        if let Ok(name) = entry.map_err(unreadable)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(Some(names))
}

fn read_bounded(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsDirectoryError> {
    let read = files::read_bounded(&files::open(path)?, path, MAX_PEM_BYTES)?;
    read.ok_or_else(|| TlsDirectoryError::TooLarge {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;

    const HOST: &str = "localhost:4443";

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let config = tempfile::tempdir().unwrap();
        let dir = config.path().join("tls").join(HOST);
        fs::create_dir_all(&dir).unwrap();
        for (name, text) in files {
            let mut file = File::create(dir.join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        config
    }

    fn error(config: &tempfile::TempDir) -> String {
        TlsDirectory::load(config.path(), HOST)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn reads_roots_and_pairs_and_ignores_the_rest() {
        let config = directory(&[
            ("z.crt", "Z"),
            ("a.crt", "A"),
            ("client.cert", "C"),
            ("client.key", "K"),
            ("ca.pem", "ignored"),
            ("crt", "ignored"),
            ("x.CRT", "ignored"),
        ]);
        let found = TlsDirectory::load(config.path(), HOST).unwrap();
        let roots: Vec<_> = found
            .roots
            .iter()
            .map(|file| file.bytes.as_slice())
            .collect();
        assert_eq!(roots, [b"A", b"Z"]);
        let [identity] = found.identities.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(identity.certificate.bytes, b"C");
        assert_eq!(identity.key.as_slice(), b"K");
        assert!(identity.key_path.ends_with("tls/localhost:4443/client.key"));
        assert!(
            !format!("{:?}", directory_with_key()).contains("75"),
            "no key byte in debug output"
        );
    }

    fn directory_with_key() -> ClientIdentity {
        let config = directory(&[("client.cert", ""), ("client.key", "K")]);
        let mut found = TlsDirectory::load(config.path(), HOST).unwrap();
        let mut identity = found.identities.remove(0);
        identity.certificate.path = PathBuf::from("client.cert");
        identity.key_path = PathBuf::from("client.key");
        identity
    }

    #[test]
    fn half_a_pair_is_an_error_with_dockers_text() {
        assert_eq!(
            error(&directory(&[("client.cert", "")])),
            "missing key client.key for client certificate client.cert. CA certificates must use the extension .crt"
        );
        assert_eq!(
            error(&directory(&[("client.key", "")])),
            "missing client certificate client.cert for key client.key"
        );
    }

    #[test]
    fn a_missing_directory_is_no_error_and_an_unreadable_one_is() {
        let config = tempfile::tempdir().unwrap();
        let found = TlsDirectory::load(config.path(), HOST).unwrap();
        assert!(found.roots.is_empty() && found.identities.is_empty());

        let config = directory(&[]);
        let dir = config.path().join("tls").join(HOST);
        fs::create_dir(dir.join("d.crt")).unwrap();
        assert_eq!(
            error(&config),
            format!("read {}/d.crt: is a directory", dir.display())
        );

        let config = tempfile::tempdir().unwrap();
        let path = config.path().join("tls").join(HOST);
        fs::create_dir(config.path().join("tls")).unwrap();
        File::create(&path).unwrap();
        assert_eq!(
            error(&config),
            format!("open {}: not a directory", path.display())
        );
    }

    #[test]
    fn the_name_counts_to_the_letter() {
        let config = directory(&[("a.crt", "A")]);
        for other in ["LOCALHOST:4443", "localhost", "localhost:443"] {
            assert!(
                TlsDirectory::load(config.path(), other)
                    .unwrap()
                    .roots
                    .is_empty()
            );
        }
    }

    #[test]
    fn a5_a_host_name_cannot_leave_the_directory() {
        let config = directory(&[]);
        for authority in ["", ".", "..", "../tls", "a/b", "/etc", "a\\b", "a\0b"] {
            assert!(
                matches!(
                    TlsDirectory::load(config.path(), authority),
                    Err(TlsDirectoryError::Authority { .. })
                ),
                "{authority:?}"
            );
        }
    }

    #[test]
    fn a17_an_endless_file_is_not_read() {
        let config = directory(&[]);
        let link = config.path().join("tls").join(HOST).join("a.crt");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        assert_eq!(
            error(&config),
            format!("{} is larger than 4194304 bytes", link.display())
        );
    }
}
