//! Who publishes: the keys of a repository, and people who each count one target of it up.
//!
//! Publisher 7 owns the target `p07`; its length is how often 7 has published. So one version of the targets tells of every publish before
//! it, and two neighbouring versions differ in exactly one of these numbers, by one.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use signet_keys::{PrivateKey, Signer, root_certificate};
use signet_testkit::http::{Client, Response};
use signet_tuf::{Gun, PublicKey, Signature, canonical, envelope};
use time::OffsetDateTime;

use crate::storm::Weather;

const EXPIRES: &str = "2036-01-01T00:00:00Z";
const BOUNDARY: &str = "4f6b1d0c9a27e853";
/// Before the next try with a server that is not there.
const PAUSE: Duration = Duration::from_millis(20);
/// As many faults as anybody reads.
const MOST_FAULTS: usize = 5;

/// Who owns a repository.
pub(crate) struct Owner {
    pub(crate) gun: String,
    targets: PrivateKey,
    /// What its beginning put there.
    pub(crate) begun: Vec<Acknowledged>,
}

/// A document that a server acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) gun: String,
    pub(crate) role: &'static str,
    pub(crate) version: u64,
    pub(crate) sha256: String,
    /// Whose publish it was, and which.
    pub(crate) publish: Option<(usize, u64)>,
}

/// What one publisher has seen.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Somebody else was faster.
    pub(crate) conflicts: usize,
    /// Answers that never came.
    pub(crate) lost: usize,
    /// Publishes without an answer that were stored all the same.
    pub(crate) found: usize,
    /// Answers that something is out of order.
    pub(crate) refused: usize,
    /// What must not happen.
    pub(crate) faults: Vec<String>,
    pub(crate) slowest: Duration,
}

impl Tally {
    fn fault(&mut self, text: String) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(text);
        }
    }
}

impl Owner {
    /// Publishes the first root and targets.
    pub(crate) fn begin(gun: &str, server: &Client) -> Self {
        let (root, targets) = (
            PrivateKey::generate_ecdsa().unwrap(),
            PrivateKey::generate_ecdsa().unwrap(),
        );
        let name: Gun = gun.parse().unwrap();
        let certificate = root_certificate(&root, &name, now()).unwrap();
        let roles = [
            ("root", certificate.clone()),
            ("targets", targets.public().clone()),
            ("snapshot", server_key(server, gun, "snapshot")),
            ("timestamp", server_key(server, gun, "timestamp")),
        ];
        let (mut keys, mut named) = (Map::new(), Map::new());
        for (role, key) in &roles {
            keys.insert(key.id().to_string(), serde_json::to_value(key).unwrap());
            let role = (*role).to_owned();
            named.insert(role, json!({"keyids": [key.id().as_str()], "threshold": 1}));
        }
        let signed = json!({
            "_type": "Root", "consistent_snapshot": false, "expires": EXPIRES, "keys": keys, "roles": named, "version": 1,
        });
        let root = seal(&signed, &root, &certificate);
        let mut owner = Self {
            gun: gun.to_owned(),
            targets,
            begun: Vec::new(),
        };
        let targets = owner.seal_targets(&json!({
            "_type": "Targets", "delegations": {"keys": {}, "roles": []}, "expires": EXPIRES, "targets": {}, "version": 1,
        }));
        let parts = [("root", root), ("targets", targets)];
        let answer = owner.post(server, &parts).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        owner.begun = parts
            .map(|(role, bytes)| owner.acknowledged(role, 1, &bytes, None))
            .to_vec();
        owner
    }

    fn seal_targets(&self, signed: &Value) -> Vec<u8> {
        seal(signed, &self.targets, self.targets.public())
    }

    fn acknowledged(
        &self,
        role: &'static str,
        version: u64,
        bytes: &[u8],
        publish: Option<(usize, u64)>,
    ) -> Acknowledged {
        Acknowledged {
            gun: self.gun.clone(),
            role,
            version,
            sha256: HEXLOWER.encode(&Sha256::digest(bytes)),
            publish,
        }
    }

    /// The path of one of its documents.
    pub(crate) fn path(&self, file: &str) -> String {
        format!("/v2/{}/_trust/tuf/{file}", self.gun)
    }

