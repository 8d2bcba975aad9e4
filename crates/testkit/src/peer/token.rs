//! A token service: what registries and trust servers with `auth: token` send their clients to.
//!
//! It issues signed tokens (JWT, ES256, certificate chain in `x5c`) as the distribution project's token authentication specifies them, keeps
//! account of every request, and misbehaves when told to.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificate::{Authority, server_config};
use crate::file;
use crate::http::{Request, message, read_request};

const TIME_LIMIT: Duration = Duration::from_secs(60);
/// How long a token is good for, unless set otherwise: what docker's own service answers.
const LIFETIME: u64 = 300;
/// Who issues the tokens.
const ISSUER: &str = "signet-test-issuer";

/// What the token service does instead of its work.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum TokenFault {
    /// Nothing: it works.
    #[default]
    None,
    /// This status with this body.
    Status(u16, String),
    /// 200 with this body.
    Body(String),
    /// This status with a `Location`.
    Redirect(u16, String),
    /// It takes the request and does not answer.
    Silent,
    /// 200, and bytes without end.
    Endless,
    /// The connection ends without a byte of answer.
    Cut,
}

/// Under which names the answer has the token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TokenMember {
    /// `token` and `access_token`, as docker's own service answers.
    #[default]
    Both,
    /// `token` only.
    Token,
    /// `access_token` only.
    AccessToken,
    /// The token is in `access_token`, and `token` has nonsense.
    AccessTokenBesideNonsense,
}

/// A request as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body; empty for GET.
    pub body: String,
}

impl TokenRequest {
    /// The first header field of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// What decides about the answer: method, target, credentials, body.
    #[must_use]
    pub fn essence(&self) -> String {
        let line = format!("{} {}", self.method, self.target);
        let rest = [
            self.header("authorization").unwrap_or_default(),
            self.header("content-type").unwrap_or_default(),
            &self.body,
        ];
        rest.into_iter()
            .filter(|part| !part.is_empty())
            .fold(line, |text, part| format!("{text} | {part}"))
    }
}

/// What a server must know to accept the service's tokens.
#[derive(Clone, Debug)]
pub struct TokenAuth {
    /// URL of the service.
    pub realm: String,
    /// What the server calls itself.
    pub service: String,
    /// Who issues the tokens.
    pub issuer: String,
    /// File with the certificates that tokens must chain to, PEM.
    pub bundle: PathBuf,
    signer: Arc<Signer>,
}

impl TokenAuth {
    /// A token for a repository, as the service would give it to somebody who may do all of `actions` (`pull,push`).
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self, repository: &str, actions: &str) -> anyhow::Result<String> {
        let actions: Vec<&str> = actions.split(',').collect();
        let access = json!([{"type": "repository", "name": repository, "actions": actions}]);
        self.signer.token("test", &self.service, &access, LIFETIME)
    }

    /// The options `auth.token` of a registry and `auth.options` of a trust server.
    pub(super) fn options(&self) -> Value {
        json!({
            "realm": self.realm,
            "service": self.service,
            "issuer": self.issuer,
            "rootcertbundle": self.bundle,
        })
    }
}

/// A token service on a free port, over TLS for `localhost` or plain.
#[derive(Debug)]
pub struct TokenService {
    address: SocketAddr,
    state: Arc<State>,
    signer: Arc<Signer>,
    authority: Authority,
    folder: TempDir,
}

struct State {
    tls: Option<Arc<rustls::ServerConfig>>,
    signer: Arc<Signer>,
    stopped: AtomicBool,
    /// Announced in `expires_in`; `u64::MAX`: not announced.
    lifetime: AtomicU64,
    /// How many of the next tokens have run out when they are issued.
    stale: AtomicU64,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    accounts: BTreeMap<String, Account>,
    anonymous: Vec<Right>,
    fault: TokenFault,
    member: TokenMember,
    identity_tokens: bool,
    requests: Vec<TokenRequest>,
}

#[derive(Debug)]
struct Account {
    password: String,
    rights: Vec<Right>,
}

#[derive(Clone, Debug)]
struct Right {
    repository: String,
    actions: Vec<String>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl TokenService {
    /// Starts one over TLS.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_as(true)
    }

