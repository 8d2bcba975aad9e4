//! What the real docker client said, against what `docker-trust` says as docker's plugin and when it is started directly.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One command of a transcript and what docker answered.
struct Case {
    line: String,
    out: String,
    err: String,
    code: i32,
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/docker-28.2.2")
}

fn cases(name: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in fs::read_to_string(data().join(name)).unwrap().lines() {
        if let Some(line) = line.strip_prefix("$ ") {
            cases.push(Case {
                line: line.to_owned(),
                out: String::new(),
                err: String::new(),
                code: -1,
            });
            continue;
        }
        let case = cases.last_mut().unwrap();
        if let Some(text) = line.strip_prefix("[out] ") {
            case.out += &format!("{}\n", text.trim_end_matches("[no newline]"));
        } else if let Some(text) = line.strip_prefix("[err] ") {
            case.err += &format!("{text}\n");
        } else if let Some(code) = line.strip_prefix("[rc=") {
            case.code = code.trim_end_matches(']').parse().unwrap();
        }
    }
    cases
}

/// The words of a command line with single quotes, and what is piped in.
fn split(line: &str) -> (Vec<String>, String) {
    let (line, input) = line.split_once(" <").unwrap_or((line, ""));
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    (words, input.replace("\\n", "\n"))
}

/// A fresh copy of the files that the transcripts were recorded with.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files");
        fs::create_dir_all(files.join("folder")).unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        for entry in fs::read_dir(data().join("files")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, files.join(path.file_name().unwrap())).unwrap();
        }
        fs::copy(files.join("ec.pem"), files.join("open.pem")).unwrap();
        for entry in fs::read_dir(&files).unwrap() {
            let path = entry.unwrap().path();
            let mode = if path.is_dir() {
                0o700
            } else if path.ends_with("open.pem") {
                0o640
            } else {
                0o600
            };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        Self(folder)
    }

    /// Runs `docker-trust`, as docker's plugin or directly.
    fn run(&self, words: &[String], input: &str, as_plugin: bool) -> Case {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docker-trust"));
        command
            .arg0("docker-trust")
            .args(words)
            .env_clear()
            .env("HOME", self.0.path().join("home"));
        if as_plugin {
            command.env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", "docker");
        }
        command.current_dir(self.0.path().join("files"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .unwrap()
                .replace(self.0.path().to_str().unwrap(), "/TMP")
        };
        Case {
            line: words.join(" "),
            out: text(output.stdout),
            err: text(output.stderr),
            code: output.status.code().unwrap(),
        }
    }
}

/// Replaces what differs from run to run: times, and the IDs of new keys.
fn steady(text: &str, generates: bool) -> String {
    let mut steady = String::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        if let Some(rest) = line.strip_prefix("time=\"") {
            line = format!("time=\"{}", &rest[rest.find('"').unwrap()..]);
        }
        if let Some(at) = line.find(" with ID ").filter(|_| generates) {
            line.replace_range(at + 9..at + 16, "???????");
        }
        steady += &line;
        steady.push('\n');
    }
    steady
}

