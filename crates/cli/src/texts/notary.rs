//! What `notary` says.

mod archive;
mod archive_create;
mod archive_diff;
mod delegation;
mod delete;
mod doctor;
pub mod hints;
mod import;
mod init;
mod key;
mod login;
mod publish;
mod reading;
mod renew;
mod report;
mod rotate;
mod server;
mod staging;
mod takeover;
mod unproven;

pub use archive::*;
pub use archive_create::*;
pub use archive_diff::*;
pub use delegation::*;
pub use delete::*;
pub use doctor::*;
pub use import::*;
pub use init::*;
pub use key::*;
pub use login::*;
pub use publish::*;
pub use reading::*;
pub use renew::*;
pub use report::*;
pub use rotate::*;
pub use server::*;
pub use staging::*;
pub use takeover::*;
pub use unproven::*;

use super::quote;

/// Stands where the version of Go was; scripts take the answers apart by these words.
const GO_VERSION: &str = "none";
const GIT_COMMIT: &str = match option_env!("SIGNET_GIT_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// The last words of a command that fails.
#[must_use]
pub fn fatal(problem: &str) -> String {
    format!("\n* fatal: {problem}\n")
}

/// The answer to `notary version`.
#[must_use]
pub fn version_page() -> String {
    format!(
        "notary\n Version:    {} (Signet)\n Git commit: {GIT_COMMIT}\n Go version: {GO_VERSION}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The answer to `notary --version`.
#[must_use]
pub fn version_line() -> String {
    format!(
        "notary Version: {} (Signet), Git commit: {GIT_COMMIT}, Go version: {GO_VERSION}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// `notary help` with something that is no command.
#[must_use]
pub fn unknown_help_topic(words: &[String]) -> String {
    // compat: cobra prints the words as Go prints a list of raw strings.
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("`{}`", super::visible(word)))
        .collect();
    format!("Unknown help topic [{}]", words.join(" "))
}

/// An argument that is not UTF-8.
#[must_use]
pub fn not_text(shown: &str) -> String {
    format!("an argument is not valid UTF-8 text: {}", quote(shown))
}

/// A completion call with nothing to complete.
pub const NOTHING_TO_COMPLETE: &str = "there is nothing to complete";

/// A shell that has no completion script.
#[must_use]
pub fn unknown_shell(shell: &str) -> String {
    format!(
        "no completion for {}: bash, fish, powershell and zsh have one",
        quote(shell)
    )
}

/// A command that is announced before it works.
#[must_use]
pub fn not_there(command: &str) -> String {
    format!("notary {command} is not there yet")
}

// Configuration (section 3).

/// A configuration file that cannot be used.
#[must_use]
pub fn config_failed(reason: &str) -> String {
    format!("error opening config file: {reason}")
}

/// The forms that a configuration file may have.
pub const CONFIG_TYPE_HINT: &str =
    "the file must be JSON, YAML or TOML, and its name must end in .json, .yaml, .yml or .toml";
/// What a section of a configuration file must be.
pub const CONFIG_OBJECT: &str = "an object of keys";

/// A configuration file of another kind than JSON.
#[must_use]
pub fn config_type(extension: &str) -> String {
    format!("Unsupported Config Type {}", quote(extension))
}

/// A configuration file that is not what it must be.
#[must_use]
pub fn config_syntax(reason: &str) -> String {
    format!("While parsing config: {reason}")
}

/// A value of another type than its key needs.
#[must_use]
pub fn config_value(key: &str, wanted: &str) -> String {
    format!("{key} must be {wanted}")
}

/// Pins that are no list of IDs.
pub const PINNED_CERTS_FORM: &str = "invalid format for trust_pinning.certs";
/// Pins that are no path.
pub const PINNED_CA_FORM: &str = "invalid format for trust_pinning.ca";
/// Without `HOME`.
pub const NO_HOME: &str = "cannot get current user home directory: environment variable not set";
/// A path below a home that nobody knows.
#[must_use]
pub fn home_needed(path: &str) -> String {
    format!("{path} needs a home folder, and HOME is not set")
}

/// Where things are then.
#[must_use]
pub fn without_home(folder: &str) -> String {
    format!("notary will use {folder} to store configuration and keys")
}
