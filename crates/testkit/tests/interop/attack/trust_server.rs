//! Whoever controls the trust server, or the way to it.

use signet_testkit::certificate::Authority;
use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::peer::{Storage, TrustServer};
use signet_testkit::user::{Tool, User};

use super::scene::{Scene, redirect, try_command, try_later};

const TAMPERED: [&str; 4] = [
    "Warning: potential malicious behavior",
    "checksum",
    "does not match",
    "trust server returned a bad response",
];

/// Old metadata is refused by whoever has seen newer, and parts that do not belong together by everybody.
#[test]
fn old_and_mixed_metadata_are_refused() {
    let scene = Scene::new();
    let file = |name: &str| scene.server.metadata(&scene.gun, name).unwrap().unwrap();
    let old = ["timestamp", "snapshot", "targets/releases"]
        .map(|role| (role, file(&format!("{role}.json"))));
    scene.jeff_runs(&["sign", "--remote", &scene.tagged("v1")]);
    let gun = scene.gun.clone();
    scene.jeff_runs(&["sign", "--digest", &scene.signed, &format!("{gun}:v2")]);
    let image = scene.tagged("v1");

    let regulars: Vec<User> = (0..4).map(|_| scene.regular()).collect();
    let regulars = std::sync::Mutex::new(regulars);
    let [(_, timestamp), (_, snapshot), (_, releases)] = &old;
    Scene::spoil(
        &scene.trust,
        "timestamp.json",
        Fault::Body(timestamp.clone()),
    );
    scene.refused(
        "old timestamp",
        || regulars.lock().unwrap().pop().unwrap(),
        &image,
        &["Warning: potential malicious behavior - trust data version is lower than expected"],
    );
    for (attack, needle, body) in [
        ("old snapshot", "tuf/snapshot.", snapshot),
        ("old list of releases", "targets/releases.", releases),
    ] {
        Scene::spoil(&scene.trust, needle, Fault::Body(body.clone()));
        scene.refused(attack, || scene.stranger(), &image, &TAMPERED);
    }
    scene.trust.heal();
    scene.runs(&scene.stranger());
}

/// Everything as it was, for ever: until the timestamp expires.
#[test]
fn expired_metadata_is_refused() {
    let scene = Scene::new();
    let image = scene.tagged("v1");
    let user = scene.regular();
    // The server is down, or says so: what is known holds, and until when is said.
    for (fault, reason) in [
        (
            Fault::Status(503),
            "unable to reach trust server at this time: 503",
        ),
        (Fault::Status(404), "does not have trust data for"),
        (Fault::Cut, "error contacting notary server"),
    ] {
        Scene::spoil(&scene.trust, "_trust", fault.clone());
        let tried = try_command(&user, "run", &image);
        assert!(
            tried.finished.stderr.contains("what is known holds until "),
            "{fault:?}: {}",
            tried.finished
        );
        assert_eq!(tried.finished.success().unwrap(), "signed\n");
        scene.empty_daemon();
        for command in ["pull", "run", "create", "verify"] {
            let tried = try_later(&user, 30, command, &image);
            tried.is_refused(
                &format!("stale cache and {fault:?}"),
                &[reason, "out-of-date: timestamp expired at "],
            );
        }
        assert_eq!(scene.state(), "");
    }
    // The server is there, and gives what it gave a month ago.
    scene.trust.heal();
    for (days, role) in [(30, "timestamp"), (4 * 366, "timestamp")] {
        for command in ["pull", "run", "create", "verify"] {
            let tried = try_later(&scene.stranger(), days, command, &image);
            tried.is_refused(
                "frozen server",
                &[&format!("out-of-date: {role} expired at ")],
            );
        }
    }
    assert_eq!(scene.state(), "");
}

