//! `signer remove`: who may sign no longer, what that does to what is released, and how signing goes on. Go's clients are the judges: what they
//! list and inspect afterwards must be what the command said.

mod afterwards;
mod people;
mod question;

use std::collections::BTreeSet;

use signet_testkit::chaos::Fault;
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

use crate::scene::Scene;
use people::set;

/// Cases 93, 94 and 95, M16: a repository in which nothing was ever signed, and what cannot be removed. docker refuses the first.
#[test]
fn a_signer_is_removed_where_nothing_is_signed() {
    let scene = Scene::with_signers(&["jeff", "ben"]);
    let gun = &scene.gun;
    let _ = scene.proxy.take_log();
    let removed = scene.remove(&["ben", gun], "");
    assert_eq!(removed.stderr, "");
    assert_eq!(
        removed.success().unwrap(),
        format!("Removing signer \"ben\" from {gun}...\nSuccessfully removed ben from {gun}\n\n")
    );
    assert_eq!(scene.posts(), 1);
    assert_eq!(
        (scene.signers(), scene.releasers()),
        (set(&["jeff".to_owned()]), 1)
    );
    assert_eq!(scene.staged(), 0);

    let fresh = format!("{}/fresh", scene.registry.host());
    let host = scene.proxy.url().replace("https://", "");
    for (name, problem) in [
        ("ben", format!("no signer ben for repository {gun}\n\n")),
        (
            "Bad Name",
            format!("no signer Bad Name for repository {gun}\n\n"),
        ),
        (
            "releases",
            "releases is a reserved keyword and cannot be removed\n\n".to_owned(),
        ),
    ] {
        let refused = scene.remove(&[name, gun, "BAD", &fresh], "");
        assert_eq!(
            refused.stdout,
            [gun.as_str(), "BAD", &fresh]
                .map(|typed| format!("Removing signer \"{name}\" from {typed}...\n"))
                .concat()
        );
        let last = if name == "releases" {
            problem.clone()
        } else {
            format!(
                "error retrieving signers for {fresh}: {host} does not have trust data for {fresh}\n\n"
            )
        };
        assert_eq!(
            refused.failure(1).unwrap(),
            format!(
                "{problem}invalid reference format: repository name (library/BAD) must be lowercase\n\n{last}\
                 error removing signer from: {gun}, BAD, {fresh}\n"
            )
        );
    }
    // The last signer of all leaves a role without keys, which everybody is told.
    let removed = scene.remove(&["jeff", gun], "");
    assert!(
        removed.stderr.contains(
            "role targets/releases has fewer keys than its threshold of 1; it will not be usable until keys are added to it"
        ),
        "{removed}"
    );
    removed.success().unwrap();
    assert_eq!((scene.signers(), scene.releasers()), (BTreeSet::new(), 0));
}

