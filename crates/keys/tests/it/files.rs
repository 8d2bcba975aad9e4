//! The sample store and single files: acceptance cases 1 to 7, 13 and 14 of signer-and-keys.

use std::error::Error as _;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use proptest::prelude::*;
use signet_keys::keyfile::OpenError;
use signet_keys::store::Problem;
use signet_keys::transfer::{self, Defaults, ImportError, SkipReason};
use signet_keys::{
    Error, InvalidPrivateKey, KeyStore, MemoryKeyStore, PassphraseError, PrivateKey, Signer,
};
use signet_tuf::{Gun, KeyId, KeyKind, PublicKey, crypto};

use crate::support::{Given, Sample, copy, data, manifest, new_store, store_in};

fn check_signs(key: &dyn Signer) {
    let sig = key.sign(b"message").unwrap();
    let method = key.public().kind().signature_method().unwrap();
    assert!(crypto::verify(key.public(), method, &sig, b"message"));
}

fn id(sample: &Sample) -> KeyId {
    sample.key_id.parse().unwrap()
}

#[test]
fn case_01_every_key_of_a_go_store_opens() {
    let dir = tempfile::tempdir().unwrap();
    copy(&data("store"), &dir.path().join("private"));
    let store = store_in(dir.path(), Given::samples());
    let listed = store.list().unwrap();
    assert_eq!(listed.len(), 12);
    assert!(store.take_warnings().is_empty());
    for sample in manifest().store {
        let id = id(&sample);
        assert_eq!(sample.file, format!("store/{id}.key"));
        let public = BASE64.decode(sample.public_base64.as_bytes()).unwrap();
        let public = PublicKey::new(sample.keytype.as_str().into(), public);
        assert_eq!(*public.id(), id);

        let info = store.info(&id).unwrap().unwrap();
        assert_eq!(info.role, sample.role);
        assert_eq!(info.gun.as_ref().map_or("", Gun::as_str), sample.gun);
        assert_eq!(info.location, store.folder().display().to_string());
        assert!(listed.contains(&info));

        if sample.detail == "secp224r1" {
            let error = store.load_private(&id).unwrap_err();
            assert_eq!(
                error.source().unwrap().to_string(),
                "ECDSA private keys on curve P-224 are not supported, only P-256, P-384 and P-521"
            );
            continue;
        }
        let key = store.load_private(&id).unwrap();
        assert_eq!(*key.public(), public);
        let plaintext = HEXLOWER
            .decode(sample.pkcs8_plaintext_hex.as_bytes())
            .unwrap();
        assert!(
            plaintext.ends_with(key.private_bytes()),
            "{}",
            sample.detail
        );
        check_signs(&*key);
    }
}

#[test]
fn case_02_plain_files_have_their_ids() {
    for sample in manifest().plain {
        let (_dir, store) = new_store(Given::always("longpass1"));
        let text = std::fs::read(data(&sample.file)).unwrap();
        let result = transfer::load(&store, &text, Defaults::default());
        if sample.file.contains("p224") {
            let Err(ImportError::AllSkipped(skipped)) = result else {
                panic!("{result:?}")
            };
            assert!(matches!(
                &skipped[0].reason,
                SkipReason::Unusable(OpenError::Key(InvalidPrivateKey::Curve(curve))) if curve == "P-224"
            ));
            continue;
        }
        let imported = if sample.keytype == "ed25519" {
            // No signer of docker's can have such a key; other programs can.
            let Err(ImportError::AllSkipped(skipped)) = result else {
                panic!("{result:?}")
            };
            assert!(matches!(skipped[0].reason, SkipReason::Ed25519));
            assert!(store.list().unwrap().is_empty());
            transfer::import(&store, &text, Defaults::default()).unwrap()
        } else {
            result.unwrap()
        };
        assert_eq!(imported.keys[0].id, id(&sample), "{}", sample.file);
        // What was written opens again, and is the same key (case 5 among them: a scalar with a leading zero).
        let again = store_in(_dir.path(), Given::always("longpass1"));
        let key = again.load_private(&id(&sample)).unwrap();
        assert_eq!(key.public().kind().as_str(), sample.keytype);
        check_signs(&*key);
    }
}

