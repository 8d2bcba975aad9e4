//! Refusals as the clients know them (specification, `server.md` section 6): the only place that maps what went wrong
//! to status codes and error codes.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http_body_util::Full;
use serde::Serialize;

use super::router::Response;
use crate::store::StoreError;

/// The kinds of errors that clients tell apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorCode {
    /// The archives that are served contradict each other.
    Contradiction,
    /// The GUN is none that this server takes.
    InvalidGun,
    /// A parameter of the changefeed is not understood.
    InvalidParameters,
    /// A part is named after no role.
    InvalidRole,
    /// The update breaks a rule.
    InvalidUpdate,
    /// A part is no document.
    MalformedJson,
    /// The body is not what was announced, or too large.
    MalformedUpload,
    /// No such document.
    MetadataNotFound,
    /// A part is not named.
    NoFilename,
    /// Archives are served, and they cannot be changed.
    ReadOnly,
    /// Too many wrong passwords came.
    TooManyRequests,
    /// There is no token that allows it.
    Unauthorized,
    /// The keys are out of reach for now.
    Unavailable,
    /// Anything that is the server's own fault.
    Unknown,
    /// The store failed while writing.
    Updating,
    /// The version exists already.
    Version,
}

impl ErrorCode {
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        const FAULT: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
        match self {
            Self::Contradiction => (
                BAD,
                "ARCHIVES_CONTRADICT",
                "The archives of this server contradict each other about this repository.",
            ),
            Self::InvalidGun => (
                BAD,
                "INVALID_GUN",
                "The server does not support actions on images of this name.",
            ),
            Self::InvalidParameters => (
                BAD,
                "INVALID_PARAMETERS",
                "The parameters provided are not valid.",
            ),
            Self::InvalidRole => (
                BAD,
                "INVALID_ROLE",
                "The role you are attempting to operate on is invalid.",
            ),
            Self::InvalidUpdate => (
                BAD,
                "INVALID_UPDATE",
                "Update sent by the client is invalid.",
            ),
            Self::MalformedJson => (
                BAD,
                "MALFORMED_JSON",
                "JSON sent by the client could not be parsed by the server",
            ),
            Self::MalformedUpload => (
                BAD,
                "MALFORMED_UPLOAD",
                "The body of your request is malformed.",
            ),
            Self::MetadataNotFound => (
                StatusCode::NOT_FOUND,
                "METADATA_NOT_FOUND",
                "You have requested metadata that does not exist.",
            ),
            Self::NoFilename => (BAD, "NO_FILENAME", "No file/role name provided."),
            Self::ReadOnly => (
                BAD,
                "READ_ONLY",
                "This server serves trust archives, which cannot be changed.",
            ),
            Self::TooManyRequests => (
                StatusCode::TOO_MANY_REQUESTS,
                "TOOMANYREQUESTS",
                "too many requests",
            ),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "UNAUTHORIZED",
                "authentication required",
            ),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN", "unknown error"),
            Self::Unknown => (FAULT, "UNKNOWN", "unknown error"),
            Self::Updating => (
                FAULT,
                "UPDATING",
                "An error has occurred while updating the TUF repository.",
            ),
            Self::Version => (
                BAD,
                "VERSION",
                "A newer version of metadata is already available.",
            ),
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiError {
    code: ErrorCode,
    /// JSON text.
    detail: Option<String>,
    /// Value of `Www-Authenticate`.
    challenge: Option<HeaderValue>,
    /// Value of `Retry-After`.
    wait: Option<u64>,
}

impl ApiError {
    /// An error without `detail`.
    #[must_use]
    pub const fn new(code: ErrorCode) -> Self {
        Self {
            code,
            detail: None,
            challenge: None,
            wait: None,
        }
    }

    /// An error with `detail`. One that cannot be written is left out.
    #[must_use]
    pub fn with_detail<T: Serialize + ?Sized>(code: ErrorCode, detail: &T) -> Self {
        Self {
            code,
            detail: serde_json::to_string(detail).ok(),
            challenge: None,
            wait: None,
        }
    }

