//! `cargo xtask demo`: the manual's walk on this machine, with a real registry, from an empty home to a refused forgery.
//!
//! Everything lies in `target/demo`, listens on loopback, and is stopped at the end.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use signet_testkit::image::{Image, digest};
use signet_testkit::peer::{Registry, RegistryOptions};
use signet_testkit::port;
use signet_testkit::process::{self, COMMAND_LIMIT, Finished, Group, Service, command_line};
use signet_testkit::program::DOCKER_REGISTRY;

use crate::{cargo, packages};

/// Where the server listens unless somebody else does.
const USUAL_PORT: u16 = 4443;

const REPOSITORY: &str = "team/app";

/// Builds the programs and walks through the manual.
///
/// # Errors
/// When anything does not go as the manual says.
pub(crate) fn run() -> anyhow::Result<()> {
    packages::install(&[DOCKER_REGISTRY])?;
    cargo::run(&mut cargo::cargo(&[
        "build",
        "--release",
        "--locked",
        "-p",
        "signet-server",
        "-p",
        "signet-cli",
    ])?)?;

    let started = Instant::now();
    let mut stage = Stage::set()?;
    let walk = stage.walk();
    let stopped = stage.clear();
    walk?;
    stopped?;
    println!(
        "\nDone in {:.1} s. Nothing is left running; all files are in {}.",
        started.elapsed().as_secs_f32(),
        stage.folder.display()
    );
    println!("{TRY_NEXT}");
    Ok(())
}

const TRY_NEXT: &str = "
What to try next
  cargo run --release -p signet-server             a trust server of your own; it prints the lines that make docker trust it
  target/release/docker-trust --help               all commands; the demo used: key generate, signer add, sign, inspect, verify
  target/release/docker-trust verify --help        the check for scripts: exit code 0 only for a signed tag, --format json
  docker trust inspect --pretty IMAGE              the docker client understands the same server and the same key files
  cargo xtask test                                 all tests, against docker, Go's notary and a registry";

/// The folder, the servers, and the person who types.
struct Stage {
    folder: PathBuf,
    programs: PathBuf,
    environment: Vec<(&'static str, String)>,
    server: Service,
    url: String,
    registry: Registry,
}

impl Stage {
    fn set() -> anyhow::Result<Self> {
        let target = cargo::target_directory()?;
        let folder = target.join("demo");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("empty {}", folder.display()))?;
        }
        let home = folder.join("home");
        fs::create_dir_all(&home)?;
        let programs = target.join("release");

