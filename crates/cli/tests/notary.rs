//! What Go's `notary` says to a command line, against what ours says.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use signet_testkit::program::NOTARY;

/// Exit code, standard output and standard error.
fn run(program: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    run_with(program, words, &[])
}

/// The same with these files in the home folder.
fn run_with(
    program: &Path,
    words: &[&str],
    files: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        signet_testkit::file::write(&home.path().join(name), text).unwrap();
    }
    let output = Command::new(program)
        .args(words)
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn ours(words: &[&str]) -> (Option<i32>, String, String) {
    run(Path::new(env!("CARGO_BIN_EXE_notary")), words)
}

fn gos(words: &[&str]) -> (Option<i32>, String, String) {
    run(&NOTARY.find().unwrap(), words)
}

/// Lines that mean the same to both programs (specification, sections 1.2 and 1.4).
#[test]
fn wrong_lines_are_refused_in_gos_words() {
    for words in [
        &["bogus"][..],
        &["versio"],
        &["vresion"],
        &["VERSION"],
        &["--bogus"],
        &["--bogus", "x", "unheard-of"],
        &["version", "-V"],
        &["version", "--version"],
        &["--version", "version"],
        &["version", "--version=x"],
        &["version", "-s"],
        &["version", "--server"],
        &["-c"],
        &["-vc"],
        &["version", "--tlscacert"],
        &["-v=x", "version"],
        &["version", "--verbose=x"],
        &["version", "--=x"],
        &["version", "---x"],
        &["-D", "--trustDir", "x", "bogus"],
        &["-s=x", "bogus"],
        &["-s", "version", "bogus"],
        &["a%2fb"],
    ] {
        let go = gos(words);
        let mut expected = go.clone();
        if words == ["a%2fb"] {
            // Q1: a per cent sign in a name is one.
            assert!(go.1.contains("%!"), "{}", go.1);
            expected.1 = "\n* fatal: unknown command \"a%2fb\" for \"notary\"\n".to_owned();
        }
        assert_eq!(ours(words), expected, "{words:?}");
    }
}

/// The lines of a page without the words that are the program's own: headings, synopses, and each flag up to its description.
fn structure(page: &str) -> Vec<String> {
    page.lines()
        .skip_while(|line| *line != "Usage:")
        .filter(|line| {
            !line.starts_with("  ")
                || line.starts_with("  notary")
                || line.trim_start().starts_with('-')
        })
        .map(|line| {
            let flag = line.trim_start().starts_with('-');
            let end = line.trim_start().find("   ").filter(|_| flag);
            let indent = line.len() - line.trim_start().len();
            end.and_then(|end| line.get(..indent + end))
                .unwrap_or(line)
                .to_owned()
        })
        .collect()
}

/// Section 1.5: the same headings, synopses and flags in the same order.
#[test]
fn pages_are_laid_out_as_gos() {
    for words in [
        &[][..],
        &["--help"],
        &["-h"],
        &["help"],
        &["version", "--help"],
    ] {
        let (go, our) = (gos(words), ours(words));
        assert_eq!((our.0, &our.2), (go.0, &go.2), "{words:?}");
        assert_eq!(structure(&our.1), structure(&go.1), "{words:?}");
        assert!(structure(&our.1).len() > 10, "{words:?}");
        assert_eq!(our.1.starts_with("Usage:"), go.1.starts_with("Usage:"));
    }
    let first = |(code, out, _): (Option<i32>, String, String)| {
        (
            code,
            out.lines().take(3).map(str::to_owned).collect::<Vec<_>>(),
        )
    };
    for words in [&["help", "bogus"][..], &["help", "bogus", "x"]] {
        assert_eq!(first(ours(words)), first(gos(words)), "{words:?}");
    }
}

/// Section 1.6: scripts take the answers apart by these words.
#[test]
fn versions_have_gos_labels() {
    let labels = |text: &str| -> Vec<String> {
        let text = text.replace(", ", "\n");
        let lines = text.lines();
        lines
            .map(|line| {
                line.split(": ")
                    .next()
                    .unwrap()
                    .trim_end()
                    .trim_end_matches(':')
                    .to_owned()
            })
            .collect()
    };
    for words in [&["version"][..], &["--version"]] {
        let (go, our) = (gos(words), ours(words));
        assert_eq!((our.0, &our.2), (go.0, &go.2));
        assert_eq!(labels(&our.1), labels(&go.1), "{words:?}");
        assert!(our.1.contains(env!("CARGO_PKG_VERSION")));
    }
}

/// A word that is no command of `archive` must not look like success to a script; Go's groups show their page then.
#[test]
fn groups_of_ours_refuse_unknown_commands() {
    assert_eq!(
        ours(&["archive", "verfy"]),
        (
            Some(1),
            "\n* fatal: unknown command \"verfy\" for \"notary archive\"\n\nDid you mean this?\n\tverify\n\n".to_owned(),
            String::new()
        )
    );
    let (code, out, _) = ours(&["archive"]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("\nAvailable Commands:\n  create      "),
        "{out}"
    );
    let (code, out, _) = ours(&["archive", "verify"]);
    assert_eq!(code, Some(1));
    assert!(
        out.starts_with("Usage:\n  notary archive verify FILE [flags]\n"),
        "{out}"
    );
    assert!(out.ends_with("\n\n* fatal: Must specify FILE\n"), "{out}");
}

