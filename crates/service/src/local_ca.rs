//! A certification authority of one's own for one server, so that it speaks TLS without anybody's help.
//!
//! The folder holds `ca.crt`, which clients are given, `ca.key`, and `server.crt` with `server.key`. The authority is made
//! once and kept, so that clients need nothing new when the server's certificate is renewed.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use time::{Duration, OffsetDateTime};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use zeroize::Zeroizing;

use crate::files;

/// The files of an authority and the certificate that it issued to the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalCa {
    /// The authority's certificate, for clients.
    pub ca_certificate: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's private key, mode 0600.
    pub key: PathBuf,
    /// What was made just now.
    pub renewed: Renewed,
}

/// What had to be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Renewed {
    /// Nothing.
    Nothing,
    /// The server's certificate and key. Clients need no change.
    Server,
    /// Everything. Clients must be given the authority's new certificate.
    Authority,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalCaError {
    /// The files contradict each other.
    #[error("{} cannot be used: {reason}. Move the folder {} away to begin anew", path.display(), path.parent().unwrap_or(path).display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file could not be read or written.
    #[error("{}: {}", path.display(), files::reason(error))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
}

impl LocalCa {
    /// Opens the authority in `folder`, making what is missing or near its end, so that the server's certificate is valid
    /// for all of `names` (host names and IP addresses) for at least a month from `now`.
    ///
    /// # Errors
    /// [`LocalCaError`] when files cannot be read or written, or do not belong together.
    pub fn open(
        folder: &Path,
        names: &[String],
        now: OffsetDateTime,
    ) -> Result<Self, LocalCaError> {
        files::create_private_folder(folder).map_err(|error| LocalCaError::Io {
            path: folder.to_owned(),
            error,
        })?;
        let [ca_certificate, ca_key, certificate, key] =
            ["ca.crt", "ca.key", "server.crt", "server.key"].map(|n| folder.join(n));
        let (authority, fresh) = match Authority::load(&ca_certificate, &ca_key)? {
            Some(authority) if authority.ends - now > AUTHORITY_RESERVE => (authority, false),
            _ => (Authority::make(&ca_certificate, &ca_key, now)?, true),
        };
        let usable = !fresh && authority.issued(&certificate, &key, names, now)?;
        if !usable {
            authority.issue(&certificate, &key, names, now)?;
        }
        let renewed = match (fresh, usable) {
            (true, _) => Renewed::Authority,
            (false, true) => Renewed::Nothing,
            (false, false) => Renewed::Server,
        };
        Ok(Self {
            ca_certificate,
            certificate,
            key,
            renewed,
        })
    }
}

struct Authority {
    key: KeyPair,
    ends: OffsetDateTime,
}

impl Authority {
    fn load(certificate: &Path, key: &Path) -> Result<Option<Self>, LocalCaError> {
        let (Some(text), Some(secret)) = (read(certificate)?, read(key)?) else {
            // Without both there is no authority yet: the key is written first.
            return Ok(None);
        };
        let damaged = |path: &Path, reason| LocalCaError::Damaged {
            path: path.to_owned(),
            reason,
        };
        let parsed = parse(&text).ok_or_else(|| damaged(certificate, "it is not a certificate"))?;
        let secret =
            std::str::from_utf8(&secret).map_err(|_| damaged(key, "it is not a private key"))?;
        let pair =
            KeyPair::from_pem(secret).map_err(|_| damaged(key, "it is not a private key"))?;
        if !has_key(&parsed, &pair) {
            return Err(damaged(
                certificate,
                "it does not belong to the key beside it",
            ));
        }
        Ok(Some(Self {
            key: pair,
            ends: ends(&parsed),
        }))
    }

    fn make(certificate: &Path, key: &Path, now: OffsetDateTime) -> Result<Self, LocalCaError> {
        let pair = KeyPair::generate()?;
        let params = Self::params(now);
        let ends = params.not_after;
        let made = params.self_signed(&pair)?;
        write(
            key,
            Zeroizing::new(pair.serialize_pem()).as_bytes(),
            files::write_private,
        )?;
        write(certificate, made.pem().as_bytes(), files::write_public)?;
        Ok(Self { key: pair, ends })
    }

