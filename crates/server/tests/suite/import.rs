//! Repositories that come from an archive: what is taken over, what is refused, and how the repository is served until its owner has
//! given it keys of this server.

use bytes::Bytes;
use serde_json::{Value, json};
use signet_archive::{ArchivedRepository, Currency, Held, Moment, Record, Source, assemble};
use signet_keys::{PrivateKey, Signer as _};
use signet_tuf::{Gun, RoleName};
use time::Duration;

use crate::fixture::{Answer, BOUNDARY, Backend, NOW, Server, multipart};
use crate::publisher::{Key, Publisher, delegate, seal, targets_signed};

const GUN: &str = "registry.example.com/a/b";
/// The roles that the repositories here have.
const ROLES: [&str; 5] = [
    "root",
    "targets",
    "targets/releases",
    "snapshot",
    "timestamp",
];

/// Everything that a server has of a repository.
async fn archived(server: &Server) -> ArchivedRepository {
    let gun: Gun = GUN.parse().unwrap();
    let mut held = Vec::new();
    for role in ROLES {
        let role: RoleName = role.parse().unwrap();
        for version in 1..20 {
            let found = server.store.by_version(&gun, &role, version).await.unwrap();
            held.extend(found.map(|document| Held {
                role: role.clone(),
                bytes: document.data,
                published: Some(Moment::of(document.stored_at)),
            }));
        }
    }
    put_together(held)
}

fn put_together(held: Vec<Held>) -> ArchivedRepository {
    let source = Source::Server {
        address: "https://notary.example.com".to_owned(),
    };
    let captured = Moment::of(NOW);
    assemble(
        &GUN.parse().unwrap(),
        source,
        captured,
        held,
        Currency::Newest,
        Vec::new(),
    )
}

fn body(repository: &ArchivedRepository) -> Vec<u8> {
    let objects = repository.objects.values();
    parts(&repository.record, objects.cloned().collect())
}

fn parts(record: &Record, objects: Vec<Bytes>) -> Vec<u8> {
    let record = serde_json::to_vec(record).unwrap();
    let mut parts = vec![("record.json".to_owned(), Bytes::from(record))];
    for bytes in objects {
        let sha256 = signet_archive::Sha256::of(&bytes);
        parts.push((format!("objects/{sha256}.json"), bytes));
    }
    let parts: Vec<(&str, &[u8])> = parts.iter().map(|(n, b)| (n.as_str(), &b[..])).collect();
    multipart(&parts)
}

async fn send(server: &Server, query: &str, body: Vec<u8>) -> Answer {
    let request = http::Request::post(format!("/v2/{GUN}/_trust/import{query}"))
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(http_body_util::Full::from(body));
    server.send(request.unwrap()).await
}

async fn import(server: &Server, repository: &ArchivedRepository) -> Answer {
    send(server, "", body(repository)).await
}

#[track_caller]
fn assert_refused(answer: &Answer, text: &str) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    let (name, message) = answer.reason();
    assert_eq!(name, "ErrValidation", "{}", answer.text());
    assert!(message.contains(text), "{message}");
    assert!(answer.body.len() < 1024, "clients read 1024 bytes");
}

/// A repository with a rotated root, a delegation and three states, on a server of its own.
async fn elsewhere() -> (Server, Publisher, Key) {
    let server = Server::new(Backend::Memory).await;
    let mut publisher = Publisher::published(&server, GUN).await;
    let alice = Key::new();
    let mut signed = targets_signed(2, publisher.expires, &["v1"]);
    delegate(&mut signed, "targets/releases", &[&alice], &[""]);
    let targets = seal(&signed, &[&publisher.targets]);
    let releases = seal(&targets_signed(1, publisher.expires, &["v2"]), &[&alice]);
    let parts = [("targets", &targets[..]), ("targets/releases", &releases)];
    server.post(GUN, &parts).await.assert_ok();
    // Another root key: signed by both, as a rotation is.
    let before = std::mem::replace(&mut publisher.root, Key::root(GUN, NOW));
    let root = seal(&publisher.root_signed(2), &[&before, &publisher.root]);
    server.post(GUN, &[("root", &root)]).await.assert_ok();
    (server, publisher, alice)
}

