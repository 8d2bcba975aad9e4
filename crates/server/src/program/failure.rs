//! Why the server does not start, or ended.

use std::error::Error as StdError;
use std::io;

use signet_server::archives::OpenError;
use signet_service::listen::ListenError;
use signet_service::process::chain;

use super::config::ConfigError;
use super::keys::KeysError;
use super::quickstart::QuickstartError;

/// Why the server does not start, or ended. What is shown is [`Failure::message`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Archive(#[from] OpenError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("error listening on debug interface")]
    Debug(#[source] ListenError),
    #[error("-data-dir is for running without -config: the configuration file says where data is")]
    DataFolderWithConfig,
    #[error("the archives could not be opened")]
    Interrupted,
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("cannot set up metrics")]
    Metrics(#[from] prometheus::Error),
    #[error("the tables were not made or upgraded")]
    Migrate(#[source] Box<dyn StdError + Send + Sync>),
    #[error("the database could not be read to its end")]
    Check(#[source] Box<dyn StdError + Send + Sync>),
    #[error("storage.backend memory keeps nothing that could be checked")]
    NothingToCheck,
    #[error(
        "-binary-names is for MySQL and MariaDB: with {0}, names are compared by their bytes anyway"
    )]
    NoBinaryNames(String),
    #[error("store does not support bootstrapping")]
    NothingToBootstrap,
    #[error(
        "-bootstrap prepares a storage, and with -archive there is none: leave one of them out"
    )]
    NothingToBootstrapInArchives,
    #[error(transparent)]
    Quickstart(#[from] QuickstartError),
    #[error("cannot take over signals")]
    Signals(#[source] io::Error),
    #[error("Error starting {backend} driver")]
    Storage {
        backend: String,
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error(transparent)]
    Tls(#[from] signet_service::tls::TlsError),
    #[error(transparent)]
    Unreadable(#[from] signet_service::config::Unreadable),
}

impl Failure {
    /// The error with its causes, in one line.
    pub(crate) fn message(&self) -> String {
        chain(self)
    }
}
