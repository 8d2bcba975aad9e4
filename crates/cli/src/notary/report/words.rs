//! Words that several forms of the report share.

use signet_archive::{Moment, State};
use signet_client::inventory::{Code, Month, RootTrust};

/// All states, the good ones first.
pub(super) const STATES: [State; 8] = [
    State::Trusted,
    State::Degraded,
    State::Expired,
    State::Incomplete,
    State::Untrusted,
    State::Absent,
    State::Refused,
    State::Unreachable,
];

/// What findings of a code have in common.
pub(super) const fn title(code: Code) -> &'static str {
    match code {
        Code::Untrusted => "a rule of trust is broken",
        Code::Incomplete => "documents are missing",
        Code::Absent => "there is no such repository",
        Code::Refused => "the server refused to answer",
        Code::Unreachable => "the server did not answer",
        Code::Remembered => "the server has no timestamp",
        Code::Expired => "a document has expired",
        Code::ExpiresSoon => "a document expires within half a year",
        Code::CertificateExpired => "a certificate has expired",
        Code::CertificateExpiresSoon => "a certificate expires within half a year",
        Code::UnusableDelegation => "a signer's document is not signed as it must be",
        Code::TooFewKeys => "a role has fewer keys than must sign",
        Code::WeakKey => "a key is too weak",
        Code::Sha1Certificate => "a certificate is signed over SHA-1",
        Code::ShortRsaKey => "an RSA key has less than 3072 bits",
        Code::UnknownKey => "a key is of an unknown type",
        Code::RootKeyOpen => "a root key lies here without a passphrase",
        Code::KeyOpen => "a key lies here without a passphrase",
        Code::RootKeyHere => "a root key lies on this machine",
        Code::RootKeyReused => "the root key signs for other roles",
        Code::SharedKey => "signers share a key",
        Code::DigestsDiffer => "roles disagree about a tag",
        Code::NotReleased => "signed tags are not released",
        Code::NoSigner => "released tags have no signer",
        Code::RemovedSigner => "a removed role has left its document",
        Code::FirstUse => "the root is trusted on first use",
        Code::FirstUseDenied => "the policy refuses trust on first use",
    }
}

/// Where keys are, for people.
pub(super) fn holder_word(holder: &str) -> &str {
    match holder {
        "here-encrypted" => "here, encrypted",
        "here-open" => "here, not encrypted",
        "server" => "at the server",
        "elsewhere" => "elsewhere",
        other => other,
    }
}

/// Why roots are believed, for people.
pub(super) fn trust_word(trust: &str) -> &str {
    match trust {
        "pinned" => "pinned",
        "first-use" => "trusted on first use",
        "first-use-denied" => "refused on first use",
        other => other,
    }
}

/// The same where there is little room.
pub(super) const fn trust_short(trust: RootTrust) -> &'static str {
    match trust {
        RootTrust::Pinned => "pinned",
        RootTrust::FirstUse => "first use",
        RootTrust::FirstUseDenied => "refused",
    }
}

/// `1 error`, `2 errors`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// `1 repository`, `2 repositories`.
pub(super) fn repositories(number: u64) -> String {
    match number {
        1 => "1 repository".to_owned(),
        number => format!("{number} repositories"),
    }
}

/// What people must renew in a month.
pub(super) fn month(month: &Month) -> String {
    let parts = [
        (month.root, "root"),
        (month.targets, "targets"),
        (month.delegations, "delegations"),
        (month.snapshots, "snapshot"),
        (month.certificates, "certificates"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| format!("{number} {name}"))
        .collect();
    parts.join(", ")
}

/// A day.
pub(super) fn day(moment: Moment) -> String {
    moment.time().date().to_string()
}
