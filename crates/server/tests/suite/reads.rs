//! Routing, reading, deleting, and the changefeed: acceptance cases 8 to 12, 21, 44 to 49 and 51 of the specification
//! (`server.md`).

use serde_json::{Value, json};
use signet_server::{Limits, MaxAge, Settings};
use signet_tuf::crypto::sha256;

use crate::fixture::{Answer, Backend, Server};
use crate::publisher::Publisher;

const GUN: &str = "registry.example.com/a/b";

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&sha256(bytes))
}

#[track_caller]
fn assert_not_found(answer: &Answer, detail: &Value) {
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (404, "METADATA_NOT_FOUND")
    );
    assert_eq!(answer.detail(), *detail);
    assert_eq!(answer.header("cache-control"), None);
    assert_eq!(answer.header("last-modified"), None);
}

#[tokio::test]
async fn cases_8_to_12_paths_and_methods() {
    let server = Server::new(Backend::Memory).await;
    let ping = server.get("/v2/").await;
    assert_eq!((ping.status.as_u16(), ping.text()), (200, "{}"));
    for (path, location) in [
        ("/v2//", "/v2/"),
        (
            "/v2/a/../b/_trust/tuf/root.json?x=1",
            "/v2/b/_trust/tuf/root.json?x=1",
        ),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (301, ""));
        assert_eq!(answer.header("location"), Some(location));
    }
    let patch = server.call("PATCH", "/v2/").await;
    assert_eq!((patch.status.as_u16(), patch.text()), (405, ""));
    assert_eq!(patch.header("allow"), Some("GET, HEAD"));
    let put = server.call("PUT", "/v2/a/_trust/tuf/").await;
    assert_not_found(&put, &Value::Null);
    assert_not_found(&server.file("a*b", "root.json").await, &Value::Null);
    let missing = server.file("a", "root.json").await;
    assert_not_found(&missing, &json!({}));
    assert!(missing.text().ends_with("}\n"));
    assert_eq!(missing.body.len(), 116);
    let name = "99999999999999999999.root.json";
    let detail = json!({"Func": "Atoi", "Num": "99999999999999999999", "Err": {}});
    assert_not_found(&server.file("a", name).await, &detail);
    assert_not_found(&server.file("a", "-1.root.json").await, &Value::Null);
}

#[tokio::test]
async fn case_21_only_admitted_prefixes_are_served() {
    let settings = Settings {
        gun_prefixes: vec!["docker.io/".to_owned()],
        ..Settings::default()
    };
    let server = Server::with(Backend::Memory, settings).await;
    assert_not_found(&server.file("other/x", "root.json").await, &Value::Null);
    assert_not_found(&server.file("other/x", "timestamp.key").await, &Value::Null);
    let feed = "/v2/other/x/_trust/changefeed?records=1";
    assert_not_found(&server.get(feed).await, &Value::Null);
    let refused = server.post("other/x", &[]).await;
    assert_eq!(
        (refused.status.as_u16(), &*refused.code()),
        (400, "INVALID_GUN")
    );
    assert_eq!(refused.detail(), "Require GUNs with prefix: [docker.io/]");
    Publisher::published(&server, "docker.io/x").await;
    server
        .get("/v2/_trust/changefeed?records=1")
        .await
        .assert_ok();
}

