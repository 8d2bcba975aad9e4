//! The manual pages: complete, and without a fault that mandoc or groff finds.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use signet_cli::cobra;
use signet_cli::manual::Manual;
use signet_cli::{docker, notary, plugin};
use signet_testkit::program::MANDOC;

const DOCKER_TRUST: &str = env!("CARGO_BIN_EXE_docker-trust");
const NOTARY: &str = env!("CARGO_BIN_EXE_notary");

fn run(program: &str, words: &[&str], home: &Path, epoch: Option<&str>) -> Output {
    let mut command = Command::new(program);
    command.args(words).env_clear().env("HOME", home);
    command
        .current_dir(home)
        .envs(epoch.map(|epoch| ("SOURCE_DATE_EPOCH", epoch)));
    command.output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// What a reader sees: bold and underlined letters are printed twice, one over the other.
fn rendered(page: &Path) -> String {
    let mut mandoc = Command::new(MANDOC.find().unwrap());
    mandoc.args(["-Tutf8", "-Owidth=1000"]).arg(page);
    let mut shown: Vec<char> = Vec::new();
    for letter in text(mandoc.output().unwrap().stdout).chars() {
        if letter == '\u{8}' {
            shown.pop();
        } else {
            shown.push(letter);
        }
    }
    shown.into_iter().collect()
}

/// The names of the commands below `command`, by dashes.
fn commands(
    above: &str,
    command: &'static cobra::Command,
    found: &mut Vec<(String, &'static cobra::Command)>,
) {
    found.push((above.to_owned(), command));
    for child in command.children {
        commands(&format!("{above}-{}", child.name), child, found);
    }
}

fn has_all(program: &str, manual: &Manual) {
    let home = tempfile::tempdir().unwrap();
    let made = run(
        program,
        &["man", "-C", "pages/man1"],
        home.path(),
        Some("0"),
    );
    assert_eq!(
        (made.status.code(), text(made.stdout), text(made.stderr)),
        (Some(0), String::new(), String::new())
    );
    let folder = home.path().join("pages/man1");
    let mut wanted = Vec::new();
    commands(manual.program, manual.root, &mut wanted);
    let files: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        files,
        wanted.iter().map(|(name, _)| format!("{name}.1")).collect()
    );
    assert!(files.len() > 15, "{files:?}");

    let pages = || files.iter().map(|file| folder.join(file));
    let lint = Command::new(MANDOC.find().unwrap())
        .args(["-Tlint", "-Wwarning"])
        .args(pages())
        .output()
        .unwrap();
    assert_eq!(
        (lint.status.code(), text(lint.stdout)),
        (Some(0), String::new())
    );

    for (name, command) in wanted {
        let page = folder.join(format!("{name}.1"));
        let shown = rendered(&page);
        let has = |what: &str| {
            assert!(
                shown.contains(what),
                "{name} does not say {what:?}:\n{shown}"
            );
        };
        has(&format!("{name} - {}", command.short));
        for line in command
            .about
            .split("\n\n")
            .filter(|text| !text.contains("\n "))
        {
            has(&line.replace('\n', " "));
        }
        for line in command.examples.lines() {
            has(&line.replace("{}", manual.program));
        }
        for flag in command.flags.iter().chain(manual.global_flags) {
            let option = format!("--{}", flag.name);
            let is_there = shown
                .lines()
                .any(|line| line.split([' ', ',']).any(|word| word == option));
            assert_eq!(is_there, !flag.hidden, "{name}: {option}");
            if !flag.hidden {
                has(flag.usage);
            }
        }
        for child in command.children {
            has(&format!("{name}-{}(1)", child.name));
        }
        // The page of one command is the one that is installed.
        let words = name
            .strip_prefix(manual.program)
            .unwrap()
            .split('-')
            .filter(|word| !word.is_empty());
        let words: Vec<&str> = std::iter::once("man").chain(words).collect();
        let printed = run(program, &words, home.path(), Some("0"));
        assert_eq!(
            text(printed.stdout),
            fs::read_to_string(&page).unwrap(),
            "{name}"
        );
    }
    let root = rendered(&folder.join(format!("{}.1", manual.program)));
    for variable in (manual.variables)() {
        assert!(
            root.contains(&variable.names.join(", ")) && root.contains(variable.meaning),
            "{variable:?}:\n{root}"
        );
    }
    for place in manual.places {
        assert!(
            root.contains(place.path) && root.contains(place.meaning),
            "{place:?}"
        );
    }
    assert!(root.contains("1970-01-01"), "{root}");
}

#[test]
fn notary_has_a_page_for_every_command() {
    has_all(NOTARY, &notary::MANUAL);
}

#[test]
fn docker_trust_has_a_page_for_every_command() {
    has_all(DOCKER_TRUST, &docker::MANUAL);
}

#[test]
fn pages_that_cannot_be_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let said = |words: &[&str], epoch| {
        let output = run(NOTARY, words, home.path(), epoch);
        (output.status.code(), text(output.stdout))
    };
    for (words, epoch, fatal) in [
        (&["man", "bogus"][..], None, "there is no command \"bogus\""),
        (
            &["man", "key", "bogus"],
            None,
            "there is no command \"key bogus\"",
        ),
        (
            &["man", "key", "-C", "x"],
            None,
            "with --directory all pages are written; name no command",
        ),
        (
            &["man"],
            Some("soon"),
            "SOURCE_DATE_EPOCH is \"soon\", which is not a number of seconds since 1970",
        ),
        (
            &["man", "-C", "file/below"],
            None,
            "file/below: not a directory",
        ),
    ] {
        signet_testkit::file::write(&home.path().join("file"), "").unwrap();
        assert_eq!(
            said(words, epoch),
            (Some(1), format!("\n* fatal: {fatal}\n")),
            "{words:?}"
        );
    }
    assert!(!home.path().join("x").exists());
    assert_eq!(said(&["man", "-C", "here"], None).0, Some(0));
    let page = home.path().join("here/notary.1");
    let mode = fs::metadata(&page).unwrap().permissions().mode();
    assert_eq!(mode & 0o444, 0o444, "{mode:o}");
}

/// docker's flags are parsed elsewhere; what the pages list is what is parsed.
#[test]
fn dockers_flags_are_the_ones_that_are_parsed() {
    for flag in &docker::GLOBAL_FLAGS {
        let long = format!("--{}", flag.name);
        let short = flag.shorthand.map(|letter| format!("-{letter}"));
        for word in std::iter::once(long).chain(short) {
            let value = (flag.kind != cobra::FlagKind::Bool).then(|| "debug".to_owned());
            let line: Vec<String> = std::iter::once(word.clone()).chain(value).collect();
            let start = plugin::start("docker-trust".as_ref(), false, line.clone()).unwrap();
            assert_eq!(start.globals.words, line, "{word}");
            assert_eq!(start.call, plugin::Call::Command(Vec::new()), "{word}");
        }
    }
}
