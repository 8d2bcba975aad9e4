//! Token authentication: our server and Go's get the same tokens, with the same certificates, and must answer alike.

use std::fs;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use signet_testkit::file;
use signet_testkit::http::{Client, Response};
use signet_testkit::mint::{Certified, TokenKey, certificate_pem, x5c};
use signet_testkit::peer::{TokenService, TrustOptions, TrustServer};

const ISSUER: &str = "auth.example.com";
const SERVICE: &str = "notary-server";
const GUN: &str = "registry.example.com/vec/app";
/// Later than these programs are used.
const FOREVER: i64 = 4_102_444_800;

/// Both servers, with these certificates.
struct Pair {
    ours: Client,
    go: Client,
    _servers: [TrustServer; 2],
    _service: TokenService,
}

impl Pair {
    fn start(bundle: &Path) -> Self {
        let service = TokenService::start_plain().unwrap();
        let mut auth = service.auth(SERVICE);
        ISSUER.clone_into(&mut auth.issuer);
        bundle.clone_into(&mut auth.bundle);
        let options = TrustOptions::default().token(auth);
        let ours = TrustServer::ours_with(&options).unwrap();
        let go = TrustServer::go_with(&options).unwrap();
        Self {
            ours: ours.client().unwrap(),
            go: go.client().unwrap(),
            _servers: [ours, go],
            _service: service,
        }
    }

    fn ask(&self, method: &str, path: &str, token: &str) -> [Response; 2] {
        let value = format!("Bearer {token}");
        let headers = [("Authorization", value.as_str())];
        [&self.ours, &self.go].map(|client| client.request(method, path, &headers, &[]).unwrap())
    }

    /// What both say to a request with this token, which is the same; `ok` when they let it through.
    fn agree(&self, what: &str, method: &str, path: &str, token: &str) -> String {
        let [ours, go] = self.ask(method, path, token);
        let result = outcome(&ours);
        assert_eq!(result, outcome(&go), "{what}: {method} {path}");
        if result != "ok" {
            assert_eq!(challenge(&ours), challenge(&go), "{what}: {method} {path}");
            assert_eq!(ours.text(), go.text(), "{what}: {method} {path}");
            assert_eq!(ours.header("content-type"), go.header("content-type"));
        }
        result
    }

    /// The results of four operations.
    fn results(&self, what: &str, token: &str) -> [String; 4] {
        let base = format!("/v2/{GUN}/_trust/tuf/");
        [
            ("GET", format!("{base}root.json")),
            ("POST", base.clone()),
            ("DELETE", base),
            ("GET", "/v2/_trust/changefeed?records=1".to_owned()),
        ]
        .map(|(method, path)| self.agree(what, method, &path, token))
    }
}

fn challenge(response: &Response) -> Option<String> {
    // Go's order of actions is random.
    let challenge = response.header("www-authenticate")?;
    Some(challenge.replace(":pull,push\"", ":push,pull\""))
}

fn outcome(response: &Response) -> String {
    if response.status != 401 {
        return "ok".to_owned();
    }
    let challenge = challenge(response).unwrap();
    let error = challenge.split_once(",error=\"");
    error.map_or_else(
        || "challenge".to_owned(),
        |(_, error)| error.trim_end_matches('"').to_owned(),
    )
}

