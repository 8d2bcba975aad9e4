//! Mistakes that trust software has made before (`security.md`), each with what the server does instead.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use signet_server::{Limits, Settings};

use crate::fixture::{Answer, BOUNDARY, Backend, NOW, Server, multipart};
use crate::publisher::{
    Key, Publisher, delegate, root_signed, seal, snapshot_signed, targets_signed,
};

const GUN: &str = "registry.example.com/a/b";

/// The repository is readable, and takes the next normal publish.
async fn assert_publishable(server: &Server, publisher: &Publisher) {
    for name in [
        "root.json",
        "targets.json",
        "snapshot.json",
        "timestamp.json",
    ] {
        server.file(GUN, name).await.assert_ok();
    }
    let version = server.signed(GUN, "targets").await["version"]
        .as_i64()
        .unwrap()
        + 1;
    let targets = publisher.targets(version, &["v1", "next"]);
    server.post(GUN, &[("targets", &targets)]).await.assert_ok();
    assert_eq!(server.file(GUN, "targets.json").await.body, targets);
}

fn with_method(document: &[u8], method: &str) -> Vec<u8> {
    let text = String::from_utf8(document.to_vec()).unwrap();
    let (old, new) = ("\"method\":\"ecdsa\"", format!("\"method\":\"{method}\""));
    text.replace(old, &new).into_bytes()
}

#[tokio::test]
async fn a01_the_signature_method_must_be_that_of_the_key() {
    let server = Server::new(Backend::Memory).await;
    let publisher = Publisher::published(&server, GUN).await;
    let targets = publisher.targets(2, &["v2"]);
    for method in [
        "",
        "rsapss",
        "rsapkcs1v15",
        "eddsa",
        "none",
        "pycrypto-pkcs#1 pss",
    ] {
        let forged = with_method(&targets, method);
        let answer = server.post(GUN, &[("targets", &forged)]).await;
        answer.assert_refused(
            "ErrBadTargets",
            "valid signatures did not meet threshold for targets",
        );
    }
    assert_publishable(&server, &publisher).await;
}

#[tokio::test]
async fn a02_an_expired_root_is_not_taken() {
    let server = Server::new(Backend::Memory).await;
    let publisher = Publisher::published(&server, GUN).await;
    let mut signed = publisher.root_signed(2);
    signed["expires"] = json!("2026-11-23T11:59:59Z");
    let expired = seal(&signed, &[&publisher.root]);
    server
        .post(GUN, &[("root", &expired)])
        .await
        .assert_refused("ErrBadRoot", "root expired at Mon Nov 23 11:59:59 UTC 2026");
    assert_publishable(&server, &publisher).await;
}

#[tokio::test]
async fn a03_versions_cannot_be_driven_out_of_reach() {
    for backend in Backend::ALL {
        let server = Server::new(backend).await;
        let publisher = Publisher::published(&server, GUN).await;
        for version in [1_000_002, i64::from(i32::MAX), i64::from(i32::MAX) + 1] {
            let targets = publisher.targets(version, &[]);
            let message =
                format!("targets version {version} is too far above the current version 1");
            server
                .post(GUN, &[("targets", &targets)])
                .await
                .assert_refused("ErrBadTargets", &message);
            let root = publisher.root(version);
            let message =
                format!("Root modifications must increment the version. Current 1, new {version}");
            server
                .post(GUN, &[("root", &root)])
                .await
                .assert_refused("ErrBadRoot", &message);
        }
        // What canonical JSON cannot hold cannot be signed, either.
        for version in ["9223372036854775807", "18446744073709551616", "1e300"] {
            let text = String::from_utf8(publisher.targets(7, &[])).unwrap();
            let text = text.replace("\"version\":7", &format!("\"version\":{version}"));
            let answer = server.post(GUN, &[("targets", text.as_bytes())]).await;
            assert_eq!(answer.code(), "MALFORMED_JSON", "{version}");
        }
        // A gap is fine up to the limit, and in a publisher's snapshot too.
        let targets = publisher.targets(1_000_001, &[]);
        server.post(GUN, &[("targets", &targets)]).await.assert_ok();
        assert_publishable(&server, &publisher).await;

        let other = "registry.example.com/own/snapshot";
        let publisher = Publisher::new(&server, other).await;
        let root = publisher.root_with_own_snapshot(1);
        let targets = publisher.targets(1, &[]);
        let files = [("root", &root[..]), ("targets", &targets[..])];
        let far = publisher.snapshot(i64::from(i32::MAX), &files);
        let parts = [files[0], files[1], ("snapshot", &far[..])];
        server.post(other, &parts).await.assert_refused(
            "ErrBadSnapshot",
            "snapshot version 2147483647 is too far above the current version 0",
        );
    }
}

