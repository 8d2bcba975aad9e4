//! Roles to be witnessed whose documents nobody vouches for: a server can put anything into them, so somebody has to see what it is.

use std::io::{self, IsTerminal as _};

use signet_client::publish::Unproven;
use signet_client::{Error, PublishOptions};

use super::Context;
use super::repository::Opened;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// Shows what staged changes would sign unseen, and asks. What may be signed so is noted in `options`; `agreed` is the answer of scripts.
///
/// # Errors
/// When a document may not be signed. Then everything stays staged.
pub(super) fn show(
    context: &Context,
    opened: &Opened,
    agreed: bool,
    options: &mut PublishOptions,
) -> Result<(), Failure> {
    let unproven = opened.repository.staged_unproven();
    let unproven = unproven.map_err(|error| opened.failure(&error))?;
    for found in unproven {
        if !agrees(context, &found, agreed)? {
            let error = Error::Unproven { role: found.role };
            return Err(Failure::new(error.to_string()));
        }
        let bytes = found.bytes().clone();
        options.as_shown.insert(found.role, bytes);
    }
    Ok(())
}

fn agrees(context: &Context, found: &Unproven, agreed: bool) -> Result<bool, Failure> {
    let role = found.role.as_str();
    let content = texts::unproven(role, found.document.unverified(), found.keys_signed_before);
    if agreed && !found.keys_signed_before {
        context.printer.err(&content);
        return Ok(true);
    }
    if io::stdin().is_terminal() && context.printer.talks_to_terminal() {
        context.printer.out(&content)?;
        return context
            .terminal
            .confirm_word(texts::SIGN_UNPROVEN)
            .map_err(|error| Failure::new(error.to_string()));
    }
    context.printer.err(&content);
    context
        .printer
        .err(&texts::unproven_refused(found.keys_signed_before));
    Ok(false)
}
