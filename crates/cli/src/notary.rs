//! The program `notary`: its command tree, and how a command line becomes a command.
//!
//! Results, questions and the final error line go to standard output, log lines to standard error, as with the program of that name before.

mod add;
mod addhash;
mod archive;
mod commands;
mod completion;
mod config;
mod context;
mod delegation;
mod delete;
mod doctor;
mod format;
mod hints;
mod init;
mod input;
mod key;
mod known;
mod list;
mod login;
mod look;
mod lookup;
mod man;
mod passphrases;
mod publish;
mod publishing;
mod remove;
mod renew;
mod report;
mod repository;
mod reset;
mod server;
mod staging;
mod status;
mod tables;
mod takeover;
mod unproven;
mod verify;
mod witness;

use std::ffi::OsString;
use std::process::ExitCode;

pub use commands::{GLOBAL_FLAGS, ROOT};
pub use context::Context;
pub use man::MANUAL;
use server::Server;

use crate::cobra::complete::complete;
use crate::cobra::parse::Matches;
use crate::cobra::plain::{self, Page, Request};
use crate::env::Environment;
use crate::texts::{notary as texts, visible};
use crate::ui::log::{self, Clock, Form, LogLevel};
use crate::ui::printer::Printer;
use crate::ui::report::Failure;

/// The words before a line to complete, with descriptions and without.
const COMPLETE: [&str; 2] = ["__complete", "__completeNoDesc"];

/// Runs the program with its arguments, the first of which is its own name.
pub fn main(args: impl IntoIterator<Item = OsString>, clock: Clock) -> ExitCode {
    let environment = Environment::read();
    let printer = Printer::new(environment.no_color);
    let words = args
        .into_iter()
        .skip(1)
        .map(OsString::into_string)
        .collect::<Result<Vec<String>, _>>();
    let result = match words {
        Ok(words) => run(&words, environment, &printer, clock),
        Err(word) => Err(Failure::new(texts::not_text(&word.to_string_lossy()))),
    };
    finish(result, &printer)
}

fn run(words: &[String], env: Environment, printer: &Printer, clock: Clock) -> Result<(), Failure> {
    if let Some((first, line)) = words.split_first()
        && let Some(way) = COMPLETE.iter().position(|word| word == first)
    {
        if line.is_empty() {
            return Err(Failure::new(texts::NOTHING_TO_COMPLETE));
        }
        let known = known::TrustFolder::of(line, env, printer, clock);
        let completion = complete(&ROOT, &GLOBAL_FLAGS, line, way == 0, &known);
        printer.out(&completion.stdout)?;
        printer.err(&completion.stderr);
        return Ok(());
    }
    let (matches, page) = match plain::parse(&ROOT, &GLOBAL_FLAGS, words) {
        Ok(Request::Help(page)) => return Ok(printer.out(&page.help())?),
        Ok(Request::Run(matches, page)) => (matches, page),
        Err(error) => {
            if let Some(usage) = &error.usage {
                printer.out(usage)?;
            }
            return Err(Failure::new(error.text));
        }
    };
    let level = if matches.is_set("debug") {
        LogLevel::Debug
    } else if matches.is_set("verbose") {
        LogLevel::Info
    } else {
        LogLevel::Warn
    };
    log::start(level, Form::People, clock, printer);
    let context = Context::new(env, &matches, page, printer.clone(), clock);
    let result = dispatch(&matches, &context);
    context.log_key_warnings();
    result
}

fn dispatch(matches: &Matches, context: &Context) -> Result<(), Failure> {
    match matches.words.as_slice() {
        [] if matches.is_set("version") => Ok(context.printer.out(&texts::version_line())?),
        [] => Ok(context.printer.out(&context.page.usage())?),
        ["add"] => add::run(matches, context),
        ["addhash"] => addhash::run(matches, context),
        ["archive", "create"] => archive::create::run(matches, context),
        ["archive", "diff"] => archive::diff::run(matches, context),
        ["archive", "extract"] => archive::extract::run(matches, context),
        ["archive", "import"] => archive::import::run(matches, context),
        ["archive", "list"] => archive::list::run(matches, context),
        ["archive", "show"] => archive::show::run(matches, context),
        ["archive", "verify"] => archive::verify::run(matches, context),
        ["completion", shell] => completion::run(shell, matches, context),
        ["delegation", "add"] => delegation::add::run(matches, context),
        ["delegation", "list"] => delegation::list::run(matches, context),
        ["delegation", "purge"] => delegation::purge::run(matches, context),
        ["delegation", "remove"] => delegation::remove::run(matches, context),
        ["delete"] => delete::run(matches, context),
        ["doctor"] => doctor::run(matches, context),
        ["help"] => topic(&matches.args, context),
        ["init"] => init::run(matches, context),
        ["key", "export"] => key::export::run(matches, context),
        ["key", "generate"] => key::generate::run(matches, context),
        ["key", "import"] => key::import::run(matches, context),
        ["key", "list"] => key::list::run(matches, context),
        ["key", "passwd"] => key::passwd::run(matches, context),
        ["key", "remove"] => key::remove::run(matches, context),
        ["key", "rotate"] => key::rotate::run(matches, context),
        ["list"] => list::run(matches, context),
        ["lookup"] => lookup::run(matches, context),
        ["man"] => man::run(matches, context),
        ["publish"] => publish::run(matches, context),
        ["remove"] => remove::run(matches, context),
        ["renew"] => renew::run(matches, context),
        ["report"] => report::run(matches, context),
        ["reset"] => reset::run(matches, context),
        ["status"] => status::run(matches, context),
        ["takeover"] => takeover::run(matches, context),
        ["verify"] => verify::run(matches, context),
        ["version"] => Ok(context.printer.out(&texts::version_page())?),
        ["witness"] => witness::run(matches, context),
        // A command of the table without a line here: a defect, found by the first test that calls it.
        other => Err(Failure::new(format!("{} cannot be run", other.join(" ")))),
    }
}

/// `notary help archive verify`. A topic that is not there is no error.
fn topic(words: &[String], context: &Context) -> Result<(), Failure> {
    let page = plain::topic(&ROOT, &GLOBAL_FLAGS, words);
    let text = match page {
        Some(page) => page.help(),
        None => {
            let root = plain::topic(&ROOT, &GLOBAL_FLAGS, &[]);
            let usage = root.as_ref().map(Page::usage).unwrap_or_default();
            format!("{}\n{usage}", texts::unknown_help_topic(words))
        }
    };
    Ok(context.printer.out(&text)?)
}

/// Reports a command's end and gives the process's exit code. Errors go where results go, as scripts expect it.
fn finish(result: Result<(), Failure>, printer: &Printer) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text().is_empty() {
                // Servers have their say in some texts; what a terminal would obey is shown instead.
                let shown = |line: &str| line.split('\t').map(visible).collect::<Vec<_>>();
                let lines: Vec<String> = failure
                    .text()
                    .split('\n')
                    .map(|line| shown(line).join("\t"))
                    .collect();
                // There is nobody left to tell when that fails.
                let _ = printer.out(&texts::fatal(&lines.join("\n")));
            }
            failure.print_hints(printer);
            ExitCode::from(failure.exit_code())
        }
    }
}
