//! Class A18: what was looked at is what is signed, although whoever answers for the server and has its keys may show
//! something else after an upload that it refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use signet_archive::Sha256;
use signet_client::changelist::Edit;
use signet_client::publish::PublishOptions;
use signet_client::{Error, Managed, Repository};
use signet_keys::{PrivateKey, Signer as _};
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{BaseRole, PublicKey, RoleName};
use time::Duration;

use crate::person::{Person, add, delegate, now, role};
use crate::support::{Do, Request, Server, answer};

const GUN: &str = "example.com/r/x";
const RELEASES: &str = "targets/releases";

/// A server that has one repository, and does with it what suits it.
struct State {
    current: BTreeMap<String, String>,
    /// All documents, by every name that they are asked for.
    all: BTreeMap<String, String>,
    version: u64,
    /// Keys for timestamps and snapshots.
    signing: [PrivateKey; 2],
    /// Keys that it gives out.
    given: [PublicKey; 2],
    /// What the next upload is refused for.
    attack: Option<fn(&mut Self)>,
    /// The documents of each upload.
    posts: Vec<Vec<(String, String)>>,
}

impl State {
    fn put(&mut self, role: &str, text: String) {
        let document: Value = serde_json::from_str(&text).unwrap();
        let version = &document["signed"]["version"];
        let names = [
            format!("{version}.{role}"),
            format!("{role}.{}", Sha256::of(text.as_bytes())),
            role.to_owned(),
        ];
        for name in names {
            self.all.insert(name, text.clone());
        }
        self.current.insert(role.to_owned(), text);
    }

    fn seal(&mut self) {
        self.version += 1;
        let listed: BTreeMap<_, _> = self
            .current
            .iter()
            .filter(|(role, _)| !matches!(role.as_str(), "snapshot" | "timestamp"))
            .map(|(role, text)| (role.clone(), meta(text)))
            .collect();
        let signed = json!({"_type": "Snapshot", "expires": "2040-01-01T00:00:00Z", "meta": listed, "version": self.version});
        let snapshot = sealed(&self.signing[1], &signed);
        let listed = json!({"snapshot": meta(&snapshot)});
        let signed = json!({"_type": "Timestamp", "expires": "2040-01-01T00:00:00Z", "meta": listed, "version": self.version});
        let timestamp = sealed(&self.signing[0], &signed);
        self.put("snapshot", snapshot);
        self.put("timestamp", timestamp);
    }

    /// Another document of the delegation, which none of its keys signed.
    fn forge(&mut self) {
        let mut forged: Value = serde_json::from_str(&self.current[RELEASES]).unwrap();
        let version = forged["signed"]["version"].as_u64().unwrap();
        let digest = data_encoding::BASE64.encode(&[0x66; 32]);
        forged["signed"]["targets"] = json!({"v1": {"hashes": {"sha256": digest}, "length": 666}});
        forged["signed"]["version"] = json!(version + 1);
        forged["signatures"][0]["sig"] = json!("AAAA");
        self.put(RELEASES, forged.to_string());
        self.seal();
    }

    fn answer(&mut self, request: &Request) -> Vec<Do> {
        let path = request.path.split('?').next().unwrap();
        let Some(name) = path.strip_prefix(&format!("/v2/{GUN}/_trust/tuf/")) else {
            return answer(200, "{}");
        };
        if request.method == "POST" {
            let parts = parts(&request.body);
            self.posts.push(parts.clone());
            if let Some(attack) = self.attack.take() {
                attack(self);
                let refused =
                    json!({"errors": [{"code": "VERSION", "message": "old", "detail": {}}]});
                return answer(400, &refused.to_string());
            }
            for (role, text) in parts {
                self.put(&role, text);
            }
            self.seal();
            return answer(200, "");
        }
        let public = |key: &PublicKey| serde_json::to_string(key).unwrap();
        match name {
            "timestamp.key" => return answer(200, &public(&self.given[0])),
            "snapshot.key" => return answer(200, &public(&self.given[1])),
            _ => {}
        }
        match self.all.get(name.trim_end_matches(".json")) {
            Some(text) => answer(200, text),
            None => answer(404, "{}"),
        }
    }

