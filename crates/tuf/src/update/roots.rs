//! How the engine comes to its root: from the cache, from the server, over a chain of roots.

use bytes::Bytes;

use super::engine::{Chain, Outcome, Progress, State};
use super::{Answer, MAX_ROOT_BYTES, MAX_ROOT_CHAIN, Update, UpdateError};
use crate::rules::{self, CertificateTime, RefusedRoot, RootError, RuleError};
use crate::{MetadataPath, Received, RoleName, Root, Verified, Version};

/// What came of a downloaded root.
enum Accepted {
    Root,
    NeedsChain(Box<Received<Root>>),
}

impl Update {
    // ---- bootstrap (10.1) ----

    pub(super) fn bootstrap(&mut self) -> Outcome<Progress> {
        if let Some(bytes) = self.cached.root.clone() {
            let received =
                Received::parse(&RoleName::root(), bytes).map_err(UpdateError::RememberedRoot)?;
            let root = rules::verify_root(
                received,
                &self.gun,
                CertificateTime::At(self.now),
                None,
                None,
            )
            .map_err(|refused| refused.error)?;
            self.old_root = Some(root.clone());
            if root.expires().is_over(self.now) {
                self.warn_expired(&RoleName::root(), root.expires().clone());
                self.previous_root = Some(root);
            } else if root.version() < self.root_floor() {
                // The cache was put back to an older state than the one remembered: it is a link, not the end.
                self.pinned = false;
                self.previous_root = Some(root);
            } else {
                self.pinned = false;
                self.root = Some(root);
            }
        }
        if self.root.is_none() {
            let path = MetadataPath::Current(RoleName::root());
            return Ok(self.fetch(path, MAX_ROOT_BYTES, State::BootstrapRoot));
        }
        self.begin_pass();
        Ok(Progress::Advance)
    }

    pub(super) fn bootstrap_root(&mut self) -> Outcome<Progress> {
        let bytes = self.expect_bytes(&MetadataPath::Current(RoleName::root()), MAX_ROOT_BYTES)?;
        self.exists = true;
        match self.accept_root(bytes)? {
            Accepted::Root => self.begin_pass(),
            Accepted::NeedsChain(newest) => return self.begin_chain(newest),
        }
        Ok(Progress::Advance)
    }

    // ---- roots (10.4, 12) ----

    /// Takes a downloaded root, if it directly follows the previous one.
    fn accept_root(&mut self, bytes: Bytes) -> Outcome<Accepted> {
        if let Some(wanted) = &self.wanted_root {
            wanted
                .hashes
                .check("root", &bytes)
                .map_err(RuleError::from)?;
        }
        let received = Received::parse(&RoleName::root(), bytes).map_err(RuleError::from)?;
        let previous = self.previous_root.as_ref().map(Verified::body);
        let pinning = self.pinned.then_some(&self.pinning);
        match rules::verify_root(
            received,
            &self.gun,
            CertificateTime::At(self.now),
            previous,
            pinning,
        ) {
            Ok(root) => {
                let floor = self.old_root.as_ref().map_or(1, Verified::version);
                self.install_root(root, floor)?;
                Ok(Accepted::Root)
            }
            Err(RefusedRoot {
                error: RuleError::Root(RootError::Rotation),
                received,
            }) => Ok(Accepted::NeedsChain(received)),
            Err(RefusedRoot { error, .. }) => Err(error.into()),
        }
    }

    fn install_root(&mut self, root: Verified<Root>, floor: Version) -> Outcome<()> {
        let role = RoleName::root();
        rules::check_floor(&role, root.version(), floor.max(self.root_floor()))?;
        self.admit_expiry(&role, root.expires().clone())?;
        if self.cached.root.as_ref() != Some(root.raw()) {
            let bytes = root.raw().clone();
            self.persist(&role, &bytes);
        }
        self.root = Some(root);
        Ok(())
    }

    pub(super) fn root_floor(&self) -> Version {
        self.floors.version(&RoleName::root()).unwrap_or(1)
    }

