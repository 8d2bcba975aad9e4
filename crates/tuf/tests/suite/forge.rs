//! Keys and repositories made for a test: honest ones, and any other.

use std::collections::BTreeMap;
use std::rc::Rc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use signet_tuf::certificate::Bundle;
use signet_tuf::{
    Answer, Draft, Expiry, Fetch, FileMeta, InsufficientSignatures, KeyId, KeyKind, MetadataPath,
    PublicKey, RoleName, Signature, SignedFile, canonical, crypto, envelope,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::support::Client;

pub(crate) const GUN: &str = "registry.example.com/forge/lab";
pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-22 20:00 UTC);

/// A P-256 key pair.
pub(crate) struct Key {
    pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
    /// The bare key.
    pub(crate) bare: PublicKey,
}

impl Key {
    pub(crate) fn generate() -> Self {
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        // SubjectPublicKeyInfo of P-256 is this prefix and the point.
        let mut spki = HEXLOWER
            .decode(b"3059301306072a8648ce3d020106082a8648ce3d030107034200")
            .unwrap();
        spki.extend_from_slice(pair.public_key().as_ref());
        Self {
            pkcs8: pkcs8.as_ref().to_vec(),
            pair,
            bare: PublicKey::new(KeyKind::Ecdsa, spki),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message).unwrap();
        signature.as_ref().to_vec()
    }

    /// The key in a certificate, as root lists it.
    pub(crate) fn certified(
        &self,
        name: &str,
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) -> PublicKey {
        let pair = rcgen::KeyPair::try_from(self.pkcs8.as_slice()).unwrap();
        let mut params = rcgen::CertificateParams::default();
        let mut subject = rcgen::DistinguishedName::new();
        subject.push(rcgen::DnType::CommonName, name);
        params.distinguished_name = subject;
        params.not_before = from;
        params.not_after = to;
        let pem = params.self_signed(&pair).unwrap().pem();
        // In Go's spelling of PEM.
        Bundle::from_pem(pem.as_bytes()).unwrap().to_key().unwrap()
    }

    /// A certificate for [`GUN`] that is valid at [`NOW`].
    pub(crate) fn root(&self) -> PublicKey {
        self.certified(GUN, NOW - Duration::days(1), NOW + Duration::days(3650))
    }
}

/// A server, with every key at hand.
pub(crate) struct Forge {
    /// Every key by canonical ID.
    keys: BTreeMap<KeyId, Rc<Key>>,
    /// The keys that sign a role, as it is forged next.
    pub(crate) signers: BTreeMap<String, Vec<PublicKey>>,
    /// The payload of every current document.
    pub(crate) signed: BTreeMap<String, Value>,
    /// What the server answers for each role, whatever checksum is asked for.
    pub(crate) files: BTreeMap<String, Bytes>,
    /// Every root by version.
    pub(crate) roots: BTreeMap<i64, Bytes>,
}

impl Forge {
    /// A repository with a delegation `targets/releases` for everything, in which `v1` is signed.
    pub(crate) fn new() -> Self {
        let mut forge = Self::empty();
        let targets = forge.signers["targets"].clone();
        let releases = forge.key();
        forge
            .signers
            .insert("targets/releases".to_owned(), vec![releases.clone()]);
        let mut document = targets_document(&[("old", 1)]);
        document["delegations"] = json!({
            "keys": {releases.id().as_str(): releases},
            "roles": [{"keyids": [releases.id()], "name": "targets/releases", "paths": [""], "threshold": 1}],
        });
        forge.put("targets", document, &targets);
        forge.forge("targets/releases", targets_document(&[("v1", 5)]));
        forge.seal();
        forge
    }

    /// A copy of the server, with the same keys.
    pub(crate) fn new_like(other: &Self) -> Self {
        Self {
            keys: other.keys.clone(),
            signers: other.signers.clone(),
            signed: other.signed.clone(),
            files: other.files.clone(),
            roots: other.roots.clone(),
        }
    }

    /// Keys, and a root that lists them. Nothing else.
    pub(crate) fn empty() -> Self {
        let mut forge = Self {
            keys: BTreeMap::new(),
            signers: BTreeMap::new(),
            signed: BTreeMap::new(),
            files: BTreeMap::new(),
            roots: BTreeMap::new(),
        };
        let root = forge.root_key();
        forge.signers.insert("root".to_owned(), vec![root]);
        for role in ["targets", "snapshot", "timestamp"] {
            let key = forge.key();
            forge.signers.insert(role.to_owned(), vec![key]);
        }
        let document = forge.root_document(1);
        forge.forge("root", document);
        forge
    }

    /// A new bare key.
    pub(crate) fn key(&mut self) -> PublicKey {
        let key = Key::generate();
        let public = key.bare.clone();
        self.adopt(key);
        public
    }

    /// A new root key in its certificate.
    pub(crate) fn root_key(&mut self) -> PublicKey {
        let key = Key::generate();
        let public = key.root();
        self.adopt(key);
        public
    }

    pub(crate) fn adopt(&mut self, key: Key) {
        self.keys.insert(key.bare.id().clone(), Rc::new(key));
    }

    /// Gives away a private key: it signs no more.
    pub(crate) fn lose(&mut self, key: &PublicKey) {
        self.keys.remove(key.canonical_id()).unwrap();
    }

    /// A root with the present signers as keys, threshold 1.
    pub(crate) fn root_document(&self, version: i64) -> Value {
        let mut keys = serde_json::Map::new();
        let mut roles = serde_json::Map::new();
        for role in ["root", "targets", "snapshot", "timestamp"] {
            let signers = &self.signers[role];
            for key in signers {
                keys.insert(key.id().to_string(), serde_json::to_value(key).unwrap());
            }
            let ids: Vec<&KeyId> = signers.iter().map(PublicKey::id).collect();
            roles.insert(role.to_owned(), json!({"keyids": ids, "threshold": 1}));
        }
        json!({
            "_type": "Root", "consistent_snapshot": false, "expires": "2030-01-01T00:00:00Z",
            "keys": keys, "roles": roles, "version": version,
        })
    }

