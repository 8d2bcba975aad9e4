//! Client and server killed at random points of a publication: whatever is left is consistent, and the next try succeeds.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, Storage, TrustServer};
use signet_testkit::user::Tool;

use crate::judge::{inspect, list_targets, stranger};

const ROUNDS: u32 = 20;

/// Numbers that look random and are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let micros = u64::try_from(limit.as_micros()).unwrap().max(1);
        Duration::from_micros(self.0 % micros)
    }
}

#[test]
fn killed_at_any_point_of_a_publication_nothing_is_broken() {
    let mut server = TrustServer::ours(Storage::Sqlite).unwrap();
    let registry = Registry::start().unwrap();
    let gun = format!("{}/team/app", registry.host());
    let user = stranger(&server);
    user.become_signer(Tool::DockerTrust, "jeff", &gun).unwrap();
    let image = Image::single("hello");
    let sign = |tag: &str| -> Command {
        user.command(
            Tool::DockerTrust,
            &["sign", "--remote", &format!("{gun}:{tag}")],
        )
        .unwrap()
    };

    image.push(&registry.client(), "team/app", "v0").unwrap();
    let started = Instant::now();
    user.expect(
        Tool::DockerTrust,
        &["sign", "--remote", &format!("{gun}:v0")],
    )
    .unwrap();
    let usual = started.elapsed();

    let reader = stranger(&server);
    let mut dice = Dice(0x5eed_cafe_f00d_0001);
    let mut published_although_killed = 0;
    for round in 1..=ROUNDS {
        let tag = format!("v{round}");
        image.push(&registry.client(), "team/app", &tag).unwrap();
        let before = server.version(&gun, "timestamp").unwrap();
        let mut client = sign(&tag)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A third of the rounds each: the client dies, the server dies, both die at moments of their own.
        let (client_dies, server_dies) = (round % 3 != 1, round % 3 != 0);
        let at = Instant::now();
        let (first, second) = (dice.below(usual), dice.below(usual));
        if client_dies {
            thread::sleep(first.saturating_sub(at.elapsed()));
            // Already over is one of the moments.
            let _ = kill_process(Pid::from_child(&client), Signal::KILL);
        }
        if server_dies {
            thread::sleep(second.saturating_sub(at.elapsed()));
            server.crash_and_restart().unwrap();
        }
        client.wait().unwrap();

        // The server has all of the publication or nothing of it, and everybody can read it.
        // A server that lives may still be at work on what a client sent that is dead.
        let (after, seen) = loop {
            let after = server.version(&gun, "timestamp").unwrap();
            let seen = inspect(&stranger(&server), Tool::Docker, &gun);
            if server.version(&gun, "timestamp").unwrap() == after {
                break (after, seen);
            }
        };
        assert!(
            after == before || after == before + 1,
            "round {round}: timestamp went from {before} to {after}"
        );
        assert_eq!(
            seen.tags.contains_key(&tag),
            after == before + 1,
            "round {round}"
        );
        published_although_killed += u32::from(after == before + 1);
        let role = |role: &str| -> Vec<String> {
            list_targets(&stranger(&server), &gun, &[role])
                .into_iter()
                .filter(|row| row.role == role)
                .map(|row| row.name)
                .collect()
        };
        assert_eq!(
            role("targets/jeff"),
            role("targets/releases"),
            "round {round}: half of it was stored"
        );
        // Who knew the repository before goes on with it, and so does the one who was killed.
        assert_eq!(
            inspect(&reader, Tool::DockerTrust, &gun),
            seen,
            "round {round}"
        );
        user.expect(
            Tool::DockerTrust,
            &["sign", "--remote", &format!("{gun}:{tag}")],
        )
        .unwrap();
        assert!(
            inspect(&reader, Tool::Docker, &gun).tags.contains_key(&tag),
            "round {round}"
        );
        assert!(
            list_targets(&user, &gun, &["targets/releases"])
                .iter()
                .any(|row| row.name == tag),
            "round {round}"
        );
    }
    let temporary: Vec<_> = walk(&user.trust_dir())
        .into_iter()
        .filter(|name| !is_expected(name))
        .collect();
    assert_eq!(
        temporary,
        Vec::<String>::new(),
        "left behind in the trust folder"
    );
    println!("{published_although_killed} of {ROUNDS} killed publications had reached the server");
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.display().to_string());
            }
        }
    }
    files
}

/// Keys, documents and floors; no staged changes and no temporary files.
fn is_expected(name: &str) -> bool {
    (name.ends_with(".key")
        || name.ends_with(".json")
        || name.ends_with("/lock")
        || name.ends_with(".lock"))
        && !name.contains("/changelist/")
}
