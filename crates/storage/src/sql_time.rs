//! Times as the Go server's drivers write them: for SQLite `2026-11-22 19:46:39.467344389+00:00`, for MySQL `2026-11-22 19:46:39.467344`.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::ZERO_TIME;

/// The text of a moment: UTC, trailing zeros of the fraction left out.
pub(super) fn write(moment: OffsetDateTime) -> String {
    let m = moment.to_offset(UtcOffset::UTC);
    let fraction = format!(".{:09}", m.nanosecond());
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}{fraction}+00:00",
        m.year(),
        u8::from(m.month()),
        m.day(),
        m.hour(),
        m.minute(),
        m.second()
    )
}

/// The text of a moment without its zone: UTC, with microseconds.
pub(super) fn write_naive(moment: OffsetDateTime) -> String {
    let m = moment.to_offset(UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}",
        m.year(),
        u8::from(m.month()),
        m.day(),
        m.hour(),
        m.minute(),
        m.second(),
        m.microsecond()
    )
}

/// Reads a moment: with a blank or a `T`, with an offset, `Z` or neither (then UTC). What is no time is the zero time.
pub(super) fn parse(text: Option<String>) -> OffsetDateTime {
    let Some(text) = text else { return ZERO_TIME };
    let (Some(date), Some(clock)) = (text.get(..10), text.get(11..)) else {
        return ZERO_TIME;
    };
    let zone = if clock.contains(['+', '-', 'Z']) {
        ""
    } else {
        "Z"
    };
    OffsetDateTime::parse(&format!("{date}T{clock}{zone}"), &Rfc3339)
        .map_or(ZERO_TIME, |moment| moment.to_offset(UtcOffset::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn writes_and_reads_what_go_writes() {
        // From the recorded database (vectors, db/sqlite-server.sql).
        let text = "2026-11-22 19:46:39.467344389+00:00";
        let moment = datetime!(2026-11-22 19:46:39.467344389 UTC);
        assert_eq!(write(moment), text);
        assert_eq!(parse(Some(text.to_owned())), moment);
        assert_eq!(
            write(datetime!(2026-11-22 20:46:39.5 +1)),
            "2026-11-22 19:46:39.5+00:00"
        );
        assert_eq!(
            write(datetime!(2026-11-22 19:46:39 UTC)),
            "2026-11-22 19:46:39+00:00"
        );
    }

    #[test]
    fn reads_other_forms_and_survives_the_rest() {
        let moment = datetime!(2026-11-22 19:46:39 UTC);
        for text in [
            "2026-11-22 19:46:39",
            "2026-11-22T19:46:39Z",
            "2026-11-22 20:46:39+01:00",
        ] {
            assert_eq!(parse(Some(text.to_owned())), moment, "{text}");
        }
        for text in ["", "yesterday, all my", "2026-11-22", "é26-11-22 19:46:39"] {
            assert_eq!(parse(Some(text.to_owned())), ZERO_TIME, "{text}");
        }
        assert_eq!(parse(None), ZERO_TIME);
    }
}
