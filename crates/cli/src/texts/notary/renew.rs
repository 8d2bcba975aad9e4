//! `notary renew`.

use signet_client::renewal::Left;
use signet_tuf::{BaseRole, RoleName};

use crate::texts::visible;

/// Before the reason why what was published cannot be read back.
pub const RENEWED_NOT_READABLE: &str =
    "the new documents are published, but this computer cannot read the repository yet: ";
/// Where to go on.
pub const RENEWAL_KEYS: &str = "whoever has one of the keys gives the same command";

/// A word that is no role.
#[must_use]
pub fn role_unknown(role: &str) -> String {
    format!(
        "tuf: invalid role {}. this role is not known",
        visible(role)
    )
}

/// Nobody can say whether the server shows the newest state.
#[must_use]
pub fn renewal_unseen(gun: &str) -> String {
    format!(
        "this computer has never seen {}, so what would be signed again may be an old state: read it first where it was known before, or compare it with what was published and renew with --yes",
        visible(gun)
    )
}

/// What would be signed again.
#[must_use]
pub fn would_renew(role: &str, version: i64, targets: usize) -> String {
    format!("{role} would be signed again as it is: version {version}, {targets} targets\n")
}

/// While it is done.
#[must_use]
pub fn renewing(gun: &str) -> String {
    format!("Renewing {gun}")
}

/// Nothing to do.
#[must_use]
pub fn nothing_to_renew(gun: &str) -> String {
    format!("Nothing of {gun} ends within six months; name roles to renew them all the same.\n")
}

/// Above the table.
#[must_use]
pub fn renewed(gun: &str, dry_run: bool) -> String {
    if dry_run {
        format!("These roles of {gun} would be renewed:\n")
    } else {
        format!("Successfully renewed these roles of {gun}:\n")
    }
}

/// A role that is left as it is.
#[must_use]
pub fn not_renewed(gun: &str, left: &Left) -> String {
    let role = &left.role;
    if role.base() == Some(BaseRole::Timestamp) {
        return "timestamp was left as it is: the server renews it by itself\n".to_owned();
    }
    let keys: Vec<&str> = left
        .keys
        .iter()
        .map(|key| key.as_str().get(..7).unwrap_or(key.as_str()))
        .collect();
    let keys = if keys.is_empty() {
        "no key may sign it".to_owned()
    } else {
        format!("signed with key {}, which is not here", keys.join(" or "))
    };
    if left.unsigned {
        return format!(
            "{role} was left as it is: its keys did not sign it; who has compared what it lists with what was released signs it with notary witness {gun} {role} -p\n"
        );
    }
    let whose = if *role == RoleName::snapshot() {
        " (the server renews it by itself when that is the server's)"
    } else {
        ""
    };
    format!(
        "{role} was left as it is: its validity ends {}, and it is {keys}{whose}\n",
        left.expires
    )
}

/// Something has to be done elsewhere.
#[must_use]
pub fn renewal_incomplete(gun: &str, roles: &[&str]) -> String {
    format!(
        "{} of {} could not be renewed here",
        roles.join(", "),
        visible(gun)
    )
}

/// Beside an expired base role.
#[must_use]
pub fn expired_hint(role: &RoleName) -> String {
    match role.base() {
        Some(BaseRole::Timestamp) => {
            "the trust server signs timestamps by itself: ask whoever runs it, or look whether this computer's clock is right".to_owned()
        }
        _ => format!("whoever has a key of {role} renews it with notary renew GUN"),
    }
}

/// Renewal is not enough.
#[must_use]
pub fn certificate_ended(gun: &str) -> String {
    format!(
        "when the root key's certificate has ended, notary takeover {} gives the key a new one",
        visible(gun)
    )
}
