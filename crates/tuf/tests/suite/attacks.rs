//! The 333 recorded client runs (`tests/data/attacks`): for each, what the Go notary 0.7 client did, and ours beside it.
//!
//! Every run of every case must give the same output, warnings, requests and cache as Go's, except for what
//! the table of deviations lists with its reason (`deviations.json`). Texts of Go's JSON decoder are one class.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use signet_testkit::recorded::{
    self, Case, Deviation, Deviations, FATAL, JSON_CLASS, Layer, Pinning, Seen,
};
use signet_tuf::rules::RuleError;
use signet_tuf::{
    Answer, Fetch, FirstUse, FoundTarget, HashAlgorithm, ParseError, RoleName, Scope, TrustPinning,
    UpdateError, update::Refusal,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::{Client, data, read};

/// What an HTTP client with this limit makes of the answer.
fn answer(file: &recorded::File, max_bytes: u64) -> Answer {
    match file.status {
        _ if file.drop_connection => return Answer::Unreachable("EOF".to_owned()),
        Some(404) => return Answer::Absent,
        Some(status) => {
            return Answer::Refused(Refusal {
                status,
                message: None,
            });
        }
        None => {}
    }
    let mut bytes = Bytes::from(file.bytes().unwrap().unwrap());
    if file.chunked {
        bytes.truncate(usize::try_from(max_bytes).unwrap().min(bytes.len()));
    } else if file.content_length_header.unwrap_or(bytes.len() as u64) > max_bytes {
        return Answer::TooLarge;
    }
    Answer::Bytes(bytes)
}

fn serve(case: &Case, fetch: &Fetch) -> Answer {
    if case.is_offline() {
        return Answer::Unreachable("client is offline".to_owned());
    }
    case.answer(&fetch.path.to_string())
        .map_or(Answer::Absent, |file| answer(file, fetch.max_bytes))
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

fn fatal(text: &str) -> String {
    format!("{FATAL}{text}\n")
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
    let mut update = client.update(Scope::All, |fetch| serve(case, fetch));
    // The program says these at another level.
    update
        .warnings
        .retain(|warning| !warning.starts_with("Metadata for "));
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
        ..Seen::default()
    }
}

fn versions(client: &Client) -> BTreeMap<String, serde_json::Value> {
    client
        .cache()
        .into_iter()
        .map(|(role, bytes)| (role, recorded::version(&bytes)))
        .collect()
}

#[test]
fn every_recorded_run_gives_its_verdict() {
    let recording = recorded::read().unwrap();
    assert_eq!(recording.cases.len(), 333);
    let now = OffsetDateTime::parse(&recording.now, &Rfc3339).unwrap();
    let deviations = Deviations::of(Layer::Engine).unwrap();
    let mut used = BTreeSet::new();
    let mut problems = Vec::new();
    for case in &recording.cases {
        let mut client = Client::new(&recording.gun, now);
        client.pinning = pinning(&case.config.trust_pinning);
        for (role, cached) in &case.cache {
            let bytes = cached.bytes().unwrap().unwrap();
            client.store(&role.parse().unwrap(), bytes.into());
        }
        let mut wanted_cache = case.versions.clone();
        for (i, go) in case.go.iter().enumerate() {
            let ours = run(case, &mut client, &go.cmd);
            let mut wanted = go.seen();
            let deviation = deviations.find(&case.id, i);
            if let Some(deviation) = deviation {
                deviation.apply(&mut wanted, &mut wanted_cache);
                used.insert((case.id.as_str(), i));
            } else {
                // Not even an allowed difference goes without its line in the table.
                assert!(!go.crash, "{}: Go crashed", case.id);
                let only_go_accepts = case.signet.verdict == "stricter" && i + 1 == case.go.len();
                assert!(!only_go_accepts, "{}: must be stricter than Go", case.id);
                assert_eq!(go.rc == 0, !ours.output.starts_with(FATAL), "{}", case.id);
            }
            // The table has targets in short, Go's own output is compared to the letter.
            let same_output = if deviation.is_some_and(Deviation::is_short) {
                recorded::short(&ours.output) == wanted.output
            } else {
                ours.output == wanted.output
            };
            if !same_output || ours.warnings != wanted.warnings || ours.requests != wanted.requests
            {
                problems.push(format!(
                    "{} [{}] step {i}\n  ours   {:?} {ours:?}\n  wanted {wanted:?}",
                    case.id,
                    case.signet.verdict,
                    recorded::short(&ours.output)
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
    problems.extend(deviations.unused(&used));
    assert!(
        problems.is_empty(),
        "{}\n{} problems",
        problems.join("\n"),
        problems.len()
    );
}
