//! Key files from elsewhere: acceptance cases 3 and 23 of signer-and-keys, 51 to 56 of docker-trust.

use std::os::unix::fs::PermissionsExt;

use signet_keys::keyfile::OpenError;
use signet_keys::transfer::{self, Defaults, ImportError, Imported, SkipReason, SourceError};
use signet_keys::{InvalidPrivateKey, KeyStore, PassphraseError};

use crate::support::{Given, data, manifest, new_store, store_in};

const ALICE: &str = "7c6b7d1f005badddc6512c45e0aeeec3c1d55c77efdd5d138e32f0629e5929c6";

fn skipped(result: Result<Imported, ImportError>) -> SkipReason {
    match result {
        Err(ImportError::AllSkipped(mut skipped)) => skipped.remove(0).reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn case_03_openssl_files_load_or_say_why_not() {
    let root = "71734d77e3b7a58b417f1d8fed1b5de32fcc5f8da307e4146e68365fcb90bf2a";
    for sample in manifest().openssl {
        let given = Given::always("openssl-passphrase-1");
        let (_dir, store) = new_store(given);
        let text = std::fs::read(data(&sample.file)).unwrap();
        let result = transfer::load(&store, &text, Defaults::default());
        let name = sample
            .file
            .trim_start_matches("openssl/")
            .trim_end_matches(".pem");
        let refused = match name {
            // What Go refuses and is not known here either.
            "bad-pbes1-sha1-3des" => {
                OpenError::UnsupportedEncryption("1.2.840.113549.1.12.1.3".into())
            }
            "bad-sec1-dek-camellia256" => {
                OpenError::UnsupportedEncryption("CAMELLIA-256-CBC".into())
            }
            "bad-rsa-pss-oid" => {
                InvalidPrivateKey::Algorithm("1.2.840.113549.1.1.10".into()).into()
            }
            "bad-secp256k1.sec1" => InvalidPrivateKey::Curve("1.3.132.0.10".into()).into(),
            "weak-rsa1024.pkcs1" => InvalidPrivateKey::WeakRsa(1024).into(),
            "bad-ed25519-rfc8410" => {
                assert!(matches!(skipped(result), SkipReason::Ed25519));
                let imported = transfer::import(&store, &text, Defaults::default()).unwrap();
                // RFC 8032 gives no ID; the public half was computed with `openssl pkey -pubout`.
                assert_eq!(imported.keys[0].id.as_str(), RFC8410_ID);
                continue;
            }
            _ => {
                let imported = result.unwrap_or_else(|e| panic!("{name}: {e:?}"));
                let id = imported.keys[0].id.as_str();
                let expected = match (name, sample.key_id.as_str()) {
                    ("warn-p256-with-params-block", _) => PARAMETERS_ID,
                    (_, "") => root,
                    (_, expected) => expected,
                };
                assert_eq!(id, expected, "{name}");
                assert!(imported.skipped.is_empty(), "{name}");
                continue;
            }
        };
        match skipped(result) {
            SkipReason::Unusable(error) => assert_eq!(error, refused, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn case_23_an_encrypted_file_is_stored_under_a_new_passphrase() {
    for file in [
        "openssl/ok-aes256-sha1-2048.pem",
        "openssl/bad-aes256-sha256prf.pem",
        "openssl/ok-sec1-dek-aes256.pem",
    ] {
        let typed = Given::typed(&["openssl-passphrase-1", "longpass1", "longpass1"]);
        let (dir, store) = new_store(typed.clone());
        let text = std::fs::read(data(file)).unwrap();
        let defaults = Defaults {
            role: "signer",
            gun: None,
        };
        let imported = transfer::load(&store, &text, defaults).unwrap();
        let key = &imported.keys[0];
        assert_eq!((key.role.as_str(), key.as_is), ("signer", false));
        assert_eq!(
            typed.seen(),
            [
                "Existing encrypted -",
                "New signer 71734d7",
                "Repeat signer 71734d7"
            ]
        );
        let again = store_in(dir.path(), Given::always("longpass1"));
        again.load_private(&key.id).unwrap();
        assert_eq!(again.list().unwrap()[0].role, "signer");
    }
}

#[test]
fn a_wrong_passphrase_stores_nothing() {
    let typed = Given::typed(&["a", "b", "c", "d"]);
    let (_dir, store) = new_store(typed);
    let text = std::fs::read(data("openssl/ok-aes256-sha1-2048.pem")).unwrap();
    assert!(matches!(
        transfer::load(&store, &text, Defaults::default()),
        Err(ImportError::Passphrase {
            source: PassphraseError::Incorrect { .. },
            ..
        })
    ));
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn unsupported_encryption_is_said_before_any_prompt() {
    let typed = Given::typed(&["openssl-passphrase-1"]);
    let (_dir, store) = new_store(typed.clone());
    let text = std::fs::read(data("openssl/bad-sec1-dek-camellia256.pem")).unwrap();
    let reason = skipped(transfer::load(&store, &text, Defaults::default()));
    assert_eq!(
        reason.to_string(),
        "unsupported encryption CAMELLIA-256-CBC"
    );
    assert!(typed.seen().is_empty());
}

#[test]
fn headers_decide_role_and_gun() {
    let cases = [
        ("01-plain-noheaders.pem", "", None, Ok(("delegation", ""))),
        (
            "01-plain-noheaders.pem",
            "root",
            Some("docker.io/a/b"),
            Ok(("root", "")),
        ),
        (
            "01-plain-noheaders.pem",
            "targets",
            None,
            Err("a key for targets needs a GUN"),
        ),
        (
            "01-plain-noheaders.pem",
            "targets",
            Some("docker.io/a/b"),
            Ok(("targets", "docker.io/a/b")),
        ),
        (
            "01-plain-noheaders.pem",
            "targets/rel",
            Some("docker.io/a/b"),
            Ok(("targets/rel", "")),
        ),
        (
            "02-headers-gun-role.pem",
            "snapshot",
            Some("other/gun"),
            Ok(("targets", "docker.io/h/h")),
        ),
        ("03-root-with-gun.pem", "", None, Ok(("root", ""))),
        (
            "09-encrypted-path-norole.pem",
            "",
            None,
            Ok(("delegation", "")),
        ),
        (
            "06-traversal-path.pem",
            "",
            None,
            Err(
                "the path header names \"evil\", but the key is 7c6b7d1f005badddc6512c45e0aeeec3c1d55c77efdd5d138e32f0629e5929c6",
            ),
        ),
        (
            "10-dek-with-legacy-path.pem",
            "",
            None,
            Err("the path header \"tuf_keys/docker.io/q/r/legacyid\" does not end in a key ID"),
        ),
    ];
    for (file, role, gun, expected) in cases {
        let (dir, store) = new_store(Given::always("longpass1"));
        let text = std::fs::read(data(&format!("import/{file}"))).unwrap();
        let gun = gun.map(|gun| gun.parse().unwrap());
        let defaults = Defaults {
            role,
            gun: gun.as_ref(),
        };
        let result = transfer::import(&store, &text, defaults);
        match expected {
            Ok((role, gun)) => {
                let imported = result.unwrap();
                let key = &imported.keys[0];
                let found = key.gun.as_ref().map_or("", |gun| gun.as_str());
                assert_eq!((key.role.as_str(), found), (role, gun), "{file}");
                assert_eq!(key.id.as_str(), ALICE);
                let info = store.info(&key.id).unwrap().unwrap();
                assert_eq!((info.role, info.gun), (key.role.clone(), key.gun.clone()));
            }
            Err(text) => {
                assert_eq!(skipped(result).to_string(), text);
                assert!(!dir.path().join("private").exists());
            }
        }
    }
}

#[test]
fn an_exported_store_comes_back_byte_for_byte_without_any_passphrase() {
    // Case 16.
    let typed = Given::typed(&[]);
    let (dir, store) = new_store(typed.clone());
    let text = std::fs::read(data("export/all.pem")).unwrap();
    let imported = transfer::import(&store, &text, Defaults::default()).unwrap();
    assert_eq!(imported.keys.len(), 12);
    assert!(imported.keys.iter().all(|key| key.as_is));
    assert!(typed.seen().is_empty());
    for sample in manifest().store {
        let name = sample.file.trim_start_matches("store/");
        assert_eq!(
            std::fs::read(dir.path().join("private").join(name)).unwrap(),
            std::fs::read(data(&sample.file)).unwrap()
        );
    }
}

#[test]
fn what_cannot_be_seen_does_not_replace_a_key() {
    let (_dir, store) = new_store(Given::always("longpass1"));
    let plain = std::fs::read(data("import/01-plain-noheaders.pem")).unwrap();
    let encrypted = std::fs::read(data("import/09-encrypted-path-norole.pem")).unwrap();
    transfer::import(&store, &plain, Defaults::default()).unwrap();
    let reason = skipped(transfer::import(&store, &encrypted, Defaults::default()));
    assert!(matches!(reason, SkipReason::AlreadyStored(id) if id.as_str() == ALICE));
    store.remove(&ALICE.parse().unwrap()).unwrap();
    transfer::import(&store, &encrypted, Defaults::default()).unwrap();
    transfer::import(&store, &encrypted, Defaults::default()).unwrap();
}

#[test]
fn several_keys_in_one_file_take_one_prompt() {
    let typed = Given::typed(&["longpass1", "longpass1"]);
    let (_dir, store) = new_store(typed.clone());
    let text = [
        std::fs::read(data("plain/p256-alice.pkcs8.pem")).unwrap(),
        std::fs::read(data("plain/rsa2048-carol.pkcs1.pem")).unwrap(),
    ]
    .concat();
    let imported = transfer::load(&store, &text, Defaults::default()).unwrap();
    assert_eq!(imported.keys.len(), 2);
    assert_eq!(
        typed.seen(),
        ["New delegation 7c6b7d1", "Repeat delegation 7c6b7d1"]
    );
}

#[test]
fn loading_a_key_again_changes_its_name() {
    let (_dir, store) = new_store(Given::always("longpass1"));
    let text = std::fs::read(data("plain/p256-alice.sec1.pem")).unwrap();
    for role in ["alice", "bob"] {
        transfer::load(&store, &text, Defaults { role, gun: None }).unwrap();
        let listed = store.list().unwrap();
        assert_eq!((listed.len(), listed[0].role.as_str()), (1, role));
    }
}

#[test]
fn public_keys_are_no_private_keys() {
    let (_dir, store) = new_store(Given::always("longpass1"));
    for text in [
        "",
        "no pem here",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ] {
        assert!(matches!(
            transfer::load(&store, text.as_bytes(), Defaults::default()),
            Err(ImportError::NotPrivateKey)
        ));
    }
    let nothing = transfer::import(&store, b"no pem here", Defaults::default()).unwrap();
    assert!(nothing.keys.is_empty() && nothing.skipped.is_empty());
}

#[test]
fn a07_a_source_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    std::fs::copy(data("plain/p256-alice.sec1.pem"), &path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o610, 0o601, 0o644] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = transfer::read_source(&path).unwrap_err();
        assert!(matches!(error, SourceError::Exposed { mode: found, .. } if found == mode));
        assert_eq!(
            error.to_string(),
            format!(
                "private key file {} must not be readable or writable by others",
                path.display()
            )
        );
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(
        *transfer::read_source(&path).unwrap(),
        std::fs::read(&path).unwrap()
    );
    assert!(matches!(
        transfer::read_source(&dir.path().join("absent")),
        Err(SourceError::Stat { .. })
    ));
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(
        transfer::read_source(dir.path()),
        Err(SourceError::Read { .. })
    ));
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(2_000_000)
        .unwrap();
    assert!(matches!(
        transfer::read_source(&path),
        Err(SourceError::TooLarge { .. })
    ));
}

/// ID of the key in `warn-p256-with-params-block.pem`, from the public half that `openssl pkey -pubout` writes.
const PARAMETERS_ID: &str = "6c7040e85f6a5734f286770a2606fb5d1321efb1079b6b7d6a366f77b83afd3b";
/// ID of the key in `bad-ed25519-rfc8410.pem`.
const RFC8410_ID: &str = "ada0163b0e44dbb96c026a738746738a48f4a620c16963202a953081fb3dc711";
