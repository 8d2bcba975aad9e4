//! `cargo xtask bench`: speed beside the Go programs. The measuring is done by `signet-bench` of the test kit, built like the programs it measures.

use std::process::Command;

use signet_testkit::program::{DOCKER, NOTARY, NOTARY_SERVER, PEERS};

use crate::{cargo, packages};

/// The programs that are measured and the one that measures, as users have them.
pub(crate) const BUILD: [&str; 11] = [
    "build",
    "--release",
    "--locked",
    "-p",
    "signet-server",
    "-p",
    "signet-cli",
    "-p",
    "signet-testkit",
    "--features",
    "signet-testkit/bench",
];

/// Builds everything for release and measures; `part` names what, and nothing means the comparison.
///
/// # Errors
/// When a peer cannot be installed or a measurement fails. A goal that is missed stands in the table and is no error.
pub(crate) fn run(part: &[String]) -> anyhow::Result<()> {
    if part
        .first()
        .is_some_and(|part| part == "server" || part == "archive")
    {
        // The databases too.
        packages::install(&PEERS)?;
    } else {
        packages::install(&[DOCKER, NOTARY, NOTARY_SERVER])?;
    }
    cargo::run(&mut cargo::cargo(&BUILD)?)?;
    let program = cargo::target_directory()?.join("release/signet-bench");
    cargo::run(Command::new(program).args(part))
}
