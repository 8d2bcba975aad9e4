//! Archives of real servers: what is taken, what is said of it, and what becomes of it when something goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use signet_archive::{Archive, ArchivedRepository, Source, State};
use signet_testkit::chaos::Fault;
use signet_testkit::file;
use signet_testkit::fleet::{Fleet, Kind, Standing};
use signet_testkit::peer::{Storage, TrustServer};
use signet_testkit::process::Finished;
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

use crate::archive_interrupted::behind_proxy;
use crate::login::{Server, World};

pub(crate) fn create(user: &User, arguments: &[&str]) -> Finished {
    let line = [&["archive", "create"], arguments].concat();
    user.run(Tool::OurNotary, &line).unwrap()
}

pub(crate) fn open(user: &User, name: &str) -> Archive {
    let archive = Archive::open(&user.path(name)).unwrap();
    archive.check(&mut |_| {}).unwrap();
    archive
}

pub(crate) fn read(archive: &Archive, gun: &str) -> ArchivedRepository {
    archive
        .read(archive.entry(&gun.parse().unwrap()).unwrap())
        .unwrap()
}

pub(crate) fn states(archive: &Archive) -> BTreeMap<String, State> {
    let entries = archive.entries().iter();
    entries
        .map(|entry| (entry.gun.clone(), entry.state))
        .collect()
}

fn versions(repository: &ArchivedRepository, role: &str) -> BTreeSet<i64> {
    let documents = repository.documents(&role.parse().unwrap());
    documents.map(|document| document.version).collect()
}

/// A population, and somebody who has never seen it and has its names in `names.txt`.
fn population(server: TrustServer) -> (Fleet, User) {
    let fleet = Fleet::small_on(server).unwrap();
    let user = fleet.stranger().unwrap();
    file::write(&user.path("names.txt"), fleet.list()).unwrap();
    (fleet, user)
}

#[test]
fn a_population_is_taken_whole_and_judged_right() {
    for server in [
        TrustServer::go().unwrap(),
        TrustServer::ours(Storage::Sqlite).unwrap(),
    ] {
        let (fleet, user) = population(server);
        // Moments in archives are whole seconds.
        std::thread::sleep(Duration::from_secs(1));
        let made = create(
            &user,
            &[
                "--from-file",
                "names.txt",
                "--history",
                "-o",
                "a.tar.gz",
                "--format",
                "json",
            ],
        );
        let summary: Value = serde_json::from_str(&made.success().unwrap()).unwrap();
        assert_eq!(summary["repositories"], fleet.members().len());
        let archive = open(&user, "a.tar.gz");
        assert_eq!(
            archive.header().sources,
            [Source::Server {
                address: fleet.server().url()
            }]
        );
        let states = states(&archive);
        assert_eq!(states.len(), fleet.members().len());
        for member in fleet.members() {
            let gun = &member.gun;
            let expected = match &member.standing {
                Standing::Sound => State::Trusted,
                Standing::Expired { .. } => State::Expired,
                Standing::Broken { .. } => State::Degraded,
            };
            let repository = read(&archive, gun);
            assert_eq!(
                states[gun], expected,
                "{gun}: {:?}",
                repository.record.verdict
            );
            // What is there is what the server gives, and under the versions that were published.
            for (role, version) in &member.versions {
                let all: BTreeSet<i64> = (1..=i64::try_from(*version).unwrap()).collect();
                let found = versions(&repository, role);
                if role == "root" {
                    assert_eq!(found, all, "{gun}: {role}");
                } else {
                    assert!(found.is_subset(&all), "{gun}: {role}: {found:?}");
                    assert_eq!(found.last(), all.last(), "{gun}: {role}");
                }
                let given = fleet
                    .server()
                    .metadata(gun, &format!("{role}.json"))
                    .unwrap();
                let held = repository.record.current[role.as_str()];
                assert_eq!(
                    &repository.objects[&held][..],
                    &given.unwrap()[..],
                    "{gun}: {role}"
                );
            }
            let uploads = i64::try_from(member.uploads).unwrap();
            let timestamps = versions(&repository, "timestamp");
            assert!(
                (1..=uploads).all(|version| timestamps.contains(&version)),
                "{gun}"
            );
            assert!(
                repository
                    .documents(&"timestamp".parse().unwrap())
                    .all(|document| document.published.is_some()),
                "{gun}"
            );
            assert!(
                repository.record.changes.len() as u64 >= member.uploads,
                "{gun}"
            );
        }
        // Those that need attention are named with the reason.
        let others = summary["others"].as_array().unwrap();
        assert_eq!(others.len(), 2, "{others:?}");
        for kind in [Kind::Expired, Kind::Broken] {
            let member = fleet.member(kind);
            let other = others
                .iter()
                .find(|other| other["gun"] == member.gun.as_str());
            let (Standing::Expired { role, .. } | Standing::Broken { role }) = &member.standing
            else {
                panic!("{kind:?}");
            };
            let reason = other.unwrap()["reason"].as_str().unwrap();
            assert!(reason.contains(role.as_str()), "{reason}");
        }
        // Without history there is one state of each, and the whole chain of roots all the same.
        create(&user, &["--from-file", "names.txt", "-o", "b.tar.gz"])
            .success()
            .unwrap();
        let archive = open(&user, "b.tar.gz");
        for member in fleet.members() {
            let repository = read(&archive, &member.gun);
            assert_eq!(
                versions(&repository, "timestamp").len(),
                1,
                "{}",
                member.gun
            );
            let roots = versions(&repository, "root").len() as u64;
            assert_eq!(roots, member.versions["root"], "{}", member.gun);
        }
    }
}

