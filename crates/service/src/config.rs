//! Configuration files and their environment overlay, read as the Go services read them.
//!
//! A file is JSON, TOML or YAML by its extension. Every key can be overridden by a variable whose name is a prefix and the
//! upper-cased key path with `_` for `.`, for example `NOTARY_SERVER_STORAGE_DB_URL` for `storage.db_url`. Key names are
//! case-insensitive, numbers and texts stand for one another, unknown keys are ignored (and reported). The values are not
//! interpreted here: the programs do that, in the order that decides which fault is reported first.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

/// Largest configuration file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// The environment variables of the process, read once.
///
/// An empty variable counts as unset. `Debug` shows no values, since some are passphrases.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the variables of this process. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn from_process() -> Self {
        let text = |value: OsString| value.into_string().ok();
        std::env::vars_os()
            .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
            .collect()
    }

    /// The value of the variable, unless it is unset or empty.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// A configuration: the keys of a file, below the variables of the environment.
///
/// `Debug` shows where it comes from, not the values, since some are secret.
#[derive(Clone)]
pub struct Configuration {
    file: Option<PathBuf>,
    keys: Map<String, Value>,
    prefix: String,
    environment: Environment,
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration")
            .field("file", &self.file)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Configuration {
    /// Reads the named file. If it does not exist, `.json`, `.toml`, `.yaml` and `.yml` are tried after its name.
    ///
    /// `prefix` begins the names of the variables, for example `NOTARY_SERVER`.
    ///
    /// # Errors
    /// [`Unreadable`] when there is no such file, when it is not a regular file, larger than [`MAX_FILE_BYTES`], or is not
    /// valid in the format that its extension names.
    pub fn load(path: &Path, prefix: &str, environment: Environment) -> Result<Self, Unreadable> {
        let fail = |fault| Unreadable {
            path: path.to_owned(),
            fault,
        };
        let file = locate(path).map_err(fail)?;
        let text = read_bounded(&file).map_err(fail)?;
        let parsed = Format::of(&file)
            .and_then(|format| format.parse(&text))
            .map_err(fail)?;
        let absolute = std::path::absolute(&file).map_err(|error| {
            fail(Fault::Io {
                path: file.clone(),
                error,
            })
        })?;
        Ok(Self {
            file: Some(absolute),
            keys: lower_case(parsed),
            prefix: prefix.to_owned(),
            environment,
        })
    }

    /// A configuration without a file: built-in values, below the variables of the environment.
    #[must_use]
    pub fn built_in(keys: Map<String, Value>, prefix: &str, environment: Environment) -> Self {
        Self {
            file: None,
            keys: lower_case(keys),
            prefix: prefix.to_owned(),
            environment,
        }
    }

    /// The file that was read, as an absolute path.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The environment that overlays the file.
    #[must_use]
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Sets a value that neither the file nor the environment can override.
    pub fn set(&mut self, key: &str, value: &str) {
        self.environment
            .0
            .insert(self.variable(key), value.to_owned());
    }

    /// The value of a key as text: numbers and booleans are written out; a missing key, a list and a section give `""`.
    #[must_use]
    pub fn text(&self, key: &str) -> String {
        match self.lookup(key) {
            Some(Found::Variable(text)) => text.to_owned(),
            Some(Found::Value(value)) => scalar(&value),
            None => String::new(),
        }
    }

    /// The value of a key as a list of texts; a plain text is split on white space.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<String> {
        match self.lookup(key) {
            Some(Found::Variable(text)) => words(text),
            Some(Found::Value(Value::Array(values))) => values.iter().map(scalar).collect(),
            Some(Found::Value(value)) => words(&scalar(&value)),
            None => Vec::new(),
        }
    }

