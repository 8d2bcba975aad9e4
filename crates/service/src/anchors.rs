//! The certificates of a CA file: which are accepted themselves, and which may issue others, by the rules of Go.

use std::collections::BTreeMap;
use std::path::Path;

use pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error as RustlsError, RootCertStore};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode as _, asn1::ObjectIdentifier};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

use crate::tls::TlsError;

/// The purposes of certificates: authenticating a server, authenticating a client.
pub(crate) const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
pub(crate) const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// The certificates of a file.
#[derive(Debug)]
pub(crate) struct Anchors(Vec<CertificateDer<'static>>);

impl Anchors {
    /// Reads a file; with all its certificates as roots, for what only needs their names.
    pub(crate) fn load(path: &Path) -> Result<(Self, RootCertStore), TlsError> {
        let text = std::fs::read(path).map_err(|error| TlsError::UnreadableCa {
            path: path.to_owned(),
            error,
        })?;
        let mut roots = RootCertStore::empty();
        let mut listed = Vec::new();
        for block in pem::parse_many(&text).unwrap_or_default() {
            if block.tag() == "CERTIFICATE" {
                let der = CertificateDer::from(block.into_contents());
                // What is no certificate is left out, as Go does; an empty file is an error below.
                if roots.add(der.clone()).is_ok() {
                    listed.push(der);
                }
            }
        }
        if listed.is_empty() {
            return Err(TlsError::EmptyCa {
                path: path.to_owned(),
            });
        }
        Ok((Self(listed), roots))
    }

    /// Whether exactly this certificate is in the file.
    pub(crate) fn list(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0
            .iter()
            .any(|listed| listed.as_ref() == certificate.as_ref())
    }

    /// Verifies a certificate that is not listed itself, with those that may have issued it for this purpose now. WebPKI asks nothing of
    /// an anchor, so the others must not become one.
    ///
    /// Nor does it count the certificates below an anchor that says how many there may be. Such an anchor is therefore tried with no
    /// more of them than it allows: the first ones, because each comes after the one that it issued.
    ///
    /// # Errors
    /// When there is no issuer, and what `verify` says.
    pub(crate) fn verify<T>(
        &self,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        purpose: ObjectIdentifier,
        verify: impl Fn(RootCertStore, &[CertificateDer<'_>]) -> Result<T, RustlsError>,
    ) -> Result<T, RustlsError> {
        let all = intermediates.len();
        // By how many of the intermediates they are tried with.
        let mut issuers: BTreeMap<usize, RootCertStore> = BTreeMap::new();
        for der in &self.0 {
            if let Some(Issuer { below }) = Issuer::of(der, now, purpose) {
                let below = below.map_or(all, |below| all.min(below));
                issuers
                    .entry(below)
                    .or_insert_with(RootCertStore::empty)
                    .add(der.clone())?;
            }
        }
        let mut refused = None;
        for (below, roots) in issuers.into_iter().rev() {
            match verify(roots, intermediates.get(..below).unwrap_or_default()) {
                Ok(verified) => return Ok(verified),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| CertificateError::UnknownIssuer.into()))
    }
}

/// What remains to be checked of a certificate that is listed itself: its time and what it may be used for.
pub(crate) fn check_listed(
    der: &CertificateDer<'_>,
    now: UnixTime,
    purpose: ObjectIdentifier,
) -> Result<(), RustlsError> {
    let certificate = Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
    Ok(check(&certificate, now, purpose)?)
}

fn check(
    certificate: &Certificate,
    now: UnixTime,
    purpose: ObjectIdentifier,
) -> Result<(), CertificateError> {
    let body = certificate.tbs_certificate();
    let validity = body.validity();
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet);
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired);
    }
    match body.get_extension::<ExtendedKeyUsage>() {
        Ok(None) => Ok(()),
        Ok(Some((_, usage)))
            if usage
                .0
                .iter()
                .any(|named| [purpose, ANY_USAGE].contains(named)) =>
        {
            Ok(())
        }
        Ok(Some(_)) => Err(CertificateError::InvalidPurpose),
        Err(_) => Err(CertificateError::BadEncoding),
    }
}

/// What a certificate that may have issued others says about that.
struct Issuer {
    /// How many certificates may stand between it and the one that is verified, if it says so.
    below: Option<usize>,
}

impl Issuer {
    /// `None` for a certificate that issues nothing. One of version 1 or 2 cannot say that it is an authority and needs not; what cannot
    /// be read issues nothing.
    fn of(der: &CertificateDer<'_>, now: UnixTime, purpose: ObjectIdentifier) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        check(&certificate, now, purpose).ok()?;
        let body = certificate.tbs_certificate();
        let (is_authority, below) = match body.get_extension::<BasicConstraints>() {
            Ok(Some((_, constraints))) => (constraints.ca, constraints.path_len_constraint),
            Ok(None) => (body.version() != Version::V3, None),
            Err(_) => (false, None),
        };
        let signs_certificates = match body.get_extension::<KeyUsage>() {
            Ok(Some((_, usage))) => usage.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        };
        let below = below.map(usize::from);
        (is_authority && signs_certificates).then_some(Self { below })
    }
}
