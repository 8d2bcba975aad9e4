//! Updates: acceptance cases 23 to 38 of the specification (`server.md`).

use serde_json::{Value, json};
use signet_tuf::FileMeta;
use time::Duration;

use crate::fixture::{Backend, NOW, Server, multipart};
use crate::publisher::{
    Key, Publisher, delegate, root_signed, seal, server_key, snapshot_signed, targets_signed, text,
};

const GUN: &str = "registry.example.com/a/b";

fn listed(signed: &Value, role: &str) -> FileMeta {
    serde_json::from_value(signed["meta"][role].clone()).unwrap()
}

#[tokio::test]
async fn case_23_a_first_publish_is_served_as_uploaded() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::new(&server, GUN).await;
        let (root, targets) = (publisher.root(1), publisher.targets(1, &["v1"]));
        let answer = server
            .post(GUN, &[("root", &root), ("targets", &targets)])
            .await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, ""));
        assert_eq!(answer.header("content-type"), None);
        assert_eq!(server.file(GUN, "root.json").await.body, root);
        assert_eq!(server.file(GUN, "targets.json").await.body, targets);
        let snapshot = server.file(GUN, "snapshot.json").await;
        let timestamp = server.signed(GUN, "timestamp").await;
        let named = snapshot.json()["signed"].clone();
        assert_eq!(
            (&named["version"], &timestamp["version"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(listed(&named, "root"), FileMeta::of(&root));
        assert_eq!(listed(&named, "targets"), FileMeta::of(&targets));
        assert_eq!(listed(&timestamp, "snapshot"), FileMeta::of(&snapshot.body));
        assert_eq!(timestamp["expires"], text(NOW + Duration::days(14)));
        assert_eq!(named["expires"], text(NOW + Duration::days(1095)));
    }
}

#[tokio::test]
async fn case_24_versions_only_grow() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::published(&server, GUN).await;
        let (root, targets) = (publisher.root(1), publisher.targets(1, &["v1"]));
        let again = [("root", &root[..]), ("targets", &targets[..])];
        server.post(GUN, &again).await.assert_conflict();
        let five = publisher.targets(5, &["v1"]);
        server.post(GUN, &[("targets", &five)]).await.assert_ok();
        let three = publisher.targets(3, &["v1"]);
        server
            .post(GUN, &[("targets", &three)])
            .await
            .assert_conflict();
        assert_eq!(server.signed(GUN, "targets").await["version"], 5);
    }
}

#[tokio::test]
async fn case_25_an_empty_update_signs_again() {
    for server in Server::on_every_store().await {
        Publisher::published(&server, GUN).await;
        let before = server.signed(GUN, "snapshot").await;
        server.post(GUN, &[]).await.assert_ok();
        assert_eq!(server.signed(GUN, "snapshot").await["version"], 2);
        assert_eq!(server.signed(GUN, "timestamp").await["version"], 2);
        let after = server.signed(GUN, "snapshot").await;
        assert_eq!(after["meta"], before["meta"]);

        let other = "registry.example.com/own/snapshot";
        let publisher = Publisher::new(&server, other).await;
        let root = publisher.root_with_own_snapshot(1);
        let targets = publisher.targets(1, &["v1"]);
        let snapshot = publisher.snapshot(1, &[("root", &root), ("targets", &targets)]);
        let parts = [
            ("root", &root[..]),
            ("targets", &targets[..]),
            ("snapshot", &snapshot[..]),
        ];
        server.post(other, &parts).await.assert_ok();
        assert_eq!(server.file(other, "snapshot.json").await.body, snapshot);
        let refused = server.post(other, &[]).await;
        refused.assert_refused(
            "ErrBadHierarchy",
            "no snapshot was included in update and server does not hold current snapshot key for repository",
        );
        assert_eq!(refused.detail()["Error"]["Missing"], "snapshot");
    }
}

#[tokio::test]
async fn case_26_the_first_root_is_version_1_or_2() {
    for server in Server::on_every_store().await {
        for (version, ok) in [(0, false), (1, true), (2, true), (3, false)] {
            let gun = format!("registry.example.com/first/{version}");
            let publisher = Publisher::new(&server, &gun).await;
            let (root, targets) = (publisher.root(version), publisher.targets(1, &[]));
            let parts = [("root", &root[..]), ("targets", &targets[..])];
            let answer = server.post(&gun, &parts).await;
            if ok {
                answer.assert_ok();
            } else {
                let message = format!(
                    "Root modifications must increment the version. Current 1, new {version}"
                );
                answer.assert_refused("ErrBadRoot", &message);
            }
        }
    }
}

