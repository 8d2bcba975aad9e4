//! One repository: its root, its roles, what is staged.

use std::fs;

use signet_testkit::file;
use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

use super::{Findings, GUN, begin};

/// SHA-256 of `hello world` and a newline.
const HELLO: &str = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447";

/// Certificates of people; the private keys of those who are `here` are in the trust folder.
fn people(user: &User, here: &[&str]) {
    for name in ["jeff", "ben"] {
        user.ec_key("prime256v1", &format!("{name}.key")).unwrap();
        user.certificate(name).unwrap();
        if here.contains(&name) {
            let file = format!("{name}.key");
            let import = ["key", "import", &file, "-r", name];
            user.expect(Tool::Notary, &import).unwrap();
        }
    }
}

fn key_ids(user: &User, role: &str) -> Vec<String> {
    let words = ["delegation", "list", GUN, "--format", "json"];
    let listed = user.expect(Tool::OurNotary, &words).unwrap();
    let entry = listed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|entry| entry["role"] == role)
        .unwrap();
    let ids = entry["keys"].as_array().unwrap();
    ids.iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_sound_repository_has_no_problem_and_its_root_can_be_pinned() {
    let server = TrustServer::go().unwrap();
    let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    let found = Findings::of(&owner, &[GUN]);
    found.expect("absent", "warning", &["notary init example.com/app -p"]);
    owner.expect(Tool::Notary, &["init", GUN]).unwrap();
    let found = Findings::of(&owner, &[GUN]);
    found.expect("absent", "warning", &["notary publish example.com/app"]);
    owner.expect(Tool::Notary, &["publish", GUN]).unwrap();

    let found = Findings::of(&owner, &[GUN]);
    assert_eq!(found.of_state("problem"), [""; 0], "{:#?}", found.all);
    assert_eq!(found.of_state("warning"), [""; 0], "{:#?}", found.all);
    found.expect("repository", "ok", &["complete, signed and valid"]);
    found.expect("root", "ok", &["trusted before"]);
    found.expect(
        "signing",
        "ok",
        &["keys are here for root, targets, snapshot"],
    );
    found.expect("publishing", "ok", &[]);
    found.expect("staged", "ok", &["no staged changes"]);
    found.expect("root-key-here", "note", &["keep it offline"]);

    // Who sees it first.
    let mut reader = User::new(&server.url(), &server.ca_pem()).unwrap();
    let found = Findings::of(&reader, &[GUN]);
    found.expect("remembered", "ok", &["nothing is remembered"]);
    found.expect("root", "ok", &["first use"]);
    found.expect("first-use", "note", &["trust_pinning"]);
    let advice = &found
        .all
        .iter()
        .find(|(check, ..)| check == "first-use")
        .unwrap()
        .2;
    let (_, pin) = advice.split_once("in the configuration: ").unwrap();

    // The advice can be pasted, and holds.
    let config = reader.path(".notary/config.json");
    let given = fs::read_to_string(&config).unwrap();
    let pinned = given.replacen('{', &format!("{{{pin},"), 1);
    file::write(&config, &pinned).unwrap();
    let found = Findings::of(&reader, &[GUN]);
    found.expect("root", "ok", &["configuration pins"]);
    assert_eq!(found.of_state("problem"), [""; 0], "{:#?}", found.all);
    reader.expect(Tool::OurNotary, &["list", GUN]).unwrap();

    // A pin that came later and is for another root: reading goes on as with Go, and that is told.
    let id = "0123456789abcdef".repeat(4);
    let (before, after) = pinned
        .split_once(":[\"")
        .or_else(|| pinned.split_once(": [\""))
        .unwrap();
    let other = format!("{before}:[\"{id}{}", &after[64..]);
    file::write(&config, &other).unwrap();
    let go = reader.run(Tool::Notary, &["list", GUN]).unwrap();
    let our = reader.run(Tool::OurNotary, &["list", GUN]).unwrap();
    assert_eq!((&our.stdout, our.code), (&go.stdout, Some(0)), "{our}");
    assert_eq!(go.stderr, "");
    assert!(our.stderr.contains("level=warning"), "{our}");
    assert!(our.stderr.contains("is not the pinned one"), "{our}");
    let found = Findings::of(&reader, &[GUN]);
    found.expect(
        "pin",
        "problem",
        &["is not the pinned one", "notary delete"],
    );
    let away = Findings::of(&reader, &["-s", "https://localhost:1", GUN]);
    away.expect("connection", "problem", &[]);
    away.expect("pin", "problem", &["is not the pinned one"]);
    // Where nothing is remembered the pin holds.
    fs::remove_dir_all(reader.trust_dir()).unwrap();
    let found = Findings::of(&reader, &[GUN]);
    found.expect(
        "untrusted",
        "problem",
        &["trust_pinning of the configuration"],
    );
    file::write(&config, &given).unwrap();

    // Another repository of the same name.
    reader.expect(Tool::OurNotary, &["list", GUN]).unwrap();
    let elsewhere = TrustServer::go().unwrap();
    begin(&User::new(&elsewhere.url(), &elsewhere.ca_pem()).unwrap());
    reader
        .turn_to(&elsewhere.url(), &elsewhere.ca_pem())
        .unwrap();
    let found = Findings::of(&reader, &[GUN]);
    found.expect("untrusted", "problem", &["notary delete example.com/app"]);
}

