//! The changefeed: what happened to the repositories of a server, in order (specification, `server.md` section 7.7). Nobody signs it.

use reqwest::Method;
use serde::Deserialize;
use signet_tuf::{Gun, Version};
use time::OffsetDateTime;

use super::{Remote, RemoteError, Scope};

/// Most bytes of one page.
pub const MAX_FEED_BYTES: u64 = 16 << 20;

/// One change, as the server tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeedEntry {
    /// Its number, or whatever else the server's storage counts with.
    pub id: String,
    /// When it happened.
    pub at: OffsetDateTime,
    /// The repository, as text that was not judged yet.
    pub gun: String,
    /// Version of the published timestamp; 0 for a deletion.
    pub version: Version,
    /// SHA-256 of the published timestamp in hex; empty for a deletion.
    pub sha256: String,
    /// `update` or `deletion`.
    pub category: String,
}

#[derive(Deserialize)]
struct Page {
    // compat: Go's memory storage writes `null` where there is nothing.
    records: Option<Vec<WireEntry>>,
}

#[derive(Deserialize)]
struct WireEntry {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "CreatedAt", with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(rename = "GUN")]
    gun: String,
    #[serde(rename = "Version")]
    version: Version,
    #[serde(rename = "SHA256")]
    sha256: String,
    #[serde(rename = "Category")]
    category: String,
}

impl Remote {
    /// The first `count` changes after the one with the ID `after` (`0`: from the beginning), of one repository or of all.
    ///
    /// # Errors
    /// [`RemoteError`]; [`RemoteError::BadResponse`] when the answer is no page of a changefeed.
    pub async fn changes(
        &self,
        gun: Option<&Gun>,
        after: &str,
        count: u16,
    ) -> Result<Vec<FeedEntry>, RemoteError> {
        let what = "changefeed";
        let mut segments = vec!["v2"];
        segments.extend(gun.into_iter().flat_map(|gun| gun.as_str().split('/')));
        segments.extend(["_trust", "changefeed"]);
        let mut url = self.url(&segments);
        url.query_pairs_mut()
            .append_pair("change_id", after)
            .append_pair("records", &count.to_string());
        let scope = gun.map_or(Scope::Catalog, Scope::Repository);
        let response = self.send_to(scope, Method::GET, &url, None).await?;
        let response = self.success(response, what).await?;
        let bad = || RemoteError::BadResponse {
            what: what.to_owned(),
        };
        if response
            .content_length()
            .is_some_and(|n| n > MAX_FEED_BYTES)
        {
            return Err(bad());
        }
        let bytes = self.body(response, MAX_FEED_BYTES).await?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        let entries = page.records.unwrap_or_default().into_iter();
        Ok(entries
            .take(usize::from(count))
            .map(|entry| FeedEntry {
                id: entry.id,
                at: entry.at,
                gun: entry.gun,
                version: entry.version,
                // compat: PostgreSQL fills the column with blanks.
                sha256: entry.sha256.trim_end().to_owned(),
                category: entry.category,
            })
            .collect())
    }
}
