use proptest::prelude::*;

use super::*;
use crate::document::replace;

fn read(text: &str) -> Compose {
    Compose::read(text).unwrap_or_else(|refused| panic!("{refused}\n{text}"))
}

fn images(text: &str) -> Vec<String> {
    let found = read(text).images;
    for image in found.iter().filter(|image| image.literal) {
        assert_eq!(text[image.span.clone()], image.name, "{text}");
    }
    found.into_iter().map(|image| image.name).collect()
}

fn refused(text: &str) -> (String, Problem) {
    let refused = Compose::read(text).expect_err(text);
    assert!(!refused.problem.advice().is_empty());
    (refused.place.to_string(), refused.problem)
}

#[test]
fn every_notation_of_an_image_is_found() {
    for text in [
        "services:\n  web:\n    image: a:1\n",
        "services:\r\n  web:\r\n    image: a:1 # the web\r\n",
        "\u{feff}services: {web: {image: a:1}}",
        "services:\n  web:\n    image: \"a:1\"\n",
        "services:\n  web:\n    image: 'a:1'",
        "services:\n  web:\n    image: >-\n      a:1\n",
        "services:\n  web:\n    image: |-\n      a:1\n\n",
        "services:\n  web:\n    image:\n      a:1\n",
        "services:\n  web:\n    \"image\": !!str a:1\n",
        "{\"services\": {\"web\": {\"image\": \"a:1\"}}}",
        "services:\n  é:\n    environment: {NAME: \"ü😀\"}\n    image: a:1\n",
        "---\nname: x\n---\nservices: {web: {image: a:1}}\n",
        "x-image: &i a:1\nservices: {web: {image: *i}, db: {image: *i}}",
        "x-k: &k image\nservices: {web: {*k : a:1}}",
    ] {
        assert_eq!(images(text), ["a:1"], "{text}");
    }
    let mut place = read("services:\n  é:\n    image: \"a:1\"\n").images[0].place;
    assert_eq!(place.to_string(), "3:13");
    place = read("x: &i\n  a:1\nservices: {web: {image: *i}}").images[0].place;
    assert_eq!(place.to_string(), "2:3", "the image is where the anchor is");
}

#[test]
fn merge_keys_are_followed_as_yaml_says() {
    let base =
        "x-base: &base\n  image: base:1\nx-other: &other {image: other:1, restart: always}\n";
    for (service, expected) in [
        ("{<<: *base}", vec!["base:1"]),
        ("{<<: *base, image: own:1}", vec!["own:1"]),
        ("{image: own:1, <<: *base}", vec!["own:1"]),
        ("{<<: [*base, *other]}", vec!["base:1"]),
        ("{<<: [{<<: *other}, *base]}", vec!["other:1"]),
        ("{<<: *base, image: !reset null}", vec![]),
        ("*base", vec!["base:1"]),
    ] {
        let text = format!("{base}services:\n  web: {service}\n");
        assert_eq!(images(&text), expected, "{service}");
    }
    let text = format!("{base}x-all: &all {{services: {{a: *other}}}}\n<<: *all\n");
    assert_eq!(images(&text), ["other:1"]);
}

#[test]
fn volumes_and_contexts_name_images_too() {
    let text = "services:\n  web:\n    build:\n      context: ./web\n      dockerfile: web.Dockerfile\n      additional_contexts:\n        base: docker-image://ctx:1\n        src: ../src\n    image: built:1\n    pull_policy: build\n    volumes:\n      - ./x:/x\n      - {type: bind, source: /a, target: /b}\n      - type: image\n        source: vol:1\n        target: /c\n  api:\n    build: ./api\n    image: !override api:1\n    pull_policy: never\n  db:\n    build: {additional_contexts: [base=docker-image://list:1, other=./x]}\n";
    let found = read(text);
    let names: Vec<_> = found
        .images
        .iter()
        .map(|image| (image.name.as_str(), &image.purpose))
        .collect();
    let (web, db) = ("web".to_owned(), "db".to_owned());
    assert_eq!(
        names,
        [
            (
                "ctx:1",
                &Purpose::BuildContext {
                    service: web.clone()
                }
            ),
            ("vol:1", &Purpose::Volume { service: web }),
            ("list:1", &Purpose::BuildContext { service: db }),
        ]
    );
    assert_eq!(images(text), ["ctx:1", "vol:1", "list:1"]);
    let builds: Vec<_> = found
        .builds
        .iter()
        .map(|build| {
            (
                build.service.as_str(),
                build.context.as_deref(),
                build.dockerfile.as_deref(),
                build.image.as_deref(),
            )
        })
        .collect();
    // In the order of the file.
    assert_eq!(
        builds,
        [
            (
                "web",
                Some("./web"),
                Some("web.Dockerfile"),
                Some("built:1")
            ),
            ("api", Some("./api"), None, Some("api:1")),
            ("db", None, None, None),
        ]
    );
}

