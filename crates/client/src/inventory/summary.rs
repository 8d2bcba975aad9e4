//! Many inventories added up, one after another.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use signet_archive::{Moment, State};

use super::finding::{Code, Severity};
use super::model::{Inventory, Renewer, Role, RootTrust};

/// How many distinct keys, and how many distinct signers, are told apart.
const MAX_DISTINCT: usize = 500_000;
/// How many of the repositories with most tags, of the shared keys and of the signers are named.
const MOST_NAMED: usize = 100;
/// How many roles of a key are named.
const MOST_ROLES: usize = 16;
/// How many letters of a key's kind are kept: unknown kinds are as long as whoever wrote them liked.
const KIND_LETTERS: usize = 64;
/// How many kinds of keys are told apart.
const MOST_KINDS: usize = 64;
/// Where the keys of further kinds are counted.
const OTHER_KINDS: &str = "other";

/// What all repositories amount to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Repositories.
    pub repositories: u64,
    /// Repositories by state; every state is there.
    pub states: BTreeMap<&'static str, u64>,
    /// Repositories by what their root's trust rests on, among those whose root is good.
    pub trust: BTreeMap<&'static str, u64>,
    /// Names that are signed, in all repositories together.
    pub tags: u64,
    /// Those that docker finds.
    pub released_tags: u64,
    /// Distinct names of signers.
    pub signers: u64,
    /// Distinct keys.
    pub keys: u64,
    /// Distinct keys by kind; those beyond the first kinds under `other`.
    pub keys_by_kind: BTreeMap<String, u64>,
    /// Distinct keys by where the private key is.
    pub keys_by_holder: BTreeMap<&'static str, u64>,
    /// Findings by severity; every severity is there.
    pub findings: BTreeMap<&'static str, u64>,
    /// Findings by code.
    pub codes: Vec<CodeCount>,
    /// What ends in which month, by `2027-03`, of what still held when it was looked at.
    pub calendar: BTreeMap<String, Month>,
    /// What was over when it was looked at.
    pub overdue: Month,
    /// The signers who sign in most repositories.
    pub top_signers: Vec<SignerCount>,
    /// Keys that several repositories list, those of most repositories first.
    pub shared_keys: Vec<SharedKey>,
    /// How many such keys there are.
    pub shared_keys_total: u64,
    /// The repositories with most tags.
    pub largest: Vec<Largest>,
    /// Whether there were more distinct keys or signers than are told apart, so that their numbers are too low.
    pub is_cut: bool,
}

/// How often there is a finding of one code.
#[derive(Clone, Debug, Serialize)]
pub struct CodeCount {
    /// The code.
    pub code: Code,
    /// The worst severity with which it came.
    pub severity: Severity,
    /// Findings.
    pub findings: u64,
    /// Repositories that have some.
    pub repositories: u64,
}

/// What ends in one month: numbers of documents and certificates.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Month {
    /// Root documents.
    pub root: u64,
    /// Documents of `targets`.
    pub targets: u64,
    /// Documents of delegations.
    pub delegations: u64,
    /// Snapshots that a person renews.
    pub snapshots: u64,
    /// Root certificates, and certificates of signers.
    pub certificates: u64,
    /// What the server renews by itself.
    pub by_server: u64,
}

impl Month {
    /// What a person must renew.
    #[must_use]
    pub const fn by_person(&self) -> u64 {
        self.root + self.targets + self.delegations + self.snapshots + self.certificates
    }
}

/// One signer over all repositories. One name is not always one person.
#[derive(Clone, Debug, Serialize)]
pub struct SignerCount {
    /// The name, without `targets/`.
    pub name: String,
    /// Repositories that delegate to it.
    pub repositories: u64,
    /// Tags that its documents list.
    pub tags: u64,
    /// Distinct keys that bear the name. More than one: different people, or a key that was replaced in some places only.
    pub keys: u64,
}

/// A key that several repositories list.
#[derive(Clone, Debug, Serialize)]
pub struct SharedKey {
    /// Its canonical ID.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Where it is.
    pub holder: &'static str,
    /// How many repositories list it.
    pub repositories: u64,
    /// Its roles.
    pub roles: Vec<String>,
}