    /// Starts one on plain HTTP.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start_plain() -> anyhow::Result<Self> {
        Self::start_as(false)
    }

    fn start_as(tls: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new("token service test CA")?;
        file::write(&folder.path().join("bundle.crt"), authority.pem())?;
        let signer = Arc::new(Signer::new(&authority)?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            tls: tls
                .then(|| server_config(&authority.issue()?))
                .transpose()?,
            signer: Arc::clone(&signer),
            stopped: AtomicBool::new(false),
            lifetime: AtomicU64::new(LIFETIME),
            stale: AtomicU64::new(0),
            work: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // Clients may leave when they like; there is nobody to tell.
                thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Ok(Self {
            address,
            state,
            signer,
            authority,
            folder,
        })
    }

    /// An account. `rights` are repositories with actions (`("team/app", "pull,push")`): a repository `*` means every one, any other one also
    /// with a registry's name before it.
    #[must_use]
    pub fn user(self, name: &str, password: &str, rights: &[(&str, &str)]) -> Self {
        let account = Account {
            password: password.to_owned(),
            rights: read_rights(rights),
        };
        self.work().accounts.insert(name.to_owned(), account);
        self
    }

    /// What everybody may.
    #[must_use]
    pub fn anonymous(self, rights: &[(&str, &str)]) -> Self {
        self.work().anonymous = read_rights(rights);
        self
    }

    /// Gives identity tokens to those who ask for one (`offline_token=true`), as `docker login` does.
    #[must_use]
    pub fn with_identity_tokens(self) -> Self {
        self.work().identity_tokens = true;
        self
    }

    /// The identity token of an account.
    #[must_use]
    pub fn identity_token(&self, name: &str) -> String {
        format!("identity-of-{name}")
    }

    /// What goes wrong from now on.
    pub fn set(&self, fault: TokenFault) {
        self.work().fault = fault;
    }

    /// Where the token stands in the answer from now on.
    pub fn set_member(&self, member: TokenMember) {
        self.work().member = member;
    }

    /// How long tokens are good for from now on, in seconds; `None`: the answer does not say, and they last five minutes.
    pub fn set_lifetime(&self, seconds: Option<u64>) {
        let seconds = seconds.unwrap_or(u64::MAX);
        self.state.lifetime.store(seconds, Ordering::Relaxed);
    }

    /// The next `count` tokens have run out when they are issued, and the answer does not say so.
    pub fn issue_stale(&self, count: u64) {
        self.state.stale.store(count, Ordering::Relaxed);
    }

    /// The requests since the last call.
    pub fn take_requests(&self) -> Vec<TokenRequest> {
        std::mem::take(&mut self.work().requests)
    }

    /// Its URL, which servers name as realm.
    #[must_use]
    pub fn realm(&self) -> String {
        let scheme = if self.state.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://localhost:{}/token", self.address.port())
    }

    /// The certificate authority that clients of a service over TLS must trust, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// What a server that calls itself `service` must know.
    #[must_use]
    pub fn auth(&self, service: &str) -> TokenAuth {
        TokenAuth {
            realm: self.realm(),
            service: service.to_owned(),
            issuer: ISSUER.to_owned(),
            bundle: self.folder.path().join("bundle.crt"),
            signer: Arc::clone(&self.signer),
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.state.work()
    }
}

impl Drop for TokenService {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // Wakes the acceptor, which then sees that it is over.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl State {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_read_timeout(Some(TIME_LIMIT))?;
        stream.set_write_timeout(Some(TIME_LIMIT))?;
        stream.set_nodelay(true)?;
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
                while !self.stopped.load(Ordering::Relaxed) {
                    client.write_all(&chunk)?;
                }
                return Ok(());
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
        let lifetime = match self.lifetime.load(Ordering::Relaxed) {
            u64::MAX => None,
            seconds => Some(seconds),
        };
        let stale = self
            .stale
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok();
        let subject = user.clone().unwrap_or_default();
        let seconds = if stale {
            0
        } else {
            lifetime.unwrap_or(LIFETIME)
        };
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
        if let Some(lifetime) = lifetime {
            body["expires_in"] = json!(lifetime);
            body["issued_at"] = json!(rfc3339(now())?);
        }
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

fn read_rights(rights: &[(&str, &str)]) -> Vec<Right> {
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

#[expect(
    clippy::disallowed_methods,
    reason = "a test peer lives in real time, as its clients do"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn rfc3339(seconds: u64) -> anyhow::Result<String> {
    let moment = time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds)?)?;
    Ok(moment.format(&time::format_description::well_known::Rfc3339)?)
}

/// The key that tokens are signed with, and its certificate.
struct Signer {
    key: EcdsaKeyPair,
    certificate: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    fn new(authority: &Authority) -> anyhow::Result<Self> {
        let identity = authority.issue()?;
        let certificate = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes())
            .context("certificate")?;
        let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).context("key")?;
        Ok(Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_der())?,
            certificate: BASE64.encode(&certificate),
        })
    }

    /// A token that ends in `seconds`; with 0, it ended ten minutes ago, longer than servers overlook.
    fn token(
        &self,
        subject: &str,
        service: &str,
        access: &Value,
        seconds: u64,
    ) -> anyhow::Result<String> {
        static ISSUED: AtomicU64 = AtomicU64::new(0);
        let number = ISSUED.fetch_add(1, Ordering::Relaxed);
        let now = now();
        let end = if seconds == 0 {
            now - 600
        } else {
            now + seconds
        };
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [self.certificate]});
        let claims = json!({
            "iss": ISSUER,
            "sub": subject,
            "aud": service,
            "exp": end,
            "nbf": now - 1200,
            "iat": now,
            "jti": number.to_string(),
            "access": access,
        });
        let [header, claims] =
            [header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
        let text = format!("{header}.{claims}");
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes())?;
        Ok(format!(
            "{text}.{}",
            BASE64URL_NOPAD.encode(signature.as_ref())
        ))
    }
}
