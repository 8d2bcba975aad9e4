//! Signet's own words about keys and names (specification, section 7), where docker has none.

/// A key by the name of `root`.
pub const NAME_OF_ROOT: &str =
    "root is no signer's name: this is a root key, with which new repositories will be begun";

/// How to get a key into an encryption that is known.
pub const ENCRYPT_ANEW: &str =
    "openssl pkcs8 -topk8 -in KEYFILE -out NEWFILE encrypts it in a way that can be read";

/// A key by the name of a role.
#[must_use]
pub fn name_of_a_role(name: &str) -> String {
    format!("{name} is also the name of a role: this key will be taken for one of that role")
}

/// A signer by the name of a role.
#[must_use]
pub fn signer_named_as_a_role(name: &str) -> String {
    format!(
        "{name} is also the name of a role: the signer is targets/{name}, which is another role"
    )
}
