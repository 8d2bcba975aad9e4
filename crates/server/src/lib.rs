//! `notary-server`: stores, validates and serves the trust metadata of repositories.
//!
//! [`App`] is the whole service without its surroundings: it is given a [`store::MetadataStore`], a
//! [`trust::TrustService`], [`Settings`] and a [`Clock`], and answers HTTP requests that someone else has accepted.
//! Listening, TLS, configuration, logs, metrics and health belong to the program around it.
//!
//! * [`http`] is the only part that knows paths, status codes and error codes.
//! * `upload` decides what may be stored, with the rules of [`signet_tuf`]; it is one more verifier, whose trust is the
//!   stored root.
//! * [`token`] and [`htpasswd`] decide whom a request may come from.
//! * [`audit`] records who changed what.
//! * `import` takes over repositories from archives.
//! * `renewal` signs timestamps and snapshots again before they expire.
//! * [`survey`] looks through all repositories from time to time.
//! * [`archives`] serves what was captured of other servers, and nothing else: it has neither store nor keys.
//! * `current` decides which documents are current and keeps them in memory, so that reading parses nothing.

pub mod archives;
pub mod audit;
pub mod counters;
pub mod htpasswd;
pub mod http;
pub mod settings;
pub use signet_storage as store;
pub mod survey;
pub mod token;
pub mod trust;

pub mod check;

mod app;
mod authentication;
mod current;
mod gate;
mod import;
mod pause;
mod renewal;
mod retire;
mod seal;
mod upload;
mod verified;
mod watched;

pub use app::App;
pub use archives::Archives;
pub use authentication::Authenticator;
pub use current::CachePart;
pub use settings::{Clock, Limits, MaxAge, Settings};
