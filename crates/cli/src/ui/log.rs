//! Log lines on standard error in the form of the original programs (logrus, not on a terminal):
//! `time="2026-11-22T19:20:45Z" level=warning msg="…"`.

use std::fmt::{self, Write as _};
use std::io;
use std::time::Instant;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::texts::{quote, visible};
use crate::ui::printer::Printer;

/// The program's clock.
pub type Clock = fn() -> OffsetDateTime;

/// How much is logged, with docker's names.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Only what ends the program.
    Fatal,
    /// What failed.
    Error,
    /// What is doubtful.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// What happens inside.
    Debug,
}

impl LogLevel {
    /// Parses logrus's names; `None` for other words.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "panic" | "fatal" => Self::Fatal,
            "error" => Self::Error,
            "warn" | "warning" => Self::Warn,
            "info" => Self::Info,
            "debug" | "trace" => Self::Debug,
            _ => return None,
        })
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// As `time="…" level=warning msg="…"`, wherever it goes.
    Fields,
    /// The same, but on a terminal as logrus shows it to people: `WARN[0000] …` in colour.
    People,
}

/// Starts logging for the rest of the process, through `printer`.
pub fn start(level: LogLevel, form: Form, clock: Clock, printer: &Printer) {
    let people = (form == Form::People && printer.talks_to_terminal()).then(|| People {
        since: Instant::now(),
        colors: printer.has_color(),
    });
    let printer = printer.clone();
    let most = match level {
        LogLevel::Fatal => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(most)
        .with_writer(move || Lines(printer.clone()))
        .event_format(Logrus {
            clock,
            people,
            fields: level == LogLevel::Debug,
        })
        .finish();
    // A second start, in tests of one process, keeps the first.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Each line is one write: it takes the sign of life off the terminal first.
struct Lines(Printer);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.err(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Logrus {
    clock: Clock,
    /// `None` for scripts.
    people: Option<People>,
    fields: bool,
}

/// Those who watch the terminal.
#[derive(Clone, Copy)]
struct People {
    since: Instant,
    colors: bool,
}

impl<S, N> FormatEvent<S, N> for Logrus
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Other people's crates speak their own language; only what is ours follows the originals.
        if !event.metadata().target().starts_with("signet") {
            return Ok(());
        }
        let mut parts = Parts::default();
        event.record(&mut parts);
        let level = *event.metadata().level();
        writer.write_str(&match self.people {
            Some(People { since, colors }) => {
                people_line(since.elapsed().as_secs(), level, &parts.message, colors)
            }
            None => line((self.clock)(), level, &parts.message),
        })?;
        if self.fields {
            writer.write_str(&parts.fields)?;
        }
        writer.write_char('\n')
    }
}

fn line(now: OffsetDateTime, level: Level, message: &str) -> String {
    // Go's RFC 3339 has whole seconds.
    let now = now
        .replace_nanosecond(0)
        .unwrap_or(now)
        .format(&Rfc3339)
        .unwrap_or_default();
    let level = match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    };
    format!("time=\"{now}\" level={level} msg={}", value(message))
}

/// compat: colours also where `TERM` says that there are none, as logrus does it.
fn people_line(seconds: u64, level: Level, message: &str, colors: bool) -> String {
    let (word, color) = match level {
        Level::ERROR => ("ERRO", 31),
        Level::WARN => ("WARN", 33),
        Level::INFO => ("INFO", 36),
        Level::DEBUG | Level::TRACE => ("DEBU", 37),
    };
    let message = visible(message);
    let word = if colors {
        format!("\x1b[{color}m{word}\x1b[0m")
    } else {
        word.to_owned()
    };
    format!("{word}[{seconds:04}] {message:<44} ")
}

/// logrus quotes a value only when it has to.
fn value(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/@^+".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        quote(text)
    }
}

#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
}

impl Visit for Parts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(
                self.fields,
                " {name}={}",
                self::value(&format!("{value:?}"))
            ),
        };
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// Section 1.3 of the specification of `notary`.
    #[test]
    fn people_see_levels_in_colour() {
        assert_eq!(
            people_line(
                3,
                Level::WARN,
                "a role has fewer keys than its threshold",
                true
            ),
            "\x1b[33mWARN\x1b[0m[0003] a role has fewer keys than its threshold     "
        );
        assert_eq!(
            people_line(12, Level::ERROR, "x", false),
            format!("ERRO[0012] {:44} ", "x")
        );
    }

    /// The form of the manual's log lines, as docker 28.2.2 writes them when standard error is no terminal.
    #[test]
    fn writes_logrus_lines() {
        let message = "Error getting targets/releases: valid signatures did not meet threshold for targets/releases";
        assert_eq!(
            line(datetime!(2026-11-22 19:20:45.5 UTC), Level::WARN, message),
            format!("time=\"2026-11-22T19:20:45Z\" level=warning msg=\"{message}\"")
        );
        assert_eq!(
            line(datetime!(2026-11-22 19:20:45 UTC), Level::ERROR, "done"),
            "time=\"2026-11-22T19:20:45Z\" level=error msg=done"
        );
    }
}
