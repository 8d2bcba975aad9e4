//! Repositories from archives in a server of ours: Go's `notary` and the docker client read there what they read at Go's server.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use signet_archive::{Archive, State};
use signet_testkit::file;
use signet_testkit::image::digest;
use signet_testkit::peer::{Storage, TokenService, TrustOptions, TrustServer};
use signet_testkit::process::Finished;
use signet_testkit::user::{Tool, User};

use crate::judge::{inspect, list_targets, stranger};

const GUN: &str = "localhost:5000/team/app";
const OTHER: &str = "localhost:5000/team/other";

/// Rotated server keys, a delegation, a removed target: what an archive has to bring along.
fn publish(user: &User) {
    let notary = |arguments: &[&str]| {
        user.expect(Tool::Notary, arguments).unwrap();
    };
    let hash = &digest(b"hello")["sha256:".len()..];
    user.ec_key("prime256v1", "releases.key").unwrap();
    user.certificate("releases").unwrap();
    for gun in [GUN, OTHER] {
        notary(&["init", "-p", gun]);
        notary(&["addhash", gun, "v1", "5", "--sha256", hash, "-p"]);
    }
    notary(&["key", "rotate", GUN, "snapshot", "-r"]);
    notary(&["key", "rotate", GUN, "timestamp", "-r"]);
    notary(&[
        "delegation",
        "add",
        GUN,
        "targets/releases",
        "releases.crt",
        "--all-paths",
        "-p",
    ]);
    notary(&["key", "import", "releases.key", "-r", "releases"]);
    notary(&[
        "addhash",
        GUN,
        "v2",
        "5",
        "--sha256",
        hash,
        "-r",
        "targets/releases",
        "-p",
    ]);
    notary(&["addhash", GUN, "v3", "5", "--sha256", hash, "-p"]);
}

/// An archive of these repositories with their history, made by somebody who has never seen them.
fn archive(server: &TrustServer, guns: &[&str], folder: &Path, name: &str) -> String {
    let path = folder.join(name).to_str().unwrap().to_owned();
    let line = ["archive", "create", "--history", "-o", &path];
    stranger(server)
        .expect(Tool::OurNotary, &[&line[..], guns].concat())
        .unwrap();
    path
}

/// Somebody with the same files who knows another server.
fn moved(user: &User, server: &TrustServer) -> User {
    let there = stranger(server);
    let (from, to) = (user.trust_dir(), there.trust_dir());
    let mut copy = Command::new("cp");
    copy.arg("-rT").arg(from).arg(to);
    assert!(copy.status().unwrap().success());
    there
}

fn import(user: &User, arguments: &[&str]) -> Finished {
    let arguments = [&["archive", "import"], arguments].concat();
    user.run(Tool::OurNotary, &arguments).unwrap()
}

/// What an import says that ends with 1; `notary` has its errors on standard output, as Go's.
fn refused(user: &User, arguments: &[&str]) -> String {
    let told = import(user, arguments);
    assert_eq!(told.code, Some(1), "{told}");
    format!("{}{}", told.stdout, told.stderr)
}

/// Every version of every role that the archive has, from both servers.
fn assert_same_documents(old: &TrustServer, new: &TrustServer) {
    for role in [
        "root",
        "targets",
        "targets/releases",
        "snapshot",
        "timestamp",
    ] {
        let file = format!("{role}.json");
        let current = old.metadata(GUN, &file).unwrap();
        assert!(current.is_some(), "{role}");
        assert_eq!(new.metadata(GUN, &file).unwrap(), current, "{role}");
        for version in 1..=old.version(GUN, role).unwrap() {
            let file = format!("{version}.{role}.json");
            let (was, is) = (old.metadata(GUN, &file), new.metadata(GUN, &file));
            assert_eq!(is.unwrap(), was.unwrap(), "{file}");
        }
    }
}

