//! Passphrases as `docker trust` gets them: two environment variables, else the person, with docker's questions.

use std::io;
use std::sync::Arc;

use secrecy::SecretString;
use signet_keys::{Notice, PassphraseError, Passphrases, Prompt, PromptKind};

use super::context::Context;
use crate::texts::docker as texts;
use crate::ui::printer::Printer;
use crate::ui::prompt::{AskError, Terminal};

/// The environment, then the person at the terminal.
#[derive(Debug)]
pub(super) struct DockerPassphrases {
    root: Option<SecretString>,
    others: Option<SecretString>,
    terminal: Arc<Terminal>,
    printer: Printer,
}

impl DockerPassphrases {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            root: context.env.root_passphrase.clone(),
            others: context.env.repository_passphrase.clone(),
            terminal: Arc::clone(&context.terminal),
            printer: context.printer.clone(),
        }
    }
}

impl Passphrases for DockerPassphrases {
    fn preset(&self, alias: &str) -> Option<SecretString> {
        // compat: the repository passphrase is that of every key but root's: targets, snapshot and all signers (Q1).
        if alias == "root" {
            self.root.clone()
        } else {
            self.others.clone()
        }
    }

    fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
        self.terminal
            .ask_secret(&question(prompt))
            .map_err(|error| PassphraseError::Unavailable {
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
    if prompt.alias == "encrypted" {
        return texts::ENTER_ENCRYPTED.to_owned();
    }
    let name = match prompt.alias {
        "targets" | "snapshot" => "repository",
        other => other,
    };
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

    /// Texts of the specification, signer-and-keys section 7.1 and docker-trust section 6.
    #[test]
    fn questions_are_dockers() {
        let id = "9deed251daa1aa6f9d5f9b752847647cf8d705da0763aa5467650d0987ed5306";
        let ask = |alias, key, kind| question(&Prompt { alias, key, kind });
        assert_eq!(
            ask("jeff", Some(id), PromptKind::New),
            "Enter passphrase for new jeff key with ID 9deed25: "
        );
        assert_eq!(
            ask("jeff", Some(id), PromptKind::Repeat),
            "Repeat passphrase for new jeff key with ID 9deed25: "
        );
        assert_eq!(
            ask("targets", Some(id), PromptKind::Existing),
            "Enter passphrase for repository key with ID 9deed25: "
        );
        assert_eq!(
            ask("root", Some(id), PromptKind::Existing),
            "Enter passphrase for root key with ID 9deed25: "
        );
        assert_eq!(
            ask("encrypted", None, PromptKind::Existing),
            "Enter passphrase for encrypted key: "
        );
    }
}
