//! cobra's `__complete` protocol (version 2), which docker and the shell scripts speak.

use super::parse::parse_flags;
use super::{Args, Command, Completes, Flag, FlagKind, Flags};

/// What the shell should do besides offering the candidates: cobra's `ShellCompDirective`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Directive {
    /// Offer file names when there is no candidate.
    Default,
    /// Offer no file names.
    NoFileComp,
    /// Offer no file names, whether or not there is a candidate.
    NoFiles,
    /// Offer no file names, and put no space behind the candidate: more may follow it.
    NoSpaceNoFileComp,
    /// Offer folder names.
    FilterDirs,
}

impl Directive {
    fn number(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::NoFileComp | Self::NoFiles => 4,
            Self::NoSpaceNoFileComp => 6,
            Self::FilterDirs => 16,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Default => "ShellCompDirectiveDefault",
            Self::NoFileComp | Self::NoFiles => "ShellCompDirectiveNoFileComp",
            Self::NoSpaceNoFileComp => "ShellCompDirectiveNoSpace, ShellCompDirectiveNoFileComp",
            Self::FilterDirs => "ShellCompDirectiveFilterDirs",
        }
    }
}

/// Names that only the user's files know. Whoever has none gives none: completion never fails.
pub trait Known {
    /// Repositories that begin like this, as a person would write them.
    fn repositories(&self, prefix: &str) -> Vec<String>;

    /// The repositories among them in which this signer may sign.
    fn repositories_of(&self, signer: &str, prefix: &str) -> Vec<String>;

    /// `repository:tag` for the tags that were signed when the repository was last seen.
    fn images(&self, prefix: &str) -> Vec<String>;

    /// Signers of all repositories that begin like this.
    fn signers(&self, prefix: &str) -> Vec<String>;

