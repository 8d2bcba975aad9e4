//! What the programs share when they ask for the passphrase of a key: the questions, what is said between them, and why there is no answer.

use std::io;

use secrecy::SecretString;
use signet_keys::{Notice, PassphraseError, Prompt, PromptKind};

use super::prompt::{AskError, Terminal};
use crate::texts::docker as texts;

/// The question for a key that is called `name`.
pub(crate) fn question(name: &str, prompt: &Prompt<'_>) -> String {
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

/// What the terminal said, as the key store wants it.
pub(crate) fn answer(
    prompt: &Prompt<'_>,
    said: Result<SecretString, AskError>,
) -> Result<SecretString, PassphraseError> {
    said.map_err(|error| PassphraseError::Unavailable {
        alias: prompt.alias.to_owned(),
        source: match error {
            AskError::Io(error) => error,
            AskError::EndOfInput => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            AskError::TimedOut(_) => io::Error::new(io::ErrorKind::TimedOut, error),
            AskError::NotText | AskError::TooLong => {
                io::Error::new(io::ErrorKind::InvalidInput, error)
            }
        },
    })
}

/// Says what the next question is about.
pub(crate) fn tell(terminal: &Terminal, notice: Notice) {
    let text = match notice {
        Notice::Incorrect => texts::PASSPHRASE_INCORRECT,
        Notice::Mismatch => texts::PASSPHRASE_MISMATCH,
        Notice::NewRootKey => texts::NEW_ROOT_KEY,
        Notice::TooShort => texts::PASSPHRASE_TOO_SHORT,
    };
    // The question that follows goes the same way, and its failure is reported.
    let _ = terminal.say(&format!("{text}\n"));
}
