//! `inspect` and `verify`: what is believed.

use signet_testkit::chaos::Fault;
use signet_testkit::file;
use signet_testkit::user::{Tool, User};

use crate::scene::{Scene, keys_of};

/// Cases 104 to 108.
#[test]
fn verify_succeeds_only_for_what_is_released() {
    let scene = Scene::with_jeff();
    let (digest, size) = scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    scene.notary(&[
        "addhash",
        &scene.gun,
        "alonly",
        "5",
        "--sha256",
        &digest,
        "-r",
        "targets/jeff",
        "-p",
    ]);
    let reader = scene.stranger();
    let verify = |words: &[&str]| {
        let words: Vec<&str> = ["verify"].iter().chain(words).copied().collect();
        reader.run(Tool::DockerTrust, &words).unwrap()
    };
    let v1 = scene.tagged("v1");
    assert_eq!(
        verify(&[&v1]).success().unwrap(),
        format!("{}@sha256:{digest}\n", scene.gun)
    );
    let json: serde_json::Value =
        serde_json::from_str(&verify(&["--format", "json", &v1]).success().unwrap()).unwrap();
    assert_eq!(json["Digest"], format!("sha256:{digest}"));
    assert_eq!(
        (&json["Size"], &json["Role"], &json["Signers"]),
        (
            &size.into(),
            &"targets/releases".into(),
            &serde_json::json!(["jeff"])
        )
    );
    let quiet = verify(&["-q", &v1]);
    assert_eq!(
        (quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()),
        (Some(0), "", "")
    );

    assert_eq!(
        verify(&[&scene.tagged("nosuch")]).failure(1).unwrap(),
        "No valid trust data for nosuch\n"
    );
    assert_eq!(
        verify(&[&scene.gun]).failure(1).unwrap(),
        "No valid trust data for latest\n"
    );
    assert_eq!(
        verify(&[&scene.tagged("alonly")]).failure(1).unwrap(),
        "No trust data for alonly\n"
    );
    let quiet = verify(&["--quiet", &scene.tagged("nosuch")]);
    assert_eq!(
        (quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()),
        (Some(1), "", "No valid trust data for nosuch\n")
    );
    assert_eq!(
        verify(&["--format", "xml", &v1]).failure(1).unwrap(),
        "unknown format \"xml\": json is supported\n"
    );
    let unknown = format!("{}/unknown:v1", scene.registry.host());
    let text = verify(&[&unknown]).failure(1).unwrap();
    let name = unknown.trim_end_matches(":v1");
    let host = scene.proxy.url().replace("https://", "");
    assert_eq!(
        text,
        format!(
            "Error: remote trust data does not exist for {name}: {host} does not have trust data for {name}\n"
        )
    );
}

/// Case 108, and what is better than not checking at all.
#[test]
fn a_digest_is_verified_by_the_tags_that_stand_for_it() {
    let scene = Scene::with_jeff();
    let (digest, size) = scene.push("v1", "hello");
    scene.push("v2", "hello");
    let (other, _) = scene.push("v3", "other");
    for tag in ["v1", "v2", "v3"] {
        scene.sign(tag).success().unwrap();
    }
    // In the role of one signer alone, under a tag of its own.
    let alone = "ab".repeat(32);
    scene.notary(&[
        "addhash",
        &scene.gun,
        "alonly",
        &size.to_string(),
        "--sha256",
        &alone,
        "-r",
        "targets/jeff",
        "-p",
    ]);
    let reader = scene.stranger();
    let verify = |words: &[&str]| {
        let words: Vec<&str> = ["verify"].iter().chain(words).copied().collect();
        reader.run(Tool::DockerTrust, &words).unwrap()
    };
    let pinned = |hex: &str| format!("{}@sha256:{hex}", scene.gun);
    let signed = pinned(&digest);
    let found = verify(&[&signed]);
    assert_eq!(
        (found.code, found.stdout, found.stderr),
        (
            Some(0),
            format!("{signed}\n"),
            format!("{signed} is signed as v1, v2\n")
        )
    );
    let json = verify(&["--format=json", &signed]).success().unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["Tag"], &json["Tags"]),
        (&"v1".into(), &serde_json::json!(["v1", "v2"]))
    );
    for unsigned in [pinned(&alone), pinned(&"00".repeat(32))] {
        assert_eq!(
            verify(&[&unsigned]).failure(1).unwrap(),
            format!("No valid trust data for {unsigned}: no released tag stands for that digest\n")
        );
    }

    let v1 = scene.tagged("v1");
    let same = verify(&[&format!("{v1}@sha256:{digest}")])
        .success()
        .unwrap();
    assert_eq!(same, format!("{signed}\n"));
    assert_eq!(
        verify(&[&format!("{v1}@sha256:{other}")])
            .failure(1)
            .unwrap(),
        format!("{v1} is signed with sha256:{digest}, not with sha256:{other}\n")
    );

    // Several images: all are looked at, and one that is not signed fails the command.
    let v3 = scene.tagged("v3");
    let all = verify(&[&v1, &scene.tagged("nosuch"), &v3, "BAD"]);
    assert_eq!(all.stdout, format!("{signed}\n{}\n", pinned(&other)));
    assert_eq!(
        all.failure(1).unwrap(),
        "No valid trust data for nosuch\ninvalid reference format: repository name (library/BAD) must be lowercase\n"
    );
    let lines = verify(&["--format=json", &v1, &v3]).success().unwrap();
    let names: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((names.len(), &names[1]["Name"]), (2, &v3.into()));
}