    /// What people's keys signed for the delegation, upload by upload.
    fn signed(&self) -> Vec<&str> {
        let all = self.posts.iter().flatten();
        all.filter(|(role, _)| role == RELEASES)
            .map(|(_, text)| text.as_str())
            .collect()
    }
}

fn meta(text: &str) -> Value {
    let digest = data_encoding::BASE64.encode(&Sha256::of(text.as_bytes()).0);
    json!({"hashes": {"sha256": digest}, "length": text.len()})
}

fn sealed(key: &PrivateKey, signed: &Value) -> String {
    let sig = key.sign(signed.to_string().as_bytes()).unwrap();
    let sig = data_encoding::BASE64.encode(&sig);
    let id = key.public().id().to_string();
    json!({"signed": signed, "signatures": [{"keyid": id, "method": "eddsa", "sig": sig}]})
        .to_string()
}

fn parts(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let boundary = text.lines().next().unwrap();
    text.split(boundary)
        .filter_map(|part| {
            let (head, data) = part.split_once("\r\n\r\n")?;
            let (_, name) = head.split_once("filename=\"")?;
            let (name, _) = name.split_once('"')?;
            let data = data.strip_suffix("\r\n").unwrap_or(data);
            Some((name.trim_end_matches(".json").to_owned(), data.to_owned()))
        })
        .collect()
}

/// A person's repository with one delegation, which lists a tag, at such a server.
struct Scene {
    person: Person,
    state: Arc<Mutex<State>>,
    _server: Server,
    _home: tempfile::TempDir,
}

