//! What the configuration's keys mean (specification, `server.md` section 1.2), one function per step of the start.
//!
//! The steps are apart because their order decides which of several faults is reported; [`mod@super::run`] has the order. The
//! texts are those of the Go server wherever it has one.

use std::time::Duration;

use signet_server::trust::RemoteOptions;
use signet_server::{Limits, MaxAge};
use signet_service::config::Configuration;
use signet_service::dial::Callee;
use signet_service::listen::{Address, ListenError};
use signet_service::settings::{
    LimitError, MissingApiKey, YEAR, positive, rethinkdb_fault, seconds,
};
use signet_service::telemetry::InvalidLevel;
use signet_service::{serve, tls};

/// Begins the names of the variables that override keys.
pub(crate) const ENVIRONMENT_PREFIX: &str = "NOTARY_SERVER";

/// A configuration that the server does not start with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{0}")]
    Audit(String),
    #[error("{0}")]
    Auth(String),
    #[error(
        "{0} is set, but is no JSON object: it would hide what the configuration file says in this section"
    )]
    Section(String),
    #[error(transparent)]
    Bugsnag(#[from] MissingApiKey),
    #[error("must specify a cache-control max-age between 0 and {}", MaxAge::LIMIT)]
    CacheAge,
    #[error("invalid GUN prefix {0}")]
    GunPrefix(String),
    #[error("http listen address required for server")]
    HttpAddress,
    #[error("invalid key algorithm configured: {0}")]
    KeyAlgorithm(String),
    #[error(transparent)]
    Level(#[from] InvalidLevel),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("{0}")]
    Storage(String),
    #[error("either include both a cert and key file, or no TLS information at all to disable TLS")]
    TlsHalf,
    #[error("either pass both client key and cert, or neither")]
    TrustTlsHalf,
    #[error("Unable to configure TLS to the trust service: {0}")]
    TrustTls(String),
    #[error("must specify either a \"local\" or \"remote\" type for trust_service")]
    TrustType,
}

/// Where signing keys are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TrustSource {
    /// With the metadata: in memory, or in a table of the same database.
    Local,
    /// At a notary-signer.
    Remote(Box<RemoteOptions>),
}

/// Where metadata is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Storage {
    /// In memory, gone with the process.
    Memory,
    /// In an SQLite file: a path or a `file:` URL.
    Sqlite(String),
    /// In a database that servers share.
    Shared {
        /// Which kind.
        engine: Engine,
        /// Its data source name.
        source: String,
    },
}

/// The kinds of database that servers share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Engine {
    /// MySQL or MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
}

/// Refuses variables for whole sections that would hide the file's settings and put nothing in their place.
pub(crate) fn sections(configuration: &Configuration) -> Result<(), ConfigError> {
    match configuration.broken_sections(KNOWN_KEYS).into_iter().next() {
        Some(variable) => Err(ConfigError::Section(variable)),
        None => Ok(()),
    }
}

pub(crate) fn gun_prefixes(configuration: &Configuration) -> Result<Vec<String>, ConfigError> {
    let prefixes = configuration.list("repositories.gun_prefixes");
    match prefixes.iter().find(|prefix| !is_clean_folder(prefix)) {
        Some(bad) => Err(ConfigError::GunPrefix(bad.clone())),
        None => Ok(prefixes),
    }
}

