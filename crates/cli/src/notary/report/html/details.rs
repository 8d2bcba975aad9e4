//! What there is to know of each repository, folded away.

use std::io::{self, Write};

use signet_client::inventory::{Inventory, Severity};

use super::tables::key_id;
use super::{badge, esc, name};
use crate::notary::report::words::{self, day};
use crate::notary::report::{Gathered, paths, signers};

/// With how many repositories all have their details on the page; with more, only those with errors or warnings have. A browser takes seconds
/// for a page that has everything about thousands.
const MOST: u64 = 500;
/// How many tags of one repository are on the page.
const MOST_TAGS: usize = 25;
/// How many rows other tables of one repository have.
const MOST_ROWS: usize = 100;

pub(super) fn write(gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"<section id=\"details\"><h2>Details</h2>\n")?;
    if gathered.summary.repositories > MOST {
        writeln!(
            out,
            "<p class=\"remark\">Of more than {MOST} repositories only those with errors or warnings are described here; the CSV and JSON forms have all.</p>"
        )?;
    }
    for (number, inventory) in gathered.inventories()?.enumerate() {
        let inventory = inventory?;
        if has_details(gathered, &inventory) {
            repository(number, &inventory, out)?;
        }
    }
    out.write_all(b"</section>\n")
}

/// Whether a repository has details on the page.
pub(super) fn has_details(gathered: &Gathered, inventory: &Inventory) -> bool {
    gathered.summary.repositories <= MOST || inventory.worst() > Some(Severity::Note)
}

fn repository(number: usize, inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<details class=\"repository\" id=\"r{number}\"><summary>{} {}</summary><div>",
        name(&inventory.gun),
        badge(inventory.state.as_str())
    )?;
    facts(inventory, out)?;
    if !inventory.findings.is_empty() {
        out.write_all(b"<ul class=\"findings\">\n")?;
        for finding in inventory.findings.iter().take(MOST_ROWS) {
            writeln!(
                out,
                "<li>{} {}. <span class=\"advice\">{}.</span></li>",
                badge(finding.severity.as_str()),
                esc(&capital(&finding.text)),
                esc(&capital(&finding.advice))
            )?;
        }
        out.write_all(b"</ul>\n")?;
        more(inventory.findings.len(), MOST_ROWS, "findings", out)?;
    }
    if !inventory.roles.is_empty() {
        roles(inventory, out)?;
        keys(inventory, out)?;
        tags(inventory, out)?;
    }
    out.write_all(b"</div></details>\n")
}

