//! Token authentication: the recorded tokens, and the acceptance cases 15 to 22.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use signet_server::http::Caller;
use signet_server::token::{Realm, TokenAuth, TrustedKeys};
use signet_server::{Authenticator, Settings};
use signet_testkit::mint::{Certified, TokenKey, certificate_pem};
use time::{Duration, OffsetDateTime};

use crate::fixture::{Answer, BOUNDARY, Backend, NOW, Server, multipart, read};
use crate::publisher::Publisher;

pub(crate) const ISSUER: &str = "auth.example.com";
pub(crate) const SERVICE: &str = "notary-server";
pub(crate) const REALM: &str = "https://auth.example.com/token";
pub(crate) const GUN: &str = "registry.example.com/vec/app";

/// The authentication of the recorded server.
pub(crate) fn recorded_auth() -> Arc<Authenticator> {
    let mut keys = TrustedKeys::default();
    keys.add_certificates(&read("auth/bundle.pem")).unwrap();
    auth(keys)
}

pub(crate) fn auth(keys: TrustedKeys) -> Arc<Authenticator> {
    auth_at(Realm::Url(REALM.to_owned()), keys)
}

fn auth_at(realm: Realm, keys: TrustedKeys) -> Arc<Authenticator> {
    let auth = TokenAuth::new(realm, SERVICE.to_owned(), ISSUER.to_owned(), keys);
    Arc::new(auth.into())
}

pub(crate) async fn guarded(auth: Arc<Authenticator>) -> Server {
    let settings = Settings {
        auth: Some(auth),
        ..Settings::default()
    };
    Server::with(Backend::Memory, settings).await
}

/// A trusted key of a token service, and a server that trusts it.
pub(crate) struct Service {
    pub(crate) key: TokenKey,
    pub(crate) certificate: Vec<u8>,
    pub(crate) server: Server,
}

impl Service {
    pub(crate) async fn new(algorithm: &'static str) -> Self {
        let key = TokenKey::new(algorithm).unwrap();
        let certificate = key.certificate(&ROOT).unwrap();
        let mut keys = TrustedKeys::default();
        keys.add_certificates(certificate_pem(&certificate).as_bytes())
            .unwrap();
        let server = guarded(auth(keys)).await;
        Self {
            key,
            certificate,
            server,
        }
    }

    /// A token of its key, named by its ID.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.key.sign(&self.header(), claims).unwrap()
    }

    pub(crate) fn header(&self) -> Value {
        json!({"typ": "JWT", "alg": "ES256", "kid": self.key.id()})
    }

    /// What a read with this token comes to.
    pub(crate) async fn outcome(&self, token: &str) -> String {
        outcome(&get(&self.server, &path("root.json"), token).await)
    }
}

pub(crate) const ROOT: Certified<'static> = Certified {
    name: "token root",
    is_authority: true,
    issuer: None,
    years: (2020, 2100),
};

/// Claims that allow to read and write [`GUN`] for an hour.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": SERVICE,
        "exp": NOW.unix_timestamp() + 3600, "nbf": NOW.unix_timestamp() - 10, "iat": NOW.unix_timestamp(),
        "jti": "1",
        "access": [{"type": "repository", "name": GUN, "actions": ["push", "pull"]}],
    })
}

/// Claims with one of them replaced or, by null, taken away.
pub(crate) fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

pub(crate) fn path(file: &str) -> String {
    format!("/v2/{GUN}/_trust/tuf/{file}")
}

async fn send(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder()
        .method(method.parse::<Method>().unwrap())
        .uri(path)
        .body(Full::default())
        .unwrap();
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        all.append(name, HeaderValue::from_str(value).unwrap());
    }
    *request.headers_mut() = all;
    server.send(request).await
}

async fn call(server: &Server, method: &str, path: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    send(server, method, path, &[("authorization", &bearer)]).await
}

pub(crate) async fn get(server: &Server, path: &str, token: &str) -> Answer {
    call(server, "GET", path, token).await
}

/// `ok` when the request got past the guard, else what the challenge says is wrong; `challenge` when it says nothing.
pub(crate) fn outcome(answer: &Answer) -> String {
    if answer.status != 401 {
        assert_eq!(answer.header("www-authenticate"), None);
        return "ok".to_owned();
    }
    assert_eq!(answer.code(), "UNAUTHORIZED");
    assert!(answer.body.ends_with(b"}\n"));
    let challenge = answer.header("www-authenticate").unwrap();
    let error = challenge.split_once(",error=\"");
    error.map_or_else(
        || "challenge".to_owned(),
        |(_, error)| error.trim_end_matches('"').to_owned(),
    )
}

