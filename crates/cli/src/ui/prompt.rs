//! Asking the person: names, passphrases without echo, confirmations.
//!
//! Questions go to standard output, as docker's do, or to standard error where a program reads the output. Answers come from standard input, terminal or not: a script may pipe one line per
//! question. One buffer serves all questions of a command (docker uses one per question and loses lines), and the first end of input ends
//! the asking.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use secrecy::SecretString;
use zeroize::{Zeroize as _, Zeroizing};

use super::interrupt::{EchoOff, Question};
use super::printer::Printer;

/// The person at the terminal, or the script that answers instead.
#[derive(Debug)]
pub struct Terminal {
    printer: Printer,
    /// Whether questions keep out of standard output.
    on_stderr: bool,
    input: Mutex<Input>,
}

/// Why no answer could be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The input ended before the answer.
    #[error("the input ended before an answer was given")]
    EndOfInput,
    /// Reading or writing failed.
    #[error("cannot ask on the terminal")]
    Io(#[from] io::Error),
    /// Nobody answered.
    #[error("nobody answered within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The answer is not UTF-8.
    #[error("the answer is not text")]
    NotText,
    /// The answer is longer than any passphrase.
    #[error("the answer is longer than {} bytes", MAX_LINE)]
    TooLong,
}

/// The longest line that is read.
const MAX_LINE: usize = 64 * 1024;

impl Terminal {
    /// Asks through `printer` and the process's standard input.
    #[must_use]
    pub fn new(printer: Printer) -> Self {
        Self {
            printer,
            on_stderr: false,
            input: Mutex::default(),
        }
    }

    /// The same with every question on standard error: what goes to standard output is for a program.
    #[must_use]
    pub fn asking_on_stderr(self) -> Self {
        Self {
            on_stderr: true,
            ..self
        }
    }

    /// Says something where the questions go.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn say(&self, text: &str) -> io::Result<()> {
        if self.on_stderr {
            self.printer.err(text);
            return Ok(());
        }
        self.printer.out(text)
    }

    /// Asks for something that may be seen, and waits so long for a line of it.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn ask(&self, question: &str, limit: Duration) -> Result<String, AskError> {
        let _asking = self.printer.asking();
        let _question = Question::new();
        self.say(question)?;
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let line = input.line(Some(limit))?;
        let text = std::str::from_utf8(&line).map_err(|_| AskError::NotText)?;
        Ok(text.trim().to_owned())
    }

    /// Asks for something that must not be shown. What is typed is not echoed; a newline follows the answer.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn ask_secret(&self, question: &str) -> Result<SecretString, AskError> {
        self.ask_secret_within(question, None)
    }

    /// The same of a script, which has so much time; a person has any.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn ask_secret_of_script(
        &self,
        question: &str,
        limit: Duration,
    ) -> Result<SecretString, AskError> {
        let limit = (!io::stdin().is_terminal()).then_some(limit);
        self.ask_secret_within(question, limit)
    }

    fn ask_secret_within(
        &self,
        question: &str,
        limit: Option<Duration>,
    ) -> Result<SecretString, AskError> {
        let _asking = self.printer.asking();
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let echo = if io::stdin().is_terminal() {
            Some(EchoOff::new()?)
        } else {
            None
        };
        self.say(question)?;
        let line = input.line(limit);
        drop(echo);
        self.say("\n")?;
        let line = line?;
        let text = std::str::from_utf8(&line).map_err(|_| AskError::NotText)?;
        Ok(SecretString::from(text.trim()))
    }

    /// Asks a yes-or-no question. Only `y` and `Y` are a yes; the end of the input is a no.
    ///
    /// # Errors
    /// [`AskError::Io`] when reading or writing fails.
    pub fn confirm(&self, question: &str) -> Result<bool, AskError> {
        self.agrees(question, &["y"])
    }

    /// The same with `yes` for a yes, too.
    ///
    /// # Errors
    /// [`AskError::Io`] when reading or writing fails.
    pub fn confirm_word(&self, question: &str) -> Result<bool, AskError> {
        self.agrees(question, &["y", "yes"])
    }

    fn agrees(&self, question: &str, words: &[&str]) -> Result<bool, AskError> {
        let _asking = self.printer.asking();
        let _question = Question::new();
        self.say(question)?;
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        match input.line(None) {
            Ok(line) => Ok(words
                .iter()
                .any(|word| line.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))),
            Err(AskError::EndOfInput | AskError::NotText | AskError::TooLong) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Standard input through a buffer of ours that is wiped: the standard library's would keep passphrases.
#[derive(Debug, Default)]
struct Input {
    file: Option<File>,
    buffer: Zeroizing<Vec<u8>>,
}

impl Input {
    /// The next line without its end, waiting no longer than `limit` for the whole of it. A last line without newline counts.
    fn line(&mut self, limit: Option<Duration>) -> Result<Zeroizing<Vec<u8>>, AskError> {
        let started = Instant::now();
        let mut line = Zeroizing::new(Vec::with_capacity(256));
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                line.extend(self.buffer.drain(..=end));
                line.pop();
                return Ok(line);
            }
            line.append(&mut self.buffer);
            if line.len() > MAX_LINE {
                return Err(AskError::TooLong);
            }
            if let Some(limit) = limit {
                wait(limit, limit.saturating_sub(started.elapsed()))?;
            }
            if self.fill()? == 0 {
                return if line.is_empty() {
                    Err(AskError::EndOfInput)
                } else {
                    Ok(line)
                };
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self
                .file
                .insert(File::from(io::stdin().as_fd().try_clone_to_owned()?)),
        };
        let mut block = [0_u8; 4096];
        let read = loop {
            match file.read(&mut block) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.buffer.extend(block.iter().take(read));
        block.zeroize();
        Ok(read)
    }
}

/// Waits until there is something to read, or the end. What is left of the limit is how long.
fn wait(limit: Duration, mut left: Duration) -> Result<(), AskError> {
    let started = Instant::now();
    let whole = left;
    loop {
        let stdin = io::stdin();
        let mut inputs = [PollFd::new(&stdin, PollFlags::IN)];
        let time = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut inputs, Some(&time)) {
            Ok(0) => return Err(AskError::TimedOut(limit)),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => left = whole.saturating_sub(started.elapsed()),
            Err(error) => return Err(AskError::Io(error.into())),
        }
    }
}

/// Columns of the terminal at standard input, where docker looks; 80 without one.
#[must_use]
pub fn terminal_width() -> usize {
    let columns = rustix::termios::tcgetwinsize(io::stdin()).map_or(0, |size| size.ws_col);
    if columns == 0 {
        80
    } else {
        usize::from(columns)
    }
}
