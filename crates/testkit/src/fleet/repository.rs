//! One repository as its owner makes it: documents put together and signed here, and uploaded.
//!
//! Nothing of the product takes part, so that what a population holds is not its own word for it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256, Sha512};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::key::{self, Key};
use super::member::{Member, Signed};
use crate::http::Client;

const ROOT_DAYS: i64 = 3650;
const TARGETS_DAYS: i64 = 3 * 365;
const BOUNDARY: &str = "7d1c0a5be2f94386";

/// The keys that the server holds for a repository.
#[derive(Clone, Debug)]
pub(super) struct ServerKeys {
    pub(super) snapshot: Value,
    pub(super) timestamp: Value,
}

/// A repository in the making.
pub(super) struct Repository<'k> {
    gun: String,
    root: Root<'k>,
    targets: BTreeMap<String, Targets<'k>>,
    /// Who signs the snapshot, where that is not the server.
    snapshot: Option<(&'k Key, u64)>,
    hashes: Map<String, Value>,
    staged: Vec<(String, Vec<u8>)>,
    uploads: u64,
}

struct Root<'k> {
    version: u64,
    key: &'k Key,
    /// The certificate of the key, and of every one before.
    certificates: Vec<(&'k Key, Value)>,
    targets: &'k Key,
    server: ServerKeys,
}

#[derive(Default)]
struct Targets<'k> {
    version: u64,
    signed: BTreeMap<String, Signed>,
    delegations: Vec<Delegation<'k>>,
}

struct Delegation<'k> {
    role: String,
    keys: Vec<&'k Key>,
    threshold: u64,
    paths: Vec<String>,
}

