//! `notary reset GUN -n N,…`: takes staged changes back.

use super::{Context, repository, staging};
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let Some(name) = matches.args.first() else {
        return context.wrong_arguments(texts::GUN_ARGUMENT);
    };
    let (all, numbers) = (matches.is_set("all"), matches.ints("number"));
    if !all && numbers.is_empty() {
        return context.wrong_arguments(texts::RESET_WHAT);
    }
    let gun = repository::gun(name)?;
    let repository = repository::open_offline(context, &gun)?;
    // What is staged, and not what it says: a file that is no change can be taken back, too.
    let chosen = staging::staged(&repository)?
        .into_iter()
        .enumerate()
        .filter(|(number, _)| {
            all || i64::try_from(*number).is_ok_and(|number| numbers.contains(&number))
        })
        .map(|(_, staged)| staged.name);
    staging::take_back(&repository, chosen)?;
    Ok(context.printer.out(&texts::reset(gun.as_str()))?)
}
