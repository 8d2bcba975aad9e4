//! The configuration file: `~/.notary/config.json`, or what `-c` names.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use signet_client::http::is_loopback;
use signet_tuf::{FirstUse, TrustPinning};
use url::Url;

use crate::texts::{notary as texts, os_error};
use crate::ui::report::Failure;

/// The largest file that is read.
const MAX_BYTES: u64 = 4 << 20;

/// What the file says; nothing without one.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `trust_dir`, as it stands there.
    pub(super) trust_dir: Option<String>,
    /// `remote_server.url`.
    pub(super) server: Option<String>,
    /// `remote_server.root_ca`.
    pub(super) root_ca: Option<PathBuf>,
    /// `remote_server.tls_client_cert`.
    pub(super) tls_cert: Option<PathBuf>,
    /// `remote_server.tls_client_key`.
    pub(super) tls_key: Option<PathBuf>,
    skip_tls_verify: bool,
    pinning: TrustPinning,
}

impl Config {
    /// Reads the file of `-c`, which must be there.
    pub(super) fn named(path: &Path) -> Result<Self, Failure> {
        Self::read(path)?.ok_or_else(|| {
            let reason = format!("open {}: no such file or directory", path.display());
            Failure::new(texts::config_failed(&reason))
        })
    }

    /// Reads the usual file, which may be missing.
    pub(super) fn usual(path: &Path) -> Result<Self, Failure> {
        Ok(Self::read(path)?.unwrap_or_default())
    }

    fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let failed = |reason: &str| Failure::new(texts::config_failed(reason));
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if !extension.eq_ignore_ascii_case("json") {
            return Err(failed(&texts::config_type(&extension))
                .hint("the file must be JSON, and its name must end in .json"));
        }
        let unreadable = |error: &std::io::Error| {
            failed(&format!("open {}: {}", path.display(), os_error(error)))
        };
        match fs::metadata(path) {
            Ok(found) if found.len() > MAX_BYTES => return Err(failed("the file is too large")),
            Ok(found) if found.is_dir() => {
                return Err(failed(&format!("read {}: is a directory", path.display())));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&error)),
        }
        let text = fs::read(path).map_err(|error| unreadable(&error))?;
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| failed(&texts::config_syntax(&error.to_string())))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        Self::of(&value, folder).map(Some)
    }

    /// Paths of TLS files are relative to the file's own folder; a pinned authority's is relative to the working directory.
    fn of(value: &Value, folder: &Path) -> Result<Self, Failure> {
        let failed = |key: &str, wanted| {
            Failure::new(texts::config_failed(&texts::config_value(key, wanted)))
        };
        let whole = section(value).ok_or_else(|| failed("the file", "a JSON object"))?;
        let remote = part(whole, "remote_server", failed)?;
        let pins = part(whole, "trust_pinning", failed)?;
        let text = |map: Option<&Map<String, Value>>, key: &str, name| match map
            .and_then(|map| entry(map, key))
        {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(failed(name, "a text")),
        };
        let file = |key, name| -> Result<Option<PathBuf>, Failure> {
            Ok(text(remote, key, name)?.map(|path| folder.join(path)))
        };
        let switch = |map: Option<&Map<String, Value>>, key: &str, name| match map
            .and_then(|map| entry(map, key))
        {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(Value::String(text)) => {
                crate::cobra::parse::parse_bool(text).ok_or_else(|| failed(name, "true or false"))
            }
            Some(_) => Err(failed(name, "true or false")),
        };
        Ok(Self {
            trust_dir: text(Some(whole), "trust_dir", "trust_dir")?,
            server: text(remote, "url", "remote_server.url")?,
            root_ca: file("root_ca", "remote_server.root_ca")?,
            tls_cert: file("tls_client_cert", "remote_server.tls_client_cert")?,
            tls_key: file("tls_client_key", "remote_server.tls_client_key")?,
            skip_tls_verify: switch(remote, "skipTLSVerify", "remote_server.skipTLSVerify")?,
            pinning: TrustPinning {
                certs: pinned_certs(pins)?,
                ca: pinned_ca(pins)?,
                first_use: if switch(pins, "disable_tofu", "trust_pinning.disable_tofu")? {
                    FirstUse::Deny
                } else {
                    FirstUse::Allow
                },
            },
        })
    }

    /// Which first roots are trusted.
    #[must_use]
    pub fn pinning(&self) -> &TrustPinning {
        &self.pinning
    }

    /// Whether the certificate of `server` need not be verified.
    ///
    /// # Errors
    /// When the file wants that of a server elsewhere: whoever is on the way there could collect passwords.
    pub(super) fn skips_verification(&self, server: &Url) -> Result<bool, Failure> {
        if self.skip_tls_verify && !is_loopback(server) {
            return Err(Failure::new(texts::skip_tls_refused(server.as_str())));
        }
        Ok(self.skip_tls_verify)
    }
}

