//! The manual's commands in its order, typed on a real terminal with passphrases, over a real daemon and a real registry.
//!
//! What must appear is what the docker client at hand prints in the same walk on Go's server, recorded in the same run of the tests; where the
//! manual or a listed difference says something else, the step says so.

mod screen;
mod steps;

use std::sync::OnceLock;

use signet_testkit::peer::{Daemon, Registry, RegistryOptions, Storage, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::typist::converse;
use screen::{Names, once};
use steps::{Does, STEPS, Server, Step};

/// What one step printed, made comparable, and its exit code.
type Seen = (String, Option<i32>);

#[test]
fn docker_on_our_server() {
    let server = TrustServer::ours(Storage::Sqlite).unwrap();
    compare(&server, |_| Tool::Docker, Tool::Notary);
}

#[test]
fn ours_on_the_go_server() {
    let server = TrustServer::go().unwrap();
    compare(&server, |_| Tool::DockerTrust, Tool::Notary);
}

/// The manual's `notary` commands with ours, on a trust folder that docker made.
#[test]
fn docker_and_our_notary_on_the_go_server() {
    let server = TrustServer::go().unwrap();
    compare(&server, |_| Tool::Docker, Tool::OurNotary);
}

#[test]
fn ours_on_our_server() {
    let server = TrustServer::ours(Storage::Sqlite).unwrap();
    compare(&server, |_| Tool::DockerTrust, Tool::OurNotary);
}

#[test]
fn docker_and_ours_in_turn_on_the_go_server() {
    let server = TrustServer::go().unwrap();
    compare(&server, |turn| in_turn(turn % 2 == 0), Tool::Notary);
}

#[test]
fn ours_and_docker_in_turn_on_our_server() {
    let server = TrustServer::ours(Storage::Sqlite).unwrap();
    compare(&server, |turn| in_turn(turn % 2 == 1), Tool::OurNotary);
}

fn in_turn(docker: bool) -> Tool {
    if docker {
        Tool::Docker
    } else {
        Tool::DockerTrust
    }
}

/// Walks with `who` doing the `docker trust` command of each turn and `notary` those of that name, and compares with docker and Go's notary on
/// Go's server.
fn compare(server: &TrustServer, who: impl Fn(usize) -> Tool, notary: Tool) {
    static DOCKER: OnceLock<Vec<Seen>> = OnceLock::new();
    let docker = DOCKER.get_or_init(|| {
        walk(&TrustServer::go().unwrap(), |_| Tool::Docker, Tool::Notary)
            .into_iter()
            .map(|(_, seen)| seen)
            .collect()
    });
    let seen = walk(server, who, notary);
    let mut wrong = String::new();
    for ((step, docker), (tool, (screen, code))) in STEPS.iter().zip(docker).zip(&seen) {
        let (mut expected, mut expected_code) = docker.clone();
        if *tool == Tool::OurNotary {
            expected = once(&expected);
        }
        if *tool == Tool::DockerTrust {
            expected = once(&expected)
                .replace("docker trust", "docker-trust")
                .replace("docker: ", "docker-trust: ");
            if let Some((differs, code)) = step.ours {
                expected = differs(&expected);
                expected_code = Some(code);
            }
        }
        if (&expected, expected_code) != (screen, *code) {
            wrong += &format!(
                "\n=== {} by {tool:?}\n--- expected, exit code {expected_code:?}\n{expected}\n--- but on the terminal stands, exit code {code:?}\n{screen}\n",
                step.what
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(seen.len(), STEPS.len());
}

/// All that a walk needs.
struct World<'a> {
    server: &'a TrustServer,
    /// Answers 404 to everything about trust, as a registry does.
    unaware: Registry,
    registry: Registry,
    _daemon: Daemon,
    user: User,
    names: Names,
}

impl<'a> World<'a> {
    fn new(server: &'a TrustServer) -> Self {
        let daemon = Daemon::start().unwrap();
        let mut user = User::without_passphrases(&server.url(), &server.ca_pem()).unwrap();
        daemon.admit(&mut user);
        let identity = server.issue().unwrap();
        let (certificate, key) = (user.path("unaware.crt"), user.path("unaware.key"));
        signet_testkit::file::write(&certificate, &identity.certificate_pem).unwrap();
        signet_testkit::file::write(&key, &identity.key_pem).unwrap();
        let unaware = Registry::start_with(&RegistryOptions {
            tls: Some((certificate, key)),
            ..RegistryOptions::default()
        })
        .unwrap();
        user.trust_authority(&format!("https://{}", unaware.host()), &server.ca_pem())
            .unwrap();
        Self {
            server,
            unaware,
            registry: Registry::start().unwrap(),
            _daemon: daemon,
            user,
            names: Names::default(),
        }
    }

    /// `R` is the manual's repository, `KEY:role` the ID of the only local key of that role, `SIGNER:role` that of its only key at the server.
    fn word(&self, word: &str) -> String {
        let repository = format!("{}/admin/demo", self.registry.host());
        if let Some(role) = word.strip_prefix("KEY:") {
            return crate::judge::key_ids(&self.user, role)
                .into_iter()
                .next()
                .unwrap();
        }
        match word.strip_prefix('R') {
            Some(rest) if rest.is_empty() || rest.starts_with([':', '2']) => {
                format!("{repository}{rest}")
            }
            _ => word.to_owned(),
        }
    }

    fn run(&mut self, step: &Step, tool: Tool) -> Seen {
        let url = match step.server {
            Server::Trust => self.server.url(),
            Server::Unaware => format!("https://{}", self.unaware.host()),
            Server::Down => "https://localhost:1".to_owned(),
        };
        self.user.set("DOCKER_CONTENT_TRUST_SERVER", &url);
        let line: Vec<String> = step.line.split(' ').map(|word| self.word(word)).collect();
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        let mut command = match step.does {
            Does::Trust | Does::Notary => self.user.command(tool, &words).unwrap(),
            Does::Shell => {
                let mut command = std::process::Command::new("sh");
                command.args(["-ec", &line.join(" ")]);
                self.user.dress(&mut command);
                command
            }
        };
        if step.elsewhere {
            command.env("DOCKER_CONFIG", self.user.path("elsewhere"));
        }
        let (screen, code) = converse(&command, step.answers);
        let places = [
            (self.user.home().display().to_string(), "~"),
            (self.registry.host(), "registry.example.com"),
            (
                format!(":{}", self.registry.host().rsplit(':').next().unwrap()),
                ":5000",
            ),
            (
                format!("localhost:{}", self.server.address().port()),
                "trust.example.com",
            ),
            (self.unaware.host(), "unaware.example.com"),
        ];
        self.names.read_keys(&self.user.trust_dir().join("private"));
        self.names
            .read_keys(&self.user.path("elsewhere/trust/private"));
        (self.names.steady(&screen, &places), code)
    }
}

fn walk(server: &TrustServer, who: impl Fn(usize) -> Tool, notary: Tool) -> Vec<(Tool, Seen)> {
    let mut world = World::new(server);
    let mut turn = 0;
    let mut seen = Vec::new();
    for step in STEPS {
        let tool = match step.does {
            Does::Trust => {
                turn += 1;
                who(turn - 1)
            }
            Does::Notary => notary,
            Does::Shell => Tool::DockerItself,
        };
        let mut answer = world.run(step, tool);
        if !step.prints {
            assert_eq!(answer.1, Some(0), "{}: {}", step.what, answer.0);
            answer.0.clear();
        }
        if tool == Tool::Docker {
            for (what, line) in step.repair {
                let repaired = world.run(&Step::notary(what, line), Tool::Notary);
                assert_eq!(repaired.1, Some(0), "{what}: {}", repaired.0);
            }
        }
        seen.push((tool, answer));
    }
    seen
}
