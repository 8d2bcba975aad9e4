//! Keys of archivists.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PSS_SHA256,
    RsaKeyPair,
};
use data_encoding::{BASE64, HEXLOWER};
use signet_archive::Archivist;
use signet_tuf::{KeyKind, PublicKey};

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// Somebody who signs archives.
pub(crate) struct Signer {
    pair: Pair,
    key: PublicKey,
}

impl Signer {
    pub(crate) fn ecdsa() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref()).unwrap();
        // SubjectPublicKeyInfo of P-256 is this prefix and the point.
        let prefix = b"3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let mut spki = HEXLOWER.decode(prefix).unwrap();
        spki.extend_from_slice(pair.public_key().as_ref());
        Self {
            key: PublicKey::new(KeyKind::Ecdsa, spki),
            pair: Pair::Ecdsa(pair),
        }
    }

    pub(crate) fn ed25519(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        Self {
            key: PublicKey::new(KeyKind::Ed25519, pair.public_key().as_ref()),
            pair: Pair::Ed25519(pair),
        }
    }

    pub(crate) fn rsa() -> Self {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        use aws_lc_rs::rsa::KeySize;
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        Self {
            key: PublicKey::new(KeyKind::Rsa, der.as_ref()),
            pair: Pair::Rsa(Box::new(pair)),
        }
    }

    /// The same pair under another kind of key.
    pub(crate) fn labelled(mut self, kind: &str) -> Self {
        self.key = PublicKey::new(kind.into(), self.key.public_bytes());
        self
    }

    /// A signature as `archive.json` has it, with whatever method and key ID.
    pub(crate) fn signature(&self, message: &[u8], method: &str, id: &str) -> String {
        let key = serde_json::to_string(&self.key).unwrap();
        let sig = BASE64.encode(&self.sign(message).unwrap());
        format!(r#"{{"key":{key},"keyid":"{id}","method":"{method}","sig":"{sig}"}}"#)
    }
}

impl Archivist for Signer {
    fn key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let random = SystemRandom::new();
        Ok(match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        })
    }
}
