//! Certificates, keys and client certificates. Messages were printed by notary-server 0.7.0 for the same files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ED25519,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use signet_service::dial::{Callee, Dialer};
use signet_service::files::write_private;
use signet_service::tls::{Files, Tls};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_cert::der::Decode as _;

pub(crate) struct Made {
    pub(crate) certificate: Certificate,
    key: KeyPair,
    params: CertificateParams,
    /// Those between it and its root, as they are sent after it.
    chain: Vec<Certificate>,
    is_root: bool,
}

impl Made {
    pub(crate) fn new(adjust: impl FnOnce(&mut CertificateParams)) -> Self {
        let (key, params) = (KeyPair::generate().unwrap(), params(adjust));
        Self {
            certificate: params.self_signed(&key).unwrap(),
            key,
            params,
            chain: Vec::new(),
            is_root: true,
        }
    }

    fn issue(&self, adjust: impl FnOnce(&mut CertificateParams)) -> Self {
        let (key, params) = (KeyPair::generate().unwrap(), params(adjust));
        let certificate = params
            .signed_by(&key, &Issuer::from_params(&self.params, &self.key))
            .unwrap();
        let own = (!self.is_root).then(|| self.certificate.clone());
        Self {
            certificate,
            key,
            params,
            chain: own.into_iter().chain(self.chain.iter().cloned()).collect(),
            is_root: false,
        }
    }

    /// The certificates as they are sent.
    fn sent(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.certificate).chain(&self.chain)
    }
}

fn params(adjust: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    adjust(&mut params);
    params
}

pub(crate) fn plain(_: &mut CertificateParams) {}

fn authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        write_private(&path, text.as_bytes()).unwrap();
        path
    }

    pub(crate) fn server(&self, server: &Made, listed: &[&Made]) -> Tls {
        let sent: String = server.sent().map(Certificate::pem).collect();
        let certificate = self.write("c.pem", &sent);
        let key = self.write("k.pem", &server.key.serialize_pem());
        let text: String = listed.iter().map(|made| made.certificate.pem()).collect();
        let client_ca = (!listed.is_empty()).then(|| self.write("ca.pem", &text));
        Tls::load(Files {
            certificate,
            key,
            client_ca,
        })
        .unwrap()
    }
}

fn fault(certificate: &Path, key: &Path, client_ca: Option<PathBuf>) -> String {
    let files = Files {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        client_ca,
    };
    Tls::load(files).unwrap_err().to_string()
}

/// Whether a client with this certificate gets a byte through, and the protocol that was agreed on.
async fn connect(
    tls: &Tls,
    server: &Made,
    client: Option<&Made>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Option<Vec<u8>>, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(tls.current());
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let _ = stream.write_all(b"x").await;
            let _ = stream.shutdown().await;
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(made) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.key.serialize_der()));
            builder
                .with_client_auth_cert(made.sent().map(|sent| sent.der().clone()).collect(), key)
                .unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let result = async {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        // In TLS 1.3 a refused certificate shows when something is read.
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        Ok::<_, std::io::Error>(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
    };
    let result = result.await.map_err(|error| error.to_string());
    serving.await.unwrap();
    result
}

const BOTH: [&[&SupportedProtocolVersion]; 2] = [&[&version::TLS12], &[&version::TLS13]];

