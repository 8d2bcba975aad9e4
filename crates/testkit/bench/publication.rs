//! Publications as `docker trust sign` sends them: `targets/jeff` and `targets/releases` with one tag more.
//!
//! Signed with the key file that the docker client wrote; the documents are put together here, so that both servers get the same.

use std::sync::Arc;

use anyhow::Context;
use data_encoding::{BASE64, HEXLOWER};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use signet_keys::prompt::{Notice, PassphraseError, Passphrases, Prompt};
use signet_keys::{FileKeyStore, KeyStore, Signer};
use signet_testkit::user::User;

use crate::load;

pub(crate) struct Publisher {
    signer: Arc<dyn Signer>,
    repositories: Vec<Repository>,
}

struct Repository {
    version: u64,
    targets: Map<String, Value>,
    checksum: String,
}

impl Publisher {
    /// Opens jeff's key and plans `count` repositories that begin with `tags` tags.
    pub(crate) fn open(user: &User, count: usize, tags: usize) -> anyhow::Result<Self> {
        let store = FileKeyStore::open(&user.trust_dir(), Arc::new(Known));
        let info = store
            .list()?
            .into_iter()
            .find(|key| key.role == "jeff")
            .context("jeff's key")?;
        let repositories = (0..count)
            .map(|_| Repository {
                version: 0,
                // The first upload adds the last one.
                targets: (1..tags)
                    .map(|number| (format!("v1.{number}"), target(number)))
                    .collect(),
                checksum: String::new(),
            })
            .collect();
        Ok(Self {
            signer: store.load(&info.id)?,
            repositories,
        })
    }

    /// SHA-256 of each repository's newest `targets/releases`.
    pub(crate) fn checksums(&self) -> impl Iterator<Item = &str> {
        self.repositories
            .iter()
            .map(|repository| repository.checksum.as_str())
    }

    /// The request that publishes one tag more into a repository.
    pub(crate) fn next_upload(&mut self, number: usize, gun: &str) -> anyhow::Result<Vec<u8>> {
        let repository = self
            .repositories
            .get_mut(number)
            .context("no such repository")?;
        repository.version += 1;
        let serial = usize::try_from(repository.version)?;
        // One tag more than before; after the first, the number of tags stays what it is.
        if serial > 1 {
            repository.targets.remove(&format!("v2.{}", serial - 1));
        }
        repository
            .targets
            .insert(format!("v2.{serial}"), target(serial));
        let document = signed_document(self.signer.as_ref(), repository)?;
        repository.checksum = HEXLOWER.encode(&Sha256::digest(&document));
        let files: [(&str, &[u8]); 2] =
            [("targets/jeff", &document), ("targets/releases", &document)];
        Ok(load::upload(&format!("/v2/{gun}/_trust/tuf/"), &files))
    }
}

fn target(number: usize) -> Value {
    let hash = Sha256::digest(number.to_string().as_bytes());
    json!({"hashes": {"sha256": BASE64.encode(&hash)}, "length": 1000 + number})
}

/// serde_json sorts members and these texts need no escapes, so that its compact form is the canonical one.
fn signed_document(signer: &dyn Signer, repository: &Repository) -> anyhow::Result<Vec<u8>> {
    let signed = json!({
        "_type": "Targets",
        "delegations": {"keys": {}, "roles": []},
        "expires": "2099-01-01T00:00:00Z",
        "targets": repository.targets,
        "version": repository.version,
    });
    let signature = signer.sign(signed.to_string().as_bytes())?;
    let signatures = json!([{"keyid": signer.public().id().to_string(), "method": "ecdsa", "sig": BASE64.encode(&signature)}]);
    // In the order in which Go writes the two members: its server makes the snapshot over its own encoding, not over what it received.
    Ok(format!(r#"{{"signed":{signed},"signatures":{signatures}}}"#).into_bytes())
}

/// Knows the passphrase of every key.
struct Known;

impl Passphrases for Known {
    fn preset(&self, _alias: &str) -> Option<SecretString> {
        Some(User::REPOSITORY_PASSPHRASE.into())
    }

    fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
        Err(PassphraseError::Unavailable {
            alias: prompt.alias.to_owned(),
            source: std::io::ErrorKind::Unsupported.into(),
        })
    }

    fn tell(&self, _notice: Notice) {}
}