#[test]
fn the_changefeed_names_what_is_there_and_what_is_gone() {
    for server in [
        TrustServer::go().unwrap(),
        TrustServer::ours(Storage::Sqlite).unwrap(),
    ] {
        let (fleet, user) = population(server);
        let gone = &fleet.member(Kind::Nested).gun;
        let path = format!("/v2/{gone}/_trust/tuf/");
        let client = fleet.server().client().unwrap();
        assert_eq!(
            client.request("DELETE", &path, &[], &[]).unwrap().status,
            200
        );
        create(&user, &["--changefeed", "-o", "a.tar.gz", "--jobs", "3"])
            .success()
            .unwrap();
        let archive = open(&user, "a.tar.gz");
        let states = states(&archive);
        assert_eq!(states.len(), fleet.members().len());
        assert_eq!(states[gone], State::Absent);
        let absent = states.values().filter(|state| **state == State::Absent);
        assert_eq!(absent.count(), 1);
        let last = read(&archive, gone).record.changes.pop().unwrap();
        assert_eq!((last.category.as_str(), last.sha256), ("deletion", None));
    }
}

#[test]
fn names_that_are_none_and_repositories_that_are_not_there_are_told() {
    let (fleet, user) = population(TrustServer::go().unwrap());
    let gun = fleet.members()[0].gun.as_str();
    let list = format!("{gun} # twice\n../evil\nlocalhost:5000/nobody\n");
    let line = ["--from-file", "-", gun, "-o", "a.tar.gz"];
    let told = user
        .run_with_input(
            Tool::OurNotary,
            &[&["archive", "create"], &line[..]].concat(),
            &list,
        )
        .unwrap();
    assert_eq!(told.code, Some(1), "{told}");
    assert!(told.stderr.contains("-:2: skipped \"../evil\""), "{told}");
    assert!(
        told.stdout
            .contains("1 not there, 1 with a name that no repository can have"),
        "{told}"
    );
    let states = states(&open(&user, "a.tar.gz"));
    assert_eq!(states.len(), 2);
    assert_eq!(states["localhost:5000/nobody"], State::Absent);

    let nothing = create(&user, &["localhost:5000/nobody", "-o", "b.tar.gz"]);
    assert_eq!(nothing.code, Some(1), "{nothing}");
    assert!(nothing.stdout.contains("no trust data"), "{nothing}");
    assert!(!user.path("b.tar.gz").exists() && !user.path("b.tar.gz.partial").exists());
}

/// notary trusts the authorities of one file only.
fn trust_token_service(world: &World, user: &User) {
    let both = format!("{}\n{}", world.server.ca_pem(), world.tokens.ca_pem());
    file::write(&user.path(".docker/ca.crt"), both).unwrap();
}

