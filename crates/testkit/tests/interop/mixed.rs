//! One trust folder, used by the docker client, Go's `notary` and our `docker-trust` in turn.

use std::collections::BTreeSet;

use signet_testkit::file;
use signet_testkit::image::{Image, digest};
use signet_testkit::peer::{Registry, Storage, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::judge::{Listed, inspect, key_ids, list_targets, stranger};

#[test]
fn a_trust_folder_is_used_in_turn_on_the_go_server() {
    in_turn(&TrustServer::go().unwrap());
}

#[test]
fn a_trust_folder_is_used_in_turn_on_our_server() {
    in_turn(&TrustServer::ours(Storage::Sqlite).unwrap());
}

/// Every step is done by another program than the one before it, with the keys and the cache that the others left.
fn in_turn(server: &TrustServer) {
    let registry = Registry::start().unwrap();
    let gun = format!("{}/team/app", registry.host());
    let name = |tag: &str| format!("{gun}:{tag}");
    let user = stranger(server);
    let image = |text: &str, tag: &str| {
        let image = Image::single(text);
        image.push(&registry.client(), "team/app", tag).unwrap();
        image
    };

    // docker makes the key, we begin the repository with it, notary reads the keys of both.
    user.expect(Tool::Docker, &["key", "generate", "jeff"])
        .unwrap();
    user.expect(
        Tool::DockerTrust,
        &["signer", "add", "--key", "jeff.pub", "jeff", &gun],
    )
    .unwrap();
    let keys = user.expect(Tool::Notary, &["key", "list"]).unwrap();
    for role in ["root", "targets", "jeff"] {
        assert!(keys.lines().any(|line| line.starts_with(role)), "{keys}");
    }

    // We sign, docker signs the same again, notary adds beside it, we sign the next.
    let first = image("first", "v1");
    user.expect(Tool::DockerTrust, &["sign", "--remote", &name("v1")])
        .unwrap();
    let output = user.expect(Tool::Docker, &["sign", &name("v1")]).unwrap();
    assert!(
        output.contains(&format!(
            "Existing signatures for tag v1 digest {} from:\njeff\n",
            first.digest_hex()
        )),
        "{output}"
    );
    let hash = digest(b"a file");
    let hash = hash.trim_start_matches("sha256:");
    user.expect(
        Tool::Notary,
        &[
            "addhash",
            &gun,
            "a&b<c>",
            "6",
            "--sha256",
            hash,
            "-r",
            "targets/releases",
            "-p",
        ],
    )
    .unwrap();
    let second = image("second", "v2");
    user.expect(Tool::DockerTrust, &["sign", "--remote", &name("v2")])
        .unwrap();

    // We make a key, docker adds it as a signer, we sign with both keys, docker sees both.
    user.expect(Tool::DockerTrust, &["key", "generate", "ben"])
        .unwrap();
    user.expect(
        Tool::Docker,
        &["signer", "add", "--key", "ben.pub", "ben", &gun],
    )
    .unwrap();
    let third = image("third", "v3");
    user.expect(Tool::DockerTrust, &["sign", "--remote", &name("v3")])
        .unwrap();

    // notary replaces the repository key; docker and we go on with the new one.
    user.expect(Tool::Notary, &["key", "rotate", &gun, "targets"])
        .unwrap();
    user.become_signer(Tool::DockerTrust, "carol", &gun)
        .unwrap();
    user.expect(Tool::Docker, &["sign", &name("v3")]).unwrap();

    let mut released = vec![
        Listed {
            name: "a&b<c>".to_owned(),
            digest: hash.to_owned(),
            size: 6,
            role: "targets/releases".to_owned(),
        },
        Listed::new("v1", &first, "targets/releases"),
        Listed::new("v2", &second, "targets/releases"),
        Listed::new("v3", &third, "targets/releases"),
    ];
    released.sort();
    assert_eq!(
        list_targets(&stranger(server), &gun, &["targets/releases"]),
        released
    );
    let by_docker = inspect(&stranger(server), Tool::Docker, &gun);
    assert_eq!(
        by_docker,
        inspect(&stranger(server), Tool::DockerTrust, &gun)
    );
    assert_eq!(
        by_docker,
        inspect(&user, Tool::DockerTrust, &gun),
        "the same from a warm cache"
    );
    let everybody = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(by_docker.tags["v1"].1, everybody(&["jeff"]));
    assert_eq!(by_docker.tags["v3"].1, everybody(&["ben", "carol", "jeff"]));
    assert_eq!(by_docker.signers["carol"], key_ids(&user, "carol"));
}

#[test]
fn inspect_leaves_changes_that_notary_has_staged() {
    let server = TrustServer::go().unwrap();
    let gun = "localhost:5000/team/app";
    let user = stranger(&server);
    user.expect(Tool::Notary, &["init", "-p", gun]).unwrap();
    let hash = digest(b"v1");
    user.expect(
        Tool::Notary,
        &[
            "addhash",
            gun,
            "v1",
            "2",
            "--sha256",
            hash.trim_start_matches("sha256:"),
        ],
    )
    .unwrap();
    let staged = user.expect(Tool::Notary, &["status", gun]).unwrap();
    assert!(staged.contains("v1"), "{staged}");
    for arguments in [vec!["inspect", gun], vec!["inspect", "--pretty", gun]] {
        user.expect(Tool::DockerTrust, &arguments).unwrap();
    }
    assert_eq!(
        user.run(Tool::DockerTrust, &["verify", &format!("{gun}:v1")])
            .unwrap()
            .stdout,
        ""
    );
    assert_eq!(user.expect(Tool::Notary, &["status", gun]).unwrap(), staged);
}

/// With a snapshot key at the client, Go writes root, targets and snapshot anew when it publishes and compares checksums: whatever we wrote must come
/// out of Go's encoder as the same bytes.
#[test]
fn go_publishes_on_top_of_what_we_published_with_a_local_snapshot_key() {
    for server in [
        TrustServer::go().unwrap(),
        TrustServer::ours(Storage::Sqlite).unwrap(),
    ] {
        let registry = Registry::start().unwrap();
        let gun = format!("{}/team/app", registry.host());
        let user = stranger(&server);
        user.become_signer(Tool::DockerTrust, "jeff", &gun).unwrap();
        user.expect(Tool::Notary, &["key", "rotate", &gun, "snapshot"])
            .unwrap();
        assert_eq!(key_ids(&user, "snapshot").len(), 1);
        let images = ["v1", "v2"].map(|tag| (tag, Image::single(tag)));
        for (tag, image) in &images {
            image.push(&registry.client(), "team/app", tag).unwrap();
            user.expect(
                Tool::DockerTrust,
                &["sign", "--remote", &format!("{gun}:{tag}")],
            )
            .unwrap();
            let other = format!("from-go-{tag}");
            let hash = image.digest_hex();
            user.expect(
                Tool::Notary,
                &[
                    "addhash",
                    &gun,
                    &other,
                    "9",
                    "--sha256",
                    &hash,
                    "-r",
                    "targets/releases",
                    "-p",
                ],
            )
            .unwrap();
        }
        let listed = list_targets(&stranger(&server), &gun, &["targets/releases"]);
        let names: Vec<_> = listed.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["from-go-v1", "from-go-v2", "v1", "v2"]);
    }
}

