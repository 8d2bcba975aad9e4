//! The report for spreadsheets: RFC 4180, one table at a time.

use std::fmt::Display;
use std::io::{self, Write};

use signet_archive::Moment;
use signet_client::inventory::{Inventory, Severity};

use super::Gathered;
use crate::texts::visible;

/// What a row is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rows {
    Repositories,
    Roles,
    Tags,
    Keys,
    Findings,
}

impl Rows {
    /// The words of the flag.
    pub(super) const WORDS: [&str; 5] = ["repositories", "roles", "tags", "keys", "findings"];

    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "repositories" => Self::Repositories,
            "roles" => Self::Roles,
            "tags" => Self::Tags,
            "keys" => Self::Keys,
            "findings" => Self::Findings,
            _ => return None,
        })
    }

    const fn header(self) -> &'static [&'static str] {
        match self {
            Self::Repositories => &[
                "repository",
                "source",
                "at",
                "state",
                "reason",
                "captured",
                "captured_state",
                "trust",
                "root_version",
                "valid_until",
                "tags",
                "released_tags",
                "signers",
                "keys",
                "errors",
                "warnings",
                "notes",
            ],
            Self::Roles => &[
                "repository",
                "role",
                "version",
                "threshold",
                "keys",
                "paths",
                "expires",
                "days_left",
                "renewed_by",
                "usable",
                "problem",
                "tags",
            ],
            Self::Tags => &[
                "repository",
                "tag",
                "sha256",
                "released",
                "signers",
                "roles",
            ],
            Self::Keys => &[
                "repository",
                "role",
                "threshold",
                "key",
                "kind",
                "holder",
                "certificate_common_name",
                "certificate_not_before",
                "certificate_not_after",
            ],
            Self::Findings => &[
                "repository",
                "severity",
                "code",
                "subject",
                "text",
                "advice",
            ],
        }
    }
}

pub(super) fn write(rows: Rows, gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    let mut row = Row::default();
    for name in rows.header() {
        row.text(name);
    }
    row.end(out)?;
    for inventory in gathered.inventories()? {
        let inventory = inventory?;
        match rows {
            Rows::Repositories => repository(&inventory, out)?,
            Rows::Roles => roles(&inventory, out)?,
            Rows::Tags => tags(&inventory, out)?,
            Rows::Keys => keys(&inventory, out)?,
            Rows::Findings => findings(&inventory, out)?,
        }
    }
    Ok(())
}

fn repository(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    let of = |severity: Severity| {
        let all = inventory.findings.iter();
        all.filter(|finding| finding.severity == severity).count()
    };
    let mut released: Vec<&str> = inventory
        .tags
        .iter()
        .filter(|tag| tag.released)
        .map(|tag| tag.name.as_str())
        .collect();
    released.dedup();
    let captured = inventory.captured.as_ref();
    let mut row = Row::default();
    row.text(&inventory.gun)
        .text(&inventory.source)
        .moment(Some(inventory.at))
        .text(inventory.state.as_str())
        .text(inventory.reason.as_deref().unwrap_or_default())
        .moment(captured.map(|captured| captured.at))
        .text(captured.map_or("", |captured| captured.state.as_str()))
        .text(inventory.trust.map_or("", |trust| trust.as_str()))
        .number(inventory.root_version)
        .moment(inventory.valid_until)
        .number(Some(inventory.tag_names()))
        .number(Some(released.len()))
        .number(Some(inventory.signers().count()))
        .number(Some(inventory.keys.len()))
        .number(Some(of(Severity::Error)))
        .number(Some(of(Severity::Warning)))
        .number(Some(of(Severity::Note)));
    row.end(out)
}

fn roles(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    for role in &inventory.roles {
        let mut row = Row::default();
        row.text(&inventory.gun)
            .text(&role.name)
            .number(role.version)
            .number(Some(role.threshold))
            .text(&role.keys.join(" "))
            .text(&super::paths(role))
            .moment(role.expires)
            .number(role.days_left)
            .text(role.renewed_by.as_str())
            .text(yes(role.usable))
            .text(role.problem.as_deref().unwrap_or_default())
            .number(Some(role.tags));
        row.end(out)?;
    }
    Ok(())
}

fn tags(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    for tag in &inventory.tags {
        let mut row = Row::default();
        row.text(&inventory.gun)
            .text(&tag.name)
            .text(&tag.digest)
            .text(yes(tag.released))
            .text(&super::signers(tag).join(" "))
            .text(&tag.roles.join(" "));
        row.end(out)?;
    }
    Ok(())
}

