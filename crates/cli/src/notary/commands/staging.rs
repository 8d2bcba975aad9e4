//! What the tables of commands that stage targets have in common.

use crate::cobra::flag::{strings, text};
use crate::cobra::{Completes, Flag};

pub(super) const CUSTOM: Flag = text(
    "custom",
    None,
    "File with JSON to sign together with the target",
);

pub(super) const ROLES: Flag = strings(
    "roles",
    Some('r'),
    "Roles that it is for, each for itself (default targets)",
)
.completing(Completes::Roles);
