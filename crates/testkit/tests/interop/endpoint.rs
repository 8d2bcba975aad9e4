//! Which daemon is meant: what the docker client says about flags, variables and contexts, we say too.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use signet_testkit::certificate::Authority;
use signet_testkit::file;
use signet_testkit::peer::{Daemon, DaemonTls};
use signet_testkit::user::{Tool, User};

/// A repository that no daemon has: whoever reaches one is told so.
const NAME: &str = "localhost:1/team/none";

fn user() -> User {
    let ca = Authority::new("ca").unwrap();
    let mut user = User::new("https://localhost:1", &ca.pem()).unwrap();
    user.set("DOCKER_HOST", "");
    user
}

/// What `push --all-tags`, the first thing of which is the daemon, says behind these global flags.
fn said(user: &User, tool: Tool, flags: &[&str]) -> (Option<i32>, String, String) {
    let words: Vec<&str> = flags.iter().copied().chain(["push", "-a", NAME]).collect();
    let finished = user.run(tool, &words).unwrap();
    // What docker says on the way to this answer is not the question; and a daemon may run on this machine.
    let absent = format!("An image does not exist locally with the tag: {NAME}\n");
    if finished.stderr.ends_with(&absent) {
        return (finished.code, String::new(), absent);
    }
    (finished.code, finished.stdout, finished.stderr)
}

fn reached(said: &(Option<i32>, String, String)) -> bool {
    said.2.contains(&format!(
        "An image does not exist locally with the tag: {NAME}"
    ))
}

#[test]
fn addresses_are_dockers() {
    let user = user();
    for host in [
        "http://foo:1",
        "ftp://x",
        "ssh://",
        "ssh://u:p@h",
        "unix://",
        "unix:///nonexistent/x.sock",
        "unix://x.sock",
        " unix:///x.sock ",
        "unix://a://b",
        "tcp://",
        "tcp://[::1]:1",
        "tcp://127.0.0.1:1",
        "tcp://127.0.0.1:1/path",
        "tcp://u@127.0.0.1:1",
        "tcp://a://b",
        "127.0.0.1:1",
        ":1",
        "/x.sock",
        "https://127.0.0.1:1",
        "http+unix://x",
        "fd://",
        "npipe:////./pipe/x",
        "tcp://127.0.0.1:x",
        "",
    ] {
        let theirs = said(&user, Tool::DockerItself, &["-H", host]);
        assert_eq!(
            said(&user, Tool::DockerTrust, &["-H", host]),
            theirs,
            "{host}"
        );
        assert_eq!(theirs.0, Some(1), "{theirs:?}");
    }
}

#[test]
fn flags_variables_and_contexts_are_asked_in_dockers_order() {
    let mut user = user();
    for (name, host) in [("one", "unix:///one.sock"), ("two", "unix:///two.sock")] {
        user.expect(
            Tool::DockerItself,
            &[
                "context",
                "create",
                name,
                "--docker",
                &format!("host={host}"),
            ],
        )
        .unwrap();
    }
    let compare = |user: &User, flags: &[&str]| {
        let theirs = said(user, Tool::DockerItself, flags);
        assert_eq!(said(user, Tool::DockerTrust, flags), theirs, "{flags:?}");
        theirs.2
    };
    let flags: [&[&str]; 10] = [
        &[],
        &["-c", "one"],
        &["--context=nosuch"],
        &["-c", "../x"],
        &["-c", "default"],
        &["-H", "unix:///x", "-c", "one"],
        &["-H", "", "-c", "one"],
        &["-H", "unix:///x", "--host", "unix:///y"],
        &["-H", "unix:///x.sock"],
        &["-c", ""],
    ];
    for (current, context, host) in [
        ("default", "", ""),
        ("two", "one", "unix:///variable.sock"),
        ("two", "nowhere", ""),
        ("nosuch", "", "bad://"),
        ("two", "", ""),
    ] {
        file::write(
            &user.path(".docker/config.json"),
            format!("{{\"currentContext\":\"{current}\"}}"),
        )
        .unwrap();
        user.set("DOCKER_CONTEXT", context);
        user.set("DOCKER_HOST", host);
        let all: String = flags.iter().map(|flags| compare(&user, flags)).collect();
        assert!(all.contains("conflicting options") && all.contains("/one.sock"));
    }
    user.set("DOCKER_HOST", "");
    user.set("DOCKER_CONTEXT", "");
    for meta in [
        "{\"Name\":\"one\"}",
        "{\"Name\":\"one\",\"Endpoints\":{\"docker\":{}}}",
        "{\"Name\":\"other\",\"Endpoints\":{\"docker\":{\"Host\":\"unix:///q.sock\"}}}",
        "{\"Name\":\"one\",\"Endpoints\":{\"docker\":{\"Host\":\"bad\"}}}",
    ] {
        let id = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
        let path = user.path(&format!(".docker/contexts/meta/{id}/meta.json"));
        file::write(&path, meta).unwrap();
        compare(&user, &["-c", "one"]);
    }
}

