//! Names of documents below `/v2/<gun>/_trust/tuf/` (specification, `tuf.md` section 9).

use std::fmt;

use crate::{RoleName, Version};

/// Which copy of a role's document is meant.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum MetadataPath {
    /// The current one: `<role>.json`.
    Current(RoleName),
    /// By the SHA-256 of its bytes, in lower-case hex: `<role>.<sha256>.json`. Immutable.
    Checksum(RoleName, String),
    /// By version: `<n>.<role>.json`.
    Version(RoleName, Version),
}

impl MetadataPath {
    /// The role whose document this is.
    #[must_use]
    pub const fn role(&self) -> &RoleName {
        match self {
            Self::Current(role) | Self::Checksum(role, _) | Self::Version(role, _) => role,
        }
    }
}

impl fmt::Display for MetadataPath {
    /// The name without `.json`, as error messages use it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current(role) => write!(f, "{role}"),
            Self::Checksum(role, sha256) => write!(f, "{role}.{sha256}"),
            Self::Version(role, version) => write!(f, "{version}.{role}"),
        }
    }
}
