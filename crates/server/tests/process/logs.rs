//! Logs, their level, metrics and health (acceptance cases 6 and 59 to 61).

use rustix::process::Signal;

use super::support::{Folder, MEMORY, Server, wait_for};

#[test]
fn signals_change_the_level_and_say_so() {
    let folder = Folder::new();
    let server = Server::start(folder.configured(MEMORY));
    // Printed by notary-server 0.7.0.
    for (signal, text) in [
        (Signal::USR1, "Successfully setting log level to debug\n"),
        (
            Signal::USR1,
            "Attempt to increase log level failed, will remain at debug level, error: log level can not be set higher than Debug\n",
        ),
        (Signal::USR2, "Successfully setting log level to info\n"),
        (Signal::USR2, "Successfully setting log level to warning\n"),
        (Signal::USR2, "Successfully setting log level to error\n"),
        (Signal::USR2, "Successfully setting log level to fatal\n"),
        (Signal::USR2, "Successfully setting log level to panic\n"),
        (
            Signal::USR2,
            "Attempt to decrease log level failed, will remain at panic level, error: log level can not be set lower than Panic\n",
        ),
    ] {
        server.signal(signal);
        server.await_out(text);
    }
}

#[test]
fn each_request_ends_with_a_line() {
    let folder = Folder::new();
    let server = Server::start(folder.configured(MEMORY));
    let request = "GET /v2/a/_trust/tuf/root.json?q=1 HTTP/1.1\r\nHost: trust.example\r\nUser-Agent: agent/1\r\nReferer: there\r\nX-Forwarded-For: 10.1.2.3\r\nConnection: close\r\n\r\n";
    assert_eq!(server.ask(request).0, 404);
    server.await_log("response completed");
    let lines = server.lines("response completed");
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    for (field, value) in [
        ("level", "info"),
        ("http.request.host", "trust.example"),
        ("http.request.method", "GET"),
        ("http.request.referer", "there"),
        ("http.request.remoteaddr", "10.1.2.3"),
        ("http.request.uri", "/v2/a/_trust/tuf/root.json?q=1"),
        ("http.request.useragent", "agent/1"),
        (
            "http.response.contenttype",
            "application/json; charset=utf-8",
        ),
    ] {
        assert_eq!(line[field], value, "{line}");
    }
    assert_eq!(
        (
            &line["http.response.status"],
            &line["http.response.written"]
        ),
        (&404.into(), &116.into())
    );
    assert_eq!(line["http.request.id"].as_str().unwrap().len(), 36);
    assert!(
        line["http.response.duration"]
            .as_str()
            .unwrap()
            .ends_with('s')
    );
    // Other lines of the request carry its fields too.
    let other = server
        .log()
        .lines()
        .filter(|other| other.contains(line["http.request.id"].as_str().unwrap()))
        .count();
    assert!(other >= 2, "{}", server.log());
    // Health and metrics are not logged.
    server.get("/_notary_server/health");
    server.get("/metrics");
    server.get("/v2/");
    wait_for("the second line", || {
        server.lines("response completed").len() == 2
    });
}