#[test]
fn headers_and_tls_files_that_cannot_be_used_are_refused_as_by_docker() {
    let mut user = user();
    let compare = |user: &User, flags: &[&str]| {
        let theirs = said(user, Tool::DockerItself, flags);
        assert_eq!(said(user, Tool::DockerTrust, flags), theirs, "{flags:?}");
    };
    for headers in ["a", "=b", "a=b,c", "a=\"b", "\"a=b", "a=b", "\"a=b,c\",d="] {
        user.set("DOCKER_CUSTOM_HEADERS", headers);
        compare(&user, &[]);
    }
    user.set("DOCKER_CUSTOM_HEADERS", "");
    let nobody = ["-H", "tcp://127.0.0.1:1"];
    let tls: [&[&str]; 9] = [
        &["--tls"],
        &["--tlsverify"],
        &["--tlsverify=false"],
        &["--tls=false"],
        &["--tls", "--tlscacert", "\"/q/ca.pem\""],
        &["--tls", "--tlscert", "c.pem"],
        &["--tls", "--tlskey", "k.pem"],
        &["--tls=false", "--tlsverify=false"],
        &["-H", "unix:///x.sock", "--tls"],
    ];
    let ca = Authority::new("ca").unwrap();
    let identity = ca.issue().unwrap();
    let put = |name: &str, text: &str| {
        file::write(&user.path(&format!(".docker/{name}.pem")), text).unwrap();
    };
    let steps: [&dyn Fn(); 5] = [
        &|| {},
        &|| put("ca", &ca.pem()),
        &|| put("ca", "no certificate"),
        &|| {
            put("ca", &ca.pem());
            put("key", "no key");
            put("cert", &identity.certificate_pem);
        },
        &|| put("key", &identity.key_pem),
    ];
    for step in steps {
        step();
        for flags in tls {
            compare(&user, flags);
            if !flags.contains(&"-H") {
                let both: Vec<&str> = nobody.iter().chain(flags).copied().collect();
                compare(&user, &both);
            }
        }
    }
    let mut user = user;
    for (variable, value) in [
        ("DOCKER_CERT_PATH", "/nonexistent"),
        ("DOCKER_TLS", "1"),
        ("DOCKER_TLS_VERIFY", "1"),
    ] {
        user.set(variable, value);
        compare(&user, &[]);
        compare(&user, &["--tls=false"]);
    }
}