async fn assert_same(server: &Server, repository: &ArchivedRepository) {
    for document in &repository.record.documents {
        let (role, bytes) = (&document.role, &repository.objects[&document.sha256]);
        for name in [
            format!("{}.{role}.json", document.version),
            format!("{role}.{}.json", document.sha256),
        ] {
            let answer = server.file(GUN, &name).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body),
                (200, bytes),
                "{name}"
            );
        }
    }
    for (role, sha256) in &repository.record.current {
        let answer = server.file(GUN, &format!("{role}.json")).await;
        assert_eq!(answer.body, repository.objects[sha256], "{role}");
    }
}

#[tokio::test]
async fn everything_is_there_afterwards_with_its_history() {
    let (old, ..) = elsewhere().await;
    let repository = archived(&old).await;
    assert_eq!(repository.record.documents.len(), 2 + 2 + 1 + 3 + 3);
    for server in Server::on_every_store().await {
        // Whoever asked before must not be told from memory that there is nothing.
        assert_eq!(server.file(GUN, "timestamp.json").await.status, 404);
        let asked = send(&server, "?dry-run=1", body(&repository)).await;
        assert_eq!(asked.json()["added"], 11);
        assert_eq!(server.file(GUN, "timestamp.json").await.status, 404);
        assert_eq!(server.feed(GUN).await, []);

        let answer = import(&server, &repository).await;
        let expected = json!({
            "result": "imported", "added": 11, "before": 0, "timestamp": 3, "left_out": 0, "examples": [],
        });
        assert_eq!(answer.json(), expected, "{}", answer.text());
        assert_same(&server, &repository).await;
        assert_eq!(server.feed(GUN).await, [("1".into(), 3, "update".into())]);

        let again = import(&server, &repository).await;
        assert_eq!(again.json()["result"], "already-there");
        assert_eq!(server.feed(GUN).await.len(), 1);
        assert_eq!(
            send(&server, "?dry-run=2", body(&repository)).await.status,
            400
        );
    }
}

#[tokio::test]
async fn foreign_documents_are_served_as_they_are_until_the_owner_takes_over() {
    let (old, publisher, _) = elsewhere().await;
    let repository = archived(&old).await;
    for mut server in Server::on_every_store().await {
        import(&server, &repository).await.assert_ok();
        // Expired since long: neither an error nor signed again by anybody.
        server.set_time(NOW + Duration::days(100));
        for _ in 0..2 {
            assert_same(&server, &repository).await;
            assert_eq!(server.feed(GUN).await.len(), 1);
            server.restart();
        }
        let targets = publisher.targets(3, &["v1", "v3"]);
        let refused = server.post(GUN, &[("targets", &targets)]).await;
        let hint = "the root of this repository lists server keys that this server does not hold; \
            'notary takeover' with the owner's root key gives it keys of this server";
        refused.assert_refused(
            "ErrBadHierarchy",
            &format!(
                "no snapshot was included in update and server does not hold current snapshot key for repository: {hint}"
            ),
        );
        assert_same(&server, &repository).await;

        // A root that lists this server's keys is all that it takes.
        let mut owner = Publisher::new(&server, GUN).await;
        (owner.root, owner.targets) = (copy(&publisher.root), copy(&publisher.targets));
        server
            .post(GUN, &[("root", &owner.root(3))])
            .await
            .assert_ok();
        // Clients may know later ones of the old server: numbers are left out for those, this once.
        assert_eq!(server.signed(GUN, "timestamp").await["version"], 1004);
        assert_eq!(server.signed(GUN, "snapshot").await["version"], 1004);
        server.post(GUN, &[("targets", &targets)]).await.assert_ok();
        assert_eq!(server.signed(GUN, "targets").await["version"], 3);
        // What was imported is no news any more, and takes nothing back.
        let again = import(&server, &repository).await;
        assert_eq!(again.json()["result"], "already-there");
        assert_eq!(server.signed(GUN, "timestamp").await["version"], 1005);
    }
}

fn copy(key: &Key) -> Key {
    let kind = key.private.public().kind().clone();
    let private = PrivateKey::from_private_bytes(&kind, key.private.private_bytes()).unwrap();
    Key {
        private,
        public: key.public.clone(),
    }
}

