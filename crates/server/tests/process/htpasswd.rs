//! Names and passwords of the running program.

use data_encoding::BASE64;
use rustix::process::Signal;
use serde_json::Value;

use super::support::{Folder, Server, run, wait_for};

/// `s3cret`, `other` and `third`, hashed by libxcrypt's `crypt`.
const USERS: &str = "\
alice:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK
bob:$2a$06$abcdefghijklmnopqrstuu6FttqYLNXdPO90XO7YlC0uHRd1WxOhm
";

const RULES: &str = r#"[{"user":"alice","prefix":"r.example/team/","rights":["pull","push"]},
    {"user":["bob"],"prefix":"","rights":"admin"},{"user":"anonymous","prefix":"r.example/public/","rights":"pull"}]"#;

fn keys(server: &str, options: &str) -> String {
    format!(
        r#""server":{{"http_addr":"{server}"}},"trust_service":{{"type":"local"}},"storage":{{"backend":"memory"}},
        "auth":{{"type":"htpasswd","options":{{{options}}}}}"#
    )
}

fn options() -> String {
    format!(r#""realm":"the \"team\"","path":"users","rules":{RULES}"#)
}

fn started(folder: &Folder) -> Server {
    folder.write("users", USERS);
    Server::start(folder.configured(&keys("127.0.0.1:0", &options())))
}

/// Gives the whole answer.
fn ask(server: &Server, method: &str, path: &str, login: Option<&str>) -> (u16, String) {
    let login = login.map_or_else(String::new, |login| {
        format!(
            "Authorization: Basic {}\r\n",
            BASE64.encode(login.as_bytes())
        )
    });
    server.ask(&format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: close\r\n{login}\r\n"
    ))
}

#[test]
fn a22_rules_decide_and_nothing_else_is_allowed() {
    let folder = Folder::new();
    let server = started(&folder);
    let alice = Some("alice:s3cret");
    let bob = Some("bob:other");
    let file = |gun: &str, file: &str| format!("/v2/{gun}/_trust/tuf/{file}");
    let team = |name: &str| file("r.example/team/app", name);
    let evil = |name: &str| file("r.example/team-evil/app", name);
    let public = |name: &str| file("r.example/public/app", name);
    for (method, path, login, status) in [
        // From its answer clients learn that they have to log in.
        ("GET", "/v2/".to_owned(), None, 401),
        ("GET", "/v2/".to_owned(), alice, 200),
        ("GET", "/v2/".to_owned(), Some("alice:wrong"), 401),
        ("GET", "/v2/".to_owned(), Some("mallory:s3cret"), 401),
        ("GET", team("root.json"), None, 401),
        ("GET", team("root.json"), alice, 404),
        ("GET", team("timestamp.key"), alice, 200),
        ("POST", team(""), alice, 400),
        ("POST", team("timestamp.key"), alice, 401),
        ("DELETE", team(""), alice, 401),
        (
            "POST",
            "/v2/r.example/team/app/_trust/import".to_owned(),
            alice,
            401,
        ),
        (
            "GET",
            "/v2/r.example/team/app/_trust/changefeed?records=1".to_owned(),
            alice,
            200,
        ),
        (
            "GET",
            "/v2/_trust/changefeed?records=1".to_owned(),
            alice,
            401,
        ),
        ("GET", evil("root.json"), alice, 401),
        ("GET", file("r.example/Team/app", "root.json"), alice, 401),
        (
            "GET",
            file("r.example/team%2F..%2Fteam-evil/app", "root.json"),
            alice,
            301,
        ),
        (
            "GET",
            file("r.example%2Fteam%2Fapp", "root.json"),
            alice,
            404,
        ),
        ("GET", evil("root.json"), bob, 404),
        ("POST", team("timestamp.key"), bob, 200),
        ("DELETE", team(""), bob, 200),
        (
            "GET",
            "/v2/_trust/changefeed?records=1".to_owned(),
            bob,
            200,
        ),
        ("GET", public("root.json"), None, 404),
        ("GET", public("root.json"), alice, 404),
        ("GET", public("timestamp.key"), None, 401),
        ("DELETE", public(""), None, 401),
        // A wrong password is not nobody's.
        ("GET", public("root.json"), Some("alice:wrong"), 401),
        ("GET", "/nothing/here".to_owned(), None, 401),
        ("GET", "/nothing/here".to_owned(), alice, 404),
        ("GET", "/_notary_server/health".to_owned(), None, 200),
        ("GET", "/metrics".to_owned(), None, 200),
    ] {
        let (answered, body) = ask(&server, method, &path, login);
        assert_eq!(answered, status, "{method} {path} {login:?}: {body}");
    }
    let (_, body) = ask(&server, "DELETE", &team(""), alice);
    assert_eq!(
        body,
        "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\",\"detail\":[{\"Type\":\"repository\",\"Class\":\"\",\"Name\":\"r.example/team/app\",\"Action\":\"*\"}]}]}\n"
    );
    for scheme in ["Bearer abc", "Basic", "Basic !!", "Digest x"] {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: {scheme}\r\n\r\n",
            public("root.json")
        );
        assert_eq!(server.ask(&request).0, 401, "{scheme}");
    }
}

