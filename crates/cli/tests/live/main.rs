//! `signer add`, `sign`, `inspect` and `verify` against Go's trust server and a real registry: what is printed, what is published, and what is
//! not. The numbers are those of the specification's acceptance cases (docker-trust, section 16).

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

mod build;
mod doctor;
mod expiry;
mod key_load;
mod lock;
mod policy;
mod read;
mod recorded;
mod revoke;
mod scene;
mod sign;
mod signer_add;
mod signer_remove;
mod transport;
