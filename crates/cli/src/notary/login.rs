//! How the trust server is answered when it asks who it is.
//!
//! A read begins as nobody. The logins that follow, each when the one before it is not enough: `NOTARY_AUTH`, and where that is set no other;
//! else docker's login for the registry that a repository is named after, where the server belongs to it or the user says so; docker's login
//! for the server itself; the one that the person gives, who is asked once per command and server.

mod ask;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use http::header::HeaderValue;
use percent_encoding::{percent_decode_str, percent_encode_byte};
use secrecy::{ExposeSecret as _, SecretString};
use signet_client::{Access, AuthorizationError, Authorizer, Challenge, ErrorKind, Next};
use signet_oci::challenge::{AnswerError, is_private};
use signet_oci::token::{Asker, TokenError};
use signet_oci::{Credentials, Reference, base64};
use signet_tuf::Gun;
use url::Url;

use ask::Person;

use super::context::Context;
use crate::env::Environment;
use crate::login::{Login, Logins, TrustLogin};
use crate::texts::{is_printable, notary as texts};
use crate::ui::printer::Printer;
use crate::ui::prompt::Terminal;
use crate::ui::report::Failure;

/// The trust server of Docker Hub, for which docker uses the login of Docker Hub.
const HUBS_SERVER: &str = "notary.docker.io";

/// Which stored logins a server may see because of a repository's name.
///
/// A login is for the server with which docker pairs it. A name alone chooses none: any server may have a repository that is called
/// `docker.io/library/alpine`, and would get the password of Docker Hub.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::notary) struct NamedBy {
    /// Whether the server or an archive wrote the names, and not the user.
    others: bool,
    /// The registries of `--login-for`, by docker's keys for credentials.
    logins_for: BTreeSet<String>,
}

impl NamedBy {
    /// Names of the user, with the registries of `--login-for`.
    ///
    /// # Errors
    /// When one of them is no registry.
    pub(super) fn user(registries: &[&str]) -> Result<Self, Failure> {
        let key = |registry: &&str| -> Result<String, Failure> {
            let reference = of_registry(registry);
            let reference =
                reference.ok_or_else(|| Failure::new(texts::login_for_form(registry)))?;
            Ok(reference.credentials_key().to_owned())
        };
        let logins_for = registries.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self {
            others: false,
            logins_for,
        })
    }

    /// Names that are not the user's, with the registries of `--login-for`.
    ///
    /// # Errors
    /// When one of them is no registry.
    pub(super) fn others(registries: &[&str]) -> Result<Self, Failure> {
        Ok(Self {
            others: true,
            ..Self::user(registries)?
        })
    }

    /// Whether `server` may see the login for a registry because of a repository's name.
    fn shows(&self, registry: &Reference, server: &Url) -> bool {
        self.logins_for.contains(registry.credentials_key())
            || (!self.others && are_paired(registry, server))
    }
}

/// The logins of one command.
#[derive(Debug)]
pub(super) struct NotaryLogins {
    auth: Option<SecretString>,
    env: Environment,
    config_dir: Option<PathBuf>,
    printer: Printer,
    nobody: Arc<Login>,
    given: OnceLock<Option<Arc<Login>>>,
    dockers: Logins,
    /// `None` where nobody is to be asked.
    terminal: Option<Arc<Terminal>>,
    /// What was typed for a server is not shown to another.
    asked: Mutex<BTreeMap<String, Arc<Login>>>,
}

/// The logins that a request may be sent with, one after the other. The first is nobody's.
struct Chain {
    /// What shares the state: how far the chain was gone.
    name: String,
    logins: Vec<Arc<Login>>,
}

impl NotaryLogins {
    pub(super) fn new(context: &Context) -> Self {
        let env = &context.env;
        let config_dir = env
            .docker_config
            .clone()
            .or_else(|| env.home.as_ref().map(|home| home.join(".docker")));
        Self {
            auth: env.notary.auth.clone(),
            env: Environment {
                auth_config: env.auth_config.clone(),
                path: env.path.clone(),
                ..Environment::default()
            },
            config_dir,
            printer: context.printer.clone(),
            nobody: Arc::new(Login::known(Credentials::anonymous())),
            given: OnceLock::new(),
            dockers: Logins::default(),
            terminal: Some(Arc::clone(&context.terminal)),
            asked: Mutex::default(),
        }
    }

    /// The logins that are known without asking anybody.
    pub(super) fn silent(context: &Context) -> Self {
        Self {
            terminal: None,
            ..Self::new(context)
        }
    }

