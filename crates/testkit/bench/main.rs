//! Speed beside the Go programs, in one run: CPU time of whole processes, interleaved blocks, medians, ratios.
//!
//! `cargo xtask bench` builds and starts it; `cargo xtask bench archive` measures archives instead,
//! `cargo xtask bench notary` the commands of `notary`, and `cargo xtask bench server` the server on a database; `cargo xtask order` has it
//! record what everyday commands execute. Ratios mean something on any machine; absolute times only on this one.

#![expect(clippy::print_stdout, reason = "its output is the report")]

mod archive;
mod cores;
mod load;
mod notary;
mod order;
mod publication;
mod report;
mod server;
mod watch;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use signet_testkit::peer::{Storage, TrustServer};
use signet_testkit::user::{Tool, User};

use load::Load;
use publication::Publisher;
use report::{Comparison, Report, median};
use watch::children_cpu_time;

/// Blocks of each kind and side. Odd, so that the median is one of them.
const ROUNDS: usize = 7;
/// Connections kept open, each with a repository of its own.
const CONNECTIONS: usize = 32;
/// Tags in every repository before anything is measured.
const TAGS: usize = 100;

const INSPECTS_PER_BLOCK: u32 = 12;
const READS_PER_CONNECTION: usize = 200;
const PUBLICATIONS_PER_CONNECTION: usize = 8;
const METADATA_CALLS: usize = 51;