#[tokio::test]
async fn case_27_the_next_root_is_one_higher() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::published(&server, GUN).await;
        let mut signed = publisher.root_signed(1);
        signed["expires"] = json!("2030-01-01T00:00:00Z");
        let other = seal(&signed, &[&publisher.root]);
        server
            .post(GUN, &[("root", &other)])
            .await
            .assert_conflict();
        let third = publisher.root(3);
        server.post(GUN, &[("root", &third)]).await.assert_refused(
            "ErrBadRoot",
            "Root modifications must increment the version. Current 1, new 3",
        );
        let second = publisher.root(2);
        server.post(GUN, &[("root", &second)]).await.assert_ok();
        assert_eq!(server.file(GUN, "root.json").await.body, second);
    }
}

#[tokio::test]
async fn case_28_a_rotated_root_is_signed_by_both_keys() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::published(&server, GUN).await;
        let new = Key::root(GUN, NOW);
        let mut signed = root_signed(
            2,
            publisher.expires,
            &[&new.public],
            &publisher.targets.public,
            &publisher.server_snapshot,
            &publisher.server_timestamp,
        );
        let old_id = publisher.root.public.id().as_str();
        signed["keys"][old_id] = serde_json::to_value(&publisher.root.public).unwrap();
        let only_new = seal(&signed, &[&new]);
        server.post(GUN, &[("root", &only_new)]).await.assert_refused(
            "ErrBadRoot",
            "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates",
        );
        let only_old = seal(&signed, &[&publisher.root]);
        server.post(GUN, &[("root", &only_old)]).await.assert_refused(
            "ErrBadRoot",
            "could not validate the path to a trusted root: failed to validate integrity of roots",
        );
        let both = seal(&signed, &[&publisher.root, &new]);
        server.post(GUN, &[("root", &both)]).await.assert_ok();
    }
}

#[tokio::test]
async fn case_29_a_rotated_key_of_the_server_signs_once_the_root_names_it() {
    for server in Server::on_every_store().await {
        let mut publisher = Publisher::published(&server, GUN).await;
        for (version, role) in [(2, "timestamp"), (3, "snapshot")] {
            let path = format!("/v2/{GUN}/_trust/tuf/{role}.key");
            let answer = server.call("POST", &path).await;
            answer.assert_ok();
            assert_eq!(
                server.call("POST", &path).await.body,
                answer.body,
                "an unused key is given again"
            );
            let current = server_key(&server, GUN, role).await;
            let new = serde_json::from_slice(&answer.body).unwrap();
            assert_ne!(current, new);
            match role {
                "timestamp" => publisher.server_timestamp = new,
                _ => publisher.server_snapshot = new,
            }
            let root = publisher.root(version);
            server.post(GUN, &[("root", &root)]).await.assert_ok();
            let document = server.file(GUN, &format!("{role}.json")).await.json();
            let expected = match role {
                "timestamp" => &publisher.server_timestamp,
                _ => &publisher.server_snapshot,
            };
            assert_eq!(document["signatures"][0]["keyid"], expected.id().as_str());
            assert_eq!(document["signatures"].as_array().unwrap().len(), 1);
            assert_eq!(server_key(&server, GUN, role).await, *expected);
        }
    }
}

#[tokio::test]
async fn case_30_an_uploaded_timestamp_is_ignored() {
    for server in Server::on_every_store().await {
        Publisher::published(&server, GUN).await;
        let timestamp = json!({"signed": {"_type": "Timestamp", "expires": "2119-01-01T00:00:00Z",
            "meta": {}, "version": 99}, "signatures": []});
        let part = timestamp.to_string();
        let answer = server.post(GUN, &[("timestamp", part.as_bytes())]).await;
        answer.assert_ok();
        assert_eq!(server.signed(GUN, "timestamp").await["version"], 2);
    }
}