    /// Whether there is one for a repository.
    pub(super) async fn has_one(&self, gun: &Gun, server: &Url) -> bool {
        self.of(gun, server, &NamedBy::default())
            .next(0)
            .await
            .is_some()
    }

    /// What is wrong with `NOTARY_AUTH`.
    pub(super) fn problem(&self) -> Option<&'static str> {
        decode(self.auth.as_ref()?).err()
    }

    /// The logins for a repository. Nothing is read yet.
    fn of(&self, gun: &Gun, server: &Url, named_by: &NamedBy) -> Chain {
        let registry = registry_of(gun).filter(|registry| named_by.shows(registry, server));
        self.chain(registry.into_iter().chain(registry_at(server)), server)
    }

    /// The logins for what concerns no single repository: docker's for the server itself.
    fn of_server(&self, server: &Url) -> Chain {
        self.chain(registry_at(server), server)
    }

    fn chain(&self, registries: impl IntoIterator<Item = Reference>, server: &Url) -> Chain {
        let mut chain = Chain {
            name: String::new(),
            logins: vec![Arc::clone(&self.nobody)],
        };
        if let Some(given) = self.given() {
            chain.logins.push(Arc::clone(given));
            return chain;
        }
        if let Some(config_dir) = &self.config_dir {
            let mut keys = BTreeSet::new();
            for reference in registries {
                let key = reference.credentials_key();
                if keys.insert(key.to_owned()) {
                    chain.name.push_str(key);
                    chain.name.push(' ');
                    chain.logins.push(self.dockers.of(&reference, || {
                        let place = config_dir.clone();
                        Login::of_registry(&self.env, place, &reference, &self.printer)
                    }));
                }
            }
        }
        // Nobody types a password that is not going to be sent.
        if let Some(terminal) = self.terminal.as_ref().filter(|_| is_private(server)) {
            chain.logins.push(self.asked(terminal, server));
        }
        chain
    }

    /// The login that the person gives for a server.
    fn asked(&self, terminal: &Arc<Terminal>, server: &Url) -> Arc<Login> {
        let host = host_of(server);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let login = asked.entry(format!("{}://{host}", server.scheme()));
        Arc::clone(login.or_insert_with(|| {
            let person = Person::new(terminal, &self.printer, host);
            Arc::new(Login::asked(person))
        }))
    }

    /// The login of `NOTARY_AUTH`.
    fn given(&self) -> Option<&Arc<Login>> {
        let read = || {
            let auth = self.auth.as_ref()?;
            // What is wrong with the variable has been said; it still means that no other login is wanted.
            let credentials = decode(auth).unwrap_or_else(|problem| {
                tracing::error!("{problem}");
                Credentials::anonymous()
            });
            Some(Arc::new(Login::known(credentials)))
        };
        self.given.get_or_init(read).as_ref()
    }
}

impl Chain {
    /// The place of the next login after `at` that is somebody's.
    async fn next(&self, at: usize) -> Option<usize> {
        for (place, login) in self.logins.iter().enumerate().skip(at + 1) {
            if !login.credentials().await.is_anonymous() {
                return Some(place);
            }
        }
        None
    }

    /// The place of the login that this header is from; `None` when that is not known any more.
    async fn origin(&self, header: &HeaderValue) -> Option<usize> {
        for (place, login) in self.logins.iter().enumerate() {
            let basic = || async { login.credentials().await.basic_header() };
            if login.tokens().holds(header).await
                || (header.as_bytes().starts_with(b"Basic ")
                    && basic().await.as_ref() == Some(header))
            {
                return Some(place);
            }
        }
        None
    }

    fn get(&self, at: usize) -> Arc<Login> {
        self.logins.get(at).map_or_else(
            || Arc::new(Login::known(Credentials::anonymous())),
            Arc::clone,
        )
    }
}

/// The image that a repository is named after. A name that does not begin with a registry is nobody's image: docker would take it for one of
/// Docker Hub, whose login is no business of the server that has the repository.
fn registry_of(gun: &Gun) -> Option<Reference> {
    let reference: Reference = gun.as_str().parse().ok()?;
    (reference.gun() == gun.as_str()).then_some(reference)
}