fn main() -> ExitCode {
    let part = std::env::args().nth(1);
    let outcome = match part.as_deref() {
        None => run(),
        Some("archive") => archive::run(),
        Some("notary") => notary::run(std::env::args().nth(2).as_deref()),
        Some("order") => match std::env::args_os().nth(2) {
            Some(folder) => order::run(Path::new(&folder)),
            None => Err(anyhow::anyhow!("`order` needs a folder for its records")),
        },
        Some("server") => server::run(std::env::args().nth(2).as_deref()),
        Some(other) => Err(anyhow::anyhow!("nothing is measured under {other:?}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    println!(
        "{CONNECTIONS} repositories of {TAGS} tags on each server, begun by the docker client with key files of its own"
    );
    let mut go = Side::new(TrustServer::go()?)?;
    let mut ours = Side::new(TrustServer::ours(Storage::Sqlite)?)?;

    let mut report = Report::default();
    report.add(inspect(&go)?);
    let reads = [
        ("GET timestamp.json", 5.0, Read::Timestamp),
        ("GET targets/releases by checksum", 2.5, Read::Checksum),
    ];
    for (name, goal, read) in reads {
        report.add(compare(name, goal, &mut go, &mut ours, |side| {
            side.read(read)
        })?);
    }
    let name = "publish one tag into 100";
    report.add(compare(name, 4.0, &mut go, &mut ours, Side::publish)?);
    report.metadata = metadata_call(&ours.user)?;
    println!("{report}");
    Ok(())
}

#[derive(Clone, Copy)]
enum Read {
    Timestamp,
    Checksum,
}

/// One server with its repositories and the one who publishes to them.
struct Side {
    server: TrustServer,
    user: User,
    load: Load,
    publisher: Publisher,
    guns: Vec<String>,
    /// Whether the server is started again where it ends under the load: Go's does, now and then, when many publish at once.
    may_end: bool,
}

/// How often a block of publications is tried on a server that ends under it.
const TRIES: usize = 5;
const LAST_WORDS: Duration = Duration::from_secs(3);

impl Side {
    fn new(server: TrustServer) -> anyhow::Result<Self> {
        let user = User::new(&server.url(), &server.ca_pem())?;
        user.expect(Tool::Docker, &["key", "generate", "jeff"])?;
        let guns: Vec<String> = (0..CONNECTIONS)
            .map(|number| format!("localhost:5000/bench/r{number}"))
            .collect();
        for gun in &guns {
            user.expect(
                Tool::Docker,
                &["signer", "add", "--key", "jeff.pub", "jeff", gun],
            )?;
        }
        let publisher = Publisher::open(&user, CONNECTIONS, TAGS)?;
        let load = Load::new(server.address(), &server.ca_pem())?;
        let mut side = Self {
            server,
            user,
            load,
            publisher,
            guns,
            may_end: false,
        };
        let requests = side.publications(1)?;
        side.load.run(&requests)?;
        Ok(side)
    }

    fn cpu_time(&mut self) -> anyhow::Result<Duration> {
        self.server.service().cpu_time()
    }

    /// CPU time of the server for one request.
    fn measured(&mut self, requests: &[Vec<Vec<u8>>]) -> anyhow::Result<Duration> {
        let count: usize = requests.iter().map(Vec::len).sum();
        let connections = self.load.connect(requests.len())?;
        let before = self.cpu_time()?;
        self.load
            .run_on(connections, requests)
            .with_context(|| format!("the load on {}", self.server.url()))?;
        let spent = self.cpu_time()? - before;
        Ok(spent / u32::try_from(count)?)
    }

    fn read(&mut self, read: Read) -> anyhow::Result<Duration> {
        if let Read::Timestamp = read {
            let requests = self.timestamps(CONNECTIONS, READS_PER_CONNECTION);
            return self.measured(&requests);
        }
        let mut requests = Vec::new();
        for (gun, checksum) in self.guns.iter().zip(self.publisher.checksums()) {
            let file = format!("targets/releases.{checksum}.json");
            requests.push(vec![
                load::get(&format!("/v2/{gun}/_trust/tuf/{file}"));
                READS_PER_CONNECTION
            ]);
        }
        self.measured(&requests)
    }

    /// Requests for current timestamps, the repositories spread over the connections.
    fn timestamps(&self, connections: usize, each: usize) -> Vec<Vec<Vec<u8>>> {
        let path = |gun: &String| format!("/v2/{gun}/_trust/tuf/timestamp.json");
        let guns = self.guns.iter().cycle().take(connections);
        guns.map(|gun| vec![load::get(&path(gun)); each]).collect()
    }

    fn publish(&mut self) -> anyhow::Result<Duration> {
        for _ in 1..TRIES {
            let requests = self.publications(PUBLICATIONS_PER_CONNECTION)?;
            match self.measured(&requests) {
                // Its last words take a moment.
                Err(error) if self.may_end && self.server.service().ends_within(LAST_WORDS)? => {
                    println!("the server has ended, and is started again: {error:#}");
                    self.server.crash_and_restart()?;
                }
                outcome => return outcome,
            }
        }
        bail!("the server ended {TRIES} times under the load")
    }

    fn publications(&mut self, count: usize) -> anyhow::Result<Vec<Vec<Vec<u8>>>> {
        let publisher = &mut self.publisher;
        self.guns
            .iter()
            .enumerate()
            .map(|(number, gun)| {
                (0..count)
                    .map(|_| publisher.next_upload(number, gun))
                    .collect()
            })
            .collect()
    }
}

/// Runs blocks on both sides in turn.
fn compare(
    name: &'static str,
    goal: f64,
    go: &mut Side,
    ours: &mut Side,
    block: impl Fn(&mut Side) -> anyhow::Result<Duration>,
) -> anyhow::Result<Comparison> {
    println!("{name} …");
    let (mut of_go, mut of_ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_go.push(block(go)?);
        of_ours.push(block(ours)?);
    }
    Ok(Comparison {
        name,
        goal,
        go: median(&mut of_go),
        ours: median(&mut of_ours),
    })
}

/// `inspect` of a repository with a warm cache: CPU time of the whole client, both against the same server.
fn inspect(side: &Side) -> anyhow::Result<Comparison> {
    let gun = side.guns.first().context("a repository")?;
    let name = "inspect, warm, 100 tags";
    println!("{name} …");
    let reader = |tool: Tool| -> anyhow::Result<User> {
        let user = User::new(&side.server.url(), &side.server.ca_pem())?;
        let answer = user.expect(tool, &["inspect", gun])?;
        ensure!(
            answer.matches("\"SignedTag\"").count() == TAGS,
            "{tool:?} does not see {TAGS} tags"
        );
        Ok(user)
    };
    let (docker, ours) = (reader(Tool::Docker)?, reader(Tool::DockerTrust)?);
    let block = |user: &User, tool: Tool| -> anyhow::Result<Duration> {
        let before = children_cpu_time()?;
        for _ in 0..INSPECTS_PER_BLOCK {
            user.expect(tool, &["inspect", gun])?;
        }
        Ok((children_cpu_time()? - before) / INSPECTS_PER_BLOCK)
    };
    let (mut of_go, mut of_ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_go.push(block(&docker, Tool::Docker)?);
        of_ours.push(block(&ours, Tool::DockerTrust)?);
    }
    Ok(Comparison {
        name,
        goal: 6.0,
        go: median(&mut of_go),
        ours: median(&mut of_ours),
    })
}

/// How long the docker client waits for our plugin's metadata, which it asks for at every command.
fn metadata_call(user: &User) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..METADATA_CALLS {
        let mut command = user.command(Tool::DockerTrust, &["docker-cli-plugin-metadata"])?;
        let started = Instant::now();
        let output = command.output()?;
        times.push(started.elapsed());
        ensure!(output.status.success(), "the metadata call fails");
    }
    Ok(median(&mut times))
}
