//! Certificates that carry the keys of roles (specification, `tuf.md` sections 4 and 12).
//!
//! A certificate here is a container for a key with a name and a validity. Its own signature is never checked: root
//! certificates in the field carry invalid ones (`signer-and-keys.md` section 8.6).

use std::sync::Arc;

use data_encoding::BASE64;
use time::{Duration, OffsetDateTime};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::BasicConstraints;

use crate::crypto::{self, Curve, SpkiKind};
use crate::expiry::add_months;
use crate::{Gun, KeyKind, PublicKey};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
/// Signature algorithms over SHA-1: with RSA, DSA and ECDSA.
const SHA1_ALGORITHMS: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
    ObjectIdentifier::new_unwrap("1.3.14.3.2.29"),
    ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
];
/// Longest PEM text of one key, in bytes: a leaf and a path of intermediates.
const MAX_KEY_PEM_BYTES: usize = 64 * 1024;
/// How far ahead a certificate's validity may begin.
const NOT_BEFORE_LEEWAY: Duration = Duration::days(1);

/// Why a certificate may not be used. `Display` is Go's text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// Its validity is over, or begins more than a day ahead.
    #[error("certificate with CN {0} is expired")]
    Expired(String),
    /// It is signed over SHA-1.
    #[error("certificate with CN {0} uses invalid SHA1 signature algorithm")]
    Sha1(String),
    /// Its RSA key has less than 2048 bits.
    #[error("RSA bit length is too short")]
    WeakRsa,
    /// Its validity ends before it begins.
    #[error("certificate validity window is invalid")]
    Window,
}

/// A parsed certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Vec<u8>,
    spki: Vec<u8>,
    key: Option<SpkiKind>,
    common_name: String,
    is_ca: bool,
    sha1: bool,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Certificate {
    /// Reads a DER certificate.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let parsed = x509_cert::Certificate::from_der(der).ok()?;
        let tbs = parsed.tbs_certificate();
        let spki = crypto::der_of(tbs.subject_public_key_info())?;
        let is_ca = tbs
            .extensions()
            .into_iter()
            .flatten()
            .find(|extension| extension.extn_id == BASIC_CONSTRAINTS)
            .and_then(|extension| BasicConstraints::from_der(extension.extn_value.as_bytes()).ok())
            .is_some_and(|constraints| constraints.ca);
        let moment = |t: x509_cert::time::Time| OffsetDateTime::from(t.to_system_time());
        Some(Self {
            key: crypto::inspect_spki(&spki),
            common_name: common_name(tbs.subject()),
            is_ca,
            sha1: SHA1_ALGORITHMS.contains(&parsed.signature_algorithm().oid),
            not_before: moment(tbs.validity().not_before),
            not_after: moment(tbs.validity().not_after),
            der: der.to_vec(),
            spki,
        })
    }

    /// The DER bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// DER `SubjectPublicKeyInfo` of its key.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The subject's common name, empty when there is none.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// When its validity ends.
    #[must_use]
    pub const fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Whether basic constraints say that it is a CA.
    #[must_use]
    pub const fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Whether the common name stands for `gun`: equal, or ending in `*` and a plain string prefix.
    #[must_use]
    pub fn names(&self, gun: &Gun) -> bool {
        let name = &self.common_name;
        if name.ends_with('*') {
            gun.as_str().starts_with(name.trim_end_matches('*'))
        } else {
            name == gun.as_str()
        }
    }

    /// Checks window, algorithm and key size and, where `now` is given, validity at that moment.
    ///
    /// # Errors
    /// [`CertificateError`], the first in Go's order.
    pub fn validate(&self, now: Option<OffsetDateTime>) -> Result<(), CertificateError> {
        if self.not_before > self.not_after {
            return Err(CertificateError::Window);
        }
        if self.sha1 {
            return Err(CertificateError::Sha1(self.common_name.clone()));
        }
        if matches!(self.key, Some(SpkiKind::Rsa(bits)) if bits < 2048) {
            return Err(CertificateError::WeakRsa);
        }
        if now.is_some_and(|now| now + NOT_BEFORE_LEEWAY < self.not_before || now > self.not_after)
        {
            return Err(CertificateError::Expired(self.common_name.clone()));
        }
        Ok(())
    }

    /// Whether `now` lies within the validity, to the second.
    #[must_use]
    pub fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// When its validity begins and ends, both within it.
    #[must_use]
    pub const fn validity(&self) -> (OffsetDateTime, OffsetDateTime) {
        (self.not_before, self.not_after)
    }

    /// Whether validity ends within six calendar months: time for a warning.
    #[must_use]
    pub fn is_near_expiry(&self, now: OffsetDateTime) -> bool {
        self.not_after < add_months(now, 6)
    }

    /// PEM text as Go writes it: lines of 64 characters, a newline at the end.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
        let text = BASE64.encode(&self.der);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(64));
            out.push_str(line);
            out.push('\n');
            rest = tail;
        }
        out.push_str("-----END CERTIFICATE-----\n");
        out
    }
}

