//! `notary lookup GUN TARGET`: what a target's digest and length are.

use signet_client::Access;
use signet_tuf::{FoundTarget, Gun};

use super::format::{self, Format};
use super::list::{self, Row};
use super::repository;
use super::{Context, hints};
use crate::cobra::parse::Matches;
use crate::texts::{notary as texts, visible};
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let [name, target, ..] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::GUN_AND_TARGET_ARGUMENTS);
    };
    let form = Format::of(matches)?;
    let gun = repository::gun(name)?;
    let found = find(context, &gun, target)?;
    match form {
        Format::Json => format::lines([Row::of((&found).into())], context),
        Format::Text => Ok(context.printer.out(&texts::looked_up(
            &visible(target),
            &list::sha256(&found.target),
            found.target.length,
        ))?),
    }
}

/// The first role's entry that may sign the name.
pub(super) fn find(context: &Context, gun: &Gun, target: &str) -> Result<FoundTarget, Failure> {
    context.block_on(async {
        let mut opened = repository::open(context, gun, Access::Pull).await?;
        let trusted = opened.read(context, gun).await?;
        trusted.lookup(target, &[]).ok_or_else(|| {
            let tag = hints::tag_of(target).filter(|tag| trusted.lookup(tag, &[]).is_some());
            let advice = tag.map_or_else(
                || texts::hints::list_shows(gun.as_str()),
                texts::hints::target_is_tag,
            );
            Failure::new(texts::no_valid_trust_data(target)).hint(advice)
        })
    })
}