fn capital(text: &str) -> String {
    // Role names and counts stay as they are; sentences begin like sentences.
    let mut letters = text.chars();
    let first = letters.next();
    let is_name = text.starts_with("targets")
        || text.starts_with("snapshot")
        || text.starts_with("timestamp");
    match first {
        Some(first) if !is_name => first.to_uppercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

fn facts(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    let mut facts = vec![
        ("Read from", name(&inventory.source)),
        ("As of", esc(&inventory.at.to_string())),
    ];
    if let Some(reason) = &inventory.reason {
        facts.push(("Why", esc(reason)));
    }
    if let Some(captured) = &inventory.captured {
        let reason = captured.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {}", esc(reason)));
        facts.push((
            "When archived",
            format!(
                "{} on {}{reason}",
                badge(captured.state.as_str()),
                day(captured.at)
            ),
        ));
    }
    if let Some(trust) = inventory.trust {
        facts.push(("Root", words::trust_word(trust.as_str()).to_owned()));
    }
    if let Some(version) = inventory.root_version {
        facts.push(("Roots so far", version.to_string()));
    }
    if let Some(until) = inventory.valid_until {
        facts.push(("Valid until", day(until)));
    }
    out.write_all(b"<dl class=\"facts\">")?;
    for (term, text) in facts {
        write!(out, "<div><dt>{term}</dt><dd>{text}</dd></div>")?;
    }
    out.write_all(b"</dl>\n")
}

fn roles(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(
        b"<table><caption>Roles</caption><thead><tr><th scope=\"col\">Role</th><th scope=\"col\">Keys</th><th scope=\"col\">May sign</th>\
          <th scope=\"col\" class=\"n\">Tags</th><th scope=\"col\" class=\"n\">Version</th><th scope=\"col\">Expires</th>\
          <th scope=\"col\">Renewed by</th></tr></thead><tbody>\n",
    )?;
    for role in inventory.roles.iter().take(MOST_ROWS) {
        let expires = match (role.expires, role.days_left) {
            (Some(expires), Some(days)) if days < 0 => {
                format!("{} {}", day(expires), badge("expired"))
            }
            (Some(expires), _) => day(expires),
            _ if role.version.is_none() && role.usable => "nothing signed yet".to_owned(),
            _ => "\u{2013}".to_owned(),
        };
        let unusable = if role.usable {
            String::new()
        } else {
            format!(" {}", badge("unusable"))
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}{unusable}</th><td>{} of {}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{expires}</td><td>{}</td></tr>",
            name(&role.name),
            role.threshold,
            role.keys.len(),
            esc(&paths(role)),
            if role.name.starts_with("targets") {
                role.tags.to_string()
            } else {
                String::new()
            },
            role.version
                .map_or_else(|| "\u{2013}".to_owned(), |version| version.to_string()),
            role.renewed_by.as_str(),
        )?;
    }
    out.write_all(b"</tbody></table>\n")?;
    more(inventory.roles.len(), MOST_ROWS, "roles", out)
}

fn keys(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(
        b"<table><caption>Keys</caption><thead><tr><th scope=\"col\">Key</th><th scope=\"col\">Kind</th><th scope=\"col\">Roles</th>\
          <th scope=\"col\">Private key</th><th scope=\"col\">Certificate</th></tr></thead><tbody>\n",
    )?;
    for key in inventory.keys.iter().take(MOST_ROWS) {
        let roles: Vec<String> = key.roles.iter().take(10).map(|role| name(role)).collect();
        let certificates: Vec<String> = key
            .certificates
            .iter()
            .take(4)
            .map(|certificate| {
                format!(
                    "{}, {} to {}",
                    name(&certificate.common_name),
                    day(certificate.not_before),
                    day(certificate.not_after)
                )
            })
            .collect();
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"w\">{}</td><td>{}</td><td class=\"w\">{}</td><td>{}</td></tr>",
            key_id(&key.id),
            esc(&key.kind),
            roles.join(", "),
            words::holder_word(key.holder.as_str()),
            certificates.join("<br>"),
        )?;
    }
    out.write_all(b"</tbody></table>\n")?;
    more(inventory.keys.len(), MOST_ROWS, "keys", out)
}

fn tags(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    if inventory.tags.is_empty() {
        return out.write_all(b"<p>Nothing is signed.</p>\n");
    }
    out.write_all(
        b"<table><caption>Tags</caption><thead><tr><th scope=\"col\">Tag</th><th scope=\"col\">SHA-256</th><th scope=\"col\">Signers</th>\
          <th scope=\"col\">Released</th></tr></thead><tbody>\n",
    )?;
    for tag in inventory.tags.iter().take(MOST_TAGS) {
        let signers: Vec<String> = signers(tag).into_iter().map(name).collect();
        let signers = if signers.is_empty() {
            "<i>repository key</i>".to_owned()
        } else {
            signers.join(", ")
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{signers}</td><td>{}</td></tr>",
            name(&tag.name),
            key_id(&tag.digest),
            if tag.released { "yes" } else { "no" },
        )?;
    }
    out.write_all(b"</tbody></table>\n")?;
    more(inventory.tags.len(), MOST_TAGS, "tags", out)
}

fn more(all: usize, shown: usize, what: &str, out: &mut dyn Write) -> io::Result<()> {
    match all.checked_sub(shown) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(
            out,
            "<p class=\"remark\">and {more} more {what}; the CSV and JSON forms have all</p>"
        ),
    }
}
