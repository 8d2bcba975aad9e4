//! Documents with their signatures: received, verified, and written (specification, `tuf.md` section 3).

use std::collections::BTreeSet;
use std::sync::OnceLock;

use bytes::Bytes;
use serde::Deserialize;

use crate::canonical::{self, JsonError, Scanner};
use crate::digest::{Base64, null_is_default};
use crate::metadata::Metadata;
use crate::object::only_objects;
use crate::{BaseRole, Expiry, KeyId, PublicKey, RoleName, Version, crypto, tally};

/// Most signatures that a document may carry.
pub const MAX_SIGNATURES: usize = 1024;

/// One signature over a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signature {
    /// TUF ID of the key.
    pub key_id: KeyId,
    /// `ecdsa`, `rsapss`, `eddsa` or, only on reading, others. Lower case.
    pub method: String,
    /// The signature itself.
    pub sig: Vec<u8>,
}

/// The keys that may sign for a role, and how many of them must.
#[derive(Clone, Debug)]
pub struct RoleKeys {
    role: RoleName,
    keys: Vec<(KeyId, PublicKey)>,
    threshold: i64,
}

impl RoleKeys {
    /// Keys under the IDs by which their parent document lists them.
    #[must_use]
    pub fn new(
        role: RoleName,
        keys: impl IntoIterator<Item = (KeyId, PublicKey)>,
        threshold: i64,
    ) -> Self {
        Self {
            role,
            keys: keys.into_iter().collect(),
            threshold,
        }
    }

    /// The role.
    #[must_use]
    pub const fn role(&self) -> &RoleName {
        &self.role
    }

    /// The keys in listed order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &PublicKey> {
        self.keys.iter().map(|(_, key)| key)
    }

    /// How many distinct keys must sign. Below 1 nothing satisfies it.
    #[must_use]
    pub const fn threshold(&self) -> i64 {
        self.threshold
    }

    /// Whether a key with this TUF ID is listed.
    #[must_use]
    pub fn contains(&self, id: &KeyId) -> bool {
        self.find(id).is_some()
    }

    fn find(&self, id: &KeyId) -> Option<&PublicKey> {
        self.keys
            .iter()
            .find(|(listed, _)| listed == id)
            .map(|(_, key)| key)
    }
}

/// Why bytes are no document.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not JSON, or JSON that has no canonical form.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// JSON of another shape.
    #[error("{0}")]
    Shape(String),
    /// `signed` is null or missing.
    #[error("{role} type metadata invalid: {role} file contained an empty payload")]
    Empty {
        /// The role that was read.
        role: RoleName,
    },
    /// Neither a payload nor signatures.
    #[error("tuf: data has no signatures")]
    NoSignatures {
        /// The role that was read.
        role: RoleName,
    },
    /// More signatures than anyone needs.
    #[error("{role} carries more than {MAX_SIGNATURES} signatures")]
    TooManySignatures {
        /// The role that was read.
        role: RoleName,
    },
}

/// Too few distinct keys of a role signed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("valid signatures did not meet threshold for {role}")]
pub struct BelowThreshold {
    /// The role.
    pub role: RoleName,
    /// Canonical IDs of the distinct keys that signed validly.
    pub found: Vec<KeyId>,
    /// How many are needed.
    pub needed: i64,
}

/// Why signatures do not carry a document.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Too few distinct keys signed.
    #[error(transparent)]
    BelowThreshold(#[from] BelowThreshold),
    /// A signing key is listed under an ID that is not its own.
    #[error("key ID is not valid for key content")]
    KeyIdMismatch {
        /// The ID as listed.
        listed: KeyId,
    },
    /// There are no signatures at all.
    #[error("tuf: data has no signatures")]
    NoSignatures {
        /// The role.
        role: RoleName,
    },
}