    /// The value of a key that names a file: absolute as it is, otherwise relative to the directory of the configuration file.
    #[must_use]
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key);
        if text.is_empty() {
            return None;
        }
        let path = Path::new(&text);
        match self.file.as_deref().and_then(Path::parent) {
            Some(directory) if path.is_relative() => Some(clean(&directory.join(path))),
            _ => Some(path.to_owned()),
        }
    }

    /// The value of a key as a whole number.
    ///
    /// # Errors
    /// [`NotANumber`] when there is a value and it is not a whole number of at most 64 bits, or is negative.
    pub fn number(&self, key: &str) -> Result<Option<u64>, NotANumber> {
        let text = self.text(key);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| NotANumber {
            key: key.to_owned(),
            text,
        })
    }

    /// The value of a key that must be a text: unlike for [`Configuration::text`], a number or a boolean in the file is none.
    #[must_use]
    pub fn string(&self, key: &str) -> Option<String> {
        match self.lookup(key)? {
            Found::Variable(text) => Some(text.to_owned()),
            Found::Value(Value::String(text)) => Some(text),
            Found::Value(_) => None,
        }
    }

    /// The value of a key that must be true or false; in a variable, `true` or `false`. `None` when there is no such key.
    ///
    /// # Errors
    /// [`NotABoolean`] for every other value.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, NotABoolean> {
        let fail = || NotABoolean(key.to_owned());
        match self.lookup(key) {
            None => Ok(None),
            Some(Found::Variable(text)) => text.parse().map(Some).map_err(|_| fail()),
            Some(Found::Value(Value::Bool(value))) => Ok(Some(value)),
            Some(Found::Value(_)) => Err(fail()),
        }
    }

    /// The value of a key as it is in the file; in a variable, as JSON. `None` when there is no such key.
    ///
    /// # Errors
    /// [`NotJson`] when there is a variable and it is no JSON.
    pub fn json(&self, key: &str) -> Result<Option<Value>, NotJson> {
        match self.lookup(key) {
            None => Ok(None),
            Some(Found::Value(value)) => Ok(Some(value)),
            Some(Found::Variable(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| NotJson(key.to_owned())),
        }
    }

    /// Whether the key is a section (an object), and not missing or a plain value.
    #[must_use]
    pub fn is_section(&self, key: &str) -> bool {
        matches!(self.lookup(key), Some(Found::Value(Value::Object(_))))
    }

    /// The paths of the file's values that are neither in `known` nor below a path of `known` that ends in `.*`, in order.
    #[must_use]
    pub fn unknown_keys(&self, known: &[&str]) -> Vec<String> {
        let mut unknown = Vec::new();
        let mut open: Vec<(String, &Map<String, Value>)> = vec![(String::new(), &self.keys)];
        while let Some((prefix, section)) = open.pop() {
            for (name, value) in section {
                let path = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                match value {
                    Value::Object(below)
                        if known.iter().any(|key| key.starts_with(&format!("{path}."))) =>
                    {
                        open.push((path, below));
                    }
                    _ if known.iter().any(|key| covers(key, &path)) => {}
                    _ => unknown.push(path),
                }
            }
        }
        unknown.sort();
        unknown
    }

    /// What is said about a section: the paths of its values in the file, and the variables for it or for keys below it. A section that is
    /// there and says nothing counts, too.
    #[must_use]
    pub fn said_about(&self, section: &str) -> Vec<String> {
        let below = format!("{section}.");
        let mut said = Vec::new();
        let mut open: Vec<(String, &Value)> = self
            .keys
            .iter()
            .filter(|(name, _)| *name == section || name.starts_with(&below))
            .map(|(name, value)| (name.clone(), value))
            .collect();
        while let Some((path, value)) = open.pop() {
            match value {
                Value::Object(members) if !members.is_empty() => open.extend(
                    members
                        .iter()
                        .map(|(name, value)| (format!("{path}.{name}"), value)),
                ),
                _ => said.push(path),
            }
        }
        said.sort();
        let variable = self.variable(section);
        let variables = self.environment.0.iter().filter(|(name, value)| {
            let rest = name.strip_prefix(&variable);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_')) && !value.is_empty()
        });
        said.extend(variables.map(|(name, _)| name.clone()));
        said
    }

    /// Variables for sections above the `known` keys that are no JSON objects. They hide what the file says there, and say nothing instead.
    #[must_use]
    pub fn broken_sections(&self, known: &[&str]) -> Vec<String> {
        let mut broken = Vec::new();
        for key in known {
            for (end, _) in key.match_indices('.') {
                let variable = self.variable(key.get(..end).unwrap_or_default());
                let is_broken = self.environment.value(&variable).is_some_and(|text| {
                    !matches!(serde_json::from_str(text), Ok(Value::Object(_)))
                });
                if is_broken && !broken.contains(&variable) {
                    broken.push(variable);
                }
            }
        }
        broken
    }

    /// A variable for the key, a variable for one of the sections above it (which then hides the file's section), the file.
    fn lookup(&self, key: &str) -> Option<Found<'_>> {
        if let Some(text) = self.environment.value(&self.variable(key)) {
            return Some(Found::Variable(text));
        }
        for (end, _) in key.match_indices('.') {
            let (section, rest) = (key.get(..end)?, key.get(end + 1..)?);
            if let Some(text) = self.environment.value(&self.variable(section)) {
                let Ok(Value::Object(keys)) = serde_json::from_str(text) else {
                    return None;
                };
                return descend(&lower_case(keys), rest).map(Found::Value);
            }
        }
        descend(&self.keys, key).map(Found::Value)
    }

    fn variable(&self, key: &str) -> String {
        format!("{}_{}", self.prefix, key.to_uppercase().replace('.', "_"))
    }
}

enum Found<'a> {
    Variable(&'a str),
    Value(Value),
}

fn descend(keys: &Map<String, Value>, path: &str) -> Option<Value> {
    let mut parts = path.split('.');
    let mut value = keys.get(parts.next()?)?;
    for part in parts {
        value = value.as_object()?.get(part)?;
    }
    Some(value.clone())
}