/// A repository with many tags.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Largest {
    /// How many.
    pub tags: u64,
    /// Its name.
    pub gun: String,
}

#[derive(Debug, Default)]
struct KeyTally {
    kind: String,
    holder: &'static str,
    repositories: u64,
    roles: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct SignerTally {
    repositories: u64,
    tags: u64,
    keys: BTreeSet<String>,
}

/// Adds inventories up. What it holds grows with the number of distinct keys and signers, up to a limit, and not with that of repositories.
#[derive(Debug, Default)]
pub struct Tally {
    summary: Summary,
    codes: BTreeMap<Code, (Option<Severity>, u64, u64)>,
    keys: BTreeMap<String, KeyTally>,
    signers: BTreeMap<String, SignerTally>,
    largest: BTreeSet<Largest>,
}

impl Tally {
    /// Adds one repository.
    pub fn add(&mut self, inventory: &Inventory) {
        let summary = &mut self.summary;
        summary.repositories += 1;
        *summary.states.entry(inventory.state.as_str()).or_default() += 1;
        if let Some(trust) = inventory.trust {
            *summary.trust.entry(trust.as_str()).or_default() += 1;
        }
        let tags = inventory.tag_names() as u64;
        summary.tags += tags;
        summary.released_tags += released(inventory);
        for finding in &inventory.findings {
            *summary
                .findings
                .entry(finding.severity.as_str())
                .or_default() += 1;
        }
        let mut seen = BTreeSet::new();
        for finding in &inventory.findings {
            let (severity, findings, repositories) = self.codes.entry(finding.code).or_default();
            *severity = (*severity).max(Some(finding.severity));
            *findings += 1;
            *repositories += u64::from(seen.insert(finding.code));
        }
        for role in &inventory.roles {
            if let Some(expires) = role.expires {
                count_role(month(summary, inventory.at, expires), role);
            }
        }
        for key in &inventory.keys {
            for certificate in &key.certificates {
                month(summary, inventory.at, certificate.not_after).certificates += 1;
            }
        }
        if tags > 0 {
            let gun = inventory.gun.clone();
            self.largest.insert(Largest { tags, gun });
            if self.largest.len() > MOST_NAMED {
                self.largest.pop_first();
            }
        }
        self.add_keys(inventory);
        self.add_signers(inventory);
    }

    fn add_keys(&mut self, inventory: &Inventory) {
        for key in &inventory.keys {
            if self.keys.len() >= MAX_DISTINCT && !self.keys.contains_key(&key.id) {
                self.summary.is_cut = true;
                continue;
            }
            let known = self.keys.entry(key.id.clone()).or_default();
            known.repositories += 1;
            known.kind = key.kind.chars().take(KIND_LETTERS).collect();
            known.holder = key.holder.as_str();
            for role in &key.roles {
                if known.roles.len() < MOST_ROLES && !known.roles.contains(role) {
                    known.roles.insert(role.clone());
                }
            }
        }
    }

    fn add_signers(&mut self, inventory: &Inventory) {
        for role in inventory.signers() {
            let name = role.short_name();
            if self.signers.len() >= MAX_DISTINCT && !self.signers.contains_key(name) {
                self.summary.is_cut = true;
                continue;
            }
            let known = self.signers.entry(name.to_owned()).or_default();
            known.repositories += 1;
            known.tags += role.tags;
            for id in &role.keys {
                if known.keys.len() < MAX_DISTINCT && !known.keys.contains(id) {
                    known.keys.insert(id.clone());
                }
            }
        }
    }

