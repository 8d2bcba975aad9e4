//! `completion SHELL`: scripts for shells.

use super::Context;
use crate::cobra::parse::Matches;
use crate::docker::completion_script;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(super) fn run(shell: &str, matches: &Matches, context: &Context) -> Result<(), Failure> {
    let script =
        completion_script(shell).ok_or_else(|| Failure::new(texts::unknown_shell(shell)))?;
    // The scripts of both programs differ in their names only.
    let mut script = script
        .replace("docker-trust", "notary")
        .replace("docker_trust", "notary");
    if matches.is_set("no-descriptions") {
        script = script.replace("__complete ", "__completeNoDesc ");
    }
    Ok(context.printer.out(&script)?)
}
