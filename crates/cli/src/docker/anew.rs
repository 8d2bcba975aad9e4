//! Roles for which nobody vouches any more: whoever signed their documents has left since.
//!
//! Go begins such a role at version 1, which the server refuses. Here the next signature continues its versions. What the old document lists may
//! be anything: what the removed signer put there, or what a server made up. So `targets/releases` keeps a tag only when this client has verified
//! that very document while its signer was one, and every remaining signer who lists the tag lists that digest. It says what it keeps and loses.

use std::collections::{BTreeMap, BTreeSet};

use signet_client::publish::PublishOptions;
use signet_client::{Edit, Repository};
use signet_oci::Tag;
use signet_tuf::{KeyId, RoleName, Target, Targets, TrustedRepository, UnusableReason};

use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// What is known of a repository before it is published to.
#[derive(Clone, Copy)]
pub(super) struct Basis<'t> {
    pub(super) trusted: &'t TrustedRepository,
    /// Whether this client verified the document of `targets/releases` that nobody vouches for now.
    proven: bool,
}

impl<'t> Basis<'t> {
    pub(super) fn of(repository: &'t Repository) -> Option<Self> {
        Some(Self {
            trusted: repository.trusted()?,
            proven: repository.has_verified(&RoleName::releases()),
        })
    }
}

/// What a publish does about roles that must begin anew.
#[derive(Default)]
pub(super) struct Anew {
    roles: Vec<RoleName>,
    edits: Vec<Edit>,
    notes: Vec<String>,
    /// Tags of which `targets` has another digest, which would become the trusted one.
    brought_back: Vec<String>,
}

impl Anew {
    /// Looks which of the roles whose targets `edits` change nobody vouches for.
    pub(super) fn plan(basis: Option<Basis<'_>>, edits: &[Edit]) -> Self {
        let mut plan = Self::default();
        let Some(basis) = basis else {
            return plan;
        };
        let mut edited: BTreeMap<&RoleName, BTreeSet<&str>> = BTreeMap::new();
        for edit in edits {
            if let Edit::AddTarget { role, name, .. } | Edit::RemoveTarget { role, name } = edit {
                edited.entry(role).or_default().insert(name);
            }
        }
        for (role, names) in edited {
            if let Some((document, reason)) = unsigned(basis.trusted, role) {
                plan.begin(basis, role, document, &reason.to_string(), &names);
            }
        }
        plan
    }

    fn begin(
        &mut self,
        basis: Basis<'_>,
        role: &RoleName,
        document: &Targets,
        reason: &str,
        edited: &BTreeSet<&str>,
    ) {
        let releases = *role == RoleName::releases();
        let mut halves = if releases && basis.proven {
            Halves::of(basis.trusted, document, &releasers(basis.trusted), None)
        } else {
            Halves::nobodys(document)
        };
        let untouched = |name: &str| !edited.contains(name);
        halves.kept.retain(|(name, _)| untouched(name));
        halves.alone.retain(|(name, _)| untouched(name));
        halves.disputed.retain(|(name, _)| untouched(name));
        if releases && let Some(targets) = basis.trusted.targets(&RoleName::targets()) {
            let names = targets.body().targets.keys();
            let names = names.filter(|name| untouched(name) && halves.loses(name, basis.proven));
            self.brought_back.extend(names.cloned());
        }
        let kept: Vec<(String, String)> = halves
            .kept
            .iter()
            .map(|(name, target)| (name.clone(), hex(target)))
            .collect();
        self.notes
            .push(texts::begun_anew(role.as_str(), reason, &kept));
        if !halves.alone.is_empty() {
            let unknown = releases && !basis.proven;
            let text = if unknown {
                texts::never_verified
            } else {
                texts::not_taken_over
            };
            self.notes.push(text(role.as_str(), &halves.alone));
        }
        if !halves.disputed.is_empty() {
            self.notes
                .push(texts::disputed(role.as_str(), &halves.disputed));
        }
        self.edits.extend(
            halves
                .kept
                .into_iter()
                .map(|(name, target)| Edit::AddTarget {
                    role: role.clone(),
                    name,
                    target,
                }),
        );
        self.roles.push(role.clone());
    }

    /// Whether an older digest in `targets` would become the trusted one.
    pub(super) fn brings_back(&self) -> bool {
        !self.brought_back.is_empty()
    }

    /// While `targets/releases` cannot be trusted, an entry of `targets` is not believed. It would be once the role is signed anew without the
    /// tag, and it may be an old one.
    ///
    /// # Errors
    /// When there is such an entry.
    pub(super) fn refuse_older_digests(&self) -> Result<(), Failure> {
        if !self.brings_back() {
            return Ok(());
        }
        Err(Failure::new(texts::would_bring_back(&self.brought_back)).hint(texts::NOT_BRING_BACK))
    }

    /// Says what is taken over and what is not.
    pub(super) fn log(&self) {
        for note in &self.notes {
            tracing::warn!("{note}");
        }
    }

    /// The edits and options with which to publish.
    pub(super) fn apply(
        self,
        edits: &[Edit],
        mut options: PublishOptions,
    ) -> (Vec<Edit>, PublishOptions) {
        if !self.roles.is_empty() {
            // What is taken over was judged by the state that was read. When another publisher is faster it must be judged anew.
            options.attempts = 1;
            options.start_over = self.roles;
        }
        let edits = self.edits.into_iter().chain(edits.iter().cloned());
        (edits.collect(), options)
    }
}

/// What a document lists, by who else vouches for it.
pub(super) struct Halves {
    /// Tags that a remaining signer, or the repository's administrators, list with the same digest; as they list them.
    pub(super) kept: Vec<(String, Target)>,
    /// Tags that nobody else lists, with the digest in hex.
    pub(super) alone: Vec<(String, String)>,
    /// Tags that somebody of them lists with another digest, with the digest in hex and who has which.
    pub(super) disputed: Vec<(String, String)>,
}

