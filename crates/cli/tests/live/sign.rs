//! `sign`: which digest, in which roles, and what a failure leaves.

use std::collections::BTreeSet;

use signet_testkit::terminal::Terminal;
use signet_testkit::user::Tool;

use crate::scene::{Scene, keys_of};

/// Cases 66 and 67: the first signature makes the repository and the user's own role; the second one signs what is signed.
#[test]
fn the_first_signature_makes_the_user_a_signer() {
    let scene = Scene::new();
    scene
        .user
        .log_in(&scene.registry.host(), "alice", "secret")
        .unwrap();
    let (digest, size) = scene.push("v1", "hello");
    let image = scene.tagged("v1");
    let _ = scene.proxy.take_log();
    let first = scene.sign("v1");
    assert_eq!(
        first.clone().success().unwrap(),
        format!(
            "Created signer: alice\nFinished initializing signed repository for {image}\n\
             v1: digest: sha256:{digest} size: {size}\nSigning and pushing trust metadata\nSuccessfully signed {image}\n"
        )
    );
    assert_eq!(
        first.stderr,
        format!(
            "Signing and pushing trust data for remote image {image}, may overwrite remote trust data\n"
        )
    );
    assert_eq!(scene.posts(), 1);
    for role in ["targets/alice", "targets/releases"] {
        assert_eq!(scene.list(role), BTreeSet::from([format!("v1 {digest}")]));
    }
    assert_eq!(keys_of(&scene.user, "alice").len(), 1);

    // What the registry has by now does not matter.
    scene.push("v1", "replaced");
    let version = scene.server.version(&scene.gun, "targets/alice").unwrap();
    let again = scene.sign_again("v1").success().unwrap();
    assert_eq!(
        again,
        format!(
            "Signing and pushing trust metadata for {image}\nExisting signatures for tag v1 digest {digest} from:\nalice\n\
             Successfully signed {image}\n"
        )
    );
    assert_eq!(
        scene.list("targets/releases"),
        BTreeSet::from([format!("v1 {digest}")])
    );
    // Signed anew, so that its validity begins anew.
    assert_eq!(
        scene.server.version(&scene.gun, "targets/alice").unwrap(),
        version + 1
    );

    // `--remote` takes what is there now.
    let (digest, _) = scene.push("v1", "replaced");
    scene.run(&["sign", "--remote", &image]).success().unwrap();
    assert_eq!(
        scene.list("targets/releases"),
        BTreeSet::from([format!("v1 {digest}")])
    );
}

/// Case 75: users whose names cannot be a signer's, and users without a name.
#[test]
fn a_user_without_a_fitting_name_signs_all_the_same() {
    let scene = Scene::new();
    let (digest, _) = scene.push("v1", "hello");
    let signed = scene.sign("v1");
    assert!(
        signed
            .stderr
            .starts_with("Not logged in to the registry: signing with the repository key"),
        "{signed}"
    );
    signed.success().unwrap();
    // Case 69: there are no delegations.
    assert_eq!(
        scene.list("targets"),
        BTreeSet::from([format!("v1 {digest}")])
    );
    assert_eq!(
        scene
            .sign_again("v1")
            .success()
            .unwrap()
            .matches("from:\n\nSuccessfully signed")
            .count(),
        1
    );

    let scene = Scene::new();
    scene
        .user
        .log_in(&scene.registry.host(), "Bob.X", "secret")
        .unwrap();
    scene.push("v1", "hello");
    let signed = scene.sign("v1");
    assert!(
        signed
            .stderr
            .starts_with("Registry user \"Bob.X\" cannot be a signer's name: signing as bob-x\n"),
        "{signed}"
    );
    signed.success().unwrap();
    assert_eq!(
        scene.list("targets/bob-x"),
        BTreeSet::from([format!("v1 {digest}")])
    );
}

