//! Free ports of the loopback interface.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// An address on 127.0.0.1 whose port nobody listens on at this moment.
///
/// Another process may take it before the peer binds it; whoever starts a peer tries again with a new one then.
///
/// # Errors
/// When no port is free.
pub fn free() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Whether a port of 127.0.0.1 can be bound now.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