        chapter("A trust server: no configuration, an embedded database, a certificate of its own");
        let address = if port::is_free(USUAL_PORT) {
            SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT))
        } else {
            port::free()?
        };
        let mut command = Command::new(programs.join("notary-server"));
        command
            .arg("--data-dir")
            .arg(folder.join("trust-server"))
            .env("HOME", &home);
        if address.port() != USUAL_PORT {
            command
                .arg("--listen")
                .arg(format!("localhost:{}", address.port()));
        }
        println!("$ {} &", shown(&command));
        let log = folder.join("trust-server.log");
        let mut server = Service::spawn("notary-server", &mut command, &log, Group::Shared)?;
        server.wait_listening(address)?;
        indent(&server.log());

        chapter("A registry with an image in it");
        let registry_folder = folder.join("registry");
        fs::create_dir_all(&registry_folder)?;
        println!(
            "$ docker-registry serve {} &",
            registry_folder.join("registry.json").display()
        );
        let registry =
            Registry::start_in(&registry_folder, &RegistryOptions::default(), Group::Shared)?;

        let url = format!("https://localhost:{}", address.port());
        let environment = vec![
            ("HOME", home.display().to_string()),
            ("DOCKER_CONFIG", home.join(".docker").display().to_string()),
            ("DOCKER_CONTENT_TRUST_SERVER", url.clone()),
            (
                "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
                "keep-this-one-offline".to_owned(),
            ),
            (
                "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
                "a-signer-types-this".to_owned(),
            ),
        ];
        Ok(Self {
            folder,
            programs,
            environment,
            server,
            url,
            registry,
        })
    }

    fn walk(&mut self) -> anyhow::Result<()> {
        let repository = format!("{}/{REPOSITORY}", self.registry.host());
        let tagged = |tag: &str| format!("{repository}:{tag}");
        let signed = Image::multi_platform("hello, world\n");
        self.push(&signed, "1.0")?;

        chapter(
            "The environment of the one who types (without the passphrases, you are asked for them)",
        );
        println!("$ export PATH={}:$PATH", self.programs.display());
        for (name, value) in &self.environment {
            println!("$ export {name}={value}");
        }
        self.trust_the_server()?;

        chapter("A key for jeff");
        self.docker_trust(&["key", "generate", "jeff"])?;
        chapter(
            "jeff may sign: the repository's trust data begins, with root and repository keys on this machine",
        );
        self.docker_trust(&["signer", "add", "--key", "jeff.pub", "jeff", &repository])?;
        chapter("jeff signs what the registry has under the tag");
        self.docker_trust(&["sign", "--remote", &tagged("1.0")])?;
        chapter("What is signed, and who may sign");
        self.docker_trust(&["inspect", "--pretty", &repository])?;
        chapter("What a script asks before it deploys");
        self.verified(&tagged("1.0"), &signed)?;

        chapter("Somebody replaces the tag in the registry");
        let forged = Image::single("you have been had\n");
        self.push(&forged, "1.0")?;
        println!(
            "# the registry now answers {} for {}",
            self.registry_says("1.0")?,
            tagged("1.0")
        );
        chapter("The answer is still what jeff signed");
        self.verified(&tagged("1.0"), &signed)?;
        chapter("A tag that nobody signed");
        self.push(&forged, "nightly")?;
        let finished = self.type_command(&["verify", &tagged("nightly")])?;
        ensure!(
            finished.code.is_some_and(|code| code != 0),
            "an unsigned tag was not refused: {finished}"
        );
        ensure!(
            !finished.stdout.contains("sha256:"),
            "an unsigned tag was given a digest: {finished}"
        );
        println!("# exit code {}: refused", finished.code.unwrap_or_default());
        Ok(())
    }

    /// What the server printed for pasting, done here: its CA goes where docker looks for it.
    fn trust_the_server(&self) -> anyhow::Result<()> {
        let host = self.url.trim_start_matches("https://");
        let folder = self.folder.join("home/.docker/tls").join(host);
        let authority = self.folder.join("trust-server/tls/ca.crt");
        println!("$ mkdir -p {}", folder.display());
        println!(
            "$ cp {} {}",
            authority.display(),
            folder.join("ca.crt").display()
        );
        fs::create_dir_all(&folder)?;
        fs::copy(&authority, folder.join("ca.crt"))
            .with_context(|| format!("copy {}", authority.display()))?;
        Ok(())
    }

    fn push(&self, image: &Image, tag: &str) -> anyhow::Result<()> {
        println!(
            "# put {} into {}/{REPOSITORY}:{tag}",
            image.digest(),
            self.registry.host()
        );
        image.push(&self.registry.client(), REPOSITORY, tag)
    }

    /// The digest that the registry gives for a tag now.
    fn registry_says(&self, tag: &str) -> anyhow::Result<String> {
        let accept = [(
            "Accept",
            "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json",
        )];
        let path = format!("/v2/{REPOSITORY}/manifests/{tag}");
        let response = self.registry.client().request("GET", &path, &accept, &[])?;
        ensure!(
            response.status == 200,
            "the registry answers {} for {path}",
            response.status
        );
        Ok(digest(&response.body))
    }

    fn verified(&self, image: &str, expected: &Image) -> anyhow::Result<()> {
        let finished = self.type_command(&["verify", image])?;
        let digest = expected.digest();
        ensure!(
            finished.code == Some(0) && finished.stdout.trim_end().ends_with(&digest),
            "{image} should be {digest}: {finished}"
        );
        Ok(())
    }

    fn docker_trust(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.type_command(arguments)?.success().map(drop)
    }

    /// Prints a command, runs it, and prints what it printed.
    fn type_command(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        let mut command = Command::new(self.programs.join("docker-trust"));
        command
            .args(arguments)
            .current_dir(self.folder.join("home"));
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        println!("$ {}", shown(&command));
        let finished = process::run(&mut command, "", COMMAND_LIMIT)?;
        indent(&finished.stdout);
        indent(&finished.stderr);
        Ok(finished)
    }

    fn clear(&mut self) -> anyhow::Result<()> {
        let status = self.server.stop(Duration::from_secs(10))?;
        ensure!(
            status.success(),
            "the server ended with {status}:\n{}",
            self.server.log()
        );
        self.registry.service().kill();
        Ok(())
    }
}

fn chapter(title: &str) {
    println!("\n# {title}");
}

fn indent(text: &str) {
    for line in text.lines() {
        println!("    {line}");
    }
}

/// The command with its program's name alone.
fn shown(command: &Command) -> String {
    let line = command_line(command);
    let program = command_line(&Command::new(command.get_program()));
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    line.replacen(&program, &name, 1)
}
