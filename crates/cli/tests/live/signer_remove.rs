//! `signer remove`: who may sign no longer, what that does to what is released, and how signing goes on. Go's clients are the judges: what they
//! list and inspect afterwards must be what the command said.

use std::collections::BTreeSet;
use std::fs;

use signet_testkit::chaos::Fault;
use signet_testkit::process::Finished;
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

use crate::scene::{Scene, keys_of};

impl Scene {
    /// With these signers, whose keys the user has.
    fn with_signers(names: &[&str]) -> Self {
        Self::new().and_signers(names)
    }

    fn and_signers(self, names: &[&str]) -> Self {
        for name in names {
            self.generate(name);
            self.add(name, &self.gun).success().unwrap();
        }
        self
    }

    /// Signs a tag with the keys of these signers only, as the person does who has no others.
    fn sign_as(&self, names: &[&str], tag: &str) -> Finished {
        let person = self.person(names);
        person
            .run(Tool::DockerTrust, &["sign", "--remote", &self.tagged(tag)])
            .unwrap()
    }

    /// Somebody who has the keys of these signers.
    fn person(&self, names: &[&str]) -> User {
        let person = self.stranger();
        let private = person.trust_dir().join("private");
        fs::create_dir_all(&private).unwrap();
        for name in names {
            for key in keys_of(&self.user, name) {
                fs::copy(&key, private.join(key.file_name().unwrap())).unwrap();
            }
        }
        person
    }

    /// The same person as the user, but without the keys of these signers.
    fn forget(&self, names: &[&str]) {
        for name in names {
            for key in keys_of(&self.user, name) {
                fs::remove_file(key).unwrap();
            }
        }
    }

    fn remove(&self, words: &[&str], input: &str) -> Finished {
        let words: Vec<&str> = ["signer", "remove"].iter().chain(words).copied().collect();
        self.user
            .run_with_input(Tool::DockerTrust, &words, input)
            .unwrap()
    }

