//! Signatures of archivists: what they tie together, and what they do not prove.

use signet_archive::{Archive, ArchivedRepository, Archivist, Work, WorkError};

use crate::forge::{Forged, refusal, verdict_on};
use crate::keys::Signer;
use crate::support::{demo, empty, folder, moment, rsa, work};

/// The bytes of an archive that `signer` signed.
fn signed(repositories: &[ArchivedRepository], signer: &Signer) -> Vec<u8> {
    signed_at(repositories, signer, "2026-11-22T19:00:00Z")
}

fn signed_at(repositories: &[ArchivedRepository], signer: &Signer, created: &str) -> Vec<u8> {
    let folder = folder();
    let partial = folder.path().join("a.tar.gz.partial");
    let mut work = Work::open(&partial, "test/1", "a test", moment(created)).unwrap();
    for repository in repositories {
        work.finish(repository).unwrap();
    }
    let path = folder.path().join("a.tar.gz");
    work.pack(&path, Some(signer)).unwrap();
    std::fs::read(path).unwrap()
}

/// The text that a signature is over.
fn message(forged: &Forged) -> Vec<u8> {
    serde_json::to_vec(&forged.header).unwrap()
}

#[test]
fn every_kind_of_bare_key_signs() {
    for signer in [Signer::ecdsa(), Signer::ed25519(1), Signer::rsa()] {
        let bytes = signed(&[rsa()], &signer);
        let archive = verdict_on(&bytes).unwrap();
        assert_eq!(archive.signers(), [signer.key().clone()]);
    }
    // Without one, there is none.
    let bytes = Forged::of(&signed(&[empty("a")], &Signer::ecdsa()));
    let unsigned = Forged {
        signatures: "[]".to_owned(),
        ..bytes
    };
    assert!(verdict_on(&unsigned.build()).unwrap().signers().is_empty());
}

