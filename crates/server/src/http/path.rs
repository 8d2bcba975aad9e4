//! From a method and a path to a route (specification, `server.md` section 3).
//!
//! A GUN contains slashes and so does the name of a delegation, therefore the path is read by hand from its last
//! `/_trust/`. What is read is the percent-decoded path, so that `%2F` in a GUN equals `/`.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::{Method, Uri};
use signet_tuf::{BaseRole, RoleName};

/// What a request asks for. GUNs are as written: not yet checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// `GET /v2/`: is anyone there, and how does one log in?
    Ping,
    /// `POST /v2/{gun}/_trust/tuf/`.
    Update {
        /// The repository.
        gun: String,
    },
    /// `GET /v2/{gun}/_trust/tuf/….json`.
    Metadata {
        /// The repository.
        gun: String,
        /// The role; `None` when no role can have that name.
        role: Option<RoleName>,
        /// Which copy of its document.
        name: MetadataName,
    },
    /// `GET /v2/{gun}/_trust/tuf/{role}.key`.
    GetKey {
        /// The repository.
        gun: String,
        /// Whose key.
        role: ManagedRole,
    },
    /// `POST /v2/{gun}/_trust/tuf/{role}.key`.
    RotateKey {
        /// The repository.
        gun: String,
        /// Whose key.
        role: ManagedRole,
    },
    /// `DELETE /v2/{gun}/_trust/tuf/`.
    Delete {
        /// The repository.
        gun: String,
    },
    /// `POST /v2/{gun}/_trust/import`: a repository with its history, from an archive.
    Import {
        /// The repository.
        gun: String,
    },
    /// `GET /v2/[{gun}/]_trust/changefeed`.
    Changefeed {
        /// The repository; all of them without one.
        gun: Option<String>,
    },
    /// `GET /_notary_server/health`: answered by the program around the service.
    Health,
    /// `GET /metrics`: answered by the program around the service.
    Metrics,
    /// A path that is not in its shortest form, and where that is.
    Redirect {
        /// The clean path with its query.
        location: String,
    },
    /// Nothing is there.
    NotFound,
    /// No path has this method; what the path of the request has instead.
    MethodNotAllowed {
        /// Value of `Allow`.
        allow: &'static str,
    },
    /// The path is not a path.
    Malformed,
}

/// A role whose keys the server can hold.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ManagedRole {
    /// By the publisher's choice.
    Snapshot,
    /// Always.
    Timestamp,
}

impl ManagedRole {
    /// The role.
    #[must_use]
    pub const fn base(self) -> BaseRole {
        match self {
            Self::Snapshot => BaseRole::Snapshot,
            Self::Timestamp => BaseRole::Timestamp,
        }
    }
}

/// Which copy of a role's document is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MetadataName {
    /// The current one.
    Current,
    /// By checksum: 64, 96 or 128 hex digits, as written.
    Checksum(String),
    /// By version: decimal digits, as written.
    Version(String),
}

/// What is counted and logged as one kind of request. The names are those of the Go server.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Operation {
    /// Either changefeed.
    Changefeed,
    /// Deletion of a repository.
    DeleteTuf,
    /// Fetching a public key.
    GetKey,
    /// A current document.
    GetRole,
    /// A document by checksum.
    GetRoleByHash,
    /// A document by version.
    GetRoleByVersion,
    /// Taking over a repository from an archive; the Go server has no such thing.
    Import,
    /// Rotation of a key.
    RotateKey,
    /// An update.
    UpdateTuf,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::UpdateTuf,
        Self::GetRoleByHash,
        Self::GetRoleByVersion,
        Self::GetRole,
        Self::GetKey,
        Self::RotateKey,
        Self::DeleteTuf,
        Self::Changefeed,
        Self::Import,
    ];

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changefeed => "Changefeed",
            Self::DeleteTuf => "DeleteTUF",
            Self::GetKey => "GetKey",
            Self::GetRole => "GetRole",
            Self::GetRoleByHash => "GetRoleByHash",
            Self::GetRoleByVersion => "GetRoleByVersion",
            Self::Import => "Import",
            Self::RotateKey => "RotateKey",
            Self::UpdateTuf => "UpdateTUF",
        }
    }
}

const TRUST: &str = "/_trust/";

