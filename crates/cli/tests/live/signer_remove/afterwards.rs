//! How signing goes on after the last signer of what is released has gone.

use std::collections::BTreeSet;
use std::fs;

use signet_testkit::user::Tool;

use super::people::set;
use crate::scene::{Scene, keys_of};

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
