//! Verdicts against what the Go client made of the same documents.

use std::collections::BTreeMap;
use std::fs;

use bytes::Bytes;
use serde::Deserialize;
use signet_archive::{ArchivedRepository, Outcome, Request, State, judge};
use signet_tuf::{
    Answer, Cached, Fetch, FirstUse, Floors, MetadataPath, Mode, RoleName, Scope, Step,
    TrustPinning, Update, update::Refusal,
};
use time::{Duration, OffsetDateTime};

use crate::support::{NOW, data, demo, digests, empty, moment, put, rsa, without};

#[derive(Deserialize)]
struct Cases {
    now: String,
    gun: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    #[serde(default)]
    cache: BTreeMap<String, File>,
    server: Server,
    #[serde(default)]
    config: Config,
    v2_status: Option<u16>,
    go: Vec<GoRun>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Server {
    Files(BTreeMap<String, File>),
    Unreachable(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct File {
    blob: Option<String>,
    #[serde(default)]
    pad_spaces_before_last_byte: usize,
    #[serde(default)]
    chunked: bool,
    content_length_header: Option<u64>,
    status: Option<u16>,
    #[serde(default)]
    drop_connection: bool,
}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    trust_pinning: Pinning,
}

#[derive(Default, Deserialize)]
struct Pinning {
    #[serde(default)]
    certs: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    ca: BTreeMap<String, String>,
    #[serde(default)]
    disable_tofu: bool,
}

#[derive(Deserialize)]
struct GoRun {
    cmd: Vec<String>,
    stdout: String,
    stderr: String,
}

impl File {
    fn bytes(&self) -> Option<Bytes> {
        let path = data("attacks/blobs").join(self.blob.as_ref()?);
        let mut bytes = fs::read(path).unwrap();
        if let Some(last) = bytes.pop() {
            bytes.extend(std::iter::repeat_n(b' ', self.pad_spaces_before_last_byte));
            bytes.push(last);
        }
        Some(bytes.into())
    }

    fn answer(&self, max_bytes: u64) -> Answer {
        match self.status {
            _ if self.drop_connection => return Answer::Unreachable("EOF".to_owned()),
            Some(404) => return Answer::Absent,
            Some(status) => {
                let message = None;
                return Answer::Refused(Refusal { status, message });
            }
            None => {}
        }
        let mut bytes = self.bytes().unwrap();
        if self.chunked {
            bytes.truncate(usize::try_from(max_bytes).unwrap());
        } else if self.content_length_header.unwrap_or(bytes.len() as u64) > max_bytes {
            return Answer::TooLarge;
        }
        Answer::Bytes(bytes)
    }
}

impl Case {
    fn serve(&self, fetch: &Fetch) -> Answer {
        let Server::Files(files) = &self.server else {
            return Answer::Unreachable("client is offline".to_owned());
        };
        let file = files.get(fetch.path.role().as_str());
        file.map_or(Answer::Absent, |file| file.answer(fetch.max_bytes))
    }

    /// What somebody who asks like a client, and then for the rest, takes home.
    fn capture(&self, gun: &str) -> ArchivedRepository {
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
            let answer = self.serve(&fetch);
            note(&mut repository, &fetch.path, &answer);
            update.answer(answer);
        }
        // What a client does not ask for, because it has seen enough.
        if let Server::Files(files) = &self.server {
            for (role, file) in files {
                let usable = file.status.is_none() && !file.drop_connection && !file.chunked;
                let usable = usable && file.content_length_header.is_none();
                let Some(bytes) = file.bytes().filter(|_| usable) else {
                    continue;
                };
                let parsed: Result<RoleName, _> = role.parse();
                if parsed.is_ok_and(|role| !repository.record.current.contains_key(&role)) {
                    put(&mut repository, role, bytes, true);
                }
            }
        }
        repository
    }
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
    let text = fs::read(data("attacks/cases.json")).unwrap();
    let file: Cases = serde_json::from_slice(&text).unwrap();
    assert_eq!(file.now, NOW);
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
        if !case.cache.is_empty() || case.v2_status.is_some() {
            continue;
        }
        let repository = case.capture(&file.gun);
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
        judged += 1;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(others.is_empty(), "no such case: {others:?}");
    assert_eq!(judged, 259);
}

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
    without(&mut repository, &digest);
    put(&mut repository, "timestamp", changed.into(), false);
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
