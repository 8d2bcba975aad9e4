//! Passphrases: where they come from, and how often they are asked for (specification, signer-and-keys section 7).
//!
//! [`Passphrases`] is the caller's side: it shows prompts and notices and reads the environment. [`Retriever`] is the
//! dialogue: order of sources, number of tries, and the passphrases already given to this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};

/// Where passphrases come from: a terminal, the environment, a test.
pub trait Passphrases: Send + Sync {
    /// A passphrase that is known without asking, as environment variables give it.
    ///
    /// It is used as it is: no trimming, no smallest length, no repetition; when it is wrong nothing else is tried.
    /// `alias` is the key's role, or `encrypted` for files that are being loaded.
    fn preset(&self, alias: &str) -> Option<SecretString>;

    /// Shows a prompt and reads one line without echo. White space around it need not be removed.
    ///
    /// # Errors
    /// [`PassphraseError::Unavailable`] when there is nobody to ask or the input has ended.
    fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError>;

    /// Shows something that is no prompt. It comes before the prompt that it explains.
    fn tell(&self, notice: Notice);
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Prompt<'a> {
    /// The key's role, or `encrypted` for files that are being loaded.
    pub alias: &'a str,
    /// Name of the key (its ID, mostly; prompts show seven characters of it). `None` where a file has no name yet.
    pub key: Option<&'a str>,
    /// Which of the questions it is.
    pub kind: PromptKind,
}

/// The questions that are asked about passphrases.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PromptKind {
    /// `Enter passphrase for …`: the key exists.
    Existing,
    /// `Enter passphrase for new …`: the passphrase is about to be set.
    New,
    /// `Repeat passphrase for new …`.
    Repeat,
}

/// What is shown besides prompts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notice {
    /// The passphrase did not fit, another prompt follows.
    Incorrect,
    /// The repetition differs.
    Mismatch,
    /// A root key's passphrase is about to be set: the six lines of warning.
    NewRootKey,
    /// Shorter than [`Retriever::MIN_LEN`] bytes.
    TooShort,
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// No passphrase given was the right one.
    #[error("could not decrypt the {alias} key: wrong passphrase")]
    Incorrect {
        /// Whose passphrase.
        alias: String,
    },
    /// Asking for a new passphrase was given up.
    #[error("maximum number of passphrase attempts exceeded")]
    TooManyAttempts,
    /// There is nobody to ask.
    #[error("no passphrase for the {alias} key could be read")]
    Unavailable {
        /// Whose passphrase.
        alias: String,
        /// What reading said.
        #[source]
        source: std::io::Error,
    },
}

/// Result of trying a passphrase on something encrypted.
#[derive(Debug)]
pub enum Tried<T, E> {
    /// It fits.
    Opened(T),
    /// It does not; another may.
    Wrong,
    /// No passphrase will ever do.
    Failed(E),
}

/// Why [`Retriever::unlock`] gave up.
#[derive(Debug)]
pub enum UnlockError<E> {
    /// There was no right passphrase.
    Passphrase(PassphraseError),
    /// The thing cannot be opened with any.
    Failed(E),
}

/// Asks for passphrases until one fits, and offers each again for the next key of the same role.
#[expect(
    missing_debug_implementations,
    reason = "it holds passphrases and a trait object"
)]
pub struct Retriever {
    source: std::sync::Arc<dyn Passphrases>,
    /// By alias. Held for a whole dialogue, so that two keys of one role, opened at the same time, ask once.
    given: Mutex<HashMap<String, SecretString>>,
}

impl Retriever {
    /// Shortest new passphrase that is typed, in bytes after trimming.
    pub const MIN_LEN: usize = 8;
    /// How often an existing key's passphrase is asked for.
    pub const EXISTING_TRIES: usize = 4;
    /// How often a new passphrase is asked for.
    pub const NEW_TRIES: usize = 12;

    /// A retriever that has asked nothing yet.
    #[must_use]
    pub fn new(source: std::sync::Arc<dyn Passphrases>) -> Self {
        Self {
            source,
            given: Mutex::default(),
        }
    }

