//! `revoke`: afterwards nobody releases the tag, or the command has failed and nothing has changed. Go's clients say what is released.

use std::collections::BTreeSet;

use signet_testkit::chaos::Fault;
use signet_testkit::process::Finished;
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

use crate::scene::Scene;

impl Scene {
    fn revoke(&self, words: &[&str], input: &str) -> Finished {
        let words: Vec<&str> = ["revoke"].iter().chain(words).copied().collect();
        self.user
            .run_with_input(Tool::DockerTrust, &words, input)
            .unwrap()
    }

    /// What Go's client lists as docker looks it up: `targets/releases` first, then `targets`.
    fn trusted(&self) -> BTreeSet<String> {
        let mut rows = self.list("targets/releases");
        rows.extend(self.list("targets"));
        rows
    }

    /// Lists a tag in a role by means of Go's client.
    fn add_hash(&self, role: &str, tag: &str, digest: &str) {
        self.notary(&[
            "addhash", &self.gun, tag, "5", "--sha256", digest, "-r", role, "-p",
        ]);
    }
}

/// Cases 77 and 78, and what docker says about the same.
#[test]
fn a_tag_is_revoked_once() {
    let scene = Scene::with_jeff();
    let (digest, _) = scene.push("v1", "hello");
    scene.push("v2", "two");
    scene.sign("v1").success().unwrap();
    scene.sign("v2").success().unwrap();
    let v1 = scene.tagged("v1");
    assert!(scene.trusted().contains(&format!("v1 {digest}")));
    let revoked = scene.revoke(&[&v1], "");
    assert_eq!(
        (revoked.stdout.as_str(), revoked.stderr.as_str()),
        (
            format!("Successfully deleted signature for {v1}\n").as_str(),
            ""
        )
    );
    revoked.success().unwrap();
    let tags: Vec<String> = scene.trusted().into_iter().collect();
    assert!(tags.len() == 1 && tags[0].starts_with("v2 "), "{tags:?}");
    assert!(scene.list("targets/jeff").len() == 1);
    assert_eq!(
        scene
            .stranger()
            .run(Tool::DockerTrust, &["verify", &v1])
            .unwrap()
            .failure(1)
            .unwrap(),
        "No valid trust data for v1\n"
    );
    for tool in [Tool::Docker, Tool::DockerTrust] {
        let again = scene.user.run(tool, &["revoke", &v1]).unwrap();
        assert_eq!(
            again.failure(1).unwrap(),
            format!("could not remove signature for {v1}: No valid trust data for v1\n")
        );
    }
    assert_eq!(scene.staged(), 0);

    let fresh = format!("{}/fresh", scene.registry.host());
    let host = scene.proxy.url().replace("https://", "");
    for tool in [Tool::Docker, Tool::DockerTrust] {
        let unknown = scene.user.run(tool, &["revoke", "-y", &fresh]).unwrap();
        assert_eq!(
            unknown.failure(1).unwrap(),
            format!(
                "could not remove signature for {fresh}: {host} does not have trust data for {fresh}\n"
            )
        );
    }
}

/// Cases 79 and 80: a whole repository, after a question.
#[test]
fn all_tags_are_revoked_after_a_question() {
    let scene = Scene::with_jeff();
    for tag in ["v1", "v2"] {
        scene.push(tag, tag);
        scene.sign(tag).success().unwrap();
    }
    let gun = &scene.gun;
    let before = scene.trusted();
    let question = format!("Confirm you would like to delete all signature data for {gun}? [y/N] ");
    for answer in ["n\n", "yes\n", "", "\n"] {
        let declined = scene.revoke(&[gun], answer);
        assert_eq!(
            (
                declined.code,
                declined.stdout.as_str(),
                declined.stderr.as_str()
            ),
            (Some(0), question.as_str(), ""),
            "{answer:?}"
        );
    }
    assert_eq!((scene.trusted(), before.len()), (before, 2));
    let revoked = scene.revoke(&[gun], " Y \n").success().unwrap();
    assert_eq!(
        revoked,
        format!("{question}Successfully deleted signature for {gun}\n")
    );
    assert_eq!(scene.trusted(), BTreeSet::new());
    for tool in [Tool::Docker, Tool::DockerTrust] {
        let again = scene.user.run(tool, &["revoke", "-y", gun]).unwrap();
        assert_eq!(
            again.failure(1).unwrap(),
            format!("could not remove signature for {gun}: no signed tags to remove\n")
        );
    }
}

