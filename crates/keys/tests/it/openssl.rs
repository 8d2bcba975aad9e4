//! OpenSSL as a second opinion on what is written: keys, signatures, certificates.

use std::path::Path;
use std::process::{Command, Output};

use data_encoding::BASE64;
use signet_keys::transfer::{self, Defaults};
use signet_keys::{KeyStore, PrivateKey, Signer, root_certificate};
use signet_tuf::certificate::Certificate;
use signet_tuf::{Gun, KeyKind};
use time::OffsetDateTime;

use crate::support::{Given, data, new_store, run};

fn openssl(dir: &Path, arguments: &[&str]) -> Output {
    run(
        Command::new("openssl").args(arguments).current_dir(dir),
        "openssl",
    )
}

fn ok(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn write(path: &Path, bytes: &[u8]) {
    std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), bytes).unwrap();
}

/// One key of each kind that OpenSSL knows.
fn keys() -> Vec<PrivateKey> {
    let mut keys = vec![PrivateKey::generate_ecdsa().unwrap()];
    for (file, kind) in [
        ("plain/p256-smallscalar.sec1.pem", KeyKind::Ecdsa),
        ("plain/p384-bob.sec1.pem", KeyKind::Ecdsa),
        ("plain/p521-bob.sec1.pem", KeyKind::Ecdsa),
        ("plain/rsa2048-carol.pkcs1.pem", KeyKind::Rsa),
        ("plain/rsa4096-root.pkcs1.pem", KeyKind::Rsa),
    ] {
        let block = signet_keys::pem::parse(&std::fs::read(data(file)).unwrap()).remove(0);
        keys.push(PrivateKey::from_private_bytes(&kind, &block.contents).unwrap());
    }
    keys
}

#[test]
fn case_04_openssl_opens_what_is_written() {
    let (dir, store) = new_store(Given::always("pässphrase 1"));
    for key in keys() {
        let id = key.public().id().clone();
        let spki = key.public().public_bytes().to_vec();
        store.add(key, "alice", None).unwrap();
        let text = std::fs::read_to_string(dir.path().join(format!("private/{id}.key"))).unwrap();
        write(
            &dir.path().join("stripped"),
            text.replace("role: alice\n\n", "").as_bytes(),
        );
        let plain = ok(&openssl(
            dir.path(),
            &["pkcs8", "-in", "stripped", "-passin", "pass:pässphrase 1"],
        ));
        write(&dir.path().join("plain"), plain.as_bytes());
        let public = ok(&openssl(
            dir.path(),
            &[
                "pkey", "-in", "plain", "-check", "-pubout", "-outform", "PEM",
            ],
        ));
        let body: String = public
            .lines()
            .filter(|line| !line.starts_with("---") && !line.contains(' '))
            .collect();
        assert_eq!(body, BASE64.encode(&spki));
    }
}

#[test]
fn openssl_verifies_signatures() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("message"), b"signed by signet");
    for key in keys() {
        let sig = key.sign(b"signed by signet").unwrap();
        let (sig, extra): (_, &[&str]) = match key.curve() {
            Some(curve) => {
                assert_eq!(sig.len(), 2 * curve.scalar_len());
                let (r, s) = sig.split_at(curve.scalar_len());
                (der_signature(r, s), &[])
            }
            None => (
                sig,
                &[
                    "-sigopt",
                    "rsa_padding_mode:pss",
                    "-sigopt",
                    "rsa_pss_saltlen:32",
                ],
            ),
        };
        write(&dir.path().join("sig"), &sig);
        write(&dir.path().join("public"), key.public().public_bytes());
        // Always SHA-256, whatever the curve.
        let mut arguments = vec![
            "dgst",
            "-sha256",
            "-keyform",
            "DER",
            "-verify",
            "public",
            "-signature",
            "sig",
        ];
        arguments.extend(extra);
        arguments.push("message");
        assert_eq!(ok(&openssl(dir.path(), &arguments)), "Verified OK\n");
    }
}

fn der_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| {
        let mut digits: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
        if digits[0] & 0x80 != 0 {
            digits.insert(0, 0);
        }
        [&[2, digits.len() as u8][..], &digits].concat()
    };
    let content = [number(r), number(s)].concat();
    let header = if content.len() < 128 {
        vec![0x30, content.len() as u8]
    } else {
        vec![0x30, 0x81, content.len() as u8]
    };
    [header, content].concat()
}

