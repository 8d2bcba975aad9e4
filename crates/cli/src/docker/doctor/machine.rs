//! What lies on this machine: docker's configuration, the trust folder, the policy.

use std::fs;
use std::path::Path;

use signet_oci::DockerConfig;

use super::Report;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

pub(super) fn examine(report: &mut Report<'_>) -> Result<(), Failure> {
    let config_dir = match report.context.config_dir() {
        Ok(dir) => dir,
        Err(failure) => return report.failure("config", &failure, texts::DOCTOR_SET_HOME),
    };
    match DockerConfig::load(&config_dir).1 {
        Some(warning) => {
            report.problem("config", warning.to_string(), texts::DOCTOR_MEND_CONFIG)?;
        }
        None => {
            let file = config_dir.join("config.json");
            let there = fs::symlink_metadata(&file).is_ok();
            report.ok("config", texts::doctor_config(&file, there))?;
        }
    }
    let trust_dir = config_dir.join("trust");
    match fs::metadata(&trust_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            report.ok("trust-folder", texts::doctor_no_trust_folder(&trust_dir))
        }
        Err(error) => report.problem(
            "trust-folder",
            texts::doctor_unreadable(&trust_dir, &error),
            texts::DOCTOR_MEND_MODE,
        ),
        Ok(metadata) if !metadata.is_dir() => report.problem(
            "trust-folder",
            texts::doctor_not_a_folder(&trust_dir),
            texts::DOCTOR_MOVE_AWAY,
        ),
        Ok(metadata) => match open_to_others(&metadata) {
            Some(mode) if mode & 0o022 != 0 => report.problem(
                "trust-folder",
                texts::doctor_writable(&trust_dir, mode),
                texts::doctor_chmod("go-w", &trust_dir),
            ),
            Some(mode) if mode & 0o055 != 0 => report.warning(
                "trust-folder",
                texts::doctor_readable(&trust_dir, mode),
                texts::doctor_chmod("go-rwx", &trust_dir),
            ),
            _ => report.ok("trust-folder", texts::doctor_trust_folder(&trust_dir)),
        },
    }
}

/// Whether the policy can be used; without it nothing else is known either.
pub(super) fn policy(report: &mut Report<'_>) -> Result<bool, Failure> {
    let context = report.context;
    match context.policy() {
        Err(failure) => {
            report.failure("policy", &failure, texts::DOCTOR_MEND_POLICY)?;
            Ok(false)
        }
        Ok(policy) if policy.files().is_empty() => {
            report.ok("policy", texts::DOCTOR_NO_POLICY)?;
            Ok(true)
        }
        Ok(policy) => {
            for file in policy.files() {
                report.ok("policy", texts::doctor_policy(file.path()))?;
            }
            Ok(true)
        }
    }
}

/// The permission bits, when others than the owner have any.
#[cfg(unix)]
pub(super) fn open_to_others(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
pub(super) fn open_to_others(_: &fs::Metadata) -> Option<u32> {
    None
}

/// The names in a folder, sorted; none when it cannot be read.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .take(1000)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}