/// Whether docker sends the login for a registry to this server of its own accord: to the host of the registry, whatever its port, and that of
/// Docker Hub to its trust server.
fn are_paired(registry: &Reference, server: &Url) -> bool {
    if is_hubs(server) {
        return registry.is_official();
    }
    let address = Url::parse(&format!("https://{}", registry.domain()));
    let host = address.ok();
    let host = host.as_ref().and_then(Url::host_str);
    host.is_some() && host == server.host_str()
}

fn is_hubs(server: &Url) -> bool {
    server.scheme() == "https" && server.port().is_none() && server.host_str() == Some(HUBS_SERVER)
}

/// The registry as which docker knows the server itself.
fn registry_at(server: &Url) -> Option<Reference> {
    if is_hubs(server) {
        return of_registry("docker.io");
    }
    server.host_str()?;
    of_registry(&host_of(server))
}

/// Host and port of a server.
pub(super) fn host_of(server: &Url) -> String {
    let host = server.host_str().unwrap_or_default();
    match server.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// What `docker login` is told, so that the login is used for a server.
pub(super) fn name_for_login(server: &Url) -> String {
    if is_hubs(server) {
        "docker.io".to_owned()
    } else {
        host_of(server)
    }
}

/// A registry by its name. Logins are kept by the registries of images; any image will do.
fn of_registry(name: &str) -> Option<Reference> {
    let reference: Reference = format!("{name}/library/image").parse().ok()?;
    let is_hub = reference.is_official() && matches!(name, "docker.io" | "index.docker.io");
    (is_hub || (reference.domain() == name && !reference.is_official())).then_some(reference)
}

/// Base64 of `user:password`, with Go's words for what is wrong.
fn decode(auth: &SecretString) -> Result<Credentials, &'static str> {
    let bytes =
        base64::decode(auth.expose_secret().as_bytes()).map_err(|_| texts::AUTH_NOT_BASE64)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| texts::AUTH_FORM)?;
    let (user, password) = text.split_once(':').ok_or(texts::AUTH_FORM)?;
    if user.is_empty() {
        return Err(texts::AUTH_NO_USER);
    }
    Ok(Credentials::password(
        user,
        SecretString::from(password.trim()),
    ))
}

/// The logins as one trust server is shown them.
#[derive(Debug)]
pub(super) struct NotaryLogin {
    logins: Arc<NotaryLogins>,
    server: Url,
    named_by: NamedBy,
    asker: Asker,
    /// How far each chain was gone: what was not enough once is not tried again.
    reached: Mutex<BTreeMap<String, usize>>,
}

impl NotaryLogin {
    pub(super) fn new(
        logins: Arc<NotaryLogins>,
        server: Url,
        named_by: NamedBy,
        asker: Asker,
    ) -> Self {
        Self {
            logins,
            server,
            named_by,
            asker,
            reached: Mutex::default(),
        }
    }

    fn reached(&self, chain: &Chain) -> Option<usize> {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.get(&chain.name).copied()
    }

    fn reach(&self, chain: &Chain, at: usize) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let place = reached.entry(chain.name.clone()).or_default();
        *place = at.max(*place);
    }

    /// The header of the first login from where the chain was gone to that is not refused by the token server, or lacks what the server asks for.
    async fn header(
        &self,
        chain: &Chain,
        first: First,
        challenges: &[Challenge],
        scope: &str,
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        let mut at = match (self.reached(chain), first) {
            (Some(at), _) if at > 0 => at,
            (_, First::Nobody) => 0,
            (_, First::Somebody) => chain.next(0).await.unwrap_or(0),
        };
        loop {
            self.reach(chain, at);
            let login = TrustLogin::new(chain.get(at), self.asker.clone());
            let error = match login.header(challenges, scope).await {
                Ok(header) => return Ok(header),
                Err(error) if error.kind == ErrorKind::Refused || lacks_password(&error) => error,
                Err(error) => return Err(readable(error)),
            };
            match chain.next(at).await {
                Some(next) => at = next,
                None => return Err(self.explained(error)),
            }
        }
    }

    /// Without a password a server lets nobody in: that is its refusal, or ours to send one.
    fn explained(&self, error: AuthorizationError) -> AuthorizationError {
        if !lacks_password(&error) {
            return error;
        }
        if is_private(&self.server) {
            return AuthorizationError {
                kind: ErrorKind::Refused,
                ..error
            };
        }
        AuthorizationError {
            source: Box::new(AnswerError::WithoutTls {
                host: self.server.host_str().unwrap_or_default().to_owned(),
            }),
            ..error
        }
    }

    /// The header for a server that asks for none. A variable that cannot be read is told of all the same.
    fn unasked(&self) -> Option<HeaderValue> {
        self.logins.given();
        None
    }

    fn chain_of(&self, gun: Option<&Gun>) -> Chain {
        match gun {
            Some(gun) => self.logins.of(gun, &self.server, &self.named_by),
            None => self.logins.of_server(&self.server),
        }
    }
}

