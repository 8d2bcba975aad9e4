//! Public keys that sign tokens: how they are written, what they are called, and which algorithm goes with which.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use serde::Deserialize;
use serde::de::IgnoredAny;
use signet_tuf::crypto::{Curve, SpkiKind, inspect_spki, sha256};

/// Sizes of RSA keys that are used, in bits: below it they can be broken, above it they cost too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Longest modulus and exponent that are looked at, in bytes.
const MAX_MODULUS_BYTES: usize = 1024;
const MAX_EXPONENT_BYTES: usize = 4;

/// Why a key cannot sign tokens. The text of the curves is Go's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum KeyFault {
    #[error("its parts are no key")]
    Malformed,
    #[error("unsupported elliptic curve")]
    Curve,
    #[error("a key of {0} bits: RSA keys need 2048 to 8192")]
    RsaSize(usize),
    #[error("public key type is not supported: it must be RSA or ECDSA")]
    Type,
}

/// A key that may sign tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct PublicKey {
    kind: SpkiKind,
    /// DER `SubjectPublicKeyInfo`: one key has one, so that equal keys are equal bytes.
    spki: Vec<u8>,
}

impl PublicKey {
    pub(super) fn from_spki(der: &[u8]) -> Result<Self, KeyFault> {
        let kind = inspect_spki(der).ok_or(KeyFault::Type)?;
        match kind {
            SpkiKind::Ecdsa(Curve::P224) => Err(KeyFault::Curve),
            SpkiKind::Rsa(bits) if !RSA_BITS.contains(&bits) => Err(KeyFault::RsaSize(bits)),
            SpkiKind::Ecdsa(_) | SpkiKind::Rsa(_) => Ok(Self {
                kind,
                spki: der.to_vec(),
            }),
        }
    }

    /// The fingerprint that token services of docker name a key by: that of libtrust.
    pub(super) fn libtrust_id(&self) -> String {
        let digest = sha256(&self.spki);
        let text = BASE32_NOPAD.encode(digest.get(..30).unwrap_or_default());
        let mut id = String::with_capacity(text.len() + text.len() / 4);
        for (at, c) in text.chars().enumerate() {
            if at > 0 && at % 4 == 0 {
                id.push(':');
            }
            id.push(c);
        }
        id
    }

    /// Whether `signature` is this key's over `message` with this algorithm. The key's type decides which algorithms there
    /// are; what the token says can only agree (security class A22).
    pub(super) fn verify(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.kind, algorithm) {
            (SpkiKind::Ecdsa(Curve::P256), "ES256") => &ECDSA_P256_SHA256_FIXED,
            (SpkiKind::Ecdsa(Curve::P384), "ES384") => &ECDSA_P384_SHA384_FIXED,
            (SpkiKind::Ecdsa(Curve::P521), "ES512") => &ECDSA_P521_SHA512_FIXED,
            (SpkiKind::Rsa(_), "RS256") => &RSA_PKCS1_2048_8192_SHA256,
            (SpkiKind::Rsa(_), "RS384") => &RSA_PKCS1_2048_8192_SHA384,
            (SpkiKind::Rsa(_), "RS512") => &RSA_PKCS1_2048_8192_SHA512,
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.spki)
            .verify(message, signature)
            .is_ok()
    }
}

/// A JSON Web Key as it is written. Members that are not named here mean nothing.
#[derive(Debug, Deserialize)]
pub(super) struct Jwk {
    kty: String,
    pub(super) kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    pub(super) x5c: Option<Vec<String>>,
    /// What private and symmetric keys have.
    d: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

impl Jwk {
    /// Whether it is a secret, which nobody who only verifies should have.
    pub(super) const fn is_secret(&self) -> bool {
        self.d.is_some() || self.k.is_some()
    }

    /// Whether it could sign a token at all; sets of keys have others too.
    pub(super) fn is_for_signatures(&self) -> bool {
        matches!(self.kty.as_str(), "EC" | "RSA") && self.usage.as_deref() != Some("enc")
    }

    pub(super) fn key(&self) -> Result<PublicKey, KeyFault> {
        let der: PublicKeyX509Der<'static> = match self.kty.as_str() {
            "EC" => self.ec()?,
            "RSA" => self.rsa()?,
            _ => return Err(KeyFault::Type),
        };
        PublicKey::from_spki(der.as_ref())
    }

    fn ec(&self) -> Result<PublicKeyX509Der<'static>, KeyFault> {
        let (curve, algorithm): (_, &'static dyn VerificationAlgorithm) = match self.crv.as_deref()
        {
            Some("P-256") => (Curve::P256, &ECDSA_P256_SHA256_FIXED),
            Some("P-384") => (Curve::P384, &ECDSA_P384_SHA384_FIXED),
            Some("P-521") => (Curve::P521, &ECDSA_P521_SHA512_FIXED),
            _ => return Err(KeyFault::Curve),
        };
        let (x, y) = (bytes(self.x.as_deref())?, bytes(self.y.as_deref())?);
        if x.len() != curve.scalar_len() || y.len() != curve.scalar_len() {
            return Err(KeyFault::Malformed);
        }
        let point = [&[4][..], &x, &y].concat();
        ParsedPublicKey::new(algorithm, point)
            .ok()
            .and_then(|key| key.as_der().ok())
            .ok_or(KeyFault::Malformed)
    }

    fn rsa(&self) -> Result<PublicKeyX509Der<'static>, KeyFault> {
        let (n, e) = (bytes(self.n.as_deref())?, bytes(self.e.as_deref())?);
        let (n, e) = (number(&n), number(&e));
        if n.len() > MAX_MODULUS_BYTES || e.len() > MAX_EXPONENT_BYTES {
            return Err(KeyFault::Malformed);
        }
        PublicKeyComponents { n, e }
            .as_der()
            .map_err(|_| KeyFault::Malformed)
    }
}

fn bytes(text: Option<&str>) -> Result<Vec<u8>, KeyFault> {
    text.and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok())
        .ok_or(KeyFault::Malformed)
}

/// A big-endian number without leading zeros.
fn number(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}
