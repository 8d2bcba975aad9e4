//! One HTTP client per server: TLS as the specification wants it (`docker-trust.md` section 5.1), limits on time, no
//! redirects, connections kept for the whole command.
//!
//! The system's certificates are read only when a server's certificate does not verify against the ones that were given:
//! reading them costs more than everything else that a warm command does.

mod direct;
mod verifier;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pki_types::pem::PemObject as _;
use pki_types::{CertificateDer, PrivateKeyDer};
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use url::{Host, Url};

pub(crate) use direct::Direct;

/// Longest time to reach a server, TLS handshake included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence of a server in the middle of an answer.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// What is said of a limit on time, in reqwest's words.
pub(crate) const TIMED_OUT: &str = "operation timed out";

/// Whom a server's certificate must satisfy.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Verification {
    /// The given roots only; the system's are not asked.
    ExtraRootsOnly,
    /// As [`Verification::System`], but a server named `localhost` or by a loopback address need not prove anything.
    ///
    /// compat: docker does this for loopback registries and then also for a trust server elsewhere; here only the name
    /// that is dialled counts (`docker-trust.md` section 4.2).
    SkipForLoopback,
    /// The given roots, then the system's.
    #[default]
    System,
}

/// A client certificate with its private key, both PEM.
#[derive(Clone)]
pub struct ClientIdentity {
    /// Certificate chain, leaf first.
    pub certificates_pem: Vec<u8>,
    /// Unencrypted private key: PKCS#8, PKCS#1 or SEC1.
    pub key_pem: zeroize::Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

/// What a TLS connection trusts and shows.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Certificates, PEM, that are trusted besides the system's: as issuers, and as exactly that server's certificate.
    /// Blocks that are no certificates are skipped, as Go does.
    pub extra_roots_pem: Vec<u8>,
    /// Client certificates; the first that suits the server's request is shown.
    pub identities: Vec<ClientIdentity>,
    /// Whom the server must satisfy.
    pub verification: Verification,
}

/// Why no client can be made from the options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The HTTP library refused, for example because of a malformed proxy address.
    #[error("could not set up the connection")]
    Client(#[source] reqwest::Error),
    /// A client certificate or its key cannot be used.
    #[error("client certificate cannot be used")]
    Identity(#[source] rustls::Error),
    /// A client certificate or its key is not PEM.
    #[error("client certificate is not PEM")]
    IdentityPem(#[source] pki_types::pem::Error),
    /// A private key belongs to another certificate.
    #[error("tls: private key does not match public key")]
    IdentityMismatch,
    /// The TLS library refused.
    #[error("could not set up TLS")]
    Tls(#[source] rustls::Error),
}

/// Makes the client for `server`. Proxies come from the environment, except for loopback servers.
///
/// # Errors
/// [`HttpError`] when a client certificate is unusable or a proxy address is malformed.
pub fn client(
    server: &Url,
    tls: &TlsOptions,
    user_agent: &str,
) -> Result<reqwest::Client, HttpError> {
    builder(server, tls, user_agent)?
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(HttpError::Client)
}

/// As [`client`] without a limit on silence, for callers that watch every read themselves.
pub(crate) fn builder(
    server: &Url,
    tls: &TlsOptions,
    user_agent: &str,
) -> Result<reqwest::ClientBuilder, HttpError> {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls_config(tls)?)
        .user_agent(user_agent)
        .redirect(reqwest::redirect::Policy::none())
        // What it would try again is refused over HTTP/2 only; it keeps a copy of every request for that.
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .http1_only();
    Ok(if is_loopback(server) {
        builder.no_proxy()
    } else {
        builder
    })
}

/// Whether `server` is named `localhost` or by a loopback address. Names are not resolved: what a name resolves to is not
/// the user's choice.
#[must_use]
pub fn is_loopback(server: &Url) -> bool {
    match server.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).to_canonical().is_loopback(),
        None => false,
    }
}

fn tls_config(options: &TlsOptions) -> Result<ClientConfig, HttpError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&options.extra_roots_pem)
            .filter_map(Result::ok)
            .collect();
    let verifier =
        verifier::ServerVerifier::new(roots, options.verification, Arc::clone(&provider));
    let identities = options
        .identities
        .iter()
        .map(|identity| certified_key(identity, &provider))
        .collect::<Result<Vec<_>, _>>()?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(HttpError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(if identities.is_empty() {
        config.with_no_client_auth()
    } else {
        config.with_client_cert_resolver(Arc::new(Identities(identities)))
    })
}

fn certified_key(
    identity: &ClientIdentity,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, HttpError> {
    let chain = CertificateDer::pem_slice_iter(&identity.certificates_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(HttpError::IdentityPem)?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key_pem).map_err(HttpError::IdentityPem)?;
    CertifiedKey::from_der(chain, key, provider)
        .map(Arc::new)
        .map_err(|e| match e {
            rustls::Error::InconsistentKeys(_) => HttpError::IdentityMismatch,
            other => HttpError::Identity(other),
        })
}

/// Client certificates in the order of their files.
#[derive(Debug)]
struct Identities(Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for Identities {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut usable = self
            .0
            .iter()
            .filter(|identity| identity.key.choose_scheme(schemes).is_some());
        let first = usable.clone().next();
        // One certificate is shown whatever the server lists, as a server may list nothing or only its intermediates.
        if self.0.len() == 1 || issuers.is_empty() {
            return first.cloned();
        }
        usable
            .find(|identity| {
                identity.cert.iter().any(|certificate| {
                    verifier::issuer(certificate)
                        .is_some_and(|issuer| issuers.contains(&issuer.as_slice()))
                })
            })
            .or(first)
            .cloned()
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_what_is_written_so() {
        let is = |url: &str| is_loopback(&url.parse().unwrap());
        for url in [
            "https://localhost",
            "https://LOCALHOST:5000",
            "https://127.9.9.9",
            "https://[::1]:1",
        ] {
            assert!(is(url), "{url}");
        }
        for url in [
            "https://localhost.example",
            "https://10.0.0.1",
            "https://[::2]",
            "https://0.0.0.0",
        ] {
            assert!(!is(url), "{url}");
        }
    }

    #[test]
    fn private_keys_do_not_show() {
        let identity = ClientIdentity {
            certificates_pem: b"public".to_vec(),
            key_pem: b"hunter2".to_vec().into(),
        };
        let options = TlsOptions {
            identities: vec![identity],
            ..TlsOptions::default()
        };
        assert!(!format!("{options:?}").contains("104, 117"));
        let error = tls_config(&options).unwrap_err();
        assert!(matches!(error, HttpError::IdentityPem(_)), "{error:?}");
    }
}
