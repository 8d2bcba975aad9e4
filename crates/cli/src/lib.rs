//! The command lines of Signet: argument parsing, prompts, tables, reports, and the texts of the original programs.
//!
//! Rules of trust are asked from `signet-client` and below; nothing here decides whether something is to be trusted. Each program is one
//! function that its binary calls with the arguments and the clock: [`docker::main`] is `docker-trust`, [`notary::main`] is `notary`.

mod archives;
pub mod cobra;
pub mod docker;
mod doctor;
pub mod env;
mod known;
mod login;
pub mod manual;
pub mod moment;
mod network;
pub mod notary;
pub mod plugin;
mod public_key;
pub mod texts;
pub mod ui;
