//! Attackers who control the registry or the trust server, against whoever pulls, runs, creates and verifies.
//!
//! Every attack must be refused within a bounded time, with its reason, and leave the daemon as it was: nothing pulled, nothing tagged, nothing
//! created, nothing started.

mod registry;
pub(crate) mod scene;
mod trust_server;
