//! The manual's walk (key, signer, signed tag, inspect) with every client on every server, judged by the clients that did not do it.

use std::collections::{BTreeMap, BTreeSet};

use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, RegistryOptions, Storage, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::judge::{Inspected, Listed, inspect, key_ids, list_delegations, list_targets, stranger};

#[test]
fn docker_client_on_the_go_server_as_control() {
    walk(Tool::Docker, &TrustServer::go().unwrap(), &[Tool::Docker]);
}

#[test]
fn docker_client_on_our_server() {
    walk(
        Tool::Docker,
        &TrustServer::ours(Storage::Sqlite).unwrap(),
        &[Tool::Docker, Tool::DockerTrust],
    );
}

#[test]
fn our_client_on_the_go_server() {
    walk(
        Tool::DockerTrust,
        &TrustServer::go().unwrap(),
        &[Tool::Docker, Tool::DockerTrust],
    );
}

#[test]
fn our_client_on_our_server_on_sqlite() {
    walk(
        Tool::DockerTrust,
        &TrustServer::ours(Storage::Sqlite).unwrap(),
        &[Tool::Docker, Tool::DockerTrust],
    );
}

#[test]
fn our_client_on_our_server_in_memory() {
    walk(
        Tool::DockerTrust,
        &TrustServer::ours(Storage::Memory).unwrap(),
        &[Tool::Docker, Tool::DockerTrust],
    );
}

/// jeff and ben may sign; jeff signs an image and a multi-platform image; all judges and `notary` must see exactly that.
fn walk(tool: Tool, server: &TrustServer, judges: &[Tool]) {
    let registry = Registry::start().unwrap();
    let gun = format!("{}/team/app", registry.host());
    let images = BTreeMap::from([
        ("v1", Image::single("hello")),
        ("v2", Image::multi_platform("hello")),
    ]);

    let jeff = stranger(server);
    jeff.expect(tool, &["key", "generate", "jeff"]).unwrap();
    let output = jeff
        .expect(tool, &["signer", "add", "--key", "jeff.pub", "jeff", &gun])
        .unwrap();
    let expected = format!(
        "Adding signer \"jeff\" to {gun}...\nInitializing signed repository for {gun}...\n\
         Successfully initialized \"{gun}\"\nSuccessfully added signer: jeff to {gun}\n"
    );
    assert_eq!(output.trim_end(), expected.trim_end());
    // The first publication carries root 1 and targets 2; the server makes the rest.
    assert_eq!(
        (
            server.version(&gun, "root").unwrap(),
            server.version(&gun, "targets").unwrap()
        ),
        (1, 2)
    );
    assert_eq!(
        (
            server.version(&gun, "snapshot").unwrap(),
            server.version(&gun, "timestamp").unwrap()
        ),
        (1, 1)
    );
    assert!(
        key_ids(&jeff, "snapshot").is_empty(),
        "the server holds the snapshot key"
    );

    let ben = stranger(server);
    ben.expect(tool, &["key", "generate", "ben"]).unwrap();
    let ben_pub = ben.path("ben.pub").display().to_string();
    jeff.expect(tool, &["signer", "add", "--key", &ben_pub, "ben", &gun])
        .unwrap();

    for (tag, image) in &images {
        image.push(&registry.client(), "team/app", tag).unwrap();
        sign(tool, &jeff, &gun, tag, image);
    }

    let one = |id: BTreeSet<String>| {
        assert_eq!(id.len(), 1);
        id
    };
    let (jeff_key, ben_key) = (one(key_ids(&jeff, "jeff")), one(key_ids(&ben, "ben")));
    let mut seen = Vec::new();
    for judge in judges {
        let inspected = inspect(&stranger(server), *judge, &gun);
        assert_eq!(
            inspected.tags,
            images
                .iter()
                .map(|(tag, image)| (
                    (*tag).to_owned(),
                    (image.digest_hex(), BTreeSet::from(["jeff".to_owned()]))
                ))
                .collect(),
            "as {judge:?} sees it"
        );
        assert_eq!(
            inspected.signers,
            BTreeMap::from([
                ("ben".to_owned(), ben_key.clone()),
                ("jeff".to_owned(), jeff_key.clone())
            ])
        );
        assert_eq!(
            inspected.administrators["Repository"],
            one(key_ids(&jeff, "targets"))
        );
        seen.push(inspected);
    }
    assert!(
        seen.windows(2).all(|pair: &[Inspected]| pair[0] == pair[1]),
        "{seen:#?}"
    );

    for role in ["targets/jeff", "targets/releases"] {
        let expected: Vec<Listed> = images
            .iter()
            .map(|(tag, image)| Listed::new(tag, image, role))
            .collect();
        assert_eq!(list_targets(&stranger(server), &gun, &[role]), expected);
    }
    assert!(
        list_targets(&stranger(server), &gun, &["targets/ben"])
            .iter()
            .all(|row| row.role != "targets/ben")
    );
    let delegations = list_delegations(&stranger(server), &gun);
    let both: BTreeSet<String> = jeff_key.union(&ben_key).cloned().collect();
    let rows: Vec<_> = delegations
        .iter()
        .map(|row| (row.role.as_str(), &row.keys, row.threshold))
        .collect();
    assert_eq!(
        rows,
        [
            ("targets/ben", &ben_key, 1),
            ("targets/jeff", &jeff_key, 1),
            ("targets/releases", &both, 1)
        ]
    );

    if judges.contains(&Tool::DockerTrust) {
        for (tag, image) in &images {
            let answer = stranger(server)
                .expect(Tool::DockerTrust, &["verify", &format!("{gun}:{tag}")])
                .unwrap();
            assert_eq!(answer.trim_end(), format!("{gun}@{}", image.digest()));
        }
    }
}

