//! What should be known or done about a repository.

use std::collections::{BTreeMap, BTreeSet};

use signet_archive::State;

use super::describe::SourceKind;
use super::finding::{Code, Finding, Severity};
use super::key::Strength;
use super::model::{Holder, Inventory, Key, Renewer, Role, RootTrust};

/// What the findings are made from.
pub(super) struct Asked<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) kind: SourceKind,
    pub(super) expired_role: Option<&'a str>,
    pub(super) strengths: &'a BTreeMap<String, Strength>,
    pub(super) removed: &'a [String],
    pub(super) from_cache: bool,
}

/// How many days before its end something is worth a warning.
const SOON: i64 = 30;
/// How many days before its end something is worth a note: half a year.
const NEAR: i64 = 183;
/// How many names a finding lists.
const MOST_NAMES: usize = 10;

struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        severity: Severity,
        code: Code,
        subject: &str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.0.push(Finding {
            severity,
            code,
            subject: subject.to_owned(),
            text: text.into(),
            advice: advice.into(),
        });
    }
}

/// All findings, the worst first.
pub(super) fn find(asked: &Asked<'_>) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    state(asked, &mut found);
    for role in &asked.inventory.roles {
        self::role(asked, role, &mut found);
    }
    for key in &asked.inventory.keys {
        self::key(asked, key, &mut found);
    }
    tags(asked.inventory, &mut found);
    signers(asked, &mut found);
    trust(asked.inventory, &mut found);
    found
        .0
        .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found.0
}

fn state(asked: &Asked<'_>, found: &mut Findings) {
    let reason = asked.inventory.reason.clone().unwrap_or_default();
    let (severity, code, advice) = match asked.inventory.state {
        State::Trusted | State::Degraded => {
            if asked.from_cache {
                found.add(
                    Severity::Warning,
                    Code::Remembered,
                    "timestamp",
                    "the server gave no timestamp, so this describes what this machine remembers",
                    "ask the server's operator why it has no timestamp",
                );
            }
            return;
        }
        State::Expired => {
            let is_described = |role: &Role| Some(role.name.as_str()) == asked.expired_role;
            if !asked.inventory.roles.iter().any(is_described) {
                let subject = asked.expired_role.unwrap_or_default();
                let advice = "have the role's document signed anew with its key";
                found.add(Severity::Error, Code::Expired, subject, reason, advice);
            }
            return;
        }
        State::Untrusted => (
            Severity::Error,
            Code::Untrusted,
            "do not use its tags; compare with another copy, and ask its owner for the root that is meant",
        ),
        State::Incomplete => (
            Severity::Error,
            Code::Incomplete,
            "publish the repository once more, or read it from a source that has all of its documents",
        ),
        State::Absent => (
            Severity::Warning,
            Code::Absent,
            "check the name; nothing was ever signed there, or it was deleted",
        ),
        State::Refused => (
            Severity::Error,
            Code::Refused,
            "log in to its registry, or ask for access",
        ),
        State::Unreachable => (
            Severity::Error,
            Code::Unreachable,
            "check the server's address and try again; docker-trust doctor looks for the cause",
        ),
    };
    found.add(severity, code, "", reason, advice);
}

fn role(asked: &Asked<'_>, role: &Role, found: &mut Findings) {
    let name = role.name.as_str();
    let needed = usize::try_from(role.threshold).unwrap_or(0);
    if needed == 0 || role.keys.len() < needed {
        found.add(
            Severity::Error,
            Code::TooFewKeys,
            name,
            format!(
                "{name} needs the signatures of {} keys and has {}, so nobody can sign it",
                role.threshold,
                role.keys.len()
            ),
            "add keys to the role",
        );
    }
    let renew = match name {
        "root" => "publish with the root key at hand, which signs it anew",
        "targets" => "publish with the targets key at hand, which signs it anew",
        _ if role.renewed_by == Renewer::Server => {
            "ask the server's operator why it is not renewed"
        }
        "snapshot" => "publish with the snapshot key at hand, which signs it anew",
        _ => "have the signer sign once more, or remove the signer",
    };
    match (role.days_left, &role.problem) {
        (Some(days), _) if days < 0 && !role.usable => {
            let aged = role.renewed_by == Renewer::Server && asked.kind == SourceKind::Stored;
            let (severity, advice) = if aged {
                (
                    Severity::Note,
                    "nothing, if the server still runs: it renews this by itself, and this copy is older",
                )
            } else {
                (Severity::Error, renew)
            };
            let text = format!("{name} has expired {}", days_ago(days));
            found.add(severity, Code::Expired, name, text, advice);
        }
        (_, Some(problem)) => found.add(
            Severity::Error,
            Code::UnusableDelegation,
            name,
            format!("{name} cannot be used: {problem}"),
            "have the signer sign once more with a key of today, or remove the signer",
        ),
        (Some(days), None) if days < NEAR && role.renewed_by == Renewer::Person => {
            let severity = soon(days);
            let text = format!("{name} expires {}", in_days(days));
            found.add(severity, Code::ExpiresSoon, name, text, renew);
        }
        _ => {}
    }
}

