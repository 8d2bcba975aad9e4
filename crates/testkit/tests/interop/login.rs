//! The manual's logins: registry and trust server ask for tokens of one service, which keeps account of what both clients ask it for.

use std::collections::BTreeSet;

use signet_testkit::image::Image;
use signet_testkit::peer::{
    Registry, RegistryOptions, TokenFault, TokenService, TrustOptions, TrustServer,
};
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::user::{Tool, User};

use crate::judge::{inspect, stranger};

/// Whose trust server it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    Go,
    Ours,
}

/// A registry and a trust server that want tokens of one service.
pub(crate) struct World {
    pub(crate) tokens: TokenService,
    pub(crate) server: TrustServer,
    pub(crate) registry: Registry,
    pub(crate) repository: String,
}

impl World {
    /// alice may do everything, bob may read, everybody may read when `open`.
    pub(crate) fn new(server: Server, open: bool) -> Self {
        let tokens = TokenService::start()
            .unwrap()
            .user("alice", "wonderland", &[("*", "pull,push")])
            .user("bob", "builder", &[("team/app", "pull")])
            .anonymous(if open { &[("*", "pull")] } else { &[] })
            .with_identity_tokens();
        let options = TrustOptions::default().token(tokens.auth("notary"));
        let server = match server {
            Server::Go => TrustServer::go_with(&options),
            Server::Ours => TrustServer::ours_with(&options),
        }
        .unwrap();
        let registry = Registry::start_with(&RegistryOptions {
            token: Some(tokens.auth("registry")),
            ..RegistryOptions::default()
        })
        .unwrap();
        let repository = format!("{}/team/app", registry.host());
        Self {
            tokens,
            server,
            registry,
            repository,
        }
    }

    pub(crate) fn push(&self, text: &str, tag: &str) -> Image {
        let image = Image::single(text);
        let client = self.registry.client_for("team/app").unwrap();
        image.push(&client, "team/app", tag).unwrap();
        image
    }

    pub(crate) fn log_in(&self, user: &User, name: &str, password: &str) {
        user.log_in(&self.registry.host(), name, password).unwrap();
    }

    pub(crate) fn alice(&self) -> User {
        let user = stranger(&self.server);
        self.log_in(&user, "alice", "wonderland");
        user
    }

    /// A repository with the signer jeff, whose key `alice` holds, and the signed tag `v1`.
    pub(crate) fn signed(&self) -> (User, Image) {
        let user = self.alice();
        let image = self.push("hello", "v1");
        let tag = format!("{}:v1", self.repository);
        user.become_signer(Tool::DockerTrust, "jeff", &self.repository)
            .unwrap();
        user.expect(Tool::DockerTrust, &["sign", "--remote", &tag])
            .unwrap();
        self.tokens.take_requests();
        (user, image)
    }

    /// What the token service was asked since the last call, each thing once: docker asks again for every step.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        let requests = self.tokens.take_requests();
        requests.iter().map(|request| request.essence()).collect()
    }
}

fn add_signer(user: &User, tool: Tool, name: &str, repository: &str) -> Finished {
    let arguments = ["signer", "add", "--key", "jeff.pub", name, repository];
    user.run(tool, &arguments).unwrap()
}

/// `docker login`, which is docker's own command and needs no daemon.
fn docker_login(user: &User, registry: &str, name: &str, password: &str) -> Finished {
    let arguments = ["login", "-u", name, "--password-stdin", registry];
    let mut command = user.command(Tool::DockerItself, &arguments).unwrap();
    process::run(&mut command, password, COMMAND_LIMIT).unwrap()
}

fn scope(world: &World, actions: &str) -> String {
    let port = world.registry.address().port();
    format!("scope=repository%3Alocalhost%3A{port}%2Fteam%2Fapp%3A{actions}&service=notary")
}

