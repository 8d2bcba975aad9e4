//! Installing the Debian packages of missing peers.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use signet_testkit::program::{DOCKER, Program};

use crate::cargo::run;

/// The client alone, where Debian has split docker's package.
const DOCKER_CLIENT_PACKAGE: &str = "docker-cli";

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs the packages of those `programs` that are not on `PATH`; nothing when all are there.
///
/// # Errors
/// When a package cannot be installed; the text has the command.
pub(crate) fn install(programs: &[Program]) -> anyhow::Result<()> {
    let missing: Vec<&Program> = programs
        .iter()
        .filter(|program| program.find().is_err())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    run(apt_get().arg("update"))?;
    let mut packages: Vec<&str> = missing.iter().map(|program| package(program)).collect();
    packages.sort_unstable();
    packages.dedup();
    let _quiet = NoServices::begin()?;
    run(apt_get()
        .args(["install", "-y", "--no-install-recommends"])
        .args(&packages))?;
    for program in missing {
        if let Err(error) = program.find() {
            bail!("{error}, which did not help");
        }
    }
    Ok(())
}

fn package(program: &Program) -> &'static str {
    let client_alone = || {
        let mut command = Command::new("apt-cache");
        command
            .args(["show", "--quiet=0", DOCKER_CLIENT_PACKAGE])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if *program == DOCKER && client_alone() {
        DOCKER_CLIENT_PACKAGE
    } else {
        program.package
    }
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    command
}

/// While it lives, packages install their services without starting them: the tests start their own, on ports of their own.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn begin() -> anyhow::Result<Self> {
        // 101: "action forbidden by policy" (invoke-rc.d). Somebody else's policy stays.
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(POLICY);
        match file {
            Ok(mut file) => {
                file.write_all(b"#!/bin/sh\nexit 101\n")?;
                Ok(Self { ours: true })
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Ok(Self { ours: false })
            }
            Err(error) => Err(error)
                .with_context(|| format!("write {POLICY}; packages are installed as root")),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(Path::new(POLICY))
        {
            eprintln!(
                "warning: {POLICY} stays, which keeps packages from starting services: {error}"
            );
        }
    }
}
