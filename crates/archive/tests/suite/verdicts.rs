//! Verdicts on a repository that Go notary published, in its age and with parts of it broken or missing.

use std::collections::BTreeMap;
use std::fs;

use bytes::Bytes;
use signet_archive::{ArchivedRepository, Outcome, Request, Section, State, judge};
use signet_tuf::{RoleName, TrustPinning};
use time::{Duration, OffsetDateTime};

use crate::support::{NOW, data, demo, digests, empty, moment, put, rsa, without};

fn verdict(repository: &ArchivedRepository, at: OffsetDateTime) -> signet_archive::Verdict {
    judge(repository, at, &TrustPinning::default()).verdict
}

/// The end of validity that the vectors note for a document.
fn recorded_end(document: &str) -> String {
    let text = fs::read(data("demo/expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let end = &expected["files"][document]["expires"];
    let end = end.as_str().unwrap();
    format!("{}Z", end.split_once('.').unwrap().0)
}

#[test]
fn versions_are_those_that_documents_carry() {
    for (honest, wrong) in [(demo(), 7), (rsa(), -1)] {
        let mut told = honest.clone();
        for document in &mut told.record.documents {
            document.version += wrong;
        }
        let section = Section::of(&told).unwrap();
        let versions = |record: &signet_archive::Record| {
            let documents = record.documents.iter();
            let versions = documents.map(|d| (d.role.clone(), d.sha256, d.version));
            versions.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(versions(section.record()), versions(&honest.record));
        let verdict = &section.record().verdict;
        assert_eq!(verdict.state, State::Trusted, "{verdict:?}");
        assert!(verdict.history.as_ref().unwrap().unproven.is_empty());
    }
}

#[test]
fn a_whole_history_holds() {
    for (repository, roots, earlier) in [(demo(), 6, 11), (rsa(), 2, 4)] {
        let verdict = verdict(&repository, moment(NOW).time());
        assert_eq!(verdict.state, State::Trusted, "{verdict:?}");
        let chain = verdict.roots.unwrap();
        assert_eq!((chain.first, chain.last, chain.gap), (1, roots, None));
        let history = verdict.history.unwrap();
        assert_eq!((history.states, history.proven), (earlier, earlier));
        assert!(history.unproven.is_empty());
    }
    // The timestamp ends first; it is what the vectors say, in whole seconds.
    let until = verdict(&demo(), moment(NOW).time()).valid_until.unwrap();
    assert_eq!(
        until.to_string(),
        recorded_end("metadata/timestamp/12.json")
    );
}

#[test]
fn what_is_only_too_old_is_expired_and_nothing_worse() {
    let repository = demo();
    let until = verdict(&repository, moment(NOW).time())
        .valid_until
        .unwrap();
    // The documents carry fractions of the last second.
    let later = until.time() + Duration::seconds(1);
    let now = verdict(&repository, until.time());
    assert_eq!(now.state, State::Trusted);
    let then = verdict(&repository, later);
    assert_eq!(then.state, State::Expired);
    assert_eq!(then.role, Some(RoleName::timestamp()));
    assert_eq!(
        (then.valid_until, then.tags, &then.roots, &then.history),
        (now.valid_until, now.tags, &now.roots, &now.history)
    );

    // Later the delegations are over, too, and do not count any more.
    let over = verdict(&repository, later + Duration::days(1200));
    assert_eq!(over.state, State::Expired);
    let roles: Vec<String> = over
        .unusable
        .iter()
        .map(|role| role.role.to_string())
        .collect();
    assert_eq!(roles, ["targets/alice", "targets/releases"]);
    assert!(over.tags > 0 && over.tags < now.tags, "{over:?}");
    assert_eq!(over.history, now.history);

    // Years later the root's certificate is over as well.
    let much_later = later + Duration::days(20 * 365);
    let then = verdict(&repository, much_later);
    assert_eq!(then.state, State::Expired);
    assert_eq!(then.role, Some(RoleName::root()));
    assert_eq!(then.valid_until, now.valid_until);

    // Before any certificate it is not expired, it is wrong.
    let before = verdict(&repository, later - Duration::days(3650));
    assert_eq!(before.state, State::Untrusted);
}

#[test]
fn age_hides_no_violation() {
    let later = moment(NOW).time() + Duration::days(400);
    let broken = |role: &str, from: &str, to: &str| {
        let mut repository = demo();
        let name: RoleName = role.parse().unwrap();
        let digest = repository.record.current[&name];
        let text = String::from_utf8(repository.objects[&digest].to_vec()).unwrap();
        assert!(text.contains(from), "{role}");
        let changed = Bytes::from(text.replacen(from, to, 1));
        // The source gives it under the name that was asked for.
        repository.record.requests.push(Request {
            path: format!("{role}.{digest}"),
            at: moment(NOW),
            outcome: Outcome::Found {
                sha256: signet_archive::Sha256::of(&changed),
            },
        });
        without(&mut repository, &digest);
        put(&mut repository, role, changed, true);
        verdict(&repository, later)
    };
    // A signature that does not hold, below and in what is expired.
    let same = broken("timestamp", "\"version\":12", "\"version\":13");
    assert_eq!(
        (same.state, same.role),
        (State::Untrusted, Some(RoleName::timestamp()))
    );
    for role in ["snapshot", "targets", "targets/alice"] {
        let verdict = broken(role, "\"version\":", "\"version\":1");
        assert_eq!(verdict.state, State::Untrusted, "{role}: {verdict:?}");
        assert_eq!(verdict.role, Some(role.parse().unwrap()));
    }
    // A document that is missing.
    for role in ["snapshot", "targets", "targets/releases"] {
        let mut repository = demo();
        let name: RoleName = role.parse().unwrap();
        let digest = repository.record.current[&name];
        without(&mut repository, &digest);
        let verdict = verdict(&repository, later);
        assert_eq!(verdict.state, State::Incomplete, "{role}: {verdict:?}");
        assert_eq!(verdict.role, Some(name));
    }
    // Pins count as long as the certificate that they pin was valid.
    let pins = |id: &str| TrustPinning {
        certs: BTreeMap::from([(
            "registry.example.com/signet/demo".to_owned(),
            vec![id.to_owned()],
        )]),
        ..TrustPinning::default()
    };
    for days in [0, 400, 20 * 365] {
        let at = moment(NOW).time() + Duration::days(days);
        let verdict = judge(&demo(), at, &pins(&"0".repeat(64))).verdict;
        assert_eq!(verdict.state, State::Untrusted, "{days}: {verdict:?}");
    }
    let root = fs::read(data("demo/metadata/root/6.json")).unwrap();
    let root: serde_json::Value = serde_json::from_slice(&root).unwrap();
    let id = root["signed"]["roles"]["root"]["keyids"][0]
        .as_str()
        .unwrap();
    for (days, state) in [
        (0, State::Trusted),
        (400, State::Expired),
        (20 * 365, State::Expired),
    ] {
        let at = moment(NOW).time() + Duration::days(days);
        assert_eq!(judge(&demo(), at, &pins(id)).verdict.state, state, "{days}");
    }
}

#[test]
fn the_chain_of_roots_is_followed_link_by_link() {
    let at = moment(NOW).time();
    // A missing link is a gap, and what came before it proves nothing of the past.
    let mut repository = demo();
    let third = digests(&repository, "root")[&3];
    without(&mut repository, &third);
    let found = verdict(&repository, at);
    assert_eq!(found.state, State::Trusted);
    let chain = found.roots.unwrap();
    assert_eq!((chain.first, chain.last), (4, 6));
    assert_eq!(chain.gap.as_deref(), Some("root version 3 is missing"));
    let history = found.history.unwrap();
    assert_eq!(history.states, 11);
    assert!(history.proven < 11, "{history:?}");
    assert_eq!(history.proven + history.unproven.len() as u64, 11);

    // A link that does not hold is a violation, although a client that begins today would not see it.
    let mut repository = demo();
    let digest = digests(&repository, "root")[&5];
    let text = String::from_utf8(repository.objects[&digest].to_vec()).unwrap();
    let (start, _) = text.rsplit_once("\"sig\":\"").unwrap();
    let at_sig = start.len() + 10;
    let mut changed = text.into_bytes();
    changed[at_sig] = if changed[at_sig] == b'A' { b'B' } else { b'A' };
    without(&mut repository, &digest);
    put(&mut repository, "root", changed.into(), false);
    let judgement = judge(&repository, at, &TrustPinning::default());
    assert_eq!(judgement.verdict.state, State::Untrusted);
    assert_eq!(judgement.verdict.role, Some(RoleName::root()));
    assert!(judgement.trusted.is_err());
    let later = verdict(&repository, at + Duration::days(400));
    assert_eq!(later.state, State::Untrusted);
}

#[test]
fn earlier_states_are_judged_by_their_own_documents() {
    let at = moment(NOW).time();
    let mut repository = demo();
    let snapshots = digests(&repository, "snapshot");
    let (first, second) = {
        let mut versions = snapshots.values();
        (*versions.next().unwrap(), *versions.next().unwrap())
    };
    without(&mut repository, &first);
    without(&mut repository, &second);
    let history = verdict(&repository, at).history.unwrap();
    assert_eq!((history.states, history.proven), (11, 9));
    assert!(
        history
            .unproven
            .values()
            .all(|reason| reason.ends_with("is missing"))
    );

    // An earlier timestamp with a signature that does not hold.
    let mut repository = demo();
    let digest = digests(&repository, "timestamp")[&4];
    let text = String::from_utf8(repository.objects[&digest].to_vec()).unwrap();
    let changed = text.replacen("\"expires\":\"2026", "\"expires\":\"2027", 1);
    assert_ne!(changed, text);
    put(&mut repository, "timestamp", changed.into(), false);
    // Beside the true one, which names the same snapshot, and in its place.
    let history = verdict(&repository, at).history.unwrap();
    assert_eq!((history.states, history.proven), (12, 11));
    without(&mut repository, &digest);
    let history = verdict(&repository, at).history.unwrap();
    assert_eq!((history.states, history.proven), (11, 10));
    let unproven: Vec<_> = history.unproven.keys().collect();
    assert_eq!(unproven, [&4]);
}

#[test]
fn a_view_of_the_past_is_what_clients_saw_then() {
    let repository = demo();
    for (version, digest) in digests(&repository, "timestamp") {
        let view = repository.as_of(&digest).unwrap();
        let judgement = judge(&view, moment(NOW).time(), &TrustPinning::default());
        let trusted = judgement.trusted.unwrap();
        assert_eq!(trusted.timestamp().version(), version);
        let targets = trusted.targets(&RoleName::targets()).unwrap().raw();
        let current = view.record.current[&RoleName::targets()];
        assert_eq!(signet_archive::Sha256::of(targets), current);
    }
    let snapshot = digests(&repository, "snapshot")[&13];
    assert!(repository.as_of(&snapshot).is_none());
}

#[test]
fn an_older_state_under_a_newer_root_is_no_state() {
    // Somebody who serves an old snapshot beside the current root mixes what never was together.
    let mut repository = demo();
    let oldest = digests(&repository, "timestamp")[&1];
    let view = repository.as_of(&oldest).unwrap();
    let root = RoleName::root();
    assert_ne!(view.record.current[&root], repository.record.current[&root]);
    for (role, digest) in view.record.current {
        if role != root {
            repository.record.current.insert(role, digest);
        }
    }
    for days in [0, 400] {
        let found = verdict(&repository, moment(NOW).time() + Duration::days(days));
        assert_eq!(found.state, State::Untrusted, "{days}: {found:?}");
    }
}

#[test]
fn silence_is_not_absence() {
    let asked = |outcomes: &[(&str, Outcome)]| {
        let mut repository = empty("a");
        for (path, outcome) in outcomes {
            repository.record.requests.push(Request {
                path: (*path).to_owned(),
                at: moment(NOW),
                outcome: outcome.clone(),
            });
        }
        verdict(&repository, moment(NOW).time())
    };
    let refused = Outcome::Refused { status: 503 };
    let silent = Outcome::Unreachable {
        reason: "connection refused".to_owned(),
    };
    let absent = || ("root", Outcome::Absent);
    for (outcomes, state) in [
        (
            vec![("timestamp", Outcome::Absent), absent()],
            State::Absent,
        ),
        (vec![("timestamp", silent.clone())], State::Unreachable),
        (vec![("timestamp", refused.clone())], State::Refused),
        (
            vec![("timestamp", refused.clone()), absent()],
            State::Refused,
        ),
        (
            vec![("timestamp", silent.clone()), absent()],
            State::Unreachable,
        ),
        (vec![("root", refused)], State::Refused),
        (vec![("root", silent)], State::Unreachable),
    ] {
        assert_eq!(asked(&outcomes).state, state, "{outcomes:?}");
    }
    // Without any request the record's own word stands.
    for state in [State::Absent, State::Refused, State::Unreachable] {
        let mut repository = empty("a");
        repository.record.verdict.state = state;
        assert_eq!(verdict(&repository, moment(NOW).time()).state, state);
    }
    // Documents without a root are no repository that is not there.
    let mut repository = demo();
    repository.record.current.remove(&RoleName::root());
    let verdict = verdict(&repository, moment(NOW).time());
    assert_eq!(verdict.state, State::Incomplete);
}

/// A document with a thousand signatures of its key that do not hold, and `padding` bytes more to hash for each.
fn heavy(bytes: &[u8], padding: usize) -> Vec<u8> {
    let mut document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let mut signature = document["signatures"][0].clone();
    signature["sig"] = data_encoding::BASE64.encode(&[7; 64]).into();
    document["signatures"] = vec![signature; 1000].into();
    document["signed"]["x-padding"] = "a".repeat(padding).into();
    serde_json::to_vec(&document).unwrap()
}

#[test]
fn the_work_of_checking_signatures_is_bounded() {
    let at = moment(NOW).time();
    let reason = "there are more signatures than are examined";

    let mut repository = demo();
    let snapshot = digests(&repository, "snapshot")[&4];
    let snapshot = heavy(&repository.objects[&snapshot], 20 << 20);
    let timestamp = digests(&repository, "timestamp")[&4];
    let bytes = &repository.objects[&timestamp];
    let mut timestamp: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let digest = signet_archive::Sha256::of(&snapshot);
    let meta = &mut timestamp["signed"]["meta"]["snapshot"];
    meta["hashes"]["sha256"] = data_encoding::BASE64.encode(&digest.0).into();
    meta["length"] = snapshot.len().into();
    put(&mut repository, "snapshot", snapshot.into(), false);
    let timestamp = serde_json::to_vec(&timestamp).unwrap();
    put(&mut repository, "timestamp", timestamp.into(), false);
    let history = verdict(&repository, at).history.unwrap();
    assert_eq!(history.unproven[&4], reason);

    // A root that clients find too large is not looked at.
    let mut repository = demo();
    let root = digests(&repository, "root")[&5];
    let bytes = repository.objects[&root].clone();
    without(&mut repository, &root);
    let large = heavy(&bytes, 9 << 20);
    put(&mut repository, "root", large.into(), false);
    let roots = verdict(&repository, at).roots.unwrap();
    assert_eq!(roots.gap.unwrap(), "root version 5 is missing");
}
