//! Deleting with our `notary` beside Go's, on Go's server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use signet_testkit::chaos::Fault;
use signet_testkit::peer::{TokenService, TrustOptions, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::judge::{key_ids, list_targets};
use crate::notary_read::tree;
use crate::notary_rotate::{BOTH, GUN, HELLO, Scene};

fn first_line() -> String {
    format!("Deleting trust data for repository {GUN}\n")
}

fn deleted(which: &str) -> String {
    format!(
        "{}Successfully deleted {which} trust data for repository {GUN}\n",
        first_line()
    )
}

fn below(folder: &Path) -> BTreeSet<PathBuf> {
    tree(folder).into_iter().collect()
}

/// Case 87.
#[test]
fn what_is_deleted_is_gone_and_keys_are_not() {
    for tool in BOTH {
        let scene = Scene::new();
        let owner = &scene.owner;
        scene.go(&["addhash", GUN, "v2", "12", "--sha256", HELLO]);
        let keys = ["root", "targets", "snapshot"].map(|role| key_ids(owner, role));
        let _ = scene.proxy.take_log();
        assert_eq!(
            owner.expect(tool, &["delete", GUN]).unwrap(),
            deleted("local")
        );
        assert_eq!(scene.proxy.take_log(), [""; 0]);
        let status = owner.expect(Tool::Notary, &["status", GUN]).unwrap();
        assert_eq!(status, format!("No unpublished changes for {GUN}\n"));
        assert_eq!(list_targets(owner, GUN, &[]).len(), 1);

        assert_eq!(
            owner.expect(tool, &["delete", GUN, "--remote"]).unwrap(),
            deleted("local and remote")
        );
        let log = scene.proxy.take_log();
        assert_eq!(
            log.last().unwrap(),
            &format!("DELETE /v2/{GUN}/_trust/tuf/")
        );
        assert!(scene.server.metadata(GUN, "root.json").unwrap().is_none());
        let gone = owner.run(tool, &["list", GUN]).unwrap();
        assert!(
            gone.stdout
                .ends_with(&format!(" does not have trust data for {GUN}\n")),
            "{gone}"
        );
        // Once more is no error, and neither is what nobody ever knew.
        owner.expect(tool, &["delete", GUN, "--remote"]).unwrap();
        owner.expect(tool, &["delete", "no/such"]).unwrap();
        assert_eq!(
            ["root", "targets", "snapshot"].map(|role| key_ids(owner, role)),
            keys
        );
    }
    let scene = Scene::empty();
    let [go, our] = BOTH.map(|tool| scene.owner.run(tool, &["delete"]).unwrap());
    let last = "\n* fatal: Must specify a GUN\n";
    assert!(
        our.stdout.ends_with(last) && go.stdout.ends_with(last),
        "{our}"
    );
}

/// Repositories nest as folders: Go deletes those below, too.
#[test]
fn repositories_whose_names_begin_alike_stay() {
    let nested = format!("{GUN}/web");
    let inside = format!("{GUN}/metadata/web");
    let scene = Scene::new();
    for gun in [nested.as_str(), &inside] {
        scene.go(&["init", gun]);
        scene.go(&["addhash", gun, "w1", "12", "--sha256", HELLO]);
    }
    let folder = scene.owner.trust_dir().join("tuf");
    let before = below(&folder);
    scene.owner.expect(Tool::OurNotary, &["list", GUN]).unwrap();
    assert_eq!(
        scene
            .owner
            .expect(Tool::OurNotary, &["delete", GUN])
            .unwrap(),
        deleted("local")
    );
    let after = below(&folder);
    let own: BTreeSet<PathBuf> = before
        .difference(&after)
        .map(|path| path.strip_prefix(folder.join(GUN)).unwrap().to_owned())
        .collect();
    let expected = [
        "changelist",
        "metadata/root.json",
        "metadata/snapshot.json",
        "metadata/targets.json",
        "metadata/timestamp.json",
    ];
    let mut expected: BTreeSet<PathBuf> = expected.iter().map(PathBuf::from).collect();
    expected.retain(|path| before.contains(&folder.join(GUN).join(path)));
    assert_eq!(own, expected);
    for gun in [nested.as_str(), &inside] {
        let status = scene.go(&["status", gun]);
        assert!(status.contains("w1"), "{status}");
        scene
            .owner
            .expect(Tool::OurNotary, &["delete", gun])
            .unwrap();
    }
    // Nothing is left, not even folders.
    assert_eq!(below(&folder), BTreeSet::new());

    // Go, for comparison.
    scene.go(&["init", &nested]);
    scene.go(&["delete", GUN]);
    assert!(!folder.join(&nested).join("metadata/root.json").exists());
}

/// Section 10.7: Go has deleted everything here when the server says no.
#[test]
fn a_server_that_refuses_costs_nothing_here() {
    for status in [401, 403, 404, 500] {
        let scene = Scene::new();
        scene.go(&["addhash", GUN, "v2", "12", "--sha256", HELLO]);
        let folder = scene.owner.trust_dir().join("tuf");
        let before = below(&folder);
        scene.proxy.set(move |method, _| match method {
            "DELETE" => Fault::Refused(status),
            _ => Fault::None,
        });
        let line = ["delete", "--remote", GUN];
        let our = scene.run(&line);
        assert_eq!(below(&folder), before, "{status}");
        let go = scene.owner.run(Tool::Notary, &line).unwrap();
        assert_eq!((&our.stdout, our.code), (&go.stdout, go.code));
        assert!(our.stdout.starts_with(&first_line()), "{our}");
        assert!(!folder.join(GUN).join("metadata/root.json").exists());
    }
    let scene = Scene::new();
    let away = format!(
        "https://localhost:{}",
        signet_testkit::port::free().unwrap().port()
    );
    let our = scene.run(&["-s", &away, "delete", "--remote", GUN]);
    assert_eq!(
        (our.code, our.stdout),
        (
            Some(1),
            format!("{}\n* fatal: client is offline\n", first_line())
        )
    );
    let status = scene.go(&["list", GUN]);
    assert!(status.contains("v1"), "{status}");
}

/// Case 88 (Q2): with Go, `delete ../..` removes folders of somebody else, and an empty name removes all repositories.
#[test]
fn names_that_climb_delete_nothing() {
    let scene = Scene::new();
    scene.owner.expect(Tool::OurNotary, &["list", GUN]).unwrap();
    let before = below(scene.owner.home());
    for name in [
        "../../x",
        "../..",
        "..",
        ".",
        "",
        "/abs",
        "a/../b",
        "a//b",
        "example.com/",
        "example.com/app/metadata/targets/x",
    ] {
        for line in [
            &["delete", name][..],
            &["delete", "--remote", name],
            &["key", "rotate", name, "targets"],
            &["renew", name],
        ] {
            let refused = scene.run(line);
            assert_eq!(refused.code, Some(1), "{refused}");
            assert!(refused.stdout.starts_with("\n* fatal: "), "{refused}");
        }
    }
    assert_eq!(below(scene.owner.home()), before);
}

/// A repository that was begun anew is trusted again after the old one is forgotten, versions included.
#[test]
fn a_forgotten_repository_is_a_new_one() {
    let scene = Scene::new();
    scene.go(&["addhash", GUN, "v2", "12", "--sha256", HELLO, "-p"]);
    scene.go(&["addhash", GUN, "v3", "12", "--sha256", HELLO, "-p"]);
    let reader = scene.reader();
    reader.expect(Tool::OurNotary, &["list", GUN]).unwrap();
    scene.go(&["delete", GUN, "--remote"]);
    let other = User::new(&scene.proxy.url(), &scene.server.ca_pem()).unwrap();
    other.expect(Tool::Notary, &["init", GUN, "-p"]).unwrap();
    let refused = reader.run(Tool::OurNotary, &["list", GUN]).unwrap();
    assert_eq!(refused.code, Some(1), "{refused}");
    reader.expect(Tool::OurNotary, &["delete", GUN]).unwrap();
    assert_eq!(
        reader.expect(Tool::OurNotary, &["list", GUN]).unwrap(),
        "\nNo targets present in this repository.\n\n"
    );
}

/// Case 55.
#[test]
fn rotating_and_deleting_ask_for_everything() {
    let tokens = TokenService::start_plain().unwrap().user(
        "admin",
        "secret",
        &[("*", "*"), ("*", "pull,push")],
    );
    let options = TrustOptions::default().token(tokens.auth("notary-server"));
    let server = TrustServer::go_with(&options).unwrap();
    let mut owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    owner.set(
        "NOTARY_AUTH",
        &data_encoding::BASE64.encode(b"admin:secret"),
    );
    owner.expect(Tool::Notary, &["init", GUN, "-p"]).unwrap();
    let ask = |tool, line: &[&str]| {
        tokens.take_requests();
        owner.expect(tool, line).unwrap();
        let asked: Vec<String> = tokens
            .take_requests()
            .iter()
            .map(|request| request.essence())
            .collect();
        asked
    };
    let line = ["key", "rotate", GUN, "snapshot", "-r"];
    let go = ask(Tool::Notary, &line);
    assert_eq!(go.len(), 1, "{go:?}");
    assert!(
        go[0].contains("&scope=repository%3Aexample.com%2Fapp%3A%2A&"),
        "{go:?}"
    );
    assert_eq!(ask(Tool::OurNotary, &["key", "rotate", GUN, "targets"]), go);
    assert_eq!(ask(Tool::OurNotary, &["delete", "--remote", GUN]), go);
}
