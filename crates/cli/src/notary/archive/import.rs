//! `notary archive import`: the repositories of an archive, with their history, into a trust server of ours.

mod outcome;
mod target;

use std::path::Path;

use signet_archive::contents::root_keys;
use signet_archive::{Archive, Entry, State, judge};
use signet_tuf::{Gun, TrustPinning};

use self::outcome::{FirstRoot, Outcome, Result as Told, Summary};
use self::target::Target;
use crate::archives;
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::notary::format::Format;
use crate::notary::login::NamedBy;
use crate::notary::server::without_user;
use crate::texts::{notary as texts, quote, visible};
use crate::ui::report::Failure;

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let [file, guns @ ..] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::IMPORT_FILE_MISSING);
    };
    let is_json = Format::of(matches)? == Format::Json;
    let into = matches.text("into");
    if into.is_empty() {
        return context.wrong_arguments(texts::IMPORT_INTO_MISSING);
    }
    let logins_for = matches.list("login-for");
    let named_by = if guns.is_empty() {
        NamedBy::others(&logins_for)?
    } else {
        NamedBy::user(&logins_for)?
    };
    let path = Path::new(file);
    // Also when the value is empty: what was meant to be demanded must not be left out.
    let archivist = matches
        .is_given("archivist")
        .then(|| archives::archivist(matches.text("archivist"), context.now()))
        .transpose()?;
    let pinning = context.pinning()?.into_iter().next().unwrap_or_default();
    let archive = archives::open(path)?;
    if let Some(key) = &archivist {
        archives::check_archivist(path, &archive, key)?;
    }
    let entries = select(&archive, file, guns)?;
    let dry_run = matches.is_set("dry-run");
    let shown = if into.contains("://") {
        without_user(into)
    } else {
        into.to_owned()
    };
    let mut summary = Summary::new(file, &shown, dry_run);
    let imported = context.block_on(async {
        let mut target =
            Target::open(into, matches.is_set("create"), dry_run, named_by, context).await?;
        let from = From {
            archive: &archive,
            path,
            pinning: &pinning,
        };
        let outcome = all(&from, &entries, &mut target, &mut |told: Told| {
            if !is_json {
                context.printer.out(&told.line(dry_run))?;
            }
            summary.add(told);
            Ok(())
        })
        .await;
        target.close().await;
        outcome
    });
    if is_json {
        context.printer.out(&summary.json()?)?;
    } else {
        context.printer.out(&summary.text())?;
    }
    imported?;
    if summary.refused > 0 {
        let hint = texts::see_show(file);
        return Err(Failure::new(texts::import_refused(summary.refused)).hint(hint));
    }
    Ok(())
}

/// The lines of the index that are wanted: all, or those that are named.
fn select<'a>(
    archive: &'a Archive,
    file: &str,
    guns: &[String],
) -> Result<Vec<&'a Entry>, Failure> {
    if guns.is_empty() {
        return Ok(archive.entries().iter().collect());
    }
    let mut entries: Vec<&Entry> = Vec::new();
    for name in guns {
        let gun: Gun = name
            .parse()
            .map_err(|error: signet_tuf::InvalidGun| Failure::new(error.to_string()))?;
        let entry = archive.entry(&gun).ok_or_else(|| {
            Failure::new(crate::texts::archive::not_archived(gun.as_str(), file))
                .hint(crate::texts::archive::see_list(file))
        })?;
        if !entries.iter().any(|other| other.gun == entry.gun) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// Where the repositories come from, and by which pins their roots are judged.
struct From<'a> {
    archive: &'a Archive,
    path: &'a Path,
    pinning: &'a TrustPinning,
}

/// Imports one repository after the other. What is wrong with one is told and does not keep the others back; what is wrong with the target
/// ends the command.
async fn all(
    from: &From<'_>,
    entries: &[&Entry],
    target: &mut Target,
    tell: &mut impl FnMut(Told) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for entry in entries {
        let gun = entry.gun.clone();
        let outcome = match one(from, entry, target).await {
            Ok(outcome) => outcome,
            Err(failure) => {
                return Err(failure.and(&texts::import_stopped(&visible(&gun))));
            }
        };
        tell(Told { gun, outcome })?;
    }
    Ok(())
}

async fn one(from: &From<'_>, entry: &Entry, target: &mut Target) -> Result<Outcome, Failure> {
    let read = from.archive.read(entry);
    let repository = read.map_err(|error| archives::unusable(from.path, &error))?;
    // The recorded verdict is a claim.
    let captured = repository.record.captured.time();
    let verdict = judge(&repository, captured, from.pinning).verdict;
    match verdict.state {
        State::Trusted | State::Degraded | State::Expired => {}
        State::Absent | State::Refused | State::Unreachable => {
            return Ok(Outcome::Nothing(verdict.state));
        }
        State::Untrusted | State::Incomplete => {
            let mut reason = verdict.state.to_string();
            if let Some(role) = &verdict.role {
                reason.push_str(&format!(", {role}"));
            }
            if let Some(why) = &verdict.reason {
                reason.push_str(&format!(": {why}"));
            }
            return Ok(Outcome::Refused(reason));
        }
    }
    let mut outcome = target.import(&repository).await?;
    if let Outcome::Imported {
        before: 0,
        first_root,
        ..
    } = &mut outcome
    {
        *first_root = Some(FirstRoot {
            keys: root_keys(&repository).unwrap_or_default().1,
            pinned: from.pinning.pins(&repository.record.gun),
        });
    }
    Ok(outcome)
}

/// Names of roles and repositories as they are shown.
fn shown(text: &str) -> String {
    if text.chars().any(char::is_whitespace) {
        quote(text)
    } else {
        visible(text)
    }
}
