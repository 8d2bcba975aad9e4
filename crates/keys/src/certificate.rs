//! The self-signed certificate that holds a root key in `root.json` (specification, tuf.md section 12.5).

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, PublicKeyData, SerialNumber,
    SignatureAlgorithm, SigningKey,
};
use time::{Duration, OffsetDateTime};

use signet_tuf::crypto::{self, Curve, SpkiKind};
use signet_tuf::{Gun, KeyId, KeyKind, PublicKey};

use crate::asn1::{self, Reader};
use crate::signer::{SignError, Signer};

/// How long a root certificate lives.
const LIFETIME: Duration = Duration::days(3650);

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The encoder refused.
    #[error("making a certificate for key {id} failed")]
    Encode {
        /// The key.
        id: KeyId,
        /// What it said.
        #[source]
        source: rcgen::Error,
    },
    /// The system gave no randomness for the serial number.
    #[error("making a certificate failed: no randomness")]
    Random,
    /// The key did not sign, or is of a kind that certificates do not hold.
    #[error("signing the certificate failed")]
    Sign(#[source] SignError),
}

/// Makes the key as root metadata lists it: `ecdsa-x509` or `rsa-x509`, a PEM certificate for `gun` signed by the key
/// itself and valid for ten years.
///
/// # Errors
/// [`CertificateError`]; Ed25519 keys have no certificates.
pub fn root_certificate(
    key: &dyn Signer,
    gun: &Gun,
    now: OffsetDateTime,
) -> Result<PublicKey, CertificateError> {
    let public = key.public();
    let no_certificates = || {
        CertificateError::Sign(SignError::NoCertificates {
            id: public.id().clone(),
        })
    };
    let (kind, algorithm): (_, &'static SignatureAlgorithm) =
        match crypto::inspect_spki(public.public_bytes()).ok_or_else(no_certificates)? {
            SpkiKind::Ecdsa(Curve::P256) => (KeyKind::EcdsaX509, &rcgen::PKCS_ECDSA_P256_SHA256),
            SpkiKind::Ecdsa(Curve::P384) => (KeyKind::EcdsaX509, &rcgen::PKCS_ECDSA_P384_SHA384),
            SpkiKind::Ecdsa(Curve::P521) => (KeyKind::EcdsaX509, &rcgen::PKCS_ECDSA_P521_SHA512),
            SpkiKind::Ecdsa(Curve::P224) => return Err(no_certificates()),
            SpkiKind::Rsa(_) => (KeyKind::RsaX509, &rcgen::PKCS_RSA_SHA256),
        };
    let bits = subject_public_key(public.public_bytes()).ok_or_else(no_certificates)?;

    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| CertificateError::Random)?;
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = now;
    params.not_after = now + LIFETIME;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name(gun));
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    // Not `IsCa::ExplicitNoCa`: it would add a subject key identifier, which these certificates do not have.
    params.is_ca = IsCa::NoCa;
    let mut constraints = CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 0]);
    constraints.set_criticality(true);
    params.custom_extensions = vec![constraints];

    let certificate = params
        .self_signed(&Adapter {
            key,
            bits,
            algorithm,
        })
        .map_err(|source| CertificateError::Encode {
            id: public.id().clone(),
            source,
        })?;
    let pem = signet_tuf::certificate::Certificate::from_der(certificate.der())
        .ok_or_else(no_certificates)?
        .to_pem();
    Ok(PublicKey::new(kind, pem.into_bytes()))
}

/// `PrintableString` where the alphabet allows, as Go chooses; the length is not limited.
fn common_name(gun: &Gun) -> DnValue {
    gun.as_str().try_into().map_or_else(
        |_| DnValue::Utf8String(gun.as_str().to_owned()),
        DnValue::PrintableString,
    )
}

/// The bits in a DER `SubjectPublicKeyInfo`.
fn subject_public_key(spki: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader::new(spki).nested(asn1::SEQUENCE)?;
    fields.read(asn1::SEQUENCE)?;
    match fields.read(asn1::BIT_STRING)?.split_first()? {
        (0, bits) => Some(bits),
        _ => None,
    }
}

/// A [`Signer`] as the encoder wants it.
struct Adapter<'a> {
    key: &'a dyn Signer,
    bits: &'a [u8],
    algorithm: &'static SignatureAlgorithm,
}

impl PublicKeyData for Adapter<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl SigningKey for Adapter<'_> {
    fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key
            .sign_certificate(tbs)
            .map_err(|_| rcgen::Error::RemoteKeyError)
    }
}
