//! Every environment variable that the programs look at, read once at the start. What each of them says is in the table of the manual pages,
//! [`VARIABLES`](crate::manual::surroundings::VARIABLES).
//!
//! The libraries below read these themselves, as documented: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` and their lower-case forms (proxies),
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` (system roots). An empty variable counts as unset, but for
//! `DOCKER_TRUST_POLICY`: whoever sets that means to have a policy.

use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::SecretString;

/// Where an administrator puts the policy of a machine.
#[cfg(unix)]
const MACHINE_POLICY: Option<&str> = Some("/etc/docker/trust/policy.json");
#[cfg(not(unix))]
const MACHINE_POLICY: Option<&str> = None;

/// What the environment says.
#[derive(Debug, Default)]
pub struct Environment {
    /// `DOCKER_AUTH_CONFIG`.
    pub auth_config: Option<SecretString>,
    /// `DOCKER_CONFIG`.
    pub docker_config: Option<PathBuf>,
    /// What concerns the daemon.
    pub daemon: DaemonEnvironment,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `DOCKER_CONTENT_TRUST_SERVER`.
    pub trust_server: Option<String>,
    /// `DOCKER_TRUST_POLICY`, also when it is empty.
    pub trust_policy: Option<PathBuf>,
    /// The machine's policy, which is at a fixed place: no variable leads away from it.
    pub machine_policy: Option<PathBuf>,
    /// `DOCKER_CONTENT_TRUST`.
    pub content_trust: Option<String>,
    /// `DOCKER_DEFAULT_PLATFORM`.
    pub default_platform: Option<String>,
    /// `SIGNET_PULL_PATIENCE`.
    pub pull_patience: Option<String>,
    /// `DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE`.
    pub root_passphrase: Option<SecretString>,
    /// `DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE`.
    pub repository_passphrase: Option<SecretString>,
    /// Whether `EXPERIMENTAL_BUILDKIT_SOURCE_POLICY` is set.
    pub source_policy: bool,
    /// What only `notary` looks at.
    pub notary: NotaryEnvironment,
    /// `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: Option<String>,
    /// Whether `NO_COLOR` is set.
    pub no_color: bool,
    /// Whether a proxy stands between this machine and other servers.
    pub has_proxy: bool,
    /// `PATH`.
    pub path: Option<OsString>,
}

/// What the environment says about the docker daemon.
#[derive(Debug, Default)]
pub struct DaemonEnvironment {
    /// `DOCKER_HOST`.
    pub host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub context: Option<String>,
    /// Whether `DOCKER_TLS` is set.
    pub tls: bool,
    /// Whether `DOCKER_TLS_VERIFY` is set.
    pub tls_verify: bool,
    /// `DOCKER_CERT_PATH`.
    pub cert_path: Option<PathBuf>,
    /// `DOCKER_API_VERSION`.
    pub api_version: Option<String>,
    /// `DOCKER_CUSTOM_HEADERS`.
    pub custom_headers: Option<String>,
    /// Whether `DOCKER_CLI_PLUGIN_USE_DIAL_STDIO` is set.
    pub dial_stdio: bool,
}

impl DaemonEnvironment {
    fn read() -> Self {
        Self {
            host: text("DOCKER_HOST"),
            context: text("DOCKER_CONTEXT"),
            tls: variable("DOCKER_TLS").is_some(),
            tls_verify: variable("DOCKER_TLS_VERIFY").is_some(),
            cert_path: variable("DOCKER_CERT_PATH").map(PathBuf::from),
            api_version: text("DOCKER_API_VERSION"),
            custom_headers: text("DOCKER_CUSTOM_HEADERS"),
            dial_stdio: variable("DOCKER_CLI_PLUGIN_USE_DIAL_STDIO").is_some(),
        }
    }
}

/// What the environment says to `notary`.
#[derive(Debug, Default)]
pub struct NotaryEnvironment {
    /// `NOTARY_AUTH`.
    pub auth: Option<SecretString>,
    /// `NOTARY_ROOT_PASSPHRASE`.
    pub root_passphrase: Option<SecretString>,
    /// `NOTARY_TARGETS_PASSPHRASE`.
    pub targets_passphrase: Option<SecretString>,
    /// `NOTARY_SNAPSHOT_PASSPHRASE`.
    pub snapshot_passphrase: Option<SecretString>,
    /// `NOTARY_DELEGATION_PASSPHRASE`.
    pub delegation_passphrase: Option<SecretString>,
}

impl NotaryEnvironment {
    fn read() -> Self {
        let secret = |name| text(name).map(SecretString::from);
        Self {
            auth: secret("NOTARY_AUTH"),
            root_passphrase: secret("NOTARY_ROOT_PASSPHRASE"),
            targets_passphrase: secret("NOTARY_TARGETS_PASSPHRASE"),
            snapshot_passphrase: secret("NOTARY_SNAPSHOT_PASSPHRASE"),
            delegation_passphrase: secret("NOTARY_DELEGATION_PASSPHRASE"),
        }
    }
}

impl Environment {
    /// Reads the process's environment.
    #[must_use]
    pub fn read() -> Self {
        Self {
            auth_config: text("DOCKER_AUTH_CONFIG").map(SecretString::from),
            docker_config: variable("DOCKER_CONFIG").map(PathBuf::from),
            daemon: DaemonEnvironment::read(),
            home: variable("HOME").map(PathBuf::from),
            trust_server: text("DOCKER_CONTENT_TRUST_SERVER"),
            trust_policy: std::env::var_os("DOCKER_TRUST_POLICY").map(PathBuf::from),
            machine_policy: MACHINE_POLICY.map(PathBuf::from),
            content_trust: text("DOCKER_CONTENT_TRUST"),
            default_platform: text("DOCKER_DEFAULT_PLATFORM"),
            pull_patience: text("SIGNET_PULL_PATIENCE"),
            root_passphrase: text("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE").map(SecretString::from),
            repository_passphrase: text("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE")
                .map(SecretString::from),
            source_policy: variable("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY").is_some(),
            notary: NotaryEnvironment::read(),
            source_date_epoch: text("SOURCE_DATE_EPOCH"),
            no_color: variable("NO_COLOR").is_some(),
            has_proxy: ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
                .into_iter()
                .any(|name| variable(name).is_some()),
            path: variable("PATH"),
        }
    }
}

/// The value that `--build-arg NAME` takes from the environment. Here an empty one counts, as it does for docker.
#[must_use]
pub fn build_argument(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

/// What docker tells a plugin, and a plugin nobody else.
pub const PLUGIN_VARIABLES: [&str; 2] = [
    "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND",
    "DOCKER_CLI_PLUGIN_SOCKET",
];

/// `DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND`: the docker command that runs this program as a plugin, if one does.
#[must_use]
pub fn plugin_command() -> Option<OsString> {
    variable("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND")
}

/// `DOCKER_CLI_PLUGIN_SOCKET`: the socket whose end cancels the command.
#[must_use]
pub fn plugin_socket() -> Option<String> {
    text("DOCKER_CLI_PLUGIN_SOCKET")
}

/// The current folder, as Go's `os.Getwd` gives it for messages.
///
/// # Errors
/// When the folder is gone or cannot be read.
pub fn current_dir() -> std::io::Result<PathBuf> {
    std::env::current_dir()
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn text(name: &str) -> Option<String> {
    // A value that is not text cannot be a URL or a passphrase that docker would understand either; it is taken as far as it is text.
    variable(name).map(|value| {
        value
            .into_string()
            .unwrap_or_else(|value| value.to_string_lossy().into_owned())
    })
}
