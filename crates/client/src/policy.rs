//! What a person or an organisation demands of trust repositories, beyond what the repositories say of themselves: which
//! server is asked, which roots are trusted, which signers must have signed.
//!
//! A policy is one file or two: the machine's, which its users cannot weaken, and the user's. Each file has rules for
//! prefixes of repository names; the longest prefix that covers a repository decides, alone in its file. What the two
//! files say is then added up by [`Policy::demands`].
//!
//! ```json
//! {
//!   "version": 1,
//!   "rules": {
//!     "*": { "first_use": false },
//!     "registry.example.com/team": {
//!       "server": "https://notary.example.com",
//!       "root_certificates": ["52a4…"],
//!       "signers": { "all_of": ["ci"], "at_least": 2, "of": ["alice", "bob", "carol"] }
//!     }
//!   }
//! }
//! ```
//!
//! Reading is strict: what is not understood to the last member is refused, because a demand that was written and not
//! enforced is worse than none.

mod demands;
mod file;
mod rule;
mod scope;
mod signers;

use std::path::{Path, PathBuf};

use signet_tuf::Gun;

pub use demands::{Conflict, Demands, Stated};
pub use file::{Fault, MAX_POLICY_BYTES, PolicyError, PolicyFile};
pub use rule::{ArchiveSource, CachedData, RootPins, Rule};
pub use scope::{InvalidScope, Scope};
pub use signers::{Choice, InvalidSigner, Shortfall, SignerName, SignerRule, signed_by};

/// Where the user's policy is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UserPolicy {
    /// Somebody named this file, so it must be there.
    Named(PathBuf),
    /// The usual place; no file there is no policy.
    Usual(PathBuf),
}

/// The rules in force, of one file or two.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The machine's first.
    files: Vec<PolicyFile>,
}

impl Policy {
    /// Reads the machine's policy, if there is one, and the user's.
    ///
    /// # Errors
    /// [`PolicyError`] when a file is there and cannot be read or understood, or is missing where it was named.
    pub fn load(machine: Option<&Path>, user: Option<&UserPolicy>) -> Result<Self, PolicyError> {
        let mut files = Vec::new();
        if let Some(path) = machine {
            files.extend(PolicyFile::load(path)?);
        }
        match user {
            Some(UserPolicy::Named(path)) => {
                let file = PolicyFile::load(path)?;
                files.push(file.ok_or_else(|| PolicyError::missing(path))?);
            }
            Some(UserPolicy::Usual(path)) => files.extend(PolicyFile::load(path)?),
            None => {}
        }
        Ok(Self { files })
    }

    /// The files that were read, the machine's first.
    #[must_use]
    pub fn files(&self) -> &[PolicyFile] {
        &self.files
    }

    /// What is demanded of one repository. Certificate bundles that its rules name are read here.
    ///
    /// # Errors
    /// [`Conflict`] when the two files demand what cannot both hold, or a bundle cannot be read.
    pub fn demands(&self, gun: &Gun) -> Result<Demands, Conflict> {
        Demands::add_up(gun, &self.files)
    }
}

#[cfg(test)]
mod tests;
