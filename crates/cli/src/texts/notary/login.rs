//! Logins.

use crate::texts::{quote, visible};

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
pub const LOGIN_HINT: &str = "log in with another name, set NOTARY_AUTH to base64 of user:password, or run docker login for the trust server";

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

/// `--login-for` where no server is asked.
pub const LOGIN_FOR_NO_SERVER: &str =
    "--login-for is for a trust server, and none is asked for a trust folder or a database";

/// What to do when a server does not accept the login.
#[must_use]
pub fn login_for_hint(server: &str) -> String {
    format!(
        "docker login {} stores a login for the server, which is used; or set NOTARY_AUTH to base64 of user:password, or allow the login of another registry with --login-for",
        visible(server)
    )
}

/// Before the question for a user name, on a terminal.
#[must_use]
pub fn who_asks(host: &str) -> String {
    format!("The trust server {} asks for a login.\n", visible(host))
}
