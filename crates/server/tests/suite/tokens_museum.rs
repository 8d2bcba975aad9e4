//! Mistakes that servers have made with tokens (`security.md`, class A22), each of which gives `invalid_token` here.

use std::path::Path;
use std::process::Command;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use signet_server::token::TrustedKeys;
use signet_testkit::mint::{Certified, TokenKey, certificate_pem, x5c};
use signet_tuf::certificate::parse_pem_certificates;
use time::Duration;

use crate::tokens::{GUN, ROOT, Service, auth, claims, get, guarded, outcome, path, with};

/// Every one of these tokens is refused, and so is every one the second time.
async fn assert_refused(service: &Service, tokens: &[(&str, String)]) {
    // The service itself works: what follows is refused for what is wrong with it.
    assert_eq!(service.outcome(&service.token(&claims())).await, "ok");
    for (what, token) in tokens {
        for _ in 0..2 {
            assert_eq!(service.outcome(token).await, "invalid_token", "{what}");
        }
    }
}

fn encoded(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let [header, claims, signature] = [
        header.to_string().as_bytes(),
        claims.to_string().as_bytes(),
        signature,
    ]
    .map(|part| BASE64URL_NOPAD.encode(part));
    format!("{header}.{claims}.{signature}")
}

fn with_member(mut header: Value, name: &str, value: Value) -> Value {
    header[name] = value;
    header
}

#[tokio::test]
async fn a22_the_algorithm_is_that_of_the_key_and_not_what_the_token_says() {
    let service = Service::new("ES256").await;
    let mut tokens = Vec::new();
    let good = service.token(&claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    for algorithm in [
        "none", "None", "NONE", "", "HS256", "ES384", "ES512", "RS256", "PS256", "es256", "EdDSA",
    ] {
        // The signature is over this very header: only the algorithm's name is wrong.
        let header = with_member(service.header(), "alg", json!(algorithm));
        let token = service.key.sign(&header, &claims()).unwrap();
        tokens.push((algorithm, token));
    }
    for value in [Value::Null, json!(5), json!(["ES256"])] {
        let header = with_member(service.header(), "alg", value);
        tokens.push((
            "alg of another type",
            service.key.sign(&header, &claims()).unwrap(),
        ));
    }
    // The public key as the secret of an HMAC, in each form that somebody might have it in.
    let spki = parse_pem_certificates(certificate_pem(&service.certificate).as_bytes()).unwrap();
    let spki = spki[0].spki().to_vec();
    for secret in [
        Vec::new(),
        spki,
        service.certificate.clone(),
        certificate_pem(&service.certificate).into_bytes(),
    ] {
        let header = with_member(service.header(), "alg", json!("HS256"));
        let unsigned = encoded(&header, &claims(), b"");
        let signed = unsigned.trim_end_matches('.');
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &secret),
            signed.as_bytes(),
        );
        let tag = BASE64URL_NOPAD.encode(tag.as_ref());
        tokens.push(("HMAC with what is public", format!("{signed}.{tag}")));
    }
    let none = with_member(service.header(), "alg", json!("none"));
    tokens.push(("none, unsigned", encoded(&none, &claims(), b"")));
    tokens.push(("no signature", format!("{signed}.")));
    tokens.push((
        "a signature of zeros",
        encoded(&service.header(), &claims(), &[0; 64]),
    ));
    // DER instead of r‖s, a byte less, a byte more, another byte.
    let raw = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let mut other = raw.clone();
    other[40] ^= 1;
    for changed in [&raw[..63], &[&raw[..], &[0]].concat(), &other] {
        tokens.push((
            "a changed signature",
            format!("{signed}.{}", BASE64URL_NOPAD.encode(changed)),
        ));
    }
    // The signature of other claims.
    let more = with(
        "access",
        json!([{"type": "repository", "name": GUN, "actions": ["*"]}]),
    );
    let (more, _) = encoded(&service.header(), &more, b"")
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    tokens.push((
        "other claims under the signature",
        format!("{more}.{signature}"),
    ));
    assert_refused(&service, &tokens).await;
}

