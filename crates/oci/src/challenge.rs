//! What a server asks for with `WWW-Authenticate`, and the answer.
//!
//! Registries and trust servers ask in the same way, so this serves both.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use crate::credentials::Credentials;
use crate::reference::is_loopback;
use crate::token::TokenError;

/// Most challenges that are read from one response; what comes later is ignored.
const MAX_CHALLENGES: usize = 16;

/// Longest header line that is read, in bytes; a longer one is ignored.
const MAX_LINE_BYTES: usize = 8 << 10;

/// One way in which a server would let us in.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Challenge {
    /// User name and password.
    Basic {
        /// What the server calls the protected space.
        realm: Option<String>,
    },
    /// A token from a token server.
    Bearer(BearerChallenge),
    /// A scheme that we do not know.
    Unknown {
        /// Its name in lower case.
        scheme: String,
    },
}

/// Where to get a token and what for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BearerChallenge {
    /// URL of the token server.
    pub realm: Option<String>,
    /// Name of the service that the token is for.
    pub service: Option<String>,
    /// Access that the server misses, in the server's words.
    pub scope: Option<String>,
    /// Why the token that was sent is not good.
    pub error: Option<String>,
}

/// How to answer a server's challenges.
#[derive(Clone, Debug)]
pub enum Answer<'a> {
    /// The server asks for nothing that we know: the request goes out without `Authorization`.
    Nothing,
    /// With this `Authorization` header.
    Basic(HeaderValue),
    /// With a token ([`Tokens`](crate::token::Tokens)).
    Token(&'a BearerChallenge),
}

/// Why there is no answer to a server's challenges.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The server wants a user name and password, and there are none. Nothing more is sent. The text is docker's.
    #[error("no basic auth credentials")]
    NoBasicCredentials,
    /// The server is spoken to without TLS: its question may be somebody else's, and so may the ears that hear the answer.
    #[error(
        "the login is not sent to {host}, because without TLS anybody on the way can read it: use an https address"
    )]
    WithoutTls {
        /// The server's host.
        host: String,
    },
    /// There is no token.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// The challenges of a response, in the server's order. Empty when there are none that can be read.
#[must_use]
pub fn parse(headers: &HeaderMap) -> Vec<Challenge> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter(|line| line.len() <= MAX_LINE_BYTES)
        .filter_map(|line| line.to_str().ok())
        .flat_map(parse_line)
        .take(MAX_CHALLENGES)
        .collect()
}

/// How to answer the challenges.
///
/// A password is preferred to a token where the server takes both and there is a password. `server` is who asks.
///
/// # Errors
/// [`AnswerError::WithoutTls`] when there is a login and the server is spoken to without TLS and not on this machine;
/// [`AnswerError::NoBasicCredentials`] when the server asks for a password that we do not have. The request must not be
/// sent then.
pub fn answer<'a>(
    challenges: &'a [Challenge],
    credentials: &Credentials,
    server: &Url,
) -> Result<Answer<'a>, AnswerError> {
    let is_known =
        |challenge: &Challenge| matches!(challenge, Challenge::Basic { .. } | Challenge::Bearer(_));
    if !credentials.is_anonymous() && challenges.iter().any(is_known) && !is_private(server) {
        return Err(AnswerError::WithoutTls {
            host: server.host_str().unwrap_or_default().to_owned(),
        });
    }
    let wants_basic = challenges
        .iter()
        .any(|challenge| matches!(challenge, Challenge::Basic { .. }));
    if wants_basic && let Some(header) = credentials.basic_header() {
        return Ok(Answer::Basic(header));
    }
    let bearer = challenges.iter().find_map(|challenge| match challenge {
        Challenge::Bearer(bearer) => Some(bearer),
        Challenge::Basic { .. } | Challenge::Unknown { .. } => None,
    });
    match bearer {
        Some(bearer) => Ok(Answer::Token(bearer)),
        None if wants_basic => Err(AnswerError::NoBasicCredentials),
        None => Ok(Answer::Nothing),
    }
}

