use proptest::prelude::*;

use super::*;
use crate::document::replace;

fn with(text: &str, arguments: &[(&str, &str)]) -> Result<Dockerfile, Refused> {
    let arguments = arguments
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Dockerfile::read(text, &arguments)
}

/// The images of a text, in their order.
fn images(text: &str) -> Vec<String> {
    let file = with(text, &[]).unwrap_or_else(|refused| panic!("{refused}\n{text}"));
    file.images.into_iter().map(|image| image.name).collect()
}

fn refused(text: &str) -> (String, Problem) {
    let refused = with(text, &[]).expect_err(text);
    (refused.place.to_string(), refused.problem)
}

/// Acceptance case 109 of the specification.
#[test]
fn case_109_only_images_are_found() {
    let text = "FROM golang:1.23 AS base\nRUN make\nFROM base AS test\nRUN make test\nFROM scratch\nCOPY --from=base /app /\nFROM alpine:3.20\nCOPY --from=0 /app /\n";
    let file = with(text, &[]).unwrap();
    let found: Vec<_> = file
        .images
        .iter()
        .map(|image| {
            (
                image.name.as_str(),
                &text[image.span.clone()],
                image.place.to_string(),
                image.literal,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("golang:1.23", "golang:1.23", "1:6".to_owned(), true),
            ("alpine:3.20", "alpine:3.20", "7:6".to_owned(), true)
        ]
    );
}

/// Every place where the Dockerfile reference lets an image stand.
#[test]
fn every_place_of_an_image_is_found() {
    let text = "# syntax=docker/dockerfile:1.7\n# escape=\\\n\
        FROM --platform=$BUILDPLATFORM r.example/a:1 as a\n\
        COPY --link --chown=1:2 --from=r.example/b:2 /x /y\n\
        RUN --mount=type=cache,target=/c --mount=type=bind,from=r.example/c:3,source=/,target=/m --network=none make\n\
        RUN --mount=from=r.example/d,target=/d ls\n\
        RUN --mount=type=bind,FROM=r.example/e:5,target=/e ls\n\
        ONBUILD COPY --from=r.example/f@sha256:0000000000000000000000000000000000000000000000000000000000000000 /x /y\n\
        ADD https://example.com/x /x\nfrom\t r.example/g:6 \nCOPY --from=A . .\n";
    let names = images(text);
    let expected = [
        "docker/dockerfile:1.7",
        "r.example/a:1",
        "r.example/b:2",
        "r.example/c:3",
        "r.example/d",
        "r.example/e:5",
        "r.example/f@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "r.example/g:6",
    ];
    assert_eq!(names, expected);
    for image in with(text, &[]).unwrap().images {
        assert_eq!(&text[image.span], image.name);
    }
}

#[test]
fn lines_are_joined_as_buildkit_joins_them() {
    for text in [
        "FROM \\\n  a:1",
        "FROM \\\r\n# a comment\r\n\r\n  a:1 \\\r\n AS \\  \r\nx\r\n",
        "\u{feff}FROM a:1",
        "  \t FROM   a:1  ",
        // BuildKit takes a no-break space in front for a blank.
        "\u{a0}FROM a:1",
        "\\\nFROM a:1",
        "F\\\nROM a:1",
        "RUN_IS_NO_WORD\\\n",
        "# escape=`\nFROM `\n a:1\nRUN dir C:\\\nRUN x",
        "FROM a:1\nRUN echo \\\n# FROM b\n\n  FROM c",
        "FROM a:1\nRUN echo \\\\\nLABEL a=b",
        "FROM a:1\nRUN echo \\",
    ] {
        if text.starts_with("RUN_IS") {
            assert!(matches!(refused(text).1, Problem::Instruction { .. }));
        } else {
            assert_eq!(images(text), ["a:1"], "{text:?}");
        }
    }
    let broken = "FROM al\\\npine";
    assert_eq!(refused(broken), ("1:6".to_owned(), Problem::Broken));
}

#[test]
fn here_documents_are_no_instructions() {
    for text in [
        "FROM a:1\nRUN <<EOF\nFROM b\nEOF\nCOPY x y",
        "FROM a:1\nRUN <<-\"EOF\" bash\n\tFROM b \\\n\tEOF\n",
        "FROM a:1\nCOPY <<x.txt <<y.txt /\nFROM b\nx.txt\nFROM c\ny.txt\n",
        "FROM a:1\r\nRUN <<EOF\r\nFROM b\r\nEOF\r\n",
        "FROM a:1\nRUN [\"cat\", \"<<EOF\"]\n",
        "FROM a:1\nONBUILD RUN <<EOF\nFROM b\nEOF\n",
    ] {
        assert_eq!(images(text), ["a:1"], "{text:?}");
    }
    // What looks like one and is none: the next line is an instruction.
    assert_eq!(images("FROM a\nRUN cat <<< EOF\nFROM b\n"), ["a", "b"]);
    assert_eq!(images("FROM a\nLABEL x=<<EOF\nFROM b\n"), ["a", "b"]);
    let (place, problem) = refused("FROM a\nRUN <<EOF\nFROM b\n EOF\n");
    assert_eq!((place.as_str(), problem), ("2:1", Problem::Unterminated));
    assert_eq!(refused("FROM a\nRUN <<$X\nx\n").1, Problem::Heredoc);
}

#[test]
fn variables_have_the_values_that_the_build_gives_them() {
    let text = "ARG V=1 W\nARG IMAGE=\"r.example/a:${V}\"\nFROM $IMAGE AS a\nARG V=2\nFROM r.example/b:${V}\nFROM r.example/c:${W:-9}\n";
    assert_eq!(
        images(text),
        ["r.example/a:1", "r.example/b:1", "r.example/c:9"]
    );
    let given = with(text, &[("V", "7"), ("W", "8")]).unwrap();
    let names: Vec<_> = given
        .images
        .iter()
        .map(|image| image.name.as_str())
        .collect();
    assert_eq!(names, ["r.example/a:7", "r.example/b:7", "r.example/c:8"]);
    assert!(given.images.iter().all(|image| !image.literal));
    assert_eq!(&text[given.images[0].span.clone()], "$IMAGE");
    // A variable may name a stage, or nothing at all.
    assert_eq!(
        images("ARG B=scratch\nARG S=X\nFROM $B AS x\nFROM ${S}\nFROM a"),
        ["a"]
    );
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let name = |name: &str| name.to_owned();
    for (text, place, problem) in [
        ("", "1:1", Problem::NoStages),
        ("# only\n", "1:1", Problem::NoStages),
        ("FORM a", "1:1", Problem::Instruction { word: name("FORM") }),
        (
            "RUN x\nFROM a",
            "1:1",
            Problem::NoStage {
                instruction: name("RUN"),
            },
        ),
        ("FROM a b", "1:6", Problem::From),
        ("FROM a # the base", "1:6", Problem::From),
        ("FROM", "1:5", Problem::From),
        (
            "FROM a AS 1x",
            "1:11",
            Problem::StageName { name: name("1x") },
        ),
        (
            "FROM a AS scratch",
            "1:11",
            Problem::StageName {
                name: name("scratch"),
            },
        ),
        ("FROM 0", "1:6", Problem::StageNumber { name: name("0") }),
        (
            "FROM --platfrom=x a",
            "1:6",
            Problem::Flag {
                flag: name("--platfrom"),
                instruction: name("FROM"),
            },
        ),
        (
            "FROM a\nADD --from=b x y",
            "2:5",
            Problem::Flag {
                flag: name("--from"),
                instruction: name("ADD"),
            },
        ),
        (
            "FROM a\nCOPY --from b x y",
            "2:6",
            Problem::Flags {
                instruction: name("COPY"),
            },
        ),
        (
            "FROM a\nCOPY --from=b --from=c x y",
            "2:15",
            Problem::Flags {
                instruction: name("COPY"),
            },
        ),
        (
            "FROM a\nCOPY --from=\"b\" x y",
            "2:6",
            Problem::Flags {
                instruction: name("COPY"),
            },
        ),
        (
            "FROM a\nCOPY --fr\\om=b x y",
            "2:6",
            Problem::Flags {
                instruction: name("COPY"),
            },
        ),
        (
            "FROM a\nCOPY --from=$X x y",
            "2:13",
            Problem::Variable { name: name("$X") },
        ),
        (
            "FROM a\nCOPY --from=0 x y",
            "2:13",
            Problem::StageNumber { name: name("0") },
        ),
        (
            "FROM a AS x\nCOPY --from=x x y",
            "2:13",
            Problem::LaterStage { name: name("x") },
        ),
        (
            "FROM a\nCOPY --from=x x y\nFROM b AS X",
            "2:13",
            Problem::LaterStage { name: name("x") },
        ),
        (
            "FROM a\nRUN --mount=from=1,target=/x ls",
            "2:18",
            Problem::StageNumber { name: name("1") },
        ),
        (
            "FROM a\nRUN --mount=from=b,from=c ls",
            "2:5",
            Problem::Flags {
                instruction: name("RUN"),
            },
        ),
        (
            "FROM a\nRUN --mount='from=b,target=/x' ls",
            "2:5",
            Problem::Flags {
                instruction: name("RUN"),
            },
        ),
        (
            "FROM a\nRUN --mount=\\\"from=b\\\",target=/x ls",
            "2:5",
            Problem::Flags {
                instruction: name("RUN"),
            },
        ),
        (
            "FROM a\nRUN --mount=from=,target=/x ls",
            "2:5",
            Problem::Flags {
                instruction: name("RUN"),
            },
        ),
        (
            "FROM a\nONBUILD COPY --from=b x y",
            "2:21",
            Problem::OnBuild { name: name("b") },
        ),
        (
            "FROM a\nONBUILD FROM b",
            "2:9",
            Problem::Instruction {
                word: name("ONBUILD FROM"),
            },
        ),
        (
            "FROM a\nONBUILD ONBUILD RUN x",
            "2:9",
            Problem::Instruction {
                word: name("ONBUILD ONBUILD"),
            },
        ),
        (
            "# syntax=acme/language\nFROM a",
            "1:10",
            Problem::Language {
                frontend: name("acme/language"),
            },
        ),
        ("# escape=x\nFROM a", "1:1", Problem::Escape),
        (
            "# escape=`\n# Escape=`\nFROM a",
            "2:1",
            Problem::Directive {
                name: name("escape"),
            },
        ),
        (
            " # syntax=docker/dockerfile\nFROM a",
            "1:1",
            Problem::Directive {
                name: name("syntax"),
            },
        ),
        (
            "#!/bin/x\n# syntax=docker/dockerfile\nFROM a",
            "2:1",
            Problem::Directive {
                name: name("syntax"),
            },
        ),
    ] {
        let (at, found) = refused(text);
        assert_eq!((at.as_str(), found), (place, problem), "{text:?}");
    }
    for (word, problem) in [
        ("a:$V", VariableProblem::Unset { name: name("V") }),
        (
            "a:$TARGETARCH",
            VariableProblem::Platform {
                name: name("TARGETARCH"),
            },
        ),
        (
            "a:${V#x}",
            VariableProblem::Form {
                form: name("a:${V#x}"),
            },
        ),
    ] {
        let (place, found) = refused(&format!("ARG V\nFROM {word}"));
        assert_eq!(
            (place.as_str(), found),
            ("2:6", Problem::Variables(problem))
        );
    }
}

#[test]
fn comments_that_are_no_directives_are_comments() {
    assert_eq!(images("# hello\n# syntax=acme/language\nFROM a"), ["a"]);
    assert_eq!(images("FROM a\n# syntax=acme/language"), ["a"]);
    assert_eq!(images("\n# syntax=acme/language\nFROM a"), ["a"]);
    assert_eq!(
        images("#syntax = docker/dockerfile:1 # x\n# check=skip=all\nFROM a"),
        ["docker/dockerfile:1", "a"]
    );
}

#[test]
fn size_is_bounded() {
    let too_large = |text: &str| matches!(refused(text).1, Problem::TooLarge { .. });
    assert!(too_large(&"#\n".repeat(MAX_BYTES)));
    assert!(too_large(&format!("FROM a\nRUN {}", "x".repeat(MAX_LINE))));
    assert!(too_large(&"FROM a\n".repeat(MAX_STAGES + 1)));
    assert!(too_large(&format!(
        "FROM a\n{}",
        "COPY --from=b x y\n".repeat(MAX_IMAGES + 1)
    )));
}

/// Lines from which files are put together.
const LINES: &[&str] = &[
    "FROM alpine:3.20",
    "FROM debian AS base",
    "from --platform=linux/amd64 busybox as Tools",
    "FROM base",
    "FROM scratch",
    "FROM \\",
    "  node:22 AS web",
    "ARG V=1",
    "FROM r.example/x:${V}",
    "RUN echo \\",
    "# comment",
    "",
    "RUN <<EOF",
    "EOF",
    "COPY <<-'EOF' /x",
    "\tEOF",
    "COPY --from=base a b",
    "COPY --from=nginx:1 a b",
    "RUN --mount=type=bind,from=golang:1,target=/go ls",
    "LABEL a=b",
    "# syntax=docker/dockerfile:1",
    "# escape=`",
    "CMD [\"a\"]",
    "ONBUILD RUN x",
    "`",
    "\\",
    "<<EOF",
    "\u{e9}\u{a0}",
];

proptest! {
    /// Nothing makes the reader panic, and what it finds are parts of the text.
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        check(&text);
    }

    #[test]
    fn files_of_common_lines_are_read_or_refused(
        lines in proptest::collection::vec((proptest::sample::select(LINES), proptest::sample::select(&["\n", "\r\n", " \n"][..])), 0..14)
    ) {
        let text: String = lines.into_iter().flat_map(|(line, end)| [line, end]).collect();
        check(&text);
        compare(&text);
    }
}