fn covers(known: &str, path: &str) -> bool {
    known == path
        || known
            .strip_suffix('*')
            .is_some_and(|section| path.starts_with(section))
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) => value.to_string(),
        Value::Number(number) => match number.as_f64() {
            // As Go writes a float64: 600.0 is "600".
            Some(float) if !number.is_i64() && !number.is_u64() => float.to_string(),
            _ => number.to_string(),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// Key names in lower case at all levels. Of two spellings of one key, the one in lower case stays.
fn lower_case(keys: Map<String, Value>) -> Map<String, Value> {
    // A map iterates in byte order, so that lower case comes last. The depth is bounded by the parsers.
    keys.into_iter()
        .map(|(name, value)| {
            let value = match value {
                Value::Object(below) => Value::Object(lower_case(below)),
                other => other,
            };
            (name.to_lowercase(), value)
        })
        .collect()
}

/// The path without `.` and with `..` taken back by words, as the messages of the Go programs show it.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if cleaned.parent().is_some() => {
                cleaned.pop();
            }
            // The parent of the root is the root.
            Component::ParentDir => {}
            other => cleaned.push(other),
        }
    }
    cleaned
}

#[derive(Clone, Copy)]
enum Format {
    Json,
    Toml,
    Yaml,
}

const EXTENSIONS: [&str; 4] = ["json", "toml", "yaml", "yml"];

impl Format {
    fn of(path: &Path) -> Result<Self, Fault> {
        let extension = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        match extension.as_str() {
            "json" => Ok(Self::Json),
            "toml" => Ok(Self::Toml),
            "yaml" | "yml" => Ok(Self::Yaml),
            _ => Err(Fault::Format(extension)),
        }
    }

    fn parse(self, text: &str) -> Result<Map<String, Value>, Fault> {
        // The first line only: the others quote the file, and there are secrets in it.
        let syntax = |error: &dyn fmt::Display| {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            Fault::Syntax(line.strip_prefix("error: ").unwrap_or(line).to_owned())
        };
        let value = match self {
            Self::Json => serde_json::from_str(text).map_err(|error| syntax(&error))?,
            Self::Toml => toml::from_str(text).map_err(|error| syntax(&error.message()))?,
            Self::Yaml if text.trim().is_empty() => Value::Null,
            Self::Yaml => serde_saphyr::from_str(text).map_err(|error| syntax(&error))?,
        };
        match value {
            Value::Object(keys) => Ok(keys),
            // An empty YAML file is a configuration without keys.
            Value::Null if matches!(self, Self::Yaml) => Ok(Map::new()),
            _ => Err(Fault::Syntax(
                "the document is not an object of keys".to_owned(),
            )),
        }
    }
}

fn locate(path: &Path) -> Result<PathBuf, Fault> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if let Some(name) = path.file_name() {
        for extension in EXTENSIONS {
            let mut longer = name.to_owned();
            longer.push(".");
            longer.push(extension);
            let longer = path.with_file_name(longer);
            if longer.is_file() {
                return Ok(longer);
            }
        }
    }
    match path.metadata() {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(Fault::Io {
                path: path.to_owned(),
                error,
            })
        }
        _ => Err(Fault::NotFound(path.to_owned())),
    }
}

fn read_bounded(path: &Path) -> Result<String, Fault> {
    let io = |error| Fault::Io {
        path: path.to_owned(),
        error,
    };
    let mut text = String::new();
    let read = File::open(path)
        .map_err(io)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(io)?;
    if read as u64 > MAX_FILE_BYTES {
        Err(Fault::TooLarge)
    } else {
        Ok(text)
    }
}

/// A configuration file could not be read. The text begins as that of the Go programs.
#[derive(Debug, thiserror::Error)]
#[error("Could not read config at :{}, viper error: {fault}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    fault: Fault,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("Unsupported Config Type {0:?}")]
    Format(String),
    #[error("open {}: {}", path.display(), crate::files::reason(error))]
    Io { path: PathBuf, error: io::Error },
    #[error("Config File {:?} Not Found in \"[{}]\"", stem(.0), directory(.0).display())]
    NotFound(PathBuf),
    #[error("While parsing config: {0}")]
    Syntax(String),
    #[error("the file is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_else(|| ".".as_ref())
        .to_string_lossy()
        .into_owned()
}

fn directory(path: &Path) -> PathBuf {
    let parent = path.parent().unwrap_or_else(|| Path::new(""));
    std::path::absolute(if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    })
    .map_or_else(|_| parent.to_owned(), |path| clean(&path))
}

/// A variable that must be JSON and is not.
#[derive(Debug, thiserror::Error)]
#[error("the variable for {0} must be JSON")]
pub struct NotJson(String);

/// A value that should be true or false, and is not.
#[derive(Debug, thiserror::Error)]
#[error("{0} must be true or false")]
pub struct NotABoolean(String);

/// A key has a value that is not a whole number.
#[derive(Debug, thiserror::Error)]
#[error("{key} must be a whole number, and is {text:?}")]
pub struct NotANumber {
    /// The key.
    pub key: String,
    /// Its value.
    pub text: String,
}
