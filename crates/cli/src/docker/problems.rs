//! What went wrong, in docker's words: the libraries' errors turned into the texts that scripts know.

use signet_client::policy::{Fault, PolicyError};
use signet_client::remote::RemoteError;
use signet_client::{Error, Published};
use signet_keys::PassphraseError;
use signet_keys::keyfile::OpenError;
use signet_oci::registry::RegistryError;
use signet_tuf::pinning::PinningError;
use signet_tuf::rules::{RootError, RuleError};
use signet_tuf::update::{UpdateError, Warning};
use signet_tuf::{ParseError, RoleName};

use crate::network;
use crate::texts::{docker as texts, os_error};
use crate::ui::report::Failure;
pub(super) use crate::ui::report::with_sources;

/// Why a key could not be used or stored.
pub(super) fn key_problem(error: &signet_keys::Error) -> String {
    use signet_keys::Error;
    match error {
        Error::Passphrase { source, .. } => passphrase_problem(source),
        Error::Io {
            action,
            path,
            source,
        } => format!("{action} {}: {}", path.display(), os_error(source)),
        Error::Open { id, source } => format!("key {id} cannot be read: {}", open_problem(source)),
        _ => with_sources(error),
    }
}

/// Why there is no passphrase.
pub(super) fn passphrase_problem(error: &PassphraseError) -> String {
    match error {
        PassphraseError::Unavailable { source, .. } => format!("no passphrase: {source}"),
        _ => error.to_string(),
    }
}

/// Why a key file cannot be opened with any passphrase.
pub(super) fn open_problem(error: &OpenError) -> String {
    error.to_string()
}

/// What the user is told about a trust repository that cannot be used; `name` is how the command calls it. docker wraps the errors of `sign`
/// and `signer add` so (specification, section 9.1).
pub(super) fn notary_error(name: &str, error: &Error) -> String {
    let told = client_problem(error);
    match error {
        Error::NoTrustData { .. } => texts::no_trust_data_for(name, &told),
        Error::Update(UpdateError::NoTrustData { .. }) => texts::no_trust_data_for(name, &told),
        Error::Update(UpdateError::Missing { .. }) | Error::Remote(RemoteError::Absent { .. }) => {
            texts::trust_data_missing(name, &told)
        }
        Error::Update(UpdateError::Rule(rule)) => rule_error(name, rule, &told),
        Error::PinnedElsewhere { .. } => texts::new_root_not_pinned(name),
        Error::Update(UpdateError::Dropped { .. }) => texts::trust_data_mismatch(name, &told),
        Error::Update(UpdateError::Unreachable { .. })
        | Error::Remote(
            RemoteError::Unreachable { .. }
            | RemoteError::Tls { .. }
            | RemoteError::Authorization(_),
        ) => texts::cannot_contact(&told),
        _ => told,
    }
}

fn rule_error(name: &str, rule: &RuleError, told: &str) -> String {
    match rule {
        RuleError::Expired { .. } => texts::out_of_date(name, told),
        RuleError::RolledBack { .. } => texts::rolled_back(name, told),
        RuleError::Signatures(_) => texts::insufficient_signatures(name, told),
        RuleError::Root(RootError::Pinning(PinningError::FirstUseDenied)) => {
            texts::first_use_refused(name)
        }
        // docker means to warn of these and does not, because its test for the error's type fails.
        RuleError::Root(_) | RuleError::Digest(_) => texts::trust_data_mismatch(name, told),
        RuleError::Parse(ParseError::Json(_)) => texts::not_a_trust_server(name),
        _ => told.to_owned(),
    }
}

/// A client error in one line.
pub(super) fn client_problem(error: &Error) -> String {
    match error {
        // A key that cannot be unlocked counts as one that is not there.
        Error::Key(signet_keys::Error::Passphrase {
            id,
            source: PassphraseError::Incorrect { .. },
        }) => Error::NoSigningKeys {
            role: RoleName::targets(),
            keys: vec![id.clone()],
            edit: None,
        }
        .to_string(),
        Error::Key(error) => key_problem(error),
        Error::Update(UpdateError::Unreachable { message, .. })
        | Error::Remote(RemoteError::Unreachable { message } | RemoteError::Tls { message }) => {
            network::problem(message)
        }
        _ if is_first_use(error) => texts::FIRST_USE_REFUSED.to_owned(),
        _ => with_sources(error),
    }
}

