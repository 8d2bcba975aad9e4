//! The 333 recorded client runs (`tests/data/attacks`): for each, what the Go notary 0.7 client did, and ours beside it.
//!
//! Every run of every case must give the same output, warnings, requests and cache as Go's, except for what
//! [`deviations`] lists with its reason. Texts of Go's JSON decoder are one class.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use signet_tuf::rules::RuleError;
use signet_tuf::{
    Answer, Fetch, FirstUse, FoundTarget, HashAlgorithm, ParseError, RoleName, Scope, TrustPinning,
    UpdateError, update::Refusal,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::{Client, data, read, read_json, split_checksum};

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
    go_cache_versions_after: BTreeMap<String, serde_json::Value>,
    signet: Verdict,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Server {
    Files(BTreeMap<String, File>),
    /// `"unreachable"`.
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
    rc: i32,
    #[serde(default)]
    crash: bool,
    stdout: String,
    stderr: String,
    requests: Vec<String>,
}

#[derive(Deserialize)]
struct Verdict {
    verdict: String,
}

impl File {
    fn bytes(&self) -> Bytes {
        let mut bytes = read(&format!("attacks/blobs/{}", self.blob.as_ref().unwrap()));
        if let Some(last) = bytes.pop() {
            bytes.extend(std::iter::repeat_n(b' ', self.pad_spaces_before_last_byte));
            bytes.push(last);
        }
        bytes.into()
    }

    /// What an HTTP client with this limit makes of the answer.
    fn answer(&self, max_bytes: u64) -> Answer {
        match self.status {
            _ if self.drop_connection => return Answer::Unreachable("EOF".to_owned()),
            Some(404) => return Answer::Absent,
            Some(status) => {
                return Answer::Refused(Refusal {
                    status,
                    message: None,
                });
            }
            None => {}
        }
        let mut bytes = self.bytes();
        if self.chunked {
            bytes.truncate(usize::try_from(max_bytes).unwrap().min(bytes.len()));
        } else if self.content_length_header.unwrap_or(bytes.len() as u64) > max_bytes {
            return Answer::TooLarge;
        }
        Answer::Bytes(bytes)
    }
}

impl Case {
    /// Go asks for `/v2/` first and takes any other answer than 2xx and 401 for being offline.
    const fn is_offline(&self) -> bool {
        self.v2_status.is_some() || matches!(self.server, Server::Unreachable(_))
    }

    fn serve(&self, fetch: &Fetch) -> Answer {
        let Server::Files(files) = &self.server else {
            return Answer::Unreachable("client is offline".to_owned());
        };
        if self.is_offline() {
            return Answer::Unreachable("client is offline".to_owned());
        }
        let name = fetch.path.to_string();
        let name = split_checksum(&name).map_or(name.as_str(), |(role, _)| role);
        files
            .get(name)
            .map_or(Answer::Absent, |file| file.answer(fetch.max_bytes))
    }
}

fn pinning(config: &Pinning) -> TrustPinning {
    TrustPinning {
        certs: config.certs.clone(),
        ca: config
            .ca
            .iter()
            .map(|(gun, path)| (gun.clone(), std::fs::read(data("attacks").join(path)).ok()))
            .collect(),
        first_use: if config.disable_tofu {
            FirstUse::Deny
        } else {
            FirstUse::Allow
        },
    }
}

/// What a run shows, in comparable form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Seen {
    output: String,
    warnings: Vec<String>,
    requests: String,
}

/// Text of an error, as the `notary` command prints it.
fn text_of(error: &UpdateError, gun: &str) -> String {
    match error {
        UpdateError::Rule(RuleError::Parse(ParseError::Json(_) | ParseError::Shape(_)))
        | UpdateError::RememberedRoot(ParseError::Json(_) | ParseError::Shape(_)) => {
            JSON_CLASS.to_owned()
        }
        UpdateError::NoTrustData { .. } => format!("SERVER does not have trust data for {gun}"),
        other => other.to_string(),
    }
}

