//! The 333 recorded client runs through the program `notary`: exit code, standard output, log lines, requests and cache, each as Go's were
//! (specification of the command line, sections 1.3, 5.2 and 7), except for what the table of deviations lists with its reason.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use signet_testkit::clock;
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::recorded::{
    self, Case, Deviation, Deviations, FATAL, GoRun, Layer, Seen, Server,
};
use signet_testkit::terminal::Terminal;
use tempfile::TempDir;

/// Commands at the same time. They wait for one another and for the disk more than they compute.
const WORKERS: usize = 4;

/// Somebody with the cache and the configuration of a case, at the moment of the recording.
struct Reader<'a> {
    home: TempDir,
    gun: &'a str,
    clock: &'a [(&'static str, String)],
    server: Server,
}

impl<'a> Reader<'a> {
    fn new(case: &Arc<Case>, gun: &'a str, clock: &'a [(&'static str, String)]) -> Self {
        let reader = Self {
            home: tempfile::tempdir().unwrap(),
            gun,
            clock,
            server: Server::start(case, gun).unwrap(),
        };
        for (role, cached) in &case.cache {
            let path = reader.metadata().join(format!("{role}.json"));
            signet_testkit::file::write(&path, cached.bytes().unwrap().unwrap()).unwrap();
        }
        let config = json!({
            "remote_server": {"url": reader.server.address().url},
            "trust_pinning": case.config.trust_pinning,
        });
        let path = reader.home.path().join(".notary/config.json");
        signet_testkit::file::write(&path, config.to_string()).unwrap();
        reader
    }

    fn metadata(&self) -> PathBuf {
        let below = format!(".notary/tuf/{}/metadata", self.gun);
        self.home.path().join(below)
    }

    fn run(&self, words: &[String]) -> Finished {
        process::run(&mut self.command(words), "", COMMAND_LIMIT).unwrap()
    }

    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary"));
        command
            .args(words)
            .env_clear()
            .env("HOME", self.home.path())
            .envs(self.clock.iter().map(|(name, value)| (name, value)))
            // Files of the configuration and of `verify -i` are named from there.
            .current_dir(recorded::folder());
        command
    }

    /// The advice that a person at a terminal gets.
    fn hints(&self, words: &[String]) -> Vec<String> {
        let terminal = Terminal::spawn(&self.command(words)).unwrap();
        let (_, screen) = terminal.finish().unwrap();
        let lines = screen.lines();
        lines
            .filter_map(|line| line.split_once("hint:"))
            .map(|(_, hint)| hint.trim_start_matches("\x1b[0m").trim().to_owned())
            .collect()
    }

    /// The version of every cached document.
    fn versions(&self) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        gather(&self.metadata(), "", &mut found);
        found
    }
}

fn gather(folder: &Path, above: &str, found: &mut BTreeMap<String, Value>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            gather(&path, &format!("{above}{name}/"), found);
        } else if let Some(role) = name.strip_suffix(".json") {
            let version = recorded::version(&fs::read(&path).unwrap());
            found.insert(format!("{above}{role}"), version);
        }
    }
}

