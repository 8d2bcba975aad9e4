//! The acceptance cases of `docker trust` and of `notary`: for each one the tests that hold it.
//!
//! The numbers are those of the specifications' lists (76b between 76 and 77 of `docker trust`). A test is written as `crate: name`; what the name
//! stands for is looked up in the sources, so that a case cannot lose its test unnoticed. The lists are in `cases.txt` and `cases-notary.txt`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// `number | what it is about | crate: test | …`, a case a line.
const CASES: &str = include_str!("cases.txt");
/// The same for `notary`.
const NOTARY_CASES: &str = include_str!("cases-notary.txt");

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

/// The names of all functions with a test attribute in a crate's sources.
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
        let mut marked = false;
        for line in text.lines().map(str::trim) {
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
    for case in cases(CASES).chain(cases(NOTARY_CASES)) {
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
    let numbers: Vec<&str> = cases(CASES).map(|case| case[0]).collect();
    let mut expected: Vec<String> = (1..=109).map(|number: u32| number.to_string()).collect();
    expected.insert(76, "76b".to_owned());
    assert_eq!(numbers, expected);
    let numbers: Vec<&str> = cases(NOTARY_CASES).map(|case| case[0]).collect();
    let expected: Vec<String> = (1..=95).map(|number: u32| number.to_string()).collect();
    assert_eq!(numbers, expected);
}
