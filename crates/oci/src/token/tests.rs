use secrecy::SecretString;

use super::*;

fn challenge(realm: &str, scope: Option<&str>) -> BearerChallenge {
    BearerChallenge {
        realm: Some(realm.to_owned()),
        service: Some("s".to_owned()),
        scope: scope.map(str::to_owned),
        error: None,
    }
}

#[test]
fn a_password_goes_only_where_nobody_can_listen() {
    let remote = "https://registry.example/";
    let local = "https://localhost:5000/";
    for (realm, server) in [
        ("https://auth.example/token", remote),
        ("https://auth.example/token", local),
        ("https://auth.example:8443/t?x=1", "http://localhost:5000/"),
        ("http://localhost:5001/token", local),
        ("http://127.0.0.2/token", "http://127.0.0.1:5000/"),
        ("http://[::1]:1/token", local),
    ] {
        let checked = check_realm(&challenge(realm, None), &Url::parse(server).unwrap());
        assert_eq!(checked.unwrap().as_str(), realm);
    }
    let no_tls = "credentials are not sent without TLS";
    let named = "there is a user name or password in it";
    for (realm, server, reason) in [
        ("http://auth.example/token", remote, no_tls),
        ("http://auth.example/token", local, no_tls),
        ("http://localhost:5001/token", remote, no_tls),
        ("http://localhost.example/token", local, no_tls),
        ("https://alice@auth.example/token", remote, named),
        ("https://:pw@auth.example/token", remote, named),
        ("http://localhost@evil.example/token", local, named),
        ("ftp://auth.example/", remote, "it is no https URL"),
        ("file:///etc/passwd", remote, "there is no host in it"),
        ("/token", remote, "relative URL without a base"),
        ("", remote, "relative URL without a base"),
    ] {
        let error = check_realm(&challenge(realm, None), &Url::parse(server).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("invalid token auth challenge realm: {realm:?}: {reason}")
        );
        assert_eq!(error.kind(), TokenErrorKind::Invalid);
    }
    let none = check_realm(&BearerChallenge::default(), &Url::parse(remote).unwrap());
    assert_eq!(
        none.unwrap_err().to_string(),
        "no realm specified for token auth challenge"
    );
}

#[test]
fn a_challenge_cannot_widen_a_scope() {
    for (scope, expected) in [
        (None, "repository:team/app:pull"),
        (Some("repository:team/app:pull"), "repository:team/app:pull"),
        (
            Some("repository:team/app:pull,push,delete"),
            "repository:team/app:pull",
        ),
        (Some("repository:team/app:*"), "repository:team/app:pull"),
        (Some("repository:other:pull"), "repository:team/app:pull"),
        (Some("registry:catalog:*"), "repository:team/app:pull"),
        (Some("registry:team/app:*"), "repository:team/app:pull"),
        (
            Some("repository(plugin):team/app:pull"),
            "repository(plugin):team/app:pull",
        ),
        (
            Some("registry:catalog:* repository(plugin):team/app:pull,push"),
            "repository(plugin):team/app:pull",
        ),
        (
            Some("repository(x)&service=y:team/app:pull"),
            "repository:team/app:pull",
        ),
        (
            Some("repository():team/app:pull"),
            "repository:team/app:pull",
        ),
        (Some(":::"), "repository:team/app:pull"),
    ] {
        let scope_asked = registry_scope(&challenge("https://t", scope), "team/app", "pull");
        assert_eq!(scope_asked, expected, "{scope:?}");
    }
}

#[tokio::test]
async fn a07_tokens_do_not_show() {
    let tokens = Tokens::default();
    let wanted = Wanted {
        realm: "https://t".to_owned(),
        service: None,
        scope: "s".to_owned(),
    };
    let mut header = HeaderValue::from_static("Bearer s3cret");
    header.set_sensitive(true);
    let held = Held {
        header: header.clone(),
        good_until: Instant::now() + Duration::from_secs(60),
    };
    let slot: Slot = Arc::new(Mutex::new(Some(held)));
    tokens.slots.lock().unwrap().insert(wanted, slot);
    assert!(!format!("{tokens:?} {header:?}").contains("s3cret"));
    assert!(tokens.discard(&header).await);
    assert!(!tokens.discard(&header).await, "it is forgotten");
    let credentials = Credentials::password("alice", SecretString::from("s3cret"));
    assert!(!format!("{credentials:?}").contains("s3cret"));
}