#[tokio::test]
async fn a22_each_key_has_its_own_algorithms() {
    for (algorithm, all) in [
        ("ES256", &["ES256"][..]),
        ("ES384", &["ES384"]),
        ("ES512", &["ES512"]),
        ("RS256", &["RS256", "RS384", "RS512"]),
    ] {
        let service = Service::new(algorithm).await;
        for named in ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512"] {
            let header = with_member(service.header(), "alg", json!(named));
            let signed_as = if all.contains(&named) {
                named
            } else {
                algorithm
            };
            let token = service.key.sign_as(signed_as, &header, &claims()).unwrap();
            let expected = if all.contains(&named) {
                "ok"
            } else {
                "invalid_token"
            };
            assert_eq!(
                service.outcome(&token).await,
                expected,
                "{algorithm} as {named}"
            );
        }
    }
}

#[tokio::test]
async fn a22_a_key_in_the_token_is_believed_only_through_the_bundle() {
    let service = Service::new("ES256").await;
    let (root, evil) = (&service.key, TokenKey::new("ES256").unwrap());
    let own = |name, years| Certified {
        name,
        is_authority: false,
        issuer: None,
        years,
    };
    let issued = |name, issuer, is_authority| Certified {
        name,
        is_authority,
        issuer: Some(issuer),
        years: (2020, 2100),
    };
    let trusted = ("token root", root);
    let leaf = evil.certificate(&issued("leaf", trusted, false)).unwrap();
    let self_signed = evil.certificate(&ROOT).unwrap();
    let ca = TokenKey::new("ES384").unwrap();
    let ca_certificate = ca.certificate(&issued("issuer", trusted, true)).unwrap();
    let below = evil
        .certificate(&issued("leaf", ("issuer", &ca), false))
        .unwrap();
    let not_ca = ca.certificate(&issued("issuer", trusted, false)).unwrap();
    let expired = evil
        .certificate(&Certified {
            years: (2020, 2021),
            ..issued("leaf", trusted, false)
        })
        .unwrap();
    let future = evil
        .certificate(&Certified {
            years: (2090, 2100),
            ..issued("leaf", trusted, false)
        })
        .unwrap();
    let claimed = evil
        .certificate(&issued("leaf", ("token root", &evil), false))
        .unwrap();
    let as_ca = evil.certificate(&issued("leaf", trusted, true)).unwrap();
    let chain = |certificates: &[&[u8]]| {
        let texts: Vec<String> = certificates.iter().map(|der| x5c(der)).collect();
        json!({"alg": "ES256", "x5c": texts})
    };
    let sign = |header: &Value| evil.sign(header, &claims()).unwrap();

    // What is signed with a key beneath the bundle is believed: the refusals below are for what is wrong in them.
    for (what, header) in [
        ("leaf", chain(&[&leaf])),
        ("leaf and issuer", chain(&[&below, &ca_certificate])),
        (
            "with more than needed",
            chain(&[&below, &self_signed, &ca_certificate, &service.certificate]),
        ),
    ] {
        assert_eq!(service.outcome(&sign(&header)).await, "ok", "{what}");
    }
    let mut jwk = evil.jwk().unwrap();
    jwk["x5c"] = json!([x5c(&leaf)]);
    assert_eq!(
        service
            .outcome(&sign(&json!({"alg": "ES256", "jwk": jwk})))
            .await,
        "ok"
    );

    let with_kid = |header: Value| with_member(header, "kid", json!(root.id()));
    let jwk_of = |key: &TokenKey, name: &str, value: Value| json!({"alg": "ES256", "jwk": with_member(key.jwk().unwrap(), name, value)});
    let many = vec![leaf.as_slice(); 9];
    let mut tokens = vec![
        ("its own root", sign(&chain(&[&self_signed]))),
        (
            "its own root, and the kid of a trusted key",
            sign(&with_kid(chain(&[&self_signed]))),
        ),
        (
            "the trusted certificate, another key",
            sign(&chain(&[&service.certificate])),
        ),
        (
            "issued by one with the root's name",
            sign(&chain(&[&claimed, &self_signed])),
        ),
        ("issuer missing", sign(&chain(&[&below]))),
        ("issuer is no authority", sign(&chain(&[&below, &not_ca]))),
        (
            "in the wrong order",
            sign(&chain(&[&ca_certificate, &below])),
        ),
        ("expired", sign(&chain(&[&expired]))),
        ("not yet valid", sign(&chain(&[&future]))),
        ("an authority itself", sign(&chain(&[&as_ca]))),
        ("too long a chain", sign(&chain(&many))),
        (
            "no certificate",
            sign(&json!({"alg": "ES256", "x5c": ["AAAA"]})),
        ),
        ("no base64", sign(&json!({"alg": "ES256", "x5c": ["é"]}))),
        ("empty chain", sign(&json!({"alg": "ES256", "x5c": []}))),
        ("no list", sign(&json!({"alg": "ES256", "x5c": x5c(&leaf)}))),
        (
            "its own jwk",
            sign(&json!({"alg": "ES256", "jwk": evil.jwk().unwrap()})),
        ),
        (
            "its own jwk under a trusted kid",
            sign(&jwk_of(&evil, "kid", json!(root.id()))),
        ),
        (
            "its own jwk, and the kid of a trusted key",
            sign(&with_kid(
                json!({"alg": "ES256", "jwk": evil.jwk().unwrap()}),
            )),
        ),
        (
            "a trusted jwk, another signature",
            sign(&json!({"alg": "ES256", "jwk": root.jwk().unwrap()})),
        ),
        (
            "jwk with another's certificate",
            sign(&jwk_of(&evil, "x5c", json!([x5c(&service.certificate)]))),
        ),
        (
            "jwk with its own root",
            sign(&jwk_of(&evil, "x5c", json!([x5c(&self_signed)]))),
        ),
        (
            "jwk with an empty chain",
            sign(&jwk_of(&evil, "x5c", json!([]))),
        ),
        (
            "jwk off the curve",
            sign(&jwk_of(&evil, "x", json!(BASE64URL_NOPAD.encode(&[1; 32])))),
        ),
        (
            "jwk of another type",
            sign(&json!({"alg": "ES256", "jwk": "x"})),
        ),
        (
            "symmetric jwk",
            sign(&json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}})),
        ),
        (
            "kid of nobody",
            sign(&json!({"alg": "ES256", "kid": evil.id()})),
        ),
        (
            "kid of a trusted key, another signature",
            sign(&json!({"alg": "ES256", "kid": root.id()})),
        ),
        (
            "kid in lower case",
            root.sign(
                &json!({"alg": "ES256", "kid": root.id().to_lowercase()}),
                &claims(),
            )
            .unwrap(),
        ),
        (
            "kid that is a path",
            sign(&json!({"alg": "ES256", "kid": "../../dev/null"})),
        ),
        (
            "an URL for its key",
            sign(&json!({"alg": "ES256", "jku": "http://127.0.0.1/", "x5u": "http://127.0.0.1/"})),
        ),
    ];
    let mut wrong_name = root.jwk().unwrap();
    wrong_name["kid"] = json!(evil.id());
    tokens.push((
        "a trusted jwk under another name",
        root.sign(&json!({"alg": "ES256", "jwk": wrong_name}), &claims())
            .unwrap(),
    ));
    assert_refused(&service, &tokens).await;

    // An authority of the bundle that has run out vouches for nobody any more; its own key still signs, as in Go.
    let old = TokenKey::new("ES256").unwrap();
    let old_root = old
        .certificate(&Certified {
            years: (2020, 2021),
            ..own("old root", (2020, 2021))
        })
        .unwrap();
    let below_old = evil
        .certificate(&issued("leaf", ("old root", &old), false))
        .unwrap();
    let mut keys = TrustedKeys::default();
    keys.add_certificates(certificate_pem(&old_root).as_bytes())
        .unwrap();
    let server = guarded(auth(keys)).await;
    for (token, expected) in [
        (sign(&chain(&[&below_old])), "invalid_token"),
        (
            old.sign(&chain(&[&old_root]), &claims()).unwrap(),
            "invalid_token",
        ),
        (
            old.sign(&json!({"alg": "ES256", "kid": old.id()}), &claims())
                .unwrap(),
            "ok",
        ),
    ] {
        assert_eq!(
            outcome(&get(&server, &path("root.json"), &token).await),
            expected
        );
    }
}

