//! `notary remove GUN TARGET [-r ROLE,…]`: stages the removal of a target.

use signet_client::Edit;

use super::{Context, publishing, repository, staging};
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    // compat: here, unlike elsewhere, without the usage.
    let [name, target, ..] = matches.args.as_slice() else {
        return Err(Failure::new(texts::GUN_AND_TARGET_ARGUMENTS));
    };
    let gun = repository::gun(name)?;
    let repository = repository::open_offline(context, &gun)?;
    let removal = |role| Edit::RemoveTarget {
        role,
        name: target.clone(),
    };
    staging::stage(
        &repository,
        staging::roles(matches)?.into_iter().map(removal),
    )?;
    context
        .printer
        .out(&texts::removal_staged(target, gun.as_str()))?;
    publishing::auto_publish(matches, context, &gun)
}
