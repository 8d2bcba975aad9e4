//! What `doctor` says about trust servers, logins and repositories.

use std::fmt::Display;
use std::path::Path;

// The trust server.

/// The server's name, certificates or policy are unusable.
pub const DOCTOR_NO_SERVER: &str = "until this is mended the server is not asked";
/// Without an image there is no server.
pub const DOCTOR_NAME_A_REPOSITORY: &str =
    "DOCKER_CONTENT_TRUST_SERVER is not set: name a repository to have its trust server looked at";
/// Where the server's name comes from when nobody says otherwise.
pub const DOCTOR_FROM_REGISTRY: &str = "the registry's name";
/// With a proxy the steps to the server cannot be seen one by one.
pub const DOCTOR_BEHIND_PROXY: &str = "a proxy is set: name and port are looked up by the proxy";
/// What to do about a name without an address.
pub const DOCTOR_CHECK_NAME: &str = "check the spelling, the DNS, and DOCKER_CONTENT_TRUST_SERVER";
/// What to do about a closed port.
pub const DOCTOR_CHECK_PORT: &str =
    "is the server running there, and does a firewall let you through?";
/// TLS worked, and nothing is known of the certificate.
pub const DOCTOR_TLS: &str = "the server's certificate is trusted";
/// A loopback server's certificate does not count.
pub const DOCTOR_ONLY_ON_LOOPBACK: &str =
    "only servers on this machine are used so; another machine's would be refused";
/// What to do about an expired certificate.
pub const DOCTOR_RENEW_CERTIFICATE: &str = "the server's operator must renew its certificate";
/// What to do about a clock.
pub const DOCTOR_CHECK_CLOCK: &str =
    "check this machine's clock and the server's: what has expired depends on it";
/// What to do about a certificate for another name.
pub const DOCTOR_CERTIFICATE_NAME: &str =
    "use a name that is in the certificate, or have the operator add this one (subjectAltName)";
/// What is going on while nothing is to be seen.
pub const DOCTOR_BUSY: &str = "Looking at the servers";
/// What to do about a server that says nothing.
pub const DOCTOR_SILENT: &str = "the server or something before it hangs; ask its operator";
/// What to do when there is no TLS.
pub const DOCTOR_NOT_TLS: &str = "is this the port of a trust server with TLS? DOCKER_CONTENT_TRUST_SERVER, or \"server\" in the policy, names the trust server";
/// The server does not say what time it is.
pub const DOCTOR_NO_DATE: &str = "the server does not say what time it is";
/// The clocks agree.
pub const DOCTOR_CLOCK: &str = "this machine's clock agrees with the server's";
/// Somebody else's job.
pub const DOCTOR_ASK_OPERATOR: &str = "ask the server's operator";
/// What to do when the wrong server answers.
pub const DOCTOR_WHICH_SERVER: &str = "set DOCKER_CONTENT_TRUST_SERVER, or \"server\" in the policy, to the trust server's https address";
/// What a file with certificates must look like.
pub const DOCTOR_PEM_CERTIFICATE: &str =
    "it must be PEM, with the line -----BEGIN CERTIFICATE-----";
/// How files in a server's folder must be called.
pub const DOCTOR_TLS_NAMES: &str =
    "certificates to trust are called NAME.crt, a client certificate NAME.cert with NAME.key";

/// Which server it is.
#[must_use]
pub fn doctor_server(url: &str, from: &str) -> String {
    format!("{url}, from {from}")
}

/// Certificates lie in a folder for another port or spelling.
#[must_use]
pub fn doctor_other_tls_folder(path: &Path) -> String {
    format!(
        "{} is for another port or spelling of the server's name, and not used",
        path.display()
    )
}

/// What the folder must be called.
#[must_use]
pub fn doctor_rename(path: &Path) -> String {
    format!("if it is meant for this server, call it {}", path.display())
}

/// There is no folder of the server's.
#[must_use]
pub fn doctor_no_tls_folder(path: &Path) -> String {
    format!(
        "there is no {}: the system's certificates count",
        path.display()
    )
}

/// There is one.
#[must_use]
pub fn doctor_tls_folder(path: &Path, count: usize) -> String {
    let files = if count == 1 { "file" } else { "files" };
    format!(
        "{} has {count} {files} with certificates to trust",
        path.display()
    )
}

/// A file without a certificate.
#[must_use]
pub fn doctor_empty_certificate(path: &Path) -> String {
    format!("{} holds no certificate and is ignored", path.display())
}

/// A file that nobody looks at, such as `ca.pem`.
#[must_use]
pub fn doctor_ignored_file(path: &Path) -> String {
    format!("{} is ignored because of its name", path.display())
}

