//! How often a command asks whom.

use signet_testkit::chaos::Proxy;
use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, RegistryOptions, TokenService, TrustOptions, TrustServer};
use signet_testkit::user::{Tool, User};

/// A trust server and a registry that are counted, for somebody who has signed there before.
struct Counted {
    tokens: Option<TokenService>,
    _server: TrustServer,
    trust: Proxy,
    registry: Registry,
    images: Proxy,
    user: User,
    name: String,
}

/// How registry and trust server know who is there. Trust servers know no passwords.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Login {
    None,
    Basic,
    Bearer,
}

impl Counted {
    fn new(login: Login) -> Self {
        let tokens = (login == Login::Bearer).then(|| {
            let service = TokenService::start().unwrap();
            service.user("alice", "wonderland", &[("*", "pull,push")])
        });
        let mut options = TrustOptions::default().plain();
        if let Some(tokens) = &tokens {
            options = options.token(tokens.auth("notary"));
        }
        let server = TrustServer::go_with(&options).unwrap();
        let registry = Registry::start_with(&RegistryOptions {
            htpasswd: login == Login::Basic,
            token: tokens.as_ref().map(|tokens| tokens.auth("registry")),
            ..RegistryOptions::default()
        })
        .unwrap();
        let trust = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
        let images = Proxy::start(registry.address(), &server.issue().unwrap()).unwrap();
        let user = User::new(&trust.url(), &server.ca_pem()).unwrap();
        let host = images.url().trim_start_matches("https://").to_owned();
        if login != Login::None {
            user.log_in(&host, "alice", "wonderland").unwrap();
        }
        let counted = Self {
            tokens,
            _server: server,
            trust,
            registry,
            images,
            user,
            name: format!("{host}/team/app:v1"),
        };
        counted.push("first");
        let repository = format!("{host}/team/app");
        let user = &counted.user;
        user.become_signer(Tool::DockerTrust, "jeff", &repository)
            .unwrap();
        counted.expect(&["sign", "--remote", &counted.name]);
        counted.expect(&["inspect", &counted.name]);
        counted.take();
        counted
    }

    fn push(&self, text: &str) {
        let client = self.registry.client_for("team/app").unwrap();
        Image::single(text).push(&client, "team/app", "v1").unwrap();
    }

    fn expect(&self, arguments: &[&str]) {
        self.user.expect(Tool::DockerTrust, arguments).unwrap();
    }

    /// The requests since the last call, at the trust server, the registry and the token service; what is the repository's is cut short.
    fn take(&self) -> (Vec<String>, Vec<String>, Vec<String>) {
        let short = |line: String| {
            let (method, path) = line.split_once(' ').unwrap();
            let name = path.rsplit("/_trust/tuf/").next().unwrap();
            let name = name.split('.').next().unwrap();
            format!("{method} {}", name.trim_start_matches("/v2/team/app/"))
        };
        let tokens = self.tokens.as_ref().map(TokenService::take_requests);
        (
            self.trust.take_log().into_iter().map(short).collect(),
            self.images.take_log().into_iter().map(short).collect(),
            tokens
                .unwrap_or_default()
                .iter()
                .map(|request| request.method.clone())
                .collect(),
        )
    }
}

/// With everything in the cache, `sign --remote` of a tag that has moved asks the trust server three times (is it there and what does it want;
/// is anything new; the upload), the registry once, or twice where it wants to know who asks, and the token service once for each of the two.
#[test]
fn signing_from_the_registry_makes_no_request_too_many() {
    for (login, at_registry, tokens) in [
        (Login::None, 1, 0),
        (Login::Basic, 2, 0),
        (Login::Bearer, 2, 2),
    ] {
        let counted = Counted::new(login);
        counted.push("second");
        counted.expect(&["sign", "--remote", &counted.name]);
        let (trust, registry, asked) = counted.take();
        assert_eq!(trust, ["GET /v2/", "GET timestamp", "POST "], "{login:?}");
        assert_eq!(registry, vec!["GET manifests/v1"; at_registry], "{login:?}");
        assert_eq!(asked.len(), tokens, "{login:?}");

        // What was published is fetched by the next command, and then nothing is new.
        counted.expect(&["verify", &counted.name]);
        assert!(counted.take().0.len() > 2);
        counted.expect(&["verify", &counted.name]);
        let (trust, registry, asked) = counted.take();
        assert_eq!(trust, ["GET /v2/", "GET timestamp"], "{login:?}");
        assert!(registry.is_empty(), "{login:?}");
        assert_eq!(asked.len(), tokens / 2, "{login:?}");
    }
}

/// docker asks more often for less: its `sign` of a tag that is signed already reads no manifest and uploads nothing new.
#[test]
fn docker_asks_more_often() {
    let counted = Counted::new(Login::Bearer);
    let docker = counted.user.expect(Tool::Docker, &["sign", &counted.name]);
    docker.unwrap();
    let (trust, registry, tokens) = counted.take();
    let [ping, timestamp, root, upload] = ["GET /v2/", "GET timestamp", "GET root", "POST "];
    assert_eq!(
        trust,
        [
            ping, timestamp, timestamp, timestamp, timestamp, root, timestamp, upload
        ]
    );
    assert_eq!((registry.len(), tokens.len()), (0, 1));

    counted.expect(&["inspect", &counted.name]);
    counted.take();
    counted.expect(&["sign", &counted.name]);
    let (trust, registry, tokens) = counted.take();
    assert_eq!(trust, [ping, timestamp, upload]);
    assert_eq!((registry.len(), tokens.len()), (0, 1));
}