    pub(super) fn begin_refresh(&mut self) -> Outcome<()> {
        self.second_pass = true;
        self.previous_root = self.root.take().or_else(|| self.previous_root.take());
        self.timestamp = None;
        self.snapshot = None;
        self.targets.clear();
        self.unusable.clear();
        self.work.clear();
        self.from_cache = false;

        let wanted_sha256 = self
            .wanted_root
            .as_ref()
            .and_then(|meta| meta.hashes.sha256_hex());
        let in_cache = match (&self.wanted_root, &self.cached.root) {
            (Some(wanted), Some(cached)) => wanted.hashes.check("root", cached).is_ok(),
            _ => false,
        };
        if let (true, Some(bytes)) = (in_cache, self.cached.root.clone()) {
            self.answer = Some(Answer::Bytes(bytes));
            self.state = State::RefreshRoot;
        } else {
            let path = wanted_sha256.map_or_else(
                || MetadataPath::Current(RoleName::root()),
                |sha256| MetadataPath::Checksum(RoleName::root(), sha256),
            );
            self.fetch(path, self.max_root_bytes(), State::RefreshRoot);
        }
        Ok(())
    }

    fn max_root_bytes(&self) -> u64 {
        self.wanted_root
            .as_ref()
            .and_then(|meta| u64::try_from(meta.length).ok())
            .unwrap_or(MAX_ROOT_BYTES)
            .min(MAX_ROOT_BYTES)
    }

    pub(super) fn refresh_root(&mut self) -> Outcome<Progress> {
        let path = self
            .wanted_root
            .as_ref()
            .and_then(|meta| meta.hashes.sha256_hex())
            .map_or_else(
                || MetadataPath::Current(RoleName::root()),
                |sha256| MetadataPath::Checksum(RoleName::root(), sha256),
            );
        let bytes = self.expect_bytes(&path, self.max_root_bytes())?;
        self.exists = true;
        match self.accept_root(bytes)? {
            Accepted::Root => self.begin_pass(),
            Accepted::NeedsChain(newest) => return self.begin_chain(newest),
        }
        Ok(Progress::Advance)
    }

    fn begin_chain(&mut self, newest: Box<Received<Root>>) -> Outcome<Progress> {
        let predecessor = self
            .previous_root
            .clone()
            .ok_or(RuleError::Root(RootError::Rotation))?;
        let next = predecessor.version().saturating_add(1);
        if newest.unverified().version.saturating_sub(next) > MAX_ROOT_CHAIN {
            return Err(UpdateError::TooMany {
                what: "root versions to walk",
                limit: MAX_ROOT_CHAIN,
            });
        }
        self.chain_on(Box::new(Chain {
            next,
            newest,
            predecessor,
        }))
    }

    fn chain_on(&mut self, chain: Box<Chain>) -> Outcome<Progress> {
        if chain.next < chain.newest.unverified().version {
            let path = MetadataPath::Version(RoleName::root(), chain.next);
            return Ok(self.fetch(path, MAX_ROOT_BYTES, State::Chain(chain)));
        }
        let Chain {
            newest,
            predecessor,
            ..
        } = *chain;
        let floor = newest.unverified().version;
        let time = CertificateTime::At(self.now);
        let pinning = self.pinned.then_some(&self.pinning);
        let root = rules::verify_root(*newest, &self.gun, time, Some(predecessor.body()), pinning)
            .map_err(|refused| refused.error)?;
        self.install_root(root, floor.max(predecessor.version()))?;
        self.begin_pass();
        Ok(Progress::Advance)
    }

    pub(super) fn walk_chain(&mut self, mut chain: Box<Chain>) -> Outcome<Progress> {
        let path = MetadataPath::Version(RoleName::root(), chain.next);
        let bytes = self.expect_bytes(&path, MAX_ROOT_BYTES)?;
        let received = Received::parse(&RoleName::root(), bytes).map_err(RuleError::from)?;
        let time = CertificateTime::At(self.now);
        let root = rules::verify_root(
            received,
            &self.gun,
            time,
            Some(chain.predecessor.body()),
            None,
        )
        .map_err(|refused| refused.error)?;
        rules::check_floor(&RoleName::root(), root.version(), chain.next)?;
        if root.version() != chain.next {
            let error = RootError::WrongVersion {
                expected: chain.next,
                received: root.version(),
            };
            return Err(RuleError::from(error).into());
        }
        chain.next = chain.next.saturating_add(1);
        chain.predecessor = root;
        self.chain_on(chain)
    }
}
