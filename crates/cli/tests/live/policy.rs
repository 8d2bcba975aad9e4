//! The policy file: which servers, roots and signers the commands put up with.

use std::process::Command;

use serde_json::{Value, json};
use signet_testkit::chaos::Fault;
use signet_testkit::file;
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::user::{Tool, User};
use signet_tuf::PublicKey;

use crate::scene::Scene;

/// Writes the user's policy with one rule for everything.
fn demand(user: &User, rule: &Value) {
    write(
        user,
        &json!({"version": 1, "rules": {"*": rule}}).to_string(),
    );
}

fn write(user: &User, text: &str) {
    file::write(&user.trust_dir().join("policy.json"), text).unwrap();
}

fn run(user: &User, words: &[&str]) -> Finished {
    user.run(Tool::DockerTrust, words).unwrap()
}

/// The ID that `inspect` shows as the root key of the scene's repository.
fn root_key(scene: &Scene) -> String {
    let text = run(&scene.user, &["inspect", &scene.gun])
        .success()
        .unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let keys = json[0]["AdministrativeKeys"].as_array().unwrap();
    let root = keys.iter().find(|key| key["Name"] == "Root").unwrap();
    root["Keys"][0]["ID"].as_str().unwrap().to_owned()
}

#[test]
fn first_use_is_refused_until_the_root_is_pinned_or_known() {
    let scene = Scene::with_jeff();
    let (digest, _) = scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let v1 = scene.tagged("v1");
    let signed = format!("{}@sha256:{digest}\n", scene.gun);

    let fresh = scene.stranger();
    demand(&fresh, &json!({"first_use": false}));
    let told = run(&fresh, &["verify", &v1]).failure(1).unwrap();
    for part in [
        "refuses trust on first use",
        &scene.gun,
        "Root Key",
        "root_certificates",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // Nothing was learnt on the way that the next command would take for known.
    run(&fresh, &["verify", &v1]).failure(1).unwrap();
    let told = run(&fresh, &["inspect", &scene.gun]).failure(1).unwrap();
    assert!(told.contains("refuses trust on first use"), "{told}");

    // The same holds for whatever reads trust data.
    file::write(&fresh.path("Dockerfile"), format!("FROM {v1}\n")).unwrap();
    for words in [
        vec!["pull", &v1],
        vec!["pull", "--all-tags", &scene.gun],
        vec!["run", "--rm", &v1],
        vec!["create", &v1],
        vec!["build", "."],
        vec!["lock", "Dockerfile"],
        vec!["lock", "--check", "Dockerfile"],
        vec!["sign", "--remote", &v1],
        vec!["push", &v1],
        vec!["revoke", &v1],
        vec!["revoke", "--yes", &scene.gun],
        vec!["signer", "remove", "jeff", &scene.gun],
        vec!["doctor", &scene.gun],
    ] {
        let finished = run(&fresh, &words);
        let told = format!("{}{}", finished.stdout, finished.stderr);
        assert!(
            finished.code.is_some_and(|code| code != 0)
                && told.contains("refuses trust on first use")
                && told.contains("root_certificates"),
            "{finished}"
        );
        assert!(!told.contains("the root was replaced"), "{told}");
    }

    // Who trusted the root before goes on.
    let known = scene.stranger();
    assert_eq!(run(&known, &["verify", &v1]).success().unwrap(), signed);
    demand(&known, &json!({"first_use": false}));
    assert_eq!(run(&known, &["verify", &v1]).success().unwrap(), signed);

    let right = json!({"first_use": false, "root_certificates": [root_key(&scene)]});
    demand(&fresh, &right);
    assert_eq!(run(&fresh, &["verify", &v1]).success().unwrap(), signed);

    // A pin holds for roots that were trusted before there was a pin, too.
    let wrong = json!({"root_certificates": ["0".repeat(64)]});
    for user in [&known, &fresh, &scene.stranger()] {
        demand(user, &wrong);
        for words in [vec!["verify", &v1], vec!["inspect", &scene.gun]] {
            let told = run(user, &words).failure(1).unwrap();
            assert!(
                told.contains("Warning: potential malicious behavior - trust data mismatch"),
                "{told}"
            );
        }
    }
    demand(&scene.user, &wrong);
    let told = scene.sign("v1").failure(1).unwrap();
    assert!(told.contains("trust data mismatch"), "{told}");
    let told = scene.add("jeff", &scene.gun).failure(1).unwrap();
    assert!(told.contains("trust data mismatch"), "{told}");
}

#[test]
fn a_root_may_be_pinned_by_who_issued_its_certificate() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let v1 = scene.tagged("v1");
    let reader = scene.stranger();
    demand(&reader, &json!({"root_ca": "ca.pem"}));
    let told = run(&reader, &["verify", &v1]).failure(1).unwrap();
    assert!(
        told.contains("root_ca: ") && told.contains("ca.pem: there is no such file"),
        "{told}"
    );

    // The certificate that is made for a root key has issued itself.
    let root = scene
        .server
        .metadata(&scene.gun, "root.json")
        .unwrap()
        .unwrap();
    let root: Value = serde_json::from_slice(&root).unwrap();
    let key = root["signed"]["keys"][root_key(&scene)].clone();
    let key: PublicKey = serde_json::from_value(key).unwrap();
    let pem = key.public_bytes().to_vec();
    let ca = reader.trust_dir().join("ca.pem");
    for (pem, ok) in [
        (pem, true),
        (scene.server.ca_pem().into_bytes(), false),
        (b"no certificate".to_vec(), false),
    ] {
        file::write(&ca, pem).unwrap();
        let finished = run(&reader, &["verify", &v1]);
        assert_eq!(finished.code == Some(0), ok, "{finished}");
    }
}

