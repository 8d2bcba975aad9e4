//! Prompts on a real terminal: ours show what docker's show, echo nothing, and leave the terminal as it was.

use std::process::Command;

use signet_testkit::peer::{Storage, TrustServer};
use signet_testkit::program::ours;
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

const GUN: &str = "localhost:5000/team/app";

/// Types the manual's first commands with a person's passphrases; gives the screens, key IDs masked.
fn screens(tool: Tool) -> Vec<String> {
    let server = TrustServer::ours(Storage::Memory).unwrap();
    let user = User::without_passphrases(&server.url(), &server.ca_pem()).unwrap();
    let type_in = |arguments: &[&str], answers: &[(&str, &str)]| {
        let mut terminal = Terminal::spawn(&user.command(tool, arguments).unwrap()).unwrap();
        for (prompt, answer) in answers {
            terminal.expect(prompt).unwrap();
            terminal.enter_secret(answer).unwrap();
        }
        let (status, screen) = terminal.finish().unwrap();
        assert!(status.success(), "{screen}");
        for (_, answer) in answers {
            assert!(!screen.contains(answer), "{answer} was echoed: {screen}");
        }
        mask(&screen.replace(&user.home().display().to_string(), "~"))
    };
    let jeff = "a-passphrase-of-jeff";
    let root = "the-root-passphrase";
    let repository = "the-repository-passphrase";
    vec![
        type_in(
            &["key", "generate", "jeff"],
            &[
                ("Enter passphrase for new jeff key with ID ", "tooshrt"),
                ("Enter passphrase for new jeff key with ID ", jeff),
                (
                    "Repeat passphrase for new jeff key with ID ",
                    "something-else",
                ),
                ("Enter passphrase for new jeff key with ID ", jeff),
                ("Repeat passphrase for new jeff key with ID ", jeff),
            ],
        ),
        type_in(
            &["signer", "add", "--key", "jeff.pub", "jeff", GUN],
            &[
                ("Enter passphrase for new root key with ID ", root),
                ("Repeat passphrase for new root key with ID ", root),
                (
                    "Enter passphrase for new repository key with ID ",
                    repository,
                ),
                (
                    "Repeat passphrase for new repository key with ID ",
                    repository,
                ),
            ],
        ),
        type_in(
            &["signer", "add", "--key", "jeff.pub", "ben", GUN],
            &[
                (
                    "Enter passphrase for repository key with ID ",
                    "a-wrong-passphrase",
                ),
                ("Enter passphrase for repository key with ID ", repository),
            ],
        ),
    ]
}

/// Seven hexadecimal digits after `ID` become `#`.
fn mask(screen: &str) -> String {
    let mut parts = screen.split(" with ID ");
    let mut masked = parts.next().unwrap().to_owned();
    for part in parts {
        masked.push_str(" with ID #");
        masked.push_str(&part[7..]);
    }
    masked
}

#[test]
fn the_screens_are_those_of_docker() {
    let (docker, ours) = (screens(Tool::Docker), screens(Tool::DockerTrust));
    for (docker, ours) in docker.iter().zip(&ours) {
        assert_eq!(docker, ours);
    }
}

#[test]
fn control_c_at_a_prompt_ends_it_and_gives_the_echo_back() {
    let server = TrustServer::ours(Storage::Memory).unwrap();
    let user = User::without_passphrases(&server.url(), &server.ca_pem()).unwrap();
    let mut shell = Command::new("sh");
    let program = ours("docker-trust").unwrap();
    // The shell outlives the ^C that its child gets.
    shell.arg("-c").arg(format!(
        "trap : INT; {} key generate jeff; echo code $?; stty -a",
        program.display()
    ));
    user.dress(&mut shell);
    let mut terminal = Terminal::spawn(&shell).unwrap();
    terminal
        .expect("Enter passphrase for new jeff key with ID ")
        .unwrap();
    terminal.press("\u{3}").unwrap();
    let (_, screen) = terminal.finish().unwrap();
    assert!(screen.contains("code 130"), "{screen}");
    let settings = screen.split("code 130").nth(1).unwrap();
    assert!(
        settings
            .split_whitespace()
            .any(|word| word.trim_end_matches(';') == "echo"),
        "{screen}"
    );
    assert!(!user.path("jeff.pub").exists());
}