/// Metadata of keys that the repository's owner does not have, for all or for some of the files.
#[test]
fn metadata_of_other_keys_is_refused() {
    let scene = Scene::new();
    // Mallory has a server of her own, and signs another image there for the same name.
    let evil = TrustServer::ours_plain(Storage::Memory).unwrap();
    let way = Proxy::start(evil.address(), &evil.issue().unwrap()).unwrap();
    let mut mallory = User::new(&way.url(), &evil.ca_pem()).unwrap();
    scene.daemon.admit(&mut mallory);
    let image = scene.tagged("v1");
    mallory
        .expect(Tool::DockerTrust, &["key", "generate", "mallory"])
        .unwrap();
    let add = [
        "signer",
        "add",
        "--key",
        "mallory.pub",
        "mallory",
        &scene.gun,
    ];
    mallory.expect(Tool::DockerTrust, &add).unwrap();
    let sign = ["sign", "--digest", &scene.other, &image];
    mallory.expect(Tool::DockerTrust, &sign).unwrap();

    let regulars: Vec<User> = (0..4).map(|_| scene.regular()).collect();
    let regulars = std::sync::Mutex::new(regulars);
    Scene::spoil(&scene.trust, "_trust", Fault::Elsewhere(evil.address()));
    scene.refused(
        "replaced root",
        || regulars.lock().unwrap().pop().unwrap(),
        &image,
        &["Warning: potential malicious behavior"],
    );
    for needle in [
        "timestamp.json",
        "tuf/snapshot",
        "tuf/targets",
        "targets/releases",
        "tuf/root",
    ] {
        let attack = format!("{needle} of other keys");
        Scene::spoil(&scene.trust, needle, Fault::Elsewhere(evil.address()));
        let reasons = [
            &TAMPERED[..],
            &[
                "unavailable",
                "insufficient",
                "did not meet threshold",
                "server returned a bad response",
            ],
        ]
        .concat();
        scene.refused(&attack, || scene.stranger(), &image, &reasons);
    }
    // Nobody's signature.
    let releases = scene
        .server
        .metadata(&scene.gun, "timestamp.json")
        .unwrap()
        .unwrap();
    let mut unsigned: serde_json::Value = serde_json::from_slice(&releases).unwrap();
    unsigned["signatures"] = serde_json::json!([]);
    Scene::spoil(
        &scene.trust,
        "timestamp.json",
        Fault::Body(unsigned.to_string().into_bytes()),
    );
    scene.refused(
        "unsigned timestamp",
        || scene.stranger(),
        &image,
        &["Warning: potential malicious behavior", "signature"],
    );
    scene.trust.heal();
    scene.runs(&scene.stranger());
}

/// Another repository's metadata is valid, and says nothing about this one.
#[test]
fn metadata_of_another_repository_is_refused() {
    let scene = Scene::new();
    let own = scene.gun.clone();
    let another = format!("{own}-of-mallory");
    let add = ["signer", "add", "--key", "jeff.pub", "jeff", &another];
    scene.jeff_runs(&add);
    scene.push_to("team/app-of-mallory", "v1", "other");
    scene.jeff_runs(&["sign", "--remote", &format!("{another}:v1")]);
    scene.empty_daemon();
    let regulars: Vec<User> = (0..4).map(|_| scene.regular()).collect();
    let regulars = std::sync::Mutex::new(regulars);
    scene.trust.set(move |_, path| {
        if path.contains("_trust") {
            Fault::Instead(path.replace(&own, &another))
        } else {
            Fault::None
        }
    });
    let image = scene.tagged("v1");
    scene.refused(
        "another repository for a regular",
        || regulars.lock().unwrap().pop().unwrap(),
        &image,
        &["Warning: potential malicious behavior"],
    );
    scene.refused(
        "another repository for a stranger",
        || scene.stranger(),
        &image,
        &[
            "Warning: potential malicious behavior",
            "could not validate the path to a trusted root",
        ],
    );
    scene.trust.heal();
    scene.runs(&scene.stranger());
}

