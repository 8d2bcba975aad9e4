//! What the section `audit` of the configuration means.

use std::sync::Arc;

use signet_server::Clock;
use signet_server::audit::{Audit, AuditFile, Target};
use signet_service::config::Configuration;
use signet_service::files::reason;
use signet_service::telemetry::Telemetry;

use super::config::ConfigError;

/// The audit log that is asked for.
pub(super) fn audit(
    configuration: &Configuration,
    log: &Telemetry,
    clock: &Clock,
) -> Result<Option<Arc<Audit>>, ConfigError> {
    let switch = |key: &str| {
        let value = configuration.boolean(key);
        let value = value.map_err(|error| ConfigError::Audit(error.to_string()))?;
        Ok::<_, ConfigError>(value.unwrap_or(false))
    };
    let (to_log, required) = (switch("audit.log")?, switch("audit.required")?);
    let sync = match configuration.boolean("audit.sync") {
        Ok(value) => value.unwrap_or(required),
        Err(error) => return Err(ConfigError::Audit(error.to_string())),
    };
    let mut targets = Vec::new();
    if let Some(path) = configuration.path("audit.file") {
        let file = AuditFile::open(path.clone(), sync).map_err(|error| {
            ConfigError::Audit(format!(
                "the audit log {} cannot be opened: {}",
                path.display(),
                reason(&error)
            ))
        })?;
        targets.push(Target::File(file));
    } else if required {
        return Err(ConfigError::Audit(
            "audit.required needs audit.file: whether the log reached anybody cannot be known"
                .to_owned(),
        ));
    }
    if to_log {
        let log = log.clone();
        targets.push(Target::Log(Box::new(move |line| log.audit(line))));
    }
    Ok((!targets.is_empty()).then(|| Audit::new(targets, required, Arc::clone(clock))))
}