fn section(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object()
}

fn part<'a>(
    whole: &'a Map<String, Value>,
    name: &'static str,
    failed: impl Fn(&str, &'static str) -> Failure,
) -> Result<Option<&'a Map<String, Value>>, Failure> {
    match entry(whole, name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => section(value)
            .map(Some)
            .ok_or_else(|| failed(name, "a JSON object")),
    }
}

/// Keys are found in any case, the exact one first.
fn entry<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).or_else(|| {
        map.iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    })
}

/// Names of repositories keep their case: Go's library loses it, and with it the pins of names with capital letters (Q6).
fn pinned_certs(
    pins: Option<&Map<String, Value>>,
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let wrong = || Failure::new(texts::PINNED_CERTS_FORM);
    let mut found = BTreeMap::new();
    let Some(certs) = pins.and_then(|pins| entry(pins, "certs")) else {
        return Ok(found);
    };
    for (gun, ids) in section(certs).ok_or_else(wrong)? {
        let ids = ids.as_array().ok_or_else(wrong)?;
        let ids = ids.iter().map(|id| id.as_str().map(str::to_owned));
        found.insert(gun.clone(), ids.collect::<Option<_>>().ok_or_else(wrong)?);
    }
    Ok(found)
}

fn pinned_ca(
    pins: Option<&Map<String, Value>>,
) -> Result<BTreeMap<String, Option<Vec<u8>>>, Failure> {
    let wrong = || Failure::new(texts::PINNED_CA_FORM);
    let mut found = BTreeMap::new();
    let Some(authorities) = pins.and_then(|pins| entry(pins, "ca")) else {
        return Ok(found);
    };
    for (prefix, path) in section(authorities).ok_or_else(wrong)? {
        let path = path.as_str().ok_or_else(wrong)?;
        found.insert(prefix.clone(), fs::read(path).ok());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        signet_testkit::file::write(&path, text).unwrap();
        let config = Config::named(&path).map_err(|failure| failure.text().to_owned())?;
        assert_eq!(
            config.root_ca,
            config.root_ca.clone().map(|_| folder.path().join("ca.crt"))
        );
        Ok(config)
    }

    /// Section 3.1 of the specification.
    #[test]
    fn reads_what_go_reads() {
        let config = read(
            "c.json",
            r#"{"trust_dir":"~/t","Remote_Server":{"URL":"https://h","root_ca":"ca.crt","tls_client_key":"/k","skipTLSVerify":"true"},
                "trust_pinning":{"certs":{"Up/App":["00"]},"disable_tofu":true},"other":1}"#,
        )
        .unwrap();
        assert_eq!(config.trust_dir.as_deref(), Some("~/t"));
        assert_eq!(config.server.as_deref(), Some("https://h"));
        assert_eq!(config.tls_key.as_deref(), Some(Path::new("/k")));
        assert_eq!(config.pinning.certs["Up/App"], ["00"]);
        assert_eq!(config.pinning.first_use, FirstUse::Deny);
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(
            config
                .skips_verification(&url("https://localhost:1"))
                .unwrap()
        );
        assert!(
            config
                .skips_verification(&url("https://notary.example"))
                .is_err()
        );
    }

    /// The reasons that Go gives (section 3.1), and ours where its texts are free.
    #[test]
    fn refuses_what_is_no_configuration() {
        let error = |name, text| read(name, text).unwrap_err();
        assert_eq!(
            error("c", "{}"),
            "error opening config file: Unsupported Config Type \"\""
        );
        assert!(
            error("c.json", "{bad")
                .starts_with("error opening config file: While parsing config: ")
        );
        assert_eq!(
            error("c.json", r#"{"trust_pinning":{"certs":{"a":"b"}}}"#),
            "invalid format for trust_pinning.certs"
        );
        assert_eq!(
            error("c.json", r#"{"remote_server":[]}"#),
            "error opening config file: remote_server must be a JSON object"
        );
        let missing = Config::named(Path::new("sub/nofile.json")).unwrap_err();
        assert_eq!(
            missing.text(),
            "error opening config file: open sub/nofile.json: no such file or directory"
        );
        assert!(Config::usual(Path::new("sub/nofile.json")).is_ok());
    }
}
