//! Private keys in memory: made, read from their bytes, used.
//!
//! A key's public half is always derived from its secret; a public half that comes with the secret is only compared or
//! ignored. Keys that could never produce an acceptable signature are refused when they are read (specification,
//! signer-and-keys sections 1.2 and 1.3).

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use p384::ecdsa::signature::hazmat::PrehashSigner;
use zeroize::Zeroizing;

use signet_tuf::crypto::{self, Curve};
use signet_tuf::{KeyKind, PublicKey};

use crate::asn1::{self, Reader};
use crate::signer::{SignError, Signer};
use crate::tally;

/// A private key whose secret is in this process's memory, cleared when dropped.
pub struct PrivateKey {
    public: PublicKey,
    secret: Zeroizing<Vec<u8>>,
    pair: Pair,
}

/// Why bytes are no usable private key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPrivateKey {
    /// The algorithm is none that signs trust data.
    #[error("private keys of algorithm {0} are not supported")]
    Algorithm(String),
    /// The curve is none that signatures are accepted for.
    #[error("ECDSA private keys on curve {0} are not supported, only P-256, P-384 and P-521")]
    Curve(String),
    /// The two halves of the key do not belong together.
    #[error("the {0} key's public half does not belong to its private half")]
    Inconsistent(KeyKind),
    /// More bits than the cryptographic library takes.
    #[error("RSA bit length is too long: {0} bits, at most 8192 are supported")]
    LongRsa(usize),
    /// Not what the type says.
    #[error("malformed {0} private key")]
    Malformed(KeyKind),
    /// An RSA key whose signatures nobody accepts.
    #[error("RSA bit length is too short: {0} bits, at least 2048 are needed")]
    WeakRsa(usize),
}

enum Pair {
    P256(EcdsaKeyPair),
    P384(Box<p384::ecdsa::SigningKey>),
    P521(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl PrivateKey {
    /// A new ECDSA key on P-256.
    ///
    /// # Errors
    /// [`GenerateError`] when the system gives no randomness.
    pub fn generate_ecdsa() -> Result<Self, GenerateError> {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| GenerateError)?;
        let scalar: aws_lc_rs::encoding::EcPrivateKeyBin<'_> = pair
            .private_key()
            .as_be_bytes()
            .map_err(|_| GenerateError)?;
        Self::from_scalar(Curve::P256, scalar.as_ref()).map_err(|_| GenerateError)
    }

    /// A new Ed25519 key.
    ///
    /// # Errors
    /// [`GenerateError`] when the system gives no randomness.
    pub fn generate_ed25519() -> Result<Self, GenerateError> {
        let mut seed = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut seed[..]).map_err(|_| GenerateError)?;
        Self::from_seed(&seed[..]).map_err(|_| GenerateError)
    }

    /// A key from the serialisation that Go notary calls private bytes: SEC1 for `ecdsa`, PKCS#1 for `rsa`, 96 bytes
    /// for `ed25519` (specification, signer-and-keys section 1.2).
    ///
    /// # Errors
    /// [`InvalidPrivateKey`], also for keys that are well-formed and too weak.
    pub fn from_private_bytes(kind: &KeyKind, bytes: &[u8]) -> Result<Self, InvalidPrivateKey> {
        match kind {
            KeyKind::Ecdsa => Self::from_sec1(bytes, None),
            KeyKind::Rsa => Self::from_pkcs1(bytes),
            KeyKind::Ed25519 => Self::from_raw_ed25519(bytes),
            KeyKind::EcdsaX509 | KeyKind::RsaX509 | KeyKind::Other(_) => {
                Err(InvalidPrivateKey::Algorithm(kind.to_string()))
            }
        }
    }

    /// The key's private bytes, as [`PrivateKey::from_private_bytes`] reads them.
    #[must_use]
    pub fn private_bytes(&self) -> &[u8] {
        &self.secret
    }

    /// The curve of an ECDSA key.
    #[must_use]
    pub const fn curve(&self) -> Option<Curve> {
        match self.pair {
            Pair::P256(_) => Some(Curve::P256),
            Pair::P384(_) => Some(Curve::P384),
            Pair::P521(_) => Some(Curve::P521),
            Pair::Ed25519(_) | Pair::Rsa(_) => None,
        }
    }

