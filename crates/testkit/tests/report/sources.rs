//! A report of each kind of source says what the other programs say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use signet_archive::{Moment, Work};
use signet_client::crawl::{self, CaptureOptions, Line, Patience};
use signet_client::{Clock, RemoteOptions};
use signet_testkit::fleet::{Fleet, Kind, Member, Standing};
use signet_testkit::peer::TrustServer;
use signet_testkit::process::{COMMAND_LIMIT, run};
use signet_testkit::user::{Tool, User};
use signet_testkit::{clock, program};

use super::{codes, json, list, text, texts};

const SERIOUS: [&str; 2] = ["error", "warning"];

/// What the population says must be in the report, whatever it was made from.
fn is_described(repository: &Value, member: &Member) {
    let gun = &member.gun;
    assert_eq!(text(&repository["gun"]), gun);
    let state = match &member.standing {
        Standing::Sound => "trusted",
        Standing::Expired { .. } => "expired",
        Standing::Broken { .. } => "degraded",
    };
    assert_eq!(text(&repository["state"]), state, "{gun}: {repository}");
    assert_eq!(repository["root_version"], member.versions["root"], "{gun}");

    // Who signs which digest of which name.
    let mut signed = BTreeSet::new();
    for tag in list(&repository["tags"]) {
        for role in texts(&tag["roles"]) {
            signed.insert((role, text(&tag["name"]), text(&tag["digest"])));
        }
    }
    let mut expected = BTreeSet::new();
    for (role, names) in &member.roles {
        for (name, what) in names {
            expected.insert((role.as_str(), name.as_str(), what.sha256.as_str()));
        }
    }
    assert_eq!(signed, expected, "{gun}");

    // Who may sign, with which keys.
    let delegations: BTreeMap<&str, BTreeSet<&str>> = list(&repository["roles"])
        .iter()
        .filter(|role| text(&role["name"]).contains('/'))
        .map(|role| {
            (
                text(&role["name"]),
                texts(&role["keys"]).into_iter().collect(),
            )
        })
        .collect();
    let expected: BTreeMap<&str, BTreeSet<&str>> = member
        .delegations
        .iter()
        .map(|(role, keys)| (role.as_str(), keys.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(delegations, expected, "{gun}");
    let keys_of = |name: &str| {
        let roles = list(&repository["roles"]).iter();
        let found = roles.clone().find(|role| text(&role["name"]) == name);
        texts(&found.unwrap()["keys"])
    };
    assert_eq!(keys_of("root"), [member.root_key.as_str()], "{gun}");
    assert_eq!(keys_of("targets"), [member.targets_key.as_str()], "{gun}");
}

/// What is wrong with each kind, by how it was made.
fn serious(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Expired => &["expired"],
        Kind::Broken => &["unusable-delegation"],
        // Carol signs for the team and for a piece of its work.
        Kind::Nested => &["shared-key"],
        _ => &[],
    }
}

#[test]
fn a_server_is_described_as_it_was_made() {
    let fleet = Fleet::small().unwrap();
    let user = fleet.stranger().unwrap();
    let guns: Vec<&str> = fleet
        .members()
        .iter()
        .map(|member| member.gun.as_str())
        .collect();
    let url = fleet.server().url();
    let report = json(&user, &[&["-s", &url], &guns[..]].concat());
    let repositories = list(&report["repositories"]);
    assert_eq!(repositories.len(), fleet.members().len());
    for (repository, member) in repositories.iter().zip(fleet.members()) {
        is_described(repository, member);
        assert_eq!(
            codes(repository, &SERIOUS),
            serious(member.kind),
            "{}",
            member.gun
        );
        assert_eq!(text(&repository["trust"]), "first-use");
        // The kit's owner is not here; its server signs the rest.
        for key in list(&repository["keys"]) {
            let by_server = texts(&key["roles"])
                .iter()
                .any(|role| matches!(*role, "snapshot" | "timestamp"));
            let holder = if by_server { "server" } else { "elsewhere" };
            assert_eq!(text(&key["holder"]), holder, "{key}");
        }
    }
    // Nothing is remembered.
    assert!(!user.path(".docker/trust/tuf").exists());

    let summary = &report["summary"];
    let tags: usize = fleet
        .members()
        .iter()
        .map(|member| {
            let names: BTreeSet<_> = member
                .roles
                .iter()
                .flat_map(|(_, names)| names.keys())
                .collect();
            names.len()
        })
        .sum();
    assert_eq!(summary["tags"], tags);
    let released: usize = fleet
        .members()
        .iter()
        .map(|member| member.released().len())
        .sum();
    assert_eq!(summary["released_tags"], released);
    assert_eq!(summary["states"]["expired"], 1);
    assert_eq!(summary["states"]["degraded"], 1);
    // Owners and signers use the same few keys everywhere.
    let shared = summary["shared_keys"][0]["repositories"].as_u64().unwrap();
    assert_eq!(shared, fleet.members().len() as u64);

    // The owner's machine: the same, and the keys are here, without passphrases.
    let member = fleet.member(Kind::Signers);
    let owner = fleet.owner(member).unwrap();
    let report = json(&owner, &[&member.gun]);
    let repository = &report["repositories"][0];
    let root = list(&repository["keys"])
        .iter()
        .find(|key| text(&key["id"]) == member.root_key)
        .unwrap();
    assert_eq!(text(&root["holder"]), "here-open");
    assert!(codes(repository, &["error"]).contains(&"root-key-open"));

    // What the server does not have, and a server that does not answer.
    let report = json(&user, &["localhost:5000/no/such"]);
    assert_eq!(text(&report["repositories"][0]["state"]), "absent");
    let nobody = ["-s", "https://localhost:1", "localhost:5000/no/such"];
    let report = json(&user, &nobody);
    assert_eq!(text(&report["repositories"][0]["state"]), "unreachable");
    let failing = [&["report", "--fail-on", "error"], &nobody[..]].concat();
    let finished = user.run(Tool::OurNotary, &failing).unwrap();
    assert_eq!(finished.code, Some(1), "{finished}");
    assert!(finished.stdout.contains("unreachable"), "{finished}");
}

/// The key IDs that `notary key list` prints, by role.
fn listed_keys(user: &User) -> BTreeMap<String, String> {
    let printed = user
        .expect(Tool::Notary, &["key", "list", "-d", ".docker/trust"])
        .unwrap();
    let rows = printed.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let id = words.iter().find(|word| word.len() == 64)?;
        Some(((*id).to_owned(), words[0].to_owned()))
    });
    rows.collect()
}

