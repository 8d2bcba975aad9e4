//! Public keys and their identifiers (specification, `tuf.md` section 4).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use data_encoding::{BASE64, HEXLOWER};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::certificate::{Bundle, RootKey};
use crate::digest::{Base64, null_is_default};
use crate::object::only_objects;
use crate::{certificate, crypto};

/// What a public key's bytes are.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum KeyKind {
    /// ECDSA, as DER `SubjectPublicKeyInfo`.
    Ecdsa,
    /// ECDSA inside PEM certificates.
    EcdsaX509,
    /// Ed25519, as 32 raw bytes.
    Ed25519,
    /// RSA, as DER `SubjectPublicKeyInfo`.
    Rsa,
    /// RSA inside PEM certificates.
    RsaX509,
    /// A type that verification does not know. Kept as read; never verifies.
    Other(Box<str>),
}

impl KeyKind {
    /// The `keytype` as written in metadata.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::EcdsaX509 => "ecdsa-x509",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
            Self::RsaX509 => "rsa-x509",
            Self::Other(name) => name,
        }
    }

    /// Whether the key's bytes are PEM certificates.
    #[must_use]
    pub const fn is_certificate(&self) -> bool {
        matches!(self, Self::EcdsaX509 | Self::RsaX509)
    }

    /// The method that writers sign with; `None` for unknown types.
    #[must_use]
    pub const fn signature_method(&self) -> Option<&'static str> {
        match self {
            Self::Ecdsa | Self::EcdsaX509 => Some("ecdsa"),
            Self::Rsa | Self::RsaX509 => Some("rsapss"),
            Self::Ed25519 => Some("eddsa"),
            Self::Other(_) => None,
        }
    }
}

impl From<&str> for KeyKind {
    fn from(name: &str) -> Self {
        match name {
            "ecdsa" => Self::Ecdsa,
            "ecdsa-x509" => Self::EcdsaX509,
            "ed25519" => Self::Ed25519,
            "rsa" => Self::Rsa,
            "rsa-x509" => Self::RsaX509,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Identifier of a public key: SHA-256 of its canonical JSON, in lower-case hex.
///
/// Metadata may carry any text where an ID belongs; such a text never equals a computed ID. [`KeyId::from_str`] accepts
/// only well-formed IDs and is what names of files and command-line arguments go through.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(Arc<str>);

/// A text that is not 64 lower-case hex digits.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid key ID provided: {0}")]
pub struct InvalidKeyId(pub String);

impl KeyId {
    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as prompts show them.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }

    /// What stands where an ID belongs, in metadata or in a wish to remove a key. It need not be an ID; then it is that of no key.
    #[must_use]
    pub fn from_metadata(text: &str) -> Self {
        Self(text.into())
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidKeyId(text.chars().take(300).collect()))
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for KeyId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::from_metadata(&text))
    }
}

/// A public key as metadata holds it. Clones share what was found out about it.
#[derive(Clone)]
pub struct PublicKey(Arc<Parts>);

struct Parts {
    kind: KeyKind,
    /// `None` is `null`, which has another ID than empty bytes.
    public: Option<Arc<[u8]>>,
    id: OnceLock<KeyId>,
    canonical_id: OnceLock<KeyId>,
    /// The bare key, where the bytes wrap one.
    spki: OnceLock<Option<Box<[u8]>>>,
    /// The certificates and the key in them, where the bytes are those of a root key.
    root_key: OnceLock<Option<RootKey>>,
}

/// A file or certificate that holds no key that roles can use.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidPublicKey {
    /// A certificate that may not sign.
    #[error("invalid certificate: {0}")]
    Certificate(#[source] certificate::CertificateError),
    /// A PEM block that calls itself a certificate.
    #[error("could not parse provided certificate: x509: malformed certificate")]
    MalformedCertificate,
    /// Not PEM at all.
    #[error("no valid public key found")]
    NotPem,
    /// A PEM block of another type.
    #[error("unsupported PEM block type {0:?}, expected CERTIFICATE or PUBLIC KEY")]
    PemType(String),
    /// A key of an algorithm that roles cannot use.
    #[error("unknown public key format")]
    UnknownFormat,
    /// An ECDSA key on a curve whose signatures Signet does not accept.
    #[error("ECDSA keys on curve P-224 are too weak, P-256, P-384 or P-521 is needed")]
    WeakEcdsa,
    /// An RSA key whose signatures nobody accepts.
    #[error("RSA bit length is too short: {0} bits, at least 2048 are needed")]
    WeakRsa(usize),
}