#[tokio::test]
async fn a04_nothing_unsigned_or_unknown_is_stored() {
    for backend in Backend::ALL {
        let server = Server::new(backend).await;
        let publisher = Publisher::published(&server, GUN).await;
        let targets = String::from_utf8(publisher.targets(2, &["v2"])).unwrap();
        let mut signed = targets_signed(2, publisher.expires, &["v2"]);
        signed["targets"]["v2"]["abc"] = json!("xyz");
        let deep = String::from_utf8(seal(&signed, &[&publisher.targets])).unwrap();
        let key = targets.find("{\"keyid\"").unwrap();
        for text in [
            // Outside of what is signed: the classic.
            targets.replacen('{', "{\"abc\":\"xyz\",", 1),
            format!(
                "{}{}",
                &targets[..key],
                targets[key..].replacen('{', "{\"abc\":1,", 1)
            ),
            // Inside, correctly signed: Go would lose it when it writes the document again.
            deep,
            // Twice the same: two readers may see two documents.
            targets.replacen("\"signatures\":[", "\"signatures\":[],\"signatures\":[", 1),
            targets.replacen('{', "{\"signed\":{},", 1),
            targets.replacen("\"version\":2", "\"version\":1,\"version\":2", 1),
            targets.replacen("\"_type\"", "\"\\u005ftype\":\"Root\",\"_type\"", 1),
        ] {
            let answer = server.post(GUN, &[("targets", text.as_bytes())]).await;
            assert_eq!(answer.code(), "MALFORMED_JSON", "{text}");
            assert_eq!(answer.status, 400);
        }
        let trailing = format!("{targets}{{}}");
        server
            .post(GUN, &[("targets", trailing.as_bytes())])
            .await
            .assert_refused(
                "ErrBadTargets",
                "invalid character '{' after top-level value",
            );
        assert_eq!(server.signed(GUN, "targets").await["version"], 1);
        assert_publishable(&server, &publisher).await;
    }
}

#[tokio::test]
async fn a05_names_are_no_paths() {
    let server = Server::new(Backend::Sqlite).await;
    let publisher = Publisher::published(&server, GUN).await;
    let targets = publisher.targets(2, &[]);
    for role in [
        "../targets",
        "targets/../root",
        "targets/..",
        "/targets",
        "targets/a/",
        "targets//a",
        "targets\\a",
        "C:targets",
        "targets/con.",
        "TARGETS",
        "targets/\u{e9}",
        "timestamp/a",
        "root/a",
        "targets/a%2fb",
    ] {
        let answer = server.post(GUN, &[(role, &targets)]).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (400, "INVALID_ROLE"),
            "{role}"
        );
    }
    for gun in ["a%2F..%2Fb", "..", "%2e%2e/x", ".", "a/%2E/b"] {
        let answer = server.file(gun, "root.json").await;
        assert!(
            matches!(answer.status.as_u16(), 301 | 404),
            "{gun}: {}",
            answer.status
        );
    }
    assert_publishable(&server, &publisher).await;
}

