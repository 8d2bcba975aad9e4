//! Weaknesses that a review of this code found: each stays closed.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self as primitive, KeyPair as _};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;
use signet_tuf::rules::{self, CertificateTime, RuleError};
use signet_tuf::*;
use time::Duration;

use super::*;
use crate::forge::*;

/// A targets document signed once under each of `keys`' IDs.
fn signed_under(
    keys: &[PublicKey],
    methods: &[&str],
    sign: impl Fn(&[u8]) -> Vec<u8>,
) -> Received<Targets> {
    let signed = targets_document(&[("v1", 1)]);
    let message = canonical::canonicalize(signed.to_string().as_bytes()).unwrap();
    let signatures: Vec<Signature> = keys
        .iter()
        .zip(methods)
        .map(|(key, method)| Signature {
            key_id: key.id().clone(),
            method: (*method).to_owned(),
            sig: sign(&message),
        })
        .collect();
    Received::parse(
        &RoleName::targets(),
        envelope::encode(&message, &signatures),
    )
    .unwrap()
}

fn role_keys(keys: &[PublicKey], threshold: i64) -> RoleKeys {
    let keys = keys.iter().map(|key| (key.id().clone(), key.clone()));
    RoleKeys::new(RoleName::targets(), keys, threshold)
}

#[test]
fn a08_another_encoding_of_a_point_is_not_another_key() {
    let key = Key::generate();
    let spki = key.bare.public_bytes().to_vec();
    let point = spki[26..].to_vec();
    let with = |head: &str, tag: u8, rest: &[u8]| {
        let mut der = HEXLOWER.decode(head.as_bytes()).unwrap();
        der.push(tag + (point[64] & 1));
        der.extend_from_slice(rest);
        PublicKey::new(KeyKind::Ecdsa, der)
    };
    let compressed = with(
        "3039301306072a8648ce3d020106082a8648ce3d030107032200",
        2,
        &point[1..33],
    );
    let hybrid = with(
        "3059301306072a8648ce3d020106082a8648ce3d030107034200",
        6,
        &point[1..],
    );
    let plain = PublicKey::new(KeyKind::Ecdsa, spki);
    for other in [&compressed, &hybrid] {
        assert!(PublicKey::from_spki(other.public_bytes()).is_err());
        assert!(!crypto::verify(other, "ecdsa", &key.sign(b"m"), b"m"));
    }
    let keys = [plain, compressed, hybrid];
    let document = signed_under(&keys, &["ecdsa"; 3], |message| key.sign(message));
    assert!(document.check_signatures(&role_keys(&keys, 1)).is_ok());
    assert!(document.check_signatures(&role_keys(&keys, 2)).is_err());
}

#[test]
fn a08_an_rsa_key_in_pem_is_not_another_key() {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let der = der.as_ref().to_vec();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        BASE64.encode(&der)
    );
    let keys = [
        PublicKey::new(KeyKind::Rsa, der.clone()),
        PublicKey::new(KeyKind::Rsa, pem.clone().into_bytes()),
        PublicKey::new(KeyKind::Rsa, format!("x\n{pem}").into_bytes()),
    ];
    let sign = |message: &[u8]| {
        let mut sig = vec![0; 256];
        pair.sign(
            &primitive::RSA_PSS_SHA256,
            &SystemRandom::new(),
            message,
            &mut sig,
        )
        .unwrap();
        sig
    };
    let methods = ["rsapss", "pycrypto-pkcs#1 pss", "pycrypto-pkcs#1 pss"];
    let document = signed_under(&keys, &methods, sign);
    assert!(document.check_signatures(&role_keys(&keys, 1)).is_ok());
    assert!(document.check_signatures(&role_keys(&keys, 2)).is_err());

    // The same key without the NULL parameters that Go demands.
    let mut body = HEXLOWER.decode(b"300b06092a864886f70d010101").unwrap();
    body.extend_from_slice(&der[4 + 15..]);
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let mut bare = vec![0x30, 0x82, length[0], length[1]];
    bare.extend(body);
    assert!(PublicKey::from_spki(&bare).is_err());
    assert!(!crypto::verify(
        &PublicKey::new(KeyKind::Rsa, bare),
        "rsapss",
        &sign(b"m"),
        b"m"
    ));
}

