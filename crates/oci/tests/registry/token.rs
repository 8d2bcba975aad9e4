//! Tokens: from a service that keeps account of its requests, for the real registry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::SecretString;
use signet_oci::challenge::BearerChallenge;
use signet_oci::config::DockerConfig;
use signet_oci::credentials::CredentialEnvironment;
use signet_oci::registry::{Access, ErrorKind, RegistryError};
use signet_oci::token::{Asker, TokenClients, TokenError, TokenErrorKind};
use signet_oci::{Credentials, Manifest, Reference, Registry, Tokens};
use signet_testkit::image::Image;
use signet_testkit::peer::{self, RegistryOptions, TokenFault, TokenMember, TokenService};

use super::client;

const SCOPE: &str = "repository:localhost:5000/team/app:pull,push";
const SCOPE_ESCAPED: &str = "repository%3Alocalhost%3A5000%2Fteam%2Fapp%3Apull%2Cpush";

fn alice() -> Credentials {
    Credentials::password("alice", SecretString::from("wonderland"))
}

/// As a user has one: in docker's configuration, beside a name without a password.
async fn identity(token: &str) -> Credentials {
    let folder = tempfile::tempdir().unwrap();
    let auth = data_encoding::BASE64.encode(b"alice:");
    let text = format!(r#"{{"auths":{{"r":{{"auth":"{auth}","identitytoken":"{token}"}}}}}}"#);
    signet_testkit::file::write(&folder.path().join("config.json"), text).unwrap();
    let (config, warning) = DockerConfig::load(folder.path());
    assert!(warning.is_none());
    let environment = CredentialEnvironment::default();
    Credentials::lookup(&config, "r", &environment).await.0
}

struct Scene {
    service: TokenService,
    asker: Asker,
    tokens: Tokens,
}

impl Scene {
    fn new(service: TokenService) -> Self {
        let service = service.user("alice", "wonderland", &[("*", "pull,push")]);
        let client = client(Some(&service.ca_pem()));
        let clients = TokenClients::new(move |_| Ok(client.clone()));
        Self {
            service,
            asker: Asker::new(Url::parse("https://localhost:4443").unwrap(), clients),
            tokens: Tokens::default(),
        }
    }

    fn start() -> Self {
        Self::new(TokenService::start().unwrap())
    }

    async fn token_as(&self, credentials: &Credentials) -> Result<HeaderValue, TokenError> {
        let challenge = BearerChallenge {
            realm: Some(self.service.realm()),
            service: Some("notary".to_owned()),
            scope: Some("repository:other:*".to_owned()),
            error: None,
        };
        self.tokens
            .authorization(&self.asker, &challenge, SCOPE, credentials)
            .await
    }

    async fn refusal(&self) -> TokenError {
        self.token_as(&alice()).await.unwrap_err()
    }

    /// What the service was asked since the last call.
    fn asked(&self) -> Vec<String> {
        let requests = self.service.take_requests();
        requests.iter().map(|request| request.essence()).collect()
    }
}

/// Cases 34 to 37: the forms are docker's to the byte.
#[tokio::test]
async fn cases_34_to_37_the_three_ways_to_ask() {
    for service in [
        TokenService::start().unwrap(),
        TokenService::start_plain().unwrap(),
    ] {
        let scene = Scene::new(service);
        let query = format!("scope={SCOPE_ESCAPED}&service=notary");
        let no_password = Credentials::password("alice", SecretString::from(""));
        for nobody in [Credentials::anonymous(), no_password] {
            let header = scene.token_as(&nobody).await.unwrap();
            assert!(header.to_str().unwrap().starts_with("Bearer ey"));
            assert!(header.is_sensitive());
            scene.tokens.discard(&header).await;
            assert_eq!(scene.asked(), [format!("GET /token?{query}")]);
        }
        let header = scene.token_as(&alice()).await.unwrap();
        scene.tokens.discard(&header).await;
        let basic = "Basic YWxpY2U6d29uZGVybGFuZA==";
        assert_eq!(
            scene.asked(),
            [format!("GET /token?account=alice&{query} | {basic}")]
        );
        let identity = identity(&scene.service.identity_token("alice")).await;
        scene.token_as(&identity).await.unwrap();
        assert_eq!(
            scene.asked(),
            [format!(
                "POST /token | application/x-www-form-urlencoded | client_id=docker&grant_type=refresh_token&\
                 refresh_token=identity-of-alice&{query}"
            )]
        );
    }
}

#[tokio::test]
async fn everybody_waits_for_one_answer_and_it_is_kept() {
    let scene = Scene::start();
    let alice = alice();
    let (a, b, c) = tokio::join!(
        scene.token_as(&alice),
        scene.token_as(&alice),
        scene.token_as(&alice)
    );
    let first = a.unwrap();
    assert_eq!((&first, &first), (&b.unwrap(), &c.unwrap()));
    assert_eq!(scene.token_as(&alice).await.unwrap(), first);
    assert_eq!(scene.asked().len(), 1);
    assert!(scene.tokens.discard(&first).await);
    assert_ne!(scene.token_as(&alice).await.unwrap(), first);
    assert_eq!(scene.asked().len(), 1);
}

#[tokio::test]
async fn the_token_may_have_either_name() {
    for member in [
        TokenMember::Both,
        TokenMember::Token,
        TokenMember::AccessToken,
        TokenMember::AccessTokenBesideNonsense,
    ] {
        let scene = Scene::start();
        scene.service.set_member(member);
        let header = scene.token_as(&alice()).await.unwrap();
        assert!(
            header.to_str().unwrap().starts_with("Bearer ey"),
            "{member:?}"
        );
    }
}

#[tokio::test]
async fn a_wrong_login_is_no_outage_and_a_dead_service_is() {
    let scene = Scene::start();
    let wrong = Credentials::password("alice", SecretString::from("wrong"));
    let error = scene.token_as(&wrong).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "unauthorized: incorrect username or password"
    );
    assert!(error.is_wrong_login());
    assert_eq!(error.kind(), TokenErrorKind::Refused);
    let error = scene.token_as(&identity("stolen").await).await.unwrap_err();
    assert!(error.is_wrong_login(), "{error}");

    scene.service.set(TokenFault::Status(503, "{}".to_owned()));
    let error = scene.refusal().await;
    assert_eq!(
        error.to_string(),
        "received unexpected HTTP status: 503 Service Unavailable"
    );
    assert_eq!(error.kind(), TokenErrorKind::Network);
    scene.service.set(TokenFault::Cut);
    assert_eq!(scene.refusal().await.kind(), TokenErrorKind::Network);

    let Scene {
        service,
        asker,
        tokens,
    } = scene;
    let realm = service.realm();
    drop(service);
    let challenge = BearerChallenge {
        realm: Some(realm.clone()),
        ..BearerChallenge::default()
    };
    let error = tokens
        .authorization(&asker, &challenge, "s", &alice())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Network);
    assert!(
        error.to_string().starts_with(&format!(
            "Get \"{realm}?account=alice&scope=s\": Connection refused"
        )),
        "{error}"
    );
}

