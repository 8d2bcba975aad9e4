//! The TLS side of a server: certificates from PEM files, client certificates by the rules of Go, reload without a restart.
//!
//! TLS 1.2 and 1.3 with AEAD suites; HTTP/2 and HTTP/1.1 are offered. The error texts are those of the Go programs.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
    UnixTime,
};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error as RustlsError, RootCertStore, ServerConfig,
    SignatureScheme, client::danger::HandshakeSignatureValid,
};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use zeroize::Zeroizing;

use crate::anchors::{Anchors, CLIENT_AUTH, check_listed};

/// Makes aws-lc the cryptographic provider of the process. To be called first in `main`; a second call changes nothing.
pub fn install_crypto_provider() {
    // An error says that there is one already.
    let _ = default_provider().install_default();
}

/// The PEM files of a TLS server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Files {
    /// The certificate, followed by those between it and its root.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
    /// Switches on client certificates: each must be in this file or be issued by one that is.
    pub client_ca: Option<PathBuf>,
}

/// What is spoken inside TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocols {
    /// HTTP/2 and HTTP/1.1.
    Http,
    /// HTTP/2 alone, as gRPC needs it.
    Http2,
}

/// A TLS configuration that can be loaded again while connections use it.
pub struct Tls {
    files: Files,
    protocols: Protocols,
    current: RwLock<Loaded>,
    /// What the files were like when they were last read, or looked at in vain.
    seen: Mutex<Stamps>,
}

/// What connections use that begin now.
#[derive(Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// When its certificate ends, as Unix time.
    not_after: Option<u64>,
}

/// What tells one state of the files from another, whatever names and links lead to them.
type Stamps = Vec<Option<[i128; 7]>>;

fn stamps(files: &Files) -> Stamps {
    let of = |path: &PathBuf| {
        let it = std::fs::metadata(path).ok()?;
        // Also when its owner or mode changed, which may be why it could not be read.
        let changed = [it.ctime(), it.ctime_nsec(), it.mtime(), it.mtime_nsec()].map(i128::from);
        let [ctime, ctime_nsec, mtime, mtime_nsec] = changed;
        let it = [it.dev(), it.ino(), it.len()].map(i128::from);
        let [dev, ino, len] = it;
        Some([dev, ino, len, ctime, ctime_nsec, mtime, mtime_nsec])
    };
    let paths = [
        Some(&files.certificate),
        Some(&files.key),
        files.client_ca.as_ref(),
    ];
    paths.into_iter().flatten().map(of).collect()
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] when one cannot be read or used; there is no falling back to less.
    pub fn load(files: Files) -> Result<Self, TlsError> {
        Self::load_for(files, Protocols::Http)
    }

    /// Reads the files, for a server of these protocols.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn load_for(files: Files, protocols: Protocols) -> Result<Self, TlsError> {
        let seen = Mutex::new(stamps(&files));
        let current = RwLock::new(server_config(&files, protocols)?);
        Ok(Self {
            files,
            protocols,
            current,
            seen,
        })
    }

    /// Whether the files are others than when this was last asked, or than those that were read at first.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        let now = stamps(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *seen != now;
        *seen = now;
        changed
    }

    /// When the certificate ends that connections are shown now, as Unix time.
    #[must_use]
    pub fn not_after(&self) -> Option<u64> {
        self.loaded().not_after
    }

    /// Reads the files again, for connections that begin after it.
    ///
    /// # Errors
    /// [`TlsError`] when one cannot be read or used; what was loaded before stays in use then.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = server_config(&self.files, self.protocols)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The configuration for a connection that begins now.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.loaded().config
    }

    fn loaded(&self) -> Loaded {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }
}

