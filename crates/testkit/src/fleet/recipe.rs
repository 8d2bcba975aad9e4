//! How each kind of repository is made.

use anyhow::Context;
use time::{Duration, OffsetDateTime};

use super::Keyring;
use super::member::{Kind, Member, Standing};
use super::repository::{Repository, ServerKeys, text};
use crate::http::Client;

/// The kinds that take turns in a population.
const TURNS: [Kind; 9] = [
    Kind::Plain,
    Kind::OwnSnapshot,
    Kind::Signers,
    Kind::Nested,
    Kind::RotatedRoot,
    Kind::RotatedServerKeys,
    Kind::RemovedSigner,
    Kind::ManyTags,
    Kind::OddName,
];

/// How long the document is valid that shall have expired: long enough for the server to take it.
const SHORT_VALIDITY: Duration = Duration::seconds(4);

const MANY_TAGS: usize = 60;

/// What a repository shall be.
pub(super) struct Recipe {
    pub(super) gun: String,
    pub(super) kind: Kind,
    /// Which one of its kind it is; some kinds vary.
    turn: usize,
    tags: usize,
}

impl Recipe {
    pub(super) fn small() -> Vec<Self> {
        Self::mixed(TURNS.len() + 2)
    }

    pub(super) fn mixed(size: usize) -> Vec<Self> {
        let single = [Kind::Expired, Kind::Broken].map(|kind| Self::new(kind, 0));
        let turns = (0..size.saturating_sub(single.len())).map(|at| {
            let kind = TURNS[at % TURNS.len()];
            Self::new(kind, at / TURNS.len())
        });
        // The one that must expire comes first, so that the others are made meanwhile.
        single.into_iter().chain(turns).collect()
    }

    pub(super) fn uniform(size: usize, tags: usize) -> Vec<Self> {
        (0..size)
            .map(|turn| Self {
                tags,
                ..Self::new(Kind::ManyTags, turn)
            })
            .collect()
    }

    /// Repositories with this many names in `targets`, which their owner signs with all else but the timestamp.
    pub(super) fn owned(sizes: &[usize]) -> Vec<Self> {
        let owned = |(turn, &tags)| Self {
            tags,
            ..Self::new(Kind::OwnSnapshot, turn)
        };
        sizes.iter().enumerate().map(owned).collect()
    }

    fn new(kind: Kind, turn: usize) -> Self {
        let gun = match kind {
            Kind::OddName => odd_name(turn),
            _ => format!("registry.example.com/{}/r{turn:04}", folder(kind)),
        };
        Self {
            gun,
            kind,
            turn,
            tags: match kind {
                Kind::ManyTags => MANY_TAGS,
                _ => 0,
            },
        }
    }

    /// Makes it on the server. `server` are the server's keys for it, and those after a rotation.
    pub(super) fn make(
        &self,
        keys: &Keyring,
        server: &[ServerKeys],
        client: &Client,
    ) -> anyhow::Result<Member> {
        let first = keys.roots.first().context("a root key")?;
        let mut repository = Repository::new(
            &self.gun,
            first,
            &keys.targets,
            server.first().context("keys of the server")?.clone(),
        )?;
        let mut standing = Standing::Sound;
        match self.kind {
            Kind::Plain | Kind::OddName => plain(&mut repository, client)?,
            Kind::OwnSnapshot => {
                repository.own_snapshot(&keys.snapshot);
                for number in 0..self.tags {
                    repository.tag("targets", &format!("v1.{number}"));
                }
                plain(&mut repository, client)?;
            }
            Kind::Signers => signers(&mut repository, keys, client)?,
            Kind::Nested => nested(&mut repository, keys, client)?,
            Kind::RotatedRoot => {
                plain(&mut repository, client)?;
                let rotations = 1 + self.turn % 3;
                for key in keys.roots.iter().skip(1).take(rotations) {
                    repository.rotate_root(key)?;
                    repository.sign_root()?;
                    repository.publish(client)?;
                }
            }
            Kind::RotatedServerKeys => {
                plain(&mut repository, client)?;
                repository.rotate_server_keys(server.get(1).context("further keys")?.clone());
                repository.sign_root()?;
                repository.publish(client)?;
                repository.tag("targets", "after");
                repository.sign_targets()?;
                repository.publish(client)?;
            }
            Kind::RemovedSigner => removed_signer(&mut repository, keys, client)?,
            Kind::ManyTags => many_tags(&mut repository, keys, client, self.tags)?,
            Kind::Expired => {
                repository.tag("targets", "1.0");
                let at = text(OffsetDateTime::now_utc() + SHORT_VALIDITY)?;
                repository.sign_root()?;
                repository.sign_until("targets", &[&keys.targets], &at)?;
                repository.publish(client)?;
                let role = "targets".to_owned();
                standing = Standing::Expired { role, at };
            }
            Kind::Broken => {
                broken(&mut repository, keys, client)?;
                let role = "targets/alice".to_owned();
                standing = Standing::Broken { role };
            }
        }
        let mut member = repository.describe();
        member.kind = self.kind;
        if let Standing::Broken { role } = &standing {
            member.roles.retain(|(other, _)| other != role);
        }
        member.standing = standing;
        Ok(member)
    }
}

