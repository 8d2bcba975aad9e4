//! The commands of `notary` beside Go's in one run: repositories small and large on Go's server, the same command lines by both programs.
//!
//! Both have a trust folder and, to publish to, a repository of their own, made in the same way; all keys are behind passphrases, as Go's notary
//! wrote them. The time is that of the whole client process, also where a program does things twice.
//!
//! `TMPDIR` on a file system in memory measures the programs and not the disk.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use signet_testkit::fleet::{Fleet, Member};
use signet_testkit::user::{Tool, User};

use crate::report::{median, verdict};
use crate::watch::{children_cpu_time, mebibytes, run_and_watch};

/// Names in the repositories, and how many runs make a block: what takes long needs no company.
const SIZES: [(usize, u32); 3] = [(100, 10), (10_000, 2), (100_000, 1)];
/// Blocks of each kind and side. Odd, so that the median is one of them.
const ROUNDS: usize = 5;
/// How many times less memory than Go is the goal.
const MEMORY_GOAL: f64 = 2.0;
/// The most by which ten times the names may take longer: linear, and a fifth for caches of the processor that do not grow.
const GROWTH_GOAL: f64 = 12.0;

/// How many times less CPU time than Go is the goal.
fn goal(size: usize) -> f64 {
    if size < 10_000 { 4.0 } else { 5.0 }
}

/// Measures at each size, or at `only` one of them.
pub(crate) fn run(only: Option<&str>) -> anyhow::Result<()> {
    let only: Option<usize> = only.map(str::parse).transpose()?;
    let wanted = |size: usize| only.is_none_or(|only| only == size);
    let cases: Vec<_> = SIZES
        .into_iter()
        .filter(|(size, _)| wanted(*size))
        .collect();
    ensure!(!cases.is_empty(), "there is no such size");
    // Each program publishes to a repository of its own.
    let sizes: Vec<usize> = cases
        .iter()
        .flat_map(|(size, _)| [size - 3, size - 3])
        .collect();
    let fleet = Fleet::owned(&sizes)?;
    println!("{} repositories made", sizes.len());
    let mut lines = Vec::new();
    for ((size, repeats), pair) in cases.into_iter().zip(fleet.members().chunks(2)) {
        let [one, other] = pair else {
            continue;
        };
        let mut go = Side::new(&fleet, Tool::Notary, one)?;
        let mut ours = Side::new(&fleet, Tool::OurNotary, other)?;
        for work in [Work::List, Work::FirstList, Work::Publish] {
            println!("{size}: {} …", work.name());
            let (mut of_go, mut of_ours) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                of_go.push(go.block(work, repeats)?);
                of_ours.push(ours.block(work, repeats)?);
            }
            lines.push(Line {
                size,
                work,
                go: Cost::median(&of_go),
                ours: Cost::median(&of_ours),
            });
        }
        for side in [&go, &ours] {
            side.check(&fleet, size)?;
        }
    }
    print(&lines);
    Ok(())
}

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Work {
    /// All targets, where the documents are in the folder already.
    List,
    /// The same where nothing is.
    FirstList,
    /// One more target, staged and published.
    Publish,
}

impl Work {
    const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::FirstList => "list, nothing known",
            Self::Publish => "addhash + publish",
        }
    }
}

/// What one run cost.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    time: Duration,
    peak: u64,
}

impl Cost {
    fn median(all: &[Self]) -> Self {
        let mut times: Vec<_> = all.iter().map(|cost| cost.time).collect();
        let mut peaks: Vec<_> = all.iter().map(|cost| cost.peak).collect();
        peaks.sort_unstable();
        Self {
            time: median(&mut times),
            peak: peaks.get(peaks.len() / 2).copied().unwrap_or_default(),
        }
    }
}

/// One program with its person and its repository.
struct Side {
    tool: Tool,
    user: User,
    gun: String,
    published: usize,
}

impl Side {
    fn new(fleet: &Fleet, tool: Tool, member: &Member) -> anyhow::Result<Self> {
        let user = fleet.owner(member)?;
        // Imported by Go's notary, key files are behind passphrases.
        let private = user.trust_dir().join("private");
        let plain = user.path("plain");
        fs::rename(&private, &plain)?;
        for entry in fs::read_dir(&plain)? {
            let path = entry?.path();
            let path = path.to_str().context("a path of text")?;
            user.expect(Tool::Notary, &["key", "import", path])?;
        }
        let side = Self {
            tool,
            user,
            gun: member.gun.clone(),
            published: 0,
        };
        side.check(fleet, member.listed().len())?;
        Ok(side)
    }

