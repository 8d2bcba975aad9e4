//! `notary-server --archive` in the place of a trust service that is gone: Go's `notary` and the docker client read from it what they read from
//! the original server.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use serde_json::Value;
use signet_archive::{ArchivedRepository, Document, Moment, Source, Work};
use signet_testkit::fleet::{Fleet, Kind, Standing};
use signet_testkit::peer::{Daemon, Registry, TrustServer};
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::user::{Tool, User};
use signet_tuf::RoleName;
use tempfile::TempDir;

/// What a server gives out of a repository: the roots, and what is current.
fn capture(server: &TrustServer, gun: &str) -> ArchivedRepository {
    #[expect(
        clippy::disallowed_methods,
        reason = "captures are made at the real time"
    )]
    let captured = Moment::of(time::OffsetDateTime::now_utc());
    let source = Source::Server {
        address: server.url(),
    };
    let mut repository = ArchivedRepository::empty(gun.parse().unwrap(), source, captured);
    let mut take = |role: &str, file: &str, is_current: bool| {
        let bytes = Bytes::from(server.metadata(gun, file).unwrap()?);
        let role: RoleName = role.parse().unwrap();
        let document = Document::of(&role, &bytes, None);
        let digest = document.sha256;
        if is_current {
            repository.record.current.insert(role, digest);
        }
        if repository.objects.insert(digest, bytes.clone()).is_none() {
            repository.record.documents.push(document);
        }
        Some(bytes)
    };
    for role in ["root", "timestamp", "targets"] {
        take(role, &format!("{role}.json"), true).unwrap();
    }
    let snapshot = take("snapshot", "snapshot.json", true).unwrap();
    let snapshot: Value = serde_json::from_slice(&snapshot).unwrap();
    for role in snapshot["signed"]["meta"].as_object().unwrap().keys() {
        if role.starts_with("targets/") {
            take(role, &format!("{role}.json"), true);
        }
    }
    let mut version = 1;
    while take("root", &format!("{version}.root.json"), false).is_some() {
        version += 1;
    }
    let key = |one: &Document| (one.role.clone(), one.version, one.sha256);
    repository.record.documents.sort_by_key(key);
    repository
}

/// Packs what a server has of these repositories.
fn archive(folder: &TempDir, name: &str, server: &TrustServer, guns: &[&str]) -> PathBuf {
    let path = folder.path().join(name);
    #[expect(
        clippy::disallowed_methods,
        reason = "captures are made at the real time"
    )]
    let now = Moment::of(time::OffsetDateTime::now_utc());
    let mut work = Work::open(&path.with_extension("partial"), "test/1", name, now).unwrap();
    for gun in guns {
        work.finish(&capture(server, gun)).unwrap();
    }
    work.pack(&path, None).unwrap();
    path
}

