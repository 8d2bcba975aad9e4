//! The contract between `notary-server` and `notary-signer` (specification, signer-and-keys section 2): messages, clients and services
//! of the package `proto`, and of gRPC's health protocol.
//!
//! The code is generated from `proto/` by a test of this crate, which also keeps it what the contract says; building needs no compiler
//! of contracts.

/// Keys and signatures.
#[allow(
    clippy::all,
    clippy::nursery,
    clippy::pedantic,
    clippy::restriction,
    missing_debug_implementations,
    missing_docs,
    rust_2018_idioms,
    unused_qualifications,
    reason = "generated"
)]
#[rustfmt::skip]
pub mod proto {
    include!("generated/proto.rs");
}

/// Health.
#[allow(
    clippy::all,
    clippy::nursery,
    clippy::pedantic,
    clippy::restriction,
    missing_debug_implementations,
    missing_docs,
    rust_2018_idioms,
    unused_qualifications,
    reason = "generated"
)]
#[rustfmt::skip]
pub mod health {
    include!("generated/grpc.health.v1.rs");
}

/// The names that the signer's health is asked for under, beside the empty one for the whole.
pub mod health_names {
    /// The service that makes and finds keys.
    pub const KEY_MANAGEMENT: &str = "grpc.health.v1.Health.KeyManagement";
    /// The service that signs.
    pub const SIGNER: &str = "grpc.health.v1.Health.Signer";
}

/// Largest message that is received, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Metadata of a call that names the GUN which the key is used for (binary: any text is allowed). Signers of Go ignore it; ours finds
/// no key that was made for another GUN then. The answer of `GetKeyInfo` has the GUN that the key was made for under the same name, which
/// is how a server knows whose a key is.
pub const GUN_METADATA: &str = "signet-gun-bin";
