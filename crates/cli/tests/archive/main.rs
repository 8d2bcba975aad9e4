//! The commands that look at archives, without a network: `docker-trust verify --archive` and `notary archive verify`, `list`, `show`, `diff`
//! and `extract`. Archives are made from what Go's programs published; what is expected was printed by Go's programs, or is in the recorded
//! account of what they did.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

mod diff;
mod extract;
mod import;
mod logins;
mod look;
mod sources;
mod support;
mod verify;
