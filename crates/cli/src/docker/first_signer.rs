//! The first signer of a repository, named after the registry's user.

use super::context::Context;
use super::name::SignerName;
use crate::texts::docker as texts;

/// The signer for that user. A user without a name that signers can have gets one made of it; one who is not logged in signs with the
/// repository key, as docker's trusted push does.
pub(super) fn first_signer(user: Option<&str>, context: &Context) -> Option<SignerName> {
    let user = user.filter(|user| !user.is_empty());
    let Some(user) = user else {
        context.printer.err(texts::NO_USER);
        return None;
    };
    if let Ok(name) = SignerName::parse(user) {
        return Some(name);
    }
    match SignerName::parse(&fitting_name(user)) {
        Ok(name) => {
            context
                .printer
                .err(&texts::user_renamed(user, &name.to_string()));
            Some(name)
        }
        Err(_) => {
            context.printer.err(&texts::user_is_no_name(user));
            None
        }
    }
}

/// A name that signers can have, from one that they cannot.
fn fitting_name(user: &str) -> String {
    let letters = user
        .chars()
        .map(|letter| match letter.to_ascii_lowercase() {
            letter if letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_' => {
                letter
            }
            _ => '-',
        });
    let name: String = letters.collect();
    name.trim_start_matches(['-', '_'])
        .chars()
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_get_a_name_that_signers_can_have() {
        for (user, name) in [
            ("Alice", "alice"),
            ("bob.x", "bob-x"),
            ("a@b.c", "a-b-c"),
            ("a/b", "a-b"),
            ("_x", "x"),
            ("é", ""),
            ("<token>", "token-"),
        ] {
            assert_eq!(fitting_name(user), name);
        }
        assert!(SignerName::parse(&fitting_name("Releases")).is_err());
    }
}
