//! Advice after a failed read: what people do wrong most, and what they can do about it.

use signet_client::Error;
use signet_client::remote::RemoteError;
use signet_tuf::rules::{RootError, RuleError};
use signet_tuf::update::UpdateError;
use signet_tuf::{Gun, TrustedRepository, pinning::PinningError};
use time::OffsetDateTime;

use super::Context;
use crate::texts::notary::hints as texts;
use crate::ui::report::Failure;

/// What a read was about.
struct Situation<'a> {
    gun: &'a Gun,
    /// The server's address is the one that nobody configured.
    is_usual_server: bool,
    /// The server's host and port.
    host: String,
    /// What `docker login` is told for the server.
    login_name: String,
    /// docker's trust folder, where it remembers the repository and is not the one in use.
    docker_remembers: Option<String>,
    now: OffsetDateTime,
}

/// The same failure with advice.
pub(super) fn after_reading(
    failure: Failure,
    error: &Error,
    context: &Context,
    gun: &Gun,
) -> Failure {
    let Ok(server) = context.server() else {
        return failure;
    };
    let situation = Situation {
        gun,
        is_usual_server: server.is_usual(),
        host: server.host(),
        login_name: server.login_name(),
        docker_remembers: docker_remembers(context, gun),
        now: context.now(),
    };
    advice(error, &situation)
        .into_iter()
        .fold(failure, Failure::hint)
}

fn docker_remembers(context: &Context, gun: &Gun) -> Option<String> {
    let docker = match (&context.env.docker_config, &context.env.home) {
        (Some(folder), _) => folder.clone(),
        (None, Some(home)) => home.join(".docker"),
        (None, None) => return None,
    };
    let folder = docker.join("trust");
    let is_other = context.trust_dir().is_ok_and(|used| used != folder);
    let root = folder
        .join("tuf")
        .join(gun.as_str())
        .join("metadata/root.json");
    (is_other && root.is_file()).then(|| folder.to_string_lossy().into_owned())
}

fn advice(error: &Error, situation: &Situation<'_>) -> Vec<String> {
    let mut found = Vec::new();
    match error {
        Error::Update(UpdateError::Unreachable { .. })
        | Error::Remote(RemoteError::Unreachable { .. }) => {
            if situation.is_usual_server {
                found.push(texts::no_server_configured(registry(situation.gun)));
            }
            found.extend(
                situation
                    .docker_remembers
                    .as_deref()
                    .map(texts::docker_remembers),
            );
        }
        Error::NoTrustData { .. } => {
            let mut elsewhere = name(situation.gun.as_str());
            elsewhere.extend(
                situation
                    .docker_remembers
                    .as_deref()
                    .map(texts::docker_remembers),
            );
            if elsewhere.is_empty() {
                elsewhere.push(texts::other_server(&situation.host));
            }
            found.append(&mut elsewhere);
        }
        Error::Remote(error) if error.is_refused_login() => {
            found.push(texts::login(&situation.login_name));
        }
        Error::Update(UpdateError::Refused { refusal, .. })
            if matches!(refusal.status, 401 | 403) =>
        {
            found.push(texts::login(&situation.login_name));
        }
        Error::Update(UpdateError::RememberedRoot(_)) => {
            found.push(texts::remembered_root_damaged(situation.gun.as_str()));
        }
        Error::Update(UpdateError::Rule(rule)) => found.extend(of_rule(rule, situation)),
        _ => {}
    }
    found
}

fn of_rule(rule: &RuleError, situation: &Situation<'_>) -> Option<String> {
    Some(match rule {
        RuleError::Expired { role, .. } => {
            let renewal = match role.as_str() {
                "timestamp" => texts::TIMESTAMP_RENEWAL.to_owned(),
                role => texts::renewal(role, situation.gun.as_str()),
            };
            format!("{renewal} {}", texts::clock_says(situation.now))
        }
        RuleError::Root(RootError::NoValidLeaf) => {
            texts::root_certificate(situation.gun.as_str(), situation.now)
        }
        RuleError::Root(RootError::NotPinned) => texts::NOT_PINNED.to_owned(),
        RuleError::Root(RootError::Pinning(PinningError::FirstUseDenied)) => {
            texts::first_use_denied(situation.gun.as_str())
        }
        RuleError::Root(RootError::Rotation) => texts::another_root(situation.gun.as_str()),
        RuleError::RolledBack { .. } => texts::OLDER_THAN_KNOWN.to_owned(),
        _ => return None,
    })
}

/// Tells a person how delegations are mended that were passed over.
pub(super) fn about_unusable(trusted: &TrustedRepository, gun: &Gun, context: &Context) {
    let delegations = trusted.delegations();
    trusted
        .unusable()
        .keys()
        .fold(Failure::silent(), |all, role| {
            let lacks_keys = delegations
                .iter()
                .find(|found| found.role == *role)
                .is_some_and(|found| {
                    i64::try_from(found.keys.len()).is_ok_and(|keys| keys < found.threshold)
                });
            all.hint(if lacks_keys {
                texts::role_lacks_keys(gun.as_str(), role.as_str())
            } else {
                texts::role_to_witness(gun.as_str(), role.as_str())
            })
        })
        .print_hints(&context.printer);
}

/// Whether a word is a registry, as docker tells it from the first part of a name.
fn is_registry(word: &str) -> bool {
    word.contains(['.', ':']) || word == "localhost"
}

/// The registry that a repository is named after.
fn registry(gun: &Gun) -> Option<&str> {
    let (first, _) = gun.as_str().split_once('/')?;
    is_registry(first).then_some(first)
}

