//! `notary delegation purge GUN --key ID,…`: keys out of every delegation, staged.

use signet_client::Edit;
use signet_tuf::{KeyId, RoleName};

use crate::cobra::parse::Matches;
use crate::notary::{Context, publishing, repository, staging};
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let [name] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::DELEGATION_PURGE_ARGUMENTS);
    };
    let keys = matches.list("key");
    if keys.is_empty() {
        return context.wrong_arguments(texts::DELEGATION_PURGE_KEYS);
    }
    let gun = repository::gun(name)?;
    let repository = repository::open_offline(context, &gun)?;
    let ids: Vec<KeyId> = keys.iter().map(|key| KeyId::from_metadata(key)).collect();
    if let Some(known) = super::known(&repository) {
        let nowhere: Vec<&str> = ids
            .iter()
            .filter(|id| !known.has_key_anywhere(id))
            .map(KeyId::as_str)
            .collect();
        if !nowhere.is_empty() {
            tracing::warn!("{}", texts::keys_nowhere_remembered(gun.as_str(), &nowhere));
        }
    }
    let edit = Edit::PurgeKeys {
        below: RoleName::targets(),
        keys: ids,
    };
    staging::stage(&repository, [edit])?;
    context
        .printer
        .out(&texts::purge_staged(gun.as_str(), &keys))?;
    publishing::auto_publish(matches, context, &gun)
}