#[tokio::test]
async fn case_31_the_last_of_several_parts_for_a_role_counts() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::new(&server, GUN).await;
        let (one, two) = (publisher.root(1), publisher.root(2));
        let targets = publisher.targets(1, &[]);
        let parts = [
            ("root", &two[..]),
            ("targets", &targets[..]),
            ("root", &one[..]),
        ];
        server.post(GUN, &parts).await.assert_ok();
        assert_eq!(server.file(GUN, "root.json").await.body, one);
        assert_eq!(server.file(GUN, "2.root.json").await.status, 404);
    }
}

#[tokio::test]
async fn case_32_part_names_are_role_names() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::new(&server, GUN).await;
        let delegate_key = Key::new();
        let mut signed = targets_signed(1, publisher.expires, &[]);
        delegate(&mut signed, "targets/a", &[&delegate_key], &[""]);
        let targets = seal(&signed, &[&publisher.targets]);
        let child = seal(
            &targets_signed(1, publisher.expires, &["x"]),
            &[&delegate_key],
        );
        let root = publisher.root(1);
        let body = multipart(&[
            ("root.json", &root),
            ("targets/a", &child),
            ("targets", &targets),
        ]);
        // Any field name and any order will do.
        let body = String::from_utf8(body).unwrap();
        let body = body.replace("name=\"files\"", "name=\"x\"");
        server.post_body(GUN, body.into_bytes()).await.assert_ok();
        assert_eq!(server.file(GUN, "targets/a.json").await.body, child);
        let named = server.signed(GUN, "snapshot").await;
        assert_eq!(listed(&named, "targets/a"), FileMeta::of(&child));
    }
}

#[tokio::test]
async fn case_34_a_broken_body_is_refused() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::new(&server, GUN).await;
        let (root, targets) = (publisher.root(1), publisher.targets(1, &[]));
        let body = multipart(&[("root", &root), ("targets", &targets)]);
        for end in [0, 1, 30, 100, 400, body.len() - 40, body.len() - 5] {
            let answer = server.post_body(GUN, body[..end].to_vec()).await;
            assert_eq!(
                (answer.status.as_u16(), &*answer.code()),
                (400, "MALFORMED_UPLOAD"),
                "{end}"
            );
        }
        server.post_body(GUN, body).await.assert_ok();
    }
}

#[tokio::test]
async fn case_35_delegations_are_held_to_their_parents() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::published(&server, GUN).await;
        let (a, b, stranger) = (Key::new(), Key::new(), Key::new());
        let expires = publisher.expires;
        let mut signed = targets_signed(2, expires, &[]);
        delegate(&mut signed, "targets/a", &[&a], &["allowed/"]);
        let targets = seal(&signed, &[&publisher.targets]);
        server.post(GUN, &[("targets", &targets)]).await.assert_ok();

        // Case 36: a target outside the delegation's paths is the consumers' business.
        let mut signed = targets_signed(1, expires, &["elsewhere"]);
        delegate(&mut signed, "targets/a/b", &[&b], &[""]);
        let wrong = seal(&signed, &[&stranger]);
        server
            .post(GUN, &[("targets/a", &wrong)])
            .await
            .assert_refused(
                "ErrBadTargets",
                "valid signatures did not meet threshold for targets/a",
            );
        let right = seal(&signed, &[&a]);
        server.post(GUN, &[("targets/a", &right)]).await.assert_ok();
        assert_eq!(server.file(GUN, "targets/a.json").await.body, right);

        let child = seal(&targets_signed(1, expires, &["x"]), &[&b]);
        server
            .post(GUN, &[("targets/c", &child)])
            .await
            .assert_refused(
                "ErrBadTargets",
                "tuf: invalid role targets/c. delegation does not exist",
            );
        // Defect D10: its parent is not stored.
        server
            .post(GUN, &[("targets/c/d", &child)])
            .await
            .assert_refused(
                "ErrBadTargets",
                "tuf: invalid role targets/c/d. delegation does not exist",
            );
        let old = targets_signed(1, NOW - Duration::DAY, &["x"]);
        let old = seal(&old, &[&b]);
        server
            .post(GUN, &[("targets/a/b", &old)])
            .await
            .assert_refused(
                "ErrBadTargets",
                "targets/a/b expired at Sun Nov 22 12:00:00 UTC 2026",
            );
        // The parent comes from the store.
        server
            .post(GUN, &[("targets/a/b", &child)])
            .await
            .assert_ok();
        let named = server.signed(GUN, "snapshot").await;
        assert_eq!(listed(&named, "targets/a/b"), FileMeta::of(&child));
        assert_eq!(listed(&named, "targets/a"), FileMeta::of(&right));

        // The parent is dropped in the same update: the stored document below it has lost its keys.
        let targets = seal(&targets_signed(3, expires, &[]), &[&publisher.targets]);
        let child = seal(&targets_signed(2, expires, &["x"]), &[&b]);
        let parts = [("targets", &targets[..]), ("targets/a/b", &child[..])];
        let answer = server.post(GUN, &parts).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (400, "INVALID_UPDATE")
        );
        assert_eq!(answer.detail(), Value::Null);
    }
}

