//! The examples of the help pages: command lines that the program takes.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use signet_cli::cobra::parse::{Request, parse};
use signet_cli::cobra::{Command, Program};
use signet_cli::docker::ROOT;

/// The commands that docker has; their pages are docker's to the byte.
const DOCKERS: [&str; 8] = [
    "inspect",
    "key",
    "key generate",
    "key load",
    "revoke",
    "sign",
    "signer",
    "signer add",
];

fn visit(command: &'static Command, path: &str, look: &mut impl FnMut(&'static Command, &str)) {
    for child in command.children {
        let path = format!("{path} {}", child.name).trim_start().to_owned();
        look(child, &path);
        visit(child, &path, look);
    }
}

/// The calls of the program in a line of shell.
fn calls(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for part in line.split("{}").skip(1) {
        let end = part
            .find(['|', '>', ')', '#', '&', ';'])
            .unwrap_or(part.len());
        let words = part.get(..end).unwrap().split_whitespace();
        found.push(
            words
                .map(|word| word.trim_matches(['"', '\'']).to_owned())
                .collect(),
        );
    }
    found
}

#[test]
fn examples_are_command_lines_that_the_program_takes() {
    let program = Program {
        path: "docker-trust".to_owned(),
        name: "docker-trust".to_owned(),
    };
    let mut seen = 0;
    visit(&ROOT, "", &mut |command, path| {
        if DOCKERS.contains(&path) || path == "signer remove" {
            assert_eq!(command.examples, "", "{path}: the page is docker's");
            return;
        }
        if !command.children.is_empty() {
            return;
        }
        assert!(!command.examples.is_empty(), "{path} has no examples");
        let mut own = 0;
        for line in command.examples.lines() {
            if line.starts_with('#') {
                continue;
            }
            for words in calls(line) {
                match parse(&ROOT, &program, &words) {
                    Ok(Request::Run(matches)) => {
                        assert!(!matches.words.is_empty(), "{line}");
                        own += usize::from(matches.words.join(" ") == path);
                    }
                    other => panic!("{path}: {words:?} is not taken: {other:?}"),
                }
            }
        }
        assert!(own > 0, "{path}: no example calls it");
        seen += 1;
    });
    assert!(seen >= 2);
}

#[test]
fn examples_of_notary_are_command_lines_too() {
    use signet_cli::cobra::plain::{self, Request};
    use signet_cli::notary::{GLOBAL_FLAGS, ROOT};
    let mut seen = 0;
    visit(&ROOT, "", &mut |command, path| {
        for line in command
            .examples
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            for words in calls(line) {
                match plain::parse(&ROOT, &GLOBAL_FLAGS, &words) {
                    Ok(Request::Run(matches, _)) => {
                        assert!(matches.words.join(" ").starts_with(path), "{line}");
                        seen += 1;
                    }
                    other => panic!("{path}: {words:?} is not taken: {other:?}"),
                }
            }
        }
        let has_own_line = command.children.is_empty() && !["help", "version"].contains(&path);
        if has_own_line && !path.starts_with("completion ") {
            assert!(!command.examples.is_empty(), "{path} has no examples");
        }
    });
    assert!(seen >= 10);
}
