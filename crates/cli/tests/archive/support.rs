//! Archives of the recorded repository and of populations, and the programs cut off from everything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use signet_archive::{ArchivedRepository, Archivist, Document, Moment, Source, State, Work};
use signet_client::RemoteOptions;
use signet_client::crawl::{CaptureOptions, Line, Patience, capture};
use signet_keys::{PrivateKey, Signer as _};
use signet_testkit::file;
use signet_testkit::fleet::Fleet;
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_tuf::{PublicKey, RoleName};
use tempfile::TempDir;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// The repository that Go notary 0.7 published to a Go server.
pub(crate) const DEMO: &str = "registry.example.com/signet/demo";
/// When it was recorded.
pub(crate) const NOW: &str = "2026-11-22T19:44:21Z";

pub(crate) fn moment(text: &str) -> Moment {
    Moment::of(OffsetDateTime::parse(text, &Rfc3339).unwrap())
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tuf/tests/data/demo")
}

/// What is known of the recorded repository.
pub(crate) fn expected() -> Value {
    serde_json::from_slice(&fs::read(data().join("expected.json")).unwrap()).unwrap()
}

/// What docker 28.2.2 printed of it.
pub(crate) fn docker_says(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/inspect/demo");
    fs::read_to_string(folder.join(file)).unwrap()
}

/// The digest that docker printed for the tag `1.0`.
pub(crate) fn digest() -> String {
    let page = docker_says("1.0.pretty");
    let row = page.lines().find(|line| line.starts_with("1.0 ")).unwrap();
    row.split_whitespace().nth(1).unwrap().to_owned()
}

/// The recorded repository with all its history; the newest version of each role is current.
pub(crate) fn demo() -> ArchivedRepository {
    let source = Source::Server {
        address: "https://notary.example.com".to_owned(),
    };
    let mut repository = ArchivedRepository::empty(DEMO.parse().unwrap(), source, moment(NOW));
    repository.record.verdict.state = State::Absent;
    let root = data().join("metadata");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let mut versions = BTreeMap::new();
        for found in fs::read_dir(&folder).unwrap() {
            let path = found.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let version: u32 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
                versions.insert(version, fs::read(&path).unwrap());
            }
        }
        let role = folder.strip_prefix(&root).unwrap().to_str().unwrap();
        let newest = versions.keys().next_back().copied();
        for (version, bytes) in versions {
            put(&mut repository, role, bytes, Some(version) == newest);
        }
    }
    repository
}

/// When version 1 of the timestamp was published, in [`dated`].
pub(crate) const FIRST: &str = "2026-11-22T19:19:00Z";

/// The same with moments of publication: a minute for each version of the timestamp.
pub(crate) fn dated() -> ArchivedRepository {
    let mut repository = demo();
    for document in &mut repository.record.documents {
        if document.role == RoleName::timestamp() {
            document.published = Some(published(document.version));
        }
    }
    repository
}

/// When a version of the timestamp was published, in [`dated`].
pub(crate) fn published(version: i64) -> Moment {
    Moment::of(moment(FIRST).time() + Duration::minutes(version - 1))
}

/// Puts a document into a repository.
pub(crate) fn put(repository: &mut ArchivedRepository, role: &str, bytes: Vec<u8>, current: bool) {
    let role: RoleName = role.parse().unwrap();
    let bytes = bytes.into();
    let document = Document::of(&role, &bytes, None);
    if current {
        repository.record.current.insert(role, document.sha256);
    }
    repository.objects.insert(document.sha256, bytes);
    repository.record.documents.push(document);
}

/// Takes documents out of a repository.
pub(crate) fn remove(repository: &mut ArchivedRepository, which: impl Fn(&Document) -> bool) {
    let record = &mut repository.record;
    record.documents.retain(|document| !which(document));
    let kept: Vec<_> = record.documents.iter().map(|d| d.sha256).collect();
    repository.objects.retain(|digest, _| kept.contains(digest));
    record.current.retain(|_, digest| kept.contains(digest));
}

