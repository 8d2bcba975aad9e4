//! What a token server answers.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderValue};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use zeroize::Zeroizing;

use super::{MAX_TOKEN_BYTES, TokenError};
use crate::go_json;
use crate::registry::printable;

/// What counts where the answer says nothing, or less.
const LEAST_LIFETIME: Duration = Duration::from_secs(60);
/// No token is held longer, whatever the answer says.
const MOST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Most errors of a refusal that are passed on.
const MAX_ERRORS: usize = 8;

/// A token, ready to be sent.
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// From when it was asked for.
    pub(super) lifetime: Duration,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    access_token: Option<String>,
    token: Option<String>,
    expires_in: Option<i64>,
    issued_at: Option<String>,
}

/// Reads an answer with status 200.
pub(super) fn token(headers: &HeaderMap, body: &[u8]) -> Result<Token, TokenError> {
    let undecodable = |reason: String| TokenError::Undecodable { reason };
    let json = go_json::first_value(body)
        .map_err(|error| undecodable(error.to_string()))?
        .ok_or_else(|| undecodable("EOF".to_owned()))?;
    // serde's own text may quote what it found, and that may be the token.
    let answer: Answer = match json.first() {
        Some(b'{') => serde_json::from_slice(json).ok(),
        _ => None,
    }
    .ok_or_else(|| undecodable("json: cannot unmarshal the answer".to_owned()))?;
    let [newer, older] =
        [answer.access_token, answer.token].map(|token| Zeroizing::new(token.unwrap_or_default()));
    let token = if newer.is_empty() { older } else { newer };
    if token.is_empty() {
        return Err(TokenError::NoToken);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(undecodable(format!(
            "the token is longer than {MAX_TOKEN_BYTES} bytes"
        )));
    }
    let text = Zeroizing::new(format!("Bearer {}", *token));
    let mut header = HeaderValue::from_str(&text)
        .map_err(|_| undecodable("the token has characters that no header can have".to_owned()))?;
    header.set_sensitive(true);
    let announced = Duration::from_secs(u64::try_from(answer.expires_in.unwrap_or(0)).unwrap_or(0))
        .clamp(LEAST_LIFETIME, MOST_LIFETIME);
    Ok(Token {
        header,
        lifetime: announced.saturating_sub(age(answer.issued_at.as_deref(), headers)),
    })
}

/// How old the token is already. Both moments are the server's, so that a wrong clock on this side does no harm.
fn age(issued_at: Option<&str>, headers: &HeaderMap) -> Duration {
    let issued = issued_at.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let answered = headers
        .get(DATE)
        .and_then(|date| date.to_str().ok())
        .and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
    match (issued, answered) {
        (Some(issued), Some(answered)) => {
            Duration::try_from(answered - issued).unwrap_or(Duration::ZERO)
        }
        _ => Duration::ZERO,
    }
}