#[tokio::test]
async fn a22_a_known_token_is_refused_when_its_certificate_has_expired() {
    let service = Service::new("ES256").await;
    let key = TokenKey::new("ES256").unwrap();
    let certificate = key
        .certificate(&Certified {
            name: "leaf",
            is_authority: false,
            issuer: Some(("token root", &service.key)),
            years: (2026, 2027),
        })
        .unwrap();
    let claims = with("exp", json!(4_000_000_000_i64));
    let token = key
        .sign(
            &json!({"alg": "ES256", "x5c": [x5c(&certificate)]}),
            &claims,
        )
        .unwrap();
    let end = time::macros::datetime!(2027-01-01 00:00 UTC);
    for (moment, expected) in [
        (crate::fixture::NOW, "ok"),
        (end, "ok"),
        (end + Duration::seconds(1), "invalid_token"),
    ] {
        service.server.set_time(moment);
        assert_eq!(service.outcome(&token).await, expected, "{moment}");
    }
}

#[tokio::test]
async fn a22_what_must_be_understood_and_is_not_refuses_the_token() {
    let service = Service::new("ES256").await;
    let tokens: Vec<(&str, String)> = [
        json!(["exp"]),
        json!(["b64"]),
        json!(["urn:example:unknown"]),
        json!([]),
        Value::Null,
        json!("b64"),
        json!(5),
    ]
    .into_iter()
    .map(|value| {
        let header = with_member(service.header(), "crit", value);
        let header = with_member(header, "b64", json!(true));
        ("crit", service.key.sign(&header, &claims()).unwrap())
    })
    .collect();
    assert_refused(&service, &tokens).await;
}