/// Case 81 (Q14): a tag that `targets` lists as well. docker leaves it there and says that it is gone.
#[test]
fn a_tag_is_revoked_in_targets_too() {
    let scene = Scene::with_jeff();
    let (old, _) = scene.push("v1", "old");
    scene.add_hash("targets", "v1", &old);
    scene.add_hash("targets", "other", &old);
    let (new, _) = scene.push("v1", "new");
    scene
        .run(&["sign", "--remote", &scene.tagged("v1")])
        .success()
        .unwrap();
    let all: BTreeSet<String> = [
        format!("other {old}"),
        format!("v1 {new}"),
        format!("v1 {old}"),
    ]
    .into();
    assert_eq!(scene.trusted(), all);

    // Without the repository key nothing is published, and the message names the role and its key.
    let jeff = scene.stranger();
    let private = jeff.trust_dir().join("private");
    std::fs::create_dir_all(&private).unwrap();
    for key in crate::scene::keys_of(&scene.user, "jeff") {
        std::fs::copy(&key, private.join(key.file_name().unwrap())).unwrap();
    }
    let repository_key = crate::scene::keys_of(&scene.user, "targets").pop().unwrap();
    let id = repository_key.file_stem().unwrap().to_str().unwrap();
    let _ = scene.proxy.take_log();
    for words in [
        vec!["revoke", &scene.tagged("v1")],
        vec!["revoke", "-y", &scene.gun],
    ] {
        let refused = jeff.run(Tool::DockerTrust, &words).unwrap();
        let text = refused.failure(1).unwrap();
        assert!(
            text.starts_with(&format!(
                "could not remove signature for {}: targets lists ",
                words.last().unwrap()
            )) && text.ends_with(&format!(
                "At least one of these keys must be available: {id}\n"
            )),
            "{text}"
        );
    }
    assert_eq!((scene.posts(), scene.trusted()), (0, all));

    scene.revoke(&[&scene.tagged("v1")], "").success().unwrap();
    assert_eq!(scene.trusted(), [format!("other {old}")].into());
    let inspected = scene
        .stranger()
        .expect(Tool::Docker, &["inspect", "--pretty", &scene.tagged("v1")]);
    assert!(
        inspected
            .unwrap()
            .starts_with(&format!("\nNo signatures for {}\n", scene.tagged("v1")))
    );
    scene.revoke(&["-y", &scene.gun], "").success().unwrap();
    assert_eq!(scene.trusted(), BTreeSet::new());
}

/// Somebody without keys, and tags that only others list.
#[test]
fn what_cannot_be_revoked_is_said() {
    let scene = Scene::with_jeff();
    let (digest, _) = scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let v1 = scene.tagged("v1");
    for tool in [Tool::Docker, Tool::DockerTrust] {
        let nobody = scene.stranger().run(tool, &["revoke", &v1]).unwrap();
        assert_eq!(
            nobody.failure(1).unwrap(),
            format!(
                "could not remove signature for {v1}: no valid signing keys for delegation roles\n"
            )
        );
    }

    // ben may sign, and has signed something that is not released.
    scene.generate("ben");
    scene.add("ben", &scene.gun).success().unwrap();
    scene.add_hash("targets/ben", "bens", &digest);
    let jeff = scene.stranger();
    let private = jeff.trust_dir().join("private");
    std::fs::create_dir_all(&private).unwrap();
    for key in crate::scene::keys_of(&scene.user, "jeff") {
        std::fs::copy(&key, private.join(key.file_name().unwrap())).unwrap();
    }
    let bens = scene.tagged("bens");
    assert_eq!(
        jeff.run(Tool::DockerTrust, &["revoke", &bens])
            .unwrap()
            .failure(1)
            .unwrap(),
        format!(
            "could not remove signature for {bens}: bens is not released: only targets/ben lists it, whose keys are not at hand\n"
        )
    );
    // Whoever has ben's key takes it out of there.
    scene.revoke(&[&bens], "").success().unwrap();
    assert_eq!(scene.list("targets/ben"), BTreeSet::new());

    // A repository without signers, whose key somebody else has.
    let other = format!("{}/other", scene.registry.host());
    scene.notary(&["init", "-p", &other]);
    scene.notary(&["addhash", &other, "v1", "5", "--sha256", &digest, "-p"]);
    let tagged = format!("{other}:v1");
    let ours = scene
        .stranger()
        .run(Tool::DockerTrust, &["revoke", &tagged])
        .unwrap();
    let docker = scene
        .stranger()
        .run(Tool::Docker, &["revoke", &tagged])
        .unwrap();
    let ours = ours.failure(1).unwrap();
    // docker logs the reason before it says so.
    assert!(
        docker.failure(1).unwrap().ends_with(&format!("\n{ours}")),
        "{ours}"
    );
    assert!(
        ours.contains(
            "could not find necessary signing keys, at least one of these keys must be available: "
        ),
        "{ours}"
    );
    scene
        .user
        .expect(Tool::DockerTrust, &["revoke", &tagged])
        .unwrap();
    let listed = scene
        .stranger()
        .expect(Tool::Notary, &["list", &other])
        .unwrap();
    assert!(!listed.contains(&digest), "{listed}");
}

