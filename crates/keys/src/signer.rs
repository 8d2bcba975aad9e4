//! Signing with one key, wherever its secret lies.

use signet_tuf::{KeyId, PublicKey};

/// Something that signs with one key: a key in memory, on a token, or behind a service.
pub trait Signer: Send + Sync {
    /// The bare public key (`ecdsa`, `rsa` or `ed25519`, never a certificate).
    fn public(&self) -> &PublicKey;

    /// Signs a document, with the method that [`signet_tuf::KeyKind::signature_method`] names for the key.
    ///
    /// ECDSA is over SHA-256 on every curve and gives `r‖s` at fixed width; RSA is PSS with SHA-256 and a salt of 32
    /// bytes (specification, signer-and-keys section 1.1).
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// Signs the `TBSCertificate` of an X.509 certificate.
    ///
    /// ECDSA gives DER and hashes with SHA-256, SHA-384 or SHA-512 for P-256, P-384 and P-521; RSA is PKCS#1 v1.5 with
    /// SHA-256.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used.
    fn sign_certificate(&self, tbs: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Why a key did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The cryptographic library or the device refused.
    #[error("signing with key {id} failed")]
    Failed {
        /// The key.
        id: KeyId,
    },
    /// Keys of this kind do not sign certificates.
    #[error("key {id} cannot sign certificates")]
    NoCertificates {
        /// The key.
        id: KeyId,
    },
}
