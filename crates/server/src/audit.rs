//! The record of who changed what, or tried to: one line of JSON for each.
//!
//! Requests that would change something run with a trail, to which the parts that do the work add what they know. The line is
//! written when the answer is known, and the work comes to its end whether or not the client waits. With [`Audit::required`] a line
//! is written before the work, too, and nothing is done when that fails.

mod file;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use signet_tuf::{KeyId, RoleName, Version};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::http::{Caller, Route};
use crate::store::Revision;

pub use file::AuditFile;

/// Most documents of an update that a line names, and most keys of each.
const MAX_DOCUMENTS: usize = 256;
const MAX_KEYS: usize = 32;
/// Longest text that a line takes from a request, in characters.
const MAX_TEXT: usize = 512;

/// Where lines go.
pub enum Target {
    /// To a file of their own.
    File(AuditFile),
    /// To the log, as fields of its lines.
    Log(Box<dyn Fn(Map<String, Value>) + Send + Sync>),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Log(_) => f.write_str("Log"),
        }
    }
}

/// A line could not be written; why is in the log.
#[derive(Debug)]
pub(crate) struct Unwritten;

/// The audit log.
#[derive(Debug)]
pub struct Audit {
    targets: Vec<Target>,
    /// Whether nothing is changed that cannot be recorded.
    required: bool,
}

impl Audit {
    /// A log with these targets. With `required` nothing is changed that cannot be recorded.
    #[must_use]
    pub fn new(targets: Vec<Target>, required: bool) -> Arc<Self> {
        Arc::new(Self { targets, required })
    }

    /// Whether nothing is changed that cannot be recorded.
    #[must_use]
    pub const fn required(&self) -> bool {
        self.required
    }

    /// Writes a line to all targets.
    async fn write(self: &Arc<Self>, line: Map<String, Value>) -> Result<(), Unwritten> {
        let audit = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            let mut outcome = Ok(());
            for target in &audit.targets {
                match target {
                    Target::Log(write) => write(line.clone()),
                    Target::File(file) => {
                        if let Err(error) = file.append(&text(&line)) {
                            tracing::error!(
                                "the audit log {} cannot be written: {}",
                                file.path().display(),
                                signet_service::files::reason(&error)
                            );
                            outcome = Err(Unwritten);
                        }
                    }
                }
            }
            outcome
        });
        written.await.unwrap_or(Err(Unwritten))
    }
}

/// One line in ASCII: what no reader, program or terminal takes for anything but text.
fn text(line: &Map<String, Value>) -> String {
    let json = serde_json::to_string(line).unwrap_or_default();
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text.push('\n');
    text
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// What is known of a request that changes something, while it runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail(Arc<Mutex<Map<String, Value>>>);

tokio::task_local!(static TRAIL: Trail);

impl Trail {
    /// Runs `work`, which may [`note`] things.
    pub(crate) fn follow<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        TRAIL.scope(self.clone(), work)
    }

    fn take(&self) -> Map<String, Value> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// `work` with the trail of the work that it is a part of, also in a task of its own.
pub(crate) fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    let trail = TRAIL.try_with(Trail::clone).ok();
    async move {
        match trail {
            Some(trail) => TRAIL.scope(trail, work).await,
            None => work.await,
        }
    }
}

/// Adds to the trail of the request that this is a part of, if there is one.
fn note(name: &str, value: impl FnOnce() -> Value) {
    let _ = TRAIL.try_with(|trail| {
        let mut members = trail.0.lock().unwrap_or_else(PoisonError::into_inner);
        members.insert(name.to_owned(), value());
    });
}

/// Notes the key that an answer gives.
pub(crate) fn note_key(id: &KeyId) {
    note("key_id", || Value::from(id.to_string()));
}

/// Notes the timestamp that was published.
pub(crate) fn note_timestamp(revision: Revision) {
    note(
        "timestamp",
        || json!({"version": revision.version, "sha256": HEXLOWER.encode(&revision.sha256)}),
    );
}

/// A document that was uploaded, and the keys that are said to have signed it.
pub(crate) struct Uploaded<'a> {
    pub(crate) role: &'a RoleName,
    pub(crate) version: Version,
    pub(crate) keys: Vec<&'a KeyId>,
}

/// Notes the documents of an update.
pub(crate) fn note_documents<'a>(documents: impl FnOnce() -> Vec<Uploaded<'a>>) {
    note("documents", || {
        let documents = documents();
        let shown = documents.iter().take(MAX_DOCUMENTS).map(|document| {
            let keys = document.keys.iter().take(MAX_KEYS);
            json!({
                "role": document.role.as_str(),
                "version": document.version,
                "key_ids": keys.map(ToString::to_string).collect::<Vec<_>>(),
            })
        });
        shown.collect()
    });
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) code: Option<&'static str>,
    pub(crate) reason: Option<String>,
}

