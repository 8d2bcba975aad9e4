//! Keys of owners and signers.

use anyhow::bail;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PSS_SHA256};
use data_encoding::{BASE64, HEXLOWER};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// How long root certificates of notary and docker hold.
const CERTIFICATE_DAYS: i64 = 3650;

/// A key pair and how trust metadata write it.
#[derive(Debug)]
pub struct Key {
    method: Method,
    pair: KeyPair,
    object: Value,
    id: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Method {
    Ecdsa,
    RsaPss,
}

impl Key {
    pub(super) fn ecdsa() -> anyhow::Result<Self> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(Self::of("ecdsa", Method::Ecdsa, pair))
    }

    pub(super) fn rsa() -> anyhow::Result<Self> {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
        Ok(Self::of("rsa", Method::RsaPss, pair))
    }

    fn of(kind: &str, method: Method, pair: KeyPair) -> Self {
        let object = object(kind, &pair.subject_public_key_info());
        let id = id(&object);
        Self {
            method,
            pair,
            object,
            id,
        }
    }

    /// Its ID: the name of its file in a trust folder.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key as it stands in metadata.
    pub(super) fn object(&self) -> &Value {
        &self.object
    }

    /// A certificate that names a repository, as notary makes it for a root key.
    pub(super) fn certify(&self, gun: &str) -> anyhow::Result<Value> {
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.distinguished_name.push(DnType::CommonName, gun);
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        parameters.not_before = OffsetDateTime::now_utc() - Duration::hours(1);
        parameters.not_after = parameters.not_before + Duration::days(CERTIFICATE_DAYS);
        let der = parameters.self_signed(&self.pair)?;
        let pem = pem("CERTIFICATE", "", der.der());
        Ok(object("ecdsa-x509", pem.as_bytes()))
    }

    /// The signature in an envelope, by the name that the role gives the key.
    pub(super) fn sign(&self, id: &str, message: &[u8]) -> anyhow::Result<Value> {
        let (der, random) = (self.pair.serialized_der(), SystemRandom::new());
        let (method, signature) = match self.method {
            Method::Ecdsa => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)?;
                ("ecdsa", pair.sign(&random, message)?.as_ref().to_vec())
            }
            Method::RsaPss => {
                let pair = RsaKeyPair::from_pkcs8(der)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature)?;
                ("rsapss", signature)
            }
        };
        Ok(json!({"keyid": id, "method": method, "sig": BASE64.encode(&signature)}))
    }

    /// The private key as a file of a trust folder, without a passphrase.
    pub(super) fn file(&self, role: &str, gun: Option<&str>) -> String {
        let mut headers = String::new();
        if let Some(gun) = gun {
            headers.push_str(&format!("gun: {gun}\n"));
        }
        headers.push_str(&format!("role: {role}\n\n"));
        pem("PRIVATE KEY", &headers, self.pair.serialized_der())
    }

    /// The public key, PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", "", &self.pair.subject_public_key_info())
    }
}

fn object(kind: &str, public: &[u8]) -> Value {
    json!({"keytype": kind, "keyval": {"private": null, "public": BASE64.encode(public)}})
}

/// The name that a role gives a key: SHA-256 of its canonical text.
pub(super) fn id(object: &Value) -> String {
    HEXLOWER.encode(&Sha256::digest(object.to_string()))
}

/// A key as a server tells it, with its members in the order of metadata.
pub(super) fn server_key(answer: &[u8]) -> anyhow::Result<Value> {
    let told: Value = serde_json::from_slice(answer)?;
    let (Some(kind), Some(public)) = (told["keytype"].as_str(), told["keyval"]["public"].as_str())
    else {
        bail!("no key: {told}");
    };
    Ok(object(kind, &BASE64.decode(public.as_bytes())?))
}

fn pem(label: &str, headers: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut body = String::new();
    for (at, character) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            body.push('\n');
        }
        body.push(character);
    }
    format!("-----BEGIN {label}-----\n{headers}{body}\n-----END {label}-----\n")
}
