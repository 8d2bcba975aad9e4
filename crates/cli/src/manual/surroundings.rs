//! Every variable that the programs look at, and every file: the table that the manual pages show.
//!
//! A test holds the variables to what [`crate::env`] reads.

/// The programs with pages.
pub const PROGRAMS: [&str; 2] = ["docker-trust", "notary"];

/// Who looks at something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    /// `docker-trust` and `notary`.
    Both,
    /// `docker-trust`.
    DockerTrust,
    /// `notary`.
    Notary,
}

/// Environment variables that mean the same.
#[derive(Debug)]
pub struct Variable {
    /// Their names.
    pub names: &'static [&'static str],
    /// Who looks at them.
    pub who: Who,
    /// What they say.
    pub meaning: &'static str,
}

/// A file or folder.
#[derive(Debug)]
pub struct Place {
    /// Where it is.
    pub path: &'static str,
    /// What is in it.
    pub meaning: &'static str,
}

const fn variable(names: &'static [&'static str], who: Who, meaning: &'static str) -> Variable {
    Variable {
        names,
        who,
        meaning,
    }
}

const fn place(path: &'static str, meaning: &'static str) -> Place {
    Place { path, meaning }
}

/// The variables. Empty is as not set, but for `DOCKER_TRUST_POLICY`: whoever sets that means to have a policy.
pub static VARIABLES: &[Variable] = &[
    variable(
        &["DOCKER_API_VERSION"],
        Who::DockerTrust,
        "The version of the API to speak with the daemon, whatever it says",
    ),
    variable(
        &["DOCKER_AUTH_CONFIG"],
        Who::Both,
        "Logins in the form of docker's config.json, which go before that file's",
    ),
    variable(
        &["DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"],
        Who::DockerTrust,
        "Set by docker when it runs a plugin; its presence is the plugin mode",
    ),
    variable(
        &["DOCKER_CLI_PLUGIN_SOCKET"],
        Who::DockerTrust,
        "Set by docker; the end of that connection cancels the command",
    ),
    variable(
        &["DOCKER_CLI_PLUGIN_USE_DIAL_STDIO"],
        Who::DockerTrust,
        "As a plugin, reach the daemon through docker itself",
    ),
    variable(
        &["DOCKER_CONFIG"],
        Who::Both,
        "docker's configuration folder, instead of ~/.docker; --config of docker-trust goes before it",
    ),
    variable(
        &["DOCKER_CONTENT_TRUST"],
        Who::DockerTrust,
        "Switches nothing off here: pull, run and create check always; a value that means no gets a warning",
    ),
    variable(
        &["DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE"],
        Who::DockerTrust,
        "Passphrase of every key but root keys",
    ),
    variable(
        &["DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE"],
        Who::DockerTrust,
        "Passphrase of root keys",
    ),
    variable(
        &["DOCKER_CONTENT_TRUST_SERVER"],
        Who::DockerTrust,
        "Address of the trust server for every registry; https only",
    ),
    variable(
        &["DOCKER_CUSTOM_HEADERS"],
        Who::DockerTrust,
        "Headers for the daemon, instead of HttpHeaders in docker's config.json",
    ),
    variable(
        &["DOCKER_DEFAULT_PLATFORM"],
        Who::DockerTrust,
        "The platform of pull, run and create without --platform",
    ),
    variable(
        &["DOCKER_HOST", "DOCKER_CONTEXT"],
        Who::DockerTrust,
        "Which docker daemon is meant; --host and --context go before them",
    ),
    variable(
        &["DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"],
        Who::DockerTrust,
        "TLS to the daemon",
    ),
    variable(
        &["DOCKER_TRUST_POLICY"],
        Who::DockerTrust,
        "The policy file, instead of policy.json in the trust folder; the machine's policy stays in force",
    ),
    variable(
        &["EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"],
        Who::DockerTrust,
        "Refused by build: it could replace images that were checked",
    ),
    variable(&["HOME"], Who::Both, "The home folder, which ~ stands for"),
    variable(
        &[
            "HTTPS_PROXY",
            "https_proxy",
            "HTTP_PROXY",
            "http_proxy",
            "ALL_PROXY",
            "all_proxy",
            "NO_PROXY",
            "no_proxy",
        ],
        Who::Both,
        "Proxies, and the servers that are reached without one",
    ),
    variable(
        &["NOTARY_AUTH"],
        Who::Notary,
        "User and password for the trust server: base64 of user:password",
    ),
    variable(
        &["NOTARY_DELEGATION_PASSPHRASE"],
        Who::Notary,
        "Passphrase of every key of another role than root, targets and snapshot",
    ),
    variable(
        &[
            "NOTARY_ROOT_PASSPHRASE",
            "NOTARY_TARGETS_PASSPHRASE",
            "NOTARY_SNAPSHOT_PASSPHRASE",
        ],
        Who::Notary,
        "Passphrase of the keys of that role",
    ),
    variable(&["NO_COLOR"], Who::Both, "No colours on a terminal"),
    variable(
        &["PATH"],
        Who::Both,
        "Where docker's credential helpers, and for some commands docker itself, are found",
    ),
    variable(
        &["SIGNET_PULL_PATIENCE"],
        Who::DockerTrust,
        "Seconds that a pull may go without getting on; 300 without it",
    ),
    variable(
        &["SOURCE_DATE_EPOCH"],
        Who::Both,
        "Seconds since 1970: the moment of what man writes and archive create records, instead of the clock's",
    ),
    variable(
        &["SSL_CERT_FILE", "SSL_CERT_DIR"],
        Who::Both,
        "Certificates of the authorities that are trusted, instead of the system's",
    ),
];

