//! Names for completion: repositories that the trust folder has seen. Nothing here is trusted or asks a server.

use signet_tuf::Gun;

use crate::cobra::complete::Known;
use crate::env::Environment;
use crate::known::{Folders, MOST_NAMES};

/// The repositories of the usual trust folder.
pub(super) struct TrustFolder(Folders);

impl TrustFolder {
    pub(super) fn new(env: &Environment) -> Self {
        let root = env.home.as_ref().map(|home| home.join(".notary/tuf"));
        Self(Folders::below(root))
    }
}

impl Known for TrustFolder {
    fn repositories(&self, prefix: &str) -> Vec<String> {
        let found = self.0.repositories().into_iter().map(|(name, _)| name);
        let mut found: Vec<_> = found
            .filter(|name| name.starts_with(prefix) && name.parse::<Gun>().is_ok())
            .collect();
        found.sort();
        found.truncate(MOST_NAMES);
        found
    }

    fn repositories_of(&self, _signer: &str, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    fn images(&self, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    fn signers(&self, _prefix: &str) -> Vec<String> {
        Vec::new()
    }
}