/// The variables that make a program believe it is `now`.
fn clock(now: &str) -> [(&'static str, String); 4] {
    let now = now.trim_end_matches('Z').replace('T', " ");
    clock::variables(&format!("@{now}")).unwrap()
}

/// What our program showed, in Go's form. Texts of our JSON decoder are one class, as Go's are.
fn seen(finished: &Finished, requests: &[String], host: &str) -> Seen {
    let is_json = |error: &str| {
        let error = error.trim_end();
        let error = error
            .strip_prefix("the root that is remembered here is damaged: ")
            .unwrap_or(error);
        error.starts_with("invalid JSON at byte ")
            || error.starts_with("duplicate member ")
            || error.starts_with("json: unsupported value: ")
            || error.ends_with(" is not an object")
            || error.contains(" at line 1 column ")
    };
    let mut warnings = recorded::logged(&finished.stderr, "warning");
    warnings.dedup();
    Seen {
        output: recorded::fold_json(&finished.stdout, is_json).replace(host, "SERVER"),
        warnings,
        errors: recorded::errors(&finished.stderr.replace(host, "SERVER")),
        requests: recorded::after_probe(requests),
    }
}

/// Complaints about one case.
fn replay(
    case: &Arc<Case>,
    gun: &str,
    clock: &[(&'static str, String)],
    deviations: &Deviations,
) -> Vec<String> {
    let reader = Reader::new(case, gun, clock);
    let mut problems = Vec::new();
    let mut wanted_cache = case.versions.clone();
    for (step, go) in case.go.iter().enumerate() {
        let finished = reader.run(&go.cmd);
        let received = reader.server.take_received();
        let ours = seen(&finished, &received, &reader.server.address().host);
        let mut wanted = go.seen();
        let deviation = deviations.find(&case.id, step);
        if let Some(deviation) = deviation {
            deviation.apply(&mut wanted, &mut wanted_cache);
        }
        // Go says some for every try.
        wanted.warnings.dedup();
        let mut complain =
            |what: &str, ours: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
                problems.push(format!(
                    "{} [{}] step {step}: {what}\n  ours   {ours:?}\n  wanted {wanted:?}",
                    case.id, case.signet.verdict
                ));
            };
        let code = i32::from(wanted.output.starts_with(FATAL));
        if finished.code != Some(code) {
            complain("exit code", &finished.code, &code);
        }
        let is_short = deviation.is_some_and(Deviation::is_short);
        let shown = if is_short {
            recorded::short(&ours.output)
        } else {
            ours.output.clone()
        };
        if shown != wanted.output {
            complain("output", &shown, &wanted.output);
        }
        if ours.warnings != wanted.warnings {
            complain("warnings", &ours.warnings, &wanted.warnings);
        }
        if ours.requests != wanted.requests {
            complain("requests", &ours.requests, &wanted.requests);
        }
        if finished.stderr.contains("hint:") {
            complain("hints for nobody", &finished.stderr, &"");
        }
        if ours.errors != wanted.errors {
            complain("errors", &ours.errors, &wanted.errors);
        }
        if let Some(line) = weaker(case, step, go, deviation, &finished) {
            problems.push(line);
        }
    }
    let versions = reader.versions();
    if versions != wanted_cache {
        problems.push(format!(
            "{} cache\n  ours   {versions:?}\n  wanted {wanted_cache:?}",
            case.id
        ));
    }
    problems
}

/// Whatever the table says: a crash or what is marked as too lenient is never taken over, and nothing that Go rightly refuses is accepted.
fn weaker(
    case: &Case,
    step: usize,
    go: &GoRun,
    deviation: Option<&Deviation>,
    finished: &Finished,
) -> Option<String> {
    let marked = case.signet.verdict == "stricter" && step + 1 == case.go.len();
    let wrong = if (go.crash || marked) && deviation.is_none() {
        "Go is wrong here"
    } else if go.rc != 0 && finished.code == Some(0) && case.signet.verdict == "same" {
        "weaker than Go"
    } else {
        return None;
    };
    Some(format!("{} step {step}: {wrong}", case.id))
}

#[test]
fn every_recorded_run_gives_its_verdict_through_the_program() {
    let recording = recorded::read().unwrap();
    assert_eq!(recording.cases.len(), 333);
    let runs: BTreeSet<(String, usize)> = recording
        .cases
        .iter()
        .flat_map(|case| (0..case.go.len()).map(|step| (case.id.clone(), step)))
        .collect();
    let (gun, clock) = (recording.gun, clock(&recording.now));
    let deviations = Deviations::of(Layer::Command).unwrap();
    let left = Mutex::new(recording.cases.into_iter());
    let problems = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = { left.lock().unwrap().next() } {
                    let found = replay(&Arc::new(case), &gun, &clock, &deviations);
                    problems.lock().unwrap().extend(found);
                }
            });
        }
    });
    let mut problems = problems.into_inner().unwrap();
    let runs = runs.iter().map(|(case, step)| (case.as_str(), *step));
    problems.extend(deviations.unused(&runs.collect()));
    assert!(
        problems.is_empty(),
        "{}\n{} problems",
        problems.join("\n"),
        problems.len()
    );
}

