//! Advice, which people at a terminal see after the line that says what failed.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::texts::quote;

/// Nobody has named a server.
#[must_use]
pub fn no_server_configured(registry: Option<&str>) -> String {
    let dockers = match registry {
        None | Some("docker.io") => {
            "docker's for Docker Hub is https://notary.docker.io".to_owned()
        }
        Some(registry) => format!("docker's for this repository is https://{registry}"),
    };
    format!(
        "no trust server is configured: name it with -s, or as remote_server.url in ~/.notary/config.json; {dockers}"
    )
}

/// docker's folder knows the repository, the one in use does not.
#[must_use]
pub fn docker_remembers(folder: &str) -> String {
    format!(
        "docker remembers this repository: -d {folder} uses docker's trust folder; its server may be another one, which -s names"
    )
}

/// The server does not know the repository, whose name is in order.
#[must_use]
pub fn other_server(host: &str) -> String {
    format!("nobody has published to a repository of that name at {host}; -s names another server")
}

/// A name as people write it for docker.
#[must_use]
pub fn dockers_name(name: &str) -> String {
    format!("trust data of docker images go by the whole name: {name}")
}

/// A name with a tag or a digest.
#[must_use]
pub fn name_with_tag(name: &str, tag: &str) -> String {
    format!("a tag is no part of a repository's name: notary lookup {name} {tag}")
}

/// A URL, or a name with a slash at its end.
#[must_use]
pub fn name_is_no_address(name: &str) -> String {
    format!("a repository is named without https:// and without a slash at the end: {name}")
}

/// The server wants to know who asks.
#[must_use]
pub fn login(host: &str) -> String {
    format!("docker login {host} stores a login, which is used here too; or set NOTARY_AUTH")
}

/// A root in the trust folder that cannot be read.
#[must_use]
pub fn remembered_root_damaged(gun: &str) -> String {
    format!(
        "put root.json of {gun} back into the trust folder, or remove the repository's folder below tuf: then its root is trusted on first use again"
    )
}

/// An expired timestamp.
pub const TIMESTAMP_RENEWAL: &str =
    "the server renews the timestamp: ask those who run it why this one was not.";

/// Another expired document.
#[must_use]
pub fn renewal(role: &str, gun: &str) -> String {
    format!("who holds the {role} key renews it with: notary renew {gun}.")
}

/// A delegation whose document is not signed, or has expired.
#[must_use]
pub fn role_to_witness(gun: &str, role: &str) -> String {
    format!(
        "{role} is passed over: who holds one of its keys signs it anew with notary witness {gun} {role} --publish, and compares first what that shows with what was released"
    )
}

/// A delegation that nobody can sign for.
#[must_use]
pub fn role_lacks_keys(gun: &str, role: &str) -> String {
    format!(
        "{role} is passed over, because it has fewer keys than must sign: notary delegation add {gun} {role} KEY.crt --publish gives it another one"
    )
}

/// When a document has expired it may be the clock that is wrong.
#[must_use]
pub fn clock_says(now: OffsetDateTime) -> String {
    format!("The clock of this machine says {}", moment(now))
}

fn moment(now: OffsetDateTime) -> String {
    now.replace_nanosecond(0)
        .unwrap_or(now)
        .format(&Rfc3339)
        .unwrap_or_default()
}

/// No certificate of the root is good.
#[must_use]
pub fn root_certificate(gun: &str, now: OffsetDateTime) -> String {
    format!(
        "the certificate of the root key has expired, is not valid yet, or is for another name than {gun}; the clock of this machine says {}",
        moment(now)
    )
}

/// A root that the configuration does not admit.
pub const NOT_PINNED: &str = "trust_pinning of the configuration names other root keys: if the owner has replaced theirs, ask them for the new ID";

/// No pin, and no first use.
#[must_use]
pub fn first_use_denied(gun: &str) -> String {
    format!(
        "trust_pinning.disable_tofu is set and no pin is for {gun}: ask its owner for the ID of the root key and add it to trust_pinning.certs"
    )
}

/// A root that does not follow from the one that is remembered.
#[must_use]
pub fn another_root(gun: &str) -> String {
    format!(
        "the root is not the one that is remembered here, nor made by its owner: ask the owner. If they have begun the repository anew, notary delete {gun} forgets the old one"
    )
}

/// A server that gives out the past.
pub const OLDER_THAN_KNOWN: &str = "the server gives out an older state than this machine has seen. After a restored backup the owner must publish again; without one, somebody is hiding what is new";

/// A target that nobody has signed, named with its repository.
#[must_use]
pub fn target_is_tag(tag: &str) -> String {
    format!("the target is called {}", quote(tag))
}

/// A target that nobody has signed.
#[must_use]
pub fn list_shows(gun: &str) -> String {
    format!("notary list {gun} shows what is signed")
}

/// Roles that the repository does not have.
#[must_use]
pub fn unknown_role(role: &str) -> String {
    format!(
        "there is no role {}: notary delegation list shows the roles, which are called targets/NAME",
        quote(role)
    )
}
