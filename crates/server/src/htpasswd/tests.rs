//! Hashes were made by libxcrypt's `crypt`, the one that logins to Linux go through.

use std::path::PathBuf;

use data_encoding::BASE64;
use tempfile::TempDir;

use super::*;

/// `s3cret`, `other` and `päss`.
const USERS: &str = "\
# people
alice:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK

bob:$2a$06$abcdefghijklmnopqrstuu6FttqYLNXdPO90XO7YlC0uHRd1WxOhm
carol:$2b$04$abcdefghijklmnopqrstuuF7KK/SfP9IRGj0pPJMr8GdtCS8xpmpC
";

struct Fixture {
    auth: Htpasswd,
    path: PathBuf,
    _folder: TempDir,
}

fn fixture(text: &str) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    signet_service::files::write_private(&path, text.as_bytes()).unwrap();
    let auth = Htpasswd::open("r".to_owned(), path.clone(), Rules::default()).unwrap();
    Fixture {
        auth,
        path,
        _folder: folder,
    }
}

fn login(user: &str, password: &str) -> Credentials {
    Credentials::parse(&BASE64.encode(format!("{user}:{password}").as_bytes())).unwrap()
}

fn home() -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, 1]))
}

#[tokio::test]
async fn hashes_of_all_three_kinds_are_checked() {
    let fixture = fixture(USERS);
    for (user, password, expected) in [
        ("alice", "s3cret", Login::Verified),
        ("bob", "other", Login::Verified),
        ("carol", "päss", Login::Verified),
        ("alice", "S3cret", Login::Wrong),
        ("alice", "", Login::Wrong),
        ("alice", "other", Login::Wrong),
        ("Alice", "s3cret", Login::Wrong),
        ("mallory", "s3cret", Login::Wrong),
    ] {
        let outcome = fixture.auth.verify(&login(user, password), home()).await;
        assert_eq!(outcome, expected, "{user} {password}");
    }
}

#[tokio::test]
async fn what_was_verified_is_remembered_until_the_file_says_otherwise() {
    let fixture = fixture(USERS);
    for _ in 0..3 {
        let outcome = fixture.auth.verify(&login("alice", "s3cret"), home()).await;
        assert_eq!(outcome, Login::Verified);
    }
    let figures = fixture.auth.cache();
    assert_eq!((figures.hits, figures.misses), (2, 1));
    assert!(!fixture.auth.reload().unwrap(), "nothing has changed");
    // Alice has another password now, and Bob has gone.
    let changed = "alice:$2a$06$abcdefghijklmnopqrstuu6FttqYLNXdPO90XO7YlC0uHRd1WxOhm\n";
    signet_service::files::write_private(&fixture.path, changed.as_bytes()).unwrap();
    assert!(fixture.auth.reload().unwrap());
    for (user, password, expected) in [
        ("alice", "s3cret", Login::Wrong),
        ("alice", "other", Login::Verified),
        ("bob", "other", Login::Wrong),
    ] {
        let outcome = fixture.auth.verify(&login(user, password), home()).await;
        assert_eq!(outcome, expected, "{user} {password}");
    }
}

#[tokio::test]
async fn a_broken_file_leaves_the_users_as_they_are() {
    let fixture = fixture(USERS);
    signet_service::files::write_private(&fixture.path, b"alice:plain\n").unwrap();
    assert!(fixture.auth.reload().is_err());
    let outcome = fixture.auth.verify(&login("alice", "s3cret"), home()).await;
    assert_eq!(outcome, Login::Verified);
    std::fs::remove_file(&fixture.path).unwrap();
    assert!(fixture.auth.reload().is_err());
    let outcome = fixture.auth.verify(&login("bob", "other"), home()).await;
    assert_eq!(outcome, Login::Verified);
}

#[tokio::test]
async fn a22_who_guesses_is_slowed_down_and_nobody_else() {
    let fixture = fixture(USERS);
    let verify = |user, password, address| {
        let login = login(user, password);
        let auth = &fixture.auth;
        async move { auth.verify(&login, address).await }
    };
    // She has logged in before.
    assert_eq!(verify("bob", "other", home()).await, Login::Verified);
    for _ in 0..5 {
        assert_eq!(verify("alice", "guess", home()).await, Login::Wrong);
        assert_eq!(verify("bob", "guess", home()).await, Login::Wrong);
    }
    for password in ["guess", "s3cret"] {
        let outcome = verify("alice", password, home()).await;
        assert!(matches!(outcome, Login::Throttled(_)), "{outcome:?}");
    }
    let elsewhere = Some(IpAddr::from([198, 51, 100, 1]));
    assert_eq!(verify("alice", "s3cret", elsewhere).await, Login::Verified);
    assert_eq!(verify("carol", "päss", home()).await, Login::Verified);
    assert_eq!(verify("bob", "other", home()).await, Login::Verified);
}

#[tokio::test]
async fn a22_invented_names_use_up_what_their_network_has_and_nobody_elses() {
    let fixture = fixture(USERS);
    let verify = |user: String, password: &'static str, address| {
        let login = login(&user, password);
        let auth = &fixture.auth;
        async move { auth.verify(&login, address).await }
    };
    let name = |name: &str| name.to_owned();
    assert_eq!(verify(name("bob"), "other", home()).await, Login::Verified);
    let mut wrong = 0;
    let outcome = loop {
        match verify(format!("user{wrong}"), "guess", home()).await {
            Login::Wrong => wrong += 1,
            other => break other,
        }
        assert!(wrong < 1000, "nothing stops the guesses");
    };
    assert!(matches!(outcome, Login::Flooded(_)), "{outcome:?}");
    assert!(wrong >= 30, "{wrong}");
    // Not even looked at: the right password is no other.
    let checked = fixture.auth.cache().misses;
    let outcome = verify(name("alice"), "s3cret", home()).await;
    assert!(matches!(outcome, Login::Flooded(_)), "{outcome:?}");
    assert_eq!(fixture.auth.cache().misses, checked);
    assert_eq!(verify(name("bob"), "other", home()).await, Login::Verified);
    let elsewhere = Some(IpAddr::from([198, 51, 100, 1]));
    let outcome = verify(name("alice"), "s3cret", elsewhere).await;
    assert_eq!(outcome, Login::Verified);
}

