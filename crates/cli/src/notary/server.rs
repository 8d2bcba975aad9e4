//! The trust server: its address, TLS, and the connections to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use signet_client::http::{ClientIdentity, TlsOptions, Verification};
use signet_client::{Access, Remote, RemoteOptions};
use signet_oci::challenge;
use signet_oci::token::{Asker, TokenClients};
use url::Url;

use super::context::Context;
use super::login::{NamedBy, NotaryLogin, NotaryLogins, host_of, name_for_login};
use crate::env;
use crate::texts::{notary as texts, os_error};
use crate::ui::report::Failure;

/// The server of Go's notary, when nothing names another.
const USUAL: &str = "https://notary-server:4443";

/// A trust server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    /// Its address.
    pub url: Url,
    /// The address as it was given, for messages: without user and password.
    pub given: String,
}

impl Server {
    pub(super) fn choose(context: &Context) -> Result<Self, Failure> {
        let given = match &context.globals.server {
            Some(given) => given,
            None => context.config()?.server.as_deref().unwrap_or(USUAL),
        };
        Self::parse(given)
    }

    /// A server by its address.
    ///
    /// # Errors
    /// With Go's words when it is no address.
    pub fn parse(given: &str) -> Result<Self, Failure> {
        let address = given;
        let given = &*without_user(given);
        let Some((scheme, _)) = given.split_once("://") else {
            let first = given.split('/').next().unwrap_or(given);
            let is_scheme = first.starts_with(|letter: char| letter.is_ascii_alphabetic());
            return Err(Failure::new(if first.contains(':') && !is_scheme {
                texts::server_colon(given)
            } else {
                texts::server_form(given)
            }));
        };
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(Failure::new(texts::server_form(given)));
        }
        let url = Url::parse(address)
            .map_err(|error| Failure::new(texts::server_malformed(given, &error.to_string())))?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user && !challenge::is_private(&url) {
            return Err(Failure::new(texts::server_without_tls(given)));
        }
        Ok(Self {
            url,
            given: without_user(given),
        })
    }
}

impl Server {
    /// Whether it is the one that Go's notary has built in, which nobody has named.
    pub(super) fn is_usual(&self) -> bool {
        self.given == USUAL
    }

    /// Its host and port.
    pub(super) fn host(&self) -> String {
        host_of(&self.url)
    }

    /// What `docker login` is told, so that the login is used for it.
    pub(super) fn login_name(&self) -> String {
        name_for_login(&self.url)
    }
}

/// An address without the user and password in it, as it may be printed. It need not be one.
pub(super) fn without_user(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, address),
    };
    // In what is no address, a password may hold what would end the host of one.
    let end = if Url::parse(address).is_ok_and(|url| url.has_host()) {
        rest.find(['/', '?', '#'])
    } else {
        None
    };
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    match scheme {
        Some(scheme) => format!("{scheme}://{host}{path}"),
        None => format!("{host}{path}"),
    }
}

/// The servers of one command.
#[derive(Default)]
pub(super) struct Remotes(Mutex<BTreeMap<Purpose, Arc<Remote>>>);

/// What a connection is for: the address, the access, and who named the repositories.
type Purpose = (String, &'static str, NamedBy);

impl std::fmt::Debug for Remotes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remotes").finish_non_exhaustive()
    }
}

impl Remotes {
    pub(super) fn get(
        &self,
        context: &Context,
        server: &Server,
        access: Access,
        named_by: NamedBy,
        logins: &Arc<NotaryLogins>,
    ) -> Result<Arc<Remote>, Failure> {
        let key = (server.url.to_string(), access.actions(), named_by.clone());
        let mut remotes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remote) = remotes.get(&key) {
            return Ok(Arc::clone(remote));
        }
        let options = options(context, server, access, named_by, logins)?;
        let remote = Remote::new(options).map_err(|error| {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            Failure::new(texts::tls_unusable(&text))
        })?;
        let remote = Arc::new(remote);
        remotes.insert(key, Arc::clone(&remote));
        Ok(remote)
    }
}

/// The way to a server.
pub(super) fn options(
    context: &Context,
    server: &Server,
    access: Access,
    named_by: NamedBy,
    logins: &Arc<NotaryLogins>,
) -> Result<RemoteOptions, Failure> {
    let tls = tls_options(context, &server.url)?;
    let mut options = RemoteOptions::new(server.url.clone(), user_agent());
    let asker = Asker::new(server.url.clone(), token_clients(&tls));
    options.tls = tls;
    options.access = access;
    options.authorizer = Some(Arc::new(NotaryLogin::new(
        Arc::clone(logins),
        server.url.clone(),
        named_by,
        asker,
    )));
    Ok(options)
}