/// The two cases of the manual, found before somebody stumbles over them.
#[test]
fn delegations_that_cannot_be_used_come_with_the_command_that_mends_them() {
    let server = TrustServer::go().unwrap();
    let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    people(&owner, &["jeff", "ben"]);
    begin(&owner);
    let role = "targets/releases";
    let add = |file: &str| {
        let words = ["delegation", "add", GUN, role, file, "--all-paths", "-p"];
        owner.expect(Tool::Notary, &words).unwrap();
    };
    add("jeff.crt");
    let target = [
        "addhash", GUN, "v1", "12", "--sha256", HELLO, "-r", role, "-p",
    ];
    owner.expect(Tool::Notary, &target).unwrap();
    let jeff = key_ids(&owner, role);
    add("ben.crt");
    let remove = |id: &str| {
        let words = ["delegation", "remove", GUN, role, id, "-p"];
        owner.expect(Tool::Notary, &words).unwrap();
    };
    remove(&jeff[0]);
    let found = Findings::of(&owner, &[GUN]);
    let mend = "notary witness example.com/app targets/releases --publish";
    found.expect(
        "unusable-delegation",
        "problem",
        &["targets/releases", mend],
    );
    let words: Vec<&str> = mend.split(' ').skip(1).collect();
    owner.expect(Tool::OurNotary, &words).unwrap();
    let found = Findings::of(&owner, &[GUN]);
    assert_eq!(found.of_state("problem"), [""; 0], "{:#?}", found.all);

    remove(&key_ids(&owner, role)[0]);
    let found = Findings::of(&owner, &[GUN]);
    let mend = "notary delegation add example.com/app targets/releases";
    found.expect("too-few-keys", "problem", &["targets/releases", mend]);
}

#[test]
fn staged_changes_that_cannot_be_published_are_told_beforehand() {
    let server = TrustServer::go().unwrap();
    let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    people(&owner, &["jeff"]);
    begin(&owner);
    for (role, file) in [("targets/a", "jeff.crt"), ("targets/b", "ben.crt")] {
        let words = ["delegation", "add", GUN, role, file, "--paths", "a/", "-p"];
        owner.expect(Tool::Notary, &words).unwrap();
    }
    let stage = |role: &str, name: &str| {
        let words = ["addhash", GUN, name, "12", "--sha256", HELLO, "-r", role];
        owner.expect(Tool::Notary, &words).unwrap();
    };
    stage("targets", "v1");
    stage("targets/a", "a/v1");
    let found = Findings::of(&owner, &[GUN]);
    assert_eq!(found.of_state("problem"), [""; 0], "{:#?}", found.all);
    found.expect(
        "staged",
        "warning",
        &["2 changes", "notary publish example.com/app"],
    );

    stage("targets/new", "a/v1");
    stage("targets/a", "b/v1");
    stage("targets/b", "a/v1");
    stage("targets/b", "a/v2");
    owner
        .expect(
            Tool::Notary,
            &[
                "delegation",
                "add",
                GUN,
                "targets/new",
                "ben.crt",
                "--all-paths",
            ],
        )
        .unwrap();
    stage("targets/new", "a/v1");
    let changes = owner.trust_dir().join("tuf").join(GUN).join("changelist");
    file::write(&changes.join("99999999999999999999_x.change"), "{").unwrap();
    let found = Findings::of(&owner, &[GUN]);
    found.expect(
        "staged",
        "problem",
        &[
            "change 2 ",
            "no role targets/new",
            "notary delegation add",
            "-n 2 drops it",
        ],
    );
    found.expect(
        "staged",
        "problem",
        &[
            "change 3 ",
            "may not sign \"b/v1\"",
            "--paths",
            "-n 3 drops it",
        ],
    );
    found.expect(
        "staged",
        "problem",
        &["change 4 ", "0 are here", "notary key import"],
    );
    found.expect("staged", "problem", &["change 9 ", "-n 9 drops it"]);
    let count = found.of_state("problem").len();
    assert_eq!(count, 4, "{:#?}", found.all);
}
