//! `notary delegation list GUN`: the delegations of a repository with their paths and keys.

use serde::Serialize;
use signet_client::Access;
use signet_tuf::{FoundDelegation, Gun};

use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::notary::format::{self, Format};
use crate::notary::{repository, tables};
use crate::texts::{notary as texts, visible};
use crate::ui::report::Failure;

/// A delegation, for programs.
#[derive(Debug, Serialize)]
struct Row {
    role: String,
    paths: Vec<String>,
    /// Canonical IDs: of the bare public keys, not of certificates.
    keys: Vec<String>,
    threshold: i64,
}

impl Row {
    fn of(found: FoundDelegation) -> Self {
        let mut paths = found.paths;
        paths.sort_unstable();
        Self {
            role: found.role.to_string(),
            paths,
            keys: found
                .keys
                .iter()
                .map(|key| key.canonical_id().to_string())
                .collect(),
            threshold: found.threshold,
        }
    }

    /// Go shows the role and its threshold once, and a path and a key in each line.
    fn lines(&self) -> impl Iterator<Item = [String; 4]> {
        (0..self.paths.len().max(self.keys.len()).max(1)).map(|i| {
            let path = self
                .paths
                .get(i)
                .map(|path| texts::shown_path(&visible(path)));
            let key = self.keys.get(i).map(|key| visible(key));
            let (role, threshold) = if i == 0 {
                (visible(&self.role), self.threshold.to_string())
            } else {
                (String::new(), String::new())
            };
            [
                role,
                path.unwrap_or_default(),
                key.unwrap_or_default(),
                threshold,
            ]
        })
    }
}

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let [name] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::DELEGATION_LIST_ARGUMENTS);
    };
    let form = Format::of(matches)?;
    let gun = repository::gun(name)?;
    let rows = context
        .block_on(rows(context, &gun))
        .map_err(|failure| failure.prefix(&texts::delegations_not_retrieved(gun.as_str())))?;
    match form {
        Format::Json => format::lines(rows, context),
        Format::Text if rows.is_empty() => Ok(context.printer.out(texts::NO_DELEGATIONS)?),
        Format::Text => {
            let lines: Vec<_> = rows.iter().flat_map(Row::lines).collect();
            let table = tables::table(["ROLE", "PATHS", "KEY IDS", "THRESHOLD"], &lines);
            Ok(context.printer.out(&format!("\n{table}\n"))?)
        }
    }
}

/// What the valid documents delegate, by role.
async fn rows(context: &Context, gun: &Gun) -> Result<Vec<Row>, Failure> {
    let mut opened = repository::open(context, gun, Access::Pull).await?;
    let trusted = opened.read(context, gun).await?;
    let mut rows: Vec<Row> = trusted.delegations().into_iter().map(Row::of).collect();
    rows.sort_by(|a, b| a.role.cmp(&b.role));
    Ok(rows)
}
