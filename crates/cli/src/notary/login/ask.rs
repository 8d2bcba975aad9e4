//! Asking for a user name and a password, as Go's `notary` asks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use signet_oci::Credentials;

use crate::login::Ask;
use crate::texts::notary as texts;
use crate::ui::printer::Printer;
use crate::ui::prompt::{AskError, Terminal};

/// How long a user name may take, and a password from a script.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever sits at the terminal, or the script that answers instead.
pub(super) struct Person {
    terminal: Arc<Terminal>,
    printer: Printer,
    /// Who wants to know.
    host: String,
}

impl Person {
    pub(super) fn new(terminal: &Arc<Terminal>, printer: &Printer, host: String) -> Self {
        Self {
            terminal: Arc::clone(terminal),
            printer: printer.clone(),
            host,
        }
    }
}

#[async_trait]
impl Ask for Person {
    async fn ask(&self) -> Credentials {
        // Who types a password must know where it goes; Go's question does not say.
        if self.printer.talks_to_terminal() {
            self.printer.err(&texts::who_asks(&self.host));
        }
        let terminal = Arc::clone(&self.terminal);
        // Other requests go on while somebody types.
        let asked = tokio::task::spawn_blocking(move || credentials(&terminal)).await;
        asked.unwrap_or_else(|error| {
            tracing::error!("{}", texts::username_failed(&error.to_string()));
            Credentials::anonymous()
        })
    }
}

/// What cannot be read has been said; the command goes on as nobody then.
fn credentials(terminal: &Terminal) -> Credentials {
    let username = match terminal.ask(texts::USERNAME, PATIENCE) {
        Ok(username) => username,
        Err(AskError::TimedOut(_)) => {
            tracing::error!("{}", texts::USERNAME_TIMEOUT);
            return Credentials::anonymous();
        }
        Err(error) => {
            tracing::error!("{}", texts::username_failed(&reason(&error)));
            return Credentials::anonymous();
        }
    };
    if username.is_empty() {
        return Credentials::anonymous();
    }
    match terminal.ask_secret_of_script(texts::PASSWORD, PATIENCE) {
        Ok(password) => Credentials::password(username, password),
        Err(error) => {
            tracing::error!("{}", texts::password_failed(&reason(&error)));
            Credentials::anonymous()
        }
    }
}

/// Go's word for the end of the input.
fn reason(error: &AskError) -> String {
    match error {
        AskError::EndOfInput => "EOF".to_owned(),
        AskError::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}
