//! Data source names as Go's driver (`go-sql-driver/mysql`) reads them.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::duration;
use crate::{ConnectError, roots};

/// A data source name, read.
#[derive(Clone)]
pub struct Source {
    pub(super) options: MySqlConnectOptions,
    /// System variables of a session, with their values as they stand in SQL.
    pub(super) variables: Vec<(String, String)>,
    pub(super) connect_limit: Option<Duration>,
    pub(super) statement_limit: Option<Duration>,
    warnings: Vec<&'static str>,
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

const PORT: u16 = 3306;
/// How many slashes are tried.
const MOST_SLASHES: usize = 64;
const SOCKET: &str = "/tmp/mysql.sock";
/// What Go says of every name that it cannot read.
const UNREADABLE: &str = "failed to parse the database source for mysql";
const UNVERIFIED: &str = "the connection to the database is encrypted, but whoever answers is believed: set tls=true, with tls-ca=FILE for a CA of your own";
const MAYBE_PLAIN: &str = "the connection to the database is not encrypted where the database, or somebody on the way to it, offers no TLS, and whoever answers is believed: set tls=true, with tls-ca=FILE for a CA of your own";

/// TLS as the parameters say.
#[derive(Debug, Default)]
struct Tls {
    mode: Option<MySqlSslMode>,
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
}

impl Source {
    /// Reads a data source name: `[user[:password]@][net[(addr)]]/db[?k=v]`.
    ///
    /// The parameters of Go's driver are known, ours are `tls-ca`, `tls-cert` and `tls-key` (PEM files); every other one is a system
    /// variable of the session.
    ///
    /// # Errors
    /// [`ConnectError::DataSource`].
    pub fn parse(source: &str) -> Result<Self, ConnectError> {
        let (login, address, after) = split(source)?;
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (database, parameters) = after.split_once('?').unwrap_or((after, ""));
        let mut options = address
            .username(user)
            .charset("utf8mb4")
            .collation("utf8mb4_general_ci")
            // The server's own zone and mode, as Go leaves them.
            .timezone(None)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .disable_statement_logging();
        if !password.is_empty() {
            options = options.password(password);
        }
        if !database.is_empty() {
            options = options.database(database);
        }
        let mut read = Self {
            options,
            variables: Vec::new(),
            connect_limit: None,
            statement_limit: None,
            warnings: Vec::new(),
        };
        let mut tls = Tls::default();
        let pairs = parameters.split('&').filter_map(|p| p.split_once('='));
        for (name, value) in pairs {
            read.parameter(name, value, &mut tls)?;
        }
        read.options = read.encrypted(tls)?;
        Ok(read)
    }

    /// What the operator should know of this data source.
    #[must_use]
    pub fn warnings(&self) -> &[&'static str] {
        &self.warnings
    }

    fn parameter(&mut self, name: &str, raw: &str, tls: &mut Tls) -> Result<(), ConnectError> {
        let value = unescape(raw)?;
        match name {
            "tls" => {
                let lower = value.to_ascii_lowercase();
                tls.mode = Some(match (boolean(&value), lower.as_str()) {
                    (Ok(true), _) => MySqlSslMode::VerifyIdentity,
                    (Ok(false), _) => MySqlSslMode::Disabled,
                    (_, "skip-verify") => MySqlSslMode::Required,
                    (_, "preferred") => MySqlSslMode::Preferred,
                    // Go knows other names only where a program registered them, which its servers do not.
                    _ => return Err(unreadable()),
                });
            }
            "tls-ca" => tls.ca = Some(value),
            "tls-cert" => tls.cert = Some(value),
            "tls-key" => tls.key = Some(value),
            "timeout" => self.connect_limit = positive(&value)?,
            "readTimeout" => self.statement_limit = positive(&value)?,
            "writeTimeout" => drop(positive(&value)?),
            "allowCleartextPasswords" => {
                let allowed = boolean(&value)?;
                self.options = self.options.clone().enable_cleartext_plugin(allowed);
            }
            // What they choose makes no difference to our statements and texts.
            "charset" | "collation" | "connectionAttributes" | "serverPubKey" => {}
            "maxAllowedPacket" => drop(value.parse::<i64>().map_err(|_| unreadable())?),
            "allowAllFiles"
            | "allowFallbackToPlaintext"
            | "allowNativePasswords"
            | "allowOldPasswords"
            | "checkConnLiveness"
            | "clientFoundRows"
            | "columnsWithAlias"
            | "interpolateParams"
            | "multiStatements"
            | "parseTime"
            | "rejectReadOnly" => drop(boolean(&value)?),
            "loc" if matches!(value.as_str(), "" | "UTC") => {}
            "loc" => {
                return Err(ConnectError::DataSource(format!(
                    "{UNREADABLE}: the times of all servers are UTC, remove the parameter loc"
                )));
            }
            _ => self.variables.push(variable(name, value)?),
        }
        Ok(())
    }

