//! `notary archive diff OLD NEW`: what changed between two archives, and what must not have.
//!
//! The exit code is that of `diff`: 0 when nothing differs, 1 when something does, 2 when that cannot be told.

use std::cmp::Ordering;
use std::path::Path;

use signet_archive::diff::{Alarm, Changed, Difference, Presence, RoleChange, TagChange};
use signet_archive::{Archive, ArchivedRepository, Entry};

use super::reading;
use crate::archives;
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::notary::format::Format;
use crate::texts::{notary as texts, visible};
use crate::ui::report::Failure;

/// Something differs.
const DIFFERENT: u8 = 1;
/// It cannot be told whether something differs.
const TROUBLE: u8 = 2;

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let differ = compare(matches, context).map_err(|failure| failure.code(TROUBLE))?;
    if differ {
        // Everything has been said.
        return Err(Failure::silent().code(DIFFERENT));
    }
    Ok(())
}

fn compare(matches: &Matches, context: &Context) -> Result<bool, Failure> {
    let format = Format::of(matches)?;
    let [old, new] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::ARCHIVE_DIFF_ARGUMENTS);
    };
    let (old_path, new_path) = (Path::new(old), Path::new(new));
    let (old, new) = (archives::open(old_path)?, archives::open(new_path)?);
    if old.header().created > new.header().created {
        tracing::warn!("{}", texts::ARCHIVES_SWAPPED);
    }
    let read =
        |path: &Path, archive: &Archive, entry: &Entry| -> Result<ArchivedRepository, Failure> {
            archive
                .read(entry)
                .map_err(|error| archives::unusable(path, &error))
        };
    let busy = context.printer.busy(texts::ARCHIVES_COMPARING);
    let mut differ = false;
    let mut olds = old.entries().iter().peekable();
    let mut news = new.entries().iter().peekable();
    loop {
        // Both are in the order of their names.
        let order = match (olds.peek(), news.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.gun.cmp(&new.gun),
        };
        let before = (order != Ordering::Greater).then(|| olds.next()).flatten();
        let after = (order != Ordering::Less).then(|| news.next()).flatten();
        let difference = match (before, after) {
            (Some(before), Some(after)) => Difference::between(
                &read(old_path, &old, before)?,
                &read(new_path, &new, after)?,
            ),
            (Some(entry), None) => Some(Difference::presence(&entry.gun, Presence::Removed)),
            (None, Some(entry)) => Some(Difference::presence(&entry.gun, Presence::Added)),
            (None, None) => None,
        };
        busy.say(texts::ARCHIVES_COMPARING);
        if let Some(difference) = difference {
            differ = true;
            match format {
                Format::Json => reading::line(&difference, context)?,
                Format::Text => context.printer.out(&text(&difference))?,
            }
        }
    }
    Ok(differ)
}

fn text(difference: &Difference) -> String {
    let gun = visible(&difference.gun);
    match difference.presence {
        Some(Presence::Added) => return texts::archive_gun_added(&gun),
        Some(Presence::Removed) => return texts::archive_gun_removed(&gun),
        None => {}
    }
    let mut lines = Vec::new();
    lines.extend(difference.alarms.iter().map(alarm));
    if let Some(state) = &difference.state {
        lines.push(texts::archive_state_changed(&shown(state)));
    }
    lines.extend(difference.roles.iter().map(role));
    lines.extend(difference.tags.iter().map(tag));
    if lines.is_empty() {
        lines.push(texts::ARCHIVE_OTHER_DOCUMENTS.to_owned());
    }
    let mut page = texts::archive_gun_changed(&gun);
    for line in lines {
        page += &format!("  {}\n", visible(&line));
    }
    page
}

fn alarm(alarm: &Alarm) -> String {
    match alarm {
        Alarm::RolledBack { role, old, new } => texts::archive_rolled_back(role, *old, *new),
        Alarm::Contradiction {
            role,
            version,
            old,
            new,
        } => texts::archive_contradiction(role, *version, &old.to_string(), &new.to_string()),
        Alarm::Refused { reason } => texts::archive_new_refused(reason),
    }
}

fn role(change: &RoleChange) -> String {
    let mut parts = Vec::new();
    match change.presence {
        Some(Presence::Added) => parts.push(texts::ARCHIVE_ADDED.to_owned()),
        Some(Presence::Removed) => parts.push(texts::ARCHIVE_REMOVED.to_owned()),
        None => {}
    }
    if let Some(version) = &change.version {
        parts.push(texts::archive_version(&shown(version)));
    }
    if let Some(threshold) = &change.threshold {
        parts.push(texts::archive_threshold(&shown(threshold)));
    }
    let added = change.keys_added.iter();
    parts.extend(added.map(|id| texts::archive_key_added(id)));
    let removed = change.keys_removed.iter();
    parts.extend(removed.map(|id| texts::archive_key_removed(id)));
    if let Some(paths) = &change.paths {
        let quoted = |paths: &Option<Vec<String>>| {
            let paths = paths.iter().flatten();
            paths
                .map(|path| crate::texts::quote(path))
                .collect::<Vec<_>>()
                .join(" ")
        };
        parts.push(texts::archive_paths(
            &quoted(&paths.old),
            &quoted(&paths.new),
        ));
    }
    if let Some(unusable) = &change.unusable {
        parts.push(match &unusable.new {
            Some(reason) => texts::archive_now_unusable(reason),
            None => texts::ARCHIVE_USABLE_AGAIN.to_owned(),
        });
    }
    format!("{}: {}", change.role, parts.join(", "))
}

fn tag(change: &TagChange) -> String {
    let says = |tag: &signet_archive::contents::Tag| {
        let digest = tag.digest.as_deref().unwrap_or("no SHA-256");
        let signers: Vec<&str> = tag.signers.iter().map(String::as_str).collect();
        texts::archive_tag(digest, &tag.role, &signers.join(", "))
    };
    match (&change.entry.old, &change.entry.new) {
        (None, Some(new)) => texts::archive_tag_added(&change.name, &says(new)),
        (Some(old), None) => texts::archive_tag_removed(&change.name, &says(old)),
        (old, new) => {
            let said = |tag: &Option<_>| tag.as_ref().map(says).unwrap_or_default();
            texts::archive_tag_changed(&change.name, &said(old), &said(new))
        }
    }
}

/// `1 -> 2`, with a dash for what is not there.
fn shown<T: std::fmt::Display>(changed: &Changed<T>) -> String {
    let side = |value: &Option<T>| value.as_ref().map_or_else(|| "-".to_owned(), T::to_string);
    format!("{} -> {}", side(&changed.old), side(&changed.new))
}