const fn soon(days: i64) -> Severity {
    if days < SOON {
        Severity::Warning
    } else {
        Severity::Note
    }
}

fn in_days(days: i64) -> String {
    match days {
        0 => "within a day".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    }
}

fn days_ago(days: i64) -> String {
    match days.unsigned_abs() {
        0 | 1 => "less than a day ago".to_owned(),
        days => format!("{} days ago", days - 1),
    }
}

fn key(asked: &Asked<'_>, key: &Key, found: &mut Findings) {
    let short: String = key.id.chars().take(12).collect();
    let what = format!("key {short} ({}, {})", key.kind, names(&key.roles));
    let is_root = key.roles.iter().any(|role| role == "root");
    let replace = if is_root {
        "replace it: notary key rotate GUN root"
    } else {
        "replace it by an ECDSA P-256 key"
    };
    match asked.strengths.get(&key.id).copied() {
        Some(Strength::Refused) => found.add(
            Severity::Error,
            Code::WeakKey,
            &key.id,
            format!("{what} is too weak: nobody accepts its signatures"),
            replace,
        ),
        Some(Strength::Sha1) => found.add(
            Severity::Error,
            Code::Sha1Certificate,
            &key.id,
            format!("the certificate of {what} is signed over SHA-1, so it is not accepted"),
            replace,
        ),
        Some(Strength::Unknown) => found.add(
            Severity::Warning,
            Code::UnknownKey,
            &key.id,
            format!("{what} is of no type that clients know, so its signatures do not count"),
            replace,
        ),
        Some(Strength::Short) => found.add(
            Severity::Note,
            Code::ShortRsaKey,
            &key.id,
            format!("{what} has less than the 3072 bits that are advised beyond 2030"),
            "plan to replace it by an ECDSA P-256 key",
        ),
        Some(Strength::Good) | None => {}
    }
    let plain = "encrypt it: docker trust key load asks for a new passphrase";
    match key.holder {
        Holder::HereOpen if is_root => found.add(
            Severity::Error,
            Code::RootKeyOpen,
            &key.id,
            format!("root {what} lies on this machine without a passphrase"),
            "export it to a medium that is kept offline, and remove it here",
        ),
        Holder::HereOpen => found.add(
            Severity::Warning,
            Code::KeyOpen,
            &key.id,
            format!("{what} lies on this machine without a passphrase"),
            plain,
        ),
        Holder::HereEncrypted if is_root => found.add(
            Severity::Note,
            Code::RootKeyHere,
            &key.id,
            format!("root {what} lies on this machine"),
            "keep it offline: it is needed for rotations only, and without it the repository is lost",
        ),
        _ => {}
    }
    if is_root && key.roles.len() > 1 {
        found.add(
            Severity::Warning,
            Code::RootKeyReused,
            &key.id,
            format!("one key is root and signs for other roles too: {what}"),
            "give the other roles keys of their own, so that the root key can be kept offline",
        );
    }
    let signers: Vec<&String> = key
        .roles
        .iter()
        .filter(|role| role.contains('/') && *role != "targets/releases")
        .collect();
    if signers.len() > 1 {
        found.add(
            Severity::Warning,
            Code::SharedKey,
            &key.id,
            format!(
                "{} signers share {what}, so that nobody can tell who signed",
                signers.len()
            ),
            "give each signer a key of their own",
        );
    }
    for certificate in &key.certificates {
        let seconds = (certificate.not_after.time() - asked.inventory.at.time()).whole_seconds();
        let days = seconds.div_euclid(86_400);
        let of = format!("the certificate of {what}");
        if days < 0 {
            let text = format!("{of} has expired {}", days_ago(days));
            found.add(
                Severity::Error,
                Code::CertificateExpired,
                &key.id,
                text,
                replace,
            );
        } else if days < NEAR {
            let text = format!("{of} expires {}", in_days(days));
            let code = Code::CertificateExpiresSoon;
            found.add(soon(days), code, &key.id, text, replace);
        }
    }
}

