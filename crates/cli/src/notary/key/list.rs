//! `key list`: which keys there are.

use serde::Serialize;
use signet_keys::{KeyInfo, KeyStore as _};

use super::store;
use crate::cobra::parse::Matches;
use crate::notary::format::Format;
use crate::notary::{Context, tables};
use crate::texts::{notary as texts, visible};
use crate::ui::report::Failure;

/// The longest GUN that is shown whole.
const GUN_WIDTH: usize = 25;
/// The longest location that is shown whole.
const LOCATION_WIDTH: usize = 40;

/// A key in JSON. Names stand there whole.
#[derive(Serialize)]
struct Line<'a> {
    role: &'a str,
    gun: Option<&'a str>,
    id: &'a str,
    location: &'a str,
}

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    if !matches.args.is_empty() {
        // compat: Go has no words for it, only the line that they would stand in.
        context.printer.out(&context.page.usage())?;
        context.printer.out(&texts::fatal(""))?;
        return Err(Failure::silent());
    }
    let is_json = Format::of(matches)? == Format::Json;
    let store = store(context)?;
    let mut keys = store
        .list()
        .map_err(|error| Failure::new(super::problem(&error)))?;
    keys.sort_by(|left, right| order(left).cmp(&order(right)));
    if is_json {
        for key in &keys {
            let line = crate::texts::json::line(&Line {
                role: &key.role,
                gun: key.gun.as_ref().map(|gun| gun.as_str()),
                id: key.id.as_str(),
                location: &key.location,
            })
            .map_err(|error| Failure::new(error.to_string()))?;
            context.printer.out(&format!("{line}\n"))?;
        }
        return Ok(());
    }
    if keys.is_empty() {
        return Ok(context.printer.out(texts::NO_KEYS)?);
    }
    let rows: Vec<_> = keys.iter().map(row).collect();
    let table = tables::table(["ROLE", "GUN", "KEY ID", "LOCATION"], &rows);
    Ok(context.printer.out(&format!("\n{table}\n"))?)
}

/// Root keys first, then by repository, role, ID and place.
fn order(key: &KeyInfo) -> (bool, &str, &str, &str, &str) {
    (
        key.role != "root",
        key.gun.as_ref().map_or("", |gun| gun.as_str()),
        &key.role,
        key.id.as_str(),
        &key.location,
    )
}

fn row(key: &KeyInfo) -> [String; 4] {
    let gun = key.gun.as_ref().map_or("", |gun| gun.as_str());
    [
        visible(&key.role),
        visible(&shortened(gun, GUN_WIDTH)),
        key.id.to_string(),
        visible(&shortened(&key.location, LOCATION_WIDTH)),
    ]
}

/// The end of what is longer than `most` bytes, as long as that with the dots before it.
fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut from = text.len() - (most - 3);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    format!("...{}", text.get(from..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 9 of the specification: 25 bytes and 40 bytes.
    #[test]
    fn long_names_keep_their_ends() {
        let name = |length: usize| "0123456789".repeat(9).split_at(length).0.to_owned();
        assert_eq!(shortened(&name(25), GUN_WIDTH), name(25));
        assert_eq!(shortened(&name(26), GUN_WIDTH), "...4567890123456789012345");
        assert_eq!(shortened(&name(40), LOCATION_WIDTH), name(40));
        assert_eq!(shortened(&name(41), LOCATION_WIDTH).len(), 40);
        assert_eq!(shortened(&"ü".repeat(13), GUN_WIDTH).chars().count(), 14);
    }
}
