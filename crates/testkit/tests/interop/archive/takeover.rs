//! A repository moves: taken out of Go's server, brought to ours, taken over by its owner. Who knew it before goes on with it.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use signet_testkit::file;
use signet_testkit::fleet::{Fleet, Kind, Member};
use signet_testkit::image::digest;
use signet_testkit::peer::{Daemon, Registry, Storage, TrustServer};
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::user::{Tool, User};

use super::population::Archived;
use crate::judge::{list_targets, stranger};

/// A server of ours with the repositories of an archive.
fn imported(user: &User, archive: &str) -> TrustServer {
    let mut server = TrustServer::ours(Storage::Sqlite).unwrap();
    server.service().stop(Duration::from_secs(10)).unwrap();
    let database = server.folder().join("trust.db");
    let database = database.to_str().unwrap();
    user.expect(
        Tool::OurNotary,
        &["archive", "import", archive, "--into", database],
    )
    .unwrap();
    server.crash_and_restart().unwrap();
    server
}

fn names(user: &User, gun: &str) -> Vec<String> {
    let rows = list_targets(user, gun, &[]).into_iter();
    rows.map(|row| row.name).collect()
}

fn key_of(server: &TrustServer, gun: &str, role: &str) -> String {
    let root = server.metadata(gun, "root.json").unwrap().unwrap();
    let root: Value = serde_json::from_slice(&root).unwrap();
    let id = &root["signed"]["roles"][role]["keyids"][0];
    id.as_str().unwrap().to_owned()
}

fn build(user: &User, name: &str, content: &str) {
    file::write(&user.path("rootfs/hello"), content).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["-C", "rootfs", "-cf", "image.tar", "."]);
    user.dress(&mut tar);
    let packed = process::run(&mut tar, "", COMMAND_LIMIT).unwrap();
    packed.success().unwrap();
    user.expect(Tool::DockerItself, &["import", "image.tar", name])
        .unwrap();
}

/// The second criterion, second half: docker signs on over its daemon, and Go's notary publishes, each with the root that it had.
#[test]
fn clients_that_knew_the_repository_list_sign_and_publish_on_after_a_takeover() {
    let mut old = TrustServer::go().unwrap();
    let (daemon, registry) = (Daemon::start().unwrap(), Registry::start().unwrap());
    let gun = format!("{}/team/app", registry.host());
    let mut owner = stranger(&old);
    daemon.admit(&mut owner);
    build(&owner, &format!("{gun}:v1"), "one");
    owner.become_signer(Tool::Docker, "jeff", &gun).unwrap();
    owner
        .expect(Tool::Docker, &["sign", &format!("{gun}:v1")])
        .unwrap();

    // Somebody who trusted the first root on first use, and somebody who had it pinned.
    let (mut reader, mut pinned) = (stranger(&old), stranger(&old));
    assert_eq!(names(&reader, &gun), ["v1"]);
    let pin = json!({"disable_tofu": true, "certs": {gun.as_str(): [key_of(&old, &gun, "root")]}});
    let pin_down = |user: &User| {
        let path = user.path(".notary/config.json");
        let mut config: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        config["trust_pinning"] = pin.clone();
        file::write(&path, config.to_string()).unwrap();
    };
    pin_down(&pinned);
    assert_eq!(names(&pinned, &gun), ["v1"]);
    let keys_before = ["timestamp", "snapshot"].map(|role| key_of(&old, &gun, role));

    let create = ["archive", "create", "--history", "-o", "trust.tar.gz", &gun];
    owner.expect(Tool::OurNotary, &create).unwrap();
    old.service().kill();
    let new = imported(&owner, "trust.tar.gz");
    for user in [&mut owner, &mut reader, &mut pinned] {
        user.turn_to(&new.url(), &new.ca_pem()).unwrap();
    }
    pin_down(&pinned);
    owner
        .expect(Tool::OurNotary, &["takeover", "--yes", &gun])
        .unwrap();
    for (role, before) in ["timestamp", "snapshot"].iter().zip(&keys_before) {
        assert_ne!(key_of(&new, &gun, role), *before, "{role}");
    }
    for user in [&reader, &pinned, &stranger(&new)] {
        assert_eq!(names(user, &gun), ["v1"]);
    }

    build(&owner, &format!("{gun}:v2"), "two");
    owner
        .expect(Tool::Docker, &["sign", &format!("{gun}:v2")])
        .unwrap();
    let hash = digest(b"v3");
    let hash = hash.trim_start_matches("sha256:");
    owner
        .expect(
            Tool::Notary,
            &["addhash", &gun, "v3", "2", "--sha256", hash, "-p"],
        )
        .unwrap();
    for user in [&reader, &pinned, &stranger(&new)] {
        assert_eq!(names(user, &gun), ["v1", "v2", "v3"]);
    }
    // docker's own enforcement pulls what was signed on the old server and on the new one.
    owner.set("DOCKER_CONTENT_TRUST", "1");
    for tag in ["v1", "v2"] {
        let image = format!("{gun}:{tag}");
        owner.expect(Tool::DockerItself, &["pull", &image]).unwrap();
    }
}