/// Rows M4 to M6 of the manual: refused while nobody is logged in, `docker login`, then it works; the one who may only read signs nothing.
fn manual(tool: Tool, server: Server) {
    let world = World::new(server, true);
    let repository = world.repository.as_str();
    let user = stranger(&world.server);
    user.expect(tool, &["key", "generate", "jeff"]).unwrap();

    // M6. Everybody may read, so that the command learns that the repository is new; then the server wants to know who begins it.
    let refused = add_signer(&user, tool, "jeff", repository);
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (
            Some(1),
            format!(
                "Adding signer \"jeff\" to {repository}...\n\
                 Initializing signed repository for {repository}...\n"
            )
            .as_str()
        )
    );
    assert_eq!(
        refused.stderr,
        format!(
            "you are not authorized to perform this operation: server returned 401.\n\n\
             failed to add signer to: {repository}\n"
        )
    );
    let nobody = format!("GET /token?{}", scope(&world, "pull%2Cpush"));
    assert_eq!(world.asked(), BTreeSet::from([nobody]));
    assert_eq!(
        world.server.metadata(repository, "root.json").unwrap(),
        None
    );

    // M4. What `docker login` to a registry with tokens stores is an identity token, and no password.
    let failed = docker_login(&user, &world.registry.host(), "alice", "wrong");
    assert_eq!(failed.code, Some(1), "{failed}");
    let login = docker_login(&user, &world.registry.host(), "alice", "wonderland");
    assert_eq!(login.code, Some(0), "{login}");
    let config = std::fs::read_to_string(user.path(".docker/config.json")).unwrap();
    assert!(config.contains("identity-of-alice"), "{config}");
    world.asked();

    // M5.
    let added = add_signer(&user, tool, "jeff", repository).success();
    assert_eq!(
        added.unwrap().trim_end(),
        format!(
            "Adding signer \"jeff\" to {repository}...\n\
             Initializing signed repository for {repository}...\n\
             Successfully initialized \"{repository}\"\n\
             Successfully added signer: jeff to {repository}"
        )
    );
    let form = |actions: &str| {
        format!(
            "POST /token | application/x-www-form-urlencoded | client_id=docker&grant_type=refresh_token&\
             refresh_token=identity-of-alice&{}",
            scope(&world, actions)
        )
    };
    assert_eq!(world.asked(), BTreeSet::from([form("pull%2Cpush")]));
    user.expect(tool, &["inspect", repository]).unwrap();
    assert_eq!(world.asked(), BTreeSet::from([form("pull")]));

    // The image, signed from the registry, and signed again by the client at hand.
    let image = world.push("hello", "v1");
    let name = format!("{repository}:v1");
    user.expect(Tool::DockerTrust, &["sign", "--remote", &name])
        .unwrap();
    user.expect(tool, &["sign", &name]).unwrap();
    world.asked();

    // Everybody may read.
    for judge in [Tool::Docker, Tool::DockerTrust] {
        let seen = inspect(&stranger(&world.server), judge, repository);
        assert_eq!(seen.tags["v1"].0, image.digest_hex(), "{judge:?}");
        let expected = format!("GET /token?{}", scope(&world, "pull"));
        assert_eq!(world.asked(), BTreeSet::from([expected]), "{judge:?}");
    }

    // Case 43: bob has jeff's key and may only read.
    world.log_in(&user, "bob", "builder");
    let refused = user.run(tool, &["sign", &name]).unwrap();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused.stderr.ends_with(&format!(
            "failed to sign {name}: you are not authorized to perform this operation: server returned 401.\n"
        )),
        "{refused}"
    );
    let bob = format!(
        "GET /token?account=bob&{} | Basic Ym9iOmJ1aWxkZXI=",
        scope(&world, "pull%2Cpush")
    );
    assert_eq!(world.asked(), BTreeSet::from([bob]));

    // A wrong password is the token service's to refuse, and its words are passed on.
    world.log_in(&user, "alice", "wrong");
    std::fs::remove_dir_all(user.path(".docker/trust/tuf")).unwrap();
    let refused = user.run(tool, &["sign", &name]).unwrap();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert_eq!(
        refused.stderr,
        "Error: error contacting notary server: unauthorized: incorrect username or password\n"
    );
}

#[test]
fn docker_logs_in_to_the_go_server_as_control() {
    manual(Tool::Docker, Server::Go);
}

#[test]
fn docker_logs_in_to_our_server() {
    manual(Tool::Docker, Server::Ours);
}

#[test]
fn we_log_in_to_the_go_server() {
    manual(Tool::DockerTrust, Server::Go);
}

#[test]
fn we_log_in_to_our_server() {
    manual(Tool::DockerTrust, Server::Ours);
}

/// Where nobody may read without a login, the first answer is a refusal, and both clients put it in the same words.
#[test]
fn a_closed_repository_is_refused_in_the_same_words() {
    let world = World::new(Server::Go, false);
    let repository = world.repository.as_str();
    let user = stranger(&world.server);
    user.expect(Tool::Docker, &["key", "generate", "jeff"])
        .unwrap();
    let both = |arguments: &[&str]| {
        [Tool::Docker, Tool::DockerTrust].map(|tool| {
            let ran = user.run(tool, arguments).unwrap();
            (ran.code, ran.stdout, ran.stderr)
        })
    };
    let add = ["signer", "add", "--key", "jeff.pub", "jeff", repository];
    let tag = format!("{repository}:v1");
    let setups: [&dyn Fn(); 3] = [&|| {}, &|| world.log_in(&user, "alice", "wrong"), &|| {
        world.log_in(&user, "alice", "");
    }];
    for set_up in setups {
        set_up();
        for arguments in [add.as_slice(), &["sign", &tag], &["inspect", repository]] {
            let [docker, ours] = both(arguments);
            assert_eq!((ours.0, &ours.1), (Some(1), &docker.1), "{arguments:?}");
            assert_eq!(docker.0, Some(1), "{arguments:?}");
            if arguments[0] == "inspect" {
                // The reason in a line of its own is ours.
                assert!(ours.2.starts_with(&docker.2), "{} {}", ours.2, docker.2);
            } else {
                assert_eq!(ours.2, docker.2, "{arguments:?}");
            }
        }
    }
}

