//! Why the service does not start, or ended.

use std::io;

use signet_keys::database::{DatabaseError, MigrateError};
use signet_service::config::{NotABoolean, Unreadable};
use signet_service::listen::ListenError;
use signet_service::settings::{LimitError, MissingApiKey};
use signet_service::telemetry::InvalidLevel;
use signet_service::tls::TlsError;
use signet_sql::ConnectError;

/// Why the service does not start, or ended. The texts are those of the Go service wherever it has one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("grpc listen address required for server")]
    Address,
    #[error(
        "{0} is not an allowed backend, must be one of: [memory mysql sqlite3 rethinkdb postgres]"
    )]
    Backend(String),
    #[error(transparent)]
    Boolean(#[from] NotABoolean),
    #[error(transparent)]
    Bugsnag(#[from] MissingApiKey),
    #[error("failed to create a new keydbstore")]
    Database(#[source] ConnectError),
    #[error("{0}")]
    DataSource(String),
    #[error("error listening on debug interface")]
    Debug(#[source] ListenError),
    #[error(
        "server.client_ca_file is not set: everybody who can connect to {0} could sign with every key. Set it to the certificates \
         of those who may, or listen on a loopback address; server.allow_anonymous: true allows everybody"
    )]
    Everybody(String),
    #[error("failed to create a new keydbstore")]
    Keys(#[source] DatabaseError),
    #[error(transparent)]
    Level(#[from] InvalidLevel),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error("grpc server failed to listen on {address}")]
    Listen {
        address: String,
        #[source]
        source: ListenError,
    },
    #[error("the table private_keys was not made ready")]
    Migration(#[source] MigrateError),
    #[error("must provide a default alias for the key DB")]
    NoAlias,
    #[error("there is no key database {0}")]
    NoFile(String),
    #[error("must provide a non-empty database source for {0}")]
    NoSource(String),
    #[error("store does not support bootstrapping")]
    NothingToBootstrap,
    #[error("keys in memory go with the process: there is nothing to check")]
    NothingToCheck,
    #[error("keys in memory are not encrypted: there is no alias to rotate")]
    NothingToRotate,
    #[error("{0}")]
    RethinkDb(&'static str),
    #[error("the keys were not checked")]
    Check(#[source] DatabaseError),
    #[error("the passphrases of the keys were not rotated")]
    Rotation(#[source] DatabaseError),
    #[error(
        "{0} is set, but is no JSON object: it would hide what the configuration file says in this section"
    )]
    Section(String),
    #[error("cannot take over signals")]
    Signals(#[source] io::Error),
    #[error("unable to set up TLS")]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::DataSource(text) => Self::DataSource(text),
            error => Self::Database(error),
        }
    }
}
