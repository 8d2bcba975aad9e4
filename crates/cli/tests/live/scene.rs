//! A user with a trust server and a registry.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use signet_testkit::chaos::Proxy;
use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, RegistryOptions, Storage, TrustServer};
use signet_testkit::process::Finished;
use signet_testkit::user::{Tool, User};

/// Go's server behind a proxy, a registry, and a user who knows them.
pub(crate) struct Scene {
    pub(crate) server: TrustServer,
    pub(crate) proxy: Proxy,
    pub(crate) registry: Registry,
    pub(crate) user: User,
    pub(crate) gun: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::on(TrustServer::go_plain().unwrap())
    }

    /// On our own server.
    pub(crate) fn ours() -> Self {
        Self::on(TrustServer::ours_plain(Storage::Memory).unwrap())
    }

    fn on(server: TrustServer) -> Self {
        let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
        Self::behind(proxy, server, Registry::start().unwrap())
    }

    /// A registry that wants a password, which stands in for such a trust server, too.
    pub(crate) fn with_password() -> Self {
        let server = TrustServer::go_plain().unwrap();
        let registry = Registry::start_with(&RegistryOptions {
            htpasswd: true,
            ..RegistryOptions::default()
        })
        .unwrap();
        let proxy = Proxy::start(registry.address(), &server.issue().unwrap()).unwrap();
        Self::behind(proxy, server, registry)
    }

    fn behind(proxy: Proxy, server: TrustServer, registry: Registry) -> Self {
        let user = User::new(&proxy.url(), &server.ca_pem()).unwrap();
        let gun = format!("{}/team/app", registry.host());
        Self {
            server,
            proxy,
            registry,
            user,
            gun,
        }
    }

    /// The same with jeff, whose key the user has, as the only signer.
    pub(crate) fn with_jeff() -> Self {
        let scene = Self::new();
        scene.generate("jeff");
        scene.add("jeff", &scene.gun).success().unwrap();
        scene
    }

    /// The same with the signed tags `v1` and `v2`, whose digests are given, and a tag `unsigned`.
    pub(crate) fn with_signed_tags() -> (Self, [String; 2]) {
        let scene = Self::with_jeff();
        let digests = [("v1", "one"), ("v2", "two")].map(|(tag, text)| {
            let (digest, _) = scene.push(tag, text);
            scene.sign(tag).success().unwrap();
            digest
        });
        scene.push("unsigned", "three");
        (scene, digests)
    }

    /// `text` with `IMAGE` for the repository.
    pub(crate) fn text(&self, text: &str) -> String {
        text.replace("IMAGE", &self.gun)
    }

    pub(crate) fn stranger(&self) -> User {
        User::new(&self.proxy.url(), &self.server.ca_pem()).unwrap()
    }

    pub(crate) fn run(&self, words: &[&str]) -> Finished {
        self.user.run(Tool::DockerTrust, words).unwrap()
    }

    pub(crate) fn generate(&self, name: &str) {
        self.run(&["key", "generate", name]).success().unwrap();
    }

    pub(crate) fn add(&self, name: &str, repository: &str) -> Finished {
        self.run(&[
            "signer",
            "add",
            "--key",
            &format!("{name}.pub"),
            name,
            repository,
        ])
    }

    /// Puts an image into the registry and gives its digest.
    pub(crate) fn push(&self, tag: &str, text: &str) -> (String, usize) {
        let image = Image::single(text);
        image
            .push(&self.registry.client(), "team/app", tag)
            .unwrap();
        (image.digest_hex(), image.size())
    }

    pub(crate) fn tagged(&self, tag: &str) -> String {
        format!("{}:{tag}", self.gun)
    }

    /// Signs what the registry has; nothing is asked of a daemon.
    pub(crate) fn sign(&self, tag: &str) -> Finished {
        self.run(&["sign", "--remote", &self.tagged(tag)])
    }

    /// Signs a tag again that is signed already, as it is.
    pub(crate) fn sign_again(&self, tag: &str) -> Finished {
        self.run(&["sign", &self.tagged(tag)])
    }

    /// `notary list` of one role, as `name digest`.
    pub(crate) fn list(&self, role: &str) -> BTreeSet<String> {
        let text = self
            .stranger()
            .expect(Tool::Notary, &["list", &self.gun, "-r", role])
            .unwrap();
        let rows = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row.len() == 4 && row[3] == role)
            .map(|row| format!("{} {}", row[0], row[1]))
            .collect()
    }

    pub(crate) fn notary(&self, words: &[&str]) {
        self.user.expect(Tool::Notary, words).unwrap();
    }

    /// Changes staged on disk for the repository.
    pub(crate) fn staged(&self) -> usize {
        let folder: PathBuf = self
            .user
            .trust_dir()
            .join("tuf")
            .join(&self.gun)
            .join("changelist");
        fs::read_dir(folder).map_or(0, Iterator::count)
    }

    pub(crate) fn posts(&self) -> usize {
        self.proxy
            .take_log()
            .iter()
            .filter(|line| line.starts_with("POST"))
            .count()
    }
}

/// The files of the user's keys for a role.
pub(crate) fn keys_of(user: &User, role: &str) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(user.trust_dir().join("private")) else {
        return Vec::new();
    };
    let paths = files.map(|file| file.unwrap().path());
    paths
        .filter(|path| {
            fs::read_to_string(path)
                .unwrap()
                .contains(&format!("\nrole: {role}\n"))
        })
        .collect()
}