/// Signs a tag. The docker client can only sign again what is signed already (there is no daemon), so the administrator first stages it with
/// `notary` in the base role and removes it there afterwards.
fn sign(tool: Tool, user: &User, gun: &str, tag: &str, image: &Image) {
    let name = format!("{gun}:{tag}");
    if tool == Tool::Docker {
        let size = image.size().to_string();
        user.expect(
            Tool::Notary,
            &[
                "addhash",
                gun,
                tag,
                &size,
                "--sha256",
                &image.digest_hex(),
                "-p",
            ],
        )
        .unwrap();
        user.expect(tool, &["sign", &name]).unwrap();
        user.expect(Tool::Notary, &["remove", gun, tag, "-r", "targets", "-p"])
            .unwrap();
    } else {
        let output = user.expect(tool, &["sign", "--remote", &name]).unwrap();
        assert!(
            output.ends_with(&format!("Successfully signed {name}\n")),
            "{output}"
        );
    }
}

/// The password of `docker login` opens the registry for `sign --remote`; whoever has none signs nothing.
#[test]
fn signing_from_a_registry_with_a_password() {
    let server = TrustServer::ours(Storage::Memory).unwrap();
    let registry = Registry::start_with(&RegistryOptions {
        htpasswd: true,
        ..RegistryOptions::default()
    })
    .unwrap();
    let gun = format!("{}/team/app", registry.host());
    let image = Image::multi_platform("hello");
    image.push(&registry.client(), "team/app", "v1").unwrap();
    let user = stranger(&server);
    user.become_signer(Tool::DockerTrust, "alice", &gun)
        .unwrap();
    let name = format!("{gun}:v1");
    let refused = user
        .run(Tool::DockerTrust, &["sign", "--remote", &name])
        .unwrap();
    assert_eq!(refused.code, Some(1), "{refused}");
    user.log_in(&registry.host(), Registry::USER, "a wrong password")
        .unwrap();
    assert_eq!(
        user.run(Tool::DockerTrust, &["sign", "--remote", &name])
            .unwrap()
            .code,
        Some(1)
    );
    assert!(
        inspect(&stranger(&server), Tool::Docker, &gun)
            .tags
            .is_empty()
    );
    user.log_in(&registry.host(), Registry::USER, Registry::PASSWORD)
        .unwrap();
    user.expect(Tool::DockerTrust, &["sign", "--remote", &name])
        .unwrap();
    assert_eq!(
        inspect(&stranger(&server), Tool::Docker, &gun).tags["v1"].0,
        image.digest_hex()
    );
}
