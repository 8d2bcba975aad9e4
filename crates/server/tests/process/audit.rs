//! The audit log of the running program.

use std::os::unix::fs::PermissionsExt as _;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::support::{Folder, MEMORY, Server, head, run, wait_for};

const USERS: &str = "alice:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";
const KEY: &str = "/v2/r.example/team/app/_trust/tuf/timestamp.key";
const ALL: &str = "/v2/r.example/team/app/_trust/tuf/";

fn lines(folder: &Folder, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path(name)).unwrap_or_default();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn request(method: &str, path: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n{more}\r\n"
    )
}

#[test]
fn what_changes_something_and_what_was_refused_is_recorded() {
    let folder = Folder::new();
    folder.write("users", USERS);
    let keys = format!(
        r#"{MEMORY},"audit":{{"file":"audit.log"}},"auth":{{"type":"htpasswd","options":{{"path":"users",
        "rules":[{{"user":"alice","prefix":"r.example/team/","rights":"push"}}]}}}}"#
    );
    let server = Server::start(folder.configured(&keys));
    let login = |login: &str| {
        format!(
            "Authorization: Basic {}\r\n",
            BASE64.encode(login.as_bytes())
        )
    };
    let alice = login("alice:s3cret");
    let named = format!("{alice}X-Request-Id: build-17\r\nX-Forwarded-For: 203.0.113.9\r\n");
    let answer = head(&server, &request("GET", KEY, &named));
    assert!(
        answer.contains("\r\nX-Request-Id: build-17\r\n"),
        "{answer}"
    );
    // Reading leaves no line, and nor does a client that asks how to log in.
    server.ask(&request("GET", &format!("{ALL}root.json"), &alice));
    server.ask(&request("GET", "/v2/", ""));
    assert_eq!(server.ask(&request("POST", ALL, &alice)).0, 400);
    assert_eq!(server.ask(&request("POST", KEY, &alice)).0, 401);
    assert_eq!(server.ask(&request("DELETE", ALL, "")).0, 401);
    assert_eq!(
        server
            .ask(&request("GET", "/v2/", &login("eve\u{202e}:Gu3ssed")))
            .0,
        401
    );
    assert_eq!(
        server.ask(&request("DELETE", ALL, &login("alice:wr0ng"))).0,
        401
    );
    wait_for("six lines", || lines(&folder, "audit.log").len() == 6);
    let lines = lines(&folder, "audit.log");
    let gun = json!("r.example/team/app");
    for (line, expected) in lines.iter().zip([
        json!({"action": "get-key", "outcome": "accepted", "status": 200, "gun": gun, "role": "timestamp", "user": "alice",
            "request_id": "build-17", "forwarded": "203.0.113.9"}),
        json!({"action": "publish", "outcome": "refused", "status": 400, "code": "MALFORMED_UPLOAD", "user": "alice"}),
        json!({"action": "rotate-key", "outcome": "refused", "status": 401, "code": "UNAUTHORIZED", "user": "alice",
            "reason": "* of repository r.example/team/app is not allowed"}),
        json!({"action": "delete", "outcome": "refused", "status": 401, "user": null, "claimed_user": null}),
        json!({"action": "authenticate", "outcome": "refused", "claimed_user": "eve\u{202e}", "user": null,
            "reason": "wrong name or password"}),
        json!({"action": "delete", "outcome": "refused", "claimed_user": "alice", "user": null}),
    ]) {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&line[name], value, "{name}: {line}");
        }
        assert!(line["remote"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    assert_eq!(lines[0]["key_id"].as_str().unwrap().len(), 64);
    let file = folder.path("audit.log");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.is_ascii());
    for secret in ["s3cret", "Gu3ssed", "wr0ng\"", "Basic", "$2y$"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    // Moved away, as logrotate does: the next line is in a new file.
    std::fs::rename(&file, folder.path("audit.log.1")).unwrap();
    server.ask(&request("GET", KEY, &alice));
    wait_for("the new file", || file.exists());
}

#[test]
fn a_published_update_names_its_documents_and_their_keys() {
    let folder = Folder::new();
    let keys = format!(r#"{MEMORY},"audit":{{"log":true}}"#);
    let mut command = folder.configured(&keys);
    let server = Server::start({
        command.env("NOTARY_SERVER_LOGGING_LEVEL", "info");
        command
    });
    // A document that can be read, signed by nobody who counts.
    let id = "ab".repeat(32);
    let document = format!(
        r#"{{"signatures":[{{"keyid":"{id}","method":"eddsa","sig":"AAAA"}}],"signed":{{"_type":"Targets","delegations":{{"keys":{{}},"roles":[]}},"expires":"2036-11-20T12:00:00Z","targets":{{}},"version":7}}}}"#
    );
    let body = format!(
        "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"targets\"\r\n\r\n{document}\r\n--x--\r\n"
    );
    let request = format!(
        "POST {ALL} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(server.ask(&request).0, 400);
    wait_for("the line", || !server.lines("audit").is_empty());
    let lines = server.lines("audit");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["audit"], true);
    assert_eq!(lines[0]["code"], "INVALID_UPDATE");
    assert_eq!(
        lines[0]["documents"],
        json!([{"role": "targets", "version": 7, "key_ids": [id]}])
    );
}

#[test]
fn nothing_is_changed_that_cannot_be_recorded() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("logs")).unwrap();
    let keys = format!(r#"{MEMORY},"audit":{{"file":"logs/audit.log","required":true}}"#);
    let server = Server::start(folder.configured(&keys));
    assert_eq!(server.ask(&request("GET", KEY, "")).0, 200);
    let outcomes: Vec<Value> = lines(&folder, "logs/audit.log")
        .iter()
        .map(|line| line["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["begun", "accepted"]);
    // Nobody, not even root, can make a file in a folder that is not there.
    std::fs::rename(folder.path("logs"), folder.path("gone")).unwrap();
    assert_eq!(server.ask(&request("POST", KEY, "")).0, 503);
    assert_eq!(server.ask(&request("DELETE", ALL, "")).0, 503);
    server.await_log("nothing is changed that cannot be recorded");
    // What changes nothing is answered.
    assert_eq!(
        server
            .ask(&request("GET", &format!("{ALL}root.json"), ""))
            .0,
        404
    );
    std::fs::rename(folder.path("gone"), folder.path("logs")).unwrap();
    assert_eq!(server.ask(&request("POST", KEY, "")).0, 200);
}

#[test]
fn nothing_begins_for_who_may_not_and_his_lines_are_few() {
    let folder = Folder::new();
    folder.write("users", USERS);
    let keys = format!(
        r#"{MEMORY},"audit":{{"file":"audit.log","required":true}},"auth":{{"type":"htpasswd","options":{{"path":"users",
        "rules":[{{"user":"alice","prefix":"r.example/team/","rights":"push"}}]}}}}"#
    );
    let mut server = Server::start(folder.configured(&keys));
    let alice = format!(
        "Authorization: Basic {}\r\n",
        BASE64.encode(b"alice:s3cret")
    );
    // What cannot be read begins as little as what may not be done.
    assert_eq!(server.ask(&request("POST", ALL, &alice)).0, 400);
    assert_eq!(server.ask(&request("POST", KEY, &alice)).0, 401);
    assert_eq!(server.ask(&request("GET", KEY, &alice)).0, 200);
    let start = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(server.ask(&request("DELETE", ALL, "")).0, 401);
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert_eq!(server.stop(), Some(0));
    let lines = lines(&folder, "audit.log");
    let of = |outcome: &str, action: &str| {
        let of = |line: &&Value| line["outcome"] == outcome && line["action"] == action;
        lines.iter().filter(of).count()
    };
    let begun = lines.iter().filter(|line| line["outcome"] == "begun");
    assert_eq!(begun.count(), 1);
    assert_eq!((of("begun", "get-key"), of("accepted", "get-key")), (1, 1));
    assert_eq!(
        (of("refused", "publish"), of("refused", "rotate-key")),
        (1, 1)
    );
    let recorded = of("refused", "delete");
    assert!(recorded <= 20 + seconds + 1, "{recorded} in {seconds} s");
    // None is forgotten.
    let told = lines.iter().filter(|line| line["action"] == "left-out");
    let left_out: u64 = told
        .map(|line| {
            assert_eq!(line["remote"], "127.0.0.1", "{line}");
            let number = line["left_out"].as_u64().unwrap();
            assert_eq!(line["reason"], format!("{number} more refused"));
            number
        })
        .sum();
    assert_eq!(left_out + recorded as u64, 100);
}

#[test]
fn an_audit_log_that_cannot_be_opened_ends_the_start() {
    let folder = Folder::new();
    for (audit, message) in [
        (
            r#"{"file":"none/audit.log"}"#,
            "cannot be opened: no such file or directory",
        ),
        (r#"{"file":"."}"#, "cannot be opened: is a directory"),
        (
            r#"{"required":true,"log":true}"#,
            "audit.required needs audit.file",
        ),
        (
            r#"{"file":"a","sync":"maybe"}"#,
            "audit.sync must be true or false",
        ),
    ] {
        let (code, _, log) = run(folder.configured(&format!(r#"{MEMORY},"audit":{audit}"#)));
        let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert_eq!(code, Some(1), "{audit}");
        assert!(
            last["msg"].as_str().unwrap().contains(message),
            "{audit}: {last}"
        );
    }
}
