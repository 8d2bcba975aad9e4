//! `notary delete GUN [--remote]`: forgets a repository, here or everywhere.

use signet_client::{Access, Error};

use super::{Context, repository};
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let Some(name) = matches.args.first() else {
        return context.wrong_arguments(texts::GUN_ARGUMENT);
    };
    let gun = repository::gun(name)?;
    if !matches.is_set("remote") {
        let mut repository = repository::open_offline(context, &gun)?;
        context.printer.out(&texts::deleting(gun.as_str()))?;
        let forgotten = context.block_on(async {
            let forgotten = repository.forget().await;
            forgotten.map_err(|error| repository::failure(&error, true))
        });
        forgotten.map_err(|failure| failure.hint(texts::DELETE_AGAIN))?;
        return Ok(context.printer.out(&texts::deleted(gun.as_str(), false))?);
    }
    context.block_on(async {
        let mut opened = repository::open(context, &gun, Access::All).await?;
        context.printer.out(&texts::deleting(gun.as_str()))?;
        // The server first: where it refuses, nothing is lost here, and the command can be given again.
        let deleted = {
            let _busy = context
                .printer
                .busy(&texts::deleting_remotely(gun.as_str()));
            opened.repository.remote().delete(&gun).await
        };
        deleted.map_err(|error| {
            opened
                .failure(&Error::Remote(error))
                .hint(texts::delete_here_alone(gun.as_str()))
        })?;
        let forgotten = opened.repository.forget().await;
        forgotten.map_err(|error| opened.failure(&error).hint(texts::DELETE_AGAIN))?;
        Ok(context.printer.out(&texts::deleted(gun.as_str(), true))?)
    })
}
