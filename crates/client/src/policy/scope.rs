//! Which repositories a rule is about: a registry, or a registry with the beginning of a path.

use std::net::Ipv6Addr;

use signet_tuf::Gun;

const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_BEFORE: &str = "index.docker.io";
const OFFICIAL: &str = "library";
const MAX_SCOPE_BYTES: usize = 512;

/// A prefix of repository names, ending where a part of the name ends. The empty prefix, written `*`, is all.
///
/// The registry's name counts in lower case and without the port 443, so that nobody leaves a rule by spelling it
/// another way.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Scope {
    parts: Vec<String>,
}

/// A text that is no [`Scope`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidScope {
    /// The first part is no registry.
    #[error("the first part must be a registry, for Docker Hub docker.io")]
    NoRegistry,
    /// Something after the first `/` is no path of a repository.
    #[error(
        "a registry is followed by lower-case names with / between them, without tag, digest or * at the end"
    )]
    Path,
    /// Longer than any name.
    #[error("longer than {MAX_SCOPE_BYTES} bytes")]
    TooLong,
}

impl Scope {
    /// Reads `*`, or `registry[:port][/path]`.
    ///
    /// # Errors
    /// [`InvalidScope`].
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        if text == "*" {
            return Ok(Self { parts: Vec::new() });
        }
        if text.len() > MAX_SCOPE_BYTES {
            return Err(InvalidScope::TooLong);
        }
        let mut parts = text.split('/');
        let registry = parts.next().unwrap_or_default();
        if !is_registry(registry) {
            return Err(InvalidScope::NoRegistry);
        }
        let parts: Vec<String> = std::iter::once(registry_name(registry))
            .chain(parts.map(str::to_owned))
            .collect();
        if !parts.iter().skip(1).all(|part| is_path_part(part)) {
            return Err(InvalidScope::Path);
        }
        Ok(Self { parts })
    }

    /// How many parts of the repository's name the scope covers; `None` when it is about others.
    #[must_use]
    pub fn covers(&self, gun: &Gun) -> Option<usize> {
        let name = gun_parts(gun);
        if name.len() >= self.parts.len() && name.iter().zip(&self.parts).all(|(a, b)| a == b) {
            return Some(self.parts.len());
        }
        // `docker.io/alpine` is written for `docker.io/library/alpine`.
        let official = matches!(
            (name.as_slice(), self.parts.as_slice()),
            ([hub, library, image], [own_hub, own_image])
                if hub == DOCKER_HUB && own_hub == hub && library == OFFICIAL && own_image == image
        );
        official.then_some(name.len())
    }

    /// Whether this is `other` in another spelling.
    pub(super) fn is_same_repositories(&self, other: &Self) -> bool {
        let short_and_full = |short: &Self, full: &Self| {
            matches!(
                (short.parts.as_slice(), full.parts.as_slice()),
                ([hub, image], [full_hub, library, full_image])
                    if hub == DOCKER_HUB && full_hub == hub && library == OFFICIAL && image == full_image
            )
        };
        self == other || short_and_full(self, other) || short_and_full(other, self)
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.parts.is_empty() {
            f.write_str("*")
        } else {
            f.write_str(&self.parts.join("/"))
        }
    }
}

fn gun_parts(gun: &Gun) -> Vec<String> {
    let mut parts = gun.as_str().split('/');
    let registry = registry_name(parts.next().unwrap_or_default());
    std::iter::once(registry)
        .chain(parts.map(str::to_owned))
        .collect()
}

/// A registry's host and port in the one spelling that is compared.
fn registry_name(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let (host, port) = split_port(&lower);
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .and_then(|host| host.parse::<Ipv6Addr>().ok())
        .map_or_else(|| host.to_owned(), |address| format!("[{address}]"));
    match port.map(|port| port.trim_start_matches('0')) {
        None | Some("443") if host == DOCKER_HUB_BEFORE => DOCKER_HUB.to_owned(),
        None | Some("443") => host,
        Some(port) => format!("{host}:{port}"),
    }
}

/// Host and port of `host[:port]`, where the host may be an IPv6 address in brackets.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

