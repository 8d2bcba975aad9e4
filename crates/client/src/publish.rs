//! A publish is a transaction: trusted state, edits, signatures, one upload. When another publisher was faster, the new
//! state is read, the same edits are applied to it, and it is tried again; nothing of either is lost.

mod apply;
mod unproven;
mod unpublished;
mod versions;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use signet_tuf::editor::{Changed, Draft, EditError, EditWarning, RepositoryEditor, SignedFile};
use signet_tuf::rules::{RootError, RuleError};
use signet_tuf::update::{Floors, Mode, Scope};
use signet_tuf::{BaseRole, PublicKey, RoleName, TrustedRepository, Version};
use time::OffsetDateTime;

use crate::changelist::{ChangeError, ChangelistError, Edit};
use crate::remote::{Part, RemoteError};
use crate::{Error, Repository, random, sign};

pub use unproven::Unproven;

/// What to do with a target that is already listed as it should be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Unchanged {
    /// Leave it: when nothing else changes, nothing is uploaded.
    #[default]
    Leave,
    /// Sign its role again: that renews the role's validity, and proves that a right key is at hand.
    Resign,
}

/// How to publish.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublishOptions {
    /// What to do with targets that are already listed. Default: leave them.
    pub unchanged: Unchanged,
    /// Delegations whose documents begin anew when their keys did not sign the present ones: after they were deleted and
    /// created again, or after the only signer was removed. What such a document lists is then gone for good, while
    /// [`Edit::Witness`] takes it over; so it is never done unasked. Default: none.
    pub start_over: Vec<RoleName>,
    /// Documents that somebody was shown before they agreed, by their roles. Whatever else was published meanwhile, nothing is
    /// while the server has other ones. Default: none.
    pub as_shown: BTreeMap<RoleName, Bytes>,
    /// Documents that stay as they are, although they have expired, where none of their keys is at hand: their signers renew
    /// them. Default: none.
    pub leave_expired: Vec<RoleName>,
    /// Documents that are signed again as they are, expired or not, where their own keys vouch for them; after the edits.
    /// Default: none.
    pub renew: Vec<RoleName>,
    /// Sign the snapshot again, or have the server do so where its key is not at hand, also when nothing else changes, as Go's notary does.
    /// Default: no.
    pub always_snapshot: bool,
    /// Keys of earlier roots that sign a new root beside those that must, where they are at hand. Default: none.
    pub also_sign_root: Vec<PublicKey>,
    /// How often to try when other publishers are faster. Default 20.
    pub attempts: u32,
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self {
            unchanged: Unchanged::Leave,
            start_over: Vec::new(),
            as_shown: BTreeMap::new(),
            leave_expired: Vec::new(),
            renew: Vec::new(),
            always_snapshot: false,
            also_sign_root: Vec::new(),
            attempts: 20,
        }
    }
}

/// What was published.
#[derive(Debug, Default)]
pub struct Published {
    /// Uploaded documents with their versions; empty when there was nothing to upload.
    pub files: Vec<(RoleName, Version)>,
    /// How often it was tried.
    pub attempts: u32,
    /// What people should know about the edits.
    pub warnings: Vec<EditWarning>,
    /// Why staged changes that are published are still there.
    pub changelist_left: Option<ChangelistError>,
}

/// What an attempt starts from.
enum Base {
    /// The state at the server.
    Trusted(Box<TrustedRepository>),
    /// A repository initialised in this process.
    New,
    /// A repository that another command initialised, and the server does not know.
    Cached,
}

impl Base {
    /// The documents that `edits` take over although their roles' keys do not vouch for them.
    fn taken_over(&self, edits: &[Edit]) -> BTreeMap<RoleName, Bytes> {
        let Self::Trusted(trusted) = self else {
            return BTreeMap::new();
        };
        unproven::taken_over(trusted, edits)
            .filter_map(|role| Some((role.clone(), present(trusted, role)?.clone())))
            .collect()
    }

    fn snapshot_is_over(&self, now: OffsetDateTime) -> bool {
        match self {
            Self::Trusted(trusted) => trusted.snapshot().expires().is_over(now),
            Self::New | Self::Cached => false,
        }
    }

