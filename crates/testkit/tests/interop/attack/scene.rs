//! A registry and a trust server, each behind a proxy that the attacker holds, a daemon, and an image that can run.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::clock;
use signet_testkit::peer::{Daemon, Registry, Storage, TrustServer};
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::program::{BUSYBOX, ours};
use signet_testkit::user::{Tool, User};

/// No command may take longer, whatever the attacker does. The longest limit of ours is 30 s of silence.
const LIMIT: Duration = Duration::from_secs(90);
/// Seconds that a pull of these tests may go without getting on.
const PATIENCE: &str = "5";

pub(crate) struct Scene {
    pub(crate) server: TrustServer,
    pub(crate) trust: Proxy,
    pub(crate) registry: Registry,
    pub(crate) front: Proxy,
    pub(crate) daemon: Daemon,
    pub(crate) jeff: User,
    pub(crate) gun: String,
    /// Digest of what `v1` is signed as. The image says `signed`.
    pub(crate) signed: String,
    /// Digest of what nobody has signed, in the registry as `other`. The image says `other`.
    pub(crate) other: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let server = TrustServer::ours_plain(Storage::Memory).unwrap();
        let trust = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
        let registry = Registry::start().unwrap();
        let front = Proxy::start(registry.address(), &server.issue().unwrap()).unwrap();
        let daemon = Daemon::start().unwrap();
        let mut jeff = User::new(&trust.url(), &server.ca_pem()).unwrap();
        daemon.admit(&mut jeff);
        let gun = format!("{}/team/app", front.host());
        let mut scene = Self {
            server,
            trust,
            registry,
            front,
            daemon,
            jeff,
            gun,
            signed: String::new(),
            other: String::new(),
        };
        scene.jeff_runs(&["key", "generate", "jeff"]);
        let gun = scene.gun.clone();
        scene.jeff_runs(&["signer", "add", "--key", "jeff.pub", "jeff", &gun]);
        scene.signed = scene.push("v1", "signed");
        scene.other = scene.push("other", "other");
        scene.jeff_runs(&["sign", "--remote", &format!("{gun}:v1")]);
        scene.empty_daemon();
        scene
    }

    /// Puts an image that says `text` into the registry, on the straight way, and gives its digest.
    pub(crate) fn push(&self, tag: &str, text: &str) -> String {
        self.push_to("team/app", tag, text)
    }

    pub(crate) fn push_to(&self, repository: &str, tag: &str, text: &str) -> String {
        let image = format!("{}/{repository}:{tag}", self.registry.host());
        build(&self.jeff, &image, text);
        self.docker(&["push", &image]);
        let format = "{{index .RepoDigests 0}}";
        let pinned = self.docker(&["inspect", "--format", format, &image]);
        pinned.trim().split('@').nth(1).unwrap().to_owned()
    }

    pub(crate) fn jeff_runs(&self, words: &[&str]) -> String {
        self.jeff.expect(Tool::DockerTrust, words).unwrap()
    }

    pub(crate) fn docker(&self, words: &[&str]) -> String {
        self.jeff.expect(Tool::DockerItself, words).unwrap()
    }

    pub(crate) fn tagged(&self, tag: &str) -> String {
        format!("{}:{tag}", self.gun)
    }

    /// Somebody who has never seen the repository.
    pub(crate) fn stranger(&self) -> User {
        let mut user = User::new(&self.trust.url(), &self.server.ca_pem()).unwrap();
        self.daemon.admit(&mut user);
        user.set("SIGNET_PULL_PATIENCE", PATIENCE);
        user
    }

    /// Somebody who knows the repository as it is now.
    pub(crate) fn regular(&self) -> User {
        let user = self.stranger();
        user.expect(Tool::DockerTrust, &["verify", &self.tagged("v1")])
            .unwrap();
        user
    }

    /// Takes everything away from the daemon.
    pub(crate) fn empty_daemon(&self) {
        for (list, remove) in [("container ls -aq", "rm"), ("image ls -aq", "rmi")] {
            let words: Vec<&str> = list.split(' ').collect();
            let ids = self.docker(&words);
            for id in ids.lines() {
                // One image may have gone with another.
                let _ = self.jeff.run(Tool::DockerItself, &[remove, "-f", id]);
            }
        }
        assert_eq!(self.state(), "");
    }

    /// Everything that the daemon has.
    pub(crate) fn state(&self) -> String {
        let images = "{{.ID}} {{.Repository}}:{{.Tag}} {{.Digest}}";
        let images = self.docker(&[
            "image",
            "ls",
            "-a",
            "--digests",
            "--no-trunc",
            "--format",
            images,
        ]);
        let containers = self.docker(&["container", "ls", "-aq", "--no-trunc"]);
        let mut lines: Vec<&str> = images.lines().chain(containers.lines()).collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    /// The commands that use an image, each by a user of its own, at the same time.
    pub(crate) fn all_commands(&self, make: impl Fn() -> User, image: &str) -> Vec<Tried> {
        let tried: Vec<(&'static str, User)> = ["pull", "run", "create", "verify"]
            .map(|command| (command, make()))
            .into();
        thread::scope(|scope| {
            let running: Vec<_> = tried
                .iter()
                .map(|(command, user)| scope.spawn(|| try_command(user, command, image)))
                .collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        })
    }

    /// Everybody is refused for one of these reasons, and nothing happens at the daemon.
    pub(crate) fn refused(
        &self,
        attack: &str,
        make: impl Fn() -> User,
        image: &str,
        reasons: &[&str],
    ) {
        let before = self.state();
        for tried in self.all_commands(make, image) {
            tried.is_refused(attack, reasons);
        }
        assert_eq!(
            self.state(),
            before,
            "{attack} left something at the daemon"
        );
    }

    /// The registry's attacks concern whoever takes an image from it. `verify` asks the registry nothing, and answers with what was signed.
    pub(crate) fn refused_from_registry(
        &self,
        attack: &str,
        image: &str,
        digest: &str,
        reasons: &[&str],
    ) {
        let before = self.state();
        for tried in self.all_commands(|| self.stranger(), image) {
            if tried.command == "verify" {
                let pinned = format!("{}@{digest}\n", self.gun);
                assert_eq!(tried.finished.success().unwrap(), pinned, "{attack}");
            } else {
                tried.is_refused(attack, reasons);
            }
        }
        assert_eq!(
            self.state(),
            before,
            "{attack} left something at the daemon"
        );
    }

    /// Nobody attacks: the image runs, and it is the signed one.
    pub(crate) fn runs(&self, user: &User) {
        let tried = try_command(user, "run", &self.tagged("v1"));
        assert_eq!(tried.finished.success().unwrap(), "signed\n");
        self.empty_daemon();
    }

    /// From now on this happens to every request for a path with `needle` in it.
    pub(crate) fn spoil(proxy: &Proxy, needle: &str, fault: Fault) {
        let needle = needle.to_owned();
        proxy.set(move |_, path| {
            if path.contains(&needle) {
                fault.clone()
            } else {
                Fault::None
            }
        });
    }
}

/// A command, and what came of it.
pub(crate) struct Tried {
    pub(crate) command: &'static str,
    pub(crate) finished: Finished,
    took: Duration,
}

impl Tried {
    pub(crate) fn is_refused(&self, attack: &str, reasons: &[&str]) {
        let Self {
            command,
            finished,
            took,
        } = self;
        assert!(
            finished.code.is_some_and(|code| code != 0),
            "{attack}: {command} succeeded: {finished}"
        );
        assert!(
            !finished.stdout.contains("signed\n") && !finished.stdout.contains("other\n"),
            "{attack}: {command} started something: {finished}"
        );
        assert!(
            reasons
                .iter()
                .any(|reason| finished.stderr.contains(reason)),
            "{attack}: {command} gives none of {reasons:?}: {finished}"
        );
        assert!(*took < LIMIT, "{attack}: {command} took {took:?}");
    }
}

/// Sends whoever asks to another place.
pub(crate) fn redirect(url: String) -> Fault {
    Fault::Answer(307, vec![("Location", url)], Vec::new())
}

fn words<'a>(command: &'a str, image: &'a str) -> Vec<&'a str> {
    let mut words = vec![command];
    match command {
        "run" => words.extend(["--rm", "--network", "none", image]),
        "create" => words.extend(["--network", "none", image]),
        _ => words.push(image),
    }
    words
}

pub(crate) fn try_command(user: &User, command: &'static str, image: &str) -> Tried {
    let started = Instant::now();
    let finished = user.run(Tool::DockerTrust, &words(command, image)).unwrap();
    Tried {
        command,
        finished,
        took: started.elapsed(),
    }
}

/// The same `days` from now.
pub(crate) fn try_later(user: &User, days: u32, command: &'static str, image: &str) -> Tried {
    let started = Instant::now();
    let mut later = Command::new(ours("docker-trust").unwrap());
    later.args(words(command, image));
    user.dress(&mut later);
    clock::at(&mut later, &format!("+{days}d")).unwrap();
    Tried {
        command,
        finished: process::run(&mut later, "", COMMAND_LIMIT).unwrap(),
        took: started.elapsed(),
    }
}

/// An image at the daemon that says `text` when it is run.
pub(crate) fn build(user: &User, image: &str, text: &str) {
    let root = user.path(&format!("image-{text}"));
    fs::create_dir_all(root.join("bin")).unwrap();
    let busybox = root.join("bin/busybox");
    fs::copy(BUSYBOX.find().unwrap(), &busybox).unwrap();
    fs::set_permissions(&busybox, fs::Permissions::from_mode(0o755)).unwrap();
    if !root.join("bin/sh").exists() {
        symlink("busybox", root.join("bin/sh")).unwrap();
    }
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(&root).args(["-cf", "image.tar", "."]);
    user.dress(&mut tar);
    process::run(&mut tar, "", COMMAND_LIMIT)
        .unwrap()
        .success()
        .unwrap();
    let say = format!("CMD [\"/bin/sh\", \"-c\", \"echo {text}\"]");
    user.expect(
        Tool::DockerItself,
        &["import", "--change", &say, "image.tar", image],
    )
    .unwrap();
}