#[test]
fn another_spelling_of_a_registry_is_under_the_same_rule() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let rule = json!({"version": 1, "rules": {
        "*": {"first_use": false},
        format!("{}/team/a", scene.registry.host()): {},
        format!("{}/team/app", scene.registry.host().to_uppercase()): {"root_certificates": [root_key(&scene)]},
    }});
    let user = scene.stranger();
    write(&user, &rule.to_string());
    run(&user, &["verify", &scene.tagged("v1")])
        .success()
        .unwrap();
    let loud = scene.tagged("v1").replace("localhost", "LOCALHOST");
    let told = run(&user, &["verify", &loud]).failure(1).unwrap();
    assert!(
        told.contains("does not have trust data for LOCALHOST"),
        "{told}"
    );
}

#[test]
fn named_signers_must_vouch_for_the_very_digest() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    for name in ["alice", "bob"] {
        scene.generate(name);
        scene.add(name, &scene.gun).success().unwrap();
    }
    let reader = scene.stranger();
    let v1 = scene.tagged("v1");
    let verify = |rule: Value| {
        demand(&reader, &json!({"signers": rule}));
        run(&reader, &["verify", &v1])
    };
    verify(json!({"all_of": ["jeff"]})).success().unwrap();
    verify(json!({"at_least": 1, "of": ["bob", "jeff"]}))
        .success()
        .unwrap();
    let told = verify(json!({"all_of": ["jeff", "bob", "nobody"]}));
    assert_eq!(told.stdout, "");
    let policy = reader.trust_dir().join("policy.json");
    assert_eq!(
        told.failure(1).unwrap(),
        format!(
            "{v1} is not signed by bob, nobody, as the policy {}, rule \"*\" demands\nsigned by jeff\n",
            policy.display()
        )
    );
    // Every command that uses what is signed looks at it in the same way.
    file::write(&reader.path("Dockerfile"), format!("FROM {v1}\n")).unwrap();
    for words in [
        vec!["pull", &v1],
        vec!["pull", "--all-tags", &scene.gun],
        vec!["run", "--rm", &v1],
        vec!["create", &v1],
        vec!["build", "."],
        vec!["lock", "Dockerfile"],
        vec!["lock", "--check", "Dockerfile"],
    ] {
        let refused = run(&reader, &words);
        assert!(
            refused.code.is_some_and(|code| code != 0)
                && refused.stderr.contains("is not signed by bob, nobody"),
            "{refused}"
        );
    }
    let told = verify(json!({"at_least": 2, "of": ["alice", "bob", "jeff"]}))
        .failure(1)
        .unwrap();
    assert!(
        told.contains("at least 2 of alice, bob, jeff (only 1)"),
        "{told}"
    );

    // Everybody's key is in this folder: signing again is everybody's signature.
    scene.sign("v1").success().unwrap();
    verify(json!({"all_of": ["jeff", "bob"], "at_least": 2, "of": ["alice", "bob"]}))
        .success()
        .unwrap();

    // A signature of bob's on another digest is not one on this digest.
    let (other, size) = scene.push("v1", "other");
    scene.notary(&[
        "addhash",
        &scene.gun,
        "v1",
        &size.to_string(),
        "--sha256",
        &other,
        "-r",
        "targets/bob",
        "-p",
    ]);
    verify(json!({"all_of": ["jeff", "alice"]}))
        .success()
        .unwrap();
    let told = verify(json!({"all_of": ["bob"]})).failure(1).unwrap();
    assert!(told.contains("is not signed by bob"), "{told}");
    assert!(told.contains("signed by alice, jeff"), "{told}");

    // What the command line asks for comes on top.
    demand(&reader, &json!({"signers": {"all_of": ["jeff"]}}));
    run(&reader, &["verify", "--signer", "alice", &v1])
        .success()
        .unwrap();
    let told = run(
        &reader,
        &["verify", "--signer", "alice", "--signer", "bob", &v1],
    )
    .failure(1)
    .unwrap();
    assert!(
        told.starts_with(&format!("{v1} is not signed by bob, as --signer demands\n")),
        "{told}"
    );
    let told = run(&reader, &["verify", "--signer", "releases", &v1])
        .failure(1)
        .unwrap();
    assert!(told.contains("releases"), "{told}");
}

