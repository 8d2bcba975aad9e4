//! docker's `config.json`, read and never written.
//!
//! A file that cannot be used is no error: docker warns and goes on without it, and so do we. Only what concerns
//! registries is read; everything else in the file is docker's own business.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

pub use crate::files::GoIoError;
use crate::{base64, files, go_json};

/// Largest `config.json` that is read, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 10 << 20;

const FILE_NAME: &str = "config.json";

/// What docker's configuration directory says about registries.
///
/// The default value is the one of an empty directory.
#[derive(Debug, Default)]
pub struct DockerConfig {
    dir: PathBuf,
    pub(crate) auths: BTreeMap<String, StoredAuth>,
    pub(crate) creds_store: Option<String>,
    pub(crate) cred_helpers: BTreeMap<String, String>,
    http_headers: BTreeMap<String, String>,
    current_context: Option<String>,
}

/// One entry of `auths`. Empty texts are absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredAuth {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) identity_token: Option<SecretString>,
}

/// Why `config.json` was ignored. docker prints it behind `WARNING: `.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// The file is there and cannot be opened.
    #[error("Error loading config file: {0}")]
    Unopened(GoIoError),
    /// The file's content cannot be used.
    #[error("Error parsing config file ({}): {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: ConfigFault,
    },
}

/// What is wrong with the content of `config.json` or of `DOCKER_AUTH_CONFIG`. The texts are docker's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// `auth` is not base64.
    #[error("illegal base64 data at input byte {at}")]
    AuthNotBase64 {
        /// Offset of the first byte that cannot be.
        at: usize,
    },
    /// `auth` is base64, but not of `user:password`.
    #[error("Invalid auth configuration file")]
    AuthWithoutUser,
    /// An entry of `DOCKER_AUTH_CONFIG` has no `auth`.
    #[error("DOCKER_AUTH_CONFIG environment variable is missing key `auth` for {key}")]
    MissingAuth {
        /// The entry.
        key: String,
    },
    /// Something follows the value of `DOCKER_AUTH_CONFIG`.
    #[error("DOCKER_AUTH_CONFIG does not support more than one JSON object")]
    MoreThanOne,
    /// The file cannot be read.
    #[error(transparent)]
    Read(GoIoError),
    /// It is not JSON.
    #[error("{0}")]
    Syntax(JsonSyntax),
    /// It is larger than [`MAX_CONFIG_BYTES`].
    #[error("larger than {MAX_CONFIG_BYTES} bytes")]
    TooLarge,
    /// `DOCKER_AUTH_CONFIG` has a member it may not have.
    #[error("json: unknown field {name:?}")]
    UnknownField {
        /// The member.
        name: String,
    },
    /// A member has a value of another kind than docker expects.
    #[error("json: cannot unmarshal {found} into Go {place}")]
    WrongType {
        /// Kind of the value found.
        found: &'static str,
        /// Where it was found and what belongs there, in Go's words.
        place: &'static str,
    },
}

/// Why a text is not JSON, in Go's words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JsonSyntax(SyntaxFault);

