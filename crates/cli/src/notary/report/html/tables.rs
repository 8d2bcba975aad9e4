//! The tables that cover all repositories.

use std::collections::BTreeSet;
use std::io::{self, Write};

use signet_client::inventory::{Inventory, Severity};

use super::{badge, details, esc, grouped, name};
use crate::notary::report::Gathered;
use crate::notary::report::words::{self, day};

/// Most repositories and most signers for which a matrix can be read.
const MATRIX: (usize, usize) = (40, 25);

/// What was found, by code.
pub(super) fn findings(gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"<section id=\"findings\"><h2>What was found</h2>\n")?;
    let codes = &gathered.summary.codes;
    if codes.is_empty() {
        return out.write_all(b"<p>Nothing that should be known or done.</p></section>\n");
    }
    out.write_all(
        b"<div class=\"scroll\"><table class=\"sortable\"><thead><tr><th scope=\"col\">Severity</th><th scope=\"col\">What</th>\
          <th scope=\"col\">Code</th><th scope=\"col\" class=\"n\">Repositories</th><th scope=\"col\" class=\"n\">Findings</th></tr></thead><tbody>\n",
    )?;
    for count in codes {
        let severity = count.severity;
        let code = count.code.as_str();
        writeln!(
            out,
            "<tr><td data-v=\"{}\">{}</td><td>{}</td><td><a class=\"code\" href=\"#repositories\" data-filter=\"{code}\">{code}</a></td>\
             <td class=\"n\" data-v=\"{}\">{}</td><td class=\"n\" data-v=\"{}\">{}</td></tr>",
            rank(severity),
            badge(severity.as_str()),
            esc(&sentence(words::title(count.code))),
            count.repositories,
            grouped(count.repositories),
            count.findings,
            grouped(count.findings),
        )?;
    }
    out.write_all(b"</tbody></table></div></section>\n")
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

const fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Error => 0,
        Severity::Warning => 1,
        Severity::Note => 2,
    }
}

/// One row for each repository.
pub(super) fn repositories(gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(
        b"<section id=\"repositories\"><h2>Repositories</h2>\n\
          <p class=\"tools\"><label>Filter <input type=\"search\" id=\"filter\" placeholder=\"name, state, signer or code\"></label> \
          <output id=\"shown\" for=\"filter\"></output></p>\n\
          <div class=\"scroll\"><table class=\"sortable\" id=\"repository-table\" data-page=\"200\"><thead><tr><th scope=\"col\">Repository</th>\
          <th scope=\"col\">State</th><th scope=\"col\" class=\"n\">Tags</th><th scope=\"col\" class=\"n\">Signers</th>\
          <th scope=\"col\" class=\"n\">Keys</th><th scope=\"col\">Root</th><th scope=\"col\">Valid until</th>\
          <th scope=\"col\">Next renewal by people</th><th scope=\"col\" class=\"n\">Findings</th></tr></thead><tbody>\n",
    )?;
    for (number, inventory) in gathered.inventories()?.enumerate() {
        let inventory = inventory?;
        let shown = name(&inventory.gun);
        let shown = if details::has_details(gathered, &inventory) {
            format!("<a href=\"#r{number}\">{shown}</a>")
        } else {
            shown
        };
        repository(&shown, &inventory, out)?;
    }
    out.write_all(b"</tbody></table></div></section>\n")
}

fn repository(shown: &str, inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    let tags = inventory.tag_names();
    let due = inventory
        .roles
        .iter()
        .filter(|role| role.renewed_by.as_str() == "person")
        .filter_map(|role| Some((role.expires?, role)))
        .min_by_key(|(expires, _)| *expires);
    let due = due.map_or_else(
        || ("9".to_owned(), "\u{2013}".to_owned()),
        |(expires, role)| {
            (
                day(expires),
                format!("{} {}", day(expires), name(&role.name)),
            )
        },
    );
    let until = inventory.valid_until.map_or_else(
        || ("9".to_owned(), "\u{2013}".to_owned()),
        |until| (day(until), day(until)),
    );
    let count = |severity| {
        let all = inventory.findings.iter();
        all.filter(|finding| finding.severity == severity).count()
    };
    let (errors, warnings, notes) = (
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note),
    );
    let mut badges = String::new();
    for (number, word) in [(errors, "error"), (warnings, "warning"), (notes, "note")] {
        if number > 0 {
            badges.push_str(&format!(
                "<span class=\"badge {word}\" title=\"{}\">{number}<span class=\"away\"> {word}</span></span> ",
                words::count(number as u64, word)
            ));
        }
    }
    // What the filter finds beside the text of the row.
    let mut hidden: BTreeSet<&str> = inventory
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect();
    hidden.extend(inventory.signers().take(50).map(|role| role.short_name()));
    let hidden: Vec<&str> = hidden.into_iter().collect();
    writeln!(
        out,
        "<tr data-f=\"{}\"><th scope=\"row\">{shown}</th><td>{}</td><td class=\"n\" data-v=\"{tags}\">{}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"w\">{}</td><td class=\"w\" data-v=\"{}\">{}</td><td data-v=\"{}\">{}</td>\
         <td class=\"n\" data-v=\"{}\">{badges}</td></tr>",
        esc(&hidden.join(" ")),
        badge(inventory.state.as_str()),
        grouped(tags as u64),
        inventory.signers().count(),
        inventory.keys.len(),
        inventory.trust.map_or("\u{2013}", words::trust_short),
        until.0,
        until.1,
        due.0,
        due.1,
        errors * 1_000_000 + warnings * 1_000 + notes,
    )
}

