//! Completion: cobra's protocol as the docker client at hand speaks it, and the scripts in the shells that they are written for.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use signet_testkit::file;
use signet_testkit::program::{BASH, DOCKER, FISH, Program, ZSH};
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

const PROGRAM: &str = env!("CARGO_BIN_EXE_docker-trust");
const APP: &str = "localhost:5000/team/app";

fn user() -> User {
    User::without_passphrases("https://localhost:1", "no certificate").unwrap()
}

/// A trust folder as commands leave it behind: one repository with two released tags, another that has none.
fn user_with_repositories() -> User {
    let user = user();
    let tuf = user.trust_dir().join("tuf");
    for (path, text) in [
        ("metadata/root.json", "{}"),
        (
            "metadata/targets.json",
            r#"{"signed":{"targets":{},"delegations":{"roles":[{"name":"targets/ann"},{"name":"targets/releases"}]}}}"#,
        ),
        (
            "metadata/targets/releases.json",
            r#"{"signed":{"targets":{"1.0":{},"1.1":{},"$(touch harm)":{},"`touch harm`":{}}}}"#,
        ),
    ] {
        file::write(&tuf.join(APP).join(path), text).unwrap();
    }
    file::write(
        &tuf.join("docker.io/library/alpine/metadata/root.json"),
        "{}",
    )
    .unwrap();
    user
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `docker-trust`, as docker's plugin or directly.
fn ours(user: &User, words: &[&str], as_plugin: bool) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(words);
    user.dress(&mut command);
    if as_plugin {
        command
            .arg0("docker-trust")
            .env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", "docker");
    }
    command.output().unwrap()
}