#[tokio::test]
async fn a08_a_threshold_counts_distinct_keys() {
    let server = Server::new(Backend::Memory).await;
    let publisher = Publisher::published(&server, GUN).await;
    let expires = publisher.expires;
    let (one, two) = (Key::new(), Key::new());
    let mut parent = targets_signed(2, expires, &[]);
    delegate(&mut parent, "targets/a", &[&one, &two], &[""]);
    parent["delegations"]["roles"][0]["threshold"] = json!(2);
    let parent = seal(&parent, &[&publisher.targets]);
    server.post(GUN, &[("targets", &parent)]).await.assert_ok();
    let child = targets_signed(1, expires, &["x"]);
    let refused = "valid signatures did not meet threshold for targets/a";
    for keys in [vec![&one], vec![&one, &one], vec![&one, &one, &one]] {
        let document = seal(&child, &keys);
        server
            .post(GUN, &[("targets/a", &document)])
            .await
            .assert_refused("ErrBadTargets", refused);
    }
    let document = seal(&child, &[&one, &two]);
    server
        .post(GUN, &[("targets/a", &document)])
        .await
        .assert_ok();

    // The same key in two certificates has two IDs and is one key.
    let mut twice = publisher.root_signed(2);
    let other = signet_keys::root_certificate(&publisher.root.private, &GUN.parse().unwrap(), NOW);
    let other = other.unwrap();
    twice["keys"][other.id().as_str()] = serde_json::to_value(&other).unwrap();
    let ids = [publisher.root.public.id().as_str(), other.id().as_str()];
    twice["roles"]["root"] = json!({"keyids": ids, "threshold": 2});
    let message = signet_tuf::canonical::to_vec(&twice).unwrap();
    let mut signatures = Vec::new();
    for id in ids {
        use signet_keys::Signer;
        signatures.push(signet_tuf::Signature {
            key_id: serde_json::from_value(json!(id)).unwrap(),
            method: "ecdsa".to_owned(),
            sig: publisher.root.private.sign(&message).unwrap(),
        });
    }
    let twice = signet_tuf::envelope::encode(&message, &signatures);
    server.post(GUN, &[("root", &twice)]).await.assert_refused(
        "ErrBadRoot",
        "could not validate the path to a trusted root: failed to validate integrity of roots",
    );

    for threshold in [json!(-1), json!(0), json!(0.5), json!(3)] {
        let mut signed = publisher.root_signed(2);
        signed["roles"]["targets"]["threshold"] = threshold.clone();
        // A threshold of 0.5 has no canonical form, so its signature is over something else.
        let mut signable = signed.clone();
        signable["roles"]["targets"]["threshold"] = json!(1);
        let document = match threshold.as_i64() {
            Some(_) => seal(&signed, &[&publisher.root]),
            None => {
                let text = String::from_utf8(seal(&signable, &[&publisher.root])).unwrap();
                let from = "\"targets\":{\"keyids\":[";
                let at = text.find(from).unwrap();
                let tail = text[at..].replacen("\"threshold\":1", "\"threshold\":0.5", 1);
                format!("{}{tail}", &text[..at]).into_bytes()
            }
        };
        let targets = publisher.targets(3, &[]);
        let parts = [("root", &document[..]), ("targets", &targets[..])];
        let answer = server.post(GUN, &parts).await;
        assert_eq!(answer.status, 400, "{threshold}");
    }
    assert_publishable(&server, &publisher).await;
}

/// Every place in a value, as a JSON pointer.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{at}/{name}"), out);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                places(value, &format!("{at}/{n}"), out);
            }
        }
        _ => {}
    }
}

fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(9_007_199_254_740_991_i64),
        json!(""),
        json!("\u{0}/../\u{2028}"),
        json!([]),
        json!([null]),
        json!([[{}]]),
        json!({}),
        json!({"": null, "x": [1]}),
    ]
}

