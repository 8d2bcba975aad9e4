use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use super::*;

/// A configuration directory with a folder of helper programs.
struct Setup {
    dir: tempfile::TempDir,
}

impl Setup {
    fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("config.json"), config);
        fs::create_dir(dir.path().join("bin")).unwrap();
        Self { dir }
    }

    fn program(self, name: &str, script: &str) -> Self {
        let path = self.dir.path().join("bin").join(name);
        write(&path, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn environment(&self) -> CredentialEnvironment {
        CredentialEnvironment {
            search_path: Some(self.dir.path().join("bin").into()),
            ..CredentialEnvironment::default()
        }
    }

    async fn lookup(&self, key: &str) -> (Credentials, Vec<String>) {
        self.lookup_in(key, &self.environment()).await
    }

    async fn lookup_in(
        &self,
        key: &str,
        environment: &CredentialEnvironment,
    ) -> (Credentials, Vec<String>) {
        let (config, warning) = DockerConfig::load(self.dir.path());
        assert!(warning.is_none(), "{warning:?}");
        let (credentials, warnings) = Credentials::lookup(&config, key, environment).await;
        (
            credentials,
            warnings.iter().map(ToString::to_string).collect(),
        )
    }
}

fn write(path: &Path, text: &str) {
    use std::io::Write as _;
    fs::File::create(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

fn basic(credentials: &Credentials) -> Option<(&str, &str)> {
    credentials
        .basic()
        .map(|(name, password)| (name, password.expose_secret()))
}

const ALICE: &str = r#"{"auth":"YWxpY2U6czNjcmV0"}"#;

/// Writes the input to the file `seen` and answers for the user bob.
fn recording(setup: Setup, suffix: &str) -> Setup {
    let seen = setup.dir.path().join("seen");
    let script = format!(
        r#"[ "$*" = get ] || exit 9; cat > '{}'; echo '{{"ServerURL":"x","Username":"bob","Secret":"hush"}}'"#,
        seen.display()
    );
    setup.program(&format!("docker-credential-{suffix}"), &script)
}

#[tokio::test]
async fn finds_an_entry_of_the_file_by_host() {
    for stored in [
        "localhost:5000",
        "https://localhost:5000/v1/",
        "http://localhost:5000",
        "localhost:5000/team",
        "https://user@localhost:5000?x",
        "http://localhost:5000#f",
    ] {
        let setup = Setup::new(&format!(r#"{{"auths":{{"{stored}":{ALICE}}}}}"#));
        let (credentials, warnings) = setup.lookup("localhost:5000").await;
        assert_eq!(basic(&credentials), Some(("alice", "s3cret")), "{stored}");
        assert!(warnings.is_empty());
    }
    for stored in [
        "localhost",
        "localhost:5001",
        "https://localhost:50000",
        "xlocalhost:5000",
        "LOCALHOST:5000",
    ] {
        let setup = Setup::new(&format!(r#"{{"auths":{{"{stored}":{ALICE}}}}}"#));
        assert!(
            setup.lookup("localhost:5000").await.0.is_anonymous(),
            "{stored}"
        );
    }
    let exact = format!(r#"{{"auths":{{"http://h":{{"auth":"Ym9iOng="}},"h":{ALICE}}}}}"#);
    let (credentials, _) = Setup::new(&exact).lookup("h").await;
    assert_eq!(
        credentials.username(),
        Some("alice"),
        "the exact key goes first"
    );
    let hub = format!(r#"{{"auths":{{"https://index.docker.io/v1/":{ALICE}}}}}"#);
    let (credentials, _) = Setup::new(&hub).lookup("https://index.docker.io/v1/").await;
    assert_eq!(credentials.username(), Some("alice"));
}

#[test]
fn keys_of_auths_reduce_to_hosts_as_in_docker() {
    for (key, expected) in [
        ("https://h/v1/", "h"),
        ("h:1/x", "h:1"),
        ("https://[::1]:5000/", "[::1]:5000"),
        ("https://[::1]/", "::1"),
        ("https://h:", "h"),
        ("", ""),
        ("://", ""),
        ("https://u:p@h:1", "h:1"),
    ] {
        assert_eq!(host_and_port(key), expected, "{key}");
    }
}

#[tokio::test]
async fn an_identity_token_needs_no_password() {
    let setup = Setup::new(r#"{"auths":{"h":{"auth":"YWxpY2U6","identitytoken":"tok"}}}"#);
    let (credentials, _) = setup.lookup("h").await;
    assert_eq!(credentials.username(), Some("alice"));
    assert!(credentials.basic().is_none());
    assert_eq!(credentials.identity_token().unwrap().expose_secret(), "tok");
    assert!(!credentials.is_anonymous());
}

#[tokio::test]
async fn asks_the_store_with_the_key_on_its_input() {
    for key in ["localhost:5000", "https://index.docker.io/v1/"] {
        let setup = recording(Setup::new(r#"{"credsStore":"x"}"#), "x");
        let (credentials, warnings) = setup.lookup(key).await;
        assert_eq!(basic(&credentials), Some(("bob", "hush")));
        assert!(warnings.is_empty());
        assert_eq!(
            fs::read_to_string(setup.dir.path().join("seen")).unwrap(),
            key,
            "no newline"
        );
    }
}

#[tokio::test]
async fn a_helper_for_the_key_goes_before_the_store_and_the_file() {
    let config = format!(
        r#"{{"auths":{{"h":{ALICE}}},"credsStore":"none","credHelpers":{{"h":"x","f":""}}}}"#
    );
    let setup = recording(Setup::new(&config), "x");
    assert_eq!(basic(&setup.lookup("h").await.0), Some(("bob", "hush")));
    let (credentials, warnings) = setup.lookup("f").await;
    assert!(
        credentials.is_anonymous() && warnings.is_empty(),
        "an empty name means the file"
    );
    let (_, warnings) = setup.lookup("other").await;
    assert_eq!(
        warnings,
        [
            "credential helper docker-credential-none gave no credentials for other: executable file not found in $PATH; \
          continuing without"
        ]
    );
}

#[tokio::test]
async fn a_token_from_a_helper_has_no_user() {
    let setup = Setup::new(r#"{"credsStore":"x"}"#).program(
        "docker-credential-x",
        r#"echo '{"ServerURL":"h","Username":"<token>","Secret":"tok"}'"#,
    );
    let (credentials, _) = setup.lookup("h").await;
    assert_eq!(credentials.username(), None);
    assert_eq!(credentials.identity_token().unwrap().expose_secret(), "tok");
}

#[tokio::test]
async fn not_found_is_silent_and_every_other_failure_warns() {
    let setup =
        |script: &str| Setup::new(r#"{"credsStore":"x"}"#).program("docker-credential-x", script);
    let (credentials, warnings) = setup("echo credentials not found in native keychain; exit 1")
        .lookup("h")
        .await;
    assert!(credentials.is_anonymous() && warnings.is_empty());

    for (script, fault) in [
        ("echo s3cret; exit 3", "it failed with exit status: 3"),
        ("kill -9 $$", "it failed with signal: 9 (SIGKILL)"),
        ("echo s3cret", "its answer is malformed"),
        ("true", "its answer is malformed"),
        (r#"echo '["s3cret"]'"#, "its answer is malformed"),
        (
            "exec cat /dev/zero",
            "its answer is longer than 65536 bytes",
        ),
    ] {
        let (credentials, warnings) = setup(script).lookup("h").await;
        assert!(credentials.is_anonymous());
        let expected = format!(
            "credential helper docker-credential-x gave no credentials for h: {fault}; continuing without"
        );
        assert_eq!(warnings, [expected], "{script}");
    }
}

#[tokio::test]
async fn a_helper_that_hangs_is_ended() {
    let setup =
        Setup::new(r#"{"credsStore":"x"}"#).program("docker-credential-x", "exec sleep 600");
    let environment = CredentialEnvironment {
        helper_time_limit: Duration::from_millis(200),
        ..setup.environment()
    };
    let begin = Instant::now();
    let (credentials, warnings) = setup.lookup_in("h", &environment).await;
    assert!(credentials.is_anonymous());
    assert!(warnings[0].contains("no answer within"), "{warnings:?}");
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn a5_a_helper_name_cannot_leave_the_search_path() {
    for suffix in ["/../../evil", "../evil", "x/y", "a\u{0}b", "a\nb"] {
        let text = serde_json::json!({ "credsStore": suffix }).to_string();
        let (credentials, warnings) = recording(Setup::new(&text), "x").lookup("h").await;
        assert!(credentials.is_anonymous());
        assert!(
            warnings[0].contains("its name is not one of a program"),
            "{warnings:?}"
        );
    }
}

#[tokio::test]
async fn the_platforms_store_is_asked_only_when_nothing_is_configured() {
    let setup = recording(Setup::new("{}"), "secretservice");
    assert_eq!(basic(&setup.lookup("h").await.0), Some(("bob", "hush")));
    let setup = recording(Setup::new("{}"), "pass").program("pass", "true");
    assert_eq!(basic(&setup.lookup("h").await.0), Some(("bob", "hush")));
    let setup = recording(Setup::new("{}"), "secretservice").program("pass", "true");
    assert!(
        setup.lookup("h").await.0.is_anonymous(),
        "pass is installed, its helper is not"
    );
    for config in [
        r#"{"auths":{"other":{}}}"#,
        r#"{"credHelpers":{"other":"y"}}"#,
    ] {
        let setup = recording(Setup::new(config), "secretservice");
        let (credentials, warnings) = setup.lookup("h").await;
        assert!(
            credentials.is_anonymous() && warnings.is_empty(),
            "{config}"
        );
    }
    let (credentials, warnings) = Setup::new("{}").lookup("h").await;
    assert!(credentials.is_anonymous() && warnings.is_empty());
}

#[tokio::test]
async fn the_variable_goes_before_the_file() {
    let setup = Setup::new(&format!(r#"{{"auths":{{"h":{ALICE},"g":{ALICE}}}}}"#));
    let environment = |value: &str| CredentialEnvironment {
        auth_config: Some(SecretString::from(value)),
        ..setup.environment()
    };
    let good = environment(r#"{"auths":{"h":{"auth":"Ym9iOng="}}}"#);
    assert_eq!(setup.lookup_in("h", &good).await.0.username(), Some("bob"));
    assert_eq!(
        setup.lookup_in("g", &good).await.0.username(),
        Some("alice")
    );
    let (credentials, warnings) = setup.lookup_in("h", &environment("{bad")).await;
    assert_eq!(credentials.username(), Some("alice"));
    assert_eq!(
        warnings,
        [
            "Failed to create credential store from DOCKER_AUTH_CONFIG:  invalid character 'b' looking for beginning of \
          object key string"
        ]
    );
}

#[tokio::test]
async fn a7_no_secret_in_debug_output() {
    let setup = Setup::new(&format!(r#"{{"auths":{{"h":{ALICE}}}}}"#));
    let debug = format!("{:?}", setup.lookup("h").await);
    assert!(
        debug.contains("alice") && !debug.contains("s3cret"),
        "{debug}"
    );
}
