//! A population: many repositories of every kind on a real trust server, made in seconds, with what is true of each.
//!
//! ```no_run
//! use signet_testkit::fleet::{Fleet, Kind};
//!
//! # fn main() -> anyhow::Result<()> {
//! let fleet = Fleet::small()?; // one of each kind, on Go's server
//! let member = fleet.member(Kind::Signers);
//! println!("{} has {:?}", member.gun, member.listed());
//! let owner = fleet.owner(member)?; // a home with the keys, for docker, notary and ours
//! # Ok(())
//! # }
//! ```
//!
//! The documents are put together and signed here and uploaded as clients do it; nothing of the product takes part. What a [`Member`] says of
//! itself follows from how it was made, and the kit's own tests compare it with what Go's `notary` and the docker client print. Owners and
//! signers use the same few keys everywhere; certificates and the server's keys are each repository's own.

#![expect(
    clippy::disallowed_methods,
    reason = "what a population signs must hold on the clocks of its peers"
)]

mod key;
mod member;
mod recipe;
mod repository;

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use time::OffsetDateTime;

pub use key::Key;
pub use member::{Kind, Member, Signed, Standing};

use crate::file;
use crate::http::Client;
use crate::peer::TrustServer;
use crate::user::User;
use recipe::Recipe;
use repository::ServerKeys;

/// Uploads at the same time.
const UPLOADERS: usize = 4;

/// Keys of owners and signers, the same for all repositories.
#[derive(Debug)]
struct Keyring {
    /// Root keys; the first one begins every repository.
    roots: Vec<Key>,
    targets: Key,
    snapshot: Key,
    releases: Key,
    alice: Key,
    /// The key with which alice began.
    alice_before: Key,
    /// RSA.
    bob: Key,
    carol: Key,
}

impl Keyring {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            roots: (0..4).map(|_| Key::ecdsa()).collect::<Result<_, _>>()?,
            targets: Key::ecdsa()?,
            snapshot: Key::ecdsa()?,
            releases: Key::ecdsa()?,
            alice: Key::ecdsa()?,
            alice_before: Key::ecdsa()?,
            bob: Key::rsa()?,
            carol: Key::ecdsa()?,
        })
    }
}

/// Repositories on a trust server.
#[derive(Debug)]
pub struct Fleet {
    server: TrustServer,
    keys: Keyring,
    members: Vec<Member>,
    ready: OffsetDateTime,
}

impl Fleet {
    /// One repository of each kind on Go's server.
    ///
    /// # Errors
    /// When `notary-server` is not installed or refuses something.
    pub fn small() -> anyhow::Result<Self> {
        Self::on(TrustServer::go()?, Recipe::small())
    }

    /// A population of this size on Go's server: exactly one repository has expired, one has a broken delegation, and the other kinds take
    /// turns.
    ///
    /// # Errors
    /// When `notary-server` is not installed or refuses something.
    pub fn mixed(size: usize) -> anyhow::Result<Self> {
        Self::on(TrustServer::go()?, Recipe::mixed(size))
    }

    /// Repositories with `targets/releases` and one signer of this many names each, on a server that has nothing yet.
    ///
    /// # Errors
    /// When it refuses something.
    pub fn uniform_on(server: TrustServer, size: usize, tags: usize) -> anyhow::Result<Self> {
        Self::on(server, Recipe::uniform(size, tags))
    }

    /// Repositories with `targets` of this many names and three more each, on Go's server. Their owner signs all but the timestamp, as notary
    /// begins a repository.
    ///
    /// # Errors
    /// When `notary-server` is not installed or refuses something.
    pub fn owned(sizes: &[usize]) -> anyhow::Result<Self> {
        Self::on(TrustServer::go()?, Recipe::owned(sizes))
    }

    /// As [`Fleet::small`], on a server that is there already and has nothing.
    ///
    /// # Errors
    /// When it refuses something.
    pub fn small_on(server: TrustServer) -> anyhow::Result<Self> {
        Self::on(server, Recipe::small())
    }

    fn on(server: TrustServer, recipes: Vec<Recipe>) -> anyhow::Result<Self> {
        let keys = Keyring::new()?;
        let client = server.client()?;
        let wanted: Vec<(Recipe, Vec<ServerKeys>)> = recipes
            .into_iter()
            .map(|recipe| {
                // All before the first upload and one after the other: Go's server crashes when it makes a key while it does anything
                // else with keys.
                let mut keys = vec![server_keys(&client, &recipe.gun, "GET")?];
                if recipe.kind == Kind::RotatedServerKeys {
                    keys.push(server_keys(&client, &recipe.gun, "POST")?);
                }
                anyhow::Ok((recipe, keys))
            })
            .collect::<Result<_, _>>()?;
        let members = make(&wanted, &keys, &client)?;
        for member in &members {
            if let Standing::Expired { at, .. } = &member.standing {
                wait_until(at)?;
            }
        }
        Ok(Self {
            server,
            keys,
            members,
            ready: OffsetDateTime::now_utc(),
        })
    }

