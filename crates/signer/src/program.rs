//! The program around the service: command line, configuration, listening, logs, health, the end.

mod config;
mod failure;
mod flags;
mod run;
mod stores;
mod upkeep;

pub(crate) use flags::{Command, EXAMPLES, FLAG_LIST, Flags};
pub(crate) use run::run;
