//! Charts: bars in SVG, each with its numbers as a table below it.

use std::fmt::Write as _;
use std::io::{self, Write};

use signet_client::inventory::{Month, Summary};

use super::{esc, grouped, name};
use crate::notary::report::words::{self, STATES};
use crate::notary::report::{Gathered, Heading};

/// How many bars a chart of names has.
const MOST_BARS: usize = 12;
/// For how many months the calendar has a bar each; what is later has one for each year.
const MONTHS: usize = 24;
/// How many years follow them.
const YEARS: usize = 12;

/// One bar: its label, and how long each of its parts is.
struct Bar {
    label: String,
    parts: Vec<(u64, &'static str)>,
}

impl Bar {
    fn total(&self) -> u64 {
        self.parts.iter().map(|(number, _)| number).sum()
    }
}

/// What the classes of a chart's parts mean.
type Legend = &'static [(&'static str, &'static str)];

pub(super) fn write(heading: &Heading, gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    let summary = &gathered.summary;
    out.write_all(b"<section id=\"charts\"><h2>At a glance</h2>\n<div class=\"charts\">\n")?;
    let calendar = calendar(heading, summary);
    figure(
        "calendar",
        "What expires when",
        "Documents and certificates by the end of their validity. What the server renews by itself is paler.",
        &columns(&calendar),
        &numbers(&calendar, CALENDAR),
        out,
    )?;
    figure(
        "states",
        "Repositories by state",
        "",
        &horizontal(&states(summary), NARROW),
        &numbers(&states(summary), &[]),
        out,
    )?;
    let kinds: Vec<Bar> = sorted(
        summary
            .keys_by_kind
            .iter()
            .map(|(kind, n)| (kind.clone(), *n)),
    );
    figure(
        "kinds",
        "Keys by kind",
        "",
        &horizontal(&kinds, NARROW),
        &numbers(&kinds, &[]),
        out,
    )?;
    let holders = sorted(
        summary
            .keys_by_holder
            .iter()
            .map(|(holder, n)| (words::holder_word(holder).to_owned(), *n)),
    );
    figure(
        "holders",
        "Where private keys are",
        "As far as the machine that made this report can know.",
        &horizontal(&holders, NARROW),
        &numbers(&holders, &[]),
        out,
    )?;
    let largest: Vec<Bar> = summary
        .largest
        .iter()
        .take(MOST_BARS)
        .map(|repository| one(repository.gun.clone(), repository.tags))
        .collect();
    figure(
        "tags",
        "Tags by repository",
        top(summary.largest.len()),
        &horizontal(&largest, WIDE),
        &numbers(&largest, &[]),
        out,
    )?;
    let signers: Vec<Bar> = summary
        .top_signers
        .iter()
        .take(MOST_BARS)
        .map(|signer| one(signer.name.clone(), signer.repositories))
        .collect();
    figure(
        "signer-chart",
        "Repositories by signer",
        top(summary.top_signers.len()),
        &horizontal(&signers, WIDE),
        &numbers(&signers, &[]),
        out,
    )?;
    out.write_all(b"</div></section>\n")
}

const fn top(number: usize) -> &'static str {
    if number > MOST_BARS {
        "The twelve largest."
    } else {
        ""
    }
}

/// Widths of charts that share their row with two others, or with one.
const NARROW: u32 = 350;
const WIDE: u32 = 540;

const CALENDAR: Legend = &[("person", "by people"), ("server", "by the server")];

fn one(label: String, number: u64) -> Bar {
    Bar {
        label,
        parts: vec![(number, "accent")],
    }
}

fn sorted(all: impl Iterator<Item = (String, u64)>) -> Vec<Bar> {
    let mut bars: Vec<Bar> = all.map(|(label, number)| one(label, number)).collect();
    bars.sort_by_key(|bar| std::cmp::Reverse(bar.total()));
    let mut rest = bars.split_off(bars.len().min(MOST_BARS)).into_iter();
    if let Some(first) = rest.next() {
        let total = first.total() + rest.map(|bar| bar.total()).sum::<u64>();
        bars.push(one("others".to_owned(), total));
    }
    bars
}

fn states(summary: &Summary) -> Vec<Bar> {
    STATES
        .iter()
        .map(|state| Bar {
            label: state.as_str().to_owned(),
            parts: vec![(
                summary.states.get(state.as_str()).copied().unwrap_or(0),
                state.as_str(),
            )],
        })
        .filter(|bar| bar.total() > 0)
        .collect()
}

