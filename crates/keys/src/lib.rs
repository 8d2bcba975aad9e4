//! Where private keys live and how they sign.
//!
//! * [`Signer`] is anything that signs with one key; [`PrivateKey`] is the one whose secret is in memory.
//! * [`KeyStore`] holds keys: [`FileKeyStore`] in the files that docker and Go notary use, [`MemoryKeyStore`] for tests.
//! * [`Passphrases`] is where passphrases come from; the terminal and the environment are the caller's.
//! * [`transfer`] brings keys from other places into a store.
//! * The feature `sql` adds the key database of the services (`database`, `jwe`).
//!
//! The crate knows roles by name only and never prints, logs, or reads the clock or the environment.

mod asn1;
mod cbc;
pub mod certificate;
#[cfg(feature = "sql")]
pub mod database;
mod dek;
#[cfg(feature = "sql")]
pub mod jwe;
pub mod keyfile;
pub mod pem;
mod pkcs8;
pub mod private;
pub mod prompt;
pub mod signer;
pub mod store;
pub mod tally;
pub mod transfer;

pub use certificate::root_certificate;
#[cfg(feature = "sql")]
pub use database::{AliasPassphrases, KeyDatabase};
pub use private::{InvalidPrivateKey, PrivateKey};
pub use prompt::{Notice, PassphraseError, Passphrases, Prompt, PromptKind, Retriever};
pub use signer::{SignError, Signer};
pub use store::{Error, FileKeyStore, KeyInfo, KeyStore, MemoryKeyStore, Warning, role_has_gun};
