//! `notary init`.

/// Which root key is used.
#[must_use]
pub fn root_key_found(id: &str) -> String {
    format!("Root key found, using: {id}\n")
}

/// How it was chosen.
#[must_use]
pub fn root_key_chosen(id: &str, in_use: bool, others: usize) -> String {
    let why = if in_use {
        "a repository here is signed with it"
    } else {
        "its ID is the lowest"
    };
    format!(
        "of {} root keys at hand {id} is used, because {why}; --rootkey names another",
        others + 1
    )
}

/// Nothing is known of a repository anywhere.
#[must_use]
pub fn beginning(gun: &str) -> String {
    format!(
        "No TUF data found locally or remotely - initializing repository {gun} for the first time"
    )
}

/// What to do about a repository that is there already.
#[must_use]
pub fn already_trusted_hint(gun: &str) -> String {
    format!(
        "'notary publish {gun}' goes on with it. Look first whether the server's address is the right one; 'notary delete {gun}' forgets what is known of it here, and with it what protects from older states and other roots, but no keys"
    )
}

/// Before why the file of `--rootkey` cannot be read.
pub const ROOT_KEY_FILE: &str = "Error reading input root key file: ";
/// Before why its key cannot be stored.
pub const ROOT_KEY_IMPORT: &str = "Error importing key: ";
/// What can be done about a key that anybody could use.
pub const ROOT_KEY_OPEN_HINT: &str =
    "'notary key import --role root' takes it, encrypts it with a passphrase and keeps it for init";
/// Before why the file of `--rootcert` cannot be read.
pub const ROOT_CERTIFICATE_FILE: &str = "error reading certificate file: ";
/// A file without a certificate.
pub const ROOT_CERTIFICATE_NO_PEM: &str =
    "the provided file does not contain a valid PEM certificate <nil>";
/// A certificate that is none.
pub const ROOT_CERTIFICATE_UNUSABLE: &str =
    "Parsing certificate PEM bytes to x509 certificate: no certificate with an RSA or ECDSA key";