#[test]
fn the_trust_folder_that_docker_and_notary_wrote() {
    let server = TrustServer::go().unwrap();
    let user = User::new(&server.url(), &server.ca_pem()).unwrap();
    let gun = "localhost:5000/team/app";
    user.become_signer(Tool::Docker, "jeff", gun).unwrap();
    let digest = "5".repeat(64);
    let add = |role: &str, name: &str| {
        let line = [
            "addhash", gun, name, "5", "--sha256", &digest, "-r", role, "-p",
        ];
        user.expect(Tool::Notary, &line).unwrap();
    };
    add("targets/jeff", "1.0");
    add("targets/releases", "1.0");
    add("targets/jeff", "unreleased");
    user.expect(Tool::Notary, &["list", gun]).unwrap();

    let report = json(&user, &["--trust-dir", ".docker/trust"]);
    let repository = &report["repositories"][0];
    assert_eq!(list(&report["repositories"]).len(), 1);
    assert_eq!(
        (text(&repository["gun"]), text(&repository["state"])),
        (gun, "trusted")
    );
    // The names that notary lists.
    let printed = user.expect(Tool::Notary, &["list", gun]).unwrap();
    for tag in list(&repository["tags"]) {
        assert!(printed.contains(text(&tag["name"])), "{printed}");
        assert_eq!(text(&tag["digest"]), digest);
    }
    let names: Vec<&str> = list(&repository["tags"])
        .iter()
        .map(|tag| text(&tag["name"]))
        .collect();
    assert_eq!(names, ["1.0", "unreleased"]);
    // The keys that notary knows here, encrypted by the passphrases of docker.
    let known = listed_keys(&user);
    assert_eq!(known.len(), 3, "root, targets, jeff: {known:?}");
    for key in list(&repository["keys"]) {
        let id = text(&key["id"]);
        let holder = if known.contains_key(id) {
            "here-encrypted"
        } else {
            "server"
        };
        assert_eq!(text(&key["holder"]), holder, "{key}");
    }
    // The delegations that notary lists.
    let printed = user
        .expect(Tool::Notary, &["delegation", "list", gun])
        .unwrap();
    let roles: Vec<&Value> = list(&repository["roles"])
        .iter()
        .filter(|role| text(&role["name"]).contains('/'))
        .collect();
    assert_eq!(roles.len(), 2);
    for role in roles {
        assert!(printed.contains(text(&role["name"])), "{printed}");
        for id in texts(&role["keys"]) {
            assert!(printed.contains(id), "{printed}");
        }
    }
    // The certificate of the root key carries the repository's name.
    let root = list(&repository["keys"])
        .iter()
        .find(|key| texts(&key["roles"]) == ["root"]);
    assert_eq!(text(&root.unwrap()["certificates"][0]["common_name"]), gun);
    let found = codes(repository, &["error", "warning", "note"]);
    assert_eq!(found, ["first-use", "not-released", "root-key-here"]);

    // A pin in the policy counts.
    let policy = r#"{"version":1,"rules":{"*":{"first_use":false}}}"#;
    signet_testkit::file::write(&user.path(".docker/trust/policy.json"), policy).unwrap();
    let report = json(&user, &[]);
    assert_eq!(
        text(&report["repositories"][0]["trust"]),
        "first-use-denied"
    );
}

