//! The other side of TLS: a service that calls another, by the rules of Go's clients.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use hyper_util::rt::TokioIo;
use pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as RustlsError, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::anchors::{Anchors, SERVER_AUTH, check_listed};
use crate::tls::{TlsError, load_pair};

/// Whom to call, whom to trust, and whom to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Callee {
    /// The name or address, which its certificate must be for.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The only certificates that are trusted; without it those of the system.
    pub ca: Option<PathBuf>,
    /// Certificate and key to be shown.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Opens TLS connections to one service; TLS 1.2 and 1.3, HTTP/2.
///
/// The files are read again for every connection, so that certificates that were renewed are used; when they cannot be read then,
/// what was read before stays in use.
pub struct Dialer {
    callee: Callee,
    current: RwLock<Arc<ClientConfig>>,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("callee", &self.callee)
            .finish_non_exhaustive()
    }
}

/// A connection, as hyper takes it.
pub type Connection = TokioIo<TlsStream<TcpStream>>;

impl Dialer {
    /// Reads the files. Nothing is connected yet.
    ///
    /// # Errors
    /// [`TlsError`] when one cannot be read or used.
    pub fn new(callee: Callee) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(client_config(&callee)?));
        Ok(Self { callee, current })
    }

    /// Opens a connection. The caller bounds the time.
    ///
    /// # Errors
    /// When the service cannot be reached, is not trusted, or does not speak HTTP/2.
    pub async fn dial(&self) -> io::Result<Connection> {
        let callee = self.callee.clone();
        let fresh = tokio::task::spawn_blocking(move || client_config(&callee)).await;
        match fresh {
            Ok(Ok(config)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
            }
            Ok(Err(error)) => tracing::warn!("the certificates stay as they are: {error}"),
            // The runtime is ending.
            Err(_) => {}
        }
        let config = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let host = self.callee.host.as_str();
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::other(format!("lookup {host}: no such host")))?;
        let stream = TcpStream::connect((host, self.callee.port)).await?;
        // Requests are written in one piece. A failure only costs speed.
        let _ = stream.set_nodelay(true);
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        Ok(TokioIo::new(stream))
    }
}

fn client_config(callee: &Callee) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(default_provider());
    let (anchors, roots) = match &callee.ca {
        Some(path) => Anchors::load(path).map(|(anchors, roots)| (Some(anchors), roots))?,
        None => (None, system_roots()),
    };
    let any = issued_by(roots, &provider).map_err(TlsError::Setup)?;
    let identity = match &callee.identity {
        Some((certificate, key)) => Some(load_pair(certificate, key, &provider)?),
        None => None,
    };
    let verifier = ListedServers {
        anchors,
        provider: Arc::clone(&provider),
        any,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        // Shown whatever issuers the server names, as Go's clients do: the server decides.
        Some(pair) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// The system's roots, without those that are none.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Accepts servers whose certificate is in a file or is issued by one that is, as Go does: WebPKI knows anchors as issuers only.
#[derive(Debug)]
struct ListedServers {
    /// Of the file; without one the system's roots judge.
    anchors: Option<Anchors>,
    provider: Arc<CryptoProvider>,
    /// By the system's roots; with a file, it only knows the signatures of handshakes.
    any: Arc<WebPkiServerVerifier>,
}

fn issued_by(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, RustlsError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| RustlsError::General(error.to_string()))
}

impl ServerCertVerifier for ListedServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        let judge = |verifier: &WebPkiServerVerifier, below: &[CertificateDer<'_>]| {
            verifier.verify_server_cert(end_entity, below, server_name, ocsp_response, now)
        };
        match &self.anchors {
            None => judge(&self.any, intermediates),
            Some(anchors) if anchors.list(end_entity) => {
                check_listed(end_entity, now, SERVER_AUTH)?;
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            Some(anchors) => anchors.verify(intermediates, now, SERVER_AUTH, |roots, below| {
                judge(&*issued_by(roots, &self.provider)?, below)
            }),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        self.any.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        self.any.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.any.supported_verify_schemes()
    }
}
