//! A person at a machine: a home folder, a docker configuration, passphrases, and the programs that work on one trust folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::file;
use crate::process::{self, COMMAND_LIMIT, Finished};
use crate::program::{self, DOCKER, NOTARY, OPENSSL};

/// A client program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tool {
    /// The docker client's `docker trust`; arguments follow `trust`.
    Docker,
    /// The docker client itself.
    DockerItself,
    /// Our `docker-trust`; the same arguments.
    DockerTrust,
    /// Go's `notary`.
    Notary,
    /// Our `notary`; the same arguments.
    OurNotary,
}

/// A person with an empty home, who knows one trust server.
#[derive(Debug)]
pub struct User {
    home: TempDir,
    environment: BTreeMap<String, String>,
}

impl User {
    /// The passphrase of every root key.
    pub const ROOT_PASSPHRASE: &str = "root-passphrase-1";
    /// The passphrase of every other key.
    pub const REPOSITORY_PASSPHRASE: &str = "repository-passphrase-1";

    /// Somebody who uses the trust server at `url` (`https://localhost:PORT`), signed by `ca_pem`, with all passphrases in the environment.
    ///
    /// # Errors
    /// When the home cannot be made.
    pub fn new(url: &str, ca_pem: &str) -> anyhow::Result<Self> {
        let mut user = Self::without_passphrases(url, ca_pem)?;
        user.set(
            "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
            Self::ROOT_PASSPHRASE,
        );
        user.set(
            "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
            Self::REPOSITORY_PASSPHRASE,
        );
        user.set("NOTARY_ROOT_PASSPHRASE", Self::ROOT_PASSPHRASE);
        for role in ["TARGETS", "SNAPSHOT", "DELEGATION"] {
            user.set(
                &format!("NOTARY_{role}_PASSPHRASE"),
                Self::REPOSITORY_PASSPHRASE,
            );
        }
        Ok(user)
    }

    /// The same, but every passphrase is asked for on the terminal.
    ///
    /// # Errors
    /// When the home cannot be made.
    pub fn without_passphrases(url: &str, ca_pem: &str) -> anyhow::Result<Self> {
        let mut user = Self {
            home: tempfile::tempdir()?,
            environment: BTreeMap::new(),
        };
        user.turn_to(url, ca_pem)?;
        Ok(user)
    }

