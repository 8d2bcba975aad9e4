//! The client library beside Go's `notary`: what docker's commands do not show, full listings, local snapshot keys, staged changes.

use std::sync::Arc;

use secrecy::SecretString;
use signet_client::http::{TlsOptions, Verification};
use signet_client::{
    Clock, Edit, Managed, Options, PublishOptions, Remote, RemoteOptions, Repository,
};
use signet_keys::prompt::{Notice, PassphraseError, Passphrases, Prompt};
use signet_keys::{FileKeyStore, KeyStore, PrivateKey};
use signet_testkit::file;
use signet_testkit::image::digest;
use signet_testkit::peer::{Storage, TrustServer};
use signet_testkit::user::{Tool, User};
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{KeyId, RoleName};

use crate::judge::{Listed, key_ids, list_targets, stranger};

const GUN: &str = "registry.example.com/signet/demo";

/// The passphrases of [`User::new`].
struct Known;

impl Passphrases for Known {
    fn preset(&self, alias: &str) -> Option<SecretString> {
        let passphrase = if alias == "root" {
            User::ROOT_PASSPHRASE
        } else {
            User::REPOSITORY_PASSPHRASE
        };
        Some(passphrase.into())
    }

    fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
        panic!("asked for a passphrase: {prompt:?}");
    }

    fn tell(&self, _notice: Notice) {}
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

pub(crate) fn key_store(user: &User) -> Arc<FileKeyStore> {
    Arc::new(FileKeyStore::open(&user.trust_dir(), Arc::new(Known)))
}

/// The repository in the user's own trust folder, with the user's own keys.
fn open(server: &TrustServer, user: &User) -> Repository {
    #[expect(
        clippy::disallowed_methods,
        reason = "the real servers of this test go by the real time"
    )]
    let clock = Arc::new(time::OffsetDateTime::now_utc);
    open_at(server, user, GUN, clock)
}

/// The same for any repository and any time.
pub(crate) fn open_at(
    server: &TrustServer,
    user: &User,
    gun: &str,
    clock: Arc<dyn Clock>,
) -> Repository {
    let mut remote = RemoteOptions::new(server.url().parse().unwrap(), "interop test");
    remote.access = signet_client::Access::PullPush;
    remote.tls = TlsOptions {
        extra_roots_pem: server.ca_pem().into_bytes(),
        verification: Verification::ExtraRootsOnly,
        ..TlsOptions::default()
    };
    let mut options = Options::new(
        gun.parse().unwrap(),
        user.trust_dir(),
        Arc::new(Remote::new(remote).unwrap()),
        clock,
    );
    options.keys = key_store(user);
    Repository::open(options).unwrap()
}

/// Everything the library lists, in the form of `notary list`.
fn listed(server: &TrustServer, user: &User) -> Vec<Listed> {
    let mut repository = open(server, user);
    let trusted = block_on(repository.update(Mode::Read, Scope::All)).unwrap();
    let mut rows: Vec<Listed> = trusted
        .list(&[])
        .into_iter()
        .map(|found| Listed {
            digest: data_encoding::HEXLOWER.encode(
                found
                    .target
                    .hashes
                    .digest(signet_tuf::HashAlgorithm::Sha256)
                    .unwrap(),
            ),
            size: found.target.length.try_into().unwrap(),
            name: found.name,
            role: found.role.to_string(),
        })
        .collect();
    rows.sort();
    rows
}

fn publish(server: &TrustServer, user: &User, edits: &[Edit]) {
    block_on(open(server, user).publish(edits, PublishOptions::default())).unwrap();
}

fn role(name: &str) -> RoleName {
    name.parse().unwrap()
}

fn add_target(role_name: &str, name: &str, content: &str) -> Edit {
    let target = serde_json::json!({
        "hashes": {"sha256": data_encoding::BASE64.encode(&data_encoding::HEXLOWER.decode(&digest(content.as_bytes()).as_bytes()[7..]).unwrap())},
        "length": content.len(),
    });
    Edit::AddTarget {
        role: role(role_name),
        name: name.to_owned(),
        target: serde_json::from_value(target).unwrap(),
    }
}