fn names<T: AsRef<str>>(all: &[T]) -> String {
    let shown: Vec<&str> = all.iter().take(MOST_NAMES).map(AsRef::as_ref).collect();
    let more = all.len().saturating_sub(MOST_NAMES);
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn tags(inventory: &Inventory, found: &mut Findings) {
    let mut by_name: BTreeMap<&str, Vec<&super::model::Tag>> = BTreeMap::new();
    for tag in &inventory.tags {
        by_name.entry(&tag.name).or_default().push(tag);
    }
    let differing: Vec<&str> = by_name
        .iter()
        .filter(|(_, tags)| tags.len() > 1)
        .map(|(name, _)| *name)
        .collect();
    if !differing.is_empty() {
        found.add(
            Severity::Warning,
            Code::DigestsDiffer,
            "",
            format!(
                "{} signed with different digests by different roles: {}",
                count(differing.len(), "tag is", "tags are"),
                names(&differing)
            ),
            "find out which digest is meant, and have it signed by all",
        );
    }
    let unreleased: Vec<&str> = by_name
        .iter()
        .filter(|(_, tags)| !tags.iter().any(|tag| tag.released))
        .map(|(name, _)| *name)
        .collect();
    if !unreleased.is_empty() {
        found.add(
            Severity::Note,
            Code::NotReleased,
            "",
            format!(
                "{} in neither targets nor targets/releases, so docker does not find {}: {}",
                count(unreleased.len(), "tag is", "tags are"),
                if unreleased.len() == 1 { "it" } else { "them" },
                names(&unreleased)
            ),
            "sign with docker trust sign, which releases what it signs, or remove the entries",
        );
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn signers(asked: &Asked<'_>, found: &mut Findings) {
    let inventory = asked.inventory;
    let signers: BTreeSet<&str> = inventory.signers().map(|role| role.name.as_str()).collect();
    let vouched =
        |tag: &super::model::Tag| tag.roles.iter().any(|role| signers.contains(role.as_str()));
    // A signer who cannot be read may have signed everything.
    let all_readable = inventory.signers().all(|role| role.usable);
    let released_by_delegation =
        |tag: &super::model::Tag| tag.roles.iter().any(|role| role == "targets/releases");
    let orphans: Vec<&str> = inventory
        .tags
        .iter()
        .filter(|tag| released_by_delegation(tag) && !vouched(tag))
        .map(|tag| tag.name.as_str())
        .collect();
    if all_readable && !orphans.is_empty() {
        found.add(
            Severity::Warning,
            Code::NoSigner,
            "targets/releases",
            format!(
                "{} released without the signature of any signer of today, as after a signer was removed: {}",
                count(orphans.len(), "tag is", "tags are"),
                names(&orphans)
            ),
            "have a signer sign what is still meant, and revoke the rest",
        );
    }
    for role in asked.removed {
        found.add(
            Severity::Note,
            Code::RemovedSigner,
            role,
            format!("nobody delegates to {role} any more, and its document is still there"),
            "nothing: no client believes it; if it was removed by mistake, add the signer again",
        );
    }
}

fn trust(inventory: &Inventory, found: &mut Findings) {
    match inventory.trust {
        Some(RootTrust::FirstUse) => found.add(
            Severity::Note,
            Code::FirstUse,
            "root",
            "nothing pins the root: a machine that sees the repository for the first time believes whoever answers",
            "pin its root certificates in the trust policy",
        ),
        Some(RootTrust::FirstUseDenied) => found.add(
            Severity::Error,
            Code::FirstUseDenied,
            "root",
            "the policy refuses trust on first use, and nothing pins the root, so commands refuse the repository",
            "pin its root certificates in the trust policy",
        ),
        Some(RootTrust::Pinned) | None => {}
    }
}

#[cfg(test)]
mod tests;
