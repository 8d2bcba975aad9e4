//! The acceptance cases of `docker trust`, of `notary`, `notary-server` and `notary-signer`: for each one the tests that hold it.
//!
//! The numbers are those of the specifications' lists (76b between 76 and 77 of `docker trust`). A test is written as `crate: name`; what the name
//! stands for is looked up in the sources, so that a case cannot lose its test unnoticed. The lists are in `cases.txt`, `cases-notary.txt`,
//! `cases-server.txt` and `cases-signer.txt`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// `number | what it is about | crate: test | …`, a case a line.
const CASES: &str = include_str!("cases.txt");
/// The same for `notary`.
const NOTARY_CASES: &str = include_str!("cases-notary.txt");
/// The same for `notary-server`.
const SERVER_CASES: &str = include_str!("cases-server.txt");
/// The same for `notary-signer`, a part of the list on keys.
const SIGNER_CASES: &str = include_str!("cases-signer.txt");

fn cases(list: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    list.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(" | ").collect())
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The names of all functions with a test attribute in a crate's sources, and of those that a macro makes of `on_every_…!(path as name, …)`.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
            continue;
        }
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (mut marked, mut listed) = (false, false);
        let mut before = "";
        for line in text.lines().map(str::trim) {
            listed = (listed || line.starts_with("on_every_")) && line != ");";
            for word in line.split_whitespace().filter(|_| listed) {
                if before == "as" {
                    found.insert(word.trim_end_matches(',').to_owned());
                }
                before = word;
            }
            if line == "#[test]" || line.starts_with("#[tokio::test") {
                marked = true;
            } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| marked) {
                found.insert(rest.split(['(', '<']).next().unwrap().to_owned());
                marked = false;
            }
        }
    }
}

#[test]
fn every_case_has_a_test_that_exists() {
    let mut known: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in [CASES, NOTARY_CASES, SERVER_CASES, SIGNER_CASES]
        .into_iter()
        .flat_map(cases)
    {
        let [number, what, names @ ..] = case.as_slice() else {
            panic!("not understood: {case:?}");
        };
        if names.is_empty() {
            wrong.push(format!("case {number} ({what}) has no test"));
        }
        for name in names {
            let (package, test) = name.split_once(": ").unwrap();
            let tests = known.entry(package).or_insert_with(|| {
                let mut found = BTreeSet::new();
                tests(&crates().join(package), &mut found);
                found
            });
            if !tests.contains(test) {
                wrong.push(format!(
                    "case {number} ({what}): {package} has no test {test}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_case_is_left_out() {
    let numbers = |list| -> Vec<&str> { cases(list).map(|case| case[0]).collect() };
    let through = |first: u32, last: u32| -> Vec<String> {
        (first..=last).map(|number| number.to_string()).collect()
    };
    let mut expected = through(1, 109);
    expected.insert(76, "76b".to_owned());
    assert_eq!(numbers(CASES), expected);
    assert_eq!(numbers(NOTARY_CASES), through(1, 95));
    assert_eq!(numbers(SERVER_CASES), through(1, 62));
    assert_eq!(numbers(SIGNER_CASES), through(27, 44));
}
