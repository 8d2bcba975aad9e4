//! What is shown of a daemon's progress: docker and we hear the same from a scripted daemon and must show the same bytes, on a terminal and off.

use std::time::Duration;

use signet_testkit::peer::{Registry, Reply, ScriptedDaemon, Storage, TrustServer};
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

/// A user who may sign, a registry, and a daemon that answers every push with `stream`.
struct Stage {
    user: User,
    image: String,
    _registry: Registry,
    _server: TrustServer,
    daemon: ScriptedDaemon,
}

impl Stage {
    fn new(stream: &str) -> Self {
        let server = TrustServer::ours(Storage::Sqlite).unwrap();
        let registry = Registry::start().unwrap();
        let reply = Reply::json(200, stream);
        let daemon = ScriptedDaemon::start("1.41", move |line| {
            if line.starts_with("POST") {
                reply.clone()
            } else {
                Reply::json(200, "{\"Id\":\"sha256:1\"}")
            }
        })
        .unwrap();
        let mut user = User::new(&server.url(), &server.ca_pem()).unwrap();
        user.set("DOCKER_HOST", &daemon.host());
        let name = format!("{}/team/app", registry.host());
        user.become_signer(Tool::DockerTrust, "jeff", &name)
            .unwrap();
        Self {
            user,
            image: format!("{name}:v1"),
            _registry: registry,
            _server: server,
            daemon,
        }
    }

    fn off_terminal(&self, tool: Tool) -> (Option<i32>, String, String) {
        let finished = self.user.run(tool, &["push", &self.image]).unwrap();
        (finished.code, finished.stdout, finished.stderr)
    }

    fn on_terminal(&self, tool: Tool, columns: u16) -> String {
        let command = self.user.command(tool, &["push", &self.image]).unwrap();
        let terminal = Terminal::spawn_with_width(&command, columns).unwrap();
        let (status, printed) = terminal.finish().unwrap();
        assert_eq!(status.code(), Some(1), "{printed}");
        printed
    }
}

fn progress(id: &str, status: &str, detail: &str) -> String {
    // The bar that old clients show is there whenever there is one.
    let old = if detail.is_empty() {
        ""
    } else {
        ",\"progress\":\"[=> ] old\""
    };
    format!("{{\"status\":\"{status}\",\"progressDetail\":{{{detail}}}{old},\"id\":\"{id}\"}}\r\n")
}

/// Layers that come and go on, bars of every size and shape, lines in between, and an error at the end.
fn stream() -> String {
    let mut stream = String::from("{\"status\":\"The push refers to repository [x/y]\"}\r\n");
    for layer in ["5f70bf18a086", "25328432fea5", "a", "b"] {
        stream.push_str(&progress(layer, "Preparing", ""));
    }
    for (current, total) in [
        (0_i64, 0_i64),
        (1, 0),
        (7, -1),
        (1, 3),
        (29, 100),
        (57, 100),
        (58, 100),
        (99, 100),
        (100, 100),
        (101, 100),
        (512, 999),
        (999, 1000),
        (1000, 1001),
        (9_999, 10_000),
        (99_949, 99_951),
        (999_949, 999_950),
        (999_999, 1_000_000),
        (12_345_678, 123_456_789),
        (1_999_500_000, 7_777_777_777),
        (5_000_000_000_000, i64::MAX),
    ] {
        let detail = format!("\"current\":{current},\"total\":{total}");
        stream.push_str(&progress("25328432fea5", "Pushing", &detail));
    }
    stream.push_str(&progress("a", "Pushed", ""));
    stream.push_str(&progress(
        "b",
        "Counting",
        "\"current\":3,\"total\":9,\"units\":\"parts\"",
    ));
    stream.push_str(&progress(
        "b",
        "Counting",
        "\"current\":10,\"total\":9,\"units\":\"parts\"",
    ));
    stream.push_str(&progress(
        "b",
        "Counting",
        "\"current\":10,\"units\":\"parts\"",
    ));
    stream.push_str(&progress(
        "b",
        "Hiding",
        "\"current\":3,\"total\":9,\"hidecounts\":true",
    ));
    // Begun in 1970 and almost done: the time that is left is the same in every second of the test.
    stream.push_str(&progress("5f70bf18a086", "Layer already exists", ""));
    stream.push_str("{\"status\":\"A line\",\"id\":\"a\"}\r\n");
    stream.push_str(&progress("a", "Waiting", ""));
    stream.push_str("{\"status\":\"from elsewhere\",\"from\":\"host\",\"id\":\"c\"}\r\n");
    stream.push_str("{\"stream\":\"built\\n\"}\r\n{\"stream\":\"no end of line\"}\r\n");
    stream.push_str("{\"id\":\"d\",\"status\":\"Old\",\"progress\":\"[=>  ]\"}\r\n");
    stream.push_str("{\"status\":\"\"}\r\n{}\r\n");
    stream.push_str(
        "{\"progressDetail\":{},\"aux\":{\"Tag\":\"v1\",\"Digest\":\"sha256:0\",\"Size\":1}}\r\n",
    );
    stream.push_str("{\"status\":\"not shown\",\"aux\":{\"x\":1}}\r\n");
    stream.push_str(&progress(
        "e",
        "Pushing",
        "\"current\":3,\"total\":9,\"start\":1",
    ));
    stream.push_str("{\"errorDetail\":{\"message\":\"denied: requested access to the resource is denied\"},\"error\":\"x\"}\r\n");
    stream
}

