//! The docker client beside this program: which one it is, and whether its `docker trust` is this one.

use std::path::{Path, PathBuf};

use super::{Report, STEP};
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// Where docker looks for plugins after the user's own folder.
const PLUGIN_FOLDERS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];
/// The first client without a `trust` of its own.
const FIRST_WITHOUT_TRUST: u32 = 29;

pub(super) async fn examine(report: &mut Report<'_>) -> Result<(), Failure> {
    let Some(version) = version(report).await else {
        return report.skipped("docker", texts::DOCTOR_NO_DOCKER);
    };
    let major: Option<u32> = version.split('.').next().and_then(|text| text.parse().ok());
    let has_own = major.is_none_or(|major| major < FIRST_WITHOUT_TRUST);
    let name = if has_own {
        "docker-signet"
    } else {
        "docker-trust"
    };
    let plugin = plugins(report, name).into_iter().next();
    match plugin {
        None if has_own => report.ok("docker", texts::doctor_docker_with_trust(&version)),
        None => report.warning(
            "docker",
            texts::doctor_docker_without_trust(&version),
            texts::DOCTOR_INSTALL_PLUGIN,
        ),
        Some(path) if is_this_program(&path) => {
            report.ok("docker", texts::doctor_plugin(&version, &path))
        }
        Some(path) => report.warning(
            "docker",
            texts::doctor_other_plugin(&version, &path),
            texts::DOCTOR_REPLACE_PLUGIN,
        ),
    }
}

/// Only images of this machine need the daemon: nothing else fails without.
pub(super) async fn daemon(report: &mut Report<'_>) -> Result<(), Failure> {
    let failure = match tokio::time::timeout(STEP, report.context.daemon()).await {
        Ok(Ok(daemon)) => return report.ok("daemon", texts::doctor_daemon(daemon.host())),
        Ok(Err(failure)) => failure,
        Err(_) => Failure::new(texts::DOCTOR_NO_ANSWER_IN_TIME),
    };
    report.warning(
        "daemon",
        texts::doctor_no_daemon(failure.text().lines().next().unwrap_or_default()),
        texts::DOCTOR_DAEMON,
    )
}

/// `28.2.2` of `Docker version 28.2.2, build e6534b4`.
async fn version(report: &Report<'_>) -> Option<String> {
    let path = report.context.env.path.as_ref()?;
    let program = std::env::split_paths(path)
        // A folder that was entered must not bring its own docker.
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("docker"))
        .find(|file| file.is_file())?;
    let mut command = tokio::process::Command::new(program);
    command
        .arg("--version")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(STEP, command.output()).await.ok()?;
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    let version = text.strip_prefix("Docker version ")?;
    let version = version.split([',', '\n']).next()?.trim();
    Some(version.chars().take(40).collect())
}

fn plugins(report: &Report<'_>, name: &str) -> Vec<PathBuf> {
    let own = report.context.config_dir().ok();
    own.map(|dir| dir.join("cli-plugins"))
        .into_iter()
        .chain(PLUGIN_FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .filter(|path| path.is_file())
        .collect()
}

fn is_this_program(path: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let this = std::env::current_exe().ok().and_then(|path| real(&path));
    this.is_some() && this == real(path)
}
