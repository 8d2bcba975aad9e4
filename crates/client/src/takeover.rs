//! Taking a repository over to a server that does not have the keys of the one before.
//!
//! A new root, signed by the old one's keys, lists the new server's timestamp and snapshot keys. Clients that trust the old root follow it
//! without a new decision. What expires soon and can be signed here is renewed in the same upload.

use bytes::Bytes;
use signet_keys::root_certificate;
use signet_tuf::certificate::Bundle;
use signet_tuf::rules::{self, CertificateTime, RootError, RuleError};
use signet_tuf::update::{Cached, Floors, Mode, Scope, UpdateError};
use signet_tuf::{
    BaseRole, Expiry, KeyId, MetadataPath, PublicKey, Received, RoleName, Root, Timestamp,
    TrustedRepository, Version,
};
use time::OffsetDateTime;

use crate::remote::RemoteError;
use crate::renewal::{Due, ids};
use crate::{Edit, Error, PublishOptions, Published, Repository, sign};

pub use crate::renewal::{Left, Renewed};

/// Largest timestamp that is looked at.
const MAX_TIMESTAMP_BYTES: u64 = 1 << 20;
/// Largest root that is looked at.
const MAX_ROOT_BYTES: u64 = 8 << 20;

/// What a takeover would change, and what it leaves to others.
#[derive(Clone, Debug)]
pub struct TakeoverPlan {
    /// The version of the present root.
    pub root_version: Version,
    /// When the present root's validity ends.
    pub root_expires: Expiry,
    /// Whether only its validity makes a new root necessary.
    pub renews_root: bool,
    /// The timestamp key of the server before, where it is replaced.
    pub timestamp: Option<KeyChange>,
    /// The snapshot key.
    pub snapshot: SnapshotKey,
    /// A new certificate for the root key: the old one is not valid any more.
    pub certificate: Option<KeyChange>,
    /// When the validity of a root certificate that stays ends, where that is within six months.
    pub certificate_ends: Option<OffsetDateTime>,
    /// Root keys that are not at hand, so that they get no new certificate and are not listed any more.
    pub dropped_root_keys: Vec<KeyId>,
    /// Documents that are signed again.
    pub renewed: Vec<Renewed>,
    /// Whether this computer remembered nothing of the repository: then it cannot tell an old state from the newest one, nor a root that
    /// clients trust from any other.
    pub never_seen: bool,
    /// Documents that somebody else has to sign again.
    pub left: Vec<Left>,
    /// The timestamp that this computer remembers and the older one that the server has, where that is accepted.
    pub older_timestamp: Option<(Version, Version)>,
    edits: Vec<Edit>,
    options: PublishOptions,
}

/// Other keys for a role.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyChange {
    /// The present keys.
    pub old: Vec<KeyId>,
    /// The key that takes their place.
    pub new: KeyId,
}

/// Who signs snapshots after a takeover.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SnapshotKey {
    /// The server, with a new key. Nothing says whose the old ones are: the server's before, or somebody's who published with them.
    Replaced(KeyChange),
    /// The server, as before.
    Servers,
    /// A key on this computer, as before.
    Own,
}

impl TakeoverPlan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.edits.is_empty() && self.options.renew.is_empty() && !self.renews_root
    }

    /// Whether the server before held keys that this takes out of use.
    #[must_use]
    pub fn replaces_server_keys(&self) -> bool {
        self.timestamp.is_some() || matches!(self.snapshot, SnapshotKey::Replaced(_))
    }
}