#[test]
fn a16_a_pinned_leaf_issues_nothing() {
    let parameters = |name: &str| {
        let mut parameters = rcgen::CertificateParams::default();
        let mut subject = rcgen::DistinguishedName::new();
        subject.push(rcgen::DnType::CommonName, name);
        parameters.distinguished_name = subject;
        parameters.not_before = NOW - Duration::days(1);
        parameters.not_after = NOW + Duration::days(100);
        parameters.is_ca = rcgen::IsCa::ExplicitNoCa;
        parameters
    };
    let team = rcgen::KeyPair::generate().unwrap();
    let team_parameters = parameters("registry.example.com/team-a");
    let team_certificate = team_parameters.self_signed(&team).unwrap();
    let issuer = rcgen::Issuer::new(team_parameters, team);
    let evil = rcgen::KeyPair::generate().unwrap();
    let evil_certificate = parameters(GUN).signed_by(&evil, &issuer).unwrap();
    let key = certificate::Bundle::from_pem(evil_certificate.pem().as_bytes())
        .unwrap()
        .to_key()
        .unwrap();

    let mut forge = Forge::empty();
    forge.signers.insert("root".into(), vec![key.clone()]);
    let message = canonical::canonicalize(forge.root_document(1).to_string().as_bytes()).unwrap();
    let algorithm = &primitive::ECDSA_P256_SHA256_FIXED_SIGNING;
    let signer = primitive::EcdsaKeyPair::from_pkcs8(algorithm, &evil.serialize_der()).unwrap();
    let signature = Signature {
        key_id: key.id().clone(),
        method: "ecdsa".into(),
        sig: signer
            .sign(&SystemRandom::new(), &message)
            .unwrap()
            .as_ref()
            .to_vec(),
    };
    let root = Received::<Root>::parse(&RoleName::root(), envelope::encode(&message, &[signature]))
        .unwrap();
    let pinning = TrustPinning {
        ca: BTreeMap::from([(
            "registry.example.com/".into(),
            Some(team_certificate.pem().into_bytes()),
        )]),
        first_use: FirstUse::Deny,
        ..TrustPinning::default()
    };
    let refused = rules::verify_root(
        root,
        &GUN.parse().unwrap(),
        CertificateTime::At(NOW),
        None,
        Some(&pinning),
    );
    assert!(matches!(
        refused.unwrap_err().error,
        RuleError::Root(rules::RootError::NotPinned)
    ));
}

#[test]
fn a11_an_unsigned_delegation_is_named_before_an_older_entry_is_believed() {
    let mut forge = Forge::new();
    forge.change("targets", |signed| {
        signed["targets"] = targets_document(&[("v1", 99)])["targets"].clone();
    });
    forge.seal();
    let mut client = reader(&forge);
    // The attacker holds the keys of snapshot and timestamp, and no other.
    let stranger = forge.key();
    let mut document = targets_document(&[]);
    document["version"] = 2.into();
    let message = canonical::canonicalize(document.to_string().as_bytes()).unwrap();
    let junk = Signature {
        key_id: stranger.id().clone(),
        method: "ecdsa".into(),
        sig: vec![0; 64],
    };
    forge.files.insert(
        "targets/releases".into(),
        envelope::encode(&message, &[junk]),
    );
    forge.seal();

    let trusted = run(&forge, &mut client).result.unwrap();
    let order = [RoleName::releases(), RoleName::targets()];
    let (role, _) = trusted.first_unusable(&order).unwrap();
    assert_eq!(*role, RoleName::releases());
}