    /// Whether what somebody agreed to is still what is built on.
    fn check_shown(&self, options: &PublishOptions) -> Result<(), Error> {
        for (role, shown) in &options.as_shown {
            let same = match self {
                Self::Trusted(trusted) => present(trusted, role) == Some(shown),
                Self::New | Self::Cached => false,
            };
            if !same {
                return Err(Error::Changed { role: role.clone() });
            }
        }
        Ok(())
    }
}

/// One attempt's outcome.
struct Prepared {
    files: Vec<SignedFile>,
    /// Delegations whose documents begin at version 1, as far as this client knows.
    begun: Vec<RoleName>,
    warnings: Vec<EditWarning>,
}

impl Repository {
    /// Stages a change on disk for a later publish by any program.
    ///
    /// # Errors
    /// [`Error::Edit`] for what no repository admits, [`Error::RoleKeysStaged`] for keys of a base role, [`Error::Changelist`] when it
    /// cannot be written, [`Error::NoChangelist`] in a repository without a folder.
    pub fn stage(&self, edit: &Edit) -> Result<(), Error> {
        edit.check()?;
        if let Edit::ReplaceRoleKeys { role, .. } = edit {
            return Err(Error::RoleKeysStaged { role: *role });
        }
        let changelist = self.changelist().ok_or(Error::NoChangelist)?;
        changelist.add(&edit.into(), self.clock.now())?;
        Ok(())
    }

    /// Has what people should know of edits told as soon as the keys at hand have signed for them, so also when the upload fails. Each
    /// warning comes once.
    pub fn on_edit_warning(&mut self, tell: impl Fn(&EditWarning) + Send + Sync + 'static) {
        self.tell_edit_warning = Some(Box::new(tell));
    }

    /// Publishes the changes staged on disk, whichever program staged them, and removes them once the server has
    /// acknowledged.
    ///
    /// # Errors
    /// As [`Repository::publish`]; [`ChangelistError::Change`] for a change that cannot be understood, or that would replace
    /// the keys of a base role. Then all changes stay staged. [`Error::NoChangelist`] in a repository without a folder.
    pub async fn publish_staged(&mut self, options: PublishOptions) -> Result<Published, Error> {
        let changelist = self.changelist().ok_or(Error::NoChangelist)?;
        let (mut edits, mut names) = (Vec::new(), Vec::new());
        for staged in changelist.list()? {
            let edit = staged
                .change
                .and_then(|change| change.edit())
                .and_then(stageable)
                .map_err(|source| ChangelistError::Change {
                    name: staged.name.clone(),
                    source,
                })?;
            edits.push(edit);
            names.push(staged.name);
        }
        let mut published = self.publish(&edits, options).await?;
        // Only what was read: someone may have staged more meanwhile.
        published.changelist_left = changelist.remove(names.iter().map(String::as_str)).err();
        Ok(published)
    }

