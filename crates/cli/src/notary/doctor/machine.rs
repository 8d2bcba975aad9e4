//! What lies on this machine: the configuration, the trust folder, the keys.

use std::path::{Path, PathBuf};

use signet_tuf::{FirstUse, KeyId, TrustPinning};

use super::Report;
use crate::doctor::{State, folder, keys};
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// The trust folder; `None` when the configuration cannot be used, without which nothing is known.
pub(super) fn examine(report: &mut Report<'_>) -> Result<Option<PathBuf>, Failure> {
    report.heading(texts::DOCTOR_MACHINE)?;
    let context = report.context;
    let config = match context.config() {
        Ok(config) => config,
        Err(failure) => {
            report.failure("config", &failure, texts::DOCTOR_MEND_CONFIG)?;
            return Ok(None);
        }
    };
    let usual = context.env.home.as_ref();
    let usual = usual.map(|home| home.join(".notary/config.json"));
    match context.globals.config_file.as_ref().or(usual.as_ref()) {
        Some(file) if file.is_file() => report.ok("config", texts::doctor_config(file))?,
        Some(file) => report.ok("config", texts::doctor_no_config(file))?,
        None => report.ok("config", texts::DOCTOR_NO_HOME)?,
    }
    pins(config.pinning(), report)?;
    if config.demands_server() {
        report.ok("cached-data", texts::DOCTOR_NO_CACHED_DATA)?;
    }
    let trust_dir = match context.trust_dir() {
        Ok(folder) => folder,
        Err(failure) => {
            report.failure("trust-folder", &failure, texts::DOCTOR_MEND_CONFIG)?;
            return Ok(None);
        }
    };
    let from = match (&context.globals.trust_dir, &config.trust_dir) {
        (Some(_), _) => "-d",
        (None, Some(_)) => "trust_dir",
        (None, None) => texts::DOCTOR_USUAL,
    };
    report.ok("trust-folder", texts::doctor_folder(&trust_dir, from))?;
    folder::examine(&trust_dir, report)?;
    private(&trust_dir, report)?;
    Ok(Some(trust_dir))
}

/// What the configuration pins, and what of it can never hold.
fn pins(pinning: &TrustPinning, report: &mut Report<'_>) -> Result<(), Failure> {
    let text = texts::doctor_pins(
        pinning.certs.len(),
        pinning.ca.len(),
        pinning.first_use == FirstUse::Deny,
    );
    report.ok("pins", text)?;
    for (name, ids) in &pinning.certs {
        for id in ids.iter().filter(|id| id.parse::<KeyId>().is_err()) {
            report.warning(
                "pins",
                texts::doctor_pin_form(name, id),
                texts::DOCTOR_PIN_FORM,
            )?;
        }
    }
    for (prefix, _) in pinning.ca.iter().filter(|(_, file)| file.is_none()) {
        report.problem(
            "pins",
            texts::doctor_pinned_ca(prefix),
            texts::DOCTOR_PINNED_CA,
        )?;
    }
    Ok(())
}

fn private(trust_dir: &Path, report: &mut Report<'_>) -> Result<(), Failure> {
    let private = trust_dir.join("private");
    match std::fs::metadata(&private) {
        Ok(metadata) if !metadata.is_dir() => {
            let text = texts::doctor_not_a_folder(&private);
            return report.problem("key-folder", text, texts::DOCTOR_MOVE_AWAY);
        }
        Ok(metadata) => {
            if let Some(mode) = folder::open_to_others(&metadata) {
                report.warning(
                    "key-folder",
                    texts::doctor_open_folder(&private, mode),
                    texts::doctor_close_folder(&private),
                )?;
            }
        }
        Err(_) => {}
    }
    keys::examine(trust_dir, report)?;
    for key in keys::list(trust_dir) {
        if key.role.is_empty() {
            report.add(
                "key-role",
                State::Warning,
                texts::doctor_key_without_role(key.id.short()),
                Some(texts::doctor_name_role(key.id.as_str())),
            )?;
        }
    }
    Ok(())
}
