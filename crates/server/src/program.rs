//! The program around the service: command line, configuration, listening, logs, metrics, health, the end.

mod access;
mod archives;
mod audit;
mod auth;
mod check;
mod config;
mod databases;
mod failure;
mod figures;
mod flags;
mod front;
mod htpasswd;
mod keys;
mod metrics;
mod migrate;
mod passphrase;
mod password;
mod quickstart;
mod resources;
mod run;
mod signals;
mod stores;
mod survey;

pub(crate) use flags::{Command, EXAMPLES, FLAG_LIST, Flags};
pub(crate) use password::hash_password;
pub(crate) use run::run;
