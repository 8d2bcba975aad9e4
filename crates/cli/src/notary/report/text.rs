//! The report for people at a terminal.

use std::io::{self, Write};

use signet_client::inventory::{Inventory, Severity, Summary};

use super::words::{self, day};
use super::{Gathered, Heading};
use crate::texts::visible;
use crate::ui::table::table;

/// How many repositories with findings are listed one by one.
const MOST_LISTED: u64 = 200;
/// How many rows short lists have.
const MOST_ROWS: usize = 12;

pub(super) fn write(heading: &Heading, gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    let summary = &gathered.summary;
    writeln!(out, "Trust inventory of {}", visible(&heading.title()))?;
    writeln!(out, "as of {}\n", heading.generated)?;
    totals(summary, out)?;
    calendar(summary, out)?;
    if !summary.codes.is_empty() {
        writeln!(out, "FINDINGS")?;
        let rows = summary.codes.iter().map(|count| {
            [
                format!("  {}", count.severity.as_str()),
                count.code.as_str().to_owned(),
                words::repositories(count.repositories),
                words::title(count.code).to_owned(),
            ]
        });
        writeln!(out, "{}", table(rows))?;
    }
    repositories(gathered, out)?;
    details(gathered, out)
}

fn totals(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let states: Vec<String> = words::STATES
        .iter()
        .filter_map(|state| {
            let number = *summary.states.get(state.as_str())?;
            (number > 0).then(|| format!("{number} {state}"))
        })
        .collect();
    let join = |map: &mut dyn Iterator<Item = (String, u64)>| -> String {
        let all: Vec<String> = map
            .filter(|(_, number)| *number > 0)
            .map(|(name, number)| format!("{number} {}", visible(&name)))
            .collect();
        all.join(", ")
    };
    let mut rows = vec![
        [
            "Repositories".to_owned(),
            summary.repositories.to_string(),
            states.join(", "),
        ],
        [
            "Tags".to_owned(),
            summary.tags.to_string(),
            format!("{} released", summary.released_tags),
        ],
        [
            "Signers".to_owned(),
            summary.signers.to_string(),
            "distinct names".to_owned(),
        ],
        [
            "Keys".to_owned(),
            summary.keys.to_string(),
            join(
                &mut summary
                    .keys_by_kind
                    .iter()
                    .map(|(kind, n)| (kind.clone(), *n)),
            ),
        ],
    ];
    let holders = &mut summary
        .keys_by_holder
        .iter()
        .map(|(holder, n)| (words::holder_word(holder).to_owned(), *n));
    rows.push([String::new(), String::new(), join(holders)]);
    let trust = &mut summary
        .trust
        .iter()
        .map(|(trust, n)| (words::trust_word(trust).to_owned(), *n));
    rows.push(["Roots".to_owned(), String::new(), join(trust)]);
    let findings = ["error", "warning", "note"]
        .map(|severity| {
            let number = summary.findings.get(severity).copied().unwrap_or(0);
            words::count(number, severity)
        })
        .join(", ");
    rows.push(["Findings".to_owned(), String::new(), findings]);
    writeln!(out, "{}", table(rows))
}

fn calendar(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = Vec::new();
    if summary.overdue.by_person() > 0 {
        rows.push(["  over".to_owned(), words::month(&summary.overdue)]);
    }
    let due = summary
        .calendar
        .iter()
        .filter(|(_, month)| month.by_person() > 0);
    let total = due.clone().count();
    for (name, month) in due.take(MOST_ROWS) {
        rows.push([format!("  {name}"), words::month(month)]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "TO BE RENEWED BY PEOPLE")?;
    write!(out, "{}", table(rows))?;
    if total > MOST_ROWS {
        writeln!(out, "  and {} later months", total - MOST_ROWS)?;
    }
    writeln!(out)
}

fn repositories(gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    if gathered.summary.repositories == 0 {
        return writeln!(out, "No repositories.");
    }
    let header = [
        "REPOSITORY",
        "STATE",
        "TAGS",
        "SIGNERS",
        "KEYS",
        "ROOT",
        "VALID UNTIL",
        "FINDINGS",
    ]
    .map(str::to_owned);
    // Rows of a few dozen bytes: what is large in an inventory is dropped at once.
    let mut rows = vec![header];
    for inventory in gathered.inventories()? {
        let inventory = inventory?;
        rows.push([
            visible(&inventory.gun),
            inventory.state.to_string(),
            inventory.tag_names().to_string(),
            inventory.signers().count().to_string(),
            inventory.keys.len().to_string(),
            inventory
                .trust
                .map_or("-", |trust| trust.as_str())
                .to_owned(),
            inventory.valid_until.map_or_else(|| "-".to_owned(), day),
            findings_of(&inventory),
        ]);
    }
    writeln!(out, "{}", table(rows))
}

fn findings_of(inventory: &Inventory) -> String {
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let all = inventory.findings.iter();
        let number = all.filter(|finding| finding.severity == severity).count();
        (number > 0).then(|| words::count(number as u64, severity.as_str()))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() {
        "-".to_owned()
    } else {
        counts.join(", ")
    }
}

/// Errors and warnings, repository by repository. Notes are in the other formats.
fn details(gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    let mut listed = 0;
    let mut more = 0_u64;
    for inventory in gathered.inventories()? {
        let inventory = inventory?;
        let serious: Vec<_> = inventory
            .findings
            .iter()
            .filter(|finding| finding.severity > Severity::Note)
            .collect();
        if serious.is_empty() {
            continue;
        }
        if listed == MOST_LISTED {
            more += 1;
            continue;
        }
        listed += 1;
        writeln!(out, "{}", visible(&inventory.gun))?;
        for finding in serious {
            let severity = finding.severity.as_str();
            writeln!(out, "  {severity:<7}  {}", visible(&finding.text))?;
            writeln!(out, "           -> {}", visible(&finding.advice))?;
        }
    }
    if more > 0 {
        writeln!(
            out,
            "and {} with errors or warnings; --format csv --rows findings has them all",
            words::repositories(more)
        )?;
    }
    Ok(())
}
