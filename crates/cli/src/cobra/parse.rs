//! From words to a command with its flags and arguments, with pflag's rules and errors.

use super::{Args, Command, Flag, FlagKind, Flags, Program};

/// What a command line asks for.
#[derive(Debug)]
pub enum Request {
    /// A help page.
    Help {
        /// The command that the page is about.
        command: &'static Command,
        /// The path of the command, for example `docker trust key`.
        path: String,
        /// How the page was asked for.
        asked: Asked,
    },
    /// A command.
    Run(Matches),
}

/// How a help page was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// By naming a group without a command; the page goes to standard error.
    ByDefault,
    /// With `--help`.
    Long,
    /// With `-h`, which says that it is deprecated.
    Short,
}

/// A command with its flags and arguments.
#[derive(Debug)]
pub struct Matches {
    /// The command.
    pub command: &'static Command,
    /// The words that select the command, without the program's own: `["key", "load"]`.
    pub words: Vec<&'static str>,
    /// The arguments that are not flags.
    pub args: Vec<String>,
    /// Everything after the command's words, as it was typed.
    pub typed: Vec<String>,
    /// How many of these words are flags and their values, when flags end at the first argument.
    pub flag_words: usize,
    pub(super) global: &'static [Flag],
    pub(super) flags: Vec<(&'static str, String)>,
    /// Flags for lists that were given without a text in the list.
    pub(super) empty_lists: Vec<&'static str>,
}

impl Matches {
    /// Whether a flag without value is set.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.last(name)
            .is_some_and(|value| parse_bool(value) == Some(true))
    }

