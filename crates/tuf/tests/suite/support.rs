//! Reading of the test data, and a client that drives the engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use signet_testkit::recorded;
use signet_tuf::{
    Answer, BaseRole, Cached, Fetch, Floors, Gun, Mode, RoleName, Scope, Step, TrustPinning,
    TrustedRepository, Update, UpdateError,
};
use time::OffsetDateTime;

/// Path below `tests/data`.
pub(crate) fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(path)
}

/// Bytes of a file below `tests/data`.
pub(crate) fn read(path: &str) -> Vec<u8> {
    std::fs::read(data(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// A JSON file below `tests/data`.
pub(crate) fn read_json<T: DeserializeOwned>(path: &str) -> T {
    serde_json::from_slice(&read(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// What a client keeps between updates.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) gun: Gun,
    pub(crate) now: OffsetDateTime,
    pub(crate) mode: Mode,
    pub(crate) pinning: TrustPinning,
    pub(crate) cached: Cached,
    pub(crate) floors: Floors,
}

/// What one update did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) result: Result<Box<TrustedRepository>, UpdateError>,
    pub(crate) warnings: Vec<String>,
    /// Names asked for, a checksum shown as `<sha256>`.
    pub(crate) requests: Vec<String>,
}

impl Client {
    pub(crate) fn new(gun: &str, now: OffsetDateTime) -> Self {
        Self {
            gun: gun.parse().unwrap(),
            now,
            mode: Mode::Read,
            pinning: TrustPinning::default(),
            cached: Cached::default(),
            floors: Floors::default(),
        }
    }

    /// Runs one update against a server that answers `serve`.
    pub(crate) fn update(&mut self, scope: Scope, mut serve: impl FnMut(&Fetch) -> Answer) -> Run {
        let mut update = Update::new(
            self.gun.clone(),
            self.now,
            self.mode,
            scope,
            self.pinning.clone(),
            self.cached.clone(),
            self.floors.clone(),
        );
        let (mut warnings, mut requests) = (Vec::new(), Vec::new());
        let result = loop {
            match update.step() {
                Ok(Step::Fetch(fetch)) => {
                    requests.push(recorded::shown(&fetch.path.to_string()));
                    assert!(requests.len() < 20_000, "the update does not end");
                    update.answer(serve(&fetch));
                }
                Ok(Step::Persist { role, bytes }) => self.store(&role, bytes),
                Ok(Step::Warn(warning)) => warnings.push(warning.to_string()),
                Ok(Step::Done(repository)) => break Ok(repository),
                Err(error) => break Err(error),
            }
        };
        self.floors = update.floors().clone();
        Run {
            result,
            warnings,
            requests,
        }
    }

    pub(crate) fn store(&mut self, role: &RoleName, bytes: Bytes) {
        match role.base() {
            Some(BaseRole::Root) => self.cached.root = Some(bytes),
            Some(BaseRole::Snapshot) => self.cached.snapshot = Some(bytes),
            Some(BaseRole::Timestamp) => self.cached.timestamp = Some(bytes),
            Some(BaseRole::Targets) | None => {
                self.cached.targets.insert(role.clone(), bytes);
            }
        }
    }

    /// Every cached document by role.
    pub(crate) fn cache(&self) -> BTreeMap<String, Bytes> {
        let cached = &self.cached;
        let base = [
            ("root", &cached.root),
            ("snapshot", &cached.snapshot),
            ("timestamp", &cached.timestamp),
        ];
        base.into_iter()
            .filter_map(|(role, bytes)| Some((role.to_owned(), bytes.clone()?)))
            .chain(
                cached
                    .targets
                    .iter()
                    .map(|(role, bytes)| (role.to_string(), bytes.clone())),
            )
            .collect()
    }
}
