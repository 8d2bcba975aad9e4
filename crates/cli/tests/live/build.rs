//! `build`: docker's builds from signed images.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signet_testkit::file;
use signet_testkit::peer::Daemon;
use signet_testkit::process::Finished;
use signet_testkit::user::Tool;

use crate::scene::Scene;

/// A scene with signed tags `v1` and `v2`, and a tag `unsigned` of the same repository.
struct Signed {
    scene: Scene,
    v1: String,
    v2: String,
}

impl Signed {
    fn new() -> Self {
        let (mut scene, [v1, v2]) = Scene::with_signed_tags();
        let temporary = scene.user.path("temporary");
        fs::create_dir(&temporary).unwrap();
        scene.user.set("TMPDIR", temporary.to_str().unwrap());
        Self { scene, v1, v2 }
    }

    fn write(&self, name: &str, text: &str) {
        file::write(&self.scene.user.path(name), self.scene.text(text)).unwrap();
    }

    fn build(&self, words: &[&str]) -> Finished {
        self.build_with_input(words, "")
    }

    fn build_with_input(&self, words: &[&str], input: &str) -> Finished {
        let words: Vec<&str> = ["build"].iter().chain(words).copied().collect();
        let user = &self.scene.user;
        let finished = user
            .run_with_input(Tool::DockerTrust, &words, input)
            .unwrap();
        self.nothing_is_left();
        finished
    }

    fn nothing_is_left(&self) {
        let left = fs::read_dir(self.scene.user.path("temporary")).unwrap();
        assert_eq!(left.count(), 0, "the copy of the Dockerfile is removed");
    }

    /// A client that says what it is asked for, in the place of the real one.
    fn with_recorder(&mut self, script: &str) {
        let path = self.scene.user.path("bin/docker");
        file::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", self.scene.user.path("bin").display());
        self.scene.user.set("PATH", &path);
    }

    fn docker(&self, words: &[&str]) -> String {
        self.scene.user.expect(Tool::DockerItself, words).unwrap()
    }

    /// A file of an image.
    fn content(&self, image: &str, path: &str) -> String {
        let container = self.docker(&["create", image, "x"]);
        let from = format!("{}:{path}", container.trim());
        self.docker(&["cp", &from, "content"]);
        fs::read_to_string(self.scene.user.path("content")).unwrap()
    }
}

/// Acceptance case 109, and what docker 28 did with `DOCKER_CONTENT_TRUST` set: built from the digests, and tagged.
#[test]
fn case_109_build_uses_the_signed_digests() {
    let mut signed = Signed::new();
    let daemon = Daemon::start().unwrap();
    daemon.admit(&mut signed.scene.user);
    signed.scene.user.set("DOCKER_BUILDKIT", "0");
    // Docker's own enforcement, where it exists, would look stages up at Docker Hub.
    signed.scene.user.set("DOCKER_CONTENT_TRUST", "1");
    signed.scene.push("v1", "moved");
    signed.scene.push("v2", "moved");
    signed.write(
        "context/Dockerfile",
        "ARG V\nFROM IMAGE:$V AS base\nLABEL a=b\n\nFROM base AS test\nLABEL c=d\n\nFROM scratch\n\
         COPY --from=test /greeting /from-stage\nCOPY --from=0 /greeting /from-number\nCOPY --from=IMAGE:v2 /greeting /from-image\nCOPY file /file\n",
    );
    signed.write("context/file", "from the context");
    let answer = signed.build(&["--build-arg", "V=v1", "-t", "out:1", "context"]);
    signed.scene.user.unset("DOCKER_CONTENT_TRUST");
    let gun = &signed.scene.gun;
    let tagging =
        |tag: &str, digest: &str| format!("Tagging {gun}@sha256:{digest} as {gun}:{tag}\n");
    let expected = tagging("v1", &signed.v1) + &tagging("v2", &signed.v2);
    assert!(answer.stderr.ends_with(&expected), "{answer}");
    let output = answer.success().unwrap();
    assert!(output.contains("Successfully tagged out:1\n"), "{output}");
    assert!(
        output.contains(&format!("FROM {gun}@sha256:{} AS base", signed.v1)),
        "{output}"
    );
    for (path, content) in [
        ("/from-stage", "one"),
        ("/from-number", "one"),
        ("/from-image", "two"),
        ("/file", "from the context"),
    ] {
        assert_eq!(signed.content("out:1", path), content, "{path}");
    }
    assert_eq!(
        signed.content(&signed.scene.tagged("v1"), "/greeting"),
        "one"
    );

    // The Dockerfile from standard input, and docker's own failures with docker's own exit code.
    let piped = signed.scene.text("FROM IMAGE:v2\nCOPY file /file\n");
    signed
        .build_with_input(&["-q", "-t", "out:2", "-f", "-", "context"], &piped)
        .success()
        .unwrap();
    assert_eq!(signed.content("out:2", "/greeting"), "two");
    let broken = signed.scene.text("FROM IMAGE:v2\nCOPY nosuch /file\n");
    let answer = signed.build_with_input(&["-t", "out:3", "-f", "-", "context"], &broken);
    assert!(
        answer
            .failure(1)
            .unwrap()
            .contains("COPY failed: file not found")
    );
}