#[test]
fn offline_nobody_is_asked() {
    let scene = Scene::with_jeff();
    let (digest, _) = scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let reader = scene.stranger();
    let v1 = scene.tagged("v1");
    let verify = || {
        reader
            .run(Tool::DockerTrust, &["verify", "--offline", &v1])
            .unwrap()
    };
    let _ = scene.proxy.take_log();
    let told = verify().failure(1).unwrap();
    assert!(
        told.contains("error contacting notary server: working offline"),
        "{told}"
    );
    assert_eq!(scene.proxy.take_log(), [""; 0]);
    reader.expect(Tool::DockerTrust, &["verify", &v1]).unwrap();
    let _ = scene.proxy.take_log();
    let known = verify();
    assert_eq!(known.stdout, format!("{}@sha256:{digest}\n", scene.gun));
    assert!(
        known
            .stderr
            .contains("The trust server was not asked; what is known holds until 20"),
        "{known}"
    );
    assert_eq!(known.code, Some(0));
    assert_eq!(scene.proxy.take_log(), [""; 0]);
}

/// Cases 82, 87 and 88.
#[test]
fn inspect_collects_failures_and_lives_off_its_cache() {
    let scene = Scene::with_jeff();
    let unknown = format!("{}/unknown", scene.registry.host());
    let fresh = scene.run(&["inspect", &unknown]);
    assert_eq!((fresh.code, fresh.stdout.as_str()), (Some(1), "[]\n"));
    assert_eq!(
        fresh.stderr,
        format!("no signatures or cannot access {unknown}\n")
    );

    let both = scene.run(&["inspect", &unknown, &scene.gun, "BAD"]);
    assert!(
        both.stdout
            .contains(&format!("\"Name\": \"{}\"", scene.gun)),
        "{both}"
    );
    assert_eq!(
        both.failure(1).unwrap(),
        format!(
            "no signatures or cannot access {unknown}\ninvalid reference format: repository name (library/BAD) must be lowercase\n"
        )
    );
    let pretty = scene.run(&["inspect", "--pretty", &unknown, &scene.gun]);
    assert_eq!((pretty.code, pretty.stdout.as_str()), (Some(1), ""));

    // Where there may be trust data, the reason follows docker's line.
    scene.proxy.set(|_, _| Fault::Status(503));
    let refused = scene
        .stranger()
        .run(Tool::DockerTrust, &["inspect", &scene.gun])
        .unwrap();
    assert_eq!(
        refused.failure(1).unwrap(),
        format!(
            "no signatures or cannot access {}\nunable to reach trust server at this time: 503.\n",
            scene.gun
        )
    );
    scene.proxy.heal();

    let warm = scene.run(&["inspect", &scene.gun]).success().unwrap();
    for fault in [Fault::Cut, Fault::Status(503), Fault::Status(404)] {
        scene.proxy.set(move |_, _| fault.clone());
        let offline = scene.run(&["inspect", &scene.gun]);
        assert_eq!(offline.stdout, warm, "{offline}");
        assert_eq!(offline.stderr.lines().count(), 1, "{offline}");
        assert!(
            offline.stderr.ends_with(
                " level=warning msg=\"Error while downloading remote metadata, using cached timestamp - \
                 this might not be the latest version available remotely\"\n"
            ),
            "{offline}"
        );
        assert_eq!(offline.code, Some(0));
    }
    // One update for the whole command.
    scene.proxy.heal();
    let _ = scene.proxy.take_log();
    scene.run(&["inspect", &scene.gun]).success().unwrap();
    assert_eq!(
        scene.proxy.take_log(),
        [
            "GET /v2/".to_owned(),
            format!("GET /v2/{}/_trust/tuf/timestamp.json", scene.gun)
        ]
    );
}

