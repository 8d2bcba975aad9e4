//! Hashes and signature verification: the only file of this crate that names primitives.
//!
//! ECDSA is always over SHA-256, whatever the curve; signatures are `r‖s`, each padded to the curve's size. RSA needs
//! 2048 bits and more. P-224 and other curves never verify.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::{KeyKind, PublicKey};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 8410.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// A curve that ECDSA keys may lie on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Curve {
    /// NIST P-224. Readable, so that keys have IDs; never verifies.
    P224,
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
}

impl Curve {
    const ALL: [(Self, ObjectIdentifier); 4] = [
        (Self::P224, ObjectIdentifier::new_unwrap("1.3.132.0.33")),
        (
            Self::P256,
            ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
        ),
        (Self::P384, ObjectIdentifier::new_unwrap("1.3.132.0.34")),
        (Self::P521, ObjectIdentifier::new_unwrap("1.3.132.0.35")),
    ];

    /// Bytes in each half of a signature.
    #[must_use]
    pub const fn scalar_len(self) -> usize {
        match self {
            Self::P224 => 28,
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// The algorithm of a DER `SubjectPublicKeyInfo`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SpkiKind {
    /// ECDSA on a named curve.
    Ecdsa(Curve),
    /// RSA with this many bits.
    Rsa(usize),
}

/// What kind of key a DER `SubjectPublicKeyInfo` holds; `None` when it is none that roles know.
#[must_use]
pub fn inspect_spki(der: &[u8]) -> Option<SpkiKind> {
    let spki = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    let bits = spki.subject_public_key.as_bytes()?;
    if spki.algorithm.oid == EC_PUBLIC_KEY {
        let curve = spki
            .algorithm
            .parameters?
            .decode_as::<ObjectIdentifier>()
            .ok()?;
        let (curve, _) = Curve::ALL.into_iter().find(|(_, oid)| *oid == curve)?;
        // One key has one encoding, or it would have several IDs and count several times toward a threshold (security
        // class A8): the uncompressed point, the only one that Go reads.
        let uncompressed = bits.first() == Some(&4) && bits.len() == 1 + 2 * curve.scalar_len();
        uncompressed.then_some(SpkiKind::Ecdsa(curve))
    } else if spki.algorithm.oid == RSA_ENCRYPTION {
        // The parameters are NULL, not absent: again one encoding per key.
        if !spki.algorithm.parameters?.is_null() {
            return None;
        }
        let mut reader = SliceReader::new(bits).ok()?;
        let modulus = reader
            .sequence(|r| {
                let modulus = UintRef::decode(r)?;
                let _exponent = UintRef::decode(r)?;
                Ok::<_, x509_cert::der::Error>(modulus)
            })
            .ok()
            .filter(|_| reader.is_finished())?;
        let bytes = modulus.as_bytes();
        let leading = bytes.first().map_or(0, |b| b.leading_zeros() as usize);
        Some(SpkiKind::Rsa((bytes.len() * 8).saturating_sub(leading)))
    } else {
        None
    }
}

/// The 32 bytes of an Ed25519 key in a DER `SubjectPublicKeyInfo`. Roles have such keys without that wrapping.
#[must_use]
pub fn ed25519_spki(der: &[u8]) -> Option<[u8; 32]> {
    let spki = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    // The parameters are absent (RFC 8410, section 3): one encoding per key.
    if spki.algorithm.oid != ED25519 || spki.algorithm.parameters.is_some() {
        return None;
    }
    spki.subject_public_key.as_bytes()?.try_into().ok()
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// SHA-256 of bytes that come in pieces.
#[derive(Clone)]
pub struct Sha256Stream(digest::Context);

impl Sha256Stream {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

impl Default for Sha256Stream {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Sha256Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sha256Stream").finish_non_exhaustive()
    }
}

/// SHA-512 of `bytes`.
#[must_use]
pub fn sha512(bytes: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    out.copy_from_slice(digest::digest(&digest::SHA512, bytes).as_ref());
    out
}

/// SHA-256 and SHA-512 of bytes that come in pieces, in one pass.
#[derive(Clone)]
pub struct BothStream(digest::Context, digest::Context);

impl BothStream {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let of = digest::Context::new;
        Self(of(&digest::SHA256), of(&digest::SHA512))
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
        self.1.update(bytes);
    }

    /// The digests of all pieces.
    #[must_use]
    pub fn finish(self) -> ([u8; 32], [u8; 64]) {
        let (mut short, mut long) = ([0; 32], [0; 64]);
        short.copy_from_slice(self.0.finish().as_ref());
        long.copy_from_slice(self.1.finish().as_ref());
        (short, long)
    }
}

impl Default for BothStream {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for BothStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BothStream").finish_non_exhaustive()
    }
}

/// Whether `sig` is a signature by `key` over `message` with exactly this method.
///
/// The method must be one that goes with the key's type (security class A1); it is compared as written, lower-casing
/// belongs to reading the envelope.
#[must_use]
pub fn verify(key: &PublicKey, method: &str, sig: &[u8], message: &[u8]) -> bool {
    let with = |check: &dyn Fn(&[u8]) -> bool| key.spki().is_some_and(check);
    match (key.kind(), method) {
        (KeyKind::Ecdsa | KeyKind::EcdsaX509, "ecdsa") => {
            with(&|spki| verify_ecdsa(spki, sig, message))
        }
        (KeyKind::RsaX509, "rsapss" | "rsapkcs1v15") => {
            with(&|spki| verify_rsa(spki, method, sig, message))
        }
        (KeyKind::Rsa, "rsapss" | "rsapkcs1v15") if !key.is_pem() => {
            with(&|spki| verify_rsa(spki, method, sig, message))
        }
        // A relic of the first Python signers: PSS, for keys whose public bytes are PEM.
        (KeyKind::Rsa, "pycrypto-pkcs#1 pss") if key.is_pem() => {
            with(&|spki| verify_rsa(spki, "rsapss", sig, message))
        }
        // The library also takes SubjectPublicKeyInfo; metadata holds the 32 raw bytes and nothing else.
        (KeyKind::Ed25519, "eddsa") if key.public_bytes().len() == 32 => {
            check(&signature::ED25519, key.public_bytes(), sig, message)
        }
        _ => false,
    }
}

fn verify_ecdsa(spki: &[u8], sig: &[u8], message: &[u8]) -> bool {
    let Some(SpkiKind::Ecdsa(curve)) = inspect_spki(spki) else {
        return false;
    };
    if sig.len() != 2 * curve.scalar_len() {
        return false;
    }
    match curve {
        Curve::P224 => false,
        Curve::P256 => check(&signature::ECDSA_P256_SHA256_FIXED, spki, sig, message),
        Curve::P521 => check(&signature::ECDSA_P521_SHA256_FIXED, spki, sig, message),
        // The library pairs P-384 with SHA-256 only for DER signatures.
        Curve::P384 => p384::ecdsa::Signature::from_slice(sig).is_ok_and(|sig| {
            check(
                &signature::ECDSA_P384_SHA256_ASN1,
                spki,
                sig.to_der().as_bytes(),
                message,
            )
        }),
    }
}

fn verify_rsa(spki: &[u8], method: &str, sig: &[u8], message: &[u8]) -> bool {
    if !matches!(inspect_spki(spki), Some(SpkiKind::Rsa(bits)) if bits >= 2048) {
        return false;
    }
    match method {
        "rsapss" => check(&signature::RSA_PSS_2048_8192_SHA256, spki, sig, message),
        _ => check(&signature::RSA_PKCS1_2048_8192_SHA256, spki, sig, message),
    }
}

fn check(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    sig: &[u8],
    message: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key)
        .verify(message, sig)
        .is_ok()
}

/// DER of a value whose encoding cannot fail for lack of memory or form, as an option.
pub(crate) fn der_of<T: Encode>(value: &T) -> Option<Vec<u8>> {
    value.to_der().ok()
}
