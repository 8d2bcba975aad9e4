//! What a finding says.

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// It works, and may not do so for long, or not be as safe as it looks.
    Warning,
    /// It does not work, or is not safe.
    Error,
}

impl Severity {
    /// The word in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a finding is about. The words stay the same from version to version.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A rule of trust is broken.
    Untrusted,
    /// Documents that others name are missing.
    Incomplete,
    /// The source does not have the repository.
    Absent,
    /// The source refused.
    Refused,
    /// The source did not answer.
    Unreachable,
    /// The server gave no timestamp, so that what is remembered was described.
    Remembered,
    /// The validity of a document is over.
    Expired,
    /// The validity of a document ends soon.
    ExpiresSoon,
    /// The validity of a certificate is over.
    CertificateExpired,
    /// The validity of a certificate ends soon.
    CertificateExpiresSoon,
    /// A delegation's document is not signed as it must be.
    UnusableDelegation,
    /// A role has fewer keys than must sign.
    TooFewKeys,
    /// A key that nobody accepts.
    WeakKey,
    /// A certificate signed over SHA-1.
    Sha1Certificate,
    /// An RSA key below 3072 bits.
    ShortRsaKey,
    /// A key of a type that is not known.
    UnknownKey,
    /// A root key lies on this machine without a passphrase.
    RootKeyOpen,
    /// Another key lies on this machine without a passphrase.
    KeyOpen,
    /// A root key lies on this machine.
    RootKeyHere,
    /// The root key also signs for another role.
    RootKeyReused,
    /// Several signers share a key.
    SharedKey,
    /// A name has different digests.
    DigestsDiffer,
    /// A name that docker does not find.
    NotReleased,
    /// A released name for which no signer of today vouches.
    NoSigner,
    /// A role that was removed has left its document.
    RemovedSigner,
    /// The root is trusted on first use.
    FirstUse,
    /// The policy refuses trust on first use, and nothing pins the root.
    FirstUseDenied,
}

impl Code {
    /// The word in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Incomplete => "incomplete",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Remembered => "remembered",
            Self::Expired => "expired",
            Self::ExpiresSoon => "expires-soon",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateExpiresSoon => "certificate-expires-soon",
            Self::UnusableDelegation => "unusable-delegation",
            Self::TooFewKeys => "too-few-keys",
            Self::WeakKey => "weak-key",
            Self::Sha1Certificate => "sha1-certificate",
            Self::ShortRsaKey => "short-rsa-key",
            Self::UnknownKey => "unknown-key",
            Self::RootKeyOpen => "root-key-open",
            Self::KeyOpen => "key-open",
            Self::RootKeyHere => "root-key-here",
            Self::RootKeyReused => "root-key-reused",
            Self::SharedKey => "shared-key",
            Self::DigestsDiffer => "digests-differ",
            Self::NotReleased => "not-released",
            Self::NoSigner => "no-signer",
            Self::RemovedSigner => "removed-signer",
            Self::FirstUse => "first-use",
            Self::FirstUseDenied => "first-use-denied",
        }
    }
}

/// Something that should be known or done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub code: Code,
    /// The role, key or name that it is about; empty when it is about the repository.
    pub subject: String,
    /// What was found, in a sentence.
    pub text: String,
    /// What to do, in a sentence.
    pub advice: String,
}
