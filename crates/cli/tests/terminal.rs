//! Passphrases on a terminal and through a pipe: docker's questions, no echo, and a terminal that works afterwards.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::Command;

use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

fn user() -> User {
    User::without_passphrases("https://localhost:1", "no certificate").unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The one key file of the trust directory.
fn key_file(user: &User) -> String {
    let mut files = fs::read_dir(user.trust_dir().join("private")).unwrap();
    let path = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    assert_eq!(mode(&path), 0o600);
    fs::read_to_string(path).unwrap()
}

/// Runs a program in a shell on a terminal; says at the end what the shell saw, and whether the terminal echoes.
fn in_a_shell(user: &User, words: &str) -> Terminal {
    let program = env!("CARGO_BIN_EXE_docker-trust");
    // A shell that reads commands takes ^C as they do: it goes on after the program has ended.
    let script = format!(
        "trap : INT; {program} {words}; echo \"code $?\"; stty -a | tr ' ;' '\\n\\n' | grep -x -e echo -e -echo"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    user.dress(&mut command);
    Terminal::spawn(&command).unwrap()
}

/// Acceptance cases 45 and 49 of the specification.
#[test]
fn key_generate_asks_as_docker_does() {
    let user = user();
    let mut terminal = Terminal::spawn(
        &user
            .command(Tool::DockerTrust, &["key", "generate", "jeff"])
            .unwrap(),
    )
    .unwrap();
    terminal
        .expect("Generating key for jeff...\r\nEnter passphrase for new jeff key with ID ")
        .unwrap();
    let id = terminal.expect(": ").unwrap();
    assert!(
        id.len() == 7 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    terminal.enter("short").unwrap();
    terminal.expect("Passphrase is too short. Please use a password manager to generate and store a good random passphrase.\r\n").unwrap();
    terminal
        .expect(&format!("Enter passphrase for new jeff key with ID {id}: "))
        .unwrap();
    terminal.enter("longpass1").unwrap();
    terminal
        .expect(&format!(
            "Repeat passphrase for new jeff key with ID {id}: "
        ))
        .unwrap();
    terminal.enter("longpass2").unwrap();
    terminal
        .expect("Passphrases do not match. Please retry.\r\n")
        .unwrap();
    for question in ["Enter", "Repeat"] {
        terminal
            .expect(&format!(
                "{question} passphrase for new jeff key with ID {id}: "
            ))
            .unwrap();
        terminal.enter("  longpass1").unwrap();
    }
    terminal
        .expect(
            "Successfully generated and loaded private key. Corresponding public key available: ",
        )
        .unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(
        !text.contains("longpass"),
        "a passphrase was echoed: {text}"
    );

    assert!(key_file(&user).starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: jeff\n\n"));
    let public = fs::read_to_string(user.path("jeff.pub")).unwrap();
    assert!(
        public.starts_with("-----BEGIN PUBLIC KEY-----\nrole: jeff\n\n"),
        "{public}"
    );
    for (path, expected) in [
        ("jeff.pub", 0o600),
        (".docker/trust", 0o700),
        (".docker/trust/private", 0o700),
    ] {
        assert_eq!(mode(&user.path(path)), expected, "{path}");
    }

    // Case 46.
    let again = user
        .run(Tool::DockerTrust, &["key", "generate", "jeff"])
        .unwrap();
    let text = again.failure(1).unwrap();
    assert_eq!(
        text,
        format!(
            "public key file already exists: \"{}\"\n",
            user.path("jeff.pub").display()
        )
    );
}

/// What ^C leaves behind: exit code 130, an echoing terminal, no key.
#[test]
fn control_c_at_a_passphrase_gives_the_echo_back() {
    let user = user();
    let mut terminal = in_a_shell(&user, "key generate jeff");
    terminal
        .expect("Enter passphrase for new jeff key with ID ")
        .unwrap();
    terminal.expect(": ").unwrap();
    terminal.press("secret\u{3}").unwrap();
    terminal.expect("code 130").unwrap();
    let (_, text) = terminal.finish().unwrap();
    assert!(text.trim_end().ends_with("\necho"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert!(!user.trust_dir().join("private").exists());
}

/// Case 7: docker says by closing its socket that the command was interrupted.
#[test]
fn the_end_of_dockers_socket_ends_a_prompt() {
    let mut user = user();
    let name = format!("signet_test_{}", std::process::id());
    let listener =
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    user.set("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", "docker");
    user.set("DOCKER_CLI_PLUGIN_SOCKET", &format!("@{name}"));
    let mut terminal = in_a_shell(&user, "trust key generate jeff");
    let (socket, _) = listener.accept().unwrap();
    terminal
        .expect("Enter passphrase for new jeff key with ID ")
        .unwrap();
    terminal.expect(": ").unwrap();
    drop(socket);
    terminal.expect("code 130").unwrap();
    let (_, text) = terminal.finish().unwrap();
    assert!(text.trim_end().ends_with("\necho"), "{text}");
}

/// Case 50: what the environment says is taken as it is.
#[test]
fn a_passphrase_from_the_environment_is_not_asked_for() {
    let mut user = user();
    user.set("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "x");
    let text = user
        .expect(Tool::DockerTrust, &["key", "generate", "jeff"])
        .unwrap();
    assert!(!text.contains("passphrase"), "{text}");
    // The root key's is another variable.
    let root = user
        .run(Tool::DockerTrust, &["key", "generate", "root"])
        .unwrap();
    assert!(
        root.failure(1)
            .unwrap()
            .contains("failed to generate key for root: no passphrase: the input ended")
    );
}

/// Case 54: an encrypted file is stored, under the new passphrase, and every question reads the next line of the pipe.
#[test]
fn key_load_stores_encrypted_keys() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/docker-28.2.2/files");
    for file in ["encrypted.pem", "encrypted-dek.pem"] {
        let user = user();
        fs::copy(data.join(file), user.path("key.pem")).unwrap();
        fs::set_permissions(user.path("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        let input = "openssl-passphrase-1\nlongpass1\nlongpass1\n";
        let text = user
            .run_with_input(
                Tool::DockerTrust,
                &["key", "load", "key.pem", "--name", "jeff"],
                input,
            )
            .unwrap()
            .success()
            .unwrap();
        assert!(
            text.contains(
                "Enter passphrase for encrypted key: \nEnter passphrase for new jeff key with ID "
            ),
            "{text}"
        );
        assert!(
            text.ends_with("Successfully imported key from key.pem\n"),
            "{text}"
        );
        assert!(key_file(&user).contains("role: jeff\n"));
        // Go opens it with the new passphrase and gives it the next one.
        let id = fs::read_dir(user.trust_dir().join("private"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let id = id.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut terminal =
            Terminal::spawn(&user.command(Tool::Notary, &["key", "passwd", &id]).unwrap()).unwrap();
        for answer in ["longpass1", "longpass2", "longpass2"] {
            terminal.expect(": ").unwrap();
            terminal.enter(answer).unwrap();
        }
        let (status, text) = terminal.finish().unwrap();
        assert_eq!(status.code(), Some(0), "{text}");
    }
}
