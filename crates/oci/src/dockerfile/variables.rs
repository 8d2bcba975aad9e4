//! Variables in the names of base images: `ARG` before the first `FROM`, and what stands in for `$NAME`.

use std::collections::{BTreeMap, BTreeSet};

/// What the builder sets by itself: after the platforms that it builds on and for, after the client's proxies and the environment.
const PLATFORM: [&str; 22] = [
    "ALL_PROXY",
    "BUILDARCH",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDPLATFORM",
    "BUILDVARIANT",
    "FTP_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SOURCE_DATE_EPOCH",
    "TARGETARCH",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETPLATFORM",
    "TARGETSTAGE",
    "TARGETVARIANT",
    "all_proxy",
    "ftp_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// How deep `${A:-${B:-…}}` may go.
const MAX_DEPTH: usize = 8;
/// How long a text may get.
const MAX_BYTES: usize = 4096;

/// Why a text with variables cannot be told.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VariableProblem {
    /// `${NAME:?}` of a variable without a value.
    #[error("the variable {name} must be given")]
    Demanded {
        /// The variable.
        name: String,
    },
    /// A form that only some builders know, or none.
    #[error("{form} is not supported")]
    Form {
        /// The text.
        form: String,
    },
    /// The builder gives the variable its value.
    #[error("the variable {name} has the value that the builder gives it")]
    Platform {
        /// The variable.
        name: String,
    },
    /// Builders give the variable different values, or its value is known to the builder only.
    #[error("the value of the variable {name} is not clear")]
    Unclear {
        /// The variable.
        name: String,
    },
    /// The text is too long or too deep.
    #[error("its variables make it too long")]
    TooLong,
    /// No `ARG` before the first `FROM` gives the variable a value.
    #[error("the variable {name} has no value")]
    Unset {
        /// The variable.
        name: String,
    },
}

/// The variables that `FROM` can use.
#[derive(Debug)]
pub(super) struct Variables<'a> {
    given: &'a BTreeMap<String, String>,
    unclear: &'a BTreeSet<String>,
    declared: BTreeMap<String, Value>,
}

/// What is known of a variable that is declared.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Value {
    Known(String),
    /// Builders may differ.
    Unclear,
    Unset,
}

/// A text after its variables.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// Whether it is what was written.
    pub(super) literal: bool,
}

impl<'a> Variables<'a> {
    pub(super) fn new(given: &'a BTreeMap<String, String>, unclear: &'a BTreeSet<String>) -> Self {
        Self {
            given,
            unclear,
            declared: BTreeMap::new(),
        }
    }

    /// `ARG NAME` or `ARG NAME=VALUE` before the first `FROM`. A value that cannot be told matters once the variable is used.
    pub(super) fn declare(&mut self, word: &str, escape: char) {
        let (name, default) = match word.split_once('=') {
            Some((name, default)) => (name, Some(default)),
            None => (word, None),
        };
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if !name.chars().all(is_plain) {
            // Whether quotes and escapes belong to the name depends on the builder.
            let name: String = name.chars().filter(|letter| is_plain(*letter)).collect();
            self.declared.insert(name, Value::Unclear);
            return;
        }
        let value = match (self.given.get(name), default) {
            _ if self.unclear.contains(name) => Value::Unclear,
            (Some(given), _) => Value::Known(given.clone()),
            (None, Some(default)) => match self.expand(default, escape) {
                Ok(expanded) => Value::Known(expanded.text),
                Err(_) => Value::Unclear,
            },
            // Some builders keep the value of an earlier line, others forget it.
            (None, None) if self.declared.contains_key(name) => Value::Unclear,
            (None, None) => Value::Unset,
        };
        self.declared.insert(name.to_owned(), value);
    }

    fn value(&self, name: &str) -> Result<Option<&str>, VariableProblem> {
        if PLATFORM.contains(&name) && !self.unclear.contains(name) {
            return match self.given.get(name) {
                Some(value) => Ok(Some(value)),
                None => Err(VariableProblem::Platform {
                    name: name.to_owned(),
                }),
            };
        }
        match self.declared.get(name) {
            Some(Value::Known(value)) => Ok(Some(value)),
            Some(Value::Unclear) => Err(VariableProblem::Unclear {
                name: name.to_owned(),
            }),
            Some(Value::Unset) | None => Ok(None),
        }
    }

    /// Takes quotes and escapes out of a word and puts the values of variables in.
    pub(super) fn expand(&self, word: &str, escape: char) -> Result<Expanded, VariableProblem> {
        let mut reader = Reader {
            variables: self,
            word,
            at: 0,
            escape,
        };
        let text = reader.until(None, 0)?;
        Ok(Expanded {
            literal: text == word,
            text,
        })
    }
}