#[test]
fn case_06_damaged_files_are_errors() {
    let name = "71734d77e3b7a58b417f1d8fed1b5de32fcc5f8da307e4146e68365fcb90bf2a";
    let text = std::fs::read_to_string(data(&format!("store/{name}.key"))).unwrap();
    let block = signet_keys::pem::parse(text.as_bytes()).remove(0);
    let der = block.contents.to_vec();
    // The outline is in section 5.3: the IV's header, the salt's, the iteration count.
    let find = |bytes: &[u8]| der.windows(bytes.len()).position(|w| w == bytes).unwrap();
    let iterations = find(&[2, 2, 8, 0]);
    let iv = find(&[0x01, 0x2a, 4, 16]) + 2;
    let salt = find(&[0x30, 14, 4, 8]) + 2;

    let mut cases: Vec<(&str, Vec<u8>, &str)> = Vec::new();
    let mut zero = der.clone();
    zero[iterations + 2..iterations + 4].copy_from_slice(&[0, 0]);
    cases.push((
        "zero iterations",
        zero,
        "the iteration count is zero or too large",
    ));
    let mut many = der.clone();
    // The salt gives four of its bytes to the number.
    many[salt + 1] = 4;
    many.splice(salt + 6..iterations + 4, [2, 6, 0, 0x98, 0x96, 0x81, 0, 0]);
    cases.push((
        "2.5 trillion iterations",
        many,
        "the iteration count is zero or too large",
    ));
    let mut negative = der.clone();
    negative[iterations + 2] = 0xff;
    cases.push((
        "negative iterations",
        negative,
        "the iteration count is zero or too large",
    ));
    let mut short_iv = der.clone();
    short_iv[iv + 1] = 8;
    cases.push(("8-byte IV", short_iv, "the IV has the wrong length"));
    let mut cut = der.clone();
    let len = cut.len();
    cut.truncate(len - 3);
    // Lengths of the outer sequence and of the ciphertext, two bytes each.
    cut[2] -= 3;
    let text_at = find(&[4, 0x81, 0xa0]);
    cut[text_at + 2] -= 3;
    cases.push(("truncated ciphertext", cut, "the ciphertext is truncated"));
    cases.push(("garbage", vec![0xff; 200], "not an encrypted PKCS#8 key"));
    cases.push(("nothing", Vec::new(), "not an encrypted PKCS#8 key"));

    for (what, contents, why) in cases {
        let (dir, store) = new_store(Given::always("root-passphrase-1"));
        let mut block = block.clone();
        block.contents = contents.into();
        std::fs::create_dir(dir.path().join("private")).unwrap();
        std::fs::copy(data(&format!("store/{name}.key")), dir.path().join("x")).unwrap();
        let path = dir.path().join(format!("private/{name}.key"));
        std::fs::rename(dir.path().join("x"), &path).unwrap();
        overwrite(&path, block.encode().as_bytes());
        match store.load_private(&name.parse().unwrap()) {
            Err(Error::Open {
                source: OpenError::Malformed(found),
                ..
            }) => assert_eq!(found, why, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    // An empty salt is nothing malformed; it derives another key.
    let mut unsalted = der;
    unsalted.drain(salt + 2..salt + 10);
    for (at, by) in [(salt + 1, 8), (salt - 1, 8), (2, 8)] {
        unsalted[at] -= by;
    }
    for at in [4, 17, 19] {
        unsalted[at] -= 8;
    }
    let (dir, store) = new_store(Given::always("root-passphrase-1"));
    let mut block = block;
    block.contents = unsalted.into();
    std::fs::create_dir(dir.path().join("private")).unwrap();
    let path = dir.path().join(format!("private/{name}.key"));
    std::fs::File::create(&path).unwrap();
    overwrite(&path, block.encode().as_bytes());
    let error = store.load_private(&name.parse().unwrap()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Passphrase { .. }
                | Error::Open {
                    source: OpenError::Malformed(_),
                    ..
                }
        ),
        "{error:?}"
    );
}

fn overwrite(path: &std::path::Path, bytes: &[u8]) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn case_07_files_are_written_as_go_writes_them() {
    let (dir, store) = new_store(Given::always("longpass1"));
    let gun: Gun = "docker.io/signet/sample".parse().unwrap();
    let key = PrivateKey::generate_ecdsa().unwrap();
    let id = key.public().id().clone();
    store.add(key, "targets", Some(&gun)).unwrap();
    let path = dir.path().join(format!("private/{id}.key"));
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            "gun: docker.io/signet/sample",
            "role: targets",
            ""
        ]
    );
    assert_eq!(lines[4].len(), 64);
    assert_eq!(
        *lines.last().unwrap(),
        "-----END ENCRYPTED PRIVATE KEY-----"
    );
    assert!(text.ends_with("-----\n"));
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let folder = std::fs::metadata(dir.path().join("private")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    // Nothing else is left in the folder.
    assert_eq!(
        std::fs::read_dir(dir.path().join("private"))
            .unwrap()
            .count(),
        1
    );

    // Other roles have no GUN, whatever the caller says.
    for role in ["root", "targets/releases", "alice"] {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let id = key.public().id().clone();
        store.add(key, role, Some(&gun)).unwrap();
        let text = std::fs::read_to_string(dir.path().join(format!("private/{id}.key"))).unwrap();
        assert!(text.starts_with(&format!(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: {role}\n\n"
        )));
        assert_eq!(store.info(&id).unwrap().unwrap().gun, None);
    }
}

#[test]
fn case_13_junk_is_reported_and_the_rest_listed() {
    let dir = tempfile::tempdir().unwrap();
    let private = dir.path().join("private");
    copy(&data("store"), &private);
    let key = "7c6b7d1f005badddc6512c45e0aeeec3c1d55c77efdd5d138e32f0629e5929c6";
    let linked = "0000000000000000000000000000000000000000000000000000000000000000";
    std::os::unix::fs::symlink(
        private.join(format!("{key}.key")),
        private.join(format!("{linked}.key")),
    )
    .unwrap();
    overwrite(&private.join("x.txt"), b"x");
    overwrite(&private.join("bad.key"), b"junk");
    overwrite(
        &private.join("params.key"),
        &std::fs::read(data("openssl/warn-p256-with-params-block.pem")).unwrap(),
    );
    overwrite(&private.join("huge.key"), &vec![b'x'; 1_100_000]);
    std::fs::copy(private.join(format!("{key}.key")), private.join("noid.key")).unwrap();
    let store = store_in(dir.path(), Given::samples());
    assert_eq!(store.list().unwrap().len(), 12);
    let warnings = store.take_warnings();
    let shown: Vec<String> = warnings
        .iter()
        .map(|w| format!("{} {}", w.path.file_name().unwrap().display(), w.problem))
        .collect();
    assert_eq!(
        shown,
        [
            "bad.key PEM block is empty",
            "huge.key the file is larger than 1048576 bytes",
            "noid.key the file is not named after a key ID",
            "params.key unknown key format \"EC PARAMETERS\"",
        ]
    );
    assert!(matches!(warnings[0].problem, Problem::NotPem));
    let linked: KeyId = linked.parse().unwrap();
    assert!(store.info(&linked).unwrap().is_none());
    assert!(matches!(store.load(&linked), Err(Error::NotFound(_))));
}

#[test]
fn case_14_a_key_under_another_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let private = dir.path().join("private");
    copy(&data("store"), &private);
    let alice = "7c6b7d1f005badddc6512c45e0aeeec3c1d55c77efdd5d138e32f0629e5929c6";
    let erin = "224d3dc8eb4b0d09a42ad815592875eac2dae186c7f720359248e1bfde627a1b";
    std::fs::copy(
        private.join(format!("{alice}.key")),
        private.join(format!("{erin}.key")),
    )
    .unwrap();
    let store = store_in(dir.path(), Given::samples());
    let error = store.load_private(&erin.parse().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the key file of {erin} holds key {alice}")
    );
}

