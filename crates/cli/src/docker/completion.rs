//! `completion SHELL`: scripts for shells that run `docker-trust` directly. Docker completes its plugins itself.

use super::context::Context;
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let shell = matches.args.first().map_or("", String::as_str);
    let script = script(shell).ok_or_else(|| Failure::new(texts::unknown_shell(shell)))?;
    Ok(context.printer.out(script)?)
}

/// The script for a shell; `None` for a shell that has none.
#[must_use]
pub(crate) fn script(shell: &str) -> Option<&'static str> {
    Some(match shell {
        "bash" => include_str!("completion/bash"),
        "fish" => include_str!("completion/fish"),
        "powershell" => include_str!("completion/powershell"),
        "zsh" => include_str!("completion/zsh"),
        _ => return None,
    })
}