/// Why a server has no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// There is nothing in the file of certificates to trust.
    #[error("failed to append certificates from PEM file: {path:?}")]
    EmptyCa {
        /// The file.
        path: PathBuf,
    },
    /// The certificate or its key does not exist.
    #[error("Could not load X509 key pair (cert: {certificate:?}, key: {key:?}): open {}: {}", missing.display(), crate::files::reason(error))]
    Missing {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The one that is missing.
        missing: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The certificate and its key cannot be used.
    #[error(
        "Error reading X509 key pair (cert: {certificate:?}, key: {key:?}): {fault}. Make sure the key is not encrypted."
    )]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        fault: PairFault,
    },
    /// The library refused.
    #[error("TLS cannot be set up")]
    Setup(#[source] RustlsError),
    /// The file of certificates to trust cannot be read.
    #[error("could not read CA certificate {path:?}: open {}: {}", path.display(), crate::files::reason(error))]
    UnreadableCa {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
}

/// What is wrong with a certificate and its key. The texts are those of Go's TLS library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairFault {
    /// The certificate is not one.
    #[error("x509: malformed certificate")]
    Certificate,
    /// A certificate stands where the key should.
    #[error("tls: found a certificate rather than a key in the PEM for the private key")]
    CertificateAsKey,
    /// The key cannot be read: encrypted, or of a kind that is not known.
    #[error("tls: failed to parse private key")]
    Key,
    /// The key belongs to another certificate.
    #[error("tls: private key does not match public key")]
    KeyMismatch,
    /// The key is of another type than that of the certificate.
    #[error("tls: private key type does not match public key type")]
    KeyTypeMismatch,
    /// A key stands where the certificate should.
    #[error(
        "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched"
    )]
    KeyAsCertificate,
    /// No certificate among the PEM blocks.
    #[error(
        "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{0}]"
    )]
    NoCertificateBlock(String),
    /// No PEM block where the certificate should be.
    #[error("tls: failed to find any PEM data in certificate input")]
    NoCertificatePem,
    /// No key among the PEM blocks.
    #[error(
        "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [{0}]"
    )]
    NoKeyBlock(String),
    /// No PEM block where the key should be.
    #[error("tls: failed to find any PEM data in key input")]
    NoKeyPem,
    /// The file exists and cannot be read.
    #[error("open {}: {}", path.display(), crate::files::reason(error))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
}

/// The subject of a certificate as RFC 4514 writes it, or the beginning of a long one.
pub(crate) fn subject(der: &CertificateDer<'_>) -> String {
    Certificate::from_der(der).map_or_else(
        |_| "unreadable".to_owned(),
        |certificate| {
            let subject = certificate.tbs_certificate().subject().to_string();
            subject.chars().take(MOST_SUBJECT).collect()
        },
    )
}

const MOST_SUBJECT: usize = 300;

fn server_config(files: &Files, protocols: Protocols) -> Result<Loaded, TlsError> {
    let provider = Arc::new(default_provider());
    let pair = load_pair(&files.certificate, &files.key, &provider)?;
    let not_after = pair.cert.first().and_then(|leaf| {
        let leaf = Certificate::from_der(leaf).ok()?;
        let validity = leaf.tbs_certificate().validity();
        Some(validity.not_after.to_unix_duration().as_secs())
    });
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsError::Setup)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            builder.with_client_cert_verifier(Arc::new(ListedClients::load(path, &provider)?))
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = match protocols {
        Protocols::Http => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Protocols::Http2 => vec![b"h2".to_vec()],
    };
    // Clients come back with a new connection per command: tickets spare both sides the signature.
    config.ticketer = Ticketer::new().map_err(TlsError::Setup)?;
    config.send_tls13_tickets = 1;
    Ok(Loaded {
        config: Arc::new(config),
        not_after,
    })
}

/// Reads a certificate and its key.
pub(crate) fn load_pair(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let (certificate, key) = (certificate.to_owned(), key.to_owned());
    let read = |path: &Path| {
        std::fs::read(path).map(Zeroizing::new).map_err(|error| {
            let (certificate, key) = (certificate.clone(), key.clone());
            if error.kind() == io::ErrorKind::NotFound {
                TlsError::Missing {
                    certificate,
                    key,
                    missing: path.to_owned(),
                    error,
                }
            } else {
                TlsError::Pair {
                    certificate,
                    key,
                    fault: PairFault::Unreadable {
                        path: path.to_owned(),
                        error,
                    },
                }
            }
        })
    };
    let (chain, secret) = (read(&certificate)?, read(&key)?);
    parse_pair(&chain, &secret, provider).map_err(|fault| TlsError::Pair {
        certificate,
        key,
        fault,
    })
}