fn folder(kind: Kind) -> &'static str {
    match kind {
        Kind::Plain => "plain",
        Kind::OwnSnapshot => "own-snapshot",
        Kind::Signers => "signers",
        Kind::Nested => "nested",
        Kind::RotatedRoot => "rotated-root",
        Kind::RotatedServerKeys => "rotated-server-keys",
        Kind::RemovedSigner => "removed-signer",
        Kind::ManyTags => "many-tags",
        Kind::OddName => "odd",
        Kind::Expired => "expired",
        Kind::Broken => "broken",
    }
}

/// Names that servers, folders and member names of archives must carry as they are.
fn odd_name(turn: usize) -> String {
    let serial = turn / 6;
    match turn % 6 {
        0 => format!("localhost:5000/team/app{serial}"),
        // The longest name a database holds.
        1 => {
            let head = format!("registry.example.com/long{serial}/");
            format!("{head}{}", "l".repeat(255 - head.len()))
        }
        2 => format!("Registry.Example.COM:8443/Upper/Case{serial}"),
        3 => format!("registry.example.com/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p{serial}"),
        // One name is the beginning of another, and a folder of it.
        4 => format!("localhost:5000/team/app{serial}/part"),
        _ => format!("docker.io/library/dots.and_under__scores-and---dashes{serial}"),
    }
}

/// Two publications of names in `targets`.
fn plain(repository: &mut Repository<'_>, client: &Client) -> anyhow::Result<()> {
    repository.tag("targets", "1.0");
    repository.tag("targets", "latest");
    repository.sign_root()?;
    repository.sign_targets()?;
    repository.publish(client)?;
    repository.tag("targets", "1.1");
    repository.sign_targets()?;
    repository.publish(client)
}

fn signers<'k>(
    repository: &mut Repository<'k>,
    keys: &'k Keyring,
    client: &Client,
) -> anyhow::Result<()> {
    let people = [
        ("targets/alice", &keys.alice),
        ("targets/bob", &keys.bob),
        ("targets/carol", &keys.carol),
    ];
    let releasers: Vec<_> = people.iter().map(|(_, key)| *key).collect();
    repository.delegate("targets/releases", &releasers, 1, &[""])?;
    for (role, key) in people {
        repository.delegate(role, &[key], 1, &[""])?;
    }
    repository.tag("targets", "from-owner");
    repository.sign_root()?;
    repository.sign_targets()?;
    repository.publish(client)?;
    // Alice signs two names and bob one of them; carol signs nothing.
    for (role, names) in [
        ("targets/alice", &["1.0", "2.0"][..]),
        ("targets/bob", &["2.0"]),
        ("targets/releases", &["1.0", "2.0"]),
    ] {
        for name in names {
            repository.tag(role, name);
        }
    }
    repository.sign("targets/alice", &[&keys.alice])?;
    repository.sign("targets/bob", &[&keys.bob])?;
    repository.sign("targets/releases", &[&keys.alice, &keys.bob])?;
    repository.publish(client)
}