#[tokio::test]
async fn a22_claims_are_compared_exactly() {
    let service = Service::new("ES256").await;
    let now = crate::fixture::NOW.unix_timestamp();
    let mut tokens = Vec::new();
    for (name, values) in [
        (
            "iss",
            vec![
                Value::Null,
                json!(""),
                json!("auth.example.com "),
                json!("Auth.example.com"),
                json!(["auth.example.com"]),
                json!({}),
            ],
        ),
        (
            "aud",
            vec![
                Value::Null,
                json!(""),
                json!("notary"),
                json!("notary-server-2"),
                json!(["notary-server"]),
                json!(5),
            ],
        ),
        (
            "exp",
            vec![
                Value::Null,
                json!(now - 61),
                json!((now + 10).to_string()),
                json!(4102444800.5),
                json!(1e30),
                json!(true),
                json!([now + 10]),
                json!({}),
            ],
        ),
        (
            "nbf",
            vec![json!(now + 61), json!("0"), json!(0.5), json!([])],
        ),
        ("iat", vec![json!("0"), json!(0.5)]),
        ("jti", vec![json!(1)]),
        ("sub", vec![json!(1), json!(["alice"])]),
        (
            "access",
            vec![
                json!({}),
                json!("*"),
                json!([null]),
                json!(["*"]),
                json!([{"type": 1}]),
                json!([{"name": GUN, "type": "repository", "actions": "pull"}]),
                json!([{"class": 1}]),
            ],
        ),
    ] {
        for value in values {
            tokens.push((name, service.token(&with(name, value))));
        }
    }
    // Of a claim that is there twice, one reader takes the first and another the last.
    let text = claims().to_string();
    let header = service.header().to_string();
    for (what, claims) in [
        (
            "exp twice",
            text.replacen('{', &format!("{{\"exp\":{},", now + 9999), 1),
        ),
        ("a list of claims", "[]".to_owned()),
        (
            "claims in order",
            json!([
                crate::tokens::ISSUER,
                "alice",
                crate::tokens::SERVICE,
                now + 10,
                0,
                0,
                "x",
                []
            ])
            .to_string(),
        ),
        ("null", "null".to_owned()),
        ("more than one object", format!("{text}{{}}")),
        ("broken", text.replace('}', "")),
        ("not UTF-8 escaped", text.replace("alice", "\\ud800")),
        (
            "deep",
            format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000)),
        ),
        (
            "a long number",
            text.replacen(
                '{',
                &format!(
                    "{{\"exp2\":1{},\"exp\":1{},",
                    "0".repeat(500),
                    "0".repeat(500)
                ),
                1,
            ),
        ),
    ] {
        tokens.push((
            what,
            service.key.sign_texts("ES256", &header, &claims).unwrap(),
        ));
    }
    for (what, header) in [
        ("kid twice", header.replacen('{', "{\"kid\":\"x\",", 1)),
        ("a list for a header", "[\"JWT\",\"ES256\"]".to_owned()),
        ("typ of another type", header.replace("\"JWT\"", "5")),
    ] {
        tokens.push((
            what,
            service.key.sign_texts("ES256", &header, &text).unwrap(),
        ));
    }
    assert_refused(&service, &tokens).await;
}

