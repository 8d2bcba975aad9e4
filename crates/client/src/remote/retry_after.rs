//! When a server that is busy wants to be asked again (RFC 9110, section 10.2.3).

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// The header `Retry-After`, as sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryAfter {
    /// At this moment by the clock of a server that does not say what its clock shows.
    At(OffsetDateTime),
    /// After this time.
    In(Duration),
}

impl RetryAfter {
    /// Reads the header; what cannot be read is as if it were not there. A moment is turned into a time by the server's own clock where it
    /// shows that.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than fit are very long, too.
            return Some(Self::In(Duration::from_secs(
                text.parse().unwrap_or(u64::MAX),
            )));
        }
        let at = OffsetDateTime::parse(text, &Rfc2822).ok()?;
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
        Some(date.map_or(Self::At(at), |date| Self::In(between(date, at))))
    }

    /// How long that is from `now` on.
    #[must_use]
    pub fn from(self, now: OffsetDateTime) -> Duration {
        match self {
            Self::At(at) => between(now, at),
            Self::In(duration) => duration,
        }
    }
}

fn between(from: OffsetDateTime, to: OffsetDateTime) -> Duration {
    (to - from).try_into().unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    fn read(headers: &[(HeaderName, &str)]) -> Option<RetryAfter> {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        RetryAfter::read(&headers.into_iter().collect())
    }

    /// The two examples of RFC 9110.
    #[test]
    fn both_forms_are_read() {
        let seconds = |seconds| Some(RetryAfter::In(Duration::from_secs(seconds)));
        assert_eq!(read(&[(RETRY_AFTER, "120")]), seconds(120));
        let date = "Fri, 31 Dec 1999 23:59:59 GMT";
        let at = time::macros::datetime!(1999-12-31 23:59:59 UTC);
        assert_eq!(read(&[(RETRY_AFTER, date)]), Some(RetryAfter::At(at)));
        assert_eq!(
            RetryAfter::At(at).from(at - Duration::from_secs(7)),
            Duration::from_secs(7)
        );
        assert_eq!(
            RetryAfter::At(at).from(at + Duration::from_secs(7)),
            Duration::ZERO
        );
        let clock = (DATE, "Fri, 31 Dec 1999 23:59:29 GMT");
        assert_eq!(read(&[(RETRY_AFTER, date), clock]), seconds(30));
    }

    #[test]
    fn what_is_neither_is_not_there() {
        for text in ["", "-1", "1.5", "soon", "0x10", "Fri, 31 Dec"] {
            assert_eq!(read(&[(RETRY_AFTER, text)]), None, "{text}");
        }
        let long = "9".repeat(40);
        assert_eq!(
            read(&[(RETRY_AFTER, &long)]),
            Some(RetryAfter::In(Duration::from_secs(u64::MAX)))
        );
        assert_eq!(read(&[]), None);
    }
}
