//! Token authentication of the running program, over TLS.

use std::ffi::OsString;

use serde_json::{Value, json};
use signet_testkit::certificate::Authority;
use signet_testkit::http::{Client, Response};
use signet_testkit::mint::{Certified, TokenKey, certificate_pem};

use super::archives;
use super::support::{Folder, MEMORY, Server, run, wait_for};

const GUN: &str = "registry.example.com/a/b";
const OPTIONS: &str = r#""realm":"https://auth.example.com/token","issuer":"auth.example.com","service":"notary-server","rootcertbundle":"bundle.pem""#;

struct Guarded {
    server: Server,
    client: Client,
    key: TokenKey,
    _folder: Folder,
}

impl Guarded {
    fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// Starts with arguments that may name files in its folder.
    fn start_with(arguments: impl FnOnce(&Folder) -> Vec<OsString>) -> Self {
        let folder = Folder::new();
        let authority = Authority::new("test").unwrap();
        let identity = authority.issue().unwrap();
        folder.write("c.pem", &identity.certificate_pem);
        folder.write("k.pem", &identity.key_pem);
        let key = TokenKey::new("ES256").unwrap();
        let root = Certified {
            name: "tokens",
            is_authority: true,
            issuer: None,
            years: (2020, 2100),
        };
        folder.write(
            "bundle.pem",
            &certificate_pem(&key.certificate(&root).unwrap()),
        );
        let keys = format!(
            r#""server":{{"http_addr":"127.0.0.1:0","tls_cert_file":"c.pem","tls_key_file":"k.pem"}},
            "trust_service":{{"type":"local"}},"storage":{{"backend":"memory"}},
            "repositories":{{"gun_prefixes":["registry.example.com/"]}},
            "auth":{{"type":"token","options":{{{OPTIONS}}}}}"#
        );
        let mut command = folder.configured(&keys);
        command.args(arguments(&folder));
        let server = Server::start(command);
        let client = Client::tls(server.address().parse().unwrap(), &authority.pem()).unwrap();
        Self {
            server,
            client,
            key,
            _folder: folder,
        }
    }

    fn token(&self, actions: &Value) -> String {
        self.token_for(GUN, actions)
    }

    fn token_for(&self, gun: &str, actions: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "ES256", "kid": self.key.id()});
        let claims = json!({
            "iss": "auth.example.com", "sub": "alice\nlevel=fatal", "aud": "notary-server", "exp": 4_000_000_000_u32,
            "access": [{"type": "repository", "name": gun, "actions": actions}],
        });
        self.key.sign(&header, &claims).unwrap()
    }

    fn ask(&self, method: &str, path: &str, token: Option<&str>) -> Response {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer
            .iter()
            .map(|value| ("Authorization", value.as_str()))
            .collect();
        self.client.request(method, path, &headers, &[]).unwrap()
    }
}

// The texts were recorded from notary-server 0.7.0 (`17-auth-ping`, `19-auth-push`).
#[test]
fn who_has_no_token_is_told_where_to_get_one() {
    let guarded = Guarded::start();
    let answer = guarded.ask("GET", "/v2/", None);
    assert_eq!(answer.status, 401);
    let spelled = answer
        .headers
        .iter()
        .find(|(name, _)| name == "Www-Authenticate");
    assert_eq!(
        spelled.unwrap().1,
        r#"Bearer realm="https://auth.example.com/token",service="notary-server",scope="registry:catalog:*""#
    );
    assert_eq!(
        answer.text(),
        "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\",\"detail\":[{\"Type\":\"registry\",\"Class\":\"\",\"Name\":\"catalog\",\"Action\":\"*\"}]}]}\n"
    );
    let path = format!("/v2/{GUN}/_trust/tuf/");
    let answer = guarded.ask("POST", &path, None);
    assert_eq!(
        answer.header("www-authenticate").unwrap(),
        format!(
            r#"Bearer realm="https://auth.example.com/token",service="notary-server",scope="repository:{GUN}:push,pull""#
        )
    );
    // Not served at all: no token helps, so none is asked for.
    assert_eq!(
        guarded
            .ask("GET", "/v2/other/_trust/tuf/root.json", None)
            .status,
        404
    );
}

#[test]
fn case_22_health_and_metrics_need_no_token() {
    let guarded = Guarded::start();
    let health = guarded.ask("GET", "/_notary_server/health", None);
    assert_eq!((health.status, health.text().as_str()), (200, "{}"));
    let metrics = guarded.ask("GET", "/metrics", None);
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("notary_server_http_requests_total"));
}

#[test]
fn a07_log_lines_name_the_caller_and_never_show_the_token() {
    let guarded = Guarded::start();
    let token = guarded.token(&json!(["push", "pull"]));
    let path = format!("/v2/{GUN}/_trust/tuf/timestamp.key");
    assert_eq!(guarded.ask("GET", &path, Some(&token)).status, 200);
    assert_eq!(guarded.ask("POST", &path, Some(&token)).status, 401);
    let forged = format!("{}A", &token[..token.len() - 1]);
    let forged = if forged == token {
        format!("{}B", &token[..token.len() - 1])
    } else {
        forged
    };
    assert_eq!(guarded.ask("GET", &path, Some(&forged)).status, 401);
    wait_for("three lines", || {
        guarded.server.lines("response completed").len() == 3
    });
    let lines = guarded.server.lines("response completed");
    let name = json!("alice\nlevel=fatal");
    assert_eq!(lines[0]["auth.user.name"], name);
    assert_eq!(lines[1]["auth.user.name"], name);
    assert_eq!(lines[2]["auth.user.name"], Value::Null);
    let log = guarded.server.log();
    assert!(log.contains("the token is refused: "), "{log}");
    for part in token.split('.').chain(forged.split('.')) {
        assert!(!log.contains(part), "{log}");
    }
    assert!(!log.to_lowercase().contains("bearer "), "{log}");
}

#[test]
fn a_start_without_what_authentication_needs_ends_with_the_reason() {
    let folder = Folder::new();
    for (auth, message) in [
        (
            r#"{"type":"ldap","options":{}}"#.to_owned(),
            "unknown auth.type \"ldap\": it must be \"token\" or \"htpasswd\"; remove it to serve without authentication",
        ),
        (
            format!(r#"{{"type":"token","options":{{{OPTIONS}}}}}"#),
            "unable to open token auth root certificate bundle file \"bundle.pem\": open bundle.pem: no such file or directory",
        ),
    ] {
        let (code, _, log) = run(folder.configured(&format!(r#"{MEMORY},"auth":{auth}"#)));
        let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert_eq!(
            (code, &last["level"], &last["msg"]),
            (Some(1), &json!("fatal"), &json!(message))
        );
    }
}

#[test]
fn archives_are_read_with_a_token_only() {
    let guarded =
        Guarded::start_with(|folder| vec!["-archive".into(), archives::archive(folder).into()]);
    let root = archives::file("root");
    let all = format!("/v2/{}/_trust/tuf/", archives::GUN);
    let reader = guarded.token_for(archives::GUN, &json!(["pull"]));
    let owner = guarded.token_for(archives::GUN, &json!(["*"]));
    for (method, path, token, status) in [
        ("GET", &root, None, 401),
        ("POST", &all, None, 401),
        ("POST", &all, Some(&reader), 401),
        ("DELETE", &all, Some(&reader), 401),
        ("GET", &root, Some(&reader), 200),
        ("POST", &all, Some(&owner), 400),
        ("DELETE", &all, Some(&owner), 400),
        ("GET", &root, Some(&reader), 200),
    ] {
        let answer = guarded.ask(method, path, token.map(String::as_str));
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
}