fn check(text: &str) {
    match with(text, &[("V", "2")]) {
        Ok(file) => {
            let same: Vec<_> = file
                .images
                .iter()
                .map(|image| (image.span.clone(), text[image.span.clone()].to_owned()))
                .collect();
            assert_eq!(replace(text, &same).as_deref(), Some(text));
            for image in &file.images {
                assert!(!image.literal || text[image.span.clone()] == image.name);
            }
        }
        Err(refused) => assert!(!refused.problem.advice().is_empty()),
    }
}

/// The base images that another reader finds must be among those found here, or the file is refused.
fn compare(text: &str) {
    let Ok(file) = with(text, &[("V", "2")]) else {
        return;
    };
    // That reader knows here-documents in fewer places, and refuses what follows them.
    let Ok(other) = parse_dockerfile::parse(text) else {
        return;
    };
    let mut stages = Vec::new();
    for instruction in &other.instructions {
        let parse_dockerfile::Instruction::From(from) = instruction else {
            continue;
        };
        let name = from.image.value.to_lowercase();
        if name != "scratch" && !stages.contains(&name) {
            let found = file.images.iter().any(|image| {
                image.purpose == Purpose::Base && image.span.start == from.image.span.start
            });
            assert!(found, "{name} is not found in\n{text}");
        }
        stages.extend(from.as_.as_ref().map(|(_, name)| name.value.to_lowercase()));
    }
    let bases = file
        .images
        .iter()
        .filter(|image| image.purpose == Purpose::Base);
    assert!(bases.count() <= other.stages().count());
}