/// Compose's reference, "Using build and image": without `pull_policy` the registry goes before the build.
#[test]
fn a_name_that_compose_looks_for_before_it_builds_is_refused() {
    let service = |policy: &str| format!("services: {{web: {{build: ., image: 'a:1'{policy}}}}}");
    for policy in ["build", "never", "'build'"] {
        assert!(images(&service(&format!(", pull_policy: {policy}"))).is_empty());
    }
    for policy in [
        "",
        ", pull_policy: ",
        ", pull_policy: missing",
        ", pull_policy: always",
    ] {
        let expected = Problem::PulledFirst {
            name: "a:1".to_owned(),
        };
        assert_eq!(
            refused(&service(policy)),
            ("1:35".to_owned(), expected),
            "{policy}"
        );
    }
    let variable = service(", pull_policy: '${POLICY}'");
    assert!(matches!(refused(&variable).1, Problem::Interpolated { .. }));
    let merged = "x-base: &base {build: .}\nservices: {web: {<<: *base, image: 'a:1'}}";
    assert!(matches!(refused(merged).1, Problem::PulledFirst { .. }));
    assert!(images("services: {web: {build: .}}").is_empty());
}

#[test]
fn what_a_build_brings_in_is_found_or_refused() {
    let with = |member: &str| format!("services:\n  web:\n    build:\n      {member}\n");
    for (member, expected) in [
        ("cache_from: [a:1, 'b:2']", vec!["a:1", "b:2"]),
        ("cache_from: ['type=registry,ref=a:1']", vec!["a:1"]),
        ("cache_from: ['type=local,src=x', type=gha]", vec![]),
        ("args: {V: 1}", vec![]),
        ("sbom: false", vec![]),
    ] {
        assert_eq!(images(&with(member)), expected, "{member}");
    }
    for member in [
        "cache_from: ['type=registry,mode=max,ref=a:1']",
        "cache_from: ['type=local,src=x,type=registry,ref=a']",
        "cache_from: ['type=new,ref=a']",
        "cache_from: ['a:1,b:2']",
        "args: {BUILDKIT_SYNTAX: acme/language}",
        "args: [BUILDKIT_SYNTAX]",
        "args: ['BUILDKIT_SYNTAX=acme/language']",
        "sbom: true",
        "provenance: 'mode=max,type=sbom,generator=a'",
        "additional_contexts: {x: 'target:y'}",
        "sbom: generator=a:1",
        "additional_contexts: {x: 'oci-layout:///x'}",
        "additional_contexts: [x=docker-image:a]",
    ] {
        let problem = refused(&with(member)).1;
        assert!(matches!(problem, Problem::BringsImages { .. }), "{member}");
    }
    let args = &read(&with("args: [A=1, 'B=c=d', C]")).builds[0].args;
    let (one, two) = (Some("1".to_owned()), Some("c=d".to_owned()));
    assert_eq!(
        *args,
        [
            ("A".to_owned(), one),
            ("B".to_owned(), two),
            ("C".to_owned(), None)
        ]
    );
    // Compose makes 1.1 of 1.10.
    let args = &read(&with("args: {A: 1.10, B: 0x10}")).builds[0].args;
    assert!(args.iter().all(|(_, value)| value.is_none()), "{args:?}");
    let contexts = &read(&with("additional_contexts: [a=./b]")).builds[0].contexts;
    assert_eq!(*contexts, ["a"]);
    let args = &read(&with("args: {A: x, B: }")).builds[0].args;
    assert_eq!(
        *args,
        [
            ("A".to_owned(), Some("x".to_owned())),
            ("B".to_owned(), None)
        ]
    );
}

