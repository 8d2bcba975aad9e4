//! Keys of every kind: loaded by us, used by us, judged by Go.

use std::collections::BTreeSet;

use signet_testkit::file;
use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, Signer, Storage, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::judge::{Listed, inspect, key_ids, list_targets, stranger};

/// Makes an unencrypted private key and its public half with OpenSSL, as `NAME.key` (0600) and `NAME.pub`.
fn openssl_key(user: &User, name: &str, kind: &[&str]) {
    let (key, public) = (format!("{name}.key"), format!("{name}.pub"));
    user.openssl(&[&["genpkey", "-out", &key, "-algorithm"], kind].concat())
        .unwrap();
    user.openssl(&["pkey", "-in", &key, "-pubout", "-out", &public])
        .unwrap();
}

const KINDS: [(&str, &[&str]); 5] = [
    ("p256", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("p521", &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
    ("rsa2048", &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ("rsa3072", &["RSA", "-pkeyopt", "rsa_keygen_bits:3072"]),
];

#[test]
fn go_accepts_what_we_sign_with_a_key_of_each_kind() {
    let signer = Signer::go().unwrap();
    let server = TrustServer::go_with_signer(&signer).unwrap();
    let registry = Registry::start().unwrap();
    let gun = format!("{}/team/app", registry.host());
    let admin = stranger(&server);
    for (name, kind) in KINDS {
        let user = stranger(&server);
        openssl_key(&user, name, kind);
        user.expect(
            Tool::DockerTrust,
            &["key", "load", &format!("{name}.key"), "--name", name],
        )
        .unwrap();
        // OpenSSL's own hash of the public half, in Go's form, is the key ID.
        assert_eq!(key_ids(&user, name).len(), 1);
        let public = user.path(&format!("{name}.pub")).display().to_string();
        admin
            .expect(
                Tool::DockerTrust,
                &["signer", "add", "--key", &public, name, &gun],
            )
            .unwrap();
        let image = Image::single(name);
        image.push(&registry.client(), "team/app", name).unwrap();
        user.expect(
            Tool::DockerTrust,
            &["sign", "--remote", &format!("{gun}:{name}")],
        )
        .unwrap();
        let role = format!("targets/{name}");
        assert_eq!(
            list_targets(&stranger(&server), &gun, &[&role]),
            [Listed::new(name, &image, &role)]
        );
        // Go opens the key file that we wrote and signs with it.
        let keys = user.expect(Tool::Notary, &["key", "list"]).unwrap();
        assert!(keys.contains(name), "{keys}");
        user.expect(Tool::Docker, &["sign", &format!("{gun}:{name}")])
            .unwrap();
        user.expect(
            Tool::Notary,
            &[
                "addhash",
                &gun,
                &format!("{name}-go"),
                "3",
                "--sha256",
                &image.digest_hex(),
                "-r",
                &role,
                "-p",
            ],
        )
        .unwrap();
    }
    let inspected = inspect(&stranger(&server), Tool::Docker, &gun);
    for (name, _) in KINDS {
        assert_eq!(inspected.tags[name].1, BTreeSet::from([name.to_owned()]));
    }
    assert_eq!(
        inspected,
        inspect(&stranger(&server), Tool::DockerTrust, &gun)
    );
}

#[test]
fn we_sign_with_key_files_of_each_kind_that_go_wrote() {
    let server = TrustServer::ours(Storage::Sqlite).unwrap();
    let registry = Registry::start().unwrap();
    let gun = format!("{}/team/app", registry.host());
    let admin = stranger(&server);
    for (name, kind) in KINDS {
        let user = stranger(&server);
        openssl_key(&user, name, kind);
        user.expect(
            Tool::Docker,
            &["key", "load", &format!("{name}.key"), "--name", name],
        )
        .unwrap();
        let public = user.path(&format!("{name}.pub")).display().to_string();
        admin
            .expect(
                Tool::Docker,
                &["signer", "add", "--key", &public, name, &gun],
            )
            .unwrap();
        let image = Image::single(name);
        image.push(&registry.client(), "team/app", name).unwrap();
        user.expect(
            Tool::DockerTrust,
            &["sign", "--remote", &format!("{gun}:{name}")],
        )
        .unwrap();
        let role = format!("targets/{name}");
        assert_eq!(
            list_targets(&stranger(&server), &gun, &[&role]),
            [Listed::new(name, &image, &role)]
        );
    }
}

/// A repository that Go begins with an RSA root and certificate; its keys at the server are Ed25519.
#[test]
fn an_rsa_root_of_go_is_read_and_published_to_by_us() {
    for server in [
        TrustServer::go().unwrap(),
        TrustServer::ours(Storage::Sqlite).unwrap(),
    ] {
        let registry = Registry::start().unwrap();
        let gun = format!("{}/team/app", registry.host());
        let user = stranger(&server);
        // A certificate that may sign others is no leaf for Go, and OpenSSL makes such ones unless told otherwise.
        let config = format!(
            "[req]\ndistinguished_name=dn\nx509_extensions=leaf\nprompt=no\n[dn]\nCN={gun}\n[leaf]\nbasicConstraints=critical,CA:FALSE\n"
        );
        file::write(&user.path("root.cnf"), config).unwrap();
        user.openssl(&["genrsa", "-out", "root.key", "3072"])
            .unwrap();
        user.openssl(&[
            "req", "-new", "-x509", "-key", "root.key", "-sha256", "-days", "3650", "-config",
            "root.cnf", "-out", "root.crt",
        ])
        .unwrap();
        let passphrase = format!("pass:{}", User::ROOT_PASSPHRASE);
        user.openssl(&[
            "pkcs8",
            "-topk8",
            "-in",
            "root.key",
            "-v2",
            "aes-256-cbc",
            "-v2prf",
            "hmacWithSHA1",
            "-iter",
            "2048",
            "-passout",
            &passphrase,
            "-out",
            "root.enc.key",
        ])
        .unwrap();
        user.expect(
            Tool::Notary,
            &[
                "init",
                &gun,
                "--rootkey",
                "root.enc.key",
                "--rootcert",
                "root.crt",
                "-p",
            ],
        )
        .unwrap();
        user.expect(Tool::Notary, &["key", "rotate", &gun, "snapshot", "-r"])
            .unwrap();
        user.become_signer(Tool::DockerTrust, "jeff", &gun).unwrap();
        let image = Image::multi_platform("hello");
        image.push(&registry.client(), "team/app", "v1").unwrap();
        user.expect(
            Tool::DockerTrust,
            &["sign", "--remote", &format!("{gun}:v1")],
        )
        .unwrap();
        assert_eq!(
            inspect(&stranger(&server), Tool::Docker, &gun),
            inspect(&stranger(&server), Tool::DockerTrust, &gun)
        );
        assert_eq!(
            list_targets(&stranger(&server), &gun, &["targets/releases"]),
            [Listed::new("v1", &image, "targets/releases")]
        );
    }
}

#[test]
fn a_signer_added_by_certificate_has_the_same_key_for_all() {
    let server = TrustServer::go().unwrap();
    let registry = Registry::start().unwrap();
    let gun = format!("{}/team/app", registry.host());
    let user = stranger(&server);
    user.openssl(&["genrsa", "-out", "jeff.key", "2048"])
        .unwrap();
    user.openssl(&[
        "req", "-new", "-x509", "-key", "jeff.key", "-sha256", "-days", "365", "-subj", "/CN=jeff",
        "-out", "jeff.crt",
    ])
    .unwrap();
    user.expect(
        Tool::DockerTrust,
        &["key", "load", "jeff.key", "--name", "jeff"],
    )
    .unwrap();
    user.expect(
        Tool::DockerTrust,
        &["signer", "add", "--key", "jeff.crt", "jeff", &gun],
    )
    .unwrap();
    let image = Image::single("hello");
    image.push(&registry.client(), "team/app", "v1").unwrap();
    user.expect(
        Tool::DockerTrust,
        &["sign", "--remote", &format!("{gun}:v1")],
    )
    .unwrap();
    let inspected = inspect(&stranger(&server), Tool::Docker, &gun);
    assert_eq!(inspected.signers["jeff"], key_ids(&user, "jeff"));
    assert_eq!(inspected.tags["v1"].0, image.digest_hex());
    assert_eq!(
        inspected,
        inspect(&stranger(&server), Tool::DockerTrust, &gun)
    );
}
