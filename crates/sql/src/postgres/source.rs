//! Data source names as Go's driver (`lib/pq`) understands them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::pairs::{self, fail};
use crate::{ConnectError, roots};

/// A data source name, read.
#[derive(Clone)]
pub struct Source {
    pub(super) options: PgConnectOptions,
    /// Run-time parameters of a session.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) connect_limit: Option<Duration>,
}

impl fmt::Debug for Source {
    /// Without the password, which the options would show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("host", &self.options.get_host())
            .field("port", &self.options.get_port())
            .field("database", &self.options.get_database())
            .finish_non_exhaustive()
    }
}

/// The environment variables, with what they stand for.
const ENVIRONMENT: [(&str, &str); 15] = [
    ("PGHOST", "host"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGAPPNAME", "application_name"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGCLIENTENCODING", "client_encoding"),
    ("PGDATESTYLE", "datestyle"),
    ("PGTZ", "timezone"),
    ("PGGEQO", "geqo"),
];
/// Variables that Go's driver refuses, because it would do something else than is asked for.
const UNSUPPORTED: [&str; 9] = [
    "PGHOSTADDR",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGREALM",
    "PGREQUIRESSL",
    "PGSSLCRL",
    "PGREQUIREPEER",
    "PGSYSCONFDIR",
    "PGLOCALEDIR",
];
/// Names that say something to Go's driver and nothing to us.
const IGNORED: [&str; 8] = [
    "binary_parameters",
    "disable_prepared_binary_result",
    "extra_float_digits",
    "fallback_application_name",
    "krbspn",
    "krbsrvname",
    "passfile",
    "sslsni",
];

/// Looks up a variable.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Source {
    /// Reads a data source name; what it does not say, the environment does.
    ///
    /// # Errors
    /// [`ConnectError::DataSource`]; the text never has a value that may be secret.
    pub fn parse(source: &str, environment: Environment<'_>) -> Result<Self, ConnectError> {
        let set = |name: &&str| environment(name).is_some_and(|value| !value.is_empty());
        if let Some(name) = UNSUPPORTED.iter().find(|name| set(name)) {
            return Err(fail(&format!("setting {name} not supported")));
        }
        let mut values: BTreeMap<String, String> = ENVIRONMENT
            .iter()
            .filter_map(|(variable, name)| {
                let value = environment(variable).filter(|value| !value.is_empty())?;
                Some(((*name).to_owned(), value))
            })
            .collect();
        values.extend(pairs::read(source)?);
        for name in IGNORED {
            let value = values.remove(name);
            if let (Some(value), "fallback_application_name") = (value, name) {
                values.entry("application_name".to_owned()).or_insert(value);
            }
        }
        check_fixed(&mut values)?;
        let mut take = |name: &str| values.remove(name).filter(|value| !value.is_empty());
        let host = take("host").unwrap_or_else(|| "localhost".to_owned());
        let port = match take("port") {
            None => 5432,
            Some(port) => port.parse().map_err(|_| fail("the port is none"))?,
        };
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&host)
            .port(port)
            .disable_statement_logging();
        if let Some(user) = take("user") {
            options = options.username(&user);
        }
        if let Some(password) = take("password") {
            options = options.password(&password);
        }
        if let Some(database) = take("dbname") {
            options = options.database(&database);
        }
        if let Some(name) = take("application_name") {
            options = options.application_name(&name);
        }
        let connect_limit = match take("connect_timeout").map(|text| text.parse::<u32>()) {
            None | Some(Ok(0)) => None,
            Some(Ok(seconds)) => Some(Duration::from_secs(seconds.into())),
            Some(Err(_)) => return Err(fail("connect_timeout is no number of seconds")),
        };
        let home = environment("HOME").map(PathBuf::from);
        let tls = Tls {
            mode: take("sslmode"),
            root: take("sslrootcert"),
            cert: take("sslcert"),
            key: take("sslkey"),
            is_inline: take("sslinline").is_some_and(|value| value == "true"),
            home,
        };
        // TLS is of no use within one machine, and not spoken there.
        let options = if host.starts_with('/') {
            options.ssl_mode(PgSslMode::Disable)
        } else {
            tls.apply(options)?
        };
        let parameters = values.into_iter().collect();
        Ok(Self {
            options,
            parameters,
            connect_limit,
        })
    }
}

/// Refuses another encoding or form of dates than the driver speaks, as Go's does.
fn check_fixed(values: &mut BTreeMap<String, String>) -> Result<(), ConnectError> {
    let plain = |text: &str| {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.collect::<String>().to_ascii_lowercase()
    };
    for (name, only, told) in [
        (
            "client_encoding",
            "utf8",
            "client_encoding must be absent or 'UTF8'",
        ),
        (
            "datestyle",
            "isomdy",
            "setting datestyle must be absent or 'ISO, MDY'",
        ),
    ] {
        if values
            .remove(name)
            .is_some_and(|value| plain(&value) != only)
        {
            return Err(fail(told));
        }
    }
    Ok(())
}

/// TLS as the parameters say.
struct Tls {
    mode: Option<String>,
    root: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    /// The parameters are the certificates themselves, not their files.
    is_inline: bool,
    home: Option<PathBuf>,
}