#[test]
fn all_lines_of_a_request_name_it() {
    let folder = Folder::new();
    let server = Server::start(folder.configured(MEMORY));
    let body = "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"targets\"\r\n\r\n{}\r\n--x--\r\n";
    let request = format!(
        "POST /v2/a/_trust/tuf/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(server.ask(&request).0, 400);
    server.await_log("response completed");
    let log = server.log();
    let lines: Vec<&str> = log
        .lines()
        .skip_while(|line| !line.contains("Starting on "))
        .skip(1)
        .collect();
    assert!(lines.len() >= 2, "{log}");
    assert!(
        lines
            .iter()
            .all(|line| line.contains("\"http.request.id\":\"")),
        "{log}"
    );
}

#[test]
fn logfmt_is_honoured() {
    let folder = Folder::new();
    let mut command = folder.configured(MEMORY);
    let server = Server::spawn(
        command
            .args(["-logf", "logfmt"])
            .env("NOTARY_SERVER_LOGGING_LEVEL", "info"),
    );
    server.await_log("msg=\"Using memory backend\"");
    assert!(
        server
            .log()
            .lines()
            .all(|line| line.starts_with("time=\"") && line.contains(" level=info msg=")),
        "{}",
        server.log()
    );
}

#[test]
fn keys_that_mean_nothing_and_reporting_are_warned_of() {
    let folder = Folder::new();
    let keys = format!(
        r#"{MEMORY},"escrow":{{"backend":"memory"}},"reporting":{{"bugsnag":{{"api_key":"k"}}}}"#
    );
    let server = Server::start(folder.configured(&keys));
    let log = server.log();
    assert!(log.contains("\"level\":\"warning\",\"msg\":\"the configuration has a key that means nothing to this server: escrow\""), "{log}");
    assert!(log.contains("reporting.bugsnag is configured"), "{log}");
}

#[test]
fn requests_are_counted_by_operation() {
    let folder = Folder::new();
    let server = Server::start(folder.configured(MEMORY));
    server.get("/v2/a/_trust/tuf/root.json");
    server.get("/v2/a/_trust/tuf/timestamp.key");
    server.ask("POST /v2/a/_trust/tuf/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    server.get("/v2/");
    let (status, text) = server.get("/metrics");
    assert_eq!(status, 200);
    for line in [
        "notary_server_http_requests_total{code=\"404\",method=\"get\",operation=\"GetRole\"} 1",
        "notary_server_http_requests_total{code=\"200\",method=\"get\",operation=\"GetKey\"} 1",
        "notary_server_http_requests_total{code=\"400\",method=\"post\",operation=\"UpdateTUF\"} 1",
        "notary_server_http_requests_total{code=\"200\",method=\"post\",operation=\"UpdateTUF\"} 0",
        "notary_server_http_response_size_bytes_sum{operation=\"GetRole\"} 116",
        "notary_server_http_request_duration_microseconds_count{operation=\"GetKey\"} 1",
    ] {
        assert!(
            text.lines().any(|shown| shown == line),
            "{line} is not in\n{text}"
        );
    }
    for operation in [
        "UpdateTUF",
        "GetRoleByHash",
        "GetRoleByVersion",
        "GetRole",
        "GetKey",
        "RotateKey",
        "DeleteTUF",
        "Changefeed",
    ] {
        for family in [
            "request_duration_microseconds",
            "request_size_bytes",
            "response_size_bytes",
        ] {
            assert!(
                text.contains(&format!(
                    "notary_server_http_{family}_count{{operation=\"{operation}\"}} "
                )),
                "{operation}"
            );
        }
        assert!(
            text.contains(&format!(",operation=\"{operation}\"}} ")),
            "{operation}"
        );
    }
}

#[test]
fn a_missing_table_shows_in_the_health_and_its_return_too() {
    let folder = Folder::new();
    let database = folder.path("trust.db");
    let keys = format!(
        r#""server":{{"http_addr":"127.0.0.1:0"}},"trust_service":{{"type":"local"}},"storage":{{"backend":"sqlite3","db_url":"{}"}}"#,
        database.display()
    );
    let server = Server::start(folder.configured(&keys));
    assert_eq!(server.get("/_notary_server/health"), (200, "{}".to_owned()));
    let sql = |statement: &str| {
        let output = std::process::Command::new("sqlite3")
            .arg(&database)
            .arg(statement)
            .output()
            .expect("sqlite3 is installed");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    sql("ALTER TABLE tuf_files RENAME TO elsewhere");
    wait_for("failing health", || {
        server.get("/_notary_server/health").0 == 503
    });
    let (_, body) = server.get("/_notary_server/health");
    assert_eq!(
        body,
        r#"{"DB operational":"Cannot access table: tuf_files"}"#
    );
    sql("ALTER TABLE elsewhere RENAME TO tuf_files");
    wait_for("health", || {
        server.get("/_notary_server/health") == (200, "{}".to_owned())
    });
}

#[test]
fn with_logins_the_reason_of_a_failure_is_in_the_log_alone() {
    let folder = Folder::new();
    let database = folder.path("trust.db");
    folder.write("users", "");
    let keys = format!(
        r#""server":{{"http_addr":"127.0.0.1:0"}},"trust_service":{{"type":"local"}},"storage":{{"backend":"sqlite3","db_url":"{}"}},
        "auth":{{"type":"htpasswd","options":{{"path":"users","rules":[]}}}}"#,
        database.display()
    );
    let server = Server::start(folder.configured(&keys));
    let output = std::process::Command::new("sqlite3")
        .arg(&database)
        .arg("ALTER TABLE tuf_files RENAME TO elsewhere")
        .output()
        .expect("sqlite3 is installed");
    assert!(output.status.success(), "{output:?}");
    wait_for("failing health", || server.get("/readyz").0 == 503);
    let (_, body) = server.get("/readyz");
    assert!(
        body.contains(r#""failing":{"DB operational":"unavailable"}"#),
        "{body}"
    );
    let health = server.get("/_notary_server/health");
    assert_eq!(
        health,
        (503, r#"{"DB operational":"unavailable"}"#.to_owned())
    );
    server.await_log("health check failed: Cannot access table: tuf_files");
}

#[test]
fn series_of_this_server_are_there() {
    let folder = Folder::new();
    let server = Server::start(folder.configured(MEMORY));
    let (_, text) = server.get("/metrics");
    for line in [
        "# TYPE notary_server_renewals_total counter",
        "notary_server_renewals_total 0",
        "notary_server_renewal_failures_total 0",
        "notary_server_update_conflicts_total 0",
        "notary_server_audit_failures_total 0",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}: {text}");
    }
    assert!(text.contains("notary_server_build_info{"), "{text}");
}

#[test]
fn probes_tell_life_from_readiness() {
    let folder = Folder::new();
    let mut command = folder.configured(MEMORY);
    command.env("NOTARY_SERVER_LIMITS_SURVEY_PERIOD", "1");
    let server = Server::start(command);
    assert_eq!(server.get("/livez"), (200, "{}".to_owned()));
    assert_eq!(server.get("/readyz").0, 200);
    wait_for("the survey", || {
        server.get("/readyz").1.contains(r#""repositories":0"#)
    });
    assert_eq!(server.get("/_notary_server/health"), (200, "{}".to_owned()));
    let (_, text) = server.get("/metrics");
    assert!(
        text.contains("notary_server_repositories{state=\"all\"} 0"),
        "{text}"
    );
}