#[tokio::test]
async fn a09_any_value_anywhere_gets_a_typed_answer() {
    let server = Server::new(Backend::Memory).await;
    let publisher = Publisher::new(&server, GUN).await;
    let expires = publisher.expires;
    let child_key = Key::new();
    let root = root_signed(
        1,
        expires,
        &[&publisher.root.public],
        &publisher.targets.public,
        &publisher.snapshot.public,
        &publisher.server_timestamp,
    );
    let mut targets = targets_signed(1, expires, &["v1"]);
    delegate(&mut targets, "targets/a", &[&child_key], &[""]);
    targets["targets"]["v1"]["custom"] = json!({"a": [1]});
    let child = targets_signed(1, expires, &["x"]);
    let seal_all = |root: &Value, targets: &Value, child: &Value| {
        (
            seal(root, &[&publisher.root]),
            seal(targets, &[&publisher.targets]),
            seal(child, &[&child_key]),
        )
    };
    let documents = [root, targets, child];
    let (r, t, c) = seal_all(&documents[0], &documents[1], &documents[2]);
    let files = [("root", &r[..]), ("targets", &t[..]), ("targets/a", &c[..])];
    let snapshot = snapshot_signed(1, expires, &files);
    let mut seen = 0;
    for which in 0..4 {
        let template = documents.get(which).unwrap_or(&snapshot);
        let mut all = Vec::new();
        places(template, "", &mut all);
        for place in all {
            for value in odd_values() {
                let mut changed = documents.clone();
                let mut snapshot = snapshot.clone();
                let document = changed.get_mut(which).unwrap_or(&mut snapshot);
                *document.pointer_mut(&place).unwrap() = value.clone();
                let (r, t, c) = seal_all(&changed[0], &changed[1], &changed[2]);
                let s = seal(&snapshot, &[&publisher.snapshot]);
                let parts = [
                    ("root", &r[..]),
                    ("targets", &t[..]),
                    ("targets/a", &c[..]),
                    ("snapshot", &s[..]),
                ];
                let answer = server.post(GUN, &parts).await;
                let status = answer.status.as_u16();
                assert!(
                    matches!(status, 200 | 400),
                    "{which} {place} {value}: {status} {}",
                    answer.text()
                );
                assert!(answer.body.len() < 1024);
                if status == 200 {
                    let path = format!("/v2/{GUN}/_trust/tuf/");
                    server.call("DELETE", &path).await.assert_ok();
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 1000, "{seen}");
    let (root, targets) = (publisher.root(1), publisher.targets(1, &[]));
    let parts = [("root", &root[..]), ("targets", &targets[..])];
    server.post(GUN, &parts).await.assert_ok();
    assert_publishable(&server, &publisher).await;
}

#[tokio::test]
async fn a17_what_is_too_much_stops_at_its_bound() {
    let limits = Limits {
        max_upload_bytes: 200_000,
        max_upload_parts: 20,
        ..Limits::default()
    };
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let server = Server::with(Backend::Memory, settings).await;
    let publisher = Publisher::published(&server, GUN).await;
    let digits = format!("{{\"signed\":{{\"version\":{}}}}}", "9".repeat(150_000));
    let deep = format!("{{\"signed\":{}", "[".repeat(150_000));
    let one = "{\"keyid\":\"a\",\"method\":\"ecdsa\",\"sig\":\"\"}";
    let many = format!(
        "{{\"signed\":{{}},\"signatures\":[{}{one}]}}",
        format!("{one},").repeat(2000)
    );
    for text in [digits, deep, many] {
        let answer = server.post(GUN, &[("targets", text.as_bytes())]).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (400, "MALFORMED_JSON")
        );
    }
    let malformed = |answer: &Answer| {
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (400, "MALFORMED_UPLOAD")
        );
    };
    let big = vec![b' '; 250_000];
    malformed(&server.post(GUN, &[("targets", &big)]).await);
    let empty: Vec<(&str, &[u8])> = vec![("targets", b"{\"signed\":{},\"signatures\":[]}"); 21];
    malformed(&server.post(GUN, &empty).await);

    // A body without an end, whose length nobody announced.
    let head = multipart(&[("targets", b"")]);
    let head = Bytes::from(head[..head.len() - 70].to_vec());
    let endless = futures_util::stream::iter((0_u64..).map(move |n| {
        let chunk = match n {
            0 => head.clone(),
            _ => Bytes::from_static(&[b' '; 1000]),
        };
        Ok::<_, std::io::Error>(Frame::data(chunk))
    }));
    malformed(&send_stream(&server, endless).await);
    assert_publishable(&server, &publisher).await;
}

#[tokio::test]
async fn a17_updates_share_a_bounded_memory() {
    let limits = Limits {
        max_pending_bytes: 256 * 1024,
        ..Limits::default()
    };
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let server = Server::with(Backend::Memory, settings).await;
    let publisher = Publisher::published(&server, GUN).await;
    let big = vec![b' '; 300 * 1024];
    for _ in 0..3 {
        let answer = server.post(GUN, &[("targets", &big)]).await;
        assert_eq!((answer.status.as_u16(), &*answer.code()), (503, "UNKNOWN"));
    }
    // What was held is given back.
    assert_publishable(&server, &publisher).await;
}

async fn send_stream<S>(server: &Server, stream: S) -> Answer
where
    S: futures_util::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send + 'static,
{
    let request = Request::builder()
        .method("POST")
        .uri(format!("/v2/{GUN}/_trust/tuf/"))
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(StreamBody::new(stream));
    let response = server.app.handle(request.unwrap()).await;
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

#[tokio::test]
async fn a17_a_body_that_trickles_in_is_given_up() {
    let limits = Limits {
        upload_time: Duration::from_millis(200),
        ..Limits::default()
    };
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let server = Server::with(Backend::Memory, settings).await;
    let drops = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok(Frame::data(Bytes::from_static(b"-"))), ()))
    });
    let answer = tokio::time::timeout(Duration::from_secs(20), send_stream(&server, drops)).await;
    let answer = answer.expect("it ends by itself");
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (400, "MALFORMED_UPLOAD")
    );
}