    /// What it amounts to.
    #[must_use]
    pub fn finish(self) -> Summary {
        let mut summary = self.summary;
        for state in State::ALL {
            summary.states.entry(state.as_str()).or_default();
        }
        for severity in [Severity::Error, Severity::Warning, Severity::Note] {
            summary.findings.entry(severity.as_str()).or_default();
        }
        for trust in [
            RootTrust::Pinned,
            RootTrust::FirstUse,
            RootTrust::FirstUseDenied,
        ] {
            summary.trust.entry(trust.as_str()).or_default();
        }
        summary.keys = self.keys.len() as u64;
        summary.signers = self.signers.len() as u64;
        let mut shared = Vec::new();
        for (id, key) in self.keys {
            *summary.keys_by_holder.entry(key.holder).or_default() += 1;
            if key.repositories > 1 {
                shared.push(SharedKey {
                    id,
                    kind: key.kind.clone(),
                    holder: key.holder,
                    repositories: key.repositories,
                    roles: key.roles.into_iter().collect(),
                });
            }
            let kinds = &mut summary.keys_by_kind;
            let kind = if kinds.len() < MOST_KINDS || kinds.contains_key(&key.kind) {
                key.kind
            } else {
                OTHER_KINDS.to_owned()
            };
            *kinds.entry(kind).or_default() += 1;
        }
        summary.shared_keys_total = shared.len() as u64;
        shared.sort_by_key(|key| std::cmp::Reverse(key.repositories));
        shared.truncate(MOST_NAMED);
        summary.shared_keys = shared;
        let mut signers: Vec<SignerCount> = self
            .signers
            .into_iter()
            .map(|(name, signer)| SignerCount {
                name,
                repositories: signer.repositories,
                tags: signer.tags,
                keys: signer.keys.len() as u64,
            })
            .collect();
        signers.sort_by_key(|signer| std::cmp::Reverse((signer.repositories, signer.tags)));
        signers.truncate(MOST_NAMED);
        summary.top_signers = signers;
        summary.largest = self.largest.into_iter().rev().collect();
        summary.codes = self
            .codes
            .into_iter()
            .filter_map(|(code, (severity, findings, repositories))| {
                Some(CodeCount {
                    code,
                    severity: severity?,
                    findings,
                    repositories,
                })
            })
            .collect();
        summary
            .codes
            .sort_by_key(|count| std::cmp::Reverse((count.severity, count.repositories)));
        summary
    }
}

fn released(inventory: &Inventory) -> u64 {
    let names: BTreeSet<&str> = inventory
        .tags
        .iter()
        .filter(|tag| tag.released)
        .map(|tag| tag.name.as_str())
        .collect();
    names.len() as u64
}

/// Where to count what ends at `moment`.
fn month(summary: &mut Summary, at: Moment, moment: Moment) -> &mut Month {
    if moment < at {
        return &mut summary.overdue;
    }
    let date = moment.time();
    let name = format!("{:04}-{:02}", date.year(), u8::from(date.month()));
    summary.calendar.entry(name).or_default()
}

fn count_role(month: &mut Month, role: &Role) {
    match role.name.as_str() {
        _ if role.renewed_by == Renewer::Server => month.by_server += 1,
        "root" => month.root += 1,
        "targets" => month.targets += 1,
        "snapshot" => month.snapshots += 1,
        _ => month.delegations += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Holder, Key};
    use super::*;

    /// Kinds are whatever a document says: they must not decide how much is remembered.
    #[test]
    fn kinds_of_keys_are_bounded_in_length_and_number() {
        let mut inventory: Inventory = serde_json::from_value(serde_json::json!({
            "gun": "r.example/a", "source": "test", "at": "2026-11-23T12:00:00Z", "state": "trusted",
            "reason": null, "captured": null, "trust": null, "root_version": null, "valid_until": null,
            "roles": [], "keys": [], "tags": [], "findings": [],
        }))
        .unwrap();
        inventory.keys = (0..1000)
            .map(|number| Key {
                id: format!("{number:064}"),
                kind: format!("{number:04}{}", "x".repeat(10_000)),
                roles: Vec::new(),
                holder: Holder::Elsewhere,
                certificates: Vec::new(),
            })
            .collect();
        let mut tally = Tally::default();
        tally.add(&inventory);
        let kinds = tally.finish().keys_by_kind;
        assert_eq!(kinds.values().sum::<u64>(), 1000);
        assert!(kinds.len() <= 65, "{}", kinds.len());
        assert!(kinds.keys().all(|kind| kind.chars().count() <= 64));
    }
}
