//! Passphrases as `docker trust` gets them: two environment variables, else the person, with docker's questions.

use std::sync::Arc;

use secrecy::SecretString;
use signet_keys::{Notice, PassphraseError, Passphrases, Prompt};

use super::context::Context;
use crate::texts::docker as texts;
use crate::ui::passphrases;
use crate::ui::prompt::Terminal;

/// The environment, then the person at the terminal.
#[derive(Debug)]
pub(super) struct DockerPassphrases {
    root: Option<SecretString>,
    others: Option<SecretString>,
    terminal: Arc<Terminal>,
}

impl DockerPassphrases {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            root: context.env.root_passphrase.clone(),
            others: context.env.repository_passphrase.clone(),
            terminal: Arc::clone(&context.terminal),
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
        passphrases::answer(prompt, self.terminal.ask_secret(&question(prompt)))
    }

    fn tell(&self, notice: Notice) {
        passphrases::tell(&self.terminal, notice);
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
    passphrases::question(name, prompt)
}

#[cfg(test)]
mod tests {
    use signet_keys::PromptKind;

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