/// Cases 99 to 101 and 103: whoever changes what the server says is found out, and docker's warnings name it. Case 101 is the one that docker
/// itself keeps quiet about.
#[test]
fn tampering_is_refused_with_a_warning() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let gun = scene.gun.clone();
    let verify = |user: &User| {
        user.run(Tool::DockerTrust, &["verify", &scene.tagged("v1")])
            .unwrap()
            .failure(1)
            .unwrap()
    };
    let warning = "Warning: potential malicious behavior - ";

    // 100: the first timestamp instead of the newest.
    let reader = scene.stranger();
    reader
        .expect(Tool::DockerTrust, &["verify", &scene.tagged("v1")])
        .unwrap();
    let timestamp = format!("/v2/{gun}/_trust/tuf/timestamp.json");
    let old = timestamp.clone();
    scene.proxy.set(move |_, path| {
        if path == old {
            Fault::Replayed
        } else {
            Fault::None
        }
    });
    let text = verify(&reader);
    assert!(text.starts_with(&format!("{warning}trust data version is lower than expected for remote repository {gun}: version ")), "{text}");

    // 101: another repository's root, and a root that this repository never had.
    let mallory = Scene::with_jeff();
    let forged = mallory
        .server
        .metadata(&mallory.gun, "root.json")
        .unwrap()
        .unwrap();
    let fresh = scene.stranger();
    scene.proxy.set(move |_, path| {
        if path.ends_with("/root.json") {
            Fault::Body(forged.clone())
        } else {
            Fault::None
        }
    });
    let text = verify(&fresh);
    assert!(
        text.starts_with(&format!(
            "{warning}trust data mismatch for remote repository {gun}: "
        )),
        "{text}"
    );
    let inspected = fresh
        .run(Tool::DockerTrust, &["inspect", &gun])
        .unwrap()
        .failure(1)
        .unwrap();
    assert!(
        inspected.starts_with(&format!("no signatures or cannot access {gun}\n{warning}")),
        "{inspected}"
    );

    // 99: the last signature's first digit.
    let genuine = String::from_utf8(
        scene
            .server
            .metadata(&gun, "timestamp.json")
            .unwrap()
            .unwrap(),
    )
    .unwrap();
    let at = genuine.rfind("\"sig\":\"").unwrap() + 7;
    let other = if genuine[at..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    let spoilt = format!("{}{other}{}", &genuine[..at], &genuine[at + 1..]);
    let path = timestamp;
    scene.proxy.set(move |_, asked| {
        if asked == path {
            Fault::Body(spoilt.clone().into_bytes())
        } else {
            Fault::None
        }
    });
    let text = verify(&scene.stranger());
    assert!(
        text.starts_with(&format!(
            "{warning}trust data has insufficient signatures for remote repository {gun}: "
        )),
        "{text}"
    );

    // 103: a document that is not the one that its parent names.
    scene.proxy.set(|_, path| {
        if path.contains("/targets.") {
            Fault::Body(b"{}".to_vec())
        } else {
            Fault::None
        }
    });
    let fresh = scene.stranger();
    let text = verify(&fresh);
    assert!(
        text.starts_with(warning) || text.starts_with("trust server returned a bad response."),
        "{text}"
    );
    assert!(
        !fresh
            .trust_dir()
            .join("tuf")
            .join(&gun)
            .join("metadata/targets.json")
            .exists()
    );

    // Something else than a trust server.
    scene.proxy.set(|_, path| {
        if path.ends_with("/root.json") {
            Fault::Body(b"<html>".to_vec())
        } else {
            Fault::None
        }
    });
    let text = verify(&scene.stranger());
    assert!(
        text.starts_with(&format!(
            "Error: no trust data available for remote repository {gun}. Try running"
        )),
        "{text}"
    );
}

/// An older entry of `targets` is no answer while nobody vouches for what `targets/releases` says.
#[test]
fn verify_refuses_while_the_releases_role_cannot_be_trusted() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let (older, _) = scene.push("older", "an older image");
    scene.notary(&["addhash", &scene.gun, "v1", "5", "--sha256", &older, "-p"]);

    // Jeff's key leaves the role, and ben, who takes over, has not signed it yet.
    scene.generate("ben");
    let jeff = keys_of(&scene.user, "jeff").pop().unwrap();
    let jeff = jeff.file_stem().unwrap().to_str().unwrap().to_owned();
    let role = "targets/releases";
    scene.notary(&["delegation", "add", &scene.gun, role, "ben.pub", "-p"]);
    scene.notary(&["delegation", "remove", &scene.gun, role, &jeff, "-p"]);

    let answer = scene
        .stranger()
        .run(Tool::DockerTrust, &["verify", &scene.tagged("v1")])
        .unwrap();
    assert_eq!(answer.stdout, "");
    let text = answer.failure(1).unwrap();
    assert!(
        text.contains("targets/releases cannot be trusted"),
        "{text}"
    );
}