/// Answers that do not end, hardly come, never come, are no metadata, or come from elsewhere.
#[test]
fn a_server_that_wastes_time_or_lies_about_itself_is_given_up() {
    let scene = Scene::new();
    let image = scene.tagged("v1");
    let elsewhere = TrustServer::ours_plain(Storage::Memory).unwrap();
    let elsewhere = format!("http://{}/", elsewhere.address());
    for (attack, fault, reasons) in [
        (
            "no answer",
            Fault::Silent,
            &["error contacting notary server"][..],
        ),
        (
            "dripping answer",
            Fault::Dripping,
            &["error contacting notary server", "bad response", "too slow"],
        ),
        (
            "endless answer",
            Fault::Endless,
            &["no trust data available for remote repository"],
        ),
        (
            "redirect",
            redirect(elsewhere),
            &["unable to reach trust server at this time: 307", "redirect"],
        ),
        (
            "not allowed",
            Fault::Status(403),
            &["unable to reach trust server at this time: 403"],
        ),
        (
            "broken",
            Fault::Status(500),
            &["unable to reach trust server at this time: 500"],
        ),
        (
            "part of an answer",
            Fault::Status(206),
            &["unable to reach trust server at this time: 206"],
        ),
        (
            "knows nothing",
            Fault::Status(404),
            &["does not have trust data for"],
        ),
        (
            "no metadata",
            Fault::Body(b"<html>".to_vec()),
            &["no trust data available for remote repository"],
        ),
        (
            "cut off",
            Fault::Truncated,
            &["error contacting notary server"],
        ),
    ] {
        Scene::spoil(&scene.trust, "_trust", fault);
        scene.refused(attack, || scene.stranger(), &image, reasons);
    }
    scene.trust.heal();
    scene.runs(&scene.stranger());
}

/// Nobody's certificate, or none at all.
#[test]
fn a_server_that_does_not_prove_its_name_is_refused() {
    let scene = Scene::new();
    let image = "registry.example.com/team/app:v1";
    let wrong = Authority::new("nobody").unwrap();
    let impostor = Proxy::start(scene.server.address(), &wrong.issue().unwrap()).unwrap();
    let someone = |url: &str| {
        let mut user = User::new(url, &scene.server.ca_pem()).unwrap();
        scene.daemon.admit(&mut user);
        user
    };
    scene.refused(
        "wrong certificate",
        || someone(&impostor.url()),
        image,
        &["certificate"],
    );
    let plain = format!("http://{}", scene.server.address());
    let reason = ["valid https URL required for trust server, got http://"];
    scene.refused("plain HTTP", || someone(&plain), image, &reason);
    let plain = plain.replace("http://127.0.0.1", "https://localhost");
    scene.refused(
        "no TLS behind https",
        || someone(&plain),
        image,
        &["error contacting notary server"],
    );
    assert_eq!(
        scene
            .trust
            .take_log()
            .iter()
            .filter(|line| line.contains("example.com"))
            .count(),
        0
    );
}

/// Tags that nobody has released.
#[test]
fn tags_that_are_not_released_are_refused() {
    let scene = Scene::new();
    scene.refused(
        "unsigned tag",
        || scene.stranger(),
        &scene.tagged("other"),
        &["No valid trust data for other"],
    );
    scene.refused(
        "unknown tag",
        || scene.stranger(),
        &scene.tagged("nosuch"),
        &["No valid trust data for nosuch"],
    );
    let digest = scene.other.trim_start_matches("sha256:").to_owned();
    let add = [
        "addhash",
        &scene.gun,
        "mine",
        "5",
        "--sha256",
        &digest,
        "-r",
        "targets/jeff",
        "-p",
    ];
    scene.jeff.expect(Tool::Notary, &add).unwrap();
    scene.refused(
        "tag of a signer alone",
        || scene.stranger(),
        &scene.tagged("mine"),
        &["rust data for mine"],
    );
    scene.runs(&scene.stranger());
}