/// Over, then month by month from that of the report, then year by year.
fn calendar(heading: &Heading, summary: &Summary) -> Vec<Bar> {
    let bar = |label: String, month: &Month| Bar {
        label,
        parts: vec![(month.by_person(), "person"), (month.by_server, "server")],
    };
    let mut bars = vec![bar("over".to_owned(), &summary.overdue)];
    let date = heading.generated.time();
    let (mut year, mut number) = (date.year(), u8::from(date.month()));
    let last = summary
        .calendar
        .keys()
        .next_back()
        .cloned()
        .unwrap_or_default();
    let mut after = String::new();
    for _ in 0..MONTHS {
        let label = format!("{year:04}-{number:02}");
        if label > last {
            break;
        }
        let none = Month::default();
        bars.push(bar(
            label.clone(),
            summary.calendar.get(&label).unwrap_or(&none),
        ));
        after = label;
        (year, number) = if number == 12 {
            (year + 1, 1)
        } else {
            (year, number + 1)
        };
    }
    // From here on by years.
    let mut years: Vec<(String, Month)> = Vec::new();
    for (name, month) in summary.calendar.iter().filter(|(name, _)| **name > after) {
        let year = name.get(..4).unwrap_or(name);
        let is_full = years.len() == YEARS;
        match years.last_mut() {
            Some((label, sum)) if label.ends_with(year) => add(sum, month),
            Some((label, sum)) if is_full => {
                if !label.ends_with('+') {
                    label.push('+');
                }
                add(sum, month);
            }
            _ => {
                let has_begun = after.starts_with(year);
                let label = if has_begun {
                    format!("rest {year}")
                } else {
                    year.to_owned()
                };
                years.push((label, *month));
            }
        }
    }
    bars.extend(years.iter().map(|(year, month)| bar(year.clone(), month)));
    bars
}

fn add(sum: &mut Month, month: &Month) {
    sum.root += month.root;
    sum.targets += month.targets;
    sum.delegations += month.delegations;
    sum.snapshots += month.snapshots;
    sum.certificates += month.certificates;
    sum.by_server += month.by_server;
}

fn figure(
    id: &str,
    title: &str,
    remark: &str,
    svg: &str,
    table: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    write!(
        out,
        "<figure class=\"chart\" id=\"{id}\"><figcaption><h3>{title}</h3>"
    )?;
    if !remark.is_empty() {
        write!(out, "<p>{remark}</p>")?;
    }
    writeln!(
        out,
        "</figcaption>{}<details><summary>Numbers</summary>{table}</details></figure>",
        svg.replace("{title}", title)
    )
}

fn numbers(bars: &[Bar], legend: Legend) -> String {
    let mut table = String::from("<table><thead><tr><th scope=\"col\"></th>");
    if legend.is_empty() {
        table.push_str("<th scope=\"col\" class=\"n\">Number</th>");
    }
    for (_, meaning) in legend {
        let _ = write!(table, "<th scope=\"col\" class=\"n\">{meaning}</th>");
    }
    table.push_str("</tr></thead><tbody>");
    for bar in bars.iter().filter(|bar| bar.total() > 0) {
        let _ = write!(table, "<tr><th scope=\"row\">{}</th>", name(&bar.label));
        for (number, _) in &bar.parts {
            let _ = write!(table, "<td class=\"n\">{}</td>", grouped(*number));
        }
        table.push_str("</tr>");
    }
    table.push_str("</tbody></table>");
    table
}

/// The chart in a sentence, for those who do not see it.
fn spoken(bars: &[Bar]) -> String {
    let all: Vec<String> = bars
        .iter()
        .filter(|bar| bar.total() > 0)
        .map(|bar| format!("{} {}", bar.label, bar.total()))
        .collect();
    esc(&all.join(", "))
}

/// `part` of `whole` as a length out of `length`; whatever is there can be seen.
fn scaled(part: u64, whole: u64, length: f64) -> f64 {
    if part == 0 || whole == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a length on the screen")]
    let share = part as f64 / whole as f64;
    (share * length).max(2.0)
}

