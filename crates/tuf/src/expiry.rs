//! The moment at which a document's validity ends (specification, `tuf.md` section 5.2).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcOffset};

/// End of a document's validity.
///
/// The text of a document that was read is kept, so that the document re-serialises to the same bytes. New values are
/// written in UTC with trailing zeros of the fraction removed, as Go does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expiry {
    moment: OffsetDateTime,
    text: String,
}

/// Lifetime of new root documents and root certificates: 10 × 365 days.
pub const ROOT_LIFETIME: Duration = Duration::days(3650);
/// Lifetime of new targets and delegation documents: 3 × 365 days.
pub const TARGETS_LIFETIME: Duration = Duration::days(1095);
/// Lifetime of new snapshots: 3 × 365 days.
pub const SNAPSHOT_LIFETIME: Duration = Duration::days(1095);
/// Lifetime of new timestamps: 14 days.
pub const TIMESTAMP_LIFETIME: Duration = Duration::days(14);

impl Expiry {
    /// A new expiry at `moment`, written in UTC.
    #[must_use]
    pub fn at(moment: OffsetDateTime) -> Self {
        let moment = moment.to_offset(UtcOffset::UTC);
        let text = moment
            .format(&Rfc3339)
            .unwrap_or_else(|_| "9999-12-31T23:59:59Z".to_owned());
        Self { moment, text }
    }

    /// What a missing or null `expires` means: the year 1, long over.
    #[must_use]
    pub fn missing() -> Self {
        Self {
            moment: time::macros::datetime!(0001-01-01 0:00 UTC),
            text: "0001-01-01T00:00:00Z".to_owned(),
        }
    }

    /// Reads strict RFC 3339: upper-case `T` and `Z`, any offset, at most nine digits of fraction, no leap second.
    ///
    /// # Errors
    /// The text, when it is anything else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || format!("parsing time {text:?}: not RFC 3339");
        let shape_ok = text.len() <= 64
            && text.is_ascii()
            && text.as_bytes().get(10) == Some(&b'T')
            && !text.contains(['t', 'z'])
            && text.get(17..19) != Some("60")
            && text.bytes().skip(20).take_while(u8::is_ascii_digit).count() <= 9;
        if !shape_ok {
            return Err(refused());
        }
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refused())?;
        Ok(Self {
            moment,
            text: text.to_owned(),
        })
    }

    /// Whether Go writes this moment with this very text: no trailing zeros in the fraction, `Z` for offset zero. A
    /// document with another text changes when a Go program writes it again (specification, `tuf.md` section 2.6).
    #[must_use]
    pub fn is_go_stable(&self) -> bool {
        self.moment
            .format(&Rfc3339)
            .is_ok_and(|text| text == self.text)
    }

    /// The moment itself.
    #[must_use]
    pub fn moment(&self) -> OffsetDateTime {
        self.moment
    }

    /// Whether validity has ended: `expires` lies before `now`. Equal is still valid.
    #[must_use]
    pub fn is_over(&self, now: OffsetDateTime) -> bool {
        self.moment < now
    }

    /// Whether validity ends within six calendar months of `now`: time to warn and, for root, to renew.
    #[must_use]
    pub fn is_near(&self, now: OffsetDateTime) -> bool {
        self.moment < add_months(now, 6)
    }
}

/// `moment` plus `months` calendar months; a day that the month lacks flows into the next one, as in Go.
#[must_use]
pub fn add_months(moment: OffsetDateTime, months: u8) -> OffsetDateTime {
    let index = i32::from(u8::from(moment.month())) - 1 + i32::from(months);
    let (year, month) = (moment.year() + index / 12, index % 12 + 1);
    let Some(first) = u8::try_from(month)
        .ok()
        .and_then(|month| time::Month::try_from(month).ok())
        .and_then(|month| time::Date::from_calendar_date(year, month, 1).ok())
    else {
        return moment;
    };
    first
        .with_time(moment.time())
        .assume_offset(moment.offset())
        + Duration::days(i64::from(moment.day()) - 1)
}

impl fmt::Display for Expiry {
    /// Go's `Mon Jan 2 15:04:05 MST 2006`, in the zone that the document used.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = self.moment;
        let weekday = m.weekday().to_string();
        let month = m.month().to_string();
        let zone = if m.offset().is_utc() {
            "UTC".to_owned()
        } else {
            let (h, min, _) = m.offset().as_hms();
            let sign = if m.offset().is_negative() { '-' } else { '+' };
            format!("{sign}{:02}{:02}", h.unsigned_abs(), min.unsigned_abs())
        };
        write!(
            f,
            "{} {} {} {:02}:{:02}:{:02} {zone} {:04}",
            weekday.get(..3).unwrap_or(&weekday),
            month.get(..3).unwrap_or(&month),
            m.day(),
            m.hour(),
            m.minute(),
            m.second(),
            m.year()
        )
    }
}

impl Serialize for Expiry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.map_or_else(
            || Ok(Self::missing()),
            |text| Self::parse(&text).map_err(serde::de::Error::custom),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn writes_utc_without_trailing_zeros() {
        assert_eq!(
            Expiry::at(datetime!(2030-01-02 03:04:05.12 UTC)).text,
            "2030-01-02T03:04:05.12Z"
        );
        assert_eq!(
            Expiry::at(datetime!(2030-01-02 03:04:05 +5:30)).text,
            "2030-01-01T21:34:05Z"
        );
    }

    #[test]
    fn reads_strictly_and_keeps_the_text() {
        let text = "2029-11-22T00:47:52.986950286+05:30";
        let read = Expiry::parse(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), format!("{text:?}"));
        for bad in [
            "2119-01-01 00:00:00Z",
            "tomorrow",
            "2119-01-01T00:00:00",
            "2119-01-01t00:00:00Z",
            "2119-01-01T00:00:60Z",
            "",
        ] {
            assert!(Expiry::parse(bad).is_err(), "{bad}");
        }
        let missing: Expiry = serde_json::from_str("null").unwrap();
        assert_eq!(missing.to_string(), "Mon Jan 1 00:00:00 UTC 0001");
    }

    #[test]
    fn prints_as_go_does() {
        assert_eq!(
            Expiry::parse("2020-01-01T00:00:00Z").unwrap().to_string(),
            "Wed Jan 1 00:00:00 UTC 2020"
        );
    }

    #[test]
    fn months_flow_over_like_go() {
        assert_eq!(
            add_months(datetime!(2026-08-31 00:00 UTC), 6),
            datetime!(2027-03-03 00:00 UTC)
        );
        assert_eq!(
            add_months(datetime!(2026-11-22 00:00 UTC), 6),
            datetime!(2027-05-22 00:00 UTC)
        );
    }
}
