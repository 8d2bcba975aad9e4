//! Taking a whole Go server into an archive: whose time that is, and what it costs in memory and in bytes.
//!
//! Every round removes what the one before has written. ext4 passes over inodes that were freed within the last minute, which then costs more than
//! the work itself: `TMPDIR` on a file system in memory measures the programs.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use signet_archive::{Archive, Outcome};
use signet_testkit::file;
use signet_testkit::fleet::Fleet;
use signet_testkit::peer::{PostgreSql, TrustOptions, TrustServer};
use signet_testkit::user::Tool;

use crate::cores::Apart;
use crate::load::{self, Load};
use crate::watch::{children_cpu_time, family_cpu_time, mebibytes, run_and_watch};

/// Repositories, few and many: what the client holds must not grow with them.
const SIZES: [usize; 2] = [200, 2000];
const TAGS: usize = 20;
/// Repositories that are fetched at a time, which is what `archive create` does without a flag.
const JOBS: usize = 8;
/// How often each thing is timed; the fastest counts, as what else the machine does only ever adds.
const ROUNDS: usize = 3;
/// The largest share of a crawl's wall time beyond that of a client which only asks and throws the answers away.
const WALL_GOAL: f64 = 2.0;
/// The least share of a crawl's wall time in which the server or its database is at work, when they have a core of their own and the client
/// another one: what is missing is the client's time.
const SERVER_GOAL: f64 = 0.9;
/// The most by which the peak memory for many may exceed that for few.
const MEMORY_GOAL: f64 = 1.25;

struct Line {
    size: usize,
    create: Timed,
    replay: Timed,
    /// With a core for the client, where there are two.
    apart: Option<Timed>,
    requests: usize,
    peak: u64,
    bytes: u64,
}

#[derive(Clone, Copy)]
struct Timed {
    wall: Duration,
    server: Duration,
    database: Duration,
    client: Duration,
}

/// Where the server keeps its documents.
#[derive(Clone, Copy)]
enum Keeping {
    /// As every server does that anybody relies on.
    Database,
    /// As none does; nothing of the time is the database's.
    Memory,
}

pub(crate) fn run() -> anyhow::Result<()> {
    for keeping in [Keeping::Database, Keeping::Memory] {
        let lines: Vec<Line> = SIZES
            .into_iter()
            .map(|size| measure(size, keeping))
            .collect::<anyhow::Result<_>>()?;
        let database = match keeping {
            Keeping::Database => "on PostgreSQL",
            Keeping::Memory => "that keeps nothing",
        };
        println!(
            "\narchive create with {JOBS} repositories at a time from Go's server {database}, {TAGS} tags each, fastest of {ROUNDS}"
        );
        print(&lines)?;
    }
    Ok(())
}

fn print(lines: &[Line]) -> anyhow::Result<()> {
    println!(
        "{:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>9} {:>9}",
        "GUNs",
        "requests",
        "create",
        "Go CPU",
        "own CPU",
        "GET only",
        "Go CPU",
        "ratio",
        "peak",
        "a GUN"
    );
    for line in lines {
        println!(
            "{:>7} {:>9} {:>7.2} s {:>7.2} s {:>7.2} s {:>7.2} s {:>7.2} s {:>7.2} {:>5.1} MiB {:>7} B",
            line.size,
            line.requests,
            line.create.wall.as_secs_f64(),
            line.create.server.as_secs_f64(),
            line.create.client.as_secs_f64(),
            line.replay.wall.as_secs_f64(),
            line.replay.server.as_secs_f64(),
            ratio(line),
            mebibytes(line.peak),
            line.bytes / line.size as u64,
        );
    }
    let [few, many] = lines else {
        return Ok(());
    };
    verdict(
        "wall time beside a client that only asks",
        ratio(many),
        WALL_GOAL,
    );
    let growth = mebibytes(many.peak) / mebibytes(few.peak);
    verdict("peak memory, many beside few", growth, MEMORY_GOAL);
    let apart = many
        .apart
        .context("there is one core only, which does not tell whose time a crawl takes")?;
    let at_work = apart.server + apart.database;
    let share = at_work.as_secs_f64() / apart.wall.as_secs_f64();
    println!(
        "with a core for the client: {:.2} s, in which Go's server works {:.2} s, its database {:.2} s and the client {:.2} s",
        apart.wall.as_secs_f64(),
        apart.server.as_secs_f64(),
        apart.database.as_secs_f64(),
        apart.client.as_secs_f64(),
    );
    let reached = share >= SERVER_GOAL;
    print_verdict(
        "share of that time in which the server works",
        share,
        SERVER_GOAL,
        reached,
    );
    Ok(())
}

/// Whether a value that should be small is.
fn verdict(what: &str, value: f64, goal: f64) {
    print_verdict(what, value, goal, value <= goal);
}

fn print_verdict(what: &str, value: f64, goal: f64, reached: bool) {
    let verdict = if reached { "reached" } else { "MISSED" };
    println!("{what:<45} {value:>6.2}  goal {goal:.2}  {verdict}");
}

fn ratio(line: &Line) -> f64 {
    line.create.wall.as_secs_f64() / line.replay.wall.as_secs_f64()
}

