//! What the tables of reading commands have in common.

use crate::cobra::flag::text;
use crate::cobra::{Completes, Flag};

pub(super) const FORMAT: Flag =
    text("format", None, "Print 'json'").completing(Completes::OneOf(&["json", "text"]));