const JSON_CLASS: &str = "(not the right JSON)";

/// Go's decoder texts are one class.
fn fold_json(text: &str) -> String {
    let prefixes = [
        "json: ",
        "invalid character ",
        "unexpected end of JSON input",
        "illegal base64 data ",
        "parsing time ",
    ];
    if prefixes.iter().any(|prefix| text.starts_with(prefix)) {
        JSON_CLASS.to_owned()
    } else {
        text.to_owned()
    }
}

fn fatal(text: &str) -> String {
    format!("\n* fatal: {text}\n")
}

fn hex_sha256(target: &FoundTarget) -> String {
    target
        .target
        .hashes
        .digest(HashAlgorithm::Sha256)
        .map(|digest| HEXLOWER.encode(digest))
        .unwrap_or_default()
}

/// Go's table of targets.
fn table(targets: &[FoundTarget]) -> String {
    if targets.is_empty() {
        return "\nNo targets present in this repository.\n\n".to_owned();
    }
    let header = ["NAME", "DIGEST", "SIZE (BYTES)", "ROLE"].map(str::to_owned);
    let ruler = ["----", "------", "------------", "----"].map(str::to_owned);
    let rows = targets.iter().map(|found| {
        [
            found.name.clone(),
            hex_sha256(found),
            found.target.length.to_string(),
            found.role.to_string(),
        ]
    });
    let rows: Vec<[String; 4]> = [header, ruler].into_iter().chain(rows).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap()
    };
    let mut out = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate().take(3) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(
                ' ',
                width(column) + 4 - cell.chars().count(),
            ));
        }
        out.push_str(&row[3]);
        out.push('\n');
    }
    out
}

/// Runs a `notary` command with our engine.
fn run(case: &Case, client: &mut Client, cmd: &[String]) -> Seen {
    let mut update = client.update(Scope::All, |fetch| case.serve(fetch));
    // The order of independent warnings is not promised.
    update.warnings.sort();
    let gun = client.gun.as_str();
    let output = match &update.result {
        Err(error) => fatal(&text_of(error, gun)),
        Ok(repository) => match (cmd[0].as_str(), cmd.get(2).map(String::as_str)) {
            ("list", _) => {
                let roles: Vec<RoleName> = cmd
                    .iter()
                    .skip_while(|arg| *arg != "-r")
                    .skip(1)
                    .flat_map(|roles| roles.split(','))
                    .map(|role| role.parse().unwrap())
                    .collect();
                table(&repository.list(&roles))
            }
            ("lookup", Some(name)) => match repository.lookup(name, &[]) {
                Some(found) => format!(
                    "{} sha256:{} {}\n",
                    found.name,
                    hex_sha256(&found),
                    found.target.length
                ),
                None => fatal(&format!("No valid trust data for {name}")),
            },
            ("verify", Some(name)) => match repository.lookup(name, &[]) {
                Some(found) => {
                    let payload = read(&format!("attacks/{}", cmd[4]));
                    match found.target.hashes.check(name, &payload) {
                        Ok(()) => String::new(),
                        Err(error) => fatal(&format!(
                            "data not present in the trusted collection, {error}"
                        )),
                    }
                }
                None => fatal(&format!(
                    "error retrieving target by name:{name}, error:No valid trust data for {name}"
                )),
            },
            other => panic!("unknown command {other:?}"),
        },
    };
    Seen {
        output,
        warnings: update.warnings,
        // Go does not even ask once `/v2/` was not answered.
        requests: if case.is_offline() {
            String::new()
        } else {
            update.requests.join(" ")
        },
    }
}

