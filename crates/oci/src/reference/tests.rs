//! The tables of the specification (docker-trust 4.1, acceptance cases 17 to 25), and answers of docker 28.2.2.

use super::*;

fn gun(text: &str) -> String {
    text.parse::<Reference>()
        .unwrap_or_else(|e| panic!("{text:?}: {e}"))
        .gun()
}

fn refusal(text: &str) -> String {
    match text.parse::<Reference>() {
        Ok(reference) => panic!("{text:?} was taken for {reference:?}"),
        Err(e) => e.to_string(),
    }
}

const HEX: &str = "45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2";

#[test]
fn derives_the_gun_as_docker_does() {
    for (text, expected) in [
        ("alpine", "docker.io/library/alpine"),
        ("alpine:3.18", "docker.io/library/alpine"),
        ("library/alpine", "docker.io/library/alpine"),
        ("docker.io/alpine", "docker.io/library/alpine"),
        ("index.docker.io/alpine", "docker.io/library/alpine"),
        ("index.docker.io/x/y", "docker.io/x/y"),
        ("myorg/app", "docker.io/myorg/app"),
        ("docker.io/myorg/app", "docker.io/myorg/app"),
        ("foo/bar/baz", "docker.io/foo/bar/baz"),
        ("a.b", "docker.io/library/a.b"),
        ("foo_bar/x", "docker.io/foo_bar/x"),
        (
            "registry-1.docker.io/library/x",
            "registry-1.docker.io/library/x",
        ),
        ("registry-1.docker.io/z", "registry-1.docker.io/z"),
        ("localhost/x", "localhost/x"),
        ("localhost:5000/x", "localhost:5000/x"),
        ("LOCALHOST:5000/x", "LOCALHOST:5000/x"),
        ("Registry.Example.com/x", "Registry.Example.com/x"),
        ("UP/x", "UP/x"),
        ("[::1]:5000/a/b", "[::1]:5000/a/b"),
        ("[::1]/a", "[::1]/a"),
        ("registry.example.com:443/x", "registry.example.com:443/x"),
        ("registry.example.com:5443/x", "registry.example.com:5443/x"),
        ("1.2.3.4/x", "1.2.3.4/x"),
        ("a.b:99999999/x", "a.b:99999999/x"),
        ("docker.IO/x", "docker.IO/x"),
        ("INDEX.docker.io/x", "INDEX.docker.io/x"),
        ("a/b__c", "docker.io/a/b__c"),
        ("a/b---c", "docker.io/a/b---c"),
    ] {
        assert_eq!(gun(text), expected, "{text}");
    }
    assert_eq!(
        gun(&format!("{HEX}:tag")),
        format!("docker.io/library/{HEX}")
    );
    assert_eq!(
        gun(&format!("library/{HEX}")),
        format!("docker.io/library/{HEX}")
    );
}

#[test]
fn refuses_with_dockers_texts() {
    let format = "invalid reference format";
    let long_tag = format!("x:{}", "t".repeat(129));
    for text in [
        "",
        "a//b",
        "a:",
        ":x",
        "a/",
        "x:-bad",
        &long_tag,
        "x@sha256:abcd",
        "https://x/y",
        "user@host/x",
        "x y",
        " x",
        "x ",
        "x:t:u",
        "[::1",
        "[zz]/a",
        "[]/a",
        "]/a",
        "a]/b",
        "[::1]x/a",
        "[::1]:/a",
        "foo:bar/baz",
        "foo:/baz",
        "a..b/c",
        "a.b-/d",
        "-a.b/c",
        "a.b./c",
        "docker.io/",
        "UP_/x",
        "ü/x",
        "É/x",
        "x@sha256:",
        "x@",
        "a/b___c",
        "a/b-",
        "a/_b",
        "a/b.",
        "x:t\n",
        "x\n",
        "x\0",
        "http://localhost:5000/x",
        "x/..",
        "../x",
        "./x",
        ".",
        "..",
        "localhost:5000/../x",
        "/x",
        "x:t@",
    ] {
        assert_eq!(refusal(text), format, "{text:?}");
    }
    for (text, path) in [
        ("localhost:5000/DEMO:v1", "DEMO"),
        ("BAD:::ref", "library/BAD"),
        ("UPPER", "library/UPPER"),
        ("localhost/X:V", "X"),
        ("x/É", "x/É"),
        ("library/UPPER@sha256:0", "library/UPPER@sha256"),
        ("x@SHA256:0", "library/x@SHA256"),
    ] {
        assert_eq!(
            refusal(text),
            format!("invalid reference format: repository name ({path}) must be lowercase")
        );
    }
    assert_eq!(refusal("A_B/c"), "repository name must be lowercase");
    assert_eq!(refusal("A.B_C/d"), "repository name must be lowercase");
    assert_eq!(
        refusal(HEX),
        format!("invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings")
    );
}