#[test]
fn dockerfiles_inside_are_read() {
    let text = "services:\n  web:\n    build:\n      dockerfile_inline: |\n        FROM a:1 AS x\n        FROM b:2\n        COPY --from=x / /\n";
    let found = read(text);
    assert_eq!(images(text), ["a:1", "b:2"]);
    assert!(found.images.iter().all(|image| !image.literal));
    assert!(found.builds[0].is_inline);
    let broken = text.replace("FROM b:2", "FRM b:2");
    assert!(matches!(
        refused(&broken).1,
        Problem::Inline { line: 2, .. }
    ));
    for line in [
        "FROM b:${V:-2}",
        "RUN echo ${V}\\",
        "LABEL a=$V",
        "LABEL a=$$$V",
    ] {
        let variable = text.replace("FROM b:2", line);
        assert!(
            matches!(refused(&variable).1, Problem::Interpolated { .. }),
            "{line}"
        );
    }
    let dollars = text.replace("FROM b:2", "FROM b:2\n        RUN echo $$HOME");
    assert_eq!(images(&dollars), ["a:1", "b:2"]);
}

#[test]
fn other_files_are_named() {
    let text = "include:\n  - one.yaml\n  - path: [two.yaml, three.yaml]\n  - path: four.yaml\n    env_file: x.env\nservices:\n  web:\n    extends: {file: five.yaml, service: web}\n  db:\n    extends: web\n";
    let found = read(text);
    let files: Vec<_> = found
        .files
        .iter()
        .map(|(place, file)| format!("{place} {file}"))
        .collect();
    assert_eq!(
        files,
        [
            "2:5 one.yaml",
            "3:12 two.yaml",
            "3:22 three.yaml",
            "4:11 four.yaml",
            "8:21 five.yaml"
        ]
    );
    for remote in [
        "oci://r/x",
        "https://github.com/a/b.git",
        "git@github.com:a/b.git",
    ] {
        let text = format!("include: ['{remote}']");
        assert_eq!(
            refused(&text).1,
            Problem::Remote {
                path: remote.to_owned()
            }
        );
    }
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let name = |name: &str| name.to_owned();
    for (text, place, problem) in [
        ("", "1:1", Problem::NoServices),
        ("a: b\n", "1:1", Problem::NoServices),
        ("- a\n", "1:1", Problem::NotUnderstood),
        ("services: [a]", "1:11", Problem::NotUnderstood),
        (
            "services:\n  web:\n    image: a\n    image: b\n",
            "4:5",
            Problem::Duplicate {
                name: name("image"),
            },
        ),
        (
            "services: {web: {image: [a]}}",
            "1:25",
            Problem::NotUnderstood,
        ),
        (
            "services: {web: {image: !x a}}",
            "1:28",
            Problem::NotUnderstood,
        ),
        (
            "services: {web: {? [image] : a}}",
            "1:20",
            Problem::NotUnderstood,
        ),
        (
            "services: {web: {image: 'a:${V:-1}'}}",
            "1:25",
            Problem::Interpolated {
                name: name("a:${V:-1}"),
            },
        ),
        (
            "services: {web: {image: \"a\\x3a1\"}}",
            "1:25",
            Problem::Notation { name: name("a:1") },
        ),
        (
            "services: {web: {image: 'a: 1'}}",
            "1:25",
            Problem::Notation { name: name("a: 1") },
        ),
        (
            "services: {web: {volumes: [{type: image}]}}",
            "1:28",
            Problem::NotUnderstood,
        ),
        (
            "services: {web: {volumes: x}}",
            "1:27",
            Problem::NotUnderstood,
        ),
        (
            "services: {web: &w {<<: *w}}",
            "1:25",
            Problem::NotUnderstood,
        ),
    ] {
        assert_eq!(refused(text), (place.to_owned(), problem), "{text}");
    }
    for text in ["a: [", "a: *unknown", "a:\n\t- b"] {
        assert!(matches!(refused(text).1, Problem::Yaml { .. }), "{text}");
    }
}