/// Bars from left to right, their labels above them.
fn horizontal(bars: &[Bar], width: u32) -> String {
    const ROW: usize = 34;
    // The rest is for the number.
    let (track, edge) = (width - 60, width - 2);
    let letters = track as usize / 7;
    if bars.is_empty() {
        return "<p class=\"remark\">none</p>".to_owned();
    }
    let most = bars.iter().map(Bar::total).max().unwrap_or(0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {}\" role=\"img\" aria-label=\"{{title}}: {}\">",
        bars.len() * ROW + 4,
        spoken(bars)
    );
    for (at, bar) in bars.iter().enumerate() {
        let y = at * ROW;
        let label: String = if bar.label.chars().count() > letters {
            let end: Vec<char> = bar.label.chars().rev().take(letters - 1).collect();
            std::iter::once('\u{2026}')
                .chain(end.into_iter().rev())
                .collect()
        } else {
            bar.label.clone()
        };
        let _ = write!(
            svg,
            "<g><title>{}: {}</title><text class=\"label\" x=\"0\" y=\"{}\">{}</text><rect class=\"track\" x=\"0\" y=\"{}\" width=\"{track}\" height=\"10\" rx=\"3\"/>",
            esc(&bar.label),
            bar.total(),
            y + 13,
            esc(&label),
            y + 19,
        );
        let mut x = 0.0;
        for (number, class) in &bar.parts {
            let width = scaled(*number, most, f64::from(track));
            let _ = write!(
                svg,
                "<rect class=\"fill-{class}\" x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"10\" rx=\"3\"/>",
                y + 19
            );
            x += width;
        }
        let _ = write!(
            svg,
            "<text class=\"number\" x=\"{edge}\" y=\"{}\">{}</text></g>",
            y + 28,
            grouped(bar.total())
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Bars side by side, each with its parts on top of each other.
fn columns(bars: &[Bar]) -> String {
    const HEIGHT: f64 = 150.0;
    const TOP: f64 = 18.0;
    const WIDTH: usize = 1150;
    let most = bars.iter().map(Bar::total).max().unwrap_or(0);
    if most == 0 {
        return "<p class=\"remark\">nothing expires</p>".to_owned();
    }
    let step = (WIDTH / bars.len()).clamp(24, 48);
    let width = (bars.len() * step + 8).max(WIDTH);
    let thickness = step - 10;
    let mut svg = format!(
        "<div class=\"scroll\"><svg viewBox=\"0 0 {width} 236\" role=\"img\" aria-label=\"{{title}}: {}\">\
         <line class=\"axis\" x1=\"0\" y1=\"168.5\" x2=\"{width}\" y2=\"168.5\"/>",
        spoken(bars)
    );
    for (at, bar) in bars.iter().enumerate() {
        let x = at * step + 6;
        let parts: Vec<String> = bar
            .parts
            .iter()
            .zip(CALENDAR)
            .map(|((number, _), (_, meaning))| format!("{number} renewed {meaning}"))
            .collect();
        let _ = write!(
            svg,
            "<g><title>{}: {}</title><rect class=\"hit\" x=\"{}\" y=\"0\" width=\"{step}\" height=\"236\"/>",
            esc(&bar.label),
            parts.join(", "),
            x - 5,
        );
        let mut y = TOP + HEIGHT;
        for (number, class) in &bar.parts {
            let height = scaled(*number, most, HEIGHT);
            y -= height;
            let class = if at == 0 && *class == "person" {
                "over"
            } else {
                class
            };
            let _ = write!(
                svg,
                "<rect class=\"fill-{class}\" x=\"{x}\" y=\"{y:.1}\" width=\"{thickness}\" height=\"{height:.1}\" rx=\"2\"/>"
            );
        }
        if bar.total() > 0 {
            let _ = write!(
                svg,
                "<text class=\"small\" x=\"{}\" y=\"{:.1}\">{}</text>",
                x + thickness / 2,
                y - 4.0,
                short(bar.total())
            );
        }
        let _ = write!(
            svg,
            "<text class=\"tick\" transform=\"translate({} 226) rotate(-90)\">{}</text></g>",
            x + thickness / 2 + 4,
            esc(&bar.label)
        );
    }
    svg.push_str("</svg></div>");
    svg.push_str("<p class=\"legend\"><span class=\"key over\"></span>over <span class=\"key person\"></span>renewed by people <span class=\"key server\"></span>renewed by the server</p>");
    svg
}

/// `950`, `1.2k`, `34k`, `5M`.
fn short(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..10_000 => format!("{}.{}k", number / 1_000, number % 1_000 / 100),
        10_000..1_000_000 => format!("{}k", number / 1_000),
        _ => format!("{}M", number / 1_000_000),
    }
}
