//! `notary takeover`.

use signet_client::takeover::{KeyChange, Left, SnapshotKey, TakeoverPlan};
use signet_tuf::Expiry;
use time::OffsetDateTime;

use crate::texts::visible;

/// While the server is asked.
pub const TAKEOVER_LOOKING: &str = "looking at what the server has";
/// The end of `--dry-run`.
pub const TAKEOVER_DRY_RUN: &str = "\nNothing was changed.\n";
/// The question before something that cannot be undone.
pub const PROCEED: &str = "\nAre you sure you want to proceed?  (yes/no)  ";
/// The answer to a no.
pub const ABORTING: &str = "\nAborting action.\n";
/// Before the reason why what was published cannot be read back.
pub const TAKEOVER_NOT_READABLE: &str =
    "the new root is published, but this computer cannot read the repository yet: ";
/// Where a root key comes from.
pub const TAKEOVER_KEY_HINT: &str = "the root key is on the computer where the repository was begun; notary's -d names the folder that has it";
/// A repository that the server does not have.
pub const TAKEOVER_IMPORT_FIRST: &str =
    "bring the repository to the server first: notary archive import FILE --into DATABASE|URL";
/// A snapshot key that stays.
pub const TAKEOVER_OWN_SNAPSHOT: &str =
    "the snapshot key is on this computer and stays there: whoever publishes needs it";

/// What is going to be published.
#[must_use]
pub fn takeover_plan(gun: &str, server: &str, plan: &TakeoverPlan) -> String {
    let mut text = format!(
        "Taking over {} at {}:\n  root {} is followed by root {}, signed with the root key that root {} lists\n",
        visible(gun),
        visible(server),
        plan.root_version,
        plan.root_version.saturating_add(1),
        plan.root_version,
    );
    let mut line = |what: String| text.push_str(&format!("  {what}\n"));
    if let Some(change) = &plan.certificate {
        line(key_change("root certificate", change));
    }
    if let Some(change) = &plan.timestamp {
        line(key_change("timestamp key", change));
    }
    if let SnapshotKey::Replaced(change) = &plan.snapshot {
        line(key_change("snapshot key", change));
        line("  the old snapshot key is not on this computer; if it is a person's and not the old server's, that person publishes with the server's key from now on".to_owned());
    }
    if plan.renews_root {
        line(format!(
            "root is renewed: its validity ends {}",
            plan.root_expires
        ));
    }
    for renewed in &plan.renewed {
        line(format!(
            "{} version {} with {} {} is signed again as it is: its validity ends {}",
            renewed.role,
            renewed.version,
            renewed.targets,
            if renewed.targets == 1 { "tag" } else { "tags" },
            renewed.expires
        ));
    }
    text
}

fn key_change(what: &str, change: &KeyChange) -> String {
    let short = |id: &str| id.get(..7).unwrap_or(id).to_owned();
    let old: Vec<String> = change.old.iter().map(|id| short(id.as_str())).collect();
    format!(
        "{what} {} makes way for {}",
        old.join(", "),
        short(change.new.as_str())
    )
}

/// Nothing to do.
#[must_use]
pub fn takeover_done_already(gun: &str, server: &str) -> String {
    format!(
        "{} belongs to {} already; there is nothing to do.\n",
        visible(gun),
        visible(server)
    )
}

/// It is done.
#[must_use]
pub fn taken_over(gun: &str, version: i64) -> String {
    format!(
        "Successfully took over {} with root {version}\n",
        visible(gun)
    )
}

/// A document that somebody else has to sign.
#[must_use]
pub fn takeover_left(gun: &str, left: &Left) -> String {
    let keys: Vec<&str> = left
        .keys
        .iter()
        .map(|key| key.as_str().get(..7).unwrap_or(key.as_str()))
        .collect();
    let keys = if keys.is_empty() {
        String::new()
    } else {
        format!(" (key {})", keys.join(" or "))
    };
    let role = &left.role;
    if left.unsigned {
        return format!(
            "  {role} stays as it is: it is not signed by its keys, and its signer{keys} must sign it again\n"
        );
    }
    let how = format!("notary witness {} {role} --publish", visible(gun));
    format!(
        "  {role} stays as it is: its validity ends {}, and its signer{keys} must sign it again: {how}\n",
        left.expires
    )
}

/// Without the root key.
#[must_use]
pub fn takeover_needs_root_key(gun: &str, ids: &[&str]) -> String {
    format!(
        "taking over {} needs its root key, which is not here: {}",
        visible(gun),
        ids.join(" or ")
    )
}

/// The server has an older timestamp than this computer has seen.
#[must_use]
pub fn takeover_older_timestamp(known: i64, served: i64) -> String {
    format!(
        "this computer has seen timestamp {known}, and the server brought along {served}: nothing that signers published may be missing, which is checked; only the old server's later timestamps are given up"
    )
}

/// A certificate that soon ends.
#[must_use]
pub fn takeover_certificate_ends(ends: OffsetDateTime) -> String {
    format!(
        "the root certificate stays, because clients may have pinned it; its validity ends {}: rotate the root key before",
        Expiry::at(ends)
    )
}

/// A new certificate.
#[must_use]
pub fn takeover_certificate_new(id: &str) -> String {
    format!(
        "the root certificate is not valid any more: whoever has pinned it must pin {id}, and whoever remembers it must forget this repository"
    )
}

/// Root keys that lose their place.
#[must_use]
pub fn takeover_dropped(ids: &[&str]) -> String {
    format!(
        "the new root has no certificate for root keys that are not on this computer: {}",
        ids.join(", ")
    )
}

/// Nothing to compare with.
pub const TAKEOVER_NEVER_SEEN: &str = "this computer has never seen the repository, so it cannot tell whether the server shows its newest state or an old one, nor whether clients trust this root: compare versions and tags with what you published";
/// Something was published between the plan and its upload.
pub const TAKEOVER_PLAN_AGAIN: &str =
    "run the command again: it shows what the repository is now, and asks again";

/// What the keys of the server before still can do.
#[must_use]
pub fn takeover_old_server(until: &Expiry) -> String {
    format!(
        "whoever has the keys of the server before can still show old states of the repository to clients that have not seen the new root, until {until}"
    )
}