/// Whether nobody on the way can read what a server is sent: there is TLS, or no way that leaves this machine.
#[must_use]
pub fn is_private(server: &Url) -> bool {
    server.scheme() == "https" || server.host_str().is_some_and(is_loopback)
}

/// Whether a new token may help with a server that did not accept the last one: it says that the token is not good, or
/// it does not say what is wrong. One that lacks access would lack it again.
#[must_use]
pub fn wants_new_token(challenges: &[Challenge]) -> bool {
    challenges.iter().any(|challenge| match challenge {
        Challenge::Bearer(bearer) => {
            matches!(bearer.error.as_deref(), None | Some("invalid_token"))
        }
        Challenge::Basic { .. } | Challenge::Unknown { .. } => false,
    })
}

/// Reads one header line (RFC 9110, 11.6.1), which may hold several challenges. What cannot be read is skipped up to
/// the next comma.
fn parse_line(line: &str) -> Vec<Challenge> {
    let mut cursor = Cursor { rest: line };
    let mut found: Vec<Pending> = Vec::new();
    loop {
        cursor.skip(|c| matches!(c, ' ' | '\t' | ','));
        if cursor.rest.is_empty() || found.len() > MAX_CHALLENGES {
            break;
        }
        let name = cursor.take(is_token_char);
        if name.is_empty() {
            cursor.skip(|c| c != ',');
            continue;
        }
        cursor.skip_space();
        match (found.last_mut(), cursor.rest.strip_prefix('=')) {
            (Some(challenge), Some(rest)) => {
                cursor.rest = rest;
                cursor.skip_space();
                if let Some(value) = cursor.value() {
                    challenge.set(name, value);
                }
            }
            // A parameter of no challenge.
            (None, Some(_)) => cursor.skip(|c| c != ','),
            (_, None) => {
                found.push(Pending {
                    scheme: name.to_ascii_lowercase(),
                    parameters: BearerChallenge::default(),
                });
                cursor.skip_token68();
            }
        }
    }
    found.into_iter().map(Pending::finish).collect()
}

struct Pending {
    scheme: String,
    parameters: BearerChallenge,
}

impl Pending {
    /// Of a parameter that is given twice, the first counts.
    fn set(&mut self, name: &str, value: String) {
        let slot = match name.to_ascii_lowercase().as_str() {
            "realm" => &mut self.parameters.realm,
            "service" => &mut self.parameters.service,
            "scope" => &mut self.parameters.scope,
            "error" => &mut self.parameters.error,
            _ => return,
        };
        if slot.is_none() {
            *slot = Some(value);
        }
    }