#[tokio::test]
async fn a18_the_bytes_that_were_verified_are_the_bytes_that_are_served() {
    for backend in Backend::ALL {
        let server = Server::new(backend).await;
        let publisher = Publisher::published(&server, GUN).await;
        // Of two parts for one role only the last is used, and only it is checked.
        let (good, evil) = (
            publisher.targets(2, &["good"]),
            publisher.targets(2, &["evil"]),
        );
        let forged = with_method(&evil, "rsapss");
        let parts = [("targets", &good[..]), ("targets", &forged[..])];
        server.post(GUN, &parts).await.assert_refused(
            "ErrBadTargets",
            "valid signatures did not meet threshold for targets",
        );
        let parts = [("targets", &forged[..]), ("targets.json", &good[..])];
        server.post(GUN, &parts).await.assert_ok();
        assert_eq!(server.file(GUN, "targets.json").await.body, good);
        let named = server.signed(GUN, "snapshot").await["meta"]["targets"].clone();
        let meta = serde_json::to_value(signet_tuf::FileMeta::of(&good)).unwrap();
        assert_eq!(named, meta);
    }
}

#[tokio::test]
async fn a24_text_that_two_readers_read_differently_is_refused() {
    let server = Server::new(Backend::Memory).await;
    let publisher = Publisher::published(&server, GUN).await;
    let targets = String::from_utf8(publisher.targets(2, &["tag"])).unwrap();
    for (from, to) in [
        (
            "\"tag\"",
            "\"tag\":{\"hashes\":{},\"length\":1},\"t\\u0061g\"",
        ),
        ("\"tag\"", "\"\\ud800\""),
        ("\"length\":1234", "\"length\":1234.5"),
        ("\"length\":1234", "\"length\":01234"),
        ("\"length\":1234", "\"length\":NaN"),
        ("\"length\":1234", "\"length\":1234,"),
        ("{\"signed\"", "\u{feff}{\"signed\""),
    ] {
        let text = targets.replacen(from, to, 1);
        assert_ne!(text, targets);
        let answer = server.post(GUN, &[("targets", text.as_bytes())]).await;
        assert_eq!(answer.code(), "MALFORMED_JSON", "{to}");
    }
    // Another notation of the same text is the same document, stored as it came.
    let escaped = targets.replacen("\"tag\"", " \"t\\u0061g\" ", 1);
    server
        .post(GUN, &[("targets", escaped.as_bytes())])
        .await
        .assert_ok();
    assert_eq!(server.file(GUN, "targets.json").await.body, escaped);
    assert_publishable(&server, &publisher).await;
}

#[tokio::test]
async fn a_server_key_signs_for_its_own_repository_only() {
    // Root and old targets of a repository are public. Where its root certificate names many repositories, someone who may
    // push to one of the others, and holds no key at all, could have an old state signed there as the newest.
    for backend in Backend::ALL {
        let server = Server::new(backend).await;
        let publisher = Publisher::published(&server, GUN).await;
        let elsewhere = "registry.example.com/elsewhere";
        let mut other = Publisher::new(&server, elsewhere).await;
        other.server_snapshot = publisher.server_snapshot;
        let (root, targets) = (other.root(1), other.targets(1, &[]));
        let parts = [("root", &root[..]), ("targets", &targets[..])];
        let no_key = "no snapshot was included in update and server does not hold current snapshot key for repository";
        server
            .post(elsewhere, &parts)
            .await
            .assert_refused("ErrBadHierarchy", no_key);
    }
}
