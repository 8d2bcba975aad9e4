//! The protocol of docker's credential helpers: `docker-credential-<suffix> get`, the key on its input, JSON on its
//! output.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use zeroize::{Zeroize as _, Zeroizing};

use super::Credentials;

/// What the names of all helper programs begin with.
pub(super) const PREFIX: &str = "docker-credential-";

/// Most bytes that a helper may print.
const MAX_OUTPUT_BYTES: usize = 64 << 10;

/// What a helper prints when it has nothing for the key.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// The user name with which a helper says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// The file name of a helper program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HelperName(String);

/// What went wrong with a credential helper. Never quotes the helper's output, which may hold a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelperFault {
    /// It ended with an error. Its own words, if any, went to the standard error output.
    #[error("it failed with {status}")]
    Failed {
        /// How it ended.
        status: ExitStatus,
    },
    /// Its input or output broke.
    #[error("it could not be spoken to ({kind})")]
    Io {
        /// Kind of the error.
        kind: std::io::ErrorKind,
    },
    /// Its answer is not the JSON that the protocol wants.
    #[error("its answer is malformed")]
    Malformed,
    /// Its name has a slash or another character that no program name has.
    #[error("its name is not one of a program")]
    Name,
    /// No program of this name is in the search path.
    #[error("executable file not found in $PATH")]
    NotFound,
    /// It cannot be started.
    #[error("it could not be started ({kind})")]
    Start {
        /// Kind of the error.
        kind: std::io::ErrorKind,
    },
    /// It did not answer in time and was ended.
    #[error("no answer within {} seconds", limit.as_secs())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// It printed more than an answer can have, and was ended.
    #[error("its answer is longer than {MAX_OUTPUT_BYTES} bytes")]
    TooLong,
}

impl HelperName {
    /// The program for the suffix that the configuration names.
    ///
    /// # Errors
    /// [`HelperFault::Name`] when the suffix would lead out of the search path.
    pub fn from_suffix(suffix: &str) -> Result<Self, HelperFault> {
        if suffix.contains(['/', '\\']) || suffix.chars().any(char::is_control) {
            return Err(HelperFault::Name);
        }
        Ok(Self(format!("{PREFIX}{suffix}")))
    }
}

/// The suffix of the helper that docker uses on this platform when nothing is configured, if it is installed.
pub(super) fn platform_default(search_path: &OsStr) -> Option<String> {
    let suffix = if cfg!(target_os = "macos") {
        "osxkeychain"
    } else if cfg!(target_os = "windows") {
        "wincred"
    } else if find_program("pass", search_path).is_some() {
        "pass"
    } else {
        "secretservice"
    };
    find_program(&format!("{PREFIX}{suffix}"), search_path).map(|_| suffix.to_owned())
}

/// Asks the helper. `None`: it has nothing for `key`.
pub(super) async fn ask(
    name: &HelperName,
    key: &str,
    search_path: &OsStr,
    limit: Duration,
) -> Result<Option<Credentials>, HelperFault> {
    let program = find_program(&name.0, search_path).ok_or(HelperFault::NotFound)?;
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| HelperFault::Start { kind: e.kind() })?;
    let (status, output) = tokio::time::timeout(limit, converse(&mut child, key))
        .await
        .map_err(|_| HelperFault::TimedOut { limit })??;
    if status.success() {
        return parse(&output).map(Some);
    }
    if output.trim_ascii() == NOT_FOUND.as_bytes() {
        return Ok(None);
    }
    Err(HelperFault::Failed { status })
}

async fn converse(
    child: &mut Child,
    key: &str,
) -> Result<(ExitStatus, Zeroizing<Vec<u8>>), HelperFault> {
    let broken = |e: std::io::Error| HelperFault::Io { kind: e.kind() };
    if let Some(mut stdin) = child.stdin.take() {
        // A helper may answer without reading its input.
        match stdin.write_all(key.as_bytes()).await {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => return Err(broken(e)),
            _ => {}
        }
    }
    // Never reallocated, so that no copy of the secret is left behind.
    let mut output = Zeroizing::new(Vec::with_capacity(MAX_OUTPUT_BYTES + 1));
    if let Some(mut stdout) = child.stdout.take() {
        let mut chunk = Zeroizing::new([0_u8; 4096]);
        loop {
            let count = stdout.read(&mut *chunk).await.map_err(broken)?;
            let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else {
                break;
            };
            if output.len() + read.len() > MAX_OUTPUT_BYTES {
                return Err(HelperFault::TooLong);
            }
            output.extend_from_slice(read);
        }
    }
    let status = child.wait().await.map_err(broken)?;
    Ok((status, output))
}

fn parse(output: &[u8]) -> Result<Credentials, HelperFault> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default, rename = "Username")]
        username: String,
        #[serde(default, rename = "Secret")]
        secret: String,
    }
    // serde would also fill the answer from an array, by position.
    if output.trim_ascii_start().first() != Some(&b'{') {
        return Err(HelperFault::Malformed);
    }
    let mut answer: Answer = serde_json::from_slice(output).map_err(|_| HelperFault::Malformed)?;
    let secret = (!answer.secret.is_empty()).then(|| SecretString::from(answer.secret.as_str()));
    answer.secret.zeroize();
    Ok(if answer.username == TOKEN_USER {
        Credentials {
            username: None,
            password: None,
            identity_token: secret,
        }
    } else {
        Credentials {
            username: (!answer.username.is_empty()).then_some(answer.username),
            password: secret,
            identity_token: None,
        }
    })
}

/// The first executable file of that name in the search path.
fn find_program(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    env::split_paths(search_path)
        // A relative folder would make the answer depend on where the user happens to be.
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

#[cfg(unix)]
fn is_executable(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &std::path::Path) -> bool {
    path.is_file()
}
