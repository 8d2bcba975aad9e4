//! Running without a configuration: an embedded database, keys and certificates in one folder, on loopback, and the lines to
//! paste so that docker trusts it.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, json};
use signet_service::config::{Configuration, Environment};
use signet_service::files;
use signet_service::listen::{Address, ListenError};
use signet_service::local_ca::{LocalCa, LocalCaError};
use time::OffsetDateTime;

use super::config::ENVIRONMENT_PREFIX;

/// The folder of a server that runs without a configuration.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Held for as long as the server runs; who only looks has none.
    _lock: Option<File>,
}

/// Why the server does not run without a configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuickstartError {
    #[error(
        "refusing to listen on {0}, where others could connect and publish: this server has no authentication. Listen on localhost, \
         or accept it with --insecure-no-auth"
    )]
    Exposed(String),
    #[error(
        "refusing to listen on {0}, where others could connect and read: this server has no authentication. Listen on localhost, \
         or accept it with --insecure-no-auth"
    )]
    ExposedArchives(String),
    #[error("{}: {}", path.display(), files::reason(error))]
    Folder { path: PathBuf, error: io::Error },
    #[error("the data folder {} is in use by another notary-server{}", path.display(), holder(process))]
    InUse { path: PathBuf, process: String },
    #[error(
        "the data folder {} is in use by a notary-server{}: stop that first. It makes and upgrades its tables itself whenever it starts",
        path.display(), holder(process)
    )]
    InUseByServer { path: PathBuf, process: String },
    #[error(
        "{0}. Another address is chosen with --http-addr, for example --http-addr localhost:5443"
    )]
    Listen(#[source] ListenError),
    #[error("there is no folder for data: set HOME or XDG_DATA_HOME, or name one with --data-dir")]
    NoFolder,
    #[error(transparent)]
    Certificate(#[from] LocalCaError),
    #[error("the data folder {} has a name that is not UTF-8", .0.display())]
    NotText(PathBuf),
}

impl DataFolder {
    /// Opens the folder, or `$XDG_DATA_HOME/signet/notary-server`, for this process alone.
    pub(crate) fn open(
        chosen: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self, QuickstartError> {
        let path = chosen_folder(chosen, environment)?;
        let fail = |error| QuickstartError::Folder {
            path: path.clone(),
            error,
        };
        files::create_private_folder(&path).map_err(fail)?;
        let path = path.canonicalize().map_err(fail)?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path);
        let fail = |error| QuickstartError::Folder {
            path: lock_path.clone(),
            error,
        };
        let mut lock = lock.map_err(fail)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // For who finds the folder taken: what to stop.
                lock.set_len(0).map_err(fail)?;
                writeln!(lock, "{}", std::process::id()).map_err(fail)?;
                Ok(Self {
                    path,
                    _lock: Some(lock),
                })
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut process = String::new();
                // Without it there is less to tell.
                let _ = lock.take(MOST_DIGITS).read_to_string(&mut process);
                Err(QuickstartError::InUse { path, process })
            }
            Err(error) => Err(fail(error.into())),
        }
    }

    /// The same folder for who changes nothing in it, also while a server has it.
    pub(crate) fn look(
        chosen: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self, QuickstartError> {
        let path = chosen_folder(chosen, environment)?;
        let path =
            std::path::absolute(&path).map_err(|error| QuickstartError::Folder { path, error })?;
        Ok(Self { path, _lock: None })
    }

    /// The folder's absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The built-in configuration, which variables override as they do a file's.
    pub(crate) fn configuration(
        &self,
        environment: Environment,
    ) -> Result<Configuration, QuickstartError> {
        let text = |path: PathBuf| {
            path.into_os_string()
                .into_string()
                .map_err(|name| QuickstartError::NotText(name.into()))
        };
        let keys = json!({
            "server": {
                "http_addr": "localhost:4443",
                "tls_cert_file": text(self.path.join(TLS_FOLDER).join("server.crt"))?,
                "tls_key_file": text(self.path.join(TLS_FOLDER).join("server.key"))?,
            },
            "trust_service": { "type": "local" },
            "storage": { "backend": "sqlite3", "db_url": text(self.path.join("notary-server.sqlite"))? },
        });
        let keys = keys.as_object().cloned().unwrap_or_else(Map::new);
        Ok(Configuration::built_in(
            keys,
            ENVIRONMENT_PREFIX,
            environment,
        ))
    }

    /// The certificate for the address, made or renewed where needed.
    pub(crate) fn certificate(
        &self,
        address: &Address,
        now: OffsetDateTime,
    ) -> Result<LocalCa, QuickstartError> {
        let mut names = vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ];
        let host = public_host(address);
        if !names.contains(&host) {
            names.push(host);
        }
        Ok(LocalCa::open(&self.path.join(TLS_FOLDER), &names, now)?)
    }

    /// Whether these are the files of [`DataFolder::certificate`], and not some that the operator put in their place.
    pub(crate) fn is_own_certificate(&self, certificate: &Path) -> bool {
        certificate.starts_with(self.path.join(TLS_FOLDER))
    }
}

/// What the server lets everybody do who can connect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Offer {
    /// Publish, and read.
    Publishing,
    /// Read archives.
    Archives,
}

