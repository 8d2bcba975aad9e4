//! Answers that get lost, come from the past, or never end.

use signet_client::publish::PublishOptions;
use signet_client::{Edit, ErrorKind, Managed};
use signet_keys::{PrivateKey, Signer as _};
use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::peer::TrustServer;
use signet_tuf::BaseRole;
use signet_tuf::update::{Mode, Scope};

use crate::person::{Person, add, delegate, role};

const GUN: &str = "localhost:5000/x";

struct Scene {
    server: TrustServer,
    proxy: Proxy,
    person: Person,
    _home: tempfile::TempDir,
}

/// A published repository behind a proxy.
async fn scene() -> Scene {
    let server = TrustServer::go_plain().unwrap();
    let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let person = Person::at(&proxy.url(), &server.ca_pem(), GUN, home.path());
    let alice = person.key("alice");
    let mut repository = person.initialized(Managed::ByServer).await;
    let edits = [delegate("targets/alice", &[&alice])];
    repository
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    drop(proxy.take_log());
    Scene {
        server,
        proxy,
        person,
        _home: home,
    }
}

/// The requests without what every one of them begins with.
fn requests(proxy: &Proxy) -> Vec<String> {
    let base = format!("/v2/{GUN}/_trust/tuf/");
    let short = |line: String| {
        let line = line.replace(&base, "");
        // The digest is the server's business.
        match line.split_once('.') {
            Some((role, rest)) if rest.len() > 60 => format!("{role}.#"),
            _ => line,
        }
    };
    proxy.take_log().into_iter().map(short).collect()
}

#[tokio::test]
async fn the_first_publish_asks_in_the_order_that_docker_does() {
    let server = TrustServer::go_plain().unwrap();
    let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let person = Person::at(&proxy.url(), &server.ca_pem(), GUN, home.path());
    let (root, alice) = (person.key("root"), person.key("alice"));
    let mut repository = person.open();
    let error = repository
        .update(Mode::Write, Scope::All)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoTrustData);
    repository
        .initialize(root.id(), Managed::ByServer)
        .await
        .unwrap();
    let edits = [
        delegate("targets/alice", &[&alice]),
        delegate("targets/releases", &[&alice]),
    ];
    repository
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(
        requests(&proxy),
        [
            "GET /v2/",
            "GET root.json",
            "GET timestamp.key",
            "GET snapshot.key",
            "POST "
        ]
    );
    // One update per command, also when the caller looked before it published.
    let mut repository = person.open();
    repository.update(Mode::Write, Scope::All).await.unwrap();
    repository
        .publish(&[add("targets/alice", "v1")], PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(
        requests(&proxy),
        ["GET /v2/", "GET timestamp.json", "GET snapshot.#", "POST "]
    );
    assert_eq!(person.list().await, ["v1 targets/alice"]);
    assert_eq!(
        requests(&proxy),
        [
            "GET /v2/",
            "GET timestamp.json",
            "GET snapshot.#",
            "GET targets/alice.#"
        ]
    );
    assert_eq!(person.list().await, ["v1 targets/alice"]);
    assert_eq!(requests(&proxy), ["GET /v2/", "GET timestamp.json"]);
}

#[tokio::test]
async fn a_lost_answer_is_told_from_a_lost_upload() {
    let scene = scene().await;
    for (fault, arrives) in [(Fault::Cut, true), (Fault::Lost, false)] {
        let before = scene.server.version(GUN, "timestamp").unwrap();
        let rule = fault.clone();
        scene.proxy.set(move |method, _| {
            if method == "POST" {
                rule.clone()
            } else {
                Fault::None
            }
        });
        let tag = format!("{fault:?}");
        let result = scene
            .person
            .open()
            .publish(&[add("targets/alice", &tag)], PublishOptions::default())
            .await;
        let after = scene.server.version(GUN, "timestamp").unwrap();
        if arrives {
            assert_eq!((result.unwrap().attempts, after), (1, before + 1));
        } else {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Network);
            assert_eq!(after, before);
        }
    }
    scene.proxy.heal();
    assert_eq!(scene.person.list().await, ["Cut targets/alice"]);
}