#[test]
fn what_go_had_is_there_for_gos_clients_after_an_import_over_https() {
    let old = TrustServer::go().unwrap();
    let user = stranger(&old);
    publish(&user);
    let folder = tempfile::tempdir().unwrap();
    let file = archive(&old, &[GUN, OTHER], folder.path(), "trust.tar.gz");
    let mut new = TrustServer::ours(Storage::Sqlite).unwrap();
    let there = moved(&user, &new);

    let asked = import(&there, &[&file, "--into", &new.url(), "--dry-run"])
        .success()
        .unwrap();
    assert!(
        asked.contains(&format!("{GUN}: would be imported")),
        "{asked}"
    );
    assert!(
        asked.ends_with("2 would be imported, 0 already there\n"),
        "{asked}"
    );
    assert_eq!(new.metadata(GUN, "root.json").unwrap(), None);

    let done = import(&there, &[&file, "--into", &new.url()])
        .success()
        .unwrap();
    assert!(done.contains(&format!("{GUN}: imported")), "{done}");
    assert!(!done.contains("left out"), "{done}");
    assert_same_documents(&old, &new);
    let again = import(
        &there,
        &[&file, GUN, "--into", &new.url(), "--format", "json"],
    );
    let again: Value = serde_json::from_str(&again.success().unwrap()).unwrap();
    assert_eq!(again["repositories"][0]["result"], "already-there");
    assert_eq!(again["already_there"], 1);

    // Who had cached the repository, and who sees it for the first time.
    let before = list_targets(&user, GUN, &[]);
    assert_eq!(before.len(), 3);
    assert_eq!(list_targets(&there, GUN, &[]), before);
    assert_eq!(list_targets(&stranger(&new), GUN, &[]), before);
    let image = format!("{GUN}:v3");
    assert_eq!(
        inspect(&stranger(&new), Tool::Docker, &image),
        inspect(&stranger(&old), Tool::Docker, &image),
    );

    // Nobody can publish before the owner has taken over, and is told so; nothing is lost by trying.
    let hash = &digest(b"hello")["sha256:".len()..];
    let refused = there
        .run(
            Tool::Notary,
            &["addhash", GUN, "v4", "5", "--sha256", hash, "-p"],
        )
        .unwrap();
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert_ne!(refused.code, Some(0));
    assert!(
        told.contains("'notary takeover' with the owner's root key"),
        "{told}"
    );
    assert_same_documents(&old, &new);
    new.crash_and_restart().unwrap();
    assert_same_documents(&old, &new);

    // More was published at the old server before it went.
    user.expect(
        Tool::Notary,
        &["addhash", GUN, "v5", "5", "--sha256", hash, "-p"],
    )
    .unwrap();
    let later = archive(&old, &[GUN], folder.path(), "later.tar.gz");
    let done = import(&there, &[&later, "--into", &new.url()])
        .success()
        .unwrap();
    assert!(done.contains(&format!("{GUN}: extended")), "{done}");
    assert_same_documents(&old, &new);
    let back = import(&there, &[&file, GUN, "--into", &new.url()])
        .success()
        .unwrap();
    assert!(back.contains("already there"), "{back}");
    assert_same_documents(&old, &new);
}

#[test]
fn a_stopped_servers_database_takes_the_same_and_a_running_one_is_left_alone() {
    let old = TrustServer::go().unwrap();
    let user = stranger(&old);
    publish(&user);
    let folder = tempfile::tempdir().unwrap();
    let file = archive(&old, &[GUN, OTHER], folder.path(), "trust.tar.gz");
    let mut new = TrustServer::ours(Storage::Sqlite).unwrap();
    let database = new.folder().join("trust.db");
    let into = database.to_str().unwrap();

    let running = refused(&user, &[&file, "--into", into]);
    assert!(
        running.contains("a server is using the database"),
        "{running}"
    );
    new.service().kill();
    let done = import(&user, &[&file, "--into", into]).success().unwrap();
    assert!(done.ends_with("2 imported, 0 already there\n"), "{done}");
    new.crash_and_restart().unwrap();
    assert_same_documents(&old, &new);
    assert_eq!(
        list_targets(&stranger(&new), GUN, &[]),
        list_targets(&user, GUN, &[])
    );

    // Mistyped names make nothing.
    let missing = folder.path().join("new.db");
    let missing = missing.to_str().unwrap();
    let told = refused(&user, &[&file, "--into", missing]);
    assert!(told.contains("--create"), "{told}");
    assert!(!Path::new(missing).exists());
    let told = refused(&user, &[&file, "--into", &file]);
    assert!(told.contains("is no SQLite database"), "{told}");
    let form = format!("sqlite://{missing}");
    import(&user, &[&file, OTHER, "--into", &form, "--create"])
        .success()
        .unwrap();
    let again = import(&user, &[&file, "--into", missing])
        .success()
        .unwrap();
    assert!(again.ends_with("1 imported, 1 already there\n"), "{again}");
}

