//! The logins of a command's images.

use std::path::PathBuf;
use std::sync::Arc;

use signet_oci::Reference;

use super::context::Context;
pub(super) use crate::login::{Login, Logins, Refused, TrustLogin};

/// The login for the registry of `reference`. Nothing is read yet.
pub(super) fn of(context: &Context, config_dir: PathBuf, reference: &Reference) -> Arc<Login> {
    context.logins.of(reference, || {
        Login::of_registry(&context.env, config_dir, reference, &context.printer)
    })
}
