//! docker's plugin protocol: the metadata call, the three ways of being started, docker's global flags, and hooks.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::cobra::Program;
use crate::cobra::parse::{UsageError, parse_bool};
use crate::ui::log::LogLevel;

/// The only argument of the metadata call.
pub const METADATA_CALL: &str = "docker-cli-plugin-metadata";

/// The first argument of a hook call.
pub const HOOK_CALL: &str = "docker-cli-plugin-hooks";

/// What docker wants to know of a plugin before it runs it. Docker before 28.4.1 takes no other schema version.
pub const METADATA: &str = concat!(
    "{\n     \"SchemaVersion\": \"0.1.0\",\n     \"Vendor\": \"Signet\",\n     \"Version\": \"",
    env!("CARGO_PKG_VERSION"),
    "\",\n     \"ShortDescription\": \"Manage trust on Docker images\"\n}\n"
);

/// docker's global flags, as far as they concern a plugin.
#[derive(Clone, Debug, Default)]
pub struct Globals {
    /// `--config`: docker's configuration folder.
    pub config: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--debug`.
    pub debug: bool,
    /// Every `--host`.
    pub hosts: Vec<String>,
    /// `--log-level`.
    pub log_level: Option<LogLevel>,
    /// `--tls`.
    pub tls: Option<bool>,
    /// `--tlscacert`.
    pub tls_ca: Option<PathBuf>,
    /// `--tlscert`.
    pub tls_certificate: Option<PathBuf>,
    /// `--tlskey`.
    pub tls_key: Option<PathBuf>,
    /// `--tlsverify`.
    pub tls_verify: Option<bool>,
    /// `--version`, which is ours and not docker's.
    pub version: bool,
    /// All of them as they were given, for docker itself.
    pub words: Vec<String>,
}

/// A command line taken apart.
#[derive(Debug)]
pub struct Start {
    /// How the user calls the program.
    pub program: Program,
    /// The global flags.
    pub globals: Globals,
    /// What is asked of the program.
    pub call: Call,
}

/// What is asked of the program.
#[derive(Debug, Eq, PartialEq)]
pub enum Call {
    /// A command.
    Command(Vec<String>),
    /// Completion of the last word, with or without descriptions.
    Complete {
        /// The words after the program's own name.
        words: Vec<String>,
        /// Whether candidates carry descriptions.
        descriptions: bool,
    },
    /// The help page of a command.
    Help(Vec<String>),
    /// What to say after one of docker's commands, described in JSON.
    Hook(String),
}

/// Takes a command line apart. `name` is the file name that the program was started under; `as_plugin` says that docker started it.
///
/// # Errors
/// [`UsageError`] when a global flag is wrong, or when docker calls the plugin by a name that is not its own.
pub fn start(name: &OsStr, as_plugin: bool, words: Vec<String>) -> Result<Start, UsageError> {
    let file = Path::new(name)
        .file_stem()
        .unwrap_or(name)
        .to_string_lossy()
        .into_owned();
    let command = file.strip_prefix("docker-").unwrap_or("trust").to_owned();
    let program = if as_plugin {
        Program {
            path: format!("docker {command}"),
            name: "docker".to_owned(),
        }
    } else {
        Program {
            path: file.clone(),
            name: file,
        }
    };

    let (globals, words) =
        global_flags(words, as_plugin).map_err(|problem| problem.into_error(&program))?;
    let mut words = words.into_iter().peekable();
    let first = words.peek().map(String::as_str);
    let wrapper = match first {
        Some("__complete" | "__completeNoDesc") => words.next(),
        // In plugin mode docker has its own `help` command in front of ours; `docker trust help` is an unknown command.
        Some("help") => words.next(),
        _ => None,
    };
    // A shell hands on the whole line, so the flags stand behind the word that asks for completion.
    let (globals, words) = if wrapper.as_deref().is_some_and(|word| word != "help") {
        merge(globals, words.collect(), as_plugin)
    } else {
        (globals, words.collect())
    };
    let mut words = words.into_iter().peekable();
    if as_plugin {
        match words.next() {
            Some(word) if word == command || word == "trust" => {}
            None => {}
            Some(word) => {
                return Err(UsageError {
                    text: format!(
                        "docker: unknown command: docker {word}\n\nRun 'docker --help' for more information"
                    ),
                    code: 1,
                    unknown_command: None,
                });
            }
        }
    } else if words.peek().is_some_and(|word| word == "trust") {
        words.next();
    }

    let call = match wrapper.as_deref() {
        Some("help") => Call::Help(words.collect()),
        Some(complete) => Call::Complete {
            words: words.collect(),
            descriptions: complete == "__complete",
        },
        None if words.peek().is_some_and(|word| word == HOOK_CALL) => {
            Call::Hook(words.nth(1).unwrap_or_default())
        }
        None => Call::Command(words.collect()),
    };
    Ok(Start {
        program,
        globals,
        call,
    })
}

/// The global flags in front of a line to complete. A line that makes no sense yet has none.
fn merge(globals: Globals, words: Vec<String>, as_plugin: bool) -> (Globals, Vec<String>) {
    match words.split_last() {
        Some((last, before)) => match global_flags(before.to_vec(), as_plugin) {
            Ok((more, mut rest)) => {
                rest.push(last.clone());
                let config = more.config.or_else(|| globals.config.clone());
                (Globals { config, ..globals }, rest)
            }
            Err(_) => (globals, words),
        },
        None => (globals, words),
    }
}

enum Problem {
    Flag(String),
    Value(String),
}

impl Problem {
    fn into_error(self, program: &Program) -> UsageError {
        let path = &program.path;
        match self {
            Self::Flag(text) => UsageError {
                text: format!(
                    "{text}\n\nUsage:  {path}\n\nRun '{path} --help' for more information"
                ),
                code: 125,
                unknown_command: None,
            },
            Self::Value(text) => UsageError {
                text,
                code: 1,
                unknown_command: None,
            },
        }
    }
}

/// The global flags in front of the first other word. Flags that are not docker's are left for the command's own error.
fn global_flags(words: Vec<String>, as_plugin: bool) -> Result<(Globals, Vec<String>), Problem> {
    let all = words.clone();
    let mut globals = Globals::default();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next_if(|word| is_global(word, as_plugin)) {
        let (name, value) = match word.strip_prefix("--") {
            Some(long) => match long.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (long.to_owned(), None),
            },
            None => {
                let mut letters = word.chars().skip(1);
                let name = long_name(letters.next().unwrap_or_default()).unwrap_or_default();
                let rest: String = letters.collect();
                if name == "debug" && !rest.is_empty() && !rest.starts_with('=') {
                    // `-Dl debug`: the rest are further flags.
                    globals.debug = true;
                    let rest = format!("-{rest}");
                    if !is_global(&rest, as_plugin) {
                        return Err(Problem::Flag(format!("unknown shorthand flag in {word}")));
                    }
                    words = std::iter::once(rest)
                        .chain(words)
                        .collect::<Vec<_>>()
                        .into_iter()
                        .peekable();
                    continue;
                }
                let rest = rest.strip_prefix('=').map(str::to_owned).unwrap_or(rest);
                (name.to_owned(), Some(rest).filter(|rest| !rest.is_empty()))
            }
        };
        if BOOLEANS.contains(&name.as_str()) {
            let on = match &value {
                None => true,
                Some(value) => parse_bool(value).ok_or_else(|| {
                    let value = crate::texts::quote(value);
                    Problem::Flag(format!(
                        "invalid argument {value} for \"--{name}\" flag: strconv.ParseBool: parsing {value}: invalid syntax"
                    ))
                })?,
            };
            match name.as_str() {
                "debug" => globals.debug = on,
                "tls" => globals.tls = Some(on),
                "tlsverify" => globals.tls_verify = Some(on),
                "version" => globals.version = on,
                _ => {}
            }
            continue;
        }
        let Some(value) = value.or_else(|| words.next()) else {
            return Err(Problem::Flag(format!("flag needs an argument: --{name}")));
        };
        match name.as_str() {
            "config" => globals.config = Some(PathBuf::from(value)),
            "context" => globals.context = Some(value),
            "host" => globals.hosts.push(value),
            "log-level" => {
                let level = LogLevel::parse(&value);
                globals.log_level = Some(level.ok_or_else(|| {
                    Problem::Value(format!("Unable to parse logging level: {value}"))
                })?);
            }
            "tlscacert" => globals.tls_ca = Some(unquoted(&value)),
            "tlscert" => globals.tls_certificate = Some(unquoted(&value)),
            "tlskey" => globals.tls_key = Some(unquoted(&value)),
            _ => {}
        }
    }
    let rest: Vec<String> = words.collect();
    globals.words = all;
    let taken = globals.words.len().saturating_sub(rest.len());
    globals.words.truncate(taken);
    Ok((globals, rest))
}

/// compat: quotes around the names of TLS files are no part of them.
fn unquoted(value: &str) -> PathBuf {
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    PathBuf::from(inner.unwrap_or(value))
}

const BOOLEANS: [&str; 4] = ["debug", "tls", "tlsverify", "version"];
const TEXTS: [&str; 7] = [
    "config",
    "context",
    "host",
    "log-level",
    "tlscacert",
    "tlscert",
    "tlskey",
];

fn is_global(word: &str, as_plugin: bool) -> bool {
    let name = match word.strip_prefix("--") {
        Some(long) => long.split_once('=').map_or(long, |(name, _)| name),
        None => match word
            .strip_prefix('-')
            .and_then(|letters| letters.chars().next())
            .and_then(long_name)
        {
            Some(name) => name,
            None => return false,
        },
    };
    // `docker --version` is docker's.
    (name != "version" || !as_plugin) && (BOOLEANS.contains(&name) || TEXTS.contains(&name))
}

fn long_name(letter: char) -> Option<&'static str> {
    match letter {
        'c' => Some("context"),
        'D' => Some("debug"),
        'H' => Some("host"),
        'l' => Some("log-level"),
        'v' => Some("version"),
        _ => None,
    }
}

/// The answer to a hook call: after commands that take an image by its tag, a reminder that docker 29 does not check who signed it.
#[must_use]
pub fn hook_answer(call: &str, program: &Program) -> String {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct HookCall {
        root_cmd: String,
    }
    #[derive(serde::Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        r#type: u8,
        template: String,
    }
    let command = serde_json::from_str::<HookCall>(call)
        .map(|call| call.root_cmd)
        .unwrap_or_default();
    let template = match command.as_str() {
        // Docker has done it already; the next time can be better.
        "create" | "pull" | "run" => format!(
            "docker did not check who signed the image. Check it → {path} verify IMAGE[:TAG]\n\
             Use only signed images → {path} {command} IMAGE[:TAG]",
            path = program.path
        ),
        _ => String::new(),
    };
    serde_json::to_string(&Answer {
        r#type: 0,
        template,
    })
    .unwrap_or_else(|_| "{\"Type\":0,\"Template\":\"\"}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn started(name: &str, as_plugin: bool, line: &str) -> Start {
        start(OsStr::new(name), as_plugin, words(line)).unwrap()
    }

    #[test]
    fn metadata_has_what_docker_demands() {
        let metadata: serde_json::Value = serde_json::from_str(METADATA).unwrap();
        assert_eq!(metadata["SchemaVersion"], "0.1.0");
        assert_eq!(metadata["Vendor"], "Signet");
        assert_eq!(
            metadata["ShortDescription"],
            "Manage trust on Docker images"
        );
    }

    #[test]
    fn runs_under_the_name_of_its_file() {
        let start = started(
            "/usr/libexec/docker/cli-plugins/docker-signet",
            true,
            "-D --config C -H unix:///x.sock signet inspect a",
        );
        assert_eq!(
            start.program,
            Program {
                path: "docker signet".into(),
                name: "docker".into()
            }
        );
        assert_eq!(start.call, Call::Command(words("inspect a")));
        assert!(start.globals.debug);
        assert_eq!(start.globals.config, Some(PathBuf::from("C")));
        assert_eq!(start.globals.hosts, ["unix:///x.sock"]);
        assert_eq!(
            start.globals.words,
            words("-D --config C -H unix:///x.sock")
        );
    }

    #[test]
    fn standalone_accepts_a_leading_trust_and_global_flags() {
        for line in [
            "sign a:b",
            "trust sign a:b",
            "-Dldebug --config=C trust sign a:b",
            "-l debug sign a:b",
            "-cx --tls=false sign a:b",
        ] {
            let start = started("docker-trust", false, line);
            assert_eq!(
                start.program,
                Program {
                    path: "docker-trust".into(),
                    name: "docker-trust".into()
                }
            );
            assert_eq!(start.call, Call::Command(words("sign a:b")), "{line}");
        }
        assert!(started("docker-trust", false, "--version").globals.version);
    }

    #[test]
    fn a_global_flag_after_the_name_is_the_commands_to_refuse() {
        assert_eq!(
            started("docker-trust", true, "trust -D inspect x").call,
            Call::Command(words("-D inspect x"))
        );
    }

    #[test]
    fn flags_about_the_daemon_are_kept() {
        let globals = started(
            "docker-trust",
            false,
            "-c remote --host=a -Hb --tls=false --tlsverify --tlscacert \"ca.pem\" --tlscert c --tlskey=k sign x:1",
        )
        .globals;
        assert_eq!(globals.context.as_deref(), Some("remote"));
        assert_eq!(globals.hosts, ["a", "b"]);
        assert_eq!((globals.tls, globals.tls_verify), (Some(false), Some(true)));
        assert_eq!(globals.tls_ca, Some(PathBuf::from("ca.pem")));
        assert_eq!(globals.tls_certificate, Some(PathBuf::from("c")));
        assert_eq!(globals.tls_key, Some(PathBuf::from("k")));
    }

    #[test]
    fn help_completion_and_hooks_have_the_name_in_second_place() {
        assert_eq!(
            started("docker-trust", true, "help trust sign").call,
            Call::Help(words("sign"))
        );
        assert_eq!(
            started("docker-trust", true, "trust help sign").call,
            Call::Command(words("help sign"))
        );
        assert_eq!(
            started("docker-trust", false, "help sign").call,
            Call::Help(words("sign"))
        );
        let complete = Call::Complete {
            words: words("si"),
            descriptions: true,
        };
        assert_eq!(
            started("docker-signet", true, "__complete signet si").call,
            complete
        );
        assert_eq!(
            started("docker-trust", true, "trust docker-cli-plugin-hooks {}").call,
            Call::Hook("{}".into())
        );
    }

    #[test]
    fn wrong_global_flags_have_dockers_texts() {
        let error = start(OsStr::new("docker-trust"), false, words("-l loud sign")).unwrap_err();
        assert_eq!(
            (error.text.as_str(), error.code),
            ("Unable to parse logging level: loud", 1)
        );
        let error = start(OsStr::new("docker-trust"), false, words("--config")).unwrap_err();
        assert_eq!(error.code, 125);
        let error = start(OsStr::new("docker-trust"), true, words("other sign")).unwrap_err();
        assert!(
            error
                .text
                .starts_with("docker: unknown command: docker other")
        );
    }

    #[test]
    fn hooks_are_answered_with_one_object() {
        let program = Program {
            path: "docker trust".into(),
            name: "docker".into(),
        };
        for call in [
            r#"{"RootCmd":"pull","Flags":{"quiet":"true"}}"#,
            r#"{"RootCmd":"build"}"#,
            "junk",
            "",
        ] {
            let answer: serde_json::Value =
                serde_json::from_str(&hook_answer(call, &program)).unwrap();
            assert_eq!(answer["Type"], 0);
            assert_eq!(
                answer["Template"].as_str().unwrap().is_empty(),
                !call.contains("pull")
            );
        }
    }

    #[test]
    fn hooks_name_the_command_that_checks() {
        let program = Program {
            path: "docker trust".into(),
            name: "docker".into(),
        };
        for command in ["create", "pull", "run"] {
            let call = format!(r#"{{"RootCmd":"{command}","Flags":{{}}}}"#);
            let answer: serde_json::Value =
                serde_json::from_str(&hook_answer(&call, &program)).unwrap();
            let template = answer["Template"].as_str().unwrap();
            assert!(
                template.contains(&format!("docker trust {command} ")),
                "{template}"
            );
            assert!(template.contains("docker trust verify "), "{template}");
            // docker shows no more.
            assert!(template.lines().count() <= 10);
        }
    }

    #[test]
    fn global_flags_are_kept_as_typed() {
        for (line, kept) in [
            ("-Dldebug --config=C trust run a", "-Dldebug --config=C"),
            (
                "-D --config C -H unix:///x run a",
                "-D --config C -H unix:///x",
            ),
            ("--tls=false -c=x run a", "--tls=false -c=x"),
            ("run -H x a", ""),
        ] {
            assert_eq!(
                started("docker-trust", false, line).globals.words,
                words(kept),
                "{line}"
            );
        }
    }
}
