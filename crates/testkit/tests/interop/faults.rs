//! Our client while answers are cut, late, truncated, swapped, replayed or endless: it fails with a reason or succeeds, and believes nothing else.

use std::time::{Duration, Instant};

use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, Storage, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::judge::inspect;

/// A server behind a proxy, with a repository that jeff may sign.
struct Scene {
    _server: TrustServer,
    registry: Registry,
    proxy: Proxy,
    ca_pem: String,
    jeff: User,
    gun: String,
}

impl Scene {
    fn new() -> Self {
        let server = TrustServer::ours_plain(Storage::Sqlite).unwrap();
        let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
        let registry = Registry::start().unwrap();
        let gun = format!("{}/team/app", registry.host());
        let jeff = User::new(&proxy.url(), &server.ca_pem()).unwrap();
        jeff.become_signer(Tool::DockerTrust, "jeff", &gun).unwrap();
        let ca_pem = server.ca_pem();
        Self {
            _server: server,
            registry,
            proxy,
            ca_pem,
            jeff,
            gun,
        }
    }

    fn sign(&self, tag: &str) -> signet_testkit::process::Finished {
        Image::single(tag)
            .push(&self.registry.client(), "team/app", tag)
            .unwrap();
        self.jeff
            .run(
                Tool::DockerTrust,
                &["sign", "--remote", &format!("{}:{tag}", self.gun)],
            )
            .unwrap()
    }

    fn verify(&self, user: &User, tag: &str) -> signet_testkit::process::Finished {
        user.run(
            Tool::DockerTrust,
            &["verify", &format!("{}:{tag}", self.gun)],
        )
        .unwrap()
    }

    fn stranger(&self) -> User {
        User::new(&self.proxy.url(), &self.ca_pem).unwrap()
    }

    fn path(&self, file: &str) -> String {
        format!("/v2/{}/_trust/tuf/{file}", self.gun)
    }
}

#[test]
fn spoilt_answers_are_refused_and_leave_no_trace() {
    let scene = Scene::new();
    scene.sign("v1").success().unwrap();
    let signed = format!("{}@{}\n", scene.gun, Image::single("v1").digest());
    assert_eq!(scene.verify(&scene.stranger(), "v1").stdout, signed);

    let faults = [
        Fault::Cut,
        Fault::Lost,
        Fault::Truncated,
        Fault::Status(500),
        Fault::Status(302),
        Fault::Status(206),
        Fault::Body(Vec::new()),
        Fault::Body(b"null".to_vec()),
        Fault::Body(b"{\"signed\":{},\"signatures\":[]}".to_vec()),
        Fault::Swapped(scene.path("root.json")),
        Fault::Endless,
    ];
    for fault in faults {
        for file in [
            "timestamp.json",
            "snapshot.",
            "targets.",
            "targets/releases.",
        ] {
            let (spoilt, needle) = (fault.clone(), scene.path(file));
            scene.proxy.set(move |_, path| {
                if path.starts_with(&needle) {
                    spoilt.clone()
                } else {
                    Fault::None
                }
            });
            let user = scene.stranger();
            let finished = scene.verify(&user, "v1");
            assert!(
                finished.code.is_some_and(|code| code != 0),
                "{fault:?} of {file}: {finished}"
            );
            assert_eq!(finished.stdout, "", "{fault:?} of {file}");
            scene.proxy.heal();
            assert_eq!(
                scene.verify(&user, "v1").stdout,
                signed,
                "after {fault:?} of {file}"
            );
        }
    }
}

#[test]
fn a_replayed_timestamp_is_a_rollback() {
    let scene = Scene::new();
    let reader = scene.stranger();
    scene.sign("v1").success().unwrap();
    scene.verify(&reader, "v1").success().unwrap();
    scene.sign("v2").success().unwrap();
    scene.verify(&reader, "v2").success().unwrap();
    scene.proxy.set(|_, path| {
        if path.ends_with("timestamp.json") {
            Fault::Replayed
        } else {
            Fault::None
        }
    });
    let finished = scene.verify(&reader, "v2");
    assert!(
        finished.code.is_some_and(|code| code != 0) && finished.stdout.is_empty(),
        "{finished}"
    );
    scene.proxy.heal();
    scene.verify(&reader, "v2").success().unwrap();
}

#[test]
fn a_slow_server_is_waited_for() {
    let scene = Scene::new();
    scene.sign("v1").success().unwrap();
    scene.proxy.set(|_, path| {
        if path.ends_with("timestamp.json") {
            Fault::Slow(Duration::from_millis(700))
        } else {
            Fault::None
        }
    });
    let started = Instant::now();
    scene.verify(&scene.stranger(), "v1").success().unwrap();
    assert!(started.elapsed() >= Duration::from_millis(700));
}

/// The upload is acted on, but its acknowledgement never comes: nothing may be staged for ever, and the next try must succeed.
#[test]
fn a_lost_acknowledgement_is_no_disaster() {
    for fault in [
        Fault::Cut,
        Fault::Truncated,
        Fault::Lost,
        Fault::Status(503),
    ] {
        let scene = Scene::new();
        let spoilt = fault.clone();
        scene.proxy.set(move |method, _| {
            if method == "POST" {
                spoilt.clone()
            } else {
                Fault::None
            }
        });
        let finished = scene.sign("v1");
        // Where the server has acted, a client may find that out and succeed; where it never heard of it, it must not.
        if fault == Fault::Lost {
            assert!(finished.code.is_some_and(|code| code != 0), "{finished}");
            assert!(
                inspect(&scene.stranger(), Tool::Docker, &scene.gun)
                    .tags
                    .is_empty()
            );
        }
        scene.proxy.heal();
        scene.sign("v1").success().unwrap();
        scene.sign("v2").success().unwrap();
        let seen = inspect(&scene.stranger(), Tool::Docker, &scene.gun);
        assert_eq!(
            seen.tags.keys().collect::<Vec<_>>(),
            ["v1", "v2"],
            "after {fault:?}"
        );
    }
}

/// Case 42: a server whose `/v2/` is out of order, or refuses without saying what it wants, is asked without a login all the same.
#[test]
fn a_server_that_asks_for_nothing_gets_nothing() {
    let server = TrustServer::go_plain().unwrap();
    let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
    let gun = "localhost:5000/team/app";
    let owner = User::new(&proxy.url(), &server.ca_pem()).unwrap();
    owner
        .expect(Tool::Docker, &["key", "generate", "jeff"])
        .unwrap();
    for status in [200, 401, 403, 404, 500] {
        proxy.set(move |_, path| {
            if path == "/v2/" {
                Fault::Status(status)
            } else {
                Fault::None
            }
        });
        for tool in [Tool::Docker, Tool::DockerTrust] {
            owner
                .expect(tool, &["signer", "add", "--key", "jeff.pub", "jeff", gun])
                .unwrap();
            let reader = User::new(&proxy.url(), &server.ca_pem()).unwrap();
            reader
                .log_in("localhost:5000", "alice", "wonderland")
                .unwrap();
            let seen = reader.expect(tool, &["inspect", gun]).unwrap();
            assert!(seen.contains("\"jeff\""), "{tool:?}, {status}: {seen}");
        }
    }
}
