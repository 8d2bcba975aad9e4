//! Checks a server's certificate: the given roots first, the system's only when those do not match.

use std::sync::{Arc, OnceLock};

use pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::ExtendedKeyUsage;

use super::Verification;

const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

#[derive(Debug)]
pub(super) struct ServerVerifier {
    pinned: Vec<CertificateDer<'static>>,
    extra: RootCertStore,
    system: OnceLock<RootCertStore>,
    verification: Verification,
    provider: Arc<CryptoProvider>,
}

impl ServerVerifier {
    pub(super) fn new(
        roots: Vec<CertificateDer<'static>>,
        verification: Verification,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let mut extra = RootCertStore::empty();
        // What webpki cannot use as an issuer may still be pinned.
        extra.add_parsable_certificates(roots.iter().cloned());
        Self {
            pinned: roots,
            extra,
            system: OnceLock::new(),
            verification,
            provider,
        }
    }

    fn system(&self) -> &RootCertStore {
        self.system.get_or_init(|| {
            let loaded = rustls_native_certs::load_native_certs();
            for error in &loaded.errors {
                tracing::debug!(%error, "could not read some of the system's certificates");
            }
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(loaded.certs);
            store
        })
    }

    fn need_not_prove(&self, server: &ServerName<'_>) -> bool {
        self.verification == Verification::SkipForLoopback
            && match server {
                ServerName::DnsName(name) => name.as_ref().eq_ignore_ascii_case("localhost"),
                ServerName::IpAddress(address) => std::net::IpAddr::from(*address)
                    .to_canonical()
                    .is_loopback(),
                _ => false,
            }
    }

    /// Whether the handshake is one with a loopback server whose certificate cannot even be read, for example because it
    /// is of version 1: a server that must prove something has failed before, and an unproven key proves nothing.
    fn cannot_matter(&self, certificate: &CertificateDer<'_>) -> bool {
        self.verification == Verification::SkipForLoopback
            && ParsedCertificate::try_from(certificate).is_err()
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.need_not_prove(server) {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_name(&parsed, server)?;
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            return verify_pinned(end_entity, now);
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        let by_extra = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.extra,
            intermediates,
            now,
            algorithms,
        );
        let Err(error) = by_extra else {
            return Ok(ServerCertVerified::assertion());
        };
        if self.verification == Verification::ExtraRootsOnly {
            return Err(error);
        }
        let by_system = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            self.system(),
            intermediates,
            now,
            algorithms,
        );
        match by_system {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            // A given root that does match says more than the system, which does not know the issuer.
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Err(error),
            Err(by_system) => Err(by_system),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.cannot_matter(certificate) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.cannot_matter(certificate) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Accepts exactly this certificate when it is valid now and may be a server's. Go does so for a certificate that is both
/// the server's and a root; webpki refuses it when it calls itself a CA, as self-made ones often do.
fn verify_pinned(
    certificate: &CertificateDer<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let bad = |why| Err(Error::InvalidCertificate(why));
    let Ok(parsed) = x509_cert::Certificate::from_der(certificate) else {
        return bad(CertificateError::BadEncoding);
    };
    let tbs = parsed.tbs_certificate();
    let (from, until) = (
        tbs.validity().not_before.to_unix_duration(),
        tbs.validity().not_after.to_unix_duration(),
    );
    let now = std::time::Duration::from_secs(now.as_secs());
    if now < from {
        return bad(CertificateError::NotValidYet);
    }
    if now > until {
        return bad(CertificateError::Expired);
    }
    let usages = tbs
        .extensions()
        .into_iter()
        .flatten()
        .find(|extension| extension.extn_id == EXTENDED_KEY_USAGE);
    if let Some(extension) = usages {
        let may_serve = ExtendedKeyUsage::from_der(extension.extn_value.as_bytes())
            .is_ok_and(|usages| usages.0.contains(&SERVER_AUTH) || usages.0.contains(&ANY_USAGE));
        if !may_serve {
            return bad(CertificateError::InvalidPurpose);
        }
    }
    Ok(ServerCertVerified::assertion())
}

/// The issuer's name, DER, as a server lists it when it asks for a client certificate.
pub(super) fn issuer(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    x509_cert::Certificate::from_der(certificate)
        .ok()?
        .tbs_certificate()
        .issuer()
        .to_der()
        .ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    struct Scene {
        authority: CertificateDer<'static>,
        server: CertificateDer<'static>,
    }

    fn scene(name: &str) -> Scene {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new([name.to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        Scene {
            authority: authority.der().clone(),
            server: server.der().clone(),
        }
    }

    fn verifier(roots: &[&CertificateDer<'static>], verification: Verification) -> ServerVerifier {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = roots.iter().map(|&root| root.clone()).collect();
        ServerVerifier::new(roots, verification, provider)
    }

    fn accepts(verifier: &ServerVerifier, scene: &Scene, name: &str) -> bool {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        // Certificates of these tests are valid for decades.
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
        verifier
            .verify_server_cert(&scene.server, &[], &name, &[], now)
            .is_ok()
    }

    #[test]
    fn the_system_is_asked_only_when_the_given_roots_do_not_match() {
        let scene = scene("registry.example.com");
        let given = verifier(&[&scene.authority], Verification::System);
        assert!(accepts(&given, &scene, "registry.example.com"));
        assert!(!accepts(&given, &scene, "other.example.com"));
        let pinned = verifier(&[&scene.server], Verification::System);
        assert!(accepts(&pinned, &scene, "registry.example.com"));
        let only = verifier(&[], Verification::ExtraRootsOnly);
        assert!(!accepts(&only, &scene, "registry.example.com"));
        for verifier in [given, pinned, only] {
            assert!(verifier.system.get().is_none());
        }

        let by_system = verifier(&[], Verification::System);
        let mut store = RootCertStore::empty();
        store.add(scene.authority.clone()).unwrap();
        by_system.system.set(store).unwrap();
        assert!(accepts(&by_system, &scene, "registry.example.com"));
        assert!(!accepts(
            &by_system,
            &self::scene("registry.example.com"),
            "registry.example.com"
        ));
    }

    #[test]
    fn only_loopback_names_need_not_prove_anything() {
        let scene = scene("elsewhere.example");
        let verifier = verifier(&[], Verification::SkipForLoopback);
        for name in [
            "localhost",
            "127.0.0.1",
            "127.1.2.3",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(accepts(&verifier, &scene, name), "{name}");
        }
        for name in [
            "elsewhere.example",
            "localhost.example",
            "10.0.0.1",
            "::2",
            "0.0.0.0",
        ] {
            assert!(!accepts(&verifier, &scene, name), "{name}");
        }
    }
}
