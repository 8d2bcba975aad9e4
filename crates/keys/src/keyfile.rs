//! One key as one PEM block: which types hold keys, how they are opened, how they are written.

use std::num::NonZeroU32;

use zeroize::Zeroizing;

use signet_tuf::{Gun, KeyKind};

use crate::dek::DekInfo;
use crate::pem::Block;
use crate::pkcs8::{self, Encrypted, Rejected, Unreadable};
use crate::private::{InvalidPrivateKey, PrivateKey};
use crate::prompt::Tried;
use crate::store::role_has_gun;

/// Largest key file that is read, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// Why a block holds no key that can be used, whatever the passphrase.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The key is there and is not usable.
    #[error(transparent)]
    Key(#[from] InvalidPrivateKey),
    /// The PEM type holds no private key.
    #[error("unsupported key type {0:?}")]
    Label(String),
    /// The block is not what its type says.
    #[error("malformed key file: {0}")]
    Malformed(&'static str),
    /// No PEM block at all.
    #[error("no valid private key found")]
    NotPem,
    /// An encryption that is not known.
    #[error("unsupported encryption {0}")]
    UnsupportedEncryption(String),
}

/// A key in a block, as far as it can be seen without a passphrase.
pub(crate) enum Sealed<'a> {
    /// Not encrypted.
    Open(Box<PrivateKey>),
    /// Encrypted PKCS#8.
    Pkcs8(Encrypted<'a>),
    /// Legacy encryption inside PEM.
    Dek(DekInfo, &'a Block),
}

/// Whether blocks of this type hold private keys.
#[must_use]
pub(crate) fn is_private_key(label: &str) -> bool {
    label == ENCRYPTED || label == PLAIN || legacy_kind(label).is_some()
}

/// Looks into a block.
///
/// # Errors
/// [`OpenError`] when no passphrase will open it.
pub(crate) fn inspect(block: &Block) -> Result<Sealed<'_>, OpenError> {
    if block.label == ENCRYPTED {
        return Encrypted::parse(&block.contents)
            .map(Sealed::Pkcs8)
            .map_err(|error| match error {
                Unreadable::Malformed(what) => OpenError::Malformed(what),
                Unreadable::Unsupported(what) => OpenError::UnsupportedEncryption(what),
            });
    }
    if block.label != PLAIN && legacy_kind(&block.label).is_none() {
        return Err(OpenError::Label(block.label.chars().take(64).collect()));
    }
    if let Some(info) = block.headers.get(DEK_INFO) {
        let info = DekInfo::parse(info).map_err(OpenError::UnsupportedEncryption)?;
        return Ok(Sealed::Dek(info, block));
    }
    let key = if block.label == PLAIN {
        pkcs8::parse(&block.contents).map_err(|rejected| match rejected {
            Rejected::Garbage => OpenError::Malformed("not a PKCS#8 key"),
            Rejected::Key(error) => OpenError::Key(error),
        })?
    } else {
        legacy(&block.label, &block.contents)?
    };
    Ok(Sealed::Open(Box::new(key)))
}

/// Tries a passphrase on an encrypted key.
pub(crate) fn open(sealed: &Sealed<'_>, passphrase: &[u8]) -> Tried<PrivateKey, OpenError> {
    match sealed {
        Sealed::Open(_) => Tried::Failed(OpenError::Malformed("the key is not encrypted")),
        Sealed::Pkcs8(encrypted) => match encrypted.decrypt(passphrase) {
            None => Tried::Wrong,
            Some(plain) => match pkcs8::parse(&plain) {
                Ok(key) => Tried::Opened(key),
                Err(Rejected::Garbage) => Tried::Wrong,
                Err(Rejected::Key(error)) => Tried::Failed(error.into()),
            },
        },
        Sealed::Dek(info, block) => match info.decrypt(passphrase, &block.contents) {
            None => Tried::Wrong,
            Some(plain) => match legacy(&block.label, &plain) {
                Ok(key) => Tried::Opened(key),
                // The padding of a wrong result is right once in 256 times.
                Err(OpenError::Key(InvalidPrivateKey::Malformed(_))) => Tried::Wrong,
                Err(error) => Tried::Failed(error),
            },
        },
    }
}

/// Encrypts a key into a block with the headers of its role; `None` when the system gives no randomness.
///
/// An empty passphrase gives an unencrypted block, as in Go, where no prompt can lead to it.
pub(crate) fn seal(
    key: &PrivateKey,
    passphrase: &[u8],
    iterations: NonZeroU32,
    role: &str,
    gun: Option<&Gun>,
) -> Option<Block> {
    let (label, contents) = if passphrase.is_empty() {
        (PLAIN, pkcs8::encode(key))
    } else {
        (ENCRYPTED, pkcs8::encrypt(key, passphrase, iterations)?)
    };
    let mut block = Block {
        label: label.to_owned(),
        headers: std::collections::BTreeMap::new(),
        contents,
    };
    set_headers(&mut block, role, gun);
    Some(block)
}

/// Sets `role` and `gun`: no empty headers, and a GUN only for the roles that have one.
pub(crate) fn set_headers(block: &mut Block, role: &str, gun: Option<&Gun>) {
    let gun = gun.filter(|_| role_has_gun(role)).map_or("", Gun::as_str);
    for (name, value) in [(ROLE, role), (GUN, gun)] {
        if value.is_empty() {
            block.headers.remove(name);
        } else {
            block.headers.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// Whether a header belongs to the legacy encryption of a block.
pub(crate) fn is_of_encryption(header: &str) -> bool {
    [DEK_INFO, "Proc-Type"].contains(&header)
}

fn legacy(label: &str, contents: &[u8]) -> Result<PrivateKey, OpenError> {
    let kind = legacy_kind(label).unwrap_or_else(|| KeyKind::Other("".into()));
    Ok(PrivateKey::from_private_bytes(&kind, contents)?)
}

fn legacy_kind(label: &str) -> Option<KeyKind> {
    match label {
        "EC PRIVATE KEY" => Some(KeyKind::Ecdsa),
        "ED25519 PRIVATE KEY" => Some(KeyKind::Ed25519),
        "RSA PRIVATE KEY" => Some(KeyKind::Rsa),
        _ => None,
    }
}

/// A whole key file as bytes.
pub(crate) fn encode_all(blocks: &[Block]) -> Zeroizing<Vec<u8>> {
    let texts: Vec<Zeroizing<String>> = blocks.iter().map(Block::encode).collect();
    let mut out = Zeroizing::new(Vec::with_capacity(texts.iter().map(|t| t.len()).sum()));
    for text in &texts {
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// Type of encrypted PKCS#8.
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// Type of plain PKCS#8.
const PLAIN: &str = "PRIVATE KEY";
/// Header with the legacy encryption.
const DEK_INFO: &str = "DEK-Info";
/// Header with the role.
pub(crate) const ROLE: &str = "role";
/// Header with the GUN.
pub(crate) const GUN: &str = "gun";
/// Header with the name that an exported key had in its store.
pub(crate) const PATH: &str = "path";
