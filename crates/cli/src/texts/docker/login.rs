//! Logins: what a person can do when a server does not let them in.

/// Nobody is logged in. `registry` is empty or begins with a blank.
#[must_use]
pub fn not_logged_in(registry: &str) -> String {
    format!("nobody is logged in there: docker login{registry}")
}

/// The server does not take the password or identity token that docker has stored.
#[must_use]
pub fn login_not_accepted(user: Option<&str>, registry: &str) -> String {
    format!(
        "the stored login{} is not accepted: docker login{registry}",
        of(user)
    )
}

/// The server knows who it is and does not allow it.
#[must_use]
pub fn access_not_granted(user: Option<&str>, registry: &str) -> String {
    format!(
        "the login{} does not give this right: ask whoever administers the repository, or docker login{registry} as somebody else",
        of(user)
    )
}

fn of(user: Option<&str>) -> String {
    user.filter(|user| !user.is_empty())
        .map_or_else(String::new, |user| format!(" of {user}"))
}
