//! What the files of a policy demand of one repository together.
//!
//! A second file can add to what the first one says, and change nothing of it: of two servers, or of two pins that
//! cannot both hold, none is chosen; all signers of both must have signed; what one forbids is forbidden.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use signet_archive::Source;
use signet_tuf::{FirstUse, Gun, TrustPinning};
use url::Url;

use super::file::{self, Fault, PolicyError, PolicyFile};
use super::rule::{ArchiveSource, CachedData, RootPins};
use super::signers::SignerRule;

/// Something that a policy file says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stated<T> {
    /// What.
    pub value: T,
    /// The file.
    pub file: PathBuf,
    /// The prefix whose rule it is.
    pub scope: String,
}

/// What is demanded of one repository. The default demands nothing.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// The server that must be asked, and no other.
    pub server: Option<Stated<Url>>,
    /// Where archives must have been captured: at one of each file's sources.
    pub archives_from: Vec<Stated<Vec<ArchiveSource>>>,
    /// What its root must satisfy: each of these, on the machine's policy first. One without pins says only that first
    /// use is denied.
    pub root: Vec<Stated<TrustPinning>>,
    /// Who must have signed a tag: all rules.
    pub signers: Vec<Stated<SignerRule>>,
    /// Who demands that the server was asked, and not the cache.
    pub fresh: Option<Stated<()>>,
}

/// Demands that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// A bundle of certificates cannot be used.
    #[error("policy {}, rule {scope:?}: root_ca", file.display())]
    Ca {
        /// The policy file.
        file: PathBuf,
        /// The prefix whose rule names it.
        scope: String,
        /// What is wrong with the bundle.
        #[source]
        source: PolicyError,
    },
    /// Two files name two servers.
    #[error(
        "the policies disagree about the trust server of {gun}: {} says {}, {} says {}",
        first.file.display(), first.value, second.file.display(), second.value
    )]
    Server {
        /// The repository.
        gun: Gun,
        /// What the machine's file says.
        first: Box<Stated<Url>>,
        /// What the user's file says.
        second: Box<Stated<Url>>,
    },
}

impl Demands {
    pub(super) fn add_up(gun: &Gun, files: &[PolicyFile]) -> Result<Self, Conflict> {
        let mut demands = Self::default();
        for file in files {
            let Some((scope, rule)) = file.rule_for(gun) else {
                continue;
            };
            let stated = Origin {
                file: file.path(),
                scope: scope.to_string(),
            };
            let servers = rule.server.iter().cloned().map(ArchiveSource::Server);
            let listed = rule.archives_from.iter().flatten().cloned();
            let sources: Vec<ArchiveSource> = servers.chain(listed).collect();
            if !sources.is_empty() {
                demands.archives_from.push(stated.says(sources));
            }
            if let Some(server) = &rule.server {
                let server = stated.says(server.clone());
                match demands.server.take() {
                    Some(first) if first.value != server.value => {
                        return Err(Conflict::Server {
                            gun: gun.clone(),
                            first: Box::new(first),
                            second: Box::new(server),
                        });
                    }
                    Some(first) => demands.server = Some(first),
                    None => demands.server = Some(server),
                }
            }
            if let Some(pins) = &rule.root {
                demands.root.push(stated.says(pinning(gun, pins, &stated)?));
            } else if rule.first_use == Some(FirstUse::Deny) {
                demands.root.push(stated.says(TrustPinning {
                    first_use: FirstUse::Deny,
                    ..TrustPinning::default()
                }));
            }
            if let Some(signers) = &rule.signers {
                demands.signers.push(stated.says(signers.clone()));
            }
            if rule.cached_data == Some(CachedData::Refuse) && demands.fresh.is_none() {
                demands.fresh = Some(stated.says(()));
            }
        }
        Ok(demands)
    }

    /// Who forbids an archive that was captured there.
    #[must_use]
    pub fn archive_denied(&self, source: &Source) -> Option<&Stated<Vec<ArchiveSource>>> {
        self.archives_from
            .iter()
            .find(|stated| !stated.value.iter().any(|allowed| allowed.is(source)))
    }

    /// Whether some rule pins the root, so that it is not trusted on first use.
    #[must_use]
    pub fn pins_root(&self, gun: &Gun) -> bool {
        self.root.iter().any(|stated| stated.value.pins(gun))
    }

    /// Who forbids trust on first use, while nothing pins the root.
    #[must_use]
    pub fn first_use_denied(&self, gun: &Gun) -> Option<&Stated<TrustPinning>> {
        if self.pins_root(gun) {
            return None;
        }
        self.root
            .iter()
            .find(|stated| stated.value.first_use == FirstUse::Deny)
    }

    /// What a repository is opened with: pins where there are any, for they answer a denied first use too.
    #[must_use]
    pub fn pinnings(&self, gun: &Gun) -> Vec<TrustPinning> {
        let pins = self.pins_root(gun);
        self.root
            .iter()
            .map(|stated| &stated.value)
            .filter(|pinning| !pins || pinning.pins(gun))
            .cloned()
            .collect()
    }
}

struct Origin<'a> {
    file: &'a Path,
    scope: String,
}

impl Origin<'_> {
    fn says<T>(&self, value: T) -> Stated<T> {
        Stated {
            value,
            file: self.file.to_owned(),
            scope: self.scope.clone(),
        }
    }
}

/// The pins of exactly this repository: which prefix covers it has been decided.
fn pinning(gun: &Gun, pins: &RootPins, origin: &Origin<'_>) -> Result<TrustPinning, Conflict> {
    let mut pinning = TrustPinning {
        first_use: FirstUse::Deny,
        ..TrustPinning::default()
    };
    match pins {
        RootPins::Certificates(ids) => {
            let ids = ids.iter().map(|id| id.as_str().to_owned()).collect();
            pinning.certs = BTreeMap::from([(gun.as_str().to_owned(), ids)]);
        }
        RootPins::Ca(path) => {
            let folder = origin.file.parent().unwrap_or_else(|| Path::new(""));
            let path = folder.join(path);
            let fault = |fault| Conflict::Ca {
                file: origin.file.to_owned(),
                scope: origin.scope.clone(),
                source: PolicyError {
                    path: path.clone(),
                    fault,
                },
            };
            let pem = file::read(&path)
                .map_err(fault)?
                .ok_or_else(|| fault(Fault::Missing))?;
            pinning.ca = BTreeMap::from([(gun.as_str().to_owned(), Some(pem))]);
        }
    }
    Ok(pinning)
}
