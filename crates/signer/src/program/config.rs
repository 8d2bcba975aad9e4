//! What the configuration's keys mean (specification, signer-and-keys section 3.2), one function per step of the start.

use std::path::PathBuf;
use std::time::Duration;

use signet_service::config::Configuration;
use signet_service::listen::Address;
use signet_service::settings::{positive, rethinkdb_fault, seconds};
use signet_service::{serve, tls};
use signet_signer::CallLimits;
use signet_sql::mysql;

use super::failure::Failure;

/// Begins the names of the variables that override keys, and of those with passphrases.
pub(crate) const ENVIRONMENT_PREFIX: &str = "NOTARY_SIGNER";

/// Where the keys are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Storage {
    /// In memory, gone with the process.
    Memory,
    /// In a database.
    Database {
        /// Which kind.
        engine: Engine,
        /// Its data source name.
        source: String,
    },
}

/// The kinds of database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Engine {
    MySql,
    Postgres,
    Sqlite,
}

/// Refuses variables for whole sections that would hide the file's settings and put nothing in their place.
pub(crate) fn sections(configuration: &Configuration) -> Result<(), Failure> {
    match configuration.broken_sections(KNOWN_KEYS).into_iter().next() {
        Some(variable) => Err(Failure::Section(variable)),
        None => Ok(()),
    }
}

/// The files of TLS, which there is no serving without: files that are not configured are missing files.
pub(crate) fn tls_files(configuration: &Configuration) -> tls::Files {
    let file = |key: &str| configuration.path(key).unwrap_or_default();
    tls::Files {
        certificate: file("server.tls_cert_file"),
        key: file("server.tls_key_file"),
        client_ca: configuration
            .path("server.client_ca_file")
            .filter(|path| *path != PathBuf::new()),
    }
}

/// The text of the address, as it is logged, and what it means.
pub(crate) fn address(configuration: &Configuration) -> Result<(String, Address), Failure> {
    let text = configuration.text("server.grpc_addr");
    if text.is_empty() {
        return Err(Failure::Address);
    }
    match Address::parse(&text) {
        Ok(address) => Ok((text, address)),
        Err(source) => Err(Failure::Listen {
            address: text,
            source,
        }),
    }
}

/// Whoever can connect may sign, unless clients are asked for certificates: that is for this machine alone, or on request.
pub(crate) fn check_exposure(
    configuration: &Configuration,
    address: &Address,
    files: &tls::Files,
) -> Result<(), Failure> {
    let allowed = configuration
        .boolean("server.allow_anonymous")?
        .unwrap_or(false);
    if files.client_ca.is_some() {
        return Ok(());
    }
    if !allowed && !address.is_loopback() {
        return Err(Failure::Everybody(address.to_string()));
    }
    tracing::warn!(
        "server.client_ca_file is not set: everybody who can connect to {address} may sign with every key"
    );
    Ok(())
}

pub(crate) fn storage(configuration: &Configuration) -> Result<Storage, Failure> {
    let backend = configuration.text("storage.backend");
    let engine = match backend.as_str() {
        "memory" => return Ok(Storage::Memory),
        "rethinkdb" => return Err(Failure::RethinkDb(rethinkdb_fault(configuration))),
        "mysql" => Engine::MySql,
        "postgres" => Engine::Postgres,
        "sqlite" | "sqlite3" => Engine::Sqlite,
        _ => return Err(Failure::Backend(backend)),
    };
    let source = configuration.text("storage.db_url");
    if source.is_empty() {
        return Err(Failure::NoSource(backend));
    }
    if engine == Engine::MySql {
        // As with Go before the alias is asked for.
        mysql::Source::parse(&source)?;
    }
    Ok(Storage::Database { engine, source })
}

/// The alias of the passphrase that new keys are encrypted for.
pub(crate) fn default_alias(configuration: &Configuration) -> Result<String, Failure> {
    // The second is read from a variable of its own name, NOTARY_SIGNER_DEFAULT_ALIAS, too.
    ["storage.default_alias", "default_alias"]
        .map(|key| configuration.text(key))
        .into_iter()
        .find(|alias| !alias.is_empty())
        .ok_or(Failure::NoAlias)
}

/// Bounds on connections and calls, and on the time of a shutdown. These keys are ours.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) connections: serve::Limits,
    pub(crate) calls: CallLimits,
    pub(crate) shutdown: Duration,
}

pub(crate) fn bounds(configuration: &Configuration) -> Result<Bounds, Failure> {
    let usual = serve::Limits::default();
    let connections = positive(
        configuration,
        "limits.max_connections",
        usual.connections as u64,
    )?;
    Ok(Bounds {
        connections: serve::Limits {
            connections: usize::try_from(connections)
                .map_or(MOST_CONNECTIONS, |value| value.min(MOST_CONNECTIONS)),
            handshake: seconds(configuration, "limits.handshake_timeout", usual.handshake)?,
            // Servers keep their connection for as long as they run; they ask for the health of this service every few seconds.
            stall: seconds(configuration, "limits.idle_timeout", IDLE)?,
            ..usual
        },
        calls: CallLimits {
            call: seconds(configuration, "limits.call_timeout", CALL)?,
            body: seconds(configuration, "limits.body_timeout", BODY)?,
        },
        shutdown: seconds(configuration, "limits.shutdown_timeout", SHUTDOWN)?,
    })
}

/// The keys that mean something, for the warning about others.
pub(crate) const KNOWN_KEYS: &[&str] = &[
    "default_alias",
    "limits.body_timeout",
    "limits.call_timeout",
    "limits.handshake_timeout",
    "limits.idle_timeout",
    "limits.max_connections",
    "limits.shutdown_timeout",
    "logging.level",
    "reporting.bugsnag.api_key",
    "reporting.bugsnag.endpoint",
    "reporting.bugsnag.release_stage",
    "server.allow_anonymous",
    "server.client_ca_file",
    "server.grpc_addr",
    "server.tls_cert_file",
    "server.tls_key_file",
    "storage.backend",
    "storage.client_cert_file",
    "storage.client_key_file",
    "storage.database",
    "storage.db_url",
    "storage.default_alias",
    "storage.password",
    "storage.tls_ca_file",
    "storage.username",
];

const IDLE: Duration = Duration::from_secs(600);
const BODY: Duration = Duration::from_secs(10);
const CALL: Duration = Duration::from_secs(30);
const SHUTDOWN: Duration = Duration::from_secs(30);
const MOST_CONNECTIONS: usize = 1_000_000;