impl Route {
    /// Reads a request's method and path.
    #[must_use]
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let Some(path) = percent_decode(uri.path()) else {
            return Self::Malformed;
        };
        if let Some(clean) = clean(&path) {
            return Self::Redirect {
                location: location(&clean, uri.query()),
            };
        }
        match *method {
            // HEAD is GET without a body, where there is anything to get.
            Method::GET => Self::of_get(&path),
            Method::HEAD => match Self::of_get(&path) {
                route @ (Self::Ping | Self::Metadata { .. } | Self::Health) => route,
                _ => Self::NotFound,
            },
            Method::POST => match split(&path, "tuf/") {
                Some(gun) => Self::Update { gun },
                None => match key_path(&path) {
                    Some((gun, role)) => Self::RotateKey { gun, role },
                    None => {
                        split(&path, "import").map_or(Self::NotFound, |gun| Self::Import { gun })
                    }
                },
            },
            Method::DELETE => {
                split(&path, "tuf/").map_or(Self::NotFound, |gun| Self::Delete { gun })
            }
            Method::PUT => Self::NotFound,
            _ => Self::MethodNotAllowed {
                allow: allowed(&path),
            },
        }
    }

    fn of_get(path: &str) -> Self {
        match path {
            "/v2/" => return Self::Ping,
            "/_notary_server/health" => return Self::Health,
            "/metrics" => return Self::Metrics,
            "/v2/_trust/changefeed" => return Self::Changefeed { gun: None },
            _ => {}
        }
        if let Some(route) = metadata_path(path) {
            return route;
        }
        if let Some((gun, role)) = key_path(path) {
            return Self::GetKey { gun, role };
        }
        match split(path, "changefeed") {
            Some(gun) => Self::Changefeed { gun: Some(gun) },
            None => Self::NotFound,
        }
    }

    /// What this is counted as; `None` for what is not counted.
    #[must_use]
    pub const fn operation(&self) -> Option<Operation> {
        match self {
            Self::Update { .. } => Some(Operation::UpdateTuf),
            Self::Metadata { name, .. } => Some(match name {
                MetadataName::Current => Operation::GetRole,
                MetadataName::Checksum(_) => Operation::GetRoleByHash,
                MetadataName::Version(_) => Operation::GetRoleByVersion,
            }),
            Self::GetKey { .. } => Some(Operation::GetKey),
            Self::RotateKey { .. } => Some(Operation::RotateKey),
            Self::Delete { .. } => Some(Operation::DeleteTuf),
            Self::Import { .. } => Some(Operation::Import),
            Self::Changefeed { .. } => Some(Operation::Changefeed),
            Self::Ping
            | Self::Health
            | Self::Metrics
            | Self::Redirect { .. }
            | Self::NotFound
            | Self::MethodNotAllowed { .. }
            | Self::Malformed => None,
        }
    }

    /// The repository that is asked about, as written.
    #[must_use]
    pub fn gun(&self) -> Option<&str> {
        match self {
            Self::Update { gun }
            | Self::Metadata { gun, .. }
            | Self::GetKey { gun, .. }
            | Self::RotateKey { gun, .. }
            | Self::Delete { gun }
            | Self::Import { gun }
            | Self::Changefeed { gun: Some(gun) } => Some(gun),
            Self::Changefeed { gun: None }
            | Self::Ping
            | Self::Health
            | Self::Metrics
            | Self::Redirect { .. }
            | Self::NotFound
            | Self::MethodNotAllowed { .. }
            | Self::Malformed => None,
        }
    }
}

/// The GUN and what follows each `/_trust/` of a path, the last one first: a GUN may itself contain one.
fn splits(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let rest = path.strip_prefix("/v2/").unwrap_or_default();
    rest.rmatch_indices(TRUST).filter_map(move |(at, _)| {
        let (gun, tail) = (rest.get(..at)?, rest.get(at + TRUST.len()..)?);
        (!gun.is_empty() && !gun.contains('*')).then_some((gun, tail))
    })
}

/// The GUN of a path that ends in `/_trust/<tail>`.
fn split(path: &str, tail: &str) -> Option<String> {
    splits(path).find_map(|(gun, found)| (found == tail).then(|| gun.to_owned()))
}

