//! The next command for what was found.

use signet_client::Error;
use signet_client::inventory::{Code, Finding, Inventory, Renewer, Seen};
use signet_tuf::{BaseRole, Gun, RoleName};

use crate::notary::{Context, hints};
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// What advice depends on.
pub(super) struct Mend<'a> {
    pub(super) context: &'a Context,
    pub(super) gun: &'a Gun,
    pub(super) inventory: &'a Inventory,
    pub(super) seen: &'a Seen,
    /// Whether a root is remembered.
    pub(super) known: bool,
}

impl Mend<'_> {
    /// What to do about a finding: a command where one helps, else what the finding itself says.
    pub(super) fn of(&self, finding: &Finding) -> String {
        let gun = self.gun.as_str();
        let subject = finding.subject.as_str();
        let role = subject.parse::<RoleName>().ok();
        let is_delegation = role.as_ref().is_some_and(RoleName::is_delegation);
        match finding.code {
            Code::Expired | Code::ExpiresSoon if !self.renews_itself(subject) => {
                if is_delegation {
                    texts::doctor_witness(gun, subject)
                } else {
                    texts::doctor_renew(gun, subject)
                }
            }
            Code::UnusableDelegation if self.lacks_keys(subject) => {
                texts::doctor_add_keys(gun, subject)
            }
            Code::UnusableDelegation => texts::doctor_witness(gun, subject),
            Code::TooFewKeys if is_delegation => texts::doctor_add_keys(gun, subject),
            Code::TooFewKeys => texts::doctor_rotate(gun, subject),
            Code::CertificateExpired | Code::CertificateExpiresSoon => {
                texts::doctor_rotate(gun, "root")
            }
            Code::WeakKey | Code::Sha1Certificate | Code::UnknownKey | Code::ShortRsaKey => {
                self.replace(subject)
            }
            Code::KeyOpen | Code::RootKeyOpen => texts::doctor_encrypt_key(subject),
            Code::FirstUse | Code::FirstUseDenied => self.pin(),
            Code::Refused => texts::DOCTOR_LOG_IN.to_owned(),
            Code::Absent if self.known => texts::doctor_publish_first(gun),
            Code::Absent => texts::doctor_init(gun),
            Code::Unreachable => texts::DOCTOR_SEE_ABOVE.to_owned(),
            Code::Untrusted => self
                .after_reading()
                .unwrap_or_else(|| finding.advice.clone()),
            _ => finding.advice.clone(),
        }
    }

    fn renews_itself(&self, role: &str) -> bool {
        let found = self.inventory.roles.iter().find(|found| found.name == role);
        match found {
            Some(found) => found.renewed_by == Renewer::Server,
            None => role == BaseRole::Timestamp.as_str(),
        }
    }

    fn lacks_keys(&self, role: &str) -> bool {
        let found = self.inventory.roles.iter().find(|found| found.name == role);
        found.is_some_and(|role| {
            usize::try_from(role.threshold).map_or(true, |needed| role.keys.len() < needed)
        })
    }

    /// Another key in the place of one that is no good, in the first role that lists it.
    fn replace(&self, id: &str) -> String {
        let key = self.inventory.keys.iter().find(|key| key.id == id);
        let role = key.and_then(|key| key.roles.first());
        match role.map(|role| (role, role.parse::<RoleName>())) {
            Some((role, Ok(name))) if name.is_delegation() => {
                texts::doctor_replace_delegation_key(self.gun.as_str(), role, id)
            }
            Some((role, _)) => texts::doctor_rotate(self.gun.as_str(), role),
            None => texts::doctor_rotate(self.gun.as_str(), "root"),
        }
    }

    fn pin(&self) -> String {
        let trusted = self.seen.trusted.as_ref();
        let root = trusted.and_then(|trusted| trusted.root().body().role(BaseRole::Root));
        let ids = root.and_then(|role| role.keyids.as_deref());
        let ids: Vec<String> = ids.into_iter().flatten().map(ToString::to_string).collect();
        texts::doctor_pin(self.gun.as_str(), &ids)
    }

    /// What a command would advise.
    fn after_reading(&self) -> Option<String> {
        let error = Error::Update(self.seen.error.clone()?);
        let failure = hints::after_reading(Failure::silent(), &error, self.context, self.gun);
        let hints = failure.hints();
        (!hints.is_empty()).then(|| hints.join("; "))
    }
}
