//! `key passwd ID`: another passphrase for a key.

use std::sync::Arc;

use secrecy::SecretString;
use signet_keys::{Error, KeyStore as _, Notice, PassphraseError, Passphrases, Prompt, Retriever};
use signet_tuf::KeyId;

use super::{id, problem, store};
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::notary::passphrases::NotaryPassphrases;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// The person alone: a variable holds the passphrase that is to be changed.
struct Typed(NotaryPassphrases);

impl Passphrases for Typed {
    fn preset(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
        self.0.enter(prompt)
    }

    fn tell(&self, notice: Notice) {
        self.0.tell(notice);
    }
}

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let id = id(matches, context, texts::PASSWD_WHAT)?;
    let store = store(context)?;
    let unknown = || Failure::new(texts::key_not_opened(id));
    let key: KeyId = id.parse().map_err(|_| unknown())?;
    // compat: a key that is not there and one that does not open are one to Go. The reason is there for who looks.
    store.load(&key).map_err(|error| match error {
        Error::NotFound(_) => unknown(),
        error => unknown().hint(problem(&error)),
    })?;
    let new = Retriever::new(Arc::new(Typed(NotaryPassphrases::new(context))));
    store
        .change_passphrase(&key, &new)
        .map_err(|error| Failure::new(problem(&error)).hint(texts::PASSWD_NEEDS_TERMINAL))?;
    Ok(context.printer.out(&texts::passphrase_changed(id))?)
}
