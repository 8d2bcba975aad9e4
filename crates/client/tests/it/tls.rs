//! Whom a server's certificate must satisfy, and what becomes of it when it does not.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use signet_client::http::{ClientIdentity, HttpError, TlsOptions, Verification};
use signet_client::remote::RemoteError;
use signet_client::{Remote, RemoteOptions};

use crate::support::{Server, answer};

struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Identity {
    fn pem(&self) -> Vec<u8> {
        self.certificate.pem().into_bytes()
    }
}

fn test_ca() -> CertifiedIssuer<'static, KeyPair> {
    authority_named("test CA")
}

fn authority_named(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issued(authority: &CertifiedIssuer<'_, KeyPair>, names: &[&str]) -> Identity {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Identity { certificate, key }
}

/// As `openssl req -x509` makes it: its own issuer, and a CA.
fn self_made(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    Identity { certificate, key }
}

fn server_config(identity: &Identity) -> rustls::ServerConfig {
    builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![identity.certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.serialize_der())),
        )
        .unwrap()
}

fn builder() -> rustls::ConfigBuilder<rustls::ServerConfig, rustls::WantsVerifier> {
    rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
}

async fn start(config: rustls::ServerConfig) -> Server {
    Server::start_tls(config, |_| answer(200, "{}")).await
}

async fn ping(server: &Server, host: &str, tls: TlsOptions) -> Result<u16, RemoteError> {
    let mut options = RemoteOptions::new(server.url("https", host), "test/1");
    options.tls = tls;
    let remote = Remote::new(options).unwrap();
    let ping = remote.ping().await?;
    Ok(ping.expect("the server is there").status)
}

fn trusting(pem: Vec<u8>, verification: Verification) -> TlsOptions {
    TlsOptions {
        extra_roots_pem: pem,
        verification,
        ..TlsOptions::default()
    }
}

fn assert_untrusted(result: &Result<u16, RemoteError>, what: &str) {
    // Never an outage: someone did answer.
    assert!(
        matches!(result, Err(RemoteError::Tls { .. })),
        "{what}: {result:?}"
    );
}

#[tokio::test]
async fn a_given_authority_is_trusted_and_no_other() {
    let authority = test_ca();
    let server = start(server_config(&issued(
        &authority,
        &["localhost", "127.0.0.1"],
    )))
    .await;
    let pem = authority.pem().into_bytes();
    for verification in [Verification::ExtraRootsOnly, Verification::System] {
        for host in ["localhost", "127.0.0.1"] {
            let tls = trusting(pem.clone(), verification);
            assert_eq!(ping(&server, host, tls).await.unwrap(), 200);
        }
        let nobody = trusting(Vec::new(), verification);
        assert_untrusted(
            &ping(&server, "localhost", nobody).await,
            "unknown authority",
        );
    }
    // What is no certificate is skipped, as Go does.
    let mut mixed =
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\njunk\n".to_vec();
    mixed.extend(pem);
    let tls = trusting(mixed, Verification::System);
    assert_eq!(ping(&server, "localhost", tls).await.unwrap(), 200);
}

#[tokio::test]
async fn the_name_must_be_the_one_that_is_dialled() {
    let authority = test_ca();
    for names in [&["registry.example.com"][..], &["localhost"], &[]] {
        let server = start(server_config(&issued(&authority, names))).await;
        let tls = trusting(authority.pem().into_bytes(), Verification::System);
        assert_untrusted(&ping(&server, "127.0.0.1", tls).await, "another name");
    }
}