/// What `docker-trust` looks at.
#[must_use]
pub fn of_docker_trust() -> Vec<&'static Variable> {
    VARIABLES
        .iter()
        .filter(|variable| variable.who != Who::Notary)
        .collect()
}

/// What `notary` looks at.
#[must_use]
pub fn of_notary() -> Vec<&'static Variable> {
    VARIABLES
        .iter()
        .filter(|variable| variable.who != Who::DockerTrust)
        .collect()
}

/// The files of `docker-trust`.
pub static DOCKER_TRUST_PLACES: &[Place] = &[
    place(
        "~/.docker/config.json",
        "docker's configuration: logins, credential helpers, the context in use",
    ),
    place(
        "~/.docker/trust/",
        "The trust folder, shared with docker and notary: private keys, what is remembered of repositories, changes that are staged",
    ),
    place("~/.docker/trust/policy.json", "The user's policy"),
    place(
        "/etc/docker/trust/policy.json",
        "The machine's policy, which is always in force",
    ),
    place(
        "~/.docker/tls/HOST:PORT/",
        "*.crt are authorities that are trusted for that server besides the system's; X.cert with X.key are shown to servers that ask",
    ),
];

/// The files of `notary`.
pub static NOTARY_PLACES: &[Place] = &[
    place(
        "~/.notary/config.json",
        "The configuration; -c names another file",
    ),
    place(
        "~/.notary/",
        "The trust folder; -d, or trust_dir in the configuration, names another one, for example docker's ~/.docker/trust",
    ),
    place(
        "~/.notary/private/ID.key",
        "A private key, encrypted with its passphrase",
    ),
    place(
        "~/.notary/tuf/GUN/metadata/",
        "The documents of a repository that were verified last",
    ),
    place(
        "~/.notary/tuf/GUN/changelist/",
        "The changes that are staged for the next publish",
    ),
    place(
        "~/.docker/config.json",
        "docker's logins, for the trust server and registries on its host",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Names in quotes that look like variables, in what reads them.
    #[test]
    fn every_variable_that_is_read_is_in_the_table() {
        let source = include_str!("../env.rs");
        let mut read: Vec<&str> = source
            .split('"')
            .skip(1)
            .step_by(2)
            .filter(|word| {
                word.len() > 3
                    && word
                        .bytes()
                        .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
            })
            .collect();
        read.sort_unstable();
        read.dedup();
        assert!(read.len() > 25, "{read:?}");
        let known: Vec<&str> = VARIABLES
            .iter()
            .flat_map(|variable| variable.names)
            .copied()
            .collect();
        for name in read {
            assert!(known.contains(&name), "{name} is not in the table");
        }
    }
}