    /// A key from SEC1 `ECPrivateKey`; `curve` is the content of the curve's OID where an outer structure names it.
    pub(crate) fn from_sec1(der: &[u8], curve: Option<&[u8]>) -> Result<Self, InvalidPrivateKey> {
        const MALFORMED: InvalidPrivateKey = InvalidPrivateKey::Malformed(KeyKind::Ecdsa);
        let mut key = Reader::new(der).nested(asn1::SEQUENCE).ok_or(MALFORMED)?;
        if key.number() != Some(1) {
            return Err(MALFORMED);
        }
        let scalar = key.read(asn1::OCTET_STRING).ok_or(MALFORMED)?;
        let inner = match key.nested(asn1::CONTEXT_0) {
            // Explicit parameters are a SEQUENCE; only named curves are keys here.
            Some(mut parameters) => Some(parameters.read(asn1::OID).ok_or(MALFORMED)?),
            None => None,
        };
        if let (Some(outer), Some(inner)) = (curve, inner)
            && outer != inner
        {
            return Err(MALFORMED);
        }
        let oid = curve.or(inner).ok_or(MALFORMED)?;
        let curve = curve_of(oid)?;
        // The public key that may follow is ignored, as in Go: the ID comes from the secret.
        Self::from_scalar(curve, scalar)
    }

    fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self, InvalidPrivateKey> {
        const MALFORMED: InvalidPrivateKey = InvalidPrivateKey::Malformed(KeyKind::Ecdsa);
        tally::loaded();
        let mut digits = scalar;
        while let Some((0, rest)) = digits.split_first() {
            digits = rest;
        }
        let mut padded = Zeroizing::new(vec![0; curve.scalar_len()]);
        let start = curve
            .scalar_len()
            .checked_sub(digits.len())
            .ok_or(MALFORMED)?;
        padded
            .get_mut(start..)
            .ok_or(MALFORMED)?
            .copy_from_slice(digits);

        let bare = sec1(curve, &padded, None);
        let from_der = |algorithm: &'static EcdsaSigningAlgorithm| {
            EcdsaKeyPair::from_private_key_der(algorithm, &bare).map_err(|_| MALFORMED)
        };
        let (pair, point) = match curve {
            Curve::P224 => return Err(InvalidPrivateKey::Curve("P-224".into())),
            Curve::P256 => {
                let pair = from_der(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)?;
                let point = pair.public_key().as_ref().to_vec();
                (Pair::P256(pair), point)
            }
            Curve::P384 => {
                let key = p384::ecdsa::SigningKey::from_slice(&padded).map_err(|_| MALFORMED)?;
                let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                (Pair::P384(Box::new(key)), point)
            }
            Curve::P521 => {
                let pair = from_der(&signature::ECDSA_P521_SHA256_FIXED_SIGNING)?;
                let point = pair.public_key().as_ref().to_vec();
                (Pair::P521(pair), point)
            }
        };
        let algorithm = asn1::write(
            asn1::SEQUENCE,
            &[
                &asn1::write(asn1::OID, &[EC_PUBLIC_KEY]),
                &asn1::write(asn1::OID, &[curve_oid(curve)]),
            ],
        );
        let spki = asn1::write(
            asn1::SEQUENCE,
            &[&algorithm, &asn1::write(asn1::BIT_STRING, &[&[0], &point])],
        );
        Ok(Self {
            public: PublicKey::new(KeyKind::Ecdsa, spki.as_slice()),
            secret: sec1(curve, &padded, Some(&point)),
            pair,
        })
    }

    /// A key from PKCS#1 `RSAPrivateKey`.
    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, InvalidPrivateKey> {
        const MALFORMED: InvalidPrivateKey = InvalidPrivateKey::Malformed(KeyKind::Rsa);
        let content = Reader::new(der).read(asn1::SEQUENCE).ok_or(MALFORMED)?;
        let mut fields = Reader::new(content);
        if fields.number() != Some(0) {
            return Err(MALFORMED);
        }
        let mut modulus = fields.read(asn1::INTEGER).ok_or(MALFORMED)?;
        while let Some((0, rest)) = modulus.split_first() {
            modulus = rest;
        }
        let leading = modulus
            .first()
            .map_or(0, |byte| byte.leading_zeros() as usize);
        let bits = (modulus.len() * 8).saturating_sub(leading);
        if bits < 2048 {
            return Err(InvalidPrivateKey::WeakRsa(bits));
        }
        if bits > 8192 {
            return Err(InvalidPrivateKey::LongRsa(bits));
        }
        tally::loaded();
        let secret = asn1::write(asn1::SEQUENCE, &[content]);
        let pair = RsaKeyPair::from_der(&secret).map_err(|_| MALFORMED)?;
        let spki = asn1::write(
            asn1::SEQUENCE,
            &[
                &rsa_algorithm(),
                &asn1::write(asn1::BIT_STRING, &[&[0], pair.public_key().as_ref()]),
            ],
        );
        Ok(Self {
            public: PublicKey::new(KeyKind::Rsa, spki.as_slice()),
            secret,
            pair: Pair::Rsa(Box::new(pair)),
        })
    }

    /// A key from notary's 96 bytes: public, seed, public.
    pub(crate) fn from_raw_ed25519(bytes: &[u8]) -> Result<Self, InvalidPrivateKey> {
        const MALFORMED: InvalidPrivateKey = InvalidPrivateKey::Malformed(KeyKind::Ed25519);
        if bytes.len() != 96 {
            return Err(MALFORMED);
        }
        let key = Self::from_seed(bytes.get(32..64).ok_or(MALFORMED)?)?;
        // Go signs with the trailing public half and names the key after the leading one.
        if *key.secret == bytes {
            Ok(key)
        } else {
            Err(InvalidPrivateKey::Inconsistent(KeyKind::Ed25519))
        }
    }

    /// A key from the 32 bytes that RFC 8410 stores.
    pub(crate) fn from_seed(seed: &[u8]) -> Result<Self, InvalidPrivateKey> {
        const MALFORMED: InvalidPrivateKey = InvalidPrivateKey::Malformed(KeyKind::Ed25519);
        tally::loaded();
        if seed.len() != 32 {
            return Err(MALFORMED);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| MALFORMED)?;
        let public = pair.public_key().as_ref().to_vec();
        let mut secret = Zeroizing::new(Vec::with_capacity(96));
        secret.extend_from_slice(&public);
        secret.extend_from_slice(seed);
        secret.extend_from_slice(&public);
        Ok(Self {
            public: PublicKey::new(KeyKind::Ed25519, public),
            secret,
            pair: Pair::Ed25519(pair),
        })
    }

    fn failed(&self) -> SignError {
        SignError::Failed {
            id: self.public.id().clone(),
        }
    }

    /// The key pair once more, for the algorithm that certificates of its curve use.
    fn certificate_pair(
        &self,
        algorithm: &'static EcdsaSigningAlgorithm,
    ) -> Result<EcdsaKeyPair, SignError> {
        EcdsaKeyPair::from_private_key_der(algorithm, &self.secret).map_err(|_| self.failed())
    }
}