    /// Signs with exactly these keys.
    pub(crate) fn document(&self, signed: &Value, keys: &[PublicKey]) -> Bytes {
        let message = canonical::canonicalize(signed.to_string().as_bytes()).unwrap();
        let signatures: Vec<Signature> = keys
            .iter()
            .map(|key| Signature {
                key_id: key.id().clone(),
                method: "ecdsa".to_owned(),
                sig: self.keys[key.canonical_id()].sign(&message),
            })
            .collect();
        envelope::encode(&message, &signatures)
    }

    /// Makes this the current document of a role.
    pub(crate) fn put(&mut self, role: &str, signed: Value, keys: &[PublicKey]) {
        let bytes = self.document(&signed, keys);
        if role == "root" {
            self.roots
                .insert(signed["version"].as_i64().unwrap(), bytes.clone());
        }
        self.signed.insert(role.to_owned(), signed);
        self.files.insert(role.to_owned(), bytes);
    }

    /// Makes this the current document of a role, signed by the role's signers, whatever it is. The payload that is
    /// remembered stays the honest one.
    pub(crate) fn put_unchecked(&mut self, role: &str, signed: &Value) {
        let bytes = self.document(signed, &self.signers[role]);
        self.files.insert(role.to_owned(), bytes);
    }

    /// Makes this the current document of a role, signed by the role's signers.
    pub(crate) fn forge(&mut self, role: &str, signed: Value) {
        let keys = self.signers[role].clone();
        self.put(role, signed, &keys);
    }

    /// Changes the payload of a document and signs it again.
    pub(crate) fn change(&mut self, role: &str, change: impl FnOnce(&mut Value)) {
        let mut signed = self.signed[role].clone();
        change(&mut signed);
        self.forge(role, signed);
    }

    /// A new snapshot over all documents, and a new timestamp over that.
    pub(crate) fn seal(&mut self) {
        let mut meta = serde_json::Map::new();
        for (role, bytes) in &self.files {
            if !matches!(role.as_str(), "snapshot" | "timestamp") {
                meta.insert(role.clone(), meta_of(bytes));
            }
        }
        let version = self.next("snapshot");
        self.forge(
            "snapshot",
            json!({"_type": "Snapshot", "expires": "2030-01-01T00:00:00Z", "meta": meta, "version": version}),
        );
        self.stamp();
    }

    /// A new timestamp over the present snapshot.
    pub(crate) fn stamp(&mut self) {
        let version = self.next("timestamp");
        let meta = json!({"snapshot": meta_of(&self.files["snapshot"])});
        self.forge(
            "timestamp",
            json!({"_type": "Timestamp", "expires": "2030-01-01T00:00:00Z", "meta": meta, "version": version}),
        );
    }

    fn next(&self, role: &str) -> i64 {
        let present = self.signed.get(role);
        present.map_or(0, |signed| signed["version"].as_i64().unwrap()) + 1
    }

    /// Takes over what an editor made.
    pub(crate) fn accept(&mut self, files: &[SignedFile]) {
        for file in files {
            let document: Value = serde_json::from_slice(&file.bytes).unwrap();
            if file.role == RoleName::root() {
                self.roots.insert(file.version, file.bytes.clone());
            }
            self.signed
                .insert(file.role.to_string(), document["signed"].clone());
            self.files.insert(file.role.to_string(), file.bytes.clone());
        }
    }

    /// Signs a draft with every key at hand.
    pub(crate) fn sign(&self, mut draft: Draft) -> Result<SignedFile, InsufficientSignatures> {
        let keys: Vec<PublicKey> = draft.keys().into_iter().cloned().collect();
        for key in keys {
            if let Some(pair) = self.keys.get(key.canonical_id()) {
                let signature = pair.sign(draft.message());
                draft.add_signature(&key, signature).unwrap();
            }
        }
        draft.finish()
    }

    pub(crate) fn serve(&self, fetch: &Fetch) -> Answer {
        let bytes = match &fetch.path {
            MetadataPath::Version(_, version) => self.roots.get(version),
            MetadataPath::Current(role) | MetadataPath::Checksum(role, _) => {
                self.files.get(role.as_str())
            }
        };
        bytes.cloned().map_or(Answer::Absent, Answer::Bytes)
    }

    /// A client that knows nothing.
    pub(crate) fn client(&self) -> Client {
        Client::new(GUN, NOW)
    }
}

pub(crate) fn meta_of(bytes: &[u8]) -> Value {
    serde_json::to_value(FileMeta::of(bytes)).unwrap()
}

/// A targets document without delegations, version 1; each target has some length.
pub(crate) fn targets_document(targets: &[(&str, i64)]) -> Value {
    let targets: serde_json::Map<String, Value> = targets
        .iter()
        .map(|(name, length)| {
            let digest = data_encoding::BASE64.encode(&crypto::sha256(name.as_bytes()));
            (
                (*name).to_owned(),
                json!({"hashes": {"sha256": digest}, "length": length}),
            )
        })
        .collect();
    json!({
        "_type": "Targets", "delegations": {"keys": {}, "roles": []}, "expires": "2030-01-01T00:00:00Z",
        "targets": targets, "version": 1,
    })
}

/// `YYYY-MM-DDTHH:MM:SSZ` of a moment.
pub(crate) fn expiry(moment: OffsetDateTime) -> Value {
    serde_json::to_value(Expiry::at(moment)).unwrap()
}
