//! What lies on this machine: docker's configuration, the trust folder, the policy.

use std::fs;
use std::path::Path;

use signet_oci::DockerConfig;

use super::Report;
use crate::doctor::folder;
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
    folder::examine(&trust_dir, report)
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
