//! One manual page.

use roff::{Inline, Roff, bold, italic, roman};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Manual;
use crate::cobra::{Command, Flag, FlagKind};

/// The page of a command. The way to it begins with the program.
pub(super) struct Page<'a> {
    manual: &'a Manual,
    path: Vec<&'static Command>,
    command: &'static Command,
}

impl<'a> Page<'a> {
    pub(super) fn new(manual: &'a Manual, path: &[&'static Command]) -> Self {
        Self {
            manual,
            path: path.to_vec(),
            command: path.last().copied().unwrap_or(manual.root),
        }
    }

    /// `notary-key-rotate`.
    pub(super) fn name(&self) -> String {
        self.joined("-")
    }

    fn joined(&self, between: &str) -> String {
        let names = self.path.iter().skip(1).map(|command| command.name);
        let words: Vec<&str> = std::iter::once(self.manual.program).chain(names).collect();
        words.join(between)
    }

    const fn is_root(&self) -> bool {
        self.path.len() < 2
    }

    pub(super) fn text(&self, made: OffsetDateTime) -> String {
        let mut page = Roff::new();
        let day = made.format(format_description!("[year]-[month]-[day]"));
        let version = format!("{} {}", self.manual.program, env!("CARGO_PKG_VERSION"));
        let title = self.name().to_uppercase();
        let head = [&*title, "1", &*day.unwrap_or_default(), &*version];
        page.control("TH", head);
        section(&mut page, "NAME");
        page.text([roman(format!("{} - {}", self.name(), self.command.short))]);
        self.synopsis(&mut page);
        section(&mut page, "DESCRIPTION");
        let about = match self.command.about {
            "" => self.command.short,
            about => about,
        };
        paragraphs(&mut page, about);
        self.commands(&mut page);
        self.options(&mut page);
        self.examples(&mut page);
        if self.is_root() {
            self.surroundings(&mut page);
        }
        self.see_also(&mut page);
        page.render()
    }

    fn synopsis(&self, page: &mut Roff) {
        section(page, "SYNOPSIS");
        let path = self.joined(" ");
        let mut lines = Vec::new();
        if self.command.children.is_empty() || (self.is_root() && !self.command.flags.is_empty()) {
            let usage = self.command.usage;
            let flags = if self.manual.adds_flags {
                "[flags]"
            } else {
                ""
            };
            lines.push(format!("{usage} {flags}"));
        }
        if !self.command.children.is_empty() {
            lines.push("COMMAND".to_owned());
        }
        for (at, line) in lines.iter().enumerate() {
            if at > 0 {
                page.control("br", []);
            }
            page.text([
                bold(&path),
                roman(format!(" {}", line.trim()).trim_end().to_owned()),
            ]);
        }
    }

    fn commands(&self, page: &mut Roff) {
        if self.command.children.is_empty() {
            return;
        }
        section(page, "COMMANDS");
        for child in self.command.children {
            let name = format!("{}-{}", self.name(), child.name);
            entry(page, [bold(name), roman("(1)")], child.short);
        }
    }

    fn options(&self, page: &mut Roff) {
        section(page, "OPTIONS");
        for flag in shown(self.command.flags) {
            option(page, flag);
        }
        entry(
            page,
            [bold("-h"), roman(", "), bold("--help")],
            "Print help",
        );
        if !self.manual.global_flags.is_empty() {
            section(page, "GLOBAL OPTIONS");
            for flag in shown(self.manual.global_flags) {
                option(page, flag);
            }
        }
    }

    fn examples(&self, page: &mut Roff) {
        if self.command.examples.is_empty() {
            return;
        }
        section(page, "EXAMPLES");
        page.control("EX", []);
        for line in self.command.examples.lines() {
            page.text([roman(line.replace("{}", self.manual.program))]);
        }
        page.control("EE", []);
    }

    fn surroundings(&self, page: &mut Roff) {
        section(page, "EXIT STATUS");
        for (code, meaning) in self.manual.exit {
            entry(page, [bold(*code)], meaning);
        }
        section(page, "ENVIRONMENT");
        for variable in (self.manual.variables)() {
            let mut names = Vec::new();
            for name in variable.names {
                if !names.is_empty() {
                    names.push(roman(", "));
                }
                names.push(bold(*name));
            }
            entry(page, names, variable.meaning);
        }
        section(page, "FILES");
        for place in self.manual.places {
            entry(page, [italic(place.path)], place.meaning);
        }
    }

    fn see_also(&self, page: &mut Roff) {
        let mut others: Vec<String> = super::surroundings::PROGRAMS
            .iter()
            .filter(|program| **program != self.manual.program && self.is_root())
            .map(|program| (*program).to_owned())
            .collect();
        if let Some((_, above)) = self.path.split_last().filter(|_| !self.is_root()) {
            others.push(self.manual.program.to_owned());
            if above.len() > 1 {
                others.push(Self::new(self.manual, above).name());
            }
        }
        section(page, "SEE ALSO");
        let mut line: Vec<Inline> = Vec::new();
        for other in others {
            if !line.is_empty() {
                line.push(roman(", "));
            }
            line.extend([bold(other), roman("(1)")]);
        }
        page.text(line);
    }
}

fn section(page: &mut Roff, title: &str) {
    page.control("SH", [title]);
}

/// Something and what there is to say of it.
fn entry(page: &mut Roff, what: impl Into<Vec<Inline>>, said: &str) {
    page.control("TP", []);
    page.text(what);
    page.text([roman(said)]);
}

fn shown(flags: &'static [Flag]) -> impl Iterator<Item = &'static Flag> {
    flags.iter().filter(|flag| !flag.hidden)
}

fn option(page: &mut Roff, flag: &Flag) {
    let mut what = Vec::new();
    if let Some(letter) = flag.shorthand {
        what.extend([bold(format!("-{letter}")), roman(", ")]);
    }
    what.push(bold(format!("--{}", flag.name)));
    let (value, default) = match flag.kind {
        FlagKind::Bool => (None, String::new()),
        FlagKind::Int { default: 0 } => (Some("int"), String::new()),
        FlagKind::Int { default } => (Some("int"), default.to_string()),
        FlagKind::Ints => (Some("ints"), String::new()),
        FlagKind::List => (Some("list"), String::new()),
        FlagKind::Strings => (Some("strings"), String::new()),
        FlagKind::Text { default } => (Some("string"), default.to_owned()),
    };
    if let Some(value) = value {
        what.extend([roman(" "), italic(value)]);
    }
    let mut said = flag.usage.to_owned();
    if !default.is_empty() {
        said.push_str(&format!(" (default {default})"));
    }
    entry(page, what, &said);
}

/// Paragraphs stand between empty lines. One with an indented line keeps its lines as they are.
fn paragraphs(page: &mut Roff, text: &str) {
    for (at, paragraph) in text.split("\n\n").enumerate() {
        if at > 0 {
            page.control("PP", []);
        }
        if paragraph.lines().any(|line| line.starts_with(' ')) {
            page.control("EX", []);
            page.text([roman(paragraph)]);
            page.control("EE", []);
        } else {
            page.text([roman(paragraph)]);
        }
    }
}