#[test]
fn what_does_not_belong_together_is_refused_by_name() {
    let old = TrustServer::go().unwrap();
    publish(&stranger(&old));
    let folder = tempfile::tempdir().unwrap();
    let one = archive(&old, &[GUN, OTHER], folder.path(), "one.tar.gz");
    let forked = TrustServer::go().unwrap();
    publish(&stranger(&forked));
    let other = archive(&forked, &[GUN], folder.path(), "other.tar.gz");
    let new = TrustServer::ours(Storage::Sqlite).unwrap();
    let user = stranger(&new);

    import(&user, &[&one, GUN, "--into", &new.url()])
        .success()
        .unwrap();
    let told = refused(&user, &[&other, "--into", &new.url()]);
    assert!(
        told.contains(&format!(
            "{GUN}: not imported: this server has another root version 1"
        )),
        "{told}"
    );
    assert_same_documents(&old, &new);
    assert_eq!(
        new.metadata(OTHER, "root.json").unwrap(),
        None,
        "only what was named"
    );
    let told = refused(&user, &[&one, "none", "--into", &new.url()]);
    assert!(told.contains("does not have trust data for none"), "{told}");

    // Go's server knows no such request.
    let root = forked.metadata(GUN, "root.json").unwrap();
    let told = refused(&stranger(&forked), &[&one, "--into", &forked.url()]);
    assert!(told.contains("takes no imports"), "{told}");
    assert!(
        told.contains(&format!("stopped at {GUN}; what was imported before stays")),
        "{told}"
    );
    assert_eq!(forked.metadata(GUN, "root.json").unwrap(), root);
}

#[test]
fn with_tokens_an_import_takes_the_right_to_everything() {
    let old = TrustServer::go().unwrap();
    publish(&stranger(&old));
    let folder = tempfile::tempdir().unwrap();
    let file = archive(&old, &[GUN, OTHER], folder.path(), "trust.tar.gz");
    let tokens = TokenService::start()
        .unwrap()
        .user("admin", "everything", &[("*", "pull,push,*")])
        .user("alice", "wonderland", &[("*", "pull,push")])
        .user("team", "app", &[("team/app", "pull,push,*")]);
    let options = TrustOptions::default()
        .storage(Storage::Sqlite)
        .token(tokens.auth("notary"));
    let new = TrustServer::ours_with(&options).unwrap();
    let url = new.url();
    let registry = "localhost:5000";
    let line = [file.as_str(), "--into", &url, "--login-for", registry];
    let user = stranger(&new);
    // notary trusts the authorities of one file only.
    let both = format!("{}\n{}", new.ca_pem(), tokens.ca_pem());
    file::write(&user.path(".docker/ca.crt"), both).unwrap();

    let login = |name, password| user.log_in(registry, name, password).unwrap();
    let right = |gun: &str| {
        format!("does not let this login import {gun}: that takes the right * to the repository")
    };
    let told = refused(&user, &line);
    assert!(told.contains(&right(GUN)), "{told}");
    login("alice", "wrong");
    let told = refused(&user, &line);
    assert!(
        told.contains("unauthorized: incorrect username or password"),
        "{told}"
    );
    login("alice", "wonderland");
    let told = refused(&user, &line);
    assert!(told.contains(&right(GUN)), "{told}");
    assert!(told.contains("push and pull are not enough"), "{told}");
    for gun in [GUN, OTHER] {
        assert_eq!(new.metadata(gun, "root.json").unwrap(), None, "{gun}");
    }
    login("team", "app");
    let told = refused(&user, &line);
    assert!(told.contains(&format!("{GUN}: imported")), "{told}");
    assert!(told.contains(&right(OTHER)), "{told}");
    assert_same_documents(&old, &new);
    assert_eq!(new.metadata(OTHER, "root.json").unwrap(), None);

    login("admin", "everything");
    let done = import(&user, &line).success().unwrap();
    assert!(done.ends_with("1 imported, 1 already there\n"), "{done}");
    let root = old.metadata(OTHER, "root.json").unwrap();
    assert_eq!(new.metadata(OTHER, "root.json").unwrap(), root);
}

