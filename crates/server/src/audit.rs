//! The record of who changed what, or tried to: one line of JSON for each.
//!
//! Requests that would change something run with an entry, to which the parts that do the work add what they know. The line is
//! written when the answer is known, and the work comes to its end whether or not the client waits. The work begins when the
//! request may do what it asks for and nothing speaks against it that is seen at once. With [`Audit::required`] a line is written then,
//! too, and nothing is done when that fails.
//!
//! What has begun waits for the disk, where that is configured: together with all who wait at that moment. What was refused before
//! waits for no disk, and has a bounded number of lines: anybody can be refused.

mod file;
mod refusals;
mod writer;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use signet_tuf::{KeyId, RoleName, Version};
use time::format_description::well_known::Rfc3339;

use crate::http::{Caller, Route};
use crate::settings::Clock;
use crate::store::Revision;

use refusals::{LeftOut, Refusals, Whose};
use writer::{Record, Writer};

pub use file::AuditFile;

/// Most documents of an update that a line names, and most keys of each.
const MAX_DOCUMENTS: usize = 256;
const MAX_KEYS: usize = 32;
/// Longest text that a line takes from a request, in bytes of the line.
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwritten;

/// The audit log.
pub struct Audit {
    writer: Writer,
    refusals: Arc<Mutex<Refusals>>,
    /// Whether nothing is changed that cannot be recorded.
    required: bool,
    clock: Clock,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}

impl Audit {
    /// A log with these targets. With `required` nothing is changed that cannot be recorded. To be called within a Tokio runtime.
    #[must_use]
    pub fn new(targets: Vec<Target>, required: bool, clock: Clock) -> Arc<Self> {
        let refusals = Arc::new(Mutex::new(Refusals::new(Instant::now())));
        let write = move |lines: &[Map<String, Value>], durable: bool| {
            let mut outcome = Ok(());
            for target in &targets {
                outcome = target.write(lines, durable).and(outcome);
            }
            outcome
        };
        let time = Arc::clone(&clock);
        let summary = move |left_out: &LeftOut| summary(left_out, &time);
        Arc::new(Self {
            writer: Writer::start(Arc::new(write), Box::new(summary), Arc::clone(&refusals)),
            refusals,
            required,
            clock,
        })
    }

    /// Whether nothing is changed that cannot be recorded.
    #[must_use]
    pub const fn required(&self) -> bool {
        self.required
    }

    /// Waits until everything that came before is written. Why something was not is in the log.
    pub async fn flush(&self) {
        let _ = self.writer.flush().await;
    }

    async fn write(&self, line: Map<String, Value>, durable: bool) -> Result<(), Unwritten> {
        self.writer.write(Record { line, durable }).await
    }

    /// Writes the line of a refusal, unless there were many.
    async fn write_refusal(
        &self,
        line: Map<String, Value>,
        caller: &Caller,
    ) -> Result<(), Unwritten> {
        let is_recorded = {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            refusals.admit(caller.origin(), caller.name(), Instant::now())
        };
        if is_recorded {
            self.write(line, false).await
        } else {
            Ok(())
        }
    }
}

impl Target {
    fn write(&self, lines: &[Map<String, Value>], durable: bool) -> Result<(), Unwritten> {
        match self {
            Self::Log(write) => {
                lines.iter().cloned().for_each(write);
                Ok(())
            }
            Self::File(file) => {
                let text: String = lines.iter().map(text).collect();
                file.append(&text, durable).map_err(|error| {
                    tracing::error!(
                        "the audit log {} cannot be written: {}",
                        file.path().display(),
                        signet_service::files::reason(&error)
                    );
                    Unwritten
                })
            }
        }
    }
}