/// A relative path in its shortest form, ending in `/`.
fn is_clean_folder(text: &str) -> bool {
    let Some(path) = text.strip_suffix('/') else {
        return false;
    };
    text.trim() == text
        && !path.starts_with("..")
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether the signing keys are in the server's own database. No file of a key service is asked for: it need not be there for work on
/// the database.
pub(crate) fn has_own_keys(configuration: &Configuration) -> Result<bool, ConfigError> {
    match configuration.text("trust_service.type").as_str() {
        "local" => Ok(true),
        "remote" => Ok(false),
        _ => Err(ConfigError::TrustType),
    }
}

pub(crate) fn trust_source(configuration: &Configuration) -> Result<TrustSource, ConfigError> {
    if has_own_keys(configuration)? {
        return Ok(TrustSource::Local);
    }
    let algorithm = configuration.text("trust_service.key_algorithm");
    if !["ecdsa", "rsa", "ed25519"].contains(&algorithm.as_str()) {
        return Err(ConfigError::KeyAlgorithm(algorithm));
    }
    let [certificate, key] = ["tls_client_cert", "tls_client_key"]
        .map(|name| configuration.path(&format!("trust_service.{name}")));
    if certificate.is_some() != key.is_some() {
        return Err(ConfigError::TrustTlsHalf);
    }
    let ca = configuration.path("trust_service.tls_ca_file");
    for (file, what) in [
        (&ca, "CA certificate"),
        (&certificate, "client certificate"),
        (&key, "client key"),
    ] {
        if let Some(path) = file
            && let Err(error) = std::fs::File::open(path)
        {
            let reason = signet_service::files::reason(&error);
            return Err(ConfigError::TrustTls(format!(
                "could not read {what} {path:?}: open {}: {reason}",
                path.display()
            )));
        }
    }
    let timeout = seconds(
        configuration,
        "trust_service.timeout",
        RemoteOptions::DEFAULT_TIMEOUT,
    )?;
    Ok(TrustSource::Remote(Box::new(RemoteOptions {
        callee: Callee {
            host: configuration.text("trust_service.hostname"),
            port: trust_port(configuration),
            ca,
            identity: certificate.zip(key),
        },
        algorithm,
        timeout,
    })))
}

/// The port of the key service. As in Go, a wrong one does not keep the server from starting: nothing is signed then.
fn trust_port(configuration: &Configuration) -> u16 {
    let text = configuration.text("trust_service.port");
    text.parse().unwrap_or_else(|_| {
        tracing::error!(
            "trust_service.port is {text:?}, which is no port: the key service cannot be reached"
        );
        0
    })
}

pub(crate) fn storage(configuration: &Configuration) -> Result<Storage, ConfigError> {
    let backend = configuration.text("storage.backend");
    let source = configuration.text("storage.db_url");
    let fail = |text: String| Err(ConfigError::Storage(text));
    match backend.as_str() {
        "memory" => Ok(Storage::Memory),
        "rethinkdb" => fail(rethinkdb_fault(configuration).to_owned()),
        "mysql" | "postgres" | "sqlite" | "sqlite3" if source.is_empty() => fail(format!(
            "must provide a non-empty database source for {backend}"
        )),
        "sqlite" | "sqlite3" => Ok(Storage::Sqlite(source)),
        // A data source name has a slash before the name of the database, which may be empty.
        "mysql" if !source.contains('/') => {
            fail("failed to parse the database source for mysql".to_owned())
        }
        "mysql" => Ok(Storage::Shared {
            engine: Engine::MySql,
            source,
        }),
        "postgres" => Ok(Storage::Shared {
            engine: Engine::Postgres,
            source,
        }),
        _ => fail(format!("{backend} is not a supported storage backend")),
    }
}

pub(crate) fn max_age(configuration: &Configuration) -> Result<MaxAge, ConfigError> {
    let seconds = |key: &str, default: u32| {
        let text = configuration.text(&format!("caching.max_age.{key}"));
        if text.is_empty() {
            return Ok(default);
        }
        // Go's Atoi takes a plus sign, as `parse` does.
        text.parse()
            .ok()
            .filter(|seconds| *seconds <= MaxAge::LIMIT)
            .ok_or(ConfigError::CacheAge)
    };
    let default = MaxAge::default();
    Ok(MaxAge {
        current: seconds("current_metadata", default.current)?,
        consistent: seconds("consistent_metadata", default.consistent)?,
    })
}

/// The text of the address, as it is logged.
pub(crate) fn http_address(configuration: &Configuration) -> Result<String, ConfigError> {
    let address = configuration.text("server.http_addr");
    if address.is_empty() {
        Err(ConfigError::HttpAddress)
    } else {
        Ok(address)
    }
}

/// The address to listen on.
pub(crate) fn parse_address(text: &str) -> Result<Address, ConfigError> {
    Ok(Address::parse(text)?)
}

/// The files of TLS; none means plain HTTP.
pub(crate) fn tls_files(configuration: &Configuration) -> Result<Option<tls::Files>, ConfigError> {
    let client_ca = configuration.path("server.client_ca_file");
    match (
        configuration.path("server.tls_cert_file"),
        configuration.path("server.tls_key_file"),
    ) {
        (Some(certificate), Some(key)) => Ok(Some(tls::Files {
            certificate,
            key,
            client_ca,
        })),
        (None, None) if client_ca.is_none() => Ok(None),
        _ => Err(ConfigError::TlsHalf),
    }
}

/// Bounds on requests and connections, and on the time of a shutdown. These keys are ours.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) requests: Limits,
    pub(crate) connections: serve::Limits,
    pub(crate) shutdown: Duration,
}