fn seen_of_go(run: &GoRun) -> Seen {
    let output = match run.stdout.strip_prefix("\n* fatal: ") {
        Some(error) => fatal(&fold_json(error.trim_end_matches('\n'))),
        None => run.stdout.clone(),
    };
    let mut warnings: Vec<String> = run
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("level=warning msg="))
        .map(|message| serde_json::from_str(message).unwrap())
        .collect();
    warnings.sort();
    let requests: Vec<&str> = run
        .requests
        .iter()
        .map(String::as_str)
        .filter(|request| !request.ends_with("/v2/"))
        .collect();
    Seen {
        output,
        warnings,
        requests: requests.join(" "),
    }
}

fn versions(client: &Client) -> BTreeMap<String, serde_json::Value> {
    client
        .cache()
        .into_iter()
        .map(|(role, bytes)| {
            let version = serde_json::from_slice::<serde_json::Value>(&bytes)
                .ok()
                .and_then(|document| document.get("signed")?.get("version").cloned())
                .unwrap_or_else(|| "?".into());
            (role, version)
        })
        .collect()
}

/// The targets of an output as `name@role`; everything else as it is.
fn short(output: &str) -> String {
    if !output.starts_with("NAME ") {
        return output.to_owned();
    }
    let rows = output.lines().skip(2).filter_map(|row| {
        let mut cells = row.split_whitespace();
        Some(format!("{}@{}", cells.next()?, cells.next_back()?))
    });
    rows.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_recorded_run_gives_its_verdict() {
    let file: Cases = read_json("attacks/cases.json");
    assert_eq!(file.cases.len(), 333);
    let now = OffsetDateTime::parse(&file.now, &Rfc3339).unwrap();
    let mut deviations = deviations();
    let mut problems = Vec::new();
    for case in &file.cases {
        let mut client = Client::new(&file.gun, now);
        client.pinning = pinning(&case.config.trust_pinning);
        for (role, cached) in &case.cache {
            client.store(&role.parse().unwrap(), cached.bytes());
        }
        let mut wanted_cache = case.go_cache_versions_after.clone();
        for (i, go) in case.go.iter().enumerate() {
            let ours = run(case, &mut client, &go.cmd);
            let mut wanted = seen_of_go(go);
            let deviation = deviations
                .iter()
                .position(|deviation| deviation.case == case.id && deviation.step == i)
                .map(|at| deviations.swap_remove(at));
            if let Some(deviation) = &deviation {
                assert!(!deviation.why.is_empty());
                if let Some(output) = deviation.output {
                    output.clone_into(&mut wanted.output);
                }
                if let Some(warnings) = deviation.warnings {
                    wanted.warnings = warnings.iter().map(|&text| text.to_owned()).collect();
                }
                if let Some(requests) = deviation.requests {
                    requests.clone_into(&mut wanted.requests);
                }
                if let Some(cache) = deviation.cache {
                    wanted_cache = cache
                        .iter()
                        .map(|&(role, version)| (role.to_owned(), version.into()))
                        .collect();
                }
            } else {
                // Not even an allowed difference goes without its line in the table.
                assert!(!go.crash, "{}: Go crashed", case.id);
                let only_go_accepts = case.signet.verdict == "stricter" && i + 1 == case.go.len();
                assert!(!only_go_accepts, "{}: must be stricter than Go", case.id);
                assert_eq!(
                    go.rc == 0,
                    !ours.output.contains("* fatal: "),
                    "{}",
                    case.id
                );
            }
            // The table has targets in short, Go's own output is compared to the letter.
            let same_output = match &deviation {
                Some(Deviation {
                    output: Some(_), ..
                }) => short(&ours.output) == wanted.output,
                _ => ours.output == wanted.output,
            };
            if !same_output || ours.warnings != wanted.warnings || ours.requests != wanted.requests
            {
                problems.push(format!(
                    "{} [{}] step {i}\n  ours   {:?} {ours:?}\n  wanted {wanted:?}",
                    case.id,
                    case.signet.verdict,
                    short(&ours.output)
                ));
            }
        }
        let ours = versions(&client);
        if ours != wanted_cache {
            problems.push(format!(
                "{} cache\n  ours   {ours:?}\n  wanted {wanted_cache:?}",
                case.id
            ));
        }
    }
    problems.extend(
        deviations
            .iter()
            .map(|unused| format!("{} step {}: no such run", unused.case, unused.step)),
    );
    assert!(
        problems.is_empty(),
        "{}\n{} problems",
        problems.join("\n"),
        problems.len()
    );
}

/// Where our run differs from Go's, and why. What is `None` is as with Go.
struct Deviation {
    case: &'static str,
    step: usize,
    why: &'static str,
    output: Option<&'static str>,
    warnings: Option<&'static [&'static str]>,
    requests: Option<&'static str>,
    cache: Option<&'static [(&'static str, i64)]>,
}

