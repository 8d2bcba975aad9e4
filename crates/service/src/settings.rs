//! The keys that both services have, with the texts that both Go services have for their faults.

use std::time::Duration;

use crate::config::{Configuration, NotANumber};
use crate::telemetry::{InvalidLevel, Level};

/// The key `logging.level`.
///
/// # Errors
/// [`InvalidLevel`].
pub fn log_level(configuration: &Configuration) -> Result<Level, InvalidLevel> {
    let text = configuration.text("logging.level");
    if text.is_empty() {
        Ok(Level::Error)
    } else {
        text.parse()
    }
}

/// Error reporting without the key of an account.
#[derive(Debug, thiserror::Error)]
#[error("must provide an API key for bugsnag")]
pub struct MissingApiKey;

/// Whether error reporting is configured, which is accepted and does nothing but warn.
///
/// # Errors
/// [`MissingApiKey`].
pub fn reporting(configuration: &Configuration) -> Result<(), MissingApiKey> {
    let text = |key: &str| configuration.text(&format!("reporting.bugsnag.{key}"));
    let any = ["api_key", "release_stage", "endpoint"]
        .iter()
        .any(|key| !text(key).is_empty());
    if any && text("api_key").is_empty() {
        return Err(MissingApiKey);
    }
    if any {
        tracing::warn!(
            "reporting.bugsnag is configured: this server reports nothing to anybody, errors are in its log"
        );
    }
    Ok(())
}

/// `RethinkDB` is given up upstream and is refused; what is missing is named first, as in Go.
#[must_use]
pub fn rethinkdb_fault(configuration: &Configuration) -> &'static str {
    let missing = |key: &str| configuration.text(&format!("storage.{key}")).is_empty();
    if missing("db_url") {
        "must provide a non-empty host:port for rethinkdb"
    } else if missing("tls_ca_file") {
        "cowardly refusal to connect to rethinkdb without a CA cert"
    } else if missing("client_cert_file") || missing("client_key_file") {
        "cowardly refusal to connect to rethinkdb without a client cert and key"
    } else if missing("database") {
        "rethinkdb requires a specific database to connect to"
    } else if missing("username") {
        "rethinkdb requires a username to connect to the db"
    } else {
        "rethinkdb is not a supported storage backend"
    }
}

/// A number that is not one, or is nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// Not a whole number.
    #[error(transparent)]
    Number(#[from] NotANumber),
    /// A limit of nothing is no limit that anybody means.
    #[error("{0} must be at least 1")]
    Nothing(String),
}

/// The value of a key that is at least 1.
///
/// # Errors
/// [`LimitError`].
pub fn positive(configuration: &Configuration, key: &str, default: u64) -> Result<u64, LimitError> {
    match configuration.number(key)?.unwrap_or(default) {
        0 => Err(LimitError::Nothing(key.to_owned())),
        value => Ok(value),
    }
}

/// The value of a key that is a number of seconds, at least 1 and at most a year.
///
/// # Errors
/// [`LimitError`].
pub fn seconds(
    configuration: &Configuration,
    key: &str,
    default: Duration,
) -> Result<Duration, LimitError> {
    let value = positive(configuration, key, default.as_secs())?;
    Ok(Duration::from_secs(value.min(YEAR)))
}

/// The longest duration that is taken, in seconds: timers overflow with more.
pub const YEAR: u64 = 31_536_000;