/// What may be read and written.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": SERVICE, "exp": FOREVER, "nbf": 0, "iat": 0, "jti": "x",
        "access": [{"type": "repository", "name": GUN, "actions": ["pull", "push"]}],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn both_servers_give_the_recorded_results_for_the_recorded_tokens() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/data/auth");
    let pair = Pair::start(&data.join("bundle.pem"));
    let table = fs::read_to_string(data.join("tokens.tsv")).unwrap();
    let mut rows = 0;
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        assert_eq!(
            pair.results(cells[0], cells[5]),
            cells[1..5],
            "{}",
            cells[0]
        );
        rows += 1;
    }
    assert_eq!(rows, 51);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn both_servers_answer_alike_whatever_the_token() {
    let algorithms = ["ES256", "ES384", "ES512", "RS256"];
    let [p256, p384, p521, rsa] = algorithms.map(|algorithm| TokenKey::new(algorithm).unwrap());
    let root = |name| Certified {
        name,
        is_authority: true,
        issuer: None,
        years: (2020, 2100),
    };
    let certificates = [
        (&p256, "one"),
        (&p384, "two"),
        (&p521, "three"),
        (&rsa, "four"),
    ]
    .map(|(key, name)| key.certificate(&root(name)).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.pem");
    let text: String = certificates
        .iter()
        .map(|der| certificate_pem(der))
        .collect();
    file::write(&bundle, format!("What these are for.\n{text}")).unwrap();
    let pair = Pair::start(&bundle);

    let allowed = ["ok", "ok", "insufficient_scope", "insufficient_scope"];
    let refused = ["invalid_token"; 4];
    let nothing = ["insufficient_scope"; 4];
    let mut cases: Vec<(String, String, [&str; 4])> = Vec::new();

    // Every key by every way to name it, with every algorithm.
    let leaf = TokenKey::new("ES256").unwrap();
    for ((key, own), (name, certificate)) in
        [&p256, &p384, &p521, &rsa].into_iter().zip(algorithms).zip(
            ["one", "two", "three", "four"]
                .into_iter()
                .zip(&certificates),
        )
    {
        for named in [
            "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "HS256", "PS256", "none",
        ] {
            let fits = named == own || (own == "RS256" && named.starts_with("RS"));
            let signed = if fits { named } else { own };
            let header = json!({"typ": "JWT", "alg": named, "kid": key.id()});
            let token = key.sign_as(signed, &header, &claims()).unwrap();
            cases.push((
                format!("{own} as {named}"),
                token,
                if fits { allowed } else { refused },
            ));
        }
        let jwk = key.jwk().unwrap();
        let mut named = jwk.clone();
        named["kid"] = json!(key.id());
        let issued = |years| {
            let issuer = Some((name, key));
            let what = Certified {
                name: "leaf",
                is_authority: false,
                issuer,
                years,
            };
            leaf.certificate(&what).unwrap()
        };
        let (issued, expired) = (issued((2020, 2100)), issued((2020, 2021)));
        let mut certified = leaf.jwk().unwrap();
        certified["x5c"] = json!([x5c(&issued)]);
        for (what, signer, algorithm, member, value, expected) in [
            ("jwk", key, own, "jwk", jwk, allowed),
            ("jwk with kid", key, own, "jwk", named, allowed),
            (
                "itself",
                key,
                own,
                "x5c",
                json!([x5c(certificate)]),
                allowed,
            ),
            (
                "leaf",
                &leaf,
                "ES256",
                "x5c",
                json!([x5c(&issued)]),
                allowed,
            ),
            (
                "leaf and root",
                &leaf,
                "ES256",
                "x5c",
                json!([x5c(&issued), x5c(certificate)]),
                allowed,
            ),
            ("leaf in a jwk", &leaf, "ES256", "jwk", certified, allowed),
            (
                "expired leaf",
                &leaf,
                "ES256",
                "x5c",
                json!([x5c(&expired)]),
                refused,
            ),
            (
                "another key",
                &leaf,
                "ES256",
                "x5c",
                json!([x5c(certificate)]),
                refused,
            ),
        ] {
            let header = json!({"alg": algorithm, member: value});
            cases.push((
                format!("{what} of {own}"),
                signer.sign(&header, &claims()).unwrap(),
                expected,
            ));
        }
    }
    let own = leaf.certificate(&root("one")).unwrap();
    for (what, header) in [
        ("own root", json!({"alg": "ES256", "x5c": [x5c(&own)]})),
        (
            "own root and trusted kid",
            json!({"alg": "ES256", "x5c": [x5c(&own)], "kid": p256.id()}),
        ),
        (
            "own jwk",
            json!({"alg": "ES256", "jwk": leaf.jwk().unwrap()}),
        ),
        ("own kid", json!({"alg": "ES256", "kid": leaf.id()})),
        ("trusted kid", json!({"alg": "ES256", "kid": p256.id()})),
        ("nothing", json!({"alg": "ES256"})),
        ("empty chain", json!({"alg": "ES256", "x5c": []})),
        ("bad chain", json!({"alg": "ES256", "x5c": ["AAAA"]})),
        ("chain that is none", json!({"alg": "ES256", "x5c": 5})),
        ("header of other types", json!({"alg": 5, "typ": []})),
    ] {
        cases.push((
            what.to_owned(),
            leaf.sign(&header, &claims()).unwrap(),
            refused,
        ));
    }

    // Claims, beneath a signature that is right.
    let header = json!({"typ": "JWT", "alg": "ES256", "kid": p256.id()});
    let now = time::OffsetDateTime::from(fs::metadata(&bundle).unwrap().modified().unwrap());
    let now = now.unix_timestamp();
    let access = |entries: Value| with("access", entries);
    let entry = |kind: &str, name: &str, actions: Value| json!([{"type": kind, "name": name, "actions": actions}]);
    for (what, claims, expected) in [
        ("issuer", with("iss", json!("evil")), refused),
        ("issuer null", with("iss", Value::Null), refused),
        ("service", with("aud", json!("notary")), refused),
        ("list of services", with("aud", json!([SERVICE])), refused),
        ("just expired", with("exp", json!(now - 20)), allowed),
        ("expired", with("exp", json!(now - 62)), refused),
        ("expiry null", with("exp", Value::Null), refused),
        ("expiry a text", with("exp", json!("4102444800")), refused),
        (
            "expiry a fraction",
            with("exp", json!(4102444800.5)),
            refused,
        ),
        ("soon", with("nbf", json!(now + 50)), allowed),
        ("later", with("nbf", json!(now + 600)), refused),
        ("start null", with("nbf", Value::Null), allowed),
        ("issued later", with("iat", json!(FOREVER)), allowed),
        ("issued a text", with("iat", json!("0")), refused),
        ("subject a number", with("sub", json!(5)), refused),
        ("subject null", with("sub", Value::Null), allowed),
        ("id a number", with("jti", json!(5)), refused),
        (
            "unknown claim",
            with("scope", json!({"deep": [1, {"a": null}]})),
            allowed,
        ),
        ("access null", access(Value::Null), nothing),
        ("access a text", access(json!("*")), refused),
        ("access an object", access(json!({})), refused),
        ("an empty entry", access(json!([{}])), nothing),
        (
            "a class that is a number",
            access(json!([{"class": 5}])),
            refused,
        ),
        (
            "everything here",
            access(entry("repository", GUN, json!(["*"]))),
            ["ok", "ok", "ok", "insufficient_scope"],
        ),
        (
            "pull only",
            access(entry("repository", GUN, json!(["pull"]))),
            [
                "ok",
                "insufficient_scope",
                "insufficient_scope",
                "insufficient_scope",
            ],
        ),
        (
            "catalog",
            access(entry("registry", "catalog", json!(["*"]))),
            [
                "insufficient_scope",
                "insufficient_scope",
                "insufficient_scope",
                "ok",
            ],
        ),
        (
            "catalog, not everything",
            access(entry("registry", "catalog", json!(["pull"]))),
            nothing,
        ),
        (
            "every name",
            access(entry("repository", "*", json!(["*"]))),
            nothing,
        ),
        (
            "other case",
            access(entry("repository", &GUN.to_uppercase(), json!(["*"]))),
            nothing,
        ),
        (
            "actions in one text",
            access(entry("repository", GUN, json!(["push,pull"]))),
            nothing,
        ),
        (
            "actions of other types",
            access(entry("repository", GUN, json!("pull"))),
            refused,
        ),
    ] {
        cases.push((
            what.to_owned(),
            p256.sign(&header, &claims).unwrap(),
            expected,
        ));
    }
    let good = p256.sign(&header, &claims()).unwrap();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    for (what, token) in [
        ("unsigned", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("one part", BASE64URL_NOPAD.encode(b"{}")),
        ("short signature", format!("{signed}.{}", &signature[..80])),
    ] {
        cases.push((what.to_owned(), token, refused));
    }
    assert!(cases.len() > 100);
    for (what, token, expected) in cases {
        assert_eq!(pair.results(&what, &token), expected, "{what}");
    }
}

#[test]
fn tokens_that_more_than_one_reader_could_read_are_refused_by_ours_alone() {
    let key = TokenKey::new("ES256").unwrap();
    let root = Certified {
        name: "root",
        is_authority: true,
        issuer: None,
        years: (2020, 2100),
    };
    let certificate = key.certificate(&root).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.pem");
    file::write(&bundle, certificate_pem(&certificate)).unwrap();
    let pair = Pair::start(&bundle);

    let header = json!({"typ": "JWT", "alg": "ES256", "kid": key.id()});
    let good = key.sign(&header, &claims()).unwrap();
    assert_eq!(pair.results("good", &good)[0], "ok");
    // A signature of 64 bytes leaves four bits of its last character unused.
    let last = good.as_bytes()[good.len() - 1];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.iter().position(|letter| *letter == last).unwrap();
    let other = char::from(alphabet[at + 1]);
    let mut critical = header.clone();
    critical["crit"] = json!(["urn:example:unknown"]);
    let twice = claims().to_string().replacen('{', "{\"exp\":1,", 1);
    let leaf = TokenKey::new("ES256").unwrap();
    let authority = Certified {
        name: "leaf",
        issuer: Some(("root", &key)),
        ..root
    };
    let authority = json!({"alg": "ES256", "x5c": [x5c(&leaf.certificate(&authority).unwrap())]});
    for (what, token) in [
        ("padding", format!("{good}==")),
        ("unused bits", format!("{}{other}", &good[..good.len() - 1])),
        ("unknown extension", key.sign(&critical, &claims()).unwrap()),
        (
            "a claim twice",
            key.sign_texts("ES256", &header.to_string(), &twice)
                .unwrap(),
        ),
        (
            "signed by an authority",
            leaf.sign(&authority, &claims()).unwrap(),
        ),
        (
            "long",
            key.sign(&header, &with("pad", json!("x".repeat(30_000))))
                .unwrap(),
        ),
    ] {
        let path = format!("/v2/{GUN}/_trust/tuf/root.json");
        let [ours, go] = pair.ask("GET", &path, &token);
        assert_eq!(
            (&*outcome(&ours), &*outcome(&go)),
            ("invalid_token", "ok"),
            "{what}"
        );
    }
}
