use signet_archive::Moment;
use time::OffsetDateTime;
use time::macros::datetime;

use super::super::model::{Certificate, Tag};
use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn moment(days: i64) -> Moment {
    Moment::of(NOW + time::Duration::days(days) + time::Duration::hours(1))
}

fn role(name: &str, keys: &[&str], days: i64) -> Role {
    Role {
        name: name.to_owned(),
        version: Some(1),
        threshold: 1,
        keys: keys.iter().map(|&key| key.to_owned()).collect(),
        paths: vec![String::new()],
        expires: Some(moment(days)),
        days_left: Some(days),
        renewed_by: if matches!(name, "timestamp" | "snapshot") {
            Renewer::Server
        } else {
            Renewer::Person
        },
        usable: days >= 0,
        problem: None,
        tags: 0,
    }
}

fn key(id: &str, roles: &[&str], holder: Holder) -> Key {
    Key {
        id: id.to_owned(),
        kind: "ECDSA P-256".to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        holder,
        certificates: Vec::new(),
    }
}

fn tag(name: &str, digest: &str, roles: &[&str]) -> Tag {
    Tag {
        name: name.to_owned(),
        digest: digest.to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        released: roles
            .iter()
            .any(|role| matches!(*role, "targets" | "targets/releases")),
    }
}

/// A pinned repository about which there is nothing to say.
fn sound() -> Inventory {
    Inventory {
        gun: "r.example/a".to_owned(),
        source: "test".to_owned(),
        at: Moment::of(NOW),
        state: State::Trusted,
        reason: None,
        captured: None,
        trust: Some(RootTrust::Pinned),
        root_version: Some(1),
        valid_until: Some(moment(10)),
        roles: vec![
            role("root", &["r"], 3000),
            role("targets", &["t"], 900),
            role("snapshot", &["s"], 900),
            role("timestamp", &["i"], 10),
            role("targets/releases", &["a", "b"], 900),
            role("targets/ann", &["a"], 900),
            role("targets/bob", &["b"], 900),
        ],
        keys: vec![
            key(
                "a",
                &["targets/releases", "targets/ann"],
                Holder::HereEncrypted,
            ),
            key("b", &["targets/releases", "targets/bob"], Holder::Elsewhere),
            key("i", &["timestamp"], Holder::Server),
            key("r", &["root"], Holder::Elsewhere),
            key("s", &["snapshot"], Holder::Server),
            key("t", &["targets"], Holder::Elsewhere),
        ],
        tags: vec![tag("1", "d", &["targets/releases", "targets/ann"])],
        findings: Vec::new(),
    }
}

fn found(inventory: &Inventory, kind: SourceKind) -> Vec<(Severity, Code, String)> {
    found_with(inventory, kind, &[], &[])
}

fn found_with(
    inventory: &Inventory,
    kind: SourceKind,
    strengths: &[(&str, Strength)],
    removed: &[&str],
) -> Vec<(Severity, Code, String)> {
    let strengths = strengths
        .iter()
        .map(|(id, strength)| ((*id).to_owned(), *strength))
        .collect();
    let removed: Vec<String> = removed.iter().map(|&role| role.to_owned()).collect();
    let asked = Asked {
        inventory,
        kind,
        expired_role: None,
        strengths: &strengths,
        removed: &removed,
        from_cache: false,
    };
    find(&asked)
        .into_iter()
        .map(|finding| (finding.severity, finding.code, finding.subject))
        .collect()
}

/// What `change` makes of the sound repository has exactly this finding.
#[track_caller]
fn gives(severity: Severity, code: Code, subject: &str, change: impl FnOnce(&mut Inventory)) {
    let mut inventory = sound();
    change(&mut inventory);
    assert_eq!(
        found(&inventory, SourceKind::Server),
        [(severity, code, subject.to_owned())]
    );
}

#[test]
fn a_sound_repository_has_no_findings() {
    assert_eq!(found(&sound(), SourceKind::Server), []);
}

#[test]
fn ends_of_validity_are_told_in_time_and_to_those_who_can_renew() {
    for (days, severity) in [
        (182, Severity::Note),
        (30, Severity::Note),
        (29, Severity::Warning),
        (0, Severity::Warning),
    ] {
        gives(severity, Code::ExpiresSoon, "targets", |it| {
            it.roles[1] = role("targets", &["t"], days);
        });
    }
    gives(Severity::Error, Code::Expired, "root", |it| {
        it.roles[0] = role("root", &["r"], -1);
    });
    gives(Severity::Error, Code::Expired, "timestamp", |it| {
        it.roles[3] = role("timestamp", &["i"], -3);
    });
    let mut stored = sound();
    stored.roles[3] = role("timestamp", &["i"], -3);
    assert_eq!(
        found(&stored, SourceKind::Stored),
        [(Severity::Note, Code::Expired, "timestamp".to_owned())]
    );
    stored.roles[1] = role("targets", &["t"], -3);
    assert_eq!(found(&stored, SourceKind::Stored)[0].0, Severity::Error);
    for (days, severity, code) in [
        (100, Severity::Note, Code::CertificateExpiresSoon),
        (5, Severity::Warning, Code::CertificateExpiresSoon),
        (-5, Severity::Error, Code::CertificateExpired),
    ] {
        gives(severity, code, "r", |it| {
            it.keys[3].certificates.push(Certificate {
                common_name: "r.example/a".to_owned(),
                not_before: moment(-900),
                not_after: moment(days),
            });
        });
    }
}

