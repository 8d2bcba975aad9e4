//! The program around the service: command line, configuration, listening, logs, metrics, health, the end.

mod access;
mod auth;
mod config;
mod flags;
mod front;
mod keys;
mod metrics;
mod passphrase;
mod quickstart;
mod run;

pub(crate) use flags::{Command, EXAMPLES, FLAG_LIST, Flags};
pub(crate) use run::{raise_file_limit, run};
