//! Names of keys and signers.

use std::fmt;

use signet_tuf::RoleName;

use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// A name of a signer: `^[a-z0-9][a-z0-9_-]*$`, never `releases`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct SignerName {
    name: String,
    role: RoleName,
}

impl SignerName {
    pub(super) fn parse(name: &str) -> Result<Self, Failure> {
        if !is_name(name) {
            return Err(Failure::new(texts::bad_name("signer name", name)));
        }
        if name == "releases" {
            return Err(Failure::new(texts::RESERVED_SIGNER));
        }
        match RoleName::delegation(name) {
            Ok(role) => Ok(Self {
                name: name.to_owned(),
                role,
            }),
            Err(error) => Err(Failure::new(error.to_string())),
        }
    }

    /// The delegation `targets/<name>`.
    pub(super) fn role(&self) -> &RoleName {
        &self.role
    }
}

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Whether a key or a signer can have that name.
pub(super) fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.bytes().next().is_some_and(inner)
        && name
            .bytes()
            .all(|byte| inner(byte) || byte == b'_' || byte == b'-')
}

/// Checks the name of a key.
pub(super) fn check_key_name(name: &str) -> Result<(), Failure> {
    if is_name(name) {
        Ok(())
    } else {
        Err(Failure::new(texts::bad_name("key name", name)))
    }
}

/// Says what else a key's name means, before the key is made.
pub(super) fn warn_of_role(name: &str) {
    match name {
        "root" => tracing::warn!("{}", texts::NAME_OF_ROOT),
        "releases" | "snapshot" | "targets" | "timestamp" => {
            tracing::warn!("{}", texts::name_of_a_role(name));
        }
        _ => {}
    }
}
