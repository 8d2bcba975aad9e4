//! How a command ends: the only place that knows exit codes.

use std::io;
use std::process::ExitCode;

use super::printer::Printer;
use crate::texts::visible;

/// Why a command failed, as the person is told.
#[derive(Debug)]
pub struct Failure {
    text: String,
    hints: Vec<String>,
    code: u8,
}

/// The exit code of wrong flags.
pub const USAGE: u8 = 125;

impl Failure {
    /// A failure with the text for standard error and exit code 1.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hints: Vec::new(),
            code: 1,
        }
    }

    /// A failure of which everything has been said.
    #[must_use]
    pub fn silent() -> Self {
        Self::new("")
    }

    /// The same failure with another exit code.
    #[must_use]
    pub fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// The same failure with advice, which only a person at a terminal sees.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The text for standard error.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.code
    }

    /// The advice.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The same failure with `before` in front of its text.
    #[must_use]
    pub fn prefix(mut self, before: &str) -> Self {
        self.text.insert_str(0, before);
        self
    }

    /// The same failure with a line below its text.
    #[must_use]
    pub fn and(mut self, line: &str) -> Self {
        self.text.push('\n');
        self.text.push_str(line);
        self
    }

    /// The same failure with `after` behind its text.
    #[must_use]
    pub fn suffix(mut self, after: &str) -> Self {
        self.text.push_str(after);
        self
    }

    /// Prints the failure without ending the command: one of several things failed.
    pub fn print(&self, printer: &Printer) {
        if !self.text.is_empty() {
            // Servers have their say in some texts; what a terminal would obey is shown instead.
            let lines: Vec<String> = self.text.split('\n').map(visible).collect();
            printer.err(&format!("{}\n", lines.join("\n")));
        }
        self.print_hints(printer);
    }

    /// Prints the advice alone.
    pub fn print_hints(&self, printer: &Printer) {
        if printer.talks_to_terminal() {
            let label = if printer.has_color() {
                "\x1b[36mhint:\x1b[0m"
            } else {
                "hint:"
            };
            for hint in &self.hints {
                printer.err(&format!("{label} {}\n", visible(hint)));
            }
        }
    }
}

/// An error with everything that led to it, in one line.
#[must_use]
pub fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let said = source.to_string();
        // Transparent errors repeat what they wrap.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        next = source.source();
    }
    text
}

impl From<io::Error> for Failure {
    /// Output that cannot be written.
    fn from(error: io::Error) -> Self {
        // The reader has gone away and knows it.
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::silent()
        } else {
            Self::new(format!("cannot write the output: {error}"))
        }
    }
}

/// Reports a command's end and gives the process's exit code.
#[must_use]
pub fn finish(result: Result<(), Failure>, printer: &Printer) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(printer);
            ExitCode::from(failure.code)
        }
    }
}