#[derive(Debug, thiserror::Error)]
enum SyntaxFault {
    #[error("{0}")]
    Go(#[from] go_json::SyntaxError),
    /// What Go lets through and we do not, for example half a surrogate pair in a name.
    #[error("{0}")]
    Ours(#[from] serde_json::Error),
}

impl DockerConfig {
    /// Reads `config.json` in `dir`. Without the file, and with one that cannot be used, the configuration is empty.
    #[must_use]
    pub fn load(dir: &Path) -> (Self, Option<ConfigWarning>) {
        let empty = || Self {
            dir: dir.to_owned(),
            ..Self::default()
        };
        let path = dir.join(FILE_NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return (empty(), None),
            Err(e) => {
                let warning = ConfigWarning::Unopened(GoIoError::new("open", &path, e));
                return (empty(), Some(warning));
            }
        };
        let read = files::read_bounded(&file, &path, MAX_CONFIG_BYTES)
            .map_err(ConfigFault::Read)
            .and_then(|text| Self::parse(&text.ok_or(ConfigFault::TooLarge)?));
        match read {
            Ok(config) => (
                Self {
                    dir: dir.to_owned(),
                    ..config
                },
                None,
            ),
            Err(reason) => (empty(), Some(ConfigWarning::Unusable { path, reason })),
        }
    }

    /// The configuration directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Headers that docker adds to requests to its daemon.
    #[must_use]
    pub const fn http_headers(&self) -> &BTreeMap<String, String> {
        &self.http_headers
    }

    /// The docker context in use, where flags and environment name none.
    #[must_use]
    pub fn current_context(&self) -> Option<&str> {
        self.current_context.as_deref()
    }

    /// Whether the file says where credentials are; if not, docker looks for the platform's store.
    pub(crate) fn contains_auth(&self) -> bool {
        self.creds_store.is_some() || !self.cred_helpers.is_empty() || !self.auths.is_empty()
    }

    fn parse(text: &[u8]) -> Result<Self, ConfigFault> {
        let Some(value) = first_value(text)? else {
            return Ok(Self::default());
        };
        let fields = members(value, "value of type configfile.ConfigFile")?;
        let field = |name: &str| fields.get(name).copied();
        let mut auths = BTreeMap::new();
        let entries = object(
            field("auths"),
            "struct field ConfigFile.auths of type map[string]types.AuthConfig",
        )?;
        for (key, entry) in entries {
            auths.insert(key, StoredAuth::parse(entry)?);
        }
        Ok(Self {
            dir: PathBuf::new(),
            auths,
            creds_store: string(
                field("credsStore"),
                "struct field ConfigFile.credsStore of type string",
            )?
            .map(|name| name.to_string()),
            cred_helpers: strings(
                field("credHelpers"),
                "struct field ConfigFile.credHelpers of type map[string]string",
                "struct field ConfigFile.credHelpers of type string",
            )?,
            http_headers: strings(
                field("HttpHeaders"),
                "struct field ConfigFile.HttpHeaders of type map[string]string",
                "struct field ConfigFile.HttpHeaders of type string",
            )?,
            current_context: string(
                field("currentContext"),
                "struct field ConfigFile.currentContext of type string",
            )?
            .map(|name| name.to_string()),
        })
    }
}

impl StoredAuth {
    fn parse(entry: &RawValue) -> Result<Self, ConfigFault> {
        let fields = object(
            Some(entry),
            "struct field ConfigFile.auths of type types.AuthConfig",
        )?;
        let field = |name, place| string(fields.get(name).copied(), place);
        let auth = field("auth", "struct field AuthConfig.auths.auth of type string")?;
        let username = field(
            "username",
            "struct field AuthConfig.auths.username of type string",
        )?;
        let password = field(
            "password",
            "struct field AuthConfig.auths.password of type string",
        )?;
        let identity_token = field(
            "identitytoken",
            "struct field AuthConfig.auths.identitytoken of type string",
        )?;
        let mut stored = match auth {
            Some(auth) => Self::decode(&auth)?,
            None => Self {
                username: username.map(|name| name.to_string()),
                password: password.as_ref().map(secret),
                identity_token: None,
            },
        };
        stored.identity_token = identity_token.as_ref().map(secret);
        Ok(stored)
    }

    /// Takes `auth` apart: base64 of `user:password`.
    fn decode(auth: &str) -> Result<Self, ConfigFault> {
        let decoded =
            base64::decode(auth.as_bytes()).map_err(|e| ConfigFault::AuthNotBase64 { at: e.at })?;
        let text = std::str::from_utf8(&decoded).map_err(|_| ConfigFault::AuthWithoutUser)?;
        match text.split_once(':') {
            None | Some(("", _)) => Err(ConfigFault::AuthWithoutUser),
            Some((username, password)) => {
                // Old docker versions padded with zeros.
                let password = password.trim_matches('\0');
                Ok(Self {
                    username: Some(username.to_owned()),
                    password: (!password.is_empty()).then(|| SecretString::from(password)),
                    identity_token: None,
                })
            }
        }
    }
}

/// Reads the value of `DOCKER_AUTH_CONFIG` (docker 28.3 and later), which is stricter than the file.
pub(crate) fn parse_auth_config(
    value: &SecretString,
) -> Result<BTreeMap<String, StoredAuth>, ConfigFault> {
    let text = value.expose_secret().as_bytes();
    if text.len() as u64 > MAX_CONFIG_BYTES {
        return Err(ConfigFault::TooLarge);
    }
    let Some(value) = first_value(text)? else {
        return Ok(BTreeMap::new());
    };
    let fields = members(value, "value of type configfile.configEnv")?;
    refuse_unknown(&fields, "auths")?;
    let entries = object(
        fields.get("auths").copied(),
        "struct field configEnv.auths of type map[string]configfile.configEnvAuth",
    )?;
    let mut encoded = Vec::with_capacity(entries.len());
    for (key, entry) in entries {
        let fields = object(
            Some(entry),
            "struct field configEnv.auths of type configfile.configEnvAuth",
        )?;
        refuse_unknown(&fields, "auth")?;
        let auth = string(
            fields.get("auth").copied(),
            "struct field configEnvAuth.auths.auth of type string",
        )?;
        encoded.push((key, auth));
    }
    let rest = text.trim_ascii_start().get(value.len()..);
    if rest.is_some_and(|rest| !rest.trim_ascii().is_empty()) {
        return Err(ConfigFault::MoreThanOne);
    }
    let mut auths = BTreeMap::new();
    for (key, auth) in encoded {
        let Some(auth) = auth else {
            return Err(ConfigFault::MissingAuth { key });
        };
        auths.insert(key, StoredAuth::decode(&auth)?);
    }
    Ok(auths)
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

fn refuse_unknown(fields: &Members<'_>, known: &str) -> Result<(), ConfigFault> {
    match fields.keys().find(|name| *name != known) {
        Some(name) => Err(ConfigFault::UnknownField { name: name.clone() }),
        None => Ok(()),
    }
}

fn first_value(text: &[u8]) -> Result<Option<&[u8]>, ConfigFault> {
    go_json::first_value(text).map_err(|e| ConfigFault::Syntax(JsonSyntax(e.into())))
}

/// The members of an object; of two with one name the last, as in Go. `null` has none.
fn members<'a>(value: &'a [u8], place: &'static str) -> Result<Members<'a>, ConfigFault> {
    match value.first() {
        Some(b'{' | b'n') => {
            let members: Option<Members<'a>> = serde_json::from_slice(value)
                .map_err(|e| ConfigFault::Syntax(JsonSyntax(e.into())))?;
            Ok(members.unwrap_or_default())
        }
        _ => Err(ConfigFault::WrongType {
            found: kind(value),
            place,
        }),
    }
}

fn object<'a>(
    value: Option<&'a RawValue>,
    place: &'static str,
) -> Result<Members<'a>, ConfigFault> {
    value.map_or_else(
        || Ok(Members::new()),
        |value| members(value.get().as_bytes(), place),
    )
}

/// A non-empty text; Go does not tell absent, `null` and empty apart.
fn string(
    value: Option<&RawValue>,
    place: &'static str,
) -> Result<Option<Zeroizing<String>>, ConfigFault> {
    let Some(text) = value.map(RawValue::get) else {
        return Ok(None);
    };
    if !text.starts_with(['"', 'n']) {
        return Err(ConfigFault::WrongType {
            found: kind(text.as_bytes()),
            place,
        });
    }
    let text: Option<String> =
        serde_json::from_str(text).map_err(|e| ConfigFault::Syntax(JsonSyntax(e.into())))?;
    Ok(text.map(Zeroizing::new).filter(|text| !text.is_empty()))
}

fn strings(
    value: Option<&RawValue>,
    place: &'static str,
    inner_place: &'static str,
) -> Result<BTreeMap<String, String>, ConfigFault> {
    object(value, place)?
        .into_iter()
        .map(|(name, value)| {
            let value = string(Some(value), inner_place)?;
            Ok((name, value.map_or_else(String::new, |v| v.to_string())))
        })
        .collect()
}

fn secret(text: &Zeroizing<String>) -> SecretString {
    SecretString::from(text.as_str())
}

fn kind(value: &[u8]) -> &'static str {
    match value.first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "bool",
        _ => "number",
    }
}

/// Reads at most [`MAX_CONFIG_BYTES`]; the buffer is wiped when dropped, for it can hold passwords.
#[cfg(test)]
mod tests;