/// Who begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum First {
    Nobody,
    Somebody,
}

/// compat: Go's notary shows the address of a token service that cannot be reached without its escapes.
fn readable(error: AuthorizationError) -> AuthorizationError {
    let source = match error.source.downcast::<AnswerError>() {
        Ok(source) => source,
        Err(source) => return AuthorizationError { source, ..error },
    };
    let source = match *source {
        AnswerError::Token(TokenError::Unreachable { request, reason }) => {
            let request = without_escapes(&request);
            AnswerError::Token(TokenError::Unreachable { request, reason })
        }
        other => other,
    };
    AuthorizationError {
        source: Box::new(source),
        ..error
    }
}

/// Undoes the percent escapes of what can be shown as it is. The others stay: a server chose the address, and must write no lines of its own.
fn without_escapes(address: &str) -> String {
    let mut shown = String::with_capacity(address.len());
    let mut rest = address;
    while let Some((before, _)) = rest.split_once('%') {
        shown.push_str(before);
        rest = &rest[before.len()..];
        let escapes = rest.as_bytes().chunks_exact(3).take_while(|escape| {
            matches!(escape, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
        });
        let (escaped, after) = rest.split_at(escapes.count() * 3);
        let Some(after_percent) = rest.strip_prefix('%').filter(|_| escaped.is_empty()) else {
            push_decoded(&mut shown, escaped);
            rest = after;
            continue;
        };
        shown.push('%');
        rest = after_percent;
    }
    shown.push_str(rest);
    shown
}

/// Adds a row of percent escapes, those of letters that can be shown as these.
fn push_decoded(shown: &mut String, escaped: &str) {
    let bytes: Vec<u8> = percent_decode_str(escaped).collect();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if is_printable(letter) && !matches!(letter, '"' | '\\' | '%') {
                shown.push(letter);
            } else {
                escape(shown, letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        escape(shown, chunk.invalid());
    }
}

fn escape(shown: &mut String, bytes: &[u8]) {
    shown.extend(bytes.iter().map(|byte| percent_encode_byte(*byte)));
}

fn lacks_password(error: &AuthorizationError) -> bool {
    matches!(
        error.source.downcast_ref(),
        Some(AnswerError::NoBasicCredentials)
    )
}

#[async_trait]
impl Authorizer for NotaryLogin {
    async fn authorize(
        &self,
        gun: &Gun,
        access: Access,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        let (first, access) = match access {
            Access::Pull => (First::Nobody, access),
            // Go's notary has one name for what docker asks for in two.
            Access::PullPush => (First::Somebody, Access::PushPull),
            _ => (First::Somebody, access),
        };
        if challenges.is_empty() {
            return Ok(self.unasked());
        }
        let scope = format!("repository:{gun}:{}", access.actions());
        self.header(&self.chain_of(Some(gun)), first, challenges, &scope)
            .await
    }

    async fn authorize_catalog(
        &self,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        if challenges.is_empty() {
            return Ok(self.unasked());
        }
        let scope = "registry:catalog:*";
        self.header(&self.chain_of(None), First::Nobody, challenges, scope)
            .await
    }

    async fn refused(
        &self,
        gun: Option<&Gun>,
        header: &HeaderValue,
        challenges: &[Challenge],
    ) -> Next {
        let chain = self.chain_of(gun);
        let reached = self.reached(&chain).unwrap_or(0);
        let at = chain.origin(header).await.unwrap_or(reached);
        if at < reached {
            return Next::OtherLogin;
        }
        let login = TrustLogin::new(chain.get(at), self.asker.clone());
        if at > 0 && login.refused(gun, header, challenges).await == Next::NewToken {
            return Next::NewToken;
        }
        match chain.next(at).await {
            Some(next) => {
                self.reach(&chain, next);
                Next::OtherLogin
            }
            None => login.refused(gun, header, challenges).await,
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    /// Case 57 of the specification.
    #[test]
    fn the_variable_is_refused_in_gos_words() {
        let problem = |text: &str| decode(&SecretString::from(text)).unwrap_err();
        assert_eq!(
            problem("!!!"),
            "Could not base64-decode authentication string"
        );
        assert_eq!(
            problem("bm9jb2xvbg=="),
            "Malformatted authentication string; format must be <username>:<password>"
        );
        assert_eq!(
            problem("OnB3"),
            "Authentication string with zero-length username"
        );
        let credentials = decode(&SecretString::from("YWRtaW46IHM6dCA=")).unwrap();
        let (user, password) = credentials.basic().unwrap();
        assert_eq!((user, password.expose_secret()), ("admin", "s:t"));
    }

    #[test]
    fn a_token_servers_address_writes_no_lines_of_its_own() {
        for (address, shown) in [
            (
                "Get \"https://h/t?scope=repository%3Aexample.com%2Fapp%3Apull\"",
                "Get \"https://h/t?scope=repository:example.com/app:pull\"",
            ),
            ("https://h/%0A%1b%22x", "https://h/%0A%1B%22x"),
            ("%e2%80%ae%c3%a9%ff%5C", "%E2%80%AEé%FF%5C"),
            ("100%,%2%zz%2", "100%,%2%zz%2"),
            ("%2541%é", "%2541%é"),
        ] {
            assert_eq!(without_escapes(address), shown);
        }
    }

    #[test]
    fn a_name_shows_a_login_to_the_servers_of_its_registry_alone() {
        let shows = |named_by: &NamedBy, gun: &str, server: &str| {
            let registry = registry_of(&gun.parse().unwrap()).unwrap();
            named_by.shows(&registry, &server.parse().unwrap())
        };
        let (user, others) = (NamedBy::default(), NamedBy::others(&[]).unwrap());
        let hub = "docker.io/library/alpine";
        let own = "registry.example.com:5000/a";
        for (gun, server, expected) in [
            (hub, "https://notary.docker.io", true),
            (hub, "https://notary.docker.io:444", false),
            (hub, "http://notary.docker.io", false),
            (hub, "https://notary.example.com", false),
            (hub, "http://127.0.0.1:4443", false),
            (own, "https://notary.docker.io", false),
            (own, "https://registry.example.com", true),
            (own, "https://REGISTRY.example.com:4443/sub", true),
            (own, "https://example.com:5000", false),
            (own, "https://notary.registry.example.com", false),
            ("127.0.0.1:5000/a", "http://127.0.0.1:4443", true),
        ] {
            assert_eq!(shows(&user, gun, server), expected, "{gun} {server}");
            assert!(!shows(&others, gun, server), "{gun} {server}");
        }
        for named_by in [
            NamedBy::user(&["docker.io"]).unwrap(),
            NamedBy::others(&["docker.io"]).unwrap(),
        ] {
            assert!(shows(&named_by, hub, "https://notary.example.com"));
            assert!(!shows(&named_by, own, "https://notary.example.com"));
        }
    }

    /// A login goes to no server that only happens to have a repository of that name.
    #[test]
    fn only_names_of_registries_have_logins() {
        let key = |gun: &str| {
            registry_of(&gun.parse().unwrap()).map(|found| found.credentials_key().to_owned())
        };
        assert_eq!(
            key("docker.io/library/alpine").as_deref(),
            Some("https://index.docker.io/v1/")
        );
        assert_eq!(
            key("registry.example.com:5000/a/b").as_deref(),
            Some("registry.example.com:5000")
        );
        assert_eq!(key("team/app"), None);
        assert_eq!(key("alpine"), None);
        assert_eq!(key("Team/App"), None);
    }

    #[test]
    fn a_servers_own_login_is_that_of_its_address() {
        let key = |server: &str| {
            registry_at(&server.parse().unwrap()).map(|found| found.credentials_key().to_owned())
        };
        assert_eq!(
            key("https://notary.docker.io").as_deref(),
            Some("https://index.docker.io/v1/")
        );
        for (server, expected) in [
            ("https://notary.example.com", "notary.example.com"),
            ("https://notary.example.com:4443", "notary.example.com:4443"),
            ("http://127.0.0.1:4443/sub", "127.0.0.1:4443"),
            ("http://notary.docker.io", "notary.docker.io"),
            ("https://notary.docker.io:444", "notary.docker.io:444"),
        ] {
            assert_eq!(key(server).as_deref(), Some(expected), "{server}");
        }
        assert_eq!(key("https://notary-server"), None);
        for wrong in ["", "ghcr", "https://ghcr.io", "ghcr.io/team", "ghcr.io/"] {
            assert!(NamedBy::others(&[wrong]).is_err(), "{wrong}");
        }
    }
}