#[test]
fn progress_is_dockers_byte_for_byte() {
    let stage = Stage::new(&stream());
    let theirs = stage.off_terminal(Tool::DockerItself);
    assert!(theirs.1.contains("a: Pushed\n"), "{theirs:?}");
    assert_eq!(stage.off_terminal(Tool::DockerTrust), theirs);
}

#[test]
fn bars_are_dockers_byte_for_byte() {
    // How long something will take is told to the second, which passes in between.
    let stage = Stage::new(&stream().replace("\"start\":1", "\"start\":0"));
    for columns in [200, 110, 60, 50, 20, 0] {
        let theirs = stage.on_terminal(Tool::DockerItself, columns);
        assert!(theirs.contains("\u{1b}[4A\u{1b}[2K\r"), "{theirs:?}");
        assert_eq!(theirs.contains("==>"), columns > 110);
        assert_eq!(
            stage.on_terminal(Tool::DockerTrust, columns),
            theirs,
            "{columns} columns"
        );
    }
}

/// The hours of docker's estimate, for work that began in 1970.
#[test]
fn the_time_left_is_dockers() {
    let mut stream = String::new();
    for (current, total) in [
        (1_000_000_000, 1_000_000_001),
        (1_000_000_000, 5_000_000_000_i64),
    ] {
        let detail = format!("\"current\":{current},\"total\":{total},\"start\":1");
        stream.push_str(&progress("a", "Pushing", &detail));
    }
    stream.push_str("{\"errorDetail\":{\"message\":\"end\"}}\r\n");
    let stage = Stage::new(&stream);
    let hours = |printed: &str| -> Vec<String> {
        printed
            .split_whitespace()
            .filter(|word| word.contains('h') && word.ends_with('s') || word.ends_with("0s"))
            .map(|word| word.split('h').next().unwrap_or_default().to_owned())
            .collect()
    };
    let theirs = stage.on_terminal(Tool::DockerItself, 80);
    let expected = hours(&theirs);
    assert!(!expected.is_empty(), "{theirs:?}");
    let ours = stage.on_terminal(Tool::DockerTrust, 80);
    assert_eq!(hours(&ours), expected, "{ours:?} {theirs:?}");
}

/// What a registry says through the daemon writes on the screen, and does nothing else to it.
#[test]
fn progress_cannot_steer_a_terminal() {
    let stage = Stage::new(
        // docker crashes at the first line.
        "{\"status\":\"n\",\"id\":\"n\",\"progressDetail\":{\"current\":-5,\"total\":10}}\r\n\
         {\"status\":\"a\\u001b[2Jb\",\"id\":\"\\u001b]0;x\\u0007\",\"progressDetail\":{}}\r\n\
         {\"status\":\"c\\rd\\u202e\",\"from\":\"\\u001b[1m\",\"progress\":\"\\u001b[2J\"}\r\n\
         {\"stream\":\"e\\u001b[2J\\nf\"}\r\n\
         {\"errorDetail\":{\"message\":\"g\\u001b[2Jh\"}}\r\n",
    );
    let printed = stage.on_terminal(Tool::DockerTrust, 80);
    for hostile in [
        "\u{1b}[2J",
        "\u{1b}]",
        "\u{1b}[1m",
        "\u{7}",
        "\u{202e}",
        "c\rd",
    ] {
        assert!(!printed.contains(hostile), "{printed:?}");
    }
    assert!(printed.contains("g\\x1b[2Jh"), "{printed:?}");
}

/// Of an image for several platforms the daemon had one only, and says so between two other objects for programs.
#[test]
fn one_platform_instead_of_an_index_is_not_signed() {
    let index = format!("sha256:{}", "1".repeat(64));
    let stage = Stage::new(&format!(
        "{{\"status\":\"v1: digest: sha256:2 size: 3\"}}\r\n\
         {{\"aux\":{{\"contentMissing\":true,\"desc\":{{}}}}}}\r\n\
         {{\"aux\":{{\"manifestPushedInsteadOfIndex\":true,\"originalIndex\":{{\"digest\":\"{index}\"}},\"selectedManifest\":{{\"digest\":\"sha256:2\"}}}}}}\r\n\
         {{\"aux\":{{\"Tag\":\"v1\",\"Digest\":\"sha256:2\",\"Size\":3}}}}\r\n",
    ));
    let finished = stage
        .user
        .run(Tool::DockerTrust, &["push", &stage.image])
        .unwrap();
    let text = finished.failure(1).unwrap();
    assert!(
        text.starts_with(&format!(
            "failed to sign {}: the docker daemon has only one platform of {index} and pushed sha256:2 instead; not signing it\n\
             The image was pushed and is not signed.",
            stage.image
        )),
        "{text}"
    );
}

/// A daemon that falls silent is left after a while; until then the person sees what it said.
#[test]
fn an_interrupted_push_leaves_the_terminal_usable() {
    let stage = Stage::new(&progress("a", "Preparing", ""));
    let daemon = ScriptedDaemon::start("1.41", |line| {
        if line.starts_with("POST") {
            Reply::json(200, &progress("a", "Preparing", ""))
                .with_pauses(Duration::from_millis(10))
                .then_silence()
        } else {
            Reply::json(200, "{\"Id\":\"sha256:1\"}")
        }
    })
    .unwrap();
    let mut user = stage.user;
    user.set("DOCKER_HOST", &daemon.host());
    let command = user
        .command(Tool::DockerTrust, &["push", &stage.image])
        .unwrap();
    let mut terminal = Terminal::spawn_with_width(&command, 80).unwrap();
    terminal.expect("Preparing").unwrap();
    terminal.press("\u{3}").unwrap();
    let (status, printed) = terminal.finish().unwrap();
    assert!(!status.success(), "{printed}");
    drop(stage.daemon);
}
