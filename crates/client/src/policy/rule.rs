//! What one rule of a policy file says. Reading is strict: unknown members, `null`, repeated members and values that
//! demand nothing are refused.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use signet_archive::Source;
use signet_tuf::{FirstUse, KeyId};
use url::Url;

use super::signers::{Choice, SignerName, SignerRule};

/// Most root certificates, or signers, in one list.
const MAX_LIST: usize = 64;

/// What a file demands of the repositories that one prefix covers. Absent members demand nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// The trust server to ask.
    pub server: Option<Url>,
    /// Where archives may have been captured, besides at `server`.
    pub archives_from: Option<Vec<ArchiveSource>>,
    /// What the root must be signed with.
    pub root: Option<RootPins>,
    /// Whether a root that nothing pins may be trusted because it is the first one seen.
    pub first_use: Option<FirstUse>,
    /// Who must have signed a tag.
    pub signers: Option<SignerRule>,
    /// Whether an answer may rest on what the server said before.
    pub cached_data: Option<CachedData>,
}

/// What the root must be signed with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RootPins {
    /// Certificates with these key IDs.
    Certificates(Vec<KeyId>),
    /// Certificates that a certificate in this PEM file has issued.
    Ca(PathBuf),
}

/// Where an archive was captured, as its record says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ArchiveSource {
    /// A trust server.
    Server(Url),
    /// A trust server's database, or a dump of it.
    Database,
    /// The trust folder of docker or notary.
    TrustFolder,
}

impl ArchiveSource {
    /// Whether `source` is this one. Servers are compared by scheme, host, port and path.
    pub(super) fn is(&self, source: &Source) -> bool {
        match (self, source) {
            (Self::Server(url), Source::Server { address }) => {
                let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
                Url::parse(address).is_ok_and(|address| {
                    address.origin().is_tuple()
                        && address.origin() == url.origin()
                        && path(&address) == path(url)
                })
            }
            (Self::Database, Source::Database { .. })
            | (Self::TrustFolder, Source::TrustFolder) => true,
            _ => false,
        }
    }
}

impl fmt::Display for ArchiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(url) => url.fmt(f),
            Self::Database => f.write_str("a database"),
            Self::TrustFolder => f.write_str("a trust folder"),
        }
    }
}

/// What to do while the server cannot be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CachedData {
    /// Use what it said before, as long as that is valid.
    Allow,
    /// Refuse.
    Refuse,
}

/// The members as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "server")]
    server: Option<Url>,
    #[serde(default, deserialize_with = "archive_sources")]
    archives_from: Option<Vec<ArchiveSource>>,
    #[serde(default, deserialize_with = "certificates")]
    root_certificates: Option<Vec<KeyId>>,
    #[serde(default, deserialize_with = "path")]
    root_ca: Option<PathBuf>,
    #[serde(default, deserialize_with = "present")]
    first_use: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    signers: Option<SignerRule>,
    #[serde(default, deserialize_with = "present")]
    cached_data: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSigners {
    #[serde(default, deserialize_with = "names")]
    all_of: Option<Vec<SignerName>>,
    #[serde(default, deserialize_with = "present")]
    at_least: Option<u16>,
    #[serde(default, deserialize_with = "names")]
    of: Option<Vec<SignerName>>,
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written: Written = object(from)?;
        let root = match (written.root_certificates, written.root_ca) {
            (Some(_), Some(_)) => {
                return Err(D::Error::custom(
                    "root_certificates and root_ca exclude each other",
                ));
            }
            (Some(ids), None) => Some(RootPins::Certificates(ids)),
            (None, Some(path)) => Some(RootPins::Ca(path)),
            (None, None) => None,
        };
        if root.is_some() && written.first_use == Some(true) {
            return Err(D::Error::custom(
                "first_use cannot be true where the root is pinned",
            ));
        }
        Ok(Self {
            server: written.server,
            archives_from: written.archives_from,
            root,
            first_use: written.first_use.map(|allowed| {
                if allowed {
                    FirstUse::Allow
                } else {
                    FirstUse::Deny
                }
            }),
            signers: written.signers,
            cached_data: written.cached_data.map(|allowed| {
                if allowed {
                    CachedData::Allow
                } else {
                    CachedData::Refuse
                }
            }),
        })
    }
}

impl<'de> Deserialize<'de> for SignerRule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written: WrittenSigners = object(from)?;
        let any = match (written.at_least, written.of) {
            (Some(at_least), Some(of)) => {
                let at_least = usize::from(at_least);
                if at_least == 0 || at_least > of.len() {
                    return Err(D::Error::custom(format!(
                        "at_least must be between 1 and the {} signers of \"of\"",
                        of.len()
                    )));
                }
                Some(Choice { at_least, of })
            }
            (None, None) => None,
            _ => return Err(D::Error::custom("at_least and of go together")),
        };
        if any.is_none() && written.all_of.is_none() {
            return Err(D::Error::custom(
                "signers must say all_of, or at_least and of",
            ));
        }
        Ok(Self {
            all_of: written.all_of.unwrap_or_default(),
            any,
        })
    }
}

/// An object, and nothing else: derived readers take a list of the members' values as well.
pub(super) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    from.deserialize_map(Object(PhantomData))
}

/// A member that is there has a value: `null` is none.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn server<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(from)?;
    let wrong = || D::Error::custom("server must be https://host[:port][/path]");
    plain(&text, &["https"]).map(Some).ok_or_else(wrong)
}

/// An address with host, port and path, and nothing else.
fn plain(text: &str, schemes: &[&str]) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = schemes.contains(&url.scheme())
        && url.host_str().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

fn archive_sources<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Vec<ArchiveSource>>, D::Error> {
    list(from, |text| match text {
        "database" => Ok(ArchiveSource::Database),
        "trust-folder" => Ok(ArchiveSource::TrustFolder),
        // What is looked at later need not have come over TLS: the archivist vouches for it, or nobody.
        address => plain(address, &["https", "http"])
            .map(ArchiveSource::Server)
            .ok_or("archives are from a server's address, \"database\" or \"trust-folder\""),
    })
}

fn path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() || text.contains('\0') {
        return Err(D::Error::custom("root_ca must name a file"));
    }
    Ok(Some(text.into()))
}

fn certificates<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<KeyId>>, D::Error> {
    list(from, |text| {
        text.parse()
            .map_err(|_| "a root certificate is named by its key ID, 64 lower-case hex digits")
    })
}

fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<SignerName>>, D::Error> {
    list(from, |text| {
        SignerName::parse(text).map_err(|_| "not a signer's name")
    })
}

/// A list that says something, and nothing twice.
fn list<'de, T: PartialEq, D: Deserializer<'de>>(
    from: D,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Option<Vec<T>>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    if texts.is_empty() || texts.len() > MAX_LIST {
        return Err(D::Error::custom(format!(
            "a list must have between 1 and {MAX_LIST} entries"
        )));
    }
    let mut found = Vec::with_capacity(texts.len());
    for text in &texts {
        let value = parse(text).map_err(|why| D::Error::custom(format!("{text:?}: {why}")))?;
        if found.contains(&value) {
            return Err(D::Error::custom(format!("{text:?} is listed twice")));
        }
        found.push(value);
    }
    Ok(Some(found))
}
