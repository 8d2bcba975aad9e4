//! A trust repository: opened, updated, asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use signet_keys::{KeyStore, MemoryKeyStore};
use signet_tuf::editor::EditWarning;
use signet_tuf::rules::{self, CertificateTime, RuleError};
use signet_tuf::update::{Answer, Floors, Mode, Scope, Step, Update, UpdateError, Warning};
use signet_tuf::{
    BaseRole, FirstUse, Gun, PublicKey, Received, RoleName, TrustPinning, TrustedRepository,
};
use time::OffsetDateTime;

use crate::cache::{Cache, FolderCache, MemoryCache};
use crate::changelist::Changelist;
use crate::layout::{FileError, Layout, Lock, LockError, create_private_dir};
use crate::remote::RemoteError;
use crate::takeover::TakingOver;
use crate::{Error, ErrorKind, Remote};

/// Tells the time: the system's clock in programs, a fixed one in tests.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> OffsetDateTime;
}

impl<F: Fn() -> OffsetDateTime + Send + Sync> Clock for F {
    fn now(&self) -> OffsetDateTime {
        self()
    }
}

/// Which roots pins are for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PinnedRoots {
    /// The root in force, whatever is remembered.
    #[default]
    Every,
    /// A root that does not follow from one that is remembered: Go's rule.
    First,
}

/// What a repository is opened with.
pub struct Options {
    /// Its name.
    pub gun: Gun,
    /// The folder that remembers it, for example `~/.docker/trust`; `None` remembers nothing beyond this process.
    pub trust_dir: Option<PathBuf>,
    /// Its server.
    pub remote: Arc<Remote>,
    /// Where private keys are.
    pub keys: Arc<dyn KeyStore>,
    /// Which roots are trusted: each of these must accept the first root. None: trust on first use.
    pub pinning: Vec<TrustPinning>,
    /// Whether those that pin certificates or a CA must accept every root. Default: yes, also one that is remembered from before the pin.
    pub pinned_roots: PinnedRoots,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether anything is written into the folder. Without, what is remembered there is used and stays as it is, which
    /// is for looking only. Default: yes.
    pub remember: bool,
    /// How long a write waits for other commands on the same repository. Reads wait a tenth of it and then go on without
    /// remembering anything. Default 60 s.
    pub patience: Duration,
}

impl Options {
    /// A repository with everything else at its default: no keys, which is enough for reading, and first roots are
    /// trusted on first use.
    #[must_use]
    pub fn new(
        gun: Gun,
        trust_dir: impl Into<PathBuf>,
        remote: Arc<Remote>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            gun,
            trust_dir: Some(trust_dir.into()),
            remote,
            keys: Arc::new(MemoryKeyStore::new()),
            pinning: Vec::new(),
            pinned_roots: PinnedRoots::default(),
            clock,
            remember: true,
            patience: Duration::from_secs(60),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("gun", &self.gun)
            .field("trust_dir", &self.trust_dir)
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

/// Who is told what people should know of edits.
pub(crate) type TellEditWarning = Box<dyn Fn(&EditWarning) + Send + Sync>;

/// One trust repository from the user's side.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use signet_client::{Access, Edit, Options, PublishOptions, Remote, RemoteOptions, Repository};
/// # use signet_tuf::update::{Mode, Scope};
/// # use signet_tuf::{RoleName, Target};
/// # async fn example(
/// #     clock: Arc<dyn signet_client::Clock>,
/// #     keys: Arc<dyn signet_keys::KeyStore>,
/// #     digest: [u8; 32],
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let mut remote = RemoteOptions::new("https://notary.example.com".parse()?, "example/1.0");
/// remote.access = Access::PullPush;
/// let mut options = Options::new(
///     "registry.example.com/team/app".parse()?,
///     "/home/jeff/.docker/trust",
///     Arc::new(Remote::new(remote)?),
///     clock,
/// );
/// options.keys = keys;
/// let mut repository = Repository::open(options)?;
///
/// // What does the tag stand for?
/// let trusted = repository.update(Mode::Write, Scope::All).await?;
/// let known = trusted.lookup("v1", &[RoleName::releases(), RoleName::targets()]);
///
/// // Now it stands for this.
/// let edit = Edit::AddTarget {
///     role: RoleName::releases(),
///     name: "v1".to_owned(),
///     target: Target::new(digest, 527),
/// };
/// repository.publish(&[edit], PublishOptions::default()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Repository {
    pub(crate) gun: Gun,
    pub(crate) remote: Arc<Remote>,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) pinning: Vec<TrustPinning>,
    pinned_roots: PinnedRoots,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: Box<dyn Cache>,
    pub(crate) layout: Option<Layout>,
    remember: bool,
    /// What the last refusal of a token service said that was taken for an outage.
    refusal: Option<String>,
    pub(crate) patience: Duration,
    pub(crate) trusted: Option<(Mode, Scope, Box<TrustedRepository>)>,
    /// Keys of a repository that was initialised and not yet published.
    pub(crate) unpublished: Option<BTreeMap<BaseRole, Vec<PublicKey>>>,
    /// Whether the cache holds a repository that was begun in this process and not yet published.
    pub(crate) begun: bool,
    /// Whether the last publish tried to send anything.
    pub(crate) sent: bool,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) tell_edit_warning: Option<TellEditWarning>,
    /// Set while the repository is being taken over to another server.
    pub(crate) taking_over: Option<TakingOver>,
}