    /// Uses the trust server at `url` from now on, signed by `ca_pem`. What is remembered of repositories stays.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn turn_to(&mut self, url: &str, ca_pem: &str) -> anyhow::Result<()> {
        self.set("DOCKER_CONTENT_TRUST_SERVER", url);
        self.trust_authority(url, ca_pem)?;
        file::write(&self.path(".docker/ca.crt"), ca_pem)?;
        let notary = json!({
            "trust_dir": self.path(".docker/trust"),
            "remote_server": {"url": url, "root_ca": self.path(".docker/ca.crt")},
        });
        file::write(&self.path(".notary/config.json"), notary.to_string())
    }

    /// Trusts `ca_pem` for the server at `url`, as docker's `tls` folder says it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn trust_authority(&self, url: &str, ca_pem: &str) -> anyhow::Result<()> {
        let host = url.trim_start_matches("https://");
        file::write(&self.path(&format!(".docker/tls/{host}/ca.crt")), ca_pem)
    }

    /// Writes credentials for a registry into the docker configuration, as `docker login` does without a helper.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn log_in(&self, registry: &str, name: &str, password: &str) -> anyhow::Result<()> {
        let auth = data_encoding::BASE64.encode(format!("{name}:{password}").as_bytes());
        file::write(
            &self.path(".docker/config.json"),
            json!({"auths": {registry: {"auth": auth}}}).to_string(),
        )
    }

    /// Puts our program where the docker client finds it as `docker signet`.
    ///
    /// # Errors
    /// When it has not been built or cannot be linked.
    pub fn install_plugin(&self) -> anyhow::Result<()> {
        let folder = self.path(".docker/cli-plugins");
        std::fs::create_dir_all(&folder)?;
        Ok(std::os::unix::fs::symlink(
            program::ours("docker-trust")?,
            folder.join("docker-signet"),
        )?)
    }

    /// Sets a variable for every command from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Removes a variable.
    pub fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// The home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A path below the home folder.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    /// The trust folder that all these programs share.
    #[must_use]
    pub fn trust_dir(&self) -> PathBuf {
        self.path(".docker/trust")
    }

    /// A command in this person's home and environment; nothing else of the caller's environment but `PATH` and the language.
    ///
    /// # Errors
    /// When the program is not installed or not built.
    pub fn command(&self, tool: Tool, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = match tool {
            Tool::Docker => {
                let mut command = Command::new(DOCKER.find()?);
                command.arg("trust");
                command
            }
            Tool::DockerItself => Command::new(DOCKER.find()?),
            Tool::DockerTrust => Command::new(program::ours("docker-trust")?),
            Tool::Notary => Command::new(NOTARY.find()?),
            Tool::OurNotary => Command::new(program::ours("notary")?),
        };
        command.args(arguments);
        self.dress(&mut command);
        Ok(command)
    }

    /// Gives any command this person's home and environment.
    pub fn dress(&self, command: &mut Command) {
        command
            .env_clear()
            .current_dir(self.home())
            .env("HOME", self.home())
            .env("DOCKER_CONFIG", self.path(".docker"))
            // Nothing in these tests may reach a daemon that happens to run here.
            .env(
                "DOCKER_HOST",
                format!("unix://{}", self.path("no-daemon.sock").display()),
            )
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .envs(&self.environment);
    }

    /// Runs a command without input.
    ///
    /// # Errors
    /// When the program is missing or hangs. Every exit code is a result.
    pub fn run(&self, tool: Tool, arguments: &[&str]) -> anyhow::Result<Finished> {
        self.run_with_input(tool, arguments, "")
    }

    /// Runs a command with this standard input.
    ///
    /// # Errors
    /// When the program is missing or hangs. Every exit code is a result.
    pub fn run_with_input(
        &self,
        tool: Tool,
        arguments: &[&str],
        input: &str,
    ) -> anyhow::Result<Finished> {
        process::run(&mut self.command(tool, arguments)?, input, COMMAND_LIMIT)
    }

    /// Runs OpenSSL in the home folder, for key and certificate files made by somebody else. It must succeed.
    ///
    /// # Errors
    /// When it is not installed or fails.
    pub fn openssl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(OPENSSL.find()?);
        command.args(arguments);
        self.dress(&mut command);
        process::run(&mut command, "", COMMAND_LIMIT)?.success()
    }

    /// Makes an unencrypted key on a curve with OpenSSL, without the parameters before it.
    ///
    /// # Errors
    /// When OpenSSL is not installed or does not know the curve.
    pub fn ec_key(&self, curve: &str, file: &str) -> anyhow::Result<String> {
        self.openssl(&["ecparam", "-name", curve, "-genkey", "-noout", "-out", file])
    }

    /// Makes a certificate `NAME.crt` for `NAME.key` with OpenSSL, good for ten years.
    ///
    /// # Errors
    /// When OpenSSL is not installed or cannot read the key.
    pub fn certificate(&self, name: &str) -> anyhow::Result<String> {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let subject = format!("/CN={name}");
        let made = [
            "req", "-new", "-x509", "-key", &key, "-sha256", "-days", "3650",
        ];
        self.openssl(&[&made[..], &["-subj", &subject, "-out", &certificate]].concat())
    }

    /// Makes a key of that name and its owner a signer of the repository, which is begun when there is none.
    ///
    /// # Errors
    /// When a command fails.
    pub fn become_signer(&self, tool: Tool, name: &str, repository: &str) -> anyhow::Result<()> {
        self.expect(tool, &["key", "generate", name])?;
        let public = format!("{name}.pub");
        self.expect(tool, &["signer", "add", "--key", &public, name, repository])?;
        Ok(())
    }

    /// Runs a command that must succeed and gives its standard output.
    ///
    /// # Errors
    /// When it exits with anything but 0.
    pub fn expect(&self, tool: Tool, arguments: &[&str]) -> anyhow::Result<String> {
        self.run(tool, arguments)?.success()
    }
}
