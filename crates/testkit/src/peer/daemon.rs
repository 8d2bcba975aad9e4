//! A real Docker daemon that shares nothing with one that may run on the machine.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Group, Service};
use crate::program::DOCKERD;
use crate::user::User;

/// How long the daemon and its containerd may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// The TLS side of a daemon. PEM.
#[derive(Clone, Debug)]
pub struct DaemonTls {
    /// Who vouches for its clients.
    pub ca_pem: String,
    /// Its own certificate.
    pub certificate_pem: String,
    /// The key of that.
    pub key_pem: String,
}

/// A daemon on a socket of its own: no bridge, no firewall rules, plain copies as image storage. It pulls, tags and
/// pushes images; it cannot give a container a network.
#[derive(Debug)]
pub struct Daemon {
    service: Service,
    folder: TempDir,
    tls_address: Option<SocketAddr>,
}

impl Daemon {
    /// Starts one. It needs root.
    ///
    /// # Errors
    /// When `dockerd` is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_on(None)
    }

    /// Starts one that also listens on a free port, for clients with a certificate.
    ///
    /// # Errors
    /// When `dockerd` is not installed or does not start.
    pub fn start_with_tls(tls: &DaemonTls) -> anyhow::Result<Self> {
        Self::start_on(Some(tls))
    }

    fn start_on(tls: Option<&DaemonTls>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(DOCKERD.find()?);
        command
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
            .args(["--storage-driver=vfs", "--log-level=warn"])
            .arg("--data-root")
            .arg(folder.path().join("data"))
            .arg("--exec-root")
            .arg(folder.path().join("exec"))
            .arg("--pidfile")
            .arg(folder.path().join("pid"))
            .arg("--config-file")
            .arg(folder.path().join("daemon.json"))
            .arg("--host")
            .arg(format!(
                "unix://{}",
                folder.path().join("docker.sock").display()
            ));
        crate::file::write(&folder.path().join("daemon.json"), "{}")?;
        let mut tls_address = None;
        if let Some(tls) = tls {
            let address = crate::port::free()?;
            command.arg(format!("--host=tcp://{address}"));
            command.arg("--tlsverify");
            for (flag, text) in [
                ("--tlscacert", &tls.ca_pem),
                ("--tlscert", &tls.certificate_pem),
                ("--tlskey", &tls.key_pem),
            ] {
                let file = folder
                    .path()
                    .join(format!("{}.pem", flag.trim_start_matches('-')));
                crate::file::write(&file, text)?;
                command.arg(flag).arg(file);
            }
            tls_address = Some(address);
        }
        let log = folder.path().join("dockerd.log");
        let mut service = Service::spawn("dockerd", &mut command, &log, Group::Own)?;
        let socket = folder.path().join("docker.sock");
        service.wait_ready(START_LIMIT, || UnixStream::connect(&socket).is_ok())?;
        if let Some(address) = tls_address {
            service.wait_ready(START_LIMIT, || TcpStream::connect(address).is_ok())?;
        }
        Ok(Self {
            service,
            folder,
            tls_address,
        })
    }

    /// Its address, as `DOCKER_HOST` takes it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Its address for clients with a certificate, if it has one.
    #[must_use]
    pub fn tls_host(&self) -> Option<String> {
        let address = self.tls_address?;
        Some(format!("tcp://localhost:{}", address.port()))
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Lets `user` work with this daemon from now on.
    pub fn admit(&self, user: &mut User) {
        user.set("DOCKER_HOST", &self.host());
    }
}

impl Drop for Daemon {
    /// Stops it in order, so that its mounts are gone before its folder is.
    fn drop(&mut self) {
        if self.service.stop(STOP_LIMIT).is_err() {
            self.service.kill();
        }
    }
}