impl Repository {
    /// Opens a repository. Nothing is read or sent yet.
    ///
    /// # Errors
    /// [`Error::NestedGun`] when the trust directory has no safe place for it.
    pub fn open(options: Options) -> Result<Self, Error> {
        let layout = options
            .trust_dir
            .as_deref()
            .map(|dir| Layout::new(dir, &options.gun))
            .transpose()?;
        let cache: Box<dyn Cache> = match &layout {
            Some(layout) => Box::new(FolderCache::new(layout.clone())),
            None => Box::new(MemoryCache::default()),
        };
        Ok(Self {
            gun: options.gun,
            remote: options.remote,
            keys: options.keys,
            pinning: options.pinning,
            pinned_roots: options.pinned_roots,
            clock: options.clock,
            cache,
            layout,
            remember: options.remember,
            refusal: None,
            patience: options.patience,
            trusted: None,
            unpublished: None,
            begun: false,
            sent: false,
            warnings: Vec::new(),
            tell_edit_warning: None,
            taking_over: None,
        })
    }

    /// Its name.
    #[must_use]
    pub const fn gun(&self) -> &Gun {
        &self.gun
    }

    /// Its server.
    #[must_use]
    pub const fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    /// Makes the folders of the repository in the trust directory, where Go's commands expect them to be after any command. A folder that
    /// cannot be made fails what needs it later.
    pub fn make_folders(&self) {
        let Some(layout) = self.layout.as_ref().filter(|_| self.remember) else {
            return;
        };
        for folder in [layout.metadata(), layout.changelist()] {
            if let Err(error) = create_private_dir(&folder) {
                tracing::debug!(gun = %self.gun, error = %error.text(), "no folder for {}", self.gun);
            }
        }
    }

    /// Whether a root is remembered, so that the next one must follow from it.
    ///
    /// # Errors
    /// [`Error::File`] when the folder cannot be read.
    pub fn remembers_root(&self) -> Result<bool, Error> {
        Ok(self.cache.load()?.root.is_some())
    }

    /// Whether a delegation's document, which its keys did not sign, is the one that this client verified last, while other keys were the
    /// role's. Then it is not what a server made up; `false` when that is not known.
    #[must_use]
    pub fn has_verified(&self, role: &RoleName) -> bool {
        let document = self
            .trusted()
            .and_then(|trusted| trusted.unusable().get(role))
            .map(|unusable| unusable.received().raw());
        document.is_some_and(|document| {
            self.cache
                .load()
                .is_ok_and(|cached| cached.targets.get(role) == Some(document))
        })
    }