/// The name leads nowhere.
#[must_use]
pub fn doctor_no_address(host: &str, problem: &str) -> String {
    format!("{host} has no address: {problem}")
}

/// Somebody listens.
#[must_use]
pub fn doctor_connected(host: &str, address: &impl Display) -> String {
    format!("{host} answers at {address}")
}

/// Nobody listens.
#[must_use]
pub fn doctor_no_connection(host: &str, problem: &str) -> String {
    format!("{host} cannot be reached: {problem}")
}

/// The certificate proves nothing, and need not.
#[must_use]
pub fn doctor_unverified(problem: &str) -> String {
    format!(
        "the server's certificate is not trusted ({problem}), which is overlooked because it is on this machine"
    )
}

/// TLS fails.
#[must_use]
pub fn doctor_tls_failed(problem: &str) -> String {
    format!("no trusted connection: {problem}")
}

/// Where the issuer's certificate goes.
#[must_use]
pub fn doctor_trust_issuer(authority: &str) -> String {
    format!(
        "put the certificate of its issuer into ~/.docker/tls/{authority}/ca.crt, if you know that it is the right one"
    )
}

/// How long the certificate is good.
#[must_use]
pub fn doctor_certificate_until(day: &str) -> String {
    format!("the server's certificate is trusted, until {day}")
}

/// The clocks differ.
#[must_use]
pub fn doctor_clock(seconds: u64, behind: bool) -> String {
    let how = if behind { "behind" } else { "ahead of" };
    format!("this machine's clock is {seconds} s {how} the server's")
}

/// A trust server answers.
#[must_use]
pub fn doctor_answers(status: u16) -> String {
    if status == 401 {
        "a server answers /v2/, and asks for a login".to_owned()
    } else {
        "a server answers /v2/".to_owned()
    }
}

/// It is broken.
#[must_use]
pub fn doctor_server_fails(status: u16) -> String {
    format!("the server answers /v2/ with {status}: it is there and does not work")
}

/// Something else answers.
#[must_use]
pub fn doctor_not_a_trust_server(status: u16, is_page: bool) -> String {
    if is_page {
        format!("a web page answers /v2/ ({status}): this is no trust server")
    } else {
        format!("/v2/ is answered with {status}: this does not look like a trust server")
    }
}

// The login.

/// What to do about a credential helper.
pub const DOCTOR_HELPER: &str =
    "credsStore and credHelpers in config.json name the helper; it must be in PATH and work";
/// Everybody may.
pub const DOCTOR_NO_LOGIN_NEEDED: &str = "the server asks for no login";
/// There is something to show to the server.
pub const DOCTOR_LOGIN: &str = "there is a login for the server";
/// The server asks in a way that nobody knows.
pub const DOCTOR_UNKNOWN_CHALLENGE: &str = "the server asks for a kind of login that is not known";
/// A step took too long.
pub const DOCTOR_NO_ANSWER_IN_TIME: &str = "no answer in time";

/// The user is known to docker.
#[must_use]
pub fn doctor_logged_in(registry: &str, user: Option<&str>) -> String {
    match user {
        Some(user) => format!("docker is logged in to {registry} as {user}"),
        None => format!("docker is logged in to {registry}"),
    }
}

/// The user is not.
#[must_use]
pub fn doctor_not_logged_in(registry: &str) -> String {
    format!("docker is not logged in to {registry}: servers see an anonymous user")
}

/// There is nothing to show to the server, or it is refused.
#[must_use]
pub fn doctor_no_login(problem: &str) -> String {
    format!("no login for the server: {problem}")
}

/// How to log in.
#[must_use]
pub fn doctor_log_in(registry: &str) -> String {
    format!("docker login {registry}; the trust server takes the registry's credentials")
}

// The repository.

/// The server takes what this user signs.
pub const DOCTOR_MAY_PUBLISH: &str = "the server lets this user publish";
/// Neither keys nor the right to publish.
pub const DOCTOR_READS_ONLY: &str =
    "the server lets this user read only, and there are no keys to sign with";

/// The server does not take what this user signs.
#[must_use]
pub fn doctor_may_not_publish(problem: &str) -> String {
    format!("the server does not let this user publish: {problem}")
}

/// All of it is believed.
pub const DOCTOR_REPOSITORY: &str = "its documents are complete, signed and valid";
/// Only what was remembered is known.
pub const DOCTOR_FROM_CACHE: &str =
    "the server gave no timestamp: what follows is what it said before";
