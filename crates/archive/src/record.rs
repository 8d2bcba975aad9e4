//! What an archive says of one repository.
//!
//! A record is written as one line of JSON with its members in the order below and nothing optional left out as `null`, so that the same
//! content is the same bytes.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use signet_tuf::metadata::Metadata;
use signet_tuf::{BaseRole, Gun, Received, RoleName, Root, Snapshot, Targets, Timestamp, Version};
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;
use time::{OffsetDateTime, UtcOffset};

use crate::Sha256;

/// A moment in whole seconds, as RFC 3339 in UTC.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moment(OffsetDateTime);

const FIRST: OffsetDateTime = datetime!(0000-01-01 00:00:00 UTC);
const LAST: OffsetDateTime = datetime!(9999-12-31 23:59:59 UTC);

impl Moment {
    /// The whole second in which `moment` lies.
    #[must_use]
    pub fn of(moment: OffsetDateTime) -> Self {
        // Documents may name moments that leave the years of RFC 3339 once their offset is taken away.
        let moment = moment
            .checked_to_offset(UtcOffset::UTC)
            .unwrap_or_else(|| if moment.year() > 0 { LAST } else { FIRST })
            .clamp(FIRST, LAST);
        Self(moment.replace_nanosecond(0).unwrap_or(moment))
    }

    /// The moment.
    #[must_use]
    pub const fn time(self) -> OffsetDateTime {
        self.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.format(&Rfc3339).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.format(&Rfc3339).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        let moment = OffsetDateTime::parse(&text, &Rfc3339).map_err(serde::de::Error::custom)?;
        let moment = Self::of(moment);
        if moment.to_string() == text {
            Ok(moment)
        } else {
            Err(serde::de::Error::custom("not a whole second in UTC"))
        }
    }
}

/// Where documents came from.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Source {
    /// A trust server.
    Server {
        /// Its address, without user, query and fragment.
        address: String,
    },
    /// The trust folder of docker or notary: what a client had cached and verified.
    TrustFolder,
    /// The database of a trust server.
    Database {
        /// `sqlite`, `postgresql`, `mysql`.
        engine: String,
    },
}

/// One document of a repository.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Whose document it is.
    #[serde(with = "text")]
    pub role: RoleName,
    /// The version that it carries. 0 where it cannot be read as a document.
    pub version: Version,
    /// The digest of its bytes: the name of the member that holds them.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub length: u64,
    /// When it was published, where the source says so. Nobody signed this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Moment>,
}

impl Document {
    /// The description of a document.
    #[must_use]
    pub fn of(role: &RoleName, bytes: &Bytes, published: Option<Moment>) -> Self {
        Self {
            role: role.clone(),
            version: Self::version_in(role, bytes),
            sha256: Sha256::of(bytes),
            length: bytes.len() as u64,
            published,
        }
    }

    /// The same in a fraction of the time, with the version that the document seems to carry: enough to look for others by. Whoever keeps the
    /// document in an archive makes sure of it.
    #[must_use]
    pub fn sketch(role: &RoleName, bytes: &Bytes) -> Self {
        #[derive(Deserialize)]
        struct Envelope {
            signed: Signed,
        }
        #[derive(Deserialize)]
        struct Signed {
            version: Version,
        }
        let envelope = serde_json::from_slice::<Envelope>(bytes);
        Self {
            role: role.clone(),
            version: envelope.map_or(0, |envelope| envelope.signed.version.max(0)),
            sha256: Sha256::of(bytes),
            length: bytes.len() as u64,
            published: None,
        }
    }

    /// The version that a document carries; 0 where it cannot be read as one, or carries none that counts.
    #[must_use]
    pub fn version_in(role: &RoleName, bytes: &Bytes) -> Version {
        fn of<T: Metadata>(role: &RoleName, bytes: &Bytes) -> Version {
            Received::<T>::parse(role, bytes.clone())
                .map_or(0, |received| received.unverified().version().max(0))
        }
        match role.base() {
            Some(BaseRole::Root) => of::<Root>(role, bytes),
            Some(BaseRole::Timestamp) => of::<Timestamp>(role, bytes),
            Some(BaseRole::Snapshot) => of::<Snapshot>(role, bytes),
            Some(BaseRole::Targets) | None => of::<Targets>(role, bytes),
        }
    }
}

/// What came of one question to the source.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result", deny_unknown_fields)]
pub enum Outcome {
    /// A document.
    Found {
        /// Its digest.
        sha256: Sha256,
    },
    /// The source does not have it.
    Absent,
    /// The source refused (an HTTP status other than 200 and 404).
    Refused {
        /// The status.
        status: u16,
    },
    /// It is larger than a document may be.
    TooLarge,
    /// No answer, after every attempt.
    Unreachable {
        /// What happened.
        reason: String,
    },
}

/// One question to the source, in the order in which they were asked.
///
/// Serde cannot refuse unknown members beside flattened ones. Who reads records compares them with what would be written, which does.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Request {
    /// What was asked for, as a name below `_trust/tuf/` without `.json`: `root`, `2.root`, `targets/releases.<sha256>`.
    pub path: String,
    /// When.
    pub at: Moment,
    /// What came.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// One entry of the changefeed about this repository, as the source tells it. Nobody signed it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its number.
    pub id: i64,
    /// When it happened.
    pub at: Moment,
    /// `update` or `deletion`.
    pub category: String,
    /// Version of the published timestamp.
    pub version: Version,
    /// Digest of the published timestamp; absent for a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
}

