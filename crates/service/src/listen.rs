//! Listening addresses as Go writes them: `host:port` and `:port`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Why a service cannot listen. The texts are those of Go's network library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address is not one.
    #[error("address {address}: {fault}")]
    Address {
        /// The address, or the part that is wrong.
        address: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The operating system refused.
    #[error("listen tcp {address}: bind: {}", crate::files::reason(error))]
    Bind {
        /// The address as configured.
        address: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// The name has no address.
    #[error("lookup {host}: no such host")]
    Lookup {
        /// The name.
        host: String,
    },
}

/// A listening address, not yet looked up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// Reads `host:port`, `[v6]:port` or `:port`.
    ///
    /// # Errors
    /// [`ListenError::Address`] when it has no port, too many colons, or a port that is not a number up to 65535.
    pub fn parse(text: &str) -> Result<Self, ListenError> {
        let fail = |address: &str, fault| {
            Err(ListenError::Address {
                address: address.to_owned(),
                fault,
            })
        };
        let Some((host, port)) = text.rsplit_once(':') else {
            return fail(text, "missing port in address");
        };
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(inside) => inside,
            None if host.contains(':') => return fail(text, "too many colons in address"),
            None => host,
        };
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(port) => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            Err(_) if port.is_empty() => Ok(Self {
                host: host.to_owned(),
                port: 0,
            }),
            Err(_) if digits => fail(port, "invalid port"),
            Err(_) => fail(&format!("tcp/{port}"), "unknown port"),
        }
    }

    /// The host part; empty for all addresses of the machine.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 lets the operating system choose one.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether nobody outside this machine can connect: `localhost` or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self
                .host
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// Opens the listeners: one, except for `localhost`, which is both loopback addresses where the machine has both.
    ///
    /// # Errors
    /// [`ListenError`] when the name has no address or the operating system refuses.
    pub async fn bind(&self) -> Result<Vec<TcpListener>, ListenError> {
        let fail = |error| ListenError::Bind {
            address: self.to_string(),
            error,
        };
        if self.host.eq_ignore_ascii_case("localhost") {
            let first = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).map_err(fail)?;
            let port = first.local_addr().map_err(fail)?.port();
            return match listen(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
                Ok(second) => Ok(vec![first, second]),
                // Somebody else's service under the same name must not go unnoticed; no IPv6 is no fault.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(fail(error)),
                Err(_) => Ok(vec![first]),
            };
        }
        if self.host.is_empty() {
            // The IPv6 wildcard takes IPv4 connections as well.
            let both = listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port)));
            let listener = match both {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port)))
                }
                other => other,
            };
            return Ok(vec![listener.map_err(fail)?]);
        }
        let found: Vec<SocketAddr> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|_| ListenError::Lookup {
                host: self.host.clone(),
            })?
            .collect();
        let chosen = found
            .iter()
            .find(|address| address.is_ipv4())
            .or_else(|| found.first());
        let chosen = chosen.ok_or_else(|| ListenError::Lookup {
            host: self.host.clone(),
        })?;
        Ok(vec![listen(*chosen).map_err(fail)?])
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart must not wait for the old connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

const BACKLOG: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    // The texts were printed by notary-server 0.7.0.
    #[test]
    fn bad_addresses_are_named_as_in_go() {
        for (text, message) in [
            ("nope", "address nope: missing port in address"),
            ("127.0.0.1:x1", "address tcp/x1: unknown port"),
            ("127.0.0.1:99999", "address 99999: invalid port"),
            ("::1:80", "address ::1:80: too many colons in address"),
        ] {
            assert_eq!(Address::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn loopback_is_recognised() {
        for text in ["localhost:1", "127.0.0.1:1", "127.3.2.1:1", "[::1]:1"] {
            assert!(Address::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [":1", "0.0.0.0:1", "[::]:1", "example.com:1", "10.0.0.1:1"] {
            assert!(!Address::parse(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_as_in_go() {
        let taken = Address::parse("127.0.0.1:0").unwrap().bind().await.unwrap();
        let address = format!("127.0.0.1:{}", taken[0].local_addr().unwrap().port());
        let error = Address::parse(&address).unwrap().bind().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("listen tcp {address}: bind: address already in use")
        );
    }

    #[tokio::test]
    async fn localhost_is_one_port_on_both_loopback_addresses() {
        let listeners = Address::parse("localhost:0").unwrap().bind().await.unwrap();
        let ports: Vec<u16> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        assert!(ports.windows(2).all(|pair| pair[0] == pair[1]), "{ports:?}");
        assert!(
            listeners
                .iter()
                .all(|listener| listener.local_addr().unwrap().ip().is_loopback())
        );
    }
}