/// The line of one request.
#[derive(Debug)]
pub(crate) struct Entry {
    audit: Arc<Audit>,
    members: Map<String, Value>,
    caller: Caller,
    trail: Trail,
}

impl Entry {
    /// The line of a request that would change something; `None` for all others.
    pub(crate) fn of(
        audit: &Arc<Audit>,
        route: &Route,
        caller: &Caller,
        dry: bool,
    ) -> Option<Self> {
        let (action, gun, role) = match route {
            Route::Update { gun } => ("publish", gun, None),
            Route::GetKey { gun, role } => ("get-key", gun, Some(*role)),
            Route::RotateKey { gun, role } => ("rotate-key", gun, Some(*role)),
            Route::Delete { gun } => ("delete", gun, None),
            Route::Import { gun } if !dry => ("import", gun, None),
            _ => return None,
        };
        let mut entry = Self::new(audit, action, caller);
        entry
            .members
            .insert("gun".to_owned(), Value::from(cut(gun)));
        if let Some(role) = role {
            let role = Value::from(role.base().as_str());
            entry.members.insert("role".to_owned(), role);
        }
        Some(entry)
    }

    /// The line of a login that was not taken, or was not enough.
    pub(crate) fn of_login(audit: &Arc<Audit>, route: &Route, caller: &Caller) -> Self {
        let mut entry = Self::new(audit, "authenticate", caller);
        if let Some(gun) = route.gun() {
            entry
                .members
                .insert("gun".to_owned(), Value::from(cut(gun)));
        }
        entry
    }

    fn new(audit: &Arc<Audit>, action: &'static str, caller: &Caller) -> Self {
        let mut members = Map::new();
        members.insert("action".to_owned(), Value::from(action));
        Self {
            audit: Arc::clone(audit),
            members,
            caller: caller.clone(),
            trail: Trail::default(),
        }
    }

    pub(crate) const fn trail(&self) -> &Trail {
        &self.trail
    }

    pub(crate) fn is_required(&self) -> bool {
        self.audit.required
    }

    /// Records that the work begins.
    pub(crate) async fn begin(&self, now: OffsetDateTime) -> Result<(), Unwritten> {
        let mut line = self.members.clone();
        self.describe(&mut line, "begun", now);
        self.audit.write(line).await
    }

    /// Records what became of it.
    pub(crate) async fn end(self, outcome: Outcome, now: OffsetDateTime) -> Result<(), Unwritten> {
        let mut line = self.members.clone();
        line.append(&mut self.trail.take());
        let word = match outcome.status {
            ..400 => "accepted",
            400..500 => "refused",
            _ => "failed",
        };
        self.describe(&mut line, word, now);
        line.insert("status".to_owned(), Value::from(outcome.status));
        if let Some(code) = outcome.code {
            line.insert("code".to_owned(), Value::from(code));
        }
        let refusal = self.caller.refusal();
        let reason = refusal.map(|refused| refused.reason.clone());
        if let Some(reason) = reason.or(outcome.reason) {
            line.insert("reason".to_owned(), Value::from(cut(&reason)));
        }
        if let Some(name) = refusal.and_then(|refused| refused.claimed.as_ref()) {
            line.insert("claimed_user".to_owned(), Value::from(name.as_str()));
        }
        self.audit.write(line).await
    }

    fn describe(&self, line: &mut Map<String, Value>, outcome: &str, now: OffsetDateTime) {
        let mut set = |name: &str, value: Value| {
            line.insert(name.to_owned(), value);
        };
        set("outcome", Value::from(outcome));
        set(
            "time",
            Value::from(now.format(&Rfc3339).unwrap_or_default()),
        );
        set("request_id", Value::from(self.caller.request_id()));
        if let Some(name) = self.caller.name() {
            set("user", Value::from(name));
        }
        let origin = self.caller.origin();
        if let Some(peer) = origin.peer {
            set("remote", Value::from(peer.to_string()));
        }
        if let Some(forwarded) = &origin.forwarded {
            let forwarded = String::from_utf8_lossy(forwarded.as_bytes());
            set("forwarded", Value::from(cut(&forwarded)));
        }
        if let Some(certificate) = &origin.certificate {
            set("certificate", Value::from(cut(certificate)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_of_ascii() {
        let mut line = Map::new();
        let hostile = "a\nb\r\u{1b}[2J\u{85}\u{2028}\u{202e}\u{7f}\"\\ü\u{1f512}";
        line.insert("user".to_owned(), Value::from(hostile));
        let text = text(&line);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(
            text.trim_end()
                .bytes()
                .all(|byte| (0x20..0x7f).contains(&byte)),
            "{text:?}"
        );
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["user"], hostile);
    }
}
