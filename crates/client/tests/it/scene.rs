//! A repository of a person at a server in this process that holds its server keys and does with it what suits it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use signet_archive::Sha256;
use signet_client::changelist::Edit;
use signet_client::publish::PublishOptions;
use signet_client::{Managed, Repository};
use signet_keys::{KeyStore as _, PrivateKey, Signer};
use signet_tuf::PublicKey;
use signet_tuf::update::{Mode, Scope};
use time::Duration;

use crate::person::{Person, add, delegate, now, role};
use crate::support::{Do, Request, Server, answer};

pub(crate) const GUN: &str = "example.com/r/x";
pub(crate) const RELEASES: &str = "targets/releases";

/// What a forged document has, and no other.
pub(crate) const FORGED: &str = r#""length":666"#;

/// A server that has one repository, and does with it what suits it.
pub(crate) struct State {
    pub(crate) current: BTreeMap<String, String>,
    /// All documents, by every name that they are asked for.
    pub(crate) all: BTreeMap<String, String>,
    version: u64,
    /// Keys for timestamps and snapshots.
    pub(crate) signing: [PrivateKey; 2],
    /// Signs timestamps beside the first of them.
    pub(crate) cosigner: Option<PrivateKey>,
    /// Its own keys of a server to which the repository came, which sign once they are listed.
    next: Option<[PrivateKey; 2]>,
    /// Keys that it gives out.
    pub(crate) given: [PublicKey; 2],
    /// What the next upload is refused for.
    pub(crate) attack: Option<fn(&mut Self)>,
    /// Whether uploads are acknowledged and thrown away.
    pub(crate) discards: bool,
    /// Whether nothing is shown after an upload.
    pub(crate) hides: bool,
    /// The documents of each upload.
    pub(crate) posts: Vec<Vec<(String, String)>>,
}

impl State {
    pub(crate) fn put(&mut self, role: &str, text: String) {
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

    pub(crate) fn seal(&mut self) {
        self.version += 1;
        let listed: BTreeMap<_, _> = self
            .current
            .iter()
            .filter(|(role, _)| !matches!(role.as_str(), "snapshot" | "timestamp"))
            .map(|(role, text)| (role.clone(), meta(text)))
            .collect();
        let signed = json!({"_type": "Snapshot", "expires": "2040-01-01T00:00:00Z", "meta": listed, "version": self.version});
        let snapshot = sealed(&[&self.signing[1]], &signed);
        let listed = json!({"snapshot": meta(&snapshot)});
        let signed = json!({"_type": "Timestamp", "expires": "2040-01-01T00:00:00Z", "meta": listed, "version": self.version});
        let signers: Vec<&PrivateKey> = self.signing.iter().take(1).chain(&self.cosigner).collect();
        let timestamp = sealed(&signers, &signed);
        self.put("snapshot", snapshot);
        self.put("timestamp", timestamp);
    }

    /// Another document of the delegation, which none of its keys signed.
    pub(crate) fn forge(&mut self) {
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
            if self.discards {
                return answer(200, "");
            }
            for (role, text) in parts {
                self.put(&role, text);
            }
            if let Some(next) = self.next.take() {
                self.signing = next;
            }
            self.seal();
            return answer(200, "");
        }
        if self.hides && !self.posts.is_empty() {
            return answer(503, "{}");
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
    pub(crate) fn signed(&self) -> Vec<&str> {
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

pub(crate) fn sealed(keys: &[&PrivateKey], signed: &Value) -> String {
    let signatures: Vec<Value> = keys
        .iter()
        .map(|key| signature(*key, key.public().id().as_str(), "eddsa", signed))
        .collect();
    json!({"signed": signed, "signatures": signatures}).to_string()
}

pub(crate) fn signature(key: &dyn Signer, id: &str, method: &str, signed: &Value) -> Value {
    let sig = key.sign(signed.to_string().as_bytes()).unwrap();
    json!({"keyid": id, "method": method, "sig": data_encoding::BASE64.encode(&sig)})
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
pub(crate) struct Scene {
    pub(crate) person: Person,
    state: Arc<Mutex<State>>,
    _server: Server,
    _home: tempfile::TempDir,
}

impl Scene {
    /// Before the repository is begun.
    pub(crate) async fn empty() -> Self {
        let key = || PrivateKey::generate_ed25519().unwrap();
        let signing = [key(), key()];
        let state = Arc::new(Mutex::new(State {
            current: BTreeMap::new(),
            all: BTreeMap::new(),
            version: 0,
            given: signing.each_ref().map(|key| key.public().clone()),
            signing,
            cosigner: None,
            next: None,
            attack: None,
            discards: false,
            hides: false,
            posts: Vec::new(),
        }));
        let inner = Arc::clone(&state);
        let server = Server::start(move |request| inner.lock().unwrap().answer(request)).await;
        let home = tempfile::tempdir().unwrap();
        let url = server.url("http", "127.0.0.1");
        let person = Person::at(url.as_str(), "", GUN, home.path());
        Self {
            person,
            state,
            _server: server,
            _home: home,
        }
    }

    /// As it was published `age` ago.
    pub(crate) async fn new(age: Duration) -> Self {
        let mut scene = Self::empty().await;
        let person = &mut scene.person;
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
        scene
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Whoever has the root key signs a root that differs from the current one.
    pub(crate) fn sign_root(&self, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let root: Value = serde_json::from_str(&state.current["root"]).unwrap();
        let mut signed = root["signed"].clone();
        signed["version"] = json!(signed["version"].as_i64().unwrap() + 1);
        change(&mut signed);
        let id = root["signed"]["roles"]["root"]["keyids"][0]
            .as_str()
            .unwrap();
        let held = self.person.keys.list().unwrap();
        let held = held.iter().find(|key| key.role == "root").unwrap();
        let key = self.person.keys.load(&held.id).unwrap();
        let signature = signature(key.as_ref(), id, "ecdsa", &signed);
        let root = json!({"signed": signed, "signatures": [signature]});
        state.put("root", root.to_string());
        state.seal();
    }

    /// The repository came to another server, and soon expires.
    pub(crate) async fn imported() -> Self {
        let scene = Self::new(Duration::days(3 * 365 - 60)).await;
        let key = || PrivateKey::generate_ed25519().unwrap();
        let keys = [key(), key()];
        scene.state().given = keys.each_ref().map(|key| key.public().clone());
        scene.state().next = Some(keys);
        scene.state().posts.clear();
        scene
    }

    /// The delegation is another one's, who did not sign its document yet.
    pub(crate) async fn unsigned() -> (Self, Repository) {
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
