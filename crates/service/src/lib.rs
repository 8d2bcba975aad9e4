//! What Signet's daemons share: reading a configuration as the Go programs did, TLS, telemetry, metrics, serving HTTP with
//! limits, health and an orderly end.
//!
//! Nothing here knows what trust metadata is. The process environment and the clock are read in [`config`] and in the places
//! that measure elapsed time, and nowhere else; everything else is handed in by the programs' `main`.

mod anchors;
pub mod certificates;
pub mod config;
pub mod debug;
pub mod dial;
pub mod files;
pub mod flags;
pub mod health;
pub mod listen;
pub mod local_ca;
pub mod metrics;
pub mod process;
pub mod secrets;
pub mod serve;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
