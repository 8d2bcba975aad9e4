//! `lock`: digests in Dockerfiles and Compose files.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use signet_testkit::file;
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
        let (scene, [v1, v2]) = Scene::with_signed_tags();
        Self { scene, v1, v2 }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.scene.user.path(name);
        file::write(&path, text).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.scene.user.path(name)).unwrap()
    }

    fn lock(&self, words: &[&str]) -> Finished {
        let words: Vec<&str> = ["lock"].iter().chain(words).copied().collect();
        self.scene.user.run(Tool::DockerTrust, &words).unwrap()
    }
}

#[test]
fn lock_writes_the_signed_digests_and_nothing_else() {
    let signed = Signed::new();
    // The registry's tags have moved since.
    signed.scene.push("v1", "moved");
    let dockerfile = "# syntax is the builder's\r\nARG X=1\r\nFROM --platform=linux/amd64 \\\r\n  IMAGE:v1 AS base\r\n\
                      RUN <<EOF\r\necho FROM IMAGE:nosuch\r\nEOF\r\nFROM base\r\nFROM scratch\r\nCOPY --from=IMAGE:v2 /a /b\r\n";
    let compose = "x-base: &base\n  image: 'IMAGE:v1'   # pinned by lock\nservices:\n  web: *base\n  db: {image: \"IMAGE:v2\", ports: [\"1:2\"]}\n";
    let path = signed.write("Dockerfile", &signed.scene.text(dockerfile));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    signed.write("real/compose.yaml", &signed.scene.text(compose));
    symlink("real/compose.yaml", signed.scene.user.path("compose.yaml")).unwrap();

    let _ = signed.scene.proxy.take_log();
    let dry = signed
        .lock(&["--dry-run", "Dockerfile", "compose.yaml"])
        .success()
        .unwrap();
    assert_eq!(signed.read("Dockerfile"), signed.scene.text(dockerfile));
    let output = signed
        .lock(&["Dockerfile", "compose.yaml"])
        .success()
        .unwrap();
    assert_eq!(output, dry);
    let pin = |text: &str| {
        signed
            .scene
            .text(text)
            .replace(
                &signed.scene.tagged("v1"),
                &format!("{}@sha256:{}", signed.scene.tagged("v1"), signed.v1),
            )
            .replace(
                &signed.scene.tagged("v2"),
                &format!("{}@sha256:{}", signed.scene.tagged("v2"), signed.v2),
            )
    };
    assert_eq!(signed.read("Dockerfile"), pin(dockerfile));
    assert_eq!(signed.read("real/compose.yaml"), pin(compose));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    assert!(
        fs::symlink_metadata(signed.scene.user.path("compose.yaml"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(
        fs::read_dir(signed.scene.user.path("real"))
            .unwrap()
            .count(),
        1
    );
    let (one, two) = (pin("IMAGE:v1"), pin("IMAGE:v2"));
    let plain = signed.scene.text("IMAGE:v");
    assert_eq!(
        output,
        format!(
            "Dockerfile:4:3: {plain}1 -> {one}\nDockerfile:10:13: {plain}2 -> {two}\n\
             compose.yaml:2:11: {plain}1 -> {one}\ncompose.yaml:5:16: {plain}2 -> {two}\n"
        )
    );
    // Two commands, four images, one repository: it is read once by each.
    let timestamps = signed.scene.proxy.take_log();
    let timestamps = timestamps
        .iter()
        .filter(|line| line.ends_with("/timestamp.json"));
    assert_eq!(timestamps.count(), 2);

    // Checked by somebody who has never seen the repository; a second lock changes nothing.
    let reader = signed.scene.stranger();
    for name in ["Dockerfile", "compose.yaml"] {
        file::write(&reader.path(name), signed.read(name)).unwrap();
    }
    let checked = reader
        .expect(
            Tool::DockerTrust,
            &["lock", "--check", "Dockerfile", "compose.yaml"],
        )
        .unwrap();
    assert_eq!(checked.lines().count(), 4);
    assert!(
        checked.lines().all(|line| line.ends_with(": locked")),
        "{checked}"
    );
    let inode = fs::metadata(&path).unwrap().ino();
    assert_eq!(
        signed
            .lock(&["Dockerfile", "compose.yaml"])
            .success()
            .unwrap(),
        checked
    );
    assert_eq!(
        fs::metadata(&path).unwrap().ino(),
        inode,
        "the file is left alone"
    );
}

#[test]
fn lock_check_finds_what_is_not_what_was_signed() {
    let signed = Signed::new();
    let gun = signed.scene.gun.clone();
    let text = format!(
        "FROM {gun}:v1@sha256:{v1} AS a\nFROM {gun}@sha256:{v2} AS b\nFROM {gun}:v2\nFROM {gun}:v1@sha256:{v2}\nFROM {gun}@sha256:{none}\nFROM {gun}:unsigned@sha256:{v1}\nFROM {gun}:unsigned\n",
        v1 = signed.v1,
        v2 = signed.v2,
        none = "0".repeat(64),
    );
    signed.write("web.Dockerfile", &text);
    let answer = signed.lock(&["--check", "web.Dockerfile"]);
    assert_eq!(
        answer.stdout,
        format!(
            "web.Dockerfile:1:6: {gun}:v1@sha256:{v1}: locked\nweb.Dockerfile:2:6: {gun}@sha256:{v2}: locked\n\
             web.Dockerfile:3:6: {gun}:v2: has no digest\nweb.Dockerfile:4:6: {gun}:v1@sha256:{v2}: sha256:{v1} is signed now\n",
            v1 = signed.v1,
            v2 = signed.v2,
        )
    );
    let zeros = "0".repeat(64);
    let v1 = &signed.v1;
    assert_eq!(
        answer.failure(1).unwrap(),
        format!(
            "web.Dockerfile:5:6: {gun}@sha256:{zeros}: No valid trust data for {gun}@sha256:{zeros}: no released tag stands for that digest\n\
             web.Dockerfile:6:6: {gun}:unsigned@sha256:{v1}: No valid trust data for unsigned\n\
             web.Dockerfile:7:6: {gun}:unsigned: No valid trust data for unsigned\n\
             5 of 7 images are not locked to the digest that is signed\n"
        )
    );
    assert_eq!(signed.read("web.Dockerfile"), text);

    let json = signed.lock(&["--check", "--format=json", "web.Dockerfile"]);
    let lines: Vec<serde_json::Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let states: Vec<&str> = lines
        .iter()
        .map(|line| line["Status"].as_str().unwrap())
        .collect();
    assert_eq!(
        states,
        [
            "locked", "locked", "unlocked", "outdated", "refused", "refused", "refused"
        ]
    );
    assert_eq!(lines[3]["Locked"], format!("{gun}:v1@sha256:{v1}"));
    assert_eq!(
        (&lines[3]["Line"], &lines[3]["Column"]),
        (&4.into(), &6.into())
    );
    assert_eq!(lines[0]["Signers"], serde_json::json!(["jeff"]));
    assert_eq!(lines[6]["Error"], "No valid trust data for unsigned");
}

#[test]
fn lock_renews_digests_and_checks_against_what_is_signed_now() {
    let signed = Signed::new();
    signed.write("Dockerfile", &signed.scene.text("FROM IMAGE:v1\n"));
    signed.lock(&["Dockerfile"]).success().unwrap();
    signed.lock(&["--check", "Dockerfile"]).success().unwrap();
    let newer = signed.scene.push("v1", "newer").0;
    let v1 = signed.scene.tagged("v1");
    signed
        .scene
        .run(&["sign", "--remote", &v1])
        .success()
        .unwrap();
    let answer = signed.lock(&["--check", "Dockerfile"]);
    assert!(
        answer
            .stdout
            .ends_with(&format!(": sha256:{newer} is signed now\n")),
        "{answer}"
    );
    answer.failure(1).unwrap();
    signed.lock(&["Dockerfile"]).success().unwrap();
    assert_eq!(
        signed.read("Dockerfile"),
        signed
            .scene
            .text(&format!("FROM IMAGE:v1@sha256:{newer}\n"))
    );
    signed.lock(&["--check", "Dockerfile"]).success().unwrap();
}

#[test]
fn lock_writes_nothing_unless_everything_is_signed() {
    let signed = Signed::new();
    let good = signed.scene.text("FROM IMAGE:v1\n");
    signed.write("Dockerfile", &good);
    for (name, bad, problem) in [
        (
            "bad.Dockerfile",
            "FROM IMAGE:unsigned\n",
            "bad.Dockerfile:1:6: IMAGE:unsigned: No valid trust data for unsigned\n1 of 2 images cannot be locked; nothing is written\n",
        ),
        (
            "bad.Dockerfile",
            "ARG V=v1\nFROM IMAGE:$V\n",
            "bad.Dockerfile:2:6: IMAGE:v1: the name cannot be changed in place: it comes from a variable, or stands in quotes or in a Dockerfile inside the file; write it out\n1 of 2 images cannot be locked; nothing is written\n",
        ),
        (
            "bad.Dockerfile",
            "ARG V\nFROM IMAGE:$V\n",
            "bad.Dockerfile:2:6: the image's name cannot be told: the variable V has no value\n",
        ),
        (
            "bad.Dockerfile",
            "FROM IMAGE:v1\nRUN\u{7f} x\n",
            "bad.Dockerfile:2:1: \"RUN\\u{7f}\" is no instruction that is known\n",
        ),
        (
            "compose.yml",
            "services: {a: {image: \"IMAGE:${V:-v1}\"}}\n",
            "compose.yml:1:23: \"IMAGE:${V:-v1}\" has a variable, and what it stands for is not in the file\n",
        ),
        (
            "compose.yml",
            "services: {a: {extends: {file: base.yml, service: x}}}\n",
            "compose.yml:1:32: the images of base.yml are not looked at\n",
        ),
        (
            "compose.yml",
            "services: {a: {build: ., image: \"IMAGE:v1\"}}\n",
            "compose.yml:1:33: \"IMAGE:v1\" is taken by Compose from the registry before it builds it\n",
        ),
        (
            "notes.txt",
            "FROM IMAGE:v1\n",
            "notes.txt: neither a Dockerfile nor a Compose file by its name\n",
        ),
        (
            "x.yml",
            "a: b\n",
            "x.yml:1:1: this is no Compose file: it has no services\n",
        ),
    ] {
        signed.write(name, &signed.scene.text(bad));
        let answer = signed.lock(&["Dockerfile", name]);
        assert_eq!(
            answer.failure(1).unwrap(),
            signed.scene.text(problem),
            "{bad}"
        );
        assert_eq!(signed.read("Dockerfile"), good, "{bad}");
        assert_eq!(signed.read(name), signed.scene.text(bad));
    }
    let missing = signed
        .lock(&["Dockerfile", "nosuch.Dockerfile"])
        .failure(1)
        .unwrap();
    assert_eq!(
        missing,
        "cannot read nosuch.Dockerfile: no such file or directory\n"
    );
    assert_eq!(signed.read("Dockerfile"), good);

    // A variable's value that has the digest can be checked; and a file can be named what it is.
    let pinned = format!("IMG={}@sha256:{}", signed.scene.tagged("v1"), signed.v1);
    signed.write("variable.txt", "ARG IMG\nFROM $IMG\n");
    signed
        .lock(&[
            "--check",
            "--type=dockerfile",
            "--build-arg",
            &pinned,
            "variable.txt",
        ])
        .success()
        .unwrap();
}

#[test]
fn lock_names_the_files_that_it_does_not_look_at() {
    let signed = Signed::new();
    let compose = "include: [other.yaml]\nservices:\n  web: {build: ./web, image: IMAGE:unsigned, pull_policy: build}\n  db: {image: IMAGE:v1}\n";
    signed.write("compose.yaml", &signed.scene.text(compose));
    signed.write(
        "other.yaml",
        &signed.scene.text("services: {x: {image: IMAGE:v2}}\n"),
    );
    signed.write("web/Dockerfile", &signed.scene.text("FROM IMAGE:v1\n"));
    let partly = signed.lock(&["compose.yaml", "other.yaml"]);
    assert_eq!(
        partly.stderr,
        "note: compose.yaml:3:16: the service web is built from ./web/Dockerfile, which is not looked at\n"
    );
    partly.success().unwrap();
    let all = signed.lock(&["--check", "compose.yaml", "other.yaml", "web/Dockerfile"]);
    assert_eq!(
        all.stderr,
        "1 of 3 images are not locked to the digest that is signed\n"
    );
    signed
        .lock(&["compose.yaml", "other.yaml", "web/Dockerfile"])
        .success()
        .unwrap();
    signed
        .lock(&["--check", "compose.yaml", "other.yaml", "web/Dockerfile"])
        .success()
        .unwrap();
    assert!(
        signed
            .read("compose.yaml")
            .contains(&signed.scene.text("image: IMAGE:unsigned, pull"))
    );
}

/// A Dockerfile is checked for what it says; build arguments of a Compose file can make it say something else.
#[test]
fn lock_sees_through_build_arguments_of_compose_files() {
    let signed = Signed::new();
    let dockerfile = format!("ARG IMG=IMAGE:v1@sha256:{}\nFROM $IMG\n", signed.v1);
    signed.write("web/Dockerfile", &signed.scene.text(&dockerfile));
    let check = |args: &str| {
        let compose = format!("services:\n  web:\n    build: {{context: web, args: {args}}}\n");
        signed.write("compose.yaml", &signed.scene.text(&compose));
        signed.lock(&["--check", "compose.yaml", "web/Dockerfile"])
    };
    check("{OTHER: x}").success().unwrap();
    check(&format!("['IMG=IMAGE:v1@sha256:{}']", signed.v1))
        .success()
        .unwrap();
    for args in [
        "{IMG: 'IMAGE:unsigned'}",
        "['IMG=IMAGE:unsigned']",
        "['IMG=${IMG:-IMAGE:v1}']",
        "{IMG: ''}",
        // What the environment gives when it is built, nobody knows now.
        "[IMG]",
    ] {
        assert_eq!(
            check(args).failure(1).unwrap(),
            "compose.yaml:3:12: the build arguments of web make web/Dockerfile name other images than those that are looked at\n",
            "{args}"
        );
    }
}

/// A check of the Compose file alone said nothing of the Dockerfiles that its services are built from.
#[test]
fn a_check_looks_at_the_dockerfiles_that_services_are_built_from() {
    let signed = Signed::new();
    let pinned = signed.scene.text(&format!("IMAGE:v1@sha256:{}", signed.v1));
    let dockerfile = format!("ARG IMG={pinned}\nFROM $IMG\n");
    signed.write("web/Dockerfile", &dockerfile);
    let check = |build: &str| {
        signed.write(
            "compose.yaml",
            &signed
                .scene
                .text(&format!("services:\n  web: {{build: {build}}}\n")),
        );
        signed.lock(&["--check", "compose.yaml"])
    };
    let line = format!("web/Dockerfile:2:6: {pinned}: locked\n");
    assert_eq!(check("web").success().unwrap(), line);
    check("{context: ./web, args: {OTHER: x}}")
        .success()
        .unwrap();
    for (build, problem) in [
        (
            "{context: web, args: {IMG: 'IMAGE:unsigned'}}",
            "web/Dockerfile:2:6: IMAGE:unsigned: No valid trust data for unsigned\n1 of 1 images are not locked to the digest that is signed\n",
        ),
        (
            "{context: web, args: [IMG]}",
            "web/Dockerfile:2:6: the image's name cannot be told: the value of the variable IMG is not clear\n",
        ),
        (
            "{context: web, args: {IMG: '${IMG}'}}",
            "web/Dockerfile:2:6: the image's name cannot be told: the value of the variable IMG is not clear\n",
        ),
        (
            "https://example.com/a.git",
            "compose.yaml:2:16: the service web is built from https://example.com/a.git/Dockerfile, which is not looked at\n",
        ),
        (
            "nosuch",
            "compose.yaml:2:16: the service web is built from nosuch/Dockerfile, which is not looked at\n",
        ),
        (
            "'${WHERE:-web}'",
            "compose.yaml:2:16: the service web is built from ${WHERE:-web}/Dockerfile, which is not looked at\n",
        ),
    ] {
        assert_eq!(
            check(build).failure(1).unwrap(),
            signed.scene.text(problem),
            "{build}"
        );
    }
    // A second file that changes the build, or how its image is got.
    signed.write("compose.yaml", "services:\n  web: {build: web}\n");
    signed.write(
        "over.yaml",
        &signed
            .scene
            .text("services:\n  web: {build: {args: {IMG: 'IMAGE:unsigned'}}}\n"),
    );
    let told = signed
        .lock(&["--check", "compose.yaml", "over.yaml"])
        .failure(1)
        .unwrap();
    assert!(told.contains("stands in several places"), "{told}");
    signed.write("web/Dockerfile", &signed.scene.text("FROM IMAGE:v1\n"));
    let told = check("web");
    assert_eq!(
        told.stdout,
        signed
            .scene
            .text("web/Dockerfile:1:6: IMAGE:v1: has no digest\n")
    );
    told.failure(1).unwrap();
}
