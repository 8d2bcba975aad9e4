//! What a server says when it refuses.

use serde::Deserialize;
use signet_tuf::update::Refusal;

use super::{RemoteError, RetryAfter};

/// What is wrong with an upload, in the server's words (specification, `server.md` section 8.6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Validation {
    /// The error's name, for example `ErrBadRoot`.
    pub name: String,
    /// The message, without control characters.
    pub message: String,
}

impl std::fmt::Display for Validation {
    /// The text that clients show.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefix = match self.name.as_str() {
            "ErrBadHierarchy" => "Metadata hierarchy is incomplete",
            "ErrBadRoot" => "The root metadata is invalid",
            "ErrBadSnapshot" => "The snapshot metadata is invalid",
            "ErrBadTargets" => "The targets metadata is invalid",
            _ => "An error occurred during validation",
        };
        write!(f, "{prefix}: {}", self.message)
    }
}

/// Reads the body of an error answer. What cannot be read costs only detail.
pub(super) fn refusal(status: u16, body: &[u8], retry_after: Option<RetryAfter>) -> RemoteError {
    let error = serde_json::from_slice::<Errors>(body)
        .ok()
        .and_then(|errors| match <[Entry; 1]>::try_from(errors.errors) {
            Ok([only]) => Some(only),
            Err(_) => None,
        });
    let (code, detail) = error.map_or((None, None), |error| (error.code, error.detail));
    let validation = detail
        .and_then(|detail| serde_json::from_value::<Detail>(detail).ok())
        .filter(|detail| KNOWN.contains(&detail.name.as_str()))
        .map(|detail| Validation {
            name: detail.name,
            message: printable(&detail.error.msg),
        });
    RemoteError::Refused {
        refusal: Refusal {
            status,
            message: validation.as_ref().map(ToString::to_string),
        },
        code: code.as_deref().map(printable),
        validation,
        retry_after: retry_after.map(Box::new),
    }
}

/// Server text never reaches a terminal with control characters in it (security, principle 6).
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

const KNOWN: [&str; 5] = [
    "ErrBadHierarchy",
    "ErrBadRoot",
    "ErrBadSnapshot",
    "ErrBadTargets",
    "ErrValidation",
];

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    code: Option<String>,
    detail: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Error")]
    error: DetailError,
}

#[derive(Deserialize)]
struct DetailError {
    #[serde(rename = "Msg")]
    msg: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> (String, Option<String>) {
        match refusal(400, body.as_bytes(), None) {
            RemoteError::Refused { refusal, code, .. } => (refusal.to_string(), code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn validation_errors_are_shown_as_go_clients_show_them() {
        let body = |detail: &str| {
            format!(r#"{{"errors":[{{"code":"INVALID_UPDATE","message":"m","detail":{detail}}}]}}"#)
        };
        for (detail, text) in [
            (
                r#"{"Name":"ErrBadRoot","Error":{"Msg":"root expired at x"}}"#,
                "The root metadata is invalid: root expired at x",
            ),
            (
                r#"{"Name":"ErrBadHierarchy","Error":{"Missing":"snapshot","Msg":"no snapshot"}}"#,
                "Metadata hierarchy is incomplete: no snapshot",
            ),
            (
                r#"{"Name":"ErrValidation","Error":{"Msg":"a\u001b[2Jb"}}"#,
                "An error occurred during validation: a\u{fffd}[2Jb",
            ),
            (
                r#"{"Name":"ErrOther","Error":{"Msg":"x"}}"#,
                "trust server rejected operation.",
            ),
            ("{}", "trust server rejected operation."),
        ] {
            assert_eq!(
                refused(&body(detail)),
                (text.into(), Some("INVALID_UPDATE".into()))
            );
        }
    }

    #[test]
    fn other_bodies_say_only_that_it_was_refused() {
        for body in [
            "",
            "x",
            "{}",
            "[]",
            r#"{"errors":[]}"#,
            r#"{"errors":[{},{}]}"#,
        ] {
            assert_eq!(
                refused(body),
                ("trust server rejected operation.".into(), None),
                "{body}"
            );
        }
        let conflict = r#"{"errors":[{"code":"VERSION","message":"A newer version of metadata is already available.","detail":{}}]}"#;
        assert!(refusal(400, conflict.as_bytes(), None).is_version_conflict());
    }
}
