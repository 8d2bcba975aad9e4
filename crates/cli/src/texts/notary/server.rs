//! The trust server's address and TLS.

use crate::texts::quote;

/// An address that is none.
#[must_use]
pub fn server_colon(given: &str) -> String {
    let quoted = quote(given);
    format!(
        "Could not parse remote trust server url ({given}): parse {quoted}: first path segment in URL cannot contain colon"
    )
}

/// An address that cannot be parsed for another reason.
#[must_use]
pub fn server_malformed(given: &str, reason: &str) -> String {
    format!(
        "Could not parse remote trust server url ({given}): parse {}: {reason}",
        quote(given)
    )
}

/// An address of another form.
#[must_use]
pub fn server_form(given: &str) -> String {
    format!("Trust server url has to be in the form of http(s)://URL:PORT. Got: {given}")
}

/// An address with a password, and nothing that hides it.
#[must_use]
pub fn server_without_tls(given: &str) -> String {
    format!(
        "the user and password in the address are not sent to {given}, because without TLS anybody on the way can read them: use an https address"
    )
}

/// A certificate without its key, or the other way round.
pub const TLS_PAIR: &str = "either pass both client key and cert, or neither";

/// Authorities that cannot be read.
#[must_use]
pub fn tls_ca_unreadable(path: &str, reason: &str) -> String {
    format!(
        "unable to configure TLS: could not read CA certificate {}: open {path}: {reason}",
        quote(path)
    )
}

/// A file of authorities without any.
#[must_use]
pub fn tls_ca_empty(path: &str) -> String {
    format!(
        "unable to configure TLS: failed to append certificates from PEM file: {}",
        quote(path)
    )
}

/// A client certificate that cannot be read.
#[must_use]
pub fn tls_pair_unreadable(path: &str, reason: &str) -> String {
    format!("unable to configure TLS: Could not load X509 key pair: open {path}: {reason}")
}

/// A client certificate that cannot be used.
#[must_use]
pub fn tls_unusable(reason: &str) -> String {
    format!("unable to configure TLS: {reason}")
}

/// `skipTLSVerify` for a server that is not on this machine.
#[must_use]
pub fn skip_tls_refused(server: &str) -> String {
    format!(
        "remote_server.skipTLSVerify is for servers on this machine only: the certificate of {server} is verified; name its authority in remote_server.root_ca"
    )
}
