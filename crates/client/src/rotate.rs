//! Other keys for a base role (specification, `notary-cli.md` section 10.14).
//!
//! Go deletes the old key before the server has said anything, so that a lost answer can cost the only key of a published role. Here both keys
//! are there while nobody knows which of them counts: the new one is stored before the upload, and the old one goes when the server shows the
//! root that replaces it. What a server answers decides about no key: it may have what it refuses. Which rotations wait is written down
//! (`pending`), so that the next one can bring an interrupted one to its end.

mod legacy;
mod listings;
mod pending;

use signet_keys::{PrivateKey, Signer as _, role_has_gun, root_certificate};
use signet_tuf::editor::InsufficientSignatures;
use signet_tuf::rules::{self, CertificateTime};
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{BaseRole, KeyId, PublicKey, Received, RoleName, Root};

use crate::{Edit, Error, ErrorKind, Managed, PublishOptions, Published, Repository, sign};

pub use legacy::Legacy;
use listings::Listings;
use pending::Pending;

/// Where a role's new keys come from.
#[derive(Debug, Default)]
pub enum NewKeys {
    /// One is made here.
    #[default]
    Made,
    /// Private keys from elsewhere, which are stored.
    Given(Vec<PrivateKey>),
    /// The server makes one and keeps it.
    Servers,
}

/// A rotation that no repository admits. `Display` is Go's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RotationRefused {
    /// Only the server signs for the role.
    #[error("notary does not permit the client managing the {0} key")]
    ServersAlone(BaseRole),
    /// The server never signs for the role.
    #[error("notary does not permit the server managing the {0} key")]
    OwnersAlone(BaseRole),
}

/// What a rotation did.
#[derive(Debug)]
pub struct Rotated {
    /// The root key of the repository where it was unknown and began with this.
    pub begun_with: Option<KeyId>,
    /// The new keys, as the root lists them.
    pub keys: Vec<PublicKey>,
    /// What was published.
    pub published: Published,
    /// Private keys that are not needed any more and were removed.
    pub removed: Vec<KeyId>,
    /// Private keys that are not needed any more and could not be removed.
    pub left: Vec<(KeyId, signet_keys::Error)>,
    /// Old private keys that stay because another role of the repository lists them, with the role's name as the repository writes it.
    pub kept: Vec<(KeyId, String)>,
    /// The new key where an earlier rotation made it, of which nobody knew whether it took effect.
    pub reused: Option<KeyId>,
    /// Why nobody knows whether the server shows what it acknowledged. Then all old keys stay, and the next rotation removes them.
    pub unconfirmed: Option<Error>,
}

/// Whether a role's keys may come from there.
///
/// # Errors
/// [`RotationRefused`].
pub const fn check_rotation(role: BaseRole, servers: bool) -> Result<(), RotationRefused> {
    match (role, servers) {
        (BaseRole::Timestamp, false) => Err(RotationRefused::ServersAlone(role)),
        (BaseRole::Root | BaseRole::Targets, true) => Err(RotationRefused::OwnersAlone(role)),
        _ => Ok(()),
    }
}

/// New keys, on their way into a root.
struct Incoming {
    /// As the root lists them.
    listed: Vec<PublicKey>,
    /// Which of them this rotation put into the key store.
    stored: Vec<KeyId>,
    /// The one that an earlier rotation made.
    reused: Option<KeyId>,
}