#[tokio::test]
async fn case_37_a_document_in_another_form_stays_readable_and_guards_the_next_root() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::new(&server, GUN).await;
        let root: Value = serde_json::from_slice(&publisher.root(1)).unwrap();
        let mut pretty = serde_json::to_vec_pretty(&root).unwrap();
        pretty.push(b'\n');
        let targets = publisher.targets(1, &["v1"]);
        let parts = [("root", &pretty[..]), ("targets", &targets[..])];
        server.post(GUN, &parts).await.assert_ok();
        assert_eq!(server.file(GUN, "root.json").await.body, pretty);

        let stranger = Publisher::new(&server, GUN).await;
        let unrelated = stranger.root(2);
        server.post(GUN, &[("root", &unrelated)]).await.assert_refused(
            "ErrBadRoot",
            "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates",
        );
        let next = publisher.root(2);
        server.post(GUN, &[("root", &next)]).await.assert_ok();
    }
}

#[tokio::test]
async fn case_38_an_expired_root_certificate_can_be_replaced() {
    for server in Server::on_every_store().await {
        let mut publisher = Publisher::new(&server, GUN).await;
        publisher.expires = NOW + Duration::days(36_500);
        let (root, targets) = (publisher.root(1), publisher.targets(1, &["v1"]));
        server
            .post(GUN, &[("root", &root), ("targets", &targets)])
            .await
            .assert_ok();
        // The certificate is valid for ten years.
        let later = NOW + Duration::days(3660);
        server.set_time(later);
        let fresh = Key::root(GUN, later);
        let signed = root_signed(
            2,
            publisher.expires,
            &[&fresh.public],
            &publisher.targets.public,
            &publisher.server_snapshot,
            &publisher.server_timestamp,
        );
        let next = seal(&signed, &[&fresh, &publisher.root]);
        server.post(GUN, &[("root", &next)]).await.assert_ok();
        assert_eq!(server.file(GUN, "root.json").await.body, next);
    }
}

#[tokio::test]
async fn a_publishers_snapshot_must_name_what_is_loaded() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::new(&server, GUN).await;
        let root = publisher.root_with_own_snapshot(1);
        let targets = publisher.targets(1, &["v1"]);
        let other = publisher.targets(1, &["v2"]);
        let snapshot = publisher.snapshot(1, &[("root", &root), ("targets", &other)]);
        let parts = |snapshot| {
            vec![
                ("root", &root[..]),
                ("targets", &targets[..]),
                ("snapshot", snapshot),
            ]
        };
        let digest = data_encoding::HEXLOWER.encode(&signet_tuf::crypto::sha256(&other));
        server
            .post(GUN, &parts(&snapshot[..]))
            .await
            .assert_refused(
                "ErrBadSnapshot",
                &format!("sha256 checksum for targets did not match: expected {digest}"),
            );
        // Defect D16 is kept: a snapshot may name documents that nobody has.
        let named = [
            ("root", &root[..]),
            ("targets", &targets[..]),
            ("targets/ghost", &other[..]),
        ];
        let snapshot = publisher.snapshot(1, &named);
        server.post(GUN, &parts(&snapshot[..])).await.assert_ok();

        // Documents that are not in the update are held to it as well: the root, and the ancestors of what is.
        let next = publisher.targets(2, &["v2"]);
        let wrong = publisher.snapshot(2, &[("root", &other), ("targets", &next)]);
        let parts = [("targets", &next[..]), ("snapshot", &wrong[..])];
        server.post(GUN, &parts).await.assert_refused(
            "ErrBadSnapshot",
            &format!("sha256 checksum for root did not match: expected {digest}"),
        );
        let right = publisher.snapshot(2, &[("root", &root), ("targets", &next)]);
        let parts = [("targets", &next[..]), ("snapshot", &right[..])];
        server.post(GUN, &parts).await.assert_ok();
        assert_eq!(server.file(GUN, "targets.json").await.body, next);
        let expired = seal(
            &snapshot_signed(
                3,
                NOW - Duration::DAY,
                &[("root", &root), ("targets", &next)],
            ),
            &[&publisher.snapshot],
        );
        server
            .post(GUN, &[("snapshot", &expired)])
            .await
            .assert_refused(
                "ErrBadSnapshot",
                "snapshot expired at Sun Nov 22 12:00:00 UTC 2026",
            );
    }
}

