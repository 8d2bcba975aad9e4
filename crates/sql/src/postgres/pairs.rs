//! The two forms of a data source name, as pairs of names and values.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::ConnectError;

/// Pairs in the order in which they stand; a later one counts.
pub(super) type Pairs = Vec<(String, String)>;

pub(super) fn fail(reason: &str) -> ConnectError {
    ConnectError::DataSource(format!(
        "failed to parse the database source for postgres: {reason}"
    ))
}

/// Reads either form.
pub(super) fn read(source: &str) -> Result<Pairs, ConnectError> {
    let url = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| source.strip_prefix(scheme));
    match url {
        Some(rest) => of_url(rest),
        None => of_text(source),
    }
}

fn of_url(rest: &str) -> Result<Pairs, ConnectError> {
    let mut pairs = Pairs::new();
    let rest = rest.split('#').next().unwrap_or_default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, address) = match authority.rsplit_once('@') {
        Some((login, address)) => (Some(login), address),
        None => (None, authority),
    };
    if let Some(login) = login {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        pairs.push(("user".to_owned(), decode(user)?));
        if let Some(password) = password {
            pairs.push(("password".to_owned(), decode(password)?));
        }
    }
    let (host, port) = match address.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner
                .split_once(']')
                .ok_or_else(|| fail("missing ']' in host"))?;
            (host, after.strip_prefix(':').unwrap_or_default())
        }
        None => address.split_once(':').unwrap_or((address, "")),
    };
    for (name, value) in [("host", host), ("port", port), ("dbname", path)] {
        if !value.is_empty() {
            pairs.push((name.to_owned(), decode(value)?));
        }
    }
    let mut seen: Vec<String> = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = decode(&name.replace('+', " "))?;
        // Of several, Go takes the first.
        if !value.is_empty() && !seen.contains(&name) {
            seen.push(name.clone());
            pairs.push((name, decode(&value.replace('+', " "))?));
        }
    }
    Ok(pairs)
}

fn decode(text: &str) -> Result<String, ConnectError> {
    let is_broken = text.split('%').skip(1).any(|escape| {
        let digits = escape.as_bytes().get(..2);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if !is_broken => Ok(Cow::into_owned(decoded)),
        _ => Err(fail("invalid URL escape")),
    }
}

/// `name = value` with blanks between; values in single quotes may have blanks, and a backslash takes the next character as it is.
fn of_text(source: &str) -> Result<Pairs, ConnectError> {
    let mut pairs = Pairs::new();
    let mut rest = source.trim_start();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        // The name may be a password that stands at the wrong place, therefore it is not told.
        let value = after
            .trim_start()
            .strip_prefix('=')
            .ok_or_else(|| fail("missing \"=\" in connection info string"))?;
        let (value, after) = read_value(value.trim_start())?;
        pairs.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

fn read_value(text: &str) -> Result<(String, &str), ConnectError> {
    let (text, is_quoted) = match text.strip_prefix('\'') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        let before = rest.as_str();
        match rest.next() {
            Some('\'') if is_quoted => return Ok((value, rest.as_str())),
            Some(c) if !is_quoted && c.is_whitespace() => return Ok((value, before)),
            Some('\\') => match rest.next() {
                Some(c) => value.push(c),
                None => return Err(fail("missing character after backslash")),
            },
            Some(c) => value.push(c),
            None if is_quoted => {
                return Err(fail(
                    "unterminated quoted string literal in connection string",
                ));
            }
            None => return Ok((value, "")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(source: &str) -> Vec<(String, String)> {
        read(source).unwrap()
    }

    fn expect(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        owned.collect()
    }

    #[test]
    fn urls_are_taken_apart() {
        assert_eq!(
            pairs("postgres://u:p%40%3A%2F@h:1/d?sslmode=disable&application_name=a+b"),
            expect(&[
                ("user", "u"),
                ("password", "p@:/"),
                ("host", "h"),
                ("port", "1"),
                ("dbname", "d"),
                ("sslmode", "disable"),
                ("application_name", "a b"),
            ])
        );
        assert_eq!(
            pairs("postgresql://[::1]:5433/x%20y"),
            expect(&[("host", "::1"), ("port", "5433"), ("dbname", "x y")])
        );
        assert_eq!(
            pairs("postgres:///d?host=/run/postgresql&host=other"),
            expect(&[("dbname", "d"), ("host", "/run/postgresql")])
        );
    }

    #[test]
    fn pairs_may_be_quoted() {
        assert_eq!(
            pairs(r" user = u  password='a b\'c\\' host=h\ x dbname='' "),
            expect(&[
                ("user", "u"),
                ("password", r"a b'c\"),
                ("host", "h x"),
                ("dbname", ""),
            ])
        );
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for source in [
            "hunter2",
            "user=u hunter2",
            "password='hunter2",
            r"password=hunter2\",
            "postgres://u:hunter2%zz@h/d",
            "postgres://u:hunter2@[::1/d",
        ] {
            let refused = read(source).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
