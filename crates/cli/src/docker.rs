//! The program `docker-trust`: the command tree of `docker trust`, and how a command line becomes a command.

mod anew;
mod build;
mod client;
mod commands;
mod completion;
mod containers;
mod context;
mod daemon;
mod doctor;
mod fetch;
pub(crate) mod files;
mod first_signer;
mod go_json;
mod inspect;
mod key_generate;
mod key_load;
mod keys;
mod known;
mod lock;
mod login;
mod man;
mod name;
mod overview;
mod passphrases;
mod pin;
mod present;
mod problems;
mod pull;
mod push;
mod resolve;
mod revoke;
mod sign;
mod signer_add;
mod signer_remove;
mod through_daemon;
mod trust;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

pub use commands::{GLOBAL_FLAGS, ROOT};
pub(crate) use completion::script as completion_script;
pub use context::Context;
pub use man::MANUAL;

use crate::cobra::complete::complete;
use crate::cobra::parse::{Asked, Matches, Request, UsageError, parse};
use crate::cobra::{Command, Program, help};
use crate::env::{self, Environment};
use crate::plugin::{self, Call};
use crate::texts::docker as texts;
use crate::ui::interrupt;
use crate::ui::log::{self, Clock, LogLevel};
use crate::ui::printer::Printer;
use crate::ui::prompt::terminal_width;
use crate::ui::report::{Failure, finish};

/// Runs the program with its arguments, the first of which is its own name.
pub fn main(args: impl IntoIterator<Item = OsString>, clock: Clock) -> ExitCode {
    let mut args = args.into_iter();
    let name = args.next().unwrap_or_else(|| "docker-trust".into());
    let words: Vec<OsString> = args.collect();

    // Docker asks this before every call: nothing else may come first.
    if words
        .first()
        .is_some_and(|word| word == plugin::METADATA_CALL)
    {
        let printer = Printer::new(true);
        return finish(
            printer.out(plugin::METADATA).map_err(Failure::from),
            &printer,
        );
    }

    let environment = Environment::read();
    let printer = Printer::new(environment.no_color);
    let result = match words
        .into_iter()
        .map(OsString::into_string)
        .collect::<Result<Vec<String>, _>>()
    {
        Ok(words) => run(&name, words, environment, &printer, clock),
        Err(word) => Err(Failure::new(texts::not_text(&word.to_string_lossy()))),
    };
    finish(result, &printer)
}

fn run(
    name: &OsString,
    words: Vec<String>,
    env: Environment,
    printer: &Printer,
    clock: Clock,
) -> Result<(), Failure> {
    let as_plugin = env::plugin_command().is_some();
    let start = plugin::start(name, as_plugin, words).map_err(usage_failure)?;
    let program = start.program;
    if start.globals.version {
        return Ok(printer.out(&format!("{}\n", texts::version(&program.name)))?);
    }
    let words = match start.call {
        Call::Command(words) => words,
        Call::Complete {
            words,
            descriptions,
        } => {
            if words.is_empty() {
                return Err(Failure::new(texts::NOTHING_TO_COMPLETE));
            }
            let context = Context::new(program, env, start.globals, printer.clone(), clock);
            let known = known::TrustFolder::new(context.trust_dir().ok().as_deref());
            let completion = complete(&ROOT, &[], &words, descriptions, &known);
            printer.out(&completion.stdout)?;
            printer.err(&completion.stderr);
            return Ok(());
        }
        Call::Help(words) => return topic_help(&program, &words, printer),
        Call::Hook(call) => {
            return Ok(printer.out(&format!("{}\n", plugin::hook_answer(&call, &program)))?);
        }
    };

    let matches = match parse(&ROOT, &program, &words)
        .map_err(|error| unknown_command_hint(error, &program))?
    {
        Request::Help {
            command,
            path,
            asked,
        } => return show_help(command, &path, asked, printer),
        Request::Run(matches) => matches,
    };
    if as_plugin && let Some(socket) = env::plugin_socket() {
        interrupt::watch_socket(&socket);
    }
    let level = if start.globals.debug {
        LogLevel::Debug
    } else {
        start.globals.log_level.unwrap_or_default()
    };
    log::start(level, log::Form::Fields, clock, printer);
    let context = Context::new(program, env, start.globals, printer.clone(), clock);
    let result = dispatch(&matches, &context);
    context.log_key_warnings();
    result
}

fn dispatch(matches: &Matches, context: &Context) -> Result<(), Failure> {
    match matches.words.as_slice() {
        ["build"] => build::run(matches, context),
        ["completion"] => completion::run(matches, context),
        ["create"] => containers::create(matches, context),
        ["doctor"] => doctor::run(matches, context),
        ["inspect"] => inspect::run(matches, context),
        ["key", "generate"] => key_generate::run(matches, context),
        ["key", "load"] => key_load::run(matches, context),
        ["lock"] => lock::run(matches, context),
        ["man"] => man::run(matches, context),
        ["pull"] => pull::run(matches, context),
        ["push"] => push::run(matches, context),
        ["revoke"] => revoke::run(matches, context),
        ["run"] => containers::run(matches, context),
        ["sign"] => sign::run(matches, context),
        ["signer", "add"] => signer_add::run(matches, context),
        ["signer", "remove"] => signer_remove::run(matches, context),
        ["verify"] => verify::run(matches, context),
        // A command of the table without a line here: a defect, found by the first test that calls it.
        other => Err(Failure::new(format!("{} cannot be run", other.join(" ")))),
    }
}

fn show_help(
    command: &Command,
    path: &str,
    asked: Asked,
    printer: &Printer,
) -> Result<(), Failure> {
    let page = help::page(command, path, terminal_width());
    match asked {
        Asked::ByDefault => printer.err(&page),
        Asked::Long => printer.out(&page)?,
        Asked::Short => printer.out(&format!("{}\n{page}", texts::DEPRECATED_HELP))?,
    }
    Ok(())
}

/// `docker help trust sign`.
fn topic_help(program: &Program, words: &[String], printer: &Printer) -> Result<(), Failure> {
    let mut command: &'static Command = &ROOT;
    let mut path = program.path.clone();
    for word in words {
        let Some(child) = command.child(word) else {
            return Err(Failure::new(texts::unknown_help_topic(word)));
        };
        command = child;
        path = format!("{path} {word}");
    }
    show_help(command, &path, Asked::Long, printer)
}

fn usage_failure(error: UsageError) -> Failure {
    Failure::new(error.text).code(error.code)
}

/// Commands that docker has, or that its manual names, get a word on where they are.
fn unknown_command_hint(error: UsageError, program: &Program) -> Failure {
    let hint = match error.unknown_command.as_deref() {
        Some("generate") => Some(format!("the command is {} key generate", program.path)),
        Some("load") => Some(format!("the command is {} key load", program.path)),
        Some("view") => Some(format!("the command is {} inspect --pretty", program.path)),
        _ => None,
    };
    let failure = usage_failure(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
