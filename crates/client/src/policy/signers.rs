//! Which signers must have signed a tag, and who has.

use std::collections::BTreeSet;

use signet_tuf::{KeyId, RoleName, TrustedRepository};

/// A signer: the delegation `targets/<name>`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SignerName {
    role: RoleName,
}

/// A text that names no signer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a signer's name")]
pub struct InvalidSigner;

impl SignerName {
    /// Reads a name as `signer add` takes it. `releases` is no signer: everybody's tags are there.
    ///
    /// # Errors
    /// [`InvalidSigner`].
    pub fn parse(text: &str) -> Result<Self, InvalidSigner> {
        let role: RoleName = format!("{}/{text}", RoleName::targets())
            .parse()
            .map_err(|_| InvalidSigner)?;
        if !role.is_delegation() || role == RoleName::releases() {
            return Err(InvalidSigner);
        }
        Ok(Self { role })
    }

    /// The signer's role.
    #[must_use]
    pub const fn role(&self) -> &RoleName {
        &self.role
    }

    /// The name without `targets/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let role = self.role.as_str();
        role.split_once('/').map_or(role, |(_, name)| name)
    }
}

impl std::fmt::Display for SignerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who must have signed: all of some, and so many of others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SignerRule {
    /// Each of these.
    pub all_of: Vec<SignerName>,
    /// So many of these.
    pub any: Option<Choice>,
}

/// So many of several signers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Choice {
    /// How many.
    pub at_least: usize,
    /// Of whom.
    pub of: Vec<SignerName>,
}

/// What a tag lacks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shortfall {
    /// Signers who had to sign and did not.
    pub missing: Vec<SignerName>,
    /// The choice that too few made, and how many count.
    pub too_few: Option<(Choice, usize)>,
    /// Who did sign.
    pub signed: Vec<SignerName>,
}

impl Shortfall {
    /// Everybody who was asked for and did not sign.
    pub fn asked(&self) -> impl Iterator<Item = &SignerName> {
        let of = self.too_few.iter().flat_map(|(choice, _)| &choice.of);
        self.missing
            .iter()
            .chain(of)
            .filter(|name| !self.signed.contains(name))
    }
}

impl SignerRule {
    /// Whether enough signers vouch for that digest under that tag.
    ///
    /// A signer vouches with the own role: its document, signed as its parent demands, lists the tag with that SHA-256
    /// and may speak for the tag. What `targets/releases` lists is nobody's word in particular. Signers who share a key
    /// count once where they are counted: one key is one holder, whatever the names.
    ///
    /// # Errors
    /// [`Shortfall`].
    pub fn check(
        &self,
        repository: &TrustedRepository,
        tag: &str,
        sha256: &str,
    ) -> Result<(), Shortfall> {
        let signed = signed_by(repository, tag, sha256);
        let missing: Vec<SignerName> = self
            .all_of
            .iter()
            .filter(|name| !signed.contains(*name))
            .cloned()
            .collect();
        let too_few = self.any.as_ref().and_then(|choice| {
            let who = choice.of.iter().filter(|name| signed.contains(*name));
            let count = holders(who.map(|name| keys_of(repository, name)));
            (count < choice.at_least).then(|| (choice.clone(), count))
        });
        if missing.is_empty() && too_few.is_none() {
            return Ok(());
        }
        Err(Shortfall {
            missing,
            too_few,
            signed: signed.into_iter().collect(),
        })
    }
}

/// The signers whose own roles list the tag with that SHA-256.
#[must_use]
pub fn signed_by(repository: &TrustedRepository, tag: &str, sha256: &str) -> BTreeSet<SignerName> {
    repository
        .all_occurrences(Some(tag))
        .into_iter()
        .filter(|found| found.target.hashes.sha256_hex().as_deref() == Some(sha256))
        .map(|found| found.role)
        .filter(|role| role.is_delegation() && *role != RoleName::releases())
        .map(|role| SignerName { role })
        .collect()
}

fn keys_of(repository: &TrustedRepository, name: &SignerName) -> BTreeSet<KeyId> {
    repository
        .role_keys(name.role())
        .map(|keys| keys.keys().map(|key| key.canonical_id().clone()).collect())
        .unwrap_or_default()
}

/// How many groups there are when those who share a key are taken together.
fn holders(keys: impl Iterator<Item = BTreeSet<KeyId>>) -> usize {
    let mut groups: Vec<BTreeSet<KeyId>> = Vec::new();
    for mut keys in keys {
        groups.retain(|group| {
            let apart = group.is_disjoint(&keys);
            if !apart {
                keys.extend(group.iter().cloned());
            }
            apart
        });
        groups.push(keys);
    }
    groups.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_delegations() {
        for name in ["alice", "ci-2", "al_ice", "team/sub"] {
            let parsed = SignerName::parse(name).unwrap();
            assert_eq!(parsed.as_str(), name);
            assert_eq!(parsed.role().as_str(), format!("targets/{name}"));
        }
        for name in [
            "", "releases", "Alice", "a b", "../x", "targets/", "a//b", "é", "a/",
        ] {
            assert_eq!(SignerName::parse(name), Err(InvalidSigner), "{name:?}");
        }
    }

    #[test]
    fn a_shared_key_is_one_holder() {
        let ids = |letters: &str| -> BTreeSet<KeyId> {
            letters
                .chars()
                .map(|letter| letter.to_string().repeat(64).parse().unwrap())
                .collect()
        };
        let count = |sets: &[&str]| holders(sets.iter().map(|letters| ids(letters)));
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&["a", "b", "c"]), 3);
        assert_eq!(count(&["a", "a"]), 1);
        assert_eq!(count(&["a", "b", "ab"]), 1);
        assert_eq!(count(&["ab", "bc", "d", "ef", "f"]), 3);
    }
}