#[test]
fn who_is_not_in_the_file_takes_the_time_of_who_is() {
    let users = Users::parse(USERS).unwrap();
    let hashes: Vec<&str> = ["alice", "bob", "carol"]
        .iter()
        .map(|name| users.hash(name).unwrap())
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for chance in 0..=255 {
        let mut bytes = [7; 32];
        bytes[0] = chance;
        let stand_in = users.stand_in(bytes);
        assert!(hashes.contains(&stand_in));
        seen.insert(stand_in);
    }
    assert_eq!(seen.len(), 3, "all costs occur");
    assert!(
        Users::parse("")
            .unwrap()
            .stand_in([1; 32])
            .starts_with("$2y$12$")
    );
}

#[test]
fn a_file_is_refused_with_the_number_of_its_line() {
    let good = "$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK";
    for (line, reason) in [
        (
            "mallory".to_owned(),
            "line 2: it is not a name, a colon and a hash",
        ),
        (
            format!(":{good}"),
            "line 2: it is not a name, a colon and a hash",
        ),
        (
            format!("a\u{1}b:{good}"),
            "line 2: it is not a name, a colon and a hash",
        ),
        (
            format!("alice:{good}"),
            "line 2: the user is on an earlier line already",
        ),
        // htpasswd without -B: Apache's MD5, SHA-1, crypt, nothing at all.
        (
            "mallory:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00".to_owned(),
            "line 2: the hash is not one of bcrypt",
        ),
        (
            "mallory:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=".to_owned(),
            "line 2: the hash is not one of bcrypt",
        ),
        (
            "mallory:rqXexS6ZhobKA".to_owned(),
            "line 2: the hash is not one of bcrypt",
        ),
        (
            "mallory:secret".to_owned(),
            "line 2: the hash is not one of bcrypt",
        ),
        (
            "mallory:".to_owned(),
            "line 2: the hash is not one of bcrypt",
        ),
        (
            format!("mallory:{}", good.replace("$2y$", "$2x$")),
            "line 2: the hash is not one of bcrypt",
        ),
        (
            format!("mallory:{good}x"),
            "line 2: the hash is not one of bcrypt",
        ),
        (
            format!("mallory:{}", good.replace("$05$", "$31$")),
            "line 2: the hash has the cost 31; it must be between 4 and 14",
        ),
        (
            format!("mallory:{}", good.replace("$05$", "$03$")),
            "line 2: the hash has the cost 3; it must be between 4 and 14",
        ),
    ] {
        let fault = Users::parse(&format!("alice:{good}\n{line}\n"))
            .err()
            .unwrap();
        let fault = fault.to_string();
        assert!(fault.starts_with(reason), "{line}: {fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }
    assert!(matches!(
        Users::parse(&"x".repeat(10)).err(),
        Some(InvalidUsers::Line(1))
    ));
}

#[test]
fn names_with_a_meaning_of_their_own_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["*", "anonymous"] {
        let path = folder.path().join("htpasswd");
        let line = format!("{name}:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n");
        signet_service::files::write_private(&path, line.as_bytes()).unwrap();
        let opened = Htpasswd::open("r".to_owned(), path, Rules::default());
        assert!(
            matches!(opened, Err(HtpasswdError::Reserved { .. })),
            "{name}"
        );
        assert!(line_for(name).is_err(), "{name}");
    }
}

fn line_for(name: &str) -> Result<String, InvalidPassword> {
    line(name, "long enough")
}

#[test]
fn a_line_that_is_made_is_one_that_is_read() {
    let made = line("dave", "correct horse").unwrap();
    let users = Users::parse(&made).unwrap();
    assert!(bcrypt::verify("correct horse", users.hash("dave").unwrap()).unwrap());
    for (password, fits) in [
        ("", false),
        ("a\nb", false),
        (&*"x".repeat(72), true),
        (&*"x".repeat(73), false),
    ] {
        assert_eq!(hashed(password).is_ok(), fits, "{password:?}");
    }
    assert!(line("a:b", "x").is_err());
}

#[test]
fn logins_are_read_as_rfc_7617_writes_them() {
    // The RFC's own example.
    let login = Credentials::parse("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap();
    assert_eq!(
        (&*login.user, &**login.password),
        ("Aladdin", "open sesame")
    );
    let login = Credentials::parse(&BASE64.encode(b"a:b:c")).unwrap();
    assert_eq!((&*login.user, &**login.password), ("a", "b:c"));
    for raw in [&b"a"[..], b":b", b"a\n:b", b"a:b\0c", b"\xff:b", b""] {
        assert!(Credentials::parse(&BASE64.encode(raw)).is_none(), "{raw:?}");
    }
    assert!(Credentials::parse("!!").is_none());
    assert!(
        Credentials::parse(&BASE64.encode(format!("a:{}", "x".repeat(5000)).as_bytes())).is_none()
    );
    // Never shown.
    assert!(
        !format!(
            "{:?}",
            Credentials::parse(&BASE64.encode(b"a:hidden")).unwrap()
        )
        .contains("hidden")
    );
}
