//! Passphrases: a variable for each role, else the person at the terminal.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use secrecy::SecretString;
use signet_keys::{Notice, PassphraseError, Passphrases, Prompt, PromptKind};

use super::context::Context;
use crate::texts::{docker as texts, visible};
use crate::ui::printer::Printer;
use crate::ui::prompt::{AskError, Terminal};

/// The environment, then the person at the terminal.
#[derive(Debug)]
pub(super) struct NotaryPassphrases {
    root: Option<SecretString>,
    targets: Option<SecretString>,
    snapshot: Option<SecretString>,
    delegation: Option<SecretString>,
    terminal: Arc<Terminal>,
    printer: Printer,
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
            printer: context.printer.clone(),
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
        let answer = if io::stdin().is_terminal() {
            self.terminal.ask_secret(&question(prompt))
        } else {
            Err(AskError::EndOfInput)
        };
        answer.map_err(|error| PassphraseError::Unavailable {
            alias: prompt.alias.to_owned(),
            source: match error {
                AskError::Io(error) => error,
                AskError::EndOfInput => io::Error::new(io::ErrorKind::UnexpectedEof, error),
                AskError::NotText | AskError::TooLong => {
                    io::Error::new(io::ErrorKind::InvalidInput, error)
                }
            },
        })
    }

    fn tell(&self, notice: Notice) {
        let text = match notice {
            Notice::Incorrect => texts::PASSPHRASE_INCORRECT,
            Notice::Mismatch => texts::PASSPHRASE_MISMATCH,
            Notice::NewRootKey => texts::NEW_ROOT_KEY,
            Notice::TooShort => texts::PASSPHRASE_TOO_SHORT,
        };
        // The question that follows goes the same way, and its failure is reported.
        let _ = self.printer.out(&format!("{text}\n"));
    }
}

fn question(prompt: &Prompt<'_>) -> String {
    // A role is what the headers of somebody's file say.
    let name = visible(prompt.alias);
    let question = match prompt.kind {
        PromptKind::Existing => format!("Enter passphrase for {name} key"),
        PromptKind::New => format!("Enter passphrase for new {name} key"),
        PromptKind::Repeat => format!("Repeat passphrase for new {name} key"),
    };
    match prompt.key {
        Some(key) => format!("{question} with ID {}: ", key.get(..7).unwrap_or(key)),
        None => format!("{question}: "),
    }
}

#[cfg(test)]
mod tests {
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
