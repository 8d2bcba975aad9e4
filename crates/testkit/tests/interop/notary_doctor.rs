//! `notary doctor`: each finding with the fault that causes it, played by Go's server and Go's client, real keys and real files.

mod machine;
mod repository;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use signet_testkit::user::{Tool, User};

const GUN: &str = "example.com/app";

/// What was found, as `(check, state, text and advice)`.
struct Findings {
    code: Option<i32>,
    all: Vec<(String, String, String)>,
}

impl Findings {
    fn of(user: &User, words: &[&str]) -> Self {
        let words = [&["doctor", "--format", "json"], words].concat();
        let before = files(user.home());
        // Whoever would be asked for anything answers.
        let finished = user
            .run_with_input(Tool::OurNotary, &words, "alice\nwonderland\n")
            .unwrap();
        assert_eq!(files(user.home()), before, "{finished}");
        let json: Value =
            serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished}"));
        let text =
            |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let all: Vec<_> = json["Findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| {
                let words = format!("{} -> {}", text(finding, "Text"), text(finding, "Advice"));
                (text(finding, "Check"), text(finding, "State"), words)
            })
            .collect();
        let problems = all
            .iter()
            .filter(|(_, state, _)| state == "problem")
            .count();
        assert_eq!(json["Problems"], problems);
        let found = Self {
            code: finished.code,
            all,
        };
        assert_eq!(found.code, Some(i32::from(problems > 0)), "{finished}");
        found
    }

    /// There is a finding of that check and state whose text or advice has each of `parts`.
    #[track_caller]
    fn expect(&self, check: &str, state: &str, parts: &[&str]) {
        let fits = |(c, s, text): &(String, String, String)| {
            c == check && s == state && parts.iter().all(|part| text.contains(part))
        };
        assert!(
            self.all.iter().any(fits),
            "no {state} of {check} with {parts:?} in {:#?}",
            self.all
        );
    }

    fn of_state(&self, state: &str) -> Vec<&str> {
        let found = self.all.iter().filter(|(_, s, _)| s == state);
        found.map(|(check, ..)| check.as_str()).collect()
    }
}

/// Every file and folder below a folder, with its content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let content = if path.is_dir() {
                pending.push(path.clone());
                Vec::new()
            } else {
                fs::read(&path).unwrap_or_default()
            };
            found.insert(path.to_string_lossy().into_owned(), content);
        }
    }
    found
}

/// A repository of Go's client on this server.
fn begin(owner: &User) {
    owner.expect(Tool::Notary, &["init", GUN, "-p"]).unwrap();
}