impl Deviation {
    const fn output(mut self, output: &'static str) -> Self {
        self.output = Some(output);
        self
    }

    const fn warnings(mut self, warnings: &'static [&'static str]) -> Self {
        self.warnings = Some(warnings);
        self
    }

    const fn requests(mut self, requests: &'static str) -> Self {
        self.requests = Some(requests);
        self
    }

    const fn cache(mut self, cache: &'static [(&'static str, i64)]) -> Self {
        self.cache = Some(cache);
        self
    }
}

const ALL: &str = "alice/sub/deep@targets/alice/sub alice/tool@targets/alice latest@targets/releases v1@targets v2@targets";
const ALL_BUT_RELEASES: &str =
    "alice/sub/deep@targets/alice/sub alice/tool@targets/alice v1@targets v2@targets";
const FIRST_CONTACT: &str = "root timestamp snapshot.<sha256> targets.<sha256> targets/releases.<sha256> targets/alice.<sha256> targets/alice/sub.<sha256>";
const COMPLETE: &[(&str, i64)] = &[
    ("root", 1),
    ("snapshot", 7),
    ("targets", 5),
    ("targets/alice", 3),
    ("targets/alice/sub", 2),
    ("targets/releases", 3),
    ("timestamp", 9),
];
const UNSIGNED_RELEASES: &[&str] = &[
    "Error getting targets/releases: valid signatures did not meet threshold for targets/releases",
];
const JSON_REFUSED: &str = "\n* fatal: (not the right JSON)\n";

const CRASH: &str = "Go crashes here; the document is refused like any other that is invalid";
const EXACT_NAMES: &str =
    "member names are matched exactly, so that all readers see the same members (A24)";
const FLOOR: &str = "version floors do not depend on cached files or their size (A10, A11)";
const ONE_READING: &str =
    "what two readers may read differently is refused before it is verified (A24)";
const DISTINCT_KEYS: &str =
    "thresholds count distinct public keys, not key IDs or certificates (A8)";
const CODE_SIGNING: &str = "a pinned path may end in a certificate for code signing, which every generated root certificate is";
const LOGIN: &str = "Go repeats a request that was refused with 401; whether to log in is the transport's decision, not the engine's";