#[test]
fn build_starts_nothing_unless_every_image_is_signed() {
    let mut signed = Signed::new();
    signed.with_recorder("touch \"$HOME/started\"");
    let zeros = "0".repeat(64);
    for (text, problem) in [
        (
            "FROM IMAGE:v1\nFROM IMAGE:unsigned\n",
            "context/Dockerfile:2:6: IMAGE:unsigned: No valid trust data for unsigned\nnothing is built: not every image is signed\n",
        ),
        (
            "FROM IMAGE:unsigned\nCOPY --from=IMAGE:absent / /\n",
            "context/Dockerfile:1:6: IMAGE:unsigned: No valid trust data for unsigned\ncontext/Dockerfile:2:13: IMAGE:absent: No valid trust data for absent\nnothing is built: not every image is signed\n",
        ),
        (
            "FROM IMAGE:v1\nCOPY --from=IMAGE:unsigned / /\n",
            "context/Dockerfile:2:13: IMAGE:unsigned: No valid trust data for unsigned\nnothing is built: not every image is signed\n",
        ),
        (
            "FROM IMAGE:v1\nRUN --mount=from=IMAGE:unsigned,target=/x ls\n",
            "context/Dockerfile:2:18: IMAGE:unsigned: No valid trust data for unsigned\nnothing is built: not every image is signed\n",
        ),
        ("# syntax=IMAGE/dockerfile:1\nFROM IMAGE:v1\n", ""),
        (
            "FROM IMAGE:v1@sha256:ZEROS\n",
            "context/Dockerfile:1:6: IMAGE:v1@sha256:ZEROS: IMAGE:v1 is signed with sha256:V1, not with sha256:ZEROS\nnothing is built: not every image is signed\n",
        ),
        (
            "FROM IMAGE@sha256:ZEROS\n",
            "context/Dockerfile:1:6: IMAGE@sha256:ZEROS: No valid trust data for IMAGE@sha256:ZEROS: no released tag stands for that digest\nnothing is built: not every image is signed\n",
        ),
        (
            "ARG V\nFROM IMAGE:$V\n",
            "context/Dockerfile:2:6: the image's name cannot be told: the variable V has no value\n",
        ),
        (
            "# escape\u{a0}=`\nFROM IMAGE:v1\nCMD echo `\nFROM IMAGE:unsigned\n",
            "context/Dockerfile:1:1: not every builder reads the directive \"escape\" here\n",
        ),
        (
            "FROM IMAGE:v1\nONBUILD RUN cat <<EOF\nFROM IMAGE:unsigned\nEOF\n",
            "context/Dockerfile:3:1: this line is no instruction here, but one that names an image for builders that see no here-document or no continuation\n",
        ),
        (
            "FROM IMAGE:v1\nRUN <<$X\n$X\n",
            "context/Dockerfile:2:1: where the here-document ends is not clear\n",
        ),
    ] {
        signed.write("context/Dockerfile", &text.replace("ZEROS", &zeros));
        let answer = signed.build(&["context"]);
        let told = answer.failure(1).unwrap();
        let problem = signed
            .scene
            .text(problem)
            .replace("ZEROS", &zeros)
            .replace("V1", &signed.v1);
        if problem.is_empty() {
            assert!(told.contains("remote trust data does not exist"), "{told}");
        } else {
            assert_eq!(told, problem, "{text}");
        }
    }
    signed.write("context/Dockerfile", "FROM IMAGE:v1\n");
    for (words, problem) in [
        (
            &["-"][..],
            "the build context must be a folder: what comes from standard input cannot be looked at before it is built\n",
        ),
        (
            &["https://github.com/a/b.git"],
            "the build context must be a folder of this machine, and https://github.com/a/b.git is none\n",
        ),
        (
            &["nosuch"],
            "the build context must be a folder of this machine, and nosuch is none\n",
        ),
        (
            &["-f", "nosuch", "context"],
            "cannot read nosuch: no such file or directory\n",
        ),
        (
            &["--disable-content-trust", "context"],
            "--disable-content-trust has no place here: use docker build to build from images that nobody signed\n",
        ),
        (
            &["--sbom=true", "context"],
            "--sbom runs a scanner from an image that nobody looks up; build without it and scan the result\n",
        ),
        (
            &["--cache-from", "IMAGE:unsigned", "context"],
            "--cache-from: IMAGE:unsigned: No valid trust data for unsigned\nnothing is built: not every image is signed\n",
        ),
        (
            &["--build-context=x=docker-image://IMAGE:unsigned", "context"],
            "--build-context: IMAGE:unsigned: No valid trust data for unsigned\nnothing is built: not every image is signed\n",
        ),
    ] {
        let words: Vec<String> = words.iter().map(|word| signed.scene.text(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(
            signed.build(&words).failure(1).unwrap(),
            signed.scene.text(problem)
        );
    }
    let unknown = signed
        .build(&["--polici", "x", "context"])
        .failure(125)
        .unwrap();
    assert!(unknown.starts_with("unknown flag: --polici\n"), "{unknown}");
    signed
        .scene
        .user
        .set("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "policy.json");
    assert!(
        signed
            .build(&["context"])
            .failure(1)
            .unwrap()
            .starts_with("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY is set")
    );
    assert!(
        !signed.scene.user.path("started").exists(),
        "docker was started"
    );
}

/// Everything but the images arrives at docker as it was given, and BuildKit finds what lies beside the Dockerfile.
#[test]
fn build_hands_everything_else_to_docker_as_it_is() {
    let mut signed = Signed::new();
    signed.with_recorder(
        "for word; do case $word in\n--file=*) file=${word#--file=}; echo \"--file=TEMPORARY/$(basename \"$file\")\" ;; *) echo \"$word\" ;; esac; done\n\
         cat \"$file\" \"$file.dockerignore\"\nls -ld \"$(dirname \"$file\")\" | cut -c1-10\necho \"trust: $DOCKER_CONTENT_TRUST\" >&2\nexit 7",
    );
    signed.scene.user.set("DOCKER_CONTENT_TRUST", "1");
    signed.scene.user.set("BUILDKIT_SYNTAX", "");
    signed.write(
        "web/App.Dockerfile",
        "FROM other AS x\r\nFROM --platform=$BUILDPLATFORM IMAGE:v1 # no\\\r\n",
    );
    signed.write("web/App.Dockerfile.dockerignore", "ignored\n");
    signed.write("context/x", "");
    let words = [
        "-tout:1",
        "--pull",
        "-f",
        "web/App.Dockerfile",
        "--build-arg",
        "A=b c",
        "--rm=false",
        "--output",
        "type=local,dest=x",
        "--build-context",
        "other=./context",
        "--build-context=y=docker-image://IMAGE:v2",
        "--cache-from=type=registry,ref=IMAGE:v2,a=b",
        "--disable-content-trust=false",
        "-q",
        "--",
        "context",
    ];
    let words: Vec<String> = words.iter().map(|word| signed.scene.text(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // A comment behind the image is none to docker.
    assert!(
        signed
            .build(&words)
            .failure(1)
            .unwrap()
            .starts_with("web/App.Dockerfile:2:")
    );
    signed.write(
        "web/App.Dockerfile",
        "FROM other AS x\r\nFROM --platform=$BUILDPLATFORM \\\r\n IMAGE:v1\r\n",
    );
    let answer = signed.build(&words);
    let expected = "build\n--file=TEMPORARY/App.Dockerfile\n--tag=out:1\n--pull=true\n--build-arg=A=b c\n--rm=false\n--output=type=local,dest=x\n--build-context=other=./context\n\
         --build-context=y=docker-image://IMAGE@sha256:V2\n--cache-from=type=registry,ref=IMAGE@sha256:V2,a=b\n--quiet=true\n\
         --\ncontext\nFROM other AS x\r\nFROM --platform=$BUILDPLATFORM \\\r\n IMAGE@sha256:V1\r\nignored\ndrwx------\n";
    let expected = signed
        .scene
        .text(expected)
        .replace("V1", &signed.v1)
        .replace("V2", &signed.v2);
    assert_eq!(answer.stdout, expected);
    assert_eq!(
        (answer.code, answer.stderr.as_str()),
        (Some(7), "trust: \n")
    );
}

/// A value `true` once left its flag open, and docker took the name of the pinned copy for that value: it built the Dockerfile of the folder.
#[test]
fn a_value_that_looks_like_a_switch_does_not_bring_back_the_unpinned_dockerfile() {
    let mut signed = Signed::new();
    let daemon = Daemon::start().unwrap();
    daemon.admit(&mut signed.scene.user);
    signed.scene.user.set("DOCKER_BUILDKIT", "0");
    // What the registry has under the tag is not what was signed.
    signed.scene.push("v1", "moved");
    signed.write("context/Dockerfile", "FROM IMAGE:v1\n");
    for flag in [
        &["--label", "true"][..],
        &["-t", "true"],
        &["--build-arg", "true"],
        &["--network", "true"],
    ] {
        let words: Vec<&str> = ["-q"]
            .iter()
            .chain(flag)
            .chain(&["context"])
            .copied()
            .collect();
        let id = signed.build(&words).success().unwrap();
        assert_eq!(signed.content(id.trim(), "/greeting"), "one", "{flag:?}");
    }
}

/// A build that is ended leaves nothing behind, and ends with docker's exit code.
#[test]
fn an_interrupted_build_is_dockers_and_leaves_nothing() {
    let mut signed = Signed::new();
    signed.with_recorder(
        "trap 'exit 42' TERM\ntouch \"$HOME/started\"\nn=0; while [ $n -lt 400 ]; do sleep 0.05; n=$((n+1)); done",
    );
    signed.write("context/Dockerfile", "FROM IMAGE:v1\n");
    let mut command = signed
        .scene
        .user
        .command(Tool::DockerTrust, &["build", "context"])
        .unwrap();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while !signed.scene.user.path("started").exists() {
        assert!(Instant::now() < end, "docker is not started");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(
        fs::read_dir(signed.scene.user.path("temporary"))
            .unwrap()
            .count(),
        1
    );
    let id = Pid::from_child(&child);
    // ^C at a terminal reaches docker by itself; it is docker that decides.
    kill_process(id, Signal::INT).unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(
        child.try_wait().unwrap().is_none(),
        "the build goes on until docker ends it"
    );
    kill_process(id, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(42));
    signed.nothing_is_left();
}
