//! Logins.

/// `NOTARY_AUTH` is not base64.
pub const AUTH_NOT_BASE64: &str = "Could not base64-decode authentication string";
/// `NOTARY_AUTH` without a user.
pub const AUTH_NO_USER: &str = "Authentication string with zero-length username";
/// `NOTARY_AUTH` without a colon.
pub const AUTH_FORM: &str =
    "Malformatted authentication string; format must be <username>:<password>";