    fn encrypted(&mut self, tls: Tls) -> Result<MySqlConnectOptions, ConnectError> {
        let by_files = tls.ca.is_some() || tls.cert.is_some() || tls.key.is_some();
        let mode = match tls.mode {
            Some(mode) => mode,
            None if by_files => MySqlSslMode::VerifyIdentity,
            None => MySqlSslMode::Disabled,
        };
        let told = |text: &str| ConnectError::DataSource(format!("{UNREADABLE}: {text}"));
        let mut options = self.options.clone().ssl_mode(mode);
        match mode {
            MySqlSslMode::VerifyIdentity => {
                if let Some(file) = tls.ca.map(Into::into).or_else(roots::system) {
                    options = options.ssl_ca(file);
                }
            }
            _ if tls.ca.is_some() => {
                return Err(told("tls-ca has no effect unless tls=true"));
            }
            MySqlSslMode::Disabled if by_files => {
                return Err(told("tls-cert and tls-key have no effect with tls=false"));
            }
            MySqlSslMode::Disabled => {}
            MySqlSslMode::Preferred => self.warnings.push(MAYBE_PLAIN),
            _ => self.warnings.push(UNVERIFIED),
        }
        match (tls.cert, tls.key) {
            (Some(cert), Some(key)) => Ok(options.ssl_client_cert(cert).ssl_client_key(key)),
            (None, None) => Ok(options),
            _ => Err(told("tls-cert and tls-key go together")),
        }
    }
}

fn unreadable() -> ConnectError {
    ConnectError::DataSource(UNREADABLE.to_owned())
}

/// Splits a name at its last slash, as Go does. Where that leaves no address, the slash is one of a parameter, which Go wants escaped.
fn split(source: &str) -> Result<(&str, MySqlConnectOptions, &str), ConnectError> {
    source
        .rmatch_indices('/')
        .take(MOST_SLASHES)
        .enumerate()
        .find_map(|(n, (at, _))| {
            let (before, after) = (source.get(..at)?, source.get(at + 1..)?);
            let (login, address) = before.rsplit_once('@').unwrap_or(("", before));
            let is_whole = n == 0 || after.split('/').next()?.contains('?');
            let address = at_address(address).ok().filter(|_| is_whole)?;
            Some((login, address, after))
        })
        .ok_or_else(unreadable)
}

/// Reads `net[(addr)]`.
fn at_address(text: &str) -> Result<MySqlConnectOptions, ConnectError> {
    let (net, address) = match text.split_once('(') {
        None => (text, None),
        Some((net, rest)) => (net, Some(rest.strip_suffix(')').ok_or_else(unreadable)?)),
    };
    let address = address.filter(|address| !address.is_empty());
    let options = MySqlConnectOptions::new();
    match net {
        "" | "tcp" | "tcp4" | "tcp6" => {
            let (host, port) = match address {
                None => ("127.0.0.1", PORT),
                Some(address) => host_and_port(address)?,
            };
            Ok(options.host(host).port(port))
        }
        "unix" => Ok(options.socket(address.unwrap_or(SOCKET))),
        _ => Err(unreadable()),
    }
}

fn host_and_port(address: &str) -> Result<(&str, u16), ConnectError> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(unreadable)?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or_else(unreadable)?),
            };
            (host, port)
        }
        // More than one colon: an IPv6 address without a port.
        None => match address.split_once(':') {
            Some((_, rest)) if rest.contains(':') => (address, None),
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    let port = port.map_or(Ok(PORT), str::parse);
    Ok((host, port.map_err(|_| unreadable())?))
}

/// Undoes what Go's `url.QueryEscape` does.
fn unescape(raw: &str) -> Result<String, ConnectError> {
    let is_broken = raw.split('%').skip(1).any(|escape| {
        let digits = escape.as_bytes().get(..2);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if is_broken {
        return Err(unreadable());
    }
    let spaced = raw.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(unreadable()),
    }
}

fn boolean(value: &str) -> Result<bool, ConnectError> {
    match value {
        "1" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(unreadable()),
    }
}

/// A duration; zero is no limit of the operator's.
fn positive(value: &str) -> Result<Option<Duration>, ConnectError> {
    let duration = duration::parse(value).ok_or_else(unreadable)?;
    Ok(Some(duration).filter(|duration| !duration.is_zero()))
}

/// A system variable: a name, and a value that is one number, one word or one quoted text, so that nothing else can be in it.
fn variable(name: &str, value: String) -> Result<(String, String), ConnectError> {
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@'))
    };
    let is_quoted = ['\'', '"'].iter().any(|&quote| {
        value
            .strip_prefix(quote)
            .and_then(|text| text.strip_suffix(quote))
            .is_some_and(|text| {
                !text.contains([quote, '\\']) && !text.chars().any(char::is_control)
            })
    });
    let is_name = name.chars().next().is_some_and(|c| !c.is_ascii_digit())
        && is_word(name)
        && !name.contains('-');
    if is_name && (is_word(&value) && !value.contains("--") || is_quoted) {
        Ok((name.to_owned(), value))
    } else {
        // The name may be a piece of a password.
        Err(ConnectError::DataSource(format!(
            "{UNREADABLE}: a parameter that Go's driver does not know is a system variable, with a number, a word or a quoted text"
        )))
    }
}

#[cfg(test)]
mod tests;