/// A document as received: parsed, nothing checked. Keeps the received bytes and the message that signatures cover.
#[derive(Clone, Debug)]
pub struct Received<T> {
    role: RoleName,
    raw: Bytes,
    message: Bytes,
    body: T,
    signatures: Vec<Signature>,
    /// A member of the envelope or of a signature that the specification does not list.
    unknown_outside: Option<String>,
    /// The same for `signed`, found when first asked for: readers never ask.
    unknown_inside: OnceLock<Option<String>>,
}

/// The number that a document bears, where it can be read without reading the rest. Nothing else about the document is looked at.
pub(crate) fn version_of(raw: &[u8]) -> Option<Version> {
    #[derive(Deserialize)]
    struct Envelope {
        signed: Signed,
    }

    #[derive(Deserialize)]
    struct Signed {
        version: Version,
    }

    let envelope: Envelope = serde_json::from_slice(raw).ok()?;
    Some(envelope.signed.version)
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
struct WireSignature {
    #[serde(default)]
    keyid: Option<KeyId>,
    #[serde(default, deserialize_with = "null_is_default")]
    method: String,
    #[serde(default, deserialize_with = "null_is_default")]
    sig: Base64,
}

only_objects!(WireSignature);

impl<T: Metadata> Received<T> {
    /// Parses the document of `role` from its complete bytes.
    ///
    /// # Errors
    /// [`ParseError`] for anything that is not one envelope with a payload of the right shape. Structure and signatures
    /// are not checked here.
    pub fn parse(role: &RoleName, raw: Bytes) -> Result<Self, ParseError> {
        tally::parsed();
        let mut scanner = Scanner::new(&raw)?;
        let mut message = Bytes::new();
        let mut scratch = Vec::new();
        let (mut signed_text, mut signatures_text) = (None, None);
        let (mut unknown_outside, mut names) = (None, BTreeSet::new());
        if raw.trim_ascii() == b"null" {
            return Err(ParseError::NoSignatures { role: role.clone() });
        }
        scanner.expect(b'{', "an object")?;
        if !scanner.take(b'}') {
            loop {
                scanner.white_space();
                let offset = scanner.offset();
                if raw.get(offset) != Some(&b'"') {
                    return Err(JsonError::Syntax {
                        offset,
                        expected: "a member name",
                    }
                    .into());
                }
                scratch.clear();
                let name = scanner.string(&mut scratch)?;
                scanner.expect(b':', "':'")?;
                scanner.white_space();
                let start = scanner.offset();
                if *name == *b"signed" {
                    // As it stands it is canonical in what clients publish.
                    message = if scanner.canonical_value(1) {
                        raw.slice(start..scanner.offset())
                    } else {
                        let mut form = Vec::with_capacity(raw.len());
                        scanner.value(&mut form, 1)?;
                        form.into()
                    };
                    signed_text = scanner.text_from(start);
                } else {
                    scratch.clear();
                    scanner.value(&mut scratch, 1)?;
                    if *name == *b"signatures" {
                        signatures_text = raw.get(start..scanner.offset());
                    } else {
                        unknown_outside
                            .get_or_insert_with(|| String::from_utf8_lossy(&name).into_owned());
                    }
                }
                if !names.insert(name.clone()) {
                    return Err(JsonError::Duplicate {
                        name: String::from_utf8_lossy(&name).into_owned(),
                        offset,
                    }
                    .into());
                }
                if scanner.take(b'}') {
                    break;
                }
                scanner.expect(b',', "',' or '}'")?;
            }
        }
        scanner.end()?;
        let signatures = parse_signatures(
            role,
            signatures_text.unwrap_or(b"null"),
            &mut unknown_outside,
        )?;
        let signed_text = signed_text.filter(|text| *text != "null");
        let Some(signed_text) = signed_text else {
            // Go looks for signatures before it looks for what they cover, but for root.
            let role = role.clone();
            return Err(
                if signatures.is_empty() && role.base() != Some(BaseRole::Root) {
                    ParseError::NoSignatures { role }
                } else {
                    ParseError::Empty { role }
                },
            );
        };
        if message.first() != Some(&b'{') {
            return Err(ParseError::Shape(format!(
                "{role}: signed is not an object"
            )));
        }
        let body: T = serde_json::from_str(signed_text)
            .map_err(|e| ParseError::Shape(format!("{role}: {e}")))?;
        Ok(Self {
            role: role.clone(),
            message,
            body,
            signatures,
            unknown_outside,
            unknown_inside: OnceLock::new(),
            raw,
        })
    }

    /// The role that the document was read for.
    #[must_use]
    pub const fn role(&self) -> &RoleName {
        &self.role
    }

    /// The bytes as they came in.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The payload. **Nothing about it is checked.**
    #[must_use]
    pub const fn unverified(&self) -> &T {
        &self.body
    }

    /// The signatures, unchecked.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Whether Go programs re-serialise the document to the same canonical form (`tuf.md` section 2.6): every member is
    /// one that the specification lists, and none is missing. White space and member order do not matter here.
    #[must_use]
    pub fn is_conforming(&self) -> bool {
        self.unknown_outside.is_none()
            && self.body.expires().is_go_stable()
            && canonical::to_vec(&self.body).is_ok_and(|ours| ours == self.message)
    }

    /// The first member, at any level, that `tuf.md` section 6 does not list; `custom` data is free and not looked into.
    ///
    /// Such members are signed over or ignored by readers, and lost when a Go program writes the document again: a
    /// server that stores one makes the repository unpublishable (security class A4).
    #[must_use]
    pub fn unknown_member(&self) -> Option<&str> {
        if let Some(name) = &self.unknown_outside {
            return Some(name);
        }
        let inside = self.unknown_inside.get_or_init(|| {
            if canonical::to_vec(&self.body).is_ok_and(|ours| ours == self.message) {
                return None;
            }
            unknown_in::<T>(&self.message)
        });
        inside.as_deref()
    }

    /// Checks the form of the payload.
    ///
    /// # Errors
    /// The first thing that is wrong, in Go's words.
    pub fn validate(&self) -> Result<(), crate::metadata::InvalidStructure> {
        self.body.validate(&self.role)
    }

    /// Checks the signatures against `keys`, without giving up the document on failure.
    ///
    /// A key counts once, however often and under however many IDs or certificates it signed (security class A8). The
    /// bytes checked are the canonical form of the received `signed`.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn check_signatures(&self, keys: &RoleKeys) -> Result<(), VerifyError> {
        if self.signatures.is_empty() {
            return Err(VerifyError::NoSignatures {
                role: keys.role.clone(),
            });
        }
        let mut valid: BTreeSet<KeyId> = BTreeSet::new();
        for signature in &self.signatures {
            let Some(key) = keys.find(&signature.key_id) else {
                continue;
            };
            if *key.id() != signature.key_id {
                return Err(VerifyError::KeyIdMismatch {
                    listed: signature.key_id.clone(),
                });
            }
            let identity = key.identity();
            if valid.contains(&identity) {
                continue;
            }
            tally::verified();
            if crypto::verify(key, &signature.method, &signature.sig, &self.message) {
                valid.insert(identity);
            }
        }
        let found = i64::try_from(valid.len()).unwrap_or(i64::MAX);
        if keys.threshold >= 1 && found >= keys.threshold {
            return Ok(());
        }
        let found = valid.into_iter().collect();
        Err(BelowThreshold {
            role: keys.role.clone(),
            found,
            needed: keys.threshold,
        }
        .into())
    }

    /// Checks the signatures against `keys`. The only way to a [`Verified`] document.
    ///
    /// # Errors
    /// [`VerifyError`], see [`Received::check_signatures`].
    pub fn verify(self, keys: &RoleKeys) -> Result<Verified<T>, VerifyError> {
        self.check_signatures(keys)?;
        Ok(Verified { inner: self })
    }
}