fn common_name(subject: &x509_cert::name::Name) -> String {
    let mut found = String::new();
    for attribute in subject
        .iter_rdn()
        .flat_map(|rdn| rdn.iter())
        .filter(|attribute| attribute.oid == COMMON_NAME)
    {
        let value = &attribute.value;
        if matches!(
            value.tag(),
            Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::TeletexString
        ) && let Ok(text) = std::str::from_utf8(value.value())
        {
            // Go keeps the last of several.
            text.clone_into(&mut found);
        }
    }
    found
}

/// The certificates of one root key: exactly one leaf, then its intermediates.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The one certificate that is no CA.
    pub leaf: Certificate,
    /// CA certificates that lead from the leaf towards a pinned one.
    pub intermediates: Vec<Certificate>,
}

impl Bundle {
    /// Reads a key's PEM text. `None` unless it is certificates only, the first of which is the only leaf.
    #[must_use]
    pub fn from_pem(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_KEY_PEM_BYTES {
            return None;
        }
        let mut certificates = parse_pem_certificates(text)?.into_iter();
        let leaf = certificates.next().filter(|first| !first.is_ca)?;
        let intermediates: Vec<Certificate> = certificates.collect();
        intermediates
            .iter()
            .all(Certificate::is_ca)
            .then_some(Self {
                leaf,
                intermediates,
            })
    }

    /// The key as Go rebuilds it: type from the leaf's algorithm, PEM of leaf and intermediates.
    #[must_use]
    pub fn to_key(&self) -> Option<PublicKey> {
        let kind = match self.leaf.key? {
            SpkiKind::Ecdsa(_) => KeyKind::EcdsaX509,
            SpkiKind::Rsa(_) => KeyKind::RsaX509,
        };
        let mut text = self.leaf.to_pem();
        for certificate in &self.intermediates {
            text.push_str(&certificate.to_pem());
        }
        let text = text.into_bytes();
        Some(if text.len() > MAX_KEY_PEM_BYTES {
            // Whoever looks for the bare key in so long a text finds none.
            PublicKey::new(kind, text)
        } else {
            PublicKey::of_certificates(kind, text, &self.leaf.spki)
        })
    }
}

/// The certificates of a root key, and the key as Go rebuilds it from them.
#[derive(Clone, Debug)]
pub(crate) struct RootKey {
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) rebuilt: Option<PublicKey>,
}

impl RootKey {
    pub(crate) fn of(bundle: Bundle) -> Self {
        Self {
            rebuilt: bundle.to_key(),
            bundle: Arc::new(bundle),
        }
    }
}