/// The shells' scripts ask for this.
#[test]
fn completes_commands_and_flags_of_both_kinds() {
    let completed = |words: &[&str]| ours(words).1;
    assert_eq!(
        completed(&["__completeNoDesc", "-s", "x", "archive", "-d", "y", "v"]),
        "verify\n:4\n"
    );
    assert_eq!(
        completed(&["__completeNoDesc", "archive", "verify", "--a"]),
        "--archivist\n:4\n"
    );
    assert_eq!(
        completed(&["__completeNoDesc", "archive", "verify", "--trust"]),
        "--trustDir\n:4\n"
    );
    for shell in ["bash", "fish", "powershell", "zsh"] {
        let (code, script, _) = ours(&["completion", shell]);
        assert_eq!(code, Some(0));
        assert!(
            script.contains("notary") && !script.contains("docker"),
            "{shell}"
        );
    }
}

/// Cases 38 and 93, and the configuration files of section 3.1.
#[test]
fn what_is_configured_wrongly_is_refused_in_gos_words() {
    let config = ".notary/config.json";
    let pair = r#"{"remote_server":{"tls_client_key":"k"}}"#;
    let ca = r#"{"remote_server":{"root_ca":"none.crt"}}"#;
    let mut checked = 0;
    for (words, text) in [
        (&["list", "g", "--tlscert", "a"][..], "{}"),
        (&["list", "g", "--tlskey", "a"], "{}"),
        (&["list", "g"], pair),
        (&["list", "g"], r#"{"trust_pinning":{"certs":{"a":"b"}}}"#),
        (&["list", "g", "-c", "sub/nofile.json"], "{}"),
        (&["key", "list", "-c", "nofile"], "{}"),
        (&["list", "g"], ca),
    ] {
        let files = [(config, text)];
        let go = run_with(&NOTARY.find().unwrap(), words, &files);
        let our = run_with(Path::new(env!("CARGO_BIN_EXE_notary")), words, &files);
        assert_eq!((our.0, go.0), (Some(1), Some(1)), "{words:?} {text}");
        // The home folder is another one for each.
        let shown = |out: &str| match out.split_once("/tmp/") {
            Some((before, after)) => {
                let rest = after.split_once("/.notary/").map_or("", |(_, rest)| rest);
                (
                    before.to_owned(),
                    rest.split('"').next().unwrap().to_owned(),
                )
            }
            None => (out.to_owned(), String::new()),
        };
        assert_eq!(shown(&our.1), shown(&go.1), "{words:?} {text}");
        checked += 1;
    }
    assert_eq!(checked, 7);
    // The reasons of a parser are its own.
    let toml = "[remote_server\n";
    for (name, words, text) in [
        (config, &["key", "list"][..], "{bad"),
        ("c.toml", &["key", "list", "-c", "c.toml"], toml),
        ("c.yml", &["key", "list", "-c", "c.yml"], "a: [\n"),
    ] {
        for program in [
            &NOTARY.find().unwrap(),
            Path::new(env!("CARGO_BIN_EXE_notary")),
        ] {
            let (code, out, _) = run_with(program, words, &[(name, text)]);
            assert_eq!(code, Some(1), "{out}");
            assert!(
                out.starts_with("\n* fatal: error opening config file: While parsing config: "),
                "{out}"
            );
        }
    }
    for program in [
        &NOTARY.find().unwrap(),
        Path::new(env!("CARGO_BIN_EXE_notary")),
    ] {
        assert_eq!(
            run_with(program, &["key", "list"], &[]),
            (
                Some(0),
                "\nNo signing keys found.\n\n".to_owned(),
                String::new()
            )
        );
    }
}

/// What a program asks of the proxy that its environment names, on the way to `https://0.0.0.0:1`, where nobody is.
fn asks_proxy(program: &Path, exceptions: &str) -> Vec<String> {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(program)
        .args(["-s", "https://0.0.0.0:1", "list", "example.test/a"])
        .env_clear()
        .env("HOME", home.path())
        .env(
            "HTTPS_PROXY",
            format!("http://{}", proxy.local_addr().unwrap()),
        )
        .env("NO_PROXY", exceptions)
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut asked = Vec::new();
    loop {
        let ended = child.try_wait().unwrap();
        if let Ok((mut stream, _)) = proxy.accept() {
            stream.set_nonblocking(false).unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            asked.push(line);
            stream
                .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
        } else if let Some(status) = ended {
            assert!(!status.success());
            asked.dedup();
            return asked;
        } else {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whoever has to go by a proxy does; who is told not to goes straight to the server.
#[test]
fn a_proxy_is_taken_where_go_takes_one() {
    for (exceptions, asked) in [
        ("", &["CONNECT 0.0.0.0:1 HTTP/1.1\r\n"][..]),
        ("0.0.0.0", &[]),
    ] {
        assert_eq!(asks_proxy(&NOTARY.find().unwrap(), exceptions), asked);
        let ours = Path::new(env!("CARGO_BIN_EXE_notary"));
        assert_eq!(asks_proxy(ours, exceptions), asked, "{exceptions:?}");
    }
}