/// Members of the canonical `signed` text that the structures do not know.
fn unknown_in<T: Metadata>(message: &[u8]) -> Option<String> {
    // The canonical form holds control characters raw, which is not JSON.
    let text: Vec<u8> = message
        .iter()
        .flat_map(|&byte| match byte {
            0..0x20 => format!("\\u{byte:04x}").into_bytes(),
            _ => vec![byte],
        })
        .collect();
    let mut first = None;
    let read: Result<T, _> =
        serde_ignored::deserialize(&mut serde_json::Deserializer::from_slice(&text), |path| {
            first.get_or_insert_with(|| member_path(&path));
        });
    drop(read);
    first
}

/// Names and indices from the top to a member, joined with dots.
fn member_path(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    let (parent, part) = match path {
        Path::Root => return String::new(),
        Path::Map { parent, key } => (parent, key.clone()),
        Path::Seq { parent, index } => (parent, index.to_string()),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => return member_path(parent),
    };
    let parent = member_path(parent);
    if parent.is_empty() {
        part
    } else {
        format!("{parent}.{part}")
    }
}

fn parse_signatures(
    role: &RoleName,
    text: &[u8],
    unknown: &mut Option<String>,
) -> Result<Vec<Signature>, ParseError> {
    let wire: Option<Vec<Option<WireSignature>>> =
        serde_ignored::deserialize(&mut serde_json::Deserializer::from_slice(text), |path| {
            unknown.get_or_insert_with(|| format!("signatures.{}", member_path(&path)));
        })
        .map_err(|e| ParseError::Shape(format!("{role}: signatures: {e}")))?;
    let wire = wire.unwrap_or_default();
    if wire.len() > MAX_SIGNATURES {
        return Err(ParseError::TooManySignatures { role: role.clone() });
    }
    Ok(wire
        .into_iter()
        .flatten()
        .map(|s| Signature {
            key_id: s.keyid.unwrap_or_else(|| KeyId::from_metadata("")),
            method: s.method.to_lowercase(),
            sig: s.sig.0,
        })
        .collect())
}