#[tokio::test]
async fn staged_changes_stay_until_the_server_has_acknowledged() {
    let scene = scene().await;
    scene
        .person
        .open()
        .stage(&add("targets/alice", "v1"))
        .unwrap();
    let left = |scene: &Scene| {
        scene
            .person
            .open()
            .changelist()
            .unwrap()
            .list()
            .unwrap()
            .len()
    };
    for fault in [Fault::Lost, Fault::Body(b"{}".to_vec())] {
        let rule = fault.clone();
        scene.proxy.set(move |method, path| match (method, &rule) {
            ("POST", Fault::Lost) => rule.clone(),
            (_, Fault::Body(_)) if path.ends_with("/timestamp.json") => rule.clone(),
            _ => Fault::None,
        });
        let result = scene
            .person
            .open()
            .publish_staged(PublishOptions::default())
            .await;
        assert!(result.is_err(), "{fault:?}");
        assert_eq!(left(&scene), 1, "{fault:?}");
    }
    scene.proxy.heal();
    scene
        .person
        .open()
        .publish_staged(PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(left(&scene), 0);
    assert_eq!(scene.person.list().await, ["v1 targets/alice"]);
}

#[tokio::test]
async fn a_refused_upload_is_not_tried_again_when_nobody_else_published() {
    let scene = scene().await;
    // A snapshot key that nobody holds.
    let stray = PrivateKey::generate_ecdsa().unwrap();
    let edit = Edit::ReplaceRoleKeys {
        role: BaseRole::Snapshot,
        keys: vec![stray.public().clone()],
    };
    let mut repository = scene.person.open();
    let error = repository
        .publish(&[edit], PublishOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(
        error.to_string(),
        "Metadata hierarchy is incomplete: no snapshot was included in update and server does not hold current snapshot key for repository"
    );
    let posts = requests(&scene.proxy);
    assert_eq!(
        posts.iter().filter(|line| line.starts_with("POST")).count(),
        1
    );
}

#[tokio::test]
async fn an_upload_that_arrived_is_published_whatever_the_answer_was() {
    let scene = scene().await;
    for status in [400, 500, 503] {
        scene.proxy.set(move |method, _| match method {
            "POST" => Fault::Status(status),
            _ => Fault::None,
        });
        let mut repository = scene.person.open();
        let tag = status.to_string();
        let published = repository
            .publish(&[add("targets/alice", &tag)], PublishOptions::default())
            .await
            .unwrap();
        assert_eq!((published.attempts, published.files.len()), (1, 1));
    }
    scene.proxy.heal();
    let wanted: Vec<String> = [400, 500, 503]
        .map(|status| format!("{status} targets/alice"))
        .into();
    assert_eq!(scene.person.list().await, wanted);
}

/// Where no snapshot names a delegation's documents any more, some servers show them only by version.
#[tokio::test]
async fn w10_the_highest_version_is_found_by_search() {
    let scene = scene().await;
    let versions = 5;
    for version in 1..=versions {
        let edit = add("targets/alice", &format!("v{version}"));
        let mut repository = scene.person.open();
        repository
            .publish(&[edit], PublishOptions::default())
            .await
            .unwrap();
    }
    let bob = scene.person.key("bob");
    let mut repository = scene.person.open();
    let removal = Edit::RemoveDelegation {
        role: role("targets/alice"),
    };
    repository
        .publish(&[removal], PublishOptions::default())
        .await
        .unwrap();
    scene
        .proxy
        .set(|_, path| match path.ends_with("/tuf/targets/alice.json") {
            true => Fault::Status(404),
            false => Fault::None,
        });
    // A document that was never seen here begins at 1, as far as this client knows.
    let home = tempfile::tempdir().unwrap();
    let other = Person {
        trust_dir: home.path().to_owned(),
        ..scene.person
    };
    let edits = [
        delegate("targets/alice", &[&bob]),
        add("targets/alice", "again"),
    ];
    let mut repository = other.open();
    let published = repository
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    assert!(
        published
            .files
            .contains(&(role("targets/alice"), versions + 1)),
        "{published:?}"
    );
    assert_eq!(other.list().await, ["again targets/alice"]);
}

#[tokio::test]
async fn a_server_that_denies_a_published_repository_gets_nothing() {
    let scene = scene().await;
    assert!(scene.person.list().await.is_empty());
    scene
        .proxy
        .set(|_, path| match path.contains("/_trust/tuf/") {
            true => Fault::Status(404),
            false => Fault::None,
        });
    drop(scene.proxy.take_log());
    let mut repository = scene.person.open();
    let error = repository
        .publish(&[add("targets", "v1")], PublishOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoTrustData);
    // The timestamp alone could be out of order, and a write would build on the cached one: root decides.
    assert_eq!(
        requests(&scene.proxy),
        ["GET /v2/", "GET timestamp.json", "GET root.json"]
    );

    // With the timestamp alone missing it does build on the cached one, as Go does.
    scene
        .proxy
        .set(|_, path| match path.ends_with("/timestamp.json") {
            true => Fault::Status(404),
            false => Fault::None,
        });
    let mut repository = scene.person.open();
    let edits = [add("targets", "v1")];
    repository
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(
        requests(&scene.proxy),
        [
            "GET /v2/",
            "GET timestamp.json",
            "GET root.json",
            "GET timestamp.json",
            "POST "
        ]
    );
}

#[tokio::test]
async fn a_replayed_past_is_refused() {
    let scene = scene().await;
    assert!(scene.person.list().await.is_empty());
    scene
        .person
        .open()
        .publish(&[add("targets/alice", "v1")], PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(scene.person.list().await, ["v1 targets/alice"]);
    scene.proxy.set(|_, _| Fault::Replayed);
    for _ in 0..2 {
        let error = scene
            .person
            .open()
            .update(Mode::Read, Scope::All)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Violation);
        assert!(
            error.to_string().contains("is lower than current version"),
            "{error}"
        );
    }
    scene.proxy.heal();
    assert_eq!(scene.person.list().await, ["v1 targets/alice"]);
}