#[tokio::test]
async fn case_15_every_recorded_token_has_its_recorded_results() {
    let server = guarded(recorded_auth()).await;
    let table = String::from_utf8(read("auth/tokens.tsv")).unwrap();
    let mut rows = 0;
    for row in table.lines().skip(1) {
        let [name, get_meta, push, delete, feed, token] =
            *row.split('\t').collect::<Vec<_>>().as_slice()
        else {
            panic!("{row}");
        };
        rows += 1;
        let import = path("").replace("/tuf/", "/import");
        for (method, path, expected) in [
            ("GET", path("root.json"), get_meta),
            ("POST", path(""), push),
            ("DELETE", path(""), delete),
            // What replaces a history wants what deletes one.
            ("POST", import.clone(), delete),
            ("GET", "/v2/_trust/changefeed?records=1".to_owned(), feed),
        ] {
            // Twice: the second time the token may be known.
            for _ in 0..2 {
                let answer = call(&server, method, &path, token).await;
                assert_eq!(outcome(&answer), expected, "{name}: {method} {path}");
            }
        }
    }
    assert_eq!(rows, 51);
}

#[tokio::test]
async fn cases_16_and_17_what_is_asked_for_without_a_token() {
    let server = guarded(recorded_auth()).await;
    let catalog = "registry:catalog:*".to_owned();
    let scope = |actions: &str| format!("repository:{GUN}:{actions}");
    for (method, path, scope) in [
        ("GET", "/v2/".to_owned(), &catalog),
        ("HEAD", "/v2/".to_owned(), &catalog),
        (
            "GET",
            "/v2/_trust/changefeed?records=1".to_owned(),
            &catalog,
        ),
        ("GET", "/nope".to_owned(), &catalog),
        ("PUT", path(""), &catalog),
        ("POST", path(""), &scope("push,pull")),
        ("DELETE", path(""), &scope("*")),
        ("GET", path("root.json"), &scope("pull")),
        ("GET", path("1.root.json"), &scope("pull")),
        ("GET", path("targets/a.json"), &scope("pull")),
        (
            "GET",
            path(&format!("root.{}.json", "0".repeat(64))),
            &scope("pull"),
        ),
        ("GET", path("timestamp.key"), &scope("push,pull")),
        ("GET", path("snapshot.key"), &scope("push,pull")),
        ("POST", path("timestamp.key"), &scope("*")),
        (
            "GET",
            format!("/v2/{GUN}/_trust/changefeed?records=1"),
            &scope("pull"),
        ),
    ] {
        let answer = send(&server, method, &path, &[]).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert_eq!(
            answer.header("www-authenticate").unwrap(),
            format!("Bearer realm=\"{REALM}\",service=\"{SERVICE}\",scope=\"{scope}\""),
            "{method} {path}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/json; charset=utf-8")
        );
    }
    // What says nothing about repositories stays open.
    assert_eq!(send(&server, "GET", "/v2//", &[]).await.status, 301);
    assert_eq!(send(&server, "PATCH", "/v2/", &[]).await.status, 405);
}

// A name that is no repository, and a scope that needs quotation: the challenge was sent by notary-server 0.7.0.
#[tokio::test]
async fn names_are_quoted_in_challenges_and_not_looked_at_before() {
    let server = guarded(recorded_auth()).await;
    let answer = send(
        &server,
        "GET",
        "/v2/a%22b%0a%C3%A9%7f/_trust/tuf/root.json",
        &[],
    )
    .await;
    let value = answer.headers["www-authenticate"].as_bytes();
    let expected = format!(
        "Bearer realm=\"{REALM}\",service=\"{SERVICE}\",scope=\"repository:a\\\"b\\né\\x7f:pull\""
    );
    assert_eq!(std::str::from_utf8(value).unwrap(), expected);
}

#[tokio::test]
async fn case_18_the_header_has_two_words() {
    let service = Service::new("ES256").await;
    let token = service.token(&claims());
    let ask = async |value: String| {
        let headers = [("authorization", value.as_str())];
        outcome(&send(&service.server, "GET", &path("root.json"), &headers).await)
    };
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(ask(format!("{scheme} {token}")).await, "ok");
    }
    for value in [
        format!("Bearer  {token}"),
        format!("Bearer {token} "),
        format!("Token {token}"),
        token.clone(),
        "Bearer".to_owned(),
        "Basic YTpi".to_owned(),
    ] {
        assert_eq!(ask(value.clone()).await, "challenge", "{value}");
    }
    assert_eq!(ask("Bearer x".to_owned()).await, "invalid_token");
    // Of several headers the first counts, as in Go.
    let bearer = format!("Bearer {token}");
    let both = [("authorization", "Bearer x"), ("authorization", &bearer)];
    let answer = send(&service.server, "GET", &path("root.json"), &both).await;
    assert_eq!(outcome(&answer), "invalid_token");
}