    /// The changes staged on disk; `None` when nothing is remembered on disk.
    #[must_use]
    pub fn changelist(&self) -> Option<Changelist> {
        self.layout.as_ref().map(Changelist::new)
    }

    /// The state that the last update in this process ended in.
    #[must_use]
    pub fn trusted(&self) -> Option<&TrustedRepository> {
        self.trusted.as_ref().map(|(_, _, trusted)| &**trusted)
    }

    /// What the token service said when it refused the login, where the last update took that for an outage
    /// ([`RemoteOptions::refusal_is_outage`](crate::RemoteOptions::refusal_is_outage)).
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// What people should know, gathered since the last call.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// Brings what is known up to date with the server and checks all of it.
    ///
    /// # Errors
    /// [`Error`]; its [kind](Error::kind) tells a failed network from a refusal, from a repository that does not exist,
    /// and from documents that must not be trusted.
    pub async fn update(&mut self, mode: Mode, scope: Scope) -> Result<&TrustedRepository, Error> {
        let lock = self.lock(mode).await?;
        let remember = self.remember && (self.layout.is_none() || lock.is_some());
        self.trusted = None;
        self.refusal = None;
        let trusted = self.run_update(mode, scope.clone(), remember).await?;
        drop(lock);
        let (_, _, trusted) = self.trusted.insert((mode, scope, trusted));
        Ok(trusted)
    }

    async fn run_update(
        &mut self,
        mode: Mode,
        scope: Scope,
        remember: bool,
    ) -> Result<Box<TrustedRepository>, Error> {
        let (mut cached, mut floors) = (self.cache.load()?, self.cache.floors()?);
        // Somebody has removed the documents, as `delete` of Go's notary does: the next root is a first one, and may begin at version 1.
        if cached.root.is_none() && floors != Floors::default() {
            floors = Floors::default();
            if remember {
                self.remembered(self.cache.store_floors(&floors), mode)?;
            }
        }
        let admitted = self.admit_old_timestamp(&mut cached, &mut floors).await?;
        let remember = remember && !admitted;
        let mut update = Update::new(
            self.gun.clone(),
            self.judging_moment(),
            mode,
            scope,
            self.bootstrap_pinning(),
            cached,
            floors,
        );
        loop {
            match update.step().map_err(|error| self.update_error(error))? {
                Step::Fetch(fetch) => {
                    let answer = match self.remote.fetch(&self.gun, &fetch).await {
                        Err(RemoteError::Authorization(error))
                            if error.kind == ErrorKind::Refused
                                && self.remote.takes_refusal_for_outage() =>
                        {
                            let said = error.to_string();
                            self.refusal = Some(said.clone());
                            Answer::Unreachable(said)
                        }
                        other => other?,
                    };
                    update.answer(answer);
                }
                Step::Persist { role, bytes } => {
                    if remember {
                        self.remembered(self.cache.store(&role, &bytes), mode)?;
                    }
                }
                // A publish that is tried again updates again; people need to be told once.
                Step::Warn(warning) if self.warnings.contains(&warning) => {}
                Step::Warn(warning) => self.warnings.push(warning),
                Step::Done(trusted) => {
                    match (self.check_pins(&trusted), self.pinned_roots) {
                        (Ok(()), _) => {}
                        (Err(error), PinnedRoots::Every) => {
                            return Err(Error::Update(error.into()));
                        }
                        (Err(error), PinnedRoots::First) => {
                            let warning = Warning::RootNotPinned {
                                gun: self.gun.clone(),
                                reason: error.to_string(),
                            };
                            if !self.warnings.contains(&warning) {
                                self.warnings.push(warning);
                            }
                        }
                    }
                    if remember {
                        self.remembered(self.cache.store_floors(trusted.floors()), mode)?;
                    }
                    return Ok(trusted);
                }
            }
        }
    }