    fn params(now: OffsetDateTime) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Signet notary-server local CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params.not_before = now - CLOCK_SKEW;
        params.not_after = now + AUTHORITY_LIFE;
        params
    }

    /// Whether the server's certificate was issued by this authority for these names and does not end soon.
    fn issued(
        &self,
        certificate: &Path,
        key: &Path,
        names: &[String],
        now: OffsetDateTime,
    ) -> Result<bool, LocalCaError> {
        let (Some(text), Some(secret)) = (read(certificate)?, read(key)?) else {
            return Ok(false);
        };
        let (Some(parsed), Ok(secret)) = (parse(&text), std::str::from_utf8(&secret)) else {
            return Ok(false);
        };
        let Ok(pair) = KeyPair::from_pem(secret) else {
            return Ok(false);
        };
        let begun = unix(
            parsed
                .tbs_certificate()
                .validity()
                .not_before
                .to_unix_duration(),
        ) <= now;
        let by_us = rustls::crypto::aws_lc_rs::default_provider();
        let signed = is_signed_by(&parsed, &self.key, &by_us);
        Ok(begun
            && ends(&parsed) - now > SERVER_RESERVE
            && has_key(&parsed, &pair)
            && signed
            && covers(&parsed, names))
    }

    fn issue(
        &self,
        certificate: &Path,
        key: &Path,
        names: &[String],
        now: OffsetDateTime,
    ) -> Result<(), LocalCaError> {
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = name(names.first().map_or("notary-server", String::as_str));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = now - CLOCK_SKEW;
        params.not_after = (now + SERVER_LIFE).min(self.ends);
        let authority = Self::params(now);
        let made = params.signed_by(&pair, &Issuer::from_params(&authority, &self.key))?;
        // A crash between the two leaves a pair that does not match, which is made anew at the next start.
        write(
            key,
            Zeroizing::new(pair.serialize_pem()).as_bytes(),
            files::write_private,
        )?;
        write(certificate, made.pem().as_bytes(), files::write_public)
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, LocalCaError> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(Zeroizing::new(content))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LocalCaError::Io {
            path: path.to_owned(),
            error,
        }),
    }
}

fn write(
    path: &Path,
    content: &[u8],
    by: fn(&Path, &[u8]) -> io::Result<()>,
) -> Result<(), LocalCaError> {
    by(path, content).map_err(|error| LocalCaError::Io {
        path: path.to_owned(),
        error,
    })
}

fn parse(text: &[u8]) -> Option<Certificate> {
    Certificate::from_der(pem::parse(text).ok()?.contents()).ok()
}

fn has_key(certificate: &Certificate, key: &KeyPair) -> bool {
    let info = certificate.tbs_certificate().subject_public_key_info();
    info.to_der()
        .is_ok_and(|der| der == key.subject_public_key_info())
}

fn is_signed_by(
    certificate: &Certificate,
    key: &KeyPair,
    provider: &rustls::crypto::CryptoProvider,
) -> bool {
    let (Ok(message), Some(signature)) = (
        certificate.tbs_certificate().to_der(),
        certificate.signature().as_bytes(),
    ) else {
        return false;
    };
    let verifiers = provider.signature_verification_algorithms.all;
    verifiers.iter().any(|verifier| {
        verifier
            .verify_signature(key.der_bytes(), &message, signature)
            .is_ok()
    })
}

fn covers(certificate: &Certificate, names: &[String]) -> bool {
    let Ok(Some((_, SubjectAltName(listed)))) = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>()
    else {
        return false;
    };
    names.iter().all(|name| {
        listed
            .iter()
            .any(|entry| match (entry, name.parse::<IpAddr>()) {
                (GeneralName::IpAddress(octets), Ok(IpAddr::V4(address))) => {
                    octets.as_bytes() == address.octets()
                }
                (GeneralName::IpAddress(octets), Ok(IpAddr::V6(address))) => {
                    octets.as_bytes() == address.octets()
                }
                (GeneralName::DnsName(host), Err(_)) => host.as_str() == name,
                _ => false,
            })
    })
}