/// One row for each use of a key in a role.
fn keys(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    for key in &inventory.keys {
        for name in &key.roles {
            let role = inventory.roles.iter().find(|role| role.name == *name);
            let certificate = key.certificates.first();
            let mut row = Row::default();
            row.text(&inventory.gun)
                .text(name)
                .number(role.map(|role| role.threshold))
                .text(&key.id)
                .text(&key.kind)
                .text(key.holder.as_str())
                .text(certificate.map_or("", |certificate| &certificate.common_name))
                .moment(certificate.map(|certificate| certificate.not_before))
                .moment(certificate.map(|certificate| certificate.not_after));
            row.end(out)?;
        }
    }
    Ok(())
}

fn findings(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    for finding in &inventory.findings {
        let mut row = Row::default();
        row.text(&inventory.gun)
            .text(finding.severity.as_str())
            .text(finding.code.as_str())
            .text(&finding.subject)
            .text(&finding.text)
            .text(&finding.advice);
        row.end(out)?;
    }
    Ok(())
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[derive(Default)]
struct Row {
    line: String,
    has_cell: bool,
}

impl Row {
    fn cell(&mut self, text: &str) -> &mut Self {
        if self.has_cell {
            self.line.push(',');
        }
        self.has_cell = true;
        if text.contains([',', '"', '\r', '\n']) {
            self.line.push('"');
            self.line.push_str(&text.replace('"', "\"\""));
            self.line.push('"');
        } else {
            self.line.push_str(text);
        }
        self
    }

    /// A text that a spreadsheet shows and does not compute: what would be a formula there gets an apostrophe in front. Some
    /// spreadsheets split at `;`, whatever is quoted, so what follows one is a cell too.
    fn text(&mut self, text: &str) -> &mut Self {
        let shown = visible(text);
        let computes = |letter: char| {
            matches!(
                letter,
                '=' | '+' | '-' | '@' | '|' | '%' | '＝' | '＋' | '－' | '＠'
            )
        };
        let blank = |letter: char| letter.is_whitespace() || letter == '"';
        let mut safe = String::with_capacity(shown.len());
        for (number, part) in shown.split(';').enumerate() {
            if number > 0 {
                safe.push(';');
            }
            let start = part.trim_start_matches(blank);
            if start.starts_with(computes) || start.starts_with("\\x09") {
                safe.push('\'');
            }
            safe.push_str(part);
        }
        self.cell(&safe)
    }

    fn number(&mut self, number: Option<impl Display>) -> &mut Self {
        let text = number.map(|number| number.to_string());
        self.cell(&text.unwrap_or_default())
    }

    fn moment(&mut self, moment: Option<Moment>) -> &mut Self {
        self.number(moment)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.line.push_str("\r\n");
        out.write_all(self.line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(texts: &[&str]) -> String {
        let mut row = Row::default();
        for text in texts {
            row.text(text);
        }
        let mut out = Vec::new();
        row.end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The examples of RFC 4180, section 2, rules 5 to 7.
    #[test]
    fn cells_are_quoted_as_the_rfc_says() {
        assert_eq!(line(&["aaa", "bbb", "ccc"]), "aaa,bbb,ccc\r\n");
        assert_eq!(line(&["a,b", "", "b\"bb"]), "\"a,b\",,\"b\"\"bb\"\r\n");
        // A line end in a name is shown and is none.
        assert_eq!(line(&["b\r\nbb"]), "b\\x0d\\x0abb\r\n");
    }

    /// The beginnings that OWASP lists under "CSV injection".
    #[test]
    fn nothing_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1", "\t=1"] {
            let written = line(&[text]);
            assert!(written.starts_with('\''), "{written}");
        }
        assert_eq!(
            line(&["=HYPERLINK(\"http://x\",\"y\")"]),
            "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"\r\n"
        );
        for (text, expected) in [
            ("a;=1+1", "a;'=1+1\r\n"),
            ("a; =1+1", "a;' =1+1\r\n"),
            ("a;\"=1\"", "\"a;'\"\"=1\"\"\"\r\n"),
            ("one; two", "one; two\r\n"),
        ] {
            assert_eq!(line(&[text]), expected);
        }
        let mut row = Row::default();
        row.number(Some(-3));
        assert_eq!(row.line, "-3", "our own numbers are numbers");
    }
}