/// The line that stands for refusals that have none.
fn summary(left_out: &LeftOut, clock: &Clock) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("action".to_owned(), Value::from("left-out"));
    line.insert("outcome".to_owned(), Value::from("refused"));
    line.insert("time".to_owned(), now(clock));
    line.insert("left_out".to_owned(), Value::from(left_out.number));
    match &left_out.whose {
        Whose::Network(network) => line.insert("remote".to_owned(), Value::from(network.as_str())),
        Whose::User(user) => line.insert("user".to_owned(), Value::from(user.as_str())),
        Whose::Others => None,
    };
    let reason = format!("{} more refused", left_out.number);
    line.insert("reason".to_owned(), Value::from(reason));
    line
}

fn now(clock: &Clock) -> Value {
    Value::from(clock().format(&Rfc3339).unwrap_or_default())
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

/// As much of a text as has room in a line, where most that is not ASCII takes six or twelve bytes.
fn cut(text: &str) -> String {
    let mut room = MAX_TEXT;
    let fits = |c: &char| {
        let size = match *c {
            '"' | '\\' => 2,
            ' '..='~' => 1,
            c => 6 * c.len_utf16(),
        };
        room.checked_sub(size).map(|left| room = left).is_some()
    };
    text.chars().take_while(fits).collect()
}

tokio::task_local!(static ENTRY: Arc<Entry>);

/// `work` with the entry of the work that it is a part of, also in a task of its own.
pub(crate) fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    let entry = ENTRY.try_with(Arc::clone).ok();
    async move {
        match entry {
            Some(entry) => ENTRY.scope(entry, work).await,
            None => work.await,
        }
    }
}

/// Says that what was asked for begins: it may be done, and nothing has been changed yet. With [`Audit::required`] that is on the disk
/// before this ends, or the work must not be done.
pub(crate) async fn begin() -> Result<(), Unwritten> {
    match ENTRY.try_with(Arc::clone) {
        Ok(entry) => entry.begin().await,
        Err(_) => Ok(()),
    }
}

/// Adds to the line of the request that this is a part of, if there is one.
fn note(name: &str, value: impl FnOnce() -> Value) {
    let _ = ENTRY.try_with(|entry| {
        entry.state().notes.insert(name.to_owned(), value());
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
    state: Mutex<State>,
}

/// What becomes known while the request is answered.
#[derive(Debug, Default)]
struct State {
    notes: Map<String, Value>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Stage {
    /// Nothing can have been changed.
    #[default]
    Asked,
    Begun,
    /// It was to begin, and could not be recorded.
    Unrecorded,
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
            state: Mutex::default(),
        }
    }

    /// Runs `work`, which may [`note`] things and say that it [begins](begin).
    pub(crate) fn follow<F: Future>(
        self: &Arc<Self>,
        work: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        ENTRY.scope(Arc::clone(self), work)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn begin(&self) -> Result<(), Unwritten> {
        let mut outcome = Ok(());
        if self.audit.required {
            let mut line = self.members.clone();
            self.describe(&mut line, "begun");
            outcome = self.audit.write(line, true).await;
        }
        self.state().stage = match outcome {
            Ok(()) => Stage::Begun,
            Err(_) => Stage::Unrecorded,
        };
        outcome
    }

    /// Records what became of it.
    pub(crate) async fn end(&self, outcome: Outcome) -> Result<(), Unwritten> {
        let State { mut notes, stage } = std::mem::take(&mut *self.state());
        let mut line = self.members.clone();
        line.append(&mut notes);
        let word = match outcome.status {
            ..400 => "accepted",
            400..500 => "refused",
            _ => "failed",
        };
        self.describe(&mut line, word);
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
        match stage {
            Stage::Asked if outcome.status >= 400 => {
                self.audit.write_refusal(line, &self.caller).await
            }
            Stage::Asked | Stage::Begun => self.audit.write(line, true).await,
            // That it cannot be written has been found, told and counted.
            Stage::Unrecorded => Ok(()),
        }
    }

    fn describe(&self, line: &mut Map<String, Value>, outcome: &str) {
        let mut set = |name: &str, value: Value| {
            line.insert(name.to_owned(), value);
        };
        set("outcome", Value::from(outcome));
        set("time", now(&self.audit.clock));
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
