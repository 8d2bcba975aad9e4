//! Calling cargo, and where its results are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use signet_testkit::process::command_line;

/// The workspace's folder.
pub(crate) fn workspace() -> anyhow::Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the workspace")
}

/// Cargo's folder for build results.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let output = cargo(&["metadata", "--format-version=1", "--no-deps", "--locked"])?
        .output()
        .context("start cargo")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let path = metadata
        .get("target_directory")
        .and_then(serde_json::Value::as_str);
    Ok(PathBuf::from(
        path.context("cargo metadata names no target_directory")?,
    ))
}

/// A cargo command in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> anyhow::Result<Command> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace()?);
    // What `cargo run` sets for xtask itself must not reach the next cargo: build scripts would be run anew.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_")
            || name == "CARGO_MANIFEST_DIR"
            || name == "CARGO_MANIFEST_PATH"
        {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Prints a command, runs it with this program's terminal, and fails when it fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = command_line(command);
    println!(
        "$ {}",
        line.rsplit_once("/bin/")
            .map_or(line.as_str(), |(_, short)| short)
    );
    let status = command
        .status()
        .with_context(|| format!("start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}
