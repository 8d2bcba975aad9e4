//! What nobody vouches for and a publish would sign.

use std::fmt::Write as _;

use signet_tuf::Targets;

use crate::texts::visible;

/// So many targets and delegations are shown; a document may list any number.
const SHOWN: usize = 20;

/// What a role's document says.
#[must_use]
pub fn unproven(role: &str, document: &Targets, keys_signed_before: bool) -> String {
    let mut text = format!(
        "No key of {role} signed what the server has for it, and it was never verified on this computer. It would be signed as it is.\n"
    );
    if keys_signed_before {
        text += "What was verified here last these keys did sign: unless a signer has left since, somebody has put this in its place.\n";
    }
    let count = document.targets.len();
    let _ = writeln!(text, "It lists {count} targets:");
    for (name, target) in document.targets.iter().take(SHOWN) {
        let digest = match target.hashes.sha256_hex() {
            Some(digest) => format!("sha256:{digest}"),
            None => "without SHA-256".to_owned(),
        };
        let (name, length) = (visible(name), target.length);
        let _ = writeln!(text, "  {name} {digest} {length} bytes");
    }
    more(&mut text, count);
    let below: Vec<_> = document.delegations.iter().collect();
    for entry in below.iter().take(SHOWN) {
        let keys = entry.keyids.as_deref().unwrap_or_default();
        let ids: Vec<String> = keys
            .iter()
            .take(SHOWN)
            .map(|id| visible(id.as_str()))
            .collect();
        let name = visible(&entry.name);
        let _ = writeln!(text, "  {name} may be signed by {}", ids.join(", "));
        more(&mut text, keys.len());
    }
    more(&mut text, below.len());
    text
}

fn more(text: &mut String, count: usize) {
    if let Some(left) = count.checked_sub(SHOWN).filter(|left| *left > 0) {
        let _ = writeln!(text, "  and {left} more");
    }
}

/// The question after it.
pub const SIGN_UNPROVEN: &str =
    "Compare it with what the role's signers released. Sign it?  (yes/no)  ";

/// Without somebody to ask.
#[must_use]
pub fn unproven_refused(keys_signed_before: bool) -> String {
    let how = if keys_signed_before {
        "Ask the role's signers. If it is theirs, publish on a terminal, which asks."
    } else {
        "Compare it with what the role's signers released; then publish on a terminal, which asks, or use notary witness with --publish --yes."
    };
    format!("{how} Everything is still staged; notary reset takes it back.\n")
}
