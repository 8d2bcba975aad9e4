//! `notary-server` beside Go's on the same database server in one run: CPU time of the server for a request, how many requests it answers
//! in a second, and its memory.
//!
//! Each has a database of its own in one PostgreSQL (or MariaDB, `cargo xtask bench server mysql`), TLS, and connections that are kept; both have
//! their keys at one signer, Go's. The load comes from this process and takes a part of the same processors, as the database does.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use signet_testkit::peer::{Database, MariaDb, PostgreSql, Signer, TrustOptions, TrustServer};

use crate::load::Answers;
use crate::report::{Comparison, verdict, write_comparison};
use crate::watch::{mebibytes, resident_now};
use crate::{CONNECTIONS, ROUNDS, Read, Side, TAGS, compare};

/// Connections at which throughput is measured. The first is that of the goal beside Go.
const CROWDS: [usize; 4] = [32, 64, 128, 256];
/// How long throughput is measured at a time.
const BLOCK: Duration = Duration::from_secs(4);
/// Blocks at each number of connections. Odd, so that the median is one of them.
const THROUGHPUT_ROUNDS: usize = 3;
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
    // As Go's server runs beside a database: with Go's signer, here for both.
    let signer = Signer::go()?;
    let mut go = Side::new(TrustServer::go_with(
        &TrustOptions::default().database(&*one).signer(&signer),
    )?)?;
    go.may_end = true;
    let mut ours = Side::new(TrustServer::ours_with(
        &TrustOptions::default().database(&*other).signer(&signer),
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
    print_costs(&lines);
    let throughput = throughput(&mut go, &mut ours)?;
    print_throughput(&throughput);
    // What both hold on to after the same load.
    print_memory(resident(&mut go)?, resident(&mut ours)?);
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

/// What is answered in a second at one number of connections.
struct Throughput {
    connections: usize,
    go: Rate,
    ours: Rate,
}

/// Answers in a second.
#[derive(Clone, Copy)]
struct Rate {
    good: f64,
    bad: f64,
}

fn throughput(go: &mut Side, ours: &mut Side) -> anyhow::Result<Vec<Throughput>> {
    let mut lines = Vec::new();
    for connections in CROWDS {
        println!("GET timestamp.json over {connections} connections …");
        let (mut of_go, mut of_ours) = (Vec::new(), Vec::new());
        for _ in 0..THROUGHPUT_ROUNDS {
            of_go.push(block(go, connections)?);
            of_ours.push(block(ours, connections)?);
        }
        lines.push(Throughput {
            connections,
            go: rate(of_go)?,
            ours: rate(of_ours)?,
        });
    }
    Ok(lines)
}

/// What is answered in the time of a block.
fn block(side: &mut Side, connections: usize) -> anyhow::Result<Answers> {
    let requests = side.timestamps(connections, 1).concat();
    side.load.run_for(BLOCK, &requests)
}

/// Of the block with the median of answers.
#[expect(clippy::cast_precision_loss, reason = "a figure in a table")]
fn rate(mut blocks: Vec<Answers>) -> anyhow::Result<Rate> {
    blocks.sort_unstable_by_key(|answers| answers.good);
    let middle = blocks.get(blocks.len() / 2).context("no block")?;
    let seconds = BLOCK.as_secs_f64();
    Ok(Rate {
        good: middle.good as f64 / seconds,
        bad: middle.bad as f64 / seconds,
    })
}

fn resident(side: &mut Side) -> anyhow::Result<u64> {
    let bytes = resident_now(side.server.service().id());
    let bytes = bytes.context("the kernel's account of a server")?;
    ensure!(bytes > 0, "a server without memory");
    Ok(bytes)
}

fn print_costs(lines: &[Comparison]) {
    println!(
        "\nCPU time of the server process for a request, medians of {ROUNDS} interleaved blocks\n{:<34} {:>11} {:>11} {:>9} {:>9}",
        "", "Go", "Signet", "ratio", "goal"
    );
    for line in lines {
        print!("{}", write_comparison(line));
    }
}

fn print_throughput(throughput: &[Throughput]) {
    println!(
        "\nGET timestamp.json, requests a second, medians of {THROUGHPUT_ROUNDS} interleaved blocks"
    );
    let first = throughput.first().map_or(0.0, |line| line.ours.good);
    for (n, line) in throughput.iter().enumerate() {
        let (what, reached) = if n == 0 {
            let ratio = line.ours.good / line.go.good;
            let what = format!("{ratio:.1} x Go, goal {THROUGHPUT_GOAL}");
            (what, ratio >= THROUGHPUT_GOAL)
        } else {
            let part = line.ours.good / first;
            let what = format!("{part:.2} of that at 32, goal {FLAT_GOAL}");
            (what, part >= FLAT_GOAL)
        };
        println!(
            "{:>4} connections {:>16} {:>8.0} {:>11.0}   {what}  {}",
            line.connections,
            "",
            line.go.good,
            line.ours.good,
            verdict(reached)
        );
        if line.go.bad + line.ours.bad > 0.0 {
            println!(
                "     not answered, or with an error: Go {:.1}, Signet {:.1}",
                line.go.bad, line.ours.bad
            );
        }
    }
}

fn print_memory(go: u64, ours: u64) {
    let part = mebibytes(ours) / mebibytes(go);
    println!(
        "\nresident after all of that: Go {:.1} MiB, Signet {:.1} MiB, {part:.2} of it, goal {MEMORY_GOAL:.2}  {}",
        mebibytes(go),
        mebibytes(ours),
        verdict(part <= MEMORY_GOAL)
    );
}
