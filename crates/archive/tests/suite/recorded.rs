//! Verdicts on the recorded client runs, against what the Go client made of the same documents.

use std::fs;

use signet_archive::{ArchivedRepository, Outcome, Request, State, judge};
use signet_testkit::recorded::{self, Case, File, GoRun, Pinning};
use signet_tuf::{
    Answer, Cached, Fetch, FirstUse, Floors, MetadataPath, Mode, RoleName, Scope, Step,
    TrustPinning, Update, update::Refusal,
};

use crate::support::{NOW, data, empty, moment, put};

fn answer(file: &File, max_bytes: u64) -> Answer {
    match file.status {
        _ if file.drop_connection => return Answer::Unreachable("EOF".to_owned()),
        Some(404) => return Answer::Absent,
        Some(status) => {
            let message = None;
            return Answer::Refused(Refusal { status, message });
        }
        None => {}
    }
    let mut bytes = file.bytes().unwrap().unwrap();
    if file.chunked {
        bytes.truncate(usize::try_from(max_bytes).unwrap());
    } else if file.content_length_header.unwrap_or(bytes.len() as u64) > max_bytes {
        return Answer::TooLarge;
    }
    Answer::Bytes(bytes.into())
}

fn serve(case: &Case, fetch: &Fetch) -> Answer {
    let Some(files) = case.files() else {
        return Answer::Unreachable("client is offline".to_owned());
    };
    let file = files.get(fetch.path.role().as_str());
    file.map_or(Answer::Absent, |file| answer(file, fetch.max_bytes))
}

/// What somebody who asks like a client, and then for the rest, takes home.
fn capture(case: &Case, gun: &str) -> ArchivedRepository {
    let mut repository = empty(gun);
    let mut update = Update::new(
        repository.record.gun.clone(),
        moment(NOW).time(),
        Mode::Read,
        Scope::All,
        TrustPinning::default(),
        Cached::default(),
        Floors::default(),
    );
    while let Ok(step) = update.step() {
        let fetch = match step {
            Step::Fetch(fetch) => fetch,
            Step::Done(_) => break,
            _ => continue,
        };
        let answer = serve(case, &fetch);
        note(&mut repository, &fetch.path, &answer);
        update.answer(answer);
    }
    // What a client does not ask for, because it has seen enough.
    if let Some(files) = case.files() {
        for (role, file) in files {
            let usable = file.status.is_none() && !file.drop_connection && !file.chunked;
            let usable = usable && file.content_length_header.is_none();
            let Some(bytes) = file.bytes().unwrap().filter(|_| usable) else {
                continue;
            };
            let parsed: Result<RoleName, _> = role.parse();
            if parsed.is_ok_and(|role| !repository.record.current.contains_key(&role)) {
                put(&mut repository, role, bytes.into(), true);
            }
        }
    }
    repository
}

fn note(repository: &mut ArchivedRepository, path: &MetadataPath, answer: &Answer) {
    let outcome = match answer {
        Answer::Bytes(bytes) => {
            let current = matches!(path, MetadataPath::Current(_));
            put(repository, path.role().as_str(), bytes.clone(), current);
            let sha256 = signet_archive::Sha256::of(bytes);
            Outcome::Found { sha256 }
        }
        Answer::Absent => Outcome::Absent,
        Answer::Refused(refusal) => Outcome::Refused {
            status: refusal.status,
        },
        Answer::TooLarge => Outcome::TooLarge,
        Answer::Unreachable(reason) => Outcome::Unreachable {
            reason: reason.clone(),
        },
    };
    repository.record.requests.push(Request {
        path: path.to_string(),
        at: moment(NOW),
        outcome,
    });
}

/// What Go's words amount to.
fn state_of(run: &GoRun) -> State {
    let skipped = run.stderr.contains("Error getting targets/");
    let classes = [
        (" expired at ", State::Expired),
        ("trust data unavailable", State::Incomplete),
        ("does not have trust data for", State::Absent),
        ("client is offline", State::Unreachable),
        ("unable to reach trust server", State::Refused),
        ("you are not authorized", State::Refused),
        ("trust server rejected operation", State::Refused),
    ];
    match run.stdout.split_once("* fatal: ") {
        Some((_, error)) => {
            let class = classes.iter().find(|(text, _)| error.contains(text));
            class.map_or(State::Untrusted, |(_, state)| *state)
        }
        // Go crashed: whatever it was, it was no trust.
        None if run.stdout.is_empty() => State::Untrusted,
        None if skipped => State::Degraded,
        None => State::Trusted,
    }
}

/// Where our verdict is another than Go's words, and why.
const OTHERS: &[(&str, State, &str)] = &[
    (
        "dg-404-root-name",
        State::Incomplete,
        "a missing delegation is not a missing repository",
    ),
    (
        "dg-x509-same-key-twice",
        State::Degraded,
        "one key counts once",
    ),
    (
        "rt-cert-expired",
        State::Expired,
        "its signatures hold, only the certificate's time is over",
    ),
    (
        "rt-keytype-raw-label",
        State::Untrusted,
        "a certificate under the label of a bare key is no root key",
    ),
    (
        "rt-same-key-two-certs",
        State::Untrusted,
        "one key counts once",
    ),
    (
        "sn-length-minus-one",
        State::Untrusted,
        "a negative length is no bound",
    ),
    (
        "tg-invalid-utf8",
        State::Untrusted,
        "documents have one reading",
    ),
    (
        "ts-base64-newline",
        State::Untrusted,
        "documents have one reading",
    ),
    (
        "ts-case-variant-member",
        State::Trusted,
        "names of members are exact",
    ),
    (
        "ts-dup-member",
        State::Untrusted,
        "documents have one reading",
    ),
    (
        "ts-key-public-newline",
        State::Untrusted,
        "documents have one reading",
    ),
    (
        "ts-keys-case-insensitive",
        State::Untrusted,
        "names of members are exact",
    ),
    (
        "pin-ca-eku-codesigning",
        State::Trusted,
        "code signing is what root keys are for",
    ),
    (
        "pin-ca-selfsigned-leaf",
        State::Trusted,
        "code signing is what root keys are for",
    ),
];

