//! What `man` says.

use super::quote;

/// A command without a page.
#[must_use]
pub fn no_page(words: &[String]) -> String {
    format!("there is no command {}", quote(&words.join(" ")))
}

/// A page and a folder.
pub const ALL_OR_ONE: &str = "with --directory all pages are written; name no command";