    /// A refusal with a text that the Go clients show: of a status 400 they read a `detail` of this form, and of everything else
    /// nothing but the status.
    #[must_use]
    pub fn told(
        code: ErrorCode,
        name: &'static str,
        missing: Option<&'static str>,
        message: &str,
    ) -> Self {
        #[derive(Serialize)]
        struct Detail<'a> {
            #[serde(rename = "Name")]
            name: &'static str,
            #[serde(rename = "Error")]
            error: Reason<'a>,
        }
        #[derive(Serialize)]
        struct Reason<'a> {
            #[serde(rename = "Missing", skip_serializing_if = "Option::is_none")]
            missing: Option<&'static str>,
            #[serde(rename = "Msg")]
            msg: &'a str,
        }
        let msg = cut(message, MAX_MESSAGE);
        let error = Reason { missing, msg };
        Self::with_detail(code, &Detail { name, error })
    }

    /// What the request wants needs a token, with what must be in it and where it is given.
    #[must_use]
    pub fn unauthorized<T: Serialize + ?Sized>(detail: &T, challenge: Option<HeaderValue>) -> Self {
        Self {
            challenge,
            ..Self::with_detail(ErrorCode::Unauthorized, detail)
        }
    }

    /// An error with the empty `detail`.
    #[must_use]
    pub fn with_empty_detail(code: ErrorCode) -> Self {
        Self {
            code,
            detail: Some("{}".to_owned()),
            challenge: None,
            wait: None,
        }
    }

    /// The same, to be asked for again after this many seconds.
    #[must_use]
    pub fn after(self, seconds: u64) -> Self {
        Self {
            wait: Some(seconds),
            ..self
        }
    }

    /// The document, or the repository, is not there.
    #[must_use]
    pub fn no_such_document() -> Self {
        Self::with_empty_detail(ErrorCode::MetadataNotFound)
    }

    /// The server's own fault. What it was belongs into the log, not into the answer (defect D15).
    #[must_use]
    pub fn internal() -> Self {
        Self::with_empty_detail(ErrorCode::Unknown)
    }

    /// The answer to who came while the database had no connection free, which is no defect and soon over: to be tried again.
    pub(super) fn of_busy(error: &StoreError) -> Option<Self> {
        error.is_busy().then(|| {
            tracing::warn!("503 the database is busy: no connection came free in time");
            Self::with_empty_detail(ErrorCode::Unavailable).after(BUSY_SECONDS)
        })
    }

    /// What kind it is.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// Status, code and message.
    pub(super) const fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        self.code.parts()
    }

    /// The detail as JSON text.
    pub(super) fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response {
        let (status, code, message) = self.code.parts();
        let mut body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}""#);
        if let Some(detail) = &self.detail {
            body.push_str(r#","detail":"#);
            body.push_str(detail);
        }
        body.push_str("}]}\n");
        let detail = self.detail.as_deref().unwrap_or_default();
        let code = code.to_ascii_lowercase().replace('_', " ");
        if status.is_server_error() {
            tracing::error!("{code}: {message}: {detail}");
        } else {
            tracing::info!("{code}: {message}: {detail}");
        }
        let mut response = http::Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(
            CONTENT_TYPE,
            const { HeaderValue::from_static("application/json; charset=utf-8") },
        );
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = self.wait {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

/// How long clients are asked to wait for a database that is busy.
const BUSY_SECONDS: u64 = 2;

/// Most bytes of a message in a refusal: clients read 1024 bytes of the whole answer.
pub(super) const MAX_MESSAGE: usize = 700;

/// Cuts `text` so that its JSON form has at most `max` bytes.
pub(super) fn cut(text: &str, max: usize) -> &str {
    let mut length = 0;
    for (at, c) in text.char_indices() {
        length += match c {
            '"' | '\\' => 2,
            c if c < ' ' => 6,
            c => c.len_utf8(),
        };
        if length > max {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}
