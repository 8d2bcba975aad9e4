//! Log lines in the form of logrus, the logging library of the Go services: one JSON object per line on standard error, keys
//! sorted, or `logfmt`.
//!
//! Events come in through `tracing`. Events of other crates are shown from level warning on only, since below it some write
//! what belongs to their users. The level can be changed while the program runs (SIGUSR1 and SIGUSR2 do so).

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::future::Future;
use std::io::Write as _;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// How severe a line must be to be shown; the names and their order are those of logrus.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Level {
    /// Nothing but the end of the process.
    Panic,
    /// Nothing but the end of the process.
    Fatal,
    /// Faults of the service.
    Error,
    /// Things an operator should look at.
    Warning,
    /// What happens, one line or more per request.
    Info,
    /// Details.
    Debug,
    /// Everything. Only a configuration reaches it; signals stop at debug.
    Trace,
}

impl Level {
    const ALL: [Self; 7] = [
        Self::Panic,
        Self::Fatal,
        Self::Error,
        Self::Warning,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// The name as it is written in log lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    const fn filter(self) -> LevelFilter {
        match self {
            Self::Panic | Self::Fatal => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warning => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }

    const fn of(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warning,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::TRACE => Self::Trace,
        }
    }
}

impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLevel> {
        let lower = text.to_lowercase();
        let named = Self::ALL.into_iter().find(|level| level.name() == lower);
        named
            .or_else(|| (lower == "warn").then_some(Self::Warning))
            .ok_or_else(|| InvalidLevel(text.to_owned()))
    }
}

/// A text that is not the name of a level.
#[derive(Debug, thiserror::Error)]
#[error("not a valid logrus Level: {0:?}")]
pub struct InvalidLevel(String);

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// `key=value` pairs.
    Logfmt,
}

impl FromStr for Format {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        match text {
            "json" => Ok(Self::Json),
            "logfmt" => Ok(Self::Logfmt),
            _ => Err(InvalidFormat(text.to_owned())),
        }
    }
}

/// A text that is not the name of a log format.
#[derive(Debug, thiserror::Error)]
#[error("invalid log format {0:?}: must be json or logfmt")]
pub struct InvalidFormat(String);

/// Fields that are added to every line written while a piece of work runs, such as a request's.
pub trait LogFields: Send + Sync {
    /// Gives the fields, in any order.
    fn fields(&self, add: &mut dyn FnMut(&'static str, Value));
}

tokio::task_local!(static WORK: Arc<dyn LogFields>);

/// `work`, whose lines carry `fields`; they are asked for only when there is such a line.
pub fn with_fields<F: Future>(
    fields: Arc<dyn LogFields>,
    work: F,
) -> impl Future<Output = F::Output> {
    // Not an async function: that would hold `work` twice, and requests are moved around a lot.
    WORK.scope(fields, work)
}

/// `work` with the fields of the work that it is a part of, also in a task of its own.
pub fn carry_fields<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    let fields = WORK.try_with(Arc::clone).ok();
    async move {
        match fields {
            Some(fields) => WORK.scope(fields, work).await,
            None => work.await,
        }
    }
}

/// The log of this process. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Telemetry {
    format: Format,
    level: Arc<AtomicU8>,
}

impl Telemetry {
    /// Makes this log the destination of all `tracing` events of the process, and of panics. The level is info until it is
    /// set. A second call changes nothing but gives a log that can be written to.
    #[must_use]
    pub fn install(format: Format) -> Self {
        let telemetry = Self {
            format,
            level: Arc::new(AtomicU8::new(Level::Info as u8)),
        };
        let subscriber = tracing_subscriber::registry().with(telemetry.clone());
        if tracing::subscriber::set_global_default(subscriber).is_ok() {
            let log = telemetry.clone();
            std::panic::set_hook(Box::new(move |panic| {
                let text = panic.payload_as_str().unwrap_or("panic");
                let mut fields = current_fields();
                if let Some(place) = panic.location() {
                    fields.insert("place".to_owned(), Value::from(place.to_string()));
                }
                log.write(Level::Panic, &format!("panic: {text}"), fields);
            }));
        }
        telemetry
    }

    /// The level that a line must have to be shown.
    #[must_use]
    pub fn level(&self) -> Level {
        let number = usize::from(self.level.load(Ordering::Relaxed));
        Level::ALL.get(number).copied().unwrap_or(Level::Info)
    }

    /// Sets the level that a line must have to be shown.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }

    /// Raises (`true`) or lowers the level by one step between panic and debug, and says what came of it in the words that
    /// the Go services print on standard output.
    #[must_use]
    pub fn step(&self, raise: bool) -> String {
        let level = self.level();
        let next = usize::from(level as u8).checked_add_signed(if raise { 1 } else { -1 });
        let next = next.and_then(|number| Level::ALL.get(number)).copied();
        match next {
            Some(next) if !raise || level < Level::Debug => {
                self.set_level(next);
                format!("Successfully setting log level to {}", next.name())
            }
            _ => {
                let (verb, end) = if raise {
                    ("increase", "higher than Debug")
                } else {
                    ("decrease", "lower than Panic")
                };
                let name = level.name();
                format!(
                    "Attempt to {verb} log level failed, will remain at {name} level, error: log level can not be set {end}"
                )
            }
        }
    }

    /// Writes the last line of a process that cannot go on. It is shown at every level.
    pub fn fatal(&self, message: &str) {
        self.write(Level::Fatal, message, BTreeMap::new());
    }

    /// Writes a line of the audit log, with these fields. It is shown at every level.
    pub fn audit(&self, fields: serde_json::Map<String, Value>) {
        let mut line: BTreeMap<String, Value> = fields.into_iter().collect();
        line.insert("audit".to_owned(), Value::from(true));
        self.write(Level::Info, "audit", line);
    }

