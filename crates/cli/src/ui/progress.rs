//! What a docker daemon says while it pushes or pulls, shown as docker shows it: on a terminal one line for each layer, which is drawn
//! again when the layer gets on; elsewhere one line for each step, and no bars.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

use signet_oci::daemon::{Amount, Message, Progress};
use time::OffsetDateTime;

use super::log::Clock;
use super::printer::Printer;
use crate::texts::visible;

/// How many layers are remembered with the lines they are drawn on.
const MAX_LINES: usize = 10_000;

/// Shows a daemon's progress on standard output, or on standard error.
#[derive(Debug)]
pub struct DaemonProgress {
    printer: Printer,
    clock: Clock,
    on_stderr: bool,
    on_terminal: bool,
    lines: HashMap<String, usize>,
}

impl DaemonProgress {
    /// Shows progress on the process's standard output.
    #[must_use]
    pub fn new(printer: Printer, clock: Clock) -> Self {
        Self {
            printer,
            clock,
            on_stderr: false,
            on_terminal: io::stdout().is_terminal(),
            lines: HashMap::new(),
        }
    }

    /// The same on standard error, where standard output belongs to somebody else.
    #[must_use]
    pub fn on_stderr(self) -> Self {
        Self {
            on_stderr: true,
            on_terminal: io::stderr().is_terminal(),
            ..self
        }
    }

    /// What `message` adds to the output. `width` is the terminal's.
    fn draw(&mut self, message: &Message, width: usize) -> String {
        let mut text = String::new();
        let mut below = 0;
        if !message.id.is_empty()
            && (message.progress.is_some() || !message.drawn_progress.is_empty())
        {
            if self.lines.len() >= MAX_LINES {
                self.lines.clear();
            }
            let next = self.lines.len();
            let line = *self.lines.entry(message.id.clone()).or_insert_with(|| {
                if self.on_terminal {
                    text.push('\n');
                }
                next
            });
            below = self.lines.len().saturating_sub(line);
            if self.on_terminal {
                let _ = write!(text, "\x1b[{below}A");
            }
        } else {
            // Lines above one that is no layer's are never drawn again.
            self.lines.clear();
        }
        self.draw_line(&mut text, message, width);
        if self.on_terminal && !message.id.is_empty() && below > 0 {
            let _ = write!(text, "\x1b[{below}B");
        }
        text
    }

    fn draw_line(&self, text: &mut String, message: &Message, width: usize) {
        let bar = message
            .progress
            .as_ref()
            .map(|amount| bar(amount, width, (self.clock)()));
        let redrawn = self.on_terminal && message.stream.is_empty() && bar.is_some();
        let end = if redrawn { "\r" } else { "" };
        if redrawn {
            text.push_str("\x1b[2K\r");
        } else if bar.as_ref().is_some_and(|bar| !bar.is_empty()) {
            return;
        }
        if let Some(moment) = moment(message) {
            let _ = write!(text, "{moment} ");
        }
        if !message.id.is_empty() {
            let _ = write!(text, "{}: ", visible(&message.id));
        }
        if !message.from.is_empty() {
            let _ = write!(text, "(from {}) ", visible(&message.from));
        }
        let status = visible(&message.status);
        // Writing to a string cannot fail.
        let _ = match bar {
            Some(bar) if self.on_terminal => write!(text, "{status} {bar}{end}"),
            _ if !message.drawn_progress.is_empty() => {
                write!(text, "{status} {}{end}", visible(&message.drawn_progress))
            }
            _ if !message.stream.is_empty() => {
                let lines: Vec<String> = message.stream.split('\n').map(visible).collect();
                write!(text, "{}{end}", lines.join("\n"))
            }
            _ => writeln!(text, "{status}{end}"),
        };
    }
}

impl Progress for DaemonProgress {
    fn show(&mut self, message: &Message) -> io::Result<()> {
        let size = if self.on_stderr {
            rustix::termios::tcgetwinsize(io::stderr())
        } else {
            rustix::termios::tcgetwinsize(io::stdout())
        };
        let width = size.map_or(200, |size| usize::from(size.ws_col));
        let text = self.draw(message, width);
        if self.on_stderr {
            self.printer.err(&text);
            return Ok(());
        }
        self.printer.out(&text)
    }
}

/// docker's bar: `[====>      ]  1.2MB/3.4MB`. Nothing while nothing has happened.
fn bar(amount: &Amount, width: usize, now: OffsetDateTime) -> String {
    let Amount { current, total, .. } = *amount;
    if current <= 0 && total <= 0 {
        return String::new();
    }
    let units = visible(&amount.units);
    if total <= 0 {
        return if units.is_empty() {
            format!("{:>8}", human_size(current))
        } else {
            format!("{current} {units}")
        };
    }
    let done = half_percent(current, total);
    let mut text = String::new();
    if width > 110 {
        let _ = write!(text, "[{}>{}] ", "=".repeat(done), " ".repeat(50 - done));
    }
    if !amount.hide_counts {
        // A part that is larger than the whole: the whole is not known.
        let whole_is_known = current <= total;
        let _ = match (units.is_empty(), whole_is_known) {
            (true, true) => write!(text, "{:>8}/{}", human_size(current), human_size(total)),
            (true, false) => write!(text, "{:>8}", human_size(current)),
            (false, true) => write!(text, "{current}/{total} {units}"),
            (false, false) => write!(text, "{current} {units}"),
        };
    }
    if current > 0 && amount.start > 0 && done < 50 && width > 50 {
        let _ = write!(text, " {}", time_left(amount, now));
    }
    text
}

/// How many of the fifty parts of the bar are done.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "docker computes it in floating point, and rounding shows"
)]
fn half_percent(current: i64, total: i64) -> usize {
    let percent = (current as f64 / total as f64 * 100.0) as i64;
    usize::try_from(percent / 2).unwrap_or(0).min(50)
}

/// Four digits and a decimal unit, as Go's `units.HumanSize` writes them with `%.4g`.
#[expect(
    clippy::cast_precision_loss,
    reason = "four digits are shown of the number"
)]
fn human_size(bytes: i64) -> String {
    const UNITS: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    let mut size = bytes as f64;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while size >= 1000.0 {
        size /= 1000.0;
        unit = units.next();
    }
    let digits_before: usize = match size {
        _ if size < 10.0 => 1,
        _ if size < 100.0 => 2,
        _ => 3,
    };
    let text = format!("{size:.*}", 4 - digits_before);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{}", unit.unwrap_or(&"YB"))
}

/// How long the rest will take at the speed so far, in Go's form: `1h2m3s`.
fn time_left(amount: &Amount, now: OffsetDateTime) -> String {
    let since = now.unix_timestamp_nanos() - i128::from(amount.start) * 1_000_000_000;
    let each = since / i128::from(amount.current.max(1));
    let left = (each * i128::from(amount.total - amount.current) / 1_000_000_000).max(0);
    let (hours, minutes, seconds) = (left / 3600, left / 60 % 60, left % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// When something happened, if the daemon says so.
fn moment(message: &Message) -> Option<String> {
    let nanoseconds = match (message.time_nano, message.time) {
        (0, 0) => return None,
        (0, seconds) => i128::from(seconds) * 1_000_000_000,
        (nanoseconds, _) => i128::from(nanoseconds),
    };
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?;
    let (hour, minute, second, nanosecond) = moment.to_hms_nano();
    Some(format!(
        "{}T{hour:02}:{minute:02}:{second:02}.{nanosecond:09}Z",
        moment.date()
    ))
}
