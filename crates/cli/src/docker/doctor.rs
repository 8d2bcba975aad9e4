//! `doctor [REPOSITORY]`: looks at everything that signing and verifying need, in the order in which it is needed, and says what to do.
//!
//! It only looks: nothing is asked of the person, nothing is written, and what it learns of a repository is forgotten. Every step on the
//! network has a time limit.

mod docker;
mod keys;
mod machine;
mod repository;
mod server;

use std::time::Duration;

use serde::Serialize;

use super::context::Context;
use super::trust::Image;
use crate::cobra::parse::Matches;
use crate::texts::{docker as texts, visible};
use crate::ui::report::Failure;

/// Longest time for one step on the network, or for another program.
const STEP: Duration = Duration::from_secs(10);

/// Longest time for everything.
const ALL: Duration = Duration::from_secs(120);

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
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
struct Finding {
    /// What was looked at, in a word that stays the same from version to version.
    check: &'static str,
    state: State,
    text: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// The findings so far. A person sees each as it is made.
struct Report<'a> {
    context: &'a Context,
    json: bool,
    findings: Vec<Finding>,
}

/// What `--format json` prints.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Printed<'a> {
    findings: &'a [Finding],
    problems: usize,
    warnings: usize,
}

impl Report<'_> {
    /// The findings that follow are about this.
    fn heading(&self, text: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        let gap = if self.findings.is_empty() { "" } else { "\n" };
        Ok(self
            .context
            .printer
            .out(&format!("{gap}{}\n", visible(text)))?)
    }

    fn add(
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
            self.context.printer.out(&finding.lines())?;
        }
        self.findings.push(finding);
        Ok(())
    }

    fn ok(&mut self, check: &'static str, text: impl Into<String>) -> Result<(), Failure> {
        self.add(check, State::Ok, text, None)
    }

    fn skipped(&mut self, check: &'static str, text: impl Into<String>) -> Result<(), Failure> {
        self.add(check, State::Skipped, text, None)
    }

    fn warning(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Result<(), Failure> {
        self.add(check, State::Warning, text, Some(advice.into()))
    }

    fn problem(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Result<(), Failure> {
        self.add(check, State::Problem, text, Some(advice.into()))
    }

    /// A failure of a command's, with the advice that the command would give.
    fn failure(
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

    fn count(&self, state: State) -> usize {
        let all = self.findings.iter();
        all.filter(|finding| finding.state == state).count()
    }
}

impl Finding {
    fn lines(&self) -> String {
        let word = match self.state {
            State::Ok => "ok",
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

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let mut report = Report {
        context,
        json: match matches.text("format") {
            "" => false,
            "json" => true,
            other => return Err(Failure::new(texts::unknown_format(other))),
        },
        findings: Vec::new(),
    };
    let typed = matches.args.first().map(String::as_str);
    let busy = context.printer.busy(texts::DOCTOR_BUSY);
    let in_time = context.block_on(async {
        match tokio::time::timeout(ALL, examine(typed, &mut report)).await {
            Ok(outcome) => outcome.map(|()| true),
            Err(_) => Ok(false),
        }
    })?;
    drop(busy);
    if !in_time {
        report.problem(
            "time",
            texts::doctor_too_long(ALL.as_secs()),
            texts::DOCTOR_SILENT,
        )?;
    }
    let (problems, warnings) = (report.count(State::Problem), report.count(State::Warning));
    let text = if report.json {
        let printed = Printed {
            findings: &report.findings,
            problems,
            warnings,
        };
        let text = crate::texts::json::pretty(&printed)
            .map_err(|error| Failure::new(error.to_string()))?;
        format!("{text}\n")
    } else {
        format!("\n{}\n", texts::doctor_summary(problems, warnings))
    };
    context.printer.out(&text)?;
    if problems == 0 {
        Ok(())
    } else {
        Err(Failure::silent())
    }
}

async fn examine(typed: Option<&str>, report: &mut Report<'_>) -> Result<(), Failure> {
    report.heading(texts::DOCTOR_MACHINE)?;
    machine::examine(report)?;
    keys::examine(report)?;
    let policy_is_usable = machine::policy(report)?;
    docker::examine(report).await?;
    docker::daemon(report).await?;

    let image = match typed {
        Some(typed) if policy_is_usable => match Image::find(report.context, typed) {
            Ok(image) => Some(image),
            Err(failure) => {
                report.heading(texts::DOCTOR_SERVER)?;
                return report.failure("server", &failure, texts::DOCTOR_NO_SERVER);
            }
        },
        _ => None,
    };
    let Some(reached) = server::examine(image.as_ref(), report).await? else {
        return Ok(());
    };
    if let Some(image) = &image {
        server::login(image, &reached, report).await?;
        report.heading(&texts::doctor_repository(image.gun.as_str()))?;
        repository::examine(image, report).await?;
    }
    Ok(())
}