/// A wrong passphrase and a server in trouble change nothing and are no success.
#[test]
fn a_failed_revocation_changes_nothing() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let v1 = scene.tagged("v1");
    let before = scene.trusted();
    scene.proxy.set(|method, _| {
        if method == "POST" {
            Fault::Lost
        } else {
            Fault::None
        }
    });
    let text = scene.revoke(&[&v1], "").failure(1).unwrap();
    assert!(
        text.starts_with(&format!("could not remove signature for {v1}: ")),
        "{text}"
    );
    scene.proxy.heal();
    assert_eq!((scene.trusted(), scene.staged()), (before, 0));
    let gun = scene.gun.clone();
    let mut user = scene.user;
    user.set("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "wrong");
    let text = user
        .run(Tool::DockerTrust, &["revoke", "-y", &gun])
        .unwrap()
        .failure(1)
        .unwrap();
    assert!(
        text.starts_with(&format!(
            "could not remove signature for {gun}: could not find necessary signing keys, "
        )),
        "{text}"
    );
}

/// On a terminal: the question, and one passphrase for each role that lists the tag.
#[test]
fn revoke_asks_on_a_terminal() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let gun = scene.gun.clone();
    let mut user = scene.user;
    user.unset("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE");
    let words = ["revoke", &gun];
    let question = format!("Confirm you would like to delete all signature data for {gun}? [y/N] ");
    let mut terminal = Terminal::spawn(&user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    terminal.expect(&question).unwrap();
    terminal.press("\u{3}").unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(130), "{text}");

    let mut terminal = Terminal::spawn(&user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    terminal.expect(&question).unwrap();
    terminal.enter("y").unwrap();
    terminal
        .expect("Enter passphrase for jeff key with ID ")
        .unwrap();
    terminal.enter(User::REPOSITORY_PASSPHRASE).unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    // The same key signs both roles.
    assert_eq!(text.matches("Enter passphrase").count(), 1, "{text}");
    assert!(
        text.ends_with(&format!("Successfully deleted signature for {gun}\n")),
        "{text}"
    );
}

/// While nobody vouches for `targets/releases`, what it lists must not come back by way of a witness.
#[test]
fn a_tag_leaves_a_role_that_nobody_vouches_for() {
    for scene in [Scene::new(), Scene::ours()] {
        leaves_a_role_that_nobody_vouches_for(&scene);
    }
}

fn leaves_a_role_that_nobody_vouches_for(scene: &Scene) {
    scene.generate("jeff");
    scene.add("jeff", &scene.gun).success().unwrap();
    let (digest, _) = scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    scene.generate("ben");
    scene.add("ben", &scene.gun).success().unwrap();
    scene
        .run(&["signer", "remove", "-f", "jeff", &scene.gun])
        .success()
        .unwrap();
    assert_eq!(scene.trusted(), BTreeSet::new());
    scene.revoke(&[&scene.tagged("v1")], "").success().unwrap();
    scene.notary(&["witness", &scene.gun, "targets/releases", "-p"]);
    assert_eq!(scene.trusted(), BTreeSet::new(), "{digest} came back");
    // The server took it as the next version: signing goes on.
    scene.sign("v1").success().unwrap();
    assert_eq!(scene.trusted(), [format!("v1 {digest}")].into());
}