/// Who signs, and where.
pub(super) fn signers(gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    let summary = &gathered.summary;
    out.write_all(b"<section id=\"signers\"><h2>Signers</h2>\n")?;
    if summary.top_signers.is_empty() {
        return out.write_all(b"<p>No repository has signers; everything is signed with the repositories\xe2\x80\x99 own keys.</p></section>\n");
    }
    if summary.signers > summary.top_signers.len() as u64 {
        writeln!(
            out,
            "<p class=\"remark\">The {} that sign in most repositories, of {}.</p>",
            summary.top_signers.len(),
            grouped(summary.signers)
        )?;
    }
    out.write_all(
        b"<div class=\"scroll\"><table class=\"sortable\"><thead><tr><th scope=\"col\">Signer</th><th scope=\"col\" class=\"n\">Repositories</th>\
          <th scope=\"col\" class=\"n\">Tags</th><th scope=\"col\" class=\"n\">Distinct keys</th></tr></thead><tbody>\n",
    )?;
    for signer in &summary.top_signers {
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\" data-v=\"{}\">{}</td><td class=\"n\" data-v=\"{}\">{}</td><td class=\"n\">{}</td></tr>",
            name(&signer.name),
            signer.repositories,
            grouped(signer.repositories),
            signer.tags,
            grouped(signer.tags),
            signer.keys,
        )?;
    }
    out.write_all(b"</tbody></table></div>\n")?;
    matrix(gathered, out)?;
    out.write_all(b"</section>\n")
}

/// Who signs in which repository, where there are few enough to see it at a glance.
fn matrix(gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    let summary = &gathered.summary;
    let few = summary.repositories <= MATRIX.0 as u64 && summary.signers <= MATRIX.1 as u64;
    if !few || summary.repositories < 2 {
        return Ok(());
    }
    out.write_all(
        b"<h3>Who signs where</h3><div class=\"scroll\"><table class=\"matrix\"><thead><tr><th scope=\"col\">Repository</th>",
    )?;
    for signer in &summary.top_signers {
        write!(out, "<th scope=\"col\">{}</th>", name(&signer.name))?;
    }
    out.write_all(b"</tr></thead><tbody>\n")?;
    for inventory in gathered.inventories()? {
        let inventory = inventory?;
        write!(out, "<tr><th scope=\"row\">{}</th>", name(&inventory.gun))?;
        for signer in &summary.top_signers {
            let role = inventory
                .signers()
                .find(|role| role.short_name() == signer.name);
            match role {
                None => out.write_all(b"<td></td>")?,
                Some(role) if role.usable => {
                    write!(
                        out,
                        "<td class=\"yes\">{}</td>",
                        words::count(role.tags, "tag")
                    )?;
                }
                Some(_) => out.write_all(b"<td class=\"no\">unusable</td>")?,
            }
        }
        out.write_all(b"</tr>\n")?;
    }
    out.write_all(b"</tbody></table></div>\n")
}

/// Keys that several repositories list.
pub(super) fn shared_keys(gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    let summary = &gathered.summary;
    out.write_all(b"<section id=\"shared-keys\"><h2>Keys of several repositories</h2>\n")?;
    if summary.shared_keys.is_empty() {
        return out.write_all(b"<p>Every key belongs to one repository.</p></section>\n");
    }
    out.write_all(
        b"<p>Whoever loses or betrays one of these loses it for all of its repositories.</p>\n",
    )?;
    if summary.shared_keys_total > summary.shared_keys.len() as u64 {
        writeln!(
            out,
            "<p class=\"remark\">The {} of most repositories, of {}.</p>",
            summary.shared_keys.len(),
            grouped(summary.shared_keys_total)
        )?;
    }
    out.write_all(
        b"<div class=\"scroll\"><table class=\"sortable\" data-page=\"20\"><thead><tr><th scope=\"col\">Key</th><th scope=\"col\">Kind</th>\
          <th scope=\"col\" class=\"n\">Repositories</th><th scope=\"col\">Private key</th><th scope=\"col\">Roles</th></tr></thead><tbody>\n",
    )?;
    for key in &summary.shared_keys {
        let roles: Vec<String> = key.roles.iter().map(|role| name(role)).collect();
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\" data-v=\"{}\">{}</td><td>{}</td><td>{}</td></tr>",
            key_id(&key.id),
            esc(&key.kind),
            key.repositories,
            grouped(key.repositories),
            words::holder_word(key.holder),
            roles.join(", "),
        )?;
    }
    out.write_all(b"</tbody></table></div></section>\n")
}

/// The beginning of a key's ID; the rest is in its title.
pub(super) fn key_id(id: &str) -> String {
    let short: String = id.chars().take(12).collect();
    format!("<code title=\"{}\">{}</code>", esc(id), esc(&short))
}
