//! The exact wire structures of the four kinds of documents (specification, `tuf.md` section 6).
//!
//! Reading is lenient where Go is (`null` reads as empty, unknown members are ignored); writing gives the one form that
//! Go re-serialises to the same bytes. Members are declared in their sorted order, which is the order on the wire.

mod root;
mod snapshot;
mod targets;
mod timestamp;

pub use root::{Root, RootRole};
pub use snapshot::Snapshot;
pub use targets::{Delegation, Delegations, Target, Targets};
pub use timestamp::Timestamp;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{BaseRole, Expiry, RoleName, canonical};

/// Number of a document, from 1, +1 per signing. Kept as read: structure checks refuse what is below 1.
pub type Version = i64;

/// Why a document that parses is not well-formed. `Display` is Go's text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{role} type metadata invalid: {reason}")]
pub struct InvalidStructure {
    /// The role that the document was read for.
    pub role: RoleName,
    /// What is wrong.
    pub reason: String,
}

/// A kind of document.
pub trait Metadata: DeserializeOwned + Serialize + Clone + std::fmt::Debug {
    /// The role whose documents have this form; delegations use that of `targets`.
    const BASE: BaseRole;

    /// The number of this document.
    fn version(&self) -> Version;
    /// Sets the number, for a new document.
    fn set_version(&mut self, version: Version);
    /// End of validity.
    fn expires(&self) -> &Expiry;
    /// Sets the end of validity, for a new document.
    fn set_expires(&mut self, expires: Expiry);
    /// The canonical text of this document with another number and end of validity.
    ///
    /// # Errors
    /// As [`canonical::to_vec`].
    fn to_renewed(&self, version: Version, expires: Expiry) -> Result<Vec<u8>, serde_json::Error> {
        let mut renewed = self.clone();
        renewed.set_version(version);
        renewed.set_expires(expires);
        canonical::to_vec(&renewed)
    }
    /// Checks what the form itself demands, in Go's order.
    ///
    /// # Errors
    /// The first thing that is wrong.
    fn validate(&self, role: &RoleName) -> Result<(), InvalidStructure>;
}

/// Checks shared by all kinds: the `_type` and the version, with Go's two spellings.
fn validate_common(
    role: &RoleName,
    found: &str,
    expected: &str,
    version: Version,
) -> Result<(), InvalidStructure> {
    let reason = if found != expected {
        format!("expected type {expected}, not {found}")
    } else if version >= 1 {
        return Ok(());
    } else if role.base() == Some(BaseRole::Root) {
        "version cannot be less than 1".to_owned()
    } else {
        "version cannot be less than one".to_owned()
    };
    Err(InvalidStructure {
        role: role.clone(),
        reason,
    })
}