#[test]
fn a_clients_trust_folder_and_a_running_servers_database_give_the_same() {
    let old = TrustServer::go().unwrap();
    publish(&stranger(&old));
    let reader = stranger(&old);
    let listed = list_targets(&reader, GUN, &[]);
    inspect(&reader, Tool::Docker, &format!("{OTHER}:v1"));
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let crawled = archive(&old, &[GUN, OTHER], place.path(), "trust.tar.gz");
    let create = |source: &[&str], to: &str| {
        let line = [&["archive", "create", "-o", to], source].concat();
        reader.expect(Tool::OurNotary, &line).unwrap()
    };

    // What notary and docker had verified, to the byte.
    let folder = path("folder.tar.gz");
    let trust_dir = reader.trust_dir();
    create(&["--from-trust-dir", trust_dir.to_str().unwrap()], &folder);
    let taken = Archive::open(Path::new(&folder)).unwrap();
    taken.check(&mut |_| {}).unwrap();
    assert_eq!(taken.entries().len(), 2);
    for entry in taken.entries() {
        assert_eq!(entry.state, State::Trusted, "{}", entry.gun);
        let repository = taken.read(entry).unwrap();
        for (role, sha256) in &repository.record.current {
            let given = old.metadata(&entry.gun, &format!("{role}.json"));
            let held = &repository.objects[sha256];
            assert_eq!(Some(held.to_vec()), given.unwrap(), "{}: {role}", entry.gun);
        }
        let delegated = repository.record.current.contains_key("targets/releases");
        assert_eq!(delegated, entry.gun == GUN);
    }

    // A database of a server that goes on with its work.
    let new = TrustServer::ours(Storage::Sqlite).unwrap();
    import(&stranger(&new), &[&crawled, "--into", &new.url()])
        .success()
        .unwrap();
    let (database, stored) = (new.folder().join("trust.db"), path("database.tar.gz"));
    create(&["--from-database", database.to_str().unwrap()], &stored);
    let diff = ["archive", "diff", &crawled, &stored];
    let diff = reader.run(Tool::OurNotary, &diff).unwrap();
    assert_eq!(diff.code, Some(0), "nothing differs: {diff}");
    assert_same_documents(&old, &new);

    // Both are as good as the archive of the server, for whoever imports them.
    let into = path("new.db");
    let line = [stored.as_str(), "--into", &into, "--create"];
    let done = import(&reader, &line).success().unwrap();
    assert!(done.ends_with("2 imported, 0 already there\n"), "{done}");
    for same in [&folder, &crawled] {
        let again = import(&reader, &[same, "--into", &into]).success().unwrap();
        assert!(again.ends_with("0 imported, 2 already there\n"), "{again}");
    }
    let later = TrustServer::ours(Storage::Sqlite).unwrap();
    let there = stranger(&later);
    import(&there, &[&folder, "--into", &later.url()])
        .success()
        .unwrap();
    assert_eq!(list_targets(&there, GUN, &[]), listed);
    // The roots that the folder did not have come with another archive.
    let done = import(&there, &[&crawled, GUN, "--into", &later.url()])
        .success()
        .unwrap();
    assert!(done.contains(&format!("{GUN}: extended")), "{done}");
    assert_same_documents(&old, &later);
}
