//! The documents tell the truth where a machine can see it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .parent()
        .unwrap()
}

/// All files below a folder that end like this.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_intended_difference_names_a_test_that_exists() {
    let document = fs::read_to_string(workspace().join("docs/differences.md")).unwrap();
    let mut rows = 0;
    for line in document.lines().filter(|line| {
        line.starts_with('|') && !line.starts_with("|---") && !line.contains("| Reason |")
    }) {
        rows += 1;
        let cell = line.trim_end_matches('|').rsplit_once(" | ").unwrap().1;
        // Written as `crate: test` or `crate/target: module::test`, further ones of the same crate as `module::test`; the rest explains.
        let mut package = None;
        for word in cell.split('`') {
            let test = match word.split_once(": ") {
                Some((home, test)) => {
                    package = home.split('/').next();
                    test
                }
                None if word.contains("::") => word,
                None => continue,
            };
            let package = package.unwrap();
            let test = test.rsplit("::").next().unwrap();
            let sources = files(&workspace().join("crates").join(package), ".rs");
            let found = sources.iter().any(|file| {
                let text = fs::read_to_string(file).unwrap();
                [format!("fn {test}("), format!("fn {test}<")]
                    .iter()
                    .any(|needle| text.contains(needle))
            });
            assert!(found, "{package} has no test {test}, named in: {line}");
        }
        assert!(package.is_some(), "no test in: {line}");
    }
    assert!(rows > 10, "the tables were not understood");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in files(workspace(), ".md") {
        let text = fs::read_to_string(&document).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = target.split('#').next().unwrap();
            if path.is_empty() || target.contains("://") {
                continue;
            }
            assert!(
                document.parent().unwrap().join(path).exists(),
                "{} links to {target}",
                document.display()
            );
        }
    }
}