/// Commands that read a repository.
fn readings(member: &Member) -> Vec<(Tool, Vec<&str>)> {
    let gun = member.gun.as_str();
    let mut all = vec![
        (Tool::Notary, vec!["list", gun]),
        (Tool::Notary, vec!["delegation", "list", gun]),
    ];
    if let Some(name) = member
        .roles
        .iter()
        .find_map(|(_, names)| names.keys().next())
    {
        all.push((Tool::Notary, vec!["lookup", gun, name]));
    }
    if member.is_image() {
        all.push((Tool::Docker, vec!["inspect", gun]));
        all.push((Tool::Docker, vec!["inspect", "--pretty", gun]));
        all.push((Tool::DockerTrust, vec!["inspect", gun]));
    }
    all
}

fn read(server: &TrustServer, member: &Member) -> Vec<String> {
    let shown = |finished: &Finished| {
        let text = format!(
            "{:?}\n{}\n{}",
            finished.code, finished.stdout, finished.stderr
        );
        // Log lines begin with the time.
        let text = text.replace(server.url().trim_start_matches("https://"), "SERVER");
        let lines = text.lines().map(|line| match line.split_once("time=\"") {
            Some((before, after)) => {
                let after = after.split_once('"').map_or("", |(_, after)| after);
                format!("{before}{after}")
            }
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    readings(member)
        .into_iter()
        .map(|(tool, words)| {
            let finished = stranger(server).run(tool, &words).unwrap();
            format!("{tool:?} {words:?}\n{}", shown(&finished))
        })
        .collect()
}

/// A population with one of each kind: what an imported repository says is what it said before, and its owner makes it whole again.
#[test]
fn every_kind_of_repository_is_imported_and_taken_over() {
    let population = Archived::new(Fleet::small().unwrap());
    population.created("all.tar.gz", &["--history"]);
    let new = imported(&population.user, "all.tar.gz");
    for member in population.fleet.members() {
        let original = read(population.fleet.server(), member);
        assert_eq!(original, read(&new, member), "{}", member.gun);
    }
    for member in population.fleet.members() {
        let gun = &member.gun;
        // Knows the old root, and has the keys.
        let mut owner = population.fleet.owner(member).unwrap();
        let seen = owner.run(Tool::Notary, &["list", gun]).unwrap();
        assert_eq!(seen.code == Some(0), member.kind != Kind::Expired);
        owner.turn_to(&new.url(), &new.ca_pem()).unwrap();
        owner
            .expect(Tool::OurNotary, &["takeover", "--yes", gun])
            .unwrap();
        let expected: Vec<String> = member.listed().into_keys().collect();
        assert_eq!(names(&owner, gun), expected, "{gun}");
        assert_eq!(names(&stranger(&new), gun), expected, "{gun}");
        let hash = "7".repeat(64);
        let add = ["addhash", gun, "zz-after", "2", "--sha256", &hash, "-p"];
        owner.expect(Tool::Notary, &add).unwrap();
        assert_eq!(names(&stranger(&new), gun).len(), expected.len() + 1);
    }
}
