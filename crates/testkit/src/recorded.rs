//! The 333 recorded client runs in the test data of `signet-tuf`: what is cached, what the server answers, what the Go notary 0.7 client did.
//!
//! Whoever replays them compares with [`GoRun::seen`], changed by what [`Deviations`] says of the run.

mod deviation;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;

pub use deviation::{Deviation, Deviations, Layer};
pub use server::{Address, Server};

/// Stands for every text of a JSON decoder.
pub const JSON_CLASS: &str = "(not the right JSON)";

/// The recording.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct Recording {
    /// The moment of all runs, RFC 3339.
    pub now: String,
    /// The repository.
    pub gun: String,
    /// The cases.
    pub cases: Vec<Case>,
}

/// A cache, a server, and commands in this order.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct Case {
    /// Its name.
    pub id: String,
    /// What is cached before the first command, by role.
    #[serde(default)]
    pub cache: BTreeMap<String, File>,
    server: Served,
    /// The client's configuration.
    #[serde(default)]
    pub config: Config,
    v2_status: Option<u16>,
    /// The commands and what Go made of them.
    pub go: Vec<GoRun>,
    /// The versions in Go's cache after the last command; `"?"` where there is none to be read.
    #[serde(rename = "go_cache_versions_after")]
    pub versions: BTreeMap<String, Value>,
    /// What is wanted.
    pub signet: Verdict,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Served {
    Files(BTreeMap<String, File>),
    /// `"unreachable"`.
    Unreachable(serde::de::IgnoredAny),
}

/// A file as a server gives it out, or does not.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct File {
    blob: Option<String>,
    #[serde(default)]
    pad_spaces_before_last_byte: usize,
    /// Whether its length is not announced.
    #[serde(default)]
    pub chunked: bool,
    /// The length that is announced instead of the real one.
    pub content_length_header: Option<u64>,
    /// The status that is answered instead of the file.
    pub status: Option<u16>,
    /// Whether the connection ends without an answer.
    #[serde(default)]
    pub drop_connection: bool,
}

/// The client's configuration.
#[derive(Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// `trust_pinning`.
    #[serde(default)]
    pub trust_pinning: Pinning,
}

/// Which first roots are trusted.
#[derive(Debug, Default, Deserialize, serde::Serialize)]
#[non_exhaustive]
pub struct Pinning {
    /// Key IDs, by repository or beginning of its name.
    #[serde(default)]
    pub certs: BTreeMap<String, Vec<String>>,
    /// Files of authorities below [`folder`], by beginning of a repository's name.
    #[serde(default)]
    pub ca: BTreeMap<String, String>,
    /// Whether a root that no pin covers is refused.
    #[serde(default)]
    pub disable_tofu: bool,
}

/// What Go made of a command.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct GoRun {
    /// The arguments after the global flags.
    pub cmd: Vec<String>,
    /// Exit code.
    pub rc: i32,
    /// Whether the program crashed.
    #[serde(default)]
    pub crash: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error, log lines without their time; `SERVER` is the server's host and port.
    pub stderr: String,
    /// What was asked for, `/v2/` included.
    pub requests: Vec<String>,
}

/// What is wanted.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct Verdict {
    /// `same`, `fix`, `stricter` or `may`.
    pub verdict: String,
}

/// What a run shows, in comparable form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// Standard output; texts of JSON decoders are [`JSON_CLASS`].
    pub output: String,
    /// Log lines at level warning, sorted: the order of independent ones is not promised.
    pub warnings: Vec<String>,
    /// Log lines at level error, each once: Go says some for every try.
    pub errors: BTreeSet<String>,
    /// What was asked for after `/v2/`, by name.
    pub requests: String,
}

/// The folder of the recording.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tuf/tests/data/attacks")
}

/// Reads the recording.
///
/// # Errors
/// When it is not there or not understood.
pub fn read() -> anyhow::Result<Recording> {
    read_json("cases.json")
}

