//! The configuration file: `~/.notary/config.json`, or what `-c` names.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use signet_client::http::is_loopback;
use signet_tuf::{FirstUse, TrustPinning};
use url::Url;

use super::input;
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
    /// `cached_data`: `false` refuses what is remembered when the server gives no answer.
    refuses_cached_data: bool,
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
        let Some(format) = Format::of(&extension) else {
            return Err(failed(&texts::config_type(&extension)).hint(texts::CONFIG_TYPE_HINT));
        };
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
        let mut text = Vec::new();
        fs::File::open(path)
            .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text))
            .map_err(|error| unreadable(&error))?;
        let value = format
            .parse(&text)
            .map_err(|reason| failed(&texts::config_syntax(&reason)))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        Self::of(&value, folder).map(Some)
    }

    /// Paths of TLS files are relative to the file's own folder; a pinned authority's is relative to the working directory.
    fn of(value: &Value, folder: &Path) -> Result<Self, Failure> {
        let failed = |key: &str, wanted| {
            Failure::new(texts::config_failed(&texts::config_value(key, wanted)))
        };
        let whole = section(value).ok_or_else(|| failed("the file", texts::CONFIG_OBJECT))?;
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
        let switch = |map: Option<&Map<String, Value>>, key: &str, name, usual| match map
            .and_then(|map| entry(map, key))
        {
            None | Some(Value::Null) => Ok(usual),
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
            skip_tls_verify: switch(
                remote,
                "skipTLSVerify",
                "remote_server.skipTLSVerify",
                false,
            )?,
            refuses_cached_data: !switch(Some(whole), "cached_data", "cached_data", true)?,
            pinning: TrustPinning {
                certs: pinned_certs(pins)?,
                ca: pinned_ca(pins)?,
                first_use: if switch(pins, "disable_tofu", "trust_pinning.disable_tofu", false)? {
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

    /// Whether what is remembered may not be used in place of the server's answer.
    pub(super) fn demands_server(&self) -> bool {
        self.refuses_cached_data
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

/// How a file is written, which the ending of its name says.
#[derive(Clone, Copy, Debug)]
enum Format {
    Json,
    Toml,
    Yaml,
}

impl Format {
    fn of(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "json" => Self::Json,
            "toml" => Self::Toml,
            "yaml" | "yml" => Self::Yaml,
            _ => return None,
        })
    }

    fn parse(self, text: &[u8]) -> Result<Value, String> {
        let utf8 = || std::str::from_utf8(text).map_err(|error| error.to_string());
        match self {
            Self::Json => serde_json::from_slice(text).map_err(|error| error.to_string()),
            Self::Toml => toml::from_str(utf8()?).map_err(|error| error.message().to_owned()),
            // An empty file of YAML says nothing, as an empty one of TOML does.
            Self::Yaml if text.trim_ascii().is_empty() => Ok(Value::Object(Map::new())),
            Self::Yaml => serde_saphyr::from_str(utf8()?).map_err(|error| {
                // The lines after the first one quote the file.
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                line.strip_prefix("error: ").unwrap_or(line).to_owned()
            }),
        }
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
            .ok_or_else(|| failed(name, texts::CONFIG_OBJECT)),
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
        // compat: what cannot be read pins to nothing, and every root is refused.
        found.insert(prefix.clone(), input::read_small(path, MAX_BYTES).ok());
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

    /// What one form says, the others say too.
    #[test]
    fn reads_every_form() {
        let toml = "trust_dir = \"/t\"\nCached_Data = false\n[Remote_Server]\nURL = \"https://h\"\nroot_ca = \"ca.crt\"\nskipTLSVerify = \"true\"\n\
                    [trust_pinning]\ndisable_tofu = true\n[trust_pinning.certs]\n\"Up/App\" = [\"00\"]\n";
        let yaml = "trust_dir: /t\nCached_Data: false\nRemote_Server:\n  URL: https://h\n  root_ca: ca.crt\n  skipTLSVerify: \"true\"\n\
                    trust_pinning:\n  disable_tofu: true\n  certs:\n    Up/App: [\"00\"]\n";
        let json = r#"{"trust_dir":"/t","Cached_Data":false,"Remote_Server":{"URL":"https://h","root_ca":"ca.crt","skipTLSVerify":"true"},
                       "trust_pinning":{"disable_tofu":true,"certs":{"Up/App":["00"]}}}"#;
        for (name, text) in [
            ("c.toml", toml),
            ("c.yml", yaml),
            ("c.YAML", yaml),
            ("c.JSON", json),
        ] {
            let config = read(name, text).unwrap();
            assert_eq!(config.trust_dir.as_deref(), Some("/t"), "{name}");
            assert_eq!(config.server.as_deref(), Some("https://h"), "{name}");
            assert!(config.root_ca.is_some(), "{name}");
            assert!(config.skip_tls_verify, "{name}");
            assert!(config.demands_server(), "{name}");
            assert_eq!(config.pinning.certs["Up/App"], ["00"], "{name}");
            assert_eq!(config.pinning.first_use, FirstUse::Deny, "{name}");
        }
        assert!(!read("c.yml", "\n").unwrap().demands_server());
        assert!(!read("c.toml", "").unwrap().demands_server());
    }

    /// A small file must not become a large one in memory.
    #[test]
    fn aliases_do_not_multiply() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let alias = format!("*a{},", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
        }
        let problem = read("c.yml", &text).unwrap_err();
        assert!(
            problem.starts_with("error opening config file: While parsing config: "),
            "{problem}"
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
            "error opening config file: remote_server must be an object of keys"
        );
        for (name, text) in [("c.toml", "a = ["), ("c.yml", "a: [")] {
            let problem = error(name, text);
            assert!(
                problem.starts_with("error opening config file: While parsing config: "),
                "{problem}"
            );
        }
        for name in ["c.yml", "c.json"] {
            assert_eq!(
                error(name, "[1]"),
                "error opening config file: the file must be an object of keys"
            );
        }
        assert_eq!(
            error("c.properties", "a=b"),
            "error opening config file: Unsupported Config Type \"properties\""
        );
        let missing = Config::named(Path::new("sub/nofile.json")).unwrap_err();
        assert_eq!(
            missing.text(),
            "error opening config file: open sub/nofile.json: no such file or directory"
        );
        assert!(Config::usual(Path::new("sub/nofile.json")).is_ok());
    }
}