#[tokio::test]
async fn case_19_clocks_may_differ_by_a_minute() {
    let service = Service::new("ES256").await;
    let now = NOW.unix_timestamp();
    for (name, time, expected) in [
        ("exp", now - 50, "ok"),
        ("exp", now - 60, "ok"),
        ("exp", now - 61, "invalid_token"),
        ("exp", now - 62, "invalid_token"),
        ("exp", 0, "invalid_token"),
        ("exp", -1, "invalid_token"),
        ("exp", i64::MIN, "invalid_token"),
        ("exp", i64::MAX, "ok"),
        ("nbf", now + 50, "ok"),
        ("nbf", now + 60, "ok"),
        ("nbf", now + 61, "invalid_token"),
        ("nbf", now + 90, "invalid_token"),
        ("nbf", i64::MAX, "invalid_token"),
        ("nbf", i64::MIN, "ok"),
        ("iat", now + 1_000_000, "ok"),
    ] {
        let token = service.token(&with(name, json!(time)));
        assert_eq!(service.outcome(&token).await, expected, "{name} {time}");
    }
    // A token that was taken is refused once its time is over, at the nanosecond.
    let token = service.token(&claims());
    let last: OffsetDateTime = NOW + Duration::seconds(3660);
    for (moment, expected) in [
        (NOW, "ok"),
        (last, "ok"),
        (last + Duration::nanoseconds(1), "invalid_token"),
        (NOW - Duration::seconds(70), "ok"),
        (NOW - Duration::seconds(71), "invalid_token"),
        (NOW, "ok"),
    ] {
        service.server.set_time(moment);
        assert_eq!(service.outcome(&token).await, expected, "{moment}");
    }
}

#[tokio::test]
async fn case_20_clients_can_be_sent_to_the_host_that_they_asked() {
    let mut keys = TrustedKeys::default();
    keys.add_certificates(&read("auth/bundle.pem")).unwrap();
    let server = guarded(auth_at(Realm::RequestedHost, keys)).await;
    for (host, realm) in [
        ("n.example:4443", "https://n.example:4443/auth/token"),
        ("n\"x", "https://n\\\"x/auth/token"),
    ] {
        // What a proxy says of the scheme changes nothing in 0.7.0.
        let headers = [("host", host), ("x-forwarded-proto", "http")];
        let answer = send(&server, "GET", "/v2/", &headers).await;
        let challenge = answer.header("www-authenticate").unwrap();
        let expected = format!("Bearer realm=\"{realm}\",service=");
        assert!(challenge.starts_with(&expected), "{challenge}");
    }
    // HTTP/2 has the host in the target.
    let answer = send(&server, "GET", "https://h2.example/v2/", &[]).await;
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("realm=\"https://h2.example/auth/token\""),
        "{challenge}"
    );
}

#[tokio::test]
async fn case_21_prefixes_come_before_tokens() {
    let settings = Settings {
        gun_prefixes: vec!["docker.io/".to_owned()],
        auth: Some(recorded_auth()),
        ..Settings::default()
    };
    let server = Server::with(Backend::Memory, settings).await;
    let answer = send(&server, "GET", &path("root.json"), &[]).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (404, "METADATA_NOT_FOUND")
    );
    assert_eq!(answer.detail(), Value::Null);
    let answer = send(&server, "POST", &path(""), &[]).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (400, "INVALID_GUN")
    );
    assert_eq!(answer.detail(), "Require GUNs with prefix: [docker.io/]");
    let answer = send(&server, "GET", "/v2/docker.io/a/_trust/tuf/root.json", &[]).await;
    assert_eq!(outcome(&answer), "challenge");
}

