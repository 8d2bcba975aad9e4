//! The client library from outside: against servers in this process that misbehave, and against the real Go programs.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the lints' exceptions for tests do not reach their helper functions"
)]

mod crawl;
mod exchanged;
mod faults;
mod go;
mod person;
mod planted;
mod purge;
mod remote;
mod renewal;
mod rotation;
mod scene;
mod support;
mod takeover;
mod tls;
mod unproven;
mod unpublished;
