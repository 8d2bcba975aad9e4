//! Sizes as Go's `strconv.ParseInt` reads them: in any base that a prefix names, with underscores between digits.

use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// Reads a size.
pub(super) fn parse(text: &str) -> Result<i64, Failure> {
    let syntax = || Failure::new(texts::size_syntax(text));
    let (negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = base(number);
    if number.is_empty() || !underscores_separate(number) {
        return Err(syntax());
    }
    let mut size = 0_i64;
    for digit in digits.chars().filter(|letter| *letter != '_') {
        let digit = digit.to_digit(base).ok_or_else(syntax)?;
        size = size
            .checked_mul(base.into())
            .and_then(|size| size.checked_add(digit.into()))
            .ok_or_else(|| Failure::new(texts::size_range(text)))?;
    }
    if negative {
        return Err(Failure::new(texts::size_negative(text)));
    }
    Ok(size)
}

/// The base that the prefix names, and the digits after it.
fn base(number: &str) -> (u32, &str) {
    let Some(rest) = number.strip_prefix('0') else {
        return (10, number);
    };
    for (base, prefix) in [(2, ['b', 'B']), (8, ['o', 'O']), (16, ['x', 'X'])] {
        if let Some(digits) = rest
            .strip_prefix(prefix)
            .filter(|digits| !digits.is_empty())
        {
            return (base, digits);
        }
    }
    (8, rest)
}

/// Whether underscores stand between digits only, of which the prefix is one.
fn underscores_separate(number: &str) -> bool {
    let after_prefix = ["0b", "0B", "0o", "0O", "0x", "0X"]
        .iter()
        .find_map(|prefix| number.strip_prefix(prefix));
    let (mut separable, digits) = match after_prefix {
        Some(digits) => (true, digits),
        None => (false, number),
    };
    for letter in digits.chars() {
        if letter == '_' && !separable {
            return false;
        }
        separable = letter != '_';
    }
    !digits.ends_with('_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `notary addhash` of Go's 0.7 makes of these.
    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for (text, size) in [
            ("0x0c", 12),
            ("0777", 511),
            ("0o17", 15),
            ("0b11", 3),
            ("1_000", 1000),
            ("0_7", 7),
            ("+5", 5),
            ("0x_1", 1),
            ("0X1F", 31),
            ("0B1", 1),
            ("0", 0),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(parse(text).unwrap(), size, "{text}");
        }
        for text in [
            "", " 1", "08", "1__0", "_1", "1_", "0x", "twelve", "0x_", "+", "1.5",
        ] {
            let said = format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
            assert_eq!(parse(text).unwrap_err().text(), said);
        }
        for text in ["9223372036854775808", "99999999999999999999"] {
            let said = format!("strconv.ParseInt: parsing \"{text}\": value out of range");
            assert_eq!(parse(text).unwrap_err().text(), said);
        }
        assert!(parse("-5").unwrap_err().text().contains("negative"));
    }
}
