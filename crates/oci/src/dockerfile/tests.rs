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
        "F\\\nROM a:1",
        "RUN_IS_NO_WORD\\\n",
        "# escape=`\nFROM `\n a:1\nRUN dir C:\\\nRUN x",
        "FROM a:1\nRUN echo \\\n# FROM b\n\n  c",
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
        "FROM a:1\nRUN <<EOF\nFORM b\nEOF\nCOPY x y",
        "FROM a:1\nRUN <<-\"EOF\" bash\n\tset -e \\\n\tx\n\tEOF\n",
        "FROM a:1\nCOPY <<x.txt <<y.txt /\nb\nx.txt\nc\ny.txt\n",
        "FROM a:1\r\nRUN <<EOF\r\nb\r\nEOF\r\n",
        "FROM a:1\nRUN [\"cat\", \"<<EOF\"]\n",
        "FROM a:1\nONBUILD RUN <<EOF\nb\nEOF\n",
        // No builder takes these for instructions with an image.
        "FROM a:1\nRUN python3 <<EOF\nfrom os import path\nfrom . import a, b\nEOF\n",
        "FROM a:1\nRUN <<EOF\ncopy x y\nadd 1\nrun --fast\necho FROM b\nEOF\n",
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

/// A line that only some builders take for a directive changes what they see: a hidden escape character hides a stage.
#[test]
fn directives_that_only_some_builders_read_are_refused() {
    for text in [
        "# escape\u{a0}=`\nFROM a\nCMD echo `\nFROM evil\n",
        "#\u{2003}escape=`\nFROM a\n",
        "#\u{b}escape=`\nFROM a\n",
        "# escape=\u{a0}`\nFROM a\n",
        "# check=skip=all\n# escape=`\nFROM a\n",
        "# syntax=docker/dockerfile:1\n# escape=`\nFROM a\n",
        "# platform=linux\n# escape=`\nFROM a\n",
        "# other=x\n# syntax=acme/language\nFROM a\n",
        "\u{b}# escape=`\nFROM a\n",
        "# syntax=docker/dockerfile:1\tx\nFROM a\n",
        "# syntax=docker/dockerfile:\u{e9}\nFROM a\n",
    ] {
        assert!(
            matches!(refused(text).1, Problem::Directive { .. }),
            "{text:?}"
        );
    }
    assert_eq!(
        images("# escape=`\n# syntax=docker/dockerfile:1\nFROM a"),
        ["docker/dockerfile:1", "a"]
    );
}

/// What a builder without here-documents, or with another idea of continuations, would take for a stage or an image.
#[test]
fn images_that_only_some_builders_see_are_refused() {
    for text in [
        "FROM a\nONBUILD RUN cat <<EOF\nFROM evil\nCMD echo\nEOF\n",
        "FROM a\nRUN cat <<EOF\n  from evil as x\nEOF\n",
        "FROM a\nRUN cat <<EOF\nFROM --platform=x evil\nEOF\n",
        "FROM a\nRUN cat <<EOF\nCOPY --from=evil / /\nEOF\n",
        "FROM a\nRUN cat <<EOF\nCOPY \"--fr\\om=evil\" / /\nEOF\n",
        "FROM a\nRUN cat <<EOF\nONBUILD COPY --from=evil / /\nEOF\n",
        "FROM a\nRUN cat <<EOF\nRUN --mount=target=/x,From=evil ls\nEOF\n",
        "FROM a\nRUN cat <<EOF\nF\\\nROM evil\nEOF\n",
        "FROM a\nRUN cat <<EOF\nFROM `\n# x\n\nevil\nEOF\n",
        "FROM a\nRUN cat <<EOF\n\u{a0}FROM evil\nEOF\n",
        "FROM a\nRUN echo \\\nFROM evil\n",
        "FROM a\nRUN echo \\\n# comment\nFROM evil\n",
        "FROM a\nRUN echo \\\n  # comment\n\n COPY --from=evil / /\n",
        "ARG A=x \\\nARG B=evil\nFROM $A\n",
    ] {
        assert_eq!(refused(text).1, Problem::Hidden, "{text:?}");
    }
    let many = format!("FROM a\nRUN <<E\nF\\\n{}ROM evil\nE\n", "\\\n".repeat(100));
    assert_eq!(refused(&many).1, Problem::Hidden);
    for text in [
        "FROM a\nRUN [\"true\"] <<EOF\nx\nEOF\n",
        "FROM a\nRUN [ -f x ] <<EOF\nx\nEOF\n",
        "FROM a\nRUN cat <<CMD\nx\nCMD\n",
        "FROM a\nRUN cat <<'from'\nx\nfrom\n",
        "FROM a\nRUN cat<<CMD\nFROM b\nCMD\n",
    ] {
        assert_eq!(refused(text).1, Problem::Heredoc, "{text:?}");
    }
}

