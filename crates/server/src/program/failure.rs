//! Why the server does not start, or ended.

use std::error::Error as StdError;
use std::io;

use signet_server::archives::OpenError;

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
    Debug(#[source] ConfigError),
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
    #[error(
        "trust_service.type \"remote\" needs a client for notary-signer, which comes with a later version of this server; with \
         \"local\" the signing keys are kept in the server's own database"
    )]
    RemoteTrust,
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

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some libraries repeat the text of the cause in their own.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
