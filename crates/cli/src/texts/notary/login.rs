//! Logins.

use crate::texts::quote;

/// The question for a user name.
pub const USERNAME: &str = "Enter username: ";
/// The question for a password.
pub const PASSWORD: &str = "Enter password: ";
/// Nobody typed a user name in time.
pub const USERNAME_TIMEOUT: &str = "timeout when retrieving username input";

/// A user name could not be read.
#[must_use]
pub fn username_failed(reason: &str) -> String {
    format!("error processing username input: {reason}")
}

/// A password could not be read.
#[must_use]
pub fn password_failed(reason: &str) -> String {
    format!("error processing password input: {reason}")
}

/// What to do when a login is refused.
pub const LOGIN_HINT: &str = "log in with another name, set NOTARY_AUTH to base64 of user:password, or run docker login for the registry of the repository";

/// `NOTARY_AUTH` is not base64.
pub const AUTH_NOT_BASE64: &str = "Could not base64-decode authentication string";
/// `NOTARY_AUTH` without a user.
pub const AUTH_NO_USER: &str = "Authentication string with zero-length username";
/// `NOTARY_AUTH` without a colon.
pub const AUTH_FORM: &str =
    "Malformatted authentication string; format must be <username>:<password>";

/// `--login-for` with something else than a registry.
#[must_use]
pub fn login_for_form(given: &str) -> String {
    format!(
        "--login-for takes the name of a registry, as docker login does (registry.example.com:5000, docker.io), and not {}",
        quote(given)
    )
}

/// `--login-for` where the user names the repositories.
pub const LOGIN_FOR_NAMED: &str = "--login-for is for names that others chose: the login for a repository that you name is that of its registry";

/// What to do when a server does not accept the login for itself and repositories have others' names.
#[must_use]
pub fn login_for_hint(server: &str) -> String {
    format!(
        "only the login for the server itself is used for names that you did not choose: docker login {server}, or set NOTARY_AUTH to base64 of user:password, or allow the login of a registry with --login-for"
    )
}
