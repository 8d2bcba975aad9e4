//! Flags in the words of the tables.

use super::{Completes, Flag, FlagKind};

/// A flag without a value.
pub(crate) const fn switch(
    name: &'static str,
    shorthand: Option<char>,
    usage: &'static str,
) -> Flag {
    Flag {
        name,
        shorthand,
        kind: FlagKind::Bool,
        usage,
        completes: Completes::Nothing,
        hidden: false,
    }
}

/// A flag with a text, of which the last one counts. Files are offered as its value.
pub(crate) const fn text(name: &'static str, shorthand: Option<char>, usage: &'static str) -> Flag {
    Flag {
        kind: FlagKind::Text { default: "" },
        completes: Completes::Files,
        ..switch(name, shorthand, usage)
    }
}

/// A flag that may be given again and again. Files are offered as its value.
pub(crate) const fn list(name: &'static str, shorthand: Option<char>, usage: &'static str) -> Flag {
    Flag {
        kind: FlagKind::List,
        ..text(name, shorthand, usage)
    }
}

/// A flag with texts, separated by commas or given again and again. Nothing is offered as its value.
pub(crate) const fn strings(
    name: &'static str,
    shorthand: Option<char>,
    usage: &'static str,
) -> Flag {
    Flag {
        kind: FlagKind::Strings,
        ..switch(name, shorthand, usage)
    }
}

/// A flag with numbers, separated by commas or given again and again.
pub(crate) const fn ints(name: &'static str, shorthand: Option<char>, usage: &'static str) -> Flag {
    Flag {
        kind: FlagKind::Ints,
        ..switch(name, shorthand, usage)
    }
}

/// A flag with a number.
pub(crate) const fn int(name: &'static str, usage: &'static str, default: i64) -> Flag {
    Flag {
        kind: FlagKind::Int { default },
        ..switch(name, None, usage)
    }
}

impl Flag {
    /// The same with other values on offer.
    pub(crate) const fn completing(self, completes: Completes) -> Self {
        Self { completes, ..self }
    }

    /// The same, left out by help pages and completion.
    pub(crate) const fn hidden(self) -> Self {
        Self {
            hidden: true,
            ..self
        }
    }
}