/// In which state a repository was.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Every rule holds.
    Trusted,
    /// The repository is trusted; delegations in [`Verdict::unusable`] are not.
    Degraded,
    /// Every signature holds, but the validity of a document was over.
    Expired,
    /// A rule of trust is broken.
    Untrusted,
    /// Documents that others name are missing.
    Incomplete,
    /// The source does not know the repository.
    Absent,
    /// The source refused to answer.
    Refused,
    /// The source did not answer.
    Unreachable,
}

impl State {
    /// All of them, the best first.
    pub const ALL: [Self; 8] = [
        Self::Trusted,
        Self::Degraded,
        Self::Expired,
        Self::Untrusted,
        Self::Incomplete,
        Self::Absent,
        Self::Refused,
        Self::Unreachable,
    ];

    /// The word in records and listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Degraded => "degraded",
            Self::Expired => "expired",
            Self::Untrusted => "untrusted",
            Self::Incomplete => "incomplete",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A delegation that could not be trusted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UnusableRole {
    /// The delegation.
    #[serde(with = "text")]
    pub role: RoleName,
    /// Why.
    pub reason: String,
}

/// The chain of roots, as far as it is there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RootChain {
    /// The lowest version from which every later root is there and follows from the one before.
    pub first: Version,
    /// The version of the current root.
    pub last: Version,
    /// Why the chain does not reach down to version 1; absent where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
}

/// What holds of a repository at the moment of capture, by the rules of a client that trusts the first root it sees.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// Which role it is about, where it is about one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_text"
    )]
    pub role: Option<RoleName>,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when everything of the repository holds: the first end of validity among root, timestamp, snapshot and the readable targets
    /// and delegations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Moment>,
    /// Names signed in `targets` or a readable delegation, each once.
    pub tags: u64,
    /// Delegations that cannot be trusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unusable: Vec<UnusableRole>,
    /// The roots; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<RootChain>,
    /// How many earlier states (timestamps with everything below) are there and hold by their signatures, and which do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

impl Verdict {
    /// A state and nothing else.
    #[must_use]
    pub const fn of(state: State) -> Self {
        Self {
            state,
            role: None,
            reason: None,
            valid_until: None,
            tags: 0,
            unusable: Vec::new(),
            roots: None,
            history: None,
        }
    }

    /// Whether two verdicts say the same. Their reasons are texts for people, which another version of the program may put in other words,
    /// and do not count.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self.facts() == other.facts()
    }

    /// Everything but the reasons.
    fn facts(&self) -> Self {
        let mut facts = self.clone();
        facts.reason = None;
        for unusable in &mut facts.unusable {
            unusable.reason.clear();
        }
        if let Some(roots) = &mut facts.roots {
            roots.gap = roots.gap.as_ref().map(|_| String::new());
        }
        for reason in facts
            .history
            .iter_mut()
            .flat_map(|h| h.unproven.values_mut())
        {
            reason.clear();
        }
        facts
    }
}

/// Earlier states of a repository.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// Earlier timestamps that are there.
    pub states: u64,
    /// Those whose documents are complete and signed.
    pub proven: u64,
    /// The others: version of the timestamp, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unproven: BTreeMap<Version, String>,
}

/// Everything that an archive says of one repository.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name.
    #[serde(with = "text")]
    pub gun: Gun,
    /// Where the documents came from.
    pub source: Source,
    /// When the last of them came: the moment of the verdict.
    pub captured: Moment,
    /// The documents, ordered by role, version and digest; none twice.
    pub documents: Vec<Document>,
    /// Which document the source gives as the current one of a role.
    #[serde(with = "roles")]
    pub current: BTreeMap<RoleName, Sha256>,
    /// What was asked for, in order.
    pub requests: Vec<Request>,
    /// Changes, in order of their numbers, where the source has a changefeed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What holds.
    pub verdict: Verdict,
}

/// Values that are written as their text and read through their own rules.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

mod optional_text {
    use serde::{Deserializer, Serializer};
    use signet_tuf::RoleName;

    pub(super) fn serialize<S: Serializer>(
        value: &Option<RoleName>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(role) => serializer.collect_str(role),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<RoleName>, D::Error> {
        super::text::deserialize(deserializer).map(Some)
    }
}

mod roles {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};
    use signet_tuf::RoleName;

    use crate::Sha256;

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<RoleName, Sha256>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(role, digest)| (role.as_str(), digest)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<RoleName, Sha256>, D::Error> {
        <BTreeMap<String, Sha256>>::deserialize(deserializer)?
            .into_iter()
            .map(|(role, digest)| Ok((role.parse().map_err(serde::de::Error::custom)?, digest)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strict;

    #[test]
    fn requests_are_read_as_they_were_written() {
        let sha256 = Sha256::of(b"x");
        for (outcome, written) in [
            (
                Outcome::Found { sha256 },
                format!(r#""result":"found","sha256":"{sha256}"}}"#),
            ),
            (Outcome::Absent, r#""result":"absent"}"#.to_owned()),
            (
                Outcome::Refused { status: 500 },
                r#""result":"refused","status":500}"#.to_owned(),
            ),
            (Outcome::TooLarge, r#""result":"too-large"}"#.to_owned()),
            (
                Outcome::Unreachable {
                    reason: "gone".to_owned(),
                },
                r#""result":"unreachable","reason":"gone"}"#.to_owned(),
            ),
        ] {
            let text = format!(r#"{{"path":"2.root","at":"2026-11-23T12:00:00Z",{written}"#);
            let request: Request = strict::read(text.as_bytes()).unwrap();
            assert_eq!(request.outcome, outcome);
            assert_eq!(strict::write(&request).unwrap(), text.as_bytes());
            let more = text.replace("\"at\"", "\"more\":1,\"at\"");
            assert!(strict::read::<Request>(more.as_bytes()).is_err(), "{more}");
        }
    }
}
