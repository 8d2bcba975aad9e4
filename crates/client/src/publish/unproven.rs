//! Documents that the keys of their roles did not sign, and that a publish would sign as they are.
//!
//! Whoever answers for the server chooses what such a document says. An honest one has it after a signer was removed, and then whoever read the
//! repository before has verified it, byte for byte. Everything else somebody has to look at who knows what it should say.

use bytes::Bytes;
use signet_tuf::update::UnusableReason;
use signet_tuf::{Received, RoleName, Targets, TrustedRepository};

use super::{Base, PublishOptions};
use crate::changelist::Edit;
use crate::{Error, Repository};

/// A document that is to be signed although neither its role's keys nor what was verified here vouch for it.
#[derive(Clone, Debug)]
pub struct Unproven {
    /// The role.
    pub role: RoleName,
    /// The document as the server has it.
    pub document: Received<Targets>,
    /// Whether the role's keys, as they are now, signed the document that was verified here last. Then it is not because a signer was removed
    /// that they did not sign this one, as far as can be seen from here.
    pub keys_signed_before: bool,
}

impl Unproven {
    /// Its bytes, for [`PublishOptions::as_shown`].
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        self.document.raw()
    }
}

impl Repository {
    /// What of the staged changes would sign unseen in the state that the last update ended in. Changes that cannot be read are left to
    /// [`Repository::publish_staged`].
    ///
    /// # Errors
    /// [`Error::File`] when what is remembered cannot be read.
    pub fn staged_unproven(&self) -> Result<Vec<Unproven>, Error> {
        let (Some(changelist), Some(trusted)) = (self.changelist(), self.trusted()) else {
            return Ok(Vec::new());
        };
        let staged = changelist.list().unwrap_or_default();
        let edits: Vec<Edit> = staged
            .into_iter()
            .filter_map(|staged| staged.change.ok()?.edit().ok())
            .collect();
        self.unproven(trusted, &edits)
    }

    /// Refuses what nobody vouches for, unless somebody was shown it.
    pub(super) fn check_proven(
        &self,
        base: &Base,
        edits: &[Edit],
        options: &PublishOptions,
    ) -> Result<(), Error> {
        let Base::Trusted(trusted) = base else {
            return Ok(());
        };
        let unproven = self.unproven(trusted, edits)?;
        let unseen = unproven
            .into_iter()
            .find(|found| options.as_shown.get(&found.role) != Some(found.bytes()));
        unseen.map_or(Ok(()), |found| Err(Error::Unproven { role: found.role }))
    }

    fn unproven(
        &self,
        trusted: &TrustedRepository,
        edits: &[Edit],
    ) -> Result<Vec<Unproven>, Error> {
        let mut roles: Vec<&RoleName> = taken_over(trusted, edits).collect();
        roles.sort();
        roles.dedup();
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let cached = self.cache.load()?;
        let mut found = Vec::new();
        for role in roles {
            let Some(unusable) = trusted.unusable().get(role) else {
                continue;
            };
            let verified = cached.targets.get(role);
            if verified == Some(unusable.received().raw()) {
                continue;
            }
            let keys = trusted.role_keys(role);
            let keys_signed_before = verified.is_some_and(|bytes| {
                let parsed = Received::<Targets>::parse(role, bytes.clone());
                keys.is_ok_and(|keys| {
                    parsed.is_ok_and(|document| document.check_signatures(&keys).is_ok())
                })
            });
            found.push(Unproven {
                role: role.clone(),
                document: unusable.received().clone(),
                keys_signed_before,
            });
        }
        Ok(found)
    }
}

/// The roles whose documents `edits` take over although their keys do not vouch for them. What an edit before has deleted is not taken over.
pub(super) fn taken_over<'e>(
    trusted: &TrustedRepository,
    edits: &'e [Edit],
) -> impl Iterator<Item = &'e RoleName> {
    edits.iter().enumerate().filter_map(|(at, edit)| {
        let Edit::Witness { role } = edit else {
            return None;
        };
        let deleted = edits.iter().take(at).any(|before| match before {
            Edit::RemoveDelegation { role: gone } => role == gone || role.is_below(gone),
            _ => false,
        });
        let unusable = trusted.unusable().get(role)?;
        let unsigned = matches!(unusable.reason(), UnusableReason::Unsigned(_));
        (unsigned && !deleted).then_some(role)
    })
}
