//! Keys that sign tokens, and tokens of any content: what a token service would never issue too.

use anyhow::{Context, bail};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512,
};
use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512,
    PKCS_RSA_SHA256, PublicKeyData, date_time_ymd,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A key that signs tokens.
#[derive(Debug)]
pub struct TokenKey {
    algorithm: &'static str,
    pair: KeyPair,
}

/// What a certificate says.
#[derive(Debug)]
pub struct Certified<'a> {
    /// The subject's common name.
    pub name: &'a str,
    /// Whether it is an authority.
    pub is_authority: bool,
    /// Who signs it; itself without one.
    pub issuer: Option<(&'a str, &'a TokenKey)>,
    /// The years at whose beginnings its validity begins and ends.
    pub years: (i32, i32),
}

impl TokenKey {
    /// A new key for `ES256`, `ES384`, `ES512` or (RSA of 2048 bits) `RS256`.
    ///
    /// # Errors
    /// When no key can be made, or not for this algorithm.
    pub fn new(algorithm: &'static str) -> anyhow::Result<Self> {
        let kind = match algorithm {
            "ES256" => &PKCS_ECDSA_P256_SHA256,
            "ES384" => &PKCS_ECDSA_P384_SHA384,
            "ES512" => &PKCS_ECDSA_P521_SHA512,
            "RS256" => &PKCS_RSA_SHA256,
            other => bail!("no keys for {other}"),
        };
        let pair = KeyPair::generate_for(kind)?;
        Ok(Self { algorithm, pair })
    }

    /// A key from a PEM file.
    ///
    /// # Errors
    /// When it is none for this algorithm.
    pub fn from_pem(algorithm: &'static str, pem: &str) -> anyhow::Result<Self> {
        let pair = KeyPair::from_pem(pem)?;
        Ok(Self { algorithm, pair })
    }

    /// The private key, PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// The name that docker's token services give it: the fingerprint of libtrust.
    #[must_use]
    pub fn id(&self) -> String {
        let digest = Sha256::digest(self.pair.subject_public_key_info());
        let text = BASE32_NOPAD.encode(&digest[..30]);
        let groups: Vec<&str> = (0..12).map(|at| &text[4 * at..4 * at + 4]).collect();
        groups.join(":")
    }

    /// The public key as JSON Web Key, without `kid`.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn jwk(&self) -> anyhow::Result<Value> {
        if self.algorithm == "RS256" {
            // RSAPublicKey of 2048 bits: nine bytes of tags and lengths, the modulus, and 65537.
            let modulus = self
                .pair
                .public_key_raw()
                .get(9..265)
                .context("no modulus")?;
            let (n, e) = (BASE64URL_NOPAD.encode(modulus), "AQAB");
            return Ok(json!({"kty": "RSA", "n": n, "e": e}));
        }
        let curve = match self.algorithm {
            "ES256" => "P-256",
            "ES384" => "P-384",
            _ => "P-521",
        };
        let point = self.pair.public_key_raw().get(1..).context("no point")?;
        let (x, y) = point.split_at(point.len() / 2);
        let [x, y] = [x, y].map(|part| BASE64URL_NOPAD.encode(part));
        Ok(json!({"kty": "EC", "crv": curve, "x": x, "y": y}))
    }

    /// A certificate for it, DER.
    ///
    /// # Errors
    /// When the issuer cannot sign it.
    pub fn certificate(&self, what: &Certified<'_>) -> anyhow::Result<Vec<u8>> {
        let mut parameters = named(what.name)?;
        parameters.not_before = date_time_ymd(what.years.0, 1, 1);
        parameters.not_after = date_time_ymd(what.years.1, 1, 1);
        if what.is_authority {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        } else {
            parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        }
        let certificate = match what.issuer {
            None => parameters.self_signed(&self.pair)?,
            Some((name, key)) => {
                let parent = named(name)?;
                parameters.signed_by(&self.pair, &Issuer::from_params(&parent, &key.pair))?
            }
        };
        Ok(certificate.der().to_vec())
    }

    /// A token of exactly this header and these claims.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, header: &Value, claims: &Value) -> anyhow::Result<String> {
        self.sign_as(self.algorithm, header, claims)
    }

    /// As [`TokenKey::sign`], with another algorithm of the key: `RS384` or `RS512`.
    ///
    /// # Errors
    /// When the key cannot sign so.
    pub fn sign_as(
        &self,
        algorithm: &str,
        header: &Value,
        claims: &Value,
    ) -> anyhow::Result<String> {
        let [header, claims] = [header, claims].map(|part| part.to_string());
        self.sign_texts(algorithm, &header, &claims)
    }

    /// As [`TokenKey::sign_as`], of texts that may be anything.
    ///
    /// # Errors
    /// When the key cannot sign so.
    pub fn sign_texts(
        &self,
        algorithm: &str,
        header: &str,
        claims: &str,
    ) -> anyhow::Result<String> {
        let [header, claims] = [header, claims].map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
        let text = format!("{header}.{claims}");
        let signature = self.signature(algorithm, text.as_bytes())?;
        Ok(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)))
    }

    fn signature(&self, algorithm: &str, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (der, random) = (self.pair.serialized_der(), SystemRandom::new());
        let curve = match algorithm {
            "ES256" => &ECDSA_P256_SHA256_FIXED_SIGNING,
            "ES384" => &ECDSA_P384_SHA384_FIXED_SIGNING,
            "ES512" => &ECDSA_P521_SHA512_FIXED_SIGNING,
            _ => {
                let padding = match algorithm {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    other => bail!("no signatures with {other}"),
                };
                let pair = RsaKeyPair::from_pkcs8(der)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature)?;
                return Ok(signature);
            }
        };
        let pair = EcdsaKeyPair::from_pkcs8(curve, der)?;
        Ok(pair.sign(&random, message)?.as_ref().to_vec())
    }
}

/// A certificate as it stands in `x5c`.
#[must_use]
pub fn x5c(der: &[u8]) -> String {
    BASE64.encode(der)
}

/// A certificate as it stands in a file.
#[must_use]
pub fn certificate_pem(der: &[u8]) -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        BASE64.encode(der)
    )
}

fn named(name: &str) -> anyhow::Result<CertificateParams> {
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}