#[test]
fn keys_that_sign_no_archives_are_told_so_before_anything_is_replaced() {
    struct Liar(Signer);
    impl Archivist for Liar {
        fn key(&self) -> &signet_tuf::PublicKey {
            self.0.key()
        }
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, String> {
            self.0.sign(b"something else")
        }
    }
    let folder = folder();
    let path = folder.path().join("a.tar.gz");
    std::fs::write(&path, "old").unwrap();
    let certificate = Signer::ecdsa().labelled("ecdsa-x509");
    let liar = Liar(Signer::ed25519(1));
    let refused: [&dyn Archivist; 2] = [&certificate, &liar];
    for archivist in refused {
        let mut work = work(folder.path());
        work.finish(&empty("a")).unwrap();
        let error = work.pack(&path, Some(archivist)).unwrap_err();
        assert!(matches!(error, WorkError::Signature(_)), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        // What was finished is still there.
        assert_eq!(crate::support::work(folder.path()).len(), 1);
    }
}

#[test]
fn a1_a_method_that_is_not_the_keys_is_refused() {
    let original = Forged::of(&signed(&[empty("a")], &Signer::ed25519(1)));
    let methods = [
        "ecdsa",
        "eddsa",
        "rsapss",
        "rsapkcs1v15",
        "none",
        "HS256",
        "",
        "EDDSA",
        "pycrypto-pkcs#1 pss",
    ];
    let kinds = [
        "ecdsa",
        "ecdsa-x509",
        "ed25519",
        "rsa",
        "rsa-x509",
        "none",
        "",
    ];
    for (make, right) in [
        (Signer::ecdsa as fn() -> Signer, ("ecdsa", "ecdsa")),
        (|| Signer::ed25519(1), ("ed25519", "eddsa")),
        (Signer::rsa, ("rsa", "rsapss")),
    ] {
        for kind in kinds {
            for method in methods {
                let signer = make().labelled(kind);
                let id = signer.key().id().to_string();
                let mut forged = original.clone();
                let signature = signer.signature(&message(&forged), method, &id);
                forged.signatures = format!("[{signature}]");
                if (kind, method) == right {
                    verdict_on(&forged.build()).unwrap();
                } else {
                    let reason = refusal(&forged.build());
                    assert!(
                        reason.contains("does not hold"),
                        "{kind} {method}: {reason}"
                    );
                }
            }
        }
    }
}

#[test]
fn a8_a_key_counts_once_and_under_its_own_id() {
    let signer = Signer::ed25519(1);
    let original = Forged::of(&signed(&[empty("a")], &signer));
    let text = message(&original);
    let id = signer.key().id().to_string();
    let one = signer.signature(&text, "eddsa", &id);
    let with = |signatures: &str| {
        let mut forged = original.clone();
        forged.signatures = signatures.to_owned();
        forged.build()
    };
    assert!(refusal(&with(&format!("[{one},{one}]"))).contains("twice"));
    for other in [
        "0".repeat(64),
        id.to_uppercase(),
        id[..63].to_owned(),
        String::new(),
    ] {
        let wrong = signer.signature(&text, "eddsa", &other);
        assert!(refusal(&with(&format!("[{wrong}]"))).contains("does not hold"));
    }
    // One that does not hold beside one that does makes all of it worthless.
    let bad = Signer::ed25519(2);
    let bad = bad.signature(b"x", "eddsa", bad.key().id().as_str());
    assert!(refusal(&with(&format!("[{one},{bad}]"))).contains("does not hold"));
    // Two that hold are two.
    let other = Signer::ecdsa();
    let two = other.signature(&text, "ecdsa", other.key().id().as_str());
    let archive = verdict_on(&with(&format!("[{one},{two}]"))).unwrap();
    assert_eq!(
        archive.signers(),
        [signer.key().clone(), other.key().clone()]
    );
    let many: Vec<String> = (0..17)
        .map(|seed| {
            let signer = Signer::ed25519(seed);
            signer.signature(&text, "eddsa", signer.key().id().as_str())
        })
        .collect();
    verdict_on(&with(&format!("[{}]", many[..16].join(",")))).unwrap();
    assert!(refusal(&with(&format!("[{}]", many.join(",")))).contains("more than 16"));
    // Other spellings of a signature or a key.
    for changed in [
        one.replace("==\"}", "\"}"),
        one.replace("\"private\":null,", ""),
        one.replace("\"private\":null,", "\"private\":\"AAAA\","),
        one.replace("{\"key\":", "{\"jwk\":{},\"key\":"),
    ] {
        assert_ne!(changed, one);
        refusal(&with(&format!("[{changed}]")));
    }
}

#[test]
fn a22_a_key_in_the_archive_proves_nothing_about_whose_it_is() {
    // Whoever changes an archive can sign it again, with a key of their own. The archive then names that key, and no other.
    let owner = Signer::ed25519(1);
    let mut forged = Forged::of(&signed(&[empty("a"), rsa()], &owner));
    forged.entries.pop();
    forged.sections.pop();
    assert!(refusal(&forged.build()).contains("does not hold"));
    let thief = Signer::ed25519(2);
    let folder = folder();
    let path = folder.path().join("x");
    std::fs::write(&path, signed(&[empty("a")], &thief)).unwrap();
    let archive = Archive::open(&path).unwrap();
    assert_eq!(archive.signers(), [thief.key().clone()]);
    assert!(!archive.signers().contains(owner.key()));
}

#[test]
fn a19_every_part_belongs_to_its_archive() {
    // Two archives of the same names by the same archivist, at different times: no part of one fits the other.
    let signer = Signer::ed25519(1);
    let mut other = demo();
    crate::support::rewind(&mut other, 11);
    let repositories = [demo(), rsa()];
    let mut others = [other, rsa()];
    for repository in &mut others {
        repository.record.captured = moment("2026-11-22T19:50:00Z");
    }
    let one = signed(&repositories, &signer);
    let two = signed_at(&others, &signer, "2026-11-22T19:45:00Z");
    let (one_parts, two_parts) = (Forged::of(&one), Forged::of(&two));
    assert_eq!(one_parts.entries[0].gun, two_parts.entries[0].gun);
    verdict_on(&one).unwrap();
    verdict_on(&two).unwrap();

    // As they are: swapped without another change but the seal.
    let (a, b) = (one_parts.parts(), two_parts.parts());
    for at in 0..a.len() {
        let mut mixed = a.clone();
        mixed[at].clone_from(&b[at]);
        let content: usize = mixed
            .iter()
            .map(|part| crate::forge::members(part)[0].len())
            .sum();
        let zeros = (content + 1024).next_multiple_of(10240) - content;
        let head = mixed[0].len() as u64;
        let mut file = mixed.concat();
        file.extend_from_slice(&crate::forge::gzip(&vec![0; zeros], crate::forge::LEVEL));
        crate::forge::seal(&mut file, head);
        refusal(&file);
    }
    // The seal.
    let end = one.len() - crate::forge::SEAL;
    refusal(&[&one[..end], &two[two.len() - crate::forge::SEAL..]].concat());

    // With every digest computed anew: only the signature is in the way.
    type Swap = fn(&mut Forged, &Forged);
    let swaps: [Swap; 6] = [
        |mine, other| mine.signatures.clone_from(&other.signatures),
        |mine, other| mine.entries.clone_from(&other.entries),
        |mine, other| {
            mine.entries[0] = other.entries[0].clone();
            mine.sections[0].clone_from(&other.sections[0]);
        },
        |mine, other| {
            mine.entries[1] = other.entries[1].clone();
            mine.sections[1].clone_from(&other.sections[1]);
        },
        |mine, other| mine.sections[0][0] = other.sections[0][0].clone(),
        |mine, other| mine.header = other.header.clone(),
    ];
    for (number, swap) in swaps.iter().enumerate() {
        let mut mixed = one_parts.clone();
        swap(&mut mixed, &two_parts);
        refusal(&mixed.build());
        // Without a signature, parts of another true archive make a true archive; those that do not fit one another never do.
        mixed.signatures = "[]".to_owned();
        let fits = [0, 2, 3, 5].contains(&number);
        let unsigned = verdict_on(&mixed.build());
        assert_eq!(unsigned.is_ok(), fits, "{number}: {unsigned:?}");
    }
    // A document under the name of another of the same repository, and of another repository.
    for (to, from) in [((0, 1), (0, 2)), ((1, 1), (0, 1))] {
        let mut mixed = one_parts.clone();
        mixed.signatures = "[]".to_owned();
        let content = one_parts.sections[from.0][from.1].content.clone();
        mixed.sections[to.0][to.1].set(content);
        refusal(&mixed.build());
    }
}
