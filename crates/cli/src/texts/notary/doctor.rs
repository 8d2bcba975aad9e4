//! What `notary doctor` says. What it has in common with docker-trust's stands there.

use std::path::Path;

pub use crate::texts::docker::{
    DOCTOR_BEHIND_PROXY, DOCTOR_BUSY, DOCTOR_MACHINE, DOCTOR_MAY_PUBLISH, DOCTOR_MEND_MODE,
    DOCTOR_MOVE_AWAY, DOCTOR_NO_ANSWER_IN_TIME, DOCTOR_NO_SERVER, DOCTOR_OTHERS_SIGN_TOO,
    DOCTOR_REPOSITORY, DOCTOR_RESTORE_KEY, DOCTOR_SERVER, DOCTOR_SILENT, doctor_can_sign,
    doctor_may_not_publish, doctor_not_a_folder, doctor_repository, doctor_root_first_use,
    doctor_root_known, doctor_server, doctor_some_keys, doctor_staged, doctor_valid_until,
};
use crate::texts::quote;

/// What to do about a name without an address.
pub const DOCTOR_CHECK_NAME: &str =
    "check the spelling and the DNS; -s or remote_server.url names the server";
/// What to do when something else answers.
pub const DOCTOR_WHICH_SERVER: &str =
    "name the trust server with -s, or as remote_server.url in the configuration";
/// What to do when there is no TLS.
pub const DOCTOR_NOT_TLS: &str = "is this the port of a trust server with TLS? -s or remote_server.url names it; http:// is for a server on this machine";

/// Where the issuer's certificate goes.
#[must_use]
pub fn doctor_trust_issuer(_: &str) -> String {
    "if you know the certificate of its issuer to be the right one: --tlscacert FILE, or remote_server.root_ca in the configuration".to_owned()
}

/// What to do about a key that is not encrypted.
#[must_use]
pub fn doctor_encrypt_key(id: &str) -> String {
    format!("whoever gets the file can sign; notary key passwd {id} gives it a passphrase")
}

// This machine.

/// What to do about a configuration.
pub const DOCTOR_MEND_CONFIG: &str = "until the configuration is mended every command fails";
/// Without a home.
pub const DOCTOR_NO_HOME: &str =
    "HOME is not set: no configuration, and the trust folder is .notary in the working directory";
/// Nobody has said otherwise.
pub const DOCTOR_USUAL: &str = "nobody's choice: it is built in";
/// Nothing remembered is used.
pub const DOCTOR_NO_CACHED_DATA: &str =
    "cached_data is false: without an answer of the server every read fails";
/// How a pin looks.
pub const DOCTOR_PIN_FORM: &str = "it matches no root key; the ID of one has 64 hexadecimal digits";
/// What to do about a pinned authority.
pub const DOCTOR_PINNED_CA: &str = "first roots of these repositories are refused; relative paths are relative to the working directory";

/// The configuration is in force.
#[must_use]
pub fn doctor_config(file: &Path) -> String {
    format!("the configuration {} is in force", file.display())
}

/// There is none.
#[must_use]
pub fn doctor_no_config(file: &Path) -> String {
    format!(
        "there is no {}: flags and built-in values are in force",
        file.display()
    )
}

/// Which folder it is.
#[must_use]
pub fn doctor_folder(path: &Path, from: &str) -> String {
    format!("the trust folder is {}, from {from}", path.display())
}

/// How many pins there are.
#[must_use]
pub fn doctor_pins(certs: usize, authorities: usize, denies: bool) -> String {
    let first_use = if denies {
        "what nothing pins is refused (disable_tofu)"
    } else {
        "what nothing pins is trusted on first use"
    };
    match (certs, authorities) {
        (0, 0) => format!("no pins; {first_use}"),
        _ => format!(
            "trust_pinning: {certs} with root keys, {authorities} with an authority; {first_use}"
        ),
    }
}

