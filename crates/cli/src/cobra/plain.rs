//! A cobra program as cobra makes it: its own help template, flags that every command takes, suggestions for mistyped commands.
//!
//! Docker replaces all of this with its own; `notary` does not. Errors are told apart by whether the command's usage goes before them.

use super::help::{row, table};
use super::parse::{Asked, Matches, parse_flags};
use super::{Args, Command, Flag, FlagKind, Flags};

/// What a command line asks for.
#[derive(Debug)]
pub enum Request {
    /// The help page of a command.
    Help(Page),
    /// A command.
    Run(Matches, Page),
}

/// A command with the way to it, which its pages show.
#[derive(Clone, Debug)]
pub struct Page {
    command: &'static Command,
    path: String,
    global: &'static [Flag],
    is_root: bool,
}

/// Why a command line is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct LineError {
    /// What is wrong.
    pub text: String,
    /// The usage of the command, which goes before it when the arguments are wrong.
    pub usage: Option<String>,
}

/// A command of a tree, and what else stands in the line.
pub(super) struct Found {
    pub(super) command: &'static Command,
    pub(super) words: Vec<&'static str>,
    pub(super) rest: Vec<String>,
}

/// Parses the words that follow the program's own name.
///
/// # Errors
/// [`LineError`] with cobra's text when a flag, a command or the number of arguments is wrong.
pub fn parse(
    root: &'static Command,
    global: &'static [Flag],
    words: &[String],
) -> Result<Request, LineError> {
    let plain = |text: String| LineError { text, usage: None };
    let found = find(root, global, words);
    let page = Page::new(root, global, &found);
    let command = found.command;
    // The root takes no arguments: its first one is a command that it does not have. Cobra says so before it looks at flags.
    if page.is_root
        && let Some(word) = bare_words(command.flags(global), &found.rest).first()
    {
        return Err(plain(unknown(root, root.name, word)));
    }
    let rest: Vec<&String> = found.rest.iter().collect();
    let line = parse_flags(command.flags(global), &rest).map_err(plain)?;
    if matches!(line.help, Some(Asked::Long | Asked::Short)) {
        return Ok(Request::Help(page));
    }
    if !page.is_root && !command.children.is_empty() {
        return match line.args.first() {
            // compat: a group with a command that it does not have shows its page and succeeds.
            Some(word) if command.args == Args::Group => {
                Err(plain(unknown(command, &page.path, word)))
            }
            _ => Ok(Request::Help(page)),
        };
    }
    if let Some(text) = wrong_arguments(command, &line.args) {
        return Err(LineError {
            text,
            usage: Some(page.usage()),
        });
    }
    let matches = Matches {
        command,
        words: found.words,
        args: line.args,
        typed: found.rest,
        flag_words: line.flag_words,
        global,
        flags: line.flags,
        empty_lists: line.empty_lists,
    };
    Ok(Request::Run(matches, page))
}

/// The page of the command that `words` name, for `help`; `None` when the first of them is no command.
#[must_use]
pub fn topic(root: &'static Command, global: &'static [Flag], words: &[String]) -> Option<Page> {
    let found = find(root, global, words);
    let page = Page::new(root, global, &found);
    (!page.is_root || found.rest.is_empty()).then_some(page)
}

/// cobra's `Find`: command names may stand between flags and their values.
pub(super) fn find(root: &'static Command, global: &'static [Flag], words: &[String]) -> Found {
    let mut found = Found {
        command: root,
        words: Vec::new(),
        rest: words.to_vec(),
    };
    loop {
        let flags = found.command.flags(global);
        let Some(at) = bare_words_at(flags, &found.rest).first().copied() else {
            return found;
        };
        let Some(child) = found
            .rest
            .get(at)
            .and_then(|word| found.command.child(word))
        else {
            return found;
        };
        found.rest.remove(at);
        found.command = child;
        found.words.push(child.name);
    }
}

fn bare_words(flags: Flags, words: &[String]) -> Vec<&String> {
    bare_words_at(flags, words)
        .into_iter()
        .filter_map(|at| words.get(at))
        .collect()
}

/// The places of the words that are neither flags nor their values. What follows `--` does not count.
fn bare_words_at(flags: Flags, words: &[String]) -> Vec<usize> {
    let mut found = Vec::new();
    let takes_value = |flag: Option<&Flag>| flag.is_none_or(|flag| flag.kind != FlagKind::Bool);
    let mut places = words.iter().enumerate();
    while let Some((at, word)) = places.next() {
        if word == "--" {
            break;
        }
        let has_value = if word.contains('=') {
            false
        } else if let Some(name) = word.strip_prefix("--") {
            name != "help" && takes_value(flags.long(name))
        } else if let Some(letters) = word.strip_prefix('-') {
            let mut letters = letters.chars();
            match (letters.next(), letters.next()) {
                (Some('h'), None) => false,
                (Some(letter), None) => takes_value(flags.short(letter)),
                _ => false,
            }
        } else {
            if !word.is_empty() {
                found.push(at);
            }
            false
        };
        if has_value {
            places.next();
        }
    }
    found
}

