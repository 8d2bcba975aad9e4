//! `completion bash`: a script for the shell that runs `docker-trust` directly. Docker completes its plugins itself.

use super::context::Context;
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let shell = matches.args.first().map_or("", String::as_str);
    if shell != "bash" {
        return Err(Failure::new(texts::unknown_shell(shell)));
    }
    Ok(context.printer.out(include_str!("completion.bash"))?)
}