/// OpenSSL keys and certificates of the kinds that the recorded repository `demo` mixes.
fn make_keys(user: &User) {
    user.ec_key("prime256v1", "releases.key").unwrap();
    user.certificate("releases").unwrap();
    user.openssl(&["genrsa", "-out", "alice.key", "2048"])
        .unwrap();
    user.certificate("alice").unwrap();
    user.ec_key("secp384r1", "sub.key").unwrap();
    user.openssl(&["ec", "-in", "sub.key", "-pubout", "-out", "sub.pub"])
        .unwrap();
    user.openssl(&["genrsa", "-out", "bob.key", "3072"])
        .unwrap();
    user.openssl(&["rsa", "-in", "bob.key", "-pubout", "-out", "bob.pub"])
        .unwrap();
}

/// The recorded repository `demo` made anew by Go, rotations of all keys included; then changed by us, then by Go again.
#[test]
fn listings_are_the_same_whoever_published() {
    for server in [
        TrustServer::go().unwrap(),
        TrustServer::ours(Storage::Sqlite).unwrap(),
    ] {
        let user = stranger(&server);
        make_keys(&user);
        let (one, two) = (digest(b"one"), digest(b"two"));
        let (one, two) = (&one[7..], &two[7..]);
        let steps: &[&[&str]] = &[
            &["init", "-p", GUN],
            &["addhash", GUN, "v1", "13", "--sha256", one],
            &["addhash", GUN, "a&b<c>", "12", "--sha256", two],
            &["addhash", GUN, "unicode-é", "0", "--sha256", two],
            &["publish", GUN],
            &[
                "delegation",
                "add",
                GUN,
                "targets/releases",
                "releases.crt",
                "--all-paths",
            ],
            &[
                "delegation",
                "add",
                GUN,
                "targets/alice",
                "alice.crt",
                "--paths",
                "alice/,shared/",
            ],
            &[
                "delegation",
                "add",
                GUN,
                "targets/bob",
                "bob.pub",
                "--paths",
                "bob/",
            ],
            &["delegation", "add", GUN, "targets/releases", "bob.pub"],
            &["publish", GUN],
            &["key", "import", "releases.key", "--role", "releases"],
            &["key", "import", "alice.key", "--role", "alice"],
            &["key", "import", "sub.key", "--role", "sub"],
            &["key", "import", "bob.key", "--role", "bob"],
            &[
                "addhash",
                GUN,
                "1.0",
                "13",
                "--sha256",
                one,
                "-r",
                "targets/releases",
            ],
            &[
                "addhash",
                GUN,
                "alice/tool",
                "13",
                "--sha256",
                one,
                "-r",
                "targets/alice",
            ],
            &[
                "addhash",
                GUN,
                "shared/x",
                "12",
                "--sha256",
                two,
                "-r",
                "targets/alice",
            ],
            &["publish", GUN],
            &[
                "delegation",
                "add",
                GUN,
                "targets/alice/sub",
                "sub.pub",
                "--paths",
                "alice/sub/",
                "-p",
            ],
            &[
                "addhash",
                GUN,
                "alice/sub/deep",
                "13",
                "--sha256",
                one,
                "-r",
                "targets/alice/sub",
                "-p",
            ],
            &["key", "rotate", GUN, "snapshot", "-r"],
            &["key", "rotate", GUN, "targets"],
            &["key", "rotate", GUN, "timestamp", "-r"],
        ];
        let reader = stranger(&server);
        for step in steps {
            user.expect(Tool::Notary, step).unwrap();
            if *step == ["publish", GUN] {
                // A cache of every age is brought up to date below.
                assert_eq!(
                    listed(&server, &reader),
                    list_targets(&stranger(&server), GUN, &[])
                );
            }
        }
        for _ in 0..2 {
            user.run_with_input(Tool::Notary, &["key", "rotate", GUN, "root"], "y\n")
                .unwrap()
                .success()
                .unwrap();
        }
        let by_go = list_targets(&stranger(&server), GUN, &[]);
        assert_eq!(by_go.len(), 7, "{by_go:?}");
        assert_eq!(listed(&server, &stranger(&server)), by_go);
        assert_eq!(
            listed(&server, &reader),
            by_go,
            "across two rotations of the root"
        );

        publish(
            &server,
            &user,
            &[
                add_target("targets", "v2", "two"),
                add_target("targets/releases", "2.0", "three"),
                add_target("targets/bob", "bob/tool", "four"),
                add_target("targets/alice/sub", "alice/sub/deeper", "five"),
                Edit::RemoveTarget {
                    role: role("targets"),
                    name: "v1".to_owned(),
                },
            ],
        );
        let by_go = list_targets(&stranger(&server), GUN, &[]);
        assert_eq!(by_go.len(), 10, "{by_go:?}");
        assert_eq!(
            by_go,
            list_targets(&user, GUN, &[]),
            "Go takes the cache that we left"
        );
        assert_eq!(listed(&server, &stranger(&server)), by_go);
        assert_eq!(listed(&server, &reader), by_go);
        user.expect(
            Tool::Notary,
            &["addhash", GUN, "v3", "3", "--sha256", one, "-p"],
        )
        .unwrap();
        assert_eq!(
            listed(&server, &reader),
            list_targets(&stranger(&server), GUN, &[])
        );
    }
}

