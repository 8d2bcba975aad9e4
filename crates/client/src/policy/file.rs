//! One policy file: read with care, and to the last member.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use signet_tuf::Gun;

use super::rule::{self, Rule};
use super::scope::Scope;

/// Largest policy file, and largest certificate bundle that it names, in bytes.
pub const MAX_POLICY_BYTES: u64 = 1 << 20;
/// Most rules in one file.
const MAX_RULES: usize = 4096;
/// The version of the format.
const VERSION: u64 = 1;

/// One policy file.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    path: PathBuf,
    rules: BTreeMap<Scope, Rule>,
}

/// A policy file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {fault}", path.display(), Place(fault))]
pub struct PolicyError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a policy file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Something in it is not understood.
    #[error("{problem}")]
    Content {
        /// Where, counted from 1.
        line: usize,
        /// Where in the line, counted from 1.
        column: usize,
        /// What.
        problem: String,
    },
    /// It is not there, although somebody named it.
    #[error("there is no such file")]
    Missing,
    /// It is a folder, a device, or something else that has no end.
    #[error("this is no regular file")]
    NotAFile,
    /// Others than its owner may write it.
    #[error("others than its owner can change this file (mode {mode:03o})")]
    WritableByOthers {
        /// Its permission bits.
        mode: u32,
    },
    /// More bytes than any policy needs.
    #[error("larger than {MAX_POLICY_BYTES} bytes")]
    TooLarge,
    /// The system does not let it be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
}

/// `:line:column` where there is one.
struct Place<'a>(&'a Fault);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Fault::Content { line, column, .. } => write!(f, ":{line}:{column}"),
            _ => Ok(()),
        }
    }
}

impl PolicyError {
    pub(super) fn missing(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            fault: Fault::Missing,
        }
    }
}

impl PolicyFile {
    /// Reads a policy file; `None` when there is none at `path`.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn load(path: &Path) -> Result<Option<Self>, PolicyError> {
        match read(path) {
            Ok(Some(bytes)) => Self::parse(path, &bytes).map(Some),
            Ok(None) => Ok(None),
            Err(fault) => Err(PolicyError {
                path: path.to_owned(),
                fault,
            }),
        }
    }

    /// Reads the text of a policy file; `path` is how messages call it and what relative paths in it are relative to.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, PolicyError> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let written: Written = rule::object(&mut reader)
            .and_then(|written| reader.end().map(|()| written))
            .map_err(|error| PolicyError {
                path: path.to_owned(),
                fault: content(&error),
            })?;
        Ok(Self {
            path: path.to_owned(),
            rules: written.rules.0,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The rule for a repository: that of the longest prefix that covers it.
    #[must_use]
    pub fn rule_for(&self, gun: &Gun) -> Option<(&Scope, &Rule)> {
        self.rules
            .iter()
            .filter_map(|(scope, rule)| Some((scope.covers(gun)?, scope, rule)))
            .max_by_key(|(parts, ..)| *parts)
            .map(|(_, scope, rule)| (scope, rule))
    }
}

/// Reads a file that nobody but its owner can write; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    let absent = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
    };
    // Asked before it is opened: opening a pipe waits for a writer.
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(Fault::NotAFile),
        Ok(_) => {}
        // A link to nowhere is there.
        Err(error) if absent(&error) && std::fs::symlink_metadata(path).is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(Fault::Unreadable(error)),
    }
    let file = File::open(path).map_err(Fault::Unreadable)?;
    let metadata = file.metadata().map_err(Fault::Unreadable)?;
    if !metadata.is_file() {
        return Err(Fault::NotAFile);
    }
    refuse_writable_by_others(&metadata)?;
    let mut bytes = Vec::new();
    file.take(MAX_POLICY_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(Fault::Unreadable)?;
    if bytes.len() as u64 > MAX_POLICY_BYTES {
        return Err(Fault::TooLarge);
    }
    Ok(Some(bytes))
}

#[cfg(unix)]
fn refuse_writable_by_others(metadata: &std::fs::Metadata) -> Result<(), Fault> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o022 == 0 {
        Ok(())
    } else {
        Err(Fault::WritableByOthers { mode })
    }
}

#[cfg(not(unix))]
fn refuse_writable_by_others(_: &std::fs::Metadata) -> Result<(), Fault> {
    Ok(())
}

/// The library's error without the place, which has members of its own.
fn content(error: &serde_json::Error) -> Fault {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let place = format!(" at line {line} column {column}");
    Fault::Content {
        line,
        column,
        problem: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[expect(dead_code, reason = "checked while it is read")]
    version: Version,
    rules: Rules,
}

struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match u64::deserialize(from)? {
            VERSION => Ok(Self),
            other => Err(D::Error::custom(format!(
                "version {other} is not known here, only version {VERSION}"
            ))),
        }
    }
}

struct Rules(BTreeMap<Scope, Rule>);

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(RulesVisitor)
    }
}

struct RulesVisitor;

impl<'de> Visitor<'de> for RulesVisitor {
    type Value = Rules;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with a rule for each prefix")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rules, A::Error> {
        let mut rules = BTreeMap::new();
        while let Some(text) = map.next_key::<String>()? {
            let scope = Scope::parse(&text)
                .map_err(|error| A::Error::custom(format!("prefix {text:?}: {error}")))?;
            // The library keeps the place at the end of a message.
            let rule: Rule = map
                .next_value()
                .map_err(|error| A::Error::custom(format!("rule {text:?}: {error}")))?;
            if rules
                .keys()
                .any(|other: &Scope| other.is_same_repositories(&scope))
            {
                return Err(A::Error::custom(format!(
                    "prefix {text:?}: there is a rule for these repositories already"
                )));
            }
            rules.insert(scope, rule);
            if rules.len() > MAX_RULES {
                return Err(A::Error::custom(format!("more than {MAX_RULES} rules")));
            }
        }
        Ok(Rules(rules))
    }
}
