//! What readers need not be sent, and the form in which they are sent the rest: entity tags and gzip (RFC 9110).

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use signet_server::htpasswd::{Htpasswd, Right, Rule, Who};
use signet_server::{Limits, Settings};
use signet_tuf::crypto::sha256;

use crate::fixture::{Answer, Backend, Server};
use crate::publisher::Publisher;

const GUN: &str = "registry.example.com/a/b";

async fn ask(server: &Server, name: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(format!("/v2/{GUN}/_trust/tuf/{name}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body: Full<Bytes> = Full::default();
    server.send(request.body(body).unwrap()).await
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&sha256(bytes))
}

/// A server with a repository whose `targets.json` is worth compressing.
async fn published(settings: Settings) -> Server {
    let server = Server::with(Backend::Memory, settings).await;
    let publisher = Publisher::published(&server, GUN).await;
    let tags: Vec<String> = (0..200).map(|n| format!("v{n}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let targets = publisher.targets(2, &tags);
    server.post(GUN, &[("targets", &targets)]).await.assert_ok();
    server
}

#[tokio::test]
async fn every_document_has_the_tag_of_its_bytes() {
    let server = published(Settings::default()).await;
    for current in [
        "root.json",
        "targets.json",
        "snapshot.json",
        "timestamp.json",
    ] {
        let body = server.file(GUN, current).await.body;
        let tag = format!("\"{}\"", hex(&body));
        let role = current.strip_suffix(".json").unwrap();
        let by_checksum = format!("{role}.{}.json", hex(&body));
        let by_version = format!("{}.{current}", server.signed(GUN, role).await["version"]);
        for name in [current, &by_checksum, &by_version] {
            let full = ask(&server, name, &[]).await;
            assert_eq!((&full.body, full.header("etag")), (&body, Some(&*tag)));
            assert_eq!(full.header("vary"), Some("accept-encoding"));
            for held in [&*tag, "*", &format!("\"x\", W/{tag}")] {
                let same = ask(&server, name, &[("if-none-match", held)]).await;
                assert_eq!((same.status.as_u16(), same.text()), (304, ""), "{name}");
                for header in ["etag", "vary", "cache-control", "last-modified", "pragma"] {
                    assert_eq!(same.header(header), full.header(header), "{name} {header}");
                }
                assert_eq!(same.header("content-type"), None);
            }
            let other = ask(&server, name, &[("if-none-match", "\"x\", W/\"y\"")]).await;
            assert_eq!((other.status.as_u16(), &other.body), (200, &body));
        }
    }
    // What is not there has no tag, whatever the reader has.
    let missing = ask(&server, "9.root.json", &[("if-none-match", "*")]).await;
    assert_eq!(
        (missing.status.as_u16(), missing.header("etag")),
        (404, None)
    );
}

#[tokio::test]
async fn a_tag_is_of_its_version() {
    let server = Server::new(Backend::Memory).await;
    let publisher = Publisher::published(&server, GUN).await;
    let before = ask(&server, "timestamp.json", &[]).await;
    let held = [("if-none-match", before.header("etag").unwrap())];
    let same = ask(&server, "timestamp.json", &held).await;
    assert_eq!(same.status, 304);
    let targets = publisher.targets(2, &["v2"]);
    server.post(GUN, &[("targets", &targets)]).await.assert_ok();
    let after = ask(&server, "timestamp.json", &held).await;
    assert_eq!(after.status, 200);
    assert_ne!(after.header("etag"), before.header("etag"));
}

#[tokio::test]
async fn gzip_is_sent_to_who_asks_for_it() {
    let server = published(Settings::default()).await;
    let plain = ask(&server, "targets.json", &[]).await;
    assert_eq!(plain.header("content-encoding"), None);
    let gzip = [("accept-encoding", "gzip")];
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let compressed = ask(&server, "targets.json", &gzip).await;
        assert_eq!(compressed.header("content-encoding"), Some("gzip"));
        assert_eq!(compressed.header("vary"), Some("accept-encoding"));
        assert_eq!(compressed.decoded(), plain.body);
        assert!(compressed.body.len() < plain.body.len());
        // Other bytes, another tag.
        let tag = format!("\"{}-gzip\"", hex(&plain.body));
        assert_eq!(compressed.header("etag"), Some(&*tag));
        bodies.push(compressed.body);
        for (accept, status) in [("gzip", 304), ("identity", 200)] {
            let held = [("accept-encoding", accept), ("if-none-match", &tag)];
            let answer = ask(&server, "targets.json", &held).await;
            assert_eq!(answer.status, status, "{accept}");
        }
        let held = plain.header("etag").unwrap();
        let held = [("accept-encoding", "gzip"), ("if-none-match", held)];
        assert_eq!(ask(&server, "targets.json", &held).await.status, 304);
    }
    assert_eq!(bodies[0], bodies[1]);
    for refused in ["gzip;q=0", "identity", "*;q=0", "br"] {
        let answer = ask(&server, "targets.json", &[("accept-encoding", refused)]).await;
        assert_eq!(answer.header("content-encoding"), None, "{refused}");
        assert_eq!(answer.body, plain.body, "{refused}");
    }
    // Too small to gain anything.
    let small = ask(&server, "timestamp.json", &gzip).await;
    assert_eq!(small.header("content-encoding"), None);
    assert!(small.body.len() < 1024);
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_compressed_again_and_again() {
    let limits = Limits {
        cache_bytes: 8 * 4 * 1024,
        ..Limits::default()
    };
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let server = published(settings).await;
    let answer = ask(&server, "targets.json", &[("accept-encoding", "gzip")]).await;
    assert_eq!(answer.assert_ok().header("content-encoding"), None);
}

#[tokio::test]
async fn a22_shared_caches_keep_only_what_everybody_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    // `s3cret`, hashed by libxcrypt's `crypt`.
    let users = "alice:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";
    signet_service::files::write_private(&path, users.as_bytes()).unwrap();
    let rules = [
        Rule::new(Who::named("alice"), "", Right::Pull).unwrap(),
        Rule::new(Who::Anonymous, "r.example/public/", Right::Pull).unwrap(),
    ];
    let auth = Htpasswd::open("r".to_owned(), path, rules.into_iter().collect()).unwrap();
    let settings = Settings {
        auth: Some(Arc::new(auth.into())),
        ..Settings::default()
    };
    let open = Server::new(Backend::Memory).await;
    let (public, private) = ("r.example/public/app", "r.example/team/app");
    for gun in [public, private] {
        Publisher::published(&open, gun).await;
    }
    let (store, trust) = (Arc::clone(&open.store), Arc::clone(&open.trust));
    let server = Server::on(store, trust, settings, tempfile::tempdir().unwrap());
    let login = format!("Basic {}", data_encoding::BASE64.encode(b"alice:s3cret"));
    let ask = async |gun: &str, name: &str, tag: &str| {
        let request = Request::get(format!("/v2/{gun}/_trust/tuf/{name}"))
            .header("authorization", &login)
            .header("if-none-match", tag)
            .body(Full::default());
        server.send(request.unwrap()).await
    };
    for (gun, name, cache, vary) in [
        (
            public,
            "root.json",
            "public, max-age=300, s-maxage=300, must-revalidate",
            "accept-encoding",
        ),
        (
            public,
            "1.root.json",
            "public, max-age=2592000, s-maxage=2592000",
            "accept-encoding",
        ),
        (
            private,
            "root.json",
            "private, max-age=300, must-revalidate",
            "accept-encoding, authorization",
        ),
        (
            private,
            "1.root.json",
            "private, max-age=2592000",
            "accept-encoding, authorization",
        ),
    ] {
        for (tag, status) in [("\"none\"", 200), ("*", 304)] {
            let answer = ask(gun, name, tag).await;
            assert_eq!(answer.status, status, "{gun} {name}");
            let headers = (answer.header("cache-control"), answer.header("vary"));
            assert_eq!(headers, (Some(cache), Some(vary)), "{gun} {name}");
        }
    }
    assert_eq!(server.file(private, "root.json").await.status, 401);
}

#[tokio::test]
async fn what_is_found_in_memory_is_counted() {
    let server = published(Settings::default()).await;
    let figures = || server.app.read_cache().map(|part| (part.hits, part.misses));
    let [views, documents] = figures();
    for _ in 0..3 {
        server.file(GUN, "targets.json").await.assert_ok();
        server.file(GUN, "1.targets.json").await.assert_ok();
    }
    let [views_after, documents_after] = figures();
    // A publish leaves in memory what is current; an old version is read from the store once.
    assert_eq!(views_after, (views.0 + 6, views.1));
    assert_eq!(documents_after, (documents.0 + 5, documents.1 + 1));
}

#[tokio::test]
async fn what_a_publish_replaces_leaves_the_memory() {
    let server = Server::new(Backend::Memory).await;
    let publisher = Publisher::published(&server, GUN).await;
    let mut before = Vec::new();
    for role in ["targets", "snapshot", "timestamp"] {
        let body = server.file(GUN, &format!("{role}.json")).await.body;
        before.push((format!("{role}.{}.json", hex(&body)), body));
    }
    let targets = publisher.targets(2, &["v2"]);
    server.post(GUN, &[("targets", &targets)]).await.assert_ok();
    let misses = || server.app.read_cache().map(|part| part.misses)[1];
    for (name, body) in before {
        let known = misses();
        // It is still there for who has an older snapshot in hand.
        let answer = server.file(GUN, &name).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &body));
        assert_eq!(misses(), known + 1, "{name} is in memory");
    }
    let known = misses();
    let targets = format!("targets.{}.json", hex(&targets));
    server.file(GUN, &targets).await.assert_ok();
    assert_eq!(misses(), known, "{targets} is not in memory");
}