/// What goes wrong most, and what a person at a terminal is told to do about it.
#[test]
fn people_are_told_what_to_do() {
    let recording = recorded::read().unwrap();
    let (gun, clock) = (&*recording.gun, clock(&recording.now));
    let cases: BTreeMap<String, Arc<Case>> = recording
        .cases
        .into_iter()
        .map(|case| (case.id.clone(), Arc::new(case)))
        .collect();
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let list = words(&["list", gun]);
    for (id, line, advice) in [
        (
            "rt-404",
            &list,
            "nobody has published to a repository of that name at 127.0.0.1:",
        ),
        (
            "rt-404",
            &words(&["list", "alpine"]),
            "docker.io/library/alpine",
        ),
        (
            "rt-404",
            &words(&["verify", "docker.io/alpine", "3", "-i", "inputs/other.txt"]),
            "docker.io/library/alpine",
        ),
        (
            "rt-404",
            &words(&["delegation", "list", "h.example/a:v1"]),
            "notary lookup h.example/a v1",
        ),
        (
            "rt-404",
            &words(&["list", "https://h.example/a/"]),
            "named without https://",
        ),
        ("rt-401", &list, "docker login 127.0.0.1:"),
        (
            "ts-expired",
            &list,
            "the server renews the timestamp: ask those who run it why this one was not. The clock of this machine says 2026-11-22T19:4",
        ),
        (
            "tg-expired",
            &list,
            "who holds the targets key renews it with: notary renew registry.example.com/signet/lab",
        ),
        (
            "tg-rollback",
            &list,
            "an older state than this machine has seen",
        ),
        (
            "rr-one-hop-not-old",
            &list,
            "notary delete registry.example.com/signet/lab",
        ),
        (
            "rr-cached-garbage",
            &list,
            "put root.json of registry.example.com/signet/lab back",
        ),
        (
            "rt-cert-expired",
            &list,
            "the certificate of the root key has expired",
        ),
        (
            "pin-cert-wrong",
            &list,
            "trust_pinning of the configuration names other root keys",
        ),
        ("pin-notofu", &list, "trust_pinning.disable_tofu is set"),
        (
            "dg-expired",
            &list,
            "notary witness registry.example.com/signet/lab targets/releases --publish",
        ),
        (
            "dg-no-keys",
            &list,
            "notary delegation add registry.example.com/signet/lab targets/releases KEY.crt",
        ),
        ("off-empty", &list, "name its server with -s"),
        (
            "off-cached",
            &words(&["lookup", gun, "nope"]),
            "notary list registry.example.com/signet/lab shows",
        ),
        (
            "off-cached",
            &words(&["lookup", gun, "lab:v1"]),
            "the target is called \"v1\"",
        ),
        (
            "off-cached",
            &words(&["list", gun, "-r", "releases"]),
            "there is no role \"releases\"",
        ),
    ] {
        let reader = Reader::new(&cases[id], gun, &clock);
        let hints = reader.hints(line);
        assert!(
            hints.iter().any(|hint| hint.contains(advice)),
            "{id} {line:?}: {hints:?}"
        );
    }
    let good = Reader::new(&cases["off-cached"], gun, &clock);
    assert_eq!(good.hints(&list), Vec::<String>::new());

    let reader = Reader::new(&cases["off-empty"], gun, &clock);
    let root = format!(".docker/trust/tuf/{gun}/metadata/root.json");
    signet_testkit::file::write(&reader.home.path().join(root), "{}").unwrap();
    let hints = reader.hints(&list).concat();
    assert!(
        hints.contains("docker remembers this repository: -d "),
        "{hints}"
    );
    fs::remove_file(reader.home.path().join(".notary/config.json")).unwrap();
    let hints = reader.hints(&list).concat();
    let usual = "no trust server is configured: name it with -s, or as remote_server.url in ~/.notary/config.json; docker's for this repository is https://registry.example.com";
    assert!(hints.contains(usual), "{hints}");
}
