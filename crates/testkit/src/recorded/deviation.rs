//! Where our runs differ from Go's, and why.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{Seen, read_json};

/// What is replayed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The update engine by itself.
    Engine,
    /// The program.
    Command,
}

/// A difference of one run. What is `None` is as with Go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Deviation {
    /// The case.
    pub case: String,
    /// The number of the command in it.
    pub step: usize,
    /// Where it can be seen; everywhere, when that is not said.
    layer: Option<Layer>,
    /// The reason.
    pub why: String,
    /// Standard output, targets [in short](super::short).
    output: Option<String>,
    warnings: Option<Vec<String>>,
    errors: Option<BTreeSet<String>>,
    requests: Option<String>,
    /// The versions in the cache afterwards.
    cache: Option<BTreeMap<String, Value>>,
}

impl Deviation {
    /// Changes what Go showed into what is wanted.
    pub fn apply(&self, seen: &mut Seen, cache: &mut BTreeMap<String, Value>) {
        if let Some(output) = &self.output {
            output.clone_into(&mut seen.output);
        }
        if let Some(warnings) = &self.warnings {
            warnings.clone_into(&mut seen.warnings);
        }
        if let Some(errors) = &self.errors {
            errors.clone_into(&mut seen.errors);
        }
        if let Some(requests) = &self.requests {
            requests.clone_into(&mut seen.requests);
        }
        if let Some(versions) = &self.cache {
            versions.clone_into(cache);
        }
    }

    /// Whether it is the targets in short that are wanted, not Go's output to the letter.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        self.output.is_some()
    }
}

/// The table of differences.
#[derive(Clone, Debug)]
pub struct Deviations(Vec<Deviation>);

impl Deviations {
    /// Those that can be seen at a layer.
    ///
    /// # Errors
    /// When the table cannot be read, or has two lines for one run or one without a reason.
    pub fn of(layer: Layer) -> anyhow::Result<Self> {
        let mut all: Vec<Deviation> = read_json("deviations.json")?;
        all.retain(|deviation| deviation.layer.is_none_or(|seen_at| seen_at == layer));
        for (at, one) in all.iter().enumerate() {
            anyhow::ensure!(!one.why.is_empty(), "{}: no reason", one.case);
            let twice = all
                .iter()
                .skip(at + 1)
                .any(|other| (&other.case, other.step) == (&one.case, one.step));
            anyhow::ensure!(!twice, "{} step {}: two lines", one.case, one.step);
        }
        Ok(Self(all))
    }

    /// What is known of a run.
    #[must_use]
    pub fn find(&self, case: &str, step: usize) -> Option<&Deviation> {
        self.0
            .iter()
            .find(|deviation| deviation.case == case && deviation.step == step)
    }

    /// A complaint about each that is of none of these runs.
    pub fn unused(&self, runs: &BTreeSet<(&str, usize)>) -> impl Iterator<Item = String> {
        let unused = |one: &&Deviation| !runs.contains(&(one.case.as_str(), one.step));
        self.0
            .iter()
            .filter(unused)
            .map(|one| format!("{} step {}: no such run", one.case, one.step))
    }
}
