//! The two forms in which a token is asked for, byte for byte as docker sends them.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode, Url};
use secrecy::ExposeSecret as _;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::answer::{self, Token};
use super::{MAX_ANSWER_BYTES, TokenError};
use crate::credentials::Credentials;
use crate::registry::find_tls_error;

/// Most redirects that are followed, all within the token server.
const MAX_REDIRECTS: usize = 3;

/// Fetches a token: with the identity token if there is one, else with name and password, else anonymously.
pub(super) async fn fetch(
    client: &Client,
    realm: &Url,
    service: Option<&str>,
    scope: &str,
    credentials: &Credentials,
) -> Result<Token, TokenError> {
    let service = service.filter(|service| !service.is_empty());
    let exchange = match credentials.identity_token() {
        Some(token) => Exchange::Refresh(Zeroizing::new(form(&[
            ("client_id", "docker"),
            ("grant_type", "refresh_token"),
            ("refresh_token", token.expose_secret()),
            ("scope", scope),
            ("service", service.unwrap_or_default()),
        ]))),
        None => Exchange::Ask(credentials.basic_header()),
    };
    let mut url = realm.clone();
    if let Exchange::Ask(header) = &exchange {
        let account = credentials
            .basic()
            .filter(|_| header.is_some())
            .map(|(account, _)| account);
        url.set_query(Some(&query(realm, account, service, scope)));
    }
    for _ in 0..=MAX_REDIRECTS {
        let response = exchange.send(client, &url).await?;
        let Some(target) = redirect_target(&response) else {
            return read(response, realm, &exchange.name(&url)).await;
        };
        // A password goes to whom the server named and to nobody else, and a form is not sent as something else.
        let keeps_method = matches!(response.status().as_u16(), 307 | 308);
        let repeats = keeps_method || matches!(exchange, Exchange::Ask(_));
        if target.origin() != realm.origin() || !repeats {
            return Err(TokenError::Redirected {
                realm: realm.to_string(),
                target: target.to_string().chars().take(300).collect(),
            });
        }
        url = target;
    }
    Err(TokenError::Redirected {
        realm: realm.to_string(),
        target: url.to_string().chars().take(300).collect(),
    })
}

enum Exchange {
    Ask(Option<HeaderValue>),
    Refresh(Zeroizing<String>),
}

impl Exchange {
    async fn send(&self, client: &Client, url: &Url) -> Result<Response, TokenError> {
        let request = match self {
            Self::Ask(None) => client.get(url.clone()),
            Self::Ask(Some(header)) => client
                .get(url.clone())
                .header(AUTHORIZATION, header.clone()),
            Self::Refresh(form) => client
                .request(Method::POST, url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.as_bytes().to_vec()),
        };
        request
            .send()
            .await
            .map_err(|error| failed(&self.name(url), error))
    }

    /// As Go names a request in its errors.
    fn name(&self, url: &Url) -> String {
        let method = match self {
            Self::Ask(_) => "Get",
            Self::Refresh(_) => "Post",
        };
        format!("{method} {:?}", url.as_str())
    }
}

async fn read(mut response: Response, realm: &Url, request: &str) -> Result<Token, TokenError> {
    let too_large = || TokenError::TooLarge {
        realm: realm.to_string(),
        max_bytes: MAX_ANSWER_BYTES,
    };
    if response
        .content_length()
        .is_some_and(|length| length > MAX_ANSWER_BYTES)
    {
        return Err(too_large());
    }
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| failed(request, error))?
    {
        if (body.len() + chunk.len()) as u64 > MAX_ANSWER_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    // Only 200: what comes with another status is no token (security class A21).
    match response.status() {
        StatusCode::OK => answer::token(response.headers(), &body),
        status => Err(TokenError::Refused {
            status: status.as_u16(),
            message: answer::refusal(status, &body),
        }),
    }
}

fn redirect_target(response: &Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(location).ok()
}

/// The realm's own parameters and ours, names in alphabetical order.
fn query(realm: &Url, account: Option<&str>, service: Option<&str>, scope: &str) -> String {
    let mut pairs: Vec<(String, String)> = realm.query_pairs().into_owned().collect();
    let ours = [
        ("account", account),
        ("scope", Some(scope)),
        ("service", service),
    ];
    for (name, value) in ours {
        pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }
    pairs.sort_by(|(left, _), (right, _)| left.cmp(right));
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    form(&pairs)
}

fn form(pairs: &[(&str, &str)]) -> String {
    // No reallocation may leave a copy of a secret behind: every byte takes three at most.
    let room = pairs.iter().map(|(n, v)| 3 * (n.len() + v.len()) + 2);
    let mut text = String::with_capacity(room.sum());
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        escape(name, &mut text);
        text.push('=');
        escape(value, &mut text);
    }
    text
}

/// compat: Go leaves `~` and escapes `*`; the URL standard has it the other way round.
fn escape(plain: &str, text: &mut String) {
    for part in byte_serialize(plain.as_bytes()) {
        match part {
            "%7E" => text.push('~'),
            _ => {
                for piece in part.split_inclusive('*') {
                    match piece.strip_suffix('*') {
                        Some(before) => {
                            text.push_str(before);
                            text.push_str("%2A");
                        }
                        None => text.push_str(piece),
                    }
                }
            }
        }
    }
}

fn failed(request: &str, error: reqwest::Error) -> TokenError {
    let request = request.to_owned();
    let is_tls = find_tls_error(&error).is_some();
    let error = error.without_url();
    // The innermost cause says what happened; what is around it says that a request failed.
    let mut cause: &(dyn std::error::Error + 'static) = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let reason = cause.to_string();
    if is_tls {
        TokenError::Tls { request, reason }
    } else {
        TokenError::Unreachable { request, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go's `url.Values.Encode` gives for the same names and values.
    #[test]
    fn forms_are_written_as_go_writes_them() {
        assert_eq!(
            form(&[
                ("scope", "repository:localhost:5000/team/app:pull,push"),
                ("x", "a b+c~d*e*/ä=&"),
                ("", ""),
            ]),
            "scope=repository%3Alocalhost%3A5000%2Fteam%2Fapp%3Apull%2Cpush&x=a+b%2Bc~d%2Ae%2A%2F%C3%A4%3D%26&="
        );
    }

    #[test]
    fn a_realms_own_parameters_are_sorted_among_ours() {
        let realm = Url::parse("https://h/t?z=1&b=2&scope=other").unwrap();
        assert_eq!(
            query(&realm, Some("al ice"), Some("reg"), "repository:a:*"),
            "account=al+ice&b=2&scope=other&scope=repository%3Aa%3A%2A&service=reg&z=1"
        );
        assert_eq!(
            query(&Url::parse("https://h/t").unwrap(), None, None, "s"),
            "scope=s"
        );
    }
}