fn key_path(path: &str) -> Option<(String, ManagedRole)> {
    splits(path).find_map(|(gun, tail)| {
        let role = match tail {
            "tuf/snapshot.key" => ManagedRole::Snapshot,
            "tuf/timestamp.key" => ManagedRole::Timestamp,
            _ => return None,
        };
        Some((gun.to_owned(), role))
    })
}

fn metadata_path(path: &str) -> Option<Route> {
    splits(path).find_map(|(gun, tail)| {
        let file = tail.strip_prefix("tuf/")?.strip_suffix(".json")?;
        let (role, name) = metadata_name(file)?;
        Some(Route::Metadata {
            gun: gun.to_owned(),
            role: role.parse().ok(),
            name,
        })
    })
}

/// Splits a file's name: checksums are tried first, then versions.
fn metadata_name(file: &str) -> Option<(&str, MetadataName)> {
    if let Some((role, hash)) = file.rsplit_once('.')
        && matches!(hash.len(), 64 | 96 | 128)
        && hash.bytes().all(|b| b.is_ascii_hexdigit())
        && is_role(role)
    {
        return Some((role, MetadataName::Checksum(hash.to_owned())));
    }
    if let Some((version, role)) = file.split_once('.')
        && !version.is_empty()
        && version.bytes().all(|b| b.is_ascii_digit())
        && is_role(role)
    {
        return Some((role, MetadataName::Version(version.to_owned())));
    }
    is_role(file).then_some((file, MetadataName::Current))
}

/// What the path accepts as a role: `root`, `snapshot`, `timestamp` or `targets(/[^/\s]+)*`.
fn is_role(name: &str) -> bool {
    match name {
        "root" | "snapshot" | "timestamp" | "targets" => true,
        _ => name.strip_prefix("targets/").is_some_and(|rest| {
            rest.split('/')
                .all(|segment| !segment.is_empty() && !segment.contains(char::is_whitespace))
        }),
    }
}

fn allowed(path: &str) -> &'static str {
    if split(path, "tuf/").is_some() {
        return "POST, DELETE";
    }
    if split(path, "import").is_some() {
        return "POST";
    }
    match Route::of_get(path) {
        Route::Ping | Route::Metadata { .. } | Route::Health => "GET, HEAD",
        Route::GetKey { .. } => "GET, POST",
        _ => "GET",
    }
}