/// What is wrong at one moment only: certificates of the future, and a delegation that is listed twice and, once expired, skipped.
const BY_THE_MOMENT: &[&str] = &[
    "dg-duplicate-role-valid",
    "pin-ca-expired-leaf",
    "rt-cert-future-2d",
];

fn pinning(config: &Pinning) -> TrustPinning {
    let ca = config.ca.iter();
    TrustPinning {
        certs: config.certs.clone(),
        ca: ca
            .map(|(gun, path)| (gun.clone(), fs::read(data("attacks").join(path)).ok()))
            .collect(),
        first_use: if config.disable_tofu {
            FirstUse::Deny
        } else {
            FirstUse::Allow
        },
    }
}

#[test]
fn verdicts_are_what_the_go_client_says() {
    let file = recorded::read().unwrap();
    assert_eq!(file.now, NOW);
    let far = moment("2130-01-01T00:00:00Z").time();
    let mut others: Vec<_> = OTHERS.iter().collect();
    let (mut judged, mut problems) = (0, Vec::new());
    for case in &file.cases {
        let Some(run) = case
            .go
            .first()
            .filter(|run| run.cmd[0] == "list" && run.cmd.len() == 2)
        else {
            continue;
        };
        if !case.cache.is_empty() || (case.is_offline() && case.files().is_some()) {
            continue;
        }
        let repository = capture(case, &file.gun);
        let pinning = pinning(&case.config.trust_pinning);
        let judgement = judge(&repository, moment(NOW).time(), &pinning);
        let verdict = judgement.verdict;
        let other = others.iter().position(|(id, ..)| *id == case.id);
        let (wanted, is_other) = match other {
            Some(at) => (others.swap_remove(at).1, true),
            None => (state_of(run), false),
        };
        if verdict.state != wanted {
            problems.push(format!("{}: {wanted}, not {verdict:?}", case.id));
        } else if is_other {
            assert_ne!(state_of(run), wanted, "{}: Go says the same", case.id);
        } else if matches!(wanted, State::Trusted | State::Degraded) {
            let empty = run.stdout.contains("No targets present");
            let rows = run.stdout.lines().skip(2).filter(|line| !line.is_empty());
            let tags = if empty { 0 } else { rows.count() as u64 };
            if verdict.tags != tags {
                problems.push(format!("{}: {tags} tags, not {verdict:?}", case.id));
            }
        }
        let usable = matches!(verdict.state, State::Trusted | State::Degraded);
        assert_eq!(judgement.trusted.is_ok(), usable, "{}", case.id);
        // A century later everything is over, which makes nothing right that was wrong.
        let later = judge(&repository, far, &pinning).verdict;
        let still = match wanted {
            State::Trusted | State::Degraded => State::Expired,
            _ if BY_THE_MOMENT.contains(&case.id.as_str()) => State::Expired,
            other => other,
        };
        if later.state != still {
            problems.push(format!("{} later: {still}, not {later:?}", case.id));
        }
        judged += 1;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(others.is_empty(), "no such case: {others:?}");
    assert_eq!(judged, 259);
}

#[test]
fn a16_roots_are_linked_where_the_go_client_links_them() {
    // Versions 1 and 2 of the recorded rotations, and whether Go's client went from one to the other.
    for (id, one, two, follows) in [
        ("rr-one-hop", "fc5b2e5a21a0b224", "9b08a3ada0e07008", true),
        (
            "rr-one-hop-not-old",
            "fc5b2e5a21a0b224",
            "f57d86cb3840011f",
            false,
        ),
        ("rr-no-need", "fc5b2e5a21a0b224", "e7694b17403a4811", true),
        (
            "rr-old-cert-expired-new-ok",
            "1abc98b989450f32",
            "4ee6dc6b54a41745",
            true,
        ),
        (
            "rr-threshold-prev2",
            "dfc02f192d6032a0",
            "47d6a9bcfb980890",
            false,
        ),
    ] {
        let mut repository = empty("registry.example.com/signet/lab");
        for (blob, current) in [(one, false), (two, true)] {
            let bytes = fs::read(data("attacks/blobs").join(blob)).unwrap();
            put(&mut repository, "root", bytes.into(), current);
        }
        let at = moment(NOW).time();
        let roots = judge(&repository, at, &TrustPinning::default())
            .verdict
            .roots;
        let roots = roots.unwrap();
        assert_eq!((roots.first == 1, roots.last), (follows, 2), "{id}");
        let gap = roots.gap.unwrap_or_default();
        assert_eq!(gap.contains("does not follow"), !follows, "{id}: {gap}");
    }
}
