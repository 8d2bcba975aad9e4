//! Bringing a repository from an archive to a server of ours (`docs/server.md`). Go's servers know no such request.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use reqwest::Method;
use serde::Deserialize;
use signet_archive::ArchivedRepository;
use signet_tuf::Version;

use super::answer::printable;
use super::{Remote, RemoteError, Scope};
use crate::random;

/// Most bytes of the answer.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// What the server says of an import.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImportAnswer {
    /// How many documents it has stored; none when all were there before.
    pub added: u64,
    /// How many of the repository's documents it had before; `None` when it had all.
    pub before: Option<u64>,
    /// The version of the timestamp that the archive has as the current one.
    pub timestamp: Version,
    /// How many documents stay behind because nothing proves them.
    pub left_out: u64,
    /// The first of them: role, version and reason, without control characters.
    pub examples: Vec<(String, Version, String)>,
}

#[derive(Deserialize)]
struct WireAnswer {
    result: String,
    added: u64,
    before: Option<u64>,
    timestamp: Version,
    left_out: u64,
    examples: Vec<WireExample>,
}

#[derive(Deserialize)]
struct WireExample {
    role: String,
    version: Version,
    reason: String,
}

impl Remote {
    /// Brings a repository with its history to the server, which checks it by its own rules. With `dry_run` it only says what it would do.
    ///
    /// # Errors
    /// [`RemoteError`]; [`RemoteError::Absent`] from a server that knows no imports, such as Go's.
    pub async fn import(
        &self,
        repository: &ArchivedRepository,
        dry_run: bool,
    ) -> Result<ImportAnswer, RemoteError> {
        let what = "import";
        let bad = || RemoteError::BadResponse {
            what: what.to_owned(),
        };
        let gun = &repository.record.gun;
        let mut segments = vec!["v2"];
        segments.extend(gun.as_str().split('/'));
        segments.extend(["_trust", "import"]);
        let mut url = self.url(&segments);
        if dry_run {
            url.set_query(Some("dry-run=1"));
        }
        let (body, content_type) = form(repository).map_err(|_| bad())?;
        let body = Some((body, Some(content_type)));
        let response = self
            .send_to(Scope::Repository(gun), Method::POST, &url, body)
            .await?;
        let response = self.success(response, what).await?;
        let bytes = self.body(response, MAX_ANSWER_BYTES).await?;
        let answer: WireAnswer = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        if !matches!(answer.result.as_str(), "imported" | "already-there") {
            return Err(bad());
        }
        let examples = answer.examples.into_iter().map(|example| {
            let (role, reason) = (printable(&example.role), printable(&example.reason));
            (role, example.version, reason)
        });
        Ok(ImportAnswer {
            added: answer.added,
            before: answer.before,
            timestamp: answer.timestamp,
            left_out: answer.left_out,
            examples: examples.collect(),
        })
    }
}

/// The body and its content type.
fn form(repository: &ArchivedRepository) -> Result<(Bytes, String), serde_json::Error> {
    // 240 random bits do not occur in a document.
    let boundary = HEXLOWER.encode(&random::bytes::<30>());
    let record = serde_json::to_vec(&repository.record)?;
    let parts = repository.objects.iter();
    let parts = parts.map(|(sha256, bytes)| (format!("objects/{sha256}.json"), &bytes[..]));
    let mut body = Vec::new();
    for (name, bytes) in std::iter::once(("record.json".to_owned(), &record[..])).chain(parts) {
        let head = format!(
            "--{boundary}\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let content_type = format!("multipart/form-data; boundary={boundary}");
    Ok((body.into(), content_type))
}