    /// Publishes changes. Changes staged on disk are neither published nor touched.
    ///
    /// Expired documents are renewed on the way. Without anything to change or renew nothing is uploaded, but for
    /// [`PublishOptions::always_snapshot`].
    ///
    /// # Errors
    /// [`Error`]; then nothing was published. [`Error::NoTrustData`] when the server does not know the repository and it
    /// was not initialised here; [`Error::NoSigningKeys`] and [`Error::InsufficientSignatures`] when keys are missing;
    /// [`Error::Conflict`] when other publishers were faster each time; [`Error::Changed`] when a document is not the one of
    /// [`PublishOptions::as_shown`] any more, or is taken over without its keys' signatures and is not the one of the first
    /// attempt; [`Error::Unproven`] when such a one was neither verified here nor shown to anybody.
    pub async fn publish(
        &mut self,
        edits: &[Edit],
        options: PublishOptions,
    ) -> Result<Published, Error> {
        self.sent = false;
        let mut base = self.base().await?;
        let mut continued: Vec<(RoleName, Version)> = Vec::new();
        let mut attempt = 0;
        let mut told = Vec::new();
        // No key vouches for these, so whoever answers for the server chooses what they say. Nobody who refuses an upload
        // may exchange them before the next one.
        let taken_over = base.taken_over(edits);
        self.check_proven(&base, edits, &options)?;
        loop {
            attempt += 1;
            base.check_shown(&options)?;
            for (role, now) in base.taken_over(edits) {
                if taken_over.get(&role) != Some(&now) {
                    return Err(Error::Changed { role });
                }
            }
            let prepared = self
                .prepare(&base, edits, &options, &continued, &mut told)
                .await?;
            let published = Published {
                files: prepared
                    .files
                    .iter()
                    .map(|file| (file.role.clone(), file.version))
                    .collect(),
                attempts: attempt,
                warnings: prepared.warnings,
                changelist_left: None,
            };
            // compat: Go uploads nothing at all then, upon which the server signs a snapshot that it keeps the key of.
            if prepared.files.is_empty() && !options.always_snapshot {
                self.keep(base);
                return Ok(published);
            }
            let parts: Vec<Part<'_>> = prepared
                .files
                .iter()
                .map(|file| Part {
                    role: &file.role,
                    bytes: &file.bytes,
                })
                .collect();
            // Whatever comes back, the server may have it then.
            self.sent = true;
            let refused = match self.remote.upload(&self.gun, &parts).await {
                Ok(()) => {
                    self.acknowledged(&base, &prepared.files).await;
                    return Ok(published);
                }
                Err(error @ (RemoteError::Refused { .. } | RemoteError::Unreachable { .. })) => {
                    error
                }
                Err(error) => return Err(error.into()),
            };
            tracing::debug!(gun = %self.gun, attempt, error = %refused, "publishing {} failed", self.gun);
            match self.after_failure(&base, &prepared.files, &refused).await? {
                After::Acknowledged => {
                    self.acknowledged(&base, &prepared.files).await;
                    return Ok(published);
                }
                After::Moved(now) if attempt < options.attempts => base = Base::Trusted(now),
                After::Moved(_) => {
                    return Err(Error::Conflict {
                        attempts: attempt,
                        source: refused,
                    });
                }
                After::Same(now) if refused.is_version_conflict() && continued.is_empty() => {
                    continued = self.highest_versions(&prepared.begun).await?;
                    if continued.is_empty() {
                        return Err(refused.into());
                    }
                    base = Base::Trusted(now);
                }
                After::Same(_) | After::Unknown => return Err(refused.into()),
            }
            tokio::time::sleep(pause(attempt)).await;
        }
    }

    /// What a publish starts from.
    async fn base(&mut self) -> Result<Base, Error> {
        if self.unpublished.is_some() {
            return Ok(Base::New);
        }
        if self.begun {
            return Ok(Base::Cached);
        }
        if !matches!(self.trusted, Some((Mode::Write, Scope::All, _))) {
            match self.update(Mode::Write, Scope::All).await.map(drop) {
                Ok(()) => {}
                Err(Error::NoTrustData { .. }) if self.has_unpublished_files()? => {
                    return Ok(Base::Cached);
                }
                Err(error) => return Err(error),
            }
        }
        match self.trusted.take() {
            Some((_, _, trusted)) => Ok(Base::Trusted(trusted)),
            // An update that succeeded leaves a state.
            None => Ok(Base::Cached),
        }
    }

    fn keep(&mut self, base: Base) {
        if let Base::Trusted(trusted) = base {
            self.trusted = Some((Mode::Write, Scope::All, trusted));
        }
    }