/// Compares a transcript in both forms. `adapt` turns docker's answer into the one that is meant, given the command line.
fn compare(name: &str, adapt: impl Fn(Case) -> Case) {
    let mut wrong = String::new();
    for case in cases(name) {
        let expected = adapt(case);
        let (words, input) = split(&expected.line);
        let generates = expected.line.starts_with("trust key generate");
        for as_plugin in [true, false] {
            let seen = Folder::new().run(&words, &input, as_plugin);
            let docker = |text: &str| {
                let text = steady(text, generates);
                if as_plugin {
                    text
                } else {
                    text.replace("docker trust", "docker-trust")
                        .replace("docker: ", "docker-trust: ")
                }
            };
            let expected = (docker(&expected.out), docker(&expected.err), expected.code);
            let seen = (
                steady(&seen.out, generates),
                steady(&seen.err, generates),
                seen.code,
            );
            if expected != seen {
                wrong += &format!(
                    "\n$ {words:?} as plugin: {as_plugin}\nexpected {expected:#?}\nbut got {seen:#?}\n"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn help_and_usage_errors_are_dockers() {
    // The commands that docker does not have.
    let ours = [
        "  build       Build an image from signed images only",
        "  create      Create a new container from a signed image",
        "  pull        Download a signed image from a registry",
        "  run         Create and run a new container from a signed image",
        "  doctor      Look for what keeps signing and verifying from working",
        "  lock        Write the signed digests of images into Dockerfiles and Compose files",
        "  push        Push an image and sign it",
        "  verify      Check that a tag is signed and print its digest",
    ];
    let sign_options = "Options:\n      --digest string   Sign this digest, which the registry must have\n      \
                        --local           Sign a locally tagged image\n      \
                        --remote          Sign what the registry has under the tag\n";
    compare("help.txt", |mut case| {
        for text in [&mut case.out, &mut case.err] {
            let docker: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
            if let Some(at) = text.find("  inspect     ") {
                let mut lines: Vec<&str> = docker
                    .into_iter()
                    .skip_while(|line| !line.starts_with("  inspect "))
                    .collect();
                let theirs = lines.join("\n");
                lines.extend(ours);
                lines.sort_unstable();
                text.replace_range(at..at + theirs.len(), &lines.join("\n"));
            }
            *text = text.replace(
                "Options:\n      --local   Sign a locally tagged image\n",
                sign_options,
            );
        }
        case
    });
}

/// Names, key files and references: what needs no server.
#[test]
fn local_commands_are_dockers() {
    compare("local.txt", |mut case| {
        let ours = match case.line.as_str() {
            // All questions of a command read from one buffer, so a piped answer is not lost after the first question (Q22).
            r"trust key generate jeff <short\nlongpass1\nlongpass1\n" => Some((
                "Generating key for jeff...\n\
                 Enter passphrase for new jeff key with ID ???????: \n\
                 Passphrase is too short. Please use a password manager to generate and store a good random passphrase.\n\
                 Enter passphrase for new jeff key with ID ???????: \n\
                 Repeat passphrase for new jeff key with ID ???????: \n\
                 Successfully generated and loaded private key. Corresponding public key available: /TMP/files/jeff.pub\n",
                "",
                0,
            )),
            r"trust key load encrypted-dek.pem <wrong-one\nwrong-two\nwrong-three\nwrong-four\n" => {
                Some((
                    "Loading key from \"encrypted-dek.pem\"...\n\
                 Enter passphrase for encrypted key: \nPassphrase incorrect. Please retry.\n\
                 Enter passphrase for encrypted key: \nPassphrase incorrect. Please retry.\n\
                 Enter passphrase for encrypted key: \nPassphrase incorrect. Please retry.\n\
                 Enter passphrase for encrypted key: \n",
                    "error importing key from encrypted-dek.pem: \
                 cannot load key from provided file encrypted-dek.pem: could not decrypt key\n",
                    1,
                ))
            }
            // The key is stored, under a new passphrase that is asked for; docker says so and stores nothing (Q13).
            r"trust key load encrypted.pem <openssl-passphrase-1\n" => Some((
                "Loading key from \"encrypted.pem\"...\n\
                 Enter passphrase for encrypted key: \n\
                 Enter passphrase for new signer key with ID 71734d7: \n",
                "error importing key from encrypted.pem: no passphrase: the input ended before an answer was given\n",
                1,
            )),
            // The reason, where docker takes the key for an encrypted one.
            r"trust key load ed.pem <longpass1\nlongpass1\n" => Some((
                "Loading key from \"ed.pem\"...\n",
                "error importing key from ed.pem: Ed25519 keys cannot be signers' keys: an ECDSA or RSA key is needed\n",
                1,
            )),
            _ => None,
        };
        if let Some((out, err, code)) = ours {
            (case.out, case.err, case.code) = (out.to_owned(), err.to_owned(), code);
        }
        // What docker does without a word: a tag where none belongs (Q21), and names that mean something else.
        let warning = match case.line.split(" <").next().unwrap_or_default() {
            "trust signer remove 'a\"b' localhost:1/x:v1"
            | "trust signer add --key ec.pub jeff localhost:1/x:v1" => {
                "signers belong to whole repositories: localhost:1/x:v1 is taken for localhost:1/x"
            }
            "trust key generate root" | "trust key load --name root ec.pem" => {
                "root is no signer's name: this is a root key, with which new repositories will be begun"
            }
            "trust signer add --key ec.pub targets localhost:1/x" => {
                "targets is also the name of a role: the signer is targets/targets, which is another role"
            }
            _ => "",
        };
        if !warning.is_empty() {
            case.err
                .insert_str(0, &format!("time=\"\" level=warning msg=\"{warning}\"\n"));
        }
        // docker keeps the reason to itself.
        let reason = |name: &str| {
            format!(
                "no signatures or cannot access {name}\nError: error contacting notary server: tcp connect error: connection refused\n"
            )
        };
        for name in ["localhost:1/x", "localhost:1/y"] {
            let line = format!("no signatures or cannot access {name}\n");
            case.err = case.err.replace(&line, &reason(name));
        }
        // The network's own words.
        case.err = case
            .err
            .replace("dial tcp 127.0.0.1:1: connect:", "tcp connect error:");
        case
    });
}

/// Q18: docker stores such a key under an empty type, which nobody can use.
#[test]
fn ed25519_certificates_are_refused() {
    let words = ["signer", "add", "--key", "ed.crt", "jeff", "localhost:1/x"].map(str::to_owned);
    let case = Folder::new().run(&words, "", false);
    assert_eq!((case.code, case.out.as_str()), (1, ""), "{}", case.line);
    assert_eq!(
        case.err,
        "could not parse public key from file: ed.crt: unknown public key format\n"
    );
}
