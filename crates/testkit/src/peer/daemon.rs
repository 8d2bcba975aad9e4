//! A real Docker daemon that shares nothing with one that may run on the machine.

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

/// A daemon on a socket of its own: no bridge, no firewall rules, plain copies as image storage. It pulls, tags and
/// pushes images; it cannot give a container a network.
#[derive(Debug)]
pub struct Daemon {
    service: Service,
    folder: TempDir,
}

impl Daemon {
    /// Starts one. It needs root.
    ///
    /// # Errors
    /// When `dockerd` is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
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
        let log = folder.path().join("dockerd.log");
        let mut service = Service::spawn("dockerd", &mut command, &log, Group::Own)?;
        let socket = folder.path().join("docker.sock");
        service.wait_ready(START_LIMIT, || UnixStream::connect(&socket).is_ok())?;
        Ok(Self { service, folder })
    }

    /// Its address, as `DOCKER_HOST` takes it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
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