#[tokio::test]
async fn case_44_checksums_are_of_one_repository_and_role() {
    for mut server in Server::on_every_store().await {
        Publisher::published(&server, GUN).await;
        Publisher::published(&server, "registry.example.com/other").await;
        let root = server.file(GUN, "root.json").await.body;
        let name = format!("root.{}.json", hex(&root));
        for round in 0..2 {
            assert_eq!(server.file(GUN, &name).await.body, root);
            let upper = format!("root.{}.json", hex(&root).to_uppercase());
            assert_eq!(server.file(GUN, &upper).await.body, root);
            let (other, none) = ("registry.example.com/other", "registry.example.com/none");
            assert_not_found(&server.file(other, &name).await, &json!({}));
            assert_not_found(&server.file(none, &name).await, &json!({}));
            let role = format!("targets.{}.json", hex(&root));
            assert_not_found(&server.file(GUN, &role).await, &json!({}));
            let long = format!("root.{}.json", "ab".repeat(64));
            assert_not_found(&server.file(GUN, &long).await, &json!({}));
            if round == 0 {
                server.restart();
            }
        }
        let path = format!("/v2/{GUN}/_trust/tuf/");
        server.call("DELETE", &path).await.assert_ok();
        for name in [&name, "root.json", "1.root.json", "timestamp.json"] {
            assert_not_found(&server.file(GUN, name).await, &json!({}));
        }
    }
}

#[tokio::test]
async fn case_45_cache_headers() {
    for (seconds, current, consistent, pragma) in [
        (
            None,
            "public, max-age=300, s-maxage=300, must-revalidate",
            "public, max-age=2592000, s-maxage=2592000",
            None,
        ),
        (
            Some(0),
            "max-age=0, no-cache, no-store",
            "max-age=0, no-cache, no-store",
            Some("no-cache"),
        ),
        (
            Some(31_536_000),
            "public, max-age=31536000, s-maxage=31536000, must-revalidate",
            "public, max-age=31536000, s-maxage=31536000",
            None,
        ),
    ] {
        let max_age = seconds.map_or_else(MaxAge::default, |seconds| MaxAge {
            current: seconds,
            consistent: seconds,
        });
        let settings = Settings {
            max_age,
            ..Settings::default()
        };
        let server = Server::with(Backend::Memory, settings).await;
        Publisher::published(&server, GUN).await;
        let root = server.file(GUN, "root.json").await;
        let by_checksum = format!("root.{}.json", hex(&root.body));
        for (name, expected) in [
            ("root.json", current),
            ("timestamp.json", current),
            ("snapshot.json", current),
            ("1.root.json", consistent),
            (&by_checksum, consistent),
        ] {
            let answer = server.file(GUN, name).await;
            answer.assert_ok();
            assert_eq!(answer.header("cache-control"), Some(expected), "{name}");
            assert_eq!(answer.header("pragma"), pragma, "{name}");
            assert_eq!(
                answer.header("last-modified"),
                Some("Mon, 23 Nov 2026 12:00:00 GMT")
            );
        }
        let key = server.file(GUN, "timestamp.key").await;
        assert_eq!(key.header("cache-control"), None);
        assert_not_found(&server.file(GUN, "targets/x.json").await, &json!({}));
    }
}

#[tokio::test]
async fn cases_46_and_47_versions_and_delegations_that_do_not_exist() {
    for server in Server::on_every_store().await {
        Publisher::published(&server, GUN).await;
        for name in [
            "0.root.json",
            "00.root.json",
            "2.root.json",
            "targets/zzz.json",
            "targets/A.json",
        ] {
            assert_not_found(&server.file(GUN, name).await, &json!({}));
        }
        server.file(GUN, "01.root.json").await.assert_ok();
    }
}

#[tokio::test]
async fn cases_48_and_49_deletion() {
    for server in Server::on_every_store().await {
        for gun in ["pre/a", "pre/ab", "pre/a/b"] {
            Publisher::published(&server, gun).await;
        }
        let before = server.feed("pre/a").await;
        let gone = server.call("DELETE", "/v2/pre/_trust/tuf/").await;
        assert_eq!((gone.status.as_u16(), gone.text()), (200, ""));
        server
            .call("DELETE", "/v2/pre/a/_trust/tuf/")
            .await
            .assert_ok();
        assert_not_found(&server.file("pre/a", "root.json").await, &json!({}));
        for gun in ["pre/ab", "pre/a/b"] {
            server.file(gun, "root.json").await.assert_ok();
        }
        Publisher::published(&server, "pre/a").await;
        server.file("pre/a", "root.json").await.assert_ok();
        let feed = server.feed("pre/a").await;
        let kinds: Vec<_> = feed.iter().map(|(_, v, c)| (*v, c.as_str())).collect();
        assert_eq!(kinds, [(1, "update"), (0, "deletion"), (1, "update")]);
        assert_eq!(feed[0], before[0]);
        let whole = server
            .get("/v2/_trust/changefeed?records=-100")
            .await
            .json();
        assert_eq!(whole["count"], 5);
        assert_eq!(whole["records"][3]["SHA256"], "");
    }
}

