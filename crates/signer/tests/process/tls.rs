//! Who may connect: acceptance case 39 of signer-and-keys.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use signet_testkit::certificate::{Authority, Identity};
use signet_testkit::file;
use signet_testkit::peer::{Make, Signer, SignerOptions};
use signet_testkit::process::{COMMAND_LIMIT, run};
use signet_testkit::program::OPENSSL;
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::support::{Caller, channel_as};

/// Files of certificates and keys.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        file::write(&path, text).unwrap();
        path
    }

    fn identity(&self, name: &str, identity: &Identity) -> (PathBuf, PathBuf) {
        (
            self.write(&format!("{name}.crt"), &identity.certificate_pem),
            self.write(&format!("{name}.key"), &identity.key_pem),
        )
    }
}

async fn is_served(signer: &Signer, identity: Option<(PathBuf, PathBuf)>) -> bool {
    let caller = Caller::by(channel_as(signer, identity));
    caller
        .create("ecdsa", "docker.io/a/b", "timestamp")
        .await
        .is_ok()
}

#[tokio::test]
async fn case_39_only_certificates_for_clients_that_are_listed_or_issued_by_listed_ones_are_served()
{
    for make in [Make::Ours, Make::Go] {
        let files = Files::new();
        let issuer = Authority::new("clients").unwrap();
        let stranger = Authority::new("strangers").unwrap();
        let listed = stranger.issue().unwrap();
        let only_servers = issuer.issue_for_servers().unwrap();
        let listed_for_servers = stranger.issue_for_servers().unwrap();
        let long_ago = OffsetDateTime::UNIX_EPOCH;
        let expired = issuer.issue_for(&["localhost"], long_ago, 1, 2).unwrap();
        let known = [
            issuer.pem(),
            listed.certificate_pem.clone(),
            listed_for_servers.certificate_pem.clone(),
        ];
        let known = files.write("clients.pem", &known.concat());
        let options = SignerOptions::default().server("client_ca_file", json!(known));
        let signer = Signer::start_with(make, &options).unwrap();
        assert!(!is_served(&signer, None).await, "{make:?}: without one");
        for (name, identity, served) in [
            ("issued", &issuer.issue().unwrap(), true),
            ("listed itself", &listed, true),
            ("beside a listed one", &stranger.issue().unwrap(), false),
            ("the service's own", &signer.issue().unwrap(), false),
            ("for servers", &only_servers, false),
            ("for servers and listed", &listed_for_servers, false),
            ("expired", &expired, false),
        ] {
            let identity = files.identity(name, identity);
            let outcome = is_served(&signer, Some(identity)).await;
            assert_eq!(outcome, served, "{make:?}: {name}");
        }
    }
}

#[tokio::test]
async fn a06_without_client_certificates_it_listens_to_this_machine_alone() {
    let anonymous = SignerOptions::default()
        .server("client_ca_file", Value::Null)
        .level("warning");
    let warned = "server.client_ca_file is not set: everybody who can connect to";
    let mut signer = Signer::ours_with(&anonymous).unwrap();
    assert!(is_served(&signer, None).await);
    assert!(signer.service().log().contains(warned));
    let everywhere = anonymous.everywhere();
    let refused = Signer::ours_with(&everywhere).unwrap_err().to_string();
    assert!(refused.contains(r#""level":"fatal""#), "{refused}");
    assert!(refused.contains(warned), "{refused}");
    let allowed = everywhere.clone().server("allow_anonymous", json!(true));
    let mut signer = Signer::ours_with(&allowed).unwrap();
    assert!(is_served(&signer, None).await);
    assert!(signer.service().log().contains(warned));
    // With certificates there is nothing to allow.
    let certified = everywhere.server("client_ca_file", json!("ca.crt"));
    let signer = Signer::ours_with(&certified).unwrap();
    assert!(!is_served(&signer, None).await);
    let file = |name: &str| signer.folder().join(name);
    assert!(is_served(&signer, Some((file("client.crt"), file("client.key")))).await);
}

#[test]
fn case_39_old_versions_and_plain_connections_are_refused() {
    let options = SignerOptions::default().server("client_ca_file", Value::Null);
    let signer = Signer::ours_with(&options).unwrap();
    for (options, served) in [
        ("-tls1_3", true),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", true),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384", true),
        ("-tls1_1 -cipher ALL@SECLEVEL=0", false),
        ("-tls1 -cipher ALL@SECLEVEL=0", false),
    ] {
        let mut command = Command::new(OPENSSL.find().unwrap());
        command
            .args(["s_client", "-alpn", "h2", "-servername", "localhost"])
            .args(["-verify_return_error", "-CAfile"])
            .arg(signer.folder().join("ca.crt"))
            .args(["-connect", &signer.address().to_string()])
            .args(options.split(' '));
        let finished = run(&mut command, "", COMMAND_LIMIT).unwrap();
        assert_eq!(finished.code == Some(0), served, "{finished}");
        assert_eq!(
            finished.stdout.contains("ALPN protocol: h2"),
            served,
            "{finished}"
        );
    }
    let mut plain = TcpStream::connect(signer.address()).unwrap();
    plain
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        .unwrap();
    let mut answer = Vec::new();
    // An alert or nothing, and then the end.
    let _ = plain.read_to_end(&mut answer);
    assert!(answer.first().is_none_or(|kind| *kind == 21), "{answer:?}");
    assert!(answer.len() < 32, "{answer:?}");
}