fn measure(size: usize, keeping: Keeping) -> anyhow::Result<Line> {
    let started = Instant::now();
    let database = match keeping {
        Keeping::Database => Some(PostgreSql::start()?),
        Keeping::Memory => None,
    };
    let mut options = TrustOptions::default();
    if let Some(database) = &database {
        database.make_tables()?;
        options = options.database(database);
    }
    let fleet = Fleet::uniform_on(TrustServer::go_with(&options)?, size, TAGS)?;
    let mut service = Service { fleet, database };
    println!(
        "{size} repositories made in {:.0} s",
        started.elapsed().as_secs_f64()
    );
    let user = service.fleet.stranger()?;
    file::write(&user.path("list"), service.fleet.list())?;
    let output = user.path("trust.tar.gz");
    let words = [
        "archive",
        "create",
        "--from-file",
        "list",
        "-o",
        "trust.tar.gz",
    ];

    let mut creates = Vec::new();
    let mut peak = 0;
    for _ in 0..ROUNDS {
        let mut command = user.command(Tool::OurNotary, &words)?;
        creates.push(service.timed(|| {
            let seen = run_and_watch(&mut command)?.context("the kernel's account")?;
            peak = peak.max(seen);
            Ok(())
        })?);
    }

    let mut aparts = Vec::new();
    let apart = Apart::from(&service.processes())?;
    if apart.is_some() {
        for _ in 0..ROUNDS {
            // Nobody looks at its memory: that would take time of its core.
            let mut command = user.command(Tool::OurNotary, &words)?;
            aparts.push(service.timed(|| {
                let status = command.stdout(Stdio::null()).status()?;
                ensure!(status.success(), "it fails: {status}");
                Ok(())
            })?);
        }
    }
    drop(apart);

    let requests = requests(&output)?;
    let count = requests.iter().map(Vec::len).sum();
    let server = service.fleet.server();
    let load = Load::new(server.address(), &server.ca_pem())?.with_absent();
    let mut replays = Vec::new();
    for _ in 0..ROUNDS {
        replays.push(service.timed(|| load.run(&requests))?);
    }
    Ok(Line {
        size,
        create: fastest(creates)?,
        replay: fastest(replays)?,
        apart: fastest(aparts).ok(),
        requests: count,
        peak,
        bytes: fs::metadata(&output)?.len(),
    })
}

fn fastest(times: Vec<Timed>) -> anyhow::Result<Timed> {
    let fastest = times.into_iter().min_by_key(|timed| timed.wall);
    fastest.context("something was timed")
}

/// CPU time up to a moment.
struct Spent {
    server: Duration,
    database: Duration,
    client: Duration,
}

/// A server with what it has, and its database where there is one.
struct Service {
    fleet: Fleet,
    database: Option<PostgreSql>,
}

impl Service {
    fn processes(&mut self) -> Vec<u32> {
        let database = self.database.as_ref().and_then(PostgreSql::process);
        let server = self.fleet.server_mut().service().id();
        database.into_iter().chain([server]).collect()
    }

    fn timed(&mut self, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Timed> {
        let before = self.spent()?;
        let started = Instant::now();
        work()?;
        let wall = started.elapsed();
        let after = self.spent()?;
        Ok(Timed {
            wall,
            server: after.server - before.server,
            database: after.database - before.database,
            client: after.client - before.client,
        })
    }

    /// CPU time of the server, of its database, and of what ran here.
    fn spent(&mut self) -> anyhow::Result<Spent> {
        let database = match self.database.as_ref().and_then(PostgreSql::process) {
            Some(process) => family_cpu_time(process)?,
            None => Duration::ZERO,
        };
        Ok(Spent {
            server: self.fleet.server_mut().service().cpu_time()?,
            database,
            client: children_cpu_time()?,
        })
    }
}

/// The questions that an archive says were asked, and the changefeed of each repository, for as many connections as repositories were fetched at
/// a time.
fn requests(file: &Path) -> anyhow::Result<Vec<Vec<Vec<u8>>>> {
    let archive = Archive::open(file)?;
    let mut connections: VecDeque<Vec<Vec<u8>>> = vec![Vec::new(); JOBS].into();
    for entry in archive.entries() {
        let record = archive.read(entry)?.record;
        ensure!(record.verdict.state.as_str() == "trusted", "{}", entry.gun);
        let asked = record.requests.iter().map(|request| {
            ensure!(
                matches!(request.outcome, Outcome::Found { .. } | Outcome::Absent),
                "{}: {:?}",
                request.path,
                request.outcome
            );
            let path = format!("/v2/{}/_trust/tuf/{}.json", entry.gun, request.path);
            Ok(load::get(&path))
        });
        let mut asked: Vec<_> = asked.collect::<anyhow::Result<_>>()?;
        // Archives hold what the feed said, and not that it was asked for.
        let feed = format!(
            "/v2/{}/_trust/changefeed?change_id=0&records=1000",
            entry.gun
        );
        asked.push(load::get(&feed));
        connections.rotate_left(1);
        if let Some(connection) = connections.front_mut() {
            connection.extend(asked);
        }
    }
    Ok(connections.into())
}