    /// The signers that docker shows.
    fn signers(&self) -> BTreeSet<String> {
        let text = self
            .stranger()
            .expect(Tool::Docker, &["inspect", &self.gun])
            .unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let signers = json[0]["Signers"].as_array().unwrap();
        signers
            .iter()
            .map(|signer| signer["Name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The tags that docker shows as released, with their digests.
    fn released(&self) -> BTreeSet<String> {
        let text = self
            .stranger()
            .expect(Tool::Docker, &["inspect", &self.gun])
            .unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let tags = json[0]["SignedTags"].as_array().unwrap();
        tags.iter()
            .map(|row| {
                format!(
                    "{} {}",
                    row["SignedTag"].as_str().unwrap(),
                    row["Digest"].as_str().unwrap()
                )
            })
            .collect()
    }

    /// How many keys Go's client lists for `targets/releases`.
    fn releasers(&self) -> usize {
        let text = self
            .stranger()
            .expect(Tool::Notary, &["delegation", "list", &self.gun])
            .unwrap();
        let ids = |line: &str| {
            line.split_whitespace()
                .filter(|word| word.len() == 64)
                .count()
        };
        // The further keys of a role stand in lines of their own.
        let mut count = 0;
        let mut within = false;
        for line in text.lines() {
            match line.split_whitespace().next() {
                Some(word) if word.starts_with("targets/") => within = word == "targets/releases",
                _ => {}
            }
            if within {
                count += ids(line);
            }
        }
        count
    }
}

fn set(rows: &[String]) -> BTreeSet<String> {
    rows.iter().cloned().collect()
}

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

/// Case 98: after the signer of all that is released has gone, another one can sign. docker's server refuses that for ever.
///
/// Of what was released only that is taken over for which a remaining signer vouches: the rest may be what the removed signer put there.
#[test]
fn others_go_on_signing_after_the_last_signer_has_gone() {
    others_go_on_signing(&Scene::new().and_signers(&["alice", "ben"]));
    others_go_on_signing(&Scene::ours().and_signers(&["alice", "ben"]));
}

fn others_go_on_signing(scene: &Scene) {
    let gun = &scene.gun;
    let (first, _) = scene.push("v1", "first");
    let (second, _) = scene.push("v2", "second");
    let ben = scene.person(&["ben"]);
    let sign = |tag: &str| {
        ben.run(Tool::DockerTrust, &["sign", "--remote", &scene.tagged(tag)])
            .unwrap()
    };
    sign("v1").success().unwrap();
    scene.sign_as(&["alice"], "v2").success().unwrap();
    // What ben has seen with alice's signature is no server's invention.
    ben.expect(Tool::DockerTrust, &["verify", &scene.tagged("v2")])
        .unwrap();
    let removed = scene.remove(&["-f", "alice", gun], "");
    assert!(
        removed
            .stderr
            .contains(&format!("notary witness {gun} targets/releases --publish")),
        "{removed}"
    );
    removed.success().unwrap();
    assert_eq!(scene.released(), BTreeSet::new());
    scene.forget(&["alice"]);

    // Nobody vouches for v2, so plain `sign` does not sign it again without being told what.
    let refused = ben
        .run(Tool::DockerTrust, &["sign", &scene.tagged("v2")])
        .unwrap()
        .failure(1)
        .unwrap();
    assert!(
        refused.ends_with(&format!(
            "{} is listed as sha256:{second}, which may be an old or a foreign digest; not signing it\n",
            scene.tagged("v2")
        )),
        "{refused}"
    );
    let (third, _) = scene.push("v3", "third");
    let signed = sign("v3");
    assert!(
        signed.stderr.contains(&format!(
            "a remaining signer vouches for them: 1 (v1 sha256:{first})"
        )) && signed.stderr.contains(&format!("v2 sha256:{second}")),
        "{signed}"
    );
    signed.success().unwrap();
    let expected = set(&[format!("v1 {first}"), format!("v3 {third}")]);
    assert_eq!(scene.released(), expected);
    assert_eq!(scene.list("targets/releases"), expected);
    scene
        .stranger()
        .expect(Tool::DockerTrust, &["verify", &scene.tagged("v1")])
        .unwrap();

    // Go's client goes on from there.
    ben.expect(Tool::Docker, &["sign", &scene.tagged("v1")])
        .unwrap();
    let chosen = format!("sha256:{second}");
    ben.expect(
        Tool::DockerTrust,
        &["sign", "--digest", &chosen, &scene.tagged("v2")],
    )
    .unwrap();
    assert!(scene.released().contains(&format!("v2 {second}")));
}

/// What a removed signer brought back must not become trusted again because the next signer once signed the same, while another has a newer digest.
#[test]
fn a_removed_signer_rolls_no_tag_back() {
    for seen in [true, false] {
        let scene = Scene::with_signers(&["alice", "ben", "mallory"]);
        let latest = scene.tagged("latest");
        let (old, _) = scene.push("latest", "old");
        scene.sign_as(&["ben"], "latest").success().unwrap();
        let (new, _) = scene.push("latest", "new");
        scene.sign_as(&["alice"], "latest").success().unwrap();
        let chosen = format!("sha256:{old}");
        scene
            .person(&["mallory"])
            .expect(Tool::DockerTrust, &["sign", "--digest", &chosen, &latest])
            .unwrap();
        let ben = scene.person(&["ben"]);
        if seen {
            ben.expect(Tool::DockerTrust, &["verify", &latest]).unwrap();
        }
        scene
            .remove(&["-f", "mallory", &scene.gun], "")
            .success()
            .unwrap();
        // Which of the two is meant must be said.
        let words = ["sign", &latest];
        let refused = ben.run(Tool::DockerTrust, &words).unwrap();
        let refused = refused.failure(1).unwrap();
        assert!(
            refused.contains("which may be an old or a foreign digest; not signing it"),
            "{refused}"
        );
        let (ninth, _) = scene.push("v9", "nine");
        let words = ["sign", "--remote", &scene.tagged("v9")];
        let signed = ben.run(Tool::DockerTrust, &words).unwrap();
        let named = if seen {
            format!(
                "because a remaining signer has another digest: latest sha256:{old} (targets/alice: sha256:{new});"
            )
        } else {
            format!("never saw that document validly signed: latest sha256:{old};")
        };
        assert!(signed.stderr.contains(&named), "{signed}");
        signed.success().unwrap();
        let stranger = scene.stranger();
        stranger
            .run(Tool::DockerTrust, &["verify", &latest])
            .unwrap()
            .failure(1)
            .unwrap();
        assert_eq!(scene.released(), set(&[format!("v9 {ninth}")]));
    }
}

/// A document that a client never saw validly signed may be the server's invention: it decides neither what is taken over nor that nothing is lost.
#[test]
fn what_nobody_saw_signed_is_not_signed_anew() {
    let scene = Scene::with_signers(&["alice", "ben"]);
    let gun = &scene.gun;
    let (first, size) = scene.push("v1", "first");
    scene.sign_as(&["ben"], "v1").success().unwrap();
    let size = size.to_string();
    scene.notary(&[
        "addhash", gun, "base", &size, "--sha256", &first, "-r", "targets", "-p",
    ]);
    scene.push("v2", "second");
    scene.sign_as(&["alice"], "v2").success().unwrap();
    scene.remove(&["-f", "alice", gun], "").success().unwrap();

    // `targets` alone lists base. The document may have had another digest of it before the server changed it.
    scene.push("v3", "third");
    let refused = scene.sign_as(&["ben"], "v3").failure(1).unwrap();
    assert!(
        refused.contains("bring back other digests that targets lists for base;"),
        "{refused}"
    );
    // Without a word on the digest that one is not signed either.
    let refused = scene
        .person(&["ben"])
        .run(Tool::DockerTrust, &["sign", &scene.tagged("base")])
        .unwrap()
        .failure(1)
        .unwrap();
    assert!(
        refused.contains(&format!(
            "is listed as sha256:{first}, which may be an old or a foreign digest; not signing it"
        )),
        "{refused}"
    );
}

/// On a terminal, whoever has the key of a remaining signer is shown what would be taken over and asked.
#[test]
fn a_remaining_signer_can_take_over_at_once() {
    for (answer, stays) in [("y", true), ("n", false)] {
        let scene = Scene::with_signers(&["alice", "ben"]);
        let gun = scene.gun.clone();
        let (digest, _) = scene.push("v1", "hello");
        scene.sign_as(&["alice"], "v1").success().unwrap();
        let words = ["signer", "remove", "alice", &gun];
        let mut terminal =
            Terminal::spawn(&scene.user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
        terminal
            .expect("Are you sure you want to continue? [y/N] ")
            .unwrap();
        terminal.enter("y").unwrap();
        let shown = terminal
            .expect("Sign targets/releases again as it is? [y/N] ")
            .unwrap();
        assert!(
            shown.contains("You have the key of ben")
                && shown.contains(&format!("  v1 sha256:{digest}\r\n")),
            "{shown}"
        );
        terminal.enter(answer).unwrap();
        let (status, text) = terminal.finish().unwrap();
        assert_eq!(status.code(), Some(0), "{text}");
        assert_eq!(scene.signers(), set(&["ben".to_owned()]));
        let expected = if stays {
            set(&[format!("v1 {digest}")])
        } else {
            BTreeSet::new()
        };
        assert_eq!(scene.released(), expected, "{text}");
        assert_eq!(
            text.contains("nobody vouches for targets/releases"),
            !stays,
            "{text}"
        );
    }
}

/// What the leaving signer publishes while the question stands is not what was shown, so it is not signed again.
#[test]
fn what_is_published_during_the_question_is_not_witnessed() {
    let scene = Scene::with_signers(&["alice", "mallory"]);
    let gun = scene.gun.clone();
    let (digest, _) = scene.push("v1", "hello");
    scene.sign_as(&["mallory"], "v1").success().unwrap();
    let words = ["signer", "remove", "mallory", &gun];
    let mut terminal =
        Terminal::spawn(&scene.user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    terminal
        .expect("Are you sure you want to continue? [y/N] ")
        .unwrap();
    terminal.enter("y").unwrap();
    let shown = terminal
        .expect("Sign targets/releases again as it is? [y/N] ")
        .unwrap();
    assert!(
        shown.contains(&format!("  v1 sha256:{digest}\r\n")),
        "{shown}"
    );
    let (evil, _) = scene.push("evil", "evil");
    scene.sign_as(&["mallory"], "evil").success().unwrap();
    terminal.enter("y").unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!(
            "somebody else published to {gun} while you were asked, so what would be signed again is not what you were shown; \
             nothing was changed: run the command again and look at what is released now"
        )),
        "{text}"
    );
    assert_eq!(
        scene.signers(),
        set(&["alice".to_owned(), "mallory".to_owned()])
    );

    // The next question shows what has come.
    let mut terminal =
        Terminal::spawn(&scene.user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    terminal
        .expect("Are you sure you want to continue? [y/N] ")
        .unwrap();
    terminal.enter("y").unwrap();
    let shown = terminal
        .expect("Sign targets/releases again as it is? [y/N] ")
        .unwrap();
    assert!(
        shown.contains(&format!("  evil sha256:{evil}\r\n")),
        "{shown}"
    );
    terminal.enter("n").unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    assert_eq!(scene.signers(), set(&["alice".to_owned()]));
    scene
        .stranger()
        .run(Tool::DockerTrust, &["verify", &scene.tagged("evil")])
        .unwrap()
        .failure(1)
        .unwrap();
}

/// ^C at the question ends the command, and nothing has changed.
#[test]
fn control_c_at_the_question_removes_nobody() {
    let scene = Scene::with_signers(&["alice"]);
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let words = ["signer", "remove", "alice", &scene.gun];
    let mut terminal =
        Terminal::spawn(&scene.user.command(Tool::DockerTrust, &words).unwrap()).unwrap();
    terminal
        .expect("Are you sure you want to continue? [y/N] ")
        .unwrap();
    terminal.press("\u{3}").unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(130), "{text}");
    assert!(text.ends_with('\n'), "{text}");
    assert_eq!(scene.signers(), set(&["alice".to_owned()]));
}

/// A signer whose key was replaced goes on in the same way: what the old key signed in the signer's own role is not taken over.
#[test]
fn a_signer_with_another_key_goes_on() {
    let scene = Scene::with_signers(&["jeff"]);
    let gun = &scene.gun;
    let (first, _) = scene.push("v1", "first");
    scene.sign("v1").success().unwrap();
    let old = keys_of(&scene.user, "jeff").pop().unwrap();
    let old_id = old.file_stem().unwrap().to_str().unwrap().to_owned();
    fs::remove_file(&old).unwrap();
    fs::remove_file(scene.user.path("jeff.pub")).unwrap();
    scene.generate("jeff");
    scene.add("jeff", gun).success().unwrap();
    for role in ["targets/jeff", "targets/releases"] {
        scene.notary(&["delegation", "remove", gun, role, &old_id, "-p"]);
    }
    let (second, _) = scene.push("v2", "second");
    let signed = scene.sign("v2");
    for role in ["targets/jeff", "targets/releases"] {
        assert!(
            signed.stderr.contains(&format!("not taken over into {role}, because no remaining signer vouches for them: v1 sha256:{first}")),
            "{signed}"
        );
    }
    signed.success().unwrap();
    let expected = set(&[format!("v2 {second}")]);
    assert_eq!(
        (scene.released(), scene.list("targets/jeff")),
        (expected.clone(), expected)
    );
}

/// An older digest in `targets` does not become the trusted one behind the signer's back.
#[test]
fn signing_anew_brings_no_older_digest_back() {
    let scene = Scene::with_signers(&["alice", "ben"]);
    let gun = &scene.gun;
    let alice = scene.person(&["alice"]);
    for tag in ["v1", "v9"] {
        let (old, size) = scene.push(tag, &format!("old {tag}"));
        let size = size.to_string();
        scene.notary(&[
            "addhash", gun, tag, &size, "--sha256", &old, "-r", "targets", "-p",
        ]);
        scene.push(tag, &format!("new {tag}"));
        alice
            .expect(Tool::DockerTrust, &["sign", "--remote", &scene.tagged(tag)])
            .unwrap();
    }
    scene.remove(&["-f", "alice", gun], "").success().unwrap();
    scene.push("v2", "two");
    let verify = |tag: &str| {
        scene
            .stranger()
            .run(Tool::DockerTrust, &["verify", &scene.tagged(tag)])
            .unwrap()
            .failure(1)
            .unwrap()
    };
    let unreadable = "targets/releases cannot be trusted";
    assert!(verify("v1").contains(unreadable));
    let _ = scene.proxy.take_log();
    let refused = scene.sign_as(&["ben"], "v2").failure(1).unwrap();
    assert!(
        refused.contains("bring back other digests that targets lists for v1, v9; revoke these tags first, or witness targets/releases\n"),
        "{refused}"
    );
    assert_eq!(scene.posts(), 0);

    // The owner takes the old ones away, one by one, and ben signs.
    scene
        .run(&["revoke", &scene.tagged("v1")])
        .success()
        .unwrap();
    assert_eq!(scene.list("targets").len(), 1);
    assert!(verify("v9").contains(unreadable), "the old v9 came back");
    scene
        .run(&["revoke", &scene.tagged("v9")])
        .success()
        .unwrap();
    assert_eq!(scene.list("targets"), BTreeSet::new());
    scene.sign_as(&["ben"], "v2").success().unwrap();
    for tag in ["v1", "v9"] {
        assert_eq!(verify(tag), format!("No valid trust data for {tag}\n"));
    }
}