fn read_json<T: serde::de::DeserializeOwned>(name: &str) -> anyhow::Result<T> {
    let path = folder().join(name);
    let text = fs::read(&path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

impl Case {
    /// The files on the server; `None` where nobody answers.
    #[must_use]
    pub const fn files(&self) -> Option<&BTreeMap<String, File>> {
        match &self.server {
            Served::Files(files) => Some(files),
            Served::Unreachable(_) => None,
        }
    }

    /// Whether `/v2/` is not answered as a trust server answers it. Go sends nothing more then.
    #[must_use]
    pub const fn is_offline(&self) -> bool {
        self.v2_status.is_some() || self.files().is_none()
    }

    /// The answer to a request for this name, a path below the repository without `.json`. A checksum in it is not looked at: the server is
    /// hostile.
    #[must_use]
    pub fn answer(&self, name: &str) -> Option<&File> {
        let role = split_checksum(name).map_or(name, |(role, _)| role);
        self.files()?.get(role)
    }
}

impl File {
    /// Its bytes, where it has any.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn bytes(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(blob) = &self.blob else {
            return Ok(None);
        };
        let path = folder().join("blobs").join(blob);
        let mut bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        if let Some(last) = bytes.pop() {
            bytes.extend(std::iter::repeat_n(b' ', self.pad_spaces_before_last_byte));
            bytes.push(last);
        }
        Ok(Some(bytes))
    }
}

impl GoRun {
    /// What Go showed.
    #[must_use]
    pub fn seen(&self) -> Seen {
        Seen {
            output: fold_json(&self.stdout, |error| {
                let prefixes = [
                    "json: ",
                    "invalid character ",
                    "unexpected end of JSON input",
                    "illegal base64 data ",
                    "parsing time ",
                ];
                prefixes.iter().any(|prefix| error.starts_with(prefix))
            }),
            warnings: logged(&self.stderr, "warning"),
            errors: errors(&self.stderr),
            requests: after_probe(&self.requests),
        }
    }
}

/// What was asked for after `/v2/`, in one line.
#[must_use]
pub fn after_probe(requests: &[String]) -> String {
    let names = requests.iter().map(String::as_str);
    let names: Vec<&str> = names.filter(|name| !name.ends_with("/v2/")).collect();
    names.join(" ")
}

/// The messages at level error in log lines. A status is kept of why a server could not be reached; other reasons are each program's own.
#[must_use]
pub fn errors(stderr: &str) -> BTreeSet<String> {
    let cut = |message: String| match message.split_once("SERVER: ") {
        Some((before, reason)) if reason.parse::<u16>().is_err() => format!("{before}SERVER"),
        _ => message,
    };
    logged(stderr, "error").into_iter().map(cut).collect()
}

/// Puts [`JSON_CLASS`] in the place of an error for which `is_json` says that a JSON decoder has worded it.
#[must_use]
pub fn fold_json(output: &str, is_json: impl Fn(&str) -> bool) -> String {
    match output.strip_prefix(FATAL) {
        Some(error) if is_json(error) => format!("{FATAL}{JSON_CLASS}\n"),
        _ => output.to_owned(),
    }
}

/// How the command's last line begins when it has failed.
pub const FATAL: &str = "\n* fatal: ";

/// The messages of a level in log lines, sorted. The lines may begin with their time.
#[must_use]
pub fn logged(stderr: &str, level: &str) -> Vec<String> {
    let field = format!("level={level} msg=");
    let mut messages: Vec<String> = stderr
        .lines()
        .filter_map(|line| line.split_once(&field))
        .filter(|(before, _)| before.is_empty() || before.starts_with("time="))
        .map(|(_, message)| serde_json::from_str(message).unwrap_or_else(|_| message.to_owned()))
        .collect();
    messages.sort();
    messages
}

/// The targets of a table as `name@role`; everything else as it is.
#[must_use]
pub fn short(output: &str) -> String {
    if !output.starts_with("NAME ") {
        return output.to_owned();
    }
    let rows = output.lines().skip(2).filter_map(|row| {
        let mut cells = row.split_whitespace();
        Some(format!("{}@{}", cells.next()?, cells.next_back()?))
    });
    rows.collect::<Vec<_>>().join(" ")
}

/// A name as the recording writes it: a checksum is `<sha256>`.
#[must_use]
pub fn shown(name: &str) -> String {
    split_checksum(name).map_or_else(|| name.to_owned(), |(role, _)| format!("{role}.<sha256>"))
}

/// The role and the checksum of a name by checksum.
#[must_use]
pub fn split_checksum(name: &str) -> Option<(&str, &str)> {
    let (role, sha256) = name.rsplit_once('.')?;
    (sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit())).then_some((role, sha256))
}

/// The version in a document; `"?"` where there is none to be read.
#[must_use]
pub fn version(document: &[u8]) -> Value {
    serde_json::from_slice::<Value>(document)
        .ok()
        .and_then(|document| document.get("signed")?.get("version").cloned())
        .unwrap_or_else(|| "?".into())
}