/// Security class A21: a body with another status, or from another place, is no token.
#[tokio::test]
async fn a21_only_the_named_service_and_only_200_give_tokens() {
    let scene = Scene::start();
    let token = r#"{"token":"t","access_token":"t"}"#;
    for status in [201, 206, 302, 400, 404, 500] {
        scene
            .service
            .set(TokenFault::Status(status, token.to_owned()));
        let error = scene.refusal().await;
        assert!(matches!(error, TokenError::Refused { .. }), "{error:?}");
    }
    scene.service.set(TokenFault::Body("{}".to_owned()));
    assert!(matches!(scene.refusal().await, TokenError::NoToken));
    scene.asked();

    let elsewhere = Scene::start();
    for status in [301, 302, 303, 307, 308] {
        let target = elsewhere.service.realm();
        scene.service.set(TokenFault::Redirect(status, target));
        for credentials in [alice(), identity("identity-of-alice").await] {
            let error = scene.token_as(&credentials).await.unwrap_err();
            assert!(matches!(error, TokenError::Redirected { .. }), "{error:?}");
        }
    }
    assert!(elsewhere.asked().is_empty(), "no password went elsewhere");
    scene.asked();
    let round = scene.service.realm();
    scene.service.set(TokenFault::Redirect(307, round));
    let error = scene.refusal().await;
    assert!(matches!(error, TokenError::Redirected { .. }), "{error:?}");
    assert_eq!(scene.asked().len(), 4);
}