    /// IDs of private keys that begin like this.
    fn keys(&self, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    /// Delegations of a repository that begin like this.
    fn delegations(&self, _repository: &str, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    /// IDs of the keys of a delegation, or of all, that begin like this.
    fn keys_of(&self, _repository: &str, _delegation: Option<&str>, _prefix: &str) -> Vec<String> {
        Vec::new()
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

/// Completes the last of `words`, which follow the program's own name. Every command of the program takes the `global` flags.
#[must_use]
pub fn complete(
    root: &'static Command,
    global: &'static [Flag],
    words: &[String],
    descriptions: bool,
    known: &dyn Known,
) -> Completion {
    let answer = match words.split_last() {
        Some((last, before)) => answer(root, global, before, last, known),
        None => Ok((Vec::new(), Directive::Default)),
    };
    let mut stderr = String::new();
    let (candidates, directive) = answer.unwrap_or_else(|problem| {
        stderr = format!("[Debug] [Error] {problem}\n");
        (Vec::new(), Directive::Default)
    });
    let mut stdout = String::new();
    for Candidate { text, about } in candidates {
        stdout.push_str(&text);
        if descriptions && !about.is_empty() {
            stdout.push_str(&format!("\t{about}"));
        }
        stdout.push('\n');
    }
    stdout.push_str(&format!(":{}\n", directive.number()));
    stderr.push_str(&format!(
        "Completion ended with directive: {}\n",
        directive.name()
    ));
    Completion { stdout, stderr }
}

struct Candidate {
    text: String,
    about: &'static str,
}

type Answer = (Vec<Candidate>, Directive);

/// The candidates for the last word, or cobra's words on why the line before it makes no sense.
fn answer(
    root: &'static Command,
    global: &'static [Flag],
    before: &[String],
    last: &str,
    known: &dyn Known,
) -> Result<Answer, String> {
    let mut command = root;
    let mut rest = before;
    let mut rest_of_line = Vec::new();
    if global.is_empty() {
        while let Some((child, after)) = rest
            .split_first()
            .and_then(|(word, after)| Some((command.child(word)?, after)))
        {
            command = child;
            rest = after;
        }
    } else {
        let found = super::plain::find(root, global, before);
        command = found.command;
        rest_of_line.extend(found.rest);
        rest = &rest_of_line;
    }
    let flags = command.flags(global);
    let flags_ended = rest.iter().any(|word| word == "--");
    let is_flag = !flags_ended && last.starts_with('-');

    // Which of docker's own flags takes a value is not known here: an image may stand at any place.
    if command.args == Args::Wrapped {
        let completes = if is_flag {
            Completes::Files
        } else {
            Completes::Images
        };
        return Ok(offer(completes, &[], last, known));
    }

    // The value of a flag, in the same word or in the next.
    let mut value: Option<(&'static Flag, &str)> = None;
    if is_flag {
        if let Some((name, text)) = flag_and_value(last) {
            let flag = match name {
                Name::Long(name) => flags.long(name),
                Name::Short(letter) => flags.short(letter),
            };
            let flag = flag.ok_or_else(|| {
                format!(
                    "Subcommand '{}' does not support flag '{}'",
                    command.name,
                    name.text()
                )
            })?;
            value = Some((flag, text));
        }
    } else if !flags_ended
        && let Some(flag) = rest.last().and_then(|word| waiting_flag(flags, word))
    {
        value = Some((flag, last));
        rest = rest.split_last().map_or(rest, |(_, before)| before);
    }

    let words: Vec<&String> = rest.iter().collect();
    let line = parse_flags(flags, &words).map_err(|problem| {
        format!(
            "Error while parsing flags from args [{}]: {problem}",
            rest.join(" ")
        )
    })?;
    if let Some((flag, text)) = value {
        // Where no value is needed, cobra has nothing to say about one.
        let completes = match flag.kind {
            FlagKind::Bool => Completes::Files,
            _ => flag.completes,
        };
        // Of texts with commas between them the last one is being typed.
        let (before, text) = match text.rfind(',').filter(|_| flag.kind == FlagKind::Strings) {
            Some(comma) => text.split_at(comma + 1),
            None => ("", text),
        };
        let (mut candidates, directive) = offer(completes, &line.args, text, known);
        for candidate in &mut candidates {
            candidate.text.insert_str(0, before);
        }
        return Ok((candidates, directive));
    }
    if is_flag {
        let set: Vec<&str> = line.flags.iter().map(|(name, _)| *name).collect();
        return Ok((flag_candidates(flags, &set, last), Directive::NoFileComp));
    }
    if command.children.is_empty() {
        return Ok(offer(command.completes, &line.args, last, known));
    }
    if !line.args.is_empty() {
        return Ok((Vec::new(), Directive::Default));
    }
    let names = command
        .children
        .iter()
        .filter(|child| !child.hidden && child.name.starts_with(last));
    Ok((
        names
            .map(|child| Candidate {
                text: child.name.to_owned(),
                about: child.short,
            })
            .collect(),
        Directive::NoFileComp,
    ))
}

enum Name<'a> {
    Long(&'a str),
    Short(char),
}

impl Name<'_> {
    fn text(&self) -> String {
        match self {
            Self::Long(name) => (*name).to_owned(),
            Self::Short(letter) => letter.to_string(),
        }
    }
}

/// `--name=value` and `-n=value`; of letters in one word the last has the value.
fn flag_and_value(word: &str) -> Option<(Name<'_>, &str)> {
    let (name, value) = word.split_once('=')?;
    let name = match name.strip_prefix("--") {
        Some(long) => Name::Long(long),
        None => Name::Short(name.chars().next_back()?),
    };
    Some((name, value))
}

/// The flag whose value is the word after `word`.
fn waiting_flag(flags: Flags, word: &str) -> Option<&'static Flag> {
    if word.contains('=') {
        return None;
    }
    let flag = match word.strip_prefix("--") {
        Some(long) => flags.long(long),
        None => flags.short(word.strip_prefix('-')?.chars().next_back()?),
    };
    flag.filter(|flag| flag.kind != FlagKind::Bool)
}

/// The flags that begin like `last`. What can be given once and is given already is not offered again.
fn flag_candidates(flags: Flags, set: &[&str], last: &str) -> Vec<Candidate> {
    let mut found = Vec::new();
    let open = |flag: &&Flag| {
        let again = matches!(
            flag.kind,
            FlagKind::Ints | FlagKind::List | FlagKind::Strings
        );
        !flag.hidden && (again || !set.contains(&flag.name))
    };
    for flag in flags.all().filter(open) {
        let long = format!("--{}", flag.name);
        let short = flag.shorthand.map(|letter| format!("-{letter}"));
        for text in std::iter::once(long)
            .chain(short)
            .filter(|text| text.starts_with(last))
        {
            found.push(Candidate {
                text,
                about: flag.usage,
            });
        }
    }
    found
}

/// What is offered for the argument that follows `args`, or for the value of a flag beside them.
fn offer(completes: Completes, args: &[String], last: &str, known: &dyn Known) -> Answer {
    let position = args.len();
    let first = args.first().map_or("", String::as_str);
    let (names, directive) = match (completes, position) {
        (Completes::Files, _)
        | (Completes::NameThenRepositories, 0)
        | (Completes::ImageThenFiles, 1..)
        | (Completes::RepositoryThenFiles, 1..)
        | (Completes::DelegationThenFiles, 2..) => return (Vec::new(), Directive::Default),
        (Completes::Folders, _) => return (Vec::new(), Directive::FilterDirs),
        (Completes::Nothing, _) | (Completes::RepositoryThen(_), 2..) => {
            return (Vec::new(), Directive::NoFileComp);
        }
        (Completes::OneOf(words), _) | (Completes::RepositoryThen(words), 1) => {
            let fitting = words.iter().filter(|word| word.starts_with(last));
            let candidates = fitting.map(|word| Candidate {
                text: (*word).to_owned(),
                about: "",
            });
            return (candidates.collect(), Directive::NoFileComp);
        }
        (Completes::Images | Completes::ImageThenFiles, _) => images(last, known),
        (Completes::SignerThenRepositories, 0) => (known.signers(last), Directive::NoFileComp),
        (Completes::SignerThenRepositories, _) => {
            (known.repositories_of(first, last), Directive::NoFileComp)
        }
        (Completes::Keys, _) => nothing_else(known.keys(last)),
        (Completes::DelegationThenFiles | Completes::DelegationThenKeys, 1) => {
            nothing_else(known.delegations(first, last))
        }
        (Completes::Roles, _) | (Completes::RepositoryThenRoles, 1..) => {
            let targets = Some("targets".to_owned()).filter(|role| role.starts_with(last));
            let mut roles = known.delegations(first, last);
            roles.splice(0..0, targets);
            nothing_else(roles)
        }
        (Completes::DelegationKeys, _) => nothing_else(known.keys_of(first, None, last)),
        (Completes::DelegationThenKeys, 2..) => {
            nothing_else(known.keys_of(first, args.get(1).map(String::as_str), last))
        }
        (
            Completes::Repositories
            | Completes::NameThenRepositories
            | Completes::RepositoryThen(_)
            | Completes::RepositoryThenFiles
            | Completes::RepositoryThenRoles
            | Completes::DelegationThenFiles
            | Completes::DelegationThenKeys,
            _,
        ) => (known.repositories(last), Directive::NoFileComp),
    };
    // Like docker, which knows no names: file names, where nothing else is known.
    let directive = if names.is_empty() && directive != Directive::NoFiles {
        Directive::Default
    } else {
        directive
    };
    let candidates = names.into_iter().map(|text| Candidate { text, about: "" });
    (candidates.collect(), directive)
}

/// Names in a place where no file can stand.
fn nothing_else(names: Vec<String>) -> (Vec<String>, Directive) {
    (names, Directive::NoFiles)
}

/// Repositories while there are several, the tags of one once it is certain.
fn images(last: &str, known: &dyn Known) -> (Vec<String>, Directive) {
    let mut repositories = known.repositories(last);
    let tagged = if repositories.len() > 1 {
        Vec::new()
    } else {
        known.images(last)
    };
    if repositories.is_empty() {
        return (tagged, Directive::NoFileComp);
    }
    repositories.extend(tagged);
    (repositories, Directive::NoSpaceNoFileComp)
}