#[tokio::test]
async fn histories_grow_and_never_part() {
    let (old, publisher, alice) = elsewhere().await;
    let first = archived(&old).await;
    let releases = seal(
        &targets_signed(2, publisher.expires, &["v2", "v3"]),
        &[&alice],
    );
    let one = [("targets/releases", &releases[..])];
    old.post(GUN, &one).await.assert_ok();
    let second = archived(&old).await;

    let (forked, ..) = elsewhere().await;
    let other = archived(&forked).await;
    for server in Server::on_every_store().await {
        import(&server, &first).await.assert_ok();
        assert_same(&server, &first).await;
        let answer = import(&server, &second).await;
        assert_eq!(answer.json()["before"], 11, "{}", answer.text());
        assert_eq!(answer.json()["added"], 3);
        assert_same(&server, &second).await;
        assert_eq!(server.feed(GUN).await.len(), 2);
        // Back to the first state: nothing to add, nothing taken away.
        let answer = import(&server, &first).await;
        assert_eq!(answer.json()["result"], "already-there");
        assert_same(&server, &second).await;

        let answer = import(&server, &other).await;
        assert_refused(&answer, "this server has another root version 1");
        assert_same(&server, &second).await;
    }
    // Part of the history first, the whole of it later.
    let current = first.record.current.clone();
    let only_current = put_together(
        current
            .iter()
            .map(|(role, sha256)| Held {
                role: role.clone(),
                bytes: first.objects[sha256].clone(),
                published: None,
            })
            .collect(),
    );
    for server in Server::on_every_store().await {
        assert_eq!(import(&server, &only_current).await.json()["added"], 5);
        assert_eq!(import(&server, &first).await.json()["added"], 6);
        assert_same(&server, &first).await;
        assert_eq!(
            server.feed(GUN).await.len(),
            1,
            "the current state was announced before"
        );
        // Here the server knows more than the archive, and the archive more than the server.
        let mut beside = second.clone();
        beside.record.documents.retain(|d| d.version != 1);
        let named: Vec<_> = beside.record.documents.iter().map(|d| d.sha256).collect();
        beside.objects.retain(|sha256, _| named.contains(sha256));
        let answer = import(&server, &beside).await;
        assert_refused(&answer, "it has gone on since");
    }
}

#[tokio::test]
async fn two_imports_at_once_are_one_after_the_other() {
    let (old, ..) = elsewhere().await;
    let repository = archived(&old).await;
    for server in Server::on_every_store().await {
        let (a, b) = tokio::join!(import(&server, &repository), import(&server, &repository));
        let mut results = [a, b].map(|answer| answer.json()["result"].as_str().unwrap().to_owned());
        results.sort();
        assert_eq!(results, ["already-there", "imported"]);
        assert_eq!(server.feed(GUN).await.len(), 1);
    }
}

/// The repository with a document in the place of another.
fn with(
    repository: &ArchivedRepository,
    role: &str,
    version: i64,
    bytes: &[u8],
) -> ArchivedRepository {
    let mut held: Vec<Held> = Vec::new();
    for document in &repository.record.documents {
        let replaced = document.role.as_str() == role && document.version == version;
        let old = repository.objects[&document.sha256].clone();
        held.push(Held {
            role: document.role.clone(),
            bytes: if replaced {
                Bytes::copy_from_slice(bytes)
            } else {
                old
            },
            published: document.published,
        });
    }
    put_together(held)
}