    fn post(&self, server: &Client, parts: &[(&str, Vec<u8>)]) -> anyhow::Result<Response> {
        let mut body = Vec::new();
        for (role, document) in parts {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(document);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        server.request("POST", &self.path(""), &[("Content-Type", &kind)], &body)
    }

    /// Publishes as `person`, at each server in turn, for as long as the storm lasts.
    pub(crate) fn publish(&self, person: usize, weather: &Weather) -> Tally {
        let mut tally = Tally::default();
        let (mut done, mut is_unknown, mut turn) = (0, false, person);
        while !weather.over.load(Ordering::Relaxed) {
            turn += 1;
            let replica = turn % weather.clients.len();
            let client = &weather.clients[replica];
            let Some(current) = tally.ask(weather, || client.get(&self.path("targets.json")))
            else {
                continue;
            };
            let document: Value = serde_json::from_slice(&current.body).unwrap();
            let mut signed = document["signed"].clone();
            let stored = count(&signed, person);
            if is_unknown && stored == done + 1 {
                (done, is_unknown) = (stored, false);
                tally.found += 1;
                continue;
            }
            if stored != done {
                tally.fault(format!(
                    "{}: {person} has published {done} times, server {replica} says {stored}",
                    self.gun
                ));
                return tally;
            }
            let version = signed["version"].as_u64().unwrap() + 1;
            signed["version"] = json!(version);
            signed["targets"][tag(person)] = target(&self.gun, person, done + 1);
            let bytes = self.seal_targets(&signed);
            let parts = [("targets", bytes)];
            match tally.ask(weather, || self.post(client, &parts)) {
                Some(answer) if answer.status == 200 => {
                    done += 1;
                    let publish = Some((person, done));
                    let document = self.acknowledged("targets", version, &parts[0].1, publish);
                    tally.acknowledged.push(document);
                    weather.note(replica, true);
                    is_unknown = false;
                }
                Some(_) => {
                    // Without anybody else, only what was stored without an answer can be in the way.
                    if weather.is_alone && !is_unknown {
                        tally.fault(format!("{}: a conflict with nobody", self.gun));
                    }
                    tally.conflicts += 1;
                    weather.note(replica, false);
                }
                None => is_unknown = true,
            }
        }
        tally
    }
}

impl Tally {
    /// An answer: 200, or that somebody else was faster. Nothing, when there is none or something is out of order.
    fn ask(
        &mut self,
        weather: &Weather,
        request: impl FnOnce() -> anyhow::Result<Response>,
    ) -> Option<Response> {
        let (before, asked) = (weather.moment(), Instant::now());
        let answer = request();
        self.slowest = self.slowest.max(asked.elapsed());
        let calm = before == weather.moment() && Weather::is_calm(before);
        let text = match answer {
            Ok(answer) if answer.status == 200 => return Some(answer),
            Ok(answer) if answer.status == 400 && answer.text().contains("\"VERSION\"") => {
                return Some(answer);
            }
            Ok(answer) => {
                self.refused += 1;
                let text = format!("{} {}", answer.status, answer.text());
                if answer.status < 500 {
                    self.fault(text.clone());
                }
                text
            }
            Err(error) => {
                self.lost += 1;
                format!("{error:#}")
            }
        };
        if calm {
            self.fault(format!(
                "while all was well, after {:?}: {text}",
                asked.elapsed()
            ));
        }
        thread::sleep(PAUSE);
        None
    }
}

/// What publisher `person` counts up.
pub(crate) fn tag(person: usize) -> String {
    format!("p{person:02}")
}

/// Its entry after so many publishes.
fn target(gun: &str, person: usize, count: u64) -> Value {
    let digest = BASE64.encode(&digest(gun, person, count));
    json!({"hashes": {"sha256": digest}, "length": count})
}

/// What the entry names.
pub(crate) fn digest(gun: &str, person: usize, count: u64) -> [u8; 32] {
    Sha256::digest(format!("{gun} {person} {count}")).into()
}

/// How often `person` has published, by the signed part of targets.
pub(crate) fn count(signed: &Value, person: usize) -> u64 {
    signed["targets"][tag(person)]["length"]
        .as_u64()
        .unwrap_or(0)
}

fn server_key(server: &Client, gun: &str, role: &str) -> PublicKey {
    let answer = server
        .get(&format!("/v2/{gun}/_trust/tuf/{role}.key"))
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn seal(signed: &Value, key: &PrivateKey, public: &PublicKey) -> Vec<u8> {
    let message = canonical::to_vec(signed).unwrap();
    let signature = Signature {
        key_id: public.id().clone(),
        method: "ecdsa".to_owned(),
        sig: key.sign(&message).unwrap(),
    };
    envelope::encode(&message, &[signature]).to_vec()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a certificate must hold on the server's clock"
)]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
