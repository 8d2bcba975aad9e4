//! Development only: the real peers, and what tests need around them.
//!
//! * [`peer`]: the Go notary server and signer, a registry, a token service, our own server, each on a free port, killed when dropped.
//! * [`user`]: a person with a home, a docker configuration and passphrases, who runs `docker trust`, `notary` and `docker-trust`.
//! * [`terminal`]: a program on a terminal of its own, for prompts.
//! * [`image`]: small images and multi-platform indexes, put into a registry without a daemon.
//! * [`chaos`]: a TLS proxy in front of a server that cuts, delays, truncates, swaps and replays answers (feature `tls`).
//! * [`certificate`]: certificate authorities for one test (feature `tls`).
//! * [`fleet`]: many repositories of every kind on a trust server, with what is true of each (feature `tls`).
//! * [`mint`]: keys that sign tokens of any content (feature `tls`).
//! * `recorded`: 333 recorded runs of Go's client against hostile servers, to be replayed (feature `recorded`).
//!
//! A peer that is not installed makes the caller fail with the command that installs it; nothing is ever skipped.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values of the kit's own making; a test kit fails loudly"
)]

#[cfg(feature = "tls")]
pub mod certificate;
#[cfg(feature = "tls")]
pub mod chaos;
pub mod clock;
pub mod file;
#[cfg(feature = "tls")]
pub mod fleet;
pub mod http;
pub mod image;
#[cfg(feature = "tls")]
mod listener;
#[cfg(feature = "tls")]
pub mod mint;
pub mod peer;
pub mod port;
pub mod process;
pub mod program;
#[cfg(feature = "recorded")]
pub mod recorded;
pub mod terminal;
pub mod user;