#[test]
fn one_key_under_two_names_is_one_signer() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene
        .run(&["signer", "add", "--key", "jeff.pub", "twin", &scene.gun])
        .success()
        .unwrap();
    scene.sign("v1").success().unwrap();
    let reader = scene.stranger();
    demand(&reader, &json!({"signers": {"all_of": ["jeff", "twin"]}}));
    run(&reader, &["verify", &scene.tagged("v1")])
        .success()
        .unwrap();
    demand(
        &reader,
        &json!({"signers": {"at_least": 2, "of": ["jeff", "twin"]}}),
    );
    let told = run(&reader, &["verify", &scene.tagged("v1")])
        .failure(1)
        .unwrap();
    assert!(told.contains("at least 2 of jeff, twin (only 1)"), "{told}");
}

#[test]
fn the_policys_server_goes_before_the_variable() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let mut reader = scene.stranger();
    demand(&reader, &json!({"server": scene.proxy.url()}));
    let v1 = scene.tagged("v1");
    let same = run(&reader, &["verify", &v1]);
    assert_eq!((same.code, same.stderr.as_str()), (Some(0), ""));
    for other in ["https://evil.invalid", "http://no-url-at-all"] {
        reader.set("DOCKER_CONTENT_TRUST_SERVER", other);
        let finished = run(&reader, &["verify", &v1]);
        assert!(
            finished.stderr.contains("level=warning")
                && finished
                    .stderr
                    .contains("DOCKER_CONTENT_TRUST_SERVER is not used"),
            "{finished}"
        );
        finished.success().unwrap();
    }
    reader.unset("DOCKER_CONTENT_TRUST_SERVER");
    run(&reader, &["verify", &v1]).success().unwrap();
}

#[test]
fn cached_data_can_be_refused() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let reader = scene.stranger();
    let v1 = scene.tagged("v1");
    demand(&reader, &json!({"cached_data": false}));
    run(&reader, &["verify", &v1]).success().unwrap();
    scene.proxy.set(|_, _| Fault::Cut);
    let told = run(&reader, &["verify", &v1]).failure(1).unwrap();
    assert!(
        told.contains("could not be asked, and the policy"),
        "{told}"
    );
    demand(&reader, &json!({"cached_data": true}));
    let cached = run(&reader, &["verify", &v1]);
    assert!(
        cached.stderr.contains("what is known holds until"),
        "{cached}"
    );
    cached.success().unwrap();
}

/// Nothing is asked of anybody while the policy is not understood.
#[test]
fn a_policy_that_is_not_understood_stops_every_command() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    let v1 = scene.tagged("v1");
    let policy = scene.user.trust_dir().join("policy.json");
    let _ = scene.proxy.take_log();
    for (text, said) in [
        (
            "{\"version\":1,\n \"rules\":{\"*\":{\"first-use\":false}}}",
            ":2:26: rule \"*\": unknown field `first-use`",
        ),
        ("", ":1:0: "),
        ("# none", ":1:1: "),
    ] {
        write(&scene.user, text);
        for words in [
            vec!["verify", &v1],
            vec!["inspect", &scene.gun],
            vec!["sign", &v1],
        ] {
            let told = scene.run(&words).failure(1).unwrap();
            let begin = format!(
                "the trust policy cannot be used: {}{said}",
                policy.display()
            );
            assert!(told.starts_with(&begin), "{told}");
        }
    }
    write(&scene.user, r#"{"version":1,"rules":{}}"#);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(&policy, open).unwrap();
    let told = scene.run(&["verify", &v1]).failure(1).unwrap();
    assert!(
        told.contains("others than its owner can change this file (mode 666)"),
        "{told}"
    );
    assert!(scene.proxy.take_log().is_empty());
}

