//! The documents of an update, parsed (specification, `server.md` section 8.1).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use signet_tuf::canonical::JsonError;
use signet_tuf::metadata::Metadata;
use signet_tuf::{
    BaseRole, Expiry, ParseError, Received, RoleName, Root, Snapshot, Targets, Timestamp, Version,
};

use super::{Part, UpdateError};
use crate::audit::Uploaded;

/// A document that parsed, or why it did not: the latter is said when its turn comes.
pub(super) type Parsed<T> = Result<Received<T>, ParseError>;

/// The documents of an update, parsed.
#[derive(Debug, Default)]
pub(crate) struct Submission {
    pub(super) root: Option<Parsed<Root>>,
    /// In the order of validation: parents before their children.
    pub(super) targets: BTreeMap<(usize, RoleName), Parsed<Targets>>,
    pub(super) snapshot: Option<Parsed<Snapshot>>,
    /// What it was parsed from.
    pub(super) parts: Vec<Part>,
    /// Length of all parts together.
    pub(super) bytes: usize,
}

impl Submission {
    /// Parses the parts in order. Of several for one role the last counts; a timestamp is read and not used, because the
    /// server signs its own.
    pub(super) fn parse(parts: Vec<Part>) -> Result<Self, UpdateError> {
        let mut submission = Self::default();
        for Part { role, data } in &parts {
            submission.bytes += data.len();
            match role.base() {
                Some(BaseRole::Root) => submission.root = Some(parse(role, data)?),
                Some(BaseRole::Snapshot) => submission.snapshot = Some(parse(role, data)?),
                Some(BaseRole::Timestamp) => drop(parse::<Timestamp>(role, data)?),
                Some(BaseRole::Targets) | None => {
                    let parsed = parse(role, data)?;
                    submission
                        .targets
                        .insert((role.depth(), role.clone()), parsed);
                }
            }
        }
        submission.parts = parts;
        Ok(submission)
    }

    /// The versions of the documents that would be stored as they came.
    pub(super) fn versions(&self) -> Vec<(RoleName, Version)> {
        fn version<T: Metadata>(parsed: &Parsed<T>) -> Option<Version> {
            Some(parsed.as_ref().ok()?.unverified().version())
        }
        let targets = self.targets.iter().map(|((_, role), parsed)| {
            let version = version(parsed);
            version.map(|version| (role.clone(), version))
        });
        let root = self.root.as_ref().and_then(version);
        let snapshot = self.snapshot.as_ref().and_then(version);
        targets
            .chain([
                root.map(|version| (RoleName::root(), version)),
                snapshot.map(|version| (RoleName::snapshot(), version)),
            ])
            .flatten()
            .collect()
    }

    /// The documents that can be read, for the audit log.
    pub(super) fn uploaded(&self) -> Vec<Uploaded<'_>> {
        let (root, snapshot) = (self.root.as_ref(), self.snapshot.as_ref());
        let root = root.and_then(uploaded);
        let targets = self.targets.values().filter_map(uploaded);
        let snapshot = snapshot.and_then(uploaded);
        root.into_iter().chain(targets).chain(snapshot).collect()
    }

    /// Whether there is a document for a role that lists targets.
    pub(super) fn contains(&self, role: &RoleName) -> bool {
        self.targets.contains_key(&(role.depth(), role.clone()))
    }
}

fn uploaded<T: Metadata>(parsed: &Parsed<T>) -> Option<Uploaded<'_>> {
    let received = parsed.as_ref().ok()?;
    Some(Uploaded {
        role: received.role(),
        version: received.unverified().version(),
        keys: received
            .signatures()
            .iter()
            .map(|signature| &signature.key_id)
            .collect(),
    })
}

/// Parses one part. What is no envelope at all, or holds members that would make the repository unpublishable, is
/// refused at once; other faults wait until the document is validated, as in Go.
fn parse<T: Metadata>(role: &RoleName, data: &Bytes) -> Result<Parsed<T>, UpdateError> {
    let malformed = |reason: String| UpdateError::MalformedJson {
        role: role.clone(),
        reason,
    };
    let error = match Received::<T>::parse(role, data.clone()) {
        Ok(received) => {
            if let Some(member) = received.unknown_member() {
                return Err(malformed(format!("unknown member {member:?}")));
            }
            // Go would write the moment otherwise, and what it publishes next would match nothing.
            if !received.unverified().expires().is_go_stable() {
                return Err(malformed(
                    "expires is not written as Go writes it".to_owned(),
                ));
            }
            return Ok(Ok(received));
        }
        Err(error) => error,
    };
    let deferred = match error {
        ParseError::Json(JsonError::Syntax {
            offset,
            expected: END_OF_INPUT,
        }) if has_header(data.get(..offset).unwrap_or_default()) => {
            let rest = data.get(offset..).unwrap_or_default();
            let next = String::from_utf8_lossy(rest).chars().next();
            ParseError::Shape(format!(
                "invalid character {:?} after top-level value",
                next.unwrap_or_default()
            ))
        }
        ParseError::Shape(_) | ParseError::Empty { .. } | ParseError::NoSignatures { .. }
            if has_header(data) =>
        {
            error
        }
        _ => return Err(malformed(error.to_string())),
    };
    Ok(Err(deferred))
}

/// What the parser expects behind a document.
const END_OF_INPUT: &str = "end of input";

/// Whether a text has the members that Go reads before anything else, of the right types or null.
fn has_header(text: &[u8]) -> bool {
    let Some(envelope) = members(text) else {
        return false;
    };
    let signed = of(&envelope, "signed")
        .map_or_else(|| Some(Members::new()), |signed| members(signed.as_bytes()));
    let signed_is_right = signed.is_some_and(|signed| {
        is::<String>(of(&signed, "_type"))
            && is::<Expiry>(of(&signed, "expires"))
            && is::<i64>(of(&signed, "version"))
    });
    let signatures = of(&envelope, "signatures").unwrap_or("null");
    let signatures: Result<Option<Vec<&RawValue>>, _> = serde_json::from_str(signatures);
    let is_signature = |signature: &RawValue| {
        members(signature.get().as_bytes()).is_some_and(|signature| {
            is::<String>(of(&signature, "keyid"))
                && is::<String>(of(&signature, "method"))
                && is_base64(of(&signature, "sig"))
        })
    };
    signed_is_right
        && signatures.is_ok_and(|all| all.unwrap_or_default().into_iter().all(is_signature))
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The members of an object; null has none.
fn members(text: &[u8]) -> Option<Members<'_>> {
    let members: Option<Members<'_>> = serde_json::from_slice(text).ok()?;
    Some(members.unwrap_or_default())
}

fn of<'a>(members: &Members<'a>, name: &str) -> Option<&'a str> {
    members.get(name).map(|raw| raw.get())
}

/// Whether a member is missing, null, or of this type.
fn is<'a, T: Deserialize<'a>>(text: Option<&'a str>) -> bool {
    text.is_none_or(|text| serde_json::from_str::<Option<T>>(text).is_ok())
}

fn is_base64(text: Option<&str>) -> bool {
    let Some(text) = text else { return true };
    serde_json::from_str::<Option<String>>(text)
        .is_ok_and(|sig| sig.is_none_or(|sig| data_encoding::BASE64.decode(sig.as_bytes()).is_ok()))
}
