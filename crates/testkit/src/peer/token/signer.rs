//! The tokens of the token service.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::certificate::Authority;
use crate::mint::{TokenKey, x5c};

/// Who issues the tokens.
pub(super) const ISSUER: &str = "signet-test-issuer";

/// The key that tokens are signed with, and its certificate.
#[derive(Debug)]
pub(super) struct Signer {
    key: TokenKey,
    certificate: String,
}

impl Signer {
    pub(super) fn new(authority: &Authority) -> anyhow::Result<Self> {
        let identity = authority.issue()?;
        let certificate = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes())
            .context("certificate")?;
        Ok(Self {
            key: TokenKey::from_pem("ES256", &identity.key_pem)?,
            certificate: x5c(&certificate),
        })
    }

    /// A token that ends in `seconds`; with 0, it ended ten minutes ago, longer than servers overlook.
    pub(super) fn token(
        &self,
        subject: &str,
        service: &str,
        access: &Value,
        seconds: u64,
    ) -> anyhow::Result<String> {
        static ISSUED: AtomicU64 = AtomicU64::new(0);
        let number = ISSUED.fetch_add(1, Ordering::Relaxed);
        let now = now();
        let end = if seconds == 0 {
            now - 600
        } else {
            now + seconds
        };
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [self.certificate]});
        let claims = json!({
            "iss": ISSUER,
            "sub": subject,
            "aud": service,
            "exp": end,
            "nbf": now - 1200,
            "iat": now,
            "jti": number.to_string(),
            "access": access,
        });
        self.key.sign(&header, &claims)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test peer lives in real time, as its clients do"
)]
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

pub(super) fn rfc3339(seconds: u64) -> anyhow::Result<String> {
    let moment = time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds)?)?;
    Ok(moment.format(&time::format_description::well_known::Rfc3339)?)
}