/// Flags go before the configuration. A configured authority is the only one.
fn tls_options(context: &Context, server: &Url) -> Result<TlsOptions, Failure> {
    let config = context.config()?;
    let globals = &context.globals;
    let mut options = TlsOptions::default();
    if let Some(path) = globals.tls_ca.as_ref().or(config.root_ca.as_ref()) {
        let path = absolute(path)?;
        let shown = path.to_string_lossy();
        let pem = read_pem(&path)
            .map_err(|error| Failure::new(texts::tls_ca_unreadable(&shown, &os_error(&error))))?;
        if signet_tuf::certificate::parse_pem_certificates(&pem).is_none_or(|all| all.is_empty()) {
            return Err(Failure::new(texts::tls_ca_empty(&shown)));
        }
        options.extra_roots_pem = pem;
        options.verification = Verification::ExtraRootsOnly;
    }
    if config.skips_verification(server)? {
        options.verification = Verification::SkipForLoopback;
    }
    let certificate = globals.tls_cert.as_ref().or(config.tls_cert.as_ref());
    let key = globals.tls_key.as_ref().or(config.tls_key.as_ref());
    match (certificate, key) {
        (None, None) => {}
        (Some(certificate), Some(key)) => {
            let read = |path: &Path| {
                let path = absolute(path)?;
                read_pem(&path).map_err(|error| {
                    let shown = path.to_string_lossy();
                    Failure::new(texts::tls_pair_unreadable(&shown, &os_error(&error)))
                })
            };
            options.identities.push(ClientIdentity {
                certificates_pem: read(certificate)?,
                key_pem: read(key)?.into(),
            });
        }
        _ => return Err(Failure::new(texts::TLS_PAIR)),
    }
    Ok(options)
}

/// A file of certificates or a key. It may be a pipe; what goes on for ever is refused as too large.
fn read_pem(path: &Path) -> io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    let read = File::open(path)?.take(MAX_PEM + 1).read_to_end(&mut pem)?;
    if read as u64 > MAX_PEM {
        return Err(rustix::io::Errno::FBIG.into());
    }
    Ok(pem)
}

/// Far more than the authorities of a system.
const MAX_PEM: u64 = 4 << 20;

/// Messages name files as Go does, by their whole path.
fn absolute(path: &Path) -> Result<std::path::PathBuf, Failure> {
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let folder = env::current_dir().map_err(|error| Failure::new(os_error(&error)))?;
    Ok(folder.join(path.strip_prefix("./").unwrap_or(path)))
}

/// Token servers are spoken to as the server that asked for the token is.
fn token_clients(tls: &TlsOptions) -> TokenClients {
    let tls = tls.clone();
    TokenClients::new(move |realm| {
        signet_client::http::client(realm, &tls, &user_agent()).map_err(Into::into)
    })
}

/// What servers see in their logs.
fn user_agent() -> String {
    format!(
        "notary ({}) signet/{}",
        std::env::consts::OS,
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_for_ever_is_no_certificate() {
        let error = read_pem(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(os_error(&error), "file too large");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        signet_testkit::file::write(&path, "-----BEGIN").unwrap();
        assert_eq!(read_pem(&path).unwrap(), b"-----BEGIN");
    }

    #[test]
    fn passwords_in_addresses_are_neither_printed_nor_sent_in_clear() {
        let shown = |given: &str| match Server::parse(given) {
            Ok(server) => server.given,
            Err(failure) => failure.text().to_owned(),
        };
        assert_eq!(shown("https://me:topsecret@h:1/sub"), "https://h:1/sub");
        assert_eq!(shown("http://me:topsecret@127.0.0.1"), "http://127.0.0.1");
        for wrong in [
            "http://me:topsecret@h",
            "http://me@h",
            "ftp://me:topsecret@h",
            "me:topsecret@h",
            "https://me:topsecret@h:x",
            "https://me:top@secret@[",
            "https://me:topsecret/@h",
            "https://me:top/secret@h",
            "me:top/secret@h",
        ] {
            assert!(Server::parse(wrong).is_err(), "{wrong}");
            assert!(!shown(wrong).contains("secret"), "{}", shown(wrong));
        }
        assert!(Server::parse("http://h").is_ok());
    }

    /// Case 37 of the specification.
    #[test]
    fn addresses_are_refused_in_gos_words() {
        for (given, text) in [
            (
                "127.0.0.1:4443",
                "Could not parse remote trust server url (127.0.0.1:4443): parse \"127.0.0.1:4443\": first path segment in URL cannot contain colon",
            ),
            (
                "localhost",
                "Trust server url has to be in the form of http(s)://URL:PORT. Got: localhost",
            ),
            (
                "ftp://h",
                "Trust server url has to be in the form of http(s)://URL:PORT. Got: ftp://h",
            ),
        ] {
            assert_eq!(Server::parse(given).unwrap_err().text(), text);
        }
        for (given, said) in [
            ("https://h:1/sub", "https://h:1/sub"),
            ("https://me:pass@h:1/a@b", "https://h:1/a@b"),
            ("https://me:pa@ss@h?x@y", "https://h?x@y"),
        ] {
            assert_eq!(Server::parse(given).unwrap().given, said);
        }
        assert_eq!(
            Server::parse("HTTPS://h:1/sub").unwrap().url.as_str(),
            "https://h:1/sub"
        );
    }
}