/// How docker names the repository that is meant, where the name is written as people write it elsewhere.
fn name(given: &str) -> Vec<String> {
    let (folder, last) = given
        .rsplit_once('/')
        .map_or(("", given), |(folder, last)| (folder, last));
    let (last, tag) = match last.split_once(['@', ':']) {
        Some((last, tag)) if !last.is_empty() => (last, Some(tag)),
        _ => (last, None),
    };
    let plain = if folder.is_empty() {
        last.to_owned()
    } else {
        format!("{folder}/{last}")
    };
    let mut found = Vec::new();
    let dockers = docker_name(&plain);
    if let Some(tag) = tag {
        found.push(texts::name_with_tag(
            dockers.as_deref().unwrap_or(&plain),
            tag,
        ));
    } else if let Some(dockers) = dockers {
        found.push(texts::dockers_name(&dockers));
    }
    found
}

/// The name as docker's trust data have it; `None` where it is that already.
fn docker_name(given: &str) -> Option<String> {
    const ALIASES: [&str; 4] = [
        "index.docker.io",
        "registry-1.docker.io",
        "registry.hub.docker.com",
        "hub.docker.com",
    ];
    let (registry, path) = match given.split_once('/') {
        Some((first, path)) if is_registry(first) => (first, path),
        _ => ("docker.io", given),
    };
    let registry = if ALIASES.contains(&registry) {
        "docker.io"
    } else {
        registry
    };
    let name = if registry == "docker.io" && !path.contains('/') {
        format!("{registry}/library/{path}")
    } else {
        format!("{registry}/{path}")
    };
    (name != given).then_some(name)
}

/// The same failure of a name that no repository can have, with advice.
pub(super) fn after_name(failure: Failure, given: &str) -> Failure {
    let bare = given
        .split_once("://")
        .map_or(given, |(_, bare)| bare)
        .trim_end_matches('/');
    if bare != given && bare.parse::<Gun>().is_ok() {
        failure.hint(texts::name_is_no_address(bare))
    } else {
        failure
    }
}

/// What is meant by a target that nobody has signed: a tag with its repository before it.
pub(super) fn tag_of(target: &str) -> Option<&str> {
    let (_, tag) = target.rsplit_once(':')?;
    (!tag.is_empty() && !tag.contains('/')).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names are docker's: <https://docs.docker.com/reference/cli/docker/image/tag/>.
    #[test]
    fn names_become_dockers() {
        for (given, dockers) in [
            ("alpine", Some("docker.io/library/alpine")),
            ("library/alpine", Some("docker.io/library/alpine")),
            ("docker.io/alpine", Some("docker.io/library/alpine")),
            (
                "index.docker.io/library/alpine",
                Some("docker.io/library/alpine"),
            ),
            ("registry-1.docker.io/team/app", Some("docker.io/team/app")),
            ("team/app", Some("docker.io/team/app")),
            ("docker.io/library/alpine", None),
            ("registry.example.com/app", None),
            ("localhost/app", None),
            ("localhost:5000/team/app", None),
        ] {
            assert_eq!(docker_name(given).as_deref(), dockers, "{given}");
        }
    }

    #[test]
    fn a_tag_is_no_part_of_a_name() {
        for (given, plain, tag) in [
            ("alpine:3.20", "docker.io/library/alpine", "3.20"),
            (
                "registry.example.com/team/app:v1",
                "registry.example.com/team/app",
                "v1",
            ),
            ("localhost:5000/app:v1", "localhost:5000/app", "v1"),
        ] {
            assert_eq!(name(given), [texts::name_with_tag(plain, tag)]);
        }
        assert!(name("localhost:5000/app").is_empty());
        assert_eq!(tag_of("alpine:3.20"), Some("3.20"));
        assert_eq!(tag_of("localhost:5000/app"), None);
        assert_eq!(tag_of("v1"), None);
    }

    #[test]
    fn every_advice_is_for_its_error() {
        let gun: Gun = "registry.example.com/app".parse().unwrap();
        let situation = Situation {
            gun: &gun,
            is_usual_server: true,
            host: "notary.example.com".to_owned(),
            login_name: "notary.example.com".to_owned(),
            docker_remembers: Some("/home/jeff/.docker/trust".to_owned()),
            now: time::macros::datetime!(2026-11-23 08:00 UTC),
        };
        let rule = |rule: RuleError| advice(&Error::Update(UpdateError::Rule(rule)), &situation);
        let root = |error: RootError| rule(RuleError::Root(error));
        for (found, part) in [
            (
                root(RootError::Rotation),
                "notary delete registry.example.com/app",
            ),
            (root(RootError::NotPinned), "trust_pinning"),
            (
                root(RootError::Pinning(PinningError::FirstUseDenied)),
                "disable_tofu",
            ),
            (root(RootError::NoValidLeaf), "2026-11-23T08:00:00Z"),
            (
                rule(RuleError::RolledBack {
                    role: "targets".parse().unwrap(),
                    received: 4,
                    trusted: 5,
                }),
                "older",
            ),
        ] {
            assert!(
                found.len() == 1 && found.concat().contains(part),
                "{part}: {found:?}"
            );
        }
        let unreachable = || {
            Error::Remote(RemoteError::Unreachable {
                message: String::new(),
            })
        };
        assert_eq!(advice(&unreachable(), &situation).len(), 2);
        let configured = Situation {
            is_usual_server: false,
            docker_remembers: None,
            ..situation
        };
        assert!(advice(&unreachable(), &configured).is_empty());
        let unknown = Error::NoTrustData {
            server: "s".to_owned(),
            gun: gun.clone(),
        };
        assert_eq!(
            advice(&unknown, &configured),
            [texts::other_server("notary.example.com")]
        );
    }
}