pub(crate) fn bounds(configuration: &Configuration) -> Result<Bounds, ConfigError> {
    let number = |name, default| positive(configuration, name, default);
    let seconds = |name, default| seconds(configuration, name, default);
    let (requests, connections) = (Limits::default(), serve::Limits::default());
    let max_connections = number("limits.max_connections", connections.connections as u64)?;
    let max_changes = number("limits.max_changes", requests.max_changes.into())?;
    Ok(Bounds {
        connections: serve::Limits {
            connections: usize::try_from(max_connections)
                .map_or(MOST_CONNECTIONS, |value| value.min(MOST_CONNECTIONS)),
            handshake: seconds("limits.handshake_timeout", connections.handshake)?,
            head: seconds("limits.header_timeout", connections.head)?,
            stall: seconds("limits.idle_timeout", connections.stall)?,
        },
        requests: Limits {
            max_upload_bytes: number("limits.max_body_bytes", requests.max_upload_bytes)?,
            upload_time: seconds("limits.body_timeout", requests.upload_time)?,
            max_changes: u32::try_from(max_changes).unwrap_or(u32::MAX),
            cache_bytes: configuration
                .number("limits.cache_bytes")
                .map_err(LimitError::from)?
                .unwrap_or(requests.cache_bytes),
            renew_before: configuration
                .number("limits.renew_before")
                .map_err(LimitError::from)?
                .map_or(requests.renew_before, |value| {
                    Duration::from_secs(value.min(YEAR))
                }),
            max_pending_bytes: usize::try_from(number(
                "limits.max_pending_bytes",
                requests.max_pending_bytes as u64,
            )?)
            .unwrap_or(usize::MAX),
            ..requests
        },
        shutdown: seconds("limits.shutdown_timeout", SHUTDOWN_TIMEOUT)?,
    })
}

/// The keys that mean something, for the warning about others.
pub(crate) const KNOWN_KEYS: &[&str] = &[
    "audit.file",
    "audit.log",
    "audit.required",
    "audit.sync",
    "auth.options.allow_plain",
    "auth.options.autoredirect",
    "auth.options.issuer",
    "auth.options.jwks",
    "auth.options.path",
    "auth.options.realm",
    "auth.options.rootcertbundle",
    "auth.options.rules",
    "auth.options.service",
    "auth.type",
    "caching.max_age.consistent_metadata",
    "caching.max_age.current_metadata",
    "limits.body_timeout",
    "limits.cache_bytes",
    "limits.handshake_timeout",
    "limits.header_timeout",
    "limits.idle_timeout",
    "limits.max_body_bytes",
    "limits.max_changes",
    "limits.max_connections",
    "limits.max_pending_bytes",
    "limits.renew_before",
    "limits.shutdown_timeout",
    "limits.survey_period",
    "logging.level",
    "reporting.bugsnag.api_key",
    "reporting.bugsnag.endpoint",
    "reporting.bugsnag.release_stage",
    "repositories.gun_prefixes",
    "server.client_ca_file",
    "server.http_addr",
    "server.tls_cert_file",
    "server.tls_key_file",
    "storage.acquire_timeout",
    "storage.backend",
    "storage.client_cert_file",
    "storage.client_key_file",
    "storage.database",
    "storage.db_url",
    "storage.max_connections",
    "storage.password",
    "storage.tls_ca_file",
    "storage.username",
    "trust_service.hostname",
    "trust_service.key_algorithm",
    "trust_service.port",
    "trust_service.timeout",
    "trust_service.tls_ca_file",
    "trust_service.tls_client_cert",
    "trust_service.tls_client_key",
    "trust_service.type",
];

