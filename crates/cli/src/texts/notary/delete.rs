//! `notary delete`.

/// The first line.
#[must_use]
pub fn deleting(gun: &str) -> String {
    format!("Deleting trust data for repository {gun}\n")
}

/// While the server deletes.
#[must_use]
pub fn deleting_remotely(gun: &str) -> String {
    format!("Deleting {gun} on the server")
}

/// The last line.
#[must_use]
pub fn deleted(gun: &str, remotely: bool) -> String {
    let which = if remotely {
        "local and remote"
    } else {
        "local"
    };
    format!("Successfully deleted {which} trust data for repository {gun}\n")
}

/// Something is still there.
pub const DELETE_AGAIN: &str =
    "some of it may still be there: give the command again when the reason is gone";

/// The server refused.
#[must_use]
pub fn delete_here_alone(gun: &str) -> String {
    format!("nothing was removed here: notary delete {gun} removes what is remembered here alone")
}
