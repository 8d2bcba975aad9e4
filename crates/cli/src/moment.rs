//! Moments on the command line.

use signet_archive::Moment;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// Reads RFC 3339, or a date, which stands for its beginning in UTC.
#[must_use]
pub fn parse(text: &str) -> Option<Moment> {
    let date = || {
        let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
        Some(date.midnight().assume_utc())
    };
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok().or_else(date)?;
    Some(Moment::of(moment))
}

/// Reads seconds since 1970, as `SOURCE_DATE_EPOCH` has them.
#[must_use]
pub fn since_1970(text: &str) -> Option<OffsetDateTime> {
    let seconds = text.parse().ok().filter(|seconds: &i64| *seconds >= 0)?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rfc_3339_or_dates() {
        let read = |text: &str| parse(text).map(|moment| moment.to_string());
        for (text, moment) in [
            ("2026-12-08", "2026-12-08T00:00:00Z"),
            ("2026-12-08T12:34:56Z", "2026-12-08T12:34:56Z"),
            ("2026-12-08T12:34:56.9Z", "2026-12-08T12:34:56Z"),
            ("2026-12-08T01:00:00+02:00", "2026-12-07T23:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(moment), "{text}");
        }
        for text in [
            "",
            "now",
            "2026-12",
            "2026-13-01",
            "1765152000",
            "2026-12-08 12:00",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