impl Scene {
    /// As it was published `age` ago.
    async fn new(age: Duration) -> Self {
        let key = || PrivateKey::generate_ed25519().unwrap();
        let signing = [key(), key()];
        let state = Arc::new(Mutex::new(State {
            current: BTreeMap::new(),
            all: BTreeMap::new(),
            version: 0,
            given: signing.each_ref().map(|key| key.public().clone()),
            signing,
            attack: None,
            posts: Vec::new(),
        }));
        let inner = Arc::clone(&state);
        let server = Server::start(move |request| inner.lock().unwrap().answer(request)).await;
        let home = tempfile::tempdir().unwrap();
        let url = server.url("http", "127.0.0.1");
        let mut person = Person::at(url.as_str(), "", GUN, home.path());
        let before = now() - age;
        person.clock = Arc::new(move || before);
        let alice = person.key("alice");
        let mut repository = person.initialized(Managed::ByServer).await;
        let edits = [delegate(RELEASES, &[&alice]), add(RELEASES, "v1")];
        repository
            .publish(&edits, PublishOptions::default())
            .await
            .unwrap();
        person.clock = Arc::new(now);
        Self {
            person,
            state,
            _server: server,
            _home: home,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The repository came to another server, and soon expires.
    async fn imported() -> Self {
        let scene = Self::new(Duration::days(3 * 365 - 60)).await;
        let key = || PrivateKey::generate_ed25519().unwrap();
        scene.state().given = [key(), key()].map(|key| key.public().clone());
        scene.state().posts.clear();
        scene
    }

    /// The delegation is another one's, who did not sign its document yet.
    async fn unsigned() -> (Self, Repository) {
        let scene = Self::new(Duration::days(1)).await;
        let bob = scene.person.key("bob");
        let list = scene.state().current["targets"].clone();
        let list: Value = serde_json::from_str(&list).unwrap();
        let alice = list["signed"]["delegations"]["roles"][0]["keyids"][0].clone();
        let edit = Edit::ChangeDelegation {
            role: role(RELEASES),
            threshold: 1,
            add_keys: vec![bob],
            remove_keys: vec![serde_json::from_value(alice).unwrap()],
            add_paths: Vec::new(),
            remove_paths: Vec::new(),
            clear_paths: false,
        };
        let mut repository = scene.person.open();
        repository
            .publish(&[edit], PublishOptions::default())
            .await
            .unwrap();
        scene.state().posts.clear();
        let mut repository = scene.person.open();
        let trusted = repository.update(Mode::Write, Scope::All).await.unwrap();
        assert!(trusted.unusable().contains_key(&role(RELEASES)));
        (scene, repository)
    }
}

#[tokio::test]
async fn a_takeover_renews_what_it_showed_and_nothing_that_the_server_shows_after_it() {
    let scene = Scene::imported().await;
    let mut repository = scene.person.open();
    let plan = repository.plan_takeover().await.unwrap();
    let renewed: Vec<_> = plan.renewed.iter().map(|it| it.role.as_str()).collect();
    assert_eq!(renewed, ["targets", RELEASES]);
    let releases = &plan.renewed[1];
    assert_eq!((releases.version, releases.targets), (1, 1));

    scene.state().attack = Some(State::forge);
    let error = repository.take_over(&plan).await.unwrap_err();
    assert!(
        matches!(error, Error::Conflict { attempts: 1, .. }),
        "{error}"
    );
    // The same plan again, after the other state was read.
    let error = repository.take_over(&plan).await.unwrap_err();
    assert!(
        matches!(&error, Error::Changed { role } if role.is_delegation()),
        "{error}"
    );
    {
        let state = scene.state();
        assert_eq!((state.posts.len(), state.signed().len()), (1, 1));
        assert!(!state.signed()[0].contains("666"), "{:?}", state.signed());
    }
    // Planned anew, the forged document is somebody else's to sign.
    let plan = repository.plan_takeover().await.unwrap();
    assert!(plan.left[0].unsigned && plan.left[0].role.as_str() == RELEASES);
    repository.take_over(&plan).await.unwrap();
    assert_eq!(scene.state().signed().len(), 1);
}

#[tokio::test]
async fn a_takeover_says_what_cannot_be_known_and_leaves_no_old_key_listed() {
    let scene = Scene::imported().await;
    let plan = scene.person.open().plan_takeover().await.unwrap();
    assert!(!plan.never_seen);
    std::fs::remove_dir_all(scene.person.trust_dir.join("tuf")).unwrap();
    let plan = scene.person.open().plan_takeover().await.unwrap();
    assert!(plan.never_seen);

    // The old server's key beside the new one: it can still sign.
    let scene = Scene::new(Duration::days(1)).await;
    let old = scene.state().given[0].clone();
    let new = PrivateKey::generate_ed25519().unwrap().public().clone();
    let edit = Edit::ReplaceRoleKeys {
        role: BaseRole::Timestamp,
        keys: vec![old.clone(), new.clone()],
    };
    scene
        .person
        .open()
        .publish(&[edit], PublishOptions::default())
        .await
        .unwrap();
    scene.state().given[0] = new.clone();
    let plan = scene.person.open().plan_takeover().await.unwrap();
    let change = plan.timestamp.as_ref().unwrap();
    assert_eq!(
        (&change.old, &change.new),
        (&vec![old.id().clone()], new.id())
    );
    assert!(!plan.is_done());
}

#[tokio::test]
async fn a_document_that_nobody_vouches_for_is_not_exchanged_between_attempts() {
    let (scene, mut repository) = Scene::unsigned().await;
    let witness = [Edit::Witness {
        role: role(RELEASES),
    }];
    scene.state().attack = Some(State::forge);
    let error = repository
        .publish(&witness, PublishOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Changed { role } if role.is_delegation()),
        "{error}"
    );
    assert_eq!(scene.state().signed().len(), 1);
    assert!(!scene.state().signed()[0].contains("666"));

    // Another publisher who leaves it alone is no reason to give up.
    let (scene, mut repository) = Scene::unsigned().await;
    scene.state().attack = Some(State::seal);
    let published = repository
        .publish(&witness, PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(published.attempts, 2);
    assert_eq!(published.files[0].0, role(RELEASES));
    assert!(!scene.state().signed()[1].contains("666"));
    assert_eq!(scene.person.list().await, ["v1 targets/releases"]);
}

#[tokio::test]
async fn a_document_that_lost_its_signature_between_attempts_is_not_taken_over() {
    let scene = Scene::new(Duration::days(1)).await;
    scene.state().posts.clear();
    scene.state().attack = Some(State::forge);
    let witness = [Edit::Witness {
        role: role(RELEASES),
    }];
    let error = scene
        .person
        .open()
        .publish(&witness, PublishOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Changed { role } if *role == RoleName::releases()),
        "{error}"
    );
    assert_eq!(scene.state().signed().len(), 1);
}