/// Everything that docker's own commands can be asked, beside the docker client. Ours may offer commands and flags that docker does not have.
#[test]
fn the_answers_are_those_of_the_docker_client() {
    let user = user();
    let additional: BTreeSet<&str> = own_words().iter().copied().collect();
    let mut wrong = String::new();
    for line in [
        "|",
        "si|",
        "-|",
        "--|",
        "foo||",
        "KEY||",
        "--help||",
        "help||",
        "-D|sign|-",
        "key||",
        "key|g",
        "key|foo||",
        "key|generate||",
        "key|generate|-",
        "key|generate|--dir=x|-",
        "key|generate|a|--dir|b|--dir",
        "key|generate|--|-",
        "key|load||",
        "key|load|--na",
        "key|load|-n",
        "key|load|--name||",
        "key|load|--name=",
        "signer||",
        "signer|add||",
        "signer|add|--key||",
        "signer|add|--key=",
        "signer|add|--key|a|-",
        "signer|add|jeff||",
        "signer|remove||",
        "signer|remove|-",
        "signer|remove|-f|-",
        "signer|remove|-f||",
        "signer|remove|-ff||",
        "signer|remove|-fx||",
        "signer|remove|-f=",
        "signer|remove|--for",
        "sign||",
        "sign|-",
        "sign|--",
        "sign|--l",
        "sign|--local||",
        "sign|--local|-",
        "sign|--local=",
        "sign|--local=maybe||",
        "sign|--bad||",
        "sign|--bad=",
        "sign|--bad|-",
        "sign|--|",
        "sign|a||",
        "sign|-h",
        "sign|--help||",
        "sign|--help|-",
        "revoke||",
        "revoke|-",
        "revoke|-y=",
        "revoke|-y||",
        "revoke|--y",
        "inspect||",
        "inspect|-",
        "inspect|--p",
        "inspect|a|-",
        "inspect|--pretty=",
        "inspect|--pretty=false|--",
    ] {
        let words: Vec<&str> = line.strip_suffix('|').map_or_else(
            || line.split('|').collect(),
            |line| line.split('|').chain([""]).collect(),
        );
        let words: Vec<&str> = words
            .iter()
            .enumerate()
            .filter(|(at, word)| !word.is_empty() || *at + 1 == words.len())
            .map(|(_, word)| *word)
            .collect();
        for asked in ["__complete", "__completeNoDesc"] {
            let line: Vec<&str> = [asked, "trust"].iter().chain(&words).copied().collect();
            let docker = user.run(Tool::DockerItself, &line).unwrap();
            for as_plugin in [true, false] {
                let seen = ours(&user, &line, as_plugin);
                let out: String = text(&seen.stdout)
                    .lines()
                    .filter(|line| {
                        !additional.contains(line.split('\t').next().unwrap_or_default())
                    })
                    .map(|line| format!("{line}\n"))
                    .collect();
                let answer = (out, text(&seen.stderr), seen.status.code());
                let expected = (docker.stdout.clone(), docker.stderr.clone(), docker.code);
                if answer != expected {
                    wrong += &format!("{line:?}\ndocker {expected:?}\nours   {answer:?}\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Words of ours that docker does not have, from the help pages.
fn own_words() -> Vec<&'static str> {
    let mut words = Vec::new();
    for command in signet_cli::docker::ROOT.children {
        let dockers = ["inspect", "key", "revoke", "sign", "signer"].contains(&command.name);
        if !dockers {
            words.push(command.name);
        }
    }
    words.extend(["--digest", "--remote"]);
    words
}

/// Folders for `--dir`; names where docker offers files.
#[test]
fn values_and_names_are_offered() {
    let user = user_with_repositories();
    let trust = |words: &[&str]| {
        let line: Vec<&str> = ["__complete", "trust"]
            .iter()
            .chain(words)
            .copied()
            .collect();
        text(&ours(&user, &line, true).stdout)
    };
    let tags = format!("{APP}:1.0\n{APP}:1.1\n");
    for (words, answer) in [
        (vec!["key", "generate", "--dir", ""], ":16\n".to_owned()),
        (vec!["verify", "--format", ""], "json\n:4\n".to_owned()),
        (vec!["verify", "--format=j"], "json\n:4\n".to_owned()),
        (vec!["verify", "--format", "x"], ":4\n".to_owned()),
        (vec!["sign", ""], format!("alpine\n{APP}\n:6\n")),
        (vec!["sign", "l"], format!("{APP}\n{tags}:6\n")),
        (
            vec!["verify", "localhost:5000/team/app:"],
            format!("{tags}:4\n"),
        ),
        (
            vec!["inspect", "x", "docker.io/"],
            "docker.io/library/alpine\n:6\n".to_owned(),
        ),
        (vec!["sign", "nothing"], ":0\n".to_owned()),
        (
            vec!["run", "--rm", "-it", "l"],
            format!("{APP}\n{tags}:6\n"),
        ),
        (vec!["create", "--na"], ":0\n".to_owned()),
        (vec!["signer", "add", "a"], ":0\n".to_owned()),
        (vec!["signer", "remove", "a"], "ann\n:4\n".to_owned()),
        (vec!["signer", "remove", "ann", ""], format!("{APP}\n:4\n")),
        (vec!["revoke", "-y", "l"], format!("{APP}\n{tags}:6\n")),
        (
            vec!["signer", "add", "--key", "a.pub", "al", "l"],
            format!("{APP}\n:4\n"),
        ),
    ] {
        assert_eq!(trust(&words), answer, "{words:?}");
    }
    // A configuration folder on the line to complete is the one that is looked into.
    let config = user.path(".docker").display().to_string();
    let mut command = Command::new(PROGRAM);
    command
        .args(["__complete", "--config", &config, "sign", "l"])
        .env_clear();
    assert_eq!(
        text(&command.output().unwrap().stdout),
        format!("{APP}\n{tags}:6\n")
    );
}

/// The real docker client asks the plugin and hands on its answer.
#[test]
fn the_docker_client_completes_with_it_as_its_plugin() {
    let user = user_with_repositories();
    user.install_plugin().unwrap();
    for (line, answer) in [
        (
            vec!["__complete", "signet", "key", ""],
            vec![
                "generate\tGenerate and load a signing key-pair",
                "load\tLoad a private key file for signing",
                ":4",
            ],
        ),
        (
            vec!["__complete", "signet", "verify", "--q"],
            vec!["--quiet\tPrint nothing but why an image is refused", ":4"],
        ),
        (
            vec![
                "__complete",
                "signet",
                "verify",
                "localhost:5000/team/app:1.1",
            ],
            vec!["localhost:5000/team/app:1.1", ":4"],
        ),
    ] {
        let mut command = Command::new(DOCKER.find().unwrap());
        command.args(&line);
        user.dress(&mut command);
        assert_eq!(
            text(&command.output().unwrap().stdout)
                .lines()
                .collect::<Vec<_>>(),
            answer
        );
    }
}

/// A shell at a prompt, with the script loaded and a key that prints the line as it stands.
struct Shell {
    user: User,
    program: &'static Program,
}

impl Shell {
    fn new(program: &'static Program) -> Self {
        let user = user_with_repositories();
        let bin = user.path("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(PROGRAM, bin.join("docker-trust")).unwrap();
        fs::create_dir(user.path("folder-one")).unwrap();
        file::write(&user.path("file-one.pub"), "").unwrap();
        let show = match program.name {
            "bash" => {
                "PATH=~/bin:$PATH\nsource <(docker-trust completion bash)\nbind -x '\"\\C-t\": echo \"LINE<$READLINE_LINE>\"'\nbind 'set enable-bracketed-paste off'\nPS1='ready> '\n"
            }
            "zsh" => {
                "PATH=~/bin:$PATH\nautoload -Uz compinit\ncompinit -u -D\nsource <(docker-trust completion zsh)\nshow() { print -r -- \"LINE<$BUFFER>\" }\nzle -N show\nbindkey '^T' show\nsetopt no_always_last_prompt\nPS1='ready> '\n"
            }
            _ => {
                "set -g fish_greeting\nset -x PATH ~/bin $PATH\ndocker-trust completion fish | source\nfunction show; echo; echo \"LINE<\"(commandline)\">\"; end\nbind \\ct show\nfunction fish_prompt; echo -n 'ready> '; end\n"
            }
        };
        let settings = match program.name {
            "bash" => ".bashrc",
            "zsh" => ".zshrc",
            _ => ".config/fish/config.fish",
        };
        file::write(&user.path(settings), show).unwrap();
        Self { user, program }
    }

    /// The line after `typed` and one press of the tab key.
    fn complete(&self, typed: &str) -> String {
        let mut command = Command::new(self.program.find().unwrap());
        command.arg("-i");
        self.user.dress(&mut command);
        command.env("TERM", "dumb");
        let mut terminal = Terminal::spawn(&command).unwrap();
        terminal.expect("ready> ").unwrap();
        terminal.press(typed).unwrap();
        terminal.press("\t").unwrap();
        terminal.press("\u{14}").unwrap();
        terminal.expect("LINE<").unwrap();
        terminal.expect(">").unwrap()
    }
}

fn completes_in(program: &'static Program) {
    let shell = Shell::new(program);
    for (typed, line) in [
        ("docker-trust insp", "docker-trust inspect "),
        ("docker-trust key gen", "docker-trust key generate "),
        ("docker-trust verify --qu", "docker-trust verify --quiet "),
        (
            "docker-trust verify --format js",
            "docker-trust verify --format json ",
        ),
        (
            "docker-trust verify --format=js",
            "docker-trust verify --format=json ",
        ),
        (
            "docker-trust verify localhost:5000/team/app:1.1",
            "docker-trust verify localhost:5000/team/app:1.1 ",
        ),
        (
            "docker-trust verify localhost:5000/team/app:",
            "docker-trust verify localhost:5000/team/app:1.",
        ),
        (
            "docker-trust signer add --key x ann loc",
            "docker-trust signer add --key x ann localhost:5000/team/app ",
        ),
        (
            "docker-trust signer add --key file",
            "docker-trust signer add --key file-one.pub ",
        ),
        (
            "docker-trust key generate --dir f",
            "docker-trust key generate --dir folder-one/",
        ),
    ] {
        assert_eq!(shell.complete(typed), line, "{}", program.name);
    }
    assert!(!Path::new(&shell.user.path("harm")).exists());
}

#[test]
fn bash_completes() {
    completes_in(&BASH);
}

#[test]
fn zsh_completes() {
    completes_in(&ZSH);
}

#[test]
fn fish_completes() {
    completes_in(&FISH);
}

/// There is no PowerShell in Debian; its script is looked at.
#[test]
fn the_powershell_script_has_its_parts() {
    let script = text(&ours(&user(), &["completion", "powershell"], false).stdout);
    for part in [
        "Register-ArgumentCompleter -Native -CommandName 'docker-trust'",
        "__complete @words $last",
        "CompletionResult",
    ] {
        assert!(script.contains(part), "{part}");
    }
    for (open, close) in [('{', '}'), ('(', ')')] {
        let count = |letter: char| script.matches(letter).count();
        assert_eq!(count(open), count(close));
    }
    let refused = ours(&user(), &["completion", "tcsh"], false);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("bash, zsh, fish and powershell"));
}