    /// The repositories, ordered by name.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The first repository of a kind.
    ///
    /// # Panics
    /// When the population has none.
    #[must_use]
    pub fn member(&self, kind: Kind) -> &Member {
        self.members
            .iter()
            .find(|member| member.kind == kind)
            .unwrap_or_else(|| panic!("no repository is {kind:?}"))
    }

    /// Their names, one a line.
    #[must_use]
    pub fn list(&self) -> String {
        let lines = self
            .members
            .iter()
            .map(|member| format!("{}\n", member.gun));
        lines.collect()
    }

    /// When all was made, and had expired what shall have.
    #[must_use]
    pub fn ready(&self) -> OffsetDateTime {
        self.ready
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &TrustServer {
        &self.server
    }

    /// The server, to stop it.
    pub fn server_mut(&mut self) -> &mut TrustServer {
        &mut self.server
    }

    /// Somebody who has never seen a repository of it.
    ///
    /// # Errors
    /// When the home cannot be made.
    pub fn stranger(&self) -> anyhow::Result<User> {
        User::new(&self.server.url(), &self.server.ca_pem())
    }

    /// Somebody who has all keys of a repository and has never seen it.
    ///
    /// # Errors
    /// When the home cannot be made.
    pub fn owner(&self, member: &Member) -> anyhow::Result<User> {
        let user = self.stranger()?;
        self.give_keys(member, &user)?;
        Ok(user)
    }

    /// Puts all keys of a repository into somebody's trust folder, without passphrases.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn give_keys(&self, member: &Member, user: &User) -> anyhow::Result<()> {
        let keys = &self.keys;
        let mut files: Vec<(&Key, &str, Option<&str>)> = vec![
            (&keys.targets, "targets", Some(&member.gun)),
            (&keys.releases, "releases", None),
            (&keys.alice, "alice", None),
            (&keys.bob, "bob", None),
            (&keys.carol, "carol", None),
        ];
        files.extend(keys.roots.iter().map(|key| (key, "root", None)));
        if member.kind == Kind::OwnSnapshot {
            files.push((&keys.snapshot, "snapshot", Some(&member.gun)));
        }
        // Only what the repository uses, as if the owner had made it.
        let used = |key: &Key, role: &str| match role {
            "root" => key.id() == member.root_key,
            "targets" | "snapshot" => true,
            _ => member
                .delegations
                .values()
                .any(|ids| ids.contains(key.id())),
        };
        for (key, role, gun) in files {
            if used(key, role) {
                let path = user.trust_dir().join(format!("private/{}.key", key.id()));
                file::write(&path, key.file(role, gun))?;
            }
        }
        Ok(())
    }
}

fn server_keys(client: &Client, gun: &str, method: &str) -> anyhow::Result<ServerKeys> {
    let key = |role: &str| {
        let path = format!("/v2/{gun}/_trust/tuf/{role}.key");
        let answer = client.request(method, &path, &[], &[])?;
        ensure!(answer.status == 200, "{path}: status {}", answer.status);
        key::server_key(&answer.body)
    };
    Ok(ServerKeys {
        snapshot: key("snapshot")?,
        timestamp: key("timestamp")?,
    })
}

/// Makes the repositories, several at a time.
fn make(
    wanted: &[(Recipe, Vec<ServerKeys>)],
    keys: &Keyring,
    client: &Client,
) -> anyhow::Result<Vec<Member>> {
    let left = Mutex::new(wanted.iter());
    let next = || left.lock().ok().and_then(|mut left| left.next());
    let work = || -> anyhow::Result<Vec<Member>> {
        let mut made = Vec::new();
        while let Some((recipe, server)) = next() {
            made.push(
                recipe
                    .make(keys, server, client)
                    .with_context(|| format!("{:?} {}", recipe.kind, recipe.gun))?,
            );
        }
        Ok(made)
    };
    let mut members = Vec::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..UPLOADERS).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let made = worker
                .join()
                .map_err(|_| anyhow::anyhow!("an uploader panicked"))??;
            members.extend(made);
        }
        anyhow::Ok(())
    })?;
    members.sort_by(|one: &Member, other| one.gun.cmp(&other.gun));
    Ok(members)
}

fn wait_until(moment: &str) -> anyhow::Result<()> {
    let moment = OffsetDateTime::parse(moment, &time::format_description::well_known::Rfc3339)?;
    // Also for those who count in whole seconds.
    while OffsetDateTime::now_utc() <= moment + time::Duration::seconds(1) {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
