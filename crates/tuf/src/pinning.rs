//! What makes the first root of a repository trustworthy (specification, `tuf.md` section 12.4).

use std::collections::BTreeMap;

use time::OffsetDateTime;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::Gun;
use crate::certificate::{Bundle, Certificate, parse_pem_certificates};

/// Extended key usages that a pinned path may end in: server authentication, code signing, any. None at all is fine
/// too. Go demands server authentication, which no generated root certificate allows.
const KEY_USAGES: [&[u8]; 3] = [
    &[0x2b, 6, 1, 5, 5, 7, 3, 1],
    &[0x2b, 6, 1, 5, 5, 7, 3, 3],
    &[0x55, 0x1d, 0x25, 0],
];

/// Whether a root that nothing pins may be trusted because it is the first one seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FirstUse {
    /// Trust it, and hold later roots to it.
    #[default]
    Allow,
    /// Refuse it.
    Deny,
}

/// Configuration of what the first root must be signed with. Empty means trust on first use.
#[derive(Clone, Debug, Default)]
pub struct TrustPinning {
    /// Certificate key IDs by GUN, or by prefix ending in `*`.
    pub certs: BTreeMap<String, Vec<String>>,
    /// PEM bundles by GUN prefix; `None` where the file could not be read.
    pub ca: BTreeMap<String, Option<Vec<u8>>>,
    /// What happens where nothing above applies.
    pub first_use: FirstUse,
}

/// Why pinning refused a root.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PinningError {
    /// The pinned bundle is missing or holds anything but certificates.
    #[error("could not load root cert from CA path")]
    CaUnreadable,
    /// No certificate in the pinned bundle is valid now.
    #[error("invalid CA certs provided")]
    CaInvalid,
    /// Nothing pins this repository, and first use is denied.
    #[error("invalid trust pinning specified")]
    FirstUseDenied,
}

impl TrustPinning {
    /// The `keys` whose bundles the configuration accepts for `gun`.
    ///
    /// # Errors
    /// [`PinningError`] when the configuration itself decides.
    pub(crate) fn filter<'a, T>(
        &self,
        gun: &Gun,
        keys: Vec<&'a T>,
        bundle_of: impl Fn(&'a T) -> &'a Bundle,
        now: OffsetDateTime,
        has_previous: bool,
    ) -> Result<Vec<&'a T>, PinningError> {
        if let Some(ids) = self.pinned_ids(gun) {
            let listed = |bundle: &Bundle| {
                bundle
                    .to_key()
                    .is_some_and(|key| ids.iter().any(|id| *id == *key.id().as_str()))
            };
            return Ok(keys
                .into_iter()
                .filter(|key| listed(bundle_of(key)))
                .collect());
        }
        let ca = self
            .ca
            .iter()
            .filter(|(prefix, _)| gun.as_str().starts_with(prefix.as_str()))
            .max_by_key(|(p, _)| p.len());
        if let Some((_, pem)) = ca {
            let all = pem
                .as_deref()
                .and_then(parse_pem_certificates)
                .ok_or(PinningError::CaUnreadable)?;
            let anchors: Vec<Certificate> = all
                .into_iter()
                .filter(|c| c.validate(Some(now)).is_ok())
                .collect();
            if anchors.is_empty() {
                return Err(PinningError::CaInvalid);
            }
            return Ok(keys
                .into_iter()
                .filter(|key| leads_to(bundle_of(key), &anchors, now))
                .collect());
        }
        if self.first_use == FirstUse::Deny && !has_previous {
            return Err(PinningError::FirstUseDenied);
        }
        Ok(keys)
    }

    /// The IDs pinned for `gun`: those of its exact name, else those of the longest prefix with a `*`.
    fn pinned_ids(&self, gun: &Gun) -> Option<&[String]> {
        if let Some(ids) = self.certs.get(gun.as_str()) {
            return Some(ids);
        }
        self.certs
            .iter()
            .filter_map(|(name, ids)| Some((name.strip_suffix('*')?, ids)))
            .filter(|(prefix, _)| gun.as_str().starts_with(prefix))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, ids)| ids.as_slice())
    }

    /// Whether a pin (certificate IDs or CA) applies to `gun`, so that its first root is not trusted on first use.
    #[must_use]
    pub fn pins(&self, gun: &Gun) -> bool {
        self.pinned_ids(gun).is_some()
            || self
                .ca
                .keys()
                .any(|prefix| gun.as_str().starts_with(prefix.as_str()))
    }
}

/// Whether a certification path leads from the leaf, over its own intermediates, to one of `anchors` at `now`.
fn leads_to(bundle: &Bundle, anchors: &[Certificate], now: OffsetDateTime) -> bool {
    if !bundle.leaf.is_valid_at(now) {
        return false;
    }
    if anchors
        .iter()
        .any(|anchor| anchor.der() == bundle.leaf.der())
    {
        return true;
    }
    // A pinned leaf vouches for itself alone: the library takes whatever it is given as an issuer.
    let anchors: Vec<_> = anchors
        .iter()
        .filter(|anchor| anchor.is_ca())
        .map(|anchor| pki_types::CertificateDer::from_slice(anchor.der()))
        .collect();
    let anchors: Vec<_> = anchors
        .iter()
        .filter_map(|der| anchor_from_trusted_cert(der).ok())
        .collect();
    let intermediates: Vec<_> = bundle
        .intermediates
        .iter()
        .map(|c| pki_types::CertificateDer::from_slice(c.der()))
        .collect();
    let leaf = pki_types::CertificateDer::from_slice(bundle.leaf.der());
    let Ok(leaf) = EndEntityCert::try_from(&leaf) else {
        return false;
    };
    let Ok(seconds) = u64::try_from(now.unix_timestamp()) else {
        return false;
    };
    let moment = pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    KEY_USAGES.into_iter().any(|usage| {
        leaf.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            &intermediates,
            moment,
            KeyUsage::required_if_present(usage),
            None,
            None,
        )
        .is_ok()
    })
}
