//! `key remove ID`: a key that nobody needs any more.

use signet_keys::KeyStore as _;
use signet_tuf::KeyId;

use super::{id, problem, store};
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let id = id(matches, context, texts::REMOVE_WHAT)?;
    let store = store(context)?;
    let failed = |error: signet_keys::Error| Failure::new(problem(&error));
    let key = match id.parse::<KeyId>() {
        Ok(id) => store.info(&id).map_err(failed)?,
        Err(_) => None,
    };
    context.printer.out("\n")?;
    let Some(key) = key else {
        context.printer.out("\n")?;
        return Err(Failure::new(texts::no_key(id)));
    };
    let what = texts::key_description(&key);
    let agreed = context
        .terminal
        .confirm_word(&texts::remove_key(&what))
        .map_err(|error| Failure::new(error.to_string()))?;
    if !agreed {
        return Ok(context.printer.out(&format!("{}\n", texts::ABORTING))?);
    }
    store.remove(&key.id).map_err(failed)?;
    Ok(context.printer.out(&texts::key_removed(&what))?)
}
