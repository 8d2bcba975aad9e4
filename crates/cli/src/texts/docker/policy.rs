//! What is said about the policy file.

use std::path::Path;

/// The policy cannot be used, so nothing is done that it might forbid.
#[must_use]
pub fn policy_unusable(problem: &str) -> String {
    format!("the trust policy cannot be used: {problem}")
}

/// What to do about a policy file that others can write.
#[must_use]
pub fn policy_writable(path: &Path) -> String {
    format!(
        "make sure that it says what you mean, then: chmod go-w {}",
        path.display()
    )
}

/// `DOCKER_TRUST_POLICY=`, most likely a variable in a script that has no value.
pub const POLICY_VARIABLE_EMPTY: &str =
    "DOCKER_TRUST_POLICY is set and names no file; unset it to go without a policy of your own";

/// The policy goes before the variable.
#[must_use]
pub fn policy_server_used(gun: &str, policy: &str, server: &str) -> String {
    format!("DOCKER_CONTENT_TRUST_SERVER is not used for {gun}: {policy} says {server}")
}

/// Which rule it is.
#[must_use]
pub fn policy_rule(file: &Path, scope: &str) -> String {
    format!(
        "the policy {}, rule {}",
        file.display(),
        super::super::quote(scope)
    )
}

/// Trust on first use is refused, within a sentence of docker's.
pub const FIRST_USE_REFUSED: &str = "the policy refuses trust on first use, and no root of the repository is pinned in it (\"root_certificates\") or remembered here";

/// Nobody has said which root is the right one, and the first one that comes must not be taken.
#[must_use]
pub fn first_use_refused(name: &str) -> String {
    format!(
        "Error: the policy refuses trust on first use, and no root of {name} is pinned in it or remembered here.\n\
         Ask somebody who trusts the repository for the ID of its root certificate (\"Root Key\" in the output of inspect --pretty), \
         and add it to the policy as \"root_certificates\": [\"ID\"]"
    )
}

/// Who says so.
#[must_use]
pub fn policy_says(rule: &str) -> String {
    format!("{rule} says \"first_use\": false")
}

/// A signer's document came and does not count.
#[must_use]
pub fn unusable_signer(role: &str, reason: &str) -> String {
    format!("what {role} lists cannot be trusted now: {reason}")
}

/// The root is another one than the policy demands.
#[must_use]
pub fn root_not_pinned(rules: &str) -> String {
    format!(
        "the repository's root is not signed with the certificates that {rules} demands: \
         somebody is attacking, or its owner has replaced the root key and the policy must follow"
    )
}

/// A new repository would have a root that the policy refuses.
#[must_use]
pub fn new_root_not_pinned(name: &str) -> String {
    format!(
        "{name} is not begun: the policy pins its root, and a new repository has a new root.\n\
         If the server should know the repository, somebody may be hiding it; if it is new, take the pin out of the policy and begin it, \
         then pin its Root Key"
    )
}

/// A tag lacks signers that the policy, or the command line, asks for.
#[must_use]
pub fn not_signed_by(name: &str, missing: &str, rule: &str) -> String {
    format!("{name} is not signed by {missing}, as {rule} demands")
}

/// How a rule on the command line is called.
pub const SIGNER_FLAG: &str = "--signer";

/// Too few of several signers.
#[must_use]
pub fn too_few_signers(at_least: usize, of: &str, count: usize) -> String {
    format!("at least {at_least} of {of} (only {count})")
}

/// Who did sign.
#[must_use]
pub fn signed_only_by(signers: &str) -> String {
    if signers.is_empty() {
        "no signer's own role lists this digest for the tag".to_owned()
    } else {
        format!("signed by {signers}")
    }
}

/// The server could not be asked, and must be.
#[must_use]
pub fn cached_data_refused(name: &str, rule: &str) -> String {
    format!("{name}: the trust server could not be asked, and {rule} refuses what it said before")
}
