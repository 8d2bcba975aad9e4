//! The keys that an operator trusts to sign tokens: certificates, beneath which others may be, and sets of keys.

use std::collections::HashMap;
use std::time::Duration;

use data_encoding::BASE64;
use pki_types::pem::PemObject;
use pki_types::{CertificateDer, TrustAnchor, UnixTime};
use serde::Deserialize;
use serde_json::value::RawValue;
use signet_tuf::certificate::Certificate;
use time::OffsetDateTime;
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter,
    anchor_from_trusted_cert,
};

use super::Window;
use super::keys::{Jwk, KeyFault, PublicKey};

/// Most keys that a bundle or a set may have.
const MAX_KEYS: usize = 256;
/// Most certificates in a token's chain.
const MAX_CHAIN: usize = 8;

/// Why keys cannot be trusted. The texts are those of Go's token authentication wherever it has one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKeys(String);

/// Why a token's key is not trusted. For logs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untrusted {
    #[error("its chain has no certificate, or more than {MAX_CHAIN}")]
    ChainLength,
    #[error("a certificate of its chain cannot be read")]
    Certificate,
    #[error("its chain does not lead to a trusted certificate: {0}")]
    Chain(String),
    #[error("the key of its certificate: {0}")]
    ChainKey(KeyFault),
    #[error("its jwk cannot be read")]
    Jwk,
    #[error("its jwk: {0}")]
    JwkKey(KeyFault),
    #[error("its jwk is of no trusted key")]
    JwkUnknown,
    #[error("its jwk names another key")]
    JwkName,
    #[error("its jwk is not the key of the certificate in it")]
    JwkChain,
    #[error("no trusted key has the ID {0:?}")]
    KeyId(String),
    #[error("it does not say which key signed it")]
    Nothing,
}

/// Keys that sign tokens.
#[derive(Debug, Default)]
pub struct TrustedKeys {
    anchors: Vec<Anchor>,
    keys: HashMap<String, PublicKey>,
}

#[derive(Debug)]
struct Anchor {
    certificate: Certificate,
    anchor: TrustAnchor<'static>,
}

