//! The chain of roots: which of them follow from one another.

use std::collections::BTreeMap;

use bytes::Bytes;
use signet_tuf::rules::{self, CertificateTime, RuleError};
use signet_tuf::update::{MAX_ROOT_BYTES, MAX_ROOT_CHAIN};
use signet_tuf::{Gun, Received, RoleName, Root, Verified, Version};

use crate::shelf::Shelf;
use crate::{ArchivedRepository, RootChain, Sha256};

/// Most documents of one version that are tried. A server has one.
const MAX_SAME_VERSION: usize = 16;

/// The roots that are linked to the current one, by digest.
pub(crate) struct Roots {
    linked: BTreeMap<Sha256, Verified<Root>>,
    pub(crate) chain: RootChain,
    /// Why an older root, which is there, does not lead to the next one.
    pub(crate) broken: Option<String>,
}

impl Roots {
    /// Follows the chain down from the current root and, where the source had a newer one already, up. Nothing when the current root is
    /// missing or signs not even itself. The validity of certificates does not matter here.
    pub(crate) fn of(shelf: &Shelf<'_>) -> Option<Self> {
        let gun = &shelf.repository.record.gun;
        let role = RoleName::root();
        // Clients take no larger ones.
        let fits = |bytes: &Bytes| bytes.len() as u64 <= MAX_ROOT_BYTES;
        let (digest, bytes) = shelf.current(&role).filter(|(_, bytes)| fits(bytes))?;
        let current = verify(gun, bytes, None).ok()?;
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
        roots.go_down(gun, &current, candidates);
        let mut above = current.clone();
        roots.linked.insert(digest, current);
        while above.version().saturating_sub(last) < MAX_ROOT_CHAIN
            && let Some((digest, next)) = candidates(above.version().saturating_add(1))
                .iter()
                .find_map(|(digest, bytes)| Some((*digest, verify(gun, bytes, Some(&above)).ok()?)))
        {
            roots.linked.insert(digest, next.clone());
            above = next;
        }
        Some(roots)
    }

    fn go_down<'a>(
        &mut self,
        gun: &Gun,
        current: &Verified<Root>,
        candidates: impl Fn(Version) -> &'a [(Sha256, &'a Bytes)],
    ) {
        let mut upper = current.clone();
        while self.chain.first > 1 {
            if self.chain.last.saturating_sub(self.chain.first) >= MAX_ROOT_CHAIN {
                self.chain.gap = Some(format!("more than {MAX_ROOT_CHAIN} roots"));
                return;
            }
            let version = self.chain.first - 1;
            let mut refused = None;
            let mut found = None;
            for (digest, bytes) in candidates(version) {
                match lower(gun, bytes, &upper) {
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
                    self.linked.insert(digest, root.clone());
                    self.chain.first = version;
                    upper = root;
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
        self.linked.get(digest)
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
        let roots = Roots::of(&Shelf::of(repository))?;
        Some(Self {
            chain: roots.chain,
            broken: roots.broken,
        })
    }
}

fn verify(
    gun: &Gun,
    bytes: &Bytes,
    previous: Option<&Verified<Root>>,
) -> Result<Verified<Root>, RuleError> {
    let received = Received::parse(&RoleName::root(), bytes.clone())?;
    let previous = previous.map(Verified::body);
    rules::verify_root(received, gun, CertificateTime::Ignored, previous, None)
        .map_err(|refused| refused.error)
}

/// The root in `bytes`, when it signs itself and `upper` follows from it.
fn lower(gun: &Gun, bytes: &Bytes, upper: &Verified<Root>) -> Result<Verified<Root>, RuleError> {
    let root = verify(gun, bytes, None)?;
    let received = upper.received().clone();
    rules::verify_root(
        received,
        gun,
        CertificateTime::Ignored,
        Some(root.body()),
        None,
    )
    .map_err(|refused| refused.error)?;
    Ok(root)
}
