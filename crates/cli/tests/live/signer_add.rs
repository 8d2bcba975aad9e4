//! `signer add`: what is printed, sent and stored.

use std::fs;

use signet_testkit::chaos::Fault;
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

use crate::scene::{Scene, keys_of};

/// Cases 57 to 60: what is printed, sent and stored when signers are added.
#[test]
fn signers_are_added_to_several_repositories() {
    let scene = Scene::new();
    for name in ["jeff", "ben"] {
        scene.generate(name);
    }
    let gun = &scene.gun;
    let _ = scene.proxy.take_log();
    let added = scene.add("jeff", gun);
    assert_eq!(
        added.clone().success().unwrap(),
        format!(
            "Adding signer \"jeff\" to {gun}...\nInitializing signed repository for {gun}...\n\
             Successfully initialized \"{gun}\"\nSuccessfully added signer: jeff to {gun}\n\n"
        )
    );
    assert_eq!(added.stderr, "");
    let path = |file: &str| format!("GET /v2/{gun}/_trust/tuf/{file}");
    let log = scene.proxy.take_log();
    assert_eq!(
        log,
        [
            "GET /v2/".to_owned(),
            path("root.json"),
            path("timestamp.key"),
            path("snapshot.key"),
            format!("POST /v2/{gun}/_trust/tuf/")
        ]
    );
    assert_eq!(
        (
            scene.server.version(gun, "root").unwrap(),
            scene.server.version(gun, "targets").unwrap()
        ),
        (1, 2)
    );

    let other = format!("{}/team/other", scene.registry.host());
    let added = scene.run(&[
        "signer", "add", "--key", "ben.pub", "--key", "jeff.pub", "ben", gun, "BAD", &other,
    ]);
    assert_eq!(
        added.stdout,
        format!(
            "Adding signer \"ben\" to {gun}...\nSuccessfully added signer: ben to {gun}\n\n\
             Adding signer \"ben\" to BAD...\n\
             Adding signer \"ben\" to {other}...\nInitializing signed repository for {other}...\n\
             Successfully initialized \"{other}\"\nSuccessfully added signer: ben to {other}\n\n"
        )
    );
    assert_eq!(
        added.failure(1).unwrap(),
        "invalid reference format: repository name (library/BAD) must be lowercase\n\nfailed to add signer to: BAD\n"
    );
    // One root key and one key for each repository.
    assert_eq!(
        (
            keys_of(&scene.user, "root").len(),
            keys_of(&scene.user, "targets").len()
        ),
        (1, 2)
    );
    assert_eq!(scene.staged(), 0);
}

/// Cases 58 and M12: who may add signers is asked for one passphrase, the repository key's.
#[test]
fn a_second_signer_costs_one_prompt() {
    let scene = Scene::with_jeff();
    scene.generate("ben");
    let mut user = scene.user;
    user.unset("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE");
    user.unset("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE");
    let words = ["signer", "add", "--key", "ben.pub", "ben", &scene.gun];
    let mut terminal = Terminal::spawn(&user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    terminal
        .expect("Enter passphrase for repository key with ID ")
        .unwrap();
    terminal.enter(User::REPOSITORY_PASSPHRASE).unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    assert_eq!(text.matches("passphrase").count(), 1, "{text}");
    assert!(
        text.ends_with(&format!(
            "Successfully added signer: ben to {}\n\n",
            scene.gun
        )),
        "{text}"
    );
}

/// Cases 63, 64 and 65: a failure says why and leaves nothing staged for the next command to publish.
#[test]
fn a_failed_signer_add_leaves_nothing_staged() {
    let scene = Scene::with_jeff();
    scene.generate("zz");
    scene.proxy.set(|method, _| {
        if method == "POST" {
            Fault::Lost
        } else {
            Fault::None
        }
    });
    let text = scene.add("zz", &scene.gun).failure(1).unwrap();
    assert!(
        text.ends_with(&format!("\n\nfailed to add signer to: {}\n", scene.gun)),
        "{text}"
    );
    assert_eq!(scene.staged(), 0);

    scene.proxy.heal();
    let stranger = scene.stranger();
    fs::copy(scene.user.path("zz.pub"), stranger.path("zz.pub")).unwrap();
    let words = ["signer", "add", "--key", "zz.pub", "zz", &scene.gun];
    let text = stranger
        .run(Tool::DockerTrust, &words)
        .unwrap()
        .failure(1)
        .unwrap();
    assert!(
        text.starts_with(
            "could not find necessary signing keys, at least one of these keys must be available: "
        ),
        "{text}"
    );

    // A server that knows nothing of trust.
    scene.proxy.set(|_, _| Fault::Status(404));
    let fresh = format!("{}/fresh", scene.registry.host());
    let text = scene.add("zz", &fresh).failure(1).unwrap();
    assert_eq!(
        text,
        format!(
            "Error: trust data missing for remote repository {fresh} or remote repository not found: \
             timestamp key trust data unavailable.  Has a notary repository been initialized?\n\nfailed to add signer to: {fresh}\n"
        )
    );
    assert_eq!(
        keys_of(&scene.user, "targets").len(),
        1,
        "a key was made for a repository that cannot be"
    );
}