const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
const MOST_CONNECTIONS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use signet_service::config::Environment;
    use signet_service::settings::{log_level, reporting};

    use super::*;

    fn configuration(json: &str) -> Configuration {
        let keys = serde_json::from_str(json).unwrap();
        Configuration::built_in(keys, ENVIRONMENT_PREFIX, Environment::default())
    }

    /// The first fault, in the order of the server's start.
    fn fault(json: &str) -> String {
        let c = configuration(json);
        let steps = || -> Result<(), ConfigError> {
            log_level(&c)?;
            gun_prefixes(&c)?;
            reporting(&c)?;
            trust_source(&c)?;
            storage(&c)?;
            max_age(&c)?;
            let address = http_address(&c)?;
            tls_files(&c)?;
            bounds(&c)?;
            parse_address(&address)?;
            Ok(())
        };
        steps().map_or_else(|error| error.to_string(), |()| "no fault".to_owned())
    }

    const LOCAL: &str = r#""trust_service":{"type":"local"}"#;
    const MEMORY: &str = r#""trust_service":{"type":"local"},"storage":{"backend":"memory"}"#;
    const SERVER: &str = r#""trust_service":{"type":"local"},"storage":{"backend":"memory"},"server":{"http_addr":":4443"}"#;

    // Printed by notary-server 0.7.0 for the same configurations, unless marked as ours.
    #[test]
    fn each_fault_has_the_message_of_go() {
        let remote = |rest: &str| format!(r#""trust_service":{{"type":"remote"{rest}}}"#);
        let storage = |rest: &str| format!(r#"{LOCAL},"storage":{{{rest}}}"#);
        let server = |rest: &str| format!(r#"{MEMORY},"server":{{{rest}}}"#);
        let rethinkdb = r#""backend":"rethinkdb","db_url":"h:1","tls_ca_file":"a""#;
        for (keys, message) in [
            (
                r#""logging":{"level":"x y"}"#.to_owned(),
                "not a valid logrus Level: \"x y\"",
            ),
            (
                r#""repositories":{"gun_prefixes":["a/",5]}"#.to_owned(),
                "invalid GUN prefix 5",
            ),
            (
                r#""repositories":{"gun_prefixes":"a/ b"}"#.to_owned(),
                "invalid GUN prefix b",
            ),
            (
                r#""repositories":{"gun_prefixes":["/a/"]}"#.to_owned(),
                "invalid GUN prefix /a/",
            ),
            (
                r#""repositories":{"gun_prefixes":["../a/"]}"#.to_owned(),
                "invalid GUN prefix ../a/",
            ),
            (
                r#""repositories":{"gun_prefixes":["a//b/"]}"#.to_owned(),
                "invalid GUN prefix a//b/",
            ),
            (
                r#""repositories":{"gun_prefixes":[" a/"]}"#.to_owned(),
                "invalid GUN prefix  a/",
            ),
            (
                r#""reporting":{"bugsnag":{"endpoint":"x"}}"#.to_owned(),
                "must provide an API key for bugsnag",
            ),
            (
                String::new(),
                "must specify either a \"local\" or \"remote\" type for trust_service",
            ),
            (
                r#""trust_service":{"type":"LOCAL"}"#.to_owned(),
                "must specify either a \"local\" or \"remote\" type for trust_service",
            ),
            (remote(""), "invalid key algorithm configured: "),
            (
                remote(r#","key_algorithm":"random""#),
                "invalid key algorithm configured: random",
            ),
            (
                remote(r#","key_algorithm":"ecdsa","tls_client_cert":"x""#),
                "either pass both client key and cert, or neither",
            ),
            (
                remote(r#","key_algorithm":"ecdsa","tls_ca_file":"/nope""#),
                "Unable to configure TLS to the trust service: could not read CA certificate \"/nope\": open /nope: no such file or directory",
            ),
            (storage(""), " is not a supported storage backend"),
            (
                storage(r#""backend":"asdf""#),
                "asdf is not a supported storage backend",
            ),
            (
                storage(r#""backend":"mysql""#),
                "must provide a non-empty database source for mysql",
            ),
            (
                storage(r#""backend":"postgres""#),
                "must provide a non-empty database source for postgres",
            ),
            (
                storage(r#""backend":"sqlite3""#),
                "must provide a non-empty database source for sqlite3",
            ),
            (
                storage(r#""backend":"mysql","db_url":"zzz""#),
                "failed to parse the database source for mysql",
            ),
            (
                storage(r#""backend":"rethinkdb""#),
                "must provide a non-empty host:port for rethinkdb",
            ),
            (
                storage(r#""backend":"rethinkdb","db_url":"h:1""#),
                "cowardly refusal to connect to rethinkdb without a CA cert",
            ),
            (
                storage(rethinkdb),
                "cowardly refusal to connect to rethinkdb without a client cert and key",
            ),
            (
                storage(&format!(
                    r#"{rethinkdb},"client_cert_file":"b","client_key_file":"c""#
                )),
                "rethinkdb requires a specific database to connect to",
            ),
            (
                storage(&format!(
                    r#"{rethinkdb},"client_cert_file":"b","client_key_file":"c","database":"d""#
                )),
                "rethinkdb requires a username to connect to the db",
            ),
            // Ours: RethinkDB itself is refused.
            (
                storage(&format!(
                    r#"{rethinkdb},"client_cert_file":"b","client_key_file":"c","database":"d","username":"e""#
                )),
                "rethinkdb is not a supported storage backend",
            ),
            (
                format!(r#"{MEMORY},"caching":{{"max_age":{{"current_metadata":3.5}}}}"#),
                "must specify a cache-control max-age between 0 and 31536000",
            ),
            (
                format!(r#"{MEMORY},"caching":{{"max_age":{{"consistent_metadata":31536001}}}}"#),
                "must specify a cache-control max-age between 0 and 31536000",
            ),
            (
                format!(r#"{MEMORY},"caching":{{"max_age":{{"current_metadata":-1}}}}"#),
                "must specify a cache-control max-age between 0 and 31536000",
            ),
            (MEMORY.to_owned(), "http listen address required for server"),
            (
                server(r#""http_addr":"nope""#),
                "address nope: missing port in address",
            ),
            (
                server(r#""http_addr":":1","tls_cert_file":"c""#),
                "either include both a cert and key file, or no TLS information at all to disable TLS",
            ),
            (
                server(r#""http_addr":":1","tls_key_file":"c""#),
                "either include both a cert and key file, or no TLS information at all to disable TLS",
            ),
            (
                server(r#""http_addr":":1","client_ca_file":"c""#),
                "either include both a cert and key file, or no TLS information at all to disable TLS",
            ),
            (SERVER.to_owned(), "no fault"),
        ] {
            assert_eq!(fault(&format!("{{{keys}}}")), message, "{keys}");
        }
    }

    #[test]
    fn ages_prefixes_and_bounds_have_defaults_and_are_read() {
        let empty = configuration("{}");
        assert_eq!(
            max_age(&empty).unwrap(),
            MaxAge {
                current: 300,
                consistent: 2_592_000
            }
        );
        assert!(bounds(&empty).unwrap().requests.max_upload_bytes >= 100 * 1024 * 1024);
        let set = configuration(
            r#"{"caching":{"max_age":{"current_metadata":0,"consistent_metadata":"31536000"}},"repositories":{"gun_prefixes":"docker.io/ quay.io/a/"},
            "limits":{"max_body_bytes":"1048576","header_timeout":5,"max_connections":10,"shutdown_timeout":1,"renew_before":0}}"#,
        );
        assert_eq!(
            max_age(&set).unwrap(),
            MaxAge {
                current: 0,
                consistent: 31_536_000
            }
        );
        assert_eq!(gun_prefixes(&set).unwrap(), ["docker.io/", "quay.io/a/"]);
        let bounds = bounds(&set).unwrap();
        assert_eq!(
            (
                bounds.requests.max_upload_bytes,
                bounds.connections.connections
            ),
            (1_048_576, 10)
        );
        assert_eq!(
            (bounds.connections.head, bounds.shutdown),
            (Duration::from_secs(5), Duration::from_secs(1))
        );
        assert_eq!(bounds.requests.renew_before, Duration::ZERO);
    }

    #[test]
    fn a_limit_of_nothing_is_no_limit_that_anybody_means() {
        for (value, message) in [
            ("0", "limits.max_body_bytes must be at least 1"),
            (
                "-1",
                "limits.max_body_bytes must be a whole number, and is \"-1\"",
            ),
        ] {
            let configuration =
                configuration(&format!(r#"{{"limits":{{"max_body_bytes":{value}}}}}"#));
            assert_eq!(bounds(&configuration).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn both_names_of_sqlite_are_one_storage() {
        for backend in ["sqlite", "sqlite3"] {
            let configuration = configuration(&format!(
                r#"{{"storage":{{"backend":"{backend}","db_url":"/x"}}}}"#
            ));
            assert_eq!(
                storage(&configuration).unwrap(),
                Storage::Sqlite("/x".to_owned())
            );
        }
    }
}