    async fn prepare(
        &self,
        base: &Base,
        edits: &[Edit],
        options: &PublishOptions,
        continued: &[(RoleName, Version)],
        told: &mut Vec<EditWarning>,
    ) -> Result<Prepared, Error> {
        let now = self.clock.now();
        let mut editor = match base {
            Base::Trusted(trusted) => RepositoryEditor::from_trusted(trusted, now),
            Base::New => RepositoryEditor::new_repository(
                self.gun.clone(),
                now,
                self.unpublished.clone().unwrap_or_default(),
            ),
            Base::Cached => {
                let cached = self.cache.load()?;
                RepositoryEditor::from_unpublished(self.gun.clone(), now, &cached).unwrap_or_else(
                    || {
                        Ok(RepositoryEditor::new_repository(
                            self.gun.clone(),
                            now,
                            self.unpublished.clone().unwrap_or_default(),
                        ))
                    },
                )?
            }
        };
        if matches!(base, Base::Cached)
            && editor
                .role_keys(&RoleName::root())
                .is_none_or(|keys| keys.keys().next().is_none())
        {
            // Nobody would follow it, and whoever published it could not take it back.
            return Err(EditError::Rule(RuleError::Root(RootError::NoValidLeaf)).into());
        }
        for role in &options.start_over {
            editor.start_over(role);
        }
        let mut edited = BTreeMap::new();
        for edit in edits {
            apply::apply(&mut editor, edit, options.unchanged, self.keys.as_ref()).map_err(
                |source| Error::Edit {
                    edit: Some(Box::new(edit.clone())),
                    source,
                },
            )?;
            if let Some(role) = apply::signed_by(edit) {
                edited.entry(role).or_insert(edit);
            }
        }
        for role in &options.renew {
            let _: Changed = editor.renew(role)?;
        }
        for (role, version) in continued {
            editor.continue_from(role, *version);
        }
        let drafts = editor.drafts()?;
        // Said before anybody is asked for a passphrase.
        for draft in &drafts {
            let Some(edit) = edited.get(draft.role()) else {
                continue;
            };
            if let Some(keys) = sign::missing_all(self.keys.as_ref(), draft)? {
                return Err(Error::NoSigningKeys {
                    role: draft.role().clone(),
                    keys,
                    edit: Some(Box::new((*edit).clone())),
                });
            }
        }
        let begun = drafts
            .iter()
            .filter(|draft| draft.role().is_delegation() && draft.version() == 1)
            .map(|draft| draft.role().clone())
            .collect();
        let mut files = Vec::new();
        for mut draft in drafts {
            let may_stay = draft.is_optional() || options.leave_expired.contains(draft.role());
            if may_stay && sign::missing_all(self.keys.as_ref(), &draft)?.is_some() {
                continue;
            }
            // A root that was signed when the repository was initialised needs no passphrase now.
            if draft.check().is_err() {
                sign::sign(&self.keys, &mut draft).await?;
            }
            if draft.role().base() == Some(BaseRole::Root) {
                sign::also_sign(&self.keys, &mut draft, &options.also_sign_root).await?;
            }
            if may_stay && draft.check().is_err() {
                continue;
            }
            files.push(draft.finish()?);
        }
        // compat: Go tries the keys of the roles that change before it says anything about them.
        if let Some(tell) = &self.tell_edit_warning {
            for warning in editor.warnings() {
                if !told.contains(warning) {
                    tell(warning);
                    told.push(warning.clone());
                }
            }
        }
        let wanted = !files.is_empty() || options.always_snapshot || base.snapshot_is_over(now);
        if wanted && let Some(mut snapshot) = self.snapshot_draft(&editor, &files)? {
            sign::sign(&self.keys, &mut snapshot).await?;
            files.push(snapshot.finish()?);
        }
        Ok(Prepared {
            files,
            begun,
            warnings: editor.warnings().to_vec(),
        })
    }

    /// The snapshot, where this client holds its key.
    fn snapshot_draft(
        &self,
        editor: &RepositoryEditor<'_>,
        files: &[SignedFile],
    ) -> Result<Option<Draft>, Error> {
        let Some(keys) = editor.role_keys(&RoleName::snapshot()) else {
            return Ok(None);
        };
        for key in keys.keys() {
            if sign::holds(self.keys.as_ref(), key.canonical_id())? {
                return Ok(Some(editor.snapshot_draft(files)?));
            }
        }
        Ok(None)
    }