struct Reader<'a> {
    variables: &'a Variables<'a>,
    word: &'a str,
    at: usize,
    escape: char,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.word.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.rest().chars().next()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn unsupported(&self) -> VariableProblem {
        VariableProblem::Form {
            form: self.word.chars().take(100).collect(),
        }
    }

    /// Reads to the end of the word, or of the braces.
    fn until(&mut self, end: Option<char>, depth: usize) -> Result<String, VariableProblem> {
        if depth > MAX_DEPTH {
            return Err(VariableProblem::TooLong);
        }
        let mut text = String::new();
        let mut quote = None;
        while let Some(letter) = self.next() {
            if text.len() > MAX_BYTES {
                return Err(VariableProblem::TooLong);
            }
            match (letter, quote) {
                (_, None) if Some(letter) == end => return Ok(text),
                ('\'' | '"', None) => quote = Some(letter),
                (_, Some(open)) if letter == open => quote = None,
                (_, Some('\'')) => text.push(letter),
                ('$', _) => text.push_str(&self.variable(depth)?),
                (_, None) if letter == self.escape => {
                    let next = self.next().ok_or_else(|| self.unsupported())?;
                    text.push(next);
                }
                (_, Some(_)) if letter == self.escape => {
                    let next = self.next().ok_or_else(|| self.unsupported())?;
                    if !matches!(next, '"' | '$') && next != self.escape {
                        text.push(letter);
                    }
                    text.push(next);
                }
                _ => text.push(letter),
            }
        }
        if quote.is_some() || end.is_some() {
            return Err(self.unsupported());
        }
        Ok(text)
    }

    fn variable(&mut self, depth: usize) -> Result<String, VariableProblem> {
        let braces = self.rest().starts_with('{');
        if braces {
            self.next();
        }
        let name: String = self
            .rest()
            .chars()
            .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
            .collect();
        if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
            return Err(self.unsupported());
        }
        self.at += name.len();
        let value = self.variables.value(&name)?.map(str::to_owned);
        let unset = |name: String| VariableProblem::Unset { name };
        if !braces {
            return value.ok_or_else(|| unset(name));
        }
        let (empty_counts, operator) = match self.next() {
            Some('}') => return value.ok_or_else(|| unset(name)),
            Some(':') => (true, self.next()),
            other => (false, other),
        };
        let value = value.filter(|value| !(empty_counts && value.is_empty()));
        match operator {
            Some('-') => {
                let other = self.until(Some('}'), depth + 1);
                // What is not used need not be known.
                value.map_or(other, Ok)
            }
            Some('+') => {
                let other = self.until(Some('}'), depth + 1)?;
                Ok(value.map_or_else(String::new, |_| other))
            }
            Some('?') => {
                self.until(Some('}'), depth + 1)?;
                value.ok_or(VariableProblem::Demanded { name })
            }
            _ => Err(self.unsupported()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms of the Dockerfile reference ("Environment replacement"), with its meaning of each.
    #[test]
    fn forms_of_the_reference() {
        let given = BTreeMap::from([("GIVEN".to_owned(), "g".to_owned())]);
        let unclear = BTreeSet::new();
        let mut variables = Variables::new(&given, &unclear);
        for word in [
            "A=a",
            "EMPTY=",
            "NONE",
            "B=\"$A b\"",
            "C='$A'",
            "D=x\\ y",
            "GIVEN=default",
        ] {
            variables.declare(word, '\\');
        }
        for (word, expected) in [
            ("alpine", "alpine"),
            ("r/$A:1", "r/a:1"),
            ("${A}b", "ab"),
            ("${NONE:-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${UNKNOWN-d}", "d"),
            ("${A:+yes}", "yes"),
            ("${NONE:+yes}", ""),
            ("${EMPTY+yes}", "yes"),
            ("${NONE:-${A}x}", "ax"),
            ("${A:?wrong}", "a"),
            ("$B", "a b"),
            ("$C", "$A"),
            ("$D", "x y"),
            ("$GIVEN", "g"),
            ("\"${A}\"'$A'\\$A", "a$A$A"),
        ] {
            let expanded = variables.expand(word, '\\').unwrap();
            assert_eq!(expanded.text, expected, "{word}");
            assert_eq!(expanded.literal, expected == word, "{word}");
        }
    }

    fn problem_of(variables: &Variables<'_>, word: &str) -> VariableProblem {
        variables.expand(word, '\\').unwrap_err()
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let given = BTreeMap::new();
        let unclear = BTreeSet::new();
        let mut variables = Variables::new(&given, &unclear);
        variables.declare("NONE", '\\');
        variables.declare("BROKEN=${X", '\\');
        let name = |name: &str| name.to_owned();
        for word in ["ARGUMENT=x", "ARGUMENT", "\"QUOTED\"=x", "DEEP=$BROKEN"] {
            variables.declare(word, '\\');
        }
        for unclear in [
            "$BROKEN",
            "${BROKEN:-scratch}",
            "${ARGUMENT:-scratch}",
            "${QUOTED:-scratch}",
            "${DEEP:-scratch}",
        ] {
            assert!(
                matches!(
                    problem_of(&variables, unclear),
                    VariableProblem::Unclear { .. }
                ),
                "{unclear}"
            );
        }
        let problem = |word: &str| problem_of(&variables, word);
        for unset in ["$NONE", "${NONE}", "${UNKNOWN}"] {
            assert!(
                matches!(problem(unset), VariableProblem::Unset { .. }),
                "{unset}"
            );
        }
        assert_eq!(
            problem("x-$TARGETARCH"),
            VariableProblem::Platform {
                name: name("TARGETARCH")
            }
        );
        assert_eq!(
            problem("${NONE:?say}"),
            VariableProblem::Demanded { name: name("NONE") }
        );
        for form in [
            "${A#x}", "${A%x}", "${A/x/y}", "${A", "$", "$1", "${}", "a\\", "'a", "${A:x}",
        ] {
            assert!(
                matches!(
                    problem(form),
                    VariableProblem::Form { .. } | VariableProblem::Unset { .. }
                ),
                "{form}"
            );
        }
        let deep = "${A:-".repeat(20) + &"}".repeat(20);
        assert_eq!(problem(&deep), VariableProblem::TooLong);
    }

    #[test]
    fn platforms_can_be_given() {
        let given = BTreeMap::from([("TARGETARCH".to_owned(), "arm64".to_owned())]);
        let unclear = BTreeSet::new();
        let variables = Variables::new(&given, &unclear);
        assert_eq!(
            variables.expand("a-$TARGETARCH", '\\').unwrap().text,
            "a-arm64"
        );
    }
}