#[test]
fn root_certificates_are_what_go_makes() {
    let dir = tempfile::tempdir().unwrap();
    let now = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
    let long: Gun = format!("registry.example.com/{}", "long-name/".repeat(9) + "end")
        .parse()
        .unwrap();
    assert!(long.as_str().len() > 64);
    for (key, algorithm) in keys().into_iter().zip([
        "ecdsa-with-SHA256",
        "ecdsa-with-SHA256",
        "ecdsa-with-SHA384",
        "ecdsa-with-SHA512",
        "sha256WithRSAEncryption",
        "sha256WithRSAEncryption",
    ]) {
        for gun in [
            "docker.io/library/alpine".parse::<Gun>().unwrap(),
            "docker.io/my_team/app".parse().unwrap(),
            long.clone(),
        ] {
            let public = root_certificate(&key, &gun, now).unwrap();
            let expected = if key.public().kind() == &KeyKind::Rsa {
                KeyKind::RsaX509
            } else {
                KeyKind::EcdsaX509
            };
            assert_eq!(public.kind(), &expected);
            assert_eq!(public.canonical_id(), key.public().id());
            assert_ne!(public.id(), key.public().id());

            write(&dir.path().join("cert"), public.public_bytes());
            // Self-signed: it is its own anchor.
            let verified = ok(&openssl(
                dir.path(),
                &[
                    "verify",
                    "-check_ss_sig",
                    "-attime",
                    "1790000001",
                    "-CAfile",
                    "cert",
                    "-partial_chain",
                    "cert",
                ],
            ));
            assert_eq!(verified, "cert: OK\n");
            let shown = ok(&openssl(
                dir.path(),
                &[
                    "x509",
                    "-in",
                    "cert",
                    "-noout",
                    "-text",
                    "-nameopt",
                    "show_type,sep_comma_plus",
                ],
            ));
            let kind = if gun.as_str().contains('_') {
                "UTF8STRING"
            } else {
                "PRINTABLESTRING"
            };
            for expected in [
                "Version: 3 (0x2)",
                &format!("Subject: CN={kind}:{gun}"),
                &format!("Issuer: CN={kind}:{gun}"),
                &format!("Signature Algorithm: {algorithm}"),
                "X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment\n",
                "X509v3 Extended Key Usage: \n                Code Signing\n",
                "X509v3 Basic Constraints: critical\n                CA:FALSE\n",
                "Not Before: Sep 21 14:13:20 2026 GMT",
                "Not After : Sep 18 14:13:20 2036 GMT",
            ] {
                assert!(shown.contains(expected), "{expected} in {shown}");
            }
            assert_eq!(shown.matches("            X509v3 ").count(), 3, "{shown}");
            let text = std::str::from_utf8(public.public_bytes()).unwrap();
            let block = signet_keys::pem::parse(text.as_bytes()).remove(0);
            let certificate = Certificate::from_der(&block.contents).unwrap();
            assert!(certificate.names(&gun) && !certificate.is_ca());
            certificate.validate(Some(now)).unwrap();
        }
    }
    let serial = |public: &signet_tuf::PublicKey| {
        write(&dir.path().join("cert"), public.public_bytes());
        ok(&openssl(
            dir.path(),
            &["x509", "-in", "cert", "-noout", "-serial"],
        ))
    };
    let key = PrivateKey::generate_ecdsa().unwrap();
    let gun = "docker.io/a/b".parse().unwrap();
    let one = serial(&root_certificate(&key, &gun, now).unwrap());
    assert_ne!(one, serial(&root_certificate(&key, &gun, now).unwrap()));
    assert!(root_certificate(&PrivateKey::generate_ed25519().unwrap(), &gun, now).is_err());
}

#[test]
fn what_openssl_writes_today_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let plain = data("plain/p256-alice.pkcs8.pem");
    let plain = plain.to_str().unwrap();
    let pkcs8 = |extra: &[&str]| {
        let mut arguments = vec![
            "pkcs8",
            "-topk8",
            "-in",
            plain,
            "-passout",
            "pass:longpass1",
        ];
        arguments.extend(extra);
        ok(&openssl(dir.path(), &arguments))
    };
    for text in [
        pkcs8(&[]),
        pkcs8(&["-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA384"]),
        pkcs8(&["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"]),
        pkcs8(&["-v2", "des3", "-v2prf", "hmacWithSHA1"]),
        pkcs8(&["-scrypt"]),
        ok(&openssl(
            dir.path(),
            &["ec", "-in", plain, "-aes192", "-passout", "pass:longpass1"],
        )),
    ] {
        let (_dir, store) = new_store(Given::always("longpass1"));
        let imported = transfer::load(&store, text.as_bytes(), Defaults::default()).unwrap();
        assert!(
            imported.keys[0].id.as_str().starts_with("7c6b7d1f005b"),
            "{text}"
        );
    }
}