#[derive(Deserialize)]
struct Details {
    details: String,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What an answer with another status says, as docker puts it.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> String {
    if !status.is_client_error() {
        return format!("received unexpected HTTP status: {status}");
    }
    if let Ok(Details { details }) = serde_json::from_slice(body)
        && !details.is_empty()
    {
        let code = match status.as_u16() {
            401 => "unauthorized",
            403 => "denied",
            429 => "toomanyrequests",
            _ => "unknown",
        };
        return format!("{code}: {}", printable(&details));
    }
    let problem = match serde_json::from_slice::<Errors>(body) {
        Ok(Errors { errors }) if !errors.is_empty() => {
            let lines: Vec<String> = errors.iter().take(MAX_ERRORS).map(line).collect();
            return match lines.as_slice() {
                [only] => only.clone(),
                _ => format!("errors:\n{}", lines.join("\n")),
            };
        }
        Ok(_) => "no error details found in HTTP response body".to_owned(),
        Err(error) => match go_json::first_value(body) {
            Ok(None) => "unexpected end of JSON input".to_owned(),
            Ok(Some(_)) if error.is_data() => {
                "no error details found in HTTP response body".to_owned()
            }
            Ok(Some(_)) => error.to_string(),
            Err(error) => error.to_string(),
        },
    };
    if status == StatusCode::UNAUTHORIZED {
        return "unauthorized: authentication required".to_owned();
    }
    let shown = printable(&String::from_utf8_lossy(body));
    format!(
        "error parsing HTTP {} response body: {problem}: {shown:?}",
        status.as_u16()
    )
}

/// One error with the name that docker knows its code by.
fn line(fault: &Fault) -> String {
    let (name, meaning) = match fault.code.as_str() {
        "UNAUTHORIZED" => ("unauthorized", "authentication required"),
        "DENIED" => ("denied", "requested access to the resource is denied"),
        "UNSUPPORTED" => ("unsupported", "The operation is unsupported."),
        "UNAVAILABLE" => ("unavailable", "service unavailable"),
        "TOOMANYREQUESTS" => ("toomanyrequests", "too many requests"),
        _ => ("unknown", "unknown error"),
    };
    let message = if fault.message.is_empty() {
        meaning.to_owned()
    } else {
        printable(&fault.message)
    };
    format!("{name}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<(String, u64), String> {
        read_with(&HeaderMap::new(), body)
    }

    fn read_with(headers: &HeaderMap, body: &str) -> Result<(String, u64), String> {
        token(headers, body.as_bytes())
            .map(|token| {
                assert!(token.header.is_sensitive());
                let header = token.header.to_str().unwrap().to_owned();
                (header, token.lifetime.as_secs())
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_newer_name_is_preferred_and_short_lives_are_a_minute() {
        for (body, expected, seconds) in [
            (r#"{"token":"t"}"#, "Bearer t", 60),
            (r#"{"access_token":"a"}"#, "Bearer a", 60),
            (
                r#"{"token":"t","access_token":"a","expires_in":300}"#,
                "Bearer a",
                300,
            ),
            (
                r#"{"access_token":"","token":"t","expires_in":59}"#,
                "Bearer t",
                60,
            ),
            (
                r#"{"access_token":null,"token":"t","expires_in":null}"#,
                "Bearer t",
                60,
            ),
            (
                r#"{"token":"t","expires_in":-5,"other":[1]} rest"#,
                "Bearer t",
                60,
            ),
            (
                r#"{"token":"t","expires_in":9223372036854775807}"#,
                "Bearer t",
                86_400,
            ),
        ] {
            assert_eq!(read(body), Ok((expected.to_owned(), seconds)), "{body}");
        }
    }

    #[test]
    fn what_an_old_token_has_left_is_told_by_the_servers_clock() {
        let mut headers = HeaderMap::new();
        headers.insert(
            DATE,
            HeaderValue::from_static("Sun, 22 Nov 2026 12:04:00 GMT"),
        );
        let body =
            |issued: &str| format!(r#"{{"token":"t","expires_in":300,"issued_at":"{issued}"}}"#);
        for (issued, left) in [
            ("2026-11-22T12:04:00Z", 300),
            ("2026-11-22T12:00:00Z", 60),
            ("2026-11-22T13:00:00.25+01:00", 60),
            ("2026-11-22T11:00:00Z", 0),
            ("2026-11-22T12:10:00Z", 300),
            ("yesterday", 300),
        ] {
            let read = read_with(&headers, &body(issued)).unwrap();
            assert_eq!(read.1, left, "{issued}");
        }
        assert_eq!(read(&body("2026-11-22T11:00:00Z")).unwrap().1, 300);
    }

    /// docker 28.2's texts, seen at its client.
    #[test]
    fn what_is_no_token_is_said_in_dockers_words() {
        let none = "authorization server did not include a token in the response";
        let undecodable = |reason: &str| format!("unable to decode token response: {reason}");
        for (body, expected) in [
            ("{}", none.to_owned()),
            (r#"{"token":""}"#, none.to_owned()),
            (
                "<html>",
                undecodable("invalid character '<' looking for beginning of value"),
            ),
            ("", undecodable("EOF")),
            ("{", undecodable("unexpected EOF")),
            ("[]", undecodable("json: cannot unmarshal the answer")),
            (
                r#"{"token":{"s3cret":1}}"#,
                undecodable("json: cannot unmarshal the answer"),
            ),
            (
                r#"{"token":"s3cret","expires_in":"s3cret"}"#,
                undecodable("json: cannot unmarshal the answer"),
            ),
            (
                r#"{"token":"s3cret\r\nX-Evil: 1"}"#,
                undecodable("the token has characters that no header can have"),
            ),
        ] {
            assert_eq!(read(body), Err(expected), "{body}");
        }
        let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(MAX_TOKEN_BYTES + 1));
        assert!(read(&long).unwrap_err().contains("longer than 65536 bytes"));
        let deep = format!(
            r#"{{"token":"t","x":{}1{}}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        assert_eq!(
            read(&deep),
            Ok(("Bearer t".to_owned(), 60)),
            "depth costs no stack"
        );
    }

    /// docker 28.2's texts, seen at its client.
    #[test]
    fn refusals_are_told_in_dockers_words() {
        for (status, body, expected) in [
            (
                401,
                r#"{"details":"incorrect username or password"}"#,
                "unauthorized: incorrect username or password",
            ),
            (
                401,
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"go away"}]}"#,
                "unauthorized: go away",
            ),
            (
                401,
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"go away"},{"code":"DENIED","message":"m"}]}"#,
                "errors:\nunauthorized: go away\ndenied: m",
            ),
            (401, "<html>", "unauthorized: authentication required"),
            (401, "", "unauthorized: authentication required"),
            (
                403,
                r#"{"errors":[{"code":"DENIED","message":"nope"}]}"#,
                "denied: nope",
            ),
            (
                403,
                r#"{"errors":[{"code":"DENIED"}]}"#,
                "denied: requested access to the resource is denied",
            ),
            (403, r#"{"details":"nope"}"#, "denied: nope"),
            (
                403,
                "{}",
                r#"error parsing HTTP 403 response body: no error details found in HTTP response body: "{}""#,
            ),
            (
                404,
                "<html>",
                r#"error parsing HTTP 404 response body: invalid character '<' looking for beginning of value: "<html>""#,
            ),
            (429, r#"{"details":"slow"}"#, "toomanyrequests: slow"),
            (
                400,
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"a\u001b[2Jb"}]}"#,
                "unknown: a[2Jb",
            ),
            (
                500,
                "x",
                "received unexpected HTTP status: 500 Internal Server Error",
            ),
            (302, "x", "received unexpected HTTP status: 302 Found"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                refusal(status, body.as_bytes()),
                expected,
                "{status} {body}"
            );
        }
    }
}