/// Refuses an address that others can connect to, unless the operator has accepted it.
pub(crate) fn check_exposure(
    address: &Address,
    offer: Offer,
    accepted: bool,
) -> Result<(), QuickstartError> {
    if address.is_loopback() || accepted {
        return Ok(());
    }
    Err(match offer {
        Offer::Publishing => QuickstartError::Exposed(address.to_string()),
        Offer::Archives => QuickstartError::ExposedArchives(address.to_string()),
    })
}

/// What is printed when the server is ready: where it is, and the lines to paste so that docker trusts it.
pub(crate) fn welcome(
    folder: &Path,
    ca: Option<&Path>,
    address: &Address,
    port: u16,
    offer: Offer,
) -> String {
    let host = public_host(address);
    let site = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let scheme = "https";
    let data = match offer {
        Offer::Publishing => "Its data is",
        Offer::Archives => "It serves archives, read-only; its certificate is",
    };
    let mut text = format!(
        "notary-server is ready at {scheme}://{site}\n{data} in {}\n\n",
        folder.display()
    );
    let mut line = |line: &str| {
        // A String takes everything.
        let _ = writeln!(text, "{line}");
    };
    line("To make docker trust it, paste these lines:\n");
    if let Some(ca) = ca {
        line(&format!(
            "  mkdir -p \"${{DOCKER_CONFIG:-$HOME/.docker}}/tls/{site}\""
        ));
        line(&format!(
            "  cp {} \"${{DOCKER_CONFIG:-$HOME/.docker}}/tls/{site}/ca.crt\"",
            shell_word(&ca.to_string_lossy())
        ));
    }
    line(&format!(
        "  export DOCKER_CONTENT_TRUST_SERVER={scheme}://{site}\n"
    ));
    let who = if address.is_loopback() {
        "every user of this machine"
    } else {
        "everybody who can connect"
    };
    let what = match offer {
        Offer::Publishing => "publish",
        Offer::Archives => "read",
    };
    line(&format!(
        "There is no authentication: {who} can {what}. Stop with Ctrl-C."
    ));
    text
}

/// The name under which clients reach the address.
fn public_host(address: &Address) -> String {
    match address.host() {
        "" | "0.0.0.0" | "::" => rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        host => host.to_owned(),
    }
}

/// The process that has the folder, where it has said so.
fn holder(process: &str) -> String {
    let process: u32 = process.trim().parse().unwrap_or_default();
    if process == 0 {
        String::new()
    } else {
        format!(" (process {process})")
    }
}

fn chosen_folder(
    chosen: Option<&Path>,
    environment: &Environment,
) -> Result<PathBuf, QuickstartError> {
    match chosen {
        Some(path) => Ok(path.to_owned()),
        None => default_folder(environment).ok_or(QuickstartError::NoFolder),
    }
}

fn default_folder(environment: &Environment) -> Option<PathBuf> {
    let absolute = |name: &str| {
        environment
            .value(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let data = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))?;
    Some(data.join("signet").join("notary-server"))
}

/// The text as one word of a shell.
fn shell_word(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+,:@%=".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

const TLS_FOLDER: &str = "tls";
/// Longest number of a process, with the end of its line.
const MOST_DIGITS: u64 = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_follows_xdg() {
        let folder = |pairs: &[(&str, &str)]| default_folder(&pairs.iter().copied().collect());
        assert_eq!(
            folder(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")]),
            Some("/x/signet/notary-server".into())
        );
        assert_eq!(
            folder(&[("HOME", "/h")]),
            Some("/h/.local/share/signet/notary-server".into())
        );
        assert_eq!(
            folder(&[("HOME", "/h"), ("XDG_DATA_HOME", "relative")]),
            Some("/h/.local/share/signet/notary-server".into())
        );
        assert_eq!(folder(&[]), None);
    }

    #[test]
    fn only_one_server_has_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::default();
        let first = DataFolder::open(Some(folder.path()), &environment).unwrap();
        let second = DataFolder::open(Some(folder.path()), &environment);
        assert!(matches!(second, Err(QuickstartError::InUse { .. })));
        drop(first);
        DataFolder::open(Some(folder.path()), &environment).unwrap();
    }

    #[test]
    fn others_can_connect_only_when_that_was_accepted() {
        let address = |text: &str| Address::parse(text).unwrap();
        assert!(check_exposure(&address("localhost:4443"), Offer::Publishing, false).is_ok());
        assert!(check_exposure(&address("127.0.0.1:4443"), Offer::Archives, false).is_ok());
        for text in [":4443", "0.0.0.0:4443", "[::]:4443", "example.com:4443"] {
            for offer in [Offer::Publishing, Offer::Archives] {
                assert!(
                    check_exposure(&address(text), offer, false).is_err(),
                    "{text}"
                );
                assert!(
                    check_exposure(&address(text), offer, true).is_ok(),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn paths_are_quoted_for_the_shell() {
        assert_eq!(shell_word("/a/b-c.crt"), "/a/b-c.crt");
        assert_eq!(shell_word("/a b/it's"), "'/a b/it'\\''s'");
    }
}