impl<'k> Repository<'k> {
    /// A repository without anything on the server.
    pub(super) fn new(
        gun: &str,
        root: &'k Key,
        targets: &'k Key,
        server: ServerKeys,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            gun: gun.to_owned(),
            root: Root {
                version: 0,
                key: root,
                certificates: vec![(root, root.certify(gun)?)],
                targets,
                server,
            },
            targets: BTreeMap::from([("targets".to_owned(), Targets::default())]),
            snapshot: None,
            hashes: Map::new(),
            staged: Vec::new(),
            uploads: 0,
        })
    }

    /// The owner signs the snapshot with this key instead of the server.
    pub(super) fn own_snapshot(&mut self, key: &'k Key) {
        self.snapshot = Some((key, 0));
    }

    /// The next root has another root key and is signed by both.
    pub(super) fn rotate_root(&mut self, key: &'k Key) -> anyhow::Result<()> {
        self.root.certificates.push((key, key.certify(&self.gun)?));
        self.root.key = key;
        Ok(())
    }

    /// The next root names these keys of the server.
    pub(super) fn rotate_server_keys(&mut self, keys: ServerKeys) {
        self.root.server = keys;
    }

    /// Delegates to a role, or replaces what was delegated to it before.
    pub(super) fn delegate(
        &mut self,
        role: &str,
        keys: &[&'k Key],
        threshold: u64,
        paths: &[&str],
    ) -> anyhow::Result<()> {
        let parent = self.parent(role)?;
        parent.delegations.retain(|other| other.role != role);
        parent.delegations.push(Delegation {
            role: role.to_owned(),
            keys: keys.to_vec(),
            threshold,
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
        });
        Ok(())
    }

    /// Takes a delegation back.
    pub(super) fn revoke(&mut self, role: &str) -> anyhow::Result<()> {
        let parent = self.parent(role)?;
        parent.delegations.retain(|other| other.role != role);
        self.targets.remove(role);
        Ok(())
    }

    fn parent(&mut self, role: &str) -> anyhow::Result<&mut Targets<'k>> {
        let (parent, _) = role.rsplit_once('/').context("no delegation")?;
        Ok(self.targets.entry(parent.to_owned()).or_default())
    }

    /// Puts a name into a role; what it means follows from the repository and the name.
    pub(super) fn tag(&mut self, role: &str, name: &str) {
        let content = format!("{}:{name}", self.gun);
        let signed = Signed {
            sha256: HEXLOWER.encode(&Sha256::digest(&content)),
            length: 500 + content.len() as u64,
        };
        let role = self.targets.entry(role.to_owned()).or_default();
        role.signed.insert(name.to_owned(), signed);
    }

    /// Stages the next root.
    pub(super) fn sign_root(&mut self) -> anyhow::Result<()> {
        let root = &mut self.root;
        root.version += 1;
        let mut keys = Map::new();
        let mut add = |object: &Value| {
            let id = key::id(object);
            keys.insert(id.clone(), object.clone());
            id
        };
        // Certificates of earlier root keys stay, as notary leaves them.
        let ids: Vec<String> = root
            .certificates
            .iter()
            .map(|(_, certificate)| add(certificate))
            .collect();
        let snapshot = match &self.snapshot {
            Some((key, _)) => add(key.object()),
            None => add(&root.server.snapshot),
        };
        let targets = add(root.targets.object());
        let timestamp = add(&root.server.timestamp);
        let role = |id: &str| json!({"keyids": [id], "threshold": 1});
        let current = ids.last().context("no root key")?;
        let signed = json!({
            "_type": "Root",
            "consistent_snapshot": false,
            "expires": in_days(ROOT_DAYS)?,
            "keys": keys,
            "roles": {
                "root": role(current),
                "snapshot": role(&snapshot),
                "targets": role(&targets),
                "timestamp": role(&timestamp),
            },
            "version": root.version,
        });
        let signers: Vec<(&Key, &str)> = root
            .certificates
            .iter()
            .zip(&ids)
            .map(|((key, _), id)| (*key, id.as_str()))
            .collect();
        // The root key of now and the one before.
        let latest = signers.get(signers.len().saturating_sub(2)..);
        let document = envelope(&signed, latest.unwrap_or_default())?;
        self.stage("root", document);
        Ok(())
    }

    /// Stages the next version of `targets` or a delegation.
    pub(super) fn sign(&mut self, role: &str, keys: &[&'k Key]) -> anyhow::Result<()> {
        self.sign_until(role, keys, &in_days(TARGETS_DAYS)?)
    }

    /// The same, valid until a moment.
    pub(super) fn sign_until(
        &mut self,
        role: &str,
        keys: &[&'k Key],
        expires: &str,
    ) -> anyhow::Result<()> {
        let targets = self.targets.entry(role.to_owned()).or_default();
        targets.version += 1;
        let signed = targets.signed_part(expires)?;
        let signers: Vec<_> = keys.iter().map(|key| (*key, key.id())).collect();
        let document = envelope(&signed, &signers)?;
        self.stage(role, document);
        Ok(())
    }

    /// Stages `targets`, signed by its key.
    pub(super) fn sign_targets(&mut self) -> anyhow::Result<()> {
        self.sign("targets", &[self.root.targets])
    }

    fn stage(&mut self, role: &str, document: Vec<u8>) {
        let hashes = json!({
            "hashes": {
                "sha256": BASE64.encode(&Sha256::digest(&document)),
                "sha512": BASE64.encode(&Sha512::digest(&document)),
            },
            "length": document.len(),
        });
        self.hashes.insert(role.to_owned(), hashes);
        self.staged.push((role.to_owned(), document));
    }

    /// Uploads what is staged.
    pub(super) fn publish(&mut self, server: &Client) -> anyhow::Result<()> {
        if let Some((key, version)) = &mut self.snapshot {
            *version += 1;
            let signed = json!({
                "_type": "Snapshot",
                "expires": in_days(TARGETS_DAYS)?,
                "meta": self.hashes,
                "version": *version,
            });
            let document = envelope(&signed, &[(*key, key.id())])?;
            self.staged.push(("snapshot".to_owned(), document));
        }
        let mut body = Vec::new();
        for (role, document) in self.staged.drain(..) {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(&document);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let path = format!("/v2/{}/_trust/tuf/", self.gun);
        let answer = server.request("POST", &path, &[("Content-Type", &kind)], &body)?;
        ensure!(
            answer.status == 200,
            "{}: status {}, {}",
            self.gun,
            answer.status,
            answer.text()
        );
        self.uploads += 1;
        Ok(())
    }

    /// What the repository amounts to for a reader.
    pub(super) fn describe(self) -> Member {
        // Roles in the order in which clients look: targets, then delegations, parents first.
        let mut roles = vec!["targets".to_owned()];
        let mut at = 0;
        while let Some(role) = roles.get(at).cloned() {
            if let Some(targets) = self.targets.get(&role) {
                roles.extend(targets.delegations.iter().map(|below| below.role.clone()));
            }
            at += 1;
        }
        let signers = self
            .targets
            .values()
            .flat_map(|targets| &targets.delegations)
            .map(|below| {
                let ids: BTreeSet<String> =
                    below.keys.iter().map(|key| key.id().to_owned()).collect();
                (below.role.clone(), ids)
            })
            .collect();
        let versions = self
            .targets
            .iter()
            .filter(|(_, targets)| targets.version > 0)
            .map(|(role, targets)| (role.clone(), targets.version))
            .chain([("root".to_owned(), self.root.version)])
            .collect();
        Member {
            kind: super::Kind::Plain,
            roles: roles
                .into_iter()
                .filter_map(|role| {
                    let targets = self.targets.get(&role)?;
                    (targets.version > 0).then(|| (role, targets.signed.clone()))
                })
                .collect(),
            delegations: signers,
            versions,
            uploads: self.uploads,
            root_key: self.root.key.id().to_owned(),
            root_certificates: self
                .root
                .certificates
                .iter()
                .map(|(_, certificate)| key::id(certificate))
                .collect(),
            targets_key: self.root.targets.id().to_owned(),
            standing: super::Standing::Sound,
            gun: self.gun,
        }
    }
}

impl Targets<'_> {
    fn signed_part(&self, expires: &str) -> anyhow::Result<Value> {
        let mut keys = Map::new();
        let mut roles = Vec::new();
        for delegation in &self.delegations {
            for key in &delegation.keys {
                keys.insert(key.id().to_owned(), key.object().clone());
            }
            let ids: Vec<&str> = delegation.keys.iter().map(|key| key.id()).collect();
            roles.push(json!({
                "keyids": ids,
                "name": delegation.role,
                "paths": delegation.paths,
                "threshold": delegation.threshold,
            }));
        }
        let targets: Map<String, Value> = self
            .signed
            .iter()
            .map(|(name, signed)| {
                let hash = HEXLOWER.decode(signed.sha256.as_bytes())?;
                let hash = BASE64.encode(&hash);
                let value = json!({"hashes": {"sha256": hash}, "length": signed.length});
                anyhow::Ok((name.clone(), value))
            })
            .collect::<Result<_, _>>()?;
        Ok(json!({
            "_type": "Targets",
            "delegations": {"keys": keys, "roles": roles},
            "expires": expires,
            "targets": targets,
            "version": self.version,
        }))
    }
}

/// serde_json sorts members and these texts need no escapes, so that its compact form is the canonical one.
fn envelope(signed: &Value, keys: &[(&Key, &str)]) -> anyhow::Result<Vec<u8>> {
    let text = signed.to_string();
    let signatures: Vec<Value> = keys
        .iter()
        .map(|(key, id)| key.sign(id, text.as_bytes()))
        .collect::<Result<_, _>>()?;
    let signatures = Value::from(signatures);
    // In the order in which Go writes the two members: its server makes the snapshot over its own encoding, not over what it received.
    Ok(format!(r#"{{"signed":{text},"signatures":{signatures}}}"#).into_bytes())
}

fn in_days(days: i64) -> anyhow::Result<String> {
    text(OffsetDateTime::now_utc() + Duration::days(days))
}

pub(super) fn text(moment: OffsetDateTime) -> anyhow::Result<String> {
    Ok(moment.format(&Rfc3339)?)
}