    /// Looks at the server after an upload that it did not acknowledge.
    async fn after_failure(
        &mut self,
        base: &Base,
        files: &[SignedFile],
        refused: &RemoteError,
    ) -> Result<After, Error> {
        let was_first = matches!(base, Base::New | Base::Cached);
        let known = (self.remembers_root()?, self.cache.floors()?);
        let update = self.update(Mode::Write, Scope::All).await;
        let lost = matches!(refused, RemoteError::Unreachable { .. });
        match update {
            Ok(_) => {}
            // Nobody else published first; and without an answer nobody knows.
            Err(_) if was_first || lost => return Ok(After::Unknown),
            Err(error) => return Err(error),
        }
        let Some((_, _, now)) = self.trusted.take() else {
            return Ok(After::Unknown);
        };
        // The answer was lost or came late, not necessarily the upload.
        let is_stored = |file: &SignedFile| stored(&now, &file.role) == Some(&file.bytes);
        if !files.is_empty() && files.iter().all(is_stored) {
            return Ok(After::Acknowledged);
        }
        if lost {
            return Ok(After::Unknown);
        }
        let moved = match base {
            Base::Trusted(before) => before.timestamp().version() != now.timestamp().version(),
            Base::New | Base::Cached => true,
        };
        if was_first {
            let (had_root, floors) = known;
            if !had_root && !self.holds_all_root_keys(&now)? {
                self.forget_what_came(&floors).await;
                return Err(Error::BegunByOther {
                    gun: self.gun.clone(),
                });
            }
            // Begun elsewhere by whoever has the same root key: ours was never published.
            self.unpublished = None;
            self.begun = false;
        }
        Ok(if moved {
            After::Moved(now)
        } else {
            After::Same(now)
        })
    }

    /// Remembers what the server has acknowledged, where that is safe: a repository that was published for the first
    /// time. So the root that is trusted from now on is the own one, not the first that some server shows.
    ///
    /// Later publishes are left for the next update to fetch. Beside the old timestamp, new documents would be taken for
    /// the trace of an attack as soon as the server is out of order and the old timestamp has to do.
    async fn acknowledged(&mut self, base: &Base, files: &[SignedFile]) {
        self.trusted = None;
        self.unpublished = None;
        self.begun = false;
        if matches!(base, Base::Trusted(_)) {
            return;
        }
        let lock = self.lock(Mode::Read).await;
        if self.layout.is_some() && !matches!(lock, Ok(Some(_))) {
            return;
        }
        let remember = || {
            // What was known of an earlier repository of this name is void: this one begins here.
            // One that was kept here is only published where nothing else was known.
            if matches!(base, Base::New) {
                self.cache.clear()?;
                self.cache.store_floors(&Floors::default())?;
            }
            files
                .iter()
                .try_for_each(|file| self.cache.store(&file.role, &file.bytes))
        };
        // Best effort: the next update fetches what is not there.
        if let Err(error) = remember() {
            tracing::debug!(gun = %self.gun, %error, "could not remember what was published");
        }
    }
}

/// The edit, where it may come from a file. Keys of base roles may not: who can write into the trust folder would choose who signs, and the
/// owner would sign that with the next tag.
fn stageable(edit: Edit) -> Result<Edit, ChangeError> {
    match edit {
        Edit::ReplaceRoleKeys { role, .. } => Err(ChangeError::RoleKeys(role)),
        edit => Ok(edit),
    }
}

/// What the server looks like after a failed upload.
enum After {
    /// It has exactly what was uploaded.
    Acknowledged,
    /// Someone else published.
    Moved(Box<TrustedRepository>),
    /// Nothing has changed.
    Same(Box<TrustedRepository>),
    /// It cannot be told.
    Unknown,
}

fn stored<'a>(trusted: &'a TrustedRepository, role: &RoleName) -> Option<&'a Bytes> {
    match role.base() {
        Some(BaseRole::Root) => Some(trusted.root().raw()),
        Some(BaseRole::Snapshot) => Some(trusted.snapshot().raw()),
        Some(BaseRole::Timestamp) => Some(trusted.timestamp().raw()),
        Some(BaseRole::Targets) | None => trusted.targets(role).map(|targets| targets.raw()),
    }
}

/// The bytes of a role's document, whether its signatures hold or not.
pub(crate) fn present<'a>(trusted: &'a TrustedRepository, role: &RoleName) -> Option<&'a Bytes> {
    stored(trusted, role).or_else(|| Some(trusted.unusable().get(role)?.received().raw()))
}

/// A growing, random wait, so that publishers that met once do not meet again.
fn pause(attempt: u32) -> Duration {
    let longest = 50_u64 << attempt.min(5);
    Duration::from_millis(10 + u64::from(u16::from_le_bytes(random::bytes())) % longest)
}