#[tokio::test]
async fn a_token_allows_what_it_names_and_nothing_else() {
    let service = Service::new("ES256").await;
    let server = &service.server;
    // Publishing works with push and pull, and the metadata is what was sent.
    let token = service.token(&claims());
    let bearer = format!("Bearer {token}");
    let key_of = async |role: &str| -> signet_tuf::PublicKey {
        let answer = get(server, &path(&format!("{role}.key")), &token).await;
        answer.assert_ok();
        serde_json::from_slice(&answer.body).unwrap()
    };
    let publisher = Publisher::with_keys(GUN, key_of("snapshot").await, key_of("timestamp").await);
    let targets = publisher.targets(1, &["v1"]);
    let body = multipart(&[("root", &publisher.root(1)), ("targets", &targets)]);
    let request = Request::builder()
        .method(Method::POST)
        .uri(path(""))
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .header("authorization", &bearer)
        .body(Full::from(body))
        .unwrap();
    server.send(request).await.assert_ok();
    let answer = get(server, &path("targets.json"), &token).await;
    assert_eq!(answer.body, targets);
    for (method, path, expected) in [
        ("POST", path("timestamp.key"), "insufficient_scope"),
        ("DELETE", path(""), "insufficient_scope"),
        (
            "GET",
            format!("/v2/{GUN}x/_trust/tuf/root.json"),
            "insufficient_scope",
        ),
        (
            "GET",
            format!("/v2/{GUN}/x/_trust/tuf/root.json"),
            "insufficient_scope",
        ),
        (
            "GET",
            "/v2/registry.example.com/_trust/tuf/root.json".to_owned(),
            "insufficient_scope",
        ),
        (
            "GET",
            path("root.json").replace("/vec/", "/VEC/"),
            "insufficient_scope",
        ),
        ("GET", "/v2/".to_owned(), "insufficient_scope"),
        ("GET", path("root.json").replace("/vec/", "%2Fvec%2F"), "ok"),
        ("HEAD", path("root.json"), "ok"),
    ] {
        let answer = call(server, method, &path, &token).await;
        assert_eq!(outcome(&answer), expected, "{method} {path}");
    }
    // Nothing was deleted or rotated.
    get(server, &path("root.json"), &token).await.assert_ok();
}

#[tokio::test]
async fn the_caller_is_known_by_the_subject_once_the_token_is_believed() {
    let service = Service::new("ES256").await;
    let caller = async |token: &str| {
        let caller = Caller::default();
        let request = Request::get(path("root.json"))
            .header("authorization", format!("Bearer {token}"))
            .extension(caller.clone())
            .body(Full::default())
            .unwrap();
        service.server.send(request).await;
        caller.name().map(str::to_owned)
    };
    let token = service.token(&claims());
    assert_eq!(caller(&token).await.as_deref(), Some("alice"));
    // Also when it may not do it.
    let other = service.token(&with("access", json!([])));
    assert_eq!(caller(&other).await.as_deref(), Some("alice"));
    let expired = service.token(&with("exp", json!(1)));
    assert_eq!(caller(&expired).await, None);
    let long = service.token(&with("sub", json!("é".repeat(1000))));
    assert_eq!(caller(&long).await, Some("é".repeat(256)));
    let nobody = service.token(&with("sub", Value::Null));
    assert_eq!(caller(&nobody).await, None);
}

#[tokio::test]
async fn keys_of_a_set_sign_by_their_kid() {
    let (named, unnamed) = (
        TokenKey::new("ES512").unwrap(),
        TokenKey::new("RS256").unwrap(),
    );
    let mut first = named.jwk().unwrap();
    first["kid"] = json!("key 1");
    let foreign = [
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
        json!({"kty": "RSA", "use": "enc", "n": "AA", "e": "AQAB"}),
    ];
    let set = json!({"keys": [first, unnamed.jwk().unwrap(), foreign[0], foreign[1]]});
    let mut keys = TrustedKeys::default();
    assert_eq!(keys.add_key_set(set.to_string().as_bytes()).unwrap(), 2);
    let server = guarded(auth(keys)).await;
    let other = TokenKey::new("ES512").unwrap();
    let own_id = unnamed.id();
    for (key, algorithm, kid, expected) in [
        (&named, "ES512", "key 1", "ok"),
        (&named, "ES512", &named.id(), "ok"),
        (&named, "ES512", "key 2", "invalid_token"),
        (&named, "ES512", "", "invalid_token"),
        (&other, "ES512", "key 1", "invalid_token"),
        (&unnamed, "RS256", &own_id, "ok"),
        (&unnamed, "RS384", &own_id, "ok"),
        (&unnamed, "RS512", &own_id, "ok"),
        (&unnamed, "RS256", "key 1", "invalid_token"),
    ] {
        let header = json!({"alg": algorithm, "kid": kid});
        let token = key.sign_as(algorithm, &header, &claims()).unwrap();
        let answer = get(&server, &path("root.json"), &token).await;
        assert_eq!(outcome(&answer), expected, "{algorithm} {kid:?}");
    }
    // A token that carries the key may call it as the set does.
    for kid in ["key 1", &named.id(), "other"] {
        let mut jwk = named.jwk().unwrap();
        jwk["kid"] = json!(kid);
        let token = named
            .sign(&json!({"alg": "ES512", "jwk": jwk}), &claims())
            .unwrap();
        let expected = if kid == "other" {
            "invalid_token"
        } else {
            "ok"
        };
        let answer = get(&server, &path("root.json"), &token).await;
        assert_eq!(outcome(&answer), expected, "{kid}");
    }
}
