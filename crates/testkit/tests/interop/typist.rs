//! Somebody at a terminal, who has a passphrase for every key and an answer to every question.

use std::process::Command;

use signet_testkit::terminal::Terminal;

const ROOT: &str = "the-passphrase-of-root";
const OTHER: &str = "any-other-passphrase";

/// Runs a command, types passphrases and `answers` (`n` when there are too few), and gives what stands on the terminal and the exit code.
pub(crate) fn converse(command: &Command, answers: &[&str]) -> (String, Option<i32>) {
    let mut terminal = Terminal::spawn(command).unwrap();
    let mut answers = answers.iter();
    let questions = ["key with ID ", "[y/N] ", "(yes/no) ", "]:"];
    while let Some((question, before)) = terminal.expect_any(&questions).unwrap() {
        match question {
            0 => {
                terminal.expect(": ").unwrap();
                terminal.enter_secret(passphrase(&before)).unwrap();
            }
            // What OpenSSL asks for has a default.
            3 => terminal.enter("").unwrap(),
            _ => terminal.enter(answers.next().unwrap_or(&"n")).unwrap(),
        }
    }
    let (status, screen) = terminal.finish().unwrap();
    for secret in [ROOT, OTHER] {
        assert!(!screen.contains(secret), "{secret} was echoed: {screen}");
    }
    (screen, status.code())
}

/// The passphrase for the role that the text before a prompt ends with.
fn passphrase(before: &str) -> &'static str {
    if before.trim_end().ends_with("root") {
        ROOT
    } else {
        OTHER
    }
}