/// Nothing is copied for an alias, so that aliases of aliases cost nothing.
#[test]
fn a_bomb_does_not_go_off() {
    let mut text = "x0: &x0 [a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..60 {
        let below = format!("*x{}", level - 1);
        text += &format!("x{level}: &x{level} [{}]\n", vec![below; 9].join(", "));
    }
    text += "services: {web: {image: a:1, labels: *x59}}\n";
    assert_eq!(images(&text), ["a:1"]);
    assert!(matches!(
        refused(&"[".repeat(100_000)).1,
        Problem::Yaml { .. }
    ));
    assert!(matches!(
        refused(&"- ".repeat(10_000)).1,
        Problem::Yaml { .. }
    ));
    assert!(matches!(
        refused(&format!("[{}]", "a,".repeat(200_000))).1,
        Problem::TooLarge { .. }
    ));
    assert!(matches!(
        refused(&" ".repeat(MAX_BYTES + 1)).1,
        Problem::TooLarge { .. }
    ));
}

/// Lines from which files are put together.
const LINES: &[&str] = &[
    "services:",
    "  web:",
    "    image: a:1",
    "    image: \"a:1\" # x",
    "    image: >-",
    "      b:2",
    "    image: &i c:3",
    "    image: *i",
    "    <<: *i",
    "  db: {image: a:1, volumes: [{type: image, source: v:1}]}",
    "    build: ./x",
    "    build:",
    "      dockerfile_inline: |",
    "        FROM a",
    "---",
    "include: [x]",
    "\u{e9}: \u{1f600}",
    "\t",
    "- x",
];

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,120}") {
        check(&text);
    }

    #[test]
    fn files_of_common_lines_are_read_or_refused(
        lines in proptest::collection::vec((proptest::sample::select(LINES), proptest::sample::select(&["\n", "\r\n", "\r", " \n"][..])), 0..12)
    ) {
        let text: String = lines.into_iter().flat_map(|(line, end)| [line, end]).collect();
        check(&text);
    }
}

fn check(text: &str) {
    let Ok(file) = Compose::read(text) else {
        return;
    };
    let literal: Vec<_> = file.images.iter().filter(|image| image.literal).collect();
    let edits = |new: &dyn Fn(&str) -> String| -> Vec<_> {
        literal
            .iter()
            .map(|image| (image.span.clone(), new(&text[image.span.clone()])))
            .collect()
    };
    assert_eq!(replace(text, &edits(&str::to_owned)).as_deref(), Some(text));
    // With digests it is the same file with other images.
    let pinned = |name: &str| format!("{name}@sha256:{}", "0".repeat(64));
    let changed = read(&replace(text, &edits(&pinned)).unwrap());
    let names: Vec<_> = changed
        .images
        .iter()
        .map(|image| image.name.clone())
        .collect();
    let expected: Vec<_> = file
        .images
        .iter()
        .map(|image| {
            if image.literal {
                pinned(&image.name)
            } else {
                image.name.clone()
            }
        })
        .collect();
    assert_eq!(names, expected, "{text}");
}

/// Where readers of YAML disagree about the end of a line, one sees a comment and the other a service.
#[test]
fn line_breaks_that_readers_disagree_about_are_refused() {
    for c in ['\u{0}', '\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'] {
        let text = format!("services:\n  a: {{image: x}}\n  # note{c}  b:{c}    image: evil/x\n");
        let (place, problem) = refused(&text);
        assert_eq!(problem, Problem::LineBreak { code: u32::from(c) });
        assert!(place.starts_with("3:"), "{place}");
    }
}

/// Members from the Compose specification; hooks before the start have images of their own.
#[test]
fn no_member_brings_an_image_in_unseen() {
    let text = "services:\n  a:\n    image: x\n    x-note: {image: not-one}\n    pre_start:\n      - {image: hook, command: [y]}\n";
    let mut names = images(text);
    names.sort();
    assert_eq!(names, ["hook", "x"]);
    let (_, problem) = refused("services: {a: {image: x, sidecar: {image: evil}}}");
    let name = "sidecar".to_owned();
    assert_eq!(problem, Problem::Member { name });
}