#[test]
fn a_variable_names_another_policy_which_must_be_there() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let v1 = scene.tagged("v1");
    let mut reader = scene.stranger();
    demand(&reader, &json!({"signers": {"all_of": ["nobody"]}}));
    run(&reader, &["verify", &v1]).failure(1).unwrap();
    let elsewhere = reader.path("ci.json");
    reader.set("DOCKER_TRUST_POLICY", &elsewhere.to_string_lossy());
    let told = run(&reader, &["verify", &v1]).failure(1).unwrap();
    assert!(told.contains("ci.json: there is no such file"), "{told}");
    let rule = json!({"version": 1, "rules": {"*": {"root_certificates": [root_key(&scene)]}}});
    file::write(&elsewhere, rule.to_string()).unwrap();
    run(&reader, &["verify", &v1]).success().unwrap();
    reader.set("DOCKER_TRUST_POLICY", "");
    let told = run(&reader, &["verify", &v1]).failure(1).unwrap();
    assert!(
        told.contains("DOCKER_TRUST_POLICY is set and names no file"),
        "{told}"
    );
}

#[test]
fn an_owner_begins_repositories_where_first_use_is_refused_and_not_where_the_root_is_pinned() {
    let scene = Scene::new();
    scene.generate("jeff");
    demand(&scene.user, &json!({"root_certificates": ["1".repeat(64)]}));
    let told = scene.add("jeff", &scene.gun).failure(1).unwrap();
    assert!(
        told.contains("is not begun: the policy pins its root"),
        "{told}"
    );
    assert_eq!(
        scene.server.metadata(&scene.gun, "root.json").unwrap(),
        None
    );

    demand(&scene.user, &json!({"first_use": false}));
    scene.add("jeff", &scene.gun).success().unwrap();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    scene
        .run(&["verify", &scene.tagged("v1")])
        .success()
        .unwrap();
}

/// In a mount namespace of its own, where `/etc/docker` is a folder of the test's.
#[test]
fn the_machines_policy_cannot_be_weakened() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let v1 = scene.tagged("v1");
    let mut reader = scene.stranger();
    let etc = reader.path("etc-docker");
    let machine = |rule: Value| {
        let text = json!({"version": 1, "rules": {"*": rule}}).to_string();
        file::write(&etc.join("trust/policy.json"), text).unwrap();
    };
    let verify = |reader: &User| {
        let inner = reader.command(Tool::DockerTrust, &["verify", &v1]).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c"])
            .arg(format!(
                "mkdir -p /etc/docker && mount --bind {} /etc/docker && exec \"$@\"",
                etc.display()
            ))
            .arg("sh")
            .arg(inner.get_program())
            .args(inner.get_args());
        reader.dress(&mut command);
        process::run(&mut command, "", COMMAND_LIMIT).unwrap()
    };
    machine(json!({}));
    verify(&reader).success().unwrap();

    machine(json!({"signers": {"all_of": ["bob"]}, "server": scene.proxy.url()}));
    demand(
        &reader,
        &json!({"signers": {"all_of": ["jeff"]}, "first_use": true, "cached_data": true}),
    );
    let told = verify(&reader).failure(1).unwrap();
    assert!(
        told.contains("is not signed by bob, as the policy /etc/docker/trust/policy.json"),
        "{told}"
    );
    let own = reader.path("own.json");
    file::write(&own, r#"{"version":1,"rules":{"*":{}}}"#).unwrap();
    reader.set("DOCKER_TRUST_POLICY", &own.to_string_lossy());
    let told = verify(&reader).failure(1).unwrap();
    assert!(told.contains("is not signed by bob"), "{told}");
    file::write(
        &own,
        r#"{"version":1,"rules":{"*":{"server":"https://evil.invalid"}}}"#,
    )
    .unwrap();
    let told = verify(&reader).failure(1).unwrap();
    assert!(
        told.contains("the policies disagree about the trust server"),
        "{told}"
    );
    file::write(&etc.join("trust/policy.json"), "{").unwrap();
    let told = verify(&reader).failure(1).unwrap();
    assert!(
        told.contains("the trust policy cannot be used: /etc/docker/trust/policy.json:1:1: "),
        "{told}"
    );
}
