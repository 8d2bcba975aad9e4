//! What the `doctor` of each program is made of: findings, and what both programs look at.
//!
//! A doctor only looks: nothing is asked of the person, nothing is written, and what it learns of a repository is forgotten. Every step on the
//! network has a time limit.

pub(crate) mod folder;
pub(crate) mod keys;
pub(crate) mod server;

use std::time::Duration;

use serde::Serialize;

use crate::texts::{docker as texts, visible};
use crate::ui::printer::Printer;
use crate::ui::report::Failure;

/// Longest time for one step on the network, or for another program.
pub(crate) const STEP: Duration = Duration::from_secs(10);

/// Longest time for everything.
pub(crate) const ALL: Duration = Duration::from_secs(120);

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// As it may be; worth knowing.
    Note,
    /// Not looked at.
    Skipped,
    /// It works, and may not do so for long or for everything.
    Warning,
    /// Something will not work.
    Problem,
}

/// What was found about one thing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Finding {
    /// What was looked at, in a word that stays the same from version to version.
    check: &'static str,
    state: State,
    text: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// The findings so far. A person sees each as it is made.
pub(crate) struct Report<'a, C> {
    pub(crate) context: &'a C,
    /// What differs between the programs.
    pub(crate) words: &'static Words,
    printer: &'a Printer,
    json: bool,
    findings: Vec<Finding>,
}

/// Advice that is another in each program.
pub(crate) struct Words {
    /// A name without an address.
    pub(crate) check_name: &'static str,
    /// Something else than a trust server answers.
    pub(crate) which_server: &'static str,
    /// There is no TLS.
    pub(crate) not_tls: &'static str,
    /// The server's certificate comes from nobody who is known; of the server's host and port.
    pub(crate) trust_issuer: fn(&str) -> String,
    /// A key that no passphrase protects; of its ID.
    pub(crate) encrypt_key: fn(&str) -> String,
    /// A key that cannot be used.
    pub(crate) restore_key: &'static str,
}

/// What `--format json` prints.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Printed<'a> {
    findings: &'a [Finding],
    problems: usize,
    warnings: usize,
}

impl<'a, C> Report<'a, C> {
    /// Begins a report for people, or for a program.
    pub(crate) fn new(
        context: &'a C,
        printer: &'a Printer,
        words: &'static Words,
        json: bool,
    ) -> Self {
        Self {
            context,
            words,
            printer,
            json,
            findings: Vec::new(),
        }
    }

    /// The findings that follow are about this.
    pub(crate) fn heading(&self, text: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        let gap = if self.findings.is_empty() { "" } else { "\n" };
        Ok(self.printer.out(&format!("{gap}{}\n", visible(text)))?)
    }

    pub(crate) fn add(
        &mut self,
        check: &'static str,
        state: State,
        text: impl Into<String>,
        advice: Option<String>,
    ) -> Result<(), Failure> {
        let finding = Finding {
            check,
            state,
            text: text.into(),
            advice,
        };
        if !self.json {
            self.printer.out(&finding.lines())?;
        }
        self.findings.push(finding);
        Ok(())
    }

    pub(crate) fn ok(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
    ) -> Result<(), Failure> {
        self.add(check, State::Ok, text, None)
    }

    pub(crate) fn skipped(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
    ) -> Result<(), Failure> {
        self.add(check, State::Skipped, text, None)
    }

    pub(crate) fn warning(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Result<(), Failure> {
        self.add(check, State::Warning, text, Some(advice.into()))
    }

    pub(crate) fn problem(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Result<(), Failure> {
        self.add(check, State::Problem, text, Some(advice.into()))
    }

    /// A failure of a command's, with the advice that the command would give.
    pub(crate) fn failure(
        &mut self,
        check: &'static str,
        failure: &Failure,
        advice: &str,
    ) -> Result<(), Failure> {
        let advice = match failure.hints() {
            [] => advice.to_owned(),
            hints => hints.join("; "),
        };
        let text = failure.text().lines().map(str::trim).collect::<Vec<_>>();
        self.problem(check, text.join(" "), advice)
    }

    /// Prints what is left to print, and ends the command: exit code 0 without a problem, 1 with one.
    pub(crate) fn finish(mut self, in_time: bool) -> Result<(), Failure> {
        if !in_time {
            self.problem(
                "time",
                texts::doctor_too_long(ALL.as_secs()),
                texts::DOCTOR_SILENT,
            )?;
        }
        let (problems, warnings) = (self.count(State::Problem), self.count(State::Warning));
        let text = if self.json {
            let printed = Printed {
                findings: &self.findings,
                problems,
                warnings,
            };
            let text = crate::texts::json::pretty(&printed)
                .map_err(|error| Failure::new(error.to_string()))?;
            format!("{text}\n")
        } else {
            format!("\n{}\n", texts::doctor_summary(problems, warnings))
        };
        self.printer.out(&text)?;
        if problems == 0 {
            Ok(())
        } else {
            Err(Failure::silent())
        }
    }

    fn count(&self, state: State) -> usize {
        let all = self.findings.iter();
        all.filter(|finding| finding.state == state).count()
    }
}

impl Finding {
    fn lines(&self) -> String {
        let word = match self.state {
            State::Ok => "ok",
            State::Note => "note",
            State::Skipped => "skipped",
            State::Warning => "warning",
            State::Problem => "problem",
        };
        let mut lines = format!("  {word:<7}  {}\n", visible(&self.text));
        if let Some(advice) = self.advice.as_ref().filter(|advice| !advice.is_empty()) {
            lines.push_str(&format!("           -> {}\n", visible(advice)));
        }
        lines
    }
}
