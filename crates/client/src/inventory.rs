//! What a trust repository amounts to, for people who decide: what is signed, by whom, with which keys, until when, and what should be done.
//!
//! An [`Inventory`] describes one repository as of one moment, whatever it was read from: a server ([`crate::Repository`]), the documents that
//! a trust folder has cached ([`Folder`]), an archive. [`look`] runs the update engine on documents that are at hand; [`Facts::describe`] turns
//! what came of it into an inventory. A [`Tally`] adds up any number of inventories and keeps none of them.
//!
//! `docs/report.md` has the definition of every member and finding.

mod at_hand;
mod describe;
mod finding;
mod findings;
mod folder;
mod key;
mod look;
mod model;
mod summary;

pub use at_hand::{KeyAtHand, KeysAtHand};
pub use describe::{Facts, SourceKind};
pub use finding::{Code, Finding, Severity};
pub use folder::Folder;
pub use look::{Seen, look, state_of};
pub use model::{Captured, Certificate, Holder, Inventory, Key, Renewer, Role, RootTrust, Tag};
pub use summary::{CodeCount, Largest, Month, SharedKey, SignerCount, Summary, Tally};
