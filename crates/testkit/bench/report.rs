//! The table at the end.

use std::fmt;
use std::time::Duration;

/// One operation on both sides.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    /// How many times less CPU than Go is the goal.
    pub(crate) goal: f64,
    pub(crate) go: Duration,
    pub(crate) ours: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    comparisons: Vec<Comparison>,
    /// Wall time of one metadata call.
    pub(crate) metadata: Duration,
}

/// What one metadata call may take.
const METADATA_GOAL: Duration = Duration::from_millis(5);

impl Report {
    pub(crate) fn add(&mut self, comparison: Comparison) {
        self.comparisons.push(comparison);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nCPU time of the whole process, medians of {} interleaved blocks",
            crate::ROUNDS
        )?;
        writeln!(
            f,
            "{:<34} {:>11} {:>11} {:>9} {:>9}",
            "", "Go", "Signet", "ratio", "goal"
        )?;
        for line in &self.comparisons {
            f.write_str(&write_comparison(line))?;
        }
        let verdict = verdict(self.metadata <= METADATA_GOAL);
        writeln!(
            f,
            "{:<34} {:>11} {:>8.0} µs {:>9} {:>9}  {verdict}  (wall time)",
            "plugin metadata call",
            "",
            micros(self.metadata),
            "",
            "5 ms",
        )
    }
}

/// A line of a table.
pub(crate) fn write_comparison(line: &Comparison) -> String {
    let ratio = line.go.as_secs_f64() / line.ours.as_secs_f64();
    format!(
        "{:<34} {:>8.0} µs {:>8.0} µs {:>9} {:>9}  {}\n",
        line.name,
        micros(line.go),
        micros(line.ours),
        format!("1 : {ratio:.1}"),
        format!("1 : {}", line.goal),
        verdict(ratio >= line.goal)
    )
}

pub(crate) const fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The middle one.
pub(crate) fn median(values: &mut [Duration]) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