    fn finish(self) -> Challenge {
        match self.scheme.as_str() {
            "basic" => Challenge::Basic {
                realm: self.parameters.realm,
            },
            "bearer" => Challenge::Bearer(BearerChallenge {
                realm: self.parameters.realm.filter(|realm| !realm.is_empty()),
                ..self.parameters
            }),
            _ => Challenge::Unknown {
                scheme: self.scheme,
            },
        }
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip(&mut self, accept: impl Fn(char) -> bool) {
        self.take(accept);
    }

    fn skip_space(&mut self) {
        self.skip(|c| matches!(c, ' ' | '\t'));
    }

    /// Credentials without a name, as in `Negotiate dG9rZW4=`. Only where nothing else can be meant.
    fn skip_token68(&mut self) {
        let mut ahead = Cursor { rest: self.rest };
        ahead.skip(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        ahead.skip(|c| c == '=');
        ahead.skip_space();
        if ahead.rest.is_empty() || (ahead.rest.starts_with(',') && !self.rest.starts_with(',')) {
            self.rest = ahead.rest;
        }
    }

    /// A token or a quoted string; `None` when the quote is never closed.
    fn value(&mut self) -> Option<String> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            return Some(self.take(is_token_char).to_owned());
        };
        let mut value = String::new();
        let mut chars = quoted.chars();
        loop {
            match chars.next() {
                Some('"') => {
                    self.rest = chars.as_str();
                    return Some(value);
                }
                Some('\\') => value.extend(chars.next()),
                Some(c) => value.push(c),
                None => {
                    self.rest = "";
                    return None;
                }
            }
        }
    }
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn parsed(lines: &[&str]) -> Vec<Challenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(line).unwrap());
        }
        parse(&headers)
    }

    fn basic(realm: &str) -> Challenge {
        Challenge::Basic {
            realm: Some(realm.to_owned()),
        }
    }

    fn bearer(realm: &str, service: &str, scope: Option<&str>) -> Challenge {
        Challenge::Bearer(BearerChallenge {
            realm: Some(realm.to_owned()),
            service: Some(service.to_owned()),
            scope: scope.map(str::to_owned),
            error: None,
        })
    }

    fn unknown(scheme: &str) -> Challenge {
        Challenge::Unknown {
            scheme: scheme.to_owned(),
        }
    }

    #[test]
    fn reads_what_servers_send() {
        let t = bearer("https://auth.example/token", "reg", None);
        for (lines, expected) in [
            (vec![], vec![]),
            (vec![r#"Basic realm="a b""#], vec![basic("a b")]),
            (vec!["BASIC"], vec![Challenge::Basic { realm: None }]),
            (vec![r#"basic REALM=x"#], vec![basic("x")]),
            (
                vec![r#"Bearer realm="https://auth.example/token",service="reg""#],
                vec![t.clone()],
            ),
            (
                vec![r#"bEaReR service = "reg" , realm = "https://auth.example/token""#],
                vec![t.clone()],
            ),
            (
                vec![
                    r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull,push""#,
                ],
                vec![bearer(
                    "https://auth.docker.io/token",
                    "registry.docker.io",
                    Some("repository:library/x:pull,push"),
                )],
            ),
            (
                vec![
                    r#"Basic realm="a""#,
                    r#"Bearer realm="https://auth.example/token",service=reg"#,
                ],
                vec![basic("a"), t.clone()],
            ),
            (
                vec![
                    r#"Basic realm="a", Bearer realm="https://auth.example/token", service="reg""#,
                ],
                vec![basic("a"), t.clone()],
            ),
            (
                vec![r#"Basic, Bearer realm="https://auth.example/token", service="reg""#],
                vec![Challenge::Basic { realm: None }, t],
            ),
            (
                vec![r#"Negotiate dG9rZW4=, Basic realm="a", NTLM"#],
                vec![unknown("negotiate"), basic("a"), unknown("ntlm")],
            ),
            (
                vec![r#"Digest realm="d", qop="auth, auth-int", nonce="x", Basic realm="a""#],
                vec![unknown("digest"), basic("a")],
            ),
            (
                vec![r#"Basic realm="say \"hi\", \\ you""#],
                vec![basic(r#"say "hi", \ you"#)],
            ),
            (
                vec![r#"Basic realm="first", realm="second""#],
                vec![basic("first")],
            ),
            (
                vec!["Bearer"],
                vec![Challenge::Bearer(BearerChallenge::default())],
            ),
            (
                vec![r#"Bearer realm="""#],
                vec![Challenge::Bearer(BearerChallenge::default())],
            ),
            (vec![r#",, ,Basic realm="a",,"#], vec![basic("a")]),
        ] {
            assert_eq!(parsed(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn survives_what_servers_should_not_send() {
        for (line, expected) in [
            (
                r#"Basic realm="never closed"#,
                vec![Challenge::Basic { realm: None }],
            ),
            (r#"Basic realm="x\"#, vec![Challenge::Basic { realm: None }]),
            (r#"realm="no scheme", Basic realm="a""#, vec![basic("a")]),
            (r#""quoted", Basic realm="a""#, vec![basic("a")]),
            (r#"@@@ {}, Basic realm="a""#, vec![basic("a")]),
            ("Basic realm", vec![Challenge::Basic { realm: None }]),
            ("=", vec![]),
            ("\"", vec![]),
        ] {
            assert_eq!(parsed(&[line]), expected, "{line}");
        }
        let many = "Basic,".repeat(1000);
        assert_eq!(parsed(&[&many]).len(), MAX_CHALLENGES);
        let long = format!("Basic realm=\"{}\"", "x".repeat(MAX_LINE_BYTES));
        assert_eq!(parsed(&[&long]), []);
        let mut headers = HeaderMap::new();
        headers.append(
            WWW_AUTHENTICATE,
            HeaderValue::from_bytes(b"Basic realm=\"\xff\"").unwrap(),
        );
        assert_eq!(parse(&headers), []);
    }

    fn header_of(challenges: &[Challenge], credentials: &Credentials) -> HeaderValue {
        match answer(challenges, credentials, &https()).unwrap() {
            Answer::Basic(header) => header,
            other => panic!("{other:?}"),
        }
    }

    fn https() -> Url {
        "https://registry.example".parse().unwrap()
    }

    /// The challenge could be anybody's, and so a token server that it names is as bad as the way to the server.
    #[test]
    fn sends_no_login_without_tls_except_to_this_machine() {
        let alice = Credentials::password("alice", SecretString::from("pw"));
        let token = bearer("https://t", "s", None);
        for challenges in [[basic("a")], [token]] {
            for server in ["http://registry.example", "http://127.0.0.1.example:5000"] {
                let server = server.parse().unwrap();
                let error = answer(&challenges, &alice, &server).unwrap_err();
                assert!(matches!(error, AnswerError::WithoutTls { .. }), "{error}");
                let nobody = answer(&challenges, &Credentials::anonymous(), &server);
                assert!(!matches!(nobody, Err(AnswerError::WithoutTls { .. })));
            }
            for server in ["http://127.0.0.1:5000", "http://[::1]:1", "https://h"] {
                answer(&challenges, &alice, &server.parse().unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn answers_basic_with_the_password() {
        // RFC 7617, section 2
        let aladdin = Credentials::password("Aladdin", SecretString::from("open sesame"));
        let both = [bearer("https://t", "s", None), basic("a")];
        for challenges in [&[basic("a")] as &[_], &both] {
            let header = header_of(challenges, &aladdin);
            assert_eq!(
                header.to_str().unwrap(),
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
            );
            assert!(header.is_sensitive());
            assert_eq!(format!("{header:?}"), "Sensitive");
        }
    }

    #[test]
    fn sends_nothing_when_there_is_no_password() {
        let no_password = Credentials::password("alice", SecretString::from(""));
        for credentials in [Credentials::anonymous(), no_password] {
            let error = answer(&[basic("a")], &credentials, &https()).unwrap_err();
            assert_eq!(error.to_string(), "no basic auth credentials");
        }
    }

    #[test]
    fn asks_for_a_token_where_a_password_is_not_wanted_or_not_there() {
        let alice = Credentials::password("alice", SecretString::from("pw"));
        let t = bearer("https://t", "s", None);
        for (challenges, credentials) in [
            (vec![t.clone()], &alice),
            (vec![t.clone()], &Credentials::anonymous()),
            (vec![basic("a"), t.clone()], &Credentials::anonymous()),
            (vec![unknown("negotiate"), t.clone()], &alice),
        ] {
            match answer(&challenges, credentials, &https()).unwrap() {
                Answer::Token(found) => assert_eq!(Challenge::Bearer(found.clone()), t),
                other => panic!("{other:?}"),
            }
        }
        for challenges in [vec![], vec![unknown("negotiate")]] {
            assert!(matches!(
                answer(&challenges, &alice, &https()).unwrap(),
                Answer::Nothing
            ));
        }
    }

    #[test]
    fn a_new_token_is_fetched_only_where_it_may_help() {
        let error = |line: &str| wants_new_token(&parsed(&[line]));
        assert!(error(r#"Bearer realm="https://t",error="invalid_token""#));
        assert!(error(r#"Bearer realm="https://t""#));
        assert!(!error(
            r#"Bearer realm="https://t",error="insufficient_scope""#
        ));
        assert!(!error(r#"Basic realm="a""#));
        assert!(!wants_new_token(&[]));
    }
}