impl Tls {
    fn apply(self, options: PgConnectOptions) -> Result<PgConnectOptions, ConnectError> {
        let mode = match self.mode.as_deref() {
            Some("disable") => return Ok(options.ssl_mode(PgSslMode::Disable)),
            // With a certificate authority at hand, it is asked.
            None | Some("require") if self.has_root() => PgSslMode::VerifyCa,
            None | Some("require") => PgSslMode::Require,
            Some("verify-ca") => PgSslMode::VerifyCa,
            Some("verify-full") => PgSslMode::VerifyFull,
            Some(_) => {
                return Err(fail(
                    "unsupported sslmode; only \"require\" (default), \"verify-full\", \"verify-ca\", and \"disable\" supported",
                ));
            }
        };
        let mut options = options.ssl_mode(mode);
        if !matches!(mode, PgSslMode::Require) {
            options = match (&self.root, self.is_inline) {
                (Some(pem), true) => options.ssl_root_cert_from_pem(pem.clone().into_bytes()),
                (Some(file), false) => options.ssl_root_cert(file),
                (None, _) => match roots::system() {
                    Some(file) => options.ssl_root_cert(file),
                    None => options,
                },
            };
        }
        self.apply_client(options)
    }

    fn has_root(&self) -> bool {
        let is_there = |root: &String| self.is_inline || fs::exists(root).unwrap_or(false);
        self.root.as_ref().is_some_and(is_there)
    }

    /// The certificate that is shown to the database; where none is named, the one of the user, if there is one.
    fn apply_client(self, options: PgConnectOptions) -> Result<PgConnectOptions, ConnectError> {
        if let (true, Some(cert), Some(key)) = (self.is_inline, &self.cert, &self.key) {
            return Ok(options
                .ssl_client_cert_from_pem(cert)
                .ssl_client_key_from_pem(key));
        }
        let of_home = |name: &str| Some(self.home.as_ref()?.join(".postgresql").join(name));
        let cert = match self.cert {
            Some(file) => PathBuf::from(file),
            None => match of_home("postgresql.crt").filter(|file| file.exists()) {
                Some(file) => file,
                None => return Ok(options),
            },
        };
        let key = self.key.map(PathBuf::from);
        let Some(key) = key.or_else(|| of_home("postgresql.key")) else {
            return Err(fail("sslcert without sslkey"));
        };
        let state = fs::metadata(&key)
            .map_err(|error| fail(&format!("sslkey {}: {error}", key.display())))?;
        // A key of root's may be read by a group.
        let allowed = if state.uid() == 0 { 0o640 } else { 0o600 };
        if state.mode() & 0o777 & !allowed != 0 {
            return Err(fail(&format!(
                "private key file {} has group or world access; permissions should be 0640 (u=rw,g=r) or less if owned by root, \
                 0600 (u=rw) or less otherwise",
                key.display()
            )));
        }
        Ok(options.ssl_client_cert(cert).ssl_client_key(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str, environment: &[(&str, &str)]) -> Result<Source, ConnectError> {
        Source::parse(source, &|name| {
            let found = environment.iter().find(|(other, _)| *other == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn the_source_comes_before_the_environment() {
        let environment = [("PGHOST", "other"), ("PGPORT", "7"), ("PGDATABASE", "d")];
        let read = parse("host=here user=u statement_timeout=5s", &environment).unwrap();
        let options = &read.options;
        assert_eq!((options.get_host(), options.get_port()), ("here", 7));
        assert_eq!(options.get_database(), Some("d"));
        assert_eq!(options.get_username(), "u");
        let parameter = ("statement_timeout".to_owned(), "5s".to_owned());
        assert_eq!(read.parameters, [parameter]);
        assert!(parse("", &[("PGSERVICE", "x")]).is_err());
    }

    #[test]
    fn connections_are_encrypted_unless_told_otherwise() {
        let mode = |source| parse(source, &[]).unwrap().options.get_ssl_mode();
        assert!(matches!(mode("postgres://h/d"), PgSslMode::Require));
        assert!(matches!(mode("host=h sslmode=disable"), PgSslMode::Disable));
        assert!(matches!(
            mode("host=/run sslmode=require"),
            PgSslMode::Disable
        ));
        assert!(matches!(
            mode("host=h sslmode=verify-ca"),
            PgSslMode::VerifyCa
        ));
        assert!(matches!(
            mode("host=h sslmode=verify-full"),
            PgSslMode::VerifyFull
        ));
        for refused in ["prefer", "allow", "REQUIRE", "no"] {
            assert!(parse(&format!("host=h sslmode={refused}"), &[]).is_err());
        }
        let by_environment = parse("host=h", &[("PGSSLMODE", "disable")]).unwrap();
        assert!(matches!(
            by_environment.options.get_ssl_mode(),
            PgSslMode::Disable
        ));
    }

    #[test]
    fn what_is_shown_has_no_password() {
        let read = parse("postgres://u:hunter2@h/d", &[]).unwrap();
        assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
        for source in ["port=hunter2", "connect_timeout=hunter2", "sslmode=hunter2"] {
            let refused = parse(source, &[]).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn limits_and_fixed_settings() {
        let limit = |source| parse(source, &[]).unwrap().connect_limit;
        assert_eq!(limit("connect_timeout=7"), Some(Duration::from_secs(7)));
        assert_eq!(limit("connect_timeout=0"), None);
        assert!(parse("client_encoding='UTF-8' datestyle='ISO, MDY'", &[]).is_ok());
        assert!(parse("client_encoding=latin1", &[]).is_err());
        assert!(parse("datestyle=German", &[]).is_err());
    }
}