#[tokio::test]
async fn a_certificate_that_is_given_itself_is_trusted_even_as_a_ca() {
    let trust = async |identity: &Identity, host: &str| {
        let server = start(server_config(identity)).await;
        ping(
            &server,
            host,
            trusting(identity.pem(), Verification::System),
        )
        .await
    };
    let own = self_made(&["localhost"], |_| {});
    assert_eq!(trust(&own, "localhost").await.unwrap(), 200);
    assert_untrusted(&trust(&own, "127.0.0.1").await, "another name");
    let expired = self_made(&["localhost"], |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    assert_untrusted(&trust(&expired, "localhost").await, "expired");
    let client_only = self_made(&["localhost"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_untrusted(&trust(&client_only, "localhost").await, "not a server's");
    let serving = self_made(&["localhost"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert_eq!(trust(&serving, "localhost").await.unwrap(), 200);
    // Another one with the same name is not this one.
    let server = start(server_config(&self_made(&["localhost"], |_| {}))).await;
    let tls = trusting(own.pem(), Verification::System);
    assert_untrusted(&ping(&server, "localhost", tls).await, "another key");
}

#[tokio::test]
async fn loopback_servers_need_not_prove_anything_where_that_is_asked_for() {
    let expired = self_made(&["elsewhere.example"], |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let server = start(server_config(&expired)).await;
    for host in ["localhost", "127.0.0.1", "LOCALHOST"] {
        let tls = trusting(Vec::new(), Verification::SkipForLoopback);
        assert_eq!(ping(&server, host, tls).await.unwrap(), 200);
        let tls = trusting(Vec::new(), Verification::System);
        assert_untrusted(&ping(&server, host, tls).await, host);
    }
}

/// `openssl x509 -req` without extensions writes version 1, which the TLS library cannot read.
#[tokio::test]
async fn loopback_servers_may_have_certificates_of_version_1() {
    let dir = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let program = signet_testkit::program::OPENSSL.find().unwrap();
        let mut command = std::process::Command::new(program);
        command.args(arguments.split(' ')).current_dir(dir.path());
        assert!(command.output().unwrap().status.success(), "{arguments}");
    };
    openssl("req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost");
    openssl("x509 -req -in request.pem -signkey key.pem -out certificate.pem");
    let address = signet_testkit::port::free().unwrap();
    let mut server = std::process::Command::new(signet_testkit::program::OPENSSL.find().unwrap());
    let server = server
        .args([
            "s_server",
            "-www",
            "-key",
            "key.pem",
            "-cert",
            "certificate.pem",
            "-accept",
        ])
        .arg(address.to_string())
        .current_dir(dir.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut server = Killed(server.spawn().unwrap());
    let ping = async |tls| {
        let url = format!("https://localhost:{}", address.port());
        let mut options = RemoteOptions::new(url.parse().unwrap(), "test/1");
        options.tls = tls;
        let remote = Remote::new(options).unwrap();
        remote
            .ping()
            .await
            .map(|ping| ping.map_or(0, |ping| ping.status))
    };
    let unproven = || trusting(Vec::new(), Verification::SkipForLoopback);
    let mut status = ping(unproven()).await.unwrap();
    for _ in 0..200 {
        // Until it listens.
        if status != 0 || server.0.try_wait().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        status = ping(unproven()).await.unwrap();
    }
    assert_eq!(status, 200);
    let pem = std::fs::read(dir.path().join("certificate.pem")).unwrap();
    let result = ping(trusting(pem, Verification::System)).await;
    assert_untrusted(&result, "no names");
}

/// A child that ends with its test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn client_certificates_are_shown_to_servers_that_ask() {
    let authority = test_ca();
    let other = authority_named("other CA");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let identity = issued(&authority, &["localhost"]);
    let config = builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![identity.certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.serialize_der())),
        )
        .unwrap();
    let server = start(config).await;
    let shown = |identity: &Identity| ClientIdentity {
        certificates_pem: identity.pem(),
        key_pem: identity.key.serialize_pem().into_bytes().into(),
    };
    let (ours, theirs) = (issued(&authority, &["me"]), issued(&other, &["me"]));
    let with = |identities: Vec<ClientIdentity>| TlsOptions {
        identities,
        ..trusting(authority.pem().into_bytes(), Verification::ExtraRootsOnly)
    };
    let tls = with(vec![shown(&ours)]);
    assert_eq!(ping(&server, "localhost", tls).await.unwrap(), 200);
    // The one that the server can check is picked.
    let tls = with(vec![shown(&theirs), shown(&ours)]);
    assert_eq!(ping(&server, "localhost", tls).await.unwrap(), 200);
    assert_untrusted(&ping(&server, "localhost", with(vec![])).await, "none");
    let tls = with(vec![shown(&theirs)]);
    assert_untrusted(
        &ping(&server, "localhost", tls).await,
        "another authority's",
    );

    let mut mixed = shown(&ours);
    mixed.key_pem = shown(&theirs).key_pem;
    let mut options = RemoteOptions::new(server.url("https", "localhost"), "test/1");
    options.tls = with(vec![mixed]);
    let error = Remote::new(options).unwrap_err();
    assert!(matches!(error, HttpError::IdentityMismatch), "{error:?}");
    assert_eq!(
        error.to_string(),
        "tls: private key does not match public key"
    );
}

#[tokio::test]
async fn a_server_without_tls_is_no_outage() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer)
            .await
            .unwrap();
        stream
    };
    let mut options = RemoteOptions::new(url.parse().unwrap(), "test/1");
    options.tls = trusting(Vec::new(), Verification::SkipForLoopback);
    let remote = Remote::new(options).unwrap();
    let (_stream, result) = tokio::join!(serve, remote.ping());
    let result = result.map(|ping| ping.map_or(0, |ping| ping.status));
    assert_untrusted(&result, "plain HTTP");
}