    /// Whether the program sees all targets, and the other one sees as many.
    fn check(&self, fleet: &Fleet, before: usize) -> anyhow::Result<()> {
        let stranger = fleet.stranger()?;
        for (user, tool) in [
            (&self.user, self.tool),
            (&stranger, Tool::Notary),
            (&stranger, Tool::OurNotary),
        ] {
            let listed = user.expect(tool, &["list", &self.gun])?;
            let count = listed
                .lines()
                .filter(|line| line.trim_end().ends_with(" targets"))
                .count();
            ensure!(
                count == before + self.published,
                "{tool:?} lists {count} targets, not {} and {}",
                before,
                self.published
            );
        }
        Ok(())
    }

    fn command(&self, words: &[&str]) -> anyhow::Result<Command> {
        self.user.command(self.tool, words)
    }

    /// Runs of one kind: the mean of their times and the largest of their peaks.
    fn block(&mut self, work: Work, repeats: u32) -> anyhow::Result<Cost> {
        let mut cost = Cost::default();
        for _ in 0..repeats {
            let once = self.once(work)?;
            cost.time += once.time;
            cost.peak = cost.peak.max(once.peak);
        }
        cost.time /= repeats;
        ensure!(cost.peak > 0, "the kernel's account could not be read");
        Ok(cost)
    }

    fn once(&mut self, work: Work) -> anyhow::Result<Cost> {
        let commands = match work {
            Work::List => vec![self.command(&["list", &self.gun])?],
            Work::FirstList => {
                fs::remove_dir_all(self.user.trust_dir().join("tuf"))?;
                vec![self.command(&["list", &self.gun])?]
            }
            Work::Publish => {
                self.published += 1;
                let name = format!("new-{}", self.published);
                let digest = format!("{:064x}", self.published);
                let stage = ["addhash", &self.gun, &name, "528", "--sha256", &digest];
                vec![
                    self.command(&stage)?,
                    self.command(&["publish", &self.gun])?,
                ]
            }
        };
        let before = children_cpu_time()?;
        let mut peak = None;
        for mut command in commands {
            peak = peak.max(run_and_watch(&mut command)?);
        }
        Ok(Cost {
            time: children_cpu_time()? - before,
            peak: peak.unwrap_or_default(),
        })
    }
}

fn print(lines: &[Line]) {
    println!(
        "\nWhole processes of notary, medians of {ROUNDS} interleaved blocks; most memory resident\n\
         {:>7} {:<20} {:>10} {:>10} {:>9} {:>7} {:<8} {:>10} {:>10} {:>9} {:>7}",
        "targets",
        "",
        "Go CPU",
        "Signet",
        "ratio",
        "goal",
        "",
        "Go peak",
        "Signet",
        "ratio",
        "goal"
    );
    for line in lines {
        let time = line.go.time.as_secs_f64() / line.ours.time.as_secs_f64();
        let peak = mebibytes(line.go.peak) / mebibytes(line.ours.peak);
        println!(
            "{:>7} {:<20} {:>7.1} ms {:>7.1} ms {:>9} {:>7} {:<8} {:>6.1} MiB {:>6.1} MiB {:>9} {:>7} {}",
            line.size,
            line.work.name(),
            milliseconds(line.go.time),
            milliseconds(line.ours.time),
            format!("1 : {time:.1}"),
            format!("1 : {}", goal(line.size)),
            verdict(time >= goal(line.size)),
            mebibytes(line.go.peak),
            mebibytes(line.ours.peak),
            format!("1 : {peak:.1}"),
            format!("1 : {MEMORY_GOAL}"),
            verdict(peak >= MEMORY_GOAL),
        );
    }
    for work in [Work::List, Work::FirstList, Work::Publish] {
        let mut of_work = lines.iter().filter(|line| line.work == work).rev();
        let (Some(most), Some(many)) = (of_work.next(), of_work.next()) else {
            continue;
        };
        let growth =
            |cost: fn(&Line) -> Duration| cost(most).as_secs_f64() / cost(many).as_secs_f64();
        let ours = growth(|line| line.ours.time);
        println!(
            "{} beside {}: {:<20} takes {ours:.1} times as long (Go: {:.1}), goal {GROWTH_GOAL}, {}",
            most.size,
            many.size,
            work.name(),
            growth(|line| line.go.time),
            verdict(ours <= GROWTH_GOAL),
        );
    }
}

/// One command on a repository of one size, by both.
struct Line {
    size: usize,
    work: Work,
    go: Cost,
    ours: Cost,
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