/// docker takes the whole text for a path then, and asks `https:///v2/`.
#[test]
fn refuses_a_name_that_has_no_registry_host() {
    for text in ["a.b_c/d", "a.b_c/d:v1", "a.b__c/d/e"] {
        assert_eq!(refusal(text), "invalid reference format", "{text}");
    }
}

#[test]
fn a_path_has_at_most_255_bytes_without_the_domain() {
    let too_long = "repository name must not be more than 255 characters";
    let a255 = "a".repeat(255);
    assert_eq!(
        gun(&format!("localhost:5000/{a255}")),
        format!("localhost:5000/{a255}")
    );
    assert_eq!(refusal(&format!("localhost:5000/{a255}a")), too_long);
    assert_eq!(refusal(&a255), too_long, "library/ counts");
}

#[test]
fn a23_digests_are_strict() {
    let upper = HEX.to_uppercase();
    for (digest, expected) in [
        (
            format!("sha256:{}", &HEX[..40]),
            "invalid checksum digest length",
        ),
        (
            format!("sha256:{}", &HEX[..63]),
            "invalid checksum digest length",
        ),
        (format!("sha256:{HEX}a"), "invalid checksum digest length"),
        (format!("sha256:{upper}"), "invalid checksum digest format"),
        (
            format!("md5:{}", &HEX[..32]),
            "unsupported digest algorithm",
        ),
        (format!("foo:{HEX}"), "unsupported digest algorithm"),
        (format!("sha512:{HEX}{HEX}"), "unsupported digest algorithm"),
        (format!("sha256:../{HEX}"), "invalid reference format"),
        (
            format!("sha256:{HEX}@sha256:{HEX}"),
            "invalid reference format",
        ),
        (format!("sha256:{HEX}/../x"), "invalid reference format"),
    ] {
        assert_eq!(refusal(&format!("x@{digest}")), expected, "{digest}");
        assert_eq!(refusal(&format!("x:t@{digest}")), expected, "{digest}");
    }
    assert_eq!(
        refusal(&format!("@sha256:{HEX}")),
        "invalid reference format"
    );
}

#[test]
fn a_digest_hides_the_tag() {
    for text in [format!("x@sha256:{HEX}"), format!("x:t@sha256:{HEX}")] {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.tag(), None);
        assert_eq!(reference.digest().unwrap().hex(), HEX);
        assert_eq!(reference.to_string(), text);
    }
    let tagged: Reference = "x:t".parse().unwrap();
    assert_eq!(tagged.tag().unwrap().as_str(), "t");
    assert_eq!(tagged.digest(), None);
    let bare: Reference = "x".parse().unwrap();
    assert_eq!(bare.tag(), None, "latest is not implied");
    let longest = "t".repeat(128);
    assert_eq!(
        format!("x:{longest}")
            .parse::<Reference>()
            .unwrap()
            .tag()
            .unwrap()
            .as_str(),
        longest
    );
}

#[test]
fn docker_hub_has_three_names() {
    let hub: Reference = "alpine:3".parse().unwrap();
    assert!(hub.is_official());
    assert_eq!(hub.domain(), "docker.io");
    assert_eq!(hub.path(), "library/alpine");
    assert_eq!(hub.credentials_key(), "https://index.docker.io/v1/");
    assert_eq!(hub.registry_authority(), "registry-1.docker.io");
    assert_eq!(hub.familiar_name(), "alpine");
    assert_eq!(hub.as_typed(), "alpine:3");

    let other: Reference = "localhost:5000/team/app:v1".parse().unwrap();
    assert!(!other.is_official());
    assert_eq!(other.credentials_key(), "localhost:5000");
    assert_eq!(other.registry_authority(), "localhost:5000");
    assert_eq!(other.familiar_name(), "localhost:5000/team/app");
    assert_eq!(
        "docker.io/my/app"
            .parse::<Reference>()
            .unwrap()
            .familiar_name(),
        "my/app"
    );
}

#[test]
fn loopback_is_a_matter_of_spelling() {
    for host in [
        "localhost",
        "LocalHost:5000",
        "127.0.0.1",
        "127.9.8.7:1",
        "[::1]",
        "[::1]:5000",
        "::1",
    ] {
        assert!(is_loopback(host), "{host}");
    }
    for host in [
        "localhost.evil.example",
        "127.0.0.1.evil.example:5000",
        "10.0.0.1",
        "[::2]:5000",
        "[::1.x",
        "docker.io",
        "",
        "0.0.0.0",
        "128.0.0.1",
        "127.1",
        "registry.localhost:1",
    ] {
        assert!(!is_loopback(host), "{host}");
    }
}