    /// What the update itself is given: a pin before a mere refusal of first use, which a pin answers.
    fn bootstrap_pinning(&self) -> TrustPinning {
        let pins = self.pinning.iter().find(|pinning| pinning.pins(&self.gun));
        let denies = || {
            self.pinning
                .iter()
                .find(|pinning| pinning.first_use == FirstUse::Deny)
        };
        pins.or_else(denies).cloned().unwrap_or_default()
    }

    /// Holds the root in force to every pin. The update asks one of them, and only while no root is remembered: Go's rule, which lets a root
    /// trusted on first use outlive the pin that comes later.
    fn check_pins(&self, trusted: &TrustedRepository) -> Result<(), RuleError> {
        for pinning in self.pinning.iter().filter(|pins| pins.pins(&self.gun)) {
            let bytes = trusted.root().raw().clone();
            Received::parse(&RoleName::root(), bytes)
                .map_err(RuleError::from)
                .and_then(|root| {
                    let time = CertificateTime::At(self.judging_moment());
                    rules::verify_root(root, &self.gun, time, None, Some(pinning))
                        .map_err(|refused| refused.error)
                })?;
        }
        Ok(())
    }

    /// A read needs no writable trust directory, as in Go.
    fn remembered(&self, result: Result<(), FileError>, mode: Mode) -> Result<(), Error> {
        match (result, mode) {
            (Err(error), Mode::Read) => {
                tracing::debug!(gun = %self.gun, %error, cause = %error.source, "could not remember {}", self.gun);
                Ok(())
            }
            (result, _) => Ok(result?),
        }
    }

    /// Waits for other commands on the same repository. `None` when there is nothing to lock, or when a read goes on
    /// without.
    pub(crate) async fn lock(&self, mode: Mode) -> Result<Option<Lock>, Error> {
        let Some(layout) = self.layout.as_ref().filter(|_| self.remember) else {
            return Ok(None);
        };
        let patience = match mode {
            Mode::Read => self.patience / 10,
            Mode::Write => self.patience,
        };
        match layout.lock(patience).await {
            Ok(lock) => Ok(Some(lock)),
            Err(error @ (LockError::Busy { .. } | LockError::File(_))) if mode == Mode::Read => {
                tracing::debug!(gun = %self.gun, %error, "reading {} without remembering it", self.gun);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn update_error(&self, error: UpdateError) -> Error {
        match error {
            UpdateError::NoTrustData { gun } => Error::NoTrustData {
                server: self.remote.host().to_owned(),
                gun,
            },
            other => Error::Update(other),
        }
    }
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("gun", &self.gun)
            .field("remote", &self.remote)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RemoteOptions;

    fn repository(trust_dir: &std::path::Path) -> Repository {
        let nobody = RemoteOptions::new("https://127.0.0.1:1".parse().unwrap(), "test/1");
        let remote = Arc::new(Remote::new(nobody).unwrap());
        let clock = Arc::new(|| time::macros::datetime!(2026-11-22 20:00 UTC));
        let mut options = Options::new("a/b".parse().unwrap(), trust_dir, remote, clock);
        options.patience = Duration::from_millis(100);
        Repository::open(options).unwrap()
    }

    #[tokio::test]
    async fn a_busy_repository_can_be_read_but_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let busy = repository(dir.path());
        let lock = busy.lock(Mode::Write).await.unwrap();
        assert!(lock.is_some());
        let second = repository(dir.path());
        assert!(second.lock(Mode::Read).await.unwrap().is_none());
        let error = second.lock(Mode::Write).await.unwrap_err();
        assert!(
            matches!(error, Error::Lock(LockError::Busy { .. })),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::Local);
        drop(lock);
        assert!(second.lock(Mode::Write).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn reading_does_without_a_usable_trust_directory() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::File::create(&file).unwrap();
        let mut repository = repository(&file);
        let error = repository.update(Mode::Read, Scope::All).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network, "{error:?}");
        let error = repository
            .update(Mode::Write, Scope::All)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Local, "{error:?}");
    }
}