/// How a repository begins.
pub const DOCTOR_BEGIN: &str = "the first sign, or signer add, begins it";
/// What to do where the policy wants to know the root beforehand.
pub const DOCTOR_PIN: &str = "pin the root in the policy; docs/policy.md describes it";
/// What the server says does not hold.
pub const DOCTOR_NOT_TRUSTWORTHY: &str = "do not use its tags before you know why; its administrator can tell whether the root was replaced";
/// Nobody has said that this root is the right one.
pub const DOCTOR_PIN_ROOT: &str =
    "compare the ID with the administrator's, and pin it in the policy: \"root_certificates\"";
/// A role that nobody can sign.
pub const DOCTOR_ADD_KEYS: &str =
    "the administrator must add keys to the role, or lower its threshold";
/// A role that needs several.
pub const DOCTOR_OTHERS_SIGN_TOO: &str = "others must sign too";
/// What to do about an old root certificate.
pub const DOCTOR_ROTATE_ROOT: &str =
    "the holder of the root key must replace it: notary key rotate GUN root";
/// What to do about a signer who is none.
pub const DOCTOR_ADD_SIGNER: &str =
    "correct the name in the policy, or have the administrator add the signer";

/// Changes that a `notary` has staged and not published.
#[must_use]
pub fn doctor_staged(count: usize) -> String {
    let changes = if count == 1 {
        "change is"
    } else {
        "changes are"
    };
    format!("{count} {changes} staged and not published")
}

/// What to do about them.
#[must_use]
pub fn doctor_publish_staged(gun: &str, folder: &Path) -> String {
    format!(
        "notary publish {gun} publishes them, notary reset {gun} --all drops them; they are in {}",
        folder.display()
    )
}

/// A document's end.
#[must_use]
pub fn doctor_expired(role: &str, moment: &str) -> String {
    format!("{role} expired at {moment}")
}

/// A document's end, soon.
#[must_use]
pub fn doctor_expires(role: &str, day: &str) -> String {
    format!("{role} expires on {day}")
}

/// How a document is renewed.
#[must_use]
pub fn doctor_renew(role: &str) -> String {
    match role {
        "timestamp" | "snapshot" => "the server must renew it; ask its operator".to_owned(),
        "root" => "whoever holds the root key must publish a new root".to_owned(),
        _ => format!("whoever holds a key of {role} must sign again"),
    }
}

/// The server has never heard of it.
#[must_use]
pub fn doctor_not_begun(name: &str) -> String {
    format!("the server does not know {name}: nothing is signed there")
}

/// The root is the one that the policy demands.
#[must_use]
pub fn doctor_root_pinned(ids: &str) -> String {
    format!("its root is the one that the policy pins: {ids}")
}

/// The root follows from the one that was trusted before.
#[must_use]
pub fn doctor_root_known(ids: &str) -> String {
    format!("its root is the one that was trusted before, or follows from it: {ids}")
}

/// The root would be trusted because nothing is known.
#[must_use]
pub fn doctor_root_first_use(ids: &str) -> String {
    format!("its root has never been seen here and would be trusted on first use: {ids}")
}

/// A role that can never reach its threshold.
#[must_use]
pub fn doctor_too_few_keys(role: &str, threshold: i64, keys: usize) -> String {
    format!("{role} needs {threshold} signatures and has {keys} keys: nobody can sign it")
}

/// A role that this user cannot sign alone.
#[must_use]
pub fn doctor_some_keys(role: &str, here: usize, needed: usize) -> String {
    format!("{role} needs {needed} signatures, and {here} of its keys are here")
}

/// How a role comes to hold again.
#[must_use]
pub fn doctor_sign_again(role: &str, can: bool) -> String {
    if can {
        format!(
            "notary witness GUN {role} --publish signs what is in it anew; look at what that is first"
        )
    } else {
        format!("whoever holds a key of {role} must sign again")
    }
}

/// What the user can do.
#[must_use]
pub fn doctor_can_sign(can: &str, cannot: &str) -> String {
    match (can, cannot) {
        ("", _) => "no key here can sign any of its roles".to_owned(),
        (can, "") => format!("keys are here for {can}"),
        (can, cannot) => format!("keys are here for {can}; none for {cannot}"),
    }
}

/// Everything that is good for some time.
#[must_use]
pub fn doctor_valid_until(ends: &str) -> String {
    format!("valid until: {ends}")
}

/// A root certificate's end.
#[must_use]
pub fn doctor_root_certificate(id: &str, day: &str) -> String {
    format!("root certificate {id} is valid until {day}")
}

/// The policy's signers exist.
#[must_use]
pub fn doctor_policy_signers(rule: &str) -> String {
    format!("the signers of {rule} are signers of the repository")
}

/// The policy asks for somebody who cannot sign.
#[must_use]
pub fn doctor_no_such_signer(names: &str, rule: &str) -> String {
    format!("{rule} asks for {names}, and the repository has no such signer")
}