#[test]
fn one_source_at_a_time_and_known_words_only() {
    let server = TrustServer::go().unwrap();
    let user = User::new(&server.url(), &server.ca_pem()).unwrap();
    for (line, problem) in [
        (&["--trust-dir", ".", "--archive", "x"][..], "one source"),
        (&["-s", "https://localhost:1"], "name the repositories"),
        (&["--format", "pdf"], "unknown format \"pdf\""),
        (
            &["--format", "csv", "--rows", "all"],
            "unknown rows \"all\"",
        ),
        (&["--rows", "keys"], "--rows is for --format csv"),
        (&["--fail-on", "note"], "--fail-on takes"),
        (&["--trust-dir", "none"], "no trust folder"),
        (&["--archive", "none.tar.gz"], "none.tar.gz"),
    ] {
        let line = [&["report"], line].concat();
        let finished = user.run(Tool::OurNotary, &line).unwrap();
        assert_eq!(finished.code, Some(1), "{finished}");
        assert!(finished.stdout.contains(problem), "{finished}");
    }
}

/// Takes a population out of its server.
fn capture(fleet: &Fleet, path: &Path) {
    #[expect(
        clippy::disallowed_methods,
        reason = "captures are made at the real time"
    )]
    let clock: Arc<dyn Clock> = Arc::new(time::OffsetDateTime::now_utc);
    let mut remote = RemoteOptions::new(fleet.server().url().parse().unwrap(), "test/1");
    remote.tls.extra_roots_pem = fleet.server().ca_pem().into_bytes();
    // Records know whole seconds: what has just expired must have done so in the second before.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let options = CaptureOptions {
        moments: Arc::clone(&clock),
        history: false,
    };
    let begun = Moment::of(clock.now());
    let mut work = Work::open(&path.with_extension("partial"), "test/1", "", begun).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let line = Line::open(remote, Patience::default(), clock)
            .await
            .unwrap();
        for member in fleet.members() {
            let gun = member.gun.parse().unwrap();
            let captured = crawl::capture(&line, &gun, &options).await.unwrap();
            work.finish(&captured.repository).unwrap();
        }
    });
    work.pack(path, None).unwrap();
}

#[test]
fn an_archive_is_described_as_of_now_and_as_of_its_capture() {
    let mut fleet = Fleet::small().unwrap();
    let user = fleet.stranger().unwrap();
    capture(&fleet, &user.path("trust.tar.gz"));
    // From here on there is no server.
    fleet.server_mut().service().kill();
    let arguments = ["--archive", "trust.tar.gz"];
    let report = json(&user, &arguments);
    let repositories = list(&report["repositories"]);
    assert_eq!(repositories.len(), fleet.members().len());
    for (repository, member) in repositories.iter().zip(fleet.members()) {
        is_described(repository, member);
        assert_eq!(repository["captured"]["state"], repository["state"]);
        assert_eq!(
            codes(repository, &SERIOUS),
            serious(member.kind),
            "{}",
            member.gun
        );
    }

    // In a month the timestamps are over, which is no fault of anybody's; what was captured stays.
    let mut command = Command::new(program::ours("notary").unwrap());
    command.args(["report", "--format", "json"]).args(arguments);
    user.dress(&mut command);
    clock::at(&mut command, "+30d").unwrap();
    let printed = run(&mut command, "", COMMAND_LIMIT).unwrap();
    let report: Value = serde_json::from_str(&printed.success().unwrap()).unwrap();
    for (repository, member) in list(&report["repositories"]).iter().zip(fleet.members()) {
        let gun = &member.gun;
        assert_eq!(text(&repository["state"]), "expired", "{gun}");
        let captured = match &member.standing {
            Standing::Sound => "trusted",
            Standing::Expired { .. } => "expired",
            Standing::Broken { .. } => "degraded",
        };
        assert_eq!(text(&repository["captured"]["state"]), captured, "{gun}");
        assert_eq!(
            codes(repository, &["error"]).len(),
            usize::from(captured != "trusted"),
            "{gun}"
        );
        assert!(codes(repository, &["note"]).contains(&"expired"), "{gun}");
    }

    let one = json(
        &user,
        &["--archive", "trust.tar.gz", &fleet.members()[0].gun],
    );
    assert_eq!(list(&one["repositories"]).len(), 1);
    let line = ["report", "--archive", "trust.tar.gz", "no/such"];
    let finished = user.run(Tool::OurNotary, &line).unwrap();
    assert!(
        finished.stdout.contains("no/such is not in the archive"),
        "{finished}"
    );
}
