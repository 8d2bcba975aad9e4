//! `notary-server hash-password`: a line for the file of `auth.type: htpasswd`.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use signet_server::htpasswd;
use zeroize::Zeroizing;

/// Longest line that is read, in bytes.
const MAX_LINE: usize = 4096;

/// Asks for a password on a terminal, twice, or reads one line of standard input. Gives the line for the file, or the hash alone
/// without a user.
///
/// # Errors
/// The text to show.
pub(crate) fn hash_password(user: Option<&str>) -> Result<String, String> {
    let password = if io::stdin().is_terminal() {
        let password = ask("Password: ")?;
        if *password != *ask("Once more: ")? {
            return Err("the passwords are not the same".to_owned());
        }
        password
    } else {
        line()?
    };
    let hash = match user {
        Some(user) => htpasswd::line(user, &password),
        None => htpasswd::hashed(&password),
    };
    hash.map_err(|error| error.to_string())
}

/// One line of standard input, without its end.
fn line() -> Result<Zeroizing<String>, String> {
    let mut line = Zeroizing::new(String::with_capacity(MAX_LINE));
    io::stdin()
        .lock()
        .take(MAX_LINE as u64)
        .read_line(&mut line)
        .map_err(|error| format!("cannot read the password: {error}"))?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, String> {
    // Standard output may be the file already.
    let mut out = io::stderr();
    let _ = out.write_all(prompt.as_bytes());
    let quiet = Quiet::terminal();
    let line = line();
    drop(quiet);
    let _ = out.write_all(b"\n");
    line
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn terminal() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut mute = before.clone();
        mute.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &mute).ok()?;
        Some(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
