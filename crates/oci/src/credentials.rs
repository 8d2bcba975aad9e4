//! Who we are to a registry: the look-up in docker's configuration and its credential helpers.
//!
//! A look-up never fails. What stands in its way becomes a [`CredentialWarning`], and access is anonymous.

mod helper;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use data_encoding::BASE64;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::config::{ConfigFault, DockerConfig, StoredAuth, parse_auth_config};

pub use helper::{HelperFault, HelperName};

/// How long a credential helper may take. It may be asking the user for a passphrase.
pub const HELPER_TIME_LIMIT: Duration = Duration::from_secs(120);

/// What a server may be told about the user. `Debug` shows the user name and no secret.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    username: Option<String>,
    password: Option<SecretString>,
    identity_token: Option<SecretString>,
}

/// What a look-up needs besides the configuration. The default finds no helper and knows no variable.
#[derive(Clone, Debug)]
pub struct CredentialEnvironment {
    /// Value of `DOCKER_AUTH_CONFIG`, which goes before `config.json` (docker 28.3 and later).
    pub auth_config: Option<SecretString>,
    /// Folders in which helper programs are looked for, in the form of `PATH`.
    pub search_path: Option<OsString>,
    /// How long a helper may take.
    pub helper_time_limit: Duration,
}

/// Why stored credentials were not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialWarning {
    /// `DOCKER_AUTH_CONFIG` cannot be used. docker prints two spaces here.
    #[error("Failed to create credential store from DOCKER_AUTH_CONFIG:  {0}")]
    AuthConfig(#[source] ConfigFault),
    /// A credential helper gave no answer. docker says nothing in this case.
    #[error(
        "credential helper {program} gave no credentials for {key}: {fault}; continuing without"
    )]
    Helper {
        /// Name of the helper program.
        program: String,
        /// What it was asked for.
        key: String,
        /// What went wrong.
        #[source]
        fault: HelperFault,
    },
}

impl Default for CredentialEnvironment {
    fn default() -> Self {
        Self {
            auth_config: None,
            search_path: None,
            helper_time_limit: HELPER_TIME_LIMIT,
        }
    }
}

impl Credentials {
    /// No credentials at all.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A user name and password.
    #[must_use]
    pub fn password(username: impl Into<String>, password: SecretString) -> Self {
        Self {
            username: Some(username.into()),
            password: Some(password),
            identity_token: None,
        }
    }

    /// The user's name, when one is known. docker's first `sign` names the signer after it.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// User name and password, when neither is empty.
    #[must_use]
    pub fn basic(&self) -> Option<(&str, &SecretString)> {
        let username = self.username.as_deref().filter(|name| !name.is_empty())?;
        let password = self
            .password
            .as_ref()
            .filter(|p| !p.expose_secret().is_empty())?;
        Some((username, password))
    }

    /// The `Authorization` header of name and password, when neither is empty (RFC 7617).
    #[must_use]
    pub fn basic_header(&self) -> Option<HeaderValue> {
        let (username, password) = self.basic()?;
        let plain = Zeroizing::new(format!("{username}:{}", password.expose_secret()));
        let header = Zeroizing::new(format!("Basic {}", BASE64.encode(plain.as_bytes())));
        // Base64 is always a valid header value.
        let mut header = HeaderValue::from_str(&header).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// The token that stands for the user at a token server.
    #[must_use]
    pub const fn identity_token(&self) -> Option<&SecretString> {
        self.identity_token.as_ref()
    }

    /// Whether a server will learn nothing about the user.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.basic().is_none() && self.identity_token.is_none()
    }

    /// Finds the credentials stored under `key`, which is [`Reference::credentials_key`].
    ///
    /// The order is docker's: `DOCKER_AUTH_CONFIG`; the helper that `credHelpers` has for the key, else `credsStore`;
    /// the file's own entries. If the file says nothing at all about credentials, the platform's helper is asked when
    /// it is installed.
    ///
    /// [`Reference::credentials_key`]: crate::reference::Reference::credentials_key
    pub async fn lookup(
        config: &DockerConfig,
        key: &str,
        environment: &CredentialEnvironment,
    ) -> (Self, Vec<CredentialWarning>) {
        let mut warnings = Vec::new();
        match environment.auth_config.as_ref().map(parse_auth_config) {
            None => {}
            Some(Ok(mut auths)) => {
                if let Some(stored) = auths.remove(key) {
                    return (stored.into(), warnings);
                }
            }
            Some(Err(fault)) => warnings.push(CredentialWarning::AuthConfig(fault)),
        }
        let search_path = environment.search_path.as_deref().unwrap_or_default();
        let detected;
        let configured = match config.cred_helpers.get(key) {
            Some(suffix) => Some(suffix),
            None if config.contains_auth() => config.creds_store.as_ref(),
            None => {
                detected = helper::platform_default(search_path);
                detected.as_ref()
            }
        };
        // An empty name in credHelpers means: for this registry, the file.
        let Some(suffix) = configured.filter(|suffix| !suffix.is_empty()) else {
            let stored = find_in_file(&config.auths, key).cloned();
            return (stored.map(Self::from).unwrap_or_default(), warnings);
        };
        let program = HelperName::from_suffix(suffix);
        let answer = match &program {
            Ok(name) => helper::ask(name, key, search_path, environment.helper_time_limit).await,
            Err(fault) => Err(fault.clone()),
        };
        match answer {
            Ok(credentials) => (credentials.unwrap_or_default(), warnings),
            Err(fault) => {
                warnings.push(CredentialWarning::Helper {
                    program: format!("{}{suffix}", helper::PREFIX),
                    key: key.to_owned(),
                    fault,
                });
                (Self::anonymous(), warnings)
            }
        }
    }
}

impl From<StoredAuth> for Credentials {
    fn from(stored: StoredAuth) -> Self {
        Self {
            username: stored.username,
            password: stored.password,
            identity_token: stored.identity_token,
        }
    }
}

fn find_in_file<'a>(auths: &'a BTreeMap<String, StoredAuth>, key: &str) -> Option<&'a StoredAuth> {
    // Old docker versions stored URLs.
    auths.get(key).or_else(|| {
        auths
            .iter()
            .find(|(stored_key, _)| host_and_port(stored_key) == key)
            .map(|(_, stored)| stored)
    })
}

/// What docker takes for the host in a key of `auths`: of a URL host and port, of anything else what stands before the
/// first slash.
fn host_and_port(key: &str) -> &str {
    let Some((_, rest)) = key.split_once("://") else {
        return key.split('/').next().unwrap_or_default();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let authority = authority.strip_suffix(':').unwrap_or(authority);
    // Without a port, an address loses its brackets.
    authority
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(authority)
}

#[cfg(test)]
mod tests;
