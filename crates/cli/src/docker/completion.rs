//! `completion SHELL`: scripts for shells that run `docker-trust` directly. Docker completes its plugins itself.

use super::context::Context;
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let script = match matches.args.first().map_or("", String::as_str) {
        "bash" => include_str!("completion/bash"),
        "fish" => include_str!("completion/fish"),
        "powershell" => include_str!("completion/powershell"),
        "zsh" => include_str!("completion/zsh"),
        other => return Err(Failure::new(texts::unknown_shell(other))),
    };
    Ok(context.printer.out(script)?)
}