/// What a command told, without what differs between two runs: the moment of a log line, and where the server is.
fn told(finished: &Finished, url: &str) -> (Option<i32>, String, String) {
    let host = url.trim_start_matches("https://");
    let clean = |text: &str| {
        let text = text.replace(host, "SERVER");
        // Whether this line comes depends on how fast a layer comes.
        let lines = text.lines();
        let lines = lines.filter(|line| !line.ends_with(": Verifying Checksum"));
        let lines = lines.map(|line| match line.split_once("time=\"") {
            Some((before, rest)) => format!("{before}{}", rest.split_once('"').unwrap().1),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    (
        finished.code,
        clean(&finished.stdout),
        clean(&finished.stderr),
    )
}

/// Somebody who has this trust folder, at this server.
fn moved(server: &TrustServer, trust: Option<&Path>) -> User {
    let user = User::new(&server.url(), &server.ca_pem()).unwrap();
    if let Some(trust) = trust {
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(trust).arg(user.trust_dir());
        process::run(&mut copy, "", COMMAND_LIMIT)
            .unwrap()
            .success()
            .unwrap();
    }
    user
}

/// The reading commands about a repository.
fn readings(gun: &str, is_image: bool, name: &str) -> Vec<(Tool, Vec<String>)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let mut commands: Vec<(Tool, Vec<String>)> = vec![
        (Tool::Notary, words(&["list", gun])),
        (Tool::Notary, words(&["lookup", gun, name])),
        (Tool::Notary, words(&["delegation", "list", gun])),
    ];
    if is_image {
        commands.extend([
            (Tool::Docker, words(&["inspect", gun])),
            (Tool::Docker, words(&["inspect", "--pretty", gun])),
            (Tool::DockerTrust, words(&["inspect", gun])),
        ]);
    }
    commands
}

fn read_all(
    user: &User,
    url: &str,
    commands: &[(Tool, Vec<String>)],
) -> Vec<(Option<i32>, String, String)> {
    let told = |(tool, words): &(Tool, Vec<String>)| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        told(&user.run(*tool, &words).unwrap(), url)
    };
    commands.iter().map(told).collect()
}

#[test]
fn clients_read_from_archives_what_they_read_from_the_go_server() {
    let mut fleet = Fleet::small().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let guns: Vec<&str> = fleet.members().iter().map(|one| one.gun.as_str()).collect();
    let (some, others) = guns.split_at(guns.len() / 2);
    let files = [
        archive(&folder, "1.tar.gz", fleet.server(), some),
        archive(&folder, "2.tar.gz", fleet.server(), others),
    ];
    let mut readers = Vec::new();
    for member in fleet.members() {
        let name = member.listed().into_keys().next().unwrap();
        let commands = readings(&member.gun, member.is_image(), &name);
        let user = fleet.stranger().unwrap();
        let was = read_all(&user, &fleet.server().url(), &commands);
        let listed = &was[0];
        match &member.standing {
            Standing::Expired { role, .. } => {
                assert!(listed.2.contains(&format!("{role} expired")), "{listed:?}");
            }
            _ => assert!(
                listed.0 == Some(0) && listed.1.contains(&name),
                "{listed:?}"
            ),
        }
        readers.push((member.clone(), commands, user, was));
    }
    let unknown = readings("localhost/never/was", true, "v1");
    let was_unknown = read_all(&fleet.stranger().unwrap(), &fleet.server().url(), &unknown);

    // The service is gone.
    fleet.server_mut().service().kill();
    let archives = TrustServer::ours_of_archives(&[&files[0], &files[1]]).unwrap();
    for (member, commands, user, was) in &readers {
        let new = moved(&archives, None);
        let is = read_all(&new, &archives.url(), commands);
        assert_eq!(&is, was, "{:?} {}", member.kind, member.gun);
        // With what was remembered of the original server.
        let warm = user.trust_dir();
        if warm.exists() {
            let old = moved(&archives, Some(&warm));
            let is = read_all(&old, &archives.url(), commands);
            assert_eq!(&is, was, "{:?} {}", member.kind, member.gun);
        }
    }
    let is_unknown = read_all(&moved(&archives, None), &archives.url(), &unknown);
    assert_eq!(is_unknown, was_unknown);
}

#[test]
fn clients_show_why_nothing_can_be_published() {
    let fleet = Fleet::small().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (plain, signers) = (fleet.member(Kind::Plain), fleet.member(Kind::Signers));
    let guns: BTreeSet<&str> = [&*plain.gun, &*signers.gun].into();
    let guns: Vec<&str> = guns.into_iter().collect();
    let file = archive(&folder, "1.tar.gz", fleet.server(), &guns);
    let before = std::fs::read(&file).unwrap();
    let archives = TrustServer::ours_of_archives(&[&file]).unwrap();
    let known = "this server is a read-only archive of what the repository was on ";
    let unknown = "this server is a read-only archive, and this repository is not in it: nothing can be published here";
    let hash = "5".repeat(64);
    let new = format!("{}/new", signers.gun);
    let published = ["addhash", &plain.gun, "more", "5", "--sha256", &hash, "-p"];
    let attempts: &[(Tool, &[&str], &str)] = &[
        (Tool::Notary, &published, known),
        (Tool::Notary, &["delete", &plain.gun, "--remote"], known),
        (
            Tool::Notary,
            &["key", "rotate", &plain.gun, "timestamp", "-r"],
            known,
        ),
        (
            Tool::Notary,
            &["key", "rotate", &plain.gun, "snapshot", "-r"],
            known,
        ),
        (Tool::Notary, &["init", &new], unknown),
        (Tool::Docker, &["revoke", "--yes", &signers.gun], known),
        (Tool::DockerTrust, &["revoke", "--yes", &signers.gun], known),
    ];
    for (tool, words, message) in attempts {
        let member = if words.contains(&plain.gun.as_str()) {
            plain
        } else {
            signers
        };
        let user = moved(&archives, None);
        fleet.give_keys(member, &user).unwrap();
        let finished = user.run(*tool, words).unwrap();
        assert_ne!(finished.code, Some(0), "{finished}");
        let all = format!("{}{}", finished.stdout, finished.stderr);
        assert!(all.contains(message), "{finished}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // And all is as it was.
    let user = moved(&archives, None);
    assert!(user.expect(Tool::Notary, &["list", &plain.gun]).is_ok());
}

#[test]
fn several_archives_give_the_newest_state_or_none() {
    let (fleet, impostor) = (Fleet::small().unwrap(), Fleet::small().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let member = fleet.member(Kind::Plain);
    let gun = member.gun.as_str();
    let early = archive(&folder, "early.tar.gz", fleet.server(), &[gun]);
    let hash = "5".repeat(64);
    let owner = fleet.owner(member).unwrap();
    let add = ["addhash", gun, "more", "5", "--sha256", &hash, "-p"];
    owner.expect(Tool::Notary, &add).unwrap();
    let late = archive(&folder, "late.tar.gz", fleet.server(), &[gun]);
    let foreign = archive(&folder, "foreign.tar.gz", impostor.server(), &[gun]);
    let list = |archives: &TrustServer| {
        let user = moved(archives, None);
        user.run(Tool::Notary, &["list", gun]).unwrap()
    };
    for files in [[&*early, &*late], [&*late, &*early]] {
        let archives = TrustServer::ours_of_archives(&files).unwrap();
        let listed = list(&archives).success().unwrap();
        assert!(listed.contains(&hash), "{listed}");
    }
    let archives = TrustServer::ours_of_archives(&[&early]).unwrap();
    assert!(!list(&archives).success().unwrap().contains(&hash));
    for files in [[&*early, &*foreign], [&*foreign, &*late]] {
        let mut archives = TrustServer::ours_of_archives(&files).unwrap();
        let refused = list(&archives);
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.stdout.contains("the archives of this server contradict each other about this repository: they have different documents as version"),
            "{refused}"
        );
        let log = archives.service().log();
        assert!(log.contains("foreign.tar.gz"), "{log}");
    }
}

#[test]
fn the_docker_client_pulls_what_an_archive_proves() {
    let mut server = TrustServer::go().unwrap();
    let (daemon, registry) = (Daemon::start().unwrap(), Registry::start().unwrap());
    let mut publisher = User::new(&server.url(), &server.ca_pem()).unwrap();
    daemon.admit(&mut publisher);
    let gun = format!("{}/team/app", registry.host());
    let (signed, unsigned) = (format!("{gun}:v1"), format!("{gun}:v2"));
    signet_testkit::file::write(&publisher.path("rootfs/hello"), "hello").unwrap();
    let mut tar = Command::new("tar");
    tar.args(["-C", "rootfs", "-cf", "image.tar", "."]);
    publisher.dress(&mut tar);
    process::run(&mut tar, "", COMMAND_LIMIT)
        .unwrap()
        .success()
        .unwrap();
    for image in [&signed, &unsigned] {
        let import = ["import", "image.tar", image];
        publisher.expect(Tool::DockerItself, &import).unwrap();
        publisher
            .expect(Tool::DockerItself, &["push", image])
            .unwrap();
    }
    publisher.become_signer(Tool::Docker, "jeff", &gun).unwrap();
    publisher.expect(Tool::Docker, &["sign", &signed]).unwrap();

    let reader = |server: &TrustServer, trust: Option<&Path>| {
        let mut user = moved(server, trust);
        daemon.admit(&mut user);
        user.set("DOCKER_CONTENT_TRUST", "1");
        user
    };
    let commands: Vec<(Tool, Vec<String>)> = [
        &["pull", signed.as_str()][..],
        &["pull", &unsigned],
        &["create", "--network", "none", &unsigned],
        &["trust", "inspect", &gun],
        &["trust", "inspect", "--pretty", &gun],
    ]
    .iter()
    .map(|words| {
        let words = words.iter().map(|word| (*word).to_owned());
        (Tool::DockerItself, words.collect())
    })
    .collect();
    let empty = || {
        let images = publisher
            .expect(Tool::DockerItself, &["image", "ls", "-aq"])
            .unwrap();
        for id in images.lines() {
            let _ = publisher.run(Tool::DockerItself, &["rmi", "-f", id]);
        }
    };
    empty();
    let user = reader(&server, None);
    let was = read_all(&user, &server.url(), &commands);
    assert_eq!(was[0].0, Some(0), "{was:?}");
    assert_ne!(was[1].0, Some(0), "{was:?}");

    let folder = tempfile::tempdir().unwrap();
    let file = archive(&folder, "trust.tar.gz", &server, &[&gun]);
    server.service().kill();
    let archives = TrustServer::ours_of_archives(&[&file]).unwrap();
    let warm = user.trust_dir();
    for trust in [None, Some(&*warm)] {
        empty();
        let user = reader(&archives, trust);
        let is = read_all(&user, &archives.url(), &commands);
        assert_eq!(is, was);
    }
    // Signing fails after the push, with the reason.
    let mut publisher = moved(&archives, Some(&publisher.trust_dir()));
    daemon.admit(&mut publisher);
    let pull = ["pull", signed.as_str()];
    publisher.expect(Tool::DockerItself, &pull).unwrap();
    let sign = publisher.run(Tool::Docker, &["sign", &signed]).unwrap();
    assert_ne!(sign.code, Some(0), "{sign}");
    let all = format!("{}{}", sign.stdout, sign.stderr);
    assert!(all.contains("read-only archive"), "{sign}");
}