/// A pin that is no ID.
#[must_use]
pub fn doctor_pin_form(gun: &str, id: &str) -> String {
    format!(
        "trust_pinning.certs of {}: {} is no ID of a key",
        quote(gun),
        quote(id)
    )
}

/// A pinned authority whose file is not there.
#[must_use]
pub fn doctor_pinned_ca(prefix: &str) -> String {
    format!(
        "the file of trust_pinning.ca for {} cannot be read",
        quote(prefix)
    )
}

/// The key folder is open.
#[must_use]
pub fn doctor_open_folder(path: &Path, mode: u32) -> String {
    format!("others can get into {} (mode {mode:03o})", path.display())
}

/// How it is closed.
#[must_use]
pub fn doctor_close_folder(path: &Path) -> String {
    crate::texts::docker::doctor_chmod("go-rwx", path)
}

/// A key that does not say what it is for.
#[must_use]
pub fn doctor_key_without_role(id: &str) -> String {
    format!("key {id} names no role: it signs for delegations, and never as a root key")
}

/// How it gets a role.
#[must_use]
pub fn doctor_name_role(id: &str) -> String {
    format!(
        "notary key export --key {id} -o KEY.pem, notary key remove {id}, and notary key import KEY.pem -r ROLE"
    )
}

// The server.

/// No TLS.
pub const DOCTOR_PLAIN_HTTP: &str = "the server is spoken to without TLS: no login is sent, and others can see and hold back what it says";
/// What to do about it.
pub const DOCTOR_USE_TLS: &str = "use the server's https:// address";
/// What to do about the variable.
pub const DOCTOR_MEND_AUTH: &str =
    "NOTARY_AUTH is base64 of user:password; as it is, every command goes on as nobody";
/// There is something to show to the server.
pub const DOCTOR_LOGIN: &str = "a login is known, and shown when the server asks for one";
/// There is not.
pub const DOCTOR_NO_LOGIN: &str =
    "no login is known: commands ask for one where the server does not let everybody read";
/// What to do about a right.
pub const DOCTOR_LOG_IN: &str = "docker login for the trust server, set NOTARY_AUTH to base64 of user:password, or ask for the right";

// The repository.

/// The server is not asked.
pub const DOCTOR_AS_REMEMBERED: &str =
    "without the server, what follows is what this machine remembers";
/// Neither.
pub const DOCTOR_NOTHING_REMEMBERED: &str =
    "without the server, nothing is known of it: nothing is remembered here";
/// A repository that is seen for the first time.
pub const DOCTOR_FIRST_TIME: &str = "nothing is remembered of it here";
/// See what was said before.
pub const DOCTOR_SEE_ABOVE: &str = "see what is said above of the server";
/// Nothing waits.
pub const DOCTOR_NOTHING_STAGED: &str = "no staged changes";

/// Versions in the trust folder.
#[must_use]
pub fn doctor_remembered(versions: &str) -> String {
    format!("remembered here: {versions}")
}

/// A role and the version of its document.
#[must_use]
pub fn doctor_version(role: &str, version: Option<i64>) -> String {
    match version {
        Some(version) => format!("{role} {version}"),
        None => format!("{role} (cannot be read)"),
    }
}

/// The root is the one that is pinned.
#[must_use]
pub fn doctor_root_pinned(ids: &str) -> String {
    format!("its root is the one that the configuration pins: {ids}")
}

/// What to do about a root that is remembered from before the pin.
#[must_use]
pub fn doctor_not_the_pinned_root(gun: &str, ids: &str) -> String {
    format!(
        "ask the owner which root key is right: if it is {ids}, put that into trust_pinning.certs; if not, notary delete {gun} forgets what is remembered here, and the pin holds for what comes next"
    )
}

/// How a base role is renewed.
#[must_use]
pub fn doctor_renew(gun: &str, role: &str) -> String {
    format!("whoever holds the {role} key: notary renew {gun} {role}")
}