    /// The value of a flag, or its default.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.last(name) {
            Some(value) => value,
            None => match self.kind(name) {
                Some(FlagKind::Text { default }) => default,
                _ => "",
            },
        }
    }

    /// The value of a flag with a number, or its default.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        match (self.last(name), self.kind(name)) {
            (Some(value), _) => parse_int(value).unwrap_or_default(),
            (None, Some(FlagKind::Int { default })) => default,
            (None, _) => 0,
        }
    }

    /// Whether the flag stands in the command line, whatever its value.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.last(name).is_some() || self.empty_lists.contains(&name)
    }

    fn kind(&self, name: &str) -> Option<FlagKind> {
        let flag = self.command.flags(self.global).long(name)?;
        Some(flag.kind)
    }

    /// All values of a flag with numbers.
    #[must_use]
    pub fn ints(&self, name: &str) -> Vec<i64> {
        self.list(name).into_iter().filter_map(parse_int).collect()
    }

    /// All flags that were given, in their order.
    #[must_use]
    pub fn all(&self) -> &[(&'static str, String)] {
        &self.flags
    }

    /// All values of a flag.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.flags
            .iter()
            .filter(|(flag, _)| *flag == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    fn last(&self, name: &str) -> Option<&str> {
        self.flags
            .iter()
            .rev()
            .find(|(flag, _)| *flag == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why a command line is refused: the text for standard error, and the exit code.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct UsageError {
    /// The text, without a final newline.
    pub text: String,
    /// 125 for flags, 1 for arguments.
    pub code: u8,
    /// The word that is no command, when that is what is wrong, with the words before it.
    pub unknown_command: Option<String>,
}

/// Parses the words that follow the program's own name.
///
/// # Errors
/// [`UsageError`] with cobra's text when a flag, a command or the number of arguments is wrong.
pub fn parse(
    root: &'static Command,
    program: &Program,
    words: &[String],
) -> Result<Request, UsageError> {
    let mut command = root;
    let mut path = program.path.clone();
    let mut selected = Vec::new();
    let mut words = words.iter();
    let mut rest: Vec<&String> = Vec::new();

    // A group's words up to the name of a child; help flags may stand before the name.
    while let Some(word) = words.next() {
        if word == "--" {
            rest.push(word);
            rest.extend(words.by_ref());
        } else if word.starts_with('-') && word.len() > 1 {
            rest.push(word);
            if word != "--help" && word != "-h" {
                rest.extend(words.by_ref());
            }
        } else if let Some(child) = command.child(word) {
            command = child;
            path.push(' ');
            path.push_str(child.name);
            selected.push(child.name);
        } else {
            rest.push(word);
            rest.extend(words.by_ref());
        }
        if command.children.is_empty() {
            rest.extend(words.by_ref());
        }
    }

    let flag_error = |text: String| UsageError {
        text: format!(
            "{text}\n\n{}\n\nRun '{path} --help' for more information",
            usage_line(command, &path)
        ),
        code: 125,
        unknown_command: None,
    };
    let line = parse_flags(command.flags(&[]), &rest).map_err(flag_error)?;
    if let Some(asked) = line.help {
        return Ok(Request::Help {
            command,
            path,
            asked,
        });
    }
    if command.args == Args::Group && line.args.is_empty() {
        return Ok(Request::Help {
            command,
            path,
            asked: Asked::ByDefault,
        });
    }
    check_args(command, program, &path, &line.args)?;
    Ok(Request::Run(Matches {
        command,
        words: selected,
        args: line.args,
        typed: rest.into_iter().cloned().collect(),
        flag_words: line.flag_words,
        global: &[],
        flags: line.flags,
        empty_lists: line.empty_lists,
    }))
}

/// The usage line of a command as it appears in errors: `Usage:  docker trust sign IMAGE:TAG`.
pub(crate) fn usage_line(command: &Command, path: &str) -> String {
    if command.usage.is_empty() {
        format!("Usage:  {path}")
    } else {
        format!("Usage:  {path} {}", command.usage)
    }
}

fn check_args(
    command: &Command,
    program: &Program,
    path: &str,
    args: &[String],
) -> Result<(), UsageError> {
    let least = match command.args {
        Args::AtLeast(least) => least,
        Args::Wrapped => 1,
        Args::Any | Args::AtMost(_) | Args::Exactly(_) | Args::Group => 0,
    };
    let (problem, hint) = match command.args {
        Args::AtLeast(_) | Args::Wrapped if args.len() < least => (
            format!(
                "'{path}' requires at least {least} argument{}",
                plural(least)
            ),
            "See",
        ),
        Args::AtMost(most) if args.len() > most => (
            format!("'{path}' requires at most {most} argument{}", plural(most)),
            "See",
        ),
        Args::Exactly(count) if args.len() != count => (
            format!("'{path}' requires {count} argument{}", plural(count)),
            "Run",
        ),
        Args::Group => (
            format!(
                "unknown command: {path} {}",
                args.first().map_or("", String::as_str)
            ),
            "Run",
        ),
        Args::Any | Args::AtLeast(_) | Args::AtMost(_) | Args::Exactly(_) | Args::Wrapped => {
            return Ok(());
        }
    };
    Err(UsageError {
        text: format!(
            "{}: {problem}\n\n{}\n\n{hint} '{path} --help' for more information",
            program.name,
            usage_line(command, path)
        ),
        code: 1,
        unknown_command: (command.args == Args::Group).then(|| {
            let group = path
                .strip_prefix(&program.path)
                .unwrap_or(path)
                .trim_start();
            let word = args.first().map_or("", String::as_str);
            if group.is_empty() {
                word.to_owned()
            } else {
                format!("{group} {word}")
            }
        }),
    })
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[derive(Default)]
pub(super) struct Line {
    pub(super) args: Vec<String>,
    pub(super) flags: Vec<(&'static str, String)>,
    pub(super) empty_lists: Vec<&'static str>,
    pub(super) flag_words: usize,
    pub(super) help: Option<Asked>,
}

/// pflag's `Parse`: flags and arguments in any order, `--` ends the flags.
pub(super) fn parse_flags(flags: Flags, words: &[&String]) -> Result<Line, String> {
    let mut line = Line::default();
    let count = words.len();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word.as_str() == "--" {
            line.flag_words = count - words.len() - 1;
            line.args.extend(words.by_ref().map(|word| (*word).clone()));
        } else if let Some(long) = word.strip_prefix("--") {
            parse_long(flags, &mut line, word, long, &mut words)?;
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            parse_short(flags, &mut line, short, &mut words)?;
        } else {
            line.args.push((*word).clone());
            if flags.wrapped {
                line.flag_words = count - words.len() - 1;
                line.args.extend(words.by_ref().map(|word| (*word).clone()));
            }
        }
    }
    Ok(line)
}

fn parse_long<'a>(
    flags: Flags,
    line: &mut Line,
    word: &str,
    long: &str,
    words: &mut impl Iterator<Item = &'a &'a String>,
) -> Result<(), String> {
    if long.starts_with(['-', '=']) {
        return Err(format!("bad flag syntax: {word}"));
    }
    let (name, value) = match long.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (long, None),
    };
    if name == "help" {
        if set_help(value)? {
            line.help = Some(Asked::Long);
        }
        return Ok(());
    }
    let Some(flag) = flags.long(name) else {
        return Err(format!("unknown flag: --{name}"));
    };
    let value = match (value, flag.kind) {
        (Some(value), _) => value.to_owned(),
        (None, FlagKind::Bool) => "true".to_owned(),
        (
            None,
            FlagKind::Int { .. }
            | FlagKind::Ints
            | FlagKind::List
            | FlagKind::Strings
            | FlagKind::Text { .. },
        ) => match words.next() {
            Some(value) => (*value).clone(),
            None => return Err(format!("flag needs an argument: --{name}")),
        },
    };
    set(line, flag, value)
}

fn parse_short<'a>(
    flags: Flags,
    line: &mut Line,
    letters: &str,
    words: &mut impl Iterator<Item = &'a &'a String>,
) -> Result<(), String> {
    let mut rest = letters;
    while let Some(letter) = rest.chars().next() {
        let after = rest.get(letter.len_utf8()..).unwrap_or_default();
        let given = after.strip_prefix('=').filter(|value| !value.is_empty());
        if letter == 'h' && flags.short('h').is_none() {
            if set_help(given)? {
                line.help = Some(Asked::Short);
            }
            if given.is_some() {
                return Ok(());
            }
            rest = after;
            continue;
        }
        let Some(flag) = flags.short(letter) else {
            return Err(format!(
                "unknown shorthand flag: {} in -{rest}",
                quote_char(letter)
            ));
        };
        if let Some(value) = given {
            return set(line, flag, value.to_owned());
        }
        if flag.kind == FlagKind::Bool {
            set(line, flag, "true".to_owned())?;
            rest = after;
        } else if after.is_empty() {
            return match words.next() {
                Some(value) => set(line, flag, (*value).clone()),
                None => Err(format!(
                    "flag needs an argument: {} in -{rest}",
                    quote_char(letter)
                )),
            };
        } else {
            return set(line, flag, after.to_owned());
        }
    }
    Ok(())
}

fn set(line: &mut Line, flag: &'static Flag, value: String) -> Result<(), String> {
    let name = match flag.shorthand {
        Some(letter) => format!("-{letter}, --{}", flag.name),
        None => format!("--{}", flag.name),
    };
    match flag.kind {
        FlagKind::Bool if parse_bool(&value).is_none() => return Err(invalid_bool(&value, &name)),
        FlagKind::Int { .. } if parse_int(&value).is_none() => {
            return Err(invalid(&value, &name, "Int"));
        }
        FlagKind::Ints => {
            for part in value.split(',') {
                if parse_int(part).is_none() {
                    return Err(not_an_int(&value, part, &name));
                }
                line.flags.push((flag.name, part.to_owned()));
            }
            return Ok(());
        }
        FlagKind::Strings => {
            let parts = split_list(&value).map_err(|problem| {
                format!(
                    "invalid argument {} for {} flag: {problem}",
                    crate::texts::quote(&value),
                    crate::texts::quote(&name)
                )
            })?;
            if parts.is_empty() {
                line.empty_lists.push(flag.name);
            }
            line.flags
                .extend(parts.into_iter().map(|part| (flag.name, part)));
            return Ok(());
        }
        _ => {}
    }
    line.flags.push((flag.name, value));
    Ok(())
}

/// The texts of a list: separated by commas, in double quotes when there are commas in them. What is wrong is told in the words of Go's
/// `encoding/csv`, which counts columns in bytes.
fn split_list(value: &str) -> Result<Vec<String>, String> {
    let problem = |rest: &str, what: &str| {
        let column = value.len() - rest.len() + 1;
        Err(format!("parse error on line 1, column {column}: {what}"))
    };
    let bare_quote = |rest: &str| problem(rest, "bare \" in non-quoted-field");
    let no_end = |rest: &str| problem(rest, "extraneous or missing \" in quoted-field");
    let mut parts = Vec::new();
    let mut rest = Some(value).filter(|value| !value.is_empty());
    while let Some(text) = rest {
        let Some(quoted) = text.strip_prefix('"') else {
            let (part, after) = match text.split_once(',') {
                Some((part, after)) => (part, Some(after)),
                None => (text, None),
            };
            if let Some(at) = part.find('"') {
                return bare_quote(text.get(at..).unwrap_or_default());
            }
            parts.push(part.to_owned());
            rest = after;
            continue;
        };
        let mut part = String::new();
        let mut quoted = quoted;
        rest = loop {
            let Some(at) = quoted.find('"') else {
                return no_end("");
            };
            let (before, from) = quoted.split_at(at);
            let after = from.get(1..).unwrap_or_default();
            part.push_str(before);
            match after.strip_prefix('"') {
                Some(after) => {
                    part.push('"');
                    quoted = after;
                }
                None if after.is_empty() => break None,
                None => match after.strip_prefix(',') {
                    Some(after) => break Some(after),
                    None => return no_end(from),
                },
            }
        };
        parts.push(part);
    }
    Ok(parts)
}

fn set_help(value: Option<&str>) -> Result<bool, String> {
    match value {
        None => Ok(true),
        Some(value) => parse_bool(value).ok_or_else(|| invalid_bool(value, "--help")),
    }
}

fn invalid_bool(value: &str, flag: &str) -> String {
    invalid(value, flag, "Bool")
}

fn invalid(value: &str, flag: &str, kind: &str) -> String {
    format!(
        "invalid argument {quoted} for {} flag: strconv.Parse{kind}: parsing {quoted}: invalid syntax",
        crate::texts::quote(flag),
        quoted = crate::texts::quote(value),
    )
}

/// What pflag says of a list of numbers, with the words of Go's `Atoi`.
fn not_an_int(value: &str, part: &str, flag: &str) -> String {
    let digits = part.strip_prefix(['+', '-']).unwrap_or(part);
    let too_large = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    format!(
        "invalid argument {} for {} flag: strconv.Atoi: parsing {}: {}",
        crate::texts::quote(value),
        crate::texts::quote(flag),
        crate::texts::quote(part),
        if too_large {
            "value out of range"
        } else {
            "invalid syntax"
        }
    )
}

/// A letter as Go prints it with `%q`.
fn quote_char(letter: char) -> String {
    if letter == '\'' {
        r"'\''".to_owned()
    } else {
        format!("'{}'", letter.escape_debug())
    }
}

/// Go's `strconv.ParseBool`.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A decimal number. Go takes other bases too, which nobody types here.
fn parse_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What pflag makes of these with `encoding/csv`.
    #[test]
    fn lists_split_at_commas_outside_quotes() {
        let split = |text| split_list(text).unwrap();
        assert_eq!(split("a,b"), ["a", "b"]);
        assert_eq!(split("\"a,b\",c"), ["a,b", "c"]);
        assert_eq!(split("\"a\"\"b\""), ["a\"b"]);
        assert_eq!(split("a,"), ["a", ""]);
        assert_eq!(split(""), [""; 0]);
        let problem = |text| split_list(text).unwrap_err();
        let no_end = "extraneous or missing \" in quoted-field";
        assert_eq!(
            problem("\"a"),
            format!("parse error on line 1, column 3: {no_end}")
        );
        assert_eq!(
            problem("\"a\"b"),
            format!("parse error on line 1, column 3: {no_end}")
        );
        assert_eq!(
            problem("a\"b"),
            "parse error on line 1, column 2: bare \" in non-quoted-field"
        );
    }
}