/// M16 on a terminal: one question, for the repository key's passphrase.
#[test]
fn removing_a_signer_costs_one_prompt() {
    let scene = Scene::with_signers(&["jeff", "ben"]);
    let gun = scene.gun.clone();
    let mut user = scene.user;
    user.unset("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE");
    let words = ["signer", "remove", "ben", &gun];
    let mut terminal = Terminal::spawn(&user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    terminal
        .expect(&format!(
            "Removing signer \"ben\" from {gun}...\r\nEnter passphrase for repository key with ID "
        ))
        .unwrap();
    for _ in 0..3 {
        terminal.enter("not the passphrase").unwrap();
        terminal
            .expect("Passphrase incorrect. Please retry.\r\nEnter passphrase for repository key with ID ")
            .unwrap();
    }
    terminal.enter(User::REPOSITORY_PASSPHRASE).unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    assert!(
        text.ends_with(&format!("Successfully removed ben from {gun}\n\n")),
        "{text}"
    );
    assert_eq!(text.matches("Enter passphrase").count(), 4, "{text}");

    // Four wrong ones are the end, and nothing has changed.
    let words = ["signer", "remove", "jeff", &gun];
    let mut terminal = Terminal::spawn(&user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    for _ in 0..4 {
        terminal
            .expect("Enter passphrase for repository key with ID ")
            .unwrap();
        terminal.expect(": ").unwrap();
        terminal.enter("not the passphrase").unwrap();
    }
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(
        text.contains(
            "could not find necessary signing keys, at least one of these keys must be available: "
        ),
        "{text}"
    );
    let inspected = user.expect(Tool::Docker, &["inspect", &gun]).unwrap();
    assert!(inspected.contains("\"Name\": \"jeff\""), "{inspected}");
}

/// Cases 90, 91 and 92: who is the last signer of what is released, and what the answer does. docker removes only the one for whom it asks.
#[test]
fn the_last_signer_is_asked_about() {
    let scene = Scene::with_signers(&["alice", "ben"]);
    let gun = &scene.gun;
    let (digest, _) = scene.push("v1", "hello");
    scene.sign_as(&["alice"], "v1").success().unwrap();
    let v1 = set(&[format!("v1 {digest}")]);

    // 90: not the last one, so nothing is asked.
    let removed = scene.remove(&["ben", gun], "").success().unwrap();
    assert_eq!(
        removed,
        format!("Removing signer \"ben\" from {gun}...\nSuccessfully removed ben from {gun}\n\n")
    );
    assert_eq!(
        (scene.signers(), scene.released()),
        (set(&["alice".to_owned()]), v1.clone())
    );

    // 91.
    let question = format!(
        "Removing signer \"alice\" from {gun}...\nThe signer \"alice\" signed the last released version of {gun}. \
         Removing this signer will make {gun} unpullable. Are you sure you want to continue? [y/N] "
    );
    let docker = scene
        .user
        .run_with_input(Tool::Docker, &["signer", "remove", "alice", gun], "n\n")
        .unwrap();
    assert_eq!(
        (docker.code, docker.stdout.as_str()),
        (Some(0), question.as_str())
    );
    for answer in ["n\n", "yes\n", ""] {
        let declined = scene.remove(&["alice", gun], answer);
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
    assert_eq!(scene.released(), v1);
    let removed = scene.remove(&["alice", gun], " Y \n").success().unwrap();
    assert_eq!(
        removed,
        format!("{question}Successfully removed alice from {gun}\n\n")
    );
    assert_eq!(
        (scene.signers(), scene.released()),
        (BTreeSet::new(), BTreeSet::new())
    );

    // 92.
    let scene = Scene::with_signers(&["alice"]);
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let removed = scene
        .remove(&["-f", "alice", &scene.gun], "")
        .success()
        .unwrap();
    assert!(!removed.contains("[y/N]"), "{removed}");
    assert_eq!(scene.signers(), BTreeSet::new());

    // Nobody is left who could sign: the way on is another signer.
    for words in [vec!["sign"], vec!["sign", "--remote"]] {
        let tagged = scene.tagged("v1");
        let words: Vec<&str> = words.into_iter().chain([tagged.as_str()]).collect();
        let command = scene.user.command(Tool::DockerTrust, &words).unwrap();
        let mut terminal = Terminal::spawn(&command).unwrap();
        terminal
            .expect("no signer is left: docker trust signer add")
            .unwrap();
    }
}

/// Case 96 (Q12): a signer who was added with a certificate is recognised as the last one.
#[test]
fn a_signer_with_a_certificate_is_recognised() {
    let scene = Scene::new();
    scene
        .user
        .openssl(&[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "365", "-subj",
            "/CN=cert", "-keyout", "cert.key", "-out", "cert.pub",
        ])
        .unwrap();
    scene
        .run(&["key", "load", "cert.key", "--name", "cert"])
        .success()
        .unwrap();
    scene.add("cert", &scene.gun).success().unwrap();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let declined = scene.remove(&["cert", &scene.gun], "n\n");
    assert!(declined.stdout.ends_with("[y/N] "), "{declined}");
    assert_eq!(scene.signers(), set(&["cert".to_owned()]));
    scene
        .remove(&["cert", &scene.gun], "y\n")
        .success()
        .unwrap();
    assert_eq!((scene.signers(), scene.releasers()), (BTreeSet::new(), 0));
}

/// Case 97: a key that another signer has, too, keeps releasing. docker takes it away from both.
#[test]
fn a_shared_key_stays_in_releases() {
    let scene = Scene::with_signers(&["alice"]);
    let gun = &scene.gun;
    scene
        .run(&["signer", "add", "--key", "alice.pub", "twin", gun])
        .success()
        .unwrap();
    let (digest, _) = scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let removed = scene.remove(&["twin", gun], "");
    assert!(
        removed
            .stderr
            .contains(" stays in targets/releases: it is also the key of alice"),
        "{removed}"
    );
    assert!(!removed.stdout.contains("[y/N]"), "{removed}");
    removed.success().unwrap();
    assert_eq!(scene.signers(), set(&["alice".to_owned()]));
    assert_eq!(
        (scene.releasers(), scene.released()),
        (1, set(&[format!("v1 {digest}")]))
    );
    scene.sign("v1").success().unwrap();
}

/// A failure leaves nothing staged for the next command to publish, and nothing changed.
#[test]
fn a_failed_removal_changes_nothing() {
    let scene = Scene::with_signers(&["alice", "ben"]);
    scene.proxy.set(|method, _| {
        if method == "POST" {
            Fault::Lost
        } else {
            Fault::None
        }
    });
    let text = scene.remove(&["ben", &scene.gun], "").failure(1).unwrap();
    assert!(
        text.ends_with(&format!("\n\nerror removing signer from: {}\n", scene.gun)),
        "{text}"
    );
    assert_eq!(scene.staged(), 0);
    scene.proxy.heal();
    let nobody = scene.stranger();
    let text = nobody
        .run(Tool::DockerTrust, &["signer", "remove", "ben", &scene.gun])
        .unwrap()
        .failure(1)
        .unwrap();
    assert!(
        text.starts_with(
            "could not find necessary signing keys, at least one of these keys must be available: "
        ),
        "{text}"
    );
    assert_eq!(
        scene.signers(),
        set(&["alice".to_owned(), "ben".to_owned()])
    );
}