#[tokio::test]
async fn case_51_the_changefeed_wants_to_know_how_many() {
    let server = Server::new(Backend::Memory).await;
    let base = "/v2/_trust/changefeed";
    for (query, detail) in [
        (
            "",
            json!("invalid records parameter: strconv.ParseInt: parsing \"\": invalid syntax"),
        ),
        (
            "?records=+",
            json!("invalid records parameter: strconv.ParseInt: parsing \" \": invalid syntax"),
        ),
        ("?records=1&change_id=2147483648", json!({})),
    ] {
        let answer = server.get(&format!("{base}{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (400, "INVALID_PARAMETERS")
        );
        assert_eq!(answer.detail(), detail);
    }
    for query in [
        "?records=-2147483648",
        "?records=2147483647",
        "?x=1&records=%2B5",
    ] {
        let answer = server.get(&format!("{base}{query}")).await;
        assert_eq!(answer.text(), r#"{"count":0,"records":[]}"#, "{query}");
    }
}

#[tokio::test]
async fn the_changefeed_is_given_in_pieces() {
    let limits = Limits {
        max_changes: 2,
        ..Limits::default()
    };
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let server = Server::with(Backend::Memory, settings).await;
    for gun in ["a", "b", "c"] {
        Publisher::published(&server, gun).await;
    }
    let first = server
        .get("/v2/_trust/changefeed?records=1000")
        .await
        .json();
    assert_eq!(first["count"], 2);
    let after = first["records"][1]["ID"].as_str().unwrap();
    let path = format!("/v2/_trust/changefeed?records=1000&change_id={after}");
    let second = server.get(&path).await.json();
    assert_eq!(
        (&second["count"], &second["records"][0]["GUN"]),
        (&json!(1), &json!("c"))
    );
}

#[tokio::test]
async fn head_is_answered_like_get() {
    let server = Server::new(Backend::Memory).await;
    Publisher::published(&server, GUN).await;
    let path = format!("/v2/{GUN}/_trust/tuf/root.json");
    let (head, get) = (server.call("HEAD", &path).await, server.get(&path).await);
    // The body is left out by whoever writes the answer to the connection, with its length announced.
    assert_eq!((head.status, &head.body), (get.status, &get.body));
    assert_eq!(head.headers, get.headers);
}

#[tokio::test]
async fn names_that_are_no_repositories_are_not_found() {
    let server = Server::new(Backend::Memory).await;
    for gun in ["a%5Cb", "a%00b", &"x".repeat(256)] {
        assert_not_found(&server.file(gun, "root.json").await, &Value::Null);
        let refused = server.post(gun, &[]).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.code()),
            (400, "INVALID_GUN")
        );
    }
}

#[tokio::test]
async fn a_restart_finds_what_was_published() {
    let mut server = Server::new(Backend::Sqlite).await;
    let publisher = Publisher::published(&server, GUN).await;
    let names = [
        "root.json",
        "targets.json",
        "snapshot.json",
        "timestamp.json",
    ];
    let mut before = Vec::new();
    for name in names {
        before.push(server.file(GUN, name).await.body);
    }
    server.restart();
    for (name, before) in names.iter().zip(before) {
        assert_eq!(server.file(GUN, name).await.body, before);
    }
    let next = publisher.targets(2, &["v1", "v2"]);
    server.post(GUN, &[("targets", &next)]).await.assert_ok();
    assert_eq!(server.file(GUN, "targets.json").await.body, next);
}