impl Repository {
    /// Looks at what a takeover would change. Nothing is changed; the server may make keys that wait for their use.
    ///
    /// The timestamp that the server brought along may be expired or older than the one that this computer has seen: the server before
    /// signed it, and the new one cannot. It is accepted here; everything that people signed is held to what is remembered as always.
    ///
    /// # Errors
    /// [`Error`]; [`Error::NoSigningKeys`] when the root's keys are not at hand, [`Error::ServerThreshold`] when the server's one key cannot
    /// be enough.
    pub async fn plan_takeover(&mut self) -> Result<TakeoverPlan, Error> {
        let never_seen = self.cache.load()?.root.is_none();
        self.taking_over = Some(TakingOver {
            never_seen,
            ..TakingOver::default()
        });
        let now = self.clock.now();
        if let Err(error) = self.update(Mode::Write, Scope::All).await.map(drop) {
            // Certificates end without anybody's fault; the root that they made trustworthy is still the one to follow.
            let ended = self.certificates_ended(&error, now).await?;
            let ended = ended.ok_or(error)?;
            self.taking_over = Some(TakingOver {
                judged_at: Some(ended),
                older: None,
                never_seen,
            });
            self.update(Mode::Write, Scope::All).await?;
        }
        let Some((_, _, trusted)) = self.trusted.take() else {
            return Err(Error::NoTrustData {
                server: self.remote.host().to_owned(),
                gun: self.gun.clone(),
            });
        };
        let plan = self.plan(&trusted, now).await;
        self.trusted = Some((Mode::Write, Scope::All, trusted));
        plan
    }

    /// Publishes what `plan` says, in one upload.
    ///
    /// # Errors
    /// As [`Repository::publish`]; [`Error::Changed`] or [`Error::Conflict`] when the repository is not any more what was planned for: then
    /// plan again.
    pub async fn take_over(&mut self, plan: &TakeoverPlan) -> Result<Published, Error> {
        let published = self.publish(&plan.edits, plan.options.clone()).await?;
        self.taking_over = None;
        if plan.certificate.is_some() {
            self.follow(plan).await?;
        } else if plan.never_seen
            && let Some(root) = plan.options.as_shown.get(&RoleName::root())
        {
            // What is read next follows from the root that somebody agreed to, and not from the first that comes.
            let _lock = self.lock(Mode::Write).await?;
            self.cache.store(&RoleName::root(), root)?;
        }
        Ok(published)
    }

    /// Remembers the new root in the place of one that is not valid any more, from which no update could go on.
    async fn follow(&self, plan: &TakeoverPlan) -> Result<(), Error> {
        let role = RoleName::root();
        let rule = |error: RuleError| Error::Update(error.into());
        let parse = |bytes| Received::<Root>::parse(&role, bytes).map_err(|e| rule(e.into()));
        let shown = plan.options.as_shown.get(&role).cloned();
        let old = parse(shown.unwrap_or_default())?;
        let path = MetadataPath::Version(role.clone(), plan.root_version.saturating_add(1));
        let bytes = self
            .remote
            .document(&self.gun, &path, MAX_ROOT_BYTES)
            .await?;
        let time = CertificateTime::At(self.clock.now());
        let new = rules::verify_root(parse(bytes)?, &self.gun, time, Some(old.unverified()), None)
            .map_err(|refused| rule(refused.error))?;
        let _lock = self.lock(Mode::Write).await?;
        Ok(self.cache.store(&role, new.raw())?)
    }

    /// The moment at which documents are judged: the present, but for a takeover after the root's certificates ended.
    pub(crate) fn judging_moment(&self) -> OffsetDateTime {
        let earlier = self.taking_over.as_ref().and_then(|state| state.judged_at);
        earlier.unwrap_or_else(|| self.clock.now())
    }

