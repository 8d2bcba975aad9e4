//! Passphrases: a variable for each role, else the person at the terminal.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use secrecy::SecretString;
use signet_keys::{Notice, PassphraseError, Passphrases, Prompt};

use super::context::Context;
use crate::texts::visible;
use crate::ui::passphrases;
use crate::ui::prompt::{AskError, Terminal};

/// The environment, then the person at the terminal.
#[derive(Debug)]
pub(super) struct NotaryPassphrases {
    root: Option<SecretString>,
    targets: Option<SecretString>,
    snapshot: Option<SecretString>,
    delegation: Option<SecretString>,
    terminal: Arc<Terminal>,
}

impl NotaryPassphrases {
    pub(super) fn new(context: &Context) -> Self {
        let notary = &context.env.notary;
        Self {
            root: notary.root_passphrase.clone(),
            targets: notary.targets_passphrase.clone(),
            snapshot: notary.snapshot_passphrase.clone(),
            delegation: notary.delegation_passphrase.clone(),
            terminal: Arc::clone(&context.terminal),
        }
    }
}

impl Passphrases for NotaryPassphrases {
    fn preset(&self, alias: &str) -> Option<SecretString> {
        match alias {
            "root" => self.root.clone(),
            "targets" => self.targets.clone(),
            "snapshot" => self.snapshot.clone(),
            "timestamp" => None,
            _ => self.delegation.clone(),
        }
    }

    fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
        // compat: scripts give passphrases in variables; what is piped in answers other questions.
        let said = if io::stdin().is_terminal() {
            self.terminal.ask_secret(&question(prompt))
        } else {
            Err(AskError::EndOfInput)
        };
        passphrases::answer(prompt, said)
    }

    fn tell(&self, notice: Notice) {
        // compat: who cannot be asked is not prepared for the question either.
        if notice != Notice::NewRootKey || io::stdin().is_terminal() {
            passphrases::tell(&self.terminal, notice);
        }
    }
}

fn question(prompt: &Prompt<'_>) -> String {
    // A role is what the headers of somebody's file say.
    passphrases::question(&visible(prompt.alias), prompt)
}

#[cfg(test)]
mod tests {
    use signet_keys::PromptKind;

    use super::*;

    /// Section 6.1 of the specification.
    #[test]
    fn questions_are_gos() {
        let id = "9deed251daa1aa6f9d5f9b752847647cf8d705da0763aa5467650d0987ed5306";
        let ask = |alias, key, kind| question(&Prompt { alias, key, kind });
        assert_eq!(
            ask("targets", Some(id), PromptKind::Existing),
            "Enter passphrase for targets key with ID 9deed25: "
        );
        assert_eq!(
            ask("", Some(id), PromptKind::New),
            "Enter passphrase for new  key with ID 9deed25: "
        );
        assert_eq!(
            ask("root", None, PromptKind::Existing),
            "Enter passphrase for root key: "
        );
    }
}