    /// Opens something encrypted, trying: the preset passphrase and nothing else; or the one last given for `alias`,
    /// then up to four typed ones.
    ///
    /// Go tries a preset passphrase twice, which nobody can see; here it is once, because nothing changes in between.
    ///
    /// # Errors
    /// [`UnlockError`].
    pub fn unlock<T, E>(
        &self,
        alias: &str,
        key: Option<&str>,
        mut open: impl FnMut(&[u8]) -> Tried<T, E>,
    ) -> Result<T, UnlockError<E>> {
        let incorrect = || {
            UnlockError::Passphrase(PassphraseError::Incorrect {
                alias: alias.to_owned(),
            })
        };
        if let Some(preset) = self.preset(alias) {
            return match open(preset.expose_secret().as_bytes()) {
                Tried::Opened(opened) => Ok(opened),
                Tried::Wrong => Err(incorrect()),
                Tried::Failed(error) => Err(UnlockError::Failed(error)),
            };
        }
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(again) = given.get(alias) {
            match open(again.expose_secret().as_bytes()) {
                Tried::Opened(opened) => return Ok(opened),
                // Go says "incorrect" before the first prompt here; but nothing was entered for this key yet.
                Tried::Wrong => {}
                Tried::Failed(error) => return Err(UnlockError::Failed(error)),
            }
        }
        for attempt in 0..Self::EXISTING_TRIES {
            if attempt > 0 {
                self.source.tell(Notice::Incorrect);
            }
            let entered = self
                .enter(alias, key, PromptKind::Existing)
                .map_err(UnlockError::Passphrase)?;
            match open(entered.expose_secret().as_bytes()) {
                Tried::Opened(opened) => {
                    given.insert(alias.to_owned(), entered);
                    return Ok(opened);
                }
                Tried::Wrong => {}
                Tried::Failed(error) => return Err(UnlockError::Failed(error)),
            }
        }
        Err(incorrect())
    }

    /// A passphrase for a key that is about to be written: the preset one, or the one last given for `alias`, or one
    /// typed twice.
    ///
    /// # Errors
    /// [`PassphraseError::TooManyAttempts`] after twelve entries that were too short or not repeated;
    /// [`PassphraseError::Unavailable`] at the end of the input.
    pub fn new_passphrase(&self, alias: &str, key: &str) -> Result<SecretString, PassphraseError> {
        if let Some(preset) = self.preset(alias) {
            return Ok(preset);
        }
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if alias == "root" {
            self.source.tell(Notice::NewRootKey);
        }
        if let Some(again) = given.get(alias) {
            return Ok(again.clone());
        }
        for _ in 0..Self::NEW_TRIES {
            let entered = self.enter(alias, Some(key), PromptKind::New)?;
            if entered.expose_secret().len() < Self::MIN_LEN {
                self.source.tell(Notice::TooShort);
                continue;
            }
            let repeated = self.enter(alias, Some(key), PromptKind::Repeat)?;
            if entered.expose_secret() != repeated.expose_secret() {
                self.source.tell(Notice::Mismatch);
                continue;
            }
            given.insert(alias.to_owned(), entered.clone());
            return Ok(entered);
        }
        Err(PassphraseError::TooManyAttempts)
    }

    /// An empty passphrase is none: it would mean a key that is not encrypted.
    fn preset(&self, alias: &str) -> Option<SecretString> {
        self.source
            .preset(alias)
            .filter(|preset| !preset.expose_secret().is_empty())
    }