/// A refused login ends the command although there is something in the cache; a service that is out of order does not.
#[test]
fn a_refused_login_is_not_an_outage() {
    let world = World::new(Server::Go, false);
    let (user, _) = world.signed();
    let inspect = ["inspect", world.repository.as_str()];
    let name = format!("{}:v1", world.repository);
    user.expect(Tool::DockerTrust, &inspect).unwrap();
    let warning = "Error while downloading remote metadata, using cached timestamp";

    for (login, password) in [("alice", "wrong"), ("nobody", "x")] {
        world.log_in(&user, login, password);
        let docker = user.run(Tool::Docker, &inspect).unwrap();
        assert_eq!(docker.code, Some(0), "docker goes on: {docker}");
        let ours = user.run(Tool::DockerTrust, &inspect).unwrap();
        assert_eq!(ours.code, Some(1), "{ours}");
        assert!(!ours.stderr.contains(warning), "{ours}");
        let verified = user.run(Tool::DockerTrust, &["verify", &name]).unwrap();
        assert_eq!((verified.code, verified.stdout.as_str()), (Some(1), ""));
        assert_eq!(
            verified.stderr,
            "Error: error contacting notary server: unauthorized: incorrect username or password\n"
        );
    }
    world.log_in(&user, "alice", "wonderland");
    world.tokens.set(TokenFault::Status(503, "{}".to_owned()));
    let outage = user.run(Tool::DockerTrust, &inspect).unwrap();
    assert_eq!(outage.code, Some(0), "{outage}");
    assert!(outage.stderr.contains(warning), "{outage}");
    world.tokens.set(TokenFault::None);
    let calm = user.run(Tool::DockerTrust, &inspect).unwrap();
    assert_eq!((calm.code, calm.stderr.as_str()), (Some(0), ""));
}

/// A token that has run out when it is used is replaced, in the middle of a command and once.
#[test]
fn a_token_that_runs_out_is_replaced() {
    for server in [Server::Go, Server::Ours] {
        let world = World::new(server, false);
        let (user, _) = world.signed();
        let name = format!("{}:v1", world.repository);
        world.tokens.issue_stale(1);
        user.expect(Tool::DockerTrust, &["sign", &name]).unwrap();
        assert_eq!(world.tokens.take_requests().len(), 2, "{server:?}");
        world.tokens.issue_stale(1);
        user.expect(Tool::DockerTrust, &["verify", &name]).unwrap();
        assert_eq!(world.tokens.take_requests().len(), 2, "{server:?}");
        world.tokens.issue_stale(u64::MAX);
        let refused = user.run(Tool::DockerTrust, &["sign", &name]).unwrap();
        assert_eq!(
            refused.stderr,
            "you are not authorized to perform this operation: server returned 401.\n",
            "{server:?}"
        );
        assert_eq!(world.tokens.take_requests().len(), 2, "{server:?}");
    }
}

/// Passwords and tokens are in no file, no log and no output.
#[test]
fn a07_neither_passwords_nor_tokens_are_left_anywhere() {
    let world = World::new(Server::Go, false);
    let (user, _) = world.signed();
    let name = format!("{}:v1", world.repository);
    for arguments in [
        ["-D", "verify", name.as_str()].as_slice(),
        &["-l", "debug", "sign", &name],
        &["--log-level", "debug", "inspect", &name],
    ] {
        let ran = user.run(Tool::DockerTrust, arguments).unwrap();
        assert_eq!(ran.code, Some(0), "{ran}");
        for secret in ["wonderland", "YWxpY2U6", "eyJhbGciOiJFUzI1NiI"] {
            assert!(
                !ran.stderr.contains(secret) && !ran.stdout.contains(secret),
                "{secret} in {ran}"
            );
        }
    }
    let mut grep = std::process::Command::new("grep");
    grep.args(["-rlE", "wonderland|YWxpY2U6|eyJhbGciOiJFUzI1NiI", ".docker"]);
    user.dress(&mut grep);
    let found = process::run(&mut grep, "", COMMAND_LIMIT).unwrap();
    assert_eq!(
        found.stdout, ".docker/config.json\n",
        "only what docker stored"
    );
}