fn unknown(group: &Command, path: &str, word: &str) -> String {
    let mut text = format!(
        "unknown command {} for {}",
        crate::texts::quote(word),
        crate::texts::quote(path)
    );
    let typed = word.to_lowercase();
    let mut similar = group
        .children
        .iter()
        .filter(|child| !child.hidden)
        .filter(|child| distance(&typed, child.name) <= 2 || child.name.starts_with(&typed))
        .peekable();
    if similar.peek().is_some() {
        text.push_str("\n\nDid you mean this?\n");
        for child in similar {
            text.push_str(&format!("\t{}\n", child.name));
        }
    }
    text
}

/// How many letters must be put in, left out or exchanged to make one word of the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    // No command is so long that more could be two letters away from it.
    const LONGEST: usize = 64;
    if left.len() > LONGEST {
        return usize::MAX;
    }
    let mut above: Vec<usize> = (0..=right.chars().count()).collect();
    for (row, from) in left.chars().enumerate() {
        let mut diagonal = row;
        let mut before = row + 1;
        let mut line = vec![before];
        for (to, old) in right.chars().zip(above.iter().skip(1)) {
            let cost = diagonal + usize::from(from != to);
            diagonal = *old;
            before = cost.min(old + 1).min(before + 1);
            line.push(before);
        }
        above = line;
    }
    above.last().copied().unwrap_or_default()
}

fn wrong_arguments(command: &Command, args: &[String]) -> Option<String> {
    let count = args.len();
    let (least, most) = match command.args {
        Args::Any | Args::Group => return None,
        Args::AtLeast(least) => (least, usize::MAX),
        Args::Wrapped => (1, usize::MAX),
        Args::AtMost(most) => (0, most),
        Args::Exactly(exact) => (exact, exact),
    };
    if count < least {
        Some(format!("Must specify {}", command.usage))
    } else if count > most && most == 0 {
        Some(format!("{} takes no arguments", command.name))
    } else if count > most {
        Some(format!(
            "{} takes at most {most} argument{}, not {count}",
            command.name,
            if most == 1 { "" } else { "s" }
        ))
    } else {
        None
    }
}

impl Page {
    fn new(root: &'static Command, global: &'static [Flag], found: &Found) -> Self {
        let mut path = root.name.to_owned();
        for word in &found.words {
            path.push(' ');
            path.push_str(word);
        }
        Self {
            command: found.command,
            path,
            global,
            is_root: found.words.is_empty(),
        }
    }

    /// What the command does, and its usage.
    #[must_use]
    pub fn help(&self) -> String {
        let about = if self.command.about.is_empty() {
            self.command.short
        } else {
            self.command.about
        };
        format!("{about}\n\n{}", self.usage())
    }

    /// The command's usage.
    #[must_use]
    pub fn usage(&self) -> String {
        let command = self.command;
        let mut page = "Usage:\n".to_owned();
        if command.children.is_empty() || self.is_root {
            page.push_str(&format!("  {}", self.path));
            if !command.usage.is_empty() {
                page.push_str(&format!(" {}", command.usage));
            }
            page.push_str(" [flags]\n");
        }
        if !command.children.is_empty() {
            page.push_str(&format!("  {} [command]\n", self.path));
        }
        if !command.examples.is_empty() {
            let program = self.path.split(' ').next().unwrap_or(&self.path);
            page.push_str("\nExamples:\n");
            for line in command.examples.lines() {
                let line = format!("  {}", line.replace("{}", program));
                page.push_str(line.trim_end());
                page.push('\n');
            }
        }
        if !command.children.is_empty() {
            page.push_str("\nAvailable Commands:\n");
            for child in command.children.iter().filter(|child| !child.hidden) {
                page.push_str(&format!("  {:<11} {}\n", child.name, child.short));
            }
        }
        let own = command
            .flags
            .iter()
            .chain(self.global.iter().filter(|_| self.is_root));
        page.push_str(&format!(
            "\nFlags:\n{}",
            flag_table(own, Some(command.name))
        ));
        if !self.is_root && !self.global.is_empty() {
            page.push_str(&format!(
                "\nGlobal Flags:\n{}",
                flag_table(self.global, None)
            ));
        }
        if !command.children.is_empty() {
            page.push_str(&format!(
                "\nUse \"{} [command] --help\" for more information about a command.\n",
                self.path
            ));
        }
        page
    }
}

/// Flags in the order of their names, with `--help` where the page is that of the command `help_for`.
fn flag_table<'a>(flags: impl IntoIterator<Item = &'a Flag>, help_for: Option<&str>) -> String {
    let mut rows: Vec<(&str, (String, String))> = flags
        .into_iter()
        .filter(|flag| !flag.hidden)
        .map(|flag| (flag.name, row(flag)))
        .collect();
    if let Some(name) = help_for {
        rows.push((
            "help",
            ("  -h, --help".to_owned(), format!("help for {name}")),
        ));
    }
    rows.sort_by_key(|(name, _)| *name);
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    table(&rows, usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances that anybody can count.
    #[test]
    fn counts_the_letters_between_two_words() {
        for (left, right, letters) in [
            ("lst", "list", 1),
            ("list", "list", 0),
            ("", "key", 3),
            ("kye", "key", 2),
            ("verify", "report", 5),
        ] {
            assert_eq!(distance(left, right), letters, "{left} {right}");
        }
    }
}