impl Signer for PrivateKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        tally::signed();
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) | Pair::P521(pair) => pair
                .sign(&random, message)
                .map(|sig| sig.as_ref().to_vec())
                .map_err(|_| self.failed()),
            // The library does not sign SHA-256 digests on P-384.
            Pair::P384(key) => {
                let sig: p384::ecdsa::Signature = key
                    .sign_prehash(&crypto::sha256(message))
                    .map_err(|_| self.failed())?;
                Ok(sig.to_bytes().to_vec())
            }
            Pair::Ed25519(pair) => pair
                .try_sign(message)
                .map(|sig| sig.as_ref().to_vec())
                .map_err(|_| self.failed()),
            Pair::Rsa(pair) => {
                let mut sig = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PSS_SHA256, &random, message, &mut sig)
                    .map_err(|_| self.failed())?;
                Ok(sig)
            }
        }
    }

    fn sign_certificate(&self, tbs: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        let algorithm = match &self.pair {
            Pair::P256(_) => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            Pair::P384(_) => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
            Pair::P521(_) => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
            Pair::Ed25519(_) => {
                return Err(SignError::NoCertificates {
                    id: self.public.id().clone(),
                });
            }
            Pair::Rsa(pair) => {
                let mut sig = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, tbs, &mut sig)
                    .map_err(|_| self.failed())?;
                return Ok(sig);
            }
        };
        self.certificate_pair(algorithm)?
            .sign(&random, tbs)
            .map(|sig| sig.as_ref().to_vec())
            .map_err(|_| self.failed())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// The system gave no randomness for a new key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("generating a key failed: no randomness")]
pub struct GenerateError;

