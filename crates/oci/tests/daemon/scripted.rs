//! Daemons that misbehave, and what they are sent.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64URL;
use secrecy::SecretString;
use signet_oci::daemon::{DaemonError, DaemonOptions, ErrorKind, Limits, RegistryLogin};
use signet_oci::{Credentials, Daemon};
use signet_testkit::peer::{Reply, ScriptedDaemon};

use crate::{Shown, endpoint};

fn impatient() -> DaemonOptions {
    DaemonOptions {
        limits: Limits {
            connect_time: Duration::from_secs(5),
            answer_time: Duration::from_secs(2),
            idle_time: Duration::from_secs(1),
        },
        ..DaemonOptions::default()
    }
}

async fn connect(server: &ScriptedDaemon, options: &DaemonOptions) -> Daemon {
    Daemon::connect(&endpoint(&server.host()), options)
        .await
        .unwrap()
}

async fn push(server: &ScriptedDaemon) -> (Result<signet_oci::daemon::Pushed, DaemonError>, Shown) {
    let daemon = connect(server, &impatient()).await;
    let mut shown = Shown::default();
    let pushed = daemon.push("h:1/r", Some("t"), None, &mut shown).await;
    (pushed, shown)
}

#[tokio::test]
async fn nobody_there_is_said_as_docker_says_it() {
    for (host, said) in [
        ("unix:///nonexistent.sock", "unix:///nonexistent.sock"),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
    ] {
        let error = Daemon::connect(&endpoint(host), &DaemonOptions::default())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("Cannot connect to the Docker daemon at {said}. Is the docker daemon running?")
        );
        assert_eq!(error.kind(), ErrorKind::Network);
    }
    for host in ["fd://", "bad", "npipe:////./pipe/x"] {
        let error = Daemon::connect(&endpoint(host), &DaemonOptions::default())
            .await
            .unwrap_err();
        assert!(matches!(error, DaemonError::Endpoint { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_api_version_is_the_older_of_both_or_the_prescribed_one() {
    for (offered, prescribed, spoken) in [
        ("1.41", None, "v1.41"),
        ("1.99", None, "v1.50"),
        ("", None, "v1.24"),
        ("junk", None, "v1.24"),
        ("1.41", Some("1.30"), "v1.30"),
    ] {
        let server =
            ScriptedDaemon::start(offered, |_| Reply::json(200, "{\"Id\":\"sha256:1\"}")).unwrap();
        let options = DaemonOptions {
            api_version: prescribed.map(str::to_owned),
            headers: BTreeMap::from([("X-Meta".to_owned(), "one".to_owned())]),
            user_agent: "Docker-Client/28.2.2 (linux)".to_owned(),
            ..impatient()
        };
        let daemon = connect(&server, &options).await;
        daemon.image("h:1/r:t").await.unwrap();
        let received = server.take_received();
        assert_eq!(
            received[0].line,
            format!("GET /{spoken}/images/h:1/r:t/json")
        );
        let headers = received[0].headers.to_ascii_lowercase();
        assert!(headers.contains("x-meta: one\r\n"), "{headers}");
        assert!(
            headers.contains("user-agent: docker-client/28.2.2 (linux)\r\n"),
            "{headers}"
        );
    }
    let wrong = DaemonOptions {
        api_version: Some("../x".to_owned()),
        ..impatient()
    };
    let error = Daemon::connect(&endpoint("unix:///x"), &wrong)
        .await
        .unwrap_err();
    assert!(matches!(error, DaemonError::ApiVersion { .. }));
}

#[tokio::test]
async fn the_login_is_sent_as_docker_sends_it() {
    let server = ScriptedDaemon::start("1.41", |_| Reply::json(200, "")).unwrap();
    let daemon = connect(&server, &impatient()).await;
    let credentials = Credentials::password("alice", SecretString::from("???>>>".to_owned()));
    let login = RegistryLogin {
        credentials: &credentials,
        registry: "h:1",
    };
    for (login, expected) in [
        (None, "{}"),
        (
            Some(login),
            r#"{"username":"alice","password":"???>>>","serveraddress":"h:1"}"#,
        ),
    ] {
        daemon
            .push("h:1/r", Some("t"), login, &mut Shown::default())
            .await
            .unwrap();
        let received = server.take_received();
        assert_eq!(received[0].line, "POST /v1.41/images/h:1/r/push?tag=t");
        let sent = received[0]
            .headers
            .lines()
            .find_map(|line| line.strip_prefix("x-registry-auth: "))
            .unwrap();
        // This password needs a letter that only one of the two alphabets of base64 has.
        assert_eq!(sent.contains(['-', '_']), login.is_some(), "{sent}");
        assert_eq!(
            BASE64URL.decode(sent.as_bytes()).unwrap(),
            expected.as_bytes()
        );
    }
}

#[tokio::test]
async fn silence_ends_after_its_limit_and_slow_progress_does_not() {
    let line = "{\"status\":\"Waiting\"}\r\n";
    let server =
        ScriptedDaemon::start("1.41", move |_| Reply::json(200, line).then_silence()).unwrap();
    let (pushed, shown) = push(&server).await;
    assert!(
        matches!(pushed, Err(DaemonError::Silent { .. })),
        "{pushed:?}"
    );
    assert_eq!(shown.statuses(), ["Waiting"]);

    let slow = Reply::json(200, &line.repeat(6)).with_pauses(Duration::from_millis(400));
    let server = ScriptedDaemon::start("1.41", move |_| slow.clone()).unwrap();
    let (pushed, shown) = push(&server).await;
    assert!(pushed.is_ok(), "longer than one limit, and never silent");
    assert_eq!(shown.0.len(), 6);
}

#[tokio::test]
async fn what_is_too_long_or_no_json_is_refused() {
    let long = format!("{{\"status\":\"{}\"}}\r\n", "x".repeat(2 << 20));
    for body in [long.as_str(), "no json\n", "[1]\n", "{\"status\":"] {
        let reply = Reply::json(200, body);
        let server = ScriptedDaemon::start("1.41", move |_| reply.clone()).unwrap();
        let (pushed, _) = push(&server).await;
        assert!(
            matches!(pushed, Err(DaemonError::Malformed { .. })),
            "{pushed:?}"
        );
    }
    let reply = Reply::json(200, &format!("{{\"Id\":\"{}\"}}", "x".repeat(17 << 20)));
    let server = ScriptedDaemon::start("1.41", move |_| reply.clone()).unwrap();
    let daemon = connect(&server, &impatient()).await;
    let error = daemon.image("x").await.unwrap_err();
    assert!(matches!(error, DaemonError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn refusals_have_the_daemons_words() {
    for (status, body, said) in [
        (
            404,
            "{\"message\":\"no such thing \\n\"}",
            "Error response from daemon: no such thing",
        ),
        (500, "{}", "request returned 500 "),
        (403, "", "request returned 403 "),
    ] {
        let reply = Reply::json(status, body);
        let server = ScriptedDaemon::start("1.41", move |_| reply.clone()).unwrap();
        let (pushed, _) = push(&server).await;
        let error = pushed.unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

/// Names lead to images and nowhere else.
#[tokio::test]
async fn a_name_cannot_leave_its_place_in_the_path() {
    let server = ScriptedDaemon::start("1.41", |_| Reply::json(200, "{}")).unwrap();
    let daemon = connect(&server, &impatient()).await;
    for name in [
        "../containers",
        "a/../b",
        "a?x",
        "a#b",
        "",
        "a//b",
        "a b",
        "a%2fb",
        "./x",
    ] {
        assert!(
            matches!(daemon.image(name).await, Err(DaemonError::Name)),
            "{name}"
        );
    }
    assert!(server.take_received().is_empty());
}

#[tokio::test]
async fn what_is_for_programs_is_kept_apart() {
    let digest = format!("sha256:{}", "1".repeat(64));
    let body = format!(
        "{{\"status\":\"Pushed\",\"id\":\"a\",\"progressDetail\":{{}}}}\r\n\
         {{\"progressDetail\":{{}},\"aux\":{{\"Tag\":\"t\",\"Digest\":\"{digest}\",\"Size\":523}}}}\r\n\
         {{\"aux\":{{\"manifestPushedInsteadOfIndex\":true,\"originalIndex\":{{\"mediaType\":\"i\",\"digest\":\"{digest}\",\"size\":1}},\"selectedManifest\":{{\"mediaType\":\"m\",\"digest\":\"x\",\"size\":2}}}}}}\r\n\
         {{\"aux\":{{\"unknown\":true}}}}\r\n"
    );
    let server = ScriptedDaemon::start("1.50", move |_| Reply::json(200, &body)).unwrap();
    let (pushed, shown) = push(&server).await;
    let pushed = pushed.unwrap();
    assert_eq!(shown.statuses(), ["Pushed"]);
    assert_eq!(pushed.tags.len(), 1);
    assert_eq!(pushed.tags[0].digest, digest);
    let (index, manifest) = pushed.instead_of_index.unwrap();
    assert_eq!((index.digest, manifest.digest.as_str()), (digest, "x"));
}