#[tokio::test]
async fn a17_tokens_are_bounded() {
    let service = Service::new("ES256").await;
    let entry = json!({"type": "repository", "name": GUN, "actions": ["pull"]});
    let long = |bytes: usize| {
        let token = service.token(&with("pad", json!("x".repeat(bytes))));
        (token.len(), token)
    };
    // The longest that is taken, to a few bytes.
    let (length, token) = long(24_000);
    assert!(length < 32 * 1024, "{length}");
    assert_eq!(service.outcome(&token).await, "ok");
    let (length, token) = long(24_600);
    assert!(length > 32 * 1024, "{length}");
    let tokens = [
        ("long", token),
        (
            "entries",
            service.token(&with("access", json!(vec![json!({}); 1001]))),
        ),
        (
            "actions",
            service.token(&with("access", json!([entry, {"actions": vec!["a"; 101]}]))),
        ),
        ("dots", ".".repeat(30_000)),
        (
            "braces",
            format!(
                "{0}.{0}.{0}",
                BASE64URL_NOPAD.encode("{\"a\":".repeat(1800).as_bytes())
            ),
        ),
    ];
    assert_refused(&service, &tokens).await;
    let most = service.token(&with(
        "access",
        json!(
            vec![json!({"type": "a"}); 999]
                .into_iter()
                .chain([entry])
                .collect::<Vec<_>>()
        ),
    ));
    assert_eq!(service.outcome(&most).await, "ok");
}

fn openssl(folder: &Path, line: &str) {
    let output = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {line}: {errors}");
}

#[tokio::test]
async fn a22_no_chain_over_sha1_and_no_short_rsa_key() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::new("RS256").await;
    let file = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let save = |name: &str, text: &str| {
        let path = folder.path().join(name);
        signet_service::files::write_private(&path, text.as_bytes()).unwrap();
    };
    save("ca.key", &service.key.to_pem());
    save("ca.pem", &certificate_pem(&service.certificate));
    // Version 3, so that nothing but the digest and the size of the key differ.
    save("ext", "basicConstraints=CA:FALSE\n");
    let sign = |digest: &str, request: &str| {
        openssl(
            folder.path(),
            &format!(
                "x509 -req -in {request}.csr -CA ca.pem -CAkey ca.key -set_serial 7 -{digest} -days 30 -extfile ext -out {request}.{digest}.pem"
            ),
        );
        let pem = file(&format!("{request}.{digest}.pem"));
        parse_pem_certificates(pem.as_bytes()).unwrap().remove(0)
    };
    openssl(
        folder.path(),
        "req -new -newkey rsa:2048 -nodes -keyout k.key -subj /CN=k -out k.csr",
    );
    openssl(
        folder.path(),
        "req -new -newkey rsa:1024 -nodes -keyout weak.key -subj /CN=weak -out weak.csr",
    );
    let key = TokenKey::from_pem("RS256", &file("k.key")).unwrap();
    let (good, sha1, weak) = (
        sign("sha256", "k"),
        sign("sha1", "k"),
        sign("sha256", "weak"),
    );
    // openssl's certificates begin now, whatever the test's clock says.
    let now = good.validity().0 + Duration::days(1);
    service.server.set_time(now);
    let mut claims = claims();
    claims["exp"] = json!(now.unix_timestamp() + 3600);
    let header = |der: &[u8]| json!({"alg": "RS256", "x5c": [x5c(der)]});
    let token = key.sign(&header(good.der()), &claims).unwrap();
    assert_eq!(service.outcome(&token).await, "ok");
    let token = key.sign(&header(sha1.der()), &claims).unwrap();
    assert_eq!(service.outcome(&token).await, "invalid_token");

    // Our own library signs with no such key.
    let unsigned = encoded(&header(weak.der()), &claims, b"");
    let signed = unsigned.trim_end_matches('.');
    save("signed", signed);
    openssl(
        folder.path(),
        "dgst -sha256 -sign weak.key -out signature signed",
    );
    let signature = std::fs::read(folder.path().join("signature")).unwrap();
    assert_eq!(signature.len(), 128);
    let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature));
    assert_eq!(service.outcome(&token).await, "invalid_token");
}
