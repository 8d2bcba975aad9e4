//! The sessions that the documents show: every command line is run, in order, and must answer as it stands there.

use std::fs;
use std::path::Path;
use std::process::Command;

use signet_testkit::image::Image;
use signet_testkit::peer::{Daemon, Registry, Storage, TrustServer};
use signet_testkit::program;
use signet_testkit::user::User;

use crate::typist::converse;

/// One command line of a document, and what it shows as its answer.
#[derive(Debug)]
struct Shown {
    line: String,
    answer: Vec<String>,
}

/// The blocks marked as `console`: lines after `$ ` are typed, a `\` at the end goes on in the next line, what follows is the answer.
fn sessions(document: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            match (line.strip_prefix("$ "), shown.last_mut()) {
                (Some(line), _) => shown.push(Shown {
                    line: line.to_owned(),
                    answer: Vec::new(),
                }),
                (None, Some(last)) if last.answer.is_empty() && last.line.ends_with('\\') => {
                    last.line.push('\n');
                    last.line.push_str(line);
                }
                (None, Some(last)) => last.answer.push(line.to_owned()),
                (None, None) => panic!("an answer before the first command: {line}"),
            }
        }
    }
    shown
}

/// Key IDs and digests become `#`, in whatever length they are shown.
fn masked(line: &str) -> String {
    let mut masked = String::new();
    for word in line.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()) {
        let hex = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let is_id = [7, 12, 64].contains(&hex.len())
            && hex
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if is_id {
            masked.push('#');
            masked.push_str(word.get(hex.len()..).unwrap_or_default());
        } else {
            masked.push_str(word);
        }
    }
    masked
}

/// Whether `line` is what the document shows, where `…` stands for any text.
pub(crate) fn fits(shown: &str, line: &str) -> bool {
    let (shown, mut rest) = (masked(shown), masked(line));
    let parts: Vec<&str> = shown.split('…').collect();
    for (at, part) in parts.iter().enumerate() {
        let found = match at {
            0 => rest.starts_with(part).then_some(0),
            _ if at + 1 == parts.len() => rest.ends_with(part).then(|| rest.len() - part.len()),
            _ => rest.find(part),
        };
        let Some(found) = found else {
            return false;
        };
        rest = rest.split_off(found + part.len());
    }
    rest.is_empty()
}

/// Whether an answer is the one that is shown; a line of only `…` stands for any lines.
fn answers(shown: &[String], lines: &[&str]) -> bool {
    match (shown.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            (0..=lines.len()).any(|skipped| answers(rest, lines.get(skipped..).unwrap_or_default()))
        }
        (Some((first, rest)), Some((line, after))) => fits(first, line) && answers(rest, after),
        _ => false,
    }
}

/// What a person would see in the end: colours and lines that are drawn again are left out.
fn seen(screen: &str) -> Vec<String> {
    let progress = [": Preparing", ": Pushed", ": Pushing", ": Waiting", "[K"];
    screen
        .lines()
        .filter(|line| !progress.iter().any(|text| line.contains(text)))
        .map(|line| line.replace('\r', "").trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn tour(name: &str) {
    let document = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name);
    let document = fs::read_to_string(document).unwrap();
    let daemon = Daemon::start().unwrap();
    let registry = Registry::start().unwrap();
    let server = TrustServer::ours(Storage::Sqlite).unwrap();
    let mut user = User::without_passphrases(&server.url(), &server.ca_pem()).unwrap();
    daemon.admit(&mut user);
    let bin = user.path("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(
        program::ours("docker-trust").unwrap(),
        bin.join("docker-trust"),
    )
    .unwrap();
    Image::single("hello")
        .push(&registry.client(), "team/app", "1.0")
        .unwrap();
    let here = |text: &str| {
        text.replace("localhost:5000", &registry.host())
            .replace("https://localhost:4443", &server.url())
    };
    let mut wrong = String::new();
    let shown = sessions(&document);
    assert!(shown.len() > 4, "{name} shows too little to be a tour");
    for Shown { line, answer } in &shown {
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(format!("PATH=~/bin:$PATH\n{}", here(line)));
        user.dress(&mut command);
        let typed: Vec<&str> = answer
            .iter()
            .filter_map(|line| line.split_once("[y/N] "))
            .map(|(_, typed)| typed)
            .collect();
        let (screen, _) = converse(&command, &typed);
        let there = screen
            .replace(&registry.host(), "localhost:5000")
            .replace(&format!(":{}", server.address().port()), ":4443")
            .replace(&user.home().display().to_string(), "/home/jeff");
        let lines = seen(&there);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answer: Vec<String> = answer
            .iter()
            .map(|line| line.trim_end().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        if !answers(&answer, &lines) {
            wrong += &format!(
                "\n$ {line}\n--- is shown\n{}\n--- but answers\n{}\n",
                answer.join("\n"),
                lines.join("\n")
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_tour_runs_as_it_stands_there() {
    tour("docs/tour.md");
}

#[test]
fn the_short_tour_runs_as_it_stands_there() {
    tour("README.md");
}

#[test]
fn answers_are_compared_line_by_line() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(answers(
        &shown("a…c\n…\nID 0123abc"),
        &["a b c", "x", "y", "ID ffffff0"]
    ));
    assert!(!answers(&shown("a…c"), &["a b d"]));
    assert!(!answers(&shown("a"), &["a", "b"]));
    assert!(!answers(&shown("a\nb"), &["a"]));
}
