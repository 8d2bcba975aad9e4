//! Which docker daemon is meant: flags, environment, and docker's contexts, in docker's order and with docker's messages.
//!
//! `--context` and `--host` exclude each other. Without both, `DOCKER_HOST` goes before `DOCKER_CONTEXT`, and that before the
//! `currentContext` of `config.json`. A named context brings its own TLS files; the flags and variables about TLS concern the
//! default context only.

mod host;
mod store;

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::files::GoIoError;

pub use host::HostError;
pub use store::ContextError;

/// The context that flags and environment describe.
const DEFAULT_CONTEXT: &str = "default";

/// What flags, environment and configuration say about the daemon.
#[derive(Clone, Debug, Default)]
pub struct EndpointOptions {
    /// Docker's configuration folder, which has the contexts and the default TLS files.
    pub config_dir: PathBuf,
    /// Every `--host`.
    pub hosts: Vec<String>,
    /// `--context`.
    pub context: Option<String>,
    /// `DOCKER_HOST`.
    pub host_variable: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub context_variable: Option<String>,
    /// `currentContext` of `config.json`.
    pub current_context: Option<String>,
    /// Everything about TLS.
    pub tls: TlsChoice,
}

/// What flags and environment say about TLS to the daemon.
#[derive(Clone, Debug, Default)]
pub struct TlsChoice {
    /// `--tls`.
    pub tls: Option<bool>,
    /// `--tlsverify`. Giving it at all, even as `false`, switches TLS on.
    pub verify: Option<bool>,
    /// `--tlscacert`.
    pub ca: Option<PathBuf>,
    /// `--tlscert`.
    pub certificate: Option<PathBuf>,
    /// `--tlskey`.
    pub key: Option<PathBuf>,
    /// Whether `DOCKER_TLS` is set.
    pub tls_variable: bool,
    /// Whether `DOCKER_TLS_VERIFY` is set.
    pub verify_variable: bool,
    /// `DOCKER_CERT_PATH`: the folder of the default TLS files.
    pub cert_path: Option<PathBuf>,
}

/// A daemon's address, and how to prove who is who.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// `unix:///var/run/docker.sock`, `tcp://host:2376`, `ssh://user@host`, `npipe:////./pipe/docker_engine`.
    pub host: String,
    /// TLS, if it is to be used.
    pub tls: Option<EndpointTls>,
}

/// TLS to a daemon. `Debug` does not show the key.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct EndpointTls {
    /// Certificates, PEM, of those who may vouch for the daemon; the system's without.
    pub ca: Option<Vec<u8>>,
    /// The certificate chain that the daemon is shown, PEM.
    pub certificate: Option<Vec<u8>>,
    /// Its private key, PEM.
    pub key: Option<Zeroizing<Vec<u8>>>,
    /// Whether the daemon need not prove anything, as with `--tls` and without `--tlsverify`.
    pub skip_verification: bool,
}

impl std::fmt::Debug for EndpointTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointTls")
            .field("has_ca", &self.ca.is_some())
            .field("has_certificate", &self.certificate.is_some())
            .field("skip_verification", &self.skip_verification)
            .finish_non_exhaustive()
    }
}

/// Why it is not known which daemon is meant. The texts are docker's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// `--host` and `--context` together.
    #[error("conflicting options: cannot specify both --host and --context")]
    Conflict,
    /// Two `--host`.
    #[error("Failed to initialize: unable to resolve docker endpoint: Specify only one -H")]
    TwoHosts,
    /// An address that is none.
    #[error("Failed to initialize: unable to resolve docker endpoint: {0}")]
    Host(#[from] HostError),
    /// A context that cannot be used.
    #[error("Failed to initialize: unable to resolve docker endpoint: {0}")]
    Context(#[from] ContextError),
    /// A TLS file that cannot be read.
    #[error("Failed to initialize: unable to resolve docker endpoint: {0}")]
    TlsFile(#[from] GoIoError),
}

impl Endpoint {
    /// Finds the daemon. Reads the files of contexts and TLS, and sends nothing.
    ///
    /// # Errors
    /// [`EndpointError`]
    pub fn resolve(options: &EndpointOptions) -> Result<Self, EndpointError> {
        let context = options.context.as_deref().filter(|name| !name.is_empty());
        if context.is_some() && !options.hosts.is_empty() {
            return Err(EndpointError::Conflict);
        }
        match options.context_name() {
            DEFAULT_CONTEXT => Self::default_context(options),
            name => Ok(store::load(&options.config_dir, name)?),
        }
    }

    fn default_context(options: &EndpointOptions) -> Result<Self, EndpointError> {
        let tls_is_wanted = options.tls.is_wanted();
        let typed = match options.hosts.as_slice() {
            [] => options.host_variable.as_deref().unwrap_or_default(),
            [host] => host,
            _ => return Err(EndpointError::TwoHosts),
        };
        let host = host::parse(typed, tls_is_wanted)?;
        let tls = if tls_is_wanted {
            Some(options.tls.read(&options.config_dir)?)
        } else {
            None
        };
        Ok(Self { host, tls })
    }
}

impl EndpointOptions {
    fn context_name(&self) -> &str {
        fn given(text: Option<&String>) -> Option<&str> {
            text.map(String::as_str).filter(|text| !text.is_empty())
        }
        if let Some(name) = given(self.context.as_ref()) {
            return name;
        }
        if !self.hosts.is_empty() || given(self.host_variable.as_ref()).is_some() {
            return DEFAULT_CONTEXT;
        }
        given(self.context_variable.as_ref())
            .or_else(|| given(self.current_context.as_ref()))
            .unwrap_or(DEFAULT_CONTEXT)
    }
}

impl TlsChoice {
    fn is_wanted(&self) -> bool {
        self.verify.is_some() || self.verify_variable || self.tls.unwrap_or(self.tls_variable)
    }

    fn read(&self, config_dir: &Path) -> Result<EndpointTls, GoIoError> {
        let folder = self.cert_path.as_deref().unwrap_or(config_dir);
        let read = |given: &Option<PathBuf>, name: &str| {
            let path = given.clone().unwrap_or_else(|| folder.join(name));
            if path.as_os_str().is_empty() {
                return Ok(None);
            }
            match store::read_bounded(&path) {
                // compat: of the default files only the CA's must be there.
                Err(error) if given.is_none() && name != CA && error.is_not_found() => Ok(None),
                read => read.map(Some),
            }
        };
        Ok(EndpointTls {
            ca: read(&self.ca, CA)?.map(|mut bytes| std::mem::take(&mut *bytes)),
            certificate: read(&self.certificate, CERTIFICATE)?
                .map(|mut bytes| std::mem::take(&mut *bytes)),
            key: read(&self.key, KEY)?,
            skip_verification: !self.verify.unwrap_or(self.verify_variable),
        })
    }
}

const CA: &str = "ca.pem";
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";