#[test]
fn the_challenge_names_the_realm() {
    let folder = Folder::new();
    let server = started(&folder);
    let head = super::support::head(
        &server,
        "GET /v2/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
    );
    assert!(
        head.contains("\r\nWww-Authenticate: Basic realm=\"the \\\"team\\\"\"\r\n"),
        "{head}"
    );
}

#[test]
fn a22_guessing_is_slowed_down() {
    let folder = Folder::new();
    let server = started(&folder);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(ask(&server, "GET", "/v2/", Some("alice:guess")).0);
    }
    assert_eq!(statuses[..5], [401; 5]);
    assert_eq!(statuses[5..], [429; 2]);
    let login = BASE64.encode(b"alice:s3cret");
    let request = format!(
        "GET /v2/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Basic {login}\r\n\r\n"
    );
    let head = super::support::head(&server, &request);
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    assert!(head.contains("\r\nRetry-After: "), "{head}");
    assert_eq!(ask(&server, "GET", "/v2/", Some("bob:other")).0, 200);
}

#[test]
fn a07_passwords_are_in_no_log_line() {
    let folder = Folder::new();
    folder.write("users", USERS);
    let mut command = folder.configured(&keys("127.0.0.1:0", &options()));
    command.env("NOTARY_SERVER_AUDIT_LOG", "true");
    let server = Server::start(command);
    server.signal(Signal::USR1);
    server.await_out("log level to debug");
    for login in ["alice:s3cret", "alice:wr0ngword", "mallory:Gu3ssed"] {
        ask(
            &server,
            "GET",
            "/v2/r.example/team/app/_trust/tuf/timestamp.key",
            Some(login),
        );
    }
    wait_for("three lines", || {
        server.lines("response completed").len() == 3
    });
    let log = server.log();
    for secret in ["s3cret", "wr0ngword", "Gu3ssed", "Basic ", "$2y$", "$2a$"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    for login in ["alice:s3cret", "alice:wr0ngword", "mallory:Gu3ssed"] {
        assert!(!log.contains(&BASE64.encode(login.as_bytes())), "{log}");
    }
    let lines = server.lines("response completed");
    assert_eq!(lines[0]["auth.user.name"], "alice");
    assert_eq!(lines[1]["auth.user.name"], Value::Null);
    assert!(log.contains("wrong name or password"), "{log}");
}

#[test]
fn users_change_while_the_server_runs() {
    let folder = Folder::new();
    let server = started(&folder);
    assert_eq!(ask(&server, "GET", "/v2/", Some("alice:s3cret")).0, 200);
    folder.write("users", "alice:broken\n");
    server.await_log("the users stay as they are");
    assert_eq!(ask(&server, "GET", "/v2/", Some("alice:s3cret")).0, 200);
    // Without a signal: the file is looked at.
    folder.write("users", USERS.lines().nth(1).unwrap());
    wait_for("the new file", || {
        ask(&server, "GET", "/v2/", Some("alice:s3cret")).0 == 401
    });
    assert_eq!(ask(&server, "GET", "/v2/", Some("bob:other")).0, 200);
    folder.write("users", USERS);
    server.signal(Signal::HUP);
    wait_for("the old file", || {
        ask(&server, "GET", "/v2/", Some("alice:s3cret")).0 == 200
    });
}

#[test]
fn a06_passwords_are_not_taken_without_tls_where_others_can_listen() {
    let folder = Folder::new();
    folder.write("users", USERS);
    let (code, _, log) = run(folder.configured(&keys("0.0.0.0:0", &options())));
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(code, Some(1));
    assert!(
        last["msg"]
            .as_str()
            .unwrap()
            .starts_with("htpasswd auth without TLS at 0.0.0.0:0"),
        "{last}"
    );
    let allowed = format!(r#"{},"allow_plain":true"#, options());
    let server = Server::start(folder.configured(&keys("0.0.0.0:0", &allowed)));
    assert_eq!(ask(&server, "GET", "/v2/", None).0, 401);
}

#[test]
fn a06_a_start_without_what_is_needed_ends_with_the_reason() {
    let folder = Folder::new();
    folder.write("users", USERS);
    folder.write("plain", "alice:s3cret\n");
    folder.write("costly", &USERS.replace("$06$", "$17$"));
    let rule = |rule: &str| format!(r#""path":"users","rules":[{rule}]"#);
    for (options, message) in [
        (
            String::new(),
            "htpasswd auth requires a valid option string: \"path\"",
        ),
        (
            r#""path":"users""#.to_owned(),
            "htpasswd auth requires auth.options.rules: without a rule nobody may do anything",
        ),
        (
            r#""path":"users","rules":{}"#.to_owned(),
            "auth.options.rules must be a list",
        ),
        (
            r#""path":"none","rules":[]"#.to_owned(),
            "no such file or directory",
        ),
        (
            r#""path":"plain","rules":[]"#.to_owned(),
            "line 1: the hash is not one of bcrypt",
        ),
        (
            r#""path":"costly","rules":[]"#.to_owned(),
            "line 2: the hash has the cost 17; it must be between 4 and 14",
        ),
        (rule(r#""alice""#), "rule 1: it is no object"),
        (
            rule(r#"{"user":"alice","prefix":"","rights":["write"]}"#),
            "rule 1: the right \"write\" is not one of",
        ),
        (
            rule(r#"{"user":"alice","prefix":"a//","rights":["pull"]}"#),
            "rule 1: the prefix \"a//\" is not the beginning",
        ),
        (
            rule(r#"{"user":"alice","rights":["pull"]}"#),
            "rule 1: \"prefix\" must be a text",
        ),
        (
            rule(r#"{"prefix":"","rights":["pull"]}"#),
            "rule 1: \"user\" must be a text or a list of texts",
        ),
        (
            rule(r#"{"user":"alice","prefix":"","rights":[]}"#),
            "rule 1: \"rights\" must be a text or a list of texts",
        ),
        (
            rule(r#"{"user":"alice","prefix":"","right":"pull"}"#),
            "rule 1: it has \"right\"",
        ),
        (
            rule(r#"{"user":"anonymous","prefix":"","rights":"push"}"#),
            "rule 1: anonymous may have the right \"pull\" only",
        ),
    ] {
        let (code, _, log) = run(folder.configured(&keys("127.0.0.1:0", &options)));
        let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert_eq!(
            (code, &last["level"]),
            (Some(1), &"fatal".into()),
            "{options}"
        );
        assert!(
            last["msg"].as_str().unwrap().contains(message),
            "{options}: {last}"
        );
        assert!(!log.contains("s3cret"), "{log}");
    }
}

#[test]
fn hash_password_makes_lines_that_the_server_takes() {
    let folder = Folder::new();
    let hash = |arguments: &[&str], input: &str| {
        let mut command = folder.program();
        command.arg("hash-password").args(arguments);
        super::support::run_with_input(command, input)
    };
    let (code, line, _) = hash(&["dave"], "correct horse\n");
    assert_eq!(code, Some(0));
    assert!(
        line.starts_with("dave:$2y$12$") && line.ends_with('\n'),
        "{line}"
    );
    folder.write("users", &line);
    let server = Server::start(folder.configured(&keys("127.0.0.1:0", &options())));
    assert_eq!(
        ask(&server, "GET", "/v2/", Some("dave:correct horse")).0,
        200
    );
    let (code, line, _) = hash(&[], "correct horse");
    assert_eq!((code, line.len()), (Some(0), 61));
    for (arguments, input, code, message) in [
        (&["a:b"][..], "x\n", 1, "the user name must be"),
        (&["*"], "x\n", 1, "the user name must be"),
        (&["dave"], "\n", 1, "the password is empty"),
        (&["dave", "secret"], "", 2, "the password is asked for"),
        (
            &["-cost", "5"],
            "",
            2,
            "flag provided but not defined: -cost",
        ),
    ] {
        let (status, _, error) = hash(arguments, input);
        assert_eq!(status, Some(code), "{arguments:?}");
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
}
