//! `notary report` on what real programs have made: the numbers are those of the programs, and the page holds in a real browser.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

mod browser;
mod sources;

use serde_json::Value;
use signet_testkit::user::{Tool, User};

/// The report in the form for programs.
fn json(user: &User, arguments: &[&str]) -> Value {
    let line = [&["report", "--format", "json"], arguments].concat();
    let text = user.expect(Tool::OurNotary, &line).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().map(text).collect()
}

/// The codes of a repository's findings of at least this severity.
fn codes<'v>(repository: &'v Value, severities: &[&str]) -> Vec<&'v str> {
    let mut codes: Vec<&str> = list(&repository["findings"])
        .iter()
        .filter(|finding| severities.contains(&text(&finding["severity"])))
        .map(|finding| text(&finding["code"]))
        .collect();
    codes.sort_unstable();
    codes
}