/// A folder for one test, with archives in it.
pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Packs repositories and gives the path of the archive.
    pub(crate) fn pack(&self, name: &str, repositories: &[ArchivedRepository]) -> String {
        self.pack_signed(name, repositories, None)
    }

    pub(crate) fn pack_signed(
        &self,
        name: &str,
        repositories: &[ArchivedRepository],
        archivist: Option<&dyn Archivist>,
    ) -> String {
        let work = self.path(&format!("{name}.partial"));
        let mut work =
            Work::open(&work, "test/1", "a test", moment("2026-11-22T19:00:00Z")).unwrap();
        for repository in repositories {
            work.finish(repository).unwrap();
        }
        work.pack(&self.path(name), archivist).unwrap();
        self.text(name)
    }

    /// Writes a policy with one rule for everything.
    pub(crate) fn policy(&self, rule: &Value) -> String {
        let policy = serde_json::json!({"version": 1, "rules": {"*": rule}});
        file::write(&self.path("policy.json"), policy.to_string()).unwrap();
        self.text("policy.json")
    }
}

/// Runs `docker-trust` without network, home and environment.
pub(crate) fn docker_trust(words: &[&str]) -> Finished {
    docker_trust_with(&[], words)
}

pub(crate) fn docker_trust_with(environment: &[(&str, &str)], words: &[&str]) -> Finished {
    alone(env!("CARGO_BIN_EXE_docker-trust"), environment, words)
}

/// Runs our `notary` without network, home and environment.
pub(crate) fn notary(words: &[&str]) -> Finished {
    notary_with(&[], words)
}

pub(crate) fn notary_with(environment: &[(&str, &str)], words: &[&str]) -> Finished {
    alone(env!("CARGO_BIN_EXE_notary"), environment, words)
}

/// In a network namespace that has not even a loopback interface.
fn alone(program: &str, environment: &[(&str, &str)], words: &[&str]) -> Finished {
    assert!(
        Command::new("unshare").arg("--version").output().is_ok(),
        "unshare is not installed; install it with: apt-get install -y util-linux"
    );
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--", program])
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(environment.iter().copied())
        .current_dir("/");
    process::run(&mut command, "", COMMAND_LIMIT).unwrap()
}

/// Somebody who signs archives.
pub(crate) struct Key(PrivateKey);

impl Key {
    pub(crate) fn new() -> Self {
        Self(PrivateKey::generate_ecdsa().unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self(PrivateKey::generate_ed25519().unwrap())
    }

    /// The public key of an Ed25519 key as RFC 8410 has it.
    pub(crate) fn spki_pem(&self) -> String {
        let mut der = vec![
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ];
        der.extend(self.0.public().public_bytes());
        let body = data_encoding::BASE64.encode(&der);
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    /// The public key as `key generate` writes it.
    pub(crate) fn pem(&self) -> String {
        let body = data_encoding::BASE64.encode(self.0.public().public_bytes());
        format!("-----BEGIN PUBLIC KEY-----\nrole: archivist\n\n{body}\n-----END PUBLIC KEY-----\n")
    }

    pub(crate) fn id(&self) -> String {
        self.0.public().id().to_string()
    }
}

impl Archivist for Key {
    fn key(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.sign(message).map_err(|error| error.to_string())
    }
}

#[expect(clippy::disallowed_methods, reason = "real servers, real time")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Takes the repositories of a population from its server.
pub(crate) fn crawl(fleet: &Fleet, guns: &[&str]) -> Vec<ArchivedRepository> {
    let mut options = RemoteOptions::new(fleet.server().url().parse().unwrap(), "test/1");
    options.tls.extra_roots_pem = fleet.server().ca_pem().into_bytes();
    let clock: Arc<dyn signet_client::Clock> = Arc::new(now);
    // Records know whole seconds: what has just expired must have done so in the second before.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let take = async {
        let line = Line::open(options, Patience::default(), Arc::clone(&clock))
            .await
            .unwrap();
        let options = CaptureOptions {
            moments: clock,
            history: false,
        };
        let mut found = Vec::new();
        for gun in guns {
            let capture = capture(&line, &gun.parse().unwrap(), &options).await;
            found.push(capture.unwrap().repository);
        }
        found
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(take)
}