/// A failure of that text, with advice on what caused it.
pub(super) fn client_failure(text: String, error: &Error) -> Failure {
    let failure = Failure::new(text);
    match error {
        Error::Key(signet_keys::Error::Passphrase {
            source: PassphraseError::Incorrect { alias },
            ..
        }) => failure.hint(texts::wrong_passphrase(alias)),
        // Mostly the registry, which is asked where no trust server is named.
        Error::Remote(RemoteError::Tls { message }) if network::is_not_tls(message) => {
            failure.hint(texts::DOCTOR_WHICH_SERVER)
        }
        Error::Remote(RemoteError::Tls { .. }) => failure.hint(texts::TLS_HINT),
        Error::Remote(RemoteError::Refused { refusal, .. })
        | Error::Update(UpdateError::Refused { refusal, .. })
            if refusal.status == 401 =>
        {
            failure.hint(texts::LOGIN_HINT)
        }
        Error::NoSigningKeys { .. } => failure.hint(texts::KEYS_HINT),
        Error::Update(UpdateError::RememberedRoot(_)) => failure.hint(texts::DAMAGED_ROOT_HINT),
        Error::Update(UpdateError::Rule(RuleError::Root(RootError::NotPinned))) => {
            failure.hint(texts::root_not_pinned("the policy"))
        }
        _ => failure,
    }
}

/// Whether the policy, and nothing else, is in the way.
pub(super) const fn is_refused_by_policy(error: &Error) -> bool {
    matches!(error, Error::PinnedElsewhere { .. }) || is_first_use(error)
}

/// Whether the policy refuses a root for the only reason that nobody has said that it is the right one.
pub(super) const fn is_first_use(error: &Error) -> bool {
    matches!(
        error,
        Error::Update(UpdateError::Rule(RuleError::Root(RootError::Pinning(
            PinningError::FirstUseDenied
        ))))
    )
}

/// Why a policy cannot be used.
pub(super) fn policy_failure(error: &PolicyError) -> Failure {
    let failure = Failure::new(texts::policy_unusable(&error.to_string()));
    match error.fault {
        Fault::WritableByOthers { .. } => failure.hint(texts::policy_writable(&error.path)),
        _ => failure,
    }
}

/// Writes what people should know about edits that were published.
pub(super) fn log_edit_warnings(published: &Published) {
    for warning in &published.warnings {
        tracing::warn!("{warning}");
    }
}

/// Writes what people should know, as docker logs it.
pub(super) fn log_warnings(warnings: Vec<Warning>) {
    for warning in warnings {
        match &warning {
            // docker logs an expired document as an error.
            Warning::Expired { .. } => tracing::error!("{warning}"),
            _ => tracing::warn!("{warning}"),
        }
        if let Warning::CachedTimestamp { reason, .. } = &warning {
            tracing::debug!("{reason}");
        }
    }
}

/// Why the registry's manifest is not to be had.
pub(super) fn registry_failure(error: &RegistryError) -> Failure {
    match error {
        // docker's text for a registry that wants a login.
        RegistryError::Credentials { source, .. } => Failure::new(source.to_string()),
        _ => Failure::new(with_sources(error)),
    }
}

#[cfg(test)]
mod tests {
    use signet_tuf::metadata::Version;
    use signet_tuf::{BelowThreshold, Expiry};

    use super::*;

    fn told(error: UpdateError) -> String {
        notary_error("R", &Error::Update(error))
    }

    fn rule(rule: RuleError) -> String {
        told(UpdateError::Rule(rule))
    }

    /// The texts of the specification, section 9.1, which docker 28 printed.
    #[test]
    fn trust_errors_are_dockers() {
        let gun: signet_tuf::Gun = "localhost:5000/x".parse().unwrap();
        let unknown = Error::NoTrustData {
            server: "localhost:4443".to_owned(),
            gun,
        };
        assert_eq!(
            notary_error("R", &unknown),
            "Error: remote trust data does not exist for R: localhost:4443 does not have trust data for localhost:5000/x"
        );
        assert_eq!(
            rule(RuleError::Expired {
                role: RoleName::timestamp(),
                expiry: Expiry::parse("2026-11-21T19:39:20Z").unwrap()
            }),
            "Error: remote repository R out-of-date: timestamp expired at Sat Nov 21 19:39:20 UTC 2026"
        );
        let (received, trusted): (Version, Version) = (3, 5);
        assert_eq!(
            rule(RuleError::RolledBack {
                role: RoleName::timestamp(),
                received,
                trusted
            }),
            "Warning: potential malicious behavior - trust data version is lower than expected for remote repository R: \
             version 3 is lower than current version 5"
        );
        let below = BelowThreshold {
            role: RoleName::targets(),
            found: Vec::new(),
            needed: 1,
        };
        assert_eq!(
            rule(RuleError::Signatures(below.into())),
            "Warning: potential malicious behavior - trust data has insufficient signatures for remote repository R: \
             valid signatures did not meet threshold for targets"
        );
        assert_eq!(
            rule(RuleError::Root(RootError::Rotation)),
            "Warning: potential malicious behavior - trust data mismatch for remote repository R: could not rotate trust to a new \
             trusted root: failed to validate data with current trusted certificates"
        );
    }

    #[test]
    fn network_errors_are_told_without_the_library() {
        let message = "error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)";
        let error = Error::Remote(RemoteError::Unreachable {
            message: message.to_owned(),
        });
        assert_eq!(
            notary_error("R", &error),
            "Error: error contacting notary server: tcp connect error: connection refused"
        );
    }
}