fn parse_pair(
    chain: &[u8],
    secret: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, PairFault> {
    let chain = parse_chain(chain)?;
    let leaf = chain
        .first()
        .and_then(|der| Certificate::from_der(der).ok())
        .ok_or(PairFault::Certificate)?;
    let key = parse_key(secret)?;
    let signer = provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| PairFault::Key)?;
    let ours = signer.public_key().ok_or(PairFault::Key)?;
    let theirs = leaf
        .tbs_certificate()
        .subject_public_key_info()
        .to_der()
        .map_err(|_| PairFault::Certificate)?;
    if ours.as_ref() != theirs {
        let same_type = x509_cert::spki::SubjectPublicKeyInfoRef::from_der(ours.as_ref())
            .is_ok_and(|info| {
                info.algorithm.oid
                    == leaf
                        .tbs_certificate()
                        .subject_public_key_info()
                        .algorithm
                        .oid
            });
        return Err(if same_type {
            PairFault::KeyMismatch
        } else {
            PairFault::KeyTypeMismatch
        });
    }
    Ok(CertifiedKey::new(chain, signer))
}

fn parse_chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PairFault> {
    let blocks = pem::parse_many(text).unwrap_or_default();
    let mut skipped = Vec::new();
    let mut chain = Vec::new();
    for block in blocks {
        if block.tag() == "CERTIFICATE" {
            chain.push(CertificateDer::from(block.into_contents()));
        } else {
            skipped.push(block.tag().to_owned());
        }
    }
    match skipped.as_slice() {
        _ if !chain.is_empty() => Ok(chain),
        [] => Err(PairFault::NoCertificatePem),
        [only] if only.ends_with("PRIVATE KEY") => Err(PairFault::KeyAsCertificate),
        several => Err(PairFault::NoCertificateBlock(several.join(" "))),
    }
}

fn parse_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PairFault> {
    let blocks = pem::parse_many(text).unwrap_or_default();
    let mut skipped = Vec::new();
    for block in blocks {
        let tag = block.tag().to_owned();
        let content = Zeroizing::new(block.into_contents());
        // The copies that are handed on are wiped by their type.
        let der = match tag.as_str() {
            "PRIVATE KEY" => PrivateKeyDer::from(PrivatePkcs8KeyDer::from(content.as_slice())),
            "RSA PRIVATE KEY" => PrivateKeyDer::from(PrivatePkcs1KeyDer::from(content.as_slice())),
            "EC PRIVATE KEY" => PrivateKeyDer::from(PrivateSec1KeyDer::from(content.as_slice())),
            tag if tag.ends_with(" PRIVATE KEY") => return Err(PairFault::Key),
            _ => {
                skipped.push(tag);
                continue;
            }
        };
        return Ok(der.clone_key());
    }
    match skipped.as_slice() {
        [] => Err(PairFault::NoKeyPem),
        [only] if only == "CERTIFICATE" => Err(PairFault::CertificateAsKey),
        several => Err(PairFault::NoKeyBlock(several.join(" "))),
    }
}

/// Accepts the clients whose certificate is in a file or is issued by one that is.
///
/// As in Go, a client may present exactly a certificate of the file, whatever its basic constraints say: common set-ups give
/// the server's own certificate here. WebPKI's verifier knows anchors as issuers only, hence the comparison before it; and it
/// takes every anchor for a valid authority, hence the choice of those that may issue.
#[derive(Debug)]
struct ListedClients {
    anchors: Anchors,
    provider: Arc<CryptoProvider>,
    /// Knows all the names, and the signatures of handshakes. It judges no certificates.
    any: Arc<dyn ClientCertVerifier>,
}

fn issued_by(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, RustlsError> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| RustlsError::General(error.to_string()))
}

impl ListedClients {
    fn load(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let (anchors, roots) = Anchors::load(path)?;
        Ok(Self {
            anchors,
            provider: Arc::clone(provider),
            any: issued_by(roots, provider).map_err(TlsError::Setup)?,
        })
    }
}

impl ClientCertVerifier for ListedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.any.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, RustlsError> {
        if self.anchors.list(end_entity) {
            return check_listed(end_entity, now, CLIENT_AUTH)
                .map(|()| ClientCertVerified::assertion());
        }
        self.anchors
            .verify(intermediates, now, CLIENT_AUTH, |roots, below| {
                issued_by(roots, &self.provider)?.verify_client_cert(end_entity, below, now)
            })
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