impl TrustedKeys {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds the certificates of a PEM text; what else is in it is passed over. Their keys may sign tokens, and so may keys
    /// whose certificates they have issued.
    ///
    /// # Errors
    /// [`InvalidKeys`] when a certificate or its key cannot be used, or when there are too many.
    pub fn add_certificates(&mut self, pem: &[u8]) -> Result<(), InvalidKeys> {
        let unusable = |why: &str| {
            InvalidKeys(format!(
                "unable to parse token auth root certificate: {why}"
            ))
        };
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|error| unusable(&error.to_string()))?;
            let certificate = Certificate::from_der(&der)
                .ok_or_else(|| unusable("x509: malformed certificate"))?;
            let key = PublicKey::from_spki(certificate.spki()).map_err(|fault| {
                InvalidKeys(format!(
                    "unable to get public key from token auth root certificate: {fault}"
                ))
            })?;
            let anchor = anchor_from_trusted_cert(&der)
                .map_err(|error| unusable(&error.to_string()))?
                .to_owned();
            self.anchors.push(Anchor {
                certificate,
                anchor,
            });
            self.keys.insert(key.libtrust_id(), key);
            self.check_number()?;
        }
        Ok(())
    }

    /// Adds the keys of a JSON Web Key Set, by their `kid` and by their fingerprint. Gives how many of them can sign no token,
    /// because of their type or use, and were passed over.
    ///
    /// # Errors
    /// [`InvalidKeys`] when it is no set, when a key cannot be used or is a secret, or when there are too many.
    pub fn add_key_set(&mut self, json: &[u8]) -> Result<usize, InvalidKeys> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Box<RawValue>>,
        }
        let fail = |why: &str| InvalidKeys(format!("failed to parse jwks: {why}"));
        // The library quotes nothing from the text but its place.
        let set: Set = serde_json::from_slice(json).map_err(|error| fail(&error.to_string()))?;
        let mut passed_over = 0;
        for (at, jwk) in set.keys.iter().enumerate() {
            let fail = |why: &str| fail(&format!("key {}: {why}", at + 1));
            let jwk: Jwk =
                serde_json::from_str(jwk.get()).map_err(|error| fail(&error.to_string()))?;
            if jwk.is_secret() {
                return Err(fail("is a private or symmetric key; give public ones"));
            }
            if !jwk.is_for_signatures() {
                passed_over += 1;
                continue;
            }
            let key = jwk.key().map_err(|fault| fail(&fault.to_string()))?;
            if let Some(kid) = jwk.kid
                && let Some(other) = self.keys.insert(kid, key.clone())
                && other != key
            {
                return Err(fail("another key has the same kid"));
            }
            self.keys.insert(key.libtrust_id(), key);
            self.check_number()?;
        }
        Ok(passed_over)
    }

    fn check_number(&self) -> Result<(), InvalidKeys> {
        // A key of a set has up to two names.
        if self.anchors.len() > MAX_KEYS || self.keys.len() > 2 * MAX_KEYS {
            return Err(InvalidKeys(format!(
                "token auth takes at most {MAX_KEYS} root certificates and keys"
            )));
        }
        Ok(())
    }

    /// The key with this ID.
    pub(super) fn by_id(&self, id: &str) -> Result<PublicKey, Untrusted> {
        self.keys
            .get(id)
            .cloned()
            .ok_or_else(|| Untrusted::KeyId(super::shown(id)))
    }

    /// The key of the first of these certificates (base64 of DER, issuers after it), when they lead to a trusted one now, and
    /// for how long they do.
    pub(super) fn by_chain(
        &self,
        chain: &[String],
        now: OffsetDateTime,
    ) -> Result<(PublicKey, Window), Untrusted> {
        if chain.len() > MAX_CHAIN {
            return Err(Untrusted::ChainLength);
        }
        let chain = chain
            .iter()
            .map(|text| BASE64.decode(text.as_bytes()).map(CertificateDer::from))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Untrusted::Certificate)?;
        let (leaf, issuers) = chain.split_first().ok_or(Untrusted::ChainLength)?;
        let certificate = Certificate::from_der(leaf).ok_or(Untrusted::Certificate)?;
        let window = self.window(&certificate, leaf, issuers, now)?;
        let key = PublicKey::from_spki(certificate.spki()).map_err(Untrusted::ChainKey)?;
        Ok((key, window))
    }

    fn window(
        &self,
        certificate: &Certificate,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        now: OffsetDateTime,
    ) -> Result<Window, Untrusted> {
        let fail = |why: &dyn ToString| Untrusted::Chain(why.to_string());
        // As in Go, a trusted certificate may stand for itself, whatever its basic constraints say; the library knows
        // anchors as issuers only.
        if self
            .anchors
            .iter()
            .any(|a| a.certificate.der() == leaf.as_ref())
        {
            return if certificate.is_valid_at(now) {
                Ok(Window::of(certificate))
            } else {
                Err(fail(&"it has expired or is not yet valid"))
            };
        }
        // The library asks of anchors only their keys; Go, that they are valid.
        let valid = self
            .anchors
            .iter()
            .filter(|a| a.certificate.is_valid_at(now));
        let anchors: Vec<TrustAnchor<'_>> = valid.map(|a| a.anchor.clone()).collect();
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let entity = EndEntityCert::try_from(leaf).map_err(|error| fail(&error))?;
        let path = entity
            .verify_for_usage(
                ALL_VERIFICATION_ALGS,
                &anchors,
                issuers,
                time,
                AnyUsage,
                None,
                None,
            )
            .map_err(|error| fail(&error))?;
        let used = path
            .intermediate_certificates()
            .map(|issuer| Certificate::from_der(&issuer.der()));
        let root = self.anchors.iter().find(|a| a.anchor == *path.anchor());
        let mut window = Window::of(certificate);
        for issuer in used.chain([root.map(|a| a.certificate.clone())]) {
            let issuer = issuer.ok_or(Untrusted::Certificate)?;
            window = window.and(Window::of(&issuer));
        }
        Ok(window)
    }

    /// The key that a token's header describes, when it is a trusted one or has a chain to a trusted certificate.
    pub(super) fn by_jwk(
        &self,
        jwk: &RawValue,
        now: OffsetDateTime,
    ) -> Result<(PublicKey, Window), Untrusted> {
        let jwk: Jwk = serde_json::from_str(jwk.get()).map_err(|_| Untrusted::Jwk)?;
        let key = jwk.key().map_err(Untrusted::JwkKey)?;
        let id = key.libtrust_id();
        let window = match &jwk.x5c {
            Some(chain) => {
                let (certified, window) = self.by_chain(chain, now)?;
                if certified != key {
                    return Err(Untrusted::JwkChain);
                }
                window
            }
            None if self.keys.get(&id) == Some(&key) => Window::ALWAYS,
            None => return Err(Untrusted::JwkUnknown),
        };
        match jwk.kid {
            Some(kid) if kid != id && self.keys.get(&kid) != Some(&key) => Err(Untrusted::JwkName),
            _ => Ok((key, window)),
        }
    }
}

/// Certificates of token services are made for all kinds of use.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}
