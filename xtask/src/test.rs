//! `cargo xtask test`: all tests, with the real peers.

use anyhow::ensure;
use signet_testkit::program::PEERS;

use crate::{cargo, packages};

/// Our programs, which tests start.
const PROGRAMS: [&str; 4] = ["docker-trust", "notary", "notary-server", "notary-signer"];

/// Installs what is missing, builds, and runs the tests of all crates and of their documentation.
///
/// # Errors
/// When a peer cannot be installed or a test fails.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    packages::install(&PEERS)?;
    // One build for programs and tests: cargo builds a package's programs with its tests, and with the same features.
    let tests = ["test", "--workspace", "--locked"];
    cargo::run(cargo::cargo(&tests)?.arg("--no-run"))?;
    let directory = cargo::target_directory()?.join("debug");
    for program in PROGRAMS {
        let file = directory.join(program);
        ensure!(
            file.is_file(),
            "{} was not built with the tests",
            file.display()
        );
    }
    cargo::run(
        cargo::cargo(&tests)?
            .args(arguments)
            .env("SIGNET_BIN_DIR", directory),
    )
}