#[tokio::test]
async fn a17_a_service_can_neither_pour_nor_stall() {
    let scene = Scene::start();
    scene.service.set(TokenFault::Endless);
    let error = scene.refusal().await;
    assert!(matches!(error, TokenError::TooLarge { .. }), "{error:?}");

    let limit = Duration::from_millis(500);
    let scene = Scene {
        tokens: Tokens::with_time_limit(limit),
        ..scene
    };
    scene.service.set(TokenFault::Silent);
    let begin = Instant::now();
    let error = scene.refusal().await;
    assert!(matches!(error, TokenError::TimedOut { .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(signet_oci::token::TIME_LIMIT, Duration::from_secs(15));
}

#[tokio::test]
async fn an_unknown_certificate_gets_no_password() {
    let scene = Scene::start();
    let stranger = client(None);
    let scene = Scene {
        asker: Asker::new(
            Url::parse("https://localhost:4443").unwrap(),
            TokenClients::new(move |_| Ok(stranger.clone())),
        ),
        ..scene
    };
    let error = scene.refusal().await;
    assert!(matches!(error, TokenError::Tls { .. }), "{error:?}");
    assert_eq!(error.kind(), TokenErrorKind::Invalid, "no outage");
    assert!(scene.asked().is_empty());
}

/// The real registry, with a token service behind it.
struct Guarded {
    service: TokenService,
    registry: peer::Registry,
    image: Image,
}

impl Guarded {
    fn start() -> Self {
        let service = TokenService::start()
            .unwrap()
            .user("alice", "wonderland", &[("*", "pull,push")])
            .user("mallory", "m", &[]);
        let registry = peer::Registry::start_with(&RegistryOptions {
            token: Some(service.auth("registry")),
            ..RegistryOptions::default()
        })
        .unwrap();
        let image = Image::single("secret");
        let pusher = registry.client_for("team/app").unwrap();
        image.push(&pusher, "team/app", "v1").unwrap();
        Self {
            service,
            registry,
            image,
        }
    }

    fn open(&self, credentials: Credentials) -> Registry {
        let reference: Reference = format!("{}/team/app", self.registry.host())
            .parse()
            .unwrap();
        let client = client(Some(&self.service.ca_pem()));
        let access = Access::new(client).credentials(credentials);
        Registry::new(&reference, access).unwrap()
    }

    async fn fetch(&self, credentials: Credentials) -> Result<Manifest, RegistryError> {
        self.open(credentials)
            .fetch_tag(&"v1".parse().unwrap())
            .await
    }
}

#[tokio::test]
async fn the_real_registry_takes_tokens() {
    let guarded = Guarded::start();
    let registry = guarded.open(alice());
    let manifest = registry.fetch_tag(&"v1".parse().unwrap()).await.unwrap();
    assert_eq!(manifest.digest().to_string(), guarded.image.digest());
    registry.fetch_digest(manifest.digest()).await.unwrap();
    let requests = guarded.service.take_requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(
        requests[0].target,
        "/token?account=alice&scope=repository%3Ateam%2Fapp%3Apull&service=registry"
    );
    let identity = identity(&guarded.service.identity_token("alice")).await;
    guarded.fetch(identity).await.unwrap();
}

#[tokio::test]
async fn a_registry_refuses_whoever_has_no_right() {
    let guarded = Guarded::start();
    let mallory = Credentials::password("mallory", SecretString::from("m"));
    for credentials in [Credentials::anonymous(), mallory] {
        let error = guarded.fetch(credentials).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(
            matches!(error, RegistryError::Unauthorized { status: 401, .. }),
            "{error:?}"
        );
        assert_eq!(guarded.service.take_requests().len(), 1, "asked once");
    }
    let wrong = Credentials::password("alice", SecretString::from("x"));
    let error = guarded.fetch(wrong).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Credentials { .. }),
        "{error:?}"
    );
}

/// A token that the registry finds too old is replaced, once.
#[tokio::test]
async fn a_token_that_has_run_out_is_fetched_again_once() {
    let guarded = Guarded::start();
    guarded.service.issue_stale(1);
    guarded.fetch(alice()).await.unwrap();
    assert_eq!(guarded.service.take_requests().len(), 2);
    guarded.service.issue_stale(9);
    let error = guarded.fetch(alice()).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { status: 401, .. }),
        "{error:?}"
    );
    assert_eq!(guarded.service.take_requests().len(), 2);
}

/// Two tags of one repository need one token, also when they are asked for at the same time by two who share it.
#[tokio::test]
async fn what_a_command_holds_is_shared() {
    let guarded = Guarded::start();
    let reference: Reference = format!("{}/team/app", guarded.registry.host())
        .parse()
        .unwrap();
    let client = client(Some(&guarded.service.ca_pem()));
    let access = Access::new(client).credentials(alice());
    assert_eq!(Arc::strong_count(&access.tokens), 1);
    let one = Registry::new(&reference, access.clone()).unwrap();
    let other = Registry::new(&reference, access).unwrap();
    let tag = "v1".parse().unwrap();
    let (a, b) = tokio::join!(one.fetch_tag(&tag), other.fetch_tag(&tag));
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(guarded.service.take_requests().len(), 1);
}