#[test]
fn a10_a_snapshot_that_drops_a_delegation_is_refused_again_and_again() {
    let mut forge = Forge::new();
    forge.seal();
    let mut client = reader(&forge);
    // As after an interrupted update: the parent's document is not cached.
    client.cached.targets.clear();
    forge.files.remove("targets/releases");
    forge.seal();
    for _ in 0..3 {
        let refused = run(&forge, &mut client).result.unwrap_err();
        assert!(matches!(refused, UpdateError::Dropped { .. }), "{refused}");
    }
}

#[test]
fn a02_a_write_without_memory_does_not_build_on_an_expired_timestamp() {
    let mut forge = Forge::new();
    forge.change("timestamp", |signed| {
        signed["expires"] = "2026-01-01T00:00:00Z".into();
    });
    let mut client = forge.client();
    client.mode = Mode::Write;
    let refused = run(&forge, &mut client).result.unwrap_err();
    assert!(
        matches!(refused, UpdateError::Rule(RuleError::Expired { .. })),
        "{refused}"
    );
}

#[test]
fn a17_repeated_key_ids_and_long_certificates_cost_little() {
    let forge = Forge::empty();
    let mut signed = forge.root_document(1);
    let id = signed["roles"]["root"]["keyids"][0].clone();
    signed["roles"]["root"]["keyids"] = Value::Array(vec![id; 20_000]);
    let document = forge.document(&signed, &forge.signers["root"]);
    let root = Received::<Root>::parse(&RoleName::root(), document).unwrap();
    let keys = rules::root_role_keys(
        root.unverified(),
        &GUN.parse().unwrap(),
        CertificateTime::At(NOW),
    );
    assert_eq!(keys.keys().len(), 1);

    let key = Key::generate();
    let one = String::from_utf8(key.root().public_bytes().to_vec()).unwrap();
    let endless = PublicKey::new(KeyKind::EcdsaX509, one.repeat(2_000).into_bytes());
    assert!(certificate::Bundle::from_pem(endless.public_bytes()).is_none());
    assert!(!crypto::verify(&endless, "ecdsa", &key.sign(b"m"), b"m"));
}

#[test]
fn a04_an_expiry_that_go_would_write_otherwise_is_told() {
    for (text, stable) in [
        ("2030-01-01T00:00:00.12Z", true),
        ("2029-11-22T00:47:52.986950286+05:30", true),
        ("2030-01-01T00:00:00.120Z", false),
        ("2030-01-01T00:00:00+00:00", false),
        ("2030-01-01T00:00:00-00:00", false),
    ] {
        let mut document = targets_document(&[]);
        document["expires"] = text.into();
        let message = canonical::canonicalize(document.to_string().as_bytes()).unwrap();
        let received =
            Received::<Targets>::parse(&RoleName::targets(), envelope::encode(&message, &[]))
                .unwrap();
        assert_eq!(
            received.unverified().expires.is_go_stable(),
            stable,
            "{text}"
        );
        assert_eq!(received.is_conforming(), stable, "{text}");
    }
    assert!(Expiry::parse("2030-01-01T00:00:00.1234567891Z").is_err());
}

#[test]
fn a18_an_update_for_one_target_answers_for_no_other() {
    let mut forge = Forge::new();
    forge.change("targets", |signed| {
        signed["targets"] = targets_document(&[("v1", 99), ("v2", 98)])["targets"].clone();
    });
    forge.seal();
    let mut client = reader(&forge);
    let run = client.update(Scope::For("v2".to_owned()), |fetch| forge.serve(fetch));
    let trusted = run.result.unwrap();
    let order = [RoleName::releases(), RoleName::targets()];
    assert!(trusted.lookup("v2", &order).is_some());
    assert!(trusted.lookup("v1", &order).is_none());
    assert!(trusted.list(&order).iter().all(|found| found.name == "v2"));
}