/// The certificates in a PEM text; `None` when there is none, or anything but certificates.
#[must_use]
pub fn parse_pem_certificates(text: &[u8]) -> Option<Vec<Certificate>> {
    let blocks = pem::parse_many(text).ok()?;
    if blocks.is_empty() {
        return None;
    }
    blocks
        .iter()
        .map(|block| {
            (block.tag() == "CERTIFICATE")
                .then(|| Certificate::from_der(block.contents()))
                .flatten()
        })
        .collect()
}

/// DER of the first PEM block, when it is a bare public key.
pub(crate) fn pem_public_key(text: &[u8]) -> Option<Vec<u8>> {
    let block = key_blocks(text)?.into_iter().next()?;
    (block.tag() == "PUBLIC KEY").then(|| block.into_contents())
}

/// The PEM blocks of a key's text. It is bounded: keys are looked at before any trust is there.
fn key_blocks(text: &[u8]) -> Option<Vec<pem::Pem>> {
    if text.len() > MAX_KEY_PEM_BYTES {
        return None;
    }
    pem::parse_many(text).ok()
}

/// DER `SubjectPublicKeyInfo` of the first certificate without PEM headers in `text`.
pub(crate) fn first_spki(text: &[u8]) -> Option<Vec<u8>> {
    key_blocks(text)?
        .iter()
        .filter(|block| block.tag() == "CERTIFICATE" && block.headers().iter().next().is_none())
        .find_map(|block| Certificate::from_der(block.contents()))
        .map(|certificate| certificate.spki)
}

/// Reads what `signer add --key` takes: the first PEM block of a file, a `PUBLIC KEY` or a `CERTIFICATE`.
///
/// # Errors
/// [`crate::key::InvalidPublicKey`], in docker's words.
pub fn public_key_from_pem(
    text: &[u8],
    now: OffsetDateTime,
) -> Result<PublicKey, crate::key::InvalidPublicKey> {
    use crate::key::InvalidPublicKey;
    let block = first_block(text).ok_or(InvalidPublicKey::NotPem)?;
    match block.tag() {
        "PUBLIC KEY" => PublicKey::from_spki(block.contents()),
        "CERTIFICATE" => {
            let certificate = Certificate::from_der(block.contents())
                .ok_or(InvalidPublicKey::MalformedCertificate)?;
            certificate
                .validate(Some(now))
                .map_err(InvalidPublicKey::Certificate)?;
            if certificate.key == Some(SpkiKind::Ecdsa(Curve::P224)) {
                return Err(InvalidPublicKey::WeakEcdsa);
            }
            // Keys other than RSA and ECDSA would be stored under an empty type and be unusable by anyone.
            Bundle {
                leaf: certificate,
                intermediates: Vec::new(),
            }
            .to_key()
            .ok_or(InvalidPublicKey::UnknownFormat)
        }
        other => Err(InvalidPublicKey::PemType(other.to_owned())),
    }
}

/// Reads what [`public_key_from_pem`] takes, and Ed25519 keys as OpenSSL writes them. For keys that sign other things than metadata of roles:
/// `signer add` refuses Ed25519 keys, as docker does.
///
/// # Errors
/// [`crate::key::InvalidPublicKey`].
pub fn any_public_key_from_pem(
    text: &[u8],
    now: OffsetDateTime,
) -> Result<PublicKey, crate::key::InvalidPublicKey> {
    let ed25519 = first_block(text)
        .filter(|block| block.tag() == "PUBLIC KEY")
        .and_then(|block| crypto::ed25519_spki(block.contents()));
    match ed25519 {
        Some(raw) => Ok(PublicKey::new(KeyKind::Ed25519, raw)),
        None => public_key_from_pem(text, now),
    }
}

/// The first well-formed PEM block; what follows does not matter.
fn first_block(text: &[u8]) -> Option<pem::Pem> {
    let text = String::from_utf8_lossy(text);
    let begin = text.find("-----BEGIN ")?;
    let rest = text.get(begin..)?;
    let end = rest.find("-----END ")?;
    let close = rest.get(end + 9..)?.find("-----")? + end + 9 + 5;
    pem::parse(rest.get(..close)?).ok()
}
