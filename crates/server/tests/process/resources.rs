//! The series on what requests share.

use super::support::{Folder, MEMORY, Server};

fn shows(server: &Server, lines: &[&str]) {
    let (_, text) = server.get("/metrics");
    for line in lines {
        assert!(text.lines().any(|shown| shown == *line), "{line}: {text}");
    }
}

#[test]
fn the_memory_for_reads_and_the_connections_are_shown() {
    let folder = Folder::new();
    let database = folder.path("trust.db");
    let server = Server::start(folder.configured(&format!(
        r#""server":{{"http_addr":"127.0.0.1:0"}},"trust_service":{{"type":"local"}},
        "storage":{{"backend":"sqlite","db_url":{database:?}}}"#
    )));
    shows(
        &server,
        &[
            "# TYPE notary_server_cache_requests_total counter",
            r#"notary_server_cache_requests_total{part="views",result="miss"} 0"#,
            r#"notary_server_cache_requests_total{part="documents",result="hit"} 0"#,
            r#"notary_server_cache_bytes{part="documents"} 0"#,
            r#"notary_server_database_connections{state="in_use"} 0"#,
            "notary_server_database_connections_max 4",
        ],
    );
    assert_eq!(server.get("/v2/a/_trust/tuf/timestamp.json").0, 404);
    shows(
        &server,
        &[
            r#"notary_server_cache_requests_total{part="views",result="hit"} 0"#,
            r#"notary_server_cache_requests_total{part="views",result="miss"} 1"#,
        ],
    );
    // Without a database there are no connections.
    let memory = Server::start(folder.configured(MEMORY));
    assert!(!memory.get("/metrics").1.contains("_database_connections"));
}

#[test]
fn calls_to_the_signer_are_shown_by_method_and_outcome() {
    let folder = Folder::new();
    folder.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out c.pem -days 30 -subj /CN=localhost");
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = Server::start(folder.configured(&format!(
        r#""server":{{"http_addr":"127.0.0.1:0"}},"storage":{{"backend":"memory"}},
        "trust_service":{{"type":"remote","hostname":"localhost","port":"{port}","key_algorithm":"ecdsa","tls_ca_file":"c.pem"}}"#
    )));
    let count = "notary_server_signer_call_duration_seconds_count";
    shows(
        &server,
        &[
            "# TYPE notary_server_signer_call_duration_seconds histogram",
            &format!(r#"{count}{{method="Sign",outcome="OK"}} 0"#),
            &format!(r#"{count}{{method="CreateKey",outcome="OK"}} 0"#),
        ],
    );
    assert_eq!(server.get("/v2/a/_trust/tuf/timestamp.key").0, 503);
    shows(
        &server,
        &[
            &format!(r#"{count}{{method="CreateKey",outcome="OK"}} 0"#),
            &format!(r#"{count}{{method="CreateKey",outcome="Unavailable"}} 1"#),
        ],
    );
    let local = Server::start(folder.configured(MEMORY));
    assert!(!local.get("/metrics").1.contains("_signer_call_"));
}
