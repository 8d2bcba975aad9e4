//! Public keys that the user names as files, for delegations.

use std::fs::File;
use std::io;

use signet_tuf::PublicKey;
use signet_tuf::certificate::{parse_pem_certificates, public_key_from_pem};
use signet_tuf::key::InvalidPublicKey;
use time::OffsetDateTime;

use crate::docker::files::read_limited;

/// Largest file with a public key, in bytes.
const MAX_KEY_BYTES: u64 = 1 << 20;

/// Why a file gives no public key.
#[derive(Debug)]
pub(crate) enum PublicKeyError {
    Open(io::Error),
    Read(io::Error),
    Unusable(InvalidPublicKey),
}

/// Reads the first PEM block of a file: a public key or a certificate. One that expires soon is told of.
pub(crate) fn read(file: &str, now: OffsetDateTime) -> Result<PublicKey, PublicKeyError> {
    let opened = File::open(file).map_err(PublicKeyError::Open)?;
    let text = read_limited(opened, MAX_KEY_BYTES).map_err(PublicKeyError::Read)?;
    let key = public_key_from_pem(&text, now).map_err(PublicKeyError::Unusable)?;
    if key.kind().is_certificate() {
        let certificates = parse_pem_certificates(key.public_bytes()).unwrap_or_default();
        for certificate in certificates
            .iter()
            .filter(|certificate| certificate.is_near_expiry(now))
        {
            tracing::warn!(
                "certificate with CN {} is near expiry",
                certificate.common_name()
            );
        }
    }
    Ok(key)
}