/// A document that enough distinct keys of its role have signed.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    inner: Received<T>,
}

impl<T: Metadata> Verified<T> {
    /// For this crate's rules, once [`Received::check_signatures`] has passed with the right keys.
    pub(crate) const fn from_checked(inner: Received<T>) -> Self {
        Self { inner }
    }

    /// The payload.
    #[must_use]
    pub const fn body(&self) -> &T {
        &self.inner.body
    }

    /// The role.
    #[must_use]
    pub const fn role(&self) -> &RoleName {
        &self.inner.role
    }

    /// The bytes as they came in.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.inner.raw
    }

    /// All signatures that the document carries, also those that did not count.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.inner.signatures
    }

    /// The document's number.
    #[must_use]
    pub fn version(&self) -> Version {
        self.inner.body.version()
    }

    /// End of validity.
    #[must_use]
    pub fn expires(&self) -> &Expiry {
        self.inner.body.expires()
    }

    /// The document as it was before its signatures were checked.
    #[must_use]
    pub const fn received(&self) -> &Received<T> {
        &self.inner
    }
}

/// Writes a complete document in the form that Go re-serialises to the same bytes.
#[must_use]
pub fn encode(canonical_signed: &[u8], signatures: &[Signature]) -> Bytes {
    let mut out = Vec::with_capacity(canonical_signed.len() + 64 + signatures.len() * 200);
    out.extend_from_slice(b"{\"signed\":");
    canonical::push_file_form(&mut out, canonical_signed);
    out.extend_from_slice(b",\"signatures\":[");
    for (i, signature) in signatures.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"keyid\":");
        out.extend_from_slice(
            serde_json::Value::from(signature.key_id.as_str())
                .to_string()
                .as_bytes(),
        );
        out.extend_from_slice(b",\"method\":");
        out.extend_from_slice(
            serde_json::Value::from(signature.method.as_str())
                .to_string()
                .as_bytes(),
        );
        out.extend_from_slice(b",\"sig\":\"");
        out.extend_from_slice(data_encoding::BASE64.encode(&signature.sig).as_bytes());
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(b"]}");
    out.into()
}