impl PublicKey {
    /// A key from its type and bytes. The bytes are not checked here: a key that is not what its type says never
    /// verifies a signature.
    #[must_use]
    pub fn new(kind: KeyKind, public: impl Into<Arc<[u8]>>) -> Self {
        Self::from_parts(kind, Some(public.into()))
    }

    fn from_parts(kind: KeyKind, public: Option<Arc<[u8]>>) -> Self {
        Self(Arc::new(Parts {
            kind,
            public,
            id: OnceLock::new(),
            canonical_id: OnceLock::new(),
            spki: OnceLock::new(),
            root_key: OnceLock::new(),
        }))
    }

    /// A key from DER `SubjectPublicKeyInfo`: RSA (2048 bits and more) or ECDSA on P-256, P-384 or P-521.
    ///
    /// # Errors
    /// [`InvalidPublicKey`] for other algorithms and for weak keys.
    pub fn from_spki(der: &[u8]) -> Result<Self, InvalidPublicKey> {
        match crypto::inspect_spki(der).ok_or(InvalidPublicKey::UnknownFormat)? {
            crypto::SpkiKind::Ecdsa(crypto::Curve::P224) => Err(InvalidPublicKey::WeakEcdsa),
            crypto::SpkiKind::Ecdsa(_) => Ok(Self::new(KeyKind::Ecdsa, der)),
            crypto::SpkiKind::Rsa(bits) if bits < 2048 => Err(InvalidPublicKey::WeakRsa(bits)),
            crypto::SpkiKind::Rsa(_) => Ok(Self::new(KeyKind::Rsa, der)),
        }
    }

    /// What the bytes are.
    #[must_use]
    pub fn kind(&self) -> &KeyKind {
        &self.0.kind
    }

    /// The key's bytes; their form depends on [`PublicKey::kind`].
    #[must_use]
    pub fn public_bytes(&self) -> &[u8] {
        self.0.public.as_deref().unwrap_or_default()
    }

    /// The TUF key ID: what `keyids`, `keys` and signatures use.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        let Parts {
            kind, public, id, ..
        } = &*self.0;
        id.get_or_init(|| compute_id(kind, public.as_deref()))
    }

    /// The ID of the bare key: for certificate keys that of the key inside the first certificate, else the TUF key ID.
    ///
    /// Key files, key lists, prompts and thresholds use it.
    #[must_use]
    pub fn canonical_id(&self) -> &KeyId {
        self.0.canonical_id.get_or_init(|| {
            let bare = self.0.kind.is_certificate().then(|| self.bare_id());
            bare.flatten().unwrap_or_else(|| self.id().clone())
        })
    }

    /// What counts toward a threshold: the ID of the bare key, however its bytes are wrapped. It differs from the
    /// canonical ID only for RSA keys in PEM, whose canonical ID Go takes over the text.
    pub(crate) fn identity(&self) -> KeyId {
        if self.0.kind == KeyKind::Rsa && self.is_pem() {
            return self.bare_id().unwrap_or_else(|| self.id().clone());
        }
        self.canonical_id().clone()
    }

    fn bare_id(&self) -> Option<KeyId> {
        let spki = self.spki()?;
        let kind = match crypto::inspect_spki(spki)? {
            crypto::SpkiKind::Ecdsa(_) => KeyKind::Ecdsa,
            crypto::SpkiKind::Rsa(_) => KeyKind::Rsa,
        };
        Some(compute_id(&kind, Some(spki)))
    }

    /// DER `SubjectPublicKeyInfo` of the bare ECDSA or RSA key: unwrapped from the first certificate or, for the oldest
    /// RSA keys, from PEM. It is unwrapped once, however many signatures are checked with it.
    pub(crate) fn spki(&self) -> Option<&[u8]> {
        let unwrapped = |find: fn(&[u8]) -> Option<Vec<u8>>| {
            let cached = self
                .0
                .spki
                .get_or_init(|| find(self.public_bytes()).map(Into::into));
            cached.as_deref()
        };
        match self.0.kind {
            KeyKind::EcdsaX509 | KeyKind::RsaX509 => unwrapped(certificate::first_spki),
            KeyKind::Rsa if self.is_pem() => unwrapped(certificate::pem_public_key),
            KeyKind::Ecdsa | KeyKind::Rsa => Some(self.public_bytes()),
            KeyKind::Ed25519 | KeyKind::Other(_) => None,
        }
    }

    /// What the bytes say as certificates, read once, however often a root is looked at; `None` where they are not those of a root key.
    pub(crate) fn root_key(&self) -> Option<&RootKey> {
        let read = || Bundle::from_pem(self.public_bytes()).map(RootKey::of);
        self.0.root_key.get_or_init(read).as_ref()
    }

    /// A certificate key whose first certificate is known to be that of the bare key `spki`.
    pub(crate) fn of_certificates(kind: KeyKind, pem: Vec<u8>, spki: &[u8]) -> Self {
        let key = Self::new(kind, pem);
        // A key that has none yet takes it.
        let _ = key.0.spki.set(Some(spki.into()));
        key
    }

    /// Whether the bytes are not DER, so that PEM is the only form left.
    pub(crate) fn is_pem(&self) -> bool {
        self.public_bytes().first() != Some(&0x30)
    }
}