#[tokio::test]
async fn text_after_a_document_is_refused_where_go_notices_it() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::new(&server, GUN).await;
        let targets = publisher.targets(1, &[]);
        let mut root = publisher.root(1);
        root.extend_from_slice(b" x");
        let parts = [("root", &root[..]), ("targets", &targets[..])];
        let answer = server.post(GUN, &parts).await;
        answer.assert_refused("ErrBadRoot", "invalid character 'x' after top-level value");
    }
}

#[tokio::test]
async fn what_go_finds_wrong_only_later_is_told_as_go_tells_it() {
    for server in Server::on_every_store().await {
        let publisher = Publisher::published(&server, GUN).await;
        let signature = "{\"keyid\":\"a\",\"method\":\"ecdsa\",\"sig\":\"AAAA\"}";
        let no_signatures = "tuf: data has no signatures";
        for (part, reason) in [
            ("null", Some(no_signatures)),
            ("{}", Some(no_signatures)),
            ("{\"signed\":null,\"signatures\":null}", Some(no_signatures)),
            (
                "{\"signed\":{\"version\":2},\"signatures\":[]}",
                Some(no_signatures),
            ),
            ("[]", None),
            ("{\"signed\":[]}", None),
            ("{\"signed\":[\"Targets\"]}", None),
            ("{\"signed\":{\"_type\":1}}", None),
            ("{\"signed\":{\"version\":\"2\"}}", None),
            ("{\"signed\":{},\"signatures\":{}}", None),
            ("{\"signed\":{},\"signatures\":[[]]}", None),
            ("{\"signed\":{},\"signatures\":[{\"sig\":\"?\"}]}", None),
            ("{\"signed\":{},\"signatures\":[{\"sig\":1}]}", None),
        ] {
            let answer = server.post(GUN, &[("targets", part.as_bytes())]).await;
            match reason {
                Some(reason) => answer.assert_refused("ErrBadTargets", reason),
                None => assert_eq!(answer.code(), "MALFORMED_JSON", "{part}"),
            }
        }
        // Of the right types where Go looks first, and not further in.
        let part = format!("{{\"signed\":{{\"targets\":7}},\"signatures\":[{signature}]}}");
        let answer = server.post(GUN, &[("targets", part.as_bytes())]).await;
        assert_eq!(answer.reason().0, "ErrBadTargets", "{}", answer.text());
        let next = publisher.targets(2, &[]);
        server.post(GUN, &[("targets", &next)]).await.assert_ok();
    }
}

#[tokio::test]
async fn a_root_lists_no_more_than_16_keys_for_a_role_of_the_server() {
    let server = Server::new(Backend::Memory).await;
    for role in ["timestamp", "snapshot"] {
        for (listed, ok) in [(16, true), (17, false)] {
            let gun = format!("registry.example.com/{role}/{listed}");
            let publisher = Publisher::new(&server, &gun).await;
            let mut signed = publisher.root_signed(1);
            for _ in 1..listed {
                let key = Key::new().public;
                signed["keys"][key.id().as_str()] = serde_json::to_value(&key).unwrap();
                let ids = signed["roles"][role]["keyids"].as_array_mut().unwrap();
                ids.insert(0, json!(key.id().as_str()));
            }
            let root = seal(&signed, &[&publisher.root]);
            let targets = publisher.targets(1, &["v1"]);
            let parts = [("root", &root[..]), ("targets", &targets[..])];
            let answer = server.post(&gun, &parts).await;
            if ok {
                answer.assert_ok();
            } else {
                let message = format!(
                    "the root lists 17 keys for the {role} role; this server accepts no more than 16"
                );
                answer.assert_refused("ErrBadRoot", &message);
            }
        }
    }
}