    /// When the certificates of the root ended, where that is why an update failed.
    async fn certificates_ended(
        &self,
        error: &Error,
        now: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, Error> {
        let Error::Update(UpdateError::Rule(RuleError::Root(RootError::NoValidLeaf))) = error
        else {
            return Ok(None);
        };
        // Nobody verified what the server shows, so it does not choose the moment where this computer knows a root.
        let bytes = match self.cache.load()?.root {
            Some(known) => known,
            None => {
                let path = MetadataPath::Current(RoleName::root());
                self.remote
                    .document(&self.gun, &path, MAX_ROOT_BYTES)
                    .await?
            }
        };
        let Ok(root) = Received::<Root>::parse(&RoleName::root(), bytes) else {
            return Ok(None);
        };
        let keys = rules::root_role_keys(root.unverified(), &self.gun, CertificateTime::Ignored);
        let last = keys
            .keys()
            .filter_map(|key| Bundle::from_pem(key.public_bytes()))
            .map(|bundle| bundle.leaf.not_after())
            .max();
        Ok(last.filter(|moment| *moment < now))
    }

    async fn plan(
        &self,
        trusted: &TrustedRepository,
        now: OffsetDateTime,
    ) -> Result<TakeoverPlan, Error> {
        let root = trusted.root().body();
        self.check_root_keys(trusted)?;
        let mut plan = TakeoverPlan {
            root_version: trusted.root().version(),
            root_expires: trusted.root().expires().clone(),
            renews_root: false,
            timestamp: None,
            snapshot: SnapshotKey::Servers,
            certificate: None,
            certificate_ends: None,
            dropped_root_keys: Vec::new(),
            renewed: Vec::new(),
            never_seen: self
                .taking_over
                .as_ref()
                .is_some_and(|state| state.never_seen),
            left: Vec::new(),
            older_timestamp: self.taking_over.as_ref().and_then(|state| state.older),
            edits: Vec::new(),
            // Somebody agreed to this plan. After a conflict it is another one, and they are asked again.
            options: PublishOptions {
                attempts: 1,
                ..PublishOptions::default()
            },
        };
        // Somebody agrees to follow this root and no other.
        let bytes = trusted.root().raw().clone();
        plan.options.as_shown.insert(RoleName::root(), bytes);

        let (change, edit) = self.server_change(root, BaseRole::Timestamp).await?;
        plan.timestamp = change;
        plan.edits.extend(edit);
        if self.holds_enough(&root.role_keys(BaseRole::Snapshot))? {
            plan.snapshot = SnapshotKey::Own;
        } else if let (Some(change), edit) = self.server_change(root, BaseRole::Snapshot).await? {
            plan.snapshot = SnapshotKey::Replaced(change);
            plan.edits.extend(edit);
        }
        self.plan_certificates(trusted, now, &mut plan).await?;
        plan.renews_root = plan.edits.is_empty() && root.expires.is_near(now);
        self.plan_renewals(trusted, now, &mut plan)?;
        Ok(plan)
    }

    /// The root's keys sign the new root. Asked before anything else is: without them there is no takeover.
    fn check_root_keys(&self, trusted: &TrustedRepository) -> Result<(), Error> {
        let role = RoleName::root();
        let keys =
            rules::root_role_keys(trusted.root().body(), &self.gun, CertificateTime::Ignored);
        if self.holds_enough(&keys)? {
            return Ok(());
        }
        Err(Error::NoSigningKeys {
            role,
            keys: ids(&keys),
            edit: None,
        })
    }

    /// The server's key for `role`, where the root does not list it, or others beside it.
    async fn server_change(
        &self,
        root: &Root,
        role: BaseRole,
    ) -> Result<(Option<KeyChange>, Option<Edit>), Error> {
        let key = self.server_key(role).await?;
        let keys = root.role_keys(role);
        if keys.threshold() > 1 {
            return Err(Error::ServerThreshold {
                role: role.into(),
                threshold: keys.threshold(),
            });
        }
        if keys.keys().next().is_some() && keys.keys().all(|listed| listed.id() == key.id()) {
            return Ok((None, None));
        }
        let change = KeyChange {
            old: ids(&keys)
                .into_iter()
                .filter(|id| id != key.canonical_id())
                .collect(),
            new: key.canonical_id().clone(),
        };
        let keys = vec![key];
        Ok((Some(change), Some(Edit::ReplaceRoleKeys { role, keys })))
    }

    /// A root certificate stays while it is valid, because clients may have pinned it. When none is valid any more, the same root key gets a
    /// new one.
    async fn plan_certificates(
        &self,
        trusted: &TrustedRepository,
        now: OffsetDateTime,
        plan: &mut TakeoverPlan,
    ) -> Result<(), Error> {
        let root = trusted.root().body();
        let all = rules::root_role_keys(root, &self.gun, CertificateTime::Ignored);
        let valid = rules::root_role_keys(root, &self.gun, CertificateTime::At(now));
        if valid.keys().next().is_some() {
            let ends = valid
                .keys()
                .filter_map(|key| Bundle::from_pem(key.public_bytes()))
                .filter(|bundle| bundle.leaf.is_near_expiry(now))
                .map(|bundle| bundle.leaf.not_after())
                .min();
            plan.certificate_ends = ends;
            return Ok(());
        }
        let mut renewed: Vec<PublicKey> = Vec::new();
        for key in all.keys() {
            if sign::holds(self.keys.as_ref(), key.canonical_id())? {
                let signer = sign::load(&self.keys, key.canonical_id()).await?;
                renewed.push(root_certificate(signer.as_ref(), &self.gun, now)?);
            } else {
                plan.dropped_root_keys.push(key.canonical_id().clone());
            }
        }
        if let Some(key) = renewed.first() {
            plan.certificate = Some(KeyChange {
                old: all.keys().map(|key| key.id().clone()).collect(),
                new: key.id().clone(),
            });
            plan.edits.push(Edit::ReplaceRoleKeys {
                role: BaseRole::Root,
                keys: renewed,
            });
        }
        Ok(())
    }

    /// What expires soon is signed again where the keys are at hand; the rest is somebody else's.
    fn plan_renewals(
        &self,
        trusted: &TrustedRepository,
        now: OffsetDateTime,
        plan: &mut TakeoverPlan,
    ) -> Result<(), Error> {
        let mut due = Due::signed_by_people(trusted);
        due.retain(|due| due.is_pressing(now));
        (plan.renewed, plan.left) = self.plan_documents(trusted, due, &mut plan.options)?;
        Ok(())
    }

    /// Accepts the timestamp that the server brought along where only its age speaks against it. Says whether that was so; then nothing of
    /// this update is remembered.
    pub(crate) async fn admit_old_timestamp(
        &mut self,
        cached: &mut Cached,
        floors: &mut Floors,
    ) -> Result<bool, Error> {
        if self.taking_over.is_none() {
            return Ok(false);
        }
        let path = MetadataPath::Current(RoleName::timestamp());
        let served = match self
            .remote
            .document(&self.gun, &path, MAX_TIMESTAMP_BYTES)
            .await
        {
            Ok(bytes) => bytes,
            // The update says it in its own words.
            Err(RemoteError::Authorization(error)) => {
                return Err(RemoteError::Authorization(error).into());
            }
            Err(_) => return Ok(false),
        };
        let Some(offered) = version_of(&served) else {
            return Ok(false);
        };
        let remembered = cached.timestamp.as_ref().and_then(version_of);
        let known = floors.version(&RoleName::timestamp()).max(remembered);
        let older = known.filter(|known| *known > offered);
        if known.is_some() && older.is_none() {
            return Ok(false);
        }
        if let Some(state) = &mut self.taking_over {
            state.older = older.map(|known| (known, offered));
        }
        floors.forget(&RoleName::timestamp());
        cached.timestamp = Some(served);
        Ok(true)
    }
}

/// What a repository remembers while it is being taken over.
#[derive(Debug, Default)]
pub(crate) struct TakingOver {
    /// What this computer has seen, and what the server has.
    older: Option<(Version, Version)>,
    /// When the root's certificates were still valid.
    judged_at: Option<OffsetDateTime>,
    never_seen: bool,
}

fn version_of(timestamp: &Bytes) -> Option<Version> {
    let received = Received::<Timestamp>::parse(&RoleName::timestamp(), timestamp.clone()).ok()?;
    Some(received.unverified().version)
}