fn compute_id(kind: &KeyKind, public: Option<&[u8]>) -> KeyId {
    let mut text = Vec::with_capacity(public.map_or(0, <[u8]>::len) * 4 / 3 + 84);
    text.extend_from_slice(b"{\"keytype\":\"");
    for byte in kind.as_str().bytes() {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text.extend_from_slice(b"\",\"keyval\":{\"private\":null,\"public\":");
    if let Some(public) = public {
        text.push(b'"');
        text.extend_from_slice(BASE64.encode(public).as_bytes());
        text.push(b'"');
    } else {
        text.extend_from_slice(b"null");
    }
    text.extend_from_slice(b"}}");
    KeyId(HEXLOWER.encode(&crypto::sha256(&text)).into())
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("kind", self.kind())
            .field("id", &self.id().as_str())
            .finish_non_exhaustive()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.kind == other.0.kind && self.0.public == other.0.public
    }
}

impl Eq for PublicKey {}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Value<'a>(Option<&'a [u8]>);
        impl Serialize for Value<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut value = serializer.serialize_struct("keyval", 2)?;
                value.serialize_field("private", &())?;
                value.serialize_field("public", &self.0.map(|bytes| BASE64.encode(bytes)))?;
                value.end()
            }
        }
        let mut key = serializer.serialize_struct("key", 2)?;
        key.serialize_field("keytype", self.kind().as_str())?;
        key.serialize_field("keyval", &Value(self.0.public.as_deref()))?;
        key.end()
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(remote = "Self")]
        struct Value {
            #[serde(default)]
            public: Option<Base64>,
        }
        #[derive(Deserialize)]
        #[serde(remote = "Self")]
        struct Key {
            #[serde(default, deserialize_with = "null_is_default")]
            keytype: String,
            #[serde(default, deserialize_with = "null_is_default")]
            keyval: Value,
        }
        only_objects!(Key, Value);
        let key: Key = crate::object::read(deserializer)?;
        Ok(Self::from_parts(
            key.keytype.as_str().into(),
            key.keyval.public.map(|bytes| bytes.0.into()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_ignores_private_parts_order_and_extra_members() {
        // Key and ID from a real docker trust store (specification, docker-trust.md section 14).
        let public = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE34Gly2Mo3rq+5Zgh7vrYGZZrQfCmMG8Kxpc41atOKzunOox8RJT8MCnEv+29GhrFWI6g/OlOZbAi7AzeQo7Y1w==";
        for text in [
            format!(r#"{{"keytype":"ecdsa","keyval":{{"private":null,"public":"{public}"}}}}"#),
            format!(
                r#"{{"keyval":{{"public":"{public}","x":1,"private":"AAAA"}},"y":[],"keytype":"ecdsa"}}"#
            ),
        ] {
            let key: PublicKey = serde_json::from_str(&text).unwrap();
            assert_eq!(
                key.id().as_str(),
                "046b3414d5f09b10b24edcdda15c24ff46aa5fbfb19da55f0ba9b1c0ab3d91e0"
            );
            assert_eq!(key.canonical_id(), key.id());
        }
    }
}
