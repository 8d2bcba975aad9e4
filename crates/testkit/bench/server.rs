//! `notary-server` beside Go's on the same database server in one run: CPU time of the server for a request, how many requests it answers
//! in a second, and its memory.
//!
//! Each has a database of its own in one PostgreSQL (or MariaDB, `cargo xtask bench server mysql`), TLS, and connections that are kept. The load
//! comes from this process and takes a part of the same processors, as the database does.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use signet_testkit::peer::{Database, MariaDb, PostgreSql, TrustOptions, TrustServer};

use crate::report::{Comparison, median, verdict, write_comparison};
use crate::watch::{mebibytes, resident_now};
use crate::{CONNECTIONS, ROUNDS, Read, Side, TAGS, compare};

/// Connections at which throughput is measured. The first is that of the goal beside Go.
const CROWDS: [usize; 4] = [32, 64, 128, 256];
/// Requests of a block in which throughput is measured, of all connections together.
const REQUESTS: usize = 12_800;
/// As many times Go's throughput at 32 connections is the goal.
const THROUGHPUT_GOAL: f64 = 5.0;
/// The least part of the throughput at 32 connections that there must be at any other number.
const FLAT_GOAL: f64 = 0.85;
/// The most memory beside Go's.
const MEMORY_GOAL: f64 = 2.0 / 3.0;

pub(crate) fn run(kind: Option<&str>) -> anyhow::Result<()> {
    let (one, other) = match kind {
        None | Some("postgres") => on_postgresql()?,
        Some("mysql") => on_mariadb()?,
        Some(other) => bail!("there is no bench on {other:?}"),
    };
    println!(
        "{CONNECTIONS} repositories of {TAGS} tags on each server, on {}",
        one.backend()
    );
    let mut go = Side::new(TrustServer::go_with(
        &TrustOptions::default().database(&*one),
    )?)?;
    let mut ours = Side::new(TrustServer::ours_with(
        &TrustOptions::default().database(&*other),
    )?)?;
    let mut lines = Vec::new();
    for (name, goal, read) in [
        ("GET timestamp.json", 6.0, Read::Timestamp),
        ("GET targets/releases by checksum", 2.5, Read::Checksum),
    ] {
        lines.push(compare(name, goal, &mut go, &mut ours, |side| {
            side.read(read)
        })?);
    }
    let name = "publish one tag into 100";
    lines.push(compare(name, 3.0, &mut go, &mut ours, Side::publish)?);
    let throughput = throughput(&mut go, &mut ours)?;
    // What both hold on to after the same load.
    let memory = [resident(&mut go)?, resident(&mut ours)?];
    print(&lines, &throughput, memory);
    Ok(())
}

type Pair = (Box<dyn Database>, Box<dyn Database>);

fn on_postgresql() -> anyhow::Result<Pair> {
    let one = PostgreSql::start()?;
    let other = one.another("ours")?;
    for database in [&one, &other] {
        database.make_tables()?;
    }
    Ok((Box::new(one), Box::new(other)))
}

fn on_mariadb() -> anyhow::Result<Pair> {
    let one = MariaDb::start()?;
    let other = one.another("ours")?;
    for database in [&one, &other] {
        database.make_tables()?;
    }
    Ok((Box::new(one), Box::new(other)))
}

/// Requests in a second at one number of connections.
struct Throughput {
    connections: usize,
    go: f64,
    ours: f64,
}

fn throughput(go: &mut Side, ours: &mut Side) -> anyhow::Result<Vec<Throughput>> {
    let mut lines = Vec::new();
    for connections in CROWDS {
        println!("GET timestamp.json over {connections} connections …");
        let (mut of_go, mut of_ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_go.push(block(go, connections)?);
            of_ours.push(block(ours, connections)?);
        }
        lines.push(Throughput {
            connections,
            go: rate(&mut of_go),
            ours: rate(&mut of_ours),
        });
    }
    Ok(lines)
}

/// How long the requests of a block take.
fn block(side: &mut Side, connections: usize) -> anyhow::Result<Duration> {
    let requests = side.timestamps(connections, REQUESTS / connections);
    let opened = side.load.connect(connections)?;
    let started = Instant::now();
    side.load.run_on(opened, &requests)?;
    Ok(started.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "a figure in a table")]
fn rate(times: &mut [Duration]) -> f64 {
    REQUESTS as f64 / median(times).as_secs_f64()
}

fn resident(side: &mut Side) -> anyhow::Result<u64> {
    let bytes = resident_now(side.server.service().id());
    let bytes = bytes.context("the kernel's account of a server")?;
    ensure!(bytes > 0, "a server without memory");
    Ok(bytes)
}

fn print(lines: &[Comparison], throughput: &[Throughput], [go, ours]: [u64; 2]) {
    println!(
        "\nCPU time of the server process for a request, medians of {ROUNDS} interleaved blocks\n{:<34} {:>11} {:>11} {:>9} {:>9}",
        "", "Go", "Signet", "ratio", "goal"
    );
    for line in lines {
        print!("{}", write_comparison(line));
    }
    println!("\nGET timestamp.json, requests a second, medians of {ROUNDS} interleaved blocks");
    let first = throughput.first().map_or(0.0, |line| line.ours);
    for (n, line) in throughput.iter().enumerate() {
        let (what, reached) = if n == 0 {
            let ratio = line.ours / line.go;
            let what = format!("{ratio:.1} x Go, goal {THROUGHPUT_GOAL}");
            (what, ratio >= THROUGHPUT_GOAL)
        } else {
            let part = line.ours / first;
            let what = format!("{part:.2} of that at 32, goal {FLAT_GOAL}");
            (what, part >= FLAT_GOAL)
        };
        println!(
            "{:>4} connections {:>16} {:>8.0} {:>11.0}   {what}  {}",
            line.connections,
            "",
            line.go,
            line.ours,
            verdict(reached)
        );
    }
    let part = mebibytes(ours) / mebibytes(go);
    println!(
        "\nresident after all of that: Go {:.1} MiB, Signet {:.1} MiB, {part:.2} of it, goal {MEMORY_GOAL:.2}  {}",
        mebibytes(go),
        mebibytes(ours),
        verdict(part <= MEMORY_GOAL)
    );
}