/// Without delegations `sign` writes the base role, here with a target of Go's that has custom data.
#[test]
fn custom_data_of_go_survives_our_publication() {
    for server in [
        TrustServer::go().unwrap(),
        TrustServer::ours(Storage::Sqlite).unwrap(),
    ] {
        let registry = Registry::start().unwrap();
        let gun = format!("{}/team/app", registry.host());
        let user = stranger(&server);
        file::write(&user.path("custom.json"), r#"{"a":"x","b":1}"#).unwrap();
        user.expect(Tool::Notary, &["init", &gun]).unwrap();
        let hash = digest(b"content");
        let hash = hash.trim_start_matches("sha256:");
        user.expect(
            Tool::Notary,
            &[
                "addhash",
                &gun,
                "with-custom",
                "7",
                "--sha256",
                hash,
                "--custom",
                "custom.json",
                "-p",
            ],
        )
        .unwrap();

        let image = Image::single("hello");
        image.push(&registry.client(), "team/app", "v1").unwrap();
        user.expect(
            Tool::DockerTrust,
            &["sign", "--remote", &format!("{gun}:v1")],
        )
        .unwrap();

        let targets = server.metadata(&gun, "targets.json").unwrap().unwrap();
        let targets: serde_json::Value = serde_json::from_slice(&targets).unwrap();
        assert_eq!(
            targets["signed"]["targets"]["with-custom"]["custom"],
            serde_json::json!({"b": 1, "a": "x"})
        );
        let names: Vec<_> = list_targets(&stranger(&server), &gun, &[])
            .into_iter()
            .map(|row| row.name)
            .collect();
        assert_eq!(names, ["v1", "with-custom"]);
        user.expect(
            Tool::Notary,
            &["addhash", &gun, "after", "7", "--sha256", hash, "-p"],
        )
        .unwrap();
        assert_eq!(list_targets(&stranger(&server), &gun, &[]).len(), 3);
    }
}

/// Two who publish at the same moment both succeed, and nothing is lost.
#[test]
fn two_publishers_at_the_same_moment_both_succeed() {
    let server = TrustServer::ours(Storage::Sqlite).unwrap();
    let registry = Registry::start().unwrap();
    let gun = format!("{}/team/app", registry.host());
    let admin = stranger(&server);
    let people: Vec<(String, User)> = ["ann", "ben", "cem", "dora"]
        .iter()
        .map(|name| {
            let user = stranger(&server);
            user.expect(Tool::DockerTrust, &["key", "generate", name])
                .unwrap();
            let key = user.path(&format!("{name}.pub")).display().to_string();
            admin
                .expect(
                    Tool::DockerTrust,
                    &["signer", "add", "--key", &key, name, &gun],
                )
                .unwrap();
            Image::single(name)
                .push(&registry.client(), "team/app", name)
                .unwrap();
            ((*name).to_owned(), user)
        })
        .collect();
    std::thread::scope(|scope| {
        for (name, user) in &people {
            let image = format!("{gun}:{name}");
            scope.spawn(move || {
                user.expect(Tool::DockerTrust, &["sign", "--remote", &image])
                    .unwrap()
            });
        }
    });
    let inspected = inspect(&stranger(&server), Tool::Docker, &gun);
    let signed: BTreeSet<(String, BTreeSet<String>)> = inspected
        .tags
        .into_iter()
        .map(|(tag, (_, signers))| (tag, signers))
        .collect();
    let expected = people
        .iter()
        .map(|(name, _)| (name.clone(), BTreeSet::from([name.clone()])))
        .collect();
    assert_eq!(signed, expected);
}
