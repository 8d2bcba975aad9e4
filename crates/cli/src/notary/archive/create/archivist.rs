//! The key with which an archive is signed.

use std::path::Path;
use std::sync::Arc;

use signet_archive::Archivist;
use signet_keys::transfer::{self, ImportError};
use signet_keys::{Retriever, Signer};
use signet_tuf::{KeyId, PublicKey};

use crate::notary::Context;
use crate::notary::passphrases::NotaryPassphrases;
use crate::texts::notary as texts;
use crate::ui::report::{Failure, with_sources};

/// The name under which its passphrase is asked for.
pub(in crate::notary) const ALIAS: &str = "archivist";

/// An archivist's key.
pub(super) struct ArchivistKey(Arc<dyn Signer>);

impl ArchivistKey {
    /// A key of the trust directory by its ID, or one in a file.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub(super) fn load(given: &str, context: &Context) -> Result<Self, Failure> {
        let is_id = given.len() == 64 && given.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id && let Ok(id) = given.parse::<KeyId>() {
            let key = context.keys()?.load(&id);
            return key
                .map(Self)
                .map_err(|error| Failure::new(texts::archivist_key(given, &with_sources(&error))));
        }
        let failed = |reason: String| Failure::new(texts::archivist_key(given, &reason));
        let text = transfer::read_source(Path::new(given))
            .map_err(|error| failed(with_sources(&error)))?;
        let retriever = Retriever::new(Arc::new(NotaryPassphrases::new(context)));
        let key = transfer::open(&text, ALIAS, &retriever).map_err(|error| {
            failed(match &error {
                ImportError::AllSkipped(skipped) => skipped.first().map_or_else(
                    || error.to_string(),
                    |skipped| with_sources(&skipped.reason),
                ),
                ImportError::Passphrase { source, .. } => with_sources(source),
                _ => with_sources(&error),
            })
        })?;
        Ok(Self(Arc::new(key)))
    }
}

impl Archivist for ArchivistKey {
    fn key(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.sign(message).map_err(|error| error.to_string())
    }
}
