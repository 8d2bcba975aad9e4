//! The report as one page that needs nothing else: no request, no font, no script from elsewhere.
//!
//! Names in it come from documents that others signed. All of them go through [`esc`], and the page's own policy (CSP) allows the one script
//! and the one style sheet that are in it by their digests, so that a mistake there would still run nothing.

mod charts;
mod details;
mod tables;

use std::io::{self, Write};

use data_encoding::BASE64;
use signet_client::inventory::Severity;
use signet_tuf::crypto;

use super::{Gathered, Heading};
use crate::texts::visible;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Text for a page: what HTML would obey is escaped, and so is what would change the order of letters.
pub(super) fn esc(text: &str) -> String {
    let shown = visible(text);
    let mut escaped = String::with_capacity(shown.len());
    for letter in shown.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// A name, whose direction of writing is its own affair.
fn name(text: &str) -> String {
    format!("<bdi>{}</bdi>", esc(text))
}

fn source_hash(text: &str) -> String {
    format!(
        "'sha256-{}'",
        BASE64.encode(&crypto::sha256(text.as_bytes()))
    )
}

pub(super) fn write(heading: &Heading, gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    let title = format!("Trust inventory of {}", heading.title());
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        source_hash(STYLE),
        source_hash(SCRIPT),
        esc(&title)
    )?;
    header(heading, gathered, out)?;
    out.write_all(b"<main>\n")?;
    tables::findings(gathered, out)?;
    charts::write(heading, gathered, out)?;
    tables::repositories(gathered, out)?;
    tables::signers(gathered, out)?;
    tables::shared_keys(gathered, out)?;
    details::write(gathered, out)?;
    out.write_all(b"</main>\n")?;
    write!(
        out,
        "<footer><p>Made by {} on {}. Severities and terms are explained in its documentation, <code>docs/report.md</code>. \
         Private keys were looked for on the machine that made the report only.</p></footer>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
        esc(&heading.program),
        esc(&heading.generated.to_string())
    )
}

fn header(heading: &Heading, gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    let summary = &gathered.summary;
    writeln!(
        out,
        "<header><p class=\"eyebrow\">Trust inventory</p><h1>{}</h1><p class=\"sub\">As of <time datetime=\"{at}\">{}</time></p>",
        name(&heading.title()),
        esc(&heading.when()),
        at = heading.generated,
    )?;
    let good = summary.states.get("trusted").copied().unwrap_or(0);
    let severity = |severity: Severity| {
        let all = &summary.findings;
        all.get(severity.as_str()).copied().unwrap_or(0)
    };
    let tiles = [
        (
            "",
            "Repositories",
            summary.repositories,
            format!("{} wholly trusted", grouped(good)),
        ),
        (
            "",
            "Tags",
            summary.tags,
            format!("{} released", grouped(summary.released_tags)),
        ),
        ("", "Signers", summary.signers, "distinct names".to_owned()),
        (
            "",
            "Keys",
            summary.keys,
            format!(
                "{} in several repositories",
                grouped(summary.shared_keys_total)
            ),
        ),
        (
            "error",
            "Errors",
            severity(Severity::Error),
            "not working, or not safe".to_owned(),
        ),
        (
            "warning",
            "Warnings",
            severity(Severity::Warning),
            "needs attention".to_owned(),
        ),
    ];
    out.write_all(b"<dl class=\"tiles\">\n")?;
    for (class, label, number, note) in tiles {
        let class = if number == 0 { "" } else { class };
        writeln!(
            out,
            "<div class=\"tile {class}\"><dt>{label}</dt><dd><b>{}</b><span>{}</span></dd></div>",
            grouped(number),
            esc(&note)
        )?;
    }
    out.write_all(b"</dl>\n")?;
    if summary.is_cut {
        out.write_all(b"<p class=\"remark\">There are more distinct keys or signers than are told apart; their numbers are too low.</p>\n")?;
    }
    out.write_all(
        b"<nav aria-label=\"Sections\"><a href=\"#findings\">Findings</a> <a href=\"#charts\">Charts</a> \
          <a href=\"#repositories\">Repositories</a> <a href=\"#signers\">Signers</a> <a href=\"#shared-keys\">Shared keys</a> \
          <a href=\"#details\">Details</a></nav></header>\n",
    )
}

/// `12 345`, with narrow spaces that do not break.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A badge with a state or a severity; the word says what the colour says.
fn badge(word: &str) -> String {
    format!("<span class=\"badge {word}\">{word}</span>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_markup_or_turns_the_line() {
        assert_eq!(
            esc("<script>alert('x')</script>&\"\u{202e}\u{0}"),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;\\u202e\\x00"
        );
    }

    #[test]
    fn a_page_of_many_describes_those_that_need_attention() {
        let page = |repositories: usize| {
            let mut spool = super::super::spool::Spool::new().unwrap();
            for number in 0..repositories {
                let severity = if number == 7 { "warning" } else { "note" };
                let inventory = serde_json::json!({
                    "gun": format!("r.example/{number}"), "source": "", "at": "2026-11-23T04:00:00Z", "state": "trusted",
                    "reason": null, "captured": null, "trust": null, "root_version": 1, "valid_until": null,
                    "roles": [], "keys": [], "tags": [],
                    "findings": [{"severity": severity, "code": "first-use", "subject": "", "text": "", "advice": ""}],
                });
                spool
                    .push(&serde_json::from_value(inventory).unwrap())
                    .unwrap();
            }
            let heading = Heading {
                generated: signet_archive::Moment::of(
                    time::macros::datetime!(2026-11-23 04:00 UTC),
                ),
                program: "test".to_owned(),
                sources: vec!["test".to_owned()],
            };
            let mut out = Vec::new();
            write(&heading, &spool.finish().unwrap(), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let (few, many) = (page(500), page(501));
        for (page, rows, described) in [(few, 500, 500), (many, 501, 1)] {
            assert_eq!(page.matches("<tr data-f=").count(), rows);
            assert_eq!(
                page.matches("<details class=\"repository\"").count(),
                described
            );
            assert_eq!(
                page.matches("href=\"#r").count(),
                described + 2,
                "and two links to the table"
            );
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1\u{202f}000"),
            (1_234_567, "1\u{202f}234\u{202f}567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn the_script_ends_where_the_page_ends_it() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</"), "an end tag inside would cut it off");
            assert!(!text.contains("<!--"));
        }
    }
}