/// Cases 70, 71 and 72: into which roles a tag is signed.
#[test]
fn a_tag_is_signed_in_every_role_that_the_user_has_a_key_for() {
    let scene = Scene::with_jeff();
    scene.generate("ann");
    scene.add("ann", &scene.gun).success().unwrap();
    let (digest, _) = scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    for role in ["targets/ann", "targets/jeff", "targets/releases"] {
        assert_eq!(
            scene.list(role),
            BTreeSet::from([format!("v1 {digest}")]),
            "{role}"
        );
    }
    let releases = scene
        .server
        .metadata(&scene.gun, "targets/releases.json")
        .unwrap()
        .unwrap();
    assert_eq!(
        String::from_utf8(releases)
            .unwrap()
            .matches("\"keyid\"")
            .count(),
        2
    );

    // A key that may sign tags of some names only.
    let eve = scene.stranger();
    eve.expect(Tool::DockerTrust, &["key", "generate", "eve"])
        .unwrap();
    let key = eve.path("eve.pub").display().to_string();
    for role in ["targets/eve", "targets/releases"] {
        scene.notary(&[
            "delegation",
            "add",
            &scene.gun,
            role,
            &key,
            "--paths",
            "rel-",
            "-p",
        ]);
    }
    let sign = |tag: &str| {
        eve.run(Tool::DockerTrust, &["sign", "--remote", &scene.tagged(tag)])
            .unwrap()
    };
    let (released, _) = scene.push("rel-1", "one");
    scene.push("v3", "three");
    sign("rel-1").success().unwrap();
    assert_eq!(
        scene.list("targets/eve"),
        BTreeSet::from([format!("rel-1 {released}")])
    );
    sign("v3").success().unwrap();
    assert_eq!(
        scene.list("targets/eve"),
        BTreeSet::from([format!("rel-1 {released}")]),
        "v3 is not in its paths"
    );

    // Nobody's key.
    let nobody = scene.stranger();
    let refused = nobody
        .run(Tool::DockerTrust, &["sign", &scene.tagged("v3")])
        .unwrap();
    let text = refused.failure(1).unwrap();
    assert_eq!(
        text,
        format!(
            "failed to sign {}: no valid signing keys for delegation roles\n",
            scene.tagged("v3")
        )
    );
    // On a terminal it is said what to do.
    let words = ["sign", &scene.tagged("v3")];
    let command = nobody.command(Tool::DockerTrust, &words).unwrap();
    let mut terminal = Terminal::spawn(&command).unwrap();
    terminal
        .expect("docker trust key load brings a key")
        .unwrap();
}

/// Cases 73 and 74: never a success with a key that cannot be used, and nothing is published on the way to a failure.
#[test]
fn what_fails_changes_nothing() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let _ = scene.proxy.take_log();
    let timestamp = scene.server.version(&scene.gun, "timestamp").unwrap();

    let mut user = scene.user;
    user.set("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "wrong");
    let refused = user
        .run(Tool::DockerTrust, &["sign", &format!("{}:v1", scene.gun)])
        .unwrap();
    let text = refused.failure(1).unwrap();
    let expected = format!(
        "failed to sign {}:v1: could not find necessary signing keys, at least one of these keys must be available: ",
        scene.gun
    );
    assert!(text.starts_with(&expected), "{text}");

    let text = user
        .run(
            Tool::DockerTrust,
            &["sign", "--remote", &format!("{}:nosuch", scene.gun)],
        )
        .unwrap()
        .failure(1)
        .unwrap();
    assert!(
        text.contains(&format!(
            "team/app:nosuch is not in the registry http://{}/",
            scene.registry.host()
        )),
        "{text}"
    );
    assert!(
        scene
            .proxy
            .take_log()
            .iter()
            .all(|line| !line.starts_with("POST"))
    );
    assert_eq!(
        scene.server.version(&scene.gun, "timestamp").unwrap(),
        timestamp
    );
}

/// Case 76b (Q25): a tag that `targets` and `targets/releases` list with different digests.
#[test]
fn two_digests_of_one_tag_are_not_confused() {
    let scene = Scene::with_jeff();
    let (old, size) = scene.push("latest", "old");
    scene.notary(&[
        "addhash",
        &scene.gun,
        "latest",
        &size.to_string(),
        "--sha256",
        &old,
        "-r",
        "targets",
        "-p",
    ]);
    let (new, _) = scene.push("latest", "new");
    scene
        .run(&["sign", "--remote", &scene.tagged("latest")])
        .success()
        .unwrap();
    assert_eq!(
        scene.list("targets/releases"),
        BTreeSet::from([format!("latest {new}")])
    );

    let text = scene.sign_again("latest").failure(1).unwrap();
    assert!(text.contains(&new) && text.contains(&old), "{text}");
    assert_eq!(
        scene.list("targets/releases"),
        BTreeSet::from([format!("latest {new}")])
    );
    // Case 107: what docker pulls is what releases says.
    let verified = scene
        .stranger()
        .expect(Tool::DockerTrust, &["verify", &scene.tagged("latest")])
        .unwrap();
    assert_eq!(verified, format!("{}@sha256:{new}\n", scene.gun));

    let chosen = |digest: &str| {
        scene.run(&[
            "sign",
            "--digest",
            &format!("sha256:{digest}"),
            &scene.tagged("latest"),
        ])
    };
    chosen(&old).success().unwrap();
    assert_eq!(
        scene.list("targets/releases"),
        BTreeSet::from([format!("latest {old}")])
    );
    // A digest that is not signed yet comes from the registry, and only from there.
    let (other, _) = scene.push("other", "other");
    chosen(&other).success().unwrap();
    assert_eq!(
        scene.list("targets/releases"),
        BTreeSet::from([format!("latest {other}")])
    );
    chosen(&"0".repeat(64)).failure(1).unwrap();
}