#[tokio::test]
async fn what_no_owner_signed_is_refused_or_left_out() {
    let (old, publisher, _) = elsewhere().await;
    let repository = archived(&old).await;
    let stranger = Key::new();
    let server = Server::new(Backend::Memory).await;
    let refused = |answer: &Answer, text: &str| assert_refused(answer, text);

    // An earlier document that nobody vouches for stays behind; the rest is as good as before.
    let forged = seal(
        &targets_signed(1, publisher.expires, &["evil"]),
        &[&stranger],
    );
    let answer = send(
        &server,
        "?dry-run=1",
        body(&with(&repository, "targets", 1, &forged)),
    )
    .await;
    let expected = json!([{
        "role": "targets", "version": 1, "reason": "no document here lists the keys that would have to sign it",
    }]);
    assert_eq!(answer.json()["examples"], expected, "{}", answer.text());
    assert_eq!(answer.json()["added"], 10);

    // The chain of roots has to hold link by link.
    let unrelated = Publisher::new(&server, GUN).await;
    let other_root = with(&repository, "root", 1, &unrelated.root(1));
    refused(
        &import(&server, &other_root).await,
        "root version 2: could not rotate trust",
    );

    // The current state has to hold as a client sees it.
    let forged = seal(
        &targets_signed(2, publisher.expires, &["evil"]),
        &[&stranger],
    );
    let answer = import(&server, &with(&repository, "targets", 2, &forged)).await;
    refused(&answer, "the current state has no targets");
    let mut timestamp: Value =
        serde_json::from_slice(&old.file(GUN, "3.timestamp.json").await.body).unwrap();
    timestamp["signed"]["version"] = json!(4);
    let forged = seal(&timestamp["signed"], &[&stranger]);
    let mut held = with(&repository, "timestamp", 3, &forged);
    refused(&import(&server, &held).await, "timestamp version 4: ");
    // Said to be another version than it is.
    held = repository.clone();
    held.record.documents.last_mut().unwrap().version = 9;
    refused(
        &import(&server, &held).await,
        "timestamp version 9: it carries version 3",
    );

    // What an upload refuses has no way in here either.
    let mut signed = targets_signed(2, publisher.expires, &["v1"]);
    signed["extra"] = json!(1);
    let odd = seal(&signed, &[&publisher.targets]);
    let mut held = with(&repository, "targets", 2, &odd);
    let sha256 = signet_archive::Sha256::of(&odd);
    held.record.current.insert(RoleName::targets(), sha256);
    refused(
        &import(&server, &held).await,
        "the current state has no targets",
    );
    let far = publisher.targets(1_000_001, &["v1"]);
    let answer = import(&server, &with(&repository, "targets", 1, &far)).await;
    assert_eq!(answer.json()["left_out"], 1, "{}", answer.text());
    server
        .call("DELETE", &format!("/v2/{GUN}/_trust/tuf/"))
        .await
        .assert_ok();

    // The documents are those of the record, of this repository.
    let mut more = repository.objects.values().cloned().collect::<Vec<_>>();
    more.push(Bytes::from_static(b"{}"));
    refused(
        &send(&server, "", parts(&repository.record, more)).await,
        "there is one that it does not name",
    );
    let less = repository.objects.values().skip(1).cloned().collect();
    refused(
        &send(&server, "", parts(&repository.record, less)).await,
        "one that it names is missing",
    );
    let mut other = repository.clone();
    other.record.gun = "registry.example.com/other".parse().unwrap();
    refused(
        &import(&server, &other).await,
        "the record is about registry.example.com/other",
    );
    for broken in [
        multipart(&[("record.json", b"{}")]),
        multipart(&[("record.json", b"[")]),
    ] {
        refused(
            &send(&server, "", broken).await,
            "the record cannot be read",
        );
    }
    for broken in [
        multipart(&[]),
        multipart(&[("root", b"{}")]),
        multipart(&[("objects/x.json", b"{}")]),
        b"x".to_vec(),
    ] {
        assert_eq!(send(&server, "", broken).await.code(), "MALFORMED_UPLOAD");
    }
    assert_eq!(server.file(GUN, "timestamp.json").await.status, 404);
}

#[tokio::test]
async fn a_delegation_whose_keys_were_replaced_since_is_taken_with_what_vouches_for_it() {
    let (old, publisher, _) = elsewhere().await;
    // targets/releases was signed by the key before; nobody has signed it with the new one yet.
    let mut signed = targets_signed(3, publisher.expires, &["v1"]);
    delegate(&mut signed, "targets/releases", &[&Key::new()], &[""]);
    let targets = seal(&signed, &[&publisher.targets]);
    old.post(GUN, &[("targets", &targets)]).await.assert_ok();
    let repository = archived(&old).await;
    for server in Server::on_every_store().await {
        let answer = import(&server, &repository).await;
        assert_eq!(answer.json()["left_out"], 0, "{}", answer.text());
        assert_same(&server, &repository).await;
    }
}

/// A17: a small body may not stand for much work. Each line of a record would have its document parsed again.
#[tokio::test]
async fn a17_a_record_does_not_name_one_document_for_ever() {
    let (old, ..) = elsewhere().await;
    let repository = archived(&old).await;
    let server = Server::new(Backend::Memory).await;
    let some = repository.record.documents[0].clone();
    for (lines, text) in [
        (9, "it names one document for many roles and versions"),
        (
            signet_archive::bounds::MAX_DOCUMENTS + 1,
            "it names more documents than a repository may have",
        ),
    ] {
        let mut padded = repository.clone();
        for version in 1..=lines {
            let mut more = some.clone();
            more.role = "targets/x".parse().unwrap();
            more.version = i64::try_from(version).unwrap();
            padded.record.documents.push(more);
        }
        let answer = send(&server, "?dry-run=1", body(&padded)).await;
        assert_refused(&answer, text);
    }
}