impl Repository {
    /// Replaces the keys of a base role and publishes that at once. Changes staged on disk are neither published nor touched; what has expired
    /// is renewed on the way, as by every publish.
    ///
    /// Old private keys of `targets` and `snapshot` are removed once the server shows the new root; those of root stay, and those that another
    /// role lists. When the rotation fails, nothing is removed but what it added itself, and that only where nothing was sent; a new root key
    /// stays even then. The next rotation takes it.
    ///
    /// A repository that was [initialised](Repository::initialize) and not yet published is published with the new keys; one that nobody knows
    /// is begun so.
    ///
    /// # Errors
    /// As [`Repository::publish`]; [`Error::Rotation`]; [`Error::ServerKey`] when the server makes no key;
    /// [`Error::InsufficientSignatures`] before anything is made when the root's keys are not at hand; [`Error::NotShown`] when the server
    /// acknowledged a root that it does not show.
    pub async fn rotate(
        &mut self,
        role: BaseRole,
        new: NewKeys,
        legacy: Legacy,
    ) -> Result<Rotated, Error> {
        check_rotation(role, matches!(new, NewKeys::Servers))?;
        let mut begun_with = None;
        let root = match self.root_before().await {
            Err(unknown @ Error::NoTrustData { .. }) if !self.remembers_root()? => {
                if matches!(new, NewKeys::Servers) {
                    // Who has nothing yet has nothing to rotate; the server says so in its own words.
                    let refused = self.rotate_server_key(role).await.err();
                    return Err(refused.map_or(unknown, |error| Error::ServerKey(Box::new(error))));
                }
                begun_with = Some(self.initialize_with_any_key(Managed::Locally).await?);
                self.root_before().await?
            }
            root => root?,
        };
        let threshold = root.role_keys(role).threshold();
        if threshold > 1 && matches!(new, NewKeys::Servers) {
            return Err(Error::ServerThreshold {
                role: role.into(),
                threshold,
            });
        }
        let mut options = PublishOptions::default();
        if self.trusted.is_some() {
            self.check_root_keys_held(&root)?;
            options.also_sign_root = self.earlier_root_keys(&root, legacy).await?;
        }
        if role != BaseRole::Targets {
            options.leave_expired.push(RoleName::targets());
        }
        let earlier = self.pending(role)?;
        let mut pending = earlier.clone().unwrap_or_default();
        let made_before = pending.settle(&canonical_ids(&root, role));
        let listings = Listings::of(&root, self.trusted());
        let incoming = self.incoming(role, new, &made_before, &listings).await?;

        pending.new = incoming.listed.iter().map(canonical_id).collect();
        pending.made.clone_from(&pending.new);
        let is_made = |id: &KeyId| incoming.stored.contains(id) || made_before.contains(id);
        pending.made.retain(is_made);
        pending.old.extend(canonical_ids(&root, role));
        // What an earlier attempt made and this one does not use is needed by nobody once this one is through.
        pending.old.extend(made_before);
        pending.drop_new_from_old();
        self.remember_pending(role, Some(&pending))?;

        let keys = incoming.listed;
        let edit = Edit::ReplaceRoleKeys {
            role,
            keys: keys.clone(),
        };
        match self.publish(&[edit], options).await {
            Ok(published) => {
                let mut rotated = Rotated {
                    begun_with,
                    keys,
                    published,
                    removed: Vec::new(),
                    left: Vec::new(),
                    kept: Vec::new(),
                    reused: incoming.reused,
                    unconfirmed: None,
                };
                match self.shown(role, &pending.new).await {
                    Ok(listings) => {
                        self.remove_keys(role, &pending.old, &listings, &mut rotated)
                            .await;
                        // Best effort: what is written down only leads to another look at the same keys.
                        let left = (!rotated.left.is_empty()).then_some(&pending);
                        drop(self.remember_pending(role, left));
                    }
                    Err(error)
                        if matches!(error.kind(), ErrorKind::Network | ErrorKind::Refused) =>
                    {
                        rotated.unconfirmed = Some(error);
                    }
                    Err(error) => return Err(error),
                }
                Ok(rotated)
            }
            Err(error) => {
                if !self.sent {
                    self.take_back(role, &incoming.stored, earlier.as_ref())
                        .await;
                }
                Err(error)
            }
        }
    }

    /// Who lists which keys in what the server shows after it acknowledged new ones.
    async fn shown(&mut self, role: BaseRole, new: &[KeyId]) -> Result<Listings, Error> {
        let trusted = self.update(Mode::Write, Scope::All).await?;
        let root = trusted.root().body();
        let listed = canonical_ids(root, role);
        if listed.len() == new.len() && new.iter().all(|id| listed.contains(id)) {
            return Ok(Listings::of(root, Some(trusted)));
        }
        Err(Error::NotShown {
            server: self.remote.host().to_owned(),
            gun: self.gun.clone(),
        })
    }

    /// The root that a rotation changes.
    async fn root_before(&mut self) -> Result<Root, Error> {
        if let Some(keys) = &self.unpublished {
            return Ok(Root::new(keys, signet_tuf::Expiry::at(self.clock.now())));
        }
        match self.update(Mode::Write, Scope::All).await {
            Ok(trusted) => return Ok(trusted.root().body().clone()),
            Err(Error::NoTrustData { .. }) => {}
            Err(error) => return Err(error),
        }
        let bytes = match self.cache.load()?.root {
            Some(bytes) if self.has_unpublished_files()? => bytes,
            _ => {
                return Err(Error::NoTrustData {
                    server: self.remote.host().to_owned(),
                    gun: self.gun.clone(),
                });
            }
        };
        let received = Received::<Root>::parse(&RoleName::root(), bytes)
            .map_err(|error| Error::Update(rules::RuleError::from(error).into()))?;
        Ok(received.unverified().clone())
    }

    /// Said before anything is made and anybody is asked for a passphrase.
    fn check_root_keys_held(&self, root: &Root) -> Result<(), Error> {
        let keys = rules::root_role_keys(root, &self.gun, CertificateTime::Ignored);
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for key in keys.keys() {
            let id = key.canonical_id();
            let held = sign::holds(self.keys.as_ref(), id)?;
            let list = if held { &mut found } else { &mut missing };
            if !list.contains(id) {
                list.push(id.clone());
            }
        }
        let needed = keys.threshold();
        if !found.is_empty() && i64::try_from(found.len()).unwrap_or(i64::MAX) >= needed {
            return Ok(());
        }
        Err(Error::InsufficientSignatures(InsufficientSignatures {
            role: RoleName::root(),
            needed,
            found,
            missing,
        }))
    }