/// Cases 83 to 87: the pages and objects are docker's, byte by byte.
#[test]
fn inspect_says_what_docker_says() {
    let scene = Scene::new();
    let admins = format!("{}/admins", scene.registry.host());
    let (digest, size) = scene.push("v1", "hello");
    let size = size.to_string();
    let add = |repository: &str, tag: &str, role: &str| {
        scene.notary(&[
            "addhash", repository, tag, &size, "--sha256", &digest, "-r", role, "-p",
        ]);
    };
    let compare = |images: &[&str]| {
        for form in [vec!["inspect"], vec!["inspect", "--pretty"]] {
            let words: Vec<&str> = form.iter().chain(images).copied().collect();
            let [docker, ours] = [Tool::Docker, Tool::DockerTrust]
                .map(|tool| scene.stranger().run(tool, &words).unwrap());
            assert_eq!(
                (&ours.stdout, &ours.stderr, ours.code),
                (&docker.stdout, &docker.stderr, docker.code),
                "{words:?}"
            );
        }
    };
    // No signers, no tags; then a tag of the administrators only.
    scene.notary(&["init", "-p", &admins]);
    compare(&[&admins]);
    add(&admins, "v1", "targets");
    compare(&[&admins]);

    // Signers without tags, then one tag, then many.
    let gun = scene.gun.as_str();
    for name in ["bob9", "bob10", "al", "zed"] {
        scene.generate(name);
        scene.add(name, gun).success().unwrap();
    }
    compare(&[gun]);
    scene.sign("v1").success().unwrap();
    compare(&[gun]);
    for tag in [
        "1", "1.2.10", "1.2.9", "01", "V2", "a_b", "latest", "v10", "v9",
    ] {
        add(gun, tag, "targets/releases");
    }
    add(gun, "alonly", "targets/al");
    add(gun, "v9", "targets/al");
    add(gun, "v9", "targets");
    let of = |tag: &str| format!("{gun}:{tag}");
    compare(&[gun]);
    compare(&[&of("v9"), &of("alonly"), &of("nosuch"), &admins]);
    compare(&[
        &of("v1"),
        &format!("{}/unknown", scene.registry.host()),
        gun,
    ]);
}

/// A signer is shown only for tags that the signer may sign. docker looks at the paths for a single tag, and not for a whole repository.
#[test]
fn signers_are_shown_for_tags_within_their_paths() {
    let scene = Scene::with_jeff();
    scene.generate("eve");
    scene.add("eve", &scene.gun).success().unwrap();
    for tag in ["rel-1", "v3"] {
        scene.push(tag, tag);
        scene.sign(tag).success().unwrap();
    }
    // From now on eve may sign releases only; what is in the role's document stays.
    let role = "targets/eve";
    scene.notary(&[
        "delegation",
        "remove",
        &scene.gun,
        role,
        "--all-paths",
        "-p",
    ]);
    scene.notary(&[
        "delegation",
        "add",
        &scene.gun,
        role,
        "--paths",
        "rel-",
        "-p",
    ]);
    let signers = |tool: Tool, image: &str| -> Vec<(String, serde_json::Value)> {
        let text = scene.stranger().expect(tool, &["inspect", image]).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let rows = json[0]["SignedTags"].as_array().unwrap();
        rows.iter()
            .map(|row| {
                (
                    row["SignedTag"].as_str().unwrap().to_owned(),
                    row["Signers"].clone(),
                )
            })
            .collect()
    };
    let both = serde_json::json!(["jeff", "eve"]);
    let jeff = serde_json::json!(["jeff"]);
    let expected = vec![
        ("rel-1".to_owned(), both.clone()),
        ("v3".to_owned(), jeff.clone()),
    ];
    assert_eq!(signers(Tool::DockerTrust, &scene.gun), expected);
    assert_eq!(
        signers(Tool::Docker, &scene.gun)[1],
        ("v3".to_owned(), both)
    );
    for tool in [Tool::Docker, Tool::DockerTrust] {
        assert_eq!(
            signers(tool, &scene.tagged("v3")),
            [("v3".to_owned(), jeff.clone())]
        );
    }
}

/// A damaged root of the trust folder is no answer of a server, and no reason to trust another root.
#[test]
fn a_damaged_remembered_root_is_named() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    let root = scene
        .user
        .trust_dir()
        .join(format!("tuf/{}/metadata/root.json", scene.gun));
    file::write(&root, "damaged").unwrap();
    let v1 = scene.tagged("v1");
    for words in [vec!["verify", &v1], vec!["sign", &v1], vec!["inspect", &v1]] {
        let told = scene.run(&words).failure(1).unwrap();
        assert!(
            told.contains("the root that is remembered here is damaged: "),
            "{told}"
        );
    }
}