/// SEC1 `ECPrivateKey` as Go writes it: with the curve and, unless asked not to, the public point.
fn sec1(curve: Curve, scalar: &[u8], point: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    let parameters = asn1::write(
        asn1::CONTEXT_0,
        &[&asn1::write(asn1::OID, &[curve_oid(curve)])],
    );
    let public = point.map_or_else(Zeroizing::default, |point| {
        asn1::write(
            asn1::CONTEXT_1,
            &[&asn1::write(asn1::BIT_STRING, &[&[0], point])],
        )
    });
    asn1::write(
        asn1::SEQUENCE,
        &[
            &asn1::write_number(1),
            &asn1::write(asn1::OCTET_STRING, &[scalar]),
            &parameters,
            &public,
        ],
    )
}

/// `AlgorithmIdentifier` of RSA keys, with the NULL that Go leaves out of private keys.
pub(crate) fn rsa_algorithm() -> Zeroizing<Vec<u8>> {
    asn1::write(
        asn1::SEQUENCE,
        &[
            &asn1::write(asn1::OID, &[RSA_ENCRYPTION]),
            &asn1::write(asn1::NULL, &[]),
        ],
    )
}

pub(crate) const fn curve_oid(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P224 => &[0x2b, 0x81, 0x04, 0x00, 0x21],
        Curve::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        Curve::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
        Curve::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
    }
}

fn curve_of(oid: &[u8]) -> Result<Curve, InvalidPrivateKey> {
    [Curve::P256, Curve::P384, Curve::P521]
        .into_iter()
        .find(|curve| curve_oid(*curve) == oid)
        .ok_or_else(|| {
            InvalidPrivateKey::Curve(if oid == curve_oid(Curve::P224) {
                "P-224".into()
            } else {
                asn1::dotted(oid)
            })
        })
}

pub(crate) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
pub(crate) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_keys_sign_what_their_public_half_verifies() {
        for (key, method) in [
            (PrivateKey::generate_ecdsa().unwrap(), "ecdsa"),
            (PrivateKey::generate_ed25519().unwrap(), "eddsa"),
        ] {
            let sig = key.sign(b"message").unwrap();
            assert_eq!(sig.len(), 64);
            assert!(crypto::verify(key.public(), method, &sig, b"message"));
            assert!(!crypto::verify(key.public(), method, &sig, b"other"));
            let again =
                PrivateKey::from_private_bytes(key.public().kind(), key.private_bytes()).unwrap();
            assert_eq!(again.public(), key.public());
        }
    }

    #[test]
    fn private_bytes_have_the_sizes_of_go() {
        // Specification, signer-and-keys section 1.2.
        assert_eq!(
            PrivateKey::generate_ecdsa().unwrap().private_bytes().len(),
            121
        );
        assert_eq!(
            PrivateKey::generate_ed25519()
                .unwrap()
                .private_bytes()
                .len(),
            96
        );
    }

    #[test]
    fn a07_debug_shows_no_secret() {
        let key = PrivateKey::generate_ed25519().unwrap();
        let shown = format!("{key:?}");
        let public = format!("{:?}", key.public());
        assert_eq!(shown, format!("PrivateKey {{ public: {public}, .. }}"));
    }

    #[test]
    fn an_ed25519_key_with_another_public_half_is_refused() {
        let a = PrivateKey::generate_ed25519().unwrap();
        let b = PrivateKey::generate_ed25519().unwrap();
        let mut bytes = a.private_bytes().to_vec();
        bytes[..32].copy_from_slice(&b.private_bytes()[..32]);
        assert_eq!(
            PrivateKey::from_private_bytes(&KeyKind::Ed25519, &bytes).unwrap_err(),
            InvalidPrivateKey::Inconsistent(KeyKind::Ed25519)
        );
    }

    #[test]
    fn scalars_outside_the_curve_are_refused() {
        for scalar in [vec![0; 32], vec![0xff; 32], vec![1; 33], vec![]] {
            let der = sec1(Curve::P256, &scalar, None);
            assert_eq!(
                PrivateKey::from_sec1(&der, None).unwrap_err(),
                InvalidPrivateKey::Malformed(KeyKind::Ecdsa)
            );
            let der = sec1(Curve::P384, &[&[0xff; 48][..], &scalar].concat(), None);
            assert!(PrivateKey::from_sec1(&der, None).is_err());
        }
    }
}