    /// The new keys, stored here where they are not the server's.
    async fn incoming(
        &self,
        role: BaseRole,
        new: NewKeys,
        made_before: &[KeyId],
        listings: &Listings,
    ) -> Result<Incoming, Error> {
        let given = match new {
            NewKeys::Servers => {
                let key = self.rotate_server_key(role).await;
                return Ok(Incoming {
                    listed: vec![key.map_err(|error| Error::ServerKey(Box::new(error)))?],
                    stored: Vec::new(),
                    reused: None,
                });
            }
            NewKeys::Made => {
                if let Some(incoming) = self.made_before(role, made_before, listings).await? {
                    return Ok(incoming);
                }
                vec![PrivateKey::generate_ecdsa()?]
            }
            NewKeys::Given(keys) => keys,
        };
        let mut incoming = Incoming {
            listed: Vec::new(),
            stored: Vec::new(),
            reused: None,
        };
        let mut new = Vec::new();
        for key in given {
            let listed = match role {
                BaseRole::Root => root_certificate(&key, &self.gun, self.clock.now())?,
                _ => key.public().clone(),
            };
            let known = |other: &PublicKey| other.canonical_id() == listed.canonical_id();
            if !incoming.listed.iter().any(known) {
                incoming.listed.push(listed);
                new.push(key);
            }
        }
        for key in new {
            let id = key.public().id().clone();
            let was_there = sign::holds(self.keys.as_ref(), &id)?;
            let stored = sign::add(&self.keys, key, role.as_str(), &self.gun).await;
            if let Err(error) = stored {
                self.remove_added(role, &incoming.stored).await;
                return Err(error);
            }
            if !was_there {
                incoming.stored.push(id);
            }
        }
        Ok(incoming)
    }

    /// The key that an interrupted rotation made, where it is still at hand: it takes effect now. Others may write down what they like: a key
    /// that belongs to something else, or ever belonged to this repository, is not taken.
    async fn made_before(
        &self,
        role: BaseRole,
        made_before: &[KeyId],
        listings: &Listings,
    ) -> Result<Option<Incoming>, Error> {
        let mut held = None;
        for id in made_before {
            if self.is_for(role, id)? && !listings.knows(id) {
                held = Some(id);
            }
        }
        let Some(id) = held else {
            return Ok(None);
        };
        let key = sign::load(&self.keys, id).await?;
        let listed = match role {
            BaseRole::Root => root_certificate(key.as_ref(), &self.gun, self.clock.now())?,
            _ => key.public().clone(),
        };
        Ok(Some(Incoming {
            listed: vec![listed],
            stored: Vec::new(),
            reused: Some(id.clone()),
        }))
    }

    /// Whether the key is at hand for this role of this repository; for root, of any.
    fn is_for(&self, role: BaseRole, id: &KeyId) -> Result<bool, signet_keys::Error> {
        let gun = role_has_gun(role.as_str()).then_some(&self.gun);
        let info = self.keys.info(id)?;
        Ok(info.is_some_and(|info| info.role == role.as_str() && info.gun.as_ref() == gun))
    }

    /// Removes private keys of this repository's role. Those of root stay, and so do keys that may serve others.
    async fn remove_keys(
        &self,
        role: BaseRole,
        ids: &[KeyId],
        listings: &Listings,
        rotated: &mut Rotated,
    ) {
        if role == BaseRole::Root {
            return;
        }
        for id in ids {
            match self.is_for(role, id) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    rotated.left.push((id.clone(), error));
                    continue;
                }
            }
            if let Some(lists) = listings.who_lists(id) {
                rotated.kept.push((id.clone(), lists.to_owned()));
                continue;
            }
            match sign::remove(&self.keys, id).await {
                Ok(()) => rotated.removed.push(id.clone()),
                Err(error) => rotated.left.push((id.clone(), error)),
            }
        }
    }

    /// Removes what a rotation added and never sent; what is written down is as it was before. A root key stays, and is taken next time.
    async fn take_back(&self, role: BaseRole, stored: &[KeyId], earlier: Option<&Pending>) {
        if role == BaseRole::Root {
            return;
        }
        self.remove_added(role, stored).await;
        drop(self.remember_pending(role, earlier));
    }

    async fn remove_added(&self, role: BaseRole, stored: &[KeyId]) {
        if role == BaseRole::Root {
            return;
        }
        for id in stored {
            if let Err(error) = sign::remove(&self.keys, id).await {
                tracing::debug!(gun = %self.gun, %id, %error, "could not remove the new key again");
            }
        }
    }
}

fn canonical_id(key: &PublicKey) -> KeyId {
    key.canonical_id().clone()
}

fn canonical_ids(root: &Root, role: BaseRole) -> Vec<KeyId> {
    root.role_keys(role).keys().map(canonical_id).collect()
}
