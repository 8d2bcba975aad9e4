//! The stream of JSON objects in which a daemon tells what it is doing.

use std::io;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::DaemonError;

/// Longest line of the stream, in bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Whoever shows what the daemon is doing.
pub trait Progress: Send {
    /// Shows one message. Everything in it is the daemon's, and through it the registry's, own choice of words.
    ///
    /// # Errors
    /// When the output cannot be written; the work is then given up.
    fn show(&mut self, message: &Message) -> io::Result<()>;
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn show(&mut self, _: &Message) -> io::Result<()> {
        Ok(())
    }
}

/// One object of the stream. Empty texts are absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Output of a build, with its line ends.
    pub stream: String,
    /// What is being done.
    pub status: String,
    /// How far it is.
    #[serde(rename = "progressDetail")]
    pub progress: Option<Amount>,
    /// How far it is, drawn by the daemon.
    #[serde(rename = "progress")]
    pub drawn_progress: String,
    /// The layer that is concerned.
    pub id: String,
    /// Where it comes from.
    pub from: String,
    /// When, in seconds since 1970.
    pub time: i64,
    /// When, in nanoseconds since 1970.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
    /// Why the work ends here.
    #[serde(rename = "errorDetail")]
    error: Option<Fault>,
    /// The same without its details, from engines before 1.4.
    #[serde(rename = "error")]
    old_error: String,
    /// Something for programs, which is never shown.
    aux: Option<Box<RawValue>>,
}

/// How far something is.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct Amount {
    /// How much is done.
    pub current: i64,
    /// How much there is.
    pub total: i64,
    /// When it began, in seconds since 1970.
    pub start: i64,
    /// Whether the numbers are not to be shown.
    #[serde(rename = "hidecounts")]
    pub hide_counts: bool,
    /// What is counted; bytes without.
    pub units: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    code: i64,
    message: String,
}

impl Message {
    /// What is meant for programs.
    pub(super) fn aux(&self) -> Option<&RawValue> {
        self.aux.as_deref()
    }

    /// The error that ends the work, if this is one.
    pub(super) fn fault(&self) -> Option<DaemonError> {
        let message = match &self.error {
            Some(Fault { code: 401, .. }) => "authentication is required".to_owned(),
            Some(fault) => fault.message.clone(),
            None if !self.old_error.is_empty() => self.old_error.clone(),
            None => return None,
        };
        Some(DaemonError::Work { message })
    }
}

/// Takes the stream apart as it comes.
#[derive(Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
}

impl Decoder {
    /// The messages that end in `chunk`.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<Vec<Message>, DaemonError> {
        let mut messages = Vec::new();
        let mut pieces = chunk.split(|byte| *byte == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.extend(piece)?;
            self.finish_line(&mut messages)?;
        }
        self.extend(last)?;
        Ok(messages)
    }

    /// The messages in what follows the last line end.
    pub(super) fn finish(mut self) -> Result<Vec<Message>, DaemonError> {
        let mut messages = Vec::new();
        self.finish_line(&mut messages)?;
        Ok(messages)
    }

    fn extend(&mut self, piece: &[u8]) -> Result<(), DaemonError> {
        if self.line.len().saturating_add(piece.len()) > MAX_LINE_BYTES {
            return Err(DaemonError::Malformed {
                reason: format!("a line of more than {MAX_LINE_BYTES} bytes"),
            });
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    fn finish_line(&mut self, messages: &mut Vec<Message>) -> Result<(), DaemonError> {
        for message in serde_json::Deserializer::from_slice(&self.line).into_iter() {
            messages.push(message.map_err(|error| DaemonError::Malformed {
                reason: error.to_string(),
            })?);
        }
        self.line.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&str]) -> Result<Vec<Message>, DaemonError> {
        let mut decoder = Decoder::default();
        let mut messages = Vec::new();
        for chunk in chunks {
            messages.extend(decoder.push(chunk.as_bytes())?);
        }
        messages.extend(decoder.finish()?);
        Ok(messages)
    }

    #[test]
    fn messages_are_found_wherever_the_stream_is_cut() {
        let stream = "{\"status\":\"a\",\"id\":\"1\",\"progressDetail\":{}}\r\n{\"status\":\"b\"}{\"status\":\"c\"}\r\n\r\n{\"status\":\"d\"}";
        for cut in 0..stream.len() {
            let (before, after) = stream.split_at(cut);
            let messages = decode(&[before, after]).unwrap();
            let texts: Vec<&str> = messages.iter().map(|m| m.status.as_str()).collect();
            assert_eq!(texts, ["a", "b", "c", "d"], "{cut}");
            assert_eq!(messages[0].progress, Some(Amount::default()));
            assert_eq!(messages[1].progress, None);
        }
    }

    #[test]
    fn lines_are_bounded() {
        let chunk = " ".repeat(1 << 16);
        let chunks: Vec<&str> = std::iter::repeat_n(chunk.as_str(), 17).collect();
        assert!(matches!(
            decode(&chunks),
            Err(DaemonError::Malformed { .. })
        ));
        assert!(matches!(
            decode(&["{\"status\":1}\n"]),
            Err(DaemonError::Malformed { .. })
        ));
    }

    #[test]
    fn errors_have_dockers_texts() {
        let fault = |text: &str| {
            let message = decode(&[text]).unwrap().remove(0);
            message.fault().map(|fault| fault.to_string())
        };
        assert_eq!(
            fault(r#"{"errorDetail":{"message":"no basic auth credentials"},"error":"x"}"#),
            Some("no basic auth credentials".to_owned())
        );
        assert_eq!(
            fault(r#"{"errorDetail":{"code":401,"message":"x"}}"#),
            Some("authentication is required".to_owned())
        );
        assert_eq!(fault(r#"{"error":"old"}"#), Some("old".to_owned()));
        assert_eq!(fault(r#"{"status":"Pushed"}"#), None);
    }
}
