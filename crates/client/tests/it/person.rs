//! Somebody who works with this library on the trust folder of a test kit user, whom docker and notary serve as well.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use signet_client::changelist::Edit;
use signet_client::http::TlsOptions;
use signet_client::{Access, Clock, Managed, Options, Remote, RemoteOptions, Repository};
use signet_keys::{
    FileKeyStore, KeyStore, Notice, PassphraseError, Passphrases, PrivateKey, Prompt,
};
use signet_testkit::peer::TrustServer;
use signet_testkit::user::User;
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{Gun, PublicKey, RoleName, Target, TrustedRepository};
use time::OffsetDateTime;

/// The passphrases that a test kit user has in the environment.
struct Preset;

impl Passphrases for Preset {
    fn preset(&self, alias: &str) -> Option<SecretString> {
        let passphrase = match alias {
            "root" => User::ROOT_PASSPHRASE,
            _ => User::REPOSITORY_PASSPHRASE,
        };
        Some(passphrase.into())
    }

    fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
        panic!("asked for {prompt:?}");
    }

    fn tell(&self, notice: Notice) {
        panic!("told {notice:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are where time begins")]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

pub(crate) struct Person {
    pub(crate) gun: Gun,
    pub(crate) url: String,
    pub(crate) ca: String,
    pub(crate) keys: Arc<FileKeyStore>,
    pub(crate) trust_dir: std::path::PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Person {
    pub(crate) fn new(server: &TrustServer, gun: &str, trust_dir: &Path) -> Self {
        Self::at(&server.url(), &server.ca_pem(), gun, trust_dir)
    }

    pub(crate) fn at(url: &str, ca: &str, gun: &str, trust_dir: &Path) -> Self {
        let quick = NonZeroU32::MIN;
        let keys = FileKeyStore::open(trust_dir, Arc::new(Preset)).with_iterations(quick);
        Self {
            gun: gun.parse().unwrap(),
            url: url.to_owned(),
            ca: ca.to_owned(),
            keys: Arc::new(keys),
            trust_dir: trust_dir.to_owned(),
            clock: Arc::new(now),
        }
    }

    /// The repository, as one command opens it.
    pub(crate) fn open(&self) -> Repository {
        let remote = RemoteOptions {
            tls: TlsOptions {
                extra_roots_pem: self.ca.clone().into_bytes(),
                ..TlsOptions::default()
            },
            access: Access::PullPush,
            ..RemoteOptions::new(self.url.parse().unwrap(), "test/1")
        };
        let remote = Arc::new(Remote::new(remote).unwrap());
        let options = Options {
            keys: self.keys.clone(),
            ..Options::new(
                self.gun.clone(),
                &self.trust_dir,
                remote,
                self.clock.clone(),
            )
        };
        Repository::open(options).unwrap()
    }

    /// Makes a key under a role's name.
    pub(crate) fn key(&self, role: &str) -> PublicKey {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let public = key.public_key();
        self.keys.add(key, role, None).unwrap();
        public
    }

    /// A repository prepared for its first publish.
    pub(crate) async fn initialized(&self, snapshot: Managed) -> Repository {
        let root = self.key("root");
        let mut repository = self.open();
        repository.initialize(root.id(), snapshot).await.unwrap();
        repository
    }

    /// What is listed, as `name role` in order of names.
    pub(crate) async fn list(&self) -> Vec<String> {
        let mut repository = self.open();
        let trusted = repository.update(Mode::Read, Scope::All).await.unwrap();
        listing(trusted)
    }
}

trait PublicOf {
    fn public_key(&self) -> PublicKey;
}

impl PublicOf for PrivateKey {
    fn public_key(&self) -> PublicKey {
        signet_keys::Signer::public(self).clone()
    }
}

pub(crate) fn listing(trusted: &TrustedRepository) -> Vec<String> {
    let mut all: Vec<String> = trusted
        .all_occurrences(None)
        .iter()
        .map(|found| format!("{} {}", found.name, found.role))
        .collect();
    all.sort();
    all
}

pub(crate) fn role(name: &str) -> RoleName {
    name.parse().unwrap()
}

pub(crate) fn add(role: &str, name: &str) -> Edit {
    Edit::AddTarget {
        role: self::role(role),
        name: name.to_owned(),
        target: Target::new([7; 32], 42),
    }
}

pub(crate) fn delegate(role: &str, keys: &[&PublicKey]) -> Edit {
    Edit::AddDelegation {
        role: self::role(role),
        threshold: 1,
        keys: keys.iter().map(|&key| key.clone()).collect(),
        paths: vec![String::new()],
    }
}