#[test]
fn a_wrong_passphrase_is_an_error_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    copy(&data("store"), &dir.path().join("private"));
    let root = "71734d77e3b7a58b417f1d8fed1b5de32fcc5f8da307e4146e68365fcb90bf2a";
    let typed = Given::typed(&["a", "b", "c", "d", "root-passphrase-1"]);
    let store = store_in(dir.path(), typed.clone());
    assert!(matches!(
        store.load_private(&root.parse().unwrap()),
        Err(Error::Passphrase {
            source: PassphraseError::Incorrect { .. },
            ..
        })
    ));
    assert_eq!(typed.seen().len(), 7);
    // Asked again, it is a new round.
    store.load_private(&root.parse().unwrap()).unwrap();
    assert_eq!(typed.seen(), ["Existing root 71734d7"]);
}

#[test]
fn a_key_is_not_added_under_a_second_role() {
    let stores: [Box<dyn KeyStore>; 2] = [
        Box::new(new_store(Given::always("longpass1")).1),
        Box::new(MemoryKeyStore::new()),
    ];
    for store in stores {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let id = key.public().id().clone();
        let copy = || PrivateKey::from_private_bytes(&KeyKind::Ecdsa, key.private_bytes()).unwrap();
        store.add(copy(), "root", None).unwrap();
        store.add(copy(), "root", None).unwrap();
        let error = store.add(copy(), "alice", None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "key with same ID already exists for role: root"
        );
        assert_eq!(store.list().unwrap().len(), 1);
        assert_eq!(store.load(&id).unwrap().public().id(), &id);
        store.remove(&id).unwrap();
        assert!(matches!(store.remove(&id), Err(Error::NotFound(_))));
        assert!(matches!(store.load(&id), Err(Error::NotFound(_))));
        assert!(store.info(&id).unwrap().is_none());
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_a_plain_error() {
    let dir = tempfile::tempdir().unwrap();
    overwrite(&dir.path().join("private"), b"a file");
    let store = store_in(dir.path(), Given::always("longpass1"));
    let key = PrivateKey::generate_ecdsa().unwrap();
    let id = key.public().id().clone();
    assert!(store.add(key, "alice", None).is_err());
    assert!(matches!(
        store.load(&id),
        Err(Error::Io { .. } | Error::NotFound(_))
    ));
    assert!(store.list().is_err());
}

#[test]
fn a05_names_stay_in_the_folder() {
    let (dir, store) = new_store(Given::always("longpass1"));
    overwrite(
        &dir.path().join("outside.key"),
        &std::fs::read(data("plain/p256-alice.pkcs8.pem")).unwrap(),
    );
    std::fs::create_dir(dir.path().join("private")).unwrap();
    // Metadata may hold any text as an ID.
    for text in [
        "../outside",
        "/etc/passwd",
        "",
        ".",
        "a\\u0000b",
        "..%2foutside",
    ] {
        let id: KeyId = serde_json::from_str(&format!("\"{text}\"")).unwrap();
        assert!(matches!(store.load(&id), Err(Error::NotFound(_))), "{text}");
        assert!(matches!(store.remove(&id), Err(Error::NotFound(_))));
        assert!(store.info(&id).unwrap().is_none());
    }
    assert!(dir.path().join("outside.key").exists());
    // Nor does a role bring in headers of its own.
    for role in ["alice\nrole: root", "a\rb", " alice", "a\0b"] {
        assert!(matches!(
            store.add(PrivateKey::generate_ecdsa().unwrap(), role, None),
            Err(Error::InvalidRole(_))
        ));
    }
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn a17_costs_that_a_file_may_ask_for_are_bounded() {
    let (_dir, store) = new_store(Given::always("x"));
    // scrypt with N = 2^30, and PBKDF2 with 2^31 - 1 iterations.
    let oid = |bytes: &[u8]| [&[6, bytes.len() as u8][..], bytes].concat();
    let seq = |parts: &[&[u8]]| {
        let content = parts.concat();
        [&[0x30, content.len() as u8][..], &content].concat()
    };
    let pbes2 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0d];
    let aes = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a];
    let scheme = |kdf: &[u8]| {
        let encryption = seq(&[&oid(&aes), &[4, 16], &[0; 16]]);
        let parameters = seq(&[kdf, &encryption]);
        seq(&[&seq(&[&oid(&pbes2), &parameters]), &[4, 16], &[0; 16]])
    };
    let scrypt = [0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 0x0b];
    let pbkdf2 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0c];
    let salt = [4, 4, 1, 2, 3, 4];
    for kdf in [
        seq(&[
            &oid(&scrypt),
            &seq(&[&salt, &[2, 4, 0x40, 0, 0, 0], &[2, 1, 8], &[2, 1, 1]]),
        ]),
        seq(&[
            &oid(&pbkdf2),
            &seq(&[&salt, &[2, 4, 0x7f, 0xff, 0xff, 0xff]]),
        ]),
    ] {
        let block = signet_keys::pem::Block {
            label: "ENCRYPTED PRIVATE KEY".into(),
            headers: Default::default(),
            contents: scheme(&kdf).into(),
        };
        let text = block.encode();
        let Err(ImportError::AllSkipped(skipped)) =
            transfer::load(&store, text.as_bytes(), Defaults::default())
        else {
            panic!("taken")
        };
        let reason = skipped[0].reason.to_string();
        assert!(reason.contains("too large"), "{reason}");
    }
}