/// Undoes percent-encoding; `None` for a broken escape or what is not UTF-8.
pub(super) fn percent_decode(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| char::from(b?).to_digit(16);
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// The shortest form of a path, when it is another: `//`, `/./` and `/../` resolved, a trailing slash kept.
fn clean(path: &str) -> Option<String> {
    let is_clean = path.starts_with('/')
        && path
            .strip_suffix('/')
            .unwrap_or(path)
            .split('/')
            .skip(1)
            .all(|segment| !matches!(segment, "" | "." | ".."));
    if is_clean {
        return None;
    }
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut out = String::with_capacity(path.len() + 1);
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    // A path that ends in "/." or "/.." names a folder too, but Go keeps a slash only where it was written.
    if out.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    (out != path).then_some(out)
}

fn location(path: &str, query: Option<&str>) -> String {
    let mut out = String::with_capacity(path.len() + 16);
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'='
            | b'@' => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> Route {
        Route::of(&method.parse().unwrap(), &path.parse().unwrap())
    }

    fn current(gun: &str, role: &str) -> Route {
        Route::Metadata {
            gun: gun.to_owned(),
            role: role.parse().ok(),
            name: MetadataName::Current,
        }
    }

    #[test]
    fn the_last_trust_separates() {
        assert_eq!(
            route("GET", "/v2/docker.io/library/x/_trust/tuf/root.json"),
            current("docker.io/library/x", "root")
        );
        assert_eq!(
            route("GET", "/v2/a/_trust/tuf/b/_trust/tuf/targets/r/s.json"),
            current("a/_trust/tuf/b", "targets/r/s")
        );
        // A delegation may be called that, too.
        assert_eq!(
            route("GET", "/v2/a/_trust/tuf/targets/_trust/x.json"),
            current("a", "targets/_trust/x")
        );
        assert_eq!(
            route("POST", "/v2/a%2Fb/_trust/tuf/"),
            Route::Update {
                gun: "a/b".to_owned()
            }
        );
    }

    #[test]
    fn names_are_tried_as_checksum_then_version() {
        let hash = "Ab".repeat(32);
        let by_hash = |role: &str| Route::Metadata {
            gun: "a".to_owned(),
            role: role.parse().ok(),
            name: MetadataName::Checksum(hash.clone()),
        };
        let path = |file: &str| format!("/v2/a/_trust/tuf/{file}.json");
        assert_eq!(
            route("GET", &path(&format!("targets/x.{hash}"))),
            by_hash("targets/x")
        );
        assert_eq!(
            route("GET", &path(&format!("root.{hash}"))),
            by_hash("root")
        );
        for version in ["0", "01", "12", "99999999999999999999"] {
            assert_eq!(
                route("GET", &path(&format!("{version}.root"))),
                Route::Metadata {
                    gun: "a".to_owned(),
                    role: "root".parse().ok(),
                    name: MetadataName::Version(version.to_owned()),
                }
            );
        }
        for nothing in [
            "-1.root",
            "bogus",
            "targets/",
            "targets/a b",
            ".root",
            &format!("root.{}", "a".repeat(63)),
        ] {
            let path = path(&nothing.replace(' ', "%20"));
            assert_eq!(route("GET", &path), Route::NotFound, "{nothing}");
        }
        // Routed, though no role is called that.
        assert_eq!(
            route("GET", &path("targets/A.b")),
            current("a", "targets/A.b")
        );
    }

    #[test]
    fn other_paths_and_methods() {
        for (method, path, expected) in [
            ("GET", "/v2/", Route::Ping),
            ("HEAD", "/v2/", Route::Ping),
            ("GET", "/v2", Route::NotFound),
            ("GET", "/", Route::NotFound),
            ("PUT", "/v2/a/_trust/tuf/", Route::NotFound),
            ("GET", "/v2/a/_trust/tuf/", Route::NotFound),
            ("POST", "/v2/a/_trust/tuf", Route::NotFound),
            ("HEAD", "/v2/a/_trust/changefeed", Route::NotFound),
            ("GET", "/v2/a*b/_trust/tuf/root.json", Route::NotFound),
            ("GET", "/v2/_trust/tuf/root.json", Route::NotFound),
            ("GET", "/v2/a/_trust/tuf/root.key", Route::NotFound),
            (
                "GET",
                "/v2/_trust/changefeed",
                Route::Changefeed { gun: None },
            ),
            ("GET", "/v2/a/_trust/import", Route::NotFound),
            (
                "POST",
                "/v2/a/_trust/tuf/b/_trust/import",
                Route::Import {
                    gun: "a/_trust/tuf/b".to_owned(),
                },
            ),
            ("GET", "/metrics", Route::Metrics),
            ("HEAD", "/_notary_server/health", Route::Health),
            ("GET", "/v2/%zz/_trust/changefeed", Route::Malformed),
            ("GET", "/v2/%ff/_trust/changefeed", Route::Malformed),
        ] {
            assert_eq!(route(method, path), expected, "{method} {path}");
        }
        for (path, allow) in [
            ("/v2/", "GET, HEAD"),
            ("/v2/a/_trust/tuf/", "POST, DELETE"),
            ("/v2/a/_trust/import", "POST"),
            ("/v2/a/_trust/tuf/snapshot.key", "GET, POST"),
        ] {
            assert_eq!(route("PATCH", path), Route::MethodNotAllowed { allow });
        }
    }

    #[test]
    fn unclean_paths_are_redirected() {
        for (path, clean) in [
            ("/v2//", "/v2/"),
            ("/v2//a/_trust/tuf/root.json", "/v2/a/_trust/tuf/root.json"),
            ("/v2/a/../b?x=1", "/v2/b?x=1"),
            ("/v2/./", "/v2/"),
            ("/../..", "/"),
            ("/v2/a%2F%2Fb/%2e%2e/", "/v2/a/"),
            ("//evil.example/..", "/"),
            ("/a//%5C%3F%C3%A9", "/a/%5C%3F%C3%A9"),
        ] {
            let location = clean.to_owned();
            assert_eq!(route("GET", path), Route::Redirect { location }, "{path}");
        }
    }
}
