//! The key service as a library: what the program `notary-signer` runs (specification, signer-and-keys sections 2 and 3).
//!
//! [`KeyService`] makes keys and signs with them, [`HealthService`] says whether it can, [`Front`] puts both on the network.

mod caller;
mod front;
mod health;
mod intake;
mod service;

pub use front::{CallLimits, Front};
pub use health::HealthService;
pub use service::{Clock, KeyService};
