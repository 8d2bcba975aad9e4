//! Servers that tests talk to: other projects' and our own, each in a folder and on a port of its own.
//!
//! Every one is ready when its constructor returns, and gone when it is dropped.

mod browser;
mod daemon;
#[cfg(feature = "tls")]
mod database;
mod registry;
mod scripted;
#[cfg(feature = "tls")]
mod signer;
#[cfg(feature = "tls")]
mod token;
#[cfg(feature = "tls")]
mod trust;

use std::net::SocketAddr;
use std::path::Path;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::process::Command;
#[cfg(feature = "tls")]
use std::time::Duration;

pub use browser::Browser;
pub use daemon::{Daemon, DaemonTls};
#[cfg(feature = "tls")]
pub use database::{Database, MariaDb, PostgreSql};
pub use registry::{Registry, RegistryOptions};
pub use scripted::{Received, Reply, ScriptedDaemon};
#[cfg(feature = "tls")]
pub use signer::{Signer, SignerOptions};
#[cfg(feature = "tls")]
pub use token::{TokenAuth, TokenFault, TokenMember, TokenRequest, TokenService};
#[cfg(feature = "tls")]
pub use trust::{Storage, Transport, TrustOptions, TrustServer};

use crate::port;
use crate::process::{Group, Service};
#[cfg(feature = "tls")]
use crate::program::{self, Program};

/// How often a peer is started anew because somebody took its port between the choice and the start.
const PORT_TRIES: usize = 5;

/// How long a service that was asked to end may take for what it has begun.
#[cfg(feature = "tls")]
const STOP_LIMIT: Duration = Duration::from_secs(40);

/// Whose program a service is.
#[cfg(feature = "tls")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Make {
    /// Go's.
    Go,
    /// Ours.
    Ours,
}

#[cfg(feature = "tls")]
impl Make {
    /// The program that is called as Go's `peer`.
    fn program(self, peer: Program) -> anyhow::Result<PathBuf> {
        match self {
            Self::Go => peer.find(),
            Self::Ours => program::ours(peer.name),
        }
    }
}

/// Whether a service says that somebody else has its port.
fn is_taken(service: &Service) -> bool {
    let log = service.log().to_lowercase();
    log.contains("address already in use")
}

/// Starts a service on a free port; `prepare` writes its configuration and gives the command.
fn start_on_free_port(
    name: &str,
    log: &Path,
    group: Group,
    mut prepare: impl FnMut(SocketAddr) -> anyhow::Result<Command>,
) -> anyhow::Result<(Service, SocketAddr)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let address = port::free()?;
        let mut command = prepare(address)?;
        let mut service = Service::spawn(name, &mut command, log, group)?;
        match service.wait_listening(address) {
            Ok(()) => return Ok((service, address)),
            Err(_) if tries < PORT_TRIES && is_taken(&service) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes `NAME.crt` and `NAME.key`.
#[cfg(feature = "tls")]
fn write_identity(
    folder: &Path,
    name: &str,
    identity: &crate::certificate::Identity,
) -> anyhow::Result<()> {
    crate::file::write(
        &folder.join(format!("{name}.crt")),
        &identity.certificate_pem,
    )?;
    crate::file::write(&folder.join(format!("{name}.key")), &identity.key_pem)
}
