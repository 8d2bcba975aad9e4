//! The chain of roots: which of them follow from one another.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use signet_tuf::rules::{self, CertificateTime};
use signet_tuf::update::{MAX_ROOT_BYTES, MAX_ROOT_CHAIN};
use signet_tuf::{Gun, Received, RoleName, Root, Verified, Version};

use crate::bounds::MAX_SIGNED_BYTES;
use crate::shelf::Shelf;
use crate::standing::signature_work;
use crate::{ArchivedRepository, RootChain, Sha256};

/// Most documents of one version that are tried. A server has one.
const MAX_SAME_VERSION: usize = 16;

/// The roots that are linked to the current one, by digest.
pub(crate) struct Roots {
    linked: BTreeMap<Sha256, Rc<Verified<Root>>>,
    pub(crate) chain: RootChain,
    /// Why an older root, which is there, does not lead to the next one.
    pub(crate) broken: Option<String>,
}

impl Roots {
    /// Follows the chain down from the current root and, where the source had a newer one already, up. Nothing when the current root is
    /// missing or signs not even itself. The validity of certificates does not matter here.
    ///
    /// `accepted` is a root that a client took of this repository, by these rules and more: it is not verified once more.
    pub(crate) fn of(shelf: &Shelf<'_>, accepted: Option<&Verified<Root>>) -> Option<Self> {
        let gun = &shelf.repository.record.gun;
        let role = RoleName::root();
        // Clients take no larger ones.
        let fits = |bytes: &Bytes| bytes.len() as u64 <= MAX_ROOT_BYTES;
        let (digest, bytes) = shelf.current(&role).filter(|(_, bytes)| fits(bytes))?;
        let mut work = Work(0);
        let current = Rc::new(match accepted.filter(|root| root.raw() == bytes) {
            Some(root) => root.clone(),
            None => work.verify(gun, bytes, None).ok()?,
        });
        let last = current.version();
        let mut by_version: BTreeMap<Version, Vec<(Sha256, &Bytes)>> = BTreeMap::new();
        for (document, bytes) in shelf.all(&role).filter(|(_, bytes)| fits(bytes)) {
            let same = by_version.entry(document.version).or_default();
            if same.len() < MAX_SAME_VERSION {
                same.push((document.sha256, bytes));
            }
        }
        let candidates = |version| by_version.get(&version).map_or(&[][..], Vec::as_slice);
        let mut roots = Self {
            linked: BTreeMap::new(),
            chain: RootChain {
                first: last,
                last,
                gap: None,
            },
            broken: None,
        };
        roots.go_down(gun, &current, candidates, &mut work);
        let mut above = Rc::clone(&current);
        roots.linked.insert(digest, current);
        while above.version().saturating_sub(last) < MAX_ROOT_CHAIN
            && let Some((digest, next)) = candidates(above.version().saturating_add(1))
                .iter()
                .find_map(|(digest, bytes)| {
                    Some((*digest, work.verify(gun, bytes, Some(&above)).ok()?))
                })
        {
            above = Rc::new(next);
            roots.linked.insert(digest, Rc::clone(&above));
        }
        Some(roots)
    }

    fn go_down<'a>(
        &mut self,
        gun: &Gun,
        current: &Rc<Verified<Root>>,
        candidates: impl Fn(Version) -> &'a [(Sha256, &'a Bytes)],
        work: &mut Work,
    ) {
        let mut upper = Rc::clone(current);
        while self.chain.first > 1 {
            if self.chain.last.saturating_sub(self.chain.first) >= MAX_ROOT_CHAIN {
                self.chain.gap = Some(format!("more than {MAX_ROOT_CHAIN} roots"));
                return;
            }
            let version = self.chain.first - 1;
            let mut refused = None;
            let mut found = None;
            for (digest, bytes) in candidates(version) {
                match work.lower(gun, bytes, &upper) {
                    Ok(root) => {
                        found = Some((*digest, root));
                        break;
                    }
                    Err(error) => {
                        refused.get_or_insert(error);
                    }
                }
            }
            match (found, refused) {
                (Some((digest, root)), _) => {
                    upper = Rc::new(root);
                    self.linked.insert(digest, Rc::clone(&upper));
                    self.chain.first = version;
                }
                (None, Some(error)) => {
                    let above = self.chain.first;
                    let reason = format!(
                        "root version {above} does not follow from version {version}: {error}"
                    );
                    self.chain.gap = Some(reason.clone());
                    self.broken = Some(reason);
                    return;
                }
                (None, None) => {
                    self.chain.gap = Some(format!("root version {version} is missing"));
                    return;
                }
            }
        }
    }

    /// The linked root with this digest.
    pub(crate) fn get(&self, digest: &Sha256) -> Option<&Verified<Root>> {
        self.linked.get(digest).map(|root| &**root)
    }
}

/// How the roots of a captured repository follow from one another.
#[derive(Clone, Debug)]
pub struct RootLinks {
    /// The chain, as far as it is there.
    pub chain: RootChain,
    /// Why an older root, which is there, does not lead to the next one. Whoever trusted the older one would refuse the repository.
    pub broken: Option<String>,
}

impl RootLinks {
    /// The roots alone, whatever becomes of everything below them. Nothing when the current root is missing or signs not even itself.
    #[must_use]
    pub fn of(repository: &ArchivedRepository) -> Option<Self> {
        let roots = Roots::of(&Shelf::of(repository), None)?;
        Some(Self {
            chain: roots.chain,
            broken: roots.broken,
        })
    }
}

/// What was spent on signatures, in bytes that are hashed.
struct Work(u64);

impl Work {
    fn spend(&mut self, root: &Received<Root>, times: usize) -> Result<(), String> {
        let signatures = root.signatures().len().saturating_mul(times);
        self.0 = self
            .0
            .saturating_add(signature_work(root.raw(), signatures));
        if self.0 > MAX_SIGNED_BYTES {
            return Err("there are more signatures than are examined".to_owned());
        }
        Ok(())
    }

    fn verify(
        &mut self,
        gun: &Gun,
        bytes: &Bytes,
        previous: Option<&Verified<Root>>,
    ) -> Result<Verified<Root>, String> {
        let received = Received::parse(&RoleName::root(), bytes.clone());
        let received = received.map_err(|error| error.to_string())?;
        self.check(gun, received, previous)
    }

    fn check(
        &mut self,
        gun: &Gun,
        received: Received<Root>,
        previous: Option<&Verified<Root>>,
    ) -> Result<Verified<Root>, String> {
        self.spend(&received, if previous.is_some() { 2 } else { 1 })?;
        let previous = previous.map(Verified::body);
        rules::verify_root(received, gun, CertificateTime::Ignored, previous, None)
            .map_err(|refused| refused.error.to_string())
    }

    /// The root in `bytes`, when it signs itself and `upper` follows from it.
    fn lower(
        &mut self,
        gun: &Gun,
        bytes: &Bytes,
        upper: &Verified<Root>,
    ) -> Result<Verified<Root>, String> {
        let root = self.verify(gun, bytes, None)?;
        self.check(gun, upper.received().clone(), Some(&root))?;
        Ok(root)
    }
}