#[test]
fn logins_are_dockers_and_a_refused_repository_is_recorded() {
    for kind in [Server::Go, Server::Ours] {
        let world = World::new(kind, false);
        world.signed();
        let registry = world.registry.host();
        let other = format!("{registry}/team/secret");
        // The names are of the registry, and so is the login.
        let alice = world.alice();
        trust_token_service(&world, &alice);
        create(&alice, &[&world.repository, "-o", "a.tar.gz"])
            .success()
            .unwrap();
        let asked = world.asked();
        assert!(
            asked
                .iter()
                .any(|line| line.contains("scope=repository%3A")),
            "{asked:?}"
        );
        let archive = open(&alice, "a.tar.gz");
        assert_eq!(states(&archive)[&world.repository], State::Trusted);

        // bob may read one of them.
        let bob = world.alice();
        trust_token_service(&world, &bob);
        world.log_in(&bob, "bob", "builder");
        let made = create(&bob, &[&world.repository, &other, "-o", "a.tar.gz"]);
        assert_eq!(made.code, Some(1), "{made}");
        assert!(made.stdout.contains("1 refused"), "{made}");
        let states = states(&open(&bob, "a.tar.gz"));
        assert_eq!(states[&world.repository], State::Trusted);
        assert_eq!(states[&other], State::Refused);
        let made = create(&bob, &[&other, "-o", "b.tar.gz"]);
        assert_eq!(made.code, Some(1), "{made}");
        assert!(made.stdout.contains("refuses all of the 1"), "{made}");
        assert!(!bob.path("b.tar.gz").exists() && !bob.path("b.tar.gz.partial").exists());

        // A wrong password ends the run at once.
        world.log_in(&bob, "bob", "wrong");
        world.asked();
        let names: Vec<String> = (0..20).map(|n| format!("{registry}/team/app{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let ended = create(
            &bob,
            &[&names[..], &["-o", "c.tar.gz", "--jobs", "1"]].concat(),
        );
        assert_eq!(ended.code, Some(1), "{ended}");
        assert!(world.tokens.take_requests().len() <= 2);
        assert!(!bob.path("c.tar.gz.partial").exists());

        // The changefeed is for those who may see the catalog.
        let refused = create(&alice, &["--changefeed", "-o", "d.tar.gz"]);
        assert_eq!(refused.code, Some(1), "{refused}");
        assert!(refused.stdout.contains("changefeed"), "{refused}");
    }
}

#[test]
fn an_archivist_signs_with_a_key_file_or_a_key_of_the_trust_folder() {
    let (fleet, mut user) = population(TrustServer::go().unwrap());
    let gun = fleet.members()[0].gun.as_str();
    user.ec_key("prime256v1", "plain.pem").unwrap();
    user.openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        "plain.pem",
        "-out",
        "sealed.pem",
        "-passout",
        &format!("pass:{}", User::REPOSITORY_PASSPHRASE),
    ])
    .unwrap();
    for name in ["plain.pem", "sealed.pem"] {
        let only_mine = fs::Permissions::from_mode(0o600);
        fs::set_permissions(user.path(name), only_mine).unwrap();
        create(&user, &[gun, "-o", "a.tar.gz", "--sign-key", name])
            .success()
            .unwrap();
        assert_eq!(open(&user, "a.tar.gz").signers().len(), 1, "{name}");
    }
    create(&user, &[gun, "-o", "a.tar.gz"]).success().unwrap();
    assert_eq!(open(&user, "a.tar.gz").signers().len(), 0);
    user.set("NOTARY_DELEGATION_PASSPHRASE", "not this one");
    let before = fs::read(user.path("a.tar.gz")).unwrap();
    for key in ["sealed.pem", "nothing.pem", &"ab".repeat(32)] {
        let failed = create(&user, &[gun, "-o", "a.tar.gz", "--sign-key", key]);
        assert_eq!(failed.code, Some(1), "{failed}");
        assert!(failed.stdout.contains("archivist's key"), "{failed}");
    }
    assert_eq!(fs::read(user.path("a.tar.gz")).unwrap(), before);
    assert!(!user.path("a.tar.gz.partial").exists());
}

#[test]
fn progress_is_for_terminals() {
    let (_fleet, proxy, user) = behind_proxy();
    // The sign of life comes after a second, and is brought up to date twice a second.
    proxy.set(|_, _| Fault::Slow(Duration::from_millis(200)));
    let line = [
        "archive",
        "create",
        "--from-file",
        "names.txt",
        "-o",
        "a.tar.gz",
    ];
    let command = user.command(Tool::OurNotary, &line).unwrap();
    let (status, screen) = Terminal::spawn(&command).unwrap().finish().unwrap();
    assert!(status.success(), "{screen}");
    assert!(screen.contains("Taking repositories: "), "{screen}");
    assert!(screen.contains(" left"), "{screen}");
    proxy.heal();
    let piped = user.run(Tool::OurNotary, &line).unwrap();
    assert_eq!((piped.code, piped.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_server_whose_certificate_is_not_trusted_is_not_asked() {
    let server = TrustServer::go().unwrap();
    let stranger = TrustServer::go().unwrap();
    let user = User::new(&server.url(), &stranger.ca_pem()).unwrap();
    let ended = create(&user, &["localhost:5000/x", "-o", "a.tar.gz", "--partial"]);
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stdout.contains("certificate"), "{ended}");
    assert!(!Path::new(&user.path("a.tar.gz.partial")).exists());
}
