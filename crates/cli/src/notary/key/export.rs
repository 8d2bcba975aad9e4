//! `key export`: keys in a file, under the passphrases that they have.

use std::path::Path;

use signet_keys::transfer::{self, Selection};

use super::{file, problem, store};
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    if !matches.args.is_empty() {
        return context.wrong_arguments(texts::EXPORT_TAKES_NOTHING);
    }
    let (guns, keys) = (matches.list("gun"), matches.list("key"));
    let selection = match (guns.as_slice(), keys.as_slice()) {
        ([], []) => Selection::All,
        (guns, []) => Selection::Guns(guns),
        ([], keys) => Selection::Keys(keys),
        _ => return Err(Failure::new(texts::EXPORT_ONE_FILTER)),
    };
    let store = store(context)?;
    let exported =
        transfer::export(&store, selection).map_err(|error| Failure::new(problem(&error)))?;
    match matches.text("output") {
        "" => {
            let text =
                std::str::from_utf8(&exported).map_err(|error| Failure::new(error.to_string()))?;
            Ok(context.printer.out(text)?)
        }
        path => file::write(Path::new(path), &exported),
    }
}