#[test]
fn files_that_cannot_be_used_are_named_as_in_go() {
    let folder = Folder::new();
    let made = Made::new(plain);
    let (c, k) = (
        folder.write("c.pem", &made.certificate.pem()),
        folder.write("k.pem", &made.key.serialize_pem()),
    );
    let junk = folder.write("junk.pem", "junk\n");
    let other = folder.write("other.pem", &KeyPair::generate().unwrap().serialize_pem());
    let ed25519 = folder.write(
        "ed.pem",
        &KeyPair::generate_for(&PKCS_ED25519)
            .unwrap()
            .serialize_pem(),
    );
    let encrypted = folder.write(
        "enc.pem",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let legacy = folder.write("dek.pem", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n");
    let two = folder.write(
        "two.pem",
        "-----BEGIN A-----\nAAAA\n-----END A-----\n-----BEGIN B-----\nAAAA\n-----END B-----\n",
    );
    let damaged = folder.write(
        "damaged.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let none = folder.path("nope");
    for (certificate, key, reason) in [
        (
            &junk,
            &k,
            "tls: failed to find any PEM data in certificate input",
        ),
        (
            &k,
            &k,
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched",
        ),
        (
            &two,
            &k,
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [A B]",
        ),
        (&damaged, &k, "x509: malformed certificate"),
        (&c, &junk, "tls: failed to find any PEM data in key input"),
        (
            &c,
            &c,
            "tls: found a certificate rather than a key in the PEM for the private key",
        ),
        (
            &c,
            &two,
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [A B]",
        ),
        (&c, &encrypted, "tls: failed to parse private key"),
        (&c, &legacy, "tls: failed to parse private key"),
        (&c, &other, "tls: private key does not match public key"),
        (
            &c,
            &ed25519,
            "tls: private key type does not match public key type",
        ),
    ] {
        let expected = format!(
            "Error reading X509 key pair (cert: {certificate:?}, key: {key:?}): {reason}. Make sure the key is not encrypted."
        );
        assert_eq!(fault(certificate, key, None), expected);
    }
    for (certificate, key) in [(&none, &k), (&c, &none)] {
        let expected = format!(
            "Could not load X509 key pair (cert: {certificate:?}, key: {key:?}): open {}: no such file or directory",
            none.display()
        );
        assert_eq!(fault(certificate, key, None), expected);
    }
    let missing = format!(
        "could not read CA certificate {none:?}: open {}: no such file or directory",
        none.display()
    );
    assert_eq!(fault(&c, &k, Some(none)), missing);
    assert_eq!(
        fault(&c, &k, Some(junk.clone())),
        format!("failed to append certificates from PEM file: {junk:?}")
    );
}

#[tokio::test]
async fn both_versions_are_spoken_and_http_2_is_offered() {
    let (folder, server) = (Folder::new(), Made::new(plain));
    let tls = folder.server(&server, &[]);
    for versions in BOTH {
        assert_eq!(
            connect(&tls, &server, None, versions).await,
            Ok(Some(b"h2".to_vec()))
        );
    }
}

#[tokio::test]
async fn a06_without_a_client_certificate_there_is_no_connection() {
    let (folder, server, ca) = (Folder::new(), Made::new(plain), Made::new(authority));
    let tls = folder.server(&server, &[&ca]);
    let (good, stranger) = (ca.issue(plain), Made::new(authority).issue(plain));
    for versions in BOTH {
        assert!(connect(&tls, &server, None, versions).await.is_err());
        assert!(
            connect(&tls, &server, Some(&stranger), versions)
                .await
                .is_err()
        );
        assert!(connect(&tls, &server, Some(&good), versions).await.is_ok());
    }
}

// Go accepts each of these; WebPKI alone would refuse the last two.
#[tokio::test]
async fn a_client_may_present_exactly_a_listed_certificate() {
    let server = Made::new(plain);
    let issued = Made::new(authority).issue(plain);
    for (listed, what) in [
        (&server, "self-signed"),
        (&issued, "issued by another"),
        (&Made::new(authority), "an authority"),
    ] {
        let folder = Folder::new();
        let tls = folder.server(&server, &[listed]);
        for versions in BOTH {
            assert!(
                connect(&tls, &server, Some(listed), versions).await.is_ok(),
                "{what}"
            );
            assert!(
                connect(&tls, &server, Some(&Made::new(plain)), versions)
                    .await
                    .is_err(),
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn a_listed_certificate_must_be_valid_and_for_clients() {
    let server = Made::new(plain);
    let now = OffsetDateTime::from(
        std::time::UNIX_EPOCH
            .checked_add(now_since_epoch())
            .unwrap(),
    );
    let purpose = |purpose: ExtendedKeyUsagePurpose| {
        Made::new(move |params| params.extended_key_usages = vec![purpose])
    };
    let expired = Made::new(|params| params.not_after = now - Duration::days(1));
    let early = Made::new(|params| params.not_before = now + Duration::days(1));
    for (client, accepted) in [
        (&purpose(ExtendedKeyUsagePurpose::ClientAuth), true),
        (&purpose(ExtendedKeyUsagePurpose::Any), true),
        (&purpose(ExtendedKeyUsagePurpose::ServerAuth), false),
        (&expired, false),
        (&early, false),
    ] {
        let folder = Folder::new();
        let tls = folder.server(&server, &[client]);
        let result = connect(&tls, &server, Some(client), BOTH[1]).await;
        assert_eq!(result.is_ok(), accepted, "{:?}: {result:?}", client.params);
    }
}

/// Listed certificates, and whether what they issued is accepted; as Go 1.24 does.
fn issuers() -> [(&'static str, Made, bool); 6] {
    let now = OffsetDateTime::from(
        std::time::UNIX_EPOCH
            .checked_add(now_since_epoch())
            .unwrap(),
    );
    let expired = Made::new(|params| {
        authority(params);
        params.not_after = now - Duration::days(1);
    });
    let server_leaf = Made::new(|params| {
        params.is_ca = IsCa::ExplicitNoCa;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let no_signing = Made::new(|params| {
        authority(params);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    let other_purpose = Made::new(|params| {
        authority(params);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    });
    [
        ("authority", Made::new(authority), true),
        ("expired", expired, false),
        ("CA:FALSE", server_leaf, false),
        ("no constraints", Made::new(plain), false),
        ("keyUsage without keyCertSign", no_signing, false),
        ("for code", other_purpose, false),
    ]
}

#[tokio::test]
async fn a_listed_certificate_issues_only_as_a_valid_authority() {
    let server = Made::new(plain);
    for (what, issuer, accepted) in issuers() {
        let folder = Folder::new();
        let tls = folder.server(&server, &[&issuer]);
        for versions in BOTH {
            let result = connect(&tls, &server, Some(&issuer.issue(plain)), versions).await;
            assert_eq!(result.is_ok(), accepted, "{what}: {result:?}");
        }
    }
}

#[tokio::test]
async fn a_listed_certificate_issues_servers_only_as_a_valid_authority() {
    for (what, issuer, accepted) in issuers() {
        let folder = Folder::new();
        let tls = folder.server(&issuer.issue(plain), &[]);
        let result = dial(&folder, &tls, &issuer.certificate.pem()).await;
        assert_eq!(result.is_ok(), accepted, "{what}: {result:?}");
    }
}

/// Whether who trusts these certificates alone connects to a server.
async fn dial(folder: &Folder, tls: &Tls, trusted: &str) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialer = Dialer::new(Callee {
        host: "localhost".to_owned(),
        port: listener.local_addr().unwrap().port(),
        ca: Some(folder.write("roots.pem", trusted)),
        identity: None,
    })
    .unwrap();
    let acceptor = TlsAcceptor::from(tls.current());
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = acceptor.accept(stream).await;
    });
    let result = dialer.dial().await;
    serving.await.unwrap();
    result.map(drop).map_err(|error| error.to_string())
}

/// An authority of this name, below which so many others may stand.
fn bounded(name: &'static str, below: Option<u8>) -> impl FnOnce(&mut CertificateParams) {
    move |params| {
        params.is_ca = IsCa::Ca(below.map_or(
            BasicConstraints::Unconstrained,
            BasicConstraints::Constrained,
        ));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
    }
}

/// Roots with a path length, certificates below them, and whether those are accepted: as Go's crypto/x509 decides (`TooManyIntermediates`
/// when more stand between than the root's `MaxPathLen`).
fn paths() -> Vec<(&'static str, Vec<Made>, Made, bool)> {
    let root = |below| Made::new(bounded("root", below));
    let middle = |issuer: &Made, name| issuer.issue(bounded(name, None));
    let mut paths = Vec::new();
    for (what, below, between, accepted) in [
        ("0 of 0", Some(0), 0, true),
        ("1 of 0", Some(0), 1, false),
        ("0 of 1", Some(1), 0, true),
        ("1 of 1", Some(1), 1, true),
        ("2 of 1", Some(1), 2, false),
        ("2 without a limit", None, 2, true),
    ] {
        let root = root(below);
        let leaf = match between {
            0 => root.issue(plain),
            1 => middle(&root, "a").issue(plain),
            _ => middle(&middle(&root, "a"), "b").issue(plain),
        };
        paths.push((what, vec![root], leaf, accepted));
    }
    // What is sent beside the path does not count.
    let listed = root(Some(0));
    let mut leaf = listed.issue(plain);
    leaf.chain.push(listed.certificate.clone());
    paths.push(("0 of 0 with the root", vec![listed], leaf, true));
    // Who is listed is a root himself.
    let listed = root(Some(0));
    let between = middle(&listed, "a");
    let leaf = between.issue(plain);
    paths.push(("1 of 0, listed too", vec![listed, between], leaf, true));
    paths
}

#[tokio::test]
async fn a_listed_authority_has_no_more_below_it_than_it_says() {
    let server = Made::new(plain);
    for (what, listed, leaf, accepted) in paths() {
        let folder = Folder::new();
        let listed: Vec<&Made> = listed.iter().collect();
        let tls = folder.server(&server, &listed);
        for versions in BOTH {
            let result = connect(&tls, &server, Some(&leaf), versions).await;
            assert_eq!(result.is_ok(), accepted, "client, {what}: {result:?}");
        }
        let text: String = listed.iter().map(|made| made.certificate.pem()).collect();
        let result = dial(&folder, &folder.server(&leaf, &[]), &text).await;
        assert_eq!(result.is_ok(), accepted, "server, {what}: {result:?}");
    }
}

// Such a root has no extension to say that it is an authority.
#[tokio::test]
async fn a_root_of_version_1_issues() {
    let folder = Folder::new();
    let openssl = |arguments: &[&str]| {
        let output = std::process::Command::new("openssl")
            .args(arguments)
            .current_dir(folder.0.path())
            .output()
            .expect("openssl runs; apt-get install openssl");
        assert!(output.status.success(), "{output:?}");
    };
    let key = KeyPair::generate().unwrap();
    folder.write("root.key", &key.serialize_pem());
    openssl(&[
        "req", "-new", "-key", "root.key", "-subj", "/CN=old", "-out", "root.csr",
    ]);
    openssl(&[
        "x509", "-req", "-in", "root.csr", "-signkey", "root.key", "-days", "2", "-out", "ca.pem",
    ]);
    let text = std::fs::read_to_string(folder.path("ca.pem")).unwrap();
    let der = pem::parse(&text).unwrap().into_contents();
    // Of version 3 it would begin with an explicit [0].
    let version_1 = x509_cert::Certificate::from_der(&der).unwrap();
    assert_eq!(
        version_1.tbs_certificate().version(),
        x509_cert::certificate::Version::V1
    );
    let mut name = params(plain);
    name.distinguished_name = rcgen::DistinguishedName::new();
    name.distinguished_name.push(
        rcgen::DnType::CommonName,
        rcgen::DnValue::Utf8String("old".to_owned()),
    );
    let client_key = KeyPair::generate().unwrap();
    let client = Made {
        certificate: params(plain)
            .signed_by(&client_key, &Issuer::from_params(&name, &key))
            .unwrap(),
        key: client_key,
        params: params(plain),
        chain: Vec::new(),
        is_root: false,
    };
    let server = Made::new(plain);
    let tls = Tls::load(Files {
        certificate: folder.write("c.pem", &server.certificate.pem()),
        key: folder.write("k.pem", &server.key.serialize_pem()),
        client_ca: Some(folder.path("ca.pem")),
    })
    .unwrap();
    let result = connect(&tls, &server, Some(&client), BOTH[1]).await;
    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test]
async fn certificates_are_read_again_and_kept_when_the_new_ones_are_bad() {
    let (folder, first) = (Folder::new(), Made::new(plain));
    let second =
        Made::new(|params| params.not_after = OffsetDateTime::UNIX_EPOCH + Duration::days(30_000));
    let tls = folder.server(&first, &[]);
    folder.write("c.pem", &second.certificate.pem());
    let ends = |made: &Made| Some(made.params.not_after.unix_timestamp().unsigned_abs());
    assert!(tls.reload().is_err(), "the key is still the first one's");
    assert_eq!(tls.not_after(), ends(&first));
    assert!(connect(&tls, &first, None, BOTH[1]).await.is_ok());
    folder.write("k.pem", &second.key.serialize_pem());
    tls.reload().unwrap();
    assert_eq!(tls.not_after(), ends(&second));
    assert!(connect(&tls, &second, None, BOTH[1]).await.is_ok());
    assert!(connect(&tls, &first, None, BOTH[1]).await.is_err());
}

#[expect(
    clippy::disallowed_methods,
    reason = "TLS libraries judge certificates by the real time"
)]
fn now_since_epoch() -> std::time::Duration {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
}