    fn enter(
        &self,
        alias: &str,
        key: Option<&str>,
        kind: PromptKind,
    ) -> Result<SecretString, PassphraseError> {
        let line = self.source.enter(&Prompt { alias, key, kind })?;
        let trimmed = line.expose_secret().trim();
        if trimmed.len() == line.expose_secret().len() {
            Ok(line)
        } else {
            Ok(SecretString::from(trimmed))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Answers from a list; notes what it was asked and told.
    #[derive(Default)]
    struct Script {
        preset: HashMap<&'static str, &'static str>,
        lines: Mutex<std::collections::VecDeque<&'static str>>,
        seen: Mutex<Vec<String>>,
    }

    impl Passphrases for Script {
        fn preset(&self, alias: &str) -> Option<SecretString> {
            self.preset.get(alias).map(|p| SecretString::from(*p))
        }

        fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
            self.seen.lock().unwrap().push(format!(
                "{:?} {} {}",
                prompt.kind,
                prompt.alias,
                prompt.key.unwrap_or("-")
            ));
            self.lines
                .lock()
                .unwrap()
                .pop_front()
                .map(SecretString::from)
                .ok_or_else(|| PassphraseError::Unavailable {
                    alias: prompt.alias.to_owned(),
                    source: std::io::ErrorKind::UnexpectedEof.into(),
                })
        }

        fn tell(&self, notice: Notice) {
            self.seen.lock().unwrap().push(format!("{notice:?}"));
        }
    }

    fn script(lines: &[&'static str]) -> (Arc<Script>, Retriever) {
        let script = Arc::new(Script {
            lines: Mutex::new(lines.iter().copied().collect()),
            ..Script::default()
        });
        (script.clone(), Retriever::new(script))
    }

    fn seen(script: &Script) -> Vec<String> {
        std::mem::take(&mut script.seen.lock().unwrap())
    }

    fn right(passphrase: &'static str) -> impl FnMut(&[u8]) -> Tried<(), ()> {
        move |given| {
            if given == passphrase.as_bytes() {
                Tried::Opened(())
            } else {
                Tried::Wrong
            }
        }
    }

    #[test]
    fn an_existing_key_is_asked_for_four_times() {
        let (script, retriever) = script(&["a", "b", "c", "d", "e"]);
        assert!(matches!(
            retriever.unlock("bob", Some("id"), right("zzz")),
            Err(UnlockError::Passphrase(PassphraseError::Incorrect { .. }))
        ));
        assert_eq!(
            seen(&script),
            [
                "Existing bob id",
                "Incorrect",
                "Existing bob id",
                "Incorrect",
                "Existing bob id",
                "Incorrect",
                "Existing bob id"
            ]
        );
    }

    #[test]
    fn a_passphrase_is_asked_for_once_per_role_and_trimmed() {
        let (script, retriever) = script(&["  longpass1 \n", "other"]);
        retriever
            .unlock("bob", Some("1"), right("longpass1"))
            .unwrap();
        retriever
            .unlock("bob", Some("2"), right("longpass1"))
            .unwrap();
        retriever.unlock("alice", None, right("other")).unwrap();
        assert_eq!(seen(&script), ["Existing bob 1", "Existing alice -"]);
    }

    #[test]
    fn a_second_key_with_another_passphrase_is_prompted_for_without_blame() {
        let (script, retriever) = script(&["first", "second"]);
        retriever.unlock("bob", Some("1"), right("first")).unwrap();
        retriever.unlock("bob", Some("2"), right("second")).unwrap();
        assert_eq!(seen(&script), ["Existing bob 1", "Existing bob 2"]);
    }

    #[test]
    fn a_new_passphrase_is_long_enough_and_repeated() {
        let (script, retriever) = script(&[
            "short",
            "longpass1",
            "longpass2",
            " longpass1 ",
            "longpass1",
        ]);
        let passphrase = retriever.new_passphrase("root", "id").unwrap();
        assert_eq!(passphrase.expose_secret(), "longpass1");
        assert_eq!(
            seen(&script),
            [
                "NewRootKey",
                "New root id",
                "TooShort",
                "New root id",
                "Repeat root id",
                "Mismatch",
                "New root id",
                "Repeat root id"
            ]
        );
        // Given once, it is taken for the next key of the role, after the warning.
        retriever.new_passphrase("root", "id2").unwrap();
        assert_eq!(seen(&script), ["NewRootKey"]);
        retriever
            .unlock("root", Some("id"), right("longpass1"))
            .unwrap();
        assert_eq!(seen(&script), [""; 0]);
    }

    #[test]
    fn a_new_passphrase_is_asked_for_twelve_times() {
        let (script, retriever) = script(&["x"; 20]);
        assert!(matches!(
            retriever.new_passphrase("bob", "id"),
            Err(PassphraseError::TooManyAttempts)
        ));
        assert_eq!(seen(&script).len(), 24);
    }

    #[test]
    fn the_end_of_the_input_ends_the_dialogue() {
        let (script, retriever) = script(&["longpass1"]);
        assert!(matches!(
            retriever.new_passphrase("bob", "id"),
            Err(PassphraseError::Unavailable { .. })
        ));
        assert_eq!(seen(&script), ["New bob id", "Repeat bob id"]);
    }

    #[test]
    fn a_preset_passphrase_is_taken_as_it_is_and_never_asked_about() {
        let script = Arc::new(Script {
            preset: HashMap::from([("root", " x ")]),
            ..Script::default()
        });
        let retriever = Retriever::new(script.clone());
        assert_eq!(
            retriever
                .new_passphrase("root", "id")
                .unwrap()
                .expose_secret(),
            " x "
        );
        retriever.unlock("root", None, right(" x ")).unwrap();
        let mut tries = 0;
        assert!(matches!(
            retriever.unlock("root", None, |_| {
                tries += 1;
                Tried::<(), ()>::Wrong
            }),
            Err(UnlockError::Passphrase(PassphraseError::Incorrect { .. }))
        ));
        assert_eq!((tries, seen(&script).len()), (1, 0));
    }

    #[test]
    fn no_passphrase_is_asked_for_what_none_can_open() {
        let (script, retriever) = script(&["a", "b"]);
        assert!(matches!(
            retriever.unlock("bob", None, |_| Tried::<(), _>::Failed("curve")),
            Err(UnlockError::Failed("curve"))
        ));
        assert_eq!(seen(&script).len(), 1);
    }
}