#[test]
fn a_daemon_behind_tls_must_prove_who_it_is_and_learns_who_we_are() {
    let (ca, stranger) = (
        Authority::new("ca").unwrap(),
        Authority::new("stranger").unwrap(),
    );
    let them = ca.issue().unwrap();
    let daemon = Daemon::start_with_tls(&DaemonTls {
        ca_pem: ca.pem(),
        certificate_pem: them.certificate_pem,
        key_pem: them.key_pem,
    })
    .unwrap();
    let user = user();
    let us = ca.issue().unwrap();
    let file = |name: &str, text: &str| {
        let path = user.path(name);
        file::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (good, bad) = (file("ca.pem", &ca.pem()), file("bad.pem", &stranger.pem()));
    let (certificate, key) = (
        file("cert.pem", &us.certificate_pem),
        file("key.pem", &us.key_pem),
    );
    let host = daemon.tls_host().unwrap();
    let with = |ca: &str, more: &[&str]| {
        let mut flags = vec!["-H", host.as_str(), "--tlscacert", ca];
        flags.extend(more);
        let both = [Tool::DockerItself, Tool::DockerTrust].map(|tool| said(&user, tool, &flags));
        assert_eq!(reached(&both[0]), reached(&both[1]), "{both:?}");
        assert_eq!(both[0].0, Some(1), "{both:?}");
        both
    };
    let identity = ["--tlscert", &certificate, "--tlskey", &key];
    let verify = [&["--tlsverify"], identity.as_slice()].concat();
    let [_, ours] = with(&good, &verify);
    assert!(reached(&ours), "{ours:?}");
    // Another authority; no certificate of ours; no TLS.
    let [_, ours] = with(&bad, &verify);
    assert!(
        !reached(&ours) && ours.2.starts_with("error during connect: "),
        "{ours:?}"
    );
    let [_, ours] = with(&good, &["--tlsverify"]);
    assert!(!reached(&ours), "{ours:?}");
    // compat: `--tls` alone believes anybody who shows the right name of an authority, or nobody at all.
    with(&bad, &[&["--tls"], identity.as_slice()].concat());

    // The same in a context, whose files are its own.
    user.expect(
        Tool::DockerItself,
        &[
            "context",
            "create",
            "tls",
            "--docker",
            &format!("host={host},ca={good},cert={certificate},key={key}"),
        ],
    )
    .unwrap();
    let both = [Tool::DockerItself, Tool::DockerTrust]
        .map(|tool| said(&user, tool, &["--context", "tls"]));
    assert!(reached(&both[0]) && reached(&both[1]), "{both:?}");
}

#[test]
fn ssh_leads_to_a_daemon() {
    let daemon = Daemon::start().unwrap();
    let mut user = user();
    // Whom ssh would connect to, says the script; what runs there, docker.
    let script = |text: String| {
        let path = user.path("bin/ssh");
        file::write(
            &path,
            format!(
                "#!/bin/sh\necho \"$@\" >> {}\n{text}",
                user.path("calls").display()
            ),
        )
        .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    script(format!(
        "exec docker -H {} system dial-stdio\n",
        daemon.host()
    ));
    let path = format!(
        "{}:{}",
        user.path("bin").display(),
        std::env::var_os("PATH")
            .unwrap_or_default()
            .to_string_lossy()
    );
    user.set("PATH", &path);
    let flags = ["-H", "ssh://me@somewhere:2222"];
    let ours = said(&user, Tool::DockerTrust, &flags);
    assert!(reached(&ours), "{ours:?}");
    assert!(reached(&said(&user, Tool::DockerItself, &flags)));
    let calls = std::fs::read_to_string(user.path("calls")).unwrap();
    let mut calls: Vec<&str> = calls.lines().collect();
    calls.dedup();
    assert_eq!(
        calls,
        ["-o ConnectTimeout=30 -T -l me -p 2222 -- somewhere docker system dial-stdio"]
    );

    file::write(
        &user.path("bin/ssh"),
        "#!/bin/sh\nread request\necho 'no such host' >&2\nexit 255\n",
    )
    .unwrap();
    assert!(is_executable(&user.path("bin/ssh")));
    let failure = "command [ssh -o ConnectTimeout=30 -T -l me -p 2222 -- somewhere docker system dial-stdio] has exited with exit status 255, \
                   make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=no such host\n";
    for tool in [Tool::DockerItself, Tool::DockerTrust] {
        let said = said(&user, tool, &flags);
        assert!(
            said.2.starts_with("error during connect: ") && said.2.contains(failure),
            "{said:?}"
        );
    }
}

fn is_executable(path: &Path) -> bool {
    Command::new("test")
        .arg("-x")
        .arg(path)
        .status()
        .unwrap()
        .success()
}