fn ends(certificate: &Certificate) -> OffsetDateTime {
    unix(
        certificate
            .tbs_certificate()
            .validity()
            .not_after
            .to_unix_duration(),
    )
}

fn unix(since_epoch: std::time::Duration) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + since_epoch
}

const AUTHORITY_LIFE: Duration = Duration::days(10 * 365);
const AUTHORITY_RESERVE: Duration = Duration::days(180);
const SERVER_LIFE: Duration = Duration::days(397);
const SERVER_RESERVE: Duration = Duration::days(30);
const CLOCK_SKEW: Duration = Duration::hours(1);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    fn names() -> Vec<String> {
        ["localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .to_vec()
    }

    fn bytes(path: &Path) -> Vec<u8> {
        std::fs::read(path).unwrap()
    }

    #[test]
    fn the_authority_is_kept_and_the_server_certificate_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tls");
        let first = LocalCa::open(&folder, &names(), NOW).unwrap();
        assert_eq!(first.renewed, Renewed::Authority);
        let (ca, server) = (bytes(&first.ca_certificate), bytes(&first.certificate));
        let again = LocalCa::open(&folder, &names(), NOW + Duration::days(300)).unwrap();
        assert_eq!(
            (again.renewed, bytes(&again.certificate)),
            (Renewed::Nothing, server.clone())
        );
        let late = LocalCa::open(&folder, &names(), NOW + Duration::days(380)).unwrap();
        assert_eq!(
            (late.renewed, bytes(&late.ca_certificate)),
            (Renewed::Server, ca.clone())
        );
        assert_ne!(bytes(&late.certificate), server);
        let end = LocalCa::open(&folder, &names(), NOW + Duration::days(3600)).unwrap();
        assert_eq!(end.renewed, Renewed::Authority);
        assert_ne!(bytes(&end.ca_certificate), ca);
    }

    #[test]
    fn another_name_needs_another_certificate() {
        let folder = tempfile::tempdir().unwrap();
        LocalCa::open(folder.path(), &names(), NOW).unwrap();
        let mut more = names();
        more.push("notary.example".to_owned());
        assert_eq!(
            LocalCa::open(folder.path(), &more, NOW).unwrap().renewed,
            Renewed::Server
        );
        assert_eq!(
            LocalCa::open(folder.path(), &names(), NOW).unwrap().renewed,
            Renewed::Nothing
        );
    }

    #[test]
    fn a_certificate_of_another_authority_is_replaced() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        LocalCa::open(one.path(), &names(), NOW).unwrap();
        let other = LocalCa::open(two.path(), &names(), NOW).unwrap();
        std::fs::copy(&other.certificate, one.path().join("server.crt")).unwrap();
        std::fs::copy(&other.key, one.path().join("server.key")).unwrap();
        assert_eq!(
            LocalCa::open(one.path(), &names(), NOW).unwrap().renewed,
            Renewed::Server
        );
    }

    #[test]
    fn an_authority_whose_files_contradict_each_other_is_not_replaced() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        LocalCa::open(one.path(), &names(), NOW).unwrap();
        LocalCa::open(two.path(), &names(), NOW).unwrap();
        std::fs::copy(two.path().join("ca.key"), one.path().join("ca.key")).unwrap();
        assert!(matches!(
            LocalCa::open(one.path(), &names(), NOW),
            Err(LocalCaError::Damaged { .. })
        ));
    }

    #[test]
    fn a07_keys_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        LocalCa::open(folder.path(), &names(), NOW).unwrap();
        for (name, mode) in [
            ("ca.key", 0o600),
            ("server.key", 0o600),
            ("ca.crt", 0o644),
            ("server.crt", 0o644),
        ] {
            assert_eq!(
                folder
                    .path()
                    .join(name)
                    .metadata()
                    .unwrap()
                    .permissions()
                    .mode()
                    & 0o777,
                mode,
                "{name}"
            );
        }
    }
}