    fn write(&self, level: Level, message: &str, mut fields: BTreeMap<String, Value>) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a log line carries the time at which it was written"
        )]
        let now = OffsetDateTime::now_utc()
            .replace_nanosecond(0)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let time = now.format(&Rfc3339).unwrap_or_default();
        let line = match self.format {
            Format::Json => {
                fields.insert("level".to_owned(), Value::from(level.name()));
                fields.insert("msg".to_owned(), Value::from(message));
                fields.insert("time".to_owned(), Value::from(time));
                let line = serde_json::to_string(&fields).unwrap_or_default();
                visible(&line) + "\n"
            }
            Format::Logfmt => logfmt(level, message, &time, &fields),
        };
        // One call for the line, so that lines of several threads do not mix. There is nowhere to report a failure to.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn shows(&self, metadata: &Metadata<'_>) -> bool {
        let ours =
            metadata.target().starts_with("signet") || metadata.target().starts_with("notary");
        let level = if ours {
            self.level()
        } else {
            self.level().min(Level::Warning)
        };
        *metadata.level() <= level.filter()
    }
}

impl<S: Subscriber> Layer<S> for Telemetry {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.shows(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.shows(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level().filter())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line {
            message: String::new(),
            fields: current_fields(),
        };
        event.record(&mut line);
        self.write(
            Level::of(*event.metadata().level()),
            &line.message,
            line.fields,
        );
    }
}

fn current_fields() -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    // Outside of such work there are no fields.
    let _ = WORK.try_with(|work| {
        work.fields(&mut |name, value| {
            fields.insert(name.to_owned(), value);
        });
    });
    fields
}

struct Line {
    message: String,
    fields: BTreeMap<String, Value>,
}

impl Line {
    fn add(&mut self, field: &Field, value: Value) {
        // The names of logrus' own members are taken.
        let name = match field.name() {
            name @ ("level" | "msg" | "time") => format!("fields.{name}"),
            name => name.to_owned(),
        };
        self.fields.insert(name, value);
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.add(field, Value::from(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.add(field, Value::from(value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::from(value));
    }
}

/// A line of JSON in which nothing is left that a terminal would obey or not show, such as letters that turn the direction of the text:
/// they are written as JSON allows, `\u202e`.
fn visible(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for letter in line.chars() {
        let is_plain = matches!(letter, ' '..='~')
            || !letter.is_ascii() && letter.escape_debug().next() == Some(letter);
        if is_plain {
            shown.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // A String takes everything.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    shown
}

fn logfmt(level: Level, message: &str, time: &str, fields: &BTreeMap<String, Value>) -> String {
    let mut line = format!(
        "time=\"{time}\" level={} msg={}",
        level.name(),
        quoted(message)
    );
    for (name, value) in fields {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        // A String takes everything.
        let _ = write!(line, " {}={}", quoted(name), quoted(&value));
    }
    line.push('\n');
    line
}

/// Plain words as they are, everything else in quotes with escapes, as logrus does.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._/@^+".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(level: Level) -> Telemetry {
        Telemetry {
            format: Format::Json,
            level: Arc::new(AtomicU8::new(level as u8)),
        }
    }

    #[test]
    fn levels_are_those_of_logrus() {
        for (text, level) in [
            ("warn", Level::Warning),
            ("WARNING", Level::Warning),
            ("Panic", Level::Panic),
            ("trace", Level::Trace),
        ] {
            assert_eq!(text.parse::<Level>().unwrap(), level);
        }
        let error = "x y".parse::<Level>().unwrap_err();
        assert_eq!(error.to_string(), "not a valid logrus Level: \"x y\"");
    }

    // The texts were printed by notary-server 0.7.0.
    #[test]
    fn signals_step_through_the_levels_with_the_texts_of_go() {
        let log = log(Level::Info);
        assert_eq!(log.step(true), "Successfully setting log level to debug");
        assert_eq!(
            log.step(true),
            "Attempt to increase log level failed, will remain at debug level, error: log level can not be set higher than Debug"
        );
        for name in ["info", "warning", "error", "fatal", "panic"] {
            assert_eq!(
                log.step(false),
                format!("Successfully setting log level to {name}")
            );
        }
        assert_eq!(
            log.step(false),
            "Attempt to decrease log level failed, will remain at panic level, error: log level can not be set lower than Panic"
        );
    }

    #[test]
    fn a05_what_cannot_be_seen_is_escaped_and_still_the_same() {
        let hostile = "a\nb\u{1b}[2J\u{85}\u{9b}\u{2028}\u{202e}\u{7f}\"\\ü\u{e0041}\u{1f512}";
        let line = serde_json::json!({"gun": hostile}).to_string();
        let shown = visible(&line);
        assert_eq!(
            shown,
            r#"{"gun":"a\nb\u001b[2J\u0085\u009b\u2028\u202e\u007f\"\\ü\udb40\udc41🔒"}"#
        );
        let read: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["gun"], hostile);
    }

    #[test]
    fn logfmt_quotes_what_is_not_a_plain_word() {
        let fields = BTreeMap::from([
            ("http.response.status".to_owned(), Value::from(404)),
            ("gun".to_owned(), Value::from("a b\n")),
        ]);
        assert_eq!(
            logfmt(
                Level::Info,
                "response completed",
                "2026-11-22T21:46:18Z",
                &fields
            ),
            "time=\"2026-11-22T21:46:18Z\" level=info msg=\"response completed\" gun=\"a b\\n\" http.response.status=404\n"
        );
    }
}
