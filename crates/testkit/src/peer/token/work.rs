//! Who has an account at the token service, what they may, and what they are answered.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64;
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::signer::{Signer, now, rfc3339};
use super::{LIFETIME, TokenFault, TokenMember, TokenRequest};
use crate::http::{Request, message, read_request};

pub(super) struct State {
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    pub(super) signer: Arc<Signer>,
    /// How many of the next tokens have run out when they are issued.
    pub(super) stale: AtomicU64,
    pub(super) work: Mutex<Work>,
}

#[derive(Default)]
pub(super) struct Work {
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) anonymous: Vec<Right>,
    pub(super) fault: TokenFault,
    pub(super) member: TokenMember,
    pub(super) identity_tokens: bool,
    pub(super) requests: Vec<TokenRequest>,
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) password: String,
    pub(super) rights: Vec<Right>,
}

#[derive(Clone, Debug)]
pub(super) struct Right {
    repository: String,
    actions: Vec<String>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn serve(&self, stream: TcpStream) -> anyhow::Result<()> {
        match &self.tls {
            None => self.converse(&mut { stream }),
            Some(tls) => {
                let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(tls))?, stream);
                self.converse(&mut stream)?;
                stream.conn.send_close_notify();
                Ok(stream.flush()?)
            }
        }
    }

    fn converse(&self, client: &mut (impl Read + Write)) -> anyhow::Result<()> {
        let request = read_request(client)?;
        let fault = {
            let mut work = self.work();
            work.requests.push(TokenRequest {
                method: request.method.clone(),
                target: request.path.clone(),
                headers: request.headers.clone(),
                body: String::from_utf8_lossy(&request.body).into_owned(),
            });
            work.fault.clone()
        };
        let answer = match fault {
            TokenFault::None => {
                let (status, body) = self.answer(&request)?;
                message(status, &JSON, body.to_string().as_bytes())
            }
            TokenFault::Status(status, body) => message(status, &JSON, body.as_bytes()),
            TokenFault::Body(body) => message(200, &JSON, body.as_bytes()),
            TokenFault::Redirect(status, target) => message(status, &[("Location", &target)], b""),
            TokenFault::Cut => return Ok(()),
            TokenFault::Silent => {
                // Until the client has had enough.
                let _ = client.read(&mut [0; 1]);
                return Ok(());
            }
            TokenFault::Endless => {
                client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                let chunk = [b' '; 1 << 16];
                // Until the client goes away.
                loop {
                    client.write_all(&chunk)?;
                }
            }
        };
        client.write_all(&answer)?;
        Ok(client.flush()?)
    }

    fn answer(&self, request: &Request) -> anyhow::Result<(u16, Value)> {
        let form = match request.method.as_str() {
            "GET" => request.path.split_once('?').map_or("", |(_, query)| query),
            "POST" => std::str::from_utf8(&request.body)?,
            _ => return Ok((405, json!({}))),
        };
        let fields: Vec<(String, String)> = form.split('&').map(decode_field).collect();
        let all = |name: &str| {
            let named = fields.iter().filter(move |(field, _)| field == name);
            named.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let one = |name: &str| all(name).into_iter().next().unwrap_or_default();
        let work = self.work();
        let user = if request.method == "POST" {
            let token = one("refresh_token");
            match token.strip_prefix("identity-of-") {
                Some(name) if work.accounts.contains_key(name) => Some(name.to_owned()),
                _ => return Ok(unauthorized()),
            }
        } else {
            match basic(request) {
                None => None,
                Some((name, password)) => match work.accounts.get(&name) {
                    Some(account) if account.password == password => Some(name),
                    _ => return Ok(unauthorized()),
                },
            }
        };
        let rights = match &user {
            Some(name) => work.accounts.get(name).map(|account| &account.rights),
            None => None,
        };
        let rights = rights.unwrap_or(&work.anonymous);
        let access: Vec<Value> = all("scope")
            .iter()
            .flat_map(|scope| scope.split(' '))
            .filter_map(|scope| grant(scope, rights))
            .collect();
        let stale = self
            .stale
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok();
        let subject = user.clone().unwrap_or_default();
        let seconds = if stale { 0 } else { LIFETIME };
        let token = self
            .signer
            .token(&subject, &one("service"), &json!(access), seconds)?;
        let mut body = match work.member {
            // The form for identity tokens knows the newer name only.
            _ if request.method == "POST" => json!({"access_token": token}),
            TokenMember::Both => json!({"token": token, "access_token": token}),
            TokenMember::Token => json!({"token": token}),
            TokenMember::AccessToken => json!({"access_token": token}),
            TokenMember::AccessTokenBesideNonsense => {
                json!({"token": "nonsense", "access_token": token})
            }
        };
        body["expires_in"] = json!(LIFETIME);
        body["issued_at"] = json!(rfc3339(now())?);
        if let Some(user) = user
            && work.identity_tokens
            && one("offline_token") == "true"
        {
            body["refresh_token"] = json!(format!("identity-of-{user}"));
        }
        Ok((200, body))
    }
}

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

/// What docker's own service answers.
fn unauthorized() -> (u16, Value) {
    (401, json!({"details": "incorrect username or password"}))
}

pub(super) fn read_rights(rights: &[(&str, &str)]) -> Vec<Right> {
    let words = |text: &str| text.split(',').map(str::to_owned).collect();
    rights
        .iter()
        .map(|(repository, actions)| Right {
            repository: (*repository).to_owned(),
            actions: words(actions),
        })
        .collect()
}

/// The entry of `access` for a scope `type:name:actions`, cut down to what is allowed; `None` when that is nothing.
fn grant(scope: &str, rights: &[Right]) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    // Names have colons too.
    let (name, wanted) = rest.rsplit_once(':')?;
    let covers = |right: &&Right| {
        right.repository == "*"
            || name == right.repository
            || name.ends_with(&format!("/{}", right.repository))
    };
    let allowed: Vec<&str> = wanted
        .split(',')
        .filter(|action| {
            let mut matching = rights.iter().filter(covers);
            matching.any(|right| right.actions.iter().any(|a| a == action))
        })
        .collect();
    (!allowed.is_empty()).then(|| json!({"type": kind, "name": name, "actions": allowed}))
}

fn basic(request: &Request) -> Option<(String, String)> {
    let mut headers = request.headers.iter();
    let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
    let decoded = BASE64
        .decode(value.strip_prefix("Basic ")?.as_bytes())
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// One field of a form (WHATWG, `application/x-www-form-urlencoded`).
fn decode_field(field: &str) -> (String, String) {
    let (name, value) = field.split_once('=').unwrap_or((field, ""));
    (decode(name), decode(value))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
