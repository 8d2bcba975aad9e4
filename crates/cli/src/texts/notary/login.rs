//! Logins.

use crate::texts::quote;

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
