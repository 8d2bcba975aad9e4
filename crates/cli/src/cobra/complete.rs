//! cobra's `__complete` protocol (version 2), which docker and the shell scripts speak.

use super::{Command, Completes, Flag, FlagKind};

/// What the shell should do besides offering the candidates: cobra's `ShellCompDirective`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Directive {
    /// Offer file names when there is no candidate.
    Default,
    /// Offer no file names.
    NoFileComp,
    /// Offer folder names.
    FilterDirs,
}

impl Directive {
    fn number(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::NoFileComp => 4,
            Self::FilterDirs => 16,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Default => "ShellCompDirectiveDefault",
            Self::NoFileComp => "ShellCompDirectiveNoFileComp",
            Self::FilterDirs => "ShellCompDirectiveFilterDirs",
        }
    }
}

/// The answer to a completion request: what goes to standard output and to standard error.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Completion {
    /// Candidates, one a line, then `:` and the directive's number.
    pub stdout: String,
    /// The line that cobra writes for people who call it by hand.
    pub stderr: String,
}

/// Completes the last of `words`, which follow the program's own name.
#[must_use]
pub fn complete(root: &'static Command, words: &[String], descriptions: bool) -> Completion {
    let (candidates, directive) = match words.split_last() {
        Some((last, before)) => candidates(root, before, last),
        None => (Vec::new(), Directive::Default),
    };
    let mut stdout = String::new();
    for (candidate, description) in candidates {
        stdout.push_str(&candidate);
        if descriptions {
            stdout.push_str(&format!("\t{description}"));
        }
        stdout.push('\n');
    }
    stdout.push_str(&format!(":{}\n", directive.number()));
    Completion {
        stdout,
        stderr: format!("Completion ended with directive: {}\n", directive.name()),
    }
}

fn candidates(
    root: &'static Command,
    before: &[String],
    last: &str,
) -> (Vec<(String, &'static str)>, Directive) {
    let mut command = root;
    let mut pending: Option<&'static Flag> = None;
    let mut flags_ended = false;
    let mut args = 0_usize;
    for word in before {
        if pending.take().is_some() {
            continue;
        }
        if flags_ended {
            args += 1;
        } else if word == "--" {
            flags_ended = true;
        } else if let Some(long) = word.strip_prefix("--") {
            pending = command
                .flag(long)
                .filter(|flag| flag.kind != FlagKind::Bool);
        } else if let Some(letter) = word
            .strip_prefix('-')
            .and_then(|short| short.chars().next_back())
        {
            pending = command
                .shorthand(letter)
                .filter(|flag| flag.kind != FlagKind::Bool);
        } else if let Some(child) = command.child(word) {
            command = child;
        } else {
            args += 1;
        }
    }

    if let Some(flag) = pending {
        return (Vec::new(), directive(flag.completes));
    }
    if !flags_ended && last.starts_with('-') {
        if let Some((name, _)) = last
            .strip_prefix("--")
            .and_then(|long| long.split_once('='))
        {
            return (
                Vec::new(),
                command
                    .flag(name)
                    .map_or(Directive::Default, |flag| directive(flag.completes)),
            );
        }
        return (flag_candidates(command, last), Directive::NoFileComp);
    }
    if command.children.is_empty() || args > 0 {
        return (Vec::new(), directive(command.completes));
    }
    let names = command
        .children
        .iter()
        .filter(|child| !child.hidden && child.name.starts_with(last));
    (
        names
            .map(|child| (child.name.to_owned(), child.short))
            .collect(),
        Directive::NoFileComp,
    )
}

fn flag_candidates(command: &'static Command, last: &str) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for flag in command.flags.iter().filter(|flag| !flag.hidden) {
        let long = format!("--{}", flag.name);
        if long.starts_with(last) {
            found.push((long, flag.usage));
        }
        if let Some(short) = flag
            .shorthand
            .map(|letter| format!("-{letter}"))
            .filter(|short| short.starts_with(last))
        {
            found.push((short, flag.usage));
        }
    }
    found
}

fn directive(completes: Completes) -> Directive {
    match completes {
        Completes::Files => Directive::Default,
        Completes::Folders => Directive::FilterDirs,
        Completes::Nothing => Directive::NoFileComp,
    }
}