/// How a delegation is signed anew.
#[must_use]
pub fn doctor_witness(gun: &str, role: &str) -> String {
    format!(
        "whoever holds a key of {role}, and is certain of what it lists: notary witness {gun} {role} --publish"
    )
}

/// How a role gets keys.
#[must_use]
pub fn doctor_add_keys(gun: &str, role: &str) -> String {
    format!("notary delegation add {gun} {role} KEY.crt --publish gives it another key")
}

/// How a delegation begins.
#[must_use]
pub fn doctor_add_role(gun: &str, role: &str) -> String {
    format!("notary delegation add {gun} {role} KEY.crt --all-paths --publish makes it")
}

/// How a path is added.
#[must_use]
pub fn doctor_add_path(gun: &str, role: &str, name: &str) -> String {
    format!(
        "notary delegation add {gun} {role} --paths {} lets it sign that name",
        quote(name)
    )
}

/// How a key is replaced.
#[must_use]
pub fn doctor_rotate(gun: &str, role: &str) -> String {
    format!("whoever holds the root key: notary key rotate {gun} {role}")
}

/// How a signer's key is replaced.
#[must_use]
pub fn doctor_replace_delegation_key(gun: &str, role: &str, id: &str) -> String {
    format!(
        "notary delegation add {gun} {role} NEW.crt, then notary delegation remove {gun} {role} {id} --publish"
    )
}

/// How a root is pinned.
#[must_use]
pub fn doctor_pin(gun: &str, ids: &[String]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| quote(id)).collect();
    format!(
        "compare with what the owner says, then in the configuration: \"trust_pinning\": {{\"certs\": {{{}: [{}]}}}}",
        quote(gun),
        ids.join(", ")
    )
}

/// A repository that was begun here.
#[must_use]
pub fn doctor_publish_first(gun: &str) -> String {
    format!(
        "notary publish {gun} publishes what is remembered here; was it deleted there, notary delete {gun} forgets it here"
    )
}

/// A repository that nobody has begun.
#[must_use]
pub fn doctor_init(gun: &str) -> String {
    format!("check the name and the server; notary init {gun} -p begins it")
}

// Staged changes.

/// What to do about staged changes.
#[must_use]
pub fn doctor_publish(gun: &str) -> String {
    format!(
        "notary status {gun} shows them, notary publish {gun} publishes them, notary reset {gun} --all drops them"
    )
}

/// A change with a problem, by the number that `status` shows.
#[must_use]
pub fn doctor_change(number: usize, problem: &str) -> String {
    format!("staged change {number} cannot be published: {problem}")
}

/// How it is dropped.
#[must_use]
pub fn doctor_drop_change(gun: &str, number: usize) -> String {
    format!("notary reset {gun} -n {number} drops it")
}

/// One or the other.
#[must_use]
pub fn doctor_or(one: &str, other: &str) -> String {
    format!("{one}; {other}")
}

/// A role that is not there.
#[must_use]
pub fn doctor_no_such_role(role: &str) -> String {
    format!("the repository has no role {role}")
}

/// A name beyond a role's paths.
#[must_use]
pub fn doctor_outside(name: &str, role: &str, paths: &[String]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| quote(path)).collect();
    format!(
        "{role} may not sign {}, only names that begin with {}",
        quote(name),
        paths.join(", ")
    )
}

/// A role whose document does not hold.
#[must_use]
pub fn doctor_unusable(role: &str, reason: &str) -> String {
    format!("{role} cannot be used: {reason}")
}

/// A role that nobody here can sign.
#[must_use]
pub fn doctor_no_key(role: &str, here: usize, needed: usize, ids: &[&str]) -> String {
    format!(
        "{role} needs the signatures of {needed} of its keys, and {here} are here: {}",
        ids.join(", ")
    )
}

/// How a key comes here.
#[must_use]
pub fn doctor_import(options: &str) -> String {
    format!("notary key import KEY.pem {options}")
}
