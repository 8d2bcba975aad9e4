//! Talking to the person: output, prompts, tables, log lines, reports of failures.

pub mod interrupt;
pub mod log;
pub(crate) mod passphrases;
pub mod printer;
pub mod progress;
pub mod prompt;
pub mod report;
pub(crate) mod secrets;
pub mod table;