#[test]
fn roles_need_their_keys_and_their_documents() {
    gives(Severity::Error, Code::TooFewKeys, "targets", |it| {
        it.roles[1].threshold = 2;
    });
    gives(Severity::Error, Code::TooFewKeys, "targets/ann", |it| {
        it.roles[5].keys.clear();
    });
    gives(
        Severity::Error,
        Code::UnusableDelegation,
        "targets/bob",
        |it| {
            it.roles[6].usable = false;
            it.roles[6].expires = None;
            it.roles[6].days_left = None;
            it.roles[6].problem = Some("not signed".to_owned());
        },
    );
}

#[test]
fn keys_are_judged_by_strength_place_and_use() {
    for (strength, severity, code) in [
        (Strength::Refused, Severity::Error, Code::WeakKey),
        (Strength::Sha1, Severity::Error, Code::Sha1Certificate),
        (Strength::Unknown, Severity::Warning, Code::UnknownKey),
        (Strength::Short, Severity::Note, Code::ShortRsaKey),
    ] {
        let given = found_with(&sound(), SourceKind::Server, &[("b", strength)], &[]);
        assert_eq!(given, [(severity, code, "b".to_owned())]);
    }
    gives(Severity::Error, Code::RootKeyOpen, "r", |it| {
        it.keys[3].holder = Holder::HereOpen;
    });
    gives(Severity::Note, Code::RootKeyHere, "r", |it| {
        it.keys[3].holder = Holder::HereEncrypted;
    });
    gives(Severity::Warning, Code::KeyOpen, "t", |it| {
        it.keys[5].holder = Holder::HereOpen;
    });
    gives(Severity::Warning, Code::RootKeyReused, "r", |it| {
        it.keys[3].roles.push("targets".to_owned());
    });
    gives(Severity::Warning, Code::SharedKey, "a", |it| {
        it.keys[0].roles.push("targets/bob".to_owned());
    });
}

#[test]
fn tags_are_compared_between_roles() {
    gives(Severity::Warning, Code::DigestsDiffer, "", |it| {
        it.tags.push(tag("1", "e", &["targets/bob"]));
    });
    gives(Severity::Note, Code::NotReleased, "", |it| {
        it.tags.push(tag("2", "e", &["targets/bob"]));
    });
    gives(
        Severity::Warning,
        Code::NoSigner,
        "targets/releases",
        |it| {
            it.tags.push(tag("2", "e", &["targets/releases"]));
        },
    );
    let given = found_with(&sound(), SourceKind::Server, &[], &["targets/eve"]);
    assert_eq!(
        given,
        [(
            Severity::Note,
            Code::RemovedSigner,
            "targets/eve".to_owned()
        )]
    );
    // A signer who cannot be read may have signed it.
    let mut unread = sound();
    unread.tags = vec![tag("2", "e", &["targets/releases"])];
    unread.roles[5] = role("targets/ann", &["a"], -1);
    let codes: Vec<Code> = found(&unread, SourceKind::Server)
        .iter()
        .map(|found| found.1)
        .collect();
    assert_eq!(codes, [Code::Expired]);
}

#[test]
fn trust_and_states_are_told() {
    gives(Severity::Note, Code::FirstUse, "root", |it| {
        it.trust = Some(RootTrust::FirstUse);
    });
    gives(Severity::Error, Code::FirstUseDenied, "root", |it| {
        it.trust = Some(RootTrust::FirstUseDenied);
    });
    for (state, severity, code) in [
        (State::Untrusted, Severity::Error, Code::Untrusted),
        (State::Incomplete, Severity::Error, Code::Incomplete),
        (State::Absent, Severity::Warning, Code::Absent),
        (State::Refused, Severity::Error, Code::Refused),
        (State::Unreachable, Severity::Error, Code::Unreachable),
    ] {
        gives(severity, code, "", |it| {
            it.state = state;
            it.trust = None;
            it.roles.clear();
            it.keys.clear();
            it.tags.clear();
        });
    }
}