impl Halves {
    /// Divides what a document of `targets/releases` lists. `releasers` are the canonical IDs of the keys that remain in the role; what the
    /// role `leaving` says does not count.
    pub(super) fn of(
        trusted: &TrustedRepository,
        document: &Targets,
        releasers: &BTreeSet<KeyId>,
        leaving: Option<&RoleName>,
    ) -> Self {
        let vouches = |role: &RoleName| {
            if *role == RoleName::targets() {
                return true;
            }
            if *role == RoleName::releases()
                || leaving.is_some_and(|leaving| role == leaving || role.is_below(leaving))
            {
                return false;
            }
            trusted.role_keys(role).is_ok_and(|keys| {
                keys.keys()
                    .any(|key| releasers.contains(key.canonical_id()))
            })
        };
        let mut judged: BTreeMap<RoleName, bool> = BTreeMap::new();
        let mut vouched: BTreeMap<String, Vec<(RoleName, Target)>> = BTreeMap::new();
        for found in trusted.all_occurrences(None) {
            if *judged
                .entry(found.role.clone())
                .or_insert_with_key(&vouches)
            {
                vouched
                    .entry(found.name)
                    .or_default()
                    .push((found.role, found.target));
            }
        }
        let paths = trusted
            .delegations()
            .into_iter()
            .find(|delegation| delegation.role == RoleName::releases())
            .map(|delegation| delegation.effective);
        let mut halves = Self {
            kept: Vec::new(),
            alone: Vec::new(),
            disputed: Vec::new(),
        };
        for (name, listed) in &document.targets {
            if paths.as_ref().is_none_or(|paths| !paths.allow(name)) {
                continue;
            }
            let vouched = vouched.get(name).map_or(&[][..], Vec::as_slice);
            let others: Vec<String> = vouched
                .iter()
                .filter(|(_, target)| {
                    target.hashes != listed.hashes || target.length != listed.length
                })
                .map(|(role, target)| format!("{role}: sha256:{}", hex(target)))
                .collect();
            match vouched.first() {
                None => halves.alone.push((name.clone(), hex(listed))),
                Some((_, target)) if others.is_empty() => {
                    halves.kept.push((name.clone(), target.clone()));
                }
                Some(_) => {
                    let digests = format!("{} ({})", hex(listed), others.join(", "));
                    halves.disputed.push((name.clone(), digests));
                }
            }
        }
        halves
    }

    fn nobodys(document: &Targets) -> Self {
        let targets = document.targets.iter();
        Self {
            kept: Vec::new(),
            alone: targets
                .map(|(name, target)| (name.clone(), hex(target)))
                .collect(),
            disputed: Vec::new(),
        }
    }

    /// Whether an entry of `targets` would become the trusted one by what is not taken over. Of a document that was never verified nobody knows
    /// what it should have listed.
    fn loses(&self, name: &str, proven: bool) -> bool {
        let has = |tags: &[(String, String)]| tags.iter().any(|(tag, _)| tag == name);
        !proven || has(&self.alone) || has(&self.disputed)
    }
}

/// What `targets/releases` has under a tag, while nobody vouches for the role but remaining signers vouch for the tag.
///
/// # Errors
/// When the digest of the tag is one for which nobody vouches: what is then to be signed must be said.
pub(super) fn released_before(
    basis: Basis<'_>,
    tag: &Tag,
    typed: &str,
) -> Result<Option<Target>, Failure> {
    let trusted = basis.trusted;
    let Some((document, _)) = unsigned(trusted, &RoleName::releases()) else {
        return Ok(None);
    };
    let mut listed = document.targets.get(tag.as_str());
    if basis.proven {
        let halves = Halves::of(trusted, document, &releasers(trusted), None);
        let mut kept = halves.kept.into_iter();
        if let Some((_, target)) = kept.find(|(name, _)| name == tag.as_str()) {
            return Ok(Some(target));
        }
    } else if listed.is_none() {
        // What the document should list nobody knows, so `targets` may have an older digest.
        let targets = trusted.targets(&RoleName::targets());
        listed = targets.and_then(|targets| targets.body().targets.get(tag.as_str()));
    }
    match listed {
        None => Ok(None),
        Some(listed) => {
            let failure = Failure::new(texts::digest_without_signer(typed, &hex(listed)));
            Err(failure.hint(if has_releasers(trusted) {
                texts::SAY_WHICH
            } else {
                texts::NO_SIGNER_HINT
            }))
        }
    }
}

/// A role's document that too few of its keys have signed, and why.
pub(super) fn unsigned<'t>(
    trusted: &'t TrustedRepository,
    role: &RoleName,
) -> Option<(&'t Targets, &'t UnusableReason)> {
    let unusable = trusted.unusable().get(role)?;
    match unusable.reason() {
        reason @ UnusableReason::Unsigned(_) => Some((unusable.received().unverified(), reason)),
        UnusableReason::Expired(_) => None,
    }
}

/// Canonical IDs of the keys of those who release.
fn releasers(trusted: &TrustedRepository) -> BTreeSet<KeyId> {
    let keys = trusted.role_keys(&RoleName::releases());
    keys.iter()
        .flat_map(|keys| keys.keys())
        .map(|key| key.canonical_id().clone())
        .collect()
}

/// Whether anybody has a key that releases tags.
pub(super) fn has_releasers(trusted: &TrustedRepository) -> bool {
    !releasers(trusted).is_empty()
}

fn hex(target: &Target) -> String {
    target.hashes.sha256_hex().unwrap_or_default()
}