/// Docker takes the first part of a name for a registry when it could be nothing else.
fn is_registry(text: &str) -> bool {
    let (host, port) = split_port(text);
    let recognised = text.contains(['.', ':'])
        || text.eq_ignore_ascii_case("localhost")
        || text.bytes().any(|byte| byte.is_ascii_uppercase());
    let plain = |host: &str| {
        host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_ok = bracketed.map_or_else(|| plain(host), |host| host.parse::<Ipv6Addr>().is_ok());
    recognised && host_ok && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_path_part(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes
            .iter()
            .all(|byte| alphanumeric(byte) || b"._-".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(scope: &str, gun: &str) -> Option<usize> {
        Scope::parse(scope).unwrap().covers(&gun.parse().unwrap())
    }

    #[test]
    fn a_prefix_ends_where_a_part_of_the_name_ends() {
        assert_eq!(covers("*", "registry.example.com/admin"), Some(0));
        assert_eq!(covers("r.example.com", "r.example.com/admin"), Some(1));
        assert_eq!(
            covers("r.example.com/admin", "r.example.com/admin"),
            Some(2)
        );
        assert_eq!(
            covers("r.example.com/admin", "r.example.com/admin/x"),
            Some(2)
        );
        for other in [
            "r.example.com/administrator",
            "r.example.com/adm",
            "r.example.com/x/admin",
            "r.example.com.evil.org/admin",
            "r.example.com:5000/admin",
            "evil.org/r.example.com/admin",
        ] {
            assert_eq!(covers("r.example.com/admin", other), None, "{other}");
        }
        assert_eq!(covers("r.example.com/adm", "r.example.com/admin"), None);
    }

    #[test]
    fn another_spelling_is_the_same_registry() {
        for (scope, gun) in [
            ("r.example.com", "R.Example.COM/x"),
            ("R.Example.com", "r.example.com/x"),
            ("r.example.com", "r.example.com:443/x"),
            ("r.example.com:443", "r.example.com/x"),
            ("r.example.com:5000", "r.example.com:05000/x"),
            ("index.docker.io", "docker.io/library/alpine"),
            ("docker.io", "index.docker.io/library/alpine"),
            ("[0:0::1]:5000", "[::1]:5000/x"),
        ] {
            assert_eq!(covers(scope, gun), Some(1), "{scope} {gun}");
        }
        assert_eq!(covers("r.example.com:5000", "r.example.com/x"), None);
    }

    #[test]
    fn an_official_image_has_two_names() {
        assert_eq!(
            covers("docker.io/alpine", "docker.io/library/alpine"),
            Some(3)
        );
        assert_eq!(
            covers("docker.io/library/alpine", "docker.io/library/alpine"),
            Some(3)
        );
        assert_eq!(covers("docker.io/myorg", "docker.io/myorg/app"), Some(2));
        assert_eq!(
            covers("docker.io/alpine", "docker.io/library/alpine/x"),
            None
        );
        assert_eq!(covers("docker.io/alpine", "docker.io/library/alpin"), None);
        assert_eq!(
            covers("r.example.com/alpine", "r.example.com/library/alpine"),
            None
        );
    }

    #[test]
    fn what_could_be_misunderstood_is_refused() {
        use InvalidScope::{NoRegistry, Path};
        for (text, error) in [
            ("", NoRegistry),
            ("alpine", NoRegistry),
            ("myorg/app", NoRegistry),
            ("https://r.example.com", NoRegistry),
            ("*.example.com", NoRegistry),
            ("r.example.com:0", NoRegistry),
            ("r.example.com:99999", NoRegistry),
            (".", NoRegistry),
            ("r..com", NoRegistry),
            ("r.example.com/", Path),
            ("r.example.com/*", Path),
            ("r.example.com/team*", Path),
            ("r.example.com/Team", Path),
            ("r.example.com//x", Path),
            ("r.example.com/x:1.0", Path),
            ("r.example.com/x@sha256:00", Path),
            ("r.example.com/../x", Path),
        ] {
            assert_eq!(Scope::parse(text).unwrap_err(), error, "{text:?}");
        }
    }
}
