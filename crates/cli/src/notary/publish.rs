//! `notary publish GUN`: signs what is staged and uploads it.

use signet_client::Access;

use super::{Context, publishing, repository};
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let Some(name) = matches.args.first() else {
        return context.wrong_arguments(texts::GUN_ARGUMENT);
    };
    let gun = repository::gun(name)?;
    context.printer.out(&texts::pushing(gun.as_str()))?;
    context.block_on(async {
        let mut opened = repository::open(context, &gun, Access::PushPull).await?;
        publishing::publish(context, &gun, &mut opened, false).await
    })
}