/// Root, targets and snapshot all made and signed by us; Go then writes all of them anew and must come to the same bytes.
#[test]
fn go_goes_on_where_we_began_with_a_local_snapshot_key() {
    for server in [
        TrustServer::go().unwrap(),
        TrustServer::ours(Storage::Sqlite).unwrap(),
    ] {
        let user = stranger(&server);
        let root = PrivateKey::generate_ecdsa().unwrap();
        let root_id: KeyId = signet_keys::Signer::public(&root).id().clone();
        key_store(&user).add(root, "root", None).unwrap();
        let mut repository = open(&server, &user);
        block_on(async {
            repository
                .initialize(&root_id, Managed::Locally)
                .await
                .unwrap();
            repository
                .publish(
                    &[add_target("targets", "v1", "one")],
                    PublishOptions::default(),
                )
                .await
                .unwrap();
        });
        assert_eq!(key_ids(&user, "snapshot").len(), 1);
        let two = digest(b"two");
        user.expect(
            Tool::Notary,
            &["addhash", GUN, "v2", "3", "--sha256", &two[7..], "-p"],
        )
        .unwrap();
        publish(&server, &user, &[add_target("targets", "v3", "three")]);
        user.expect(Tool::Notary, &["witness", GUN, "targets", "-p"])
            .unwrap();
        let rows = list_targets(&stranger(&server), GUN, &[]);
        assert_eq!(
            rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            ["v1", "v2", "v3"]
        );
        assert_eq!(listed(&server, &stranger(&server)), rows);
    }
}

/// Go stages custom data as it stands in the file, then signs something else than it sends, so that its own publication is refused; we publish the same
/// staged change in canonical form.
#[test]
fn custom_data_staged_by_go_is_published_by_us() {
    for server in [
        TrustServer::go().unwrap(),
        TrustServer::ours(Storage::Sqlite).unwrap(),
    ] {
        let user = stranger(&server);
        user.expect(Tool::Notary, &["init", "-p", GUN]).unwrap();
        file::write(&user.path("custom.json"), r#"{"b":1,"a":"<x>"}"#).unwrap();
        let one = digest(b"one");
        user.expect(
            Tool::Notary,
            &[
                "addhash",
                GUN,
                "v1",
                "3",
                "--sha256",
                &one[7..],
                "--custom",
                "custom.json",
            ],
        )
        .unwrap();
        let mut repository = open(&server, &user);
        block_on(repository.publish_staged(PublishOptions::default())).unwrap();
        let rows = list_targets(&stranger(&server), GUN, &[]);
        assert_eq!(
            rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            ["v1"]
        );
        assert!(
            user.expect(Tool::Notary, &["status", GUN])
                .unwrap()
                .contains("No unpublished changes")
        );
    }
}

/// What we stage, Go publishes.
#[test]
fn changes_staged_by_us_are_published_by_go() {
    let server = TrustServer::go().unwrap();
    let user = stranger(&server);
    user.expect(Tool::Notary, &["init", "-p", GUN]).unwrap();
    make_keys(&user);
    user.expect(
        Tool::Notary,
        &[
            "delegation",
            "add",
            GUN,
            "targets/releases",
            "bob.pub",
            "--all-paths",
            "-p",
        ],
    )
    .unwrap();
    let repository = open(&server, &user);
    repository
        .stage(&add_target("targets", "v1", "one"))
        .unwrap();
    repository
        .stage(&Edit::RemoveDelegation {
            role: role("targets/releases"),
        })
        .unwrap();
    let status = user.expect(Tool::Notary, &["status", GUN]).unwrap();
    assert!(
        status.contains("v1") && status.contains("targets/releases"),
        "{status}"
    );
    user.expect(Tool::Notary, &["publish", GUN]).unwrap();
    let rows = list_targets(&stranger(&server), GUN, &[]);
    assert_eq!(
        rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
        ["v1"]
    );
    assert!(crate::judge::list_delegations(&stranger(&server), GUN).is_empty());
}