fn deviations() -> Vec<Deviation> {
    let d = |case, step, why| Deviation {
        case,
        step,
        why,
        output: None,
        warnings: None,
        requests: None,
        cache: None,
    };
    vec![
        // Timestamp.
        d("ts-signed-null", 0, CRASH)
            .output("\n* fatal: timestamp type metadata invalid: timestamp file contained an empty payload\n")
            .requests("root timestamp root timestamp"),
        d("ts-signed-missing", 0, CRASH)
            .output("\n* fatal: timestamp type metadata invalid: timestamp file contained an empty payload\n")
            .requests("root timestamp root timestamp"),
        d("ts-keys-case-insensitive", 0, EXACT_NAMES)
            .output("\n* fatal: tuf: data has no signatures\n")
            .requests("root timestamp root timestamp")
            .cache(&[("root", 1)]),
        d("ts-case-variant-member", 0, EXACT_NAMES)
            .output(ALL)
            .requests(FIRST_CONTACT)
            .cache(COMPLETE),
        d("ts-dup-member", 0, ONE_READING)
            .output(JSON_REFUSED)
            .requests("root timestamp root timestamp")
            .cache(&[("root", 1)]),
        d("ts-base64-newline", 0, ONE_READING)
            .output(JSON_REFUSED)
            .requests("root timestamp root timestamp")
            .cache(&[("root", 1)]),
        d("ts-key-public-newline", 0, ONE_READING)
            .output(JSON_REFUSED)
            .requests("root")
            .cache(&[]),
        d("ts-401-cached", 0, LOGIN).requests("timestamp"),
        d("rt-401", 0, LOGIN).requests("root"),
        d("ts-500-cached-expired", 0, "the second pass does not repeat the warning of the first")
            .warnings(&["Error while downloading remote metadata, using cached timestamp - this might not be the latest version available remotely"]),
        // Snapshot.
        d("sn-length-minus-one", 0, "a negative length is no bound; Go takes it for 100 MiB (A17)")
            .output("\n* fatal: snapshot is listed with the invalid length -1\n")
            .requests("root timestamp root timestamp")
            .cache(&[("root", 1), ("timestamp", 9)]),
        d("sn-rollback-smaller", 0, FLOOR)
            .output("\n* fatal: version 6 is lower than current version 7\n")
            .requests("timestamp snapshot.<sha256> root timestamp snapshot.<sha256>")
            .cache(&[
                ("root", 1),
                ("snapshot", 7),
                ("targets", 5),
                ("targets/alice", 3),
                ("targets/alice/sub", 2),
                ("targets/releases", 3),
                ("timestamp", 10),
            ]),
        d("sn-rollback-retry", 1, FLOOR)
            .output("\n* fatal: version 6 is lower than current version 7\n")
            .requests("timestamp snapshot.<sha256> root timestamp snapshot.<sha256>")
            .cache(&[
                ("root", 1),
                ("snapshot", 7),
                ("targets", 5),
                ("targets/alice", 3),
                ("targets/alice/sub", 2),
                ("targets/releases", 3),
                ("timestamp", 10),
            ]),
        // Targets.
        d("tg-rollback-smaller", 0, FLOOR)
            .output("\n* fatal: version 4 is lower than current version 5\n")
            .requests("timestamp snapshot.<sha256> targets.<sha256> timestamp targets.<sha256>")
            .cache(&[
                ("root", 1),
                ("snapshot", 8),
                ("targets", 5),
                ("targets/alice", 3),
                ("targets/alice/sub", 2),
                ("targets/releases", 3),
                ("timestamp", 10),
            ]),
        d("tg-delegation-null", 0, CRASH)
            .output("\n* fatal: targets type metadata invalid: delegation role is null\n")
            .requests("root timestamp snapshot.<sha256> targets.<sha256> timestamp targets.<sha256>"),
        d("tg-length-above-2p53", 0, ONE_READING)
            .output(JSON_REFUSED)
            .requests("root timestamp snapshot.<sha256> targets.<sha256> timestamp targets.<sha256>")
            .cache(&[("root", 1), ("snapshot", 7), ("timestamp", 9)]),
        d("tg-length-above-2p53-exact", 0, ONE_READING).output(JSON_REFUSED),
        d("tg-invalid-utf8", 0, ONE_READING)
            .output(JSON_REFUSED)
            .requests("root timestamp snapshot.<sha256> targets.<sha256> timestamp targets.<sha256>")
            .cache(&[("root", 1), ("snapshot", 7), ("timestamp", 9)]),
        // Delegations.
        d("dg-signed-null", 0, CRASH)
            .output("\n* fatal: tuf: data has no signatures\n")
            .requests("root timestamp snapshot.<sha256> targets.<sha256> targets/releases.<sha256> timestamp targets/releases.<sha256>"),
        d("dg-rollback", 0, FLOOR)
            .output("\n* fatal: version 2 is lower than current version 3\n")
            .requests("timestamp snapshot.<sha256> targets/releases.<sha256> timestamp targets/releases.<sha256>")
            .cache(&[
                ("root", 1),
                ("snapshot", 8),
                ("targets", 5),
                ("targets/alice", 3),
                ("targets/alice/sub", 2),
                ("targets/releases", 3),
                ("timestamp", 10),
            ]),
        d("dg-x509-same-key-twice", 0, DISTINCT_KEYS)
            .output(ALL_BUT_RELEASES)
            .warnings(UNSIGNED_RELEASES)
            .cache(&[
                ("root", 1),
                ("snapshot", 7),
                ("targets", 5),
                ("targets/alice", 3),
                ("targets/alice/sub", 2),
                ("timestamp", 9),
            ]),
        d("dg-cert-rsa1024", 0, "the parent says enough; the document is not even asked for")
            .requests("root timestamp snapshot.<sha256> targets.<sha256> timestamp"),
        d("dg-cert-rsa1024-unused", 0, "the parent says enough; the document is not even asked for")
            .requests("root timestamp snapshot.<sha256> targets.<sha256> timestamp"),
        d("dg-duplicate-role", 0, "the same document is not asked for and complained of twice")
            .warnings(UNSIGNED_RELEASES)
            .requests(FIRST_CONTACT),
        d("dg-duplicate-role-valid", 0, "the same document is not asked for twice")
            .requests("root timestamp snapshot.<sha256> targets.<sha256> targets/releases.<sha256> targets/alice.<sha256> targets/alice/sub.<sha256> timestamp"),
        d("dg-404-root-name", 0, "a missing delegation is not a missing repository, whatever its name")
            .output("\n* fatal: targets/root-ca.c371df9c4e115a23018e830849605b516886b6491b21f9e88a08ff6f8ac1294b trust data unavailable.  Has a notary repository been initialized?\n"),
        d("dg-lookup-empty-name", 0, "paths hold for the empty name as for every other")
            .output("\n* fatal: No valid trust data for \n"),
        // Root.
        d("rt-same-key-two-certs", 0, DISTINCT_KEYS)
            .output("\n* fatal: could not validate the path to a trusted root: failed to validate integrity of roots\n")
            .requests("root")
            .cache(&[]),
        d("rt-keytype-raw-label", 0, "a certificate under the label of a bare key is no root key (A1)")
            .output("\n* fatal: could not validate the path to a trusted root: failed to validate integrity of roots\n")
            .requests("root")
            .cache(&[]),
        d("rr-two-hops-mid-higher-version", 0, "<n>.root must carry version n (A16)")
            .output("\n* fatal: could not rotate trust to a new trusted root: 2.root carries version 7\n")
            .requests("timestamp snapshot.<sha256> root.<sha256> 2.root")
            .cache(&[
                ("root", 1),
                ("snapshot", 7),
                ("targets", 5),
                ("targets/alice", 3),
                ("targets/alice/sub", 2),
                ("targets/releases", 3),
                ("timestamp", 11),
            ]),
        d("rr-cached-expired-two-hops", 0, "an expired root is where the chain begins, not where it ends")
            .output(ALL)
            .requests("root 2.root timestamp snapshot.<sha256>")
            .cache(&[
                ("root", 3),
                ("snapshot", 9),
                ("targets", 5),
                ("targets/alice", 3),
                ("targets/alice/sub", 2),
                ("targets/releases", 3),
                ("timestamp", 11),
            ]),
        d("rr-cached-expired-bad-delegation", 0, CRASH)
            .output(ALL_BUT_RELEASES)
            .warnings(UNSIGNED_RELEASES),
        // Pinning.
        d("pin-ca-eku-codesigning", 0, CODE_SIGNING)
            .output(ALL)
            .requests(FIRST_CONTACT)
            .cache(COMPLETE),
        d("pin-ca-selfsigned-leaf", 0, CODE_SIGNING)
            .output(ALL)
            .requests(FIRST_CONTACT)
            .cache(COMPLETE),
    ]
}