fn nested<'k>(
    repository: &mut Repository<'k>,
    keys: &'k Keyring,
    client: &Client,
) -> anyhow::Result<()> {
    repository.delegate("targets/team", &[&keys.alice, &keys.carol], 2, &["team/"])?;
    repository.delegate("targets/team/part", &[&keys.bob], 1, &["team/part/"])?;
    repository.delegate(
        "targets/team/part/piece",
        &[&keys.carol],
        1,
        &["team/part/piece-"],
    )?;
    repository.tag("targets", "1.0");
    repository.tag("targets/team", "team/tool");
    repository.tag("targets/team/part", "team/part/tool");
    repository.tag("targets/team/part/piece", "team/part/piece-1");
    repository.sign_root()?;
    repository.sign_targets()?;
    repository.sign("targets/team", &[&keys.alice, &keys.carol])?;
    repository.sign("targets/team/part", &[&keys.bob])?;
    repository.sign("targets/team/part/piece", &[&keys.carol])?;
    repository.publish(client)
}

/// What `docker trust signer remove` does: the signer's role and key go, and who is left signs the releases anew.
fn removed_signer<'k>(
    repository: &mut Repository<'k>,
    keys: &'k Keyring,
    client: &Client,
) -> anyhow::Result<()> {
    repository.delegate("targets/releases", &[&keys.alice, &keys.bob], 1, &[""])?;
    repository.delegate("targets/alice", &[&keys.alice], 1, &[""])?;
    repository.delegate("targets/bob", &[&keys.bob], 1, &[""])?;
    for role in ["targets/alice", "targets/bob", "targets/releases"] {
        repository.tag(role, "1.0");
    }
    repository.sign_root()?;
    repository.sign_targets()?;
    repository.sign("targets/alice", &[&keys.alice])?;
    repository.sign("targets/bob", &[&keys.bob])?;
    repository.sign("targets/releases", &[&keys.bob])?;
    repository.publish(client)?;
    repository.revoke("targets/bob")?;
    repository.delegate("targets/releases", &[&keys.alice], 1, &[""])?;
    repository.sign_targets()?;
    repository.sign("targets/releases", &[&keys.alice])?;
    repository.publish(client)
}

fn many_tags<'k>(
    repository: &mut Repository<'k>,
    keys: &'k Keyring,
    client: &Client,
    tags: usize,
) -> anyhow::Result<()> {
    repository.delegate("targets/releases", &[&keys.alice], 1, &[""])?;
    repository.delegate("targets/alice", &[&keys.alice], 1, &[""])?;
    repository.sign_root()?;
    repository.sign_targets()?;
    for role in ["targets/alice", "targets/releases"] {
        for number in 0..tags {
            repository.tag(role, &format!("v1.{number}"));
        }
        repository.sign(role, &[&keys.alice])?;
    }
    repository.publish(client)
}

/// The owner gives alice another key, and she never signs with it.
fn broken<'k>(
    repository: &mut Repository<'k>,
    keys: &'k Keyring,
    client: &Client,
) -> anyhow::Result<()> {
    repository.delegate(
        "targets/releases",
        &[&keys.alice_before, &keys.carol],
        1,
        &[""],
    )?;
    repository.delegate("targets/alice", &[&keys.alice_before], 1, &[""])?;
    repository.delegate("targets/carol", &[&keys.carol], 1, &[""])?;
    for role in ["targets/alice", "targets/carol", "targets/releases"] {
        repository.tag(role, "1.0");
    }
    // Only alice's word; nobody else has it.
    repository.tag("targets/alice", "alice-only");
    repository.sign_root()?;
    repository.sign_targets()?;
    repository.sign("targets/alice", &[&keys.alice_before])?;
    repository.sign("targets/carol", &[&keys.carol])?;
    repository.sign("targets/releases", &[&keys.carol])?;
    repository.publish(client)?;
    repository.delegate("targets/releases", &[&keys.carol, &keys.alice], 1, &[""])?;
    repository.delegate("targets/alice", &[&keys.alice], 1, &[""])?;
    repository.sign_targets()?;
    repository.publish(client)
}
