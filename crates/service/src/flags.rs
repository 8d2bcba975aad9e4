//! Command lines, read as Go's `flag` package reads them: one dash or two, `-flag value` or `-flag=value` (switches take `=` only),
//! reading ends at the first argument that is not a flag.
//!
//! A general parser would have to be bent in every one of these points, and the texts are compatible ones.

use std::ffi::OsString;

use crate::telemetry;

/// A flag that was given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Given {
    /// A flag that is on or off.
    Switch(&'static str, bool),
    /// A flag with a value, as the operating system gave it: a path need not be UTF-8.
    Value(&'static str, OsString),
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// To do what the flags say.
    Run,
    /// How the program is used, in Go's form.
    Usage,
    /// The same with explanations.
    Help,
}

/// A command line that cannot be understood. The texts are those of Go.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// A word that begins like a flag and is none.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// The last flag lacks its value.
    #[error("flag needs an argument: -{0}")]
    MissingValue(String),
    /// A value that means nothing.
    #[error("invalid value {value:?} for flag -{flag}: {reason}")]
    Value {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A switch that is neither on nor off.
    #[error("invalid boolean value {value:?} for -{flag}: parse error")]
    Boolean {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// No such flag.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// What a program has to say of arguments of its own.
    #[error("{0}")]
    Other(String),
}

/// Reads the arguments after the program's name; `take` gets each flag in its turn. `switches` and `values` are the names of the flags
/// that there are, beside `h` and `help`.
///
/// # Errors
/// [`UsageError`], after which programs print their usage and end with 2; what `take` refuses.
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
    switches: &[&'static str],
    values: &[&'static str],
    mut take: impl FnMut(Given) -> Result<(), UsageError>,
) -> Result<Asked, UsageError> {
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let Some(name) = text.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            break;
        };
        let name = name.strip_prefix('-').unwrap_or(name);
        if name.is_empty() {
            break;
        }
        if name.starts_with(['-', '=']) {
            return Err(UsageError::Syntax(text));
        }
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (name, None),
        };
        let known = |names: &[&'static str]| names.iter().copied().find(|known| *known == name);
        if let Some(flag) = known(switches) {
            let value = value.unwrap_or("true");
            let on = boolean(value).ok_or_else(|| UsageError::Boolean {
                flag,
                value: value.to_owned(),
            })?;
            take(Given::Switch(flag, on))?;
        } else if let Some(flag) = known(values) {
            let value = match value {
                Some(value) => OsString::from(value),
                None => arguments
                    .next()
                    .ok_or_else(|| UsageError::MissingValue(flag.to_owned()))?,
            };
            take(Given::Value(flag, value))?;
        } else {
            match name {
                "h" => return Ok(Asked::Usage),
                "help" => return Ok(Asked::Help),
                _ => return Err(UsageError::Unknown(name.to_owned())),
            }
        }
    }
    Ok(Asked::Run)
}

/// The value of the flag `logf`.
///
/// # Errors
/// [`UsageError::Value`].
pub fn log_format(value: &OsString) -> Result<telemetry::Format, UsageError> {
    let text = value.to_string_lossy().into_owned();
    text.parse()
        .map_err(|error: telemetry::InvalidFormat| UsageError::Value {
            flag: "logf",
            value: text,
            reason: error.to_string(),
        })
}

/// What Go's `strconv.ParseBool` accepts.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
