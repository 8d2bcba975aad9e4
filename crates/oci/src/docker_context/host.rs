//! Addresses of daemons, completed as docker completes them.

use url::Url;

/// The daemon's socket on this machine.
#[cfg(not(windows))]
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// The daemon's pipe on this machine.
#[cfg(windows)]
const DEFAULT_HOST: &str = "npipe:////./pipe/docker_engine";
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const DEFAULT_PIPE: &str = "//./pipe/docker_engine";
const DEFAULT_TLS_HOST: &str = "tcp://localhost:2376";
const DEFAULT_TCP_NAME: &str = "localhost";
const DEFAULT_TCP_PORT: u16 = 2375;

/// An address that is none. The texts are docker's.
#[derive(Debug, thiserror::Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum HostError {
    /// A scheme that docker does not know.
    #[error("invalid bind address format: {typed}")]
    Scheme {
        /// What was given.
        typed: String,
    },
    /// A TCP address without host and port.
    #[error("Invalid bind address format: {typed}")]
    Tcp {
        /// What was given.
        typed: String,
    },
    /// A port that is no number.
    #[error("parse \"tcp://{address}\": invalid port \":{port}\" after host")]
    Port {
        /// What was given.
        address: String,
        /// The port.
        port: String,
    },
    /// A path with a second scheme in it.
    #[error("invalid proto, expected {scheme}: {rest}")]
    Nested {
        /// The first scheme.
        scheme: &'static str,
        /// What follows it.
        rest: String,
    },
}

/// Completes what was given for `--host` or `DOCKER_HOST`.
pub(super) fn parse(typed: &str, tls: bool) -> Result<String, HostError> {
    let typed = typed.trim();
    if typed.is_empty() {
        let host = if tls { DEFAULT_TLS_HOST } else { DEFAULT_HOST };
        return Ok(host.to_owned());
    }
    match typed.split_once("://") {
        None => tcp(typed),
        Some(("tcp", rest)) => tcp(rest),
        Some(("unix", rest)) => simple("unix", rest, DEFAULT_SOCKET),
        Some(("npipe", rest)) => simple("npipe", rest, DEFAULT_PIPE),
        Some(("fd" | "ssh", _)) => Ok(typed.to_owned()),
        Some(_) => Err(HostError::Scheme {
            typed: typed.to_owned(),
        }),
    }
}

fn simple(scheme: &'static str, rest: &str, default: &str) -> Result<String, HostError> {
    if rest.contains("://") {
        return Err(HostError::Nested {
            scheme,
            rest: rest.to_owned(),
        });
    }
    let path = if rest.is_empty() { default } else { rest };
    Ok(format!("{scheme}://{path}"))
}

fn tcp(rest: &str) -> Result<String, HostError> {
    if rest.is_empty() {
        return Ok(format!("tcp://{DEFAULT_TCP_NAME}:{DEFAULT_TCP_PORT}"));
    }
    let invalid = || HostError::Tcp {
        typed: rest.to_owned(),
    };
    if rest.contains("://") {
        return Err(HostError::Nested {
            scheme: "tcp",
            rest: rest.to_owned(),
        });
    }
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at_checked(slash).ok_or_else(invalid)?,
        None => (rest, ""),
    };
    // compat: a user name is dropped.
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, authority)| authority);
    let (name, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (name, port) = bracketed.split_once(']').ok_or_else(invalid)?;
            (format!("[{name}]"), port.strip_prefix(':').unwrap_or(port))
        }
        None => match authority.split_once(':') {
            Some((name, port)) if !port.contains(':') => (name.to_owned(), port),
            Some(_) => return Err(invalid()),
            None => (authority.to_owned(), ""),
        },
    };
    let name = if name.is_empty() {
        DEFAULT_TCP_NAME.to_owned()
    } else {
        name
    };
    let port: u32 = if port.is_empty() {
        DEFAULT_TCP_PORT.into()
    } else {
        port.parse().map_err(|_| HostError::Port {
            address: rest.to_owned(),
            port: port.to_owned(),
        })?
    };
    let host = format!("tcp://{name}:{port}{path}");
    // Ports too large and names that are none show when the address is used, as with docker.
    if u16::try_from(port).is_ok() && Url::parse(&host).is_err() {
        return Err(invalid());
    }
    Ok(host)
}
