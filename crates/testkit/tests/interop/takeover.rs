//! Repositories that move from Go's server to ours, which has none of its keys, and the clients that knew them before.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use signet_archive::{Currency, Held, Moment, Sha256, Source, assemble};
use signet_client::{Clock, Edit, Managed, PublishOptions};
use signet_keys::{KeyStore as _, PrivateKey, Signer as _};
use signet_testkit::file;
use signet_testkit::image::{Image, digest};
use signet_testkit::peer::{Registry, Storage, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::judge::{inspect, key_ids as keys_of, list_targets, stranger};
use crate::library::{block_on, key_store, open_at};

/// Brings everything that the old server has of a repository to the new one, as `POST _trust/import` takes it.
fn carry(gun: &str, roles: &[&str], old: &TrustServer, new: &TrustServer) {
    let mut held = Vec::new();
    for role in roles {
        for version in 1..30 {
            let found = old
                .metadata(gun, &format!("{version}.{role}.json"))
                .unwrap();
            held.extend(found.map(|bytes| Held {
                role: role.parse().unwrap(),
                bytes: bytes.into(),
                published: None,
            }));
        }
    }
    let source = Source::Server { address: old.url() };
    let now = Moment::of(now());
    let name = gun.parse().unwrap();
    let repository = assemble(&name, source, now, held, Currency::Newest, Vec::new());
    let record = serde_json::to_vec(&repository.record).unwrap();
    let mut body = Vec::new();
    let mut part = |name: &str, bytes: &[u8]| {
        let head = format!(
            "--CARRY\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    };
    part("record.json", &record);
    for bytes in repository.objects.values() {
        part(&format!("objects/{}.json", Sha256::of(bytes)), bytes);
    }
    body.extend_from_slice(b"--CARRY--\r\n");
    let answer = new.client().unwrap().request(
        "POST",
        &format!("/v2/{gun}/_trust/import"),
        &[("Content-Type", "multipart/form-data; boundary=CARRY")],
        &body,
    );
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[expect(
    clippy::disallowed_methods,
    reason = "the real servers of these tests go by the real time"
)]
fn now() -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc()
}

/// A clock so many seconds away from the real time, which can be set.
pub(crate) fn clock(offset: &Arc<AtomicI64>) -> Arc<dyn Clock> {
    let offset = Arc::clone(offset);
    Arc::new(move || now() + time::Duration::seconds(offset.load(Ordering::Relaxed)))
}

/// From now on the person uses another server.
fn turn_to(user: &mut User, server: &TrustServer) {
    user.set("DOCKER_CONTENT_TRUST_SERVER", &server.url());
    user.trust_authority(&server.url(), &server.ca_pem())
        .unwrap();
    file::write(&user.path(".docker/new.crt"), server.ca_pem()).unwrap();
    let path = user.path(".notary/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["remote_server"] = json!({"url": server.url(), "root_ca": user.path(".docker/new.crt")});
    file::write(&path, config.to_string()).unwrap();
}

fn document(server: &TrustServer, gun: &str, role: &str) -> Value {
    let bytes = server.metadata(gun, &format!("{role}.json")).unwrap();
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

fn key_ids(root: &Value, role: &str) -> Value {
    root["signed"]["roles"][role]["keyids"].clone()
}

/// A person with this root certificate pinned, who refuses every other.
fn pinned(server: &TrustServer, gun: &str, root: &Value) -> User {
    let user = stranger(server);
    let path = user.path(".notary/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["trust_pinning"] = json!({"certs": {gun: key_ids(root, "root")}, "disable_tofu": true});
    file::write(&path, config.to_string()).unwrap();
    user
}

#[test]
fn clients_that_know_the_old_root_go_on_after_a_takeover() {
    let registry = Registry::start().unwrap();
    let gun = format!("{}/team/app", registry.host());
    let old = TrustServer::go().unwrap();
    let mut owner = stranger(&old);
    owner.become_signer(Tool::Docker, "alice", &gun).unwrap();
    for tag in ["v1", "v2", "v3"] {
        Image::single(tag)
            .push(&registry.client(), "team/app", tag)
            .unwrap();
    }
    let image = |tag: &str| format!("{gun}:{tag}");
    let sign = |user: &User, tool, tag: &str| user.expect(tool, &["sign", "--remote", &image(tag)]);
    sign(&owner, Tool::DockerTrust, "v1").unwrap();
    let before = document(&old, &gun, "root");

    // Clients with a memory of the old server: Go's notary, the docker client, and one that pins.
    let mut reader = stranger(&old);
    let listed = list_targets(&reader, &gun, &["targets/releases"]);
    assert_eq!(listed.len(), 1);
    let inspected = inspect(&reader, Tool::Docker, &gun);
    let mut pinning = pinned(&old, &gun, &before);
    assert_eq!(list_targets(&pinning, &gun, &["targets/releases"]), listed);

    let mut new = TrustServer::ours(Storage::Sqlite).unwrap();
    let roles = [
        "root",
        "targets",
        "targets/releases",
        "targets/alice",
        "snapshot",
        "timestamp",
    ];
    carry(&gun, &roles, &old, &new);
    for user in [&mut owner, &mut reader, &mut pinning] {
        turn_to(user, &new);
    }

    // The owner sees what would change, and agrees to nothing yet.
    let dry = owner
        .expect(Tool::OurNotary, &["takeover", "--dry-run", &gun])
        .unwrap();
    assert!(
        dry.contains("timestamp key") && dry.contains("snapshot key"),
        "{dry}"
    );
    assert!(dry.ends_with("\nNothing was changed.\n"), "{dry}");
    for answer in ["", "no\n", "yep\n"] {
        let declined = owner
            .run_with_input(Tool::OurNotary, &["takeover", &gun], answer)
            .unwrap();
        assert_eq!(declined.code, Some(0), "{}", declined.stdout);
        assert!(
            declined.stdout.ends_with("(yes/no)  \nAborting action.\n"),
            "{}",
            declined.stdout
        );
    }
    assert_eq!(document(&new, &gun, "root"), before);
    let told = owner
        .run_with_input(Tool::OurNotary, &["takeover", &gun], "Yes\n")
        .unwrap();
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    assert!(
        told.stdout
            .ends_with(&format!("Successfully took over {gun} with root 3\n"))
            || told
                .stdout
                .ends_with(&format!("Successfully took over {gun} with root 2\n")),
        "{}",
        told.stdout
    );
    assert!(
        told.stderr
            .contains("whoever has the keys of the server before"),
        "{}",
        told.stderr
    );

    // One new root: the same root certificate, other keys for what the server signs, numbers that no client has seen.
    let after = document(&new, &gun, "root");
    let number = |document: &Value| document["signed"]["version"].as_i64().unwrap();
    assert_eq!(number(&after), number(&before) + 1);
    assert_eq!(key_ids(&after, "root"), key_ids(&before, "root"));
    assert_eq!(key_ids(&after, "targets"), key_ids(&before, "targets"));
    for role in ["snapshot", "timestamp"] {
        assert_ne!(key_ids(&after, role), key_ids(&before, role), "{role}");
        let (then, now) = (document(&old, &gun, role), document(&new, &gun, role));
        assert!(number(&now) > number(&then) + 1000, "{role}");
    }
    let again = owner.expect(Tool::OurNotary, &["takeover", &gun]).unwrap();
    assert!(
        again.ends_with("already; there is nothing to do.\n"),
        "{again}"
    );
    assert_eq!(document(&new, &gun, "root"), after);

    // Everybody reads what they read before, and strangers too.
    for user in [
        &reader,
        &pinning,
        &stranger(&new),
        &pinned(&new, &gun, &before),
    ] {
        assert_eq!(list_targets(user, &gun, &["targets/releases"]), listed);
    }
    for user in [&reader, &stranger(&new)] {
        let now = inspect(user, Tool::Docker, &gun);
        assert_eq!(now.tags, inspected.tags);
        assert_eq!(now.signers, inspected.signers);
    }

    // Whoever published, publishes: the docker client, Go's notary and ours, and the others see it.
    sign(&owner, Tool::DockerTrust, "v2").unwrap();
    owner.expect(Tool::Docker, &["sign", &image("v2")]).unwrap();
    let digest = Image::single("v3").digest_hex();
    let add = [
        "addhash",
        &gun,
        "v3",
        "3",
        "--sha256",
        &digest,
        "-r",
        "targets/releases",
        "-p",
    ];
    owner.expect(Tool::Notary, &add).unwrap();
    let names = |user: &User| -> Vec<String> {
        let listed = list_targets(user, &gun, &["targets/releases"]);
        listed.into_iter().map(|target| target.name).collect()
    };
    for user in [&reader, &pinning, &stranger(&new)] {
        assert_eq!(names(user), ["v1", "v2", "v3"]);
    }
    assert_eq!(inspect(&reader, Tool::Docker, &gun).tags.len(), 3);
    // The docker client itself signs, and makes somebody else a signer.
    owner
        .expect(
            Tool::Docker,
            &["signer", "add", "--key", "alice.pub", "bob", &gun],
        )
        .unwrap();
    new.crash_and_restart().unwrap();
    assert!(
        inspect(&reader, Tool::Docker, &gun)
            .signers
            .contains_key("bob")
    );
}

#[test]
fn a_snapshot_key_of_the_owner_stays_with_the_owner() {
    let gun = "localhost:5000/team/own";
    let old = TrustServer::go().unwrap();
    let mut owner = stranger(&old);
    owner.expect(Tool::Notary, &["init", "-p", gun]).unwrap();
    let hash = Image::single("x").digest_hex();
    let add = |tag| owner_add(tag, &hash);
    owner
        .expect(
            Tool::Notary,
            &add("v1").iter().map(String::as_str).collect::<Vec<_>>(),
        )
        .unwrap();
    let before = document(&old, gun, "root");
    let mut reader = stranger(&old);
    assert_eq!(list_targets(&reader, gun, &[]).len(), 1);

    let new = TrustServer::ours(Storage::Memory).unwrap();
    carry(
        gun,
        &["root", "targets", "snapshot", "timestamp"],
        &old,
        &new,
    );
    turn_to(&mut owner, &new);
    turn_to(&mut reader, &new);
    // Until then nobody can publish, and the server says why.
    let line = add("v2");
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let refused = owner.run(Tool::Notary, &line).unwrap();
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);

    // Without the root key there is no takeover.
    let other = stranger(&new);
    std::fs::create_dir_all(other.trust_dir()).unwrap();
    let refused = other
        .run(Tool::OurNotary, &["takeover", "-y", gun])
        .unwrap();
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stdout.starts_with(&format!(
            "\n* fatal: taking over {gun} needs its root key, which is not here: "
        )),
        "{}",
        refused.stdout
    );
    assert_eq!(document(&new, gun, "root"), before);

    // A computer that has the keys and never saw the repository says so until it is taken over, however often it looked.
    let mut keys = Command::new("cp");
    keys.args(["-r", owner.trust_dir().join("private").to_str().unwrap()]);
    keys.arg(other.trust_dir());
    assert!(keys.status().unwrap().success());
    for (line, answer) in [
        (&["takeover", "--dry-run", gun][..], ""),
        (&["takeover", gun], "no\n"),
        (&["takeover", gun], "no\n"),
    ] {
        let looked = other.run_with_input(Tool::OurNotary, line, answer).unwrap();
        let warned = looked
            .stderr
            .contains("this computer has never seen the repository");
        assert!(warned, "{line:?}: {looked}");
    }
    assert_eq!(document(&new, gun, "root"), before);

    let told = owner
        .run(Tool::OurNotary, &["takeover", "-y", gun])
        .unwrap();
    assert_eq!(told.code, Some(0), "{told}");
    assert!(!told.stderr.contains("has never seen"), "{told}");
    let after = document(&new, gun, "root");
    assert_eq!(key_ids(&after, "snapshot"), key_ids(&before, "snapshot"));
    assert_ne!(key_ids(&after, "timestamp"), key_ids(&before, "timestamp"));
    // What Go's notary had staged is published now.
    owner.expect(Tool::Notary, &["publish", gun]).unwrap();
    for user in [&reader, &stranger(&new)] {
        assert_eq!(list_targets(user, gun, &[]).len(), 2);
    }
}

fn owner_add(tag: &str, hash: &str) -> Vec<String> {
    let gun = "localhost:5000/team/own";
    ["addhash", gun, tag, "3", "--sha256", hash, "-p"]
        .map(str::to_owned)
        .to_vec()
}

/// A client remembers what its server signed after the repository was copied. The owner is one, too.
#[test]
fn later_timestamps_of_the_old_server_are_no_obstacle() {
    let gun = "localhost:5000/team/later";
    let old = TrustServer::go().unwrap();
    let mut owner = stranger(&old);
    owner.expect(Tool::Notary, &["init", "-p", gun]).unwrap();
    let new = TrustServer::ours(Storage::Memory).unwrap();
    let roles = ["root", "targets", "snapshot", "timestamp"];
    carry(gun, &roles, &old, &new);
    turn_to(&mut owner, &new);
    // What a client of ours remembers of versions, as if the old server had gone on for a while.
    owner.run(Tool::DockerTrust, &["inspect", gun]).unwrap();
    let folder = digest(gun.as_bytes()).replace("sha256:", "signet/");
    let floors = owner.trust_dir().join(folder).join("floors.json");
    let mut remembered: Value = serde_json::from_slice(&std::fs::read(&floors).unwrap()).unwrap();
    remembered["roles"]["timestamp"]["version"] = json!(60);
    file::write(&floors, remembered.to_string()).unwrap();
    let refused = owner.run(Tool::DockerTrust, &["inspect", gun]).unwrap();
    assert_ne!(refused.code, Some(0));

    let told = owner
        .run(Tool::OurNotary, &["takeover", "-y", gun])
        .unwrap();
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    let warning = "this computer has seen timestamp 60, and the server brought along 1";
    assert!(told.stderr.contains(warning), "{}", told.stderr);
    owner.expect(Tool::DockerTrust, &["inspect", gun]).unwrap();

    // What people signed must not be older than what is remembered.
    let mut remembered: Value = serde_json::from_slice(&std::fs::read(&floors).unwrap()).unwrap();
    remembered["roles"]["targets"]["version"] = json!(9);
    file::write(&floors, remembered.to_string()).unwrap();
    let refused = owner
        .run(Tool::OurNotary, &["takeover", "-y", gun])
        .unwrap();
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stdout.contains("is lower than current version 9"),
        "{}",
        refused.stdout
    );
}

/// Nearly three years after the last publication, long after the old server's last timestamp, on a computer that has only the keys.
#[test]
fn what_soon_ends_is_renewed_where_its_keys_are() {
    let gun = "localhost:5000/team/late";
    let old = TrustServer::go().unwrap();
    let owner = stranger(&old);
    owner.expect(Tool::Notary, &["init", "-p", gun]).unwrap();
    let digest = Image::single("x").digest_hex();
    for name in ["ann", "bob"] {
        owner.ec_key("prime256v1", &format!("{name}.key")).unwrap();
        owner.certificate(name).unwrap();
        let certificate = format!("{name}.crt");
        let role = format!("targets/{name}");
        owner
            .expect(
                Tool::Notary,
                &[
                    "delegation",
                    "add",
                    gun,
                    &role,
                    &certificate,
                    "--all-paths",
                    "-p",
                ],
            )
            .unwrap();
        let key = format!("{name}.key");
        owner
            .expect(Tool::Notary, &["key", "import", &key, "-r", name])
            .unwrap();
        let add = [
            "addhash", gun, name, "3", "--sha256", &digest, "-r", &role, "-p",
        ];
        owner.expect(Tool::Notary, &add).unwrap();
    }
    let new = TrustServer::ours(Storage::Memory).unwrap();
    let roles = [
        "root",
        "targets",
        "targets/ann",
        "targets/bob",
        "snapshot",
        "timestamp",
    ];
    carry(gun, &roles, &old, &new);
    // Bob has taken his key with him, and what the client remembers is lost.
    for id in keys_of(&owner, "bob") {
        std::fs::remove_file(owner.trust_dir().join("private").join(format!("{id}.key"))).unwrap();
    }
    std::fs::remove_dir_all(owner.trust_dir().join("tuf")).unwrap();

    let offset = Arc::new(AtomicI64::new(1000 * 24 * 3600));
    let mut repository = open_at(&new, &owner, gun, clock(&offset));
    let plan = block_on(repository.plan_takeover()).unwrap();
    let renewed: Vec<&str> = plan.renewed.iter().map(|it| it.role.as_str()).collect();
    assert_eq!(renewed, ["targets", "targets/ann"]);
    let left: Vec<&str> = plan.left.iter().map(|left| left.role.as_str()).collect();
    assert_eq!(left, ["targets/bob"]);
    assert!(plan.timestamp.is_some() && plan.certificate.is_none());
    let published = block_on(repository.take_over(&plan)).unwrap();
    let mut files: Vec<&str> = published
        .files
        .iter()
        .map(|(role, _)| role.as_str())
        .collect();
    files.sort_unstable();
    assert_eq!(files, ["root", "snapshot", "targets", "targets/ann"]);
    // Go's client reads it in the present, all three.
    let names = |user: &User| -> Vec<String> {
        let listed = list_targets(user, gun, &["targets/ann", "targets/bob"]);
        listed.into_iter().map(|target| target.name).collect()
    };
    assert_eq!(names(&stranger(&new)), ["ann", "bob"]);
    let ends = |role: &str| document(&new, gun, role)["signed"]["expires"].to_string();
    assert!(ends("targets/ann") > ends("targets/bob"));
}

/// The certificate of the root key has ended: the key gets another one, and the new root is signed under both.
#[test]
fn an_ended_root_certificate_is_followed_by_a_new_one() {
    const LIFETIME: i64 = 3650 * 24 * 3600;
    let gun = "localhost:5000/team/ended";
    let server = TrustServer::ours(Storage::Memory).unwrap();
    let mut owner = stranger(&server);
    turn_to(&mut owner, &server);
    let key = PrivateKey::generate_ecdsa().unwrap();
    let id = key.public().id().clone();
    key_store(&owner).add(key, "root", None).unwrap();

    // Made long ago, with some seconds left.
    let offset = Arc::new(AtomicI64::new(15 - LIFETIME));
    let mut repository = open_at(&server, &owner, gun, clock(&offset));
    block_on(repository.initialize(&id, Managed::ByServer)).unwrap();
    offset.store(0, Ordering::Relaxed);
    let edit = Edit::AddTarget {
        role: "targets".parse().unwrap(),
        name: "v1".to_owned(),
        target: signet_tuf::Target::new([7; 32], 3),
    };
    block_on(repository.publish(&[edit], PublishOptions::default())).unwrap();
    let before = document(&server, gun, "root");
    std::thread::sleep(Duration::from_secs(16));

    let reader = stranger(&server);
    let refused = reader.run(Tool::Notary, &["list", gun]).unwrap();
    assert!(
        refused
            .stdout
            .contains("unable to retrieve valid leaf certificates"),
        "{}",
        refused.stdout
    );
    let told = owner
        .run(Tool::OurNotary, &["takeover", "-y", gun])
        .unwrap();
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.contains("root certificate"), "{}", told.stdout);
    let after = document(&server, gun, "root");
    assert_ne!(key_ids(&after, "root"), key_ids(&before, "root"));
    let signed_by = |root: &Value| -> Vec<Value> {
        let all = root["signatures"].as_array().unwrap();
        all.iter()
            .map(|signature| signature["keyid"].clone())
            .collect()
    };
    let signers = signed_by(&after);
    for root in [&before, &after] {
        assert!(signers.contains(&key_ids(root, "root")[0]), "{signers:?}");
    }
    assert_eq!(list_targets(&reader, gun, &[]).len(), 1);
    owner.expect(Tool::DockerTrust, &["inspect", gun]).unwrap();
}