/// A stage that only this reader sees would leave the name of an image where it sees the name of a stage.
#[test]
fn stages_that_only_this_reader_sees_are_refused() {
    for text in [
        "FROM a\nRUN cat <<EOF\nCMD echo \\\nEOF\nFROM b AS c\nFROM c\n",
        "FROM a\nRUN cat <<EOF\nCMD echo ` \n\nEOF\nFROM b AS c\nFROM c\n",
        "FROM a\nCMD echo `\nFROM b AS c\nFROM c\n",
        "FROM a\nCMD echo \\\\\nFROM b AS c\nFROM c\n",
        "# escape=`\nFROM a\nCMD echo \\\n\nFROM b AS c\nFROM c\n",
        "FROM a\nCMD echo \\\u{a0}\nFROM b AS c\nFROM c\n",
        "ARG A=`\nARG B=c\nFROM $B\n",
    ] {
        assert_eq!(refused(text).1, Problem::Continuation, "{text:?}");
    }
    assert_eq!(images("# escape=`\nFROM a\nRUN dir C:\\\nCMD x"), ["a"]);
}

/// What a variable was understood as goes into the copy, so that no builder can understand something else.
#[test]
fn stages_that_variables_name_are_written_out() {
    let text = "ARG S=x\nFROM a AS x\nFROM $S\nFROM ${T:-scratch}\n";
    let decided: Vec<_> = with(text, &[]).unwrap().decided;
    let decided: Vec<_> = decided
        .iter()
        .map(|(span, name)| (&text[span.clone()], name.as_str()))
        .collect();
    assert_eq!(decided, [("$S", "x"), ("${T:-scratch}", "scratch")]);
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
    "ONBUILD RUN <<EOF",
    "RUN cat<<CMD",
    "CMD",
    "RUN [\"x\"] <<EOF",
    "FROM evil",
    "  from evil as base",
    "F\\",
    "ROM evil",
    "FROM `",
    "CMD echo `",
    "CMD echo \\\\",
    "COPY --from=evil a b",
    "RUN --mount=from=evil,target=/x ls",
    "# escape\u{a0}=`",
    "ARG V=scratch",
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

    /// What a plain reader finds, with either escape character and no here-documents, is found here too, or the file is refused.
    #[test]
    fn plainer_readers_find_no_more(
        lines in proptest::collection::vec(proptest::sample::select(LINES), 0..9),
        body in proptest::collection::vec(proptest::sample::select(LINES), 0..4),
    ) {
        let text = format!("FROM first\n{}\nRUN cat <<EOF\n{}\nEOF\nFROM base\n", lines.join("\n"), body.join("\n"));
        for text in [text, lines.join("\n")] {
            let Ok(file) = with(&text, &[]) else {
                continue;
            };
            for escape in ['\\', '`'] {
                for name in plain_reading(&text, escape) {
                    // No image has such a name.
                    if name.ends_with(['\\', '`']) {
                        continue;
                    }
                    let found = file.images.iter().any(|image| image.name.eq_ignore_ascii_case(&name) || text[image.span.clone()] == name);
                    prop_assert!(found, "{name} with {escape} in\n{text}");
                }
            }
        }
    }
}

/// The images of a file for a builder that knows neither here-documents nor directives, and passes over what it does not understand.
fn plain_reading(text: &str, escape: char) -> Vec<String> {
    let mut joined: Vec<String> = vec![String::new()];
    let mut open = false;
    for line in text.lines() {
        if line.trim().is_empty() || line.trim().starts_with('#') {
            continue;
        }
        if !open {
            joined.push(String::new());
        }
        let end = line.trim_end();
        open = end.ends_with(escape);
        let piece = if open { &end[..end.len() - 1] } else { line };
        joined.last_mut().unwrap().push_str(piece);
    }
    let (mut images, mut stages) = (Vec::new(), Vec::<String>::new());
    for line in joined {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let Some(name) = words.first().map(|name| name.to_uppercase()) else {
            continue;
        };
        let (flags, words): (Vec<String>, Vec<String>) = words
            .into_iter()
            .skip(1)
            .partition(|word| word.starts_with("--"));
        let mut named = Vec::new();
        match (name.as_str(), words.as_slice()) {
            ("FROM", [image]) => named.push(image.clone()),
            ("FROM", [image, word, stage]) if word.eq_ignore_ascii_case("as") => {
                named.push(image.clone());
                if !stages.contains(&image.to_lowercase()) && image != "scratch" {
                    images.push(image.clone());
                }
                named.clear();
                stages.push(stage.to_lowercase());
            }
            ("COPY", _) => {
                named.extend(
                    flags
                        .iter()
                        .filter_map(|flag| Some(flag.strip_prefix("--from=")?.to_owned())),
                );
            }
            ("RUN", _) => {
                let fields = flags
                    .iter()
                    .filter_map(|flag| flag.strip_prefix("--mount="));
                let fields = fields.flat_map(|flag| flag.split(','));
                named.extend(
                    fields.filter_map(|field| Some(field.strip_prefix("from=")?.to_owned())),
                );
            }
            _ => {}
        }
        named.retain(|image| image != "scratch" && !stages.contains(&image.to_lowercase()));
        images.extend(named);
    }
    images
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