#[test]
fn memory_and_file_stores_are_shared_between_threads() {
    fn check<T: Send + Sync>(_: T) {}
    let store: Arc<dyn KeyStore> = Arc::new(MemoryKeyStore::new());
    check(store);
    check(new_store(Given::always("x")).1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a09_damaged_key_files_never_panic(
        which in 0_usize..40, at in any::<prop::sample::Index>(), bit in 0_u8..8, cut in any::<bool>()
    ) {
        let manifest = manifest();
        let samples: Vec<Sample> = manifest
            .store
            .into_iter()
            .chain(manifest.plain)
            // Their cost is theirs by right.
            .chain(manifest.openssl.into_iter().filter(|s| !s.file.contains("scrypt") && !s.file.contains("600000")))
            .collect();
        let text = std::fs::read(data(&samples[which % samples.len()].file)).unwrap();
        let (_dir, store) = new_store(Given::always("wrong"));
        let mut blocks = signet_keys::pem::parse(&text);
        for block in &mut blocks {
            let at = at.index(block.contents.len());
            if cut {
                block.contents.truncate(at);
            } else {
                block.contents[at] ^= 1 << bit;
            }
            let _ = transfer::import(&store, block.encode().as_bytes(), Defaults::default());
        }
    }

    #[test]
    fn a09_any_text_is_a_key_file_or_not(text in "(?s)(-----(BEGIN|END) (EC )?PRIVATE KEY-----|[a-zA-Z:]{0,20}|\n|AAAA|.){0,40}") {
        for block in signet_keys::pem::parse(text.as_bytes()) {
            prop_assert_eq!(signet_keys::pem::parse(block.encode().as_bytes()).len(), 1);
        }
    }
}
